"""A pool as the house keeper sees it, and what he knows about its chores while they wait."""

import weakref
from collections import deque
from collections.abc import Callable
from typing import Protocol

from .._sync.sleeper import Home


class Household(Protocol):
    """What the house keeper needs of a pool."""

    chores: deque[Callable[[], None]]
    """What may be done anywhere: closers, log lines."""
    home_chores: deque[Callable[[], None]]
    """What is done in the pool's home as long as that lives: health checks, creations."""
    home: Home | None

    def attend(self) -> float | None:
        """Queue the chores that are due; give the time of the next look, ``None`` to be left alone."""
        ...

    def run_chores(self, *, common: bool = True, home: bool = True) -> None:
        """Run what is queued, hooks included: what may be done anywhere, and ``home_chores``; raises nothing."""
        ...

    def say(self, level: int, message: str, *arguments: object, error: BaseException | None = None) -> None:
        """Have something logged by whoever does the chores."""
        ...

    def last_rites(self) -> list[Callable[[], None]]:
        """Close the pool at interpreter exit: the closers that are to be called."""
        ...

    def await_rest(self, seconds: float) -> None:
        """Wait until every place is free, for some seconds at most."""
        ...

    def after_fork(self) -> None:
        """Start anew in a child process."""
        ...


_steps: list[Callable[[], None]] = []


def at_end_of_job(step: Callable[[], None]) -> None:
    """Have something done in a thread of the crew after each job: an owner gives back when it ends, and it does not.

    The step must raise nothing.
    """
    _steps.append(step)


def end_job() -> None:
    """Do what is to be done after a job."""
    for step in _steps:
        step()


class Errand:
    """A greenlet on its way to do the chores of a pool in its hub."""

    __slots__ = ("__weakref__", "_household", "begun")

    def __init__(self, household: Household) -> None:
        self._household = household
        self.begun = False

    def __call__(self) -> None:
        self.begun = True
        self._household.run_chores()


class Wait:
    """How long the chore in front has been waited for."""

    __slots__ = ("_chore", "since", "tries")

    def __init__(self) -> None:
        self._chore: Callable[[], None] | None = None
        self.since = 0.0
        self.tries = 0  # how often somebody was sent for it before

    def too_long(self, chore: Callable[[], None] | None, now: float, patience: float) -> bool:
        """Whether somebody is to be sent for a chore: it has just come to the front, or not been taken up in time."""
        if chore is not self._chore:
            self._chore, self.tries = chore, 0
        elif now < self.since + patience:
            return False
        else:
            self.tries += 1
        self.since = now
        return chore is not None


class Vigil:
    """What the house keeper knows about the chores of one pool, as long as they wait in one home."""

    __slots__ = ("at_home", "away", "errand", "home")

    def __init__(self, home: Home | None) -> None:
        self.home = home
        self.away = Wait()
        self.at_home = Wait()
        self.errand: Callable[[], Errand | None] = lambda: None

    def send(self, household: Household, home: Home) -> bool:
        """Send a greenlet, unless one is on its way: more would change nothing. Say whether the home still exists.

        One that is killed before it has begun is on its way no more: it is referred to by the hub alone.
        """
        errand = self.errand()
        if errand is None or errand.begun:
            errand = Errand(household)
            self.errand = weakref.ref(errand)
            return home.spawn(errand)
        return True
