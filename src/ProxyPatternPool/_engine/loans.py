"""How objects are lent: at once if one is idle, and what is done with each before its borrower has it."""

from collections.abc import Callable
from traceback import StackSummary
from typing import Generic, TypeVar

from .._config import seconds
from .._errors import HookError
from .._ledger.entry import Entry, Receipt
from .._ledger.ledger import Ledger
from .._observer import DiscardReason
from .._runtime.caller import calling_frames
from .._runtime.native import yield_processor
from .._runtime.process import notice_fork, this_process
from .._runtime.task_owner import TaskOwner
from .._runtime.waiting import TaskLoop
from .checks import Checks
from .chores import Chores, Ending
from .objects import Objects
from .returns import Returns
from .shared import Shared
from .steps import Steps
from .waits import Waits

T = TypeVar("T")

YIELDS = 16
"""How often a caller who finds nothing idle lets other threads run before he waits, without a GIL."""
YIELD_TIME = 0.05
"""Seconds after which he does so no more."""
STACK_DEPTH = 32
"""Innermost frames kept of the stack of a ``get``, with ``trace_owner``."""


class Loans(Generic[T]):
    """Lends the objects of one pool."""

    def __init__(
        self,
        shared: Shared[T],
        chores: Chores,
        objects: Objects[T],
        returns: Returns[T],
        checks: Checks[T],
        waits: Waits[T],
    ) -> None:
        self._clock = shared.environment.clock
        self._driver = shared.driver
        self._hooks = shared.hooks
        self._notifier = shared.notifier
        self._chores = chores
        self._objects = objects
        self._returns = returns
        self._checks = checks
        self._waits = waits
        self._trace_owner = shared.config.trace_owner
        self._timeout = shared.config.timeout
        self.has_loan_hooks = shared.hooks.hooks.getter is not None or self._trace_owner or bool(shared.notifier)
        """Whether there is something to do at each loan, before its borrower has the object."""

    def start_empty(self, ledger: Ledger[T]) -> None:
        """Lend from a new ledger."""
        self._ledger = ledger
        self._shelves = ledger.shelves

    def borrow(
        self, timeout: float | None, receipt: Receipt[T] | None = None, loop: TaskLoop | None = None
    ) -> Entry[T] | Steps[Entry[T]]:
        """Lend an entry to the caller: at once, or by the steps that are returned.

        Args:
            timeout: Longest wait in seconds; ``None``: the pool's.
            receipt: What keeps a record of the loan.
            loop: The event loop that runs here, if it is a task that borrows, and awaits the steps.
        """
        if timeout is not None:
            timeout = seconds("timeout", timeout)
        start = self._clock()
        try:  # first: what else is looked at may be the parent's
            owner = this_process.here.owner
        except AttributeError:  # a child that has not begun anew yet
            notice_fork()
            return self.borrow(timeout, receipt, loop)
        if self._ledger.unmaintained:
            return self._borrow(timeout, receipt, loop, start)
        now = start
        if yield_processor is not None and loop is None:
            now = self._let_others_return(yield_processor, start, timeout)
        if not self._shelves.idle:  # as a rule, in those whom the quick way has brought here
            return self._borrow(timeout, receipt, loop, start)
        if loop is not None:
            owner = loop.owner()
        entry = self._shelves.take(now, owner, receipt)
        if entry is None:
            return self._borrow(timeout, receipt, loop, start)
        if entry.last_get >= self._shelves.quick_gets_until or entry.last_get >= entry.expires:  # rounds move the first
            unfit = self._checks.why_unfit(entry)
            if unfit is not None:
                return self._borrow_instead(timeout, receipt, loop, start, entry, unfit)
        return self._prepare_loan(entry, start) if self.has_loan_hooks else entry

    def _let_others_return(self, give_way: Callable[[], None], start: float, timeout: float | None) -> float:
        """Let other threads run for a moment, if there is nothing else to do than to wait for them; give the time.

        Threads that lend and return in no time are often stopped between the two, if there are more of them than
        processors. Whoever queued then would make all returns slow until he ran again, so that others were stopped for
        longer. Where somebody waits already nobody yields: who comes is to queue behind him.
        """
        ledger = self._ledger
        if timeout is None:
            timeout = self._timeout
        until = start + (YIELD_TIME if timeout is None else min(timeout, YIELD_TIME))
        now = start
        for _ in range(YIELDS):
            # Without the lock: if one of these changes at this moment, the caller comes one turn later.
            if self._shelves.idle or ledger.waiters.queue or ledger.places.has_room() or ledger.closed or now >= until:
                break
            give_way()
            now = self._clock()
        return now

    def _borrow(
        self, timeout: float | None, receipt: Receipt[T] | None, loop: TaskLoop | None, start: float
    ) -> Steps[Entry[T]]:
        """Lend an entry to a caller who found none idle."""
        entry = yield from self._waits.get(timeout, receipt, loop, start)
        return (yield from self._prepared(entry, start)) if self.has_loan_hooks else entry

    def _borrow_instead(
        self,
        timeout: float | None,
        receipt: Receipt[T] | None,
        loop: TaskLoop | None,
        start: float,
        entry: Entry[T],
        unfit: DiscardReason | Steps[DiscardReason | None],
    ) -> Steps[Entry[T]]:
        """Lend an entry to a caller who found one that may be no good."""
        why = unfit if isinstance(unfit, str) else (yield from unfit)
        if why is not None:
            try:
                entry = yield from self._waits.get(timeout, receipt, loop, start, (entry, why))
            except BaseException:
                self._driver.finish(self._returns.end_loan(entry, entry.uses, why))
                raise
        return (yield from self._prepared(entry, start)) if self.has_loan_hooks else entry

    def _prepared(self, entry: Entry[T], start: float) -> Steps[Entry[T]]:
        prepared = self._prepare_loan(entry, start)
        return prepared if isinstance(prepared, Entry) else (yield from prepared)

    def _prepare_loan(self, entry: Entry[T], start: float) -> Entry[T] | Steps[Entry[T]]:
        """Do what is to be done at each loan: tell observers, note the stack, call the getter."""
        use = entry.uses
        reason: DiscardReason | None = None  # an observer does nothing to the object: it goes back as it is
        try:
            if entry.notified is not None and self._notifier.lent(entry, self._clock() - start):
                self._chores.leave(Ending(self._objects.close_and_free, entry))
            reason = "interrupted"
            if self._trace_owner:
                self._note_stack(entry)
            getter = self._hooks.lend(entry)
        except BaseException as error:
            self._refuse_loan(entry, use, error, reason)
            raise
        return entry if getter is None else self._await_getter(entry, use, getter)

    def _await_getter(self, entry: Entry[T], use: int, getter: Steps[None]) -> Steps[Entry[T]]:
        try:
            yield from getter
        except BaseException as error:
            self._refuse_loan(entry, use, error, "interrupted")
            raise
        return entry

    def _refuse_loan(self, entry: Entry[T], use: int, error: BaseException, reason: DiscardReason | None) -> None:
        why = "hook" if isinstance(error, HookError) else reason
        self._driver.finish(self._returns.end_loan(entry, use, why))

    def _note_stack(self, entry: Entry[T]) -> None:
        task = entry.owner if isinstance(entry.owner, TaskOwner) else None
        stack = StackSummary.extract(calling_frames(task), limit=STACK_DEPTH, lookup_lines=False)
        stack.reverse()  # the most recent call last, as everyone reads it
        entry.stack = stack
        entry.stack_use = entry.uses
