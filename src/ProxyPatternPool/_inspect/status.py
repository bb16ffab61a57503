"""What a status page shows of a pool: numbers that cost next to nothing, and objects by the names they were given."""

from collections import deque
from dataclasses import dataclass
from heapq import nlargest, nsmallest
from operator import attrgetter, itemgetter
from typing import Literal, NamedTuple, TypeAlias, TypeVar

from .._config import PoolConfig
from .._engine.upkeep import Upkeep
from .._ledger import policy
from .._ledger.counters import Fault
from .._ledger.policy import Verdict
from .._ledger.sweeps import loan_of
from .._observer import DiscardReason
from .._runtime.owner import Owner
from .._runtime.races import snapshot
from .types import ENDS

T = TypeVar("T")


@dataclass(frozen=True)
class Standing:
    """How things stand in a pool, for gauges. No hook is called for it."""

    idle: int
    used: int
    checking: int
    creating: int
    closing: int
    waiting: int
    least: int
    most: int | None
    """``None``: unlimited."""
    closed: bool


def standing(core: Upkeep[T]) -> Standing:
    """Look how things stand in a pool."""
    return core.locked(_stand, core)


def _stand(core: Upkeep[T]) -> Standing:
    ledger, config = core.ledger, core.config
    return Standing(
        idle=ledger.nidle,
        used=len(ledger.using),
        checking=core.rounds.nchecking,
        creating=ledger.places.ncreating,
        closing=ledger.places.nretired,
        waiting=len(ledger.waiters),
        least=config.min_size,
        most=config.max_size,
        closed=ledger.closed,
    )


WAITS = 1024
"""How many of the last waits a pool keeps, once somebody asks for them. If there are more between two looks, these
stand for all."""


@dataclass(frozen=True)
class Numbers:
    """How busy a pool is, at one moment. No hook is called for it."""

    now: float
    """On the pool's clock."""
    idle: int
    in_use: int
    creating: int
    in_upkeep: int
    """Whose objects are neither lent nor idle, but being reset, checked or closed."""
    loans: int
    """So far."""
    timeouts: int
    """So far."""
    nwaits: int
    """Waits in the queue that have ended so far."""
    waits: list[float]
    """How long the last of these were, oldest first."""
    waiting: list[float]
    """How long those have waited who do so now, oldest first."""


def numbers(core: Upkeep[T]) -> Numbers:
    """Look how busy a pool is; from the first time on it notes how long waits are."""
    return core.locked(_count, core)


def _count(core: Upkeep[T]) -> Numbers:
    ledger, now = core.ledger, core.clock()
    if ledger.waits is None:
        ledger.waits = deque(maxlen=WAITS)
    taken = _places(core)
    return Numbers(
        now=now,
        in_use=taken.in_use,
        idle=taken.idle,
        creating=taken.creating,
        in_upkeep=taken.in_upkeep,
        loans=ledger.places.nuses,
        timeouts=ledger.ntimeouts,
        nwaits=ledger.nwaits,
        waits=list(ledger.waits),
        waiting=[waited for _, waited in _waiting(core, now)],
    )


class _Places(NamedTuple):
    in_use: int
    idle: int
    creating: int
    in_upkeep: int


def _places(core: Upkeep[T]) -> _Places:
    """What becomes of the places that are taken."""
    ledger, places = core.ledger, core.ledger.places
    in_use, idle, creating = len(ledger.using), ledger.nidle, places.ncreating
    # Loans begin and end without the lock, between these looks too.
    in_upkeep = max(0, len(places) - in_use - idle - creating)
    return _Places(in_use, idle, creating, in_upkeep)


Limit: TypeAlias = Literal["max_using_delay", "max_using_delay_kill"]
"""A limit on the time for which an object is lent."""


@dataclass(frozen=True)
class Shown:
    """An object as it may be shown to others."""

    serial: int
    """Its creation number."""
    name: str | None
    """What the tracer said when it was created; ``None`` if there is none, or it failed."""
    owner: str | None
    """Who holds it, or held it last."""
    lent: bool
    since: float
    """When it was lent, or came back, on the pool's clock."""
    uses: int
    past: Limit | None
    """The limit that it has been lent for longer than, the later one of both."""


@dataclass(frozen=True)
class Caller:
    """Somebody who waits."""

    owner: str
    waited: float


