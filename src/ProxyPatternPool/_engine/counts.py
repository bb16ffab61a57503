"""The numbers of a pool, read in one place: whoever shows some of them takes them from here."""

from typing import NamedTuple, TypeVar

from .._observer import DiscardReason
from .core import Core

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


def count(core: Core[T]) -> Counts:
    """Read what the objects and callers of a pool do, with its lock held.

    It calls none of the user's code and waits for nothing. So those who must take no lock, in a signal handler for
    instance, call it without: then each number is right, but a change may come between two of them.
    """
    ledger, places = core.ledger, core.ledger.places
    return Counts(
        min_size=core.config.min_size,
        max_size=core.config.max_size,
        closed=ledger.closed,
        places=len(places),
        creating=places.ncreating,
        idle=ledger.nidle,
        in_use=len(ledger.using),
        checking=core.rounds.nchecking,
        closing=places.nretired,
        stale=places.nstale,
        waiting=len(ledger.waiters),
        retry_in=ledger.backoff.left(core.clock()),
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


class Totals(NamedTuple):
    """What has happened in a pool so far.

    Apart from ``Counts``, which is the same work for any pool: loans are counted with each object, so to add them up is
    to look at all objects, with the lock held. An error message, of which a busy pool may write many, needs none of it.
    """

    loans: int
    attempts: int
    """Creations that were begun."""
    creation_errors: int
    created: int
    closed: int
    """Objects that were."""
    discarded: dict[DiscardReason, int]
    """Objects that left the pool, by reason."""
    timeouts: int
    refusals: int
    waits: int
    """Waits in the queue that have ended."""
    wait_time: float
    """Seconds spent in these, all together."""
    max_wait: float
    """The longest of these."""
    round_checks: int
    """Health checks in maintenance rounds."""
    loan_checks: int
    """Health checks before loans."""
    failed_checks: int
    """Health checks that said no, or raised."""
    check_errors: int
    """Health checks that raised."""
    hook_errors: int
    """Hooks that raised, health checks aside."""
    observer_errors: int
    rounds: int
    """Maintenance rounds."""
    check_rounds: int
    """Maintenance rounds with health checks."""
    maintenance_errors: int
    maintenance_time: float
    """Seconds spent on maintenance, in the rounds and between them."""


def total(core: Core[T]) -> Totals:
    """Read what has happened in a pool so far, with its lock held."""
    ledger, places, tally = core.ledger, core.ledger.places, core.tally
    return Totals(
        loans=places.nuses,
        attempts=core.attempts,
        creation_errors=core.nerrors,
        created=places.ncreated,
        closed=places.ndestroys,
        discarded=dict(places.nretired_for),
        timeouts=ledger.ntimeouts,
        refusals=ledger.nrefused,
        waits=ledger.nwaits,
        wait_time=ledger.wait_time,
        max_wait=ledger.max_wait,
        round_checks=core.rounds.nhealth,
        loan_checks=int(tally["checks_before_get"]),
        failed_checks=int(tally["bad_health"]),
        check_errors=int(tally["hc_errors"]),
        hook_errors=int(tally["hook_errors"]),
        observer_errors=int(tally["observer_errors"]),
        rounds=int(tally["hk_rounds"]),
        check_rounds=int(tally["hc_rounds"]),
        maintenance_errors=int(tally["hk_errors"]),
        maintenance_time=tally["hk_time"],
    )
