"""The numbers of a pool at one moment. Everything that shows some of them reads them here."""

from typing import NamedTuple, TypeVar

from .ledger import Ledger
from .sweeps import Sweeps

T = TypeVar("T")


class Counts(NamedTuple):
    """How many objects and callers of a pool do what, at one moment."""

    min_size: int
    max_size: int | None
    """``None``: unlimited."""
    closed: bool
    """Whether the pool is closed."""
    places: int
    """Places taken: by objects that are idle, in use, or being created, reset, checked or closed."""
    creating: int
    """Objects being created, the opener included."""
    idle: int
    in_use: int
    """Objects that are lent, including those being checked before their caller gets them."""
    checking: int
    """Objects being checked in a maintenance round."""
    closing: int
    """Objects being closed, or about to be."""
    stale: int
    """Objects from before the last ``drain``."""
    waiting: int
    """Callers in the queue."""
    retry_in: float
    """Seconds until an object may be created for a caller again after a failure; 0.0: now."""

    @property
    def in_upkeep(self) -> int:
        """Objects being reset, checked or closed: those neither idle, in use nor being created."""
        # At least 0: loans begin and end without the lock, so one may do so between the reads of two numbers.
        return max(0, self.places - self.in_use - self.idle - self.creating)

    @property
    def returning(self) -> int:
        """Objects being given back: their retter has not returned, or they are on their way to the next caller."""
        return max(0, self.in_upkeep - self.checking - self.closing)


def count(ledger: Ledger[T], sweeps: Sweeps[T], now: float) -> Counts:
    """Count what the objects and callers of a pool do, with its lock held.

    It calls no user code and waits for nothing. So it may also be called without the lock, in a signal handler for
    instance: then each number is right by itself, but a change may come between the reads of two numbers.
    """
    places = ledger.places
    return Counts(
        min_size=places.config.min_size,
        max_size=places.config.max_size,
        closed=ledger.closed,
        places=len(places),
        creating=places.ncreating,
        idle=ledger.shelves.nidle,
        in_use=len(ledger.shelves.using),
        checking=sweeps.nchecking,
        closing=places.nretired,
        stale=ledger.validity.nstale,
        waiting=len(ledger.waiters),
        retry_in=ledger.backoff.seconds_left(now),
    )


def describe(counts: Counts) -> str:
    """Say in an error message how many objects there are and what they do."""
    exist = counts.places - counts.creating
    elsewhere = "".join(
        f", {number} being {what}"
        for number, what in (
            (counts.returning, "given back"),
            (counts.checking, "checked"),
            (counts.closing, "closed"),
        )
        if number
    )
    pause = f", next attempt to create one in {counts.retry_in:.3f} s" if counts.retry_in else ""
    return (
        f"{exist} {'object exists' if exist == 1 else 'objects exist'} "
        f"({counts.idle} idle, {counts.in_use} lent{elsewhere}), "
        f"{counts.creating} being created, {counts.waiting} waiting{pause}"
    )
