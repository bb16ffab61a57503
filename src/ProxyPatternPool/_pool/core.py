"""The pool without its public handle: lock, ask the ledger, unlock, do the work, settle.

Leases and the house keeper hold a core; the public ``Pool`` holds it too and is held by nobody, so that
dropping the pool is noticed.
"""

import inspect
import itertools
import logging
import math
import weakref
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable
from datetime import datetime
from functools import partial
from traceback import StackSummary, walk_stack
from typing import Generic, TypeVar

from typing_extensions import ParamSpec

from .._errors import PoolClosed, PoolException, TimeOut
from .._hooks import Hooks
from .._sync.native import allocate_lock, get_ident
from .._sync.owner import Owner, here
from .._sync.sleeper import Home, Sleeper, home, sleeper
from .config import PoolConfig, seconds
from .entry import CREATING, LIVE, RETIRED, Entry, Mailbox, Receipt
from .housekeeper import HouseKeeper, first
from .ledger import REFUSED, WATCHED, Closed, Ledger, Put
from .lifecycle import Lifecycle, keepsake
from .rounds import Rounds
from .stats import Tally
from .waiters import Waiter

T = TypeVar("T")
P = ParamSpec("P")
R = TypeVar("R")

log = logging.getLogger("ppp")

STACK_DEPTH = 32
"""Innermost frames kept of the stack of a ``get``, with ``trace_owner``."""

_PACKAGE = __name__.partition(".")[0] + "."
_ids = itertools.count(1)


class Reentered(PoolException):
    """Somebody came back to a pool in the middle of one of its locked steps, in the same thread."""


