"""Pools for tasks: the network stalls or breaks between the pool and the server. What hangs hangs alone."""

from __future__ import annotations

import asyncio
from time import monotonic
from typing import Any

import pytest

from ProxyPatternPool import AsyncPool, TimeOut

from .async_support import PROMPT, SOON, Driver, drivers, ended, soon
from .relay import Relay
from .support import Server


def first_through(
    driver: Driver[Any], relay: Relay, server: Server, max_size: int, **parameters: Any
) -> AsyncPool[Any]:
    """A pool whose object 0 goes through the relay, and all others directly to the server."""
    addresses = [driver.address(server, relay), driver.address(server)]
    return driver.pool_of(lambda number: driver.connect(addresses[number > 0]), max_size, **parameters)


async def others_go_on(driver: Driver[Any], pool: AsyncPool[Any]) -> None:
    """Borrow the two objects that do not hang, again and again, in no time to speak of."""
    started = monotonic()
    for _ in range(30):
        async with pool.obj(timeout=5) as first, pool.obj(timeout=5) as second:
            assert await driver.ask(first, "SELECT 1") == await driver.ask(second, "SELECT 2") - 1
    assert monotonic() - started < PROMPT


@drivers
def test_a_stalled_check_delays_no_other(server: Server, relay: Relay, driver: Driver[Any]) -> None:
    """While the health check of one connection hangs, the others are lent, given back and counted as ever."""

    async def main() -> None:
        async with first_through(driver, relay, server, 3, min_size=3) as pool:
            await pool.wait_ready(10)
            relay.stall()
            round_ = asyncio.create_task(pool.housekeep())
            await soon(relay.holding.is_set)
            await others_go_on(driver, pool)
            assert pool.stats()["nobjs"] == 3
            assert not round_.done()
            relay.resume()
            await round_
            stats = pool.stats()
            assert (stats["navail"], stats["bad_health"], stats["ndestroys"]) == (3, 0, 0)

    asyncio.run(main())


@drivers
def test_a_stalled_retter_delays_no_other(server: Server, relay: Relay, driver: Driver[Any]) -> None:
    """While the `retter` of one connection hangs, others are lent; who gave it back may leave, and it is finished."""

    async def main() -> None:
        async with first_through(driver, relay, server, 3) as pool:
            conns = [await pool.get() for _ in range(3)]  # the first goes through the relay
            for conn in conns:
                await driver.begin(conn)
                await driver.ask(conn, "SELECT 1")
            relay.stall()
            returning = asyncio.create_task(end(pool, conns[0]))
            await soon(relay.holding.is_set)
            for conn in conns[1:]:
                await pool.ret(conn)
            await others_go_on(driver, pool)
            returning.cancel()
            assert isinstance(await ended(returning, PROMPT), asyncio.CancelledError)
            assert pool.stats()["nobjs"] == 3
            relay.resume()
            await soon(lambda: pool.stats()["navail"] == 3)
            assert pool.stats()["ndestroys"] == 0

    async def end(pool: AsyncPool[Any], conn: Any) -> None:
        await pool.ret(conn)

    asyncio.run(main())


@drivers
def test_a_stalled_creation_and_timeouts(server: Server, relay: Relay, driver: Driver[Any]) -> None:
    """While a creation hangs, the timeouts of others end in time, and what is given back is lent at once."""
    addresses = [driver.address(server), driver.address(server, relay)]
    timeouts = [0.0, 0.1, 0.2, 0.3]

    async def main() -> None:
        async with driver.pool_of(lambda number: driver.connect(addresses[number > 0]), 2) as pool:
            lent = await pool.get(timeout=5)
            relay.stall()
            creator = asyncio.create_task(pool.get(timeout=20))
            await soon(relay.holding.is_set)

            async def late(timeout: float) -> float:
                started = monotonic()
                with pytest.raises(TimeOut):
                    await pool.get(timeout)
                return monotonic() - started

            for timeout, waited in zip(timeouts, await asyncio.gather(*map(late, timeouts)), strict=True):
                assert timeout <= waited < timeout + PROMPT / 2
            started = monotonic()
            await pool.ret(lent)
            async with pool.obj(timeout=5) as again:
                assert again is lent
                assert await driver.ask(again, "SELECT 1") == 1
            assert monotonic() - started < PROMPT
            assert not creator.done()
            relay.resume()
            created = await creator
            assert await driver.ask(created, "SELECT 1") == 1
            await pool.ret(created)
            stats = pool.stats()
            assert (stats["navail"], stats["nobjs"], stats["ntimeouts"]) == (2, 2, len(timeouts))

    asyncio.run(main())


