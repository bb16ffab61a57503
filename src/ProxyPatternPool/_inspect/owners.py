"""``Pool.owners()``: which objects are lent, to whom, since when."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from traceback import StackSummary
from typing import Generic, TypeVar

from .._engine.core import Core, catch_up
from .._ledger.ledger import Ledger
from .._ledger.sweeps import Loan, read_loan
from .._runtime.owner import in_words
from .._runtime.races import snapshot

T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class Holding(Generic[T]):
    """One object that is lent, and who holds it; compared by identity."""

    obj: T
    """The object. Someone else uses it: read it, do not change it."""
    owner: str
    """The thread, greenlet or task that borrowed it, by name; with ``Pool.get`` it is the thread of a task."""
    since: datetime
    """When it was lent, local time with its zone."""
    held: float
    """Seconds for which it has been lent."""
    stack: StackSummary | None
    """Where it was borrowed, the most recent call last, with ``trace_owner``."""
    name: str | None
    """What the ``tracer`` said of the object when it was created; ``None`` without one, or if that failed."""


def _loans(ledger: Ledger[T]) -> list[Loan[T]]:
    return [loan for entry in snapshot(ledger.shelves.using.values()) if (loan := read_loan(ledger, entry)) is not None]


def owners(core: Core[T]) -> list[Holding[T]]:
    """List what is lent, longest first."""
    catch_up(core)
    loans = core.guard.locked(_loans, core.ledger)
    now, wall = core.clock(), datetime.fromtimestamp(core.environment.wall_clock()).astimezone()
    return [
        Holding(
            obj=loan.entry.obj,
            owner=in_words(loan.owner),
            since=wall - timedelta(seconds=now - loan.since),
            held=now - loan.since,
            stack=loan.stack,
            name=loan.entry.name,
        )
        for loan in sorted(loans, key=lambda loan: loan.since)
    ]
