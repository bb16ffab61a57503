"""A phase whose workers are tasks."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator
from typing import TypeAlias, TypeVar

from job import phase
from job.display import Display
from job.oracle import AsyncOracle
from job.phase import Phase, in_balance
from job.plan import Stop
from ProxyPatternPool import AsyncPool
from storage.database import AsyncConnection

R = TypeVar("R")
Job: TypeAlias = "Callable[[], Awaitable[Iterable[R]]]"


class TaskPhase(Phase[R]):
    """Tasks that do a list of jobs. The parameters are those of `Phase`."""

    def __init__(
        self, title: str, unit: str, total: int, workers: int, pool: AsyncPool[AsyncConnection], oracle: AsyncOracle
    ) -> None:
        super().__init__(title, unit, total, workers, pool, oracle)
        self.pool = pool

    async def run(self, jobs: Iterable[Job[R]], display: Display, stop: Stop) -> None:
        """Have the tasks do the jobs, and show the progress.

        Raises:
            KeyboardInterrupt: `stop` was set; the tasks have finished their current jobs, and ended.
        """
        queue = iter(jobs)
        display.begin(self.title, self.unit, self.total)
        started = time.perf_counter()
        names = [f"{self.title} {number}" for number in range(self.workers)]
        working = {asyncio.create_task(self._work(queue, stop), name=name) for name in names}
        while working:
            display.update(len(self.results), self.pool.stats())
            _, working = await asyncio.wait(working, timeout=0.1)
        self.seconds = time.perf_counter() - started
        display.end(len(self.results))
        stop.end_if_set()

    async def rest(self) -> None:
        """Check every connection once more, and keep the statistics of the pool when nothing changes in it any more."""
        await self.pool.housekeep()  # finds idle connections that are broken, and were not borrowed since
        deadline = time.monotonic() + phase.REST
        self.stats = self.pool.stats()
        while not in_balance(self.stats) and time.monotonic() < deadline:
            await asyncio.sleep(0.01)
            self.stats = self.pool.stats()

    async def _work(self, queue: Iterator[Job[R]], stop: Stop) -> None:
        """Do one job after the other: what each task runs."""
        for job in queue:
            if stop.is_set():
                return
            try:
                self.results.extend(await job())
            except Exception as error:  # a failed job must not end its task; the report counts it
                self.failures.append(error)
