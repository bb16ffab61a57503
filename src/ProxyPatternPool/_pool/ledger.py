"""The book of all entries and waiters: decides, and returns the work to do.

No user code, no clock of its own, no thread. Three steps are atomic and need no lock, taking an idle
entry, ending its loan, and putting it back; every other method is called with the pool's lock held.

Why they are safe without the lock:

- ``idle.pop()`` and ``using.pop(id)`` are each one call into C: of two callers one gets the entry. From
  then on it is exclusively that caller's, so its times and uses are written plainly and are exact.
- Between "append to idle, then look whether the pool is watched" (here) and "watch the pool, then look
  for an idle entry" (``ask``, ``close``) at least one side sees the other: nobody sleeps while an object
  is idle, and no object stays idle in a closed pool. Without a GIL that order is not given by the
  interpreter: the pool then puts entries back under its lock.
"""

import enum
from collections import deque
from typing import Generic, TypeVar

from .._sync.native import GIL
from .._sync.owner import Owner
from . import policy
from .config import PoolConfig
from .entry import LIVE, Entry, Mailbox, Receipt
from .places import Places
from .policy import RETIRE
from .racing import remove, snapshot
from .waiters import Waiter, WaitQueue

T = TypeVar("T")

HEAD_START = 0.001
"""Seconds for which the oldest waiter may be overtaken by newcomers; afterwards entries go to it directly."""


class Closed(Exception):
    """The ledger is closed. Not the public error: a factory may raise that one, of another pool."""


class Put(enum.Enum):
    """What is left to do after putting an entry back without the lock."""

    WATCHED = "idle, and settle() is to be called with the lock"
    REFUSED = "still the caller's, and to be looked at closely"


WATCHED, REFUSED = Put.WATCHED, Put.REFUSED


class _Nothing(deque[Entry[T]]):
    """The idle entries of a closed pool: whoever looks finds none."""

    def pop(self, *_: int) -> Entry[T]:
        raise IndexError


