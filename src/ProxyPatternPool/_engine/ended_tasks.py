"""Warns, once, that callers wait though no task that goes on has an object, and says what becomes of the objects."""

import math
from typing import Generic, NamedTuple, TypeVar

from .._ledger.sweeps import read_loan
from .._runtime.owner import Owner, in_words
from .._runtime.task_owner import TaskOwner
from .situation import Situation
from .waits import Waits

T = TypeVar("T")

LONG = 1.0
"""Seconds for which each object has to be where it is: a shorter time is nothing to be told of."""


class _Since(NamedTuple):
    """Since when an object is where it is, and who has it, or had it last."""

    time: float
    owner: Owner | None


class EndedTasksCheck(Generic[T]):
    """Checks whether each object of a pool for tasks is being given back, or is lent to a task that has ended.

    Neither can be seen in what the tasks of the application do.
    """

    def __init__(self, situation: Situation[T]) -> None:
        self._situation = situation
        self._warned = False
        self._next_check = -math.inf

    def check(self, waits: Waits[T]) -> None:
        """Have a warning logged if it is so. Called for a caller that waits, in the event loop, with no lock held."""
        now = waits.clock()
        if self._warned or now < self._next_check:
            return
        self._next_check = now + LONG
        counts = self._situation.count()
        if counts.idle or counts.creating or counts.checking:
            return
        lent: list[_Since] = []
        returning: list[_Since] = []
        # Without the lock: loans begin in the event loop only, and so not meanwhile. Other threads may end some.
        for entry in waits.ledger.places.entries():
            loan = read_loan(waits.ledger, entry)
            if loan is None:
                returning.append(_Since(entry.last_ret, entry.owner))
            elif isinstance(loan.owner, TaskOwner) and loan.owner.ended:
                lent.append(_Since(loan.since, loan.owner))
            else:
                return
        times = [since.time for since in (*lent, *returning)]
        # If the numbers differ an entry is lost, and maintenance has not found it yet.
        if times and len(times) == counts.places and max(times) <= now - LONG:
            self._warned = True
            waits.warn(
                "%s: callers wait, and no task that goes on has any of the %d objects.%s%s This is said once",
                waits.label,
                counts.places,
                _say(
                    returning,
                    now,
                    "being given back (the longest for {:.3f} s, since {} has had it): "
                    "a retter or closer takes long, or hangs",
                ),
                _say(
                    lent,
                    now,
                    "lent to tasks that have ended (the longest for {:.3f} s, to {}): nobody gives it back before the "
                    "event loop ends; `async with pool.obj()` and leases do so when their task ends",
                ),
            )


def _say(found: list[_Since], now: float, what: str) -> str:
    """Say how many there are, and what is known of the one that has been so for longest."""
    if not found:
        return ""
    longest = min(found, key=lambda since: since.time)
    return f" {len(found)} {what.format(now - longest.time, in_words(longest.owner))}."
