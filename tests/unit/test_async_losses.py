"""What a task leaves behind, however it ends, comes back to the pool."""

from __future__ import annotations

import asyncio
import gc
import logging
import sys
import warnings
from collections.abc import AsyncGenerator
from functools import partial

import anyio
import pytest
import trio

from ProxyPatternPool import AsyncPool

from .cancelling import Flavour, crowd, pause, run_task, until
from .clock import FakeScheduler
from .helpers import Thing, Works, said
from .tasks import both


@pytest.fixture
def pool(scheduler: FakeScheduler, works: Works) -> AsyncPool[Thing]:
    return AsyncPool(works.make, 1, 0, closer=works.close, name="db")


@both
@pytest.mark.parametrize("cycle", [False, True])
def test_a_lease_that_is_dropped(
    flavour: Flavour, cycle: bool, scheduler: FakeScheduler, pool: AsyncPool[Thing], caplog: pytest.LogCaptureFixture
) -> None:
    """Its object comes back and is lent to who waits: at once, or when the collector runs; a line names the task."""

    async def forget() -> None:
        lease = await pool.lease()
        if cycle:
            kept: list[object] = [lease]
            kept.append(kept)

    async def borrow() -> Thing:
        async with pool.obj() as thing:
            return thing

    async def main() -> None:
        async with crowd() as tasks:
            await tasks.start(forget)
            waiting = await tasks.start(borrow)
            gc.collect()
            scheduler.run()
            await until(lambda: waiting.ended)
            waiting.outcome()
        assert pool.stats()["navail"] == 1

    run_task(flavour, main)
    assert any("was dropped" in line and "task" in line for line in said(caplog))


def test_a_task_that_is_destroyed(
    scheduler: FakeScheduler, works: Works, pool: AsyncPool[Thing], caplog: pytest.LogCaptureFixture
) -> None:
    """A task that nobody refers to any more, and that waits for nothing, is collected: its objects come back."""
    logging.getLogger("asyncio").setLevel(logging.CRITICAL + 1)  # it says that a task was destroyed
    complaints: list[str] = []

    async def hang() -> None:
        async with pool.obj():
            await asyncio.get_running_loop().create_future()

    async def main() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: complaints.append(context["message"]))
        task = asyncio.create_task(hang())
        await pause()
        assert pool.stats()["nusing"] == 1
        del task
        gc.collect()
        scheduler.run()
        assert pool.stats()["navail"] == 1

    try:
        asyncio.run(main())
    finally:
        logging.getLogger("asyncio").setLevel(logging.NOTSET)
    assert complaints == ["Task was destroyed but it is pending!"]  # as asyncio says of the user's task


@both
def test_tasks_whose_group_fails(flavour: Flavour, scheduler: FakeScheduler, works: Works) -> None:
    """One task of a group raises, and the others are cancelled: all that they had is back."""
    pool = AsyncPool(works.make, 3, 0, closer=works.close)

    async def work(number: int) -> None:
        async with pool.lease():
            await pause(3)
            if number == 1:
                raise ZeroDivisionError
            await pause(1000)

    async def in_trio() -> None:
        async with trio.open_nursery() as nursery:
            for number in range(10):
                nursery.start_soon(work, number)

    async def in_anyio() -> None:
        async with anyio.create_task_group() as group:
            for number in range(10):
                group.start_soon(work, number)

    async def main() -> None:
        groups = [in_anyio]
        if flavour == "trio":
            groups.append(in_trio)
        elif sys.version_info >= (3, 11):

            async def in_asyncio() -> None:
                async with asyncio.TaskGroup() as group:
                    for number in range(10):
                        _ = group.create_task(work(number))

            groups.append(in_asyncio)
        for group in groups:
            # A group of exceptions, which 3.10 has by another name.
            with pytest.raises(Exception, match=r"TaskGroup|Trio nursery"):
                await group()
            await until(lambda: pool.stats()["navail"] == pool.stats()["nobjs"])
            assert pool.stats()["nwaiting"] == 0
        assert works.closed == []

    run_task(flavour, main)


