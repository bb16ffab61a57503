"""What is idle is lent, and taken back, without a lock, in four places: each does what the slow way does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeAlias

import pytest

from ProxyPatternPool import AsyncPool, Pool, PoolException, PoolValueError

from .clock import Chance, FakeScheduler, HandMovedClock
from .helpers import Caller, Thing, Works

EitherPool: TypeAlias = "Pool[Thing] | AsyncPool[Thing]"

kinds = pytest.mark.parametrize("kind", [Pool, AsyncPool])
ways = pytest.mark.parametrize("way", ["get", "obj"])


@asynccontextmanager
async def loan(pool: EitherPool, way: str, timeout: float | None = None) -> AsyncGenerator[Thing, None]:
    """Borrow for a block, by methods or with the block of the pool."""
    if isinstance(pool, AsyncPool):
        if way == "get":
            thing = await pool.get(timeout)
            yield thing
            await pool.ret(thing)
        else:
            async with pool.obj(timeout) as thing:
                yield thing
    elif way == "get":
        thing = pool.get(timeout)
        yield thing
        pool.ret(thing)
    else:
        with pool.obj(timeout) as thing:
            yield thing


@kinds
@ways
def test_a_loan_is_shown(
    kind: Any, way: str, scheduler: FakeScheduler, clock: HandMovedClock, caplog: pytest.LogCaptureFixture
) -> None:
    """The uses of an object are counted, and since when who has it is known, or since when it is idle."""
    pool: EitherPool = kind(Thing, 2, 0)

    async def main() -> None:
        task = asyncio.current_task()
        assert task is not None
        task.set_name("mine")
        async with loan(pool, way):
            pass
        for uses in (2, 3):
            clock.advance(10 if uses == 2 else 9)
            async with loan(pool, way) as thing:
                clock.advance(5)
                (shown,) = pool.stats()["using"]
                assert (shown["uses"], shown["last_get"], shown["last_ret"]) == (uses, -5, -15)
                assert str(shown["owner"]).startswith("task 'mine'" if kind is AsyncPool else "thread 'MainThread'")
                assert [holding.obj for holding in pool.owners()] == [thing]
                assert pool.stats()["navail"] == 0
            clock.advance(1)
            (shown,) = pool.stats()["avail"]
            assert (shown["uses"], shown["last_get"], shown["last_ret"]) == (uses, -6, -1)
            assert pool.stats()["nusing"] == 0
        assert pool.stats()["nuses"] == 3
        assert pool.stats()["ncreated"] == 1

    asyncio.run(main())
    assert not caplog.records


@kinds
@ways
@pytest.mark.parametrize("at", ["loan", "return"])
def test_the_very_end_of_a_lifetime(
    kind: Any, way: str, at: str, scheduler: FakeScheduler, clock: HandMovedClock, chance: Chance, works: Works
) -> None:
    """An object whose lifetime ends at this moment is neither lent nor kept."""
    chance.always = 0.0
    pool: EitherPool = kind(works.make, 2, 0, max_lifetime=64, closer=works.close)

    async def main() -> None:
        async with loan(pool, way) as thing:
            if at == "return":
                clock.advance(64)
        if at == "loan":
            clock.advance(64)
            async with loan(pool, way) as other:
                assert other is not thing
        else:
            assert works.closed == [thing]

    asyncio.run(main())


@kinds
@ways
def test_a_senseless_timeout(kind: Any, way: str, scheduler: FakeScheduler) -> None:
    """It is refused where an object is idle, too."""
    pool = kind(Thing, 1, 0)

    async def main() -> None:
        async with loan(pool, way):
            pass
        with pytest.raises(PoolValueError, match="timeout must be"):
            async with loan(pool, way, -1):
                pytest.fail("it makes no sense")
        assert pool.stats()["navail"] == 1

    asyncio.run(main())


@kinds
@pytest.mark.parametrize("ended", ["ret", "discard"])
def test_a_loan_that_ends_within_its_block(
    kind: Any, ended: str, scheduler: FakeScheduler, caplog: pytest.LogCaptureFixture
) -> None:
    """The end of the block takes the object from nobody who has it by then, even if the factory made it again."""
    thing = Thing(0)

    def make(_: int) -> Thing:
        return thing

    pool: EitherPool = kind(make, 1, 0)

    async def main() -> None:
        async with loan(pool, "obj"):
            pass
        async with loan(pool, "obj"):
            done = getattr(pool, ended)(thing)
            if done is not None:
                await done
            got = pool.get()
            if isinstance(got, Coroutine):
                await got
        assert pool.stats()["nusing"] == 1

    asyncio.run(main())
    assert not caplog.records


@kinds
@ways
def test_the_last_use(kind: Any, way: str, scheduler: FakeScheduler, works: Works) -> None:
    """An object is closed when it comes back from as many uses as it may have."""
    pool: EitherPool = kind(works.make, 2, 0, max_use=3, closer=works.close)

    async def main() -> None:
        for use in range(7):
            async with loan(pool, way) as thing:
                assert thing.number == use // 3
            assert len(works.closed) == (use + 1) // 3

    asyncio.run(main())


@ways
def test_a_task_of_another_loop(way: str, scheduler: FakeScheduler) -> None:
    """A task that pools know gets nothing from a pool that lives in another event loop."""
    pool, other = AsyncPool(Thing, 1, 0), AsyncPool(Thing, 1, 0)

    async def there() -> None:
        async with loan(other, way):
            pass
        with pytest.raises(PoolException, match="a pool is for one event loop at a time"):
            async with loan(pool, way):
                pytest.fail("it is not for this one")

    async def here() -> None:
        async with loan(pool, way):
            pass
        Caller(lambda: asyncio.run(there())).result()  # this task goes on being its loop's current one
        async with loan(pool, way):
            pass

    asyncio.run(here())


@ways
def test_a_loan_is_the_tasks_own(way: str, scheduler: FakeScheduler) -> None:
    """Of tasks that borrow in turns each is shown as the owner of what it has."""
    pool = AsyncPool(Thing, 2, 0)

    async def borrow() -> str | None:
        async with loan(pool, way):
            pass
        async with loan(pool, way):
            return pool.stats()["using"][0]["owner"]

    async def main() -> None:
        for name in ("first", "second"):
            shown = await asyncio.create_task(borrow(), name=name)
            assert shown is not None
            assert shown.startswith(f"task {name!r}")

    asyncio.run(main())
