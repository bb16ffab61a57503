"""How objects are lent and taken back: lock, ask the ledger, unlock, do the work, settle."""

import inspect
import logging
import math
from collections.abc import Callable, Iterator
from functools import partial
from traceback import StackSummary, walk_stack
from typing import TypeVar

from .._errors import PoolClosed, TimeOut
from .._sync.owner import Owner, here
from .._sync.sleeper import home, sleeper
from .config import seconds
from .core import Core, Reentered
from .entry import CREATING, Entry, Receipt
from .ledger import REFUSED, WATCHED, Closed, Put
from .racing import first, remove
from .waiters import Waiter

T = TypeVar("T")

log = logging.getLogger("ppp")

STACK_DEPTH = 32
"""Innermost frames kept of the stack of a ``get``, with ``trace_owner``."""

_PACKAGE = __name__.partition(".")[0] + "."


class Lending(Core[T]):
    """What borrowers need of a pool."""

    # Borrowing. --------------------------------------------------------------------------------------

    def borrow(self, timeout: float | None, receipt: Receipt[T] | None = None) -> Entry[T]:
        """Lend an entry to the caller."""
        if timeout is not None:
            timeout = seconds("timeout", timeout)
        entry = self.ledger.take(self.clock(), self.here.owner, receipt)
        if entry is None:
            entry = self._borrow_slowly(self.config.timeout if timeout is None else timeout, receipt)
        if not self.plain:
            try:
                self._dress(entry)
            except BaseException:
                self.end_loan(entry, entry.uses, broken=True)
                raise
        return entry

    def _dress(self, entry: Entry[T]) -> None:
        """Do what is to be done at each loan: note the stack, call the getter."""
        if self.config.trace_owner:
            frame = inspect.currentframe()
            while frame is not None and frame.f_globals.get("__name__", "").startswith(_PACKAGE):
                frame = frame.f_back
            entry.stack = StackSummary.extract(walk_stack(frame), limit=STACK_DEPTH, lookup_lines=False)
            entry.stack.reverse()  # the most recent call last, as everyone reads it
        self.lifecycle.lend(entry)

    def _borrow_slowly(self, timeout: float | None, receipt: Receipt[T] | None) -> Entry[T]:
        self.here = here()  # greenlets may have come into use since the last look
        if self.home is None:
            self.home = home()
        if self.ledger.mailbox and self.sweep():
            self.look_after()
        waiter: Waiter[T] = Waiter(self.here.owner, receipt, None if timeout == 0 else sleeper(self._knock))
        try:
            entry = self._wait(waiter, timeout)
            if entry.stage is CREATING:
                self.create(entry)
                self.locked(self.ledger.admit, entry, self.clock(), waiter)
        except BaseException as error:
            # Timed out, interrupted, killed, failed: what was got goes to the next in the queue.
            doomed = self.locked(self.ledger.withdraw, waiter, self.clock())
            if doomed is not None:
                self.finish(doomed)
            if isinstance(error, Closed):
                raise PoolClosed(f"{self.label} is closed") from None
            raise
        finally:
            if waiter.sleeper is not None:
                waiter.sleeper.dispose()
        return entry

    def _wait(self, waiter: Waiter[T], timeout: float | None) -> Entry[T]:
        """Get an entry, lent, or a permit to create one; queue for it if need be."""
        start = self.clock()
        deadline = math.inf if timeout is None else start + timeout
        entry = self.locked(self.ledger.ask, start, waiter)
        while entry is None:
            left = deadline - self.clock()
            if waiter.sleeper is None or left <= 0:
                waiter.in_vain = True
                raise self._timed_out(deadline - start)
            waiter.sleeper.sleep(None if left == math.inf else left)
            entry = self.locked(self.ledger.answer, waiter, self.clock())
        return entry

    def _timed_out(self, timeout: float) -> TimeOut:
        error = TimeOut(f"timeout after {timeout:g} seconds in {self.label}: {self.locked(self._situation)}")
        error.__cause__ = self.last_error
        return error

    def _situation(self) -> str:
        ledger, places = self.ledger, self.ledger.places
        elsewhere = "".join(
            f", {number} being {what}"
            for number, what in ((self.rounds.nchecking, "checked"), (places.nretired, "closed"))
            if number
        )
        exist = len(places) - places.ncreating
        return (
            f"{exist} {'object exists' if exist == 1 else 'objects exist'} "
            f"({ledger.nidle} idle, {len(ledger.using)} lent{elsewhere}), "
            f"{places.ncreating} being created, {len(ledger.waiters)} waiting"
        )

    # Giving back. --------------------------------------------------------------------------------------

    def give_back(self, obj: T, *, broken: bool = False) -> None:
        """Take back an object, by identity; one that is not lent here only gets a warning."""
        entry = self.ledger.using.pop(id(obj), None)
        if entry is None:
            try:
                # The house keeper may have it in his hands at this moment, with the lock held.
                entry = self.locked(self.ledger.using.pop, id(obj), None)
            except Reentered:  # he is this very thread
                pass
        if entry is None:
            # Not through the tracer: no hook runs on an object that is not the pool's.
            log.log(
                logging.DEBUG if self.lifecycle.silent else logging.WARNING,
                "%s: not lent here (or given back before, or killed), not taken back: <%s at %#x>",
                self.label,
                type(obj).__name__,
                id(obj),
            )
        elif broken:
            self._discard(entry)
        else:
            self.follow_up(entry, self.ledger.put(entry, self.clock()))

    def end_loan(self, entry: Entry[T], use: int, *, broken: bool = False) -> None:
        """Take back an entry, unless that loan is over."""
        try:
            # The house keeper may have it in his hands at this moment, with the lock held: look again with the lock.
            if not self.ledger.end_loan(entry, use) and not self.locked(self.ledger.end_loan, entry, use):
                return
        except Reentered:
            self.end_loan_later(entry, use)
            return
        if broken:
            self._discard(entry)
        elif (put := self.ledger.put(entry, self.clock())) is not None:
            self.follow_up(entry, put)

    def end_loan_later(self, entry: Entry[T], use: int, *, quietly: bool = False) -> None:
        """Have a loan ended whose lease was dropped; in a finalizer, so nobody is waited for or called."""
        entry.mailbox.dropped.append((entry, use, quietly))
        self._keeper.knock(self)  # itself: the lease may have been the last that referred to this pool

    def follow_up(self, entry: Entry[T], put: Put | None) -> None:
        """Finish what a ``put`` without the lock has begun."""
        if put is WATCHED:
            # Not within a locked step of this thread: there nobody else can have changed `watched` meanwhile.
            if self.locked(self.ledger.settle, entry):
                self.finish(entry)
        elif put is REFUSED:
            self._take_back_carefully(entry, entry.last_ret)

    def _take_back_carefully(self, entry: Entry[T], now: float) -> None:
        self._tell_if_warned(entry, now)
        try:
            fine = self.lifecycle.take_back(entry)
        except BaseException:  # a KeyboardInterrupt in the retter: the object's state is unknown
            self.bury(entry)
            raise
        if not fine:
            self.bury(entry)
            return
        try:
            worn_out = self.locked(self.ledger.give, entry, self.clock())
        except Reentered:
            self._leave_behind(entry)
        else:
            if worn_out:
                self.finish(entry)

    def _tell_if_warned(self, entry: Entry[T], now: float) -> None:
        warned = entry.warned == entry.uses
        # In any case: a round may have written down its warning about the last use when that had just ended.
        self.rounds.unwarn(entry)
        if warned:
            log.warning(
                "%s: %s came back after %.3f s from %s",
                self.label,
                self.lifecycle.describe(entry.obj),
                now - entry.last_get,
                entry.owner,
            )

    def _discard(self, entry: Entry[T]) -> None:
        self._tell_if_warned(entry, self.clock())
        self.bury(entry)

    def bury(self, entry: Entry[T]) -> None:
        """Close a live entry that is the caller's."""
        try:
            self.locked(self.ledger.places.retire, entry)
        except Reentered:
            self._leave_behind(entry)
        else:
            self.finish(entry)

    def _leave_behind(self, entry: Entry[T]) -> None:
        """Leave an entry to the house keeper, in a finalizer or signal handler that interrupted a locked step."""
        entry.mailbox.orphans.append(entry)
        self._keeper.knock(self)

    # What finalizers have left. ------------------------------------------------------------------------

    def sweep(self) -> bool:
        """See to loans whose lease was dropped, to lost entries, and to what was given to those who ended.

        Callers do it too, so nothing of the user's is called here: what needs that becomes a chore. Say whether
        there was anything.
        """
        mailbox = self.ledger.mailbox
        found = bool(mailbox)
        while (dropped := first(mailbox.dropped)) is not None:
            self._take_back_dropped(*dropped)
            # Removed last: an interrupted sweep is done again, and of several sweeps one has the entry.
            remove(mailbox.dropped, dropped)
        try:
            # One call into C: whatever is thrown into this thread, an orphan is in the one deque or in the other. It
            # has no finalizer any more that would mail it a second time.
            chores: Iterator[Callable[[], None]] = map(
                partial(partial, self.finish), iter(mailbox.orphans.popleft, None)
            )
            self.chores.extend(chores)
        except IndexError:
            pass
        return found

    def _take_back_dropped(self, entry: Entry[T], use: int, quietly: bool) -> None:
        if not self.locked(self.ledger.end_loan, entry, use):
            return
        now = entry.last_ret = self.clock()
        owner = entry.owner
        if self._careful or entry.warned == use:
            self.chores.append(partial(self.follow_up, entry, REFUSED))
        elif self.locked(self.ledger.give, entry, now):
            self.chores.append(partial(self.finish, entry))
        if not quietly:
            self.say(partial(self._tell_of_drop, entry, owner))

    def _tell_of_drop(self, entry: Entry[T], owner: Owner | None) -> None:
        what = self.lifecycle.describe(entry.obj)
        log.warning("%s: the lease of %s was dropped by %s without release()", self.label, what, owner)
