"""Whether a process needs more memory the longer it works."""

import re
import threading
import time
import tracemalloc
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

LONG = 600.0
"""Seconds from which on a stress has its memory compared: before, caches fill."""
MOST = 0.02
"""By how much of it memory may grow from a sixth of the time to its end."""
SPAN = 1 / 60
"""Of the time: of the samples of so much of it medians are compared."""
STATUS = Path("/proc/self/status")


class Memory:
    """What Python has allocated, and what the system has given, in KiB: samples of each second, at two times."""

    def __init__(self, seconds: float) -> None:
        self._begin, self._seconds = time.monotonic(), seconds
        self._samples: dict[float, list[tuple[int, int]]] = {1 / 6: [], 1.0: []}
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="memory", daemon=True)

    def _watch(self) -> None:
        while not self._ended.wait(1.0):
            part = (time.monotonic() - self._begin) / self._seconds
            for end, samples in self._samples.items():
                if end - SPAN <= part <= end:
                    samples.append(_sample())

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
        times = self._samples.values()
        return {
            name: [round(median(sample[column] for sample in samples)) for samples in times]
            for column, name in enumerate(("allocated", "resident"))
        }


def _sample() -> tuple[int, int]:
    resident = re.search(r"VmRSS:\s+(\d+) kB", STATUS.read_text(encoding="ascii"))
    assert resident is not None
    return tracemalloc.get_traced_memory()[0] // 1024, int(resident[1])
