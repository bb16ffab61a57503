"""How a caller who finds nothing idle gets an object: lock, ask the ledger, unlock, create or wait, settle."""

import logging
import math
from collections.abc import Callable
from functools import partial
from typing import Generic, TypeAlias, TypeVar

from .._errors import PoolClosed, PoolException, TimeOut, TooManyWaiting
from .._ledger.entry import CREATING, Entry, Receipt
from .._ledger.ledger import Ledger, LedgerClosed
from .._ledger.queue import Waiter
from .._observer import DiscardReason
from .._runtime.caller import Place
from .._runtime.current import loop_is_running
from .._runtime.process import refresh_here, this_process
from .._runtime.waiting import AnySleeper, TaskLoop
from .checks import Checks
from .chores import Chores, Ending
from .hook_calls import HookCall, innermost_call
from .maintenance import TURN, Maintenance
from .objects import Objects
from .returns import Returns
from .shared import Shared
from .situation import Situation
from .steps import Rest, Steps, remaining

T = TypeVar("T")

LONG_WAIT = 1.0
"""Seconds after which it is looked into why a caller waits, and again each time he has waited twice as long."""

Dropped: TypeAlias = tuple[Entry[T], DiscardReason]
"""What a borrower got and did not accept, and why."""


class Waits(Generic[T]):
    """Gets objects for callers who find none idle."""

    def __init__(
        self,
        shared: Shared[T],
        chores: Chores,
        objects: Objects[T],
        returns: Returns[T],
        maintenance: Maintenance[T],
        checks: Checks[T],
        situation: Situation[T],
    ) -> None:
        self.on_long_wait: Callable[[Waits[T]], None] | None = None
        """Called, with nothing held, by callers who have waited for long, or in vain."""
        self.label = shared.label
        self.clock = shared.environment.clock
        self._driver = shared.driver
        self._new_sleeper = shared.new_sleeper
        self._config = shared.config
        self._guard = shared.guard
        self._scheduling = shared.scheduling
        self._hooks = shared.hooks
        self._notifier = shared.notifier
        self._log_queue = shared.log_queue
        self._chores = chores
        self._objects = objects
        self._returns = returns
        self._maintenance = maintenance
        self._checks = checks
        self._situation = situation
        self._warned_of_loop = False

    def start_empty(self, ledger: Ledger[T]) -> None:
        """Wait for objects of a new ledger."""
        self.ledger = ledger

    def get(
        self,
        timeout: float | None,
        receipt: Receipt[T] | None,
        loop: TaskLoop | None,
        start: float,
        dropped: Dropped[T] | None = None,
    ) -> Steps[Entry[T]]:
        """Get an entry that is lent: take, create, or wait for one, until it is one that the caller may have."""
        if timeout is None:
            timeout = self._config.timeout
        deadline = math.inf if timeout is None else start + timeout
        refresh_here()
        self._scheduling.bind_hub()
        if self.ledger.mailbox and self._returns.read_mailbox():
            self._scheduling.schedule()  # what it has queued: the look that a finalizer requested may have been before
        if not self._scheduling.maintained:
            yield from self._chores.run_in_caller()
        own = self._own_hook()  # a hook of this pool may have what is idle, and could only wait for itself
        vain = own is not None and timeout != 0
        if own is None and self._maintenance.is_missing:
            yield from self._maintenance.stand_in(lines=True)
        owner = this_process.here.owner if loop is None else loop.owner()
        sleeper: AnySleeper | None = None
        if timeout != 0 and own is None:
            sleeper = self._new_sleeper(self._scheduling.request_look) if loop is None else loop.new_sleeper()
        waiter: Waiter[T] = Waiter(owner, receipt, sleeper)
        ledger = self.ledger
        try:
            # Each turn but the last ends an object, or an attempt to create one that was due.
            while True:
                if dropped is not None:
                    entry = yield from self._replace(dropped, waiter, start, deadline)
                else:
                    entry = yield from self._wait(waiter, start, deadline)
                if entry.stage is not CREATING:
                    unfit = self._checks.why_unfit(entry)
                    why = unfit if unfit is None or isinstance(unfit, str) else (yield from unfit)
                elif own is not None and not own.describes:
                    raise self._own_work()
                else:
                    why = yield from self._create(entry, waiter, deadline)
                if why is None:
                    return entry
                # A new one: an interrupted step may have left the old one in the queue, as served.
                dropped, waiter = (entry, why), Waiter(owner, receipt, sleeper, waiter.waited)
        except BaseException as error:
            if dropped is not None:
                dropped[0].heir = None  # whoever frees its place is told nothing; what he was given is withdrawn
            if ledger is not self.ledger:
                raise  # its event loop has ended, which tells no task, and the pool has begun anew
            # Timed out, interrupted, killed, failed: what was got goes to the next in the queue.
            if dropped is not None:
                self._driver.finish(self._returns.end_loan(dropped[0], dropped[0].uses, dropped[1]))  # if it was not
            timed_out = waiter.timed_out = waiter.timed_out and not vain
            doomed = self._guard.locked(self.ledger.withdraw, waiter, self.clock())
            if doomed is not None:
                self._driver.finish(self._objects.close_and_free(doomed))
            if timed_out:
                self._notifier.timed_out(self.clock() - start)
            elif waiter.refused is not None:
                self._notifier.refused(waiter.refused)
            if isinstance(error, LedgerClosed):
                raise PoolClosed(f"{self.label} is closed") from None
            if vain and isinstance(error, TimeOut):
                raise self._own_work() from None
            raise
        finally:
            if sleeper is not None:
                sleeper.dispose()

    def _own_hook(self) -> HookCall | None:
        """The call of a hook of this pool that the caller is in the middle of, the innermost, if there is one."""
        hooks = self._hooks.hooks
        return innermost_call(lambda call: call.hooks is hooks)

    def _wait(self, waiter: Waiter[T], start: float, deadline: float, *, retry: bool = False) -> Steps[Entry[T]]:
        """Get an entry, lent, or a permit to create one; queue for it if need be, a ``retry`` in front."""
        now = begin = stands_in_at = self.clock()
        next_look = math.inf if self.on_long_wait is None else begin + LONG_WAIT
        if waiter.since is None:
            entry = self._guard.locked(partial(self.ledger.take_or_queue, retry=retry), now, waiter)
        else:
            entry = self._guard.locked(self.ledger.collect, waiter, now)
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
            left = min(left, self.ledger.backoff.longest_sleep(now), next_look - now)
            if now < stands_in_at:
                left = min(left, stands_in_at - now)
            elif self._maintenance.is_missing and (yield from self._maintenance.stand_in()):
                # Not more often: a look wakes who waits for the end of a back-off, and that is this caller.
                left, stands_in_at = min(left, TURN), now + TURN
            if waiter.hub is None and not self._warned_of_loop and loop_is_running():
                self._warn_of_loop(deadline - start)
            slept = waiter.sleeper.sleep(None if left == math.inf else left)
            if not isinstance(slept, bool):
                yield from slept
            now = self.clock()
            entry = self._guard.locked(self.ledger.collect, waiter, now)
        return entry

    def _replace(self, dropped: Dropped[T], waiter: Waiter[T], start: float, deadline: float) -> Steps[Entry[T]]:
        """Get an entry, or a permit, instead of one that was no good."""
        now = self.clock()
        entry, why = dropped
        late = waiter.sleeper is not None and now >= deadline
        # One who can wait leaves the closing to others, if they come soon, and is in front of the queue. Who closes it
        # himself does not look meanwhile, so that he must not be in the queue: he is given the place as it is freed.
        leaves = waiter.sleeper is not None and self._scheduling.is_soon
        other, is_heir = None, False
        mine = self._guard.locked(self.ledger.reject, entry, entry.uses, why)
        try:
            if leaves and not late:
                other = self._guard.locked(partial(self.ledger.take_or_queue, retry=True), now, waiter)
            elif not late:
                other = self._guard.locked(self.ledger.take, now, waiter)
                is_heir = mine and other is None
                if is_heir:
                    entry.heir = waiter
        except BaseException:
            if mine:
                self._driver.finish(self._close_rejected(entry, leaves=leaves))
            raise
        yield from remaining(self._close_rejected(entry, leaves=leaves) if mine else None)
        if late:
            raise self._timed_out(waiter, deadline - start)
        if is_heir:
            other = self._guard.locked(self.ledger.inherit, entry, waiter, self.clock())
        return (yield from self._wait(waiter, start, deadline, retry=True)) if other is None else other

    def _close_rejected(self, entry: Entry[T], *, leaves: bool) -> Rest:
        """Close what a caller turned down, or leave that to others."""
        if leaves:
            self._chores.leave(Ending(self._objects.close_and_free, entry))
            return None
        return self._objects.close_and_free(entry)

    def _create(self, entry: Entry[T], waiter: Waiter[T], deadline: float) -> Steps[DiscardReason | None]:
        """Make of a permit an object that is lent to the caller; say why there is none, if that is not raised.

        The caller for whom a creation was tried gets its error. But if an earlier attempt has failed, and somebody has
        got that error, a caller with a timeout goes on waiting, if there is room in the queue.
        """
        try:
            yield from self._objects.create(entry, for_caller=True)
            self._guard.locked(self.ledger.lend_new, entry, self.clock(), waiter)
        except LedgerClosed:
            raise
        except Exception as error:
            backoff = self.ledger.backoff
            # Without the lock. If others succeed at this very moment, this was the first failure since: it is raised.
            retried = backoff.callers_wait and backoff.is_retry(entry.attempt)
            patient = waiter.sleeper is not None and deadline < math.inf
            if not retried or not patient or self._guard.locked(self.ledger.waiters.waiting_if_full) is not None:
                raise
            self._objects.report_failure(error)
            return entry.reason  # there is no object
        return None

    # What is said. ---------------------------------------------------------------------------------------

    def _own_work(self) -> PoolException:
        return PoolException(
            f"{self.label}: its own fun, or a hook, borrows from it and would wait for itself: "
            f"use the object that the hook is called with"
        )

    def _timed_out(self, waiter: Waiter[T], timeout: float) -> TimeOut:
        waiter.timed_out = True
        situation = self._situation.of(waiter)
        return self._objects.caused_by_last_error(
            TimeOut(f"timeout after {timeout:g} seconds in {self.label}: {situation}")
        )

    def _refused(self, waiter: Waiter[T]) -> TooManyWaiting:
        bound = f"max_waiting={self._config.max_waiting} is reached"
        return self._objects.caused_by_last_error(
            TooManyWaiting(f"{bound} in {self.label}: {self._situation.of(waiter)}")
        )

    def _warn_of_loop(self, timeout: float) -> None:
        """Have it logged that this caller stops a whole event loop."""
        self._warned_of_loop = True
        longest, place = "for ever" if timeout == math.inf else f"{timeout:g} s", Place()
        self.warn(
            "%s: get waits (%s, at most %s) in a thread whose event loop is running, which stands still meanwhile. "
            "It does not with `await pool.aget()`, `async with pool.aobj()` or an AsyncPool; where a proxy is used, "
            "call what uses it in a thread. This is said once",
            self.label,
            str(place),
            longest,
        )

    def warn(self, message: str, *arguments: object) -> None:
        """Have a warning logged."""
        self._log_queue.add(logging.WARNING, message, *arguments)
