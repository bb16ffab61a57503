"""Pools for tasks: a task is cancelled in the middle of a query. Nobody else gets what is left of it."""

from __future__ import annotations

import asyncio
import random
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from time import monotonic
from typing import Any, TypeVar

import psutil
import pytest
import uvloop

from ProxyPatternPool import AsyncPool

from .async_support import LONG, PROMPT, SOON, Asyncpg, Driver, asleep, drivers, ended, soon
from .relay import Relay
from .support import Server

C = TypeVar("C")
SLEEP = "SELECT pg_sleep(30)::text"


@asynccontextmanager
async def discarded_if_cancelled(pool: AsyncPool[C]) -> AsyncGenerator[C]:
    """Borrow an object; if the block is cancelled it is discarded."""
    async with pool.lease() as lease:
        try:
            yield lease.obj
        except asyncio.CancelledError:
            _ = lease.discard()  # it is done by the call: who is cancelled waits for nothing
            raise


async def cancelled_itself(work: Awaitable[object]) -> None:
    task = asyncio.ensure_future(work)
    await asyncio.sleep(SOON)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def in_wait_for(work: Awaitable[object]) -> None:
    with pytest.raises(asyncio.TimeoutError):
        await asyncio.wait_for(work, SOON)


every = [cancelled_itself, in_wait_for]

if sys.version_info >= (3, 11):

    async def in_timeout(work: Awaitable[object]) -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(SOON):
                await work

    async def beside_one_that_fails(work: Awaitable[object]) -> None:
        async def fail() -> None:
            await asyncio.sleep(SOON)
            raise ZeroDivisionError

        async def do() -> None:
            await work

        async def both() -> None:
            async with asyncio.TaskGroup() as group:
                group.create_task(do())
                group.create_task(fail())

        with pytest.raises(Exception, match="unhandled errors in a TaskGroup"):
            await both()

    every.extend([in_timeout, beside_one_that_fails])

ways = pytest.mark.parametrize("way", every)


@drivers
@ways
def test_the_query_is_ended_and_nothing_of_it_is_left(
    server: Server, driver: Driver[Any], way: Callable[[Awaitable[object]], Awaitable[None]]
) -> None:
    """The server stops the query. The `retter` waits for that, and the next borrower has a connection as new."""

    async def main() -> None:
        async with driver.pool(server, 1) as pool:

            async def query() -> None:
                async with pool.obj() as conn:
                    await driver.begin(conn)
                    await driver.ask(conn, SLEEP)

            before = await driver.backends(pool, 1)
            started = monotonic()
            await way(query())
            assert monotonic() - started < SOON + PROMPT
            await asleep(server, 0)
            async with pool.obj(timeout=LONG) as conn:
                assert not driver.is_in_transaction(conn)
                assert await driver.ask(conn, "SELECT 'mine'") == "mine"
            assert await driver.backends(pool, 1) == before
            stats = pool.stats()
            assert (stats["nobjs"], stats["nusing"], stats["hook_errors"]) == (1, 0, 0)

    asyncio.run(main())


@drivers
@ways
def test_discarded_it_is_closed(
    server: Server, driver: Driver[Any], way: Callable[[Awaitable[object]], Awaitable[None]]
) -> None:
    """A lease that is discarded when its block is cancelled: the connection is closed and not lent again."""

    async def main() -> None:
        async with driver.pool(server, 1) as pool:
            [first] = await driver.backends(pool, 1)
            used: list[Any] = []

            async def query() -> None:
                async with discarded_if_cancelled(pool) as conn:
                    used.append(conn)
                    await driver.ask(conn, SLEEP)

            started = monotonic()
            await way(query())
            assert monotonic() - started < SOON + PROMPT
            async with pool.obj(timeout=LONG) as conn:
                assert driver.is_closed(used[0])
                assert driver.pid(conn) != first
            await soon(lambda: len(server.backends()) == 1)
            stats = pool.stats()
            assert (stats["nobjs"], stats["ndestroys"], stats["ncreated"]) == (1, 1, 2)

    asyncio.run(main())


def sockets_to(relay: Relay) -> int:
    """How many connections of this process to the relay are open."""
    ends = psutil.Process().net_connections("tcp4")
    return sum(1 for each in ends if each.raddr and each.raddr[1] == relay.port)


