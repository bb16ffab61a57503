"""SQLAlchemy's AsyncAdaptedQueuePool over a fake asynchronous driver."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, cast

from sqlalchemy.engine.default import DefaultDialect
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.pool import AsyncAdaptedQueuePool, PoolProxiedConnection
from sqlalchemy.util import await_only, greenlet_spawn

from benchmarks.contenders.asynchronous.base import Connect, FakeConnection
from benchmarks.contenders.sqlalchemy import FOREVER


class Adapted:
    """A connection as SQLAlchemy's asynchronous dialects adapt it: plain methods that wait through greenlets."""

    def __init__(self, conn: FakeConnection) -> None:
        self._conn = conn

    def rollback(self) -> None:
        """Wait for the rollback."""
        await_only(self._conn.rollback())

    def close(self) -> None:
        """Wait for the end."""
        await_only(self._conn.close())

    def terminate(self) -> None:
        """Close it without waiting."""
        self._conn.maker.closed += 1


class Dialect(DefaultDialect):
    """What the dialects of asynchronous drivers say of themselves to the pool."""

    is_async = True
    has_terminate = True

    def do_terminate(self, dbapi_connection: DBAPIConnection) -> None:
        """Close it without waiting."""
        cast("Adapted", dbapi_connection).terminate()


class SqlAlchemyPool:
    """`pool.connect()` and `conn.close()`, which rolls back, each in a greenlet, as `AsyncConnection` calls them."""

    name = "SQLAlchemy"

    def __init__(self, connect: Connect, size: int) -> None:
        self.pool = AsyncAdaptedQueuePool(
            # Duck-typed: without an engine the pool calls rollback, close and terminate, and nothing else.
            cast("Any", lambda: Adapted(await_only(connect()))),
            pool_size=size,
            max_overflow=0,
            timeout=FOREVER,
            dialect=Dialect(),
        )

    async def open(self) -> None:
        """Nothing to open."""

    @asynccontextmanager
    async def loan(self) -> AsyncGenerator[PoolProxiedConnection]:
        """Lend a connection. The pool has no block; an engine's ends in a task of its own, shielded."""
        conn = await greenlet_spawn(self.pool.connect)
        try:
            yield conn
        finally:
            await asyncio.shield(asyncio.create_task(greenlet_spawn(conn.close)))

    async def cycles(self, count: int) -> None:
        """Cycle."""
        pool = self.pool
        for _ in range(count):
            conn = await greenlet_spawn(pool.connect)
            await greenlet_spawn(conn.close)

    async def blocks(self, count: int) -> None:
        """Cycle."""
        for _ in range(count):
            async with self.loan():
                pass

    async def idle(self) -> int:
        """Count the objects not lent."""
        return self.pool.checkedin()

    async def close(self) -> None:
        """Close the idle connections."""
        await greenlet_spawn(self.pool.dispose)
