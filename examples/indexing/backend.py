"""What the job needs from a database, and the pool of its connections."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import ClassVar, Generic, TypeVar

from ProxyPatternPool import Pool

from .texts import Place, Row

C = TypeVar("C")
"""A connection, as the database's own driver has it."""


class Backend(ABC, Generic[C]):
    """A full-text database.

    The first methods are what a pool wants to know about a connection, see `make_pool`. The others are the few
    statements of the job; each gets a connection that is its caller's alone for the time.
    """

    name: ClassVar[str]
    """What to call it in the report."""

    errors: ClassVar[tuple[type[Exception], ...]]
    """What its driver raises."""

    writers: ClassVar[int]
    """How many connections may write at the same time."""

    # For the pool.

    @abstractmethod
    def connect(self, name: str) -> C:
        """Make a connection, and call it so where the database can tell."""

    @abstractmethod
    def set_up(self, connection: C) -> None:
        """Prepare the session of a new connection."""

    @abstractmethod
    def rollback(self, connection: C) -> None:
        """End what the last user left open, so that the next one finds a clean session."""

    @abstractmethod
    def is_healthy(self, connection: C) -> bool:
        """Say whether the connection still answers."""

    @abstractmethod
    def close(self, connection: C) -> None:
        """Close the connection."""

    @abstractmethod
    def describe(self, connection: C) -> str:
        """Name the connection in a log line."""

    # For the job.

    @abstractmethod
    def create(self, connection: C) -> None:
        """Create the empty table."""

    @abstractmethod
    def write(self, connection: C, rows: Sequence[Row]) -> None:
        """Add rows to the table, all or none."""

    @abstractmethod
    def finish(self, connection: C) -> None:
        """Make the filled table ready for searching."""

    @abstractmethod
    def search(self, connection: C, words: Iterable[str]) -> list[Place]:
        """Find the passages that hold all the words, in reading order."""

    @abstractmethod
    def count(self, connection: C) -> tuple[int, int]:
        """Count the files and the rows in the table."""

    # For the accident.

    @abstractmethod
    def wreck(self, pool: Pool[C]) -> int:
        """Break connections of this pool, really and without telling it; say how many of them."""


def make_pool(backend: Backend[C], size: int, name: str) -> Pool[C]:
    """Make the pool of connections that a phase of the job works with.

    Args:
        backend: the database.
        size: how many connections there may be.
        name: what to call the pool in log lines and errors.
    """
    return Pool(
        lambda number: backend.connect(f"{name} {number}"),
        max_size=size,
        min_size=size,  # connect now, not when the first user waits
        timeout=30.0,  # nobody should wait that long: better an error than a job that stands still
        name=name,
        opener=backend.set_up,
        retter=backend.rollback,
        closer=backend.close,
        health=backend.is_healthy,
        hk_delay=1.0,  # check the idle ones every second
        tracer=backend.describe,
        max_using_delay=10.0,  # a warning in the log says who keeps a connection that long
    )
