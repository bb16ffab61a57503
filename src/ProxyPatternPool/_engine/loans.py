"""How objects are lent: lock, ask the ledger, unlock, do the work, settle."""

import logging
import math
from collections.abc import Callable
from functools import partial
from traceback import StackSummary, walk_stack
from typing import Generic, TypeAlias, TypeVar

from .._config import PoolConfig, seconds
from .._errors import HookError, PoolClosed, PoolException, TimeOut, TooManyWaiting
from .._ledger.counters import Tally
from .._ledger.entry import CREATING, Entry, Receipt
from .._ledger.ledger import Closed, Ledger
from .._ledger.queue import Waiter
from .._observer import DiscardReason
from .._runtime.caller import Place, caller
from .._runtime.current import loop_is_running
from .._runtime.environment import Environment
from .._runtime.process import notice, refresh, this_process
from .chores import Chores
from .guard import Guard
from .hook_calls import HookCall, hook_calls
from .hooks import HookCaller
from .log_queue import LogQueue
from .maintenance import TURN, Maintenance
from .notifier import ObserverNotifier
from .objects import Objects
from .returns import Returns
from .situation import Situation
from .steps import Rest, Steps, slept

T = TypeVar("T")

STACK_DEPTH = 32
"""Innermost frames kept of the stack of a ``get``, with ``trace_owner``."""

LONG_WAIT = 1.0
"""Seconds after which it is looked into why a caller waits, and again each time he has waited twice as long."""

Dropped: TypeAlias = tuple[Entry[T], DiscardReason]
"""What a borrower got and did not accept, and why."""


