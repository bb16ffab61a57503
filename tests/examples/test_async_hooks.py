"""The hook classes of the examples for tasks do with real databases what they say; the rest is in tests/postgres."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import aiosqlite
import pytest
import trio

from async_hooks import (
    AiosqliteCheck,
    AiosqliteClose,
    AiosqliteReset,
    AiosqliteSetUp,
)
from ProxyPatternPool import AsyncPool
from tests.postgres.async_support import LONG, PROMPT, SOON, ended, soon

FOR_EVER = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file with a table."""
    path = tmp_path / "data.db"
    with closing(sqlite3.connect(path)) as first:
        first.execute("CREATE TABLE fruits (name text)")
    return path


def pool_of(path: Path, max_size: int = 1, **parameters: Any) -> AsyncPool[aiosqlite.Connection]:
    """A pool of connections to the file, with all the hooks."""
    return AsyncPool(
        lambda _: aiosqlite.connect(path),
        max_size,
        opener=AiosqliteSetUp(foreign_keys="ON"),
        retter=AiosqliteReset(),
        health=AiosqliteCheck(),
        closer=AiosqliteClose(),
        **parameters,
    )


async def ask(connection: aiosqlite.Connection, query: str) -> Any:
    """The one value a query gives."""
    [[value]] = await connection.execute_fetchall(query)
    return value


def run(main: Callable[[], Awaitable[None]]) -> None:
    """Do something in an event loop; no thread of a connection is left when that ends."""
    before = set(threading.enumerate())

    async def begin() -> None:
        await main()

    asyncio.run(begin())
    left = [thread for thread in set(threading.enumerate()) - before if not thread.daemon]
    for thread in left:
        thread.join(PROMPT)
    assert [thread for thread in left if thread.is_alive()] == []


def test_aiosqlite_is_set_up_once_and_reset_each_time(path: Path) -> None:
    """The session has its pragmas, and the next user does not see what the last one did not commit."""

    async def main() -> None:
        async with pool_of(path) as pool:
            async with pool.obj() as connection:
                assert await ask(connection, "PRAGMA foreign_keys") == 1
                await connection.execute("INSERT INTO fruits VALUES ('apple')")
                assert connection.in_transaction
            async with pool.obj() as again:
                assert again is connection
                assert not again.in_transaction
                assert await ask(again, "SELECT count(*) FROM fruits") == 0
                await again.execute("INSERT INTO fruits VALUES ('pear')")
                await again.commit()
        with closing(sqlite3.connect(path)) as other:
            assert other.execute("SELECT name FROM fruits").fetchall() == [("pear",)]

    run(main)


def test_aiosqlite_is_checked(path: Path) -> None:
    """A connection that answers stays; one that was closed meanwhile is replaced."""

    async def main() -> None:
        async with pool_of(path, health_before_get=0.0) as pool:
            async with pool.obj() as connection:
                pass
            await pool.housekeep()
            assert pool.stats()["bad_health"] == 0
            await connection.close()
            async with pool.obj(timeout=LONG) as other:
                assert other is not connection
            assert pool.stats()["bad_health"] == 1

    run(main)


@pytest.mark.parametrize("times", [1, 2])
def test_aiosqlite_cancelled_in_the_middle_of_a_query(path: Path, times: int) -> None:
    """The statement goes on in its thread. The reset interrupts it, so that the next user has the connection soon."""

    async def main() -> None:
        async with pool_of(path) as pool:
            task = asyncio.create_task(query(pool))
            await asyncio.sleep(SOON)
            for _ in range(times):
                task.cancel()
                await asyncio.sleep(0)
            assert isinstance(await ended(task, PROMPT), asyncio.CancelledError)
            async with pool.obj(timeout=PROMPT) as connection:
                assert await ask(connection, "SELECT 'mine'") == "mine"
                assert await ask(connection, "SELECT count(*) FROM fruits") == 0
            assert (pool.stats()["ncreated"], pool.stats()["nobjs"]) == (1, 1)

    async def query(pool: AsyncPool[aiosqlite.Connection]) -> None:
        async with pool.obj() as connection:
            await connection.execute("INSERT INTO fruits VALUES ('apple')")
            await connection.execute_fetchall(FOR_EVER)

    run(main)


