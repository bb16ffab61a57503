"""What a pool for tasks does at the end of its event loop, and when it is dropped; nothing is left of either."""

from __future__ import annotations

import asyncio
import gc
import threading
import weakref
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator, Iterator
from contextlib import contextmanager, suppress
from time import monotonic
from typing import Any, cast

import pytest
import trio

from ProxyPatternPool import AsyncLease, AsyncPool, PoolClosed
from ProxyPatternPool._engine.core import Core
from ProxyPatternPool._pool.async_pool import async_core_of, tasks_of
from ProxyPatternPool._runtime.asyncio_hub import AsyncioLoop
from ProxyPatternPool._runtime.task_loops import running_task_loop
from ProxyPatternPool._runtime.trio_hub import TrioLoop
from ProxyPatternPool._scheduler.dispatch import Dispatcher
from ProxyPatternPool._scheduler.maintained import Maintained
from ProxyPatternPool._scheduler.scheduler import Scheduler

from .clock import FakeScheduler, HandMovedClock
from .helpers import Thing, eventually, said
from .tasks import Server, both, forget_loop, run_in, turn
from .throwing import Thrower, Thrown, throwing

# The end of a loop. --------------------------------------------------------------------------------------


@both
def test_a_creation_that_a_loop_ends(flavour: str, real: Scheduler, caplog: pytest.LogCaptureFixture) -> None:
    """A creation under way ends with its loop, a caller's as well as one of maintenance, and nothing is logged."""
    began = threading.Semaphore(0)
    ended: list[int] = []

    async def hangs(number: int) -> Thing:
        began.release()
        try:
            await (trio.sleep_forever() if flavour == "trio" else asyncio.Event().wait())
        finally:
            ended.append(number)
        raise AssertionError("it waits for ever")

    pool = AsyncPool(hangs, 3, 2, name="books")

    async def begins() -> None:
        waiting = asyncio.ensure_future(pool.get()) if flavour == "asyncio" else None
        await pool.__aenter__()
        for _ in range(2):
            while not began.acquire(blocking=False):
                await (trio.sleep(0.001) if flavour == "trio" else asyncio.sleep(0.001))
        if waiting is not None:
            waiting.add_done_callback(lambda task: task.cancelled() or task.exception())

    run_in(flavour, begins)
    assert sorted(ended)[:2] == [0, 1]
    assert repr(pool) == "<AsyncPool books: its event loop has ended, 0 idle, 0 in use, 0 waiting, max 3>"
    stats = pool.stats()
    assert stats["nobjs"] == stats["hk_errors"] == 0
    assert said(caplog) == []


@both
def test_a_lease_that_is_dropped_at_the_end(
    flavour: str, scheduler: FakeScheduler, caplog: pytest.LogCaptureFixture
) -> None:
    """What was dropped at the end of its loop is closed there, though maintenance had no time to see it."""
    server = Server()
    pool = server.pool()
    kept: list[AsyncLease[Thing]] = []

    async def drops() -> None:
        kept.append(await pool.lease())
        kept.clear()

    run_in(flavour, drops)
    assert server.works.closed == server.works.made
    assert len(server.works.made) == 1
    (line,) = said(caplog)
    assert line.endswith(" without release()")


