"""The FIFO queue of waiters, and how an entry is handed to one of them."""

import math
import weakref
from collections import deque
from itertools import takewhile
from operator import attrgetter
from typing import Generic, TypeVar

from .._runtime.owner import Owner
from .._runtime.races import remove, snapshot
from .._runtime.waiting import AnySleeper
from .entry import Entry, Receipt

T = TypeVar("T")


class Waiter(Generic[T]):
    """A caller that was not served at once. Its fields are written with the pool's lock held.

    A waiter is also the receipt of what the caller gets, written before the caller gets it: whatever is thrown into the
    caller on the way, the ledger knows what must come back.
    """

    __slots__ = (
        "__weakref__",
        "handed",
        "hub",
        "lent",
        "owner",
        "receipt",
        "refused",
        "retry",
        "served",
        "since",
        "sleeper",
        "timed_out",
        "use",
        "waited",
        "woken",
    )

    def __init__(
        self,
        owner: Owner,
        receipt: Receipt[T] | None = None,
        sleeper: AnySleeper | None = None,
        waited: float = 0.0,
    ) -> None:
        self.owner = owner
        self.receipt = receipt
        self.sleeper = sleeper  # None: this caller does not queue
        self.hub = None if sleeper is None else sleeper.hub  # a greenlet runs in its hub's next turn, a thread at once
        self.handed: Entry[T] | None = None  # an entry, or a permit to create one, reserved for this waiter
        self.lent: Entry[T] | None = None  # the entry that it was lent
        self.use = 0  # the number of that loan
        self.since: float | None = None  # when it joined the queue, until its wait is over
        self.waited = waited  # seconds its caller waited before; after this wait, the sum of both
        self.retry = False  # what its caller got before could not be used
        self.refused: int | None = None  # how many were waiting when it was refused
        self.served = False  # something was handed to it
        self.woken = False  # woken to look for an entry, and has not looked yet
        self.timed_out = False  # written by its caller

    def wake(self) -> bool:
        """Wake the caller to look for an entry; say whether it is alive: a greenlet ends silently with its thread."""
        self.woken = self.sleeper is not None and self.sleeper.wake()
        return self.woken


_is_retry = attrgetter("retry")


