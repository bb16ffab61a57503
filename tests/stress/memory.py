"""Whether a process needs more memory the longer it works."""

import gc
import re
import threading
import time
import tracemalloc
from array import array
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from statistics import median

LONG = 600.0
"""Seconds from which on a stress has its memory compared: before, caches fill."""
MOST = 0.02
"""By how much of it memory may grow from a sixth of the time to its end."""
SPAN = 1 / 60
"""Of the time: of the samples of so much of it medians are compared."""
STATUS = Path("/proc/self/status")
SAMPLED = ("KiB allocated", "KiB resident", "threads")
HELD_TO = SAMPLED[:2]
"""What must not grow."""


class Memory:
    """What Python has allocated, and what the system has given, but for the tables of tracemalloc.

    Samples are taken each second at two times, which end with a sixth of the whole, and with it. They have their room
    from the beginning, or they would count as memory that grows.
    """

    def __init__(self, seconds: float) -> None:
        self._begin, self._seconds = time.monotonic(), seconds
        room = int(seconds * SPAN) + 1
        self._samples = {end: [array("q", bytes(8 * room)) for _ in SAMPLED] for end in (1 / 6, 1.0)}
        self._taken = dict.fromkeys(self._samples, 0)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="memory", daemon=True)

    def _watch(self) -> None:
        while not self._ended.wait(1.0):
            gc.collect()  # garbage is not needed, and how much waits for the collector changes all the time
            with suppress(OSError):  # no file can be opened at this moment, which is one of the faults
                self.note(time.monotonic() - self._begin)

    def note(self, age: float) -> None:
        """Take a sample, if it is time for one; the age is in seconds."""
        for end, columns in self._samples.items():
            taken = self._taken[end]
            if end - SPAN <= age / self._seconds <= end and taken < len(columns[0]):
                for column, number in zip(columns, sample(), strict=True):
                    column[taken] = number
                self._taken[end] = taken + 1

    @contextmanager
    def watched(self) -> Generator[None, None, None]:
        """Watch it meanwhile."""
        tracemalloc.start()
        self._thread.start()
        try:
            yield
        finally:
            self._ended.set()
            self._thread.join()
            tracemalloc.stop()

    def growth(self) -> dict[str, list[int]]:
        """The medians, of the first time and of the last."""
        return {
            name: [round(median(columns[place][: self._taken[end]])) for end, columns in self._samples.items()]
            for place, name in enumerate(SAMPLED)
        }

    def grown(self) -> list[str]:
        """What is needed more of in the end."""
        return [what for what, (first, last) in self.growth().items() if what in HELD_TO and last > first * (1 + MOST)]


def sample() -> tuple[int, int, int]:
    """What this process has now, of each that is sampled; tracemalloc's own tables double now and then."""
    status = STATUS.read_text(encoding="ascii")
    resident, threads = (re.search(pattern, status) for pattern in (r"VmRSS:\s+(\d+) kB", r"Threads:\s+(\d+)"))
    assert resident is not None
    assert threads is not None
    own = tracemalloc.get_tracemalloc_memory()
    return tracemalloc.get_traced_memory()[0] // 1024, int(resident[1]) - own // 1024, int(threads[1])
