"""The book of all entries and waiters: decides, and returns the work to do.

No user code, no clock of its own, no thread. Two steps are atomic and need no lock, taking an idle
entry and putting one back; every other method is called with the pool's lock held.

Why the two steps are safe without the lock:

- ``idle.pop()`` and ``using.pop(id)`` are each one call into C: of two callers one gets the entry. From
  then on it is exclusively that caller's, so its times and uses are written plainly and are exact.
- Between "append to idle, then look whether the pool is watched" (here) and "watch the pool, then look
  for an idle entry" (``ask``, ``close``) at least one side sees the other: nobody sleeps while an object
  is idle, and no object stays idle in a closed pool. Without a GIL that order is not given by the
  interpreter: the pool then puts entries back under its lock.
"""

import enum
import weakref
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from traceback import StackSummary
from typing import Generic, TypeVar

from .._errors import PoolClosed
from .._sync.native import GIL
from .._sync.owner import Owner
from . import policy
from .config import PoolConfig
from .entry import Entry, Mailbox, Stage
from .policy import Verdict
from .waiters import Waiter, WaitQueue

T = TypeVar("T")

PATIENCE = 0.001
"""Seconds the oldest waiter may be overtaken by newcomers; afterwards entries go to it directly."""


_UNLIMITED = 1 << 62


class Put(enum.Enum):
    """What is left to do after putting an entry back without the lock."""

    WATCHED = "idle, and settle() is to be called with the lock"
    REFUSED = "still the caller's, and to be looked at closely"


WATCHED, REFUSED = Put.WATCHED, Put.REFUSED


class _Nothing(deque[Entry[T]]):
    """The idle entries of a closed pool: whoever looks finds none."""

    def pop(self, *_: int) -> Entry[T]:
        raise IndexError


def snapshot(items: Iterable[T]) -> list[T]:
    """Copy a collection that others change meanwhile, without the lock."""
    while True:
        try:
            return list(items)
        except RuntimeError:  # it changed in the middle: a finalizer ran within list()
            continue


@dataclass(frozen=True)
class Loan(Generic[T]):
    """One loan, as it was when it was looked at."""

    entry: Entry[T]
    owner: Owner | None
    since: float
    stack: StackSummary | None


@dataclass(eq=False)
class Due(Generic[T]):
    """What a round found. Expired and killed entries are to be closed, the warned only spoken of."""

    expired: list[Entry[T]] = field(default_factory=list)
    warned: list[Loan[T]] = field(default_factory=list)
    killed: list[Loan[T]] = field(default_factory=list)
    deadline: float | None = None


