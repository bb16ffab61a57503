"""Counts how many connections there really are, independently of the pool."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from threading import Lock

from storage.database import AsyncConnection, AsyncDatabase, Connection, Database


class Count:
    """Counts connections: up before one is made, down after it is closed."""

    def __init__(self) -> None:
        self.open = 0
        """How many are open now."""
        self.most = 0
        """The most that were open at the same time."""
        self._lock = Lock()

    @contextmanager
    def opening(self) -> Generator[None, None, None]:
        """Count one that is made in this block; it does not count if that fails."""
        with self._lock:
            self.open += 1
            self.most = max(self.most, self.open)
        try:
            yield
        except BaseException:
            self._gone()
            raise

    @contextmanager
    def closing(self) -> Generator[None, None, None]:
        """Do not count one any more that is closed in this block."""
        try:
            yield
        finally:
            self._gone()

    def _gone(self) -> None:
        with self._lock:
            self.open -= 1


class Oracle(Count):
    """Makes the connections of a pool, and counts them.

    Args:
        database: What to connect to.
        name: The name of the connections; each has a number behind it.
    """

    def __init__(self, database: Database, name: str) -> None:
        super().__init__()
        self.database = database
        self.name = name

    def connect(self, number: int) -> Connection:
        """Make a connection, for a pool."""
        with self.opening():
            return self.database.connect(f"{self.name} {number}")

    def close(self, connection: Connection) -> None:
        """Close a connection, for a pool."""
        with self.closing():
            connection.close()


class AsyncOracle(Count):
    """The same for a pool for tasks."""

    def __init__(self, database: AsyncDatabase, name: str) -> None:
        super().__init__()
        self.database = database
        self.name = name

    async def connect(self, number: int) -> AsyncConnection:
        """Make a connection, for a pool."""
        with self.opening():
            return await self.database.connect(f"{self.name} {number}")

    async def close(self, connection: AsyncConnection) -> None:
        """Close a connection, for a pool."""
        with self.closing():
            await connection.close()
