"""``AsyncFairPool`` lends to tasks of asyncio, whose event loop goes on meanwhile."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from sqlalchemy import event, exc, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from ProxyPatternPool import TimeOut
from ProxyPatternPool.sqlalchemy import AsyncFairPool

from ..unit.helpers import said

Make: TypeAlias = Callable[..., AsyncEngine]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    def engine(**options: Any) -> AsyncEngine:
        return create_async_engine(f"sqlite+aiosqlite:///{tmp_path}/shop.db", poolclass=AsyncFairPool, **options)

    return engine


def pool_of(engine: AsyncEngine) -> AsyncFairPool:
    assert isinstance(engine.pool, AsyncFairPool)
    return engine.pool


async def use(engine: AsyncEngine) -> Any:
    async with engine.connect() as connection:
        return (await connection.execute(text("select 1"))).scalar()


def forget(connections: list[AsyncConnection]) -> None:
    connections.clear()
    gc.collect()


async def until_waiting(engine: AsyncEngine, count: int) -> None:
    for _ in range(100_000):
        if pool_of(engine).stats()["nwaiting"] >= count:
            return
        await asyncio.sleep(0)
    raise AssertionError("they never waited")


def test_connections_are_kept_and_the_overflow_is_closed(make: Make) -> None:
    """It is closed when its task goes on."""

    async def main() -> None:
        engine = make(pool_size=1, max_overflow=2, pool_pre_ping=True)
        pool = pool_of(engine)
        connections = [await engine.connect() for _ in range(3)]
        assert pool.status() == (
            "Pool size: 1  Connections in pool: 0 Current Overflow: 2 Current Checked out connections: 3"
        )
        for count, connection in enumerate(connections):
            await connection.close()
            assert pool.overflow() == max(0, 2 - count)
        assert await use(engine) == 1
        assert pool.stats()["ncreated"] == 3
        await engine.dispose()
        assert pool.stats()["nobjs"] == 0

    asyncio.run(main())


def test_tasks_wait_in_line_and_the_loop_goes_on(make: Make) -> None:
    async def main() -> None:
        engine = make(pool_size=1, max_overflow=0)
        served: list[int] = []

        async def serve(number: int) -> None:
            async with engine.connect():
                served.append(number)

        held = await engine.connect()
        tasks: list[asyncio.Task[None]] = []
        for number in range(4):
            tasks.append(asyncio.create_task(serve(number)))
            await until_waiting(engine, number + 1)
        await held.close()
        await asyncio.gather(*tasks)
        assert served == [0, 1, 2, 3]
        await engine.dispose()

    asyncio.run(main())


def test_a_timeout_is_sqlalchemys(make: Make) -> None:
    async def main() -> None:
        engine = make(pool_size=1, max_overflow=0, pool_timeout=0.01, trace_owner=True)
        async with engine.connect():
            (holding,) = pool_of(engine).owners()
            task = asyncio.current_task()
            assert task is not None
            assert holding.owner == f"task {task.get_name()!r}"
            with pytest.raises(exc.TimeoutError, match="AsyncFairPool limit of size 1 overflow 0") as late:
                await use(engine)
        assert isinstance(late.value.__cause__, TimeOut)
        await engine.dispose()

    asyncio.run(main())


def test_a_task_that_is_cancelled_while_it_waits(make: Make) -> None:
    """The next one is served."""

    async def main() -> None:
        engine = make(pool_size=1, max_overflow=0)
        held = await engine.connect()
        first, second = (asyncio.create_task(use(engine)) for _ in range(2))
        await until_waiting(engine, 2)
        first.cancel()
        await held.close()
        assert await second == 1
        with pytest.raises(asyncio.CancelledError):
            await first
        await engine.dispose()

    asyncio.run(main())


def test_a_dropped_connection(make: Make) -> None:
    """SQLAlchemy drops it, with a warning, and gives its place back, from the garbage collector."""

    async def main() -> None:
        engine = make(pool_size=1, max_overflow=0)
        connection = await engine.connect()
        driver: Any = (await connection.get_raw_connection()).driver_connection
        connections = [connection]
        del connection
        with pytest.warns(exc.SAWarning, match="garbage collector"):
            forget(connections)
        assert await use(engine) == 1
        await driver.close()
        await engine.dispose()

    asyncio.run(main())


def test_a_record_without_a_connection_above_the_bound(make: Make) -> None:
    """There is nothing to close, nor to wait for."""

    async def main() -> None:
        engine = make(pool_size=1, max_overflow=1)
        first, second = [await engine.connect() for _ in range(2)]
        await first.close()
        await second.invalidate()
        await second.close()
        assert pool_of(engine).stats()["nobjs"] == 1
        await engine.dispose()

    asyncio.run(main())


def test_the_next_event_loop(make: Make) -> None:
    """At the end of the first what is idle is closed; in the second the same engine starts empty."""
    engine = make(pool_size=2)
    closed: list[object] = []
    event.listen(engine.sync_engine, "close", lambda *_: closed.append(1))
    for loops in range(1, 3):
        assert asyncio.run(use(engine)) == 1
        assert len(closed) == loops
    assert pool_of(engine).stats()["nobjs"] == 0


def test_outside_of_greenlets(make: Make, caplog: pytest.LogCaptureFixture) -> None:
    """It is SQLAlchemy's error; and a record comes back nevertheless, as from the garbage collector."""

    async def main() -> None:
        engine = make(pool_size=1, max_overflow=0)
        pool = pool_of(engine)
        with pytest.raises(exc.MissingGreenlet):
            pool.connect()
        with pytest.raises(exc.MissingGreenlet):
            pool.dispose()
        connection = await engine.connect()
        raw: Any = await connection.get_raw_connection()
        record = raw._connection_record
        record.checkin()
        assert pool.checkedin() == 1
        await engine.dispose()

    asyncio.run(main())
    assert said(caplog) == []
