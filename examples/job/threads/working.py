"""A phase whose workers are threads."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from queue import Empty, SimpleQueue
from threading import Thread
from typing import TypeAlias, TypeVar

from job import phase
from job.display import Display
from job.oracle import Oracle
from job.phase import Phase, in_balance
from job.plan import Stop
from ProxyPatternPool import Pool
from storage.database import Connection

R = TypeVar("R")
Job: TypeAlias = "Callable[[], Iterable[R]]"


class ThreadPhase(Phase[R]):
    """Threads that do a list of jobs. The parameters are those of `Phase`."""

    def __init__(self, title: str, unit: str, total: int, workers: int, pool: Pool[Connection], oracle: Oracle) -> None:
        super().__init__(title, unit, total, workers, pool, oracle)
        self.pool = pool

    def run(self, jobs: Iterable[Job[R]], display: Display, stop: Stop) -> None:
        """Have the threads do the jobs, and show the progress.

        Raises:
            KeyboardInterrupt: `stop` was set; the threads have finished their current jobs, and ended.
        """
        queue: SimpleQueue[Job[R]] = SimpleQueue()
        for job in jobs:
            queue.put(job)
        names = [f"{self.title} {number}" for number in range(self.workers)]
        threads = [Thread(target=self._work, args=(queue, stop), name=name) for name in names]
        display.begin(self.title, self.unit, self.total)
        started = time.perf_counter()
        for thread in threads:
            thread.start()
        try:
            for thread in threads:
                while thread.is_alive():
                    display.update(len(self.results), self.pool.stats())
                    thread.join(0.1)
        except BaseException:
            stop.set()
            raise
        finally:
            for thread in threads:
                thread.join()
        self.seconds = time.perf_counter() - started
        display.end(len(self.results))
        stop.end_if_set()

    def rest(self) -> None:
        """Check every connection once more, and keep the statistics of the pool when nothing changes in it any more."""
        self.pool.housekeep()  # finds idle connections that are broken, and were not borrowed since
        deadline = time.monotonic() + phase.REST
        self.stats = self.pool.stats()
        while not in_balance(self.stats) and time.monotonic() < deadline:
            time.sleep(0.01)
            self.stats = self.pool.stats()

    def _work(self, queue: SimpleQueue[Job[R]], stop: Stop) -> None:
        """Do one job after the other: what each thread runs."""
        while not stop.is_set():
            try:
                job = queue.get_nowait()
            except Empty:
                return
            try:
                self.results.extend(job())
            except Exception as error:  # a failed job must not end its thread; the report counts it
                self.failures.append(error)
