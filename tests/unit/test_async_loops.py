"""A pool for tasks and its event loops: it lives in the one that first uses it, and starts empty in the next."""

from __future__ import annotations

import asyncio
import gc
import io
import sys
import threading
from collections.abc import Callable
from typing import Any

import pytest
import trio

from ProxyPatternPool import AsyncLease, AsyncPool, PoolClosed, PoolException
from ProxyPatternPool._pool.async_pool import async_core_of, tasks_of
from ProxyPatternPool._pool.either import core_of_either
from ProxyPatternPool._runtime.native import GIL
from ProxyPatternPool._scheduler.scheduler import Scheduler

from .clock import FakeScheduler
from .helpers import DEADLINE, Caller, Thing, eventually, said
from .tasks import Server, both, forget_loop, run_in, turn


def end_of(line: str) -> str:
    """The part of a line that says how many objects are left."""
    assert line.startswith("pool 'books': the "), line
    return line.partition(" has ended, and has left ")[2]


def without_weak_references(number: int) -> object:
    return object()


# One after the other. --------------------------------------------------------------------------------


@both
def test_made_before_any_loop(flavour: str, scheduler: FakeScheduler) -> None:
    """A pool can be made at import: it does nothing before its first use, and closes at the end of the loop."""
    server = Server()
    pool = server.pool(min_size=1)
    scheduler.run()
    assert server.works.numbers == []
    assert pool.stats()["nobjs"] == 0
    assert "ended" not in repr(pool)

    async def uses() -> None:
        async with pool.obj() as thing:
            assert thing.number == 0

    run_in(flavour, uses)
    assert server.works.closed == server.works.made
    assert len(server.works.made) == 1


@both
def test_a_second_loop(flavour: str, scheduler: FakeScheduler, caplog: pytest.LogCaptureFixture) -> None:
    """The next loop starts with an empty pool; nothing is said, since nothing was left."""
    server = Server()
    pool = server.pool()

    async def uses() -> Thing:
        async with pool.obj() as thing:
            return thing

    assert run_in(flavour, uses) is not run_in(flavour, uses)
    assert server.works.alive == []
    assert said(caplog) == []


@both
def test_what_tasks_had_when_they_ended(
    flavour: str, scheduler: FakeScheduler, caplog: pytest.LogCaptureFixture
) -> None:
    """At the end of the loop what a task had is closed, since nobody gives it back; one line says how many there were.

    So no thread or socket of theirs outlives the loop. A lease of one ends without a word.
    """
    server = Server()
    pool = server.pool(3)
    leases: list[AsyncLease[Thing]] = []

    async def borrows(count: int) -> None:
        async with pool.obj():
            leases.extend([await pool.lease() for _ in range(count)])
            assert [lease.obj for lease in leases] == server.works.alive[-count:]

    async def returns() -> None:
        async with pool.obj() as thing:
            assert all(thing is not lease.obj for lease in leases)
            for lease in leases:
                await lease.release()
            assert pool.stats()["nobjs"] == 1

    for count, closed in ((2, "2 objects"), (1, "1 object")):
        caplog.clear()
        run_in(flavour, lambda count=count: borrows(count))  # type: ignore[misc]
        assert server.works.alive == []
        run_in(flavour, returns)
        (line,) = said(caplog)
        assert line.endswith(f" ends, and closes {closed} that tasks had when they ended"), line
        leases.clear()


def test_what_comes_back_when_a_loop_has_ended(scheduler: FakeScheduler, caplog: pytest.LogCaptureFixture) -> None:
    """Nobody can close what a thread gives back then, and it is counted among what the loop has left."""
    server = Server()
    pool = server.pool(2)
    lent: list[Thing] = []

    async def borrows() -> None:
        lent.extend([await pool.get(), await pool.get()])

    forget_loop(borrows)
    for thing in lent:
        _ = pool.ret(thing)
    lent.clear()
    scheduler.run()
    assert pool.stats()["nobjs"] == 0
    assert [end_of(line) for line in said(caplog)] == ["2 objects open"]


