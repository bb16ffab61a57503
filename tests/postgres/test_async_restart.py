"""Pools for tasks: the server goes away and comes back, and the process that holds the pool goes on."""

from __future__ import annotations

import asyncio
from time import monotonic
from typing import Any

import pytest

from ProxyPatternPool import TimeOut

from .async_support import PROMPT, Driver, drivers, soon
from .support import Server


class Attempts:
    """A factory that notes when it was called."""

    def __init__(self, driver: Driver[Any], server: Server) -> None:
        self.driver = driver
        self.address = driver.address(server)
        self.times: list[float] = []

    async def __call__(self, number: int) -> Any:
        self.times.append(monotonic())
        return await self.driver.connect(self.address)


@drivers
def test_a_dead_server_is_not_hammered(server: Server, driver: Driver[Any]) -> None:
    """Many tasks wait at a stopped server: attempts are few and spaced; each waits its own timeout and learns why."""
    factory = Attempts(driver, server)
    timeouts = [0.2 + 0.05 * number for number in range(20)]

    async def main() -> None:
        async with driver.pool_of(factory, 10) as pool:
            with pytest.raises(driver.errors):
                await pool.get(timeout=10)
            started = monotonic()

            async def late(timeout: float) -> float:
                with pytest.raises(TimeOut) as caught:
                    await pool.get(timeout)
                assert isinstance(caught.value.__cause__, driver.errors)
                return monotonic() - started

            for timeout, waited in zip(timeouts, await asyncio.gather(*map(late, timeouts)), strict=True):
                assert timeout <= waited < timeout + PROMPT / 2
            # With all chance on the short side delays are 25, 50, 100, 200, 400, 800 ms: seven attempts in all.
            assert 3 <= len(factory.times) <= 8
            gaps = [after - before for before, after in zip(factory.times, factory.times[1:], strict=False)]
            assert gaps[-1] > gaps[0]
            stats = pool.stats()
            assert (stats["ntimeouts"], stats["nwaiting"], stats["nobjs"]) == (len(timeouts), 0, 0)
            assert stats["retry_in"] > 0

    server.stop()
    asyncio.run(main())


@drivers
def test_callers_outlive_an_outage(server: Server, driver: Driver[Any]) -> None:
    """Who has time waits until the server is back: the first fails, all others are served; who is cancelled leaves."""
    factory = Attempts(driver, server)

    async def main() -> None:
        async with driver.pool_of(factory, 4) as pool:
            with pytest.raises(driver.errors):
                await pool.get(timeout=30)

            async def query(number: int) -> int:
                async with pool.obj(timeout=30) as conn:
                    return int(await driver.ask(conn, f"SELECT {number}"))

            callers = [asyncio.create_task(query(number)) for number in range(12)]
            await soon(lambda: len(factory.times) >= 4)
            callers.pop(0).cancel()
            await asyncio.to_thread(server.start)
            assert await asyncio.gather(*callers) == list(range(1, 12))
            stats = pool.stats()
            assert (stats["last_error"], stats["retry_in"], stats["nwaiting"], stats["nusing"]) == (None, 0.0, 0, 0)

    server.stop()
    asyncio.run(main())


@drivers
def test_wait_ready(server: Server, driver: Driver[Any]) -> None:
    """What starts before the database waits for it, and is told what is wrong if it does not come."""

    async def main() -> None:
        async with driver.pool(server, 4, 2) as pool:
            with pytest.raises(TimeOut) as late:
                await pool.wait_ready(timeout=0.2)
            assert isinstance(late.value.__cause__, driver.errors)
            waiting = asyncio.create_task(pool.wait_ready(timeout=30))
            await asyncio.to_thread(server.start)
            await waiting
            assert pool.stats()["navail"] == 2
            assert len(await driver.backends(pool, 2)) == 2

    server.stop()
    asyncio.run(main())


@drivers
def test_tasks_go_on_after_a_restart(server: Server, driver: Driver[Any]) -> None:
    """Tasks that discard what broke all work again after a restart of the server, with the same pool."""
    tasks = 6

    async def main() -> None:
        back = done = False
        failed: set[int] = set()
        recovered: set[int] = set()

        async def work(number: int) -> None:
            while not done:
                was_back = back
                try:
                    lease = await pool.lease(timeout=20)
                except driver.errors:
                    failed.add(number)
                    await asyncio.sleep(0.01)
                    continue
                async with lease:
                    try:
                        assert await driver.ask(lease.obj, f"SELECT {number}") == number
                    except driver.errors:
                        failed.add(number)
                        await lease.discard()
                    else:
                        if was_back:
                            recovered.add(number)

        async with driver.pool(server, 3, 3, hk_delay=0.05) as pool:
            working = [asyncio.create_task(work(number)) for number in range(tasks)]
            await soon(lambda: pool.stats()["nborrows"] > 100)
            await asyncio.to_thread(server.stop)
            await soon(lambda: pool.stats()["nwaiting"] == tasks)  # for the next attempt to create
            assert failed
            await asyncio.to_thread(server.start)
            back = True
            await soon(lambda: len(recovered) == tasks)
            done = True
            await asyncio.gather(*working)
            await soon(lambda: pool.stats()["navail"] == 3)
            stats = pool.stats()
            assert (stats["nobjs"], stats["nusing"], stats["nwaiting"]) == (3, 0, 0)

    asyncio.run(main())
