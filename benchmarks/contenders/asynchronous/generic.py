"""generic-connection-pool's asynchronous pool, with one endpoint."""

from __future__ import annotations

from functools import partial

from generic_connection_pool.asyncio import BaseConnectionManager, ConnectionPool

from benchmarks.contenders.asynchronous.base import Connect, FakeConnection
from benchmarks.contenders.generic import ENDPOINT


class Manager(BaseConnectionManager[str, FakeConnection]):
    """Makes, resets and closes the connections."""

    def __init__(self, connect: Connect) -> None:
        self._connect = connect

    async def create(self, endpoint: str) -> FakeConnection:
        """Make a connection."""
        return await self._connect()

    async def on_release(self, endpoint: str, conn: FakeConnection) -> None:
        """Reset it."""
        await conn.rollback()

    async def dispose(self, endpoint: str, conn: FakeConnection) -> None:
        """Close it."""
        await conn.close()


class GenericPool:
    """`await pool.acquire(endpoint)` and `await pool.release(conn, endpoint)`."""

    name = "generic-connection-pool"

    def __init__(self, connect: Connect, size: int) -> None:
        self.pool = ConnectionPool(Manager(connect), min_idle=size, max_size=size, total_max_size=size)
        self.loan = partial(self.pool.connection, ENDPOINT)

    async def open(self) -> None:
        """Nothing to open."""

    async def cycles(self, count: int) -> None:
        """Cycle."""
        pool = self.pool
        for _ in range(count):
            conn = await pool.acquire(ENDPOINT)
            await pool.release(conn, ENDPOINT)

    async def blocks(self, count: int) -> None:
        """Cycle."""
        pool = self.pool
        for _ in range(count):
            async with pool.connection(ENDPOINT):
                pass

    async def idle(self) -> int:
        """Count the objects not lent."""
        return await self.pool.get_endpoint_pool_size(ENDPOINT, acquired=False)

    async def close(self) -> None:
        """Close the pool."""
        await self.pool.close()
