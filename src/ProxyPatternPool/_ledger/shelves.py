"""The entries that are idle and those in use, and the steps that need no lock.

Three steps are atomic: taking an idle entry, ending its loan, and putting it back. Why they are safe without the lock:

- ``idle.pop()`` and ``using.pop(id)`` are each one call into C: of two callers one gets the entry. From then on the
  entry belongs to that caller alone, so its times and its number of uses are written plainly and are exact.
- One side appends an entry to ``idle``, then looks whether returns are quick (here). The other makes returns slow, then
  looks for an idle entry (``Ledger.take_or_queue``, ``Sweeps.prune``, ``close``). At least one of them sees the other.
  So no caller sleeps while an object is idle, and no object stays idle in a closed pool. Where somebody waits already,
  ``Ledger.put_beside_waiters`` says why that holds as well.

The last argument needs an order of what two threads do. With a GIL there is one. On a free-threaded build each call of
a method of a deque, each subscript, and each step of its iterator locks that deque. So of the append and the pop on the
other side one is the first. If it is the append, the pop finds the entry. If it is the pop, returns had been made slow
before; whoever locks the deque after that sees it, and so does the look that follows his append. ``bool`` and ``len``
lock nothing: they may be out of date, and are no such look.
"""

import enum
import math
from collections import deque
from contextlib import suppress
from typing import Generic, TypeVar

from .._runtime.owner import Owner
from .._runtime.races import remove, snapshot
from . import policy
from .entry import Entry, Receipt
from .policy import RETIRE

T = TypeVar("T")

NEVER = -math.inf
"""A time before all others."""


class Put(enum.Enum):
    """What is left to do after a return without the lock."""

    NEEDS_SETTLE = "the entry is idle; settle() must be called with the lock held"
    NEEDS_SLOW_PATH = "the entry is not idle, and still the caller's; its return must take the slow path"


NEEDS_SETTLE, NEEDS_SLOW_PATH = Put.NEEDS_SETTLE, Put.NEEDS_SLOW_PATH


class _AlwaysEmpty(deque[Entry[T]]):
    """The idle entries of a closed pool: nobody can take one."""

    def pop(self, *_: int) -> Entry[T]:
        raise IndexError


class _OldestFirst(deque[Entry[T]]):
    """The idle entries of a pool that lends first what was idle for longest. The left end was, as elsewhere."""

    def pop(self, *_: int) -> Entry[T]:
        return self.popleft()


