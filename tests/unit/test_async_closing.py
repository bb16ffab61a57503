"""A pool for tasks is closed: who waits, who has an object, and who closes it."""

from __future__ import annotations

import asyncio
from functools import partial

import pytest
import trio

from ProxyPatternPool import AsyncPool, PoolClosed, TimeOut
from ProxyPatternPool._engine import async_core
from ProxyPatternPool._runtime import trio_hub
from ProxyPatternPool._scheduler.scheduler import Scheduler

from .cancelling import Flavour, crowd, pause, run_task, until
from .clock import FakeScheduler
from .helpers import Thing, Works, said
from .tasks import both
from .virtual_time import nap, now, run_in_virtual_time, sleep


class Closers:
    """A factory whose closers take a while."""

    def __init__(self, pauses: int = 5) -> None:
        self.works = Works()
        self.pauses = pauses
        self.done: list[Thing] = []

    async def close(self, thing: Thing) -> None:
        self.works.close(thing)
        await pause(self.pauses)
        self.done.append(thing)

    def pool(self, max_size: int) -> AsyncPool[Thing]:
        return AsyncPool(self.works.make, max_size, 0, closer=self.close)


async def waits(pool: AsyncPool[Thing]) -> None:
    async with pool.obj():
        pass


@both
@pytest.mark.parametrize("creating", [False, True])
def test_callers_who_wait_get_pool_closed_at_once(
    flavour: Flavour, creating: bool, scheduler: FakeScheduler, works: Works
) -> None:
    """All of them, while the closers of what was idle, and a creation, are still under way."""
    gate: list[None] = []

    async def connect(number: int) -> Thing:
        if creating:
            await until(lambda: gate)
        return works.make(number)

    pool: AsyncPool[Thing] = AsyncPool(connect, 1, 0, closer=works.close)

    async def main() -> None:
        async with crowd() as tasks:
            first = await tasks.start(partial(waits, pool) if creating else pool.get)
            waiting = [await tasks.start(partial(waits, pool)) for _ in range(20)]
            closing = await tasks.start(partial(pool.close, 60))
            await until(lambda: all(task.ended for task in waiting))
            assert not closing.ended
            for task in waiting:
                with pytest.raises(PoolClosed):
                    task.outcome()
            if creating:
                gate.append(None)
            else:
                await pool.ret(first.outcome())
            await until(lambda: closing.ended)
            closing.outcome()
            if creating:
                with pytest.raises(PoolClosed):
                    first.outcome()
        assert works.closed == works.made
        assert len(works.made) == 1

    run_task(flavour, main)


@both
def test_it_waits_for_lent_objects_until_its_timeout(
    flavour: Flavour, works: Works, caplog: pytest.LogCaptureFixture
) -> None:
    """Those that come back in time are closed before it returns; others are named, and closed when they come back."""

    async def main(scheduler: FakeScheduler) -> None:
        pool = AsyncPool(works.make, 3, 0, closer=works.close, name="db")
        quick, slow = await pool.get(), await pool.get()
        began = now()

        async def give_back() -> None:
            await sleep(2)
            await pool.ret(quick)

        async with crowd(nap) as tasks:
            await tasks.start(give_back)
            await pool.close(10)
            assert now() == began + 10
        assert works.closed == [quick]
        assert any("closed while" in line and "has" in line for line in said(caplog))
        await pool.ret(slow)
        assert works.closed == [quick, slow]
        await pool.close()
        assert pool.stats()["nobjs"] == 0

    run_in_virtual_time(flavour, main)


@both
def test_it_ends_as_soon_as_the_last_object_is_closed(flavour: Flavour, works: Works) -> None:
    """The timeout is the longest wait, and not a delay."""

    async def main(scheduler: FakeScheduler) -> None:
        pool = AsyncPool(works.make, 3, 0, closer=lambda _: sleep(1))
        thing = await pool.get()
        began = now()

        async def give_back() -> None:
            await sleep(2)
            await pool.ret(thing)

        async with crowd(nap) as tasks:
            await tasks.start(give_back)
            await pool.close(60)
            assert now() == pytest.approx(began + 3)

    run_in_virtual_time(flavour, main)


