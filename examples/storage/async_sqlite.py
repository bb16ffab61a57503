"""SQLite for tasks: aiosqlite has a thread for each connection, which executes its statements one after the other."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import aiosqlite

from async_hooks import AiosqliteCheck, AiosqliteClose, AiosqliteReset, AiosqliteSetUp
from ProxyPatternPool import AsyncPool

from .database import AsyncConnection, AsyncDatabase, Place, Row
from .sqlite import COUNT, INSERT, OPTIMIZE, SEARCH, deny, expression

SET_UP = AiosqliteSetUp(journal_mode="WAL", synchronous="NORMAL")  # readers do not wait for the writer
RESET = AiosqliteReset()
CHECK = AiosqliteCheck()
CLOSE = AiosqliteClose()


class AsyncSQLiteConnection(AsyncConnection):
    """A connection to the database in a file."""

    def __init__(self, connection: aiosqlite.Connection, name: str) -> None:
        self._connection = connection
        self._name = name

    async def search(self, words: Iterable[str]) -> list[Place]:
        rows = await self._connection.execute_fetchall(SEARCH, (expression(words),))
        return [Place(path, line) for path, line in rows]

    async def count(self) -> tuple[int, int]:
        [(files, rows)] = await self._connection.execute_fetchall(COUNT)
        return files, rows

    async def write(self, rows: Sequence[Row]) -> None:
        await self._connection.executemany(INSERT, rows)
        await self._connection.commit()  # on an error, and on a cancellation, the pool rolls back

    async def finish(self) -> None:
        await self._connection.execute(OPTIMIZE)
        await self._connection.commit()

    async def rollback(self) -> None:
        await RESET(self._connection)

    async def is_healthy(self) -> bool:
        try:
            return await CHECK(self._connection)
        except aiosqlite.Error:
            return False

    async def close(self) -> None:
        await CLOSE(self._connection)

    async def wreck(self) -> None:
        """Refuse every statement from now on."""
        await self._connection.set_authorizer(deny)

    def __str__(self) -> str:
        return self._name


class AsyncSQLite(AsyncDatabase):
    """A database in one file, see `SQLite`."""

    name = "SQLite"
    writers = 1

    def __init__(self, path: Path) -> None:
        self._path = path

    async def connect(self, name: str) -> AsyncSQLiteConnection:
        connection = await aiosqlite.connect(self._path, timeout=10.0)
        await SET_UP(connection)
        return AsyncSQLiteConnection(connection, name)

    async def wreck(self, pool: AsyncPool[AsyncConnection]) -> int:
        """Break two connections, and give them back as if they were sound."""
        async with pool.obj() as one, pool.obj() as other:
            for connection in (one, other):
                assert isinstance(connection, AsyncSQLiteConnection)
                await connection.wreck()
        return 2
