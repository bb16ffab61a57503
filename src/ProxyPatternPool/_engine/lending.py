"""How objects are lent: lock, ask the ledger, unlock, do the work, settle."""

import logging
import math
from functools import partial
from traceback import StackSummary, walk_stack
from typing import TypeAlias, TypeVar

from .._config import seconds
from .._errors import HookError, PoolClosed, PoolException, TimeOut, TooManyWaiting
from .._ledger.entry import CREATING, Entry, Receipt
from .._ledger.ledger import Closed
from .._ledger.queue import Waiter
from .._ledger.sweeps import loan_of
from .._observer import DiscardReason
from .._runtime.caller import Place, caller
from .._runtime.current import loop_is_running
from .._runtime.hubs import new_sleeper
from .._runtime.owner import in_words
from .._runtime.process import notice_fork, refresh_here, this_process
from .._runtime.races import snapshot
from .._text import without_traceback
from .core import TURN
from .hook_calls import work_at
from .returning import Returning

T = TypeVar("T")

STACK_DEPTH = 32
"""Innermost frames kept of the stack of a ``get``, with ``trace_owner``."""

LONG_WAIT = 1.0
"""Seconds after which it is looked into why a caller waits, and again each time he has waited twice as long."""

Dropped: TypeAlias = tuple[Entry[T], DiscardReason]
"""What a borrower got and did not accept, and why."""


