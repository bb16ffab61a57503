"""Callers who give up before an object can be created: the pool creates it for those who come after them."""

from __future__ import annotations

from functools import partial
from typing import Any

import anyio
import pytest

from ProxyPatternPool import AsyncPool
from ProxyPatternPool._engine.chores import LONGEST_CREATION
from ProxyPatternPool._inspect.totals import total
from ProxyPatternPool._pool.async_pool import async_core_of

from .cancelling import Crowd, Flavour, Job, Started, crowd, pause, until
from .clock import FakeScheduler
from .helpers import Thing, Works, said
from .tasks import both, run_in
from .virtual_time import nap, run_in_virtual_time, sleep


class SlowServer:
    """What it creates takes a second, or for ever."""

    def __init__(self, works: Works) -> None:
        self.works = works
        self.seconds = 1.0

    async def connect(self, number: int) -> Thing:
        thing = self.works.make(number)
        try:
            await sleep(self.seconds)
        except BaseException:
            self.works.close(thing)
            raise
        return thing

    def pool(self, max_size: int = 1, **parameters: Any) -> AsyncPool[Thing]:
        return AsyncPool(self.connect, max_size, 0, closer=self.works.close, **parameters)


class Child:
    """A job that can be cancelled."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self.scope = anyio.CancelScope()

    async def run(self) -> None:
        with self.scope:
            await self._job()


async def borrow(pool: AsyncPool[Thing]) -> Thing:
    async with pool.obj() as thing:
        return thing


async def begin(tasks: Crowd, job: Job, number: int) -> list[Started]:
    """Start tasks one after the other, and let each go as far as it can."""
    started: list[Started] = []
    for _ in range(number):
        started.append(await tasks.start(job, pauses=0))
        await sleep(0.001)
    return started


@both
def test_deadlines_shorter_than_a_creation(flavour: Flavour, works: Works) -> None:
    """Nobody has the time that a creation takes, and nearly all are served as soon as the first have given up."""
    server = SlowServer(works)
    served: list[int] = []

    async def main(scheduler: FakeScheduler) -> None:
        pool = server.pool(4)

        async def work(number: int) -> None:
            await sleep(number * 0.01)
            with anyio.move_on_after(0.9):
                async with pool.obj():
                    served.append(number)
                    await sleep(0.01)

        async with crowd(nap) as tasks:
            for number in range(1000):
                await tasks.start(partial(work, number), pauses=0)
        await pool.close()

    run_in_virtual_time(flavour, main)
    assert len(works.made) == 4 + 4  # those of the first to give up, and those of the pool
    assert len(served) > 850
    assert works.alive == []


@both
@pytest.mark.parametrize("cut", ["fun", "opener"])
def test_the_next_one_gives_up_as_well(flavour: Flavour, cut: str, works: Works) -> None:
    """What a waiter began to wait for is created, whoever else is cancelled: who waits longest then gets it."""

    async def connect(number: int) -> Thing:
        await sleep(cut == "fun")
        return works.make(number)

    async def opened(thing: Thing) -> None:
        await sleep(cut == "opener")

    async def main(scheduler: FakeScheduler) -> None:
        pool = AsyncPool(connect, 1, 0, opener=opened, closer=works.close)
        async with crowd(nap) as tasks:
            first, second, third = await begin(tasks, partial(borrow, pool), 3)
            await sleep(0.5)
            first.cancel()
            await sleep(0.5)
            second.cancel()
            await sleep(0.75)
            assert third.outcome() is works.made[-1]
        assert first.cancelled
        assert second.cancelled
        assert len(works.alive) == pool.stats()["navail"] == 1

    run_in_virtual_time(flavour, main)


@both
@pytest.mark.parametrize("waiting", [0, 1])
def test_no_more_is_created_than_wait(flavour: Flavour, waiting: int, works: Works) -> None:
    """Four are cancelled while they create: the pool creates for who waits, and not at all if nobody does."""

    async def main(scheduler: FakeScheduler) -> None:
        pool = SlowServer(works).pool(4)
        async with crowd(nap) as tasks:
            creating = await begin(tasks, partial(borrow, pool), 4)
            await begin(tasks, partial(borrow, pool), waiting)
            for started in creating:
                started.cancel()
            await sleep(5)
        # Who waits gets the place of the second who is cancelled, and the pool finds that nobody waits any more.
        assert len(works.made) == 4 + waiting

    run_in_virtual_time(flavour, main)


@both
def test_all_are_cancelled_at_once(flavour: Flavour, works: Works) -> None:
    """Nothing is created for those who wait if they are cancelled as well, in the same moment."""

    async def main(scheduler: FakeScheduler) -> None:
        pool = SlowServer(works).pool()
        async with crowd(nap) as tasks:
            for started in await begin(tasks, partial(borrow, pool), 3):
                started.cancel()
            await sleep(5)
        assert len(works.made) == 1
        assert pool.stats()["nobjs"] == 0

    run_in_virtual_time(flavour, main)


@both
def test_the_pool_cannot_create_either(flavour: Flavour, works: Works, caplog: pytest.LogCaptureFixture) -> None:
    """Its failure is logged, the next attempt is due after the back-off, and is that of who waits."""

    async def main(scheduler: FakeScheduler) -> None:
        pool = SlowServer(works).pool(backoff=(2.0, 2.0), timeout=60.0)
        async with crowd(nap) as tasks:
            first, second = await begin(tasks, partial(borrow, pool), 2)
            works.failing = ConnectionError("down")
            first.cancel()
            await sleep(0.5)
            works.failing = None
            await sleep(4)
            assert second.outcome() is works.made[-1]
        (line,) = said(caplog)
        assert "creation failed, next attempt in" in line
        assert "down" in line

    run_in_virtual_time(flavour, main)


@both
def test_a_creation_that_hangs_does_not_keep_its_place(
    flavour: Flavour, works: Works, caplog: pytest.LogCaptureFixture
) -> None:
    """After some seconds the pool gives up, and the place is free for who waits longest."""
    server = SlowServer(works)

    async def main(scheduler: FakeScheduler) -> None:
        pool = server.pool()
        server.seconds = 1e6
        async with crowd(nap) as tasks:
            first, second = await begin(tasks, partial(borrow, pool), 2)
            first.cancel()
            await sleep(1)
            server.seconds = 1.0
            await sleep(LONGEST_CREATION - 1.5)
            assert not second.ended
            await sleep(2)
            assert second.outcome() is works.made[-1]
        (line,) = said(caplog)
        label = async_core_of(pool).label
        assert line == f"{label}: a creation for callers who wait was given up after 10 s: give fun a time limit"
        assert total(async_core_of(pool)).maintenance_time == pytest.approx(LONGEST_CREATION, abs=0.5)

    run_in_virtual_time(flavour, main)


@both
def test_whose_task_it_is(flavour: Flavour, works: Works) -> None:
    """Whoever lists the tasks of the loop sees by its name that the pool has started it."""
    names: list[str | None] = []

    class Named(SlowServer):
        async def connect(self, number: int) -> Thing:
            names.append(anyio.get_current_task().name)
            return await super().connect(number)

    async def main(scheduler: FakeScheduler) -> None:
        pool = Named(works).pool()
        async with crowd(nap) as tasks:
            first, second = await begin(tasks, partial(borrow, pool), 2)
            first.cancel()
            await sleep(3)
            assert second.outcome() is works.made[1]
        assert names[1] == "ProxyPatternPool" != names[0]

    run_in_virtual_time(flavour, main)


@both
def test_the_loop_ends_while_the_pool_creates(
    flavour: Flavour, works: Works, scheduler: FakeScheduler, caplog: pytest.LogCaptureFixture
) -> None:
    """The end does not wait for what nobody needs any more, and nothing is said."""
    server = SlowServer(works)
    server.seconds = 1e6
    pool = server.pool()

    async def main() -> None:
        first, second = Child(partial(borrow, pool)), Child(partial(borrow, pool))
        async with anyio.create_task_group() as group:
            group.start_soon(first.run)
            await pause()
            group.start_soon(second.run)
            await pause()
            first.scope.cancel()
            await until(lambda: len(works.made) == 2)
            second.scope.cancel()

    run_in(flavour, main)
    assert works.alive == []
    assert said(caplog) == []


@both
def test_closed_while_the_pool_creates(flavour: Flavour, works: Works) -> None:
    """What the pool creates for those who waited is closed with it."""

    async def main(scheduler: FakeScheduler) -> None:
        pool = SlowServer(works).pool()
        async with crowd(nap) as tasks:
            first, second = await begin(tasks, partial(borrow, pool), 2)
            first.cancel()
            await sleep(0.5)
            await pool.close(10.0)
            assert works.alive == []
            assert second.ended
            with pytest.raises(Exception, match="is closed"):
                second.outcome()

    run_in_virtual_time(flavour, main)
