"""A phase of the job: many workers, threads or tasks, share few connections through a pool."""

from __future__ import annotations

from typing import Generic, Protocol, TypeVar

from ProxyPatternPool import PoolStats

from .oracle import Count

R = TypeVar("R")

REST = 5.0
"""Most seconds to wait until nothing changes in the pool any more, after the last worker has ended."""


class HasStats(Protocol):
    """What a phase needs of its pool, whichever kind it is."""

    def stats(self) -> PoolStats: ...


class Phase(Generic[R]):
    """What is known of a phase.

    The workers append their results to lists, for which no lock is needed; the display reads the lengths of the lists.

    Args:
        title: What the workers do.
        unit: What the results are.
        total: How many results there will be.
        workers: How many workers.
        pool: The connections they use.
        oracle: Counts the connections.
    """

    def __init__(self, title: str, unit: str, total: int, workers: int, pool: HasStats, oracle: Count) -> None:
        self.title = title
        self.unit = unit
        self.total = total
        self.workers = workers
        self.oracle = oracle
        self.results: list[R] = []
        self.waits: list[float] = []
        self.failures: list[Exception] = []
        self.broken = 0
        self.seconds = 0.0
        self.stats: PoolStats = pool.stats()


def in_balance(stats: PoolStats) -> bool:
    """Say whether a pool is as it was in the beginning: full, with no object lent or lost, and no caller waiting."""
    alive = stats["ncreated"] - stats["ndestroys"]
    return stats["nusing"] == stats["nwaiting"] == 0 and stats["navail"] == stats["nobjs"] == alive == stats["min_size"]
