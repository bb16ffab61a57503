"""Where entries are that have an object, idle or lent; and the steps that need no lock.

Three are atomic: taking an idle entry, ending its loan, and putting it back. Why they are safe without the lock:

- ``idle.pop()`` and ``using.pop(id)`` are each one call into C: of two callers one gets the entry. From
  then on it is exclusively that caller's, so its times and uses are written plainly and are exact.
- Between "append to idle, then look whether returns are quick" (here) and "have no return be quick, then look
  for an idle entry" (``Ledger.ask``, ``close``) at least one side sees the other: nobody sleeps while an object
  is idle, and no object stays idle in a closed pool. Without a GIL that order is not given by the
  interpreter: the pool then puts entries back under its lock.
"""

import enum
import math
from collections import deque
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
    """What is left to do after putting an entry back without the lock."""

    NEEDS_SETTLE = "idle, and settle() is to be called with the lock"
    NEEDS_SLOW_PATH = "still the caller's, and to be looked at closely"


NEEDS_SETTLE, NEEDS_SLOW_PATH = Put.NEEDS_SETTLE, Put.NEEDS_SLOW_PATH


class _Nothing(deque[Entry[T]]):
    """The idle entries of a closed pool: whoever looks finds none."""

    def pop(self, *_: int) -> Entry[T]:
        raise IndexError


class Shelves(Generic[T]):
    """Which entries are idle, which are lent, and until when loans and returns are quick."""

    def __init__(self, *, max_use: int | None, plain: bool, lock_free: bool) -> None:
        self.idle: deque[Entry[T]] = deque()  # last in, first out: the left end is the oldest
        self.checked: deque[Entry[T]] = deque()  # idle too: those a health round is through with
        self._was_idle: deque[Entry[T]] = deque()
        self.using: dict[int, Entry[T]] = {}
        self._max_use = max_use
        self._plain = plain
        self._lock_free = lock_free
        self.quick_gets_until = math.inf if plain else NEVER
        """From this time on something is to be done at a loan: always, in a drain, or once a lifetime has ended."""
        self.quick_rets_until = math.inf if lock_free else NEVER
        """From this time on a return takes the lock: for waiters, a close, a drain, or once a lifetime has ended."""

    # Without the lock. -----------------------------------------------------------------------------

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

    def put_fast(self, entry: Entry[T], now: float) -> Put | None:
        """Make an entry idle that is the caller's; say what is left to do, ``None`` for nothing."""
        entry.last_ret = now
        if now >= self.quick_rets_until or entry.uses >= entry.slow_return_at_use:
            return NEEDS_SLOW_PATH
        self.idle.append(entry)
        return NEEDS_SETTLE if now >= self.quick_rets_until else None

    def put_checked(self, entry: Entry[T], now: float) -> Put | None:
        """Make an entry idle that is the caller's and was looked at closely; say what is left to do."""
        worn_out = policy.on_return(entry.uses, self._max_use) is RETIRE
        if worn_out or now >= entry.expires or now >= self.quick_rets_until:
            return NEEDS_SLOW_PATH
        self.idle.append(entry)
        return NEEDS_SETTLE if now >= self.quick_rets_until else None

    # With the lock. --------------------------------------------------------------------------------

    def be_quick_until(self, time: float, *, returns: bool) -> None:
        """Have loans be quick until a time, and returns, if they may be at all."""
        self.quick_gets_until = time if self._plain else NEVER
        self.quick_rets_until = time if returns and self._lock_free else NEVER

    def shut(self) -> list[Entry[T]]:
        """Take out all that is idle, and have nobody find anything any more."""
        self.quick_rets_until = NEVER
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
        return found

    def take_out_late(self, entry: Entry[T]) -> bool:
        """Take out one that was put back by somebody who had not seen ``shut``; say whether it was there."""
        return remove(self.idle, entry) or remove(self._was_idle, entry)

    @property
    def nidle(self) -> int:
        return len(self.idle) + len(self.checked)

    def shelves(self) -> list[Entry[T]]:
        """All idle entries, coldest first."""
        return [*snapshot(self.checked), *snapshot(self.idle)]