class Ledger(Generic[T]):
    """Who is idle, who is lent, who waits, and how many places are taken.

    Counts of entries are sizes of collections, and each collection changes by single calls: an exception
    thrown into the middle of a step can at worst lose sight of one entry, which then dies and is mailed.
    """

    def __init__(self, config: PoolConfig, mailbox: Mailbox[T], *, careful: bool, lock_free: bool = GIL) -> None:
        self._config = config
        self.mailbox = mailbox
        self.idle: deque[Entry[T]] = deque()  # last in, first out: the left end is the oldest
        self.checked: deque[Entry[T]] = deque()  # idle too: those a health round is through with
        self._was_idle: deque[Entry[T]] = deque()
        self.using: dict[int, Entry[T]] = {}
        self.waiters: WaitQueue[T] = WaitQueue()
        self.places: Places[T] = Places(config, mailbox, careful=careful)
        self.closed = False
        self._lock_free = lock_free
        self.watched = int(not lock_free)  # how many reasons there are to take the lock: waiters, the close…
        self.nwornout = self.ntimeouts = 0
        self.wait_time = self.max_wait = 0.0

    # The atomic steps. ---------------------------------------------------------------------

    def take(self, now: float, owner: Owner, receipt: Receipt[T] | None = None) -> Entry[T] | None:
        """Lend the hottest idle entry, if there is one."""
        try:
            entry = self.idle.pop()
        except IndexError:
            return None
        # The order matters to Rounds: the time before the use it belongs to, both before using.
        entry.last_get = now
        entry.owner = owner
        entry.uses += 1
        if receipt is not None:
            receipt.note(entry, entry.uses)
        self.using[entry.key] = entry
        return entry

    def end_loan(self, entry: Entry[T], use: int) -> bool:
        """End one loan, if it is not over; say whether the entry is the caller's now."""
        # The look and the pop are two steps, and need not be one: a loan that a lease holds ends elsewhere only if
        # it is killed, after which there is no other, or by a caller who gives back what the lease is to give back.
        return self.using.get(entry.key) is entry and entry.uses == use and self.using.pop(entry.key, None) is entry

    def put(self, entry: Entry[T], now: float) -> Put | None:
        """Make an entry idle that is the caller's; say what is left to do, ``None`` for nothing."""
        entry.last_ret = now
        watched = self.watched
        if watched or entry.uses >= entry.close_look:
            return REFUSED
        self.idle.append(entry)
        return WATCHED if self.watched else None

    # Everything below is called with the lock held. ----------------------------------------------

    def ask(self, now: float, waiter: Waiter[T]) -> Entry[T] | None:
        """Get an idle entry, lent, or a permit to create, or else join the queue, if the waiter can sleep.

        Raises:
            Closed: nobody is served any more.
        """
        if self.closed:
            raise Closed
        entry = self._take_any(now, waiter)
        if entry is None and self.places.has_room():
            entry = waiter.gift = self.places.reserve()
        if entry is None and waiter.sleeper is not None:
            # First be seen, then look again: see the module's docstring.
            self.watched += 1
            self.waiters.join(waiter, now)
            entry = self._take_any(now, waiter)
            if entry is not None:
                self._leave(waiter, now)
        return entry

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

    def admit(self, entry: Entry[T], now: float, waiter: Waiter[T]) -> None:
        """Lend a new entry to the waiter who created it.

        Raises:
            Closed: the pool was closed meanwhile.
        """
        if self.closed:
            raise Closed
        self.lend(entry, now, waiter)

    def answer(self, waiter: Waiter[T], now: float) -> Entry[T] | None:
        """Tell a woken waiter what it got: an entry, lent, or a permit to create, or nothing yet.

        Raises:
            Closed: nobody is served any more.
        """
        if self.closed:
            raise Closed
        entry = waiter.gift
        if entry is None:
            entry = self._take_any(now, waiter)
            if entry is None:
                waiter.called = False
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
            self.nudge()  # it may have been told of an idle entry: somebody else is to come and look
        waited, waiter.since = now - waiter.since, None  # last: an interrupted step is done again
        self.wait_time += waited
        self.max_wait = max(self.max_wait, waited)

    def withdraw(self, waiter: Waiter[T], now: float) -> Entry[T] | None:
        """Take out a waiter that gave up, or failed; what it had got goes to the next. Say what is to be finished."""
        self._leave(waiter, now)
        self.ntimeouts += waiter.in_vain
        waiter.in_vain = False
        entry = waiter.lent or waiter.gift
        if entry is None:
            return None
        if entry is waiter.lent and (entry.uses != waiter.use or self.using.pop(entry.key, None) is not entry):
            return None  # killed meanwhile
        if entry.stage is LIVE:
            return entry if self.give(entry, now) else None
        return entry

    def recover(self, now: float) -> list[Entry[T]]:
        """Take back what was given to greenlets whose thread has ended since. Say what is to be finished."""
        doomed = [self.withdraw(waiter, now) for waiter in self.waiters.stranded()]
        return [entry for entry in doomed if entry is not None]

    def nudge(self) -> None:
        """Wake as many waiters as there are idle entries, and note whether anyone still waits."""
        idle = len(self.idle) + len(self.checked)
        if idle:
            self.waiters.nudge(idle)
        self.watched = len(self.waiters.queue) + self.closed + (not self._lock_free)

    def give(self, entry: Entry[T], now: float) -> bool:
        """Hand an entry that is the caller's to whoever is next; say whether it is to be closed instead."""
        if policy.on_return(entry.uses, self._config.max_use) is RETIRE:
            self.nwornout += self.places.retire(entry)
            return True
        return self.pass_on(entry, now, self.idle)

    def pass_on(self, entry: Entry[T], now: float, shelf: deque[Entry[T]]) -> bool:
        """Give an entry to the oldest waiter, or put it on a shelf; say whether it is to be closed instead."""
        if self.closed:
            return self.places.retire(entry)
        if not self.waiters.hand(entry, since=now - HEAD_START):
            shelf.append(entry)
        self.nudge()
        return False

    def settle(self, entry: Entry[T]) -> bool:
        """Finish a ``put`` into a watched pool; say whether the entry is to be closed."""
        if not self.closed:
            self.nudge()
            return False
        found = remove(self.idle, entry) or remove(self._was_idle, entry)
        # Else somebody who came before the close has it, or the close found it.
        return found and self.places.retire(entry)

    @property
    def nidle(self) -> int:
        return len(self.idle) + len(self.checked)

    def shelves(self) -> list[Entry[T]]:
        """All idle entries, coldest first."""
        return [*snapshot(self.checked), *snapshot(self.idle)]

    def wants_refill(self) -> bool:
        """Whether there are fewer entries than promised, and room for one more."""
        return not self.closed and self.places.nspare < 0 and self.places.has_room()

    def free(self, entry: Entry[T]) -> None:
        """Free the place of an entry that has come to its end, and let waiters create what there is room for."""
        self.places.free(entry)
        while not self.closed and self.places.has_room() and self.waiters.oldest() is not None:
            permit = self.places.reserve()
            if not self.waiters.hand(permit):
                self.places.free(permit)
        self.nudge()

    def close(self, *, at_exit: bool = False) -> list[Entry[T]]:
        """Serve nobody any more, and say what is to be closed: at the interpreter's exit what is lent, too.

        At exit those who wait are left asleep: only daemon threads and greenlets can, which end without a word
        if nobody wakes them.
        """
        self.closed = True
        self.watched += 1
        if not isinstance(self.idle, _Nothing):
            # Whoever loaded the old deque just before may still pop from it, or append to it: both are
            # seen, the one because pop is atomic, the other because settle() looks there.
            self._was_idle, self.idle = self.idle, _Nothing()
        found: list[Entry[T]] = []
        for shelf in (self._was_idle, self.checked):
            while shelf:
                try:
                    found.append(shelf.pop())
                except IndexError:  # somebody who came before the close was quicker
                    break
        while at_exit:
            try:
                found.append(self.using.popitem()[1])
            except KeyError:
                break
        if not at_exit:
            self.waiters.dismiss()
        return [entry for entry in found if self.places.retire(entry)]