@drivers
def test_one_that_cannot_be_ended_is_not_lent_again(server: Server, relay: Relay, driver: Driver[Any]) -> None:
    """The network stalls in the middle of a query, and the task is cancelled, twice as by a deadline and its caller.

    The task ends at once. The connection fails its `retter`, so it is discarded, and its socket is closed.
    """
    addresses = [driver.address(server, relay), driver.address(server)]

    async def main() -> None:
        made = iter(addresses)
        async with driver.pool_of(lambda _: driver.connect(next(made)), 1, limit=SOON) as pool:
            task = asyncio.create_task(query(pool))
            await asleep(server, 1)
            assert sockets_to(relay) == 1
            relay.stall()
            started = monotonic()
            task.cancel()
            await asyncio.sleep(0)
            task.cancel()
            assert isinstance(await ended(task), asyncio.CancelledError)
            assert monotonic() - started < PROMPT
            async with pool.obj(timeout=LONG) as conn:
                assert await driver.ask(conn, "SELECT 'mine'") == "mine"
            assert sockets_to(relay) == 0
            stats = pool.stats()
            assert (stats["nobjs"], stats["ndestroys"], stats["hook_errors"]) == (1, 1, 1)

    async def query(pool: AsyncPool[Any]) -> None:
        async with pool.obj() as conn:
            left.append(driver.pid(conn))
            await driver.ask(conn, SLEEP)

    left: list[int] = []
    asyncio.run(main())
    server.terminate(left)


def test_the_cancelled_task_does_not_wait_for_the_retter(server: Server, relay: Relay) -> None:
    """The network stalls: a cancelled block ends at once, although the reset of its connection takes much longer."""
    driver = Asyncpg()  # psycopg itself holds up its task, to end the query
    address = driver.address(server, relay)

    async def main() -> None:
        async with driver.pool_of(lambda _: driver.connect(address), 1) as pool:
            task = asyncio.create_task(query(pool))
            await asleep(server, 1)
            relay.stall()
            started = monotonic()
            task.cancel()
            assert isinstance(await ended(task), asyncio.CancelledError)
            assert monotonic() - started < PROMPT
            assert (pool.stats()["navail"], pool.stats()["nobjs"]) == (0, 1)
            relay.resume()
            async with pool.obj(timeout=LONG) as conn:
                assert await driver.ask(conn, "SELECT 'mine'") == "mine"
            assert pool.stats()["ncreated"] == 1

    async def query(pool: AsyncPool[Any]) -> None:
        async with pool.obj() as conn:
            await driver.ask(conn, SLEEP)

    asyncio.run(main())


@drivers
@pytest.mark.parametrize("run", [asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
def test_cancelled_anywhere(
    server: Server, driver: Driver[Any], run: Callable[[Coroutine[Any, Any, None]], None]
) -> None:
    """Tasks are cancelled at any moment of their work: no other gets an answer of theirs, and no connection is lost."""
    chance = random.Random(1)
    size = 3

    async def main() -> None:
        async with driver.pool(server, size) as pool:
            answers = 0

            async def work(number: int) -> None:
                nonlocal answers
                for times in range(5):
                    async with pool.obj(timeout=LONG) as conn:
                        await driver.begin(conn)
                        asked = f"{number} {times}"
                        assert await driver.ask(conn, f"SELECT '{asked}' FROM pg_sleep(0.001)") == asked
                        answers += 1

            tasks: list[asyncio.Task[None]] = []
            for number in range(120):
                tasks.append(asyncio.create_task(work(number)))
                await asyncio.sleep(chance.random() / 200)
                if number % 2:
                    chance.choice(tasks).cancel()
            results = await asyncio.gather(*tasks, return_exceptions=True)
            wrong = [each for each in results if each is not None and not isinstance(each, asyncio.CancelledError)]
            assert not wrong
            cancelled = sum(isinstance(each, asyncio.CancelledError) for each in results)
            assert cancelled >= 10
            assert answers >= 5 * (len(tasks) - cancelled)
            # psycopg leaves a connection that is cancelled while it is made to the traceback, with which it is closed.
            tasks.clear()
            results.clear()
            await soon(lambda: pool.stats()["nusing"] == 0)
            assert len(await driver.backends(pool, size)) == size
            await soon(lambda: len(server.backends()) == size)
            stats = pool.stats()
            assert (stats["nobjs"], stats["nwaiting"]) == (size, 0)
            assert stats["nborrows"] == stats["nreturns"]

    run(main())
