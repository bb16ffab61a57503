"""The FIFO queue of those who wait, and how an entry is handed to them."""

from collections import deque
from typing import Generic, TypeVar

from .._sync.owner import Owner
from .._sync.sleeper import NativeSleeper, Sleeper
from .entry import Entry, Receipt

T = TypeVar("T")

NO_BED = NativeSleeper()
"""What a waiter has that is not in the queue."""


class Waiter(Generic[T]):
    """A caller that could not be served at once. Its fields are read and written with the pool's lock held.

    It is also the receipt of what the caller got, from before it is got: whatever is thrown into the
    caller on the way, the ledger knows what is to go back.
    """

    __slots__ = ("awake", "gift", "lent", "owner", "receipt", "served", "since", "sleeper", "use")

    def __init__(self, owner: Owner, receipt: Receipt[T] | None = None) -> None:
        self.owner = owner
        self.receipt = receipt
        self.gift: Entry[T] | None = None  # an entry, or a permit to create one, that is this waiter's alone
        self.lent: Entry[T] | None = None  # the entry it was lent, with that use
        self.use = 0
        self.since = 0.0
        self.sleeper: Sleeper = NO_BED
        self.served = False
        self.awake = False  # told to look for itself, and has not yet looked

    def wake(self) -> bool:
        """Have the caller look; say whether it ever can: a greenlet dies silently with its thread."""
        self.awake = self.sleeper.wake()
        return self.awake


class WaitQueue(Generic[T]):
    """The waiters, oldest first."""

    __slots__ = ("_queue",)

    def __init__(self) -> None:
        self._queue: deque[Waiter[T]] = deque()

    def __len__(self) -> int:
        return len(self._queue)

    def join(self, waiter: Waiter[T]) -> None:
        self._queue.append(waiter)

    def leave(self, waiter: Waiter[T]) -> None:
        """Take a waiter out, if it still is in."""
        try:
            self._queue.remove(waiter)
        except ValueError:  # it was served, or the pool was closed
            pass

    def first(self) -> Waiter[T] | None:
        """The oldest waiter that has nothing yet."""
        while self._queue:
            # One that is served and still here was left by an interrupted hand().
            if not self._queue[0].served:
                return self._queue[0]
            self._queue.popleft()
        return None

    def hand(self, waiter: Waiter[T], entry: Entry[T]) -> bool:
        """Give an entry, or a permit, to the oldest waiter; say whether it can still come for it.

        The gift comes first: from then on the waiter is served.
        """
        waiter.gift = entry
        waiter.served = True
        heard = waiter.wake()
        self._queue.popleft()
        if not heard:
            waiter.gift = None
        return heard

    def nudge(self, idle: int) -> None:
        """Tell as many waiters as there are idle entries, oldest first, to come and look."""
        if not idle or not self._queue:
            return
        for waiter in self._queue:
            # One that can come no more counts as served, and is left behind by first().
            if waiter.served:
                continue
            if waiter.awake or waiter.wake():
                idle -= 1
                if not idle:
                    break
            else:
                waiter.served = True

    def rouse(self) -> None:
        """Wake everyone to look for himself; harmless at any time."""
        for waiter in self._queue:
            if not waiter.served:
                waiter.wake()

    def dismiss(self) -> None:
        """Send everyone home."""
        self.rouse()
        self._queue.clear()
