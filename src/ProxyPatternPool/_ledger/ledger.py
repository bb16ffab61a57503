"""The book of all entries and waiters: decides, and returns the work to do.

No user code, no clock of its own, no thread. Everything here is called with the pool's lock held; the steps that need
none are those of the shelves.
"""

import random
from collections import deque
from collections.abc import Callable
from typing import TypeVar

from .._config import PoolConfig
from .._observer import DiscardReason
from .._runtime.native import GIL
from .._runtime.races import remove
from . import policy
from .backoff import Backoff
from .entry import LIVE, Entry, Mailbox
from .places import Places
from .policy import RETIRE
from .queue import Waiter, WaitQueue
from .shelves import NEVER, Shelves

T = TypeVar("T")

HEAD_START = 0.001
"""Seconds for which the oldest waiter may be overtaken by newcomers; afterwards entries go to it directly."""


class LedgerClosed(Exception):
    """The ledger is closed. Not the public error: a factory may raise that one, of another pool."""


class Ledger(Shelves[T]):
    """Who is idle, who is lent, who waits, and how many places are taken.

    Counts of entries are sizes of collections, and each collection changes by single calls: an exception
    thrown into the middle of a step can at worst lose sight of one entry, which then dies and is mailed.
    """

    def __init__(
        self,
        config: PoolConfig,
        mailbox: Mailbox[T],
        *,
        always_slow_return: bool,
        quick_gets: bool = True,
        quick_rets: bool = GIL,
        random: Callable[[], float] = random.random,
    ) -> None:
        super().__init__(max_use=config.max_use, quick_gets=quick_gets, quick_rets=quick_rets)
        self._config = config
        self.mailbox = mailbox
        self.waiters: WaitQueue[T] = WaitQueue()
        self.places: Places[T] = Places(config, mailbox, always_slow_return=always_slow_return)
        self.backoff = Backoff(config.backoff, random)
        self.closed = False
        self.unmaintained = False
        """Whether there is no house keeper: then no loan is quick, so that borrowers find out when there can be one."""
        self.ntimeouts = self.nrefused = 0
        self.wait_time = self.max_wait = 0.0
        self.nwaits = 0  # that have ended
        self.waits: deque[float] | None = None  # how long the last of them were, once somebody has asked

    def take_or_queue(self, now: float, waiter: Waiter[T], *, retry: bool = False) -> Entry[T] | None:
        """Get an idle entry, lent, or a permit to create, or else join the queue, if the waiter can sleep.

        One who asks ``again``, since what he got was no good, has had his turn already: he joins in front, and is
        never too many.

        Raises:
            LedgerClosed: nobody is served any more.
        """
        if self.closed:
            raise LedgerClosed
        entry = self._take_any(now, waiter)
        if entry is None:
            self._hand_out_permits(now)  # those who wait for the end of a back-off come first
            entry = waiter.handed = self._permit(now)
        if entry is None and waiter.sleeper is not None and (retry or not self._is_refused(waiter)):
            # First be seen, then look again: see the docstring of ``shelves``.
            self.quick_rets_until = NEVER
            self.waiters.join(waiter, now, in_front=retry)
            entry = self._take_any(now, waiter)
            if entry is not None:
                self._leave(waiter, now)
        return entry

    def _is_refused(self, waiter: Waiter[T]) -> bool:
        """Note if too many are waiting. No exception: it would wake all of them, see ``Core.locked``."""
        waiter.refused = self.waiting_if_full()
        self.nrefused += waiter.refused is not None
        return waiter.refused is not None

    def waiting_if_full(self) -> int | None:
        """How many wait, if they are as many as may."""
        most = self._config.max_waiting
        if most is None or len(self.waiters) < most:  # counting them takes longer
            return None
        waiting = self.waiters.count()
        return waiting if waiting >= most else None

    def _permit(self, now: float) -> Entry[T] | None:
        """Take a place for a caller, if there is room and no back-off forbids it."""
        if not self.places.has_room() or not self.backoff.allows_callers(now):
            return None
        return self._reserve(now)

    def _reserve(self, now: float) -> Entry[T]:
        entry = self.places.reserve()
        entry.attempt = self.backoff.begin(now)
        return entry

    def permit_to_refill(self, now: float) -> Entry[T] | None:
        """Take a place for what is missing, if there is room and nobody waits for it."""
        self.serve_waiters(now)
        return self._reserve(now) if self.wants_refill() and self.backoff.allows(now) else None

    def _take_any(self, now: float, waiter: Waiter[T]) -> Entry[T] | None:
        for shelf in (self.idle, self.checked):
            try:
                entry = shelf.pop()
            except IndexError:
                continue
            self.lend(entry, now, waiter)
            return entry
        return None

    def lend(self, entry: Entry[T], now: float, waiter: Waiter[T]) -> None:
        """Enter a loan of an entry that is the caller's."""
        entry.last_get = now
        entry.owner = waiter.owner
        entry.uses += 1
        waiter.lent = entry
        waiter.use = entry.uses
        if waiter.receipt is not None:
            waiter.receipt.note(entry, entry.uses)
        self.using[entry.key] = entry

    def lend_new(self, entry: Entry[T], now: float, waiter: Waiter[T]) -> None:
        """Lend a new entry to the waiter who created it.

        Raises:
            LedgerClosed: the pool was closed meanwhile.
        """
        if self.closed:
            raise LedgerClosed
        self.lend(entry, now, waiter)

    def collect(self, waiter: Waiter[T], now: float) -> Entry[T] | None:
        """Tell a woken waiter what it got: an entry, lent, or a permit to create, or nothing yet.

        Raises:
            LedgerClosed: nobody is served any more.
        """
        if self.closed:
            raise LedgerClosed
        entry = waiter.handed
        if entry is None:
            entry = self._take_any(now, waiter)
            if entry is None:
                self._hand_out_permits(now)  # the end of a back-off is noticed by whoever looks first
                entry = waiter.handed
            if entry is None:
                waiter.woken = False
                return None
        elif entry.stage is LIVE:
            self.lend(entry, now, waiter)
        self._leave(waiter, now)
        return entry

    def _leave(self, waiter: Waiter[T], now: float) -> None:
        """End a wait, if there was one, and note how long it was."""
        if waiter.since is None:
            return
        if not self.waiters.leave(waiter):
            self.serve_waiters(now)  # it may have been told of an idle entry: somebody else is to come and look
        waited, waiter.since = now - waiter.since, None  # last: an interrupted step is done again
        waiter.waited += waited
        self.wait_time += waited
        self.max_wait = max(self.max_wait, waiter.waited)
        self.nwaits += 1
        if self.waits is not None:
            self.waits.append(waiter.waited)

    def withdraw(self, waiter: Waiter[T], now: float) -> Entry[T] | None:
        """Take out a waiter that gave up, or failed; what it had got goes to the next. Say what is to be finished."""
        self._leave(waiter, now)
        self.ntimeouts += waiter.timed_out
        waiter.timed_out = False
        entry = waiter.lent or waiter.handed
        if entry is None:
            return None
        if entry is waiter.lent and (entry.uses != waiter.use or self.using.pop(entry.key, None) is not entry):
            return None  # killed meanwhile
        if entry.stage is LIVE:
            return entry if self.put_locked(entry, now) else None
        return entry

    def take_back_unreachable(self, now: float) -> list[Entry[T]]:
        """Take back what was given to greenlets whose thread has ended since. Say what is to be finished."""
        doomed = [self.withdraw(waiter, now) for waiter in self.waiters.unreachable()]
        self.serve_waiters(now)
        return [entry for entry in doomed if entry is not None]

    def serve_waiters(self, now: float) -> None:
        """See to it that nobody sleeps beside an idle entry or a free place, and note until when all is quick.

        Of a place that is not to be used before a back-off is over one waiter is told, who then sleeps until that time.
        """
        blocked = bool(self.waiters.queue) and self._hand_out_permits(now)
        idle = len(self.idle) + len(self.checked)
        if idle or blocked:
            self.waiters.wake_first(idle or 1)
        self._update_quick_limits()

    def _update_quick_limits(self) -> None:
        end = NEVER if self.places.discards_pending and self.places.update_discards_pending() else self.places.next_end
        self.set_quick_limits(end, returns=not self.closed and not self.waiters.queue)
        if self.unmaintained:
            self.quick_gets_until = NEVER

    def start_lifetime(self, entry: Entry[T], now: float, chance: float) -> None:
        """Draw the lifetime of a new entry, if there is a limit."""
        if self._config.max_lifetime is not None:
            self.places.start_lifetime(entry, now + policy.lifetime(self._config.max_lifetime, chance))
            self._update_quick_limits()

    def _hand_out_permits(self, now: float) -> bool:
        """Let waiters create, oldest first, as many as may; say whether there is room that a back-off keeps free."""
        while self.places.has_room() and not self.closed and self.waiters.oldest() is not None:
            permit = self._permit(now)
            if permit is None:
                return True
            if not self.waiters.hand_to_oldest(permit):
                self.places.free(permit)
        return False

    def put_locked(self, entry: Entry[T], now: float) -> bool:
        """Hand an entry that is the caller's to whoever is next; say whether it is to be closed instead."""
        if policy.on_return(entry.uses, self._config.max_use) is RETIRE:
            return self.places.retire(entry, "max_use")
        return self.hand_or_shelve(entry, now, self.idle)

    def hand_or_shelve(self, entry: Entry[T], now: float, shelf: deque[Entry[T]]) -> bool:
        """Give an entry to the oldest waiter, or put it on a shelf; say whether it is to be closed instead."""
        if self.closed:
            return self.places.retire(entry, "shutdown")
        if (why := self.why_discard(entry, now)) is not None:
            return self.places.retire(entry, why)
        if not self.waiters.hand_to_oldest(entry, since=now - HEAD_START):
            shelf.append(entry)
        self.serve_waiters(now)
        return False

    def why_discard(self, entry: Entry[T], now: float) -> DiscardReason | None:
        """Why an entry is not to be kept any longer, however well it is."""
        if self.places.discards_pending and self.places.has_surplus:
            return "surplus"
        return self.why_not_lend(entry, now)

    def why_not_lend(self, entry: Entry[T], now: float) -> DiscardReason | None:
        """Why an entry is not to be lent any more; may be asked without the lock by whoever has it."""
        if self.places.discards_pending and self.places.stale(entry):
            return "drained"
        return "max_lifetime" if now >= entry.expires else None

    def reject(self, entry: Entry[T], use: int, why: DiscardReason) -> bool:
        """End a loan that its borrower did not accept, and the entry; say whether it is to be closed."""
        return self.end_loan(entry, use) and self.places.retire(entry, why)  # unless it was killed meanwhile

    def settle(self, entry: Entry[T], now: float) -> bool:
        """Finish a ``put`` into a watched pool; say whether the entry is to be closed."""
        if not self.closed:
            # Whoever began to put it back before it was outdated did not see that, and `Rounds.prune` may have come
            # before it was idle.
            why = self.why_discard(entry, now)
            found = why is not None and remove(self.idle, entry) and self.places.retire(entry, why)
            self.serve_waiters(now)
            return found
        # If it is not there, somebody who came before the close has it, or the close found it.
        return self.take_out_late_return(entry) and self.places.retire(entry, "shutdown")

    def wants_refill(self) -> bool:
        """Whether there are fewer entries than promised, and room for one more."""
        return not self.closed and self.places.nspare < 0 and self.places.has_room()

    def free(self, entry: Entry[T], now: float) -> None:
        """Free the place of an entry that has come to its end, and let waiters create what there is room for."""
        self.places.free(entry)
        self.serve_waiters(now)

    def close(self, *, at_exit: bool = False) -> list[Entry[T]]:
        """Serve nobody any more, and say what is to be closed: at the interpreter's exit what is lent, too.

        At exit those who wait are left asleep: only daemon threads and greenlets can, which end without a word
        if nobody wakes them.
        """
        self.closed = True
        found = self.close_shelves()
        while at_exit:
            try:
                found.append(self.using.popitem()[1])
            except KeyError:
                break
        if not at_exit:
            self.waiters.wake_all_and_clear()
        return [entry for entry in found if self.places.retire(entry, "shutdown")]
