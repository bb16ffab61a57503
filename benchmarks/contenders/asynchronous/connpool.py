"""connpool's asynchronous pool over fake connections. It needs Python 3.11."""

from __future__ import annotations

from connpool import AsyncConnectionFactory, AsyncConnectionPool, PoolConfig

from benchmarks.contenders.asynchronous.base import Connect, FakeConnection


class Factory(AsyncConnectionFactory[FakeConnection]):
    """Makes, resets and closes the connections."""

    def __init__(self, connect: Connect) -> None:
        self._connect = connect

    async def create(self) -> FakeConnection:
        """Make a connection."""
        return await self._connect()

    async def reset(self, conn: FakeConnection) -> None:
        """Reset it."""
        await conn.rollback()

    async def close(self, conn: FakeConnection) -> None:
        """Close it."""
        await conn.close()


class ConnPool:
    """`await pool.acquire()` and `await pool.release(conn)`."""

    name = "connpool"

    def __init__(self, connect: Connect, size: int) -> None:
        self.pool = AsyncConnectionPool(Factory(connect), PoolConfig(max_size=size, acquire_timeout=None))
        self.loan = self.pool.connection

    async def open(self) -> None:
        """Open the pool."""
        await self.pool.open()

    async def cycles(self, count: int) -> None:
        """Cycle."""
        pool = self.pool
        for _ in range(count):
            conn = await pool.acquire()
            await pool.release(conn)

    async def blocks(self, count: int) -> None:
        """Cycle."""
        pool = self.pool
        for _ in range(count):
            async with pool.connection():
                pass

    async def idle(self) -> int:
        """Count the objects not lent."""
        return self.pool.stats().idle

    async def close(self) -> None:
        """Close the pool."""
        await self.pool.close()
