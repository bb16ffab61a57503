"""DBUtils' PooledDB over a fake DB-API driver."""

from __future__ import annotations

from importlib import import_module
from operator import methodcaller
from typing import Protocol, cast

from benchmarks.contenders.base import Connect, FakeConnection


class Pooled(Protocol):
    """A pooled connection, which goes back to its pool when closed."""

    def close(self) -> None:
        """Give it back."""
        ...


class PooledDB(Protocol):
    """The part of DBUtils' pool that is used here: the package has no types of its own."""

    def connection(self) -> Pooled:
        """Take a connection."""
        ...

    def close(self) -> None:
        """Close the idle connections."""
        ...


class MakePooledDB(Protocol):
    """The constructor of DBUtils' pool."""

    def __call__(
        self, creator: object, *, mincached: int, maxcached: int, maxconnections: int, blocking: bool
    ) -> PooledDB:
        """Make a pool."""
        ...


class FakeDriver:
    """What DBUtils looks for in a DB-API module."""

    threadsafety = 2

    class OperationalError(Exception):
        """Never raised."""

    class InterfaceError(Exception):
        """Never raised."""

    class InternalError(Exception):
        """Never raised."""

    def __init__(self, connect: Connect) -> None:
        self._connect = connect

    def connect(self) -> FakeConnection:
        """Make a connection."""
        return self._connect()


class DbUtilsPool:
    """`conn = pool.connection()` and `conn.close()`, which rolls back, by its default."""

    name = "DBUtils PooledDB"

    def __init__(self, connect: Connect, size: int, *, warm: bool = True) -> None:
        make = cast("MakePooledDB", import_module("dbutils.pooled_db").PooledDB)  # untyped package
        self.pool = make(
            FakeDriver(connect),
            mincached=size if warm else 0,
            maxcached=size,
            maxconnections=size,
            blocking=True,
        )
        self.acquire = self.pool.connection
        self.release = methodcaller("close")

    def cycles(self, count: int) -> None:
        """Cycle."""
        pool = self.pool
        for _ in range(count):
            conn = pool.connection()
            conn.close()

    def close(self) -> None:
        """Close the idle connections."""
        self.pool.close()