@pytest.mark.parametrize("run", [asyncio.run, forget_loop], ids=["ended", "closed"])
@pytest.mark.parametrize("make", [Thing, without_weak_references])
def test_given_back_in_the_next_loop(
    run: Callable[[Any], object],
    make: Callable[[int], object],
    scheduler: FakeScheduler,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """It is said that its loop has ended, and what to do; of what takes no weak reference nobody knows."""
    pool = AsyncPool(make, 1, 0, name="books")
    lent: list[object] = []

    async def borrows() -> None:
        lent.append(await pool.get())

    async def returns() -> None:
        async with pool.obj():
            for thing in lent:
                await pool.ret(thing)
            await pool.ret(make(2))

    run(borrows() if run is asyncio.run else borrows)
    run(returns() if run is asyncio.run else returns)
    *_, old, new = said(caplog)
    assert new.startswith("pool 'books': not lent here")
    if make is Thing:
        assert old == (
            f"pool 'books': <Thing at {id(lent[0]):#x}> is not taken back: it was lent in an event loop that has "
            f"ended, and is not lent any more. Give objects back before their loop ends, and get others in the next"
        )
    else:
        assert old.startswith("pool 'books': not lent here")


def test_a_loop_that_is_closed_without_its_end(scheduler: FakeScheduler, caplog: pytest.LogCaptureFixture) -> None:
    """Nobody could close what was idle, which is said; what was only being created is no object yet."""
    server = Server()
    server.slow = 2
    pool = server.pool(5)
    tasks: list[asyncio.Task[Thing]] = []

    async def leaves() -> None:
        async with pool.obj(), pool.obj():
            pass
        await pool.get()
        tasks.append(asyncio.ensure_future(pool.get()))
        tasks.append(asyncio.ensure_future(pool.get()))
        await turn()
        assert async_core_of(pool).count().creating == 1

    async def goes_on() -> None:
        async with pool.obj():
            assert pool.stats()["nobjs"] == 1

    forget_loop(leaves)
    asyncio.run(goes_on())
    assert [end_of(line) for line in said(caplog)] == ["2 objects open"]
    forget(tasks)


def forget(tasks: list[asyncio.Task[Any]]) -> None:
    """Drop tasks that will never end, without asyncio's word about them."""
    for task in tasks:
        vars(asyncio.Task)["_log_destroy_pending"].__set__(task, False)
    tasks.clear()
    gc.collect()


def test_tasks_of_a_loop_that_was_closed(scheduler: FakeScheduler) -> None:
    """Tasks that a closed loop has left are destroyed at any time: the pool, in its next loop, does not notice."""
    server = Server()
    server.slow = 1
    pool = server.pool(2)
    tasks: list[asyncio.Task[Thing]] = []

    async def leaves() -> None:
        held = await pool.get()
        tasks.append(asyncio.ensure_future(pool.get()))  # creates
        await turn()
        tasks.append(asyncio.ensure_future(pool.get()))  # waits
        tasks.append(asyncio.ensure_future(pool.get()))  # is handed an object, and does not come to see it
        await turn()
        await pool.ret(held)
        assert async_core_of(pool).count().creating == 1

    async def goes_on() -> None:
        async with pool.obj() as thing:
            before = pool.stats()
            forget(tasks)
            after = pool.stats()
            same = ("nobjs", "nusing", "nwaiting", "nerrors", "wait_time", "last_error", "nborrows")
            assert [before[key] for key in same] == [after[key] for key in same]  # type: ignore[literal-required]
            assert thing is server.works.made[-1]
            async with pool.obj(0) as other:
                assert other is not server.works.made[0]

    forget_loop(leaves)
    server.slow = None
    asyncio.run(goes_on())
    assert pool.stats()["nobjs"] == 0


def test_nobody_can_do_what_a_closed_loop_has_left(scheduler: FakeScheduler) -> None:
    """What maintenance would do in a loop that is closed is dropped, and not tried again and again."""
    server = Server()
    pool = server.pool(1, retter=server.works.make)
    kept: list[AsyncLease[Thing]] = []

    async def borrows() -> None:
        kept.append(await pool.lease())

    forget_loop(borrows)
    kept.clear()
    scheduler.run()
    assert not async_core_of(pool).queued_in_hub


@both
def test_closed_for_ever(flavour: str, scheduler: FakeScheduler) -> None:
    """A pool that was closed is so in the next loop, too; one that the end of its loop has closed is not."""
    server = Server()
    pool = server.pool()

    async def closes() -> None:
        async with pool, pool.obj():
            pass

    async def is_closed() -> None:
        with pytest.raises(PoolClosed):
            await pool.get()

    run_in(flavour, closes)
    assert repr(pool) == "<AsyncPool books: closed, 0 idle, 0 in use, 0 waiting, max 2>"
    run_in(flavour, is_closed)
    run_in(flavour, is_closed)
    assert pool.stats()["shutdown"]


@both
def test_shown_between_two_loops(flavour: str, scheduler: FakeScheduler) -> None:
    """In words the pool is not closed then: its loop has ended. Its statistics are those of an empty pool."""
    server = Server()
    pool, other = server.pool(), server.pool()
    kept: list[Thing] = []

    async def borrows() -> None:
        kept.extend([await pool.get(), await other.get()])

    run_in(flavour, borrows)
    assert not core_of_either(other).ledger.closed
    assert repr(pool) == "<AsyncPool books: its event loop has ended, 0 idle, 0 in use, 0 waiting, max 2>"
    written = io.StringIO()
    pool.dump(written)
    assert written.getvalue().startswith("pool 'books', its event loop has ended: 0 idle, 0 lent")
    stats = pool.stats()
    assert (stats["nobjs"], stats["nusing"], stats["shutdown"]) == (0, 0, False)
    assert pool.owners() == []
    assert repr(pool) == "<AsyncPool books: 0 idle, 0 in use, 0 waiting, max 2>"


def test_a_loop_that_is_stopped_and_run_again(scheduler: FakeScheduler) -> None:
    """A loop that is not closed goes on with what it had."""
    server = Server()
    pool = server.pool()
    loop = asyncio.new_event_loop()
    thing = loop.run_until_complete(pool.get())
    assert pool.stats()["nusing"] == 1
    loop.run_until_complete(pool.ret(thing))
    loop.call_soon(loop.stop)
    loop.run_forever()
    assert loop.run_until_complete(pool.get()) is thing
    loop.run_until_complete(pool.close())
    loop.run_until_complete(pool.ret(thing))
    loop.close()
    assert pool.stats()["nobjs"] == 0


def test_who_goes_on_after_the_end(scheduler: FakeScheduler, caplog: pytest.LogCaptureFixture) -> None:
    """Only what tasks have that have ended is closed at the end: a task, or a callback, that goes on gives back."""
    server = Server()
    pool = server.pool(3)
    kept: list[Thing] = []

    def borrow() -> None:
        with pytest.raises(StopIteration) as end:
            pool.get().send(None)
        kept.append(end.value.value)

    async def holds() -> None:
        async with pool.obj():
            async with pool.obj() as thing, pool.obj() as idle:
                pass
            loop.call_soon(borrow)
            await turn()
            assert kept == [thing]
            await loop.shutdown_asyncgens()
            await turn(2)
            assert server.works.closed == [idle]
            await pool.ret(thing)
            assert server.works.closed == [idle, thing]

    loop = asyncio.new_event_loop()
    loop.run_until_complete(holds())
    loop.close()
    assert len(server.works.made) == 3
    assert server.works.alive == []
    assert pool.stats()["nobjs"] == 0
    assert said(caplog) == []


@pytest.mark.skipif(sys.version_info < (3, 11), reason="asyncio.Runner is new in 3.11")
def test_a_runner(scheduler: FakeScheduler) -> None:
    """asyncio.Runner has one loop for all its runs, at whose end the pool closes what is idle."""
    server = Server()
    pool = server.pool()

    async def uses() -> Thing:
        async with pool.obj() as thing:
            return thing

    if sys.version_info >= (3, 11):
        with asyncio.Runner(debug=True) as runner:
            runner.get_loop().slow_callback_duration = DEADLINE  # else it logs what takes longer
            assert runner.run(uses()) is runner.run(uses())
            assert server.works.closed == []
    assert server.works.closed == server.works.made


@pytest.mark.skipif(sys.version_info < (3, 12), reason="eager tasks are new in 3.12")
def test_eager_tasks(scheduler: FakeScheduler) -> None:
    """Tasks that begin within create_task are owners of their own, and wait like others."""
    server = Server()
    pool = server.pool(1)

    async def named() -> str:
        async with pool.obj():
            await turn()
            return pool.owners()[0].owner

    async def several() -> None:
        if sys.version_info >= (3, 12):
            asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory)
        async with pool.obj():
            tasks = [asyncio.create_task(named(), name=f"eager {number}") for number in range(3)]
            assert pool.stats()["nwaiting"] == 3
            assert pool.owners()[0].owner.startswith("task 'Task-")
        assert await asyncio.gather(*tasks) == [f"task 'eager {number}'" for number in range(3)]

    asyncio.run(several())
    assert server.works.closed == server.works.made


