"""A pool as the house keeper sees it, and what he knows about its chores while they wait."""

import weakref
from collections import deque
from collections.abc import Callable
from typing import Protocol

from .._runtime.waiting import Hub


class Maintained(Protocol):
    """What the house keeper needs of a pool."""

    chores: deque[Callable[[], None]]
    """What may be done anywhere: closers, log lines."""
    hub_chores: deque[Callable[[], None]]
    """What is done in the pool's home as long as that lives: health checks, creations."""
    hub: Hub | None

    def run_due(self) -> float | None:
        """Queue the chores that are due; give the time of the next look, ``None`` to be left alone."""
        ...

    def run_chores(self, *, common: bool = True, hub: bool = True) -> None:
        """Run what is queued, hooks included: what may be done anywhere, and ``home_chores``; raises nothing."""
        ...

    def log_later(self, level: int, message: str, *arguments: object, error: BaseException | None = None) -> None:
        """Have something logged by whoever does the chores."""
        ...

    def close_at_exit(self) -> list[Callable[[], None]]:
        """Close the pool at interpreter exit: the closers that are to be called."""
        ...

    def wait_until_empty(self, seconds: float) -> None:
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


class HubJob:
    """A greenlet on its way to do the chores of a pool in its hub."""

    __slots__ = ("__weakref__", "_household", "begun")

    def __init__(self, maintained: Maintained) -> None:
        self._household = maintained
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

    def should_dispatch(self, chore: Callable[[], None] | None, now: float, patience: float) -> bool:
        """Whether somebody is to be sent for a chore: it has just come to the front, or not been taken up in time."""
        if chore is not self._chore:
            self._chore, self.tries = chore, 0
        elif now < self.since + patience:
            return False
        else:
            self.tries += 1
        self.since = now
        return chore is not None


class DispatchState:
    """What the house keeper knows about the chores of one pool, as long as they wait in one home."""

    __slots__ = ("at_home", "away", "hub", "hub_job")

    def __init__(self, hub: Hub | None) -> None:
        self.hub = hub
        self.away = Wait()
        self.at_home = Wait()
        self.hub_job: Callable[[], HubJob | None] = lambda: None

    def send(self, maintained: Maintained, hub: Hub) -> bool:
        """Send a greenlet, unless one is on its way: more would change nothing. Say whether the home still exists.

        One that is killed before it has begun is on its way no more: it is referred to by the hub alone.
        """
        hub_job = self.hub_job()
        if hub_job is None or hub_job.begun:
            hub_job = HubJob(maintained)
            self.hub_job = weakref.ref(hub_job)
            return hub.spawn(hub_job)
        return True
