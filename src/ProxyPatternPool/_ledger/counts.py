"""The numbers of a pool, read in one place: whoever shows some of them takes them from here."""

from typing import NamedTuple, TypeVar

from .ledger import Ledger
from .sweeps import Sweeps

T = TypeVar("T")


class Counts(NamedTuple):
    """What the objects and callers of a pool do at one moment."""

    min_size: int
    max_size: int | None
    """``None``: unlimited."""
    closed: bool
    """Whether the pool is."""
    places: int
    """Places taken, by objects that are idle, in use, or being created, reset, checked or closed."""
    creating: int
    """Objects being created, the opener included."""
    idle: int
    in_use: int
    """Objects that are lent, those included that are checked before their caller gets them."""
    checking: int
    """Objects being checked in a maintenance round."""
    closing: int
    stale: int
    """Objects from before the last ``drain``."""
    waiting: int
    """Callers in the queue."""
    retry_in: float
    """Seconds until something may be created for a caller again after a failure; 0.0: now."""

    @property
    def in_upkeep(self) -> int:
        """Objects that are neither idle, in use nor being created: those being reset, checked or closed."""
        # Not less than none: loans begin and end without the lock, also between the reads of these numbers.
        return max(0, self.places - self.in_use - self.idle - self.creating)


def count(ledger: Ledger[T], sweeps: Sweeps[T], now: float) -> Counts:
    """Read what the objects and callers of a pool do, with its lock held.

    It calls none of the user's code and waits for nothing. So those who must take no lock, in a signal handler for
    instance, call it without: then each number is right, but a change may come between two of them.
    """
    places = ledger.places
    return Counts(
        min_size=places.config.min_size,
        max_size=places.config.max_size,
        closed=ledger.closed,
        places=len(places),
        creating=places.ncreating,
        idle=ledger.nidle,
        in_use=len(ledger.using),
        checking=sweeps.nchecking,
        closing=places.nretired,
        stale=places.nstale,
        waiting=len(ledger.waiters),
        retry_in=ledger.backoff.left(now),
    )


def describe(counts: Counts) -> str:
    """Say how many objects there are, and what they do, for the message of an error."""
    exist = counts.places - counts.creating
    elsewhere = "".join(
        f", {number} being {what}"
        for number, what in ((counts.checking, "checked"), (counts.closing, "closed"))
        if number
    )
    pause = f", next attempt to create one in {counts.retry_in:.3f} s" if counts.retry_in else ""
    return (
        f"{exist} {'object exists' if exist == 1 else 'objects exist'} "
        f"({counts.idle} idle, {counts.in_use} lent{elsewhere}), "
        f"{counts.creating} being created, {counts.waiting} waiting{pause}"
    )
