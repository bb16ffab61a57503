"""House keeping of one pool: what the schedule asks of it, and what its chores are."""

import contextlib
import importlib
import logging
import os
import random
import sys
import weakref
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import TypeVar

from .._hooks import Hooks
from .._sync.sleeper import home
from . import policy
from .config import PoolConfig
from .core import Core
from .entry import Entry
from .housekeeper import HouseKeeper
from .ledger import Closed, Ledger
from .rounds import Due, Loan

T = TypeVar("T")

log = logging.getLogger("ppp")

FIRST_RETRY = 0.05
"""Seconds before the first new attempt to fill a pool up to ``min_size`` after a failure."""
LAST_RETRY = 5.0
"""Longest delay between two such attempts."""


def _is_reloader() -> bool:
    """Whether this is the parent of a reloading development server, which serves nobody."""
    return "PPP_WERKZEUG_WORKAROUND" in os.environ and os.environ.get("WERKZEUG_RUN_MAIN") != "true"


class UpkeptCore(Core[T]):
    """A core that the house keeper looks after."""

    def __init__(self, hooks: Hooks[T], config: PoolConfig, keeper: HouseKeeper) -> None:
        self._kept = not _is_reloader()
        super().__init__(hooks, config, keeper)
        keeper.enter(self)
        if not self._kept:
            log.warning("%s: no house keeping in the parent of a reloading server", self.label)
            return
        self.home = home()
        try:
            fill = self._alone("refill", self._refill)
            if fill is not None:  # nobody else knows this pool yet
                fill()
        except BaseException:
            self.shutdown()
            raise

    def _start_empty(self) -> None:
        super()._start_empty()
        self.chores: deque[Callable[[], None]] = deque()
        self._busy: dict[str, weakref.ref[Callable[[], None]]] = {}  # chores of which one at a time is enough
        self._retry_at = 0.0
        self._next_round = self.clock() + (self.config.delay or 0.0)
        self.hk_rounds = self.hk_errors = self.hc_rounds = 0
        self.hk_last: float | None = None
        self.hk_time = 0.0

    def look_after(self) -> None:
        if self._kept:
            super().look_after()

    def sweep(self) -> bool:
        found = super().sweep()
        if not self._kept:
            self.run_chores()
        return found

    # What the schedule asks. -----------------------------------------------------------------------

    def attend(self) -> float | None:
        """Queue the chores that are due; give the time of the next look, ``None`` to be left alone."""
        ledger = self.ledger
        self.sweep()
        if ledger.mailbox.abandoned and not ledger.closed:
            self._queue_closers(self.locked(ledger.close))
            if ledger.using:
                self._keeper.remember(self)
                self.chores.append(self.tell_who_stays)
        if ledger.closed:
            return None
        now = self.clock()
        deadlines = [deadline for deadline in (self._round(now), self._see_to_refill(now)) if deadline is not None]
        return min(deadlines, default=None)

    def _round(self, now: float, *, forced: bool = False) -> float | None:
        """Do a round if it is time; give the time of the next look."""
        delay = self.config.delay
        full = forced or (delay is not None and now >= self._next_round)
        due: Due[T] = Due()
        if full or self.config.exact:
            due = self.locked(self.rounds.due, now)
            self._queue_closers(due.expired)
            self._queue_closers([loan.entry for loan in due.killed])
            # In front of the closers: the reason comes before the consequence.
            self.chores.extendleft(partial(self._tell_of_long_use, loan, "closing") for loan in due.killed)
            self.chores.extendleft(partial(self._tell_of_long_use, loan, "lending") for loan in due.warned)
        if full:
            self.hk_rounds += 1
            self.hk_last = now
            self._next_round = now + (delay or 0.0)
            if self.lifecycle.checks and self.hk_rounds % self.config.health_freq == 0:
                self._queue_alone("health", self._check_health)
        self.hk_time += self.clock() - now
        if delay is None or not self.ledger.places:
            return None  # the next creation has the pool looked at again
        if not self.config.exact:
            return self._next_round
        return min(self._next_round, due.deadline or self._next_round)

    def _see_to_refill(self, now: float) -> float | None:
        """Queue a refill if the pool wants one and is not backing off; give the end of the back-off."""
        if not self.ledger.wants_refill():
            return None
        if self._backing_off(now):
            return self._retry_at
        self._queue_alone("refill", self._refill)
        return None

    def _queue_alone(self, name: str, chore: Callable[[], None]) -> None:
        alone = self._alone(name, chore)
        if alone is not None:
            self.chores.append(alone)

    def _backing_off(self, now: float) -> bool:
        return self._failures > 0 and now < self._retry_at

    def _queue_closers(self, doomed: list[Entry[T]]) -> None:
        self.chores.extend(partial(self.finish, entry) for entry in doomed)

    def housekeep(self) -> None:
        """Do a full round now, chores included, in this thread."""
        self.sweep()
        if not self.ledger.closed:
            self._round(self.clock(), forced=True)
            self._run_chores()
            self._see_to_refill(self.clock())  # of what the round has closed, too
        self._run_chores()

    # Chores: outside the lock, in a crew thread, in a greenlet of the pool's hub, or in the caller of housekeep(). ----

    def run_chores(self) -> None:
        """Run what is queued, hooks included; raises nothing."""
        try:
            self._run_chores()
        except BaseException as error:  # a SystemExit, or a greenlet's death, in a hook: this pool's chores end here
            self._went_wrong(error)

    def _run_chores(self) -> None:
        start = self.clock()
        while True:
            try:
                chore = self.chores.popleft()
            except IndexError:
                break
            try:
                chore()
            except Exception as error:
                self._went_wrong(error)
        self.hk_time += self.clock() - start

    def _went_wrong(self, error: BaseException) -> None:
        self.hk_errors += 1
        log.error("%s: house keeping failed: %r", self.label, error)

    def _alone(self, name: str, chore: Callable[[], None]) -> Callable[[], None] | None:
        """Make a chore of which one at a time is enough; None if there is one, queued or under way."""
        return self.locked(self._claim, name, chore)

    def _claim(self, name: str, chore: Callable[[], None]) -> Callable[[], None] | None:
        other = self._busy.get(name)
        if other is not None and other() is not None:
            return None
        alone = partial(self._do_alone, name, chore)
        self._busy[name] = weakref.ref(alone)  # weak: one that is lost on the way holds up no other
        return alone

    def _do_alone(self, name: str, chore: Callable[[], None]) -> None:
        try:
            chore()
        finally:
            self._busy.pop(name, None)
            self.look_after()  # at what was not begun because this was under way

    def _tell_of_long_use(self, loan: Loan[T], what: str) -> None:
        log.warning(
            "%s: %s has been kept for %.3f s by %s%s%s",
            self.label,
            self.lifecycle.describe(loan.entry.obj),
            self.clock() - loan.since,
            loan.owner,
            ", closing it" if what == "closing" else "",
            "" if loan.stack is None else "\n" + "".join(loan.stack.format()),
        )

    def _check_health(self) -> None:
        """Check each idle entry once, coldest first; only the one being checked is away meanwhile."""
        self.hc_rounds += 1
        try:
            for _ in range(self.ledger.nidle):
                entry = self.locked(self.rounds.begin_check)
                if entry is None:
                    break
                self._check(entry)
        finally:
            self.locked(self.rounds.end_check)

    def _check(self, entry: Entry[T]) -> None:
        try:
            fine = self.lifecycle.check(entry)
        except BaseException:
            self._bury(entry)
            raise
        finally:
            self.locked(self.rounds.checked, entry)
        if not fine:
            self._bury(entry)
        elif self.locked(self.rounds.passed_check, entry, self.clock()):
            self.finish(entry)

    def _refill(self) -> None:
        """Create objects until there are ``min_size``; after a failure try again later."""
        if self._backing_off(self.clock()):
            return  # another attempt has failed since this one was queued
        ledger = self.ledger
        try:
            while (entry := self.locked(_permit_to_refill, ledger)) is not None:
                self._create(entry)
                if self.locked(ledger.give, entry, self.clock()):
                    self.finish(entry)
        except Closed:
            pass  # closed meanwhile: the permit dies here, and its place with it
        except BaseException as error:
            delay = policy.backoff(max(1, self._failures), FIRST_RETRY, LAST_RETRY, random.random())
            self._retry_at = self.clock() + delay
            if not isinstance(error, Exception):
                raise
            log.error("%s: creation failed, next attempt in %.3f s: %r", self.label, delay, error)

    # The ends of the process. ------------------------------------------------------------------------

    def await_rest(self, seconds: float) -> None:
        if self.lifecycle.closes or not self.lifecycle.silent:
            super().await_rest(seconds)

    def last_rites(self) -> list[Callable[[], None]]:
        """Close the pool at interpreter exit: what is to be called for that."""
        self.lifecycle.silent = True
        doomed = self.locked(self.ledger.close, at_exit=True)
        closers: list[Callable[[], None]] = [partial(self.finish, entry) for entry in doomed]
        if not self.lifecycle.closes:
            self.chores.clear()
            return []
        self.sweep()
        return [*closers, self.run_chores]

    def after_fork(self) -> None:
        """Start anew in a child: what the parent has is the parent's, even to the point of not being freed here."""
        closed = self.ledger.closed
        _keep_for_ever(self.ledger)
        self._start_empty()
        if closed:
            self.ledger.close()


def _permit_to_refill(ledger: Ledger[T]) -> Entry[T] | None:
    return ledger.places.reserve() if ledger.wants_refill() else None


_inherited: list[object] = []


def _keep_for_ever(thing: object) -> None:
    """Never free something, not even when the interpreter ends.

    A list in a module is emptied at exit, and the finalizers of what it held would then speak on
    connections that the parent still uses. One reference too many prevents that.
    """
    _inherited.append(thing)
    ctypes = sys.modules.get("ctypes")
    if ctypes is not None:  # else the interpreter was built without it: until exit the list does
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(thing))


def _before_fork() -> None:
    """Import in the parent what the child needs: another thread's import lock is held in the child for ever."""
    with contextlib.suppress(ImportError):  # an interpreter built without it
        importlib.import_module("ctypes")


os.register_at_fork(before=_before_fork)
