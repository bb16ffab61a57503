"""A phase of the job: many threads share few connections through a pool."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from queue import Empty, SimpleQueue
from threading import Event, Thread
from typing import Generic, TypeAlias, TypeVar

from ProxyPatternPool import Pool, PoolStats
from storage.database import Connection

from .display import Display
from .oracle import Oracle

R = TypeVar("R")
Task: TypeAlias = "Callable[[], Iterable[R]]"

REST = 5.0
"""Most seconds to wait until nothing changes in the pool any more, after the last thread has ended."""


class Phase(Generic[R]):
    """Threads that do a list of tasks.

    The threads append their results to lists, for which no lock is needed; the display reads the lengths of the lists.

    Args:
        title: What the threads do.
        unit: What the results are.
        total: How many results there will be.
        threads: How many threads.
        pool: The connections they use.
        oracle: Counts the connections.
    """

    def __init__(self, title: str, unit: str, total: int, threads: int, pool: Pool[Connection], oracle: Oracle) -> None:
        self.title = title
        self.unit = unit
        self.total = total
        self.threads = threads
        self.pool = pool
        self.oracle = oracle
        self.results: list[R] = []
        self.waits: list[float] = []
        self.failures: list[Exception] = []
        self.broken = 0
        self.seconds = 0.0
        self.stats: PoolStats = pool.stats()

    def run(self, tasks: Iterable[Task[R]], display: Display, stop: Event) -> None:
        """Have the threads do the tasks, and show the progress.

        Raises:
            KeyboardInterrupt: `stop` was set; the threads have finished their current tasks, and ended.
        """
        queue: SimpleQueue[Task[R]] = SimpleQueue()
        for task in tasks:
            queue.put(task)
        names = [f"{self.title} {number}" for number in range(self.threads)]
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
        end_if(stop)

    def rest(self) -> None:
        """Check every connection once more, and keep the statistics of the pool when nothing changes in it any more."""
        self.pool.housekeep()  # finds idle connections that are broken, and were not borrowed since
        deadline = time.monotonic() + REST
        self.stats = self.pool.stats()
        while not in_balance(self.stats) and time.monotonic() < deadline:
            time.sleep(0.01)
            self.stats = self.pool.stats()

    def _work(self, queue: SimpleQueue[Task[R]], stop: Event) -> None:
        """Do one task after the other: what each thread runs."""
        while not stop.is_set():
            try:
                task = queue.get_nowait()
            except Empty:
                return
            try:
                self.results.extend(task())
            except Exception as error:  # a failed task must not end its thread; the report counts it
                self.failures.append(error)


def end_if(stop: Event) -> None:
    """End the job here if the user wants to stop.

    Raises:
        KeyboardInterrupt: The user wants to stop.
    """
    if stop.is_set():
        raise KeyboardInterrupt


def in_balance(stats: PoolStats) -> bool:
    """Say whether a pool is as it was in the beginning: full, with no object lent or lost, and no caller waiting."""
    alive = stats["ncreated"] - stats["ndestroys"]
    return stats["nusing"] == stats["nwaiting"] == 0 and stats["navail"] == stats["nobjs"] == alive == stats["min_size"]