class Lending(Returning[T]):
    """What borrowers need of a pool."""

    _told_of_loop = False

    def borrow(self, timeout: float | None, receipt: Receipt[T] | None = None) -> Entry[T]:
        """Lend an entry to the caller."""
        if timeout is not None:
            timeout = seconds("timeout", timeout)
        if self.ledger.unmaintained:
            self.help_out(lines=True)
        start = self.clock()
        try:
            owner = this_process.here.owner
        except AttributeError:  # a child that has not begun anew yet
            notice_fork()
            owner = this_process.here.owner
        entry = self.ledger.take(start, owner, receipt)
        if entry is None:
            entry = self._borrow_slowly(timeout, receipt, start)
        elif entry.last_get >= self.ledger.quick_gets_until and (why := self._unfit(entry)) is not None:
            try:
                entry = self._borrow_slowly(timeout, receipt, start, (entry, why))
            except BaseException:
                self.end_loan(entry, entry.uses, why)
                raise
        if self.has_loan_hooks:
            reason: DiscardReason | None = None  # to be told of it does nothing to an object
            try:
                if entry.notified is not None and self.notifier.lent(entry, self.clock() - start):
                    self.leave(partial(self.close_and_free, entry))
                reason = "interrupted"
                self._prepare_loan(entry)
            except BaseException as error:
                self.end_loan(entry, entry.uses, "hook" if isinstance(error, HookError) else reason)
                raise
        return entry

    def _prepare_loan(self, entry: Entry[T]) -> None:
        """Do what is to be done at each loan: note the stack, call the getter."""
        if self.config.trace_owner:
            stack = StackSummary.extract(walk_stack(caller()), limit=STACK_DEPTH, lookup_lines=False)
            stack.reverse()  # the most recent call last, as everyone reads it
            entry.stack = stack
            entry.traced = entry.uses
        self.lifecycle.lend(entry)

    def _borrow_slowly(
        self, timeout: float | None, receipt: Receipt[T] | None, start: float, dropped: Dropped[T] | None = None
    ) -> Entry[T]:
        """Lend an entry to a caller who found none idle, or dropped the one he found."""
        if timeout is None:
            timeout = self.config.timeout
        deadline = math.inf if timeout is None else start + timeout
        refresh_here()
        self.bind_hub()
        if self.ledger.mailbox and self.sweep():
            self.schedule()
        own = work_at(self.lifecycle.site)  # a hook of this pool may have what is idle, and could only wait for itself
        vain = own is not None and timeout != 0
        if own is None:
            self.help_out(lines=True)
        sleeper = None if timeout == 0 or own is not None else new_sleeper(self._request_look)
        waiter: Waiter[T] = Waiter(this_process.here.owner, receipt, sleeper)
        try:
            # Each turn but the last ends an object, or an attempt to create one that was due.
            while True:
                if dropped is not None:
                    entry = self._instead(dropped, waiter, start, deadline)
                else:
                    entry = self._wait(waiter, start, deadline)
                if own is not None and not own[-1] and entry.stage is CREATING:
                    raise self._own_work()
                why = self._accept(entry, waiter, deadline)
                if why is None:
                    return entry
                # A new one: an interrupted step may have left the old one in the queue, as served.
                dropped, waiter = (entry, why), Waiter(this_process.here.owner, receipt, sleeper, waiter.waited)
        except BaseException as error:
            # Timed out, interrupted, killed, failed: what was got goes to the next in the queue.
            if dropped is not None:
                self.end_loan(dropped[0], dropped[0].uses, dropped[1])  # harmless if it was ended
            in_vain = waiter.in_vain = waiter.in_vain and not vain
            doomed = self.locked(self.ledger.withdraw, waiter, self.clock())
            if doomed is not None:
                self.close_and_free(doomed)
            if in_vain:
                self.notifier.timed_out(self.clock() - start)
            elif waiter.refused is not None:
                self.notifier.refused(waiter.refused)
            if isinstance(error, Closed):
                raise PoolClosed(f"{self.label} is closed") from None
            if vain and isinstance(error, TimeOut):
                raise self._own_work() from None
            raise
        finally:
            if sleeper is not None:
                sleeper.dispose()

    def _wait(self, waiter: Waiter[T], start: float, deadline: float) -> Entry[T]:
        """Get an entry, lent, or a permit to create one; queue for it if need be."""
        now = begin = self.clock()
        wonder = self.on_long_wait
        next_look = math.inf if wonder is None else begin + LONG_WAIT
        if waiter.since is None:
            entry = self.locked(self.ledger.ask, now, waiter)
        else:
            entry = self.locked(self.ledger.answer, waiter, now)
        while entry is None:
            if waiter.refused is not None:
                raise self._refused(waiter)
            left = deadline - self.clock()
            late = waiter.sleeper is None or left <= 0
            if wonder is not None and (late or now >= next_look):
                next_look = now + max(LONG_WAIT, now - begin)
                wonder(self)
            if waiter.sleeper is None or left <= 0:
                raise self._timed_out(waiter, deadline - start)
            # The end of a back-off wakes nobody: whoever has looked before it, at `now`, comes again by himself.
            left = min(left, self.ledger.backoff.left_to_sleep(now), next_look - now)
            if self.help_out():
                left = min(left, TURN)
            if waiter.hub is None and not self._told_of_loop and loop_is_running():
                self._tell_of_loop(deadline - start)
            waiter.sleeper.sleep(None if left == math.inf else left)
            now = self.clock()
            entry = self.locked(self.ledger.answer, waiter, now)
        return entry

    def _tell_of_loop(self, timeout: float) -> None:
        """Have it logged that this caller stops a whole event loop."""
        self._told_of_loop = True
        longest, place = "for ever" if timeout == math.inf else f"{timeout:g} s", Place()
        self.log_later(
            logging.WARNING,
            "%s: get waits (%s, at most %s) in a thread whose event loop is running, which stands still meanwhile. "
            "It does not with `await asyncio.to_thread(pool.lease)`; where a proxy is used, call what uses it in a "
            "thread. This is said once",
            self.label,
            str(place),
            longest,
        )

    def _instead(self, dropped: Dropped[T], waiter: Waiter[T], start: float, deadline: float) -> Entry[T]:
        """Get an entry, or a permit, instead of one that was no good."""
        now = self.clock()
        entry, why = dropped
        mine = self.locked(self.ledger.reject, entry, entry.uses, why)
        late = waiter.sleeper is not None and now >= deadline
        try:
            # First be in front of the queue, then free the place: so it is this caller's.
            other = None if late else self.locked(partial(self.ledger.ask, again=True), now, waiter)
        finally:
            if mine and waiter.sleeper is None:
                self.close_and_free(entry)
            elif mine:
                self.close_elsewhere(entry)
        if late:
            raise self._timed_out(waiter, deadline - start)
        return self._wait(waiter, start, deadline) if other is None else other

    def close_elsewhere(self, entry: Entry[T]) -> None:
        """Have the house keeper close what a caller turned down, who is in front of the queue, and has a timeout."""
        self.leave(partial(self.close_and_free, entry))

    def _accept(self, entry: Entry[T], waiter: Waiter[T], deadline: float) -> DiscardReason | None:
        """Make of what a caller got an object lent to him; say why it is no good, if it is not.

        Of a failed creation the caller hears for whom it was tried. But after the first failure in a row, of which
        somebody has heard, one who came to wait for some time goes on waiting, if there is room in the queue.
        """
        if entry.stage is not CREATING:
            return self._unfit(entry)
        try:
            self.create(entry)
            self.locked(self.ledger.admit, entry, self.clock(), waiter)
        except Closed:
            raise
        except Exception as error:
            backoff = self.ledger.backoff
            # Without the lock: if others succeed at this very moment his was the first failure since, and he is told.
            retried = backoff.spaced and backoff.is_retry(entry.attempt)
            patient = waiter.sleeper is not None and deadline < math.inf
            if not retried or not patient or self.locked(self.ledger.crowd) is not None:
                raise
            self.tell_of_failure(error)
            return entry.reason  # there is no object
        return None

    def _unfit(self, entry: Entry[T]) -> DiscardReason | None:
        """Why an object just lent to the caller may not be: too old, or, if checked, in bad health."""
        now, limit = entry.last_get, self.config.health_before_get
        why = self.ledger.too_old(entry, now)
        if why is not None or limit is None or now - max(entry.last_ret, entry.last_check) < limit:
            return why
        self.tally.add("checks_before_get")
        try:
            fine = self.lifecycle.check(entry)
        except BaseException:  # the object's state is unknown
            self.end_loan(entry, entry.uses, "interrupted")
            raise
        if not fine:
            return "health"
        return self.ledger.too_old(entry, self.clock()) if self.ledger.using.get(entry.key) is entry else "killed"

    def _own_work(self) -> PoolException:
        return PoolException(
            f"{self.label}: its own fun, or a hook, borrows from it and would wait for itself: "
            f"use the object that the hook is called with"
        )

    def _timed_out(self, waiter: Waiter[T], timeout: float) -> TimeOut:
        waiter.in_vain = True
        error = TimeOut(f"timeout after {timeout:g} seconds in {self.label}: {self._situation_of(waiter)}")
        error.__cause__ = self.last_error and without_traceback(self.last_error)
        return error

    def _refused(self, waiter: Waiter[T]) -> TooManyWaiting:
        bound = f"max_waiting={self.config.max_waiting} is reached"
        error = TooManyWaiting(f"{bound} in {self.label}: {self._situation_of(waiter)}")
        error.__cause__ = self.last_error and without_traceback(self.last_error)
        return error

    def _situation_of(self, waiter: Waiter[T]) -> str:
        """Say what keeps a caller waiting; perhaps he does so himself."""
        loans = (loan_of(self.ledger, entry) for entry in snapshot(self.ledger.using.values()))
        own = sum(1 for loan in loans if loan is not None and loan.owner is waiter.owner)
        itself = f"; this caller itself holds {own} of them" if own else ""
        return f"{self.situation()}{self._longest()}{itself}"

    def situation(self) -> str:
        """Say how many objects there are, and what becomes of them."""
        return self.locked(self._situation)

    def _situation(self) -> str:
        ledger, places = self.ledger, self.ledger.places
        elsewhere = "".join(
            f", {number} being {what}"
            for number, what in ((self.rounds.nchecking, "checked"), (places.nretired, "closed"))
            if number
        )
        exist = len(places) - places.ncreating
        left = self.ledger.backoff.left(self.clock())
        pause = f", next attempt to create one in {left:.3f} s" if left else ""
        return (
            f"{exist} {'object exists' if exist == 1 else 'objects exist'} "
            f"({ledger.nidle} idle, {len(ledger.using)} lent{elsewhere}), "
            f"{places.ncreating} being created, {len(ledger.waiters)} waiting{pause}"
        )

    def _longest(self) -> str:
        """Say who has had an object for longest, if anybody has one.

        Without the lock, as ``loan_of`` allows: owners are put into words here, and a patched thread that is asked
        whether it lives switches. Loans are entered in nearly the order in which they begin: the first is the longest,
        or shorter by less than what is shown.
        """
        for entry in snapshot(self.ledger.using.values()):
            loan = loan_of(self.ledger, entry)
            if loan is not None:
                place = f" ({loan.stack[-1].filename}:{loan.stack[-1].lineno})" if loan.stack else ""
                name = "" if entry.name is None else f": {entry.name}"
                held = self.clock() - loan.since
                return f"; the longest has been lent for {held:.3f} s to {in_words(loan.owner)}{place}{name}"
        return ""
