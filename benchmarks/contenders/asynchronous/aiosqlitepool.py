"""aiosqlitepool over fake connections."""

from __future__ import annotations

from aiosqlitepool import SQLiteConnectionPool

from benchmarks.contenders.asynchronous.base import Connect

FOREVER = 3600


class AiosqlitePool:
    """`pool.connection()`, which runs a query first and rolls back at the end; the pool behind it for single steps."""

    name = "aiosqlitepool"

    def __init__(self, connect: Connect, size: int) -> None:
        self.pool = SQLiteConnectionPool(connect, size, acquisition_timeout=FOREVER)
        self.loan = self.pool.connection
        self._pool = self.pool._pool

    async def open(self) -> None:
        """Nothing to open."""

    async def cycles(self, count: int) -> None:
        """Cycle."""
        pool = self._pool
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
        return self._pool.size

    async def close(self) -> None:
        """Close the pool."""
        await self.pool.close()
