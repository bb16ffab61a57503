"""The FIFO queue of those who wait, and how an entry is handed to them."""

import math
from collections import deque
from itertools import takewhile
from operator import attrgetter
from typing import Generic, TypeVar

from .._runtime.owner import Owner
from .._runtime.races import remove
from .._runtime.waiting import Sleeper
from .entry import Entry, Receipt

T = TypeVar("T")


class Waiter(Generic[T]):
    """A caller that could not be served at once. Its fields are read and written with the pool's lock held.

    It is also the receipt of what the caller got, from before it is got: whatever is thrown into the
    caller on the way, the ledger knows what is to go back.
    """

    __slots__ = (
        "again",
        "called",
        "gift",
        "hub",
        "in_vain",
        "lent",
        "owner",
        "receipt",
        "refused",
        "served",
        "since",
        "sleeper",
        "use",
        "waited",
    )

    def __init__(
        self,
        owner: Owner,
        receipt: Receipt[T] | None = None,
        sleeper: Sleeper | None = None,
        waited: float = 0.0,
    ) -> None:
        self.owner = owner
        self.receipt = receipt
        self.sleeper = sleeper  # None for one who does not queue
        self.hub = None if sleeper is None else sleeper.hub  # in whose next turn it comes; a native thread does at once
        self.gift: Entry[T] | None = None  # an entry, or a permit to create one, that is this waiter's alone
        self.lent: Entry[T] | None = None  # the entry it was lent, with that use
        self.use = 0
        self.since: float | None = None  # when it joined the queue, until its wait is over
        self.waited = waited  # how long its caller stood in the queue before; once this wait is over, in all
        self.again = False  # what it got was no good
        self.refused: int | None = None  # by how many that wait already
        self.served = False
        self.called = False  # told to look for itself, and has not yet looked
        self.in_vain = False  # its time was over before it got anything

    def call(self) -> bool:
        """Have the caller look; say whether it ever can: a greenlet dies silently with its thread."""
        self.called = self.sleeper is not None and self.sleeper.wake()
        return self.called


_asks_again = attrgetter("again")


class WaitQueue(Generic[T]):
    """The waiters, oldest first."""

    __slots__ = ("_handed", "queue")

    def __init__(self) -> None:
        self.queue: deque[Waiter[T]] = deque()
        self._handed: set[Waiter[T]] = set()  # greenlets that have not yet come for what they were given

    def __len__(self) -> int:
        return len(self.queue)

    def join(self, waiter: Waiter[T], now: float, *, in_front: bool = False) -> None:
        """Enter a waiter, at the end or in front of all but those who were put in front before."""
        waiter.since = now
        if in_front:
            waiter.again = True
            self.queue.insert(sum(1 for _ in takewhile(_asks_again, self.queue)), waiter)
        else:
            self.queue.append(waiter)

    def leave(self, waiter: Waiter[T]) -> bool:
        """Take a waiter out, if it still is in; say whether it was served."""
        if waiter.served:
            self._handed.discard(waiter)
        else:
            remove(self.queue, waiter)  # else the pool was closed
        return waiter.served

    def count(self) -> int:
        """How many there are that have nothing yet and can still come."""
        return sum(not waiter.served and waiter.sleeper is not None and waiter.sleeper.alive() for waiter in self.queue)

    def oldest(self) -> Waiter[T] | None:
        """The oldest waiter that has nothing yet."""
        while self.queue:
            # One that is served and still here was left by an interrupted hand().
            if not self.queue[0].served:
                return self.queue[0]
            self.queue.popleft()
        return None

    def hand(self, entry: Entry[T], *, since: float = math.inf) -> bool:
        """Give an entry, or a permit, to the oldest waiter that can still come for it.

        Say whether there is one that has waited since then, or longer. The gift comes first: from then on the waiter
        is served.
        """
        while (waiter := self.oldest()) is not None and (waiter.since or 0.0) <= since:
            if waiter.hub is not None:
                self._handed.add(waiter)
            waiter.gift = entry
            waiter.served = True
            heard = waiter.call()
            self.queue.popleft()
            if heard:
                return True
            self._handed.discard(waiter)
            waiter.gift = None
        return False

    def stranded(self) -> list[Waiter[T]]:
        """Those that cannot come any more for what they were given: their thread has ended."""
        return [waiter for waiter in self._handed if waiter.sleeper is None or not waiter.sleeper.alive()]

    def nudge(self, idle: int) -> None:
        """Tell as many waiters as there are idle entries, oldest first, to come and look.

        A greenlet comes when its hub turns, and that may be busy: those elsewhere do not wait for it. So as many are
        told in each hub, and behind them among the native threads.
        """
        threads = 0
        greenlets: dict[object, int] = {}  # by hub
        for waiter in self.queue:
            if waiter.served or (waiter.hub is not None and greenlets.get(waiter.hub) == idle):
                continue
            if not (waiter.called or waiter.call()):
                waiter.served = True  # it can come no more, and is left behind by oldest()
            elif waiter.hub is not None:
                greenlets[waiter.hub] = greenlets.get(waiter.hub, 0) + 1
            else:
                threads += 1
                if threads == idle:
                    break

    def rouse(self) -> None:
        """Wake everyone to look for himself; harmless at any time."""
        for waiter in self.queue:
            if not waiter.served:
                waiter.call()

    def dismiss(self) -> None:
        """Send everyone home."""
        self.rouse()
        self.queue.clear()
