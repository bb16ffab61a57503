"""generic-connection-pool, with one endpoint."""

from __future__ import annotations

from generic_connection_pool.threading import BaseConnectionManager, ConnectionPool

from benchmarks.contenders.base import Connect, FakeConnection, fill

ENDPOINT = "db"


class Manager(BaseConnectionManager[str, FakeConnection]):
    """Makes and closes the connections."""

    def __init__(self, connect: Connect) -> None:
        self._connect = connect

    def create(self, endpoint: str, timeout: float | None = None) -> FakeConnection:
        """Make a connection."""
        return self._connect()

    def dispose(self, endpoint: str, conn: FakeConnection, timeout: float | None = None) -> None:
        """Close it."""
        conn.close()


class GenericPool:
    """`pool.acquire(endpoint)` and `pool.release(conn, endpoint)`."""

    name = "generic-connection-pool"

    def __init__(self, connect: Connect, size: int, *, warm: bool = True) -> None:
        self.pool = ConnectionPool(Manager(connect), min_idle=size, max_size=size, total_max_size=size)
        if warm:
            fill(self, size)

    def acquire(self) -> FakeConnection:
        """Take a connection; the endpoint has to be named, so this contender pays for one more call."""
        return self.pool.acquire(ENDPOINT)

    def release(self, conn: FakeConnection) -> None:
        """Give it back."""
        self.pool.release(conn, ENDPOINT)

    def cycles(self, count: int) -> None:
        """Cycle."""
        pool = self.pool
        for _ in range(count):
            conn = pool.acquire(ENDPOINT)
            pool.release(conn, ENDPOINT)

    def close(self) -> None:
        """Close the pool."""
        self.pool.close()