class Loans(Generic[T]):
    """Lends the objects of one pool."""

    def __init__(
        self,
        label: str,
        environment: Environment,
        config: PoolConfig,
        guard: Guard,
        hooks: HookCaller[T],
        notifier: ObserverNotifier[T],
        log_queue: LogQueue,
        chores: Chores,
        objects: Objects[T],
        returns: Returns[T],
        maintenance: Maintenance[T],
        situation: Situation[T],
    ) -> None:
        self.on_long_wait: Callable[[Loans[T]], None] | None = None
        """Called, with nothing held, by callers who have waited for long, or in vain."""
        self.label = label
        self._environment = environment
        self.clock = environment.clock
        self._config = config
        self._guard = guard
        self._hooks = hooks
        self._notifier = notifier
        self._log_queue = log_queue
        self._chores = chores
        self._objects = objects
        self._returns = returns
        self._maintenance = maintenance
        self._situation = situation
        self.has_loan_hooks = hooks.hooks.getter is not None or config.trace_owner or bool(notifier)
        self._warned_of_loop = False

    def start_empty(self, ledger: Ledger[T], tally: Tally) -> None:
        """Lend from a new ledger."""
        self.ledger = ledger
        self._tally = tally

    # Without waiting. ----------------------------------------------------------------------------------

    def borrow(self, timeout: float | None, receipt: Receipt[T] | None = None) -> Entry[T] | Steps[Entry[T]]:
        """Lend an entry to the caller: at once, or by the steps that are returned."""
        if timeout is not None:
            timeout = seconds("timeout", timeout)
        ledger = self.ledger
        start = self.clock()
        if ledger.unmaintained:
            return self._borrow(timeout, receipt, start)
        try:
            owner = this_process.here.owner
        except AttributeError:  # a child that has not begun anew yet
            notice()
            return self.borrow(timeout, receipt)
        entry = ledger.take(start, owner, receipt)
        if entry is None:
            return self._borrow(timeout, receipt, start)
        if entry.last_get >= ledger.quick_gets_until:
            unfit = self._why_unfit(entry)
            if unfit is not None:
                return self._borrow_instead(timeout, receipt, start, entry, unfit)
        return self._prepare_loan(entry, start) if self.has_loan_hooks else entry

    def _prepare_loan(self, entry: Entry[T], start: float) -> Entry[T] | Steps[Entry[T]]:
        """Do what is to be done at each loan: tell observers, note the stack, call the getter."""
        reason: DiscardReason | None = None  # to be told of it does nothing to an object
        try:
            if entry.notified is not None and self._notifier.lent(entry, self.clock() - start):
                self._chores.leave(partial(self._objects.close_and_free, entry))
            reason = "interrupted"
            if self._config.trace_owner:
                self._note_stack(entry)
            getter = self._hooks.lend(entry)
        except BaseException as error:
            self._refuse_loan(entry, error, reason)
            raise
        return entry if getter is None else self._await_getter(entry, getter)

    def _await_getter(self, entry: Entry[T], getter: Steps[None]) -> Steps[Entry[T]]:
        try:
            yield from getter
        except BaseException as error:
            self._refuse_loan(entry, error, "interrupted")
            raise
        return entry

    def _refuse_loan(self, entry: Entry[T], error: BaseException, reason: DiscardReason | None) -> None:
        why = "hook" if isinstance(error, HookError) else reason
        self._chores.finish(self._returns.end_loan(entry, entry.uses, why))

    def _note_stack(self, entry: Entry[T]) -> None:
        stack = StackSummary.extract(walk_stack(caller()), limit=STACK_DEPTH, lookup_lines=False)
        stack.reverse()  # the most recent call last, as everyone reads it
        entry.stack = stack
        entry.traced = entry.uses

    def _why_unfit(self, entry: Entry[T]) -> DiscardReason | Steps[DiscardReason | None] | None:
        """Why an object just lent to the caller may not be: too old, or, if checked, in bad health."""
        now, limit = entry.last_get, self._config.health_before_get
        why = self.ledger.too_old(entry, now)
        if why is not None or limit is None or now - max(entry.last_ret, entry.last_check) < limit:
            return why
        self._tally.add("checks_before_get")
        try:
            healthy = self._hooks.check(entry)
        except BaseException:  # the object's state is unknown
            self._chores.finish(self._returns.end_loan(entry, entry.uses, "interrupted"))
            raise
        return self._judge_check(entry, healthy) if isinstance(healthy, bool) else self._await_check(entry, healthy)

    def _await_check(self, entry: Entry[T], check: Steps[bool]) -> Steps[DiscardReason | None]:
        try:
            healthy = yield from check
        except BaseException:
            self._chores.finish(self._returns.end_loan(entry, entry.uses, "interrupted"))
            raise
        return self._judge_check(entry, healthy)

    def _judge_check(self, entry: Entry[T], healthy: bool) -> DiscardReason | None:
        if not healthy:
            return "health"
        ledger = self.ledger
        return ledger.too_old(entry, self.clock()) if ledger.using.get(entry.key) is entry else "killed"

    # With waiting. -------------------------------------------------------------------------------------

    def _borrow(self, timeout: float | None, receipt: Receipt[T] | None, start: float) -> Steps[Entry[T]]:
        """Lend an entry to a caller who found none idle."""
        if self.ledger.unmaintained:
            yield from self._maintenance.stand_in(lines=True)
        entry = yield from self._queue(timeout, receipt, start)
        return (yield from self._prepared(entry, start))

    def _borrow_instead(
        self,
        timeout: float | None,
        receipt: Receipt[T] | None,
        start: float,
        entry: Entry[T],
        unfit: DiscardReason | Steps[DiscardReason | None],
    ) -> Steps[Entry[T]]:
        """Lend an entry to a caller who found one that may be no good."""
        why = unfit if isinstance(unfit, str) else (yield from unfit)
        if why is not None:
            try:
                entry = yield from self._queue(timeout, receipt, start, (entry, why))
            except BaseException:
                self._chores.finish(self._returns.end_loan(entry, entry.uses, why))
                raise
        return (yield from self._prepared(entry, start))

    def _prepared(self, entry: Entry[T], start: float) -> Steps[Entry[T]]:
        if self.has_loan_hooks:
            prepared = self._prepare_loan(entry, start)
            if not isinstance(prepared, Entry):
                yield from prepared
        return entry

    def _queue(
        self, timeout: float | None, receipt: Receipt[T] | None, start: float, dropped: Dropped[T] | None = None
    ) -> Steps[Entry[T]]:
        """Get an entry that is lent: take, create, or wait for one, until it is one that the caller may have."""
        if timeout is None:
            timeout = self._config.timeout
        deadline = math.inf if timeout is None else start + timeout
        refresh()
        self._chores.bind_hub()
        if self.ledger.mailbox and self._returns.read_mailbox():
            self._chores.schedule()
        own = self._own_hook()  # a hook of this pool may have what is idle, and could only wait for itself
        vain = own is not None and timeout != 0
        if own is None:
            yield from self._maintenance.stand_in(lines=True)
        sleeper = None
        if timeout != 0 and own is None:
            sleeper = self._environment.new_sleeper(self._chores.request_look)
        waiter: Waiter[T] = Waiter(this_process.here.owner, receipt, sleeper)
        try:
            # Each turn but the last ends an object, or an attempt to create one that was due.
            while True:
                if dropped is not None:
                    entry = yield from self._replace(dropped, waiter, start, deadline)
                else:
                    entry = yield from self._wait(waiter, start, deadline)
                if own is not None and not own.describes and entry.stage is CREATING:
                    raise self._own_work()
                why = yield from self._accept(entry, waiter, deadline)
                if why is None:
                    return entry
                # A new one: an interrupted step may have left the old one in the queue, as served.
                dropped, waiter = (entry, why), Waiter(this_process.here.owner, receipt, sleeper, waiter.waited)
        except BaseException as error:
            # Timed out, interrupted, killed, failed: what was got goes to the next in the queue.
            if dropped is not None:
                self._chores.finish(self._returns.end_loan(dropped[0], dropped[0].uses, dropped[1]))  # if it was not
            in_vain = waiter.in_vain = waiter.in_vain and not vain
            doomed = self._guard.locked(self.ledger.withdraw, waiter, self.clock())
            if doomed is not None:
                self._chores.finish(self._objects.close_and_free(doomed))
            if in_vain:
                self._notifier.timed_out(self.clock() - start)
            elif waiter.refused is not None:
                self._notifier.refused(waiter.refused)
            if isinstance(error, Closed):
                raise PoolClosed(f"{self.label} is closed") from None
            if vain and isinstance(error, TimeOut):
                raise self._own_work() from None
            raise
        finally:
            if sleeper is not None:
                sleeper.dispose()

    def _own_hook(self) -> HookCall | None:
        """The call of a hook of this pool that the caller is in the middle of, the innermost, if there is one."""
        return next((call for call in hook_calls() if call.hooks is self._hooks), None)

    def _wait(self, waiter: Waiter[T], start: float, deadline: float) -> Steps[Entry[T]]:
        """Get an entry, lent, or a permit to create one; queue for it if need be."""
        now = begin = self.clock()
        next_look = math.inf if self.on_long_wait is None else begin + LONG_WAIT
        if waiter.since is None:
            entry = self._guard.locked(self.ledger.ask, now, waiter)
        else:
            entry = self._guard.locked(self.ledger.answer, waiter, now)
        while entry is None:
            if waiter.refused is not None:
                raise self._refused(waiter)
            left = deadline - self.clock()
            late = waiter.sleeper is None or left <= 0
            if self.on_long_wait is not None and (late or now >= next_look):
                next_look = now + max(LONG_WAIT, now - begin)
                self.on_long_wait(self)
            if waiter.sleeper is None or left <= 0:
                raise self._timed_out(waiter, deadline - start)
            # The end of a back-off wakes nobody: whoever has looked before it, at `now`, comes again by himself.
            left = min(left, self.ledger.backoff.left_to_sleep(now), next_look - now)
            if self._maintenance.is_missing and (yield from self._maintenance.stand_in()):
                left = min(left, TURN)
            if waiter.hub is None and not self._warned_of_loop and loop_is_running():
                self._warn_of_loop(deadline - start)
            yield from slept(waiter.sleeper, None if left == math.inf else left)
            now = self.clock()
            entry = self._guard.locked(self.ledger.answer, waiter, now)
        return entry

    def _warn_of_loop(self, timeout: float) -> None:
        """Have it logged that this caller stops a whole event loop."""
        self._warned_of_loop = True
        longest, place = "for ever" if timeout == math.inf else f"{timeout:g} s", Place()
        self.warn(
            "%s: get waits (%s, at most %s) in a thread whose event loop is running, which stands still meanwhile. "
            "It does not with `await asyncio.to_thread(pool.lease)`; where a proxy is used, call what uses it in a "
            "thread. This is said once",
            self.label,
            str(place),
            longest,
        )

    def warn(self, message: str, *arguments: object) -> None:
        """Have a warning logged."""
        self._log_queue.add(logging.WARNING, message, *arguments)

    def _replace(self, dropped: Dropped[T], waiter: Waiter[T], start: float, deadline: float) -> Steps[Entry[T]]:
        """Get an entry, or a permit, instead of one that was no good."""
        now = self.clock()
        entry, why = dropped
        mine = self._guard.locked(self.ledger.reject, entry, entry.uses, why)
        late = waiter.sleeper is not None and now >= deadline
        other = None
        try:
            # First be in front of the queue, then free the place: so it is this caller's.
            if not late:
                other = self._guard.locked(partial(self.ledger.ask, again=True), now, waiter)
        except BaseException:
            if mine:
                self._chores.finish(self._close_rejected(entry, waiter))
            raise
        rest = self._close_rejected(entry, waiter) if mine else None
        if rest is not None:
            yield from rest
        if late:
            raise self._timed_out(waiter, deadline - start)
        return (yield from self._wait(waiter, start, deadline)) if other is None else other

    def _close_rejected(self, entry: Entry[T], waiter: Waiter[T]) -> Rest:
        """Close what a caller turned down. One who is in front of the queue does not wait for that."""
        if waiter.sleeper is not None and self._chores.may_wait_for_others:
            self._chores.leave(partial(self._objects.close_and_free, entry))
            return None
        return self._objects.close_and_free(entry)

    def _accept(self, entry: Entry[T], waiter: Waiter[T], deadline: float) -> Steps[DiscardReason | None]:
        """Make of what a caller got an object lent to him; say why it is no good, if it is not.

        Of a failed creation the caller hears for whom it was tried. But after the first failure in a row, of which
        somebody has heard, one who came to wait for some time goes on waiting, if there is room in the queue.
        """
        if entry.stage is not CREATING:
            unfit = self._why_unfit(entry)
            return unfit if unfit is None or isinstance(unfit, str) else (yield from unfit)
        try:
            yield from self._objects.create(entry)
            self._guard.locked(self.ledger.admit, entry, self.clock(), waiter)
        except Closed:
            raise
        except Exception as error:
            backoff = self.ledger.backoff
            # Without the lock: if others succeed at this very moment his was the first failure since, and he is told.
            retried = backoff.spaced and backoff.is_retry(entry.attempt)
            patient = waiter.sleeper is not None and deadline < math.inf
            if not retried or not patient or self._guard.locked(self.ledger.crowd) is not None:
                raise
            self._objects.report_failure(error)
            return entry.reason  # there is no object
        return None

    # Errors. -------------------------------------------------------------------------------------------

    def _own_work(self) -> PoolException:
        return PoolException(
            f"{self.label}: its own fun, or a hook, borrows from it and would wait for itself: "
            f"use the object that the hook is called with"
        )

    def _timed_out(self, waiter: Waiter[T], timeout: float) -> TimeOut:
        waiter.in_vain = True
        situation = self._situation.of(waiter)
        return self._objects.caused_by_last_error(
            TimeOut(f"timeout after {timeout:g} seconds in {self.label}: {situation}")
        )

    def _refused(self, waiter: Waiter[T]) -> TooManyWaiting:
        bound = f"max_waiting={self._config.max_waiting} is reached"
        return self._objects.caused_by_last_error(
            TooManyWaiting(f"{bound} in {self.label}: {self._situation.of(waiter)}")
        )
