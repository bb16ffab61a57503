"""Counts how many connections there really are, independently of the pool."""

from __future__ import annotations

from threading import Lock

from storage.database import Connection, Database


class Oracle:
    """Makes the connections of a pool, and counts them: up before one is made, down after it is closed.

    Args:
        database: What to connect to.
        name: The name of the connections; each has a number behind it.
    """

    def __init__(self, database: Database, name: str) -> None:
        self.database = database
        self.name = name
        self.open = 0
        """How many are open now."""
        self.most = 0
        """The most that were open at the same time."""
        self._lock = Lock()

    def connect(self, number: int) -> Connection:
        """Make a connection, for a pool."""
        with self._lock:
            self.open += 1
            self.most = max(self.most, self.open)
        try:
            return self.database.connect(f"{self.name} {number}")
        except BaseException:
            self._gone()
            raise

    def close(self, connection: Connection) -> None:
        """Close a connection, for a pool."""
        try:
            connection.close()
        finally:
            self._gone()

    def _gone(self) -> None:
        with self._lock:
            self.open -= 1
