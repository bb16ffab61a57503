"""Which places are taken, and the stage of the entry in each."""

import weakref
from typing import Generic, TypeVar, get_args

from .._config import PoolConfig
from .._observer import DiscardReason
from .._runtime.races import snapshot
from .entry import CREATING, GONE, LIVE, RETIRED, Entry, Mailbox

T = TypeVar("T")

_UNLIMITED = (1 << 30) - 1
"""The largest int that Python 3.12 and later compare quickly. From that use on a return takes longer, that is all."""


class Places(Generic[T]):
    """Which places are taken. A place is taken from before the creation of its object until its closer has returned.

    Called with the pool's lock held. Numbers are sizes of collections, and each collection changes by single calls that
    may be done twice. So an exception thrown into the middle of a step lets one entry die half-way at worst, and its
    finalizer has the step done again.
    """

    def __init__(self, config: PoolConfig, mailbox: Mailbox[T], *, always_slow_return: bool) -> None:
        self.config = config
        """The parameters, with the bounds as they are now: ``resize`` replaces it."""
        self.by_identity = True
        """Whether loans are found by their objects, so that no two entries may have the same object."""
        self._mailbox = mailbox
        self.always_slow_return = always_slow_return
        """Whether each return takes the slow path, since there is a retter to call or an observer to notify."""
        self.slow_return_at_use = 0 if always_slow_return else config.max_use or _UNLIMITED
        """From this number of uses on the return of an entry takes the slow path."""
        self._taken: dict[int, weakref.ref[Entry[T]]] = {}  # by serial; weak, so that a lost entry is finalized
        self._known: set[int] = set()  # keys of all entries with an object
        self._creating: set[int] = set()
        self.for_waiters: set[int] = set()
        """Those of them that the pool creates for callers who wait."""
        self._retired: set[int] = set()
        self.stale: set[int] = set()
        """Those that were there at the last ``drain``, and still are."""
        self.next_serial = 0
        """Of the next entry; they only grow."""
        self.past_uses = 0
        """Loans of the entries that are gone."""
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
    def nobjects(self) -> int:
        """How many objects exist, those of lost entries included."""
        return len(self._known)

    @property
    def nuses(self) -> int:
        """How many loans there have been. This looks at all entries: a loan counts nowhere but in its own."""
        return self.past_uses + sum(entry.uses for entry in self.entries())

    @property
    def nspare(self) -> int:
        """How many entries there are above ``min_size``; negative if some are missing."""
        return self._nkept - self.config.min_size

    @property
    def _nkept(self) -> int:
        """How many entries are not retired."""
        return len(self._taken) - len(self._retired)

    @property
    def nready(self) -> int:
        """How many objects are opened and not retired: idle, in use, being reset or checked."""
        return self._nkept - len(self._creating)

    @property
    def has_surplus(self) -> bool:
        """Whether there are more entries than ``max_size``: ``resize`` has made the pool smaller."""
        bound = self.config.max_size
        return bound is not None and self._nkept > bound

    def serials(self) -> set[int]:
        """The serials of all entries."""
        return set(snapshot(self._taken))

    def entries(self) -> list[Entry[T]]:
        """All entries, at whatever stage."""
        return [entry for place in snapshot(self._taken.values()) if (entry := place()) is not None]

    def references(self) -> list[weakref.ref[Entry[T]]]:
        """References to all entries: to copy these takes a fraction of the time that it takes to follow them."""
        return snapshot(self._taken.values())

    def has_room(self) -> bool:
        bound = self.config.max_size
        return bound is None or len(self._taken) < bound

    def reserve(self, *, for_waiters: bool = False) -> Entry[T]:
        """Take a place, and return its entry: a permit to create an object, perhaps for callers who wait."""
        serial = self.next_serial
        self.next_serial = serial + 1  # first: an entry that is lost at once must not share its serial with the next
        entry = Entry(serial, self._mailbox)
        self._taken[entry.serial] = weakref.ref(entry)
        self._creating.add(entry.serial)
        if for_waiters:
            self.for_waiters.add(entry.serial)
        return entry

    def adopt(self, entry: Entry[T]) -> None:
        """Adopt the object that was created in an entry: from now on it is to be closed.

        Raises:
            ValueError: The pool has that very object already.
        """
        entry.key = id(entry.obj) if self.by_identity else ~entry.serial
        if entry.key in self._known:
            del entry.obj  # it belongs to another entry, and must not be closed for this one
            raise ValueError(
                "fun returned an object that is in the pool already: it has to make another each time, "
                "since a pool lends each object to one borrower"
            )
        # No call in these three lines, so that nothing can be thrown in between. The call after them may be
        # interrupted: free() does the same whether the key was added or not.
        self.ncreated += 1
        entry.slow_return_at_use = self.slow_return_at_use
        entry.stage = LIVE
        self._known.add(entry.key)

    def refer_again(self, entry: Entry[T]) -> None:
        """Refer to an entry again whose weak reference the garbage collector has cleared before its finalizer ran."""
        place = self._taken.get(entry.serial)
        if place is not None and place() is None:
            self._taken[entry.serial] = weakref.ref(entry)

    def end_creation(self, entry: Entry[T]) -> None:
        """Note that an object is ready to be lent, as its opener has returned, or that there will be none."""
        self._creating.discard(entry.serial)
        self.for_waiters.discard(entry.serial)

    def retire(self, entry: Entry[T], reason: DiscardReason) -> bool:
        """Retire the caller's entry, unless it is retired already; say whether this call did it."""
        if entry.stage is not LIVE:
            return False
        # No call in these three lines, as in adopt().
        entry.reason = reason
        entry.stage = RETIRED
        self.nretired_for[reason] += 1
        self._retired.add(entry.serial)
        self.end_creation(entry)
        return True

    def free(self, entry: Entry[T]) -> None:
        """Free the place of an entry whose closer has returned, or which never had an object."""
        if entry.stage is GONE:
            return
        self._retired.discard(entry.serial)
        self.stale.discard(entry.serial)
        self.end_creation(entry)
        self._taken.pop(entry.serial, None)
        if entry.stage is not CREATING:
            self._known.discard(entry.key)
        # No call in these three lines: all are done, once, whatever is thrown in before or after.
        self.past_uses += entry.uses
        self.ndestroys += entry.stage is not CREATING
        entry.stage = GONE
