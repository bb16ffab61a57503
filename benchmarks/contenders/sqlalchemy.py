"""SQLAlchemy's QueuePool, and our FairPool for SQLAlchemy, over a fake DB-API connection."""

from __future__ import annotations

from operator import methodcaller
from typing import Any, cast

from sqlalchemy import event
from sqlalchemy.engine.default import DefaultDialect
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.pool import QueuePool

from benchmarks.contenders.base import Connect, fill
from ProxyPatternPool.sqlalchemy import FairPool

FOREVER = 3600.0


class Ping(DefaultDialect):
    """A dialect whose ping costs nothing, and always succeeds."""

    def do_ping(self, dbapi_connection: DBAPIConnection) -> bool:
        """Do nothing."""
        return True


def nothing(*_: object) -> None:
    """Listen, and do nothing."""


OURS = "ours in SQLAlchemy"


class SqlAlchemyPool:
    """`conn = pool.connect()` and `conn.close()`, which rolls back, as an engine does by default."""

    def __init__(
        self,
        connect: Connect,
        size: int,
        *,
        warm: bool = True,
        name: str = "SQLAlchemy QueuePool",
        kind: type[QueuePool | FairPool] = QueuePool,
        recycle: int = -1,
        ping: bool = False,
        listen: bool = False,
    ) -> None:
        self.name = name
        self.pool = kind(
            # Duck-typed: without an engine the pool calls rollback and close, and nothing else.
            cast("Any", lambda: cast("DBAPIConnection", connect())),
            pool_size=size,
            max_overflow=0,
            timeout=FOREVER,
            recycle=recycle,
            pre_ping=ping,
            dialect=Ping() if ping else None,
        )
        if listen:
            event.listen(self.pool, "checkout", nothing)
            event.listen(self.pool, "checkin", nothing)
        self.acquire = self.pool.connect
        self.release = methodcaller("close")
        if warm:
            fill(self, size)

    def cycles(self, count: int) -> None:
        """Cycle."""
        pool = self.pool
        for _ in range(count):
            conn = pool.connect()
            conn.close()

    def close(self) -> None:
        """Close the idle connections."""
        self.pool.dispose()


class SqlAlchemyFairPool(SqlAlchemyPool):
    """The same with our pool for it."""

    def __init__(self, connect: Connect, size: int, *, warm: bool = True) -> None:
        super().__init__(connect, size, warm=warm, name=OURS, kind=FairPool)
