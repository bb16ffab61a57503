"""The parameters of a pool for tasks, and of its methods: each has its effect, as in a pool for threads."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from ProxyPatternPool import AsyncPool, Pool, PoolClosed, PoolValueError, TimeOut
from ProxyPatternPool._pool.either import core_of_either

from .cancelling import Flavour
from .clock import FakeScheduler
from .helpers import Thing, Works
from .tasks import both
from .virtual_time import now, run_in_virtual_time

kinds = pytest.mark.parametrize("kind", [Pool, AsyncPool])

SHOWN = {
    "max_size": 7,
    "min_size": 2,
    "timeout": 30.0,
    "max_use": 100,
    "max_waiting": 9,
    "max_lifetime": 1000.0,
    "max_avail_delay": 60.0,
    "max_using_delay_warn": 10.0,
    "max_using_delay_kill": 20.0,
    "health_freq": 3,
    "health_before_get": 4.0,
    "backoff": [1.0, 8.0],
    "delay": 5.0,
    "name": "books",
}


@kinds
def test_all_are_shown(kind: Any, scheduler: FakeScheduler) -> None:
    """What a pool was told is in its snapshot."""
    pool = kind(
        Thing,
        7,
        2,
        30,
        max_use=100,
        max_waiting=9,
        max_lifetime=1000,
        max_avail_delay=60,
        max_using_delay=10,
        max_using_delay_kill=20,
        health_freq=3,
        health_before_get=4,
        backoff=(1, 8),
        hk_delay=5,
        name="books",
        health=bool,
    )
    stats = pool.stats()
    assert {key: stats[key] for key in SHOWN} == SHOWN
    assert pool.name == "books"


@kinds
def test_health_alone_has_rounds(kind: Any, scheduler: FakeScheduler) -> None:
    """A pool that only checks health does that once in a minute; one that has nothing to do does nothing."""
    assert kind(Thing, 1, 0, health=bool).stats()["delay"] == 60.0
    assert kind(Thing, 1, 0).stats()["delay"] == 0.0


def test_hooks_that_describe(scheduler: FakeScheduler) -> None:
    """What the hooks say of an object is shown."""

    def name(thing: Thing) -> str:
        return f"no. {thing.number}"

    def details(thing: Thing) -> object:
        return {"number": thing.number}

    async def shown(pool: AsyncPool[Thing]) -> Any:
        async with pool.obj():
            return pool.stats()["using"][0]

    named = asyncio.run(shown(AsyncPool(Thing, 1, 0, tracer=name)))
    assert named["trace"] == named["name"] == "no. 0"
    assert asyncio.run(shown(AsyncPool(Thing, 1, 0, stats=details)))["stats"] == {"number": 0}


@kinds
def test_what_is_no_observer(kind: Any, scheduler: FakeScheduler) -> None:
    """It is refused."""
    with pytest.raises(TypeError, match="observer must"):
        kind(Thing, observer=3)


def test_operations(scheduler: FakeScheduler, works: Works) -> None:
    """What is idle is replaced, or closed because there is too much of it; what is missing is created."""
    pool = AsyncPool(works.make, 4, 0, closer=works.close)

    async def main() -> None:
        async with pool.obj() as lent:
            async with pool.obj() as idle:
                pass
            await pool.drain()
            assert works.closed == [idle]
            assert pool.stats()["nstale"] == 1
        assert works.closed == [idle, lent]
        await pool.resize(min_size=3)
        assert pool.stats()["min_size"] == 3
        await pool.housekeep()
        assert pool.stats()["navail"] == 3
        await pool.resize(min_size=1, max_size=2)
        assert (pool.stats()["max_size"], pool.stats()["navail"]) == (2, 2)
        await pool.clear()
        assert len(works.closed) == 5
        with pytest.raises(PoolValueError, match=r"^timeout must"):
            await pool.shutdown(-1)
        assert not pool.stats()["shutdown"]
        await pool.shutdown()
        with pytest.raises(PoolClosed):
            async with pool:
                pytest.fail("it is closed")

    asyncio.run(main())


@both
def test_how_long_it_is_waited_until_there_are_enough(flavour: Flavour, works: Works) -> None:
    """As long as it was told, whatever the pool's timeout is."""
    works.failing = ConnectionError("down")

    async def main(scheduler: FakeScheduler) -> None:
        pool = AsyncPool(works.make, 2, 1, timeout=1)
        for timeout, seconds in ((3, 3), (None, 1), (0, 0)):
            began = now()
            with pytest.raises(TimeOut):
                await pool.wait_ready(timeout)
            assert now() == began + seconds

    run_in_virtual_time(flavour, main)


def test_a_request_as_any_coroutine(scheduler: FakeScheduler) -> None:
    """What ``lease`` returns can be gone on with, thrown into, or closed."""
    pool = AsyncPool(Thing, 1, 0)

    async def main() -> None:
        async with pool.obj():
            closed = pool.lease()
            closed.send(None)
            assert pool.stats()["nwaiting"] == 1
            closed.close()
            assert pool.stats()["nwaiting"] == 0
            error = ZeroDivisionError("this one")
            ways: list[tuple[Any, ...]] = [(error,), (ZeroDivisionError, error)]
            for thrown in ways:
                request = pool.lease()
                request.send(None)
                with pytest.raises(ZeroDivisionError) as raised:
                    request.throw(*thrown)
                assert raised.value is error
                assert pool.stats()["nwaiting"] == 0

    asyncio.run(main())


def test_parts_of_a_pool_of_either_kind(scheduler: FakeScheduler) -> None:
    """Those who show pools find them."""
    pool, other = Pool(Thing, name="threads"), AsyncPool(Thing, name="tasks")
    assert [core_of_either(each).name for each in (pool, other)] == ["threads", "tasks"]