class WaitQueue(Generic[T]):
    """The waiters, oldest first."""

    __slots__ = ("_history", "_max_waiting", "_uncollected", "max_wait", "nrefused", "nwaits", "queue", "wait_time")

    def __init__(self, max_waiting: int | None = None) -> None:
        self._max_waiting = max_waiting
        self.nrefused = 0
        self.nwaits = 0  # that have ended
        self.wait_time = self.max_wait = 0.0
        self._history: deque[float] | None = None  # the seconds of the last waits, once somebody has asked
        self.queue: deque[Waiter[T]] = deque()
        # Greenlets and tasks that have not yet collected what was handed to them. Weak: one that was interrupted while
        # it left the queue, or had no memory for that, never will. What it was handed goes with it, and so is mailed.
        self._uncollected: weakref.WeakSet[Waiter[T]] = weakref.WeakSet()

    def __len__(self) -> int:
        return len(self.queue)

    def join(self, waiter: Waiter[T], now: float, *, in_front: bool = False) -> None:
        """Add a waiter at the end of the queue or, ``in_front``, after those that joined in front before."""
        waiter.since = now
        if in_front:
            waiter.retry = True
            self.queue.insert(sum(1 for _ in takewhile(_is_retry, self.queue)), waiter)
        else:
            self.queue.append(waiter)

    def leave(self, waiter: Waiter[T]) -> bool:
        """Remove a waiter, if it is still in the queue; say whether it was served."""
        if waiter.served:
            self._uncollected.discard(waiter)
        else:
            remove(self.queue, waiter)  # it is not there if the pool was closed
        return waiter.served

    def count(self) -> int:
        """How many waiters have not been served and can still be woken."""
        return sum(not waiter.served and waiter.sleeper is not None and waiter.sleeper.alive() for waiter in self.queue)

    def note_wait(self, seconds: float, in_all: float) -> None:
        """Note a wait that has ended, and how long its caller has waited in all."""
        self.wait_time += seconds
        self.max_wait = max(self.max_wait, in_all)
        self.nwaits += 1
        if self._history is not None:
            self._history.append(in_all)

    def last_waits(self, most: int) -> list[float]:
        """The seconds of the last waits, oldest first; they are noted from the first call on, so many at most."""
        if self._history is None:
            self._history = deque(maxlen=most)
        return list(self._history)

    def waiting_if_full(self) -> int | None:
        """How many callers wait, if that is ``max_waiting`` or more; ``None``: another may join."""
        most = self._max_waiting
        if most is None or len(self.queue) < most:  # quicker than count(), and never less
            return None
        waiting = self.count()
        return waiting if waiting >= most else None

    def refuse(self, waiter: Waiter[T]) -> bool:
        """Note whether too many are waiting. It raises nothing: that would wake all of them, see ``Guard.locked``."""
        waiter.refused = self.waiting_if_full()
        self.nrefused += waiter.refused is not None
        return waiter.refused is not None

    def oldest(self) -> Waiter[T] | None:
        """The oldest waiter that has not been served."""
        while self.queue:
            # A served one is still here if hand_to_oldest() was interrupted.
            if not self.queue[0].served:
                return self.queue[0]
            self.queue.popleft()
        return None

    def oldest_thread(self) -> Waiter[T] | None:
        """The oldest waiter, if it is a thread that was not served; it can be asked without the lock."""
        try:
            waiter = self.queue[0]
        except IndexError:
            return None
        return None if waiter.served or waiter.hub is not None else waiter

    def hand_to_oldest(self, entry: Entry[T], *, since: float = math.inf) -> bool:
        """Hand an entry, or a permit, to the oldest waiter that can still be woken; say whether there was one.

        ``handed`` is set first: from then on the waiter is served, even if this step is interrupted.

        Args:
            entry: What to hand over.
            since: Only a waiter that joined at this time or before gets it.
        """
        while (waiter := self.oldest()) is not None and (waiter.since or 0.0) <= since:
            if waiter.hub is not None:
                self._uncollected.add(waiter)
            waiter.handed = entry
            waiter.served = True
            heard = waiter.wake()
            self.queue.popleft()
            if heard:
                return True
            self._uncollected.discard(waiter)
            waiter.handed = None
        return False

    def unreachable(self) -> list[Waiter[T]]:
        """The served waiters whose thread has ended: they cannot collect what was handed to them."""
        # A copy: of a waiter that is dropped meanwhile the set forgets in its finalizer, without the lock.
        waiters = snapshot(self._uncollected)
        return [waiter for waiter in waiters if waiter.sleeper is None or not waiter.sleeper.alive()]

    def wake_first(self, idle: int) -> None:
        """Wake as many waiters as there are idle entries, oldest first, to look for one.

        A greenlet looks in the next turn of its hub, which may be busy, and others must not wait for that. So this many
        are woken in each hub, and this many native threads.
        """
        threads = 0
        greenlets: dict[object, int] = {}  # by hub
        for waiter in self.queue:
            if waiter.served or (waiter.hub is not None and greenlets.get(waiter.hub) == idle):
                continue
            if not (waiter.woken or waiter.wake()):
                waiter.served = True  # it cannot be woken any more: oldest() removes it
            elif waiter.hub is not None:
                greenlets[waiter.hub] = greenlets.get(waiter.hub, 0) + 1
            else:
                threads += 1
                if threads == idle:
                    break

    def wake_all(self) -> None:
        """Wake all waiters to look for an entry; harmless at any time."""
        for waiter in self.queue:
            if not waiter.served:
                waiter.wake()

    def wake_all_and_clear(self) -> None:
        """Wake all waiters for the last time: they find the pool closed."""
        self.wake_all()
        self.queue.clear()
