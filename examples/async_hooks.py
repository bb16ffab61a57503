"""Hooks for pools whose connections are used with ``await``: set up the session, reset it, check it, close it.

Those for psycopg are in ``ProxyPatternPool.psycopg``. A task may be cancelled at any time, also while a query runs.
Whether its connection can be used again is found out when it comes back: the reset waits until the server has ended
that query. If it fails, the pool discards the connection. So every reset and every check has to end by itself, also
when the network has failed. ::

    pool = AsyncPool(
        lambda _: asyncpg.connect(database="data", server_settings={"statement_timeout": "30s"}),
        retter=AsyncpgReset(timeout=5.0),
        health=AsyncpgCheck(timeout=1.0),
        closer=AsyncpgClose(timeout=5.0),
    )
    pool = AsyncPool(
        lambda _: aiosqlite.connect("data.db"),
        opener=AiosqliteSetUp(journal_mode="WAL"),
        retter=AiosqliteReset(),
        health=AiosqliteCheck(),
        closer=AiosqliteClose(),
    )
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from ProxyPatternPool import AsyncCloser, AsyncHealthCheck, AsyncOpener, AsyncRetter

if TYPE_CHECKING:  # the hooks for one driver do not need the others
    import aiosqlite
    import asyncpg


class AsyncpgReset(AsyncRetter["asyncpg.Connection"]):
    """Undo what the last user did not commit, his settings too; if he was cancelled in a query, wait for its end.

    asyncpg asks the server to end a query that is cancelled, and does not wait for that. This does.

    Args:
        timeout: Longest wait for the server, in seconds.
    """

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout

    async def __call__(self, obj: asyncpg.Connection, /) -> None:
        await obj.reset(timeout=self._timeout)


class AsyncpgCheck(AsyncHealthCheck["asyncpg.Connection"]):
    """Check that the server answers ``SELECT 1`` in time. If this raises, that means unhealthy, too.

    Args:
        timeout: Longest wait for the answer, in seconds.
    """

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout

    async def __call__(self, obj: asyncpg.Connection, /) -> bool:
        return bool(await obj.fetchval("SELECT 1", timeout=self._timeout) == 1)


class AsyncpgClose(AsyncCloser["asyncpg.Connection"]):
    """Close the connection; the server undoes what was not committed.

    Args:
        timeout: Longest wait for the server to take leave, in seconds. After it the socket is closed all the same.
    """

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout

    async def __call__(self, obj: asyncpg.Connection, /) -> None:
        try:
            await obj.close(timeout=self._timeout)
        except (OSError, asyncio.TimeoutError):
            obj.terminate()


class AiosqliteSetUp(AsyncOpener["aiosqlite.Connection"]):
    """Set pragmas.

    Args:
        pragmas: Their values by their names, such as ``journal_mode="WAL"`` or ``busy_timeout=10_000``.
    """

    def __init__(self, **pragmas: str | int) -> None:
        self._pragmas = pragmas

    async def __call__(self, obj: aiosqlite.Connection, /) -> None:
        for name, value in self._pragmas.items():
            await obj.execute(f"PRAGMA {name} = {value}")


class AiosqliteReset(AsyncRetter["aiosqlite.Connection"]):
    """Undo what the last user did not commit.

    If he was cancelled, his statement may still run, in the connection's thread: it is interrupted. Statements are run
    one after the other, so this comes after it.
    """

    async def __call__(self, obj: aiosqlite.Connection, /) -> None:
        await obj.interrupt()
        await obj.rollback()


class AiosqliteCheck(AsyncHealthCheck["aiosqlite.Connection"]):
    """Check that the database can be read. If this raises, that means unhealthy, too."""

    async def __call__(self, obj: aiosqlite.Connection, /) -> bool:
        await obj.execute_fetchall("SELECT count(*) FROM sqlite_master")  # SELECT 1 would not read the file
        return True


class AiosqliteClose(AsyncCloser["aiosqlite.Connection"]):
    """Close the connection, and undo what was not committed; its thread ends."""

    async def __call__(self, obj: aiosqlite.Connection, /) -> None:
        await obj.close()
