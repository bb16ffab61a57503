"""How many places are taken, and how far the entry in each has come."""

import math
import weakref
from itertools import takewhile
from typing import Generic, TypeVar, get_args

from .._config import PoolConfig
from .._observer import DiscardReason
from .._runtime.races import snapshot
from .entry import CREATING, GONE, LIVE, RETIRED, Entry, Mailbox

T = TypeVar("T")

_UNLIMITED = 1 << 62


class Places(Generic[T]):
    """The book of places. A place is a place until its object is closed.

    Called with the pool's lock held. Counts are sizes of collections, and each collection changes by single
    calls that may be done twice: an exception thrown into the middle of a step at worst lets one entry die
    half-way, whose finalizer has the step done again.
    """

    def __init__(self, config: PoolConfig, mailbox: Mailbox[T], *, always_slow_return: bool) -> None:
        self.config = config
        """With the bounds as they are now: ``resize`` puts another one here."""
        self.discards_pending = False
        """Whether there may be entries that are to go as soon as they come back: stale ones, or too many."""
        self.next_end = math.inf
        """No lifetime ends before. In the past, while an entry whose lifetime has ended is neither idle nor lent."""
        self.by_identity = True
        """Whether loans are found by their objects, so that no object may be there twice."""
        self._first_fresh = 0  # entries with a lower serial are stale
        self._mailbox = mailbox
        self.always_slow_return = always_slow_return
        """Whether there is something to do at each return: a retter to be called, an observer to be told."""
        self.slow_return_at_use = 0 if always_slow_return else config.max_use or _UNLIMITED
        """From this use on the return of an entry is looked at closely."""
        self._taken: dict[int, weakref.ref[Entry[T]]] = {}  # by serial; weak, so that a lost entry dies
        self._known: set[int] = set()  # keys of all entries with an object
        self._creating: set[int] = set()
        self._retired: set[int] = set()
        self._next_serial = 0
        self._past_uses = 0
        self.ncreated = self.ndestroys = 0
        self.nretired_for: dict[DiscardReason, int] = dict.fromkeys(get_args(DiscardReason), 0)

    def __len__(self) -> int:
        return len(self._taken)

    @property
    def ncreating(self) -> int:
        return len(self._creating)

    @property
    def nretired(self) -> int:
        return len(self._retired)

    @property
    def nuses(self) -> int:
        """How many loans there have been."""
        return self._past_uses + sum(entry.uses for entry in self.entries())

    @property
    def nspare(self) -> int:
        """How many entries there are above ``min_size``; negative if some are missing."""
        return self._nstaying - self.config.min_size

    @property
    def _nstaying(self) -> int:
        return len(self._taken) - len(self._retired)

    @property
    def nready(self) -> int:
        """How many objects there are that may be lent, wherever they are."""
        return self._nstaying - len(self._creating)

    @property
    def has_surplus(self) -> bool:
        """Whether there are more entries than places: the pool was made smaller."""
        bound = self.config.max_size
        return bound is not None and self._nstaying > bound

    def stale(self, entry: Entry[T]) -> bool:
        """Whether an entry is older than the last ``drain``."""
        return entry.serial < self._first_fresh

    @property
    def nstale(self) -> int:
        """How many entries there are that are older than the last ``drain``."""
        # Serials are entered in order: the first is the oldest.
        return sum(1 for _ in takewhile(self._first_fresh.__gt__, snapshot(self._taken)))

    def drain(self) -> None:
        """Call stale what there is: serials only grow."""
        self._first_fresh = self._next_serial
        self.discards_pending = True

    def update_discards_pending(self) -> bool:
        """Look whether there still are such entries, and say so."""
        self.discards_pending = self.has_surplus or next(iter(self._taken), self._first_fresh) < self._first_fresh
        return self.discards_pending

    def entries(self) -> list[Entry[T]]:
        """All entries, wherever they are."""
        return [entry for place in snapshot(self._taken.values()) if (entry := place()) is not None]

    def has_room(self) -> bool:
        bound = self.config.max_size
        return bound is None or len(self._taken) < bound

    def reserve(self) -> Entry[T]:
        """Take a place: a permit to create an object in it."""
        entry = Entry(self._next_serial, self._mailbox)
        self._next_serial += 1
        self._taken[entry.serial] = weakref.ref(entry)
        self._creating.add(entry.serial)
        return entry

    def adopt(self, entry: Entry[T]) -> None:
        """Enter the object that was created in an entry.

        Raises:
            ValueError: the pool has that very object already.
        """
        entry.key = id(entry.obj) if self.by_identity else ~entry.serial
        if entry.key in self._known:
            del entry.obj  # it is another entry's, and not to be closed
            raise ValueError(
                "fun returned an object that is in the pool already: it has to make another each time, "
                "since a pool lends each object to one borrower"
            )
        # No call in these three lines, so that nothing can be thrown in between; the rest free() does again.
        self.ncreated += 1
        entry.slow_return_at_use = self.slow_return_at_use
        entry.stage = LIVE
        self._known.add(entry.key)

    def start_lifetime(self, entry: Entry[T], end: float) -> None:
        """Note when the lifetime of an entry ends."""
        entry.expires = end
        self.next_end = min(self.next_end, end)

    def refer_again(self, entry: Entry[T]) -> None:
        """Refer to an entry again: the collector cleared the reference to it before its finalizer ran."""
        place = self._taken.get(entry.serial)
        if place is not None and place() is None:
            self._taken[entry.serial] = weakref.ref(entry)

    def note_opened(self, entry: Entry[T]) -> None:
        """Note that an object is ready: its opener has returned."""
        self._creating.discard(entry.serial)

    def retire(self, entry: Entry[T], reason: DiscardReason) -> bool:
        """Take an entry that is the caller's out for good, once; its place is taken until it is free."""
        if entry.stage is not LIVE:
            return False
        # No call in these three lines, as above.
        entry.reason = reason
        entry.stage = RETIRED
        self.nretired_for[reason] += 1
        self._retired.add(entry.serial)
        self._creating.discard(entry.serial)
        return True

    def free(self, entry: Entry[T]) -> None:
        """Free the place of an entry whose closer has returned, or that never had an object."""
        if entry.stage is GONE:
            return
        self._retired.discard(entry.serial)
        self._creating.discard(entry.serial)
        self._taken.pop(entry.serial, None)
        if entry.stage is not CREATING:
            self._known.discard(entry.key)
        # No call in these three lines: done once, together, whatever is thrown in before or after.
        self._past_uses += entry.uses
        self.ndestroys += entry.stage is not CREATING
        entry.stage = GONE
