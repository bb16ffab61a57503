"""PostgreSQL for tasks, by psycopg's asynchronous connections."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any

import psycopg

from ProxyPatternPool import AsyncPool
from ProxyPatternPool.psycopg import AsyncCheck, AsyncClose, AsyncSetUp

from .database import AsyncConnection, AsyncDatabase, Place, Row
from .postgres import COPY, COUNT, FINISH, SEARCH, Postgres, expression

SET_UP = AsyncSetUp(statement_timeout="30s", synchronous_commit="off")
CHECK = AsyncCheck(timeout=1.0)
CLOSE = AsyncClose()


class AsyncPostgresConnection(AsyncConnection):
    """A connection to a database of a running server."""

    def __init__(self, connection: psycopg.AsyncConnection[Any], name: str) -> None:
        self._connection = connection
        self._name = name

    async def search(self, words: Iterable[str]) -> list[Place]:
        cursor = await self._connection.execute(SEARCH, (expression(words),))
        return [Place(path, line) async for path, line in cursor]

    async def count(self) -> tuple[int, int]:
        cursor = await self._connection.execute(COUNT)
        row = await cursor.fetchone()
        assert row is not None  # an aggregate always has its row
        files, rows = row
        return files, rows

    async def write(self, rows: Sequence[Row]) -> None:
        # Words of letters, digits and underscores with spaces between them are a tsvector as they stand.
        async with self._connection.transaction(), self._connection.cursor() as cursor, cursor.copy(COPY) as copy:
            for row in rows:
                await copy.write_row(row)

    async def finish(self) -> None:
        async with self._connection.transaction():
            await self._connection.execute(FINISH)

    async def rollback(self) -> None:
        await self._connection.rollback()

    async def is_healthy(self) -> bool:
        try:
            return await CHECK(self._connection)
        except psycopg.Error:
            return False

    async def close(self) -> None:
        await CLOSE(self._connection)

    def __str__(self) -> str:
        return self._name


class AsyncPostgres(AsyncDatabase):
    """A database of a running server.

    Args:
        server: What looks after the database.
        uri: The database.
    """

    name = "PostgreSQL"
    writers = 4

    def __init__(self, server: Postgres, uri: str) -> None:
        self._server = server
        self._uri = uri

    async def connect(self, name: str) -> AsyncPostgresConnection:
        connection = await psycopg.AsyncConnection.connect(self._uri, connect_timeout=10, application_name=name)
        await SET_UP(connection)
        return AsyncPostgresConnection(connection, name)

    async def wreck(self, pool: AsyncPool[AsyncConnection]) -> int:
        return await asyncio.to_thread(self._server.terminate, pool.name)
