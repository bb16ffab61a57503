"""The two phases of the job, writing and searching: many threads, few connections, one pool between them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from queue import Empty, SimpleQueue
from threading import Event, Thread
from typing import Generic, NamedTuple, TypeAlias, TypeVar

from ProxyPatternPool import Pool, PoolStats

from .backend import Backend, C
from .display import Display
from .texts import Library, Place, Query, row_of

R = TypeVar("R")
V = TypeVar("V")
Task: TypeAlias = "Callable[[], Iterable[R]]"

BATCH = 16
"""Files in a transaction."""

REST = 5.0
"""Seconds to wait, at most, for the pool to come to rest after the last thread has ended."""


class Answer(NamedTuple):
    """What the database answered to a query."""

    query: Query
    places: list[Place]


class Phase(Generic[C, R]):
    """Threads that work off a list of tasks through a pool.

    The threads write down what they did in lists, which need no lock to append to; the display reads their lengths.

    Args:
        title: what the threads do.
        unit: what the results are.
        total: how many results there will be.
        threads: how many threads.
        backend: the database.
        pool: its connections.
    """

    def __init__(self, title: str, unit: str, total: int, threads: int, backend: Backend[C], pool: Pool[C]) -> None:
        self.title = title
        self.unit = unit
        self.total = total
        self.threads = threads
        self.backend = backend
        self.pool = pool
        self.results: list[R] = []
        self.waits: list[float] = []
        self.failures: list[Exception] = []
        self.broken = 0
        self.seconds = 0.0
        self.stats: PoolStats = pool.stats()

    def borrow(self, job: Callable[[C], V]) -> V:
        """Do a job on a connection of the pool; if that turns out to be broken, discard it and take another one."""
        while True:
            started = time.perf_counter()
            lease = self.pool.lease()
            self.waits.append(time.perf_counter() - started)
            with lease as connection:
                try:
                    return job(connection)
                except self.backend.errors:
                    if self._answers(connection):
                        raise  # the connection is all right, so it is the job that is not
                    lease.discard()  # closed, not given back: a thread that waits gets a new one in its place

    def run(self, tasks: Iterable[Task[R]], display: Display, stop: Event) -> None:
        """Have the threads do the tasks, and show it.

        Raises:
            KeyboardInterrupt: if `stop` was set; the threads have finished what they were at, and ended.
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
        """Check every connection once more, and note the figures of the pool when nothing moves in it any longer."""
        self.pool.housekeep()  # finds a broken connection that lies idle, and that nobody happened to need
        deadline = time.monotonic() + REST
        self.stats = self.pool.stats()
        while not in_balance(self.stats) and time.monotonic() < deadline:
            time.sleep(0.01)
            self.stats = self.pool.stats()

    def _work(self, queue: SimpleQueue[Task[R]], stop: Event) -> None:
        """Do one task after the other: the life of a thread."""
        while not stop.is_set():
            try:
                task = queue.get_nowait()
            except Empty:
                return
            try:
                self.results.extend(task())
            except Exception as error:  # a lost task must not take its thread along; the verdict counts it
                self.failures.append(error)

    def _answers(self, connection: C) -> bool:
        """Say whether a connection that just failed still works."""
        try:
            return self.backend.is_healthy(connection)
        except self.backend.errors:
            return False


def end_if(stop: Event) -> None:
    """End the job here if the user wants to stop.

    Raises:
        KeyboardInterrupt: then.
    """
    if stop.is_set():
        raise KeyboardInterrupt


def in_balance(stats: PoolStats) -> bool:
    """Say whether a pool at rest is as it was in the beginning: full, nothing lent, nobody waiting, nothing astray."""
    alive = stats["ncreated"] - stats["ndestroys"]
    return stats["nusing"] == stats["nwaiting"] == 0 and stats["navail"] == stats["nobjs"] == alive == stats["min_size"]


def index(phase: Phase[C, str], library: Library, display: Display, stop: Event) -> None:
    """Write all files into the table; the results are their paths."""
    backend = phase.backend

    def task(files: Sequence[str]) -> Sequence[str]:
        rows = [row_of(passage) for file in files for passage in library.passages(file)]
        phase.borrow(lambda connection: backend.write(connection, rows))  # cut first, then borrow: for a short time
        return files

    batches = (library.files[start : start + BATCH] for start in range(0, len(library.files), BATCH))
    phase.run([partial(task, batch) for batch in batches], display, stop)
    started = time.perf_counter()
    phase.borrow(backend.finish)
    phase.seconds += time.perf_counter() - started
    phase.rest()


def search(phase: Phase[C, Answer], queries: Sequence[Query], display: Display, stop: Event) -> None:
    """Answer all queries; on the way, at a third of them, connections break."""
    backend = phase.backend

    def task(query: Query) -> Sequence[Answer]:
        return [Answer(query, phase.borrow(lambda connection: backend.search(connection, query.words)))]

    def accident() -> Sequence[Answer]:
        display.note(f"breaking connections on purpose, after {len(phase.results):,} queries")
        phase.broken = backend.wreck(phase.pool)
        return []

    tasks: list[Task[Answer]] = [partial(task, query) for query in queries]
    tasks.insert(len(tasks) // 3, accident)
    phase.run(tasks, display, stop)
    phase.rest()
    replaced = phase.stats["ndestroys"]  # nothing else makes these pools close a connection before their end
    display.note(f"{phase.broken} connections were broken and {replaced} replaced, the job went on")
