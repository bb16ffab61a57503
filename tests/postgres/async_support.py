"""What the PostgreSQL tests of pools for tasks share: two drivers, and waiting with a deadline."""

from __future__ import annotations

import asyncio
import sys
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from pathlib import Path
from time import monotonic
from typing import Any, Generic, TypeAlias, TypeVar

import asyncpg
import psycopg
import pytest
from psycopg.rows import TupleRow

from ProxyPatternPool import AsyncPool
from ProxyPatternPool.psycopg import AsyncCheck, AsyncClose, AsyncReset

from .relay import Relay
from .support import Server, ask, connect

sys.path.insert(0, str(Path(__file__).parents[2] / "examples"))

from async_hooks import (
    AsyncpgCheck,
    AsyncpgClose,
    AsyncpgReset,
)

AsyncConn: TypeAlias = "psycopg.AsyncConnection[TupleRow]"

C = TypeVar("C")
R = TypeVar("R")

LONG = 20.0
"""Seconds that nothing takes that ends at all."""
SOON = 0.2
"""The timeout of what is to fail by it, in seconds."""
PROMPT = 1.0
"""Seconds that nothing takes which does not wait for the network."""


class Driver(ABC, Generic[C]):
    """Connects, asks and closes. The objects of the pools are the driver's own connections."""

    errors: tuple[type[Exception], ...]
    """What a broken connection, or one that cannot be made, raises."""

    @abstractmethod
    def hooks(self, limit: float) -> dict[str, Any]:
        """The hooks of the examples; what waits for the server ends after so many seconds."""

    @abstractmethod
    async def connect(self, address: str) -> C:
        """Connect."""

    @abstractmethod
    async def ask(self, conn: C, query: str) -> Any:
        """The one value a query gives."""

    @abstractmethod
    def pid(self, conn: C) -> int:
        """The process id of the connection's backend."""

    @abstractmethod
    def is_closed(self, conn: C) -> bool:
        """Whether the socket is closed."""

    @abstractmethod
    def is_in_transaction(self, conn: C) -> bool:
        """Whether the session has begun something that is neither committed nor undone."""

    @abstractmethod
    async def begin(self, conn: C) -> None:
        """Begin a transaction, if the driver does not do so by itself."""

    def address(self, server: Server, relay: Relay | None = None) -> str:
        """How to connect, directly or through a relay."""
        return server.conninfo if relay is None else f"postgresql://postgres@127.0.0.1:{relay.port}/postgres"

    def pool(self, server: Server, max_size: int, min_size: int = 0, **parameters: Any) -> AsyncPool[C]:
        """A pool of connections to the server, with the hooks of the examples."""
        return self.pool_of(lambda number: self.connect(self.address(server)), max_size, min_size, **parameters)

    def pool_of(
        self,
        fun: Callable[[int], Awaitable[C]],
        max_size: int,
        min_size: int = 0,
        limit: float = LONG,
        **parameters: Any,
    ) -> AsyncPool[C]:
        """A pool of what a factory makes, with the hooks of the examples."""
        return AsyncPool(fun, max_size, min_size, **self.hooks(limit), **parameters)

    async def backends(self, pool: AsyncPool[C], count: int) -> set[int]:
        """The backends of that many connections, borrowed together, as they say themselves."""
        conns = [await pool.get(timeout=20) for _ in range(count)]
        found = {int(await self.ask(conn, "SELECT pg_backend_pid()")) for conn in conns}
        for conn in conns:
            await pool.ret(conn)
        return found


class Psycopg(Driver[AsyncConn]):
    """Begins a transaction with each first statement."""

    errors = (psycopg.OperationalError,)

    def hooks(self, limit: float) -> dict[str, Any]:
        return {"retter": AsyncReset(), "health": AsyncCheck(limit), "closer": AsyncClose()}

    async def connect(self, address: str) -> AsyncConn:
        return await psycopg.AsyncConnection.connect(address, connect_timeout=30)

    async def ask(self, conn: AsyncConn, query: str) -> Any:
        row = await (await conn.execute(query.encode())).fetchone()
        assert row is not None
        return row[0]

    def pid(self, conn: AsyncConn) -> int:
        return conn.info.backend_pid

    def is_closed(self, conn: AsyncConn) -> bool:
        return conn.closed

    def is_in_transaction(self, conn: AsyncConn) -> bool:
        return conn.info.transaction_status != psycopg.pq.TransactionStatus.IDLE

    async def begin(self, conn: AsyncConn) -> None:
        pass


class Asyncpg(Driver[asyncpg.Connection]):
    """Begins no transaction."""

    # The last if a connection is closed by the server while the driver takes the next query.
    errors = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)

    def hooks(self, limit: float) -> dict[str, Any]:
        return {"retter": AsyncpgReset(limit), "health": AsyncpgCheck(limit), "closer": AsyncpgClose(limit)}

    async def connect(self, address: str) -> asyncpg.Connection:
        return await asyncpg.connect(address, timeout=30)

    async def ask(self, conn: asyncpg.Connection, query: str) -> Any:
        return await conn.fetchval(query)

    def pid(self, conn: asyncpg.Connection) -> int:
        return conn.get_server_pid()

    def is_closed(self, conn: asyncpg.Connection) -> bool:
        return conn.is_closed()

    def is_in_transaction(self, conn: asyncpg.Connection) -> bool:
        return conn.is_in_transaction()

    async def begin(self, conn: asyncpg.Connection) -> None:
        await conn.execute("BEGIN")


drivers = pytest.mark.parametrize("driver", [Psycopg(), Asyncpg()], ids=["psycopg", "asyncpg"])
"""Have a test done with each driver."""


async def soon(predicate: Callable[[], bool], seconds: float = 20.0) -> None:
    """Let others go on until `predicate` holds; fail when it still does not after `seconds`."""
    deadline = monotonic() + seconds
    while not predicate():
        assert monotonic() < deadline, f"still not so after {seconds} s"
        await asyncio.sleep(0.005)


async def asleep(server: Server, count: int) -> None:
    """Wait until so many backends execute `pg_sleep`."""

    def are_asleep() -> bool:
        with connect(server.conninfo) as conn:
            query = (
                "SELECT count(*) FROM pg_stat_activity"
                " WHERE query LIKE 'SELECT pg_sleep%%' AND state = 'active' AND pid <> pg_backend_pid()"
            )
            return bool(ask(conn, query) == count)

    await soon(are_asleep)


async def ended(task: asyncio.Task[Any], seconds: float = 20.0) -> BaseException | None:
    """What a task has raised, once it has ended; its cancellation is an exception as others."""
    await asyncio.wait([task], timeout=seconds)
    assert task.done(), f"{task} has not ended after {seconds} s"
    return asyncio.CancelledError() if task.cancelled() else task.exception()