@both
def test_it_waits_for_closers_that_were_begun_before(flavour: Flavour, scheduler: FakeScheduler) -> None:
    """As those of objects that were discarded, however many; an object that is lent is not waited for."""
    closers = Closers()
    pool = closers.pool(3)

    async def main() -> None:
        broken, worse, lent = [await pool.get() for _ in range(3)]
        _ = pool.discard(broken)
        await pause(2)
        _ = pool.discard(worse)
        await pool.close()
        assert closers.done == [broken, worse]
        await pool.ret(lent)

    run_task(flavour, main)


@both
def test_it_waits_for_retters_that_were_begun_before(flavour: Flavour, scheduler: FakeScheduler) -> None:
    """What they have reset is closed when it returns."""
    closers = Closers()
    pool = AsyncPool(closers.works.make, 2, 0, closer=closers.close, retter=lambda _: pause(5))

    async def main() -> None:
        things = [await pool.get() for _ in range(2)]
        for thing in things:
            _ = pool.ret(thing)
        await pool.close()
        assert closers.done == things

    run_task(flavour, main)


@both
@pytest.mark.parametrize("given_back", [False, True])
def test_hooks_that_take_long_are_told_of(
    flavour: Flavour, given_back: bool, works: Works, caplog: pytest.LogCaptureFixture
) -> None:
    """Whoever closes the pool waits for them and cannot say so: one line does, and says what is still lent."""
    doing = "given back" if given_back else "closed"

    async def main(scheduler: FakeScheduler) -> None:
        pool = AsyncPool(
            works.make, 2, 0, retter=lambda _: sleep(30 * given_back), closer=lambda _: sleep(30), name="db"
        )
        lent, thing = await pool.get(), await pool.get()
        if given_back:
            _ = pool.ret(thing)
        else:
            await pool.ret(thing)
        began = now()
        await pool.close(1)
        assert now() > began + 25
        (line,) = [line for line in said(caplog) if "closing has" in line]
        assert line == (
            "pool 'db': closing has waited 10 s for a retter or closer, which takes long, or hangs: "
            f"2 objects exist (0 idle, 1 lent, 1 being {doing}), 0 being created, 0 waiting. This is said once"
        )
        await pool.ret(lent)

    run_in_virtual_time(flavour, main)


def test_they_are_told_of_once(works: Works, caplog: pytest.LogCaptureFixture) -> None:
    """However many close the pool."""

    async def main(scheduler: FakeScheduler) -> None:
        pool = AsyncPool(works.make, 1, 0, closer=lambda _: sleep(30))
        await pool.ret(await pool.get())
        await asyncio.gather(pool.close(), pool.close())
        assert len([line for line in said(caplog) if "closing has" in line]) == 1

    run_in_virtual_time("asyncio", main)


def test_the_task_that_tells_of_them(scheduler: FakeScheduler, works: Works) -> None:
    """It has the name of all tasks of a pool, and asyncio may end it with the loop."""

    async def main() -> None:
        pool = AsyncPool(works.make, 1, 0, closer=lambda _: pause(20))
        await pool.ret(await pool.get())
        before = asyncio.all_tasks()
        closing = asyncio.create_task(pool.close())
        await pause(2)
        (telling,) = asyncio.all_tasks() - before - {closing}
        assert telling.get_name() == "ProxyPatternPool"
        await closing

    asyncio.run(main())


@both
def test_closed_by_one_of_its_closers(flavour: Flavour, scheduler: FakeScheduler, works: Works) -> None:
    """It does not wait for itself."""

    async def close(thing: Thing) -> None:
        works.close(thing)
        await pool.close()
        closed.append(thing)

    closed: list[Thing] = []

    pool: AsyncPool[Thing] = AsyncPool(works.make, 1, 0, closer=close)

    async def main() -> None:
        await pool.discard(await pool.get())
        assert closed == works.closed == works.made
        assert repr(pool).endswith("closed, 0 idle, 0 in use, 0 waiting, max 1>")

    run_task(flavour, main)