@both
@pytest.mark.parametrize("way", ["ret", "release"])
def test_given_back_by_a_thread_at_the_end(
    flavour: str,
    way: str,
    scheduler: FakeScheduler,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """What the end of a loop has found with a task that has ended, a thread may give back: it is closed once."""
    server = Server()
    pool = server.pool()
    core = async_core_of(pool)
    kept: list[AsyncLease[Thing]] = []
    log = core.log_later

    def give_back() -> None:
        _ = pool.ret(kept[0].obj) if way == "ret" else kept[0].release()

    def log_when_a_thread_has_come(*arguments: Any) -> None:
        # The line is logged after the look, and before what was found is taken back.
        thread = threading.Thread(target=give_back)
        thread.start()
        thread.join()
        log(*arguments)

    monkeypatch.setattr(core, "log_later", log_when_a_thread_has_come)

    async def main() -> None:
        kept.append(await pool.lease())

    run_in(flavour, main)
    assert server.works.closed == server.works.made
    kept.clear()
    assert pool.stats()["nobjs"] == 0
    scheduler.run()
    (line,) = said(caplog)
    assert line.startswith("pool 'books': ")
    assert f" of {flavour} " in line
    assert line.endswith(" ends, and closes 1 object that tasks had when they ended")


@both
def test_what_is_lost_is_not_reset(flavour: str, scheduler: FakeScheduler) -> None:
    """What tasks had when they ended is closed without the retter: nobody knows in what state it is."""
    server = Server()
    reset: list[Thing] = []
    pool = server.pool(retter=reset.append)
    run_in(flavour, pool.get)
    assert server.works.closed == server.works.made
    assert reset == []


@both
@pytest.mark.parametrize(("hanging", "what"), [(1, "1 object"), (2, "2 objects")])
def test_a_hook_that_hangs_at_the_end(
    flavour: str,
    hanging: int,
    what: str,
    scheduler: FakeScheduler,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A closer that hangs holds up the end of its loop for two seconds, and no object but its own is left open."""
    monkeypatch.setattr("ProxyPatternPool._engine.async_core.END_TIME", 0.02)
    closed: list[int] = []

    async def close(number: int) -> None:
        if number < hanging:
            await (trio.sleep_forever() if flavour == "trio" else asyncio.Event().wait())
        closed.append(number)

    pool: AsyncPool[int] = AsyncPool(lambda number: number, 3, 0, closer=close)

    async def uses() -> None:
        async with pool.obj(), pool.obj(), pool.obj():
            pass

    run_in(flavour, uses)
    assert sorted(closed) == [*range(hanging, 3)]
    assert pool.stats()["nobjs"] == 0
    scheduler.run()
    (line,) = said(caplog)
    assert line.endswith(f" has ended, and has left {what} open")


@both
def test_a_hook_that_ends_the_program(flavour: str, scheduler: FakeScheduler, caplog: pytest.LogCaptureFixture) -> None:
    """Its object is as open, or closed, as with any other error of a closer: the end of the loop has left nothing."""
    server = Server()

    async def close(thing: Thing) -> None:
        await server.close(thing)
        raise SystemExit

    pool: AsyncPool[Thing] = AsyncPool(server.make, 1, 0, closer=close)

    async def uses() -> None:
        with pytest.raises(SystemExit):
            await pool.discard(await pool.get())

    run_in(flavour, uses)
    assert pool.stats()["nobjs"] == 0
    scheduler.run()
    assert server.works.closed == server.works.made
    assert said(caplog) == []


@both
def test_a_check_that_hangs_at_the_end(
    flavour: str, scheduler: FakeScheduler, clock: HandMovedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is of no use then, and nobody waits for it; until then its task is known by the name of the library."""
    monkeypatch.setattr("ProxyPatternPool._engine.async_core.END_TIME", 60.0)
    names: list[str] = []

    async def check(_: Thing) -> bool:
        names.append(name_of_task(flavour))
        await (trio.sleep_forever() if flavour == "trio" else asyncio.Event().wait())
        return True

    pool = AsyncPool(Thing, 1, 0, health=check, hk_delay=5)

    async def uses() -> None:
        await pool.ret(await pool.get())
        clock.advance(5)
        scheduler.look_at(async_core_of(pool))
        await turn(10)

    start = monotonic()
    run_in(flavour, uses)
    assert monotonic() - start < 30
    assert names == ["ProxyPatternPool"]


@both
def test_the_task_of_a_closer(flavour: str, scheduler: FakeScheduler) -> None:
    """It is known by that name, too."""
    names: list[str] = []

    async def close(_: Thing) -> None:
        names.append(name_of_task(flavour))

    async def uses() -> None:
        pool = AsyncPool(Thing, 1, 0, closer=close)
        await pool.discard(await pool.get())

    run_in(flavour, uses)
    assert names == ["ProxyPatternPool"]


def name_of_task(flavour: str) -> str:
    if flavour == "trio":
        return trio.lowlevel.current_task().name
    task = asyncio.current_task()
    assert task is not None
    return task.get_name()


async def waits_for_a_return(pool: AsyncPool[Thing], scheduler: FakeScheduler) -> None:
    await pool.ret(await pool.get())


async def discards(pool: AsyncPool[Thing], scheduler: FakeScheduler) -> None:
    await pool.discard(await pool.get())


async def drops_a_lease(pool: AsyncPool[Thing], scheduler: FakeScheduler) -> None:
    await pool.lease(quiet=True)
    scheduler.run()


async def closes(pool: AsyncPool[Thing], scheduler: FakeScheduler) -> None:
    async with pool.obj():
        pass
    await pool.close()


async def reset(_: Thing) -> None:
    await turn()


@pytest.mark.parametrize("use", [waits_for_a_return, discards, drops_a_lease, closes])
@pytest.mark.parametrize("with_retter", [False, True])
def test_stopped_and_closed(
    use: Callable[[AsyncPool[Thing], FakeScheduler], Coroutine[Any, Any, None]],
    with_retter: bool,
    scheduler: FakeScheduler,
    caplog: pytest.LogCaptureFixture,
    recwarn: pytest.WarningsRecorder,
) -> None:
    """Whenever a loop is stopped and closed without its end, nothing that a hook has returned was never awaited."""
    outcomes: set[int] = set()
    for turns in range(1, 12):
        server = Server()
        pool = server.pool(retter=reset if with_retter else None, max_use=1)
        loop = asyncio.new_event_loop()
        task = loop.create_task(use(pool, scheduler))
        cast("Any", task)._log_destroy_pending = False
        for _ in range(turns):
            loop.call_soon(loop.stop)
            loop.run_forever()
        loop.close()
        del task, loop
        caplog.clear()
        assert pool.stats()["nobjs"] == 0  # it starts empty
        scheduler.run()
        left = len(server.works.alive)
        assert [line[-27:] for line in said(caplog)] == [" and has left 1 object open"] * left
        outcomes.add(left)
    gc.collect()
    assert [str(warning.message) for warning in recwarn] == []
    assert outcomes == {0, 1}


def test_what_cannot_be_closed(scheduler: FakeScheduler) -> None:
    """What a hook returns may be awaited by an iterator of the user's that has no more methods than iterators have."""

    class Soon:
        def __await__(self) -> Iterator[None]:
            return iter(())

    async def main() -> None:
        pool = AsyncPool(Thing, 1, 0, closer=lambda _: Soon())
        _ = pool.discard(await pool.get())
        loop.stop()  # in this turn: the task that is to await it does not begin

    loop = asyncio.new_event_loop()
    task = loop.create_task(main())
    loop.run_forever()
    assert task.done()
    loop.close()


@both
def test_generators_that_are_finalized_at_the_end(flavour: str, scheduler: FakeScheduler) -> None:
    """Asynchronous generators that were left in the middle come first: what they have, and what they use, is closed."""
    server = Server()
    pool = server.pool()
    kept: list[AsyncGenerator[Thing, None]] = []
    used: list[Thing] = []

    async def generate() -> AsyncGenerator[Thing, None]:
        async with pool.obj() as thing:
            try:
                yield thing
            finally:
                await turn()
                async with pool.obj() as other:
                    used.append(other)

    async def uses_late() -> AsyncGenerator[Thing, None]:
        try:
            yield Thing(0)
        finally:
            async with pool.obj(10) as thing:
                used.append(thing)

    async def leaves() -> None:
        for begin in (uses_late, generate, uses_late):
            kept.append(begin())
            await kept[-1].__anext__()

    run_in(flavour, leaves)
    if flavour == "asyncio":  # trio finalizes them in a scope that is cancelled
        assert len(used) == 3
    assert server.works.alive == []
    kept.clear()


def test_a_generator_that_hangs_at_the_end(scheduler: FakeScheduler, monkeypatch: pytest.MonkeyPatch) -> None:
    """It holds up its loop, and no pool: others are closed though it never ends."""
    monkeypatch.setattr("ProxyPatternPool._runtime.asyncio_hub.OTHERS_TIME", 0.02)
    server = Server()
    pool = server.pool()
    kept: list[AsyncGenerator[None, None]] = []

    async def hangs() -> AsyncGenerator[None, None]:
        try:
            yield
        finally:
            while server.works.alive:
                await asyncio.sleep(0.001)

    async def leaves() -> None:
        kept.append(hangs())
        await kept[0].__anext__()
        async with pool.obj():
            pass

    asyncio.run(leaves())
    assert server.works.closed == server.works.made
    kept.clear()


def test_an_end_that_is_the_only_one(scheduler: FakeScheduler) -> None:
    """Whoever ends the generator of a loop by itself has what is idle closed."""
    server = Server()
    pool = server.pool()

    async def uses() -> None:
        async with pool.obj():
            pass
        loop = running_task_loop()
        assert isinstance(loop, AsyncioLoop)
        assert loop._end._generator is not None
        await loop._end._generator.aclose()
        assert server.works.closed == server.works.made

    asyncio.run(uses())


@both
def test_a_generator_that_has_a_pool(flavour: str, scheduler: FakeScheduler) -> None:
    """A block that is left by the end of its generator cannot wait: maintenance closes the pool."""
    server = Server()

    async def generate() -> AsyncGenerator[AsyncPool[Thing], None]:
        async with server.pool() as pool:
            yield pool

    async def main() -> None:
        generator = generate()
        pool = await generator.__anext__()
        async with pool.obj():
            pass
        await generator.aclose()
        scheduler.run()
        await turn(10)
        assert server.works.closed == server.works.made
        with pytest.raises(PoolClosed):
            await pool.get()

    run_in(flavour, main)


@contextmanager
def no_garbage(*kept: object) -> Generator[None]:
    """Have nothing finalized meanwhile, where what is thrown in would only be printed."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        del kept


def begin_to_live(flavour: str, place: int, before: str, *, again: bool) -> list[Thrown]:
    """Have a pool that is new to its loop begin to live there, with something thrown in; say what.

    Args:
        flavour: Of the loops.
        place: Where.
        before: What became of the loop in which the pool was before: ``"none"`` if there was none.
        again: Whether the pool is used in that loop nevertheless, and not only in the next.
    """
    server = Server()
    pool = server.pool()
    thrown: list[Thrown] = []

    async def uses() -> None:
        async with pool.obj():
            pass

    async def main() -> None:
        with no_garbage(async_core_of(pool).driver.loop):
            try:
                with throwing(Thrower(place)):
                    tasks_of(pool).bind()
            except Thrown as error:
                thrown.append(error)
        if again:
            await uses()
            assert async_core_of(pool).hub is running_task_loop(), thrown

    if before == "ended":
        run_in(flavour, uses)
    elif before == "closed":
        forget_loop(uses)
    left = list(server.works.alive)  # nobody can close it
    run_in(flavour, main)
    assert len(server.works.made) == (before != "none") + again, thrown
    assert server.works.alive == left, thrown
    run_in(flavour, uses)
    assert len(server.works.made) == (before != "none") + again + 1, thrown
    assert server.works.alive == left, thrown
    return thrown


@both
@pytest.mark.parametrize("before", ["none", "ended", "closed"])
@pytest.mark.parametrize("again", [True, False])
def test_interrupted_where_it_begins_to_live_in_a_loop(
    flavour: str, before: str, again: bool, scheduler: FakeScheduler
) -> None:
    """Wherever something is thrown in, the pool is maintained in its loop, closed at its end, and serves the next."""
    place = 0
    while begin_to_live(flavour, place, before, again=again):
        place += 1
    assert place > 20


def test_interrupted_where_it_begins_to_live_beside_another_loop(scheduler: FakeScheduler) -> None:
    """The end of the loop in which that was interrupted leaves alone what lives in another since."""
    server = Server()

    async def begin(pool: AsyncPool[Thing], place: int) -> bool:
        with no_garbage(), suppress(Thrown):
            with throwing(Thrower(place)):
                tasks_of(pool).bind()
            return False
        return True

    async def use(pool: AsyncPool[Thing]) -> Thing:
        async with pool.obj() as thing:
            return thing

    place = 0
    while True:
        pool = server.pool()
        first, second = asyncio.new_event_loop(), asyncio.new_event_loop()
        if not first.run_until_complete(begin(pool, place)) or async_core_of(pool).driver.loop is not None:
            break
        thing = second.run_until_complete(use(pool))
        first.run_until_complete(first.shutdown_asyncgens())
        first.close()
        assert second.run_until_complete(use(pool)) is thing
        second.run_until_complete(second.shutdown_asyncgens())
        second.close()
        place += 1
    for loop in (first, second):
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()
    assert place > 20
    assert server.works.alive == []


def test_looked_at_between_two_loops(scheduler: FakeScheduler) -> None:
    """Nobody is taken for a task of the first, and the second has the pool."""
    server = Server()
    pool = server.pool()

    async def use() -> Thing:
        async with pool.obj() as thing:
            return thing

    first = asyncio.run(use())
    assert pool.stats()["nobjs"] == 0
    assert asyncio.run(use()) is not first
    assert server.works.alive == []


# Dropped. ------------------------------------------------------------------------------------------------


@both
def test_dropped_in_its_loop(flavour: str, real: Scheduler) -> None:
    """A pool that is dropped without a close has its objects closed by its loop, those that are lent later."""
    server = Server()

    async def drops() -> None:
        pool = server.pool()
        leases = [await pool.lease()]
        async with pool.obj():
            pass
        reference = weakref.ref(pool)
        del pool
        assert reference() is None
        while len(server.works.closed) < 1:
            await (trio.sleep(0.001) if flavour == "trio" else asyncio.sleep(0.001))
        assert server.works.closed == [server.works.made[1]]
        leases.clear()
        while len(server.works.closed) < 2:
            await (trio.sleep(0.001) if flavour == "trio" else asyncio.sleep(0.001))

    run_in(flavour, drops)
    assert server.works.alive == []


@both
@pytest.mark.parametrize("min_size", [0, 1])
@pytest.mark.parametrize("begun", [False, True])
def test_dropped_when_it_has_nothing(flavour: str, min_size: int, begun: bool, scheduler: FakeScheduler) -> None:
    """It leaves nothing in its loop, and maintenance, which may be about to create something, closes that."""
    server = Server()

    async def main() -> None:
        pool = server.pool(2, min_size)
        await pool.discard(await pool.get())
        core = async_core_of(pool)
        if begun:
            core.run_due()
        del pool
        core.run_chores()
        del core
        await turn(10)
        assert len(server.works.made) == (2 if begun and min_size else 1)
        scheduler.run()
        await turn(10)
        assert server.works.alive == []
        loop = running_task_loop()
        assert isinstance(loop, AsyncioLoop | TrioLoop)
        assert not loop._end._lasts

    run_in(flavour, main)


@both
def test_closed_while_something_is_lent(flavour: str, scheduler: FakeScheduler) -> None:
    """It leaves nothing in its loop once that is back."""
    server = Server()

    async def main() -> None:
        pool = server.pool()
        thing = await pool.get()
        await pool.close()
        loop = running_task_loop()
        assert isinstance(loop, AsyncioLoop | TrioLoop)
        assert loop._end._lasts
        await pool.ret(thing)
        assert server.works.closed == [thing]
        assert not loop._end._lasts

    run_in(flavour, main)


@both
def test_dropped_after_its_loop(flavour: str, scheduler: FakeScheduler, caplog: pytest.LogCaptureFixture) -> None:
    """A pool that is dropped when its loop has ended does nothing any more, and says nothing about that."""
    server = Server()
    kept: list[Thing] = []
    pools = [server.pool()]

    async def borrows() -> None:
        kept.append(await pools[0].get())

    run_in(flavour, borrows)
    pools.clear()
    scheduler.run()
    assert server.works.closed == kept
    assert [line for line in said(caplog) if "closes 1 object that" not in line] == []


def ours() -> list[object]:
    """All objects of this package that there are."""
    gc.collect()
    return [each for each in gc.get_objects() if str(type(each).__module__).startswith("ProxyPatternPool")]


@both
@pytest.mark.parametrize("closing", [True, False])
def test_many_pools_in_one_loop(flavour: str, closing: bool, real: Scheduler) -> None:
    """A thousand pools that were closed, or dropped, leave nothing in their loop."""
    server = Server()

    async def one() -> None:
        pool = server.pool()
        async with pool.obj():
            pass
        if closing:
            await pool.close()

    async def many() -> None:
        await one()
        before = len(ours())
        for _ in range(1000):
            await one()
        while server.works.alive or len(ours()) > before + 20:  # the scheduler has some in hand for a moment
            await (trio.sleep(0.01) if flavour == "trio" else asyncio.sleep(0.01))

    run_in(flavour, many)


@pytest.mark.parametrize("run", [asyncio.run, forget_loop], ids=["ended", "closed"])
def test_no_maintenance_afterwards(
    run: Callable[[Any], object], scheduler: FakeScheduler, clock: HandMovedClock, caplog: pytest.LogCaptureFixture
) -> None:
    """What is lent when its loop ends is neither warned of nor killed, and no more rounds are done until the next."""
    pool = AsyncPool(Thing, 1, 0, max_using_delay=1, max_using_delay_kill=2, name="books")
    kept: list[AsyncLease[Thing]] = []

    async def main() -> None:
        kept.append(await pool.lease())
        await pool.ret(Thing(1))

    for _ in range(2):
        run(main() if run is asyncio.run else main)
        clock.advance(10)
        assert scheduler.look_at(async_core_of_ended(pool)) is None
        kept.clear()
        assert scheduler.look_at(async_core_of_ended(pool)) is None
    lines = said(caplog)
    expected = "not lent here", "has left 1 object open", "closes 1 object that tasks had when they ended"
    assert [line for line in lines if not any(part in line for part in expected)] == []
    assert len(lines) == (4 if run is asyncio.run else 3)


def test_what_is_queued_when_a_loop_ends(scheduler: FakeScheduler, clock: HandMovedClock) -> None:
    """It is given up, as is what threads leave to it later: else workers would be asked to do it again and again."""
    pool = AsyncPool(Thing, 2, 0, retter=reset, health=lambda _: True, hk_delay=5)
    core = pool._core
    kept: list[Thing] = []

    async def main() -> None:
        kept.append(await pool.get())
        async with pool.obj():
            pass
        clock.advance(5)
        core.run_due()

    forget_loop(main)
    for _ in range(2):
        assert core.queued_in_hub
        assert core.run_due() is None
        assert not core.queued_in_hub
        if kept:
            pool.ret(kept.pop()).close()


def test_what_is_said_when_a_loop_has_ended(real: Scheduler, caplog: pytest.LogCaptureFixture) -> None:
    """Lines are logged as before: a worker does that."""
    pool = AsyncPool(Thing, 1, 0)

    async def main() -> None:
        await pool.ret(await pool.get())

    forget_loop(main)
    pool.ret(Thing(7)).close()
    eventually(lambda: caplog.records)


def async_core_of_ended(pool: AsyncPool[Thing]) -> Core[Thing]:
    """Its parts, without a look that would have it start over."""
    return pool._core


@pytest.mark.parametrize("run", [asyncio.run, forget_loop], ids=["ended", "closed"])
def test_dropped_and_left(run: Callable[[Any], object], scheduler: FakeScheduler) -> None:
    """A pool that is dropped while something is lent, and whose loop ends before that comes back, is not kept."""
    server = Server()
    kept: list[AsyncLease[Thing]] = []
    cores: list[weakref.ref[object]] = []

    async def main() -> None:
        pool = server.pool()
        cores.append(weakref.ref(async_core_of(pool)))
        kept.append(await pool.lease())
        del pool
        scheduler.run()

    run(main() if run is asyncio.run else main)
    kept.clear()
    scheduler.run()
    core = cores[0]()
    if core is not None:
        Dispatcher(scheduler.clock, scheduler.timing, scheduler.workers).dispatch(cast("Maintained", core))
    del core
    gc.collect()
    assert cores[0]() is None


@both
def test_many_loops_with_one_pool(flavour: str, scheduler: FakeScheduler) -> None:
    """A thousand loops leave nothing in their pool, and it keeps none of them."""
    pool = AsyncPool(Thing, 2, 0)

    async def uses() -> None:
        async with pool.obj():
            pass

    run_in(flavour, uses)
    before = len(ours())
    for _ in range(1000):
        run_in(flavour, uses)
    scheduler.run()
    assert len(ours()) <= before + 20