@dataclass(frozen=True)
class Inventory:
    """What a pool has and what went wrong in it, at one moment."""

    now: float
    """On the pool's clock."""
    in_use: int
    idle: int
    creating: int
    in_upkeep: int
    """As in ``Numbers``."""
    waiting: int
    stale: int
    """Objects that are still there from before the last ``drain``."""
    overdue: int
    """Objects that have been lent for longer than a limit."""
    objects: list[Shown]
    """Those lent, longest first, then those idle, coldest first; the last are left out where there are too many."""
    callers: list[Caller]
    """Those who wait, longest first; the last are left out where there are too many."""
    faults: list[Fault]
    """Oldest first."""
    counters: dict[str, int]
    """What has happened so far, by the keys of ``PoolStats``."""
    discarded: dict[DiscardReason, int]
    """How many objects left, and why."""
    retry_in: float
    """Seconds until something may be created again after a failure; 0.0: now."""
    closed: bool


@dataclass(frozen=True)
class _Seen:
    """An entry as it was: it goes on changing, and must not be held on to."""

    serial: int
    name: str | None
    owner: Owner | None
    lent: bool
    since: float
    uses: int


def inventory(core: Upkeep[T], objects: int, callers: int) -> Inventory:
    """Look what a pool has, of objects and waiting callers at most so many. No hook is called for it."""
    seen, waiting, found = core.locked(_take_stock, core, objects, callers)
    # Owners are put into words without the lock: a patched thread that is asked whether it lives switches.
    found.callers.extend(Caller(str(owner), waited) for owner, waited in waiting)
    found.objects.extend(
        Shown(
            each.serial,
            each.name,
            None if each.owner is None else str(each.owner),
            each.lent,
            each.since,
            each.uses,
            _past(core.config, found.now - each.since) if each.lent else None,
        )
        for each in seen
    )
    return found


def _take_stock(
    core: Upkeep[T], objects: int, callers: int
) -> tuple[list[_Seen], list[tuple[Owner, float]], Inventory]:
    ledger, places, rounds, tally, now = core.ledger, core.ledger.places, core.rounds, core.tally, core.clock()
    longest = nsmallest(objects, snapshot(ledger.using.values()), key=attrgetter("last_get"))
    loans = sorted(filter(None, (loan_of(ledger, entry) for entry in longest)), key=attrgetter("since"))
    lent = [_Seen(loan.entry.serial, loan.entry.name, loan.owner, True, loan.since, loan.use) for loan in loans]
    idle = [
        _Seen(entry.serial, entry.name, entry.owner, False, entry.last_ret, entry.uses)
        for entry in ledger.shelves()[: objects - len(lent)]
    ]
    waiting = nlargest(callers, _waiting(core, now), key=itemgetter(1))
    counters = {
        "nuses": places.nuses,
        "ntimeouts": ledger.ntimeouts,
        "nrefused": ledger.nrefused,
        "ncreated": places.ncreated,
        "nerrors": core.nerrors,
        "ndestroys": places.ndestroys,
        **{key: places.nretired_for[reason] for key, reason in ENDS.items()},
        "nhealth": rounds.nhealth + int(tally["checks_before_get"]),
        "bad_health": int(tally["bad_health"]),
        "hook_errors": int(tally["hook_errors"]),
        "observer_errors": int(tally["observer_errors"]),
        "hk_errors": int(tally["hk_errors"]),
    }
    taken = _places(core)
    found = Inventory(
        now=now,
        in_use=taken.in_use,
        idle=taken.idle,
        creating=taken.creating,
        in_upkeep=taken.in_upkeep,
        waiting=len(ledger.waiters),
        stale=places.nstale,
        overdue=sum(1 for entry in snapshot(ledger.using.values()) if _past(core.config, now - entry.last_get)),
        objects=[],
        callers=[],
        faults=list(core.faults),
        counters=counters,
        discarded=dict(places.nretired_for),
        retry_in=ledger.backoff.left(now),
        closed=ledger.closed,
    )
    return [*lent, *idle], waiting, found


def _past(config: PoolConfig, used_for: float) -> Limit | None:
    """The limit that such a loan is past, if it is past one."""
    match policy.on_long_use(used_for, config.warn_delay, config.kill_delay, warned=False):
        case Verdict.KEEP:
            return None
        case Verdict.WARN:
            return "max_using_delay"
        case Verdict.RETIRE:  # pragma: no branch  # the last there is
            return "max_using_delay_kill"


def _waiting(core: Upkeep[T], now: float) -> list[tuple[Owner, float]]:
    """Who waits, and for how long."""
    queue = core.ledger.waiters.queue
    return [(each.owner, each.waited + now - each.since) for each in queue if each.since is not None]
