"""Which object is due next."""

import heapq
import itertools
import math
import weakref
from typing import Generic, TypeVar

T = TypeVar("T")

MAX_STALE = 64
"""Deadlines given up for earlier ones that may stay, in addition to as many as there are valid ones."""


class Deadlines(Generic[T]):
    """Deadlines of objects, which they do not keep alive; of each object only the earliest is valid."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, weakref.ref[T]]] = []
        self._earliest: weakref.WeakKeyDictionary[T, float] = weakref.WeakKeyDictionary()
        self._order = itertools.count()  # of equal deadlines: references have none

    def __len__(self) -> int:
        return len(self._heap)

    def add(self, item: T, deadline: float) -> None:
        """Add a deadline, unless the object has an earlier one: when that has come, the object names the next."""
        if deadline >= self._earliest.get(item, math.inf):
            return
        self._earliest[item] = deadline
        heapq.heappush(self._heap, (deadline, next(self._order), weakref.ref(item)))
        if len(self._heap) > 2 * len(self._earliest) + MAX_STALE:
            # They would else stay until their time has come, in an hour or a day.
            self._heap = [node for node in self._heap if self._valid(node) is not None]
            heapq.heapify(self._heap)

    def _valid(self, node: "tuple[float, int, weakref.ref[T]]") -> T | None:
        """The object of a deadline, unless it is gone or has an earlier one."""
        deadline, _, reference = node
        item = reference()
        return item if item is not None and self._earliest.get(item) == deadline else None

    def time_left(self, now: float) -> float | None:
        """The seconds until the next deadline; ``None`` if there is none."""
        return max(0.0, self._heap[0][0] - now) if self._heap else None

    def overdue(self, now: float) -> float:
        """The seconds since the earliest deadline; 0 if it has not come."""
        return max(0.0, now - self._heap[0][0]) if self._heap else 0.0

    def pop_due(self, now: float) -> list[T]:
        """Take out the objects that have their deadline now or before."""
        due: list[T] = []
        while self._heap and self._heap[0][0] <= now:
            item = self._valid(heapq.heappop(self._heap))
            if item is not None:
                del self._earliest[item]
                due.append(item)
        return due