class Shelves(Generic[T]):
    """Which entries are idle, which are in use, and until when loans and returns are quick."""

    __slots__ = (
        "_max_use",
        "_quick_gets",
        "_quick_rets",
        "_was_idle",
        "checked",
        "idle",
        "quick_gets_until",
        "quick_rets_until",
        "unlocked_rets_until",
        "using",
    )

    quick_gets_until: float
    """From this time on a loan takes the slow path: always, in a drain, or once a lifetime has ended."""
    quick_rets_until: float
    """From this time on a return takes the slow path: for waiters, a close, a drain, once a lifetime has ended."""
    unlocked_rets_until: float
    """The same, whether or not somebody waits: before it a return may do without the lock beside a waiter."""

    def __init__(self, *, max_use: int | None, quick_gets: bool, quick_rets: bool, oldest_first: bool = False) -> None:
        # Last in, first out, unless the oldest are lent first. The left end was idle for longest.
        self.idle: deque[Entry[T]] = _OldestFirst() if oldest_first else deque()
        self.checked: deque[Entry[T]] = deque()  # idle too: those that passed the health checks now under way
        self._was_idle: deque[Entry[T]] = deque()  # in a closed pool: what ``idle`` was before
        self.using: dict[int, Entry[T]] = {}  # by their keys
        self._max_use = max_use
        self._quick_gets = quick_gets
        self._quick_rets = quick_rets
        self.set_quick_limits(math.inf, closed=False, waiting=False)

    # Without the lock. -----------------------------------------------------------------------------

    def take(self, now: float, owner: Owner, receipt: Receipt[T] | None = None) -> Entry[T] | None:
        """Lend the hottest idle entry, if there is one."""
        try:
            entry = self.idle.pop()
        except IndexError:
            return None
        # read_loan() relies on this order: time and owner, then the number of the use, then ``using``.
        entry.last_get = now
        entry.owner = owner
        entry.uses += 1
        if receipt is not None:
            receipt.note(entry, entry.uses)
        self.using[entry.key] = entry
        return entry

    def end_loan(self, entry: Entry[T], use: int) -> bool:
        """End a loan, unless it has ended; say whether the entry is the caller's now."""
        # The look and the pop need not be one step. A loan that a lease holds ends elsewhere only if it is killed, and
        # then there is no later loan; or if a caller gives back with ret() what the lease is to give back.
        return self.using.get(entry.key) is entry and entry.uses == use and self.using.pop(entry.key, None) is entry

    def put_fast(self, entry: Entry[T], now: float) -> Put | None:
        """Make the caller's entry idle, if returns are quick; say what is left to do, ``None`` for nothing."""
        entry.last_ret = now
        if now >= self.quick_rets_until or entry.uses >= entry.slow_return_at_use:
            return NEEDS_SLOW_PATH
        self.idle.append(entry)
        return NEEDS_SETTLE if now >= self.quick_rets_until else None

    def put_after_retter(self, entry: Entry[T], now: float) -> Put | None:
        """Make the caller's entry idle after its retter, if returns are quick; say what is left to do."""
        worn_out = policy.on_return(entry.uses, self._max_use) is RETIRE
        if worn_out or now >= entry.expires or now >= self.quick_rets_until:
            return NEEDS_SLOW_PATH
        self.idle.append(entry)
        return NEEDS_SETTLE if now >= self.quick_rets_until else None

    # With the lock. --------------------------------------------------------------------------------

    def is_in_use(self, entry: Entry[T]) -> bool:
        """Whether an entry is in use; if so its return will see what the caller of this has written before."""
        # That return begins with a pop, and this one is before it: without a GIL, too, each locks the dictionary.
        # A look need not do so. No entry in use has this key.
        self.using.pop(0, None)
        return self.using.get(entry.key) is entry

    def set_quick_limits(self, time: float, *, closed: bool, waiting: bool) -> None:
        """Note until when loans and returns are quick: a closed pool has no quick returns, nor has one with waiters."""
        self.quick_gets_until = time if self._quick_gets else NEVER
        end = time if self._quick_rets and not closed else NEVER
        self.unlocked_rets_until = end
        self.quick_rets_until = NEVER if waiting else end

    def make_returns_slow(self) -> None:
        """Have all returns take the lock, to see what is being done under it."""
        self.quick_rets_until = self.unlocked_rets_until = NEVER

    def close(self) -> list[Entry[T]]:
        """Take out all idle entries, for ever: nobody finds one afterwards."""
        self.make_returns_slow()
        if not isinstance(self.idle, _AlwaysEmpty):
            # A caller that read the old deque just before may still pop from it or append to it. Both do no harm: of
            # two pops one gets the entry, and after an append settle() looks in the old deque, too.
            self._was_idle, self.idle = self.idle, _AlwaysEmpty()
        found: list[Entry[T]] = []
        for shelf in (self._was_idle, self.checked):
            with suppress(IndexError):  # nothing is left
                while True:
                    found.append(shelf.pop())
        return found

    def take_out_late_return(self, entry: Entry[T]) -> bool:
        """Take out an entry that was returned by a caller who had not seen the close; say whether it was there."""
        return remove(self.idle, entry) or remove(self._was_idle, entry)

    @property
    def nidle(self) -> int:
        return len(self.idle) + len(self.checked)

    def idle_entries(self) -> list[Entry[T]]:
        """All idle entries, those idle for longest first."""
        return [*snapshot(self.checked), *snapshot(self.idle)]