class Core(ABC, Generic[T]):
    """What callers need of a pool: borrow, give back, close."""

    chores: deque[Callable[[], None]]

    def __init__(self, hooks: Hooks[T], config: PoolConfig, keeper: HouseKeeper) -> None:
        self.id = next(_ids)
        self.name = config.name if config.name is not None else f"#{self.id}"
        self.label = f"pool {self.name!r}" if config.name is not None else f"pool {self.name}"
        self.config = config
        self.clock = keeper.clock
        self.started = datetime.now()
        self.started_at = self.clock()
        self._keeper = keeper
        self.lifecycle = Lifecycle(hooks, config, self.label)
        self._careful = hooks.retter is not None
        self.plain = hooks.getter is None and not config.trace_owner  # nothing is to be done at each loan
        self.here = here()
        if config.inconsistent:
            log.warning(
                "%s: max_using_delay (%g) is more than max_using_delay_kill (%g): nobody will be warned",
                self.label,
                config.warn_delay,
                config.kill_delay,
            )
        self._start_empty()

    def _start_empty(self) -> None:
        """Begin with nothing: at construction, and in the child of a fork."""
        self.lock = allocate_lock()
        self._holder = 0  # the thread that is within a locked step
        self.lifecycle.tally = Tally()
        self._knock: Callable[[], None] = partial(self._keeper.knock, weakref.ref(self))
        self.ledger: Ledger[T] = Ledger(self.config, Mailbox(self._knock), careful=self._careful)
        self.rounds: Rounds[T] = Rounds(self.config, self.ledger)
        self.ncreating = self.nerrors = 0
        self.home: Home | None = None
        self.last_error: BaseException | None = None
        self._failures = 0  # creations that failed in a row
        self._leaving: list[Sleeper] = []  # shutdowns that wait for the last place to be free

    @abstractmethod
    def attend(self) -> float | None:
        """See ``Household``, as for the next three."""

    @abstractmethod
    def run_chores(self) -> None: ...

    @abstractmethod
    def last_rites(self) -> list[Callable[[], None]]: ...

    @abstractmethod
    def after_fork(self) -> None: ...

    def locked(self, step: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Do one step of the ledger with the lock held.

        ``with`` on a lock in C leaves no moment in which the lock is held and not yet guarded. Whatever
        is thrown into this thread in the middle of the step, nobody sleeps on for it: everyone looks.
        """
        me = get_ident()
        if self._holder == me:
            # The step allocates, so the collector may run in it, and signal handlers: a user's finalizer or handler
            # that comes here would wait for itself for ever.
            raise Reentered(f"{self.label} is called by a finalizer or signal handler in the middle of its own work")
        with self.lock:
            self._holder = me
            try:
                return step(*args, **kwargs)
            except BaseException:
                self.ledger.waiters.rouse()
                raise
            finally:
                self._holder = 0

    # Borrowing. --------------------------------------------------------------------------------------

    def borrow(self, timeout: float | None, receipt: Receipt[T] | None = None) -> Entry[T]:
        """Lend an entry to the caller."""
        if timeout is not None:
            timeout = seconds("timeout", timeout)
        entry = self.ledger.take(self.clock(), self.here.owner, receipt)
        if entry is None:
            entry = self._borrow_slowly(timeout, receipt)
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
        waiter: Waiter[T] = Waiter(self.here.owner, receipt)
        try:
            entry = self.locked(self.ledger.ask, self.clock(), waiter)
            if entry is None:
                try:
                    entry = self._wait(waiter, self.config.timeout if timeout is None else timeout)
                finally:
                    waiter.sleeper.dispose()
            if entry.stage is CREATING:
                self._create(entry)
                self.locked(self.ledger.admit, entry, self.clock(), waiter)
        except BaseException as error:
            # Timed out, interrupted, killed, failed: what was got goes to the next in the queue.
            doomed = self.locked(self.ledger.abandon, waiter, self.clock())
            if doomed is not None:
                self.finish(doomed)
            if isinstance(error, Closed):
                raise PoolClosed(f"{self.label} is closed") from None
            raise
        return entry

    def _wait(self, waiter: Waiter[T], timeout: float | None) -> Entry[T]:
        """Queue for an entry, lent, or for a permit to create one."""
        start = self.clock()
        deadline = math.inf if timeout is None else start + timeout
        if timeout == 0:
            self.locked(self.ledger.waited, 0.0, in_vain=True)
            raise self._timed_out(0.0)
        expired = False
        waiter.sleeper = sleeper()
        try:
            entry = self.locked(self.ledger.ask, start, waiter, queue=True)
            while entry is None:
                left = deadline - self.clock()
                if left <= 0:
                    expired = True
                    raise self._timed_out(deadline - start)
                waiter.sleeper.sleep(None if left == math.inf else left)
                entry = self.locked(self.ledger.answer, waiter, self.clock())
        finally:
            self.locked(self.ledger.waited, self.clock() - start, in_vain=expired)
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
        return (
            f"{len(places) - places.ncreating} objects exist "
            f"({ledger.nidle} idle, {len(ledger.using)} lent{elsewhere}), "
            f"{places.ncreating} being created, {len(ledger.waiters)} waiting"
        )

    # Creating. -----------------------------------------------------------------------------------------

    def _create(self, entry: Entry[T]) -> None:
        """Create the object of an entry that is the caller's; what fails is raised, and the place is free."""
        self.locked(self._count_creation)
        try:
            self.lifecycle.make(entry)
            try:
                self.locked(self.ledger.places.adopt, entry)
            except ValueError as error:
                raise PoolException(f"{self.label}: {error}") from None
            self.lifecycle.open(entry)
        except BaseException as error:
            self._failures += 1
            self.last_error = keepsake(error)
            self.locked(self._count_error)
            self.finish(entry)
            raise
        now = self.clock()
        entry.last_get = entry.last_ret = now
        self._failures = 0
        self.last_error = None
        self.look_after()

    def _count_creation(self) -> None:
        if self.ledger.closed:
            raise Closed
        self.ncreating += 1

    def _count_error(self) -> None:
        self.nerrors += 1

    def look_after(self) -> None:
        """Have the house keeper look at what is to be watched now."""
        self._keeper.watch(self)

    # Giving back. --------------------------------------------------------------------------------------

    def give_back(self, obj: T, *, broken: bool = False) -> None:
        """Take back an object, by identity; one that is not lent here only gets a warning."""
        entry = self.ledger.using.pop(id(obj), None)
        if entry is None:
            # The house keeper may have it in his hands at this moment, with the lock held.
            entry = self.locked(self.ledger.using.pop, id(obj), None)
        if entry is None:
            # Not through the tracer: no hook runs on an object that is not the pool's.
            level = logging.DEBUG if self.lifecycle.silent else logging.WARNING
            log.log(level, "%s: not lent here, not taken back: <%s at %#x>", self.label, type(obj).__name__, id(obj))
        elif broken:
            self._tell_if_warned(entry, self.clock())
            self._bury(entry)
        else:
            self.settle(entry, self.ledger.put(entry, self.clock()))

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
            self._tell_if_warned(entry, self.clock())
            self._bury(entry)
        elif (put := self.ledger.put(entry, self.clock())) is not None:
            self.settle(entry, put)

    def end_loan_later(self, entry: Entry[T], use: int, *, quietly: bool = False) -> None:
        """Have a loan ended whose lease was dropped; in a finalizer, so nobody is waited for or called."""
        entry.mailbox.dropped.append((entry, use, quietly))
        self._keeper.knock(self)  # itself: the lease may have been the last that referred to this core

    def settle(self, entry: Entry[T], put: Put | None) -> None:
        """Finish what a ``put`` without the lock has begun."""
        try:
            if put is WATCHED:
                if self.locked(self.ledger.settle, entry):
                    self.finish(entry)
            elif put is REFUSED:
                self._take_back_carefully(entry, entry.last_ret)
        except Reentered:
            self._leave_behind(entry)

    def _leave_behind(self, entry: Entry[T]) -> None:
        """Leave an entry to the house keeper, in a finalizer or signal handler that interrupted a locked step."""
        entry.mailbox.orphans.append(entry)
        self._keeper.knock(self)

    def _take_back_carefully(self, entry: Entry[T], now: float) -> None:
        self._tell_if_warned(entry, now)
        try:
            fine = self.lifecycle.take_back(entry)
        except BaseException:  # a KeyboardInterrupt in the retter: the object's state is unknown
            self._bury(entry)
            raise
        if not fine:
            self._bury(entry)
        elif self.locked(self.ledger.give, entry, self.clock()):
            self.finish(entry)

    def _tell_if_warned(self, entry: Entry[T], now: float) -> None:
        if self.rounds.unwarn(entry):
            log.warning(
                "%s: %s came back after %.3f s from %s",
                self.label,
                self.lifecycle.describe(entry.obj),
                now - entry.last_get,
                entry.owner,
            )

    def _bury(self, entry: Entry[T]) -> None:
        """Close a live entry that is the caller's."""
        try:
            self.locked(self.ledger.places.retire, entry)
        except Reentered:
            self._leave_behind(entry)
        else:
            self.finish(entry)

    def finish(self, entry: Entry[T]) -> None:
        """Bring an entry that is the caller's to its end, from whatever stage: close the object, free the place."""
        if entry.stage in (CREATING, LIVE) and entry.made:
            self.locked(self._end_early, entry)
        try:
            self.lifecycle.close(entry)
        finally:
            if entry.stage is not RETIRED:  # else interrupted before the closer: it dies, and is finished later
                self.locked(self._free, entry)
                if self.ledger.wants_refill():
                    self.look_after()

    def _free(self, entry: Entry[T]) -> None:
        self.ledger.free(entry)
        if self.ledger.closed and not self.ledger.places:
            self._keeper.forget(self)
            for waiting in self._leaving:
                waiting.wake()

    def _end_early(self, entry: Entry[T]) -> None:
        if entry.stage is CREATING:  # interrupted between the factory's return and the opener
            self.ledger.places.adopt(entry)
        self.ledger.places.retire(entry)

    def sweep(self) -> bool:
        """See to what finalizers have left: loans whose lease was dropped, and lost entries.

        Callers do it too, so nothing of the user's is called here: what needs that becomes a chore. Say whether
        there was anything.
        """
        mailbox = self.ledger.mailbox
        found = bool(mailbox)
        while (dropped := first(mailbox.dropped)) is not None:
            entry, use, quietly = dropped
            if self.locked(self.ledger.end_loan, entry, use):
                now = entry.last_ret = self.clock()
                if self._careful or entry.warned == use:
                    self.chores.append(partial(self.settle, entry, REFUSED))
                elif self.locked(self.ledger.give, entry, now):
                    self.chores.append(partial(self.finish, entry))
                if not quietly:
                    self.chores.append(partial(self._tell_of_drop, entry, entry.owner))
            # Removed last: an interrupted sweep is done again, and of several sweeps one has the entry.
            _remove(mailbox.dropped, dropped)
        while (orphan := first(mailbox.orphans)) is not None:
            # Queued before it is removed: an orphan that is lost once more has no finalizer left.
            chore: Callable[[], None] = partial(self.finish, orphan)
            if not self.locked(self.ledger.holds, orphan):  # else idle, by a put that could not be settled
                self.chores.append(chore)
            self.locked(self.ledger.nudge)
            if not _remove(mailbox.orphans, orphan):  # another sweep has queued it too
                _remove(self.chores, chore)
        return found

    def _tell_of_drop(self, entry: Entry[T], owner: Owner | None) -> None:
        what = self.lifecycle.describe(entry.obj)
        log.warning("%s: the lease of %s was dropped by %s without release()", self.label, what, owner)

    # Closing. --------------------------------------------------------------------------------------------

    def shutdown(self, timeout: float = 0.0) -> None:
        """Serve nobody any more, close what is idle, wait for what is lent."""
        timeout = seconds("timeout", timeout)
        opened = not self.ledger.closed
        try:
            doomed = self.locked(self.ledger.close)
        except Reentered:
            self.ledger.mailbox.abandoned = True
            self._keeper.knock(self)  # who closes it as soon as this handler has returned
            return
        for entry in doomed:
            self.finish(entry)
        self.await_rest(timeout)
        if opened:
            self.tell_who_stays()

    def await_rest(self, seconds: float) -> None:
        """Wait until every place is free, for some seconds at most."""
        deadline = self.clock() + seconds
        bed = sleeper()
        self.locked(self._leaving.append, bed)
        try:
            while self.ledger.places and (left := deadline - self.clock()) > 0:
                bed.sleep(None if left == math.inf else left)
        finally:
            self.locked(self._leaving.remove, bed)
            bed.dispose()

    def abandon(self) -> None:
        """Have the house keeper close the pool, for whoever must neither wait nor call anything: a finalizer."""
        if self.ledger.places:
            self.ledger.mailbox.abandoned = True
            self._keeper.knock(self)

    def tell_who_stays(self) -> None:
        for entry in list(self.ledger.using.values()):
            log.warning(
                "%s: closed while %s has %s, lent %.3f s ago; it will be closed when it comes back",
                self.label,
                entry.owner,
                self.lifecycle.describe(entry.obj),
                self.clock() - entry.last_get,
            )


def _remove(items: "deque[R]", item: R) -> bool:
    """Remove an item unless another thread did; say whether it was removed here."""
    try:
        items.remove(item)
    except ValueError:
        return False
    return True