def test_trio_as_a_guest(scheduler: FakeScheduler) -> None:
    """In guest mode trio runs in a loop of asyncio. A pool lives in one of the two."""
    server = Server()
    pool, other = server.pool(1), AsyncPool(server.make, 1, 0, name="other")

    async def guest() -> list[str]:
        async with pool.obj():
            await trio.sleep(0)
            return [holding.owner for holding in pool.owners()]

    async def hosts() -> None:
        loop, ended = asyncio.get_running_loop(), asyncio.Event()
        outcomes: list[Any] = []

        def done(outcome: Any) -> None:
            outcomes.append(outcome)
            ended.set()

        async with other.obj():
            trio.lowlevel.start_guest_run(guest, run_sync_soon_threadsafe=loop.call_soon_threadsafe, done_callback=done)
            await ended.wait()
            assert outcomes[0].unwrap()[0].startswith("task '")
            assert server.works.closed == [server.works.made[1]], "the guest's run has ended"

    asyncio.run(hosts())


# Side by side. -------------------------------------------------------------------------------------------


@both
@pytest.mark.parametrize("second", ["asyncio", "trio"])
def test_two_loops_at_once(flavour: str, second: str, scheduler: FakeScheduler) -> None:
    """In the second the pool is refused, by an error that names both; the first goes on."""
    server = Server()
    pool = server.pool()

    async def intrudes() -> str:
        with pytest.raises(PoolException) as refused:
            await pool.get()
        for operation in (pool.close, pool.clear, pool.drain, pool.housekeep, pool.wait_ready, pool.resize):
            with pytest.raises(PoolException, match="lives in"):
                await operation()
        with pytest.raises(PoolException, match="lives in"):
            async with pool:
                pass
        return str(refused.value)

    async def lives() -> None:
        async with pool.obj() as thing:
            said = Caller(lambda: run_in(second, intrudes), "intruder").result()
            mine, other = "run" if flavour == "trio" else "loop", "run" if second == "trio" else "loop"
            first, _, last = said.partition(", but lives in ")
            assert first.startswith("pool 'books' is used in the ")
            assert f"{other} 0x" in first
            assert "'intruder'" in first
            assert f"{mine} 0x" in last
            assert "'MainThread'" in last
            assert last.endswith("which is not closed: a pool is for one event loop at a time")
        assert await pool.get() is thing
        await pool.ret(thing)

    run_in(flavour, lives)


