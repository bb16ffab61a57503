"""When to look at what next."""

import heapq
import itertools
import math
import weakref
from typing import Generic, TypeVar

T = TypeVar("T")

SPARE = 64
"""Deadlines given up for earlier ones that may stay, beside as many as there are others."""


class Agenda(Generic[T]):
    """Deadlines, of which only the earliest of each thing counts; things are not kept alive by it."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, weakref.ref[T]]] = []
        self._noted: weakref.WeakKeyDictionary[T, float] = weakref.WeakKeyDictionary()
        self._order = itertools.count()

    def __len__(self) -> int:
        return len(self._heap)

    def note(self, thing: T, deadline: float) -> None:
        """Note a deadline, unless there is an earlier one: when that has come, the next can be noted."""
        if deadline >= self._noted.get(thing, math.inf):
            return
        self._noted[thing] = deadline
        heapq.heappush(self._heap, (deadline, next(self._order), weakref.ref(thing)))
        if len(self._heap) > 2 * len(self._noted) + SPARE:
            # They would else stay until their time has come, in an hour or a day.
            self._heap = [item for item in self._heap if self._counts(item) is not None]
            heapq.heapify(self._heap)

    def _counts(self, item: "tuple[float, int, weakref.ref[T]]") -> T | None:
        deadline, _, reference = item
        thing = reference()
        return thing if thing is not None and self._noted.get(thing) == deadline else None

    def time_left(self, now: float) -> float | None:
        """The seconds until the next deadline; ``None`` if there is none."""
        return max(0.0, self._heap[0][0] - now) if self._heap else None

    def late(self, now: float) -> float:
        """The seconds since the earliest deadline; 0 if it has not come."""
        return max(0.0, now - self._heap[0][0]) if self._heap else 0.0

    def due(self, now: float) -> list[T]:
        """Take out what has its deadline now or before."""
        due: list[T] = []
        while self._heap and self._heap[0][0] <= now:
            thing = self._counts(heapq.heappop(self._heap))
            if thing is not None:
                del self._noted[thing]
                due.append(thing)
        return due
