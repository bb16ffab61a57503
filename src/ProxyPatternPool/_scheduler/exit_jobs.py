"""Jobs that are to be done within some time, by as many threads or greenlets as it takes."""

from collections import deque
from collections.abc import Callable, Collection

from .._runtime.hubs import new_sleeper
from .._runtime.native import allocate_lock, monotonic
from .._runtime.waiting import Hub, Sleeper

GREENLETS = 4
"""How many begin; twice as many more each time that jobs are left to begin after a ``PAUSE``."""
PAUSE = 0.05
"""Seconds until greenlets that have not begun all jobs count as stuck."""


class Jobs:
    """Jobs that several threads or greenlets help to finish."""

    def __init__(self) -> None:
        self._jobs: deque[Callable[[], None]] = deque()
        self._left = 0
        self._lock = allocate_lock()
        self._sleeper: Sleeper | None = None

    def add(self, jobs: Collection[Callable[[], None]]) -> None:
        with self._lock:
            self._left += len(jobs)
        self._jobs.extend(jobs)

    def run(self) -> None:
        """Help until no job is left to begin."""
        while True:
            try:
                job = self._jobs.popleft()
            except IndexError:
                return
            try:
                job()
            except BaseException:  # a SystemExit in one ends neither the others nor the silence
                pass
            finally:
                with self._lock:
                    self._left -= 1
                if not self._left and self._sleeper is not None:
                    self._sleeper.wake()

    def wait(self, until: float) -> None:
        """Wait for the end of every job, until some time at most, with the thread's hub running."""
        sleeper = self._sleeper = new_sleeper()
        try:
            while self._left and (left := until - monotonic()) > 0:
                sleeper.sleep(left)
        finally:
            sleeper.dispose()

    def finish(self, hub: Hub, until: float) -> None:
        """Do the jobs in greenlets of this thread's hub: if they get stuck, in ever more, so that each is begun."""
        greenlets = GREENLETS
        while self._jobs and monotonic() < until:
            for _ in range(min(greenlets, len(self._jobs))):
                hub.spawn(self.run)
            self.wait(min(until, monotonic() + PAUSE))
            greenlets *= 2
        self.wait(until)
