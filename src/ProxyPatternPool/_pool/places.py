"""How many places are taken, and how far the entry in each has come."""

import weakref
from typing import Generic, TypeVar

from .config import PoolConfig
from .entry import CREATING, GONE, LIVE, RETIRED, Entry, Mailbox

T = TypeVar("T")

_UNLIMITED = 1 << 62


class Places(Generic[T]):
    """The book of places. A place is a place until its object is closed.

    Called with the pool's lock held. Counts are sizes of collections, and each collection changes by single
    calls that may be done twice: an exception thrown into the middle of a step at worst lets one entry die
    half-way, whose finalizer has the step done again.
    """

    def __init__(self, config: PoolConfig, mailbox: Mailbox[T], *, careful: bool) -> None:
        self._config = config
        self._mailbox = mailbox
        self.close_look = 0 if careful else config.max_use or _UNLIMITED
        """From this use on the return of an entry is looked at closely."""
        self._taken: dict[int, weakref.ref[Entry[T]]] = {}  # by serial; weak, so that a lost entry dies
        self._known: set[int] = set()  # ids of all objects
        self._creating: set[int] = set()
        self._retired: set[int] = set()
        self._next_serial = 0
        self._past_uses = 0
        self.ncreated = self.ndestroys = 0

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
        entries = [place() for place in self._taken.values()]
        return self._past_uses + sum(entry.uses for entry in entries if entry is not None)

    @property
    def nspare(self) -> int:
        """How many entries there are above ``min_size``; negative if some are missing."""
        return len(self._taken) - len(self._retired) - self._config.min_size

    def has_room(self) -> bool:
        bound = self._config.max_size
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
        entry.key = id(entry.obj)
        if entry.key in self._known:
            del entry.obj  # it is another entry's, and not to be closed
            raise ValueError("fun returned an object that is in the pool already")
        # No call in these three lines, so that nothing can be thrown in between; the rest free() does again.
        self.ncreated += 1
        entry.close_look = self.close_look
        entry.stage = LIVE
        self._known.add(entry.key)
        self._creating.discard(entry.serial)

    def retire(self, entry: Entry[T]) -> bool:
        """Take an entry that is the caller's out for good, once; its place is taken until it is free."""
        if entry.stage is not LIVE:
            return False
        entry.stage = RETIRED
        self._retired.add(entry.serial)
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
