"""The maintenance of one pool: what is due, and the chores that are queued for it."""

import logging
from collections.abc import Iterator
from itertools import chain, islice
from typing import Generic, TypeVar

from .._ledger.counters import Tally
from .._ledger.entry import Entry
from .._ledger.ledger import Ledger
from .._ledger.sweeps import Findings, Loan, Sweeps
from .chores import Chores, Ending
from .log_queue import Later, Lines, owner_later
from .objects import Objects
from .one_at_a_time import Chore
from .returns import Returns
from .shared import Shared
from .steps import Rest, Steps, remaining

T = TypeVar("T")

REFILLS = 4
"""Creations at a time for what is missing of ``min_size``."""

TURN = 0.1
"""Seconds that who waits sleeps at a time while there are no maintenance threads."""


class Maintenance(Generic[T]):
    """Looks after one pool: expiry, warnings, kills, health checks, refill."""

    def __init__(self, shared: Shared[T], chores: Chores, objects: Objects[T], returns: Returns[T]) -> None:
        self._label = shared.label
        self._clock = shared.environment.clock
        self._driver = shared.driver
        self._config = shared.config
        self._guard = shared.guard
        self._scheduling = shared.scheduling
        self._hooks = shared.hooks
        self._descriptions = shared.descriptions
        self._notifier = shared.notifier
        self._log_queue = shared.log_queue
        self._chores = chores
        self._one_at_a_time = chores.one_at_a_time
        self._objects = objects
        self._returns = returns

    def start_empty(self, ledger: Ledger[T], sweeps: Sweeps[T], tally: Tally) -> None:
        """Maintain a new ledger; the first round is due one delay from now."""
        self._ledger = ledger
        self._sweeps = sweeps
        self._tally = tally
        self._next_round = self._clock() + (self._config.delay or 0.0)
        self.last_round: float | None = None

    # What is due. ------------------------------------------------------------------------------------

    def run_due(self, *, dropped: bool) -> float | None:
        """Queue the chores that are due; give the time of the next look, ``None`` to be left alone.

        ``dropped``: whether the pool is to be closed.
        """
        ledger = self._ledger
        self._returns.read_mailbox()
        self.queue_closing(self._guard.locked(ledger.take_back_unreachable, self._clock()))
        if dropped:
            opened = not ledger.closed  # else its close was interrupted
            self.queue_closing(self._guard.locked(self._objects.close_ledger))
            ledger.mailbox.abandoned = False
            if opened and ledger.shelves.using:
                self._chores.anywhere.append(self._returns.report_unreturned)
        now = self._clock()
        deadlines: list[float | None] = [self._returns.look_for_orphans_at(now)]
        if not ledger.closed:
            if ledger.validity.discards_pending:
                self.queue_closing(self._guard.locked(self._sweeps.prune, now))  # what a drain was interrupted in
            deadlines += [self._round(now), self._refill_if_due(now)]
        elif ledger.places:
            # Limits on what is lent hold until the last place is free: who came before the close may have his loan yet.
            deadlines.append(self._round(now))
        self._chores.request_flush_by_worker()
        return min((deadline for deadline in deadlines if deadline is not None), default=None)

    def _round(self, now: float, *, forced: bool = False) -> float | None:
        """Do a round if it is time; give the time of the next look."""
        delay = self._config.delay
        full = forced or (delay is not None and now >= self._next_round)
        due: Findings[T] = Findings()
        if full or self._config.exact:
            # After a pause of the whole process borrowers get the time of a round to give back.
            due = self._guard.locked(self._sweeps.sweep, now, self._scheduling.paused_at + (delay or 0.0))
            self._queue_what_is_due(due, now, forced=forced)
        if full:
            self._tally.add("hk_rounds")
            self.last_round = now
            self._next_round = now + (delay or 0.0)
            checks = self._hooks.hooks.health is not None and not self._ledger.closed
            if checks and self._tally["hk_rounds"] % self._config.health_freq == 0:
                self._chores.in_hub.extend(self._new_checks(forced=forced))
        self._tally.add("hk_time", self._clock() - now)
        if delay is None or not self._ledger.places:
            return None  # the next creation has the pool looked at again
        if not self._config.exact:
            return self._next_round
        return self._next_round if due.deadline is None else min(self._next_round, due.deadline)

    def _new_checks(self, *, forced: bool) -> Iterator[Chore]:
        """Make a check of what is idle, unless one is to come anyway, or, among threads, is under way."""
        if not self._driver.for_tasks:
            return self._one_at_a_time.unless_under_way("health", self.check_health)
        if forced:  # the caller waits for this one, and not for another
            return self._one_at_a_time.unless_under_way(f"health {self._tally['hk_rounds']}", self.check_health)
        # A check that is awaited, and hangs, keeps its object, but not the rounds to come from checking others. Where
        # the loop has no time for one, there is none for those of all the rounds meanwhile.
        return self._one_at_a_time.unless_queued("health", self.check_health)

    def _queue_what_is_due(self, due: Findings[T], now: float, *, forced: bool) -> None:
        self.queue_closing(due.expired)
        self._chores.anywhere.extend(Ending(self._kill, loan) for loan in due.killed)
        for loan in due.warned:
            # The scheduling thread calls nothing of the user's; who does a round by hand may.
            name: str | Later = self._descriptions.describe_later(loan.entry, loan.use)
            if forced:
                name = self._descriptions.describe(loan.entry)
            self._warn_of_long_use(name, loan, now, "")

    def queue_closing(self, doomed: list[Entry[T]]) -> None:
        """Have entries closed that are the caller's."""
        self._chores.anywhere.extend(Ending(self._objects.close_and_free, entry) for entry in doomed)

    def _refill_if_due(self, now: float) -> float | None:
        """Queue a refill if the pool wants one and is not backing off; give the end of the back-off."""
        ledger = self._ledger
        if not ledger.wants_refill():
            return None
        if not ledger.backoff.allows(now):
            return ledger.backoff.due_at
        # Side by side: a creation that hangs holds up no other. Meanwhile others may have created what was missing.
        self._chores.in_hub.extend(islice(self.new_refills(), max(0, -ledger.places.nspare)))
        return None

    def new_refills(self) -> Iterator[Chore]:
        """Make as many refills as there are none of already, queued or under way."""
        return chain.from_iterable(
            self._one_at_a_time.unless_under_way(f"refill {n}", self._refill) for n in range(REFILLS)
        )

    # By hand. ------------------------------------------------------------------------------------------

    def housekeep(self) -> Steps[None]:
        """Do a full round now, chores included, in this thread."""
        chores = self._chores
        self._scheduling.bind_hub()
        refills = list(self.new_refills())  # else maintenance would do some of it, and not be waited for
        try:
            self._returns.read_mailbox()
            queued = len(chores.in_hub)
            if not self._ledger.closed or self._ledger.places:
                self._round(self._clock(), forced=True)
            if self._driver.for_tasks:
                yield from chores.run_queued_since(queued)
            yield from chores.run_raising()
            if refills and self._ledger.wants_refill():
                yield from remaining(refills[0]())  # of what the round has closed, too
            yield from chores.run_raising()
        finally:
            refills.clear()
            self._scheduling.schedule()  # interrupted, maintenance does the rest

    # Chores. -------------------------------------------------------------------------------------------

    def _kill(self, loan: Loan[T], *, in_place: bool = False) -> Rest:
        """Close what was kept too long; name it first, as long as it can be looked at."""
        self._warn_of_long_use(self._descriptions.describe(loan.entry), loan, self._clock(), ", closing it")
        if self._notifier.is_telling(loan.entry):
            return None
        return self._objects.close_and_free(loan.entry, in_place=in_place)

    def _warn_of_long_use(self, what: str | Later, loan: Loan[T], now: float, end: str) -> None:
        stack = Lines("\n" + "".join(loan.stack.format())) if loan.stack else ""
        message = "%s: %s has been kept for %.3f s by %s%s%s"
        owner = owner_later(loan.owner)
        self._log_queue.add(logging.WARNING, message, self._label, what, now - loan.since, owner, end, stack)

    def check_health(self) -> Steps[None]:
        """Check each idle entry once, coldest first; only the one being checked is away meanwhile."""
        self._tally.add("hc_rounds")
        try:
            for _ in range(self._ledger.shelves.nidle):
                entry = self._guard.locked(self._sweeps.take_for_check)
                if entry is None:
                    break
                yield from self._check(entry)
        finally:
            self._guard.locked(self._sweeps.end_checks)

    def _check(self, entry: Entry[T]) -> Steps[None]:
        try:
            healthy = self._hooks.check(entry)
            if not isinstance(healthy, bool):
                healthy = yield from healthy
        except BaseException:
            self._driver.finish(self._objects.retire_and_close(entry, "interrupted"))
            raise
        finally:
            self._guard.locked(self._sweeps.note_check, entry, self._clock())
        if not healthy:
            rest = self._objects.retire_and_close(entry, "health")
        elif self._guard.locked(self._sweeps.put_back_checked, entry, self._clock()):
            rest = self._objects.close_and_free(entry)
        else:
            return
        yield from remaining(rest)

    def _refill(self) -> Steps[None]:
        """Create objects until there are ``min_size``; after a failure try again later."""
        ledger = self._ledger
        try:
            while True:
                # None also if another attempt has failed since this one was queued.
                entry = self._guard.locked(ledger.permit_to_refill, self._clock())
                # A failure ends this, even if an observer that was told of it took longer than the back-off: else
                # whoever makes a pool would try again and again.
                if entry is None or not (yield from self._objects.create_for_anybody(entry)):
                    return
        except BaseException:  # not the server's fault, and yet not to be done again and again
            self._guard.locked(ledger.backoff.failed, self._clock())
            raise

    # Without threads. ----------------------------------------------------------------------------------

    @property
    def is_missing(self) -> bool:
        """Whether callers have to do the work of maintenance: no thread can be had for it."""
        return self._scheduling.maintained and not self._scheduling.has_threads and not self._log_queue.silent

    def stand_in(self, *, lines: bool = False, hub: bool = False) -> Steps[bool]:
        """Do the work of maintenance in a caller, where it ``is_missing``; say whether it still is.

        For callers who have nothing of the pool in their hands and are in no finalizer: hooks are called.

        Args:
            lines: Whether to log what is queued. Not for a caller who waits for an object: a handler that borrows would
                wait behind him.
            hub: Whether to do what belongs into the pool's hub, if this is it.
        """
        chores = self._chores
        self._scheduling.schedule()
        if self._scheduling.has_threads:
            return False
        self.run_due(dropped=self._ledger.mailbox.abandoned)
        # What is thrown into this thread meanwhile is meant for its caller.
        yield from chores.run_in_caller(hub=hub and self._scheduling.is_here)
        if lines:
            chores.flush_log()
        return True
