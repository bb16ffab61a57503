"""What the website and the job need from a database: connections, and the few statements they make."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from ProxyPatternPool import AsyncPool, Pool


class Place(NamedTuple):
    """Where a passage begins."""

    path: str
    line: int


class Row(NamedTuple):
    """What the table keeps of a passage: its place and its words, once each, a space between them."""

    path: str
    line: int
    words: str


class Connection(ABC):
    """A connection to a database; `str` names it in log lines."""

    # For its user.

    @abstractmethod
    def search(self, words: Iterable[str]) -> list[Place]:
        """Find the passages that hold all the words, in reading order."""

    @abstractmethod
    def count(self) -> tuple[int, int]:
        """Count the files and the rows in the table."""

    @abstractmethod
    def create(self) -> None:
        """Create the empty table."""

    @abstractmethod
    def write(self, rows: Sequence[Row]) -> None:
        """Add rows to the table, all or none."""

    @abstractmethod
    def finish(self) -> None:
        """Make the filled table ready for searching."""

    # For the pool that lends it.

    @abstractmethod
    def rollback(self) -> None:
        """Roll back what the last user left open, so that the next one finds a clean session."""

    @abstractmethod
    def is_healthy(self) -> bool:
        """Say whether it still answers."""

    @abstractmethod
    def close(self) -> None:
        """Close it."""


class Database(ABC):
    """A database that lives as long as the job, with the empty table in it."""

    name: str
    """What to call it in the report."""

    writers: int
    """How many connections may write at the same time."""

    @abstractmethod
    def connect(self, name: str) -> Connection:
        """Make a connection with that name."""

    @abstractmethod
    def wreck(self, pool: Pool[Connection]) -> int:
        """Break connections of this pool without its knowledge; say how many."""

    @abstractmethod
    def for_tasks(self) -> AsyncDatabase:
        """Give the same database, for an asynchronous application."""


class AsyncConnection(ABC):
    """A connection whose statements are awaited; else it is as a `Connection`."""

    # For its user.

    @abstractmethod
    async def search(self, words: Iterable[str]) -> list[Place]: ...

    @abstractmethod
    async def count(self) -> tuple[int, int]: ...

    @abstractmethod
    async def write(self, rows: Sequence[Row]) -> None: ...

    @abstractmethod
    async def finish(self) -> None: ...

    # For the pool that lends it.

    @abstractmethod
    async def rollback(self) -> None: ...

    @abstractmethod
    async def is_healthy(self) -> bool: ...

    @abstractmethod
    async def close(self) -> None: ...


class AsyncDatabase(ABC):
    """A database for an asynchronous application; else it is as a `Database`."""

    name: str
    writers: int

    @abstractmethod
    async def connect(self, name: str) -> AsyncConnection: ...

    @abstractmethod
    async def wreck(self, pool: AsyncPool[AsyncConnection]) -> int: ...
