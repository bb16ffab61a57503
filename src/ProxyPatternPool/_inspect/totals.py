"""What has happened in a pool so far."""

from typing import NamedTuple, TypeVar
from weakref import ref

from .._engine.core import Core
from .._ledger.entry import Entry
from .._observer import DiscardReason

T = TypeVar("T")


class Loans(NamedTuple):
    """How many loans there have been, counted while the pool goes on."""

    number: int
    served: int
    """How many waits had ended with an object when that was begun: what these callers were lent is in the number."""


def count_loans(core: Core[T]) -> Loans:
    """Count all loans so far, each with its object: so this looks at all objects, and not with the pool's lock held."""
    served, past, places = core.guard.locked(_begin, core)
    uses = [entry.uses for place in places if (entry := place()) is not None]
    if len(uses) < len(places):  # some are gone meanwhile, and their loans counted with those of others that are gone
        return core.guard.locked(_count, core)
    return Loans(past + sum(uses), served)


def _begin(core: Core[T]) -> tuple[int, int, "list[ref[Entry[T]]]"]:
    places = core.ledger.places
    return _served(core), places.past_uses, places.references()


def _count(core: Core[T]) -> Loans:
    return Loans(core.ledger.places.nuses, _served(core))


def _served(core: Core[T]) -> int:
    return core.ledger.waiters.nwaits - core.ledger.ntimeouts


class Totals(NamedTuple):
    """What has happened in a pool so far.

    Apart from ``Counts``, which is the same work for any pool: loans are counted with each object, so to add them up is
    to look at all objects. An error message, of which a busy pool may write many, needs none of it.
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


def total(core: Core[T], loans: int | None = None) -> Totals:
    """Read what has happened in a pool so far, with its lock held.

    Args:
        core: Of which pool.
        loans: How many there were, counted just before; ``None``: they are counted now, all in one step with the rest.
    """
    ledger, places, tally = core.ledger, core.ledger.places, core.tally
    return Totals(
        loans=places.nuses if loans is None else loans,
        attempts=core.objects.attempts,
        creation_errors=core.objects.nerrors,
        created=places.ncreated,
        closed=places.ndestroys,
        discarded=dict(places.nretired_for),
        timeouts=ledger.ntimeouts,
        refusals=ledger.waiters.nrefused,
        waits=ledger.waiters.nwaits,
        wait_time=ledger.waiters.wait_time,
        max_wait=ledger.waiters.max_wait,
        round_checks=core.sweeps.nhealth,
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