@both
def test_a_time_limit_within_a_block(flavour: Flavour, pool: AsyncPool[Thing], works: Works) -> None:
    """``asyncio.timeout``, ``anyio.fail_after`` and ``trio.fail_after`` end what takes long, and it comes back."""

    async def in_trio() -> None:
        with trio.fail_after(0):
            async with pool.obj():
                await pause()

    async def in_anyio() -> None:
        with anyio.fail_after(0):
            async with pool.obj():
                await pause(10)

    async def main() -> None:
        limits = [in_anyio]
        if flavour == "trio":
            limits.append(in_trio)
        elif sys.version_info >= (3, 11):

            async def in_asyncio() -> None:
                async with asyncio.timeout(0), pool.obj():
                    await pause(10)

            limits.append(in_asyncio)
        for limited in limits:
            with pytest.raises((TimeoutError, trio.TooSlowError)):
                await limited()
            assert pool.stats()["navail"] == 1
        assert works.closed == []

    run_task(flavour, main)


@both
@pytest.mark.parametrize("ended", ["dropped", "closed"])
def test_a_generator_that_is_abandoned(flavour: Flavour, ended: str, pool: AsyncPool[Thing], works: Works) -> None:
    """An asynchronous generator that is left in the middle of a block gives back what it had, when it is finalized."""

    async def rows() -> AsyncGenerator[int, None]:
        async with pool.obj():
            for number in range(10):
                await pause()
                yield number

    async def main() -> None:
        generator = rows()
        assert await generator.__anext__() == 0
        assert pool.stats()["nusing"] == 1
        if ended == "closed":
            await generator.aclose()
            assert pool.stats()["navail"] == 1
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)  # by which trio says that it was abandoned
            del generator
            gc.collect()
        await until(lambda: pool.stats()["navail"] == 1)
        assert works.closed == []

    run_task(flavour, main)


@pytest.mark.parametrize("kind", ["lease", "get"])
def test_a_loan_as_a_task_of_its_own(kind: str, scheduler: FakeScheduler, pool: AsyncPool[Thing]) -> None:
    """``create_task(pool.lease())``: a task that is cancelled or closed has nothing, whether it has begun or not."""

    async def main() -> None:
        thing = await pool.get()
        for pauses in (0, 2):
            task = asyncio.create_task(pool.lease() if kind == "lease" else pool.get())
            await pause(pauses)
            task.cancel()
            await asyncio.wait([task])
            assert task.cancelled()
        assert pool.stats()["nwaiting"] == 0
        request = pool.lease()
        request.close()
        returning = asyncio.create_task(pool.ret(thing))
        returning.cancel()
        await asyncio.wait([returning])
        assert pool.stats()["navail"] == 1

    run_task("asyncio", main)


@both
def test_many_leases_of_tasks_that_end(
    flavour: Flavour, scheduler: FakeScheduler, works: Works, caplog: pytest.LogCaptureFixture
) -> None:
    """Each of a hundred tasks forgets its quiet lease, and the next one gets the object, without a word."""
    pool = AsyncPool(works.make, 2, 0, closer=works.close)

    async def forget(lent: list[int]) -> None:
        lease = await pool.lease(quiet=True)
        await pause()
        lent.append(lease.obj.number)

    async def main() -> None:
        lent: list[int] = []
        async with crowd() as tasks:
            for _ in range(100):
                await tasks.start(partial(forget, lent), pauses=0)
            while len(lent) < 100:
                await pause()
                scheduler.run()
        assert sorted(set(lent)) == [0, 1]
        scheduler.run()
        assert pool.stats()["navail"] == 2

    run_task(flavour, main)
    assert said(caplog) == []


@both
def test_what_is_handed_over_is_checked(flavour: Flavour, scheduler: FakeScheduler, works: Works) -> None:
    """A check that is awaited is awaited, and who waited has the object that is well."""
    checked: list[Thing] = []

    async def check(thing: Thing) -> bool:
        await pause()
        checked.append(thing)
        return True

    async def main() -> None:
        pool = AsyncPool(works.make, 1, 0, health=check, health_before_get=0)
        thing = await pool.get()
        async with crowd() as tasks:
            waiting = await tasks.start(pool.get)
            await pool.ret(thing)
            await until(lambda: waiting.ended)
            assert waiting.outcome() is thing
        assert checked == works.made == [thing]

    run_task(flavour, main)
