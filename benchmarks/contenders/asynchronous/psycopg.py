"""psycopg_pool's asynchronous pool, with a connection class that needs no server."""

from __future__ import annotations

from typing import Any, TypeAlias, cast

from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool
from typing_extensions import Self

from benchmarks.contenders.asynchronous.base import Connect, FakeConnection
from benchmarks.contenders.psycopg import FOREVER, FakeStatus

PgConnection: TypeAlias = "AsyncConnection[Any]"


class FakePgConnection(FakeConnection):
    """All that psycopg_pool touches of a connection: its status, its block, and the attributes it keeps on it."""

    __slots__ = ("_created_at", "_expire_at", "_pool", "pgconn")

    def __init__(self, maker: Connect) -> None:
        super().__init__(maker)
        self.pgconn = FakeStatus()

    @classmethod
    async def connect(cls, _conninfo: str, *, maker: Connect, **_: object) -> FakePgConnection:
        """Make a connection the way psycopg's pool asks for it."""
        await maker.wait()
        return cls(maker)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: object, *_: object) -> None:
        await (self.rollback() if kind else self.commit())


class PsycopgPool:
    """`conn = await pool.getconn()` and `await pool.putconn(conn)`; `pool.connection()`, which commits as well."""

    name = "psycopg_pool"

    def __init__(self, connect: Connect, size: int) -> None:
        self.pool = AsyncConnectionPool(
            # Duck-typed: a subclass of AsyncConnection would drag libpq's finalizers in, and the pool needs none of it.
            connection_class=cast("type[PgConnection]", FakePgConnection),
            kwargs={"maker": connect},
            min_size=0,
            max_size=size,
            timeout=FOREVER,
            open=False,
        )
        self.loan = self.pool.connection

    async def open(self) -> None:
        """Open the pool."""
        await self.pool.open()

    async def cycles(self, count: int) -> None:
        """Cycle."""
        pool = self.pool
        for _ in range(count):
            conn = await pool.getconn()
            await pool.putconn(conn)

    async def blocks(self, count: int) -> None:
        """Cycle."""
        pool = self.pool
        for _ in range(count):
            async with pool.connection():
                pass

    async def idle(self) -> int:
        """Count the objects not lent."""
        return self.pool.get_stats()["pool_available"]

    async def close(self) -> None:
        """Close the pool."""
        await self.pool.close()