@both
def test_a_close_that_is_cancelled_in_the_middle(flavour: Flavour, scheduler: FakeScheduler) -> None:
    """What was begun is finished: all that is idle is closed side by side, nobody is served, and who waits knows."""
    closers = Closers(20)
    pool = closers.pool(4)

    async def main() -> None:
        lent = [await pool.get() for _ in range(4)]
        for thing in lent[1:]:
            await pool.ret(thing)
        async with crowd() as tasks:
            closing = await tasks.start(partial(pool.close, 60))
            closing.cancel()
            await until(lambda: closing.ended)
            assert closing.cancelled
            assert closers.done == []
            assert len(closers.works.closed) == 3
            with pytest.raises(PoolClosed):
                await pool.get()
            await until(lambda: len(closers.done) == 3)
            _ = pool.ret(lent[0])
            await until(lambda: len(closers.done) == 4)
        assert pool.stats()["nobjs"] == 0

    run_task(flavour, main)


@both
@pytest.mark.parametrize("timeout", [0.0, 5.0])
def test_closed_from_a_task_that_has_an_object(flavour: Flavour, timeout: float, works: Works) -> None:
    """It does not wait for itself longer than it was told to; what it has is closed when it comes back."""

    async def main(scheduler: FakeScheduler) -> None:
        pool = AsyncPool(works.make, 1, 0, closer=works.close)
        async with pool.obj() as thing:
            began = now()
            await pool.close(timeout)
            assert now() == began + timeout
            assert works.closed == []
        assert works.closed == [thing]

    run_in_virtual_time(flavour, main)


@both
@pytest.mark.parametrize(("seconds", "ends_after"), [(3, 10), (20, 20)])
def test_the_time_begins_with_the_call(flavour: Flavour, seconds: float, ends_after: float, works: Works) -> None:
    """The seconds for which a close waits for what is lent include those that the closers of idle objects take."""

    async def close_slowly(thing: Thing) -> None:
        await sleep(seconds)
        works.close(thing)

    async def main(scheduler: FakeScheduler) -> None:
        pool = AsyncPool(works.make, 2, 0, closer=close_slowly)
        lent, idle = await pool.get(), await pool.get()
        await pool.ret(idle)
        began = now()
        await pool.close(10)
        assert now() == pytest.approx(began + ends_after)
        assert works.closed == [idle]
        await pool.ret(lent)

    run_in_virtual_time(flavour, main)


@both
def test_closed_in_the_block_of_the_pool(flavour: Flavour, scheduler: FakeScheduler) -> None:
    """At the end of its block a pool closes what is idle, and waits for that, also if the block failed.

    Then it cannot be entered again.
    """
    closers = Closers()
    pool = closers.pool(2)

    async def block() -> None:
        async with pool:
            await waits(pool)
            raise ZeroDivisionError

    async def main() -> None:
        with pytest.raises(ZeroDivisionError):
            await block()
        with pytest.raises(PoolClosed, match="is closed"):
            await block()
        assert closers.done == closers.works.made
        assert len(closers.done) == 1

    run_task(flavour, main)


@both
def test_a_close_after_a_cancelled_get_ends(flavour: Flavour, scheduler: FakeScheduler, works: Works) -> None:
    """A task that was cancelled while it waited, or while its object was created, holds up no close."""

    async def connect(number: int) -> Thing:
        if number:
            await pause(100)
        return works.make(number)

    pool: AsyncPool[Thing] = AsyncPool(connect, 2, 0, closer=works.close)

    async def main() -> None:
        async with crowd() as tasks:
            thing = await pool.get()
            creating = await tasks.start(partial(waits, pool))
            waiting = await tasks.start(partial(waits, pool))
            creating.cancel()
            waiting.cancel()
            await tasks.all_ended()
            closing = await tasks.start(partial(pool.close, 60))
            await pool.ret(thing)
            await until(lambda: closing.ended)
            closing.outcome()
        assert works.closed == works.made == [thing]
        assert pool.stats()["nobjs"] == 0

    run_task(flavour, main)