def test_two_loops_in_one_thread(scheduler: FakeScheduler) -> None:
    """That the first loop does not run at this moment does not help: its objects are lent to nobody else."""
    pool = Server().pool()

    async def intrudes() -> None:
        with pytest.raises(PoolException, match="lives in"):
            await pool.get()
        with pytest.raises(PoolException, match="lives in"):
            async with pool.obj():
                pass

    loop = asyncio.new_event_loop()
    thing = loop.run_until_complete(pool.get())
    loop.run_until_complete(pool.ret(thing))
    asyncio.run(intrudes())
    with pytest.raises(PoolException, match="no event loop runs"):
        pool.get().send(None)
    assert loop.run_until_complete(pool.get()) is thing
    loop.run_until_complete(pool.ret(thing))
    loop.run_until_complete(pool.close())
    loop.close()


def test_a_loop_that_goes_on_in_another_thread(scheduler: FakeScheduler, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is the same loop for the pool, and the thread that has run it before has no part in it any more."""
    pool = Server().pool()
    loop = asyncio.new_event_loop()
    tasks = tasks_of(pool)
    borrow = tasks.borrow
    slow: list[float | None] = []

    def borrow_slowly(timeout: float | None, *others: Any) -> Any:
        slow.append(timeout)
        return borrow(timeout, *others)

    monkeypatch.setattr(tasks, "borrow", borrow_slowly)

    async def uses() -> set[Thing]:
        found: set[Thing] = set()
        for _ in range(3):
            async with pool.obj() as thing:
                found.add(thing)
        return found

    first = loop.run_until_complete(uses())
    assert Caller(lambda: loop.run_until_complete(uses())).result() == first
    assert loop.run_until_complete(uses()) == first
    assert len(first) == 1
    assert len(slow) == 3, "the first loan of each task"
    loop.run_until_complete(pool.close())
    loop.close()


def test_in_a_callback(scheduler: FakeScheduler) -> None:
    """Who borrows in a callback of the loop, by hand, is no task: the owner is the thread."""
    pool = Server().pool()

    async def uses() -> None:
        async with pool.obj() as thing:
            pass
        called = asyncio.get_running_loop().create_future()

        def calls() -> None:
            with pytest.raises(StopIteration) as end:
                pool.get().send(None)
            called.set_result(end.value.value)

        asyncio.get_running_loop().call_soon(calls)
        assert await called is thing
        assert pool.owners()[0].owner == "thread 'MainThread'"
        await pool.ret(thing)

    asyncio.run(uses())


def test_where_no_loop_runs(scheduler: FakeScheduler) -> None:
    """Driven by hand, outside any loop, the pool says that it is for tasks."""
    pool = Server().pool()
    with pytest.raises(PoolException, match="pool 'books' is awaited where no event loop runs"):
        pool.get().send(None)


Way = Callable[[AsyncPool[Thing], list[AsyncLease[Thing]]], object]

WAYS: dict[str, Way] = {
    "ret": lambda pool, leases: pool.ret(leases.pop().obj),
    "discard": lambda pool, leases: pool.discard(leases.pop().obj),
    "release": lambda pool, leases: leases[0].release(),
    "lease.discard": lambda pool, leases: leases[0].discard(),
    "drop": lambda pool, leases: leases.clear(),
}


@both
@pytest.mark.parametrize("resets", [False, True])
@pytest.mark.parametrize("way", WAYS)
def test_given_back_in_another_thread(flavour: str, way: str, resets: bool, real: Scheduler) -> None:
    """Whatever a thread gives back is there at once for a task that waits while its loop sleeps; hooks run there."""
    server = Server()
    loop_thread = threading.get_ident()

    async def reset(_: Thing) -> None:
        assert threading.get_ident() == loop_thread
        await turn()

    pool = server.pool(1, retter=reset if resets else None)
    leases: list[AsyncLease[Thing]] = []

    async def waits() -> None:
        leases.append(await pool.lease())
        thing = leases[0].obj

        def give_back() -> None:
            eventually(lambda: pool.stats()["nwaiting"])
            WAYS[way](pool, leases)
            if way == "drop" and not GIL:
                gc.collect()  # else its finalizer waits for the thread that made it, which sleeps

        caller = Caller(give_back)
        got = await pool.get(20)
        assert (got is thing) is ("discard" not in way)
        await pool.ret(got)
        caller.result()

    run_in(flavour, waits)
    assert server.works.alive == []


def test_closed_from_another_thread(real: Scheduler) -> None:
    """A thread has the loop close the pool: those that wait are told at once."""
    server = Server()
    pool = server.pool(1)

    async def waits() -> None:
        loop = asyncio.get_running_loop()

        def close() -> None:
            eventually(lambda: pool.stats()["nwaiting"])
            asyncio.run_coroutine_threadsafe(pool.close(), loop).result(20)

        async with pool.obj():
            caller = Caller(close)
            with pytest.raises(PoolClosed):
                await pool.get()
            while caller.busy:
                await asyncio.sleep(0.001)
            caller.result()

    asyncio.run(waits())
    assert server.works.alive == []
