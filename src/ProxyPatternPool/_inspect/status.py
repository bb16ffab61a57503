"""What the status page reads of a pool: counts, waits, objects by their names, callers, errors. No hook is called.

With the lock held this is the same work for any number of objects, but for a copy of references. Loans are counted
without it.
"""

from dataclasses import dataclass
from heapq import nlargest
from operator import attrgetter
from typing import Literal, TypeAlias, TypeVar

from .._config import PoolConfig
from .._engine.core import Core
from .._ledger import policy
from .._ledger.counters import Fault
from .._ledger.counts import Counts
from .._ledger.entry import Entry
from .._ledger.policy import Verdict
from .._ledger.sweeps import read_loan
from .._runtime.owner import Owner
from .._runtime.races import beginning
from .totals import Totals, count_loans, total

T = TypeVar("T")

WAITS = 1024
"""How many of the last waits a pool keeps, from the first reading on. If more end between two readings, these stand for
all."""
AT_ONCE = 10
"""How many loans are looked at to see which are overdue; if all are, so many times more, and so on."""


@dataclass(frozen=True)
class Reading:
    """How busy a pool is, and how long its callers wait: what the charts are drawn from."""

    now: float
    """On the pool's clock."""
    counts: Counts
    totals: Totals
    ended: list[float]
    """Seconds of the last waits that ended, oldest first; ``WAITS`` at most."""
    waiting: list[float]
    """Seconds for which those have waited who wait now, oldest first."""
    served: int
    """How many waits had ended with an object before loans were counted; those until after it are in ``totals``."""


def read(core: Core[T]) -> Reading:
    """Read how busy a pool is."""
    loans, served = count_loans(core)
    return core.guard.locked(_read, core, loans, served)


def _read(core: Core[T], loans: int, served: int) -> Reading:
    ledger, now = core.ledger, core.clock()
    waiting = [caller.seconds for caller in _callers(core, now)]
    return Reading(now, core.count(), total(core, loans), ledger.waiters.last_waits(WAITS), waiting, served)


Limit: TypeAlias = Literal["max_using_delay", "max_using_delay_kill"]
"""A limit on the time for which an object is lent."""


@dataclass(frozen=True)
class ObjectDetails:
    """An object, without the object itself."""

    serial: int
    """Its creation number."""
    name: str | None
    """What the tracer said when it was created; ``None`` if there is none, or it failed."""
    owner: Owner | None
    """Who holds it, or held it last. To be made text without the lock, since that may switch to another greenlet."""
    lent: bool
    since: float
    """When it was lent, or came back, on the pool's clock."""
    uses: int
    past: Limit | None
    """The limit that it has been lent for longer than, the later one of both."""


@dataclass(frozen=True)
class WaitingCaller:
    """A caller in the queue."""

    owner: Owner
    """To be made text without the lock, as above."""
    seconds: float
    """For which it has waited."""


@dataclass(frozen=True)
class Brief:
    """The numbers of a pool at one moment."""

    counts: Counts
    overdue: int
    """Objects that have been lent for longer than a limit."""


def brief(core: Core[T]) -> Brief:
    """Read the numbers of a pool, without a look at objects other than those that are overdue."""
    return core.guard.locked(lambda: Brief(core.count(), _count_overdue(core, core.clock())))


@dataclass(frozen=True)
class Details(Brief):
    """The objects, callers and errors of a pool at one moment."""

    now: float
    """On the pool's clock."""
    totals: Totals
    objects: list[ObjectDetails]
    """Those lent, longest first, then those idle, coldest first; the last are left out where there are too many."""
    callers: list[WaitingCaller]
    """Those who wait, longest first; the last are left out where there are too many."""
    errors: list[Fault]
    """Oldest first."""


def details(core: Core[T], objects: int, callers: int) -> Details:
    """Read what a pool has, of objects and waiting callers at most so many."""
    return core.guard.locked(_details, core, objects, callers, count_loans(core).number)


def _details(core: Core[T], objects: int, callers: int, nloans: int) -> Details:
    ledger, config, now = core.ledger, core.config, core.clock()
    # They are nearly in the order of their beginnings, since the clock is read just before.
    longest = beginning(ledger.shelves.using.values(), objects)
    loans = sorted(filter(None, (read_loan(ledger, entry) for entry in longest)), key=attrgetter("since"))
    lent = [
        ObjectDetails(
            loan.entry.serial, loan.entry.name, loan.owner, True, loan.since, loan.use, _past(config, now - loan.since)
        )
        for loan in loans
    ]
    idle = [
        ObjectDetails(entry.serial, entry.name, entry.owner, False, entry.last_ret, entry.uses, None)
        for entry in _coldest(core, objects - len(lent))
    ]
    return Details(
        now=now,
        counts=core.count(),
        totals=total(core, nloans),
        overdue=_count_overdue(core, now),
        objects=[*lent, *idle],
        callers=nlargest(callers, _callers(core, now), key=attrgetter("seconds")),
        errors=list(core.faults),
    )


def _coldest(core: Core[T], most: int) -> list[Entry[T]]:
    """The entries that were idle for longest, in that order, at most so many."""
    shelves = core.shelves
    return [*beginning(shelves.checked, most), *beginning(shelves.idle, most)][:most]


def _count_overdue(core: Core[T], now: float) -> int:
    """How many objects have been lent for longer than a limit."""
    config, using = core.config, core.shelves.using
    # Also since a dictionary that was large takes long to look through when it is empty.
    if not using or (config.warn_delay is None and config.kill_delay is None):
        return 0
    most = AT_ONCE
    while True:
        # Oldest first, nearly: those that follow where one is not overdue are younger, or by so little older that
        # another look a moment before would not have counted them either.
        found = beginning(using.values(), most)
        overdue = sum(1 for entry in found if _past(config, now - entry.last_get))
        if overdue < len(found) or len(found) < most:
            return overdue
        most *= AT_ONCE


def _past(config: PoolConfig, used_for: float) -> Limit | None:
    """The limit that such a loan is past, if it is past one."""
    match policy.on_long_use(used_for, config.warn_delay, config.kill_delay, warned=False):
        case Verdict.KEEP:
            return None
        case Verdict.WARN:
            return "max_using_delay"
        case Verdict.RETIRE:  # pragma: no branch  # the last there is
            return "max_using_delay_kill"


def _callers(core: Core[T], now: float) -> list[WaitingCaller]:
    """Those who wait, oldest first."""
    queue = core.ledger.waiters.queue
    return [WaitingCaller(each.owner, each.waited + now - each.since) for each in queue if each.since is not None]
