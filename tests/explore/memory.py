"""What each thread knows of what others did before: vector clocks, races, and values that are out of date.

A location is an attribute of an object, or a collection. Two accesses of it race if one of them writes, and nothing
that threads do puts one before the other: a lock, a wake-up, a call of a method of a collection that both change, or a
look of either into a deque (L. Lamport, "Time, clocks, and the ordering of events in a distributed system", 1978; for
races: C. Flanagan and S. Freund, "FastTrack: efficient and precise dynamic race detection", 2009). Each call of a
method of a deque, each subscript, each test with ``in``, and each step of its iterator locks it; its length does not.

Without a GIL a thread may read what was there before, as long as it cannot know of the last write. What of that is
modelled: the value before the last write, if another thread wrote it; and how long a collection was before its last
change, where nothing else is asked, or only whether it was empty, since ``len`` and ``bool`` lock nothing. Once a
thread has read a value it reads no older one, and it knows all that the writer knew: CPython writes attributes with
release semantics, and reads them with acquire semantics.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Final

Location = Hashable
NOTHING: Final = object()
"""No value."""


class _Cell:
    """The last accesses of one location."""

    __slots__ = ("known", "old", "readers", "stamp", "writer")

    def __init__(self) -> None:
        self.writer = -1  # the thread that wrote last
        self.stamp = 0  # when, by its own clock
        self.old: object = NOTHING  # what was there before
        self.known: list[int] | None = None  # what the writer knew then
        self.readers: dict[int, int] = {}  # when each thread read, by its own clock


class Memory:
    """The accesses of one run."""

    def __init__(self, threads: int) -> None:
        self._clocks = [[0] * threads for _ in range(threads)]
        for thread in range(threads):
            self._clocks[thread][thread] = 1
        self._cells: dict[Location, _Cell] = {}
        self._published: dict[Location, list[int]] = {}

    def synchronize(self, thread: int, location: Location) -> None:
        """Learn all that was known to those who were here before, and tell it to those who come after."""
        mine = self._clocks[thread]
        known = self._published.get(location)
        if known is not None:
            for index, value in enumerate(known):
                if value > mine[index]:
                    mine[index] = value
        self._published[location] = mine.copy()
        mine[thread] += 1

    def publish(self, thread: int, location: Location) -> None:
        """Tell those who come after, and learn nothing."""
        mine = self._clocks[thread]
        known = self._published.get(location)
        self._published[location] = mine.copy() if known is None else [*map(max, known, mine)]
        mine[thread] += 1

    def meet(self) -> None:
        """Have all threads know everything: they have all been at rest."""
        highest = [*map(max, *self._clocks)] if len(self._clocks) > 1 else self._clocks[0]
        for thread, clock in enumerate(self._clocks):
            clock[:] = highest
            clock[thread] += 1

    def read(self, thread: int, location: Location) -> bool:
        """Note a read; say whether it races."""
        cell = self._cells.get(location)
        if cell is None:
            cell = self._cells[location] = _Cell()
        mine = self._clocks[thread]
        cell.readers[thread] = mine[thread]
        return cell.writer >= 0 and cell.writer != thread and cell.stamp > mine[cell.writer]

    def acquire(self, thread: int, location: Location) -> None:
        """Learn what the last writer of an attribute knew: its value was read."""
        cell = self._cells[location]
        if cell.known is not None and cell.writer != thread:
            mine = self._clocks[thread]
            mine[:] = map(max, mine, cell.known)

    def write(self, thread: int, location: Location, old: object = NOTHING, *, releases: bool = False) -> bool:
        """Note a write, and what was there before; say whether it races.

        ``releases``: whether those who read the value are to know what this thread knows.
        """
        cell = self._cells.get(location)
        if cell is None:
            cell = self._cells[location] = _Cell()
        mine = self._clocks[thread]
        races = cell.writer >= 0 and cell.writer != thread and cell.stamp > mine[cell.writer]
        races = races or any(when > mine[reader] for reader, when in cell.readers.items() if reader != thread)
        cell.readers.clear()
        cell.writer, cell.stamp, cell.old = thread, mine[thread], old
        if releases:
            cell.known = mine.copy()
            mine[thread] += 1
        return races

    def old_value(self, thread: int, location: Location) -> object:
        """What a thread may read instead of what was written last, if that was by another, and it cannot know of it.

        A thread that has read the new value reads no older one, and of the values before that only the last is kept.
        """
        cell = self._cells.get(location)
        if cell is None or cell.writer < 0 or cell.writer == thread or thread in cell.readers:
            return NOTHING
        return cell.old if cell.stamp > self._clocks[thread][cell.writer] else NOTHING