@drivers
def test_a_stalled_creation_cancelled(server: Server, relay: Relay, driver: Driver[Any]) -> None:
    """A task that is cancelled while it connects ends on time; its place is free, and nothing stays connected."""

    async def main() -> None:
        async with first_through(driver, relay, server, 1) as pool:
            relay.stall()
            creator = asyncio.create_task(pool.get(timeout=20))
            await soon(relay.holding.is_set)
            waiter = asyncio.create_task(driver.backends(pool, 1))
            await soon(lambda: pool.stats()["nwaiting"] == 1)
            creator.cancel()
            assert isinstance(await ended(creator, PROMPT), asyncio.CancelledError)
            assert len(await waiter) == 1
            assert pool.stats()["nobjs"] == 1
            relay.resume()
            await soon(lambda: len(server.backends()) == 1)

    asyncio.run(main())


@drivers
def test_a_stalled_check_before_a_loan_ends_on_time(server: Server, relay: Relay, driver: Driver[Any]) -> None:
    """A deadline set around a loan ends it while its object is checked: that is not absorbed, and nothing tried again.

    The object is discarded, since half of an answer may be on its way to it.
    """

    async def main() -> None:
        async with first_through(driver, relay, server, 1, health_before_get=0.0) as pool:
            before = await driver.backends(pool, 1)
            relay.stall()
            started = monotonic()
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(pool.get(), SOON)
            assert SOON <= monotonic() - started < PROMPT
            relay.resume()
            assert not await driver.backends(pool, 1) & before
            stats = pool.stats()
            assert (stats["nobjs"], stats["ndestroys"]) == (1, 1)

    asyncio.run(main())


@drivers
def test_a_stalled_check_with_a_time_limit(server: Server, relay: Relay, driver: Driver[Any]) -> None:
    """The check of the examples ends when its time is up: the object is discarded, and the borrower has another."""

    async def main() -> None:
        async with first_through(driver, relay, server, 1, limit=SOON, health_before_get=0.0) as pool:
            before = await driver.backends(pool, 1)
            relay.stall()
            started = monotonic()
            assert not await driver.backends(pool, 1) & before
            assert SOON <= monotonic() - started < 3 * SOON + PROMPT
            assert pool.stats()["bad_health"] == 1

    asyncio.run(main())


@drivers
def test_shutdown_during_a_stalled_check(server: Server, relay: Relay, driver: Driver[Any]) -> None:
    """`shutdown` does not wait for a check that hangs; the connection is closed once the check has ended."""

    async def main() -> None:
        pool = first_through(driver, relay, server, 2, min_size=2)
        await pool.wait_ready(10)
        relay.stall()
        round_ = asyncio.create_task(pool.housekeep())
        await soon(relay.holding.is_set)
        started = monotonic()
        await pool.shutdown()
        assert monotonic() - started < PROMPT
        assert len(server.backends()) == 1
        relay.resume()
        await round_
        await soon(lambda: not server.backends())

    asyncio.run(main())


@drivers
def test_cut_and_mended(server: Server, relay: Relay, driver: Driver[Any]) -> None:
    """The network breaks all connections, idle and lent, and later works again: so does the pool."""
    address = driver.address(server, relay)

    async def main() -> None:
        async with driver.pool_of(lambda _: driver.connect(address), 3, 3) as pool:
            await pool.wait_ready(10)
            lent = await pool.get(timeout=5)
            relay.cut()
            with pytest.raises(driver.errors):
                await driver.ask(lent, "SELECT 1")
            await pool.discard(lent)
            await pool.housekeep()
            assert pool.stats()["navail"] == 0
            with pytest.raises((TimeOut, *driver.errors)) as failed:  # the first to know may be maintenance
                await pool.get(timeout=0.3)
            assert isinstance(failed.value, driver.errors) or isinstance(failed.value.__cause__, driver.errors)
            relay.mend()
            await pool.wait_ready(20)
            assert len(await driver.backends(pool, 3)) == 3

    asyncio.run(main())
