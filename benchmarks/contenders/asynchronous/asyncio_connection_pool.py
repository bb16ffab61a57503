"""asyncio-connection-pool over fake connections."""

from __future__ import annotations

from asyncio_connection_pool import ConnectionPool, ConnectionStrategy

from benchmarks.contenders.asynchronous.base import Connect, FakeConnection


class Strategy(ConnectionStrategy[FakeConnection]):
    """Makes and closes the connections."""

    def __init__(self, connect: Connect) -> None:
        self._connect = connect

    async def make_connection(self) -> FakeConnection:
        """Make a connection."""
        return await self._connect()

    def connection_is_closed(self, conn: FakeConnection) -> bool:
        """Find it open."""
        return False

    async def close_connection(self, conn: FakeConnection) -> None:
        """Close it."""
        await conn.close()


class AsyncioConnectionPool:
    """`async with pool.get_connection():`; it has no other way. It never closes what is idle, and has no reset."""

    name = "asyncio-connection-pool"

    def __init__(self, connect: Connect, size: int) -> None:
        self.pool = ConnectionPool(strategy=Strategy(connect), max_size=size)
        self.loan = self.pool.get_connection

    async def open(self) -> None:
        """Nothing to open."""

    async def cycles(self, count: int) -> None:
        """Cycle, without the statement."""
        pool = self.pool
        for _ in range(count):
            block = pool.get_connection()
            await block.__aenter__()
            await block.__aexit__(None, None, None)

    async def blocks(self, count: int) -> None:
        """Cycle."""
        pool = self.pool
        for _ in range(count):
            async with pool.get_connection():
                pass

    async def idle(self) -> int:
        """Count the objects not lent."""
        return self.pool.available.qsize()

    async def close(self) -> None:
        """Nothing that it could close."""
