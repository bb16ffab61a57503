"""What a caller is told who gets nothing: what becomes of the objects of the pool, and who has one for longest."""

from typing import Generic, TypeVar

from .._ledger.counts import Counts, count, describe
from .._ledger.ledger import Ledger
from .._ledger.queue import Waiter
from .._ledger.sweeps import Sweeps, read_loan
from .._runtime.owner import in_words
from .._runtime.races import snapshot
from .shared import Shared

T = TypeVar("T")


class Situation(Generic[T]):
    """Puts the state of one pool into words."""

    def __init__(self, shared: Shared[T]) -> None:
        self._clock = shared.environment.clock
        self._guard = shared.guard

    def start_empty(self, ledger: Ledger[T], sweeps: Sweeps[T]) -> None:
        """Speak of a new ledger."""
        self._ledger = ledger
        self._sweeps = sweeps

    def of(self, waiter: Waiter[T]) -> str:
        """Say what keeps a caller waiting; perhaps he does so himself."""
        loans = (read_loan(self._ledger, entry) for entry in snapshot(self._ledger.shelves.using.values()))
        own = sum(1 for loan in loans if loan is not None and loan.owner is waiter.owner)
        itself = f"; this caller itself holds {own} of them" if own else ""
        return f"{self.in_words()}{self._longest()}{itself}"

    def in_words(self) -> str:
        """Say how many objects there are, and what becomes of them."""
        return describe(self.count())

    def count(self) -> Counts:
        """Count what the objects and callers do."""
        return self._guard.locked(self._count)

    def _count(self) -> Counts:
        return count(self._ledger, self._sweeps, self._clock())

    def _longest(self) -> str:
        """Say who has had an object for longest, if anybody has one.

        Without the lock, as ``read_loan`` allows: owners are put into words here, and a patched thread that is asked
        whether it lives switches. Loans are entered in nearly the order in which they begin: the first is the longest,
        or shorter by less than what is shown.
        """
        for entry in snapshot(self._ledger.shelves.using.values()):
            loan = read_loan(self._ledger, entry)
            if loan is not None:
                place = f" ({loan.stack[-1].filename}:{loan.stack[-1].lineno})" if loan.stack else ""
                name = "" if entry.name is None else f": {entry.name}"
                held = self._clock() - loan.since
                return f"; the longest has been lent for {held:.3f} s to {in_words(loan.owner)}{place}{name}"
        return ""
