"""House keeping of one pool: what the schedule asks of it, and what its chores are."""

import logging
import os
import weakref
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from itertools import chain, islice
from typing import TypeVar

from .._config import PoolConfig
from .._hooks import Hooks
from .._ledger.entry import Entry
from .._ledger.ledger import Closed
from .._ledger.sweeps import Due, Loan
from .._observer import PoolObserverOrNone
from .._runtime.fork import never_free
from .._runtime.process import belongs_to_parent
from .._runtime.waiting import do_nothing
from .._scheduler.scheduler import Scheduler
from .._text import error_repr
from .lending import Lending
from .log_queue import Later

T = TypeVar("T")

REFILLS = 4
"""Creations at a time for what is missing of ``min_size``."""


def _is_reloader() -> bool:
    """Whether this is the parent of a reloading development server, which serves nobody."""
    return "PPP_WERKZEUG_WORKAROUND" in os.environ and os.environ.get("WERKZEUG_RUN_MAIN") != "true"


class Upkeep(Lending[T]):
    """What the house keeper needs of a pool, and so the whole of it."""

    def __init__(
        self, hooks: Hooks[T], config: PoolConfig, scheduler: Scheduler, observer: PoolObserverOrNone[T] = None
    ) -> None:
        self.maintained = not _is_reloader()
        super().__init__(hooks, config, scheduler, observer)
        scheduler.register(self)
        if not self.maintained:
            self.log_later(logging.WARNING, "%s: no house keeping in the parent of a reloading server", self.label)
            return
        self.bind_hub()
        try:
            # In this thread alone: who makes a pool has its first objects, and whatever is thrown into their making.
            refill, *others = list(self._refills())
            refill()
            others.clear()
        except BaseException:
            self.shutdown()
            raise

    def _start_empty(self) -> None:
        super()._start_empty()
        self._busy: dict[str, weakref.ref[Callable[[], None]]] = {}  # chores of which one at a time is enough
        self._next_round = self.clock() + (self.config.delay or 0.0)
        self.hk_last: float | None = None

    def schedule(self) -> None:
        if self.maintained:
            super().schedule()
        elif self.lines:
            self.request_log_flush()

    def request_log_flush(self) -> None:
        if self.maintained:
            super().request_log_flush()
        else:
            self._scheduler.run_in_thread(self.flush_log)

    def sweep(self) -> bool:
        found = super().sweep()
        if not self.maintained:
            self.run_chores()
        return found

    # What the schedule asks. -----------------------------------------------------------------------

    def run_due(self) -> float | None:
        """Queue the chores that are due; give the time of the next look, ``None`` to be left alone."""
        self.sweep()
        self._queue_closers(self.locked(self.ledger.recover, self.clock()))
        if self.ledger.mailbox.abandoned:
            opened = not self.ledger.closed  # else its close was interrupted
            self._queue_closers(self.locked(self.close_books))
            self.ledger.mailbox.abandoned = False
            self._come_back()
            if opened and self.ledger.using:
                self.chores.append(self.tell_who_stays)
        deadlines: list[float | None] = [self.look_for_orphans_at(self.clock())]
        if not self.ledger.closed:
            now = self.clock()
            if self.ledger.places.unsettled:
                self._queue_closers(self.locked(self.rounds.prune, now))  # what a drain was interrupted in
            deadlines += [self._round(now), self._see_to_refill(now)]
        elif self.ledger.places:
            # Limits on what is lent hold until the last place is free: who came before the close may have his loan yet.
            deadlines.append(self._round(self.clock()))
        if self.lines:
            self.chores.append(do_nothing)  # after which they are said
        return min((deadline for deadline in deadlines if deadline is not None), default=None)

    def _come_back(self) -> None:
        """Be known again to the house keeper, after the handle was dropped, as long as anything is lent.

        If this was garbage with its handle, all weak references to it were cleared before the finalizer called.
        """
        self._scheduler.register(self)
        self.refer_to_me()
        if self.ledger.using:
            self._scheduler.keep_alive(self)
            if not self.ledger.places:  # the last came back at this moment, before it was remembered
                self._scheduler.let_go(self)

    def _round(self, now: float, *, forced: bool = False) -> float | None:
        """Do a round if it is time; give the time of the next look."""
        delay = self.config.delay
        full = forced or (delay is not None and now >= self._next_round)
        due: Due[T] = Due()
        if full or self.config.exact:
            # After a pause of the whole process borrowers get the time of a round to give back.
            due = self.locked(self.rounds.due, now, self._scheduler.paused_at + (delay or 0.0))
            self._queue_closers(due.expired)
            self.chores.extend(partial(self._kill, loan) for loan in due.killed)
            for loan in due.warned:
                # The scheduling thread calls nothing of the user's; who does a round by hand may.
                name: str | Later = self.lifecycle.describe_later(loan.entry, loan.use)
                if forced:
                    name = self.lifecycle.describe(loan.entry)
                self._tell_of_long_use(name, loan, now, "")
        if full:
            self.tally.add("hk_rounds")
            self.hk_last = now
            self._next_round = now + (delay or 0.0)
            checks = self.lifecycle.checks and not self.ledger.closed
            if checks and self.tally["hk_rounds"] % self.config.health_freq == 0:
                self.hub_chores.extend(self._alone_if_first("health", self._check_health))
        self.tally.add("hk_time", self.clock() - now)
        if delay is None or not self.ledger.places:
            return None  # the next creation has the pool looked at again
        if not self.config.exact:
            return self._next_round
        return min(self._next_round, due.deadline or self._next_round)

    def _see_to_refill(self, now: float) -> float | None:
        """Queue a refill if the pool wants one and is not backing off; give the end of the back-off."""
        ledger = self.ledger
        if not ledger.wants_refill():
            return None
        if not ledger.backoff.allows(now):
            return ledger.backoff.due_at
        # Side by side: a creation that hangs holds up no other. Meanwhile others may have created what was missing.
        self.hub_chores.extend(islice(self._refills(), max(0, -ledger.places.nspare)))
        return None

    def _refills(self) -> Iterator[Callable[[], None]]:
        """Make as many refills as there are none of already, queued or under way."""
        return chain.from_iterable(self._alone_if_first(f"refill {n}", self._refill) for n in range(REFILLS))

    def _queue_closers(self, doomed: list[Entry[T]]) -> None:
        self.chores.extend(partial(self.close_and_free, entry) for entry in doomed)

    def housekeep(self) -> None:
        """Do a full round now, chores included, in this thread."""
        self.bind_hub()
        refills = list(self._refills())  # else the house keeper would do some of it, and not be waited for
        try:
            self.sweep()
            if not self.ledger.closed or self.ledger.places:
                self._round(self.clock(), forced=True)
            self._run_chores()
            if refills and self.ledger.wants_refill():
                refills[0]()  # of what the round has closed, too
            self._run_chores()
        finally:
            refills.clear()
            self.schedule()  # interrupted, the house keeper does the rest

    def close_all(self, step: Callable[[], list[Entry[T]]]) -> None:
        """Do a step with the lock held, and close what it takes out, together with the house keeper.

        A closer that hangs holds up this caller, but none of the others.
        """
        self.bind_hub()
        try:
            doomed = deque(self.locked(step))
            if self.maintained:
                self.chores.extend(partial(self._finish_next, doomed) for _ in range(len(doomed)))
                self.schedule()
            while doomed:
                self._finish_next(doomed)
        finally:
            self.schedule()  # the house keeper makes up for what is missing, or was interrupted

    def _finish_next(self, doomed: deque[Entry[T]]) -> None:
        try:
            entry = doomed.popleft()
        except IndexError:  # others were quicker
            return
        self.close_and_free(entry)

    def help_out(self, *, lines: bool = False, hub: bool = False) -> bool:
        if not self.maintained or self._scheduler.has_threads or self.lines.silent:
            return False
        self.schedule()
        if self._scheduler.has_threads:
            return False
        self.run_due()
        # What is thrown into this thread meanwhile is meant for its caller.
        self._run_chores(hub=hub and (self.hub is None or self.hub.here()))
        if lines:
            self.flush_log()
        return True

    # Chores: outside the lock, in a crew thread, in a greenlet of the pool's hub, or in the caller of housekeep(). ----

    def run_chores(self, *, common: bool = True, hub: bool = True) -> None:
        """Run what is queued, hooks included; raises nothing."""
        try:
            self._run_chores(common=common, hub=hub)
        except BaseException as error:  # a SystemExit, or a greenlet's death, in a hook: this pool's chores end here
            self._went_wrong(error)
        if common:
            self.flush_log()

    def _run_chores(self, *, common: bool = True, hub: bool = True) -> None:
        if self.notifier.busy:
            return  # an observer asks for it: what it would be told of could not be told, and is left to others
        start = self.clock()
        while (chore := self._next_chore(common=common, hub=hub)) is not None:
            try:
                chore()
            except Exception as error:
                self._went_wrong(error)
        self.tally.add("hk_time", self.clock() - start)

    def _next_chore(self, *, common: bool, hub: bool) -> Callable[[], None] | None:
        for chores, wanted in ((self.chores, common), (self.hub_chores, hub)):
            try:
                if wanted:
                    return chores.popleft()
            except IndexError:
                continue
        return None

    def _went_wrong(self, error: BaseException) -> None:
        self.tally.add("hk_errors")
        self.log_later(logging.ERROR, "%s: house keeping failed: %s", self.label, error_repr(error), error=error)

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
            self.schedule()  # at what was not begun because this was under way

    def flush_log(self) -> None:
        """Say what is to be logged, unless somebody is saying it, or it is an observer who asks for it."""
        if self.lines and not self.notifier.busy:
            for speak in self._alone_if_first("lines", self._flush_log):
                with suppress(BaseException):  # a greenlet's death: whoever comes next goes on
                    speak()

    def _flush_log(self) -> None:
        more = True
        while more:
            # What a filter of the log raises, or what makes its records, is not logged again, without end.
            with suppress(Exception):
                more = self.lines.say_next()

    def _kill(self, loan: Loan[T]) -> None:
        """Close what was kept too long; name it first, as long as it can be looked at."""
        self._tell_of_long_use(self.lifecycle.describe(loan.entry), loan, self.clock(), ", closing it")
        if not self.notifier.is_telling(loan.entry):
            self.notifier.returned(loan.entry, self.clock() - loan.since)
            self.close_and_free(loan.entry)

    def _tell_of_long_use(self, what: str | Later, loan: Loan[T], now: float, end: str) -> None:
        stack = "" if loan.stack is None else "\n" + "".join(loan.stack.format())
        message = "%s: %s has been kept for %.3f s by %s%s%s"
        self.log_later(logging.WARNING, message, self.label, what, now - loan.since, loan.owner, end, stack)

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
            self.retire_and_close(entry, "interrupted")
            raise
        finally:
            self.locked(self.rounds.has_checked, entry, self.clock())
        if not fine:
            self.retire_and_close(entry, "health")
        elif self.locked(self.rounds.passed_check, entry, self.clock()):
            self.close_and_free(entry)

    def _refill(self) -> None:
        """Create objects until there are ``min_size``; after a failure try again later."""
        ledger = self.ledger
        try:
            # None also if another attempt has failed since this one was queued.
            while (entry := self.locked(ledger.permit_to_refill, self.clock())) is not None:
                self.create(entry)
                if self.locked(ledger.put_locked, entry, self.clock()):
                    self.close_and_free(entry)
                    if entry.reason == "max_lifetime":  # over at once: not to be done again and again without a pause
                        self.locked(ledger.backoff.failed, self.clock())
        except Closed:
            pass  # closed meanwhile: the permit dies here, and its place with it
        except Exception as error:
            self.tell_of_failure(error)
        except BaseException:  # not the server's fault, and yet not to be done again and again
            self.locked(ledger.backoff.failed, self.clock())
            raise

    def close_elsewhere(self, entry: Entry[T]) -> None:
        # Not where nobody would come, or perhaps not for long: a hub does not turn while others wait for it.
        if self.maintained and self._scheduler.has_threads and (self.hub is None or self.hub.here()):
            super().close_elsewhere(entry)
        else:
            self.close_and_free(entry)

    # The ends: of the handle, of the process, and its beginning as a child. ----------------------------

    def abandon(self) -> None:
        """Have the house keeper close the pool, for whoever must neither wait nor call anything: a finalizer."""
        if belongs_to_parent():
            never_free(self.ledger)  # nobody else will: this pool ends here
        elif self.ledger.places:
            self.ledger.mailbox.abandoned = True
            self._scheduler.request_look(self)

    def wait_until_empty(self, seconds: float) -> None:
        if self.lifecycle.closes or not self.lines.silent:
            super().wait_until_empty(seconds)

    def close_at_exit(self) -> list[Callable[[], None]]:
        """Close the pool at interpreter exit: what is to be called for that."""
        self.lines.silent = self.notifier.silent = True
        doomed = self.locked(partial(self.ledger.close, at_exit=True))
        closers: list[Callable[[], None]] = [partial(self.close_and_free, entry) for entry in doomed]
        if not self.lifecycle.closes:
            self.chores.clear()
            return [self.flush_log] if self.lines else []
        self.sweep()
        return [*closers, self.run_chores]

    def after_fork(self) -> None:
        """Start anew in a child: what the parent has is the parent's, even to the point of not being freed here."""
        closed = self.ledger.closed
        never_free((self.ledger, self.chores, self.hub_chores))
        self._start_empty()
        if closed:
            self.ledger.close()
