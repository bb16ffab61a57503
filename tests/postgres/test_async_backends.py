"""Pools for tasks: backends die under the pool, idle and lent; transactions are left open; the server is full."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

import asyncpg
import psycopg
import pytest

from ProxyPatternPool import HookError

from .async_support import Driver, drivers, soon
from .support import MAX_CONNECTIONS, Server, ask, connect


@drivers
def test_idle_killed_replaced_in_one_round(server: Server, driver: Driver[Any]) -> None:
    """One maintenance round closes every idle connection whose backend is dead, and new ones take their places."""

    async def main() -> None:
        async with driver.pool(server, 3, 3) as pool:
            await pool.wait_ready(10)
            before = await driver.backends(pool, 3)
            server.terminate(sorted(before)[:2])
            await pool.housekeep()
            stats = pool.stats()
            assert (stats["bad_health"], stats["ndestroys"]) == (2, 2)
            await soon(lambda: pool.stats()["navail"] == 3)
            assert len(await driver.backends(pool, 3) & before) == 1

    asyncio.run(main())


@drivers
def test_idle_killed_replaced_on_schedule(server: Server, driver: Driver[Any]) -> None:
    """Maintenance does the same by itself, without anyone calling the pool."""

    async def main() -> None:
        async with driver.pool(server, 3, 3, hk_delay=0.05) as pool:
            await pool.wait_ready(10)
            before = await driver.backends(pool, 3)
            server.terminate(before)
            await soon(lambda: (pool.stats()["bad_health"], pool.stats()["navail"]) == (3, 3))
            assert not await driver.backends(pool, 3) & before

    asyncio.run(main())


@drivers
@pytest.mark.parametrize("timeout", [None, 0, 20])
def test_health_before_get_hides_what_broke(server: Server, driver: Driver[Any], timeout: float | None) -> None:
    """All idle connections are killed, and no task that borrows sees it."""

    async def main() -> None:
        async with driver.pool(server, 3, 3, health_before_get=0.0) as pool:
            await pool.wait_ready(10)
            before = await driver.backends(pool, 3)
            server.terminate(before)
            async with pool.obj(timeout) as conn:
                assert await driver.ask(conn, "SELECT pg_backend_pid()") not in before
            assert not await driver.backends(pool, 3) & before
            await soon(lambda: (pool.stats()["bad_health"], pool.stats()["ndestroys"]) == (3, 3))

    asyncio.run(main())


@drivers
def test_killed_while_idle_found_by_the_getter(server: Server, driver: Driver[Any]) -> None:
    """With `hook_errors="discard"` a `getter` that finds a dead connection tells the caller, and the place is free."""

    async def main() -> None:
        async def getter(conn: Any) -> None:
            await driver.ask(conn, "SELECT 1")

        async with driver.pool(server, 1, getter=getter, hook_errors="discard") as pool:
            before = await driver.backends(pool, 1)
            server.terminate(before)
            with pytest.raises(HookError) as caught:
                await pool.get(timeout=10)
            assert isinstance(caught.value.__cause__, driver.errors)
            assert not await driver.backends(pool, 1) & before

    asyncio.run(main())


@drivers
def test_killed_while_lent_discarded(server: Server, driver: Driver[Any]) -> None:
    """The borrower of a dead connection discards it: it is closed, and the task that waits has a new one."""

    async def main() -> None:
        async with driver.pool(server, 1) as pool, pool.lease() as lease:
            dead = driver.pid(lease.obj)
            waiter = asyncio.create_task(driver.backends(pool, 1))
            await soon(lambda: pool.stats()["nwaiting"] == 1)
            server.terminate([dead])
            conn = lease.obj
            with pytest.raises(driver.errors):
                await driver.ask(conn, "SELECT 1")
            await lease.discard()
            assert driver.is_closed(conn)
            assert not await waiter & {dead}
            stats = pool.stats()
            assert (stats["nobjs"], stats["nusing"], stats["ndestroys"]) == (1, 0, 1)

    asyncio.run(main())


@drivers
def test_killed_while_lent_returned(server: Server, driver: Driver[Any]) -> None:
    """A dead connection that is given back as if it were sound is not lent again: the `retter` finds it out."""

    async def main() -> None:
        async with driver.pool(server, 1) as pool:
            async with pool.obj() as conn:
                dead = driver.pid(conn)
                server.terminate([dead])
                with pytest.raises(driver.errors):
                    await driver.ask(conn, "SELECT 1")
            assert driver.is_closed(conn)
            stats = pool.stats()
            assert (stats["hook_errors"], stats["ndestroys"], stats["nobjs"]) == (1, 1, 0)
            assert not await driver.backends(pool, 1) & {dead}

    asyncio.run(main())


@drivers
def test_what_was_not_committed_is_undone(server: Server, driver: Driver[Any]) -> None:
    """The next borrower is in no transaction, and nobody sees what the last one wrote and did not commit."""

    async def main() -> None:
        async with driver.pool(server, 1) as pool:
            for error in (None, ZeroDivisionError()):
                with suppress(ZeroDivisionError):
                    async with pool.obj() as conn:
                        await driver.begin(conn)
                        await driver.ask(conn, "INSERT INTO fruits VALUES ('apple') RETURNING name")
                        assert driver.is_in_transaction(conn)
                        if error is not None:
                            raise error
                async with pool.obj() as again:
                    assert not driver.is_in_transaction(again)
                    assert await driver.ask(again, "SELECT count(*) FROM fruits") == 0
            assert pool.stats()["ncreated"] == 1

    with connect(server.conninfo) as admin:
        admin.execute("CREATE TABLE fruits (name text)")
        try:
            asyncio.run(main())
        finally:
            admin.execute("DROP TABLE fruits")


@drivers
def test_never_more_backends_than_max_size(server: Server, driver: Driver[Any]) -> None:
    """Many tasks come at once, and each is served: the server never sees more than `max_size` connections."""
    size, tasks = 4, 40

    async def main() -> None:
        async with driver.pool(server, size) as pool:
            most = 0

            async def work(number: int) -> None:
                async with pool.obj(timeout=20) as conn:
                    assert await driver.ask(conn, f"SELECT {number}") == number

            with connect(server.conninfo) as admin:
                working = [asyncio.create_task(work(number)) for number in range(tasks)]
                while not all(task.done() for task in working):
                    query = "SELECT count(*) - 1 FROM pg_stat_activity WHERE backend_type = 'client backend'"
                    most = max(most, ask(admin, query))
                    await asyncio.sleep(0)
            await asyncio.gather(*working)
            stats = pool.stats()
            assert 1 <= most <= size
            assert (stats["ncreated"], stats["nborrows"], stats["nusing"], stats["nwaiting"]) == (size, tasks, 0, 0)

    asyncio.run(main())


@drivers
def test_a_pool_larger_than_the_server(server: Server, driver: Driver[Any]) -> None:
    """More borrowers than the server allows: some are refused, and succeed once others gave back; none hangs."""
    tasks = MAX_CONNECTIONS + 10
    refusals = (psycopg.OperationalError, asyncpg.TooManyConnectionsError)

    async def main() -> None:
        refused = 0
        async with driver.pool(server, 2 * tasks) as pool:
            full = asyncio.Event()

            async def work(number: int) -> int:
                nonlocal refused
                while True:
                    try:
                        conn = await pool.get(timeout=20)
                    except refusals:
                        refused += 1
                        continue
                    try:
                        await full.wait()
                        return int(await driver.ask(conn, f"SELECT {number}"))
                    finally:
                        await pool.ret(conn)

            working = [asyncio.create_task(work(number)) for number in range(tasks)]
            await soon(lambda: refused > 0 and pool.stats()["nusing"] >= MAX_CONNECTIONS - 1)
            full.set()
            assert await asyncio.gather(*working) == list(range(tasks))
            stats = pool.stats()
            assert (stats["nusing"], stats["nwaiting"]) == (0, 0)
            assert stats["nobjs"] == stats["navail"] == stats["ncreated"] - stats["ndestroys"]

    asyncio.run(main())


@drivers
def test_a_busy_pool_survives_a_massacre(server: Server, driver: Driver[Any]) -> None:
    """Under load, all backends are killed again and again: tasks discard and go on, no answer is wrong."""
    rounds = 3

    async def main() -> None:
        done = False
        answers = 0

        async def work(number: int) -> None:
            nonlocal answers
            while not done:
                async with pool.lease(timeout=20) as lease:
                    try:
                        assert await driver.ask(lease.obj, f"SELECT {number}") == number
                    except driver.errors:
                        await lease.discard()
                    else:
                        answers += 1

        async def go_on() -> None:
            before = answers
            await soon(lambda: answers > before + 100)

        async with driver.pool(server, 4, 2, hk_delay=0.02) as pool:
            working = [asyncio.create_task(work(number)) for number in range(6)]
            for _ in range(rounds):
                await go_on()
                await asyncio.to_thread(server.terminate, server.backends())
            await go_on()
            done = True
            await asyncio.gather(*working)
            stats = pool.stats()
            assert (stats["nusing"], stats["nwaiting"]) == (0, 0)
            assert stats["ndestroys"] >= rounds

    asyncio.run(main())
