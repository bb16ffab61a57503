"""House keeping of one pool: what the schedule asks of it, and what its chores are."""

import logging
import os
import random
import weakref
from collections.abc import Callable, Iterator
from functools import partial
from typing import TypeVar

from .._hooks import Hooks
from .._sync.fork import keep_for_ever
from .._sync.sleeper import home
from . import policy
from .config import PoolConfig
from .entry import Entry
from .housekeeper import HouseKeeper
from .ledger import Closed, Ledger
from .lending import Lending
from .racing import first
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


class Upkeep(Lending[T]):
    """What the house keeper needs of a pool, and so the whole of it."""

    def __init__(self, hooks: Hooks[T], config: PoolConfig, keeper: HouseKeeper) -> None:
        self._kept = not _is_reloader()
        super().__init__(hooks, config, keeper)
        keeper.enter(self)
        if not self._kept:
            log.warning("%s: no house keeping in the parent of a reloading server", self.label)
            return
        self.home = home()
        try:
            self._alone("refill", self._refill)()
        except BaseException:
            self.shutdown()
            raise

    def _start_empty(self) -> None:
        super()._start_empty()
        self._busy: dict[str, weakref.ref[Callable[[], None]]] = {}  # chores of which one at a time is enough
        self._retry_at = 0.0
        self._next_round = self.clock() + (self.config.delay or 0.0)
        self.hk_last: float | None = None

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
        self.sweep()
        self._queue_closers(self.locked(self.ledger.recover, self.clock()))
        if self.ledger.mailbox.abandoned and not self.ledger.closed:
            self._queue_closers(self.locked(self.ledger.close))
            if self.ledger.using:
                self._keeper.remember(self)
                self.say(self.tell_who_stays)
        deadlines: list[float | None] = []
        if not self.ledger.closed:
            now = self.clock()
            deadlines = [self._round(now), self._see_to_refill(now)]
        if self.lines:
            self.chores.extend(self._alone_if_first("lines", self._speak))
        return min((deadline for deadline in deadlines if deadline is not None), default=None)

    def _round(self, now: float, *, forced: bool = False) -> float | None:
        """Do a round if it is time; give the time of the next look."""
        delay = self.config.delay
        full = forced or (delay is not None and now >= self._next_round)
        due: Due[T] = Due()
        if full or self.config.exact:
            due = self.locked(self.rounds.due, now)
            self._queue_closers(due.expired)
            self.chores.extend(partial(self._kill, loan) for loan in due.killed)
            for loan in due.warned:
                self.say(partial(self._tell_of_long_use, loan))
        if full:
            self.tally.add("hk_rounds")
            self.hk_last = now
            self._next_round = now + (delay or 0.0)
            if self.lifecycle.checks and self.tally["hk_rounds"] % self.config.health_freq == 0:
                self.home_chores.extend(self._alone_if_first("health", self._check_health))
        self.tally.add("hk_time", self.clock() - now)
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
        self.home_chores.extend(self._alone_if_first("refill", self._refill))
        return None

    def _backing_off(self, now: float) -> bool:
        return self._failures > 0 and now < self._retry_at

    def _queue_closers(self, doomed: list[Entry[T]]) -> None:
        self.chores.extend(partial(self.finish, entry) for entry in doomed)

    def housekeep(self) -> None:
        """Do a full round now, chores included, in this thread."""
        try:
            self.sweep()
            if not self.ledger.closed:
                self._round(self.clock(), forced=True)
                self._run_chores()
                self._see_to_refill(self.clock())  # of what the round has closed, too
            self._run_chores()
        finally:
            if self.chores or self.home_chores:  # interrupted: the house keeper does the rest
                self.look_after()

    # Chores: outside the lock, in a crew thread, in a greenlet of the pool's hub, or in the caller of housekeep(). ----

    def run_chores(self, *, away: bool = False) -> None:
        """Run what is queued, hooks included; raises nothing. Away from the pool's hub only what may run there."""
        try:
            self._run_chores(away=away)
        except BaseException as error:  # a SystemExit, or a greenlet's death, in a hook: this pool's chores end here
            self._went_wrong(error)

    def _run_chores(self, *, away: bool = False) -> None:
        start = self.clock()
        while (chore := self._next_chore(away)) is not None:
            try:
                chore()
            except Exception as error:
                self._went_wrong(error)
        self.tally.add("hk_time", self.clock() - start)

    def _next_chore(self, away: bool) -> Callable[[], None] | None:
        for chores in (self.chores,) if away else (self.chores, self.home_chores):
            try:
                return chores.popleft()
            except IndexError:
                continue
        return next(self._alone_if_first("lines", self._speak), None) if self.lines else None

    def _went_wrong(self, error: BaseException) -> None:
        self.tally.add("hk_errors")
        if not self.lifecycle.silent:
            log.error("%s: house keeping failed: %r", self.label, error, exc_info=error)

    def _alone(self, name: str, chore: Callable[[], None]) -> Callable[[], None]:
        """Make a chore of which one at a time is enough."""
        alone = partial(self._do_alone, name, chore)
        self._busy[name] = weakref.ref(alone)  # weak: one that is lost on the way holds up no other
        return alone

    def _alone_if_first(self, name: str, chore: Callable[[], None]) -> Iterator[Callable[[], None]]:
        """Make such a chore unless there is one, queued or under way."""
        alone = self.locked(self._claim, name, chore)
        if alone is not None:
            yield alone

    def _claim(self, name: str, chore: Callable[[], None]) -> Callable[[], None] | None:
        other = self._busy.get(name)
        return self._alone(name, chore) if other is None or other() is None else None

    def _do_alone(self, name: str, chore: Callable[[], None]) -> None:
        try:
            chore()
        finally:
            self._busy.pop(name, None)
            self.look_after()  # at what was not begun because this was under way

    def _speak(self) -> None:
        """Log what is to be logged."""
        while (line := first(self.lines)) is not None:
            self.lines.popleft()
            line()

    def _kill(self, loan: Loan[T]) -> None:
        """Close what was kept too long; name it first, as long as it can be looked at."""
        what = self.lifecycle.describe(loan.entry.obj)
        self.say(partial(self._log_long_use, what, loan, self.clock() - loan.since, ", closing it"))
        self.finish(loan.entry)

    def _tell_of_long_use(self, loan: Loan[T]) -> None:
        what = self.lifecycle.describe(loan.entry.obj)
        self._log_long_use(what, loan, self.clock() - loan.since, "")

    def _log_long_use(self, what: str, loan: Loan[T], kept: float, end: str) -> None:
        stack = "" if loan.stack is None else "\n" + "".join(loan.stack.format())
        log.warning("%s: %s has been kept for %.3f s by %s%s%s", self.label, what, kept, loan.owner, end, stack)

    def _check_health(self) -> None:
        """Check each idle entry once, coldest first; only the one being checked is away meanwhile."""
        self.tally.add("hc_rounds")
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
            self.bury(entry)
            raise
        finally:
            self.locked(self.rounds.has_checked, entry)
        if not fine:
            self.bury(entry)
        elif self.locked(self.rounds.passed_check, entry, self.clock()):
            self.finish(entry)

    def _refill(self) -> None:
        """Create objects until there are ``min_size``; after a failure try again later."""
        if self._backing_off(self.clock()):
            return  # another attempt has failed since this one was queued
        ledger = self.ledger
        try:
            while (entry := self.locked(_permit_to_refill, ledger)) is not None:
                self.create(entry)
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

    # The ends: of the handle, of the process, and its beginning as a child. ----------------------------

    def abandon(self) -> None:
        """Have the house keeper close the pool, for whoever must neither wait nor call anything: a finalizer."""
        if self.ledger.places:
            self.ledger.mailbox.abandoned = True
            self._keeper.knock(self)

    def await_rest(self, seconds: float) -> None:
        if self.lifecycle.closes or not self.lifecycle.silent:
            super().await_rest(seconds)

    def last_rites(self) -> list[Callable[[], None]]:
        """Close the pool at interpreter exit: what is to be called for that."""
        self.lifecycle.silent = True
        doomed = self.locked(partial(self.ledger.close, at_exit=True))
        closers: list[Callable[[], None]] = [partial(self.finish, entry) for entry in doomed]
        self.lines.clear()
        if not self.lifecycle.closes:
            self.chores.clear()
            return []
        self.sweep()
        return [*closers, self.run_chores]

    def after_fork(self) -> None:
        """Start anew in a child: what the parent has is the parent's, even to the point of not being freed here."""
        closed = self.ledger.closed
        keep_for_ever((self.ledger, self.chores, self.home_chores, self.lines))
        self._start_empty()
        if closed:
            self.ledger.close()


def _permit_to_refill(ledger: Ledger[T]) -> Entry[T] | None:
    return ledger.places.reserve() if ledger.wants_refill() else None