@both
def test_timed_out_though_it_is_created(flavour: Flavour, works: Works) -> None:
    """A time limit of the task's ends a creation; what the pool's own timeout does not end goes to its caller."""

    async def connect(number: int) -> Thing:
        await sleep(3)
        return works.make(number)

    async def main(scheduler: FakeScheduler) -> None:
        pool = AsyncPool(connect, 1, 0, closer=works.close)
        thing = await pool.get(1)  # bounds the wait in the queue, not the creation
        async with crowd(nap) as tasks:
            waiting = await tasks.start(partial(pool.get, 1))
            await sleep(2)
            with pytest.raises(TimeOut):
                waiting.outcome()
            await pool.ret(thing)
        assert pool.stats()["navail"] == 1
        await pool.close()
        assert works.closed == [thing]

    run_in_virtual_time(flavour, main)


def test_closed_by_a_signal_to_the_program(scheduler: FakeScheduler) -> None:
    """Where ``asyncio.run`` cancels the main task, the block of a pool waits for the closers all the same."""
    closers = Closers(20)

    async def main() -> None:
        async with closers.pool(2) as pool:
            await waits(pool)
            task = asyncio.current_task()
            assert task is not None
            task.cancel()
            await pause()

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(main())
    assert closers.done == closers.works.made
    assert len(closers.done) == 1


class Resets(Closers):
    """A retter that takes a while, too."""

    def __init__(self, pauses: int = 20) -> None:
        super().__init__(pauses)
        self.reset: list[Thing] = []

    async def ret(self, thing: Thing) -> None:
        await pause(self.pauses)
        self.reset.append(thing)

    def pool(self, max_size: int) -> AsyncPool[Thing]:
        return AsyncPool(self.works.make, max_size, 0, retter=self.ret, closer=self.close)


def end_at_once(flavour: Flavour, hook: str, pool: AsyncPool[Thing]) -> None:
    """End a loop while a hook is under way."""

    async def main() -> None:
        thing = await pool.get()
        _ = pool.ret(thing) if hook == "retter" else pool.discard(thing)
        await pause()

    trio.run(main) if flavour == "trio" else asyncio.run(main())


@both
@pytest.mark.parametrize("hook", ["retter", "closer"])
def test_what_is_under_way_at_the_end_of_a_loop_is_finished(flavour: Flavour, hook: str, real: Scheduler) -> None:
    """It is not cut off where ``asyncio.run`` cancels all tasks, or ``trio.run`` all system tasks."""
    resets = Resets()
    end_at_once(flavour, hook, resets.pool(1))
    assert resets.done == resets.works.made
    assert resets.reset == (resets.works.made if hook == "retter" else [])


@both
@pytest.mark.parametrize("hook", ["retter", "closer"])
def test_what_hangs_at_the_end_of_a_loop_is_cut_off(
    flavour: Flavour, hook: str, real: Scheduler, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After two seconds: a retter, and the closer that is called for its object then."""
    monkeypatch.setattr(async_core, "END_TIME", 0.01)
    monkeypatch.setattr(trio_hub, "UNFINISHED", 0.01)
    resets = Resets(1_000_000_000)
    end_at_once(flavour, hook, resets.pool(1))
    assert resets.works.closed == resets.works.made
    assert len(resets.works.closed) == 1
    assert resets.done == resets.reset == []


def test_nobody_watches_the_main_task_for_longer_than_hooks_last(
    scheduler: FakeScheduler, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In trio there is a task for that, which ends when there is nothing to finish any more."""
    monkeypatch.setattr(trio_hub, "WATCH", 0)
    resets = Resets()
    pool = resets.pool(1)

    async def main() -> None:
        tasks = trio.lowlevel.current_statistics().tasks_living
        for _ in range(2):
            await waits(pool)
            await until(lambda: trio.lowlevel.current_statistics().tasks_living == tasks)

    trio.run(main)
    assert len(resets.reset) == 2
