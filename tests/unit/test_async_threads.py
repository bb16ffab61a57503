"""A pool of plain objects that is shared by threads and tasks: ``aget``, ``aobj`` and ``alease``."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import Callable
from typing import Any

import pytest

from ProxyPatternPool import AsyncLease, Pool, PoolClosed, PoolException, TimeOut, TooManyWaiting
from ProxyPatternPool._scheduler.scheduler import Scheduler

from .clock import FakeScheduler
from .helpers import Caller, Thing, Works, eventually
from .maintained import Threads
from .tasks import FLAVOURS, both, run_in, turn


@both
def test_it_waits_without_stopping_the_loop(flavour: str, real: Scheduler, works: Works) -> None:
    """While a task waits for an object the others go on; what a thread gives back wakes it at once."""
    pool = Pool(works.make, 1)
    thing = pool.get()
    turns: list[int] = []

    async def main() -> None:
        caller = Caller(give_back)
        got = await pool.aget(20)
        assert got is thing
        pool.ret(got)
        caller.result()

    def give_back() -> None:
        eventually(lambda: pool.stats()["nwaiting"])
        turns.append(1)
        pool.ret(thing)

    run_in(flavour, main)
    assert turns == [1]
    assert pool.stats()["navail"] == 1


@both
def test_where_no_thread_can_be_started(flavour: str, real: Scheduler, threads: Threads, works: Works) -> None:
    """Where callers do the work of maintenance, what a task borrows is that task's all the same."""
    with threads.refused():
        pool = Pool(works.make, 1, 1)

        async def main() -> None:
            async with pool.aobj():
                assert pool.owners()[0].owner.startswith("task '")

        run_in(flavour, main)


def test_threads_and_tasks_in_one_queue(real: Scheduler, works: Works) -> None:
    """Threads, and tasks of several loops at once, are served in the order in which they came."""
    pool = Pool(works.make, 1)
    thing = pool.get()
    served: list[str] = []
    callers: list[Caller[None]] = []

    def in_thread(name: str) -> None:
        with pool.obj(20):
            served.append(name)

    def in_loop(name: str) -> None:
        async def main() -> None:
            async with pool.aobj(20):
                served.append(name)

        run_in(name.split()[0], main)

    names = [f"{kind} {number}" for number in range(3) for kind in ("thread", *FLAVOURS)]
    for waiting, name in enumerate(names, 1):
        job: Callable[[str], None] = in_thread if "thread" in name else in_loop
        callers.append(Caller(lambda job=job, name=name: job(name), name))  # type: ignore[misc]
        eventually(lambda waiting=waiting: pool.stats()["nwaiting"] == waiting)  # type: ignore[misc]
    pool.ret(thing)
    for caller in callers:
        caller.result()
    assert served == names
    assert len(works.made) == 1


@both
def test_hooks_are_called_in_place(flavour: str, scheduler: FakeScheduler, works: Works) -> None:
    """Factory, getter, retter and closer are called by the task itself, in its thread."""
    where: list[tuple[str, int]] = []

    def hook(name: str) -> Callable[[object], None]:
        return lambda _: where.append((name, threading.get_ident()))

    pool = Pool(
        lambda number: (hook("make")(number), works.make(number))[1],
        1,
        0,
        getter=hook("get"),
        retter=hook("ret"),
        closer=hook("close"),
    )

    async def main() -> None:
        async with pool.aobj():
            pass
        async with pool.alease() as lease:
            await lease.discard()
        pool.ret(await pool.aget())

    run_in(flavour, main)
    assert [name for name, _ in where] == ["make", "get", "ret", "get", "close", "make", "get", "ret"]
    assert {thread for _, thread in where} == {threading.get_ident()}


@both
def test_what_is_raised(flavour: str, scheduler: FakeScheduler, works: Works) -> None:
    """What ``get`` raises, ``aget`` does: in time, and nothing is lost by it."""
    pool = Pool(works.make, 1, max_waiting=0)

    async def main() -> None:
        async with pool.aobj():
            with pytest.raises(TimeOut):
                await pool.aget(0)
            with pytest.raises(TooManyWaiting):
                await pool.alease(1)
            with pytest.raises(ValueError, match="timeout"):
                await pool.aget(-1)
        works.failing = ConnectionError("no route")
        lease = await pool.alease()
        await lease.discard()
        with pytest.raises(ConnectionError):
            async with pool.aobj():
                pass
        pool.close()
        with pytest.raises(PoolClosed):
            await pool.aget()

    run_in(flavour, main)
    assert pool.stats()["nobjs"] == 0


def test_where_no_loop_runs(scheduler: FakeScheduler) -> None:
    """Outside any loop it says that it is for tasks; nothing was lent."""
    pool = Pool(Thing, 1, name="books")
    for begun in (pool.aget(), pool.aobj().__aenter__(), pool.alease().__aenter__(), pool.aclose()):
        with pytest.raises(PoolException, match="pool 'books' is awaited where no event loop runs"):
            begun.send(None)
    assert pool.stats()["nusing"] == 0


def test_cancelled_while_waiting(real: Scheduler, works: Works) -> None:
    """A task that is cancelled leaves the queue: the thread behind it is served."""
    pool = Pool(works.make, 1)
    thing = pool.get()

    async def main() -> None:
        task = asyncio.ensure_future(pool.aget())
        while not pool.stats()["nwaiting"]:
            await turn()
        behind = Caller(pool.get)
        eventually(lambda: pool.stats()["nwaiting"] == 2)
        pool.ret(thing)  # handed to the task, which is cancelled before it sees that
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert behind.result() is thing

    asyncio.run(main())
    pool.ret(thing)
    assert pool.stats()["navail"] == 1


def test_a_loop_that_is_closed(scheduler: FakeScheduler, works: Works) -> None:
    """A task whose loop was closed cannot be woken: what it would get goes to the next, also what it was handed."""
    pool = Pool(works.make, 1)
    thing = pool.get()
    tasks: list[asyncio.Task[Any]] = []

    async def waits() -> None:
        tasks.append(asyncio.ensure_future(pool.aget()))
        await turn(3)

    def forget(then: Callable[[], None]) -> None:
        loop = asyncio.new_event_loop()
        loop.run_until_complete(waits())
        then()
        loop.close()

    forget(lambda: None)
    pool.ret(thing)
    assert pool.get(0) is thing
    forget(lambda: pool.ret(thing))
    scheduler.run()
    assert pool.get(0) is thing
    pool.ret(thing)
    while tasks:
        vars(asyncio.Task)["_log_destroy_pending"].__set__(tasks.pop(), False)
    gc.collect()
    assert pool.stats()["navail"] == 1


@both
def test_dropped_leases(flavour: str, scheduler: FakeScheduler, works: Works) -> None:
    """A lease that its task drops gives back, with the hooks called by maintenance."""
    back: list[Thing] = []
    pool = Pool(works.make, 1, 0, retter=back.append)
    kept: list[AsyncLease[Thing]] = []

    async def main() -> None:
        kept.append(await pool.alease(quiet=True))
        kept.clear()
        scheduler.run()
        async with pool.aobj(0) as thing:
            assert back == [thing]

    run_in(flavour, main)
    assert len(works.made) == 1