class Ledger(Generic[T]):
    """Who is idle, who is lent, who waits, and how many places are taken.

    Counts of entries are sizes of collections, and each collection changes by single calls: an exception
    thrown into the middle of a step can at worst lose sight of one entry, which then dies and is mailed.
    """

    def __init__(self, config: PoolConfig, mailbox: Mailbox[T], *, careful: bool, lock_free: bool = GIL) -> None:
        self._config = config
        self._limit = 0 if careful else config.max_use or _UNLIMITED  # from this use on a return is looked at
        self.mailbox = mailbox
        self.idle: deque[Entry[T]] = deque()  # last in, first out: the left end is the oldest
        self._checked: deque[Entry[T]] = deque()  # idle too: those a health round is through with
        self._was_idle: deque[Entry[T]] = deque()
        self.using: dict[int, Entry[T]] = {}
        self.waiters: WaitQueue[T] = WaitQueue()
        self._known: set[int] = set()  # ids of all objects
        self._places: dict[int, weakref.ref[Entry[T]]] = {}  # by serial; weak, so that a lost entry dies
        self._creating: set[int] = set()
        self._retired: set[int] = set()
        self._in_check: set[int] = set()
        self.closed = False
        self._lock_free = lock_free
        self.watched = int(not lock_free)  # how many reasons there are to take the lock: waiters, the close…
        self._next_serial = 0
        self.ncreating = self.ncreated = self.nerrors = self.ndestroys = 0
        self.nkilled = self.nrecycled = self.nwornout = self.ntimeouts = self.nhealth = 0
        self.past_uses = 0
        self.wait_time = self.max_wait = 0.0

    # The two atomic steps. ---------------------------------------------------------------------

    def take(self, now: float, owner: Owner) -> Entry[T] | None:
        """Lend the hottest idle entry, if there is one."""
        try:
            entry = self.idle.pop()
        except IndexError:
            return None
        # The order matters to due(): the time before the use it belongs to, both before using.
        entry.last_get = now
        entry.owner = owner
        entry.uses += 1
        self.using[entry.key] = entry
        return entry

    def put(self, entry: Entry[T], now: float) -> Put | None:
        """Make an entry idle that is the caller's; say what is left to do, ``None`` for nothing."""
        entry.last_ret = now
        watched = self.watched
        if watched or entry.uses >= entry.limit:
            return REFUSED
        self.idle.append(entry)
        return WATCHED if self.watched else None

    # Everything below is called with the lock held. ----------------------------------------------

    @property
    def nplaces(self) -> int:
        return len(self._places)

    @property
    def nidle(self) -> int:
        return len(self.idle) + len(self._checked)

    @property
    def nretired(self) -> int:
        return len(self._retired)

    @property
    def ncreating_now(self) -> int:
        return len(self._creating)

    @property
    def nout(self) -> int:
        """Entries taken out: lent, or being checked."""
        return len(self.using) + len(self._in_check)

    @property
    def nuses(self) -> int:
        """How many loans there have been."""
        entries = [place() for place in self._places.values()]
        return self.past_uses + sum(entry.uses for entry in entries if entry is not None)

    def shelves(self) -> list[Entry[T]]:
        """All idle entries, coldest first."""
        return [*snapshot(self._checked), *snapshot(self.idle)]

    def wants_refill(self) -> bool:
        """Whether there are fewer entries than promised, and room for one more."""
        least = self._config.min_size
        return not self.closed and len(self._places) - len(self._retired) < least and self._has_room()

    def _has_room(self) -> bool:
        bound = self._config.max_size
        return bound is None or len(self._places) < bound

    def reserve(self) -> Entry[T]:
        """Take a place: a permit to create an object in it."""
        entry = Entry(self._next_serial, self.mailbox)
        self._next_serial += 1
        self._places[entry.serial] = weakref.ref(entry)
        self._creating.add(entry.serial)
        return entry

    def ask(self, now: float, waiter: Waiter[T], *, queue: bool = False) -> Entry[T] | None:
        """Get an idle entry, lent, or a permit to create, or else join the queue if so wished.

        Raises:
            PoolClosed: nobody is served any more.
        """
        if self.closed:
            raise PoolClosed
        entry = self._take_any(now, waiter)
        if entry is None and self._has_room():
            entry = waiter.gift = self.reserve()
        if entry is None and queue:
            waiter.since = now
            # First be seen, then look again: see the module's docstring.
            self.watched += 1
            self.waiters.join(waiter)
            entry = self._take_any(now, waiter)
            if entry is not None:
                self.leave(waiter)
        return entry

    def _take_any(self, now: float, waiter: Waiter[T]) -> Entry[T] | None:
        for shelf in (self.idle, self._checked):
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
        self.using[entry.key] = entry

    def admit(self, entry: Entry[T], now: float, waiter: Waiter[T]) -> None:
        """Lend a new entry to the waiter who created it.

        Raises:
            PoolClosed: the pool was closed meanwhile.
        """
        if self.closed:
            raise PoolClosed
        self.lend(entry, now, waiter)

    def answer(self, waiter: Waiter[T], now: float) -> Entry[T] | None:
        """Tell a woken waiter what it got: an entry, lent, or a permit to create, or nothing yet.

        Raises:
            PoolClosed: nobody is served any more.
        """
        entry = waiter.gift
        if entry is not None:
            if entry.stage is Stage.LIVE:
                self.lend(entry, now, waiter)
            return entry
        if self.closed:
            raise PoolClosed
        entry = self._take_any(now, waiter)
        if entry is not None:
            self.leave(waiter)
        else:
            waiter.awake = False
        return entry

    def leave(self, waiter: Waiter[T]) -> None:
        """Take a waiter out of the queue, and wake the next if an entry is idle."""
        self.waiters.leave(waiter)
        self._nudge()

    def waited(self, seconds: float, *, in_vain: bool) -> None:
        """Enter how long a waiter waited."""
        self.wait_time += seconds
        self.max_wait = max(self.max_wait, seconds)
        self.ntimeouts += in_vain

    def abandon(self, waiter: Waiter[T], now: float) -> Entry[T] | None:
        """Take out a waiter that was interrupted; what it had got goes to the next. Say what is to be brought to an end."""
        self.leave(waiter)
        entry = waiter.lent or waiter.gift
        if entry is None:
            return None
        if entry is waiter.lent and (entry.uses != waiter.use or self.using.pop(entry.key, None) is not entry):
            return None  # killed meanwhile
        if entry.stage is Stage.LIVE:
            return entry if self.give(entry, now) else None
        return entry

    def _nudge(self) -> None:
        self.waiters.nudge(self.nidle)
        self.watched = len(self.waiters) + self.closed + (not self._lock_free)

    def give(self, entry: Entry[T], now: float) -> bool:
        """Hand an entry that is the caller's to whoever is next; say whether it is to be closed instead."""
        if entry.stage is not Stage.LIVE:
            return False
        if self.closed:
            return self.retire(entry)
        if policy.on_return(entry.uses, self._config.max_use) is Verdict.RETIRE:
            self.nwornout += self.retire(entry)
            return True
        self._pass_on(entry, now, self.idle)
        return False

    def _pass_on(self, entry: Entry[T], now: float, shelf: deque[Entry[T]]) -> None:
        waiter = self.waiters.first()
        if waiter is not None and now - waiter.since >= PATIENCE:
            self.waiters.hand(waiter, entry)
        else:
            shelf.append(entry)
        self._nudge()

    def settle(self, entry: Entry[T]) -> bool:
        """Finish a ``put`` into a watched pool; say whether the entry is to be closed."""
        if not self.closed:
            self._nudge()
            return False
        for shelf in (self.idle, self._was_idle):
            try:
                shelf.remove(entry)
            except ValueError:  # somebody who came before the close has it, or the close found it
                continue
            return self.retire(entry)
        return False

    def adopt(self, entry: Entry[T]) -> None:
        """Enter the object that was created in an entry.

        Raises:
            ValueError: the pool has that very object already.
        """
        entry.key = id(entry.obj)
        if entry.key in self._known:
            del entry.obj  # it is another entry's, and not to be closed
            raise ValueError("fun returned an object that is in the pool already")
        # No call in these three lines, so that nothing can be thrown in between; the rest free() does again.
        self.ncreated += 1
        entry.limit = self._limit
        entry.stage = Stage.LIVE
        self._known.add(entry.key)
        self._creating.discard(entry.serial)

    def retire(self, entry: Entry[T]) -> bool:
        """Take an entry that is the caller's out for good, once; its place is taken until it is free."""
        if entry.stage is not Stage.LIVE:
            return False
        entry.stage = Stage.RETIRED
        self._retired.add(entry.serial)
        return True

    def free(self, entry: Entry[T]) -> None:
        """Free the place of an entry whose closer has returned, or that never had an object."""
        if entry.stage is Stage.GONE:
            return
        for serials in (self._retired, self._creating, self._in_check):
            serials.discard(entry.serial)
        if entry.stage is not Stage.CREATING:
            self._known.discard(entry.key)
        if self._places.pop(entry.serial, None) is not None:
            self.past_uses += entry.uses
            self.ndestroys += entry.stage is not Stage.CREATING
        entry.stage = Stage.GONE
        self._permit()

    def _permit(self) -> None:
        """Let waiters create what there is room for."""
        while self._has_room():
            waiter = self.waiters.first()
            if waiter is None:
                break
            self.waiters.hand(waiter, self.reserve())
        self._nudge()

    def holds(self, entry: Entry[T]) -> bool:
        """Whether an entry is on one of the shelves, or lent."""
        if self.using.get(entry.key) is entry:
            return True
        return any(entry in shelf for shelf in (self.idle, self._checked, self._was_idle))

    def close(self, *, lent_too: bool = False) -> list[Entry[T]]:
        """Serve nobody any more, and say what is to be closed."""
        self.closed = True
        self.watched += 1
        if not isinstance(self.idle, _Nothing):
            # Whoever loaded the old deque just before may still pop from it, or append to it: both are
            # seen, the one because pop is atomic, the other because settle() looks there.
            self._was_idle, self.idle = self.idle, _Nothing()
        found: list[Entry[T]] = []
        for shelf in (self._was_idle, self._checked):
            while shelf:
                try:
                    found.append(shelf.pop())
                except IndexError:  # somebody who came before the close was quicker
                    break
        while lent_too and self.using:
            found.append(self.using.popitem()[1])
        self.waiters.dismiss()
        return [entry for entry in found if self.retire(entry)]

    # The house keeper's part. ----------------------------------------------------------------------

    def due(self, now: float) -> Due[T]:
        """Expire, warn and kill what is due, and say when to look again; None where nothing is to be watched."""
        due: Due[T] = Due()
        self._expire(now, due)
        self._watch_loans(now, due)
        return due

    def _expire(self, now: float, due: Due[T]) -> None:
        limit = self._config.max_avail_delay
        if limit is None:
            return
        deadline = now + limit
        for shelf in (self._checked, self.idle):
            while shelf:
                spare = len(self._places) - len(self._retired) > self._config.min_size
                try:
                    if policy.on_idle(now - shelf[0].last_ret, limit, spare=spare) is Verdict.KEEP:
                        deadline = min(deadline, shelf[0].last_ret + limit) if spare else deadline
                        break
                    entry = shelf.popleft()
                except IndexError:  # lent between two of these lines
                    break
                if policy.on_idle(now - entry.last_ret, limit, spare=spare) is Verdict.KEEP:
                    # The one looked at was lent meanwhile, this one is fresh. It goes back to the cold end.
                    shelf.appendleft(entry)
                    self._nudge()
                    break
                self.nrecycled += self.retire(entry)
                due.expired.append(entry)
        due.deadline = deadline

    def _watch_loans(self, now: float, due: Due[T]) -> None:
        warn, kill = self._config.warn_delay, self._config.kill_delay
        delays = [delay for delay in (warn, kill) if delay is not None]
        if not delays:
            return
        deadline = now + min(delays)
        for key, entry in snapshot(self.using.items()):
            # take() writes the time and the owner before it counts the use, and enters the loan last. So an
            # entry still entered here, at the same use as before, has not changed hands while it was read.
            use = entry.uses
            loan = Loan(entry, entry.owner, entry.last_get, entry.stack)
            if self.using.get(key) is not entry or entry.uses != use:
                continue
            match policy.on_long_use(now - loan.since, warn, kill, warned=entry.warned == use):
                case Verdict.KEEP:
                    deadline = min([deadline, *(loan.since + delay for delay in delays if loan.since + delay > now)])
                case Verdict.WARN:
                    entry.warned = use
                    entry.limit = 0  # its return is looked at closely
                    due.warned.append(loan)
                    deadline = deadline if kill is None else min(deadline, loan.since + kill)
                case Verdict.RETIRE:
                    if self.using.pop(key, None) is None:
                        continue  # it came back just now
                    if entry.uses != use:
                        # Returned and lent again since: not overdue. Whoever returns it within these two
                        # lines finds nothing, and looks again with the lock.
                        self.using[key] = entry
                        continue
                    self.nkilled += self.retire(entry)
                    due.killed.append(loan)
        due.deadline = deadline if due.deadline is None else min(due.deadline, deadline)

    def unwarn(self, entry: Entry[T]) -> bool:
        """Forget the warning about an entry that came back; say whether it was about this loan."""
        entry.limit = self._limit
        return entry.warned == entry.uses

    def begin_check(self) -> Entry[T] | None:
        """Take out the coldest idle entry, to be checked outside the lock."""
        try:
            entry = self.idle.popleft()
        except IndexError:
            return None
        self.nhealth += 1
        self._in_check.add(entry.serial)
        return entry

    def passed_check(self, entry: Entry[T], now: float) -> bool:
        """Make a checked entry available again; say whether it is to be closed instead."""
        self._in_check.discard(entry.serial)
        if self.closed:
            return self.retire(entry)
        self._pass_on(entry, now, self._checked)
        return False

    def end_check(self) -> None:
        """Put all that passed back at the cold end, in the order of their last return."""
        checked, self._checked = self._checked, deque()
        self.idle.extendleft(reversed(checked))
