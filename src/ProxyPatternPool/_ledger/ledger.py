"""All entries and waiters of a pool: decides who gets what, and returns the work that is to be done.

It calls no user code, reads no clock and starts no thread. Everything here is called with the pool's lock held, but for
``put_beside_waiters``; the other steps that need no lock are those of ``shelves``.
"""

import math
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

from .._config import PoolConfig
from .._observer import DiscardReason
from .._runtime.races import remove
from . import policy
from .backoff import Backoff
from .entry import CREATING, GONE, LIVE, Entry, Mailbox
from .permits import Permits
from .places import Places
from .policy import RETIRE
from .queue import Waiter, WaitQueue
from .shelves import NEEDS_SETTLE, NEEDS_SLOW_PATH, NEVER, Put, Shelves
from .validity import Validity

T = TypeVar("T")

HEAD_START = 0.001
"""Seconds for which newcomers may overtake the oldest waiter; afterwards returned entries are handed to it."""


class LedgerClosed(Exception):
    """The ledger is closed. It is not the public ``PoolClosed``: a factory may raise that one, about another pool."""


class Ledger(Generic[T]):
    """Which entries are idle or in use, who waits, and how many places are taken.

    Numbers of entries are sizes of collections, and each collection changes by single calls. So an exception thrown
    into the middle of a step loses one entry at worst, which then dies and comes back through the mailbox.
    """

    def __init__(
        self,
        config: PoolConfig,
        mailbox: Mailbox[T],
        *,
        always_slow_return: bool,
        quick_gets: bool = True,
        random: Callable[[], float],
        max_idle: int | None = None,
        oldest_first: bool = False,
    ) -> None:
        self._config = config
        self._max_idle = max_idle
        self.shelves: Shelves[T] = Shelves(
            max_use=config.max_use,
            quick_gets=quick_gets,
            quick_rets=max_idle is None,  # else each return counts what is idle, with the lock held
            oldest_first=oldest_first,
        )
        self.mailbox = mailbox
        self.waiters: WaitQueue[T] = WaitQueue(config.max_waiting)
        self.places: Places[T] = Places(config, mailbox, always_slow_return=always_slow_return)
        self.validity: Validity[T] = Validity(config, self.places)
        self.backoff = Backoff(config.backoff, random)
        self.permits: Permits[T] = Permits(self.places, self.backoff)
        self.closed = False
        self.unmaintained = False
        """Whether there are no maintenance threads. Then no loan is quick, so that borrowers notice when there are."""
        self.ntimeouts = 0

    def take_or_queue(self, now: float, waiter: Waiter[T], *, retry: bool = False) -> Entry[T] | None:
        """Lend an idle entry, or give a permit to create one, or else let the waiter join the queue, if it can sleep.

        A retry, of a caller who could not use what it got, queues ahead of first attempts and is exempt from
        ``max_waiting``.

        Raises:
            LedgerClosed: Nobody is served any more.
        """
        entry = self.take(now, waiter)
        if entry is None and waiter.sleeper is not None and (retry or not self.waiters.refuse(waiter)):
            # First make returns slow, then look again: see the docstring of ``shelves``.
            self.shelves.quick_rets_until = NEVER
            self.waiters.join(waiter, now, in_front=retry)
            entry = self._take_any(now, waiter)
            if entry is not None:
                self._leave(waiter, now)
        return entry

    def take(self, now: float, waiter: Waiter[T]) -> Entry[T] | None:
        """Lend an idle entry, or give a permit to create one, if there is either.

        Raises:
            LedgerClosed: Nobody is served any more.
        """
        if self.closed:
            raise LedgerClosed
        entry = self._take_any(now, waiter)
        if entry is None:
            self._hand_out_permits(now)  # waiters whose back-off has just ended come first
            entry = waiter.handed = self.permits.for_caller(now)
        return entry

    def permit_to_refill(self, now: float) -> Entry[T] | None:
        """Take a place for a missing object, if there is room, no back-off, and no waiter who gets it first."""
        self.serve_waiters(now)
        return self.permits.for_refill(now) if self.wants_refill() else None

    def _take_any(self, now: float, waiter: Waiter[T]) -> Entry[T] | None:
        checked = self.shelves.checked
        try:
            # Without a look whether it is empty: only the pop is ordered, see the docstring of ``shelves``.
            entry = self.shelves.idle.pop()
        except IndexError:
            if not checked:
                return None
            entry = checked.pop()  # with the lock held nobody else does
        self.lend(entry, now, waiter)
        return entry

    def lend(self, entry: Entry[T], now: float, waiter: Waiter[T]) -> None:
        """Begin a loan of the caller's entry."""
        entry.last_get = now
        entry.owner = waiter.owner
        entry.uses += 1
        waiter.lent = entry
        waiter.use = entry.uses
        if waiter.receipt is not None:
            waiter.receipt.note(entry, entry.uses)
        self.shelves.using[entry.key] = entry

    def lend_new(self, entry: Entry[T], now: float, waiter: Waiter[T]) -> None:
        """Lend a new entry to the waiter who created it.

        Raises:
            LedgerClosed: The pool was closed meanwhile.
        """
        if self.closed:
            raise LedgerClosed
        self.lend(entry, now, waiter)

    def collect(self, waiter: Waiter[T], now: float) -> Entry[T] | None:
        """Give a woken waiter what there is for it: an entry, lent, or a permit to create, or nothing yet.

        Raises:
            LedgerClosed: Nobody is served any more.
        """
        if self.closed:
            raise LedgerClosed
        entry = waiter.handed
        if entry is None:
            entry = self._take_any(now, waiter)
            if entry is None:
                self._hand_out_permits(now)  # the end of a back-off wakes nobody: the first to look notices it
                entry = waiter.handed or self._take_any(now, waiter)  # see put_beside_waiters
            if entry is None:
                waiter.woken = False
                return None
        elif entry.stage is LIVE:
            self.lend(entry, now, waiter)
        self._leave(waiter, now)
        return entry

    def _leave(self, waiter: Waiter[T], now: float) -> None:
        """End the wait of a waiter, if it has queued, and note how long it was."""
        if waiter.since is None:
            return
        if not self.waiters.leave(waiter):
            self.serve_waiters(now)  # it may have been woken for an idle entry: wake another
        waited, waiter.since = now - waiter.since, None  # last, so that an interrupted step is done again
        waiter.waited += waited
        self.waiters.note_wait(waited, waiter.waited)

    def withdraw(self, waiter: Waiter[T], now: float) -> Entry[T] | None:
        """Remove a waiter that gave up or failed. What it got goes to the next, or is returned, to be closed."""
        self._leave(waiter, now)
        self.ntimeouts += waiter.timed_out
        waiter.timed_out = False
        entry = waiter.lent or waiter.handed
        if entry is None:
            return None
        if entry is waiter.lent and (entry.uses != waiter.use or self.shelves.using.pop(entry.key, None) is not entry):
            return None  # it was killed meanwhile
        if entry.stage is LIVE:
            return entry if self.put_locked(entry, now) else None
        return entry if entry.stage is CREATING else None  # else whoever has retired it closes it

    def take_back_unreachable(self, now: float) -> list[Entry[T]]:
        """Take back what was handed to greenlets whose thread has ended since; return what is to be closed."""
        doomed = [self.withdraw(waiter, now) for waiter in self.waiters.unreachable()]
        self.serve_waiters(now)
        return [entry for entry in doomed if entry is not None]

    def serve_waiters(self, now: float) -> None:
        """Make sure that no waiter sleeps while an entry is idle or a place is free; update until when all is quick.

        If only a back-off keeps a place free, one waiter is woken: it then sleeps until the back-off ends.
        """
        blocked = bool(self.waiters.queue) and self._hand_out_permits(now)
        idle = len(self.shelves.idle) + len(self.shelves.checked)
        if idle or blocked:
            self.waiters.wake_first(idle or 1)
        self.update_quick_limits()

    def update_quick_limits(self) -> None:
        """Note until when loans and returns are quick."""
        valid = self.validity
        end = NEVER if valid.discards_pending and valid.update_discards_pending() else valid.next_end
        self.shelves.set_quick_limits(end, closed=self.closed, waiting=bool(self.waiters.queue))
        if self.unmaintained:
            self.shelves.quick_gets_until = NEVER

    def _hand_out_permits(self, now: float) -> bool:
        """Hand permits to create to waiters, oldest first; say whether there is room that a back-off keeps free."""
        blocked = handed = False
        while not blocked and self.places.has_room() and not self.closed and self.waiters.oldest() is not None:
            permit = self.permits.for_caller(now)
            blocked = permit is None
            if permit is not None and self.waiters.hand_to_oldest(permit):
                handed = True
            elif permit is not None:
                self.places.free(permit)
        if handed and (idle := len(self.shelves.idle)):
            self.waiters.wake_first(idle)  # see put_beside_waiters: one who was woken for it may have a permit now
        return blocked

    def put_beside_waiters(self, entry: Entry[T], now: float) -> Put | None:
        """Make the caller's entry idle and wake the oldest waiter, without the lock; say what is left to do.

        Only where the oldest is a thread that has just come: whoever has waited for longer is handed entries. A
        greenlet looks later, and others must not wait for that.

        The caller appends, then looks who is the oldest (``queue[0]``) and wakes it. So nobody sleeps beside the entry:

        - Whoever joins after that look was begun looks for an entry himself, when he has joined.
        - The oldest looks after it was woken. If it finds an entry it leaves, and so serves the others.
        - If it leaves because it is handed something, or gives up, that step looks for idle entries afterwards, and
          wakes others for them: ``hand_or_shelve``, ``_hand_out_permits``, ``_leave``. It was in the queue when the
          caller looked, after the append; its removal and that look lock the same deque; so that step sees the entry,
          though it only asks for a length. Who does the step himself, in ``collect``, looks once more.
        """
        shelves, waiter = self.shelves, self.waiters.oldest_thread()
        since = None if waiter is None else waiter.since
        if since is None or since <= now - HEAD_START or now >= shelves.unlocked_rets_until or now >= entry.expires:
            return NEEDS_SLOW_PATH
        if policy.on_return(entry.uses, self._config.max_use) is RETIRE:
            return NEEDS_SLOW_PATH
        shelves.idle.append(entry)
        waiter = self.waiters.oldest_thread()
        if waiter is None or waiter.sleeper is None or now >= shelves.unlocked_rets_until:
            return NEEDS_SETTLE
        # That it was woken is not noted, which would take the lock.
        return None if waiter.sleeper.wake() else NEEDS_SETTLE

    def put_locked(self, entry: Entry[T], now: float) -> bool:
        """Take back the caller's entry: hand it to a waiter or make it idle; say whether it is to be closed instead."""
        if policy.on_return(entry.uses, self._config.max_use) is RETIRE:
            return self.places.retire(entry, "max_use")
        return self.hand_or_shelve(entry, now, self.shelves.idle)

    def hand_or_shelve(self, entry: Entry[T], now: float, shelf: deque[Entry[T]]) -> bool:
        """Hand the caller's entry to the oldest waiter, or make it idle; say whether it is to be closed instead."""
        if self.closed:
            return self.places.retire(entry, "shutdown")
        if (why := self.validity.why_discard(entry, now)) is not None:
            return self.places.retire(entry, why)
        full = self._max_idle is not None and self.shelves.nidle >= self._max_idle
        if not self.waiters.hand_to_oldest(entry, since=math.inf if full else now - HEAD_START):
            if full:
                return self.places.retire(entry, "surplus")
            shelf.append(entry)
        self.serve_waiters(now)
        return False

    def reject(self, entry: Entry[T], use: int, why: DiscardReason) -> bool:
        """End a loan that its borrower did not accept, and retire the entry; say whether it is to be closed."""
        return self.shelves.end_loan(entry, use) and self.places.retire(entry, why)  # else it was killed meanwhile

    def settle(self, entry: Entry[T], now: float) -> bool:
        """Finish a return after which returns were found slow; say whether the entry is to be closed."""
        if not self.closed:
            # Its return may have begun before a drain or the end of its lifetime, and Sweeps.prune() may have searched
            # before it was idle.
            why = self.validity.why_discard(entry, now)
            found = why is not None and remove(self.shelves.idle, entry) and self.places.retire(entry, why)
            self.serve_waiters(now)
            return found
        # If it is not there, a caller that came before the close has it, or the close has found it.
        return self.shelves.take_out_late_return(entry) and self.places.retire(entry, "shutdown")

    def wants_refill(self) -> bool:
        """Whether there are fewer entries than ``min_size``, and room for one more."""
        return not self.closed and self.places.nspare < 0 and self.places.has_room()

    def free(self, entry: Entry[T], now: float) -> Entry[T] | None:
        """Free the place of an entry, and let its heir, or else waiters, create an object in it.

        If its creator was cancelled, and others wait, they may be about to give up as well. So the place is the pool's,
        which creates for them: what is returned is the permit.
        """
        heir = None if entry.stage is GONE else entry.heir  # an event loop that has ended may leave one behind
        self.places.free(entry)
        if heir is not None and not self.closed:
            heir.handed = self.permits.for_caller(now)
        entry.heir = None
        waiting = 0 if self.closed or not entry.cut_short else len(self.waiters.queue)
        permit = self.permits.for_waiters(now, waiting)
        self.serve_waiters(now)
        return permit

    def inherit(self, entry: Entry[T], waiter: Waiter[T], now: float) -> Entry[T] | None:
        """Give the heir of an entry, who has closed it or left that to others, what there is for him.

        That is an idle entry that came back meanwhile, lent, or a permit to create one in the place of the old, or
        nothing. From now on he is no heir.
        """
        entry.heir = None
        permit = waiter.handed
        found = self._take_any(now, waiter)
        if found is not None and permit is not None:
            waiter.handed = None
            self.free(permit, now)
        return found or permit

    def free_if_unwanted(self, permit: Entry[T], now: float) -> bool:
        """Free the place in which the pool is to create for waiters, if there are none any more; say whether it is so.

        They may have been cancelled together, one after the other.
        """
        if self.waiters.oldest() is not None:
            return False
        self.free(permit, now)
        return True

    def close(self, *, at_exit: bool = False) -> list[Entry[T]]:
        """Serve nobody any more, and return what is to be closed: at the interpreter's exit also what is in use.

        At exit waiters are not woken: only daemon threads and greenlets can still wait, and those end silently.
        """
        self.closed = True
        found = self.shelves.close()
        while at_exit:
            try:
                found.append(self.shelves.using.popitem()[1])
            except KeyError:
                break
        if not at_exit:
            self.waiters.wake_all_and_clear()
        return [entry for entry in found if self.places.retire(entry, "shutdown")]