@pytest.mark.parametrize("how", ["closed", "left open", "dropped", "cancelled"])
def test_aiosqlite_leaves_no_thread(path: Path, how: str) -> None:
    """Each connection has a thread, which no interpreter can end without: all end with their pool, or with the loop."""

    async def main() -> None:
        pool = pool_of(path, 3, min_size=3)
        await pool.wait_ready(LONG)
        async with pool.obj() as connection:
            assert await ask(connection, "SELECT 6 * 7") == 42
        assert len(threads()) == 3
        if how == "closed":
            await pool.close()
            await soon(lambda: not threads(), PROMPT)
        elif how == "dropped":
            del pool
            await soon(lambda: not threads(), PROMPT)
        elif how == "cancelled":
            lease = await pool.lease()
            _ = lease.discard()
            closing_ = asyncio.create_task(pool.close())
            await asyncio.sleep(0)
            closing_.cancel()
            await ended(closing_)
        else:
            kept.append(pool)

    def threads() -> list[threading.Thread]:
        return [thread for thread in threading.enumerate() if "_connection_worker" in thread.name]

    kept: list[AsyncPool[aiosqlite.Connection]] = []
    run(main)


def test_aiosqlite_in_a_second_loop(path: Path) -> None:
    """A pool that was made at import is used in one event loop after the other: each has connections of its own."""
    pool = pool_of(path, 2)
    used: list[aiosqlite.Connection] = []

    async def main() -> None:
        async with pool.obj() as connection:
            used.append(connection)
            assert await ask(connection, "SELECT 6 * 7") == 42

    for _ in range(2):
        run(main)
    assert used[0] is not used[1]


def test_aiosqlite_side_by_side(path: Path) -> None:
    """Many tasks share few connections, each with a thread of its own; all are served, and none sees another's work."""

    async def main() -> None:
        async with pool_of(path, 3) as pool:

            async def work(number: int) -> Any:
                async with pool.obj(timeout=LONG) as connection:
                    return await ask(connection, f"SELECT {number}")

            assert await asyncio.gather(*map(work, range(50))) == list(range(50))
            stats = pool.stats()
            assert (stats["nobjs"], stats["nborrows"], stats["nusing"], stats["nwaiting"]) == (3, 50, 0, 0)

    run(main)


class InThread:
    """A connection for tasks of trio: each call is done in a thread."""

    def __init__(self, path: Path) -> None:
        self.connection = sqlite3.connect(path, check_same_thread=False)

    @classmethod
    async def connect(cls, path: Path) -> InThread:
        return await trio.to_thread.run_sync(cls, path)

    async def ask(self, query: str) -> Any:
        [value] = await trio.to_thread.run_sync(lambda: self.connection.execute(query).fetchone())
        return value

    async def write(self, statement: str) -> None:
        await trio.to_thread.run_sync(self.connection.execute, statement)

    async def reset(self) -> None:
        await trio.to_thread.run_sync(self.connection.rollback)

    async def is_healthy(self) -> bool:
        return bool(await self.ask("SELECT 1") == 1)

    async def close(self) -> None:
        await trio.to_thread.run_sync(self.connection.close)


def test_sqlite_in_trio(path: Path) -> None:
    """Tasks of trio share few connections; who is cancelled after he wrote leaves nothing of it to the next."""
    used: set[InThread] = set()

    async def main() -> None:
        async with AsyncPool(
            lambda _: InThread.connect(path),
            max_size=2,
            retter=InThread.reset,
            health=InThread.is_healthy,
            closer=InThread.close,
            health_before_get=0.0,
        ) as pool:

            async def work() -> None:
                async with pool.obj(timeout=LONG) as connection:
                    used.add(connection)
                    assert await connection.ask("SELECT count(*) FROM fruits") == 0

            async def cancelled(number: int) -> None:
                with trio.CancelScope() as scope:
                    async with pool.obj(timeout=LONG) as connection:
                        await connection.write(f"INSERT INTO fruits VALUES ('{number}')")
                        scope.cancel()
                        await connection.ask("SELECT 1")

            for number in range(12):
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(cancelled, number)
                    nursery.start_soon(work)
            async with pool.obj(LONG) as first, pool.obj(LONG) as second:
                assert await first.ask("SELECT count(*) FROM fruits") == 0
                assert await second.ask("SELECT count(*) FROM fruits") == 0
            stats = pool.stats()
            assert (stats["nusing"], stats["nwaiting"], stats["nobjs"]) == (0, 0, 2)

    trio.run(main)
    for connection in used:
        with pytest.raises(sqlite3.ProgrammingError, match="closed"):
            connection.connection.execute("SELECT 1")
