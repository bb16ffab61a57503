"""psycopg_pool, with a connection class that needs no server."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias, cast

from psycopg import Connection
from psycopg.pq import TransactionStatus
from psycopg_pool import ConnectionPool

from benchmarks.contenders.base import Connect, FakeConnection, fill

PgConnection: TypeAlias = "Connection[Any]"

FOREVER = 3600.0


class FakeStatus:
    """Stands for libpq's connection: always idle."""

    __slots__ = ("transaction_status",)

    def __init__(self) -> None:
        self.transaction_status = TransactionStatus.IDLE


class FakePgConnection(FakeConnection):
    """All that psycopg_pool touches of a connection: its status, and the three attributes it keeps on it."""

    __slots__ = ("_created_at", "_expire_at", "_pool", "pgconn")

    def __init__(self) -> None:
        self.pgconn = FakeStatus()

    @classmethod
    def connect(cls, _conninfo: str, *, maker: Connect, **_: object) -> FakePgConnection:
        """Make a connection the way psycopg's pool asks for it."""
        maker.wait()
        return cls()


class PsycopgPool:
    """`pool.getconn()` and `pool.putconn(conn)`."""

    def __init__(
        self,
        connect: Connect,
        size: int,
        *,
        warm: bool = True,
        name: str = "psycopg_pool",
        check: Callable[[object], None] | None = None,
        reset: Callable[[object], None] | None = None,
    ) -> None:
        self.name = name
        self.pool = ConnectionPool(
            # Duck-typed: a subclass of Connection would drag libpq's finalizers in, and the pool needs none of it.
            connection_class=cast("type[PgConnection]", FakePgConnection),
            kwargs={"maker": connect},
            min_size=size if warm else 0,
            max_size=size,
            timeout=FOREVER,
            check=check,
            reset=reset,
            open=True,
        )
        self.acquire = self.pool.getconn
        self.release = self.pool.putconn
        if warm:
            self.pool.wait()
            fill(self, size)

    def cycles(self, count: int) -> None:
        """Cycle."""
        pool = self.pool
        for _ in range(count):
            conn = pool.getconn()
            pool.putconn(conn)

    def close(self) -> None:
        """Close the pool."""
        self.pool.close()
