"""What is shown of a pool for tasks: who holds what, where each was borrowed, where its task is suspended now."""

from __future__ import annotations

import asyncio
import copy
import io
import json
import logging
import pickle
import threading
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import trio

from ProxyPatternPool import AsyncLease, AsyncPool, Pool, TimeOut
from ProxyPatternPool._pool.async_pool import async_core_of
from ProxyPatternPool._scheduler.scheduler import Scheduler

from .clock import FakeScheduler, HandMovedClock
from .helpers import Thing, eventually, said
from .tasks import both, run_in, turn
from .test_return_races import Taken


class Together:
    """Tasks that a test has begun, and the event for which they wait."""

    def __init__(self, flavour: str) -> None:
        self._flavour = flavour
        self._nursery: Any = None
        self._tasks: list[asyncio.Task[object]] = []
        self.go_on: Any = None

    def begin(self, what: Callable[[], Awaitable[object]], name: str) -> None:
        async def do() -> object:
            return await what()

        if self._nursery is not None:
            self._nursery.start_soon(do, name=name)
        else:
            self._tasks.append(asyncio.create_task(do(), name=name))

    async def run(self, main: Callable[[], Awaitable[None]]) -> None:
        """Do the main thing, and wait for what it has begun."""
        if self._flavour == "trio":
            self.go_on = trio.Event()
            async with trio.open_nursery() as self._nursery:
                await main()
        else:
            self.go_on = asyncio.Event()
            await main()
            await asyncio.gather(*self._tasks)


def together(flavour: str, main: Callable[[Together], Awaitable[None]]) -> None:
    tasks = Together(flavour)
    run_in(flavour, lambda: tasks.run(lambda: main(tasks)))


def dumped(pool: AsyncPool[Any] | Pool[Any]) -> list[str]:
    text = io.StringIO()
    pool.dump(text)
    return text.getvalue().splitlines()


def functions(lines: list[str]) -> list[str]:
    """The functions of this file in the lines of a dump."""
    return [line.rpartition(" in ")[2] for line in lines if f'"{__file__}"' in line]


def from_here(lines: list[str]) -> bool:
    """Whether lines name no file of the package and none of event loops, but in what suspends a task."""
    return not any("ProxyPatternPool/_" in line for line in lines)


@both
@pytest.mark.parametrize("kind", [AsyncPool, Pool])
def test_owners_are_tasks_however_they_have_borrowed(
    flavour: str, kind: type[AsyncPool[Thing] | Pool[Thing]], scheduler: FakeScheduler
) -> None:
    """What was created for them, was idle, was taken by another just then, and came instead of what was ill."""
    fine = [True, False, True]

    async def main() -> None:
        pool = kind(Thing, 2, 0, health=lambda _: fine.pop(0), health_before_get=0.0)

        async def borrow() -> Thing:
            thing = await (pool.get(0) if isinstance(pool, AsyncPool) else pool.aget(0))
            assert all(loan.owner.startswith("task") for loan in pool.owners())
            return thing

        async def give_back(thing: Thing) -> None:
            await pool.ret(thing) if isinstance(pool, AsyncPool) else pool.ret(thing)

        await give_back(await borrow())
        first = await borrow()
        core = async_core_of(pool) if isinstance(pool, AsyncPool) else pool._core
        (entry,) = core.shelves.using.values()
        core.shelves.idle = Taken([entry])
        second = await borrow()
        core.shelves.idle = deque()
        await give_back(second)
        assert (await borrow()).number == 2
        await give_back(first)

    run_in(flavour, main)


@both
def test_owners_are_tasks(flavour: str, scheduler: FakeScheduler) -> None:
    """An owner is a task, known by its name, also when it has ended."""
    pool = AsyncPool(Thing, 3, 0)
    leases: list[AsyncLease[Thing]] = []

    async def takes() -> None:
        leases.append(await pool.lease())

    async def main(tasks: Together) -> None:
        tasks.begin(takes, "first")
        await turn(10)
        async with pool.obj():
            first, mine = [holding.owner for holding in pool.owners()]
            assert first == "task 'first' (ended)"
            assert mine.startswith("task '")
            assert not mine.endswith("(ended)")
            assert [use["owner"] for use in pool.stats()["using"]] == [first, mine]
            assert [line.partition(":")[0] for line in dumped(pool)[1:] if "lent for" in line] == [
                f"  lent for 0.000 s to {owner}" for owner in (first, mine)
            ]

    together(flavour, main)


@both
def test_where_an_object_was_borrowed(flavour: str, scheduler: FakeScheduler) -> None:
    """The stack is that of the coroutine, the most recent call last: neither our own frames nor those of the loop."""
    pool = AsyncPool(Thing, 3, 0, trace_owner=True)

    async def with_block() -> None:
        async with pool.obj():
            stacks()

    async def with_get() -> None:
        await pool.ret(await get())

    async def get() -> Thing:
        thing = await pool.get()
        stacks()
        return thing

    async def with_lease() -> None:
        async with pool.lease():
            stacks()

    def stacks() -> None:
        (holding,) = pool.owners()
        assert holding.stack is not None
        seen.append([frame.name for frame in holding.stack])
        assert all(frame.filename == __file__ for frame in holding.stack)
        assert "pool." in (holding.stack[-1].line or "")

    seen: list[list[str]] = []

    async def main(tasks: Together) -> None:
        for what in (with_block, with_get, with_lease) * 2:  # with a new object, and with an idle one
            tasks.begin(what, what.__name__)
            await turn(10)

    together(flavour, main)
    assert seen == [["do", "with_block"], ["do", "with_get", "get"], ["do", "with_lease"]] * 2


@both
def test_where_a_pool_for_threads_lends_to_tasks(flavour: str, scheduler: FakeScheduler) -> None:
    """With ``aget`` and its kind the owner is the task, too, and the stack that of its coroutine."""
    pool = Pool(Thing, 3, 1, trace_owner=True)

    async def borrows() -> None:
        async with pool.aobj(), await pool.alease():
            thing = await pool.aget()
            for holding in pool.owners():
                assert holding.owner == "task 'mine'"
                assert holding.stack is not None
                assert [frame.name for frame in holding.stack] == ["do", "borrows"]
            pool.ret(thing)

    async def main(tasks: Together) -> None:
        tasks.begin(borrows, "mine")

    together(flavour, main)


def test_a_task_that_does_nothing_else(scheduler: FakeScheduler) -> None:
    """A task whose coroutine is the pool's own has no frames but ours."""
    pool = AsyncPool(Thing, 2, 0, trace_owner=True)

    async def main() -> None:
        lease = await asyncio.create_task(pool.lease())
        thing = await asyncio.create_task(pool.get())
        assert [holding.stack for holding in pool.owners()] == [[], []]
        await pool.ret(thing)
        await lease.release()

    asyncio.run(main())


def test_borrowed_through_asyncio(scheduler: FakeScheduler) -> None:
    """Where functions of asyncio are between the user's and ours, the stack ends in the user's."""
    pool = AsyncPool(Thing, 1, 0, trace_owner=True)
    timeout: Any = getattr(asyncio, "timeout", None)  # new in 3.11

    async def staggered() -> Thing:
        async with timeout(10):
            return await pool.get()

    async def main() -> None:
        thing = await asyncio.wait_for(staggered(), 10)
        (holding,) = pool.owners()
        assert holding.stack is not None
        assert holding.stack[-1].name == "staggered"
        await pool.ret(thing)

    if timeout is not None:
        asyncio.run(main())


@both
def test_a_dump_says_where_tasks_are(flavour: str, scheduler: FakeScheduler) -> None:
    """Of each task that holds an object, or waits for one: where it is suspended now, the most recent call first."""
    pool = AsyncPool(Thing, 2, 0, name="books")

    async def holds() -> None:
        async with pool.obj():
            await uses(tasks)

    async def uses(tasks: Together) -> None:
        await tasks.go_on.wait()

    async def waits() -> None:
        async with pool.obj():
            pass

    tasks = Together(flavour)

    async def main() -> None:
        async with pool.obj():
            tasks.begin(holds, "holder")
            await turn(10)
            tasks.begin(waits, "waiter")
            await turn(10)
            lines = dumped(pool)
            tasks.go_on.set()
        holder = next(number for number, line in enumerate(lines) if "'holder'" in line)
        waiter = next(number for number, line in enumerate(lines) if "'waiter'" in line)
        assert lines[holder + 1] == lines[waiter + 1] == "    suspended:"
        assert functions(lines[:holder]) == [], "this task runs"
        assert functions(lines[holder:waiter]) == ["uses", "holds", "do"]
        assert functions(lines[waiter:]) == ["waits", "do"]
        assert from_here(lines)

    run_in(flavour, lambda: tasks.run(main))


@both
def test_a_dump_with_stacks(flavour: str, scheduler: FakeScheduler) -> None:
    """With ``trace_owner`` a dump says first where an object was borrowed, and then where its task is now."""
    pool = AsyncPool(Thing, 2, 0, trace_owner=True)
    tasks = Together(flavour)

    async def holds() -> None:
        async with pool.obj():
            await uses()

    async def uses() -> None:
        await tasks.go_on.wait()

    async def main() -> None:
        tasks.begin(holds, "holder")
        await turn(10)
        lines = dumped(pool)
        tasks.go_on.set()
        now = lines.index("    suspended:")
        assert functions(lines[:now]) == ["holds", "do"]
        assert functions(lines[now:]) == ["uses", "holds", "do"]

    run_in(flavour, lambda: tasks.run(main))


@both
def test_a_timeout_names_tasks(flavour: str, scheduler: FakeScheduler) -> None:
    """Who waits in vain is told who has had an object for longest, and where that was borrowed."""
    pool = AsyncPool(Thing, 1, 0, name="books", trace_owner=True)
    tasks = Together(flavour)

    async def holds() -> None:
        async with pool.obj():
            await tasks.go_on.wait()

    async def main() -> None:
        tasks.begin(holds, "holder")
        await turn(10)
        with pytest.raises(TimeOut) as late:
            await pool.get(0)
        tasks.go_on.set()
        line = holds.__code__.co_firstlineno + 1
        assert f"lent for 0.000 s to task 'holder' ({__file__}:{line})" in str(late.value)

    run_in(flavour, lambda: tasks.run(main))


@both
def test_long_use(
    flavour: str, scheduler: FakeScheduler, clock: HandMovedClock, caplog: pytest.LogCaptureFixture
) -> None:
    """A warning names the task, and where it borrowed; what comes back comes from it, though it ends then."""
    pool = AsyncPool(Thing, 1, 0, name="books", max_using_delay=10, trace_owner=True)
    tasks = Together(flavour)

    async def holds() -> None:
        async with pool.obj():
            await tasks.go_on.wait()

    async def main() -> None:
        tasks.begin(holds, "holder")
        await turn(10)
        clock.advance(12)
        scheduler.run()
        assert len(said(caplog)) == 1
        tasks.go_on.set()

    run_in(flavour, lambda: tasks.run(main))
    kept, back = said(caplog)
    text, _, stack = kept.partition("\n")
    assert text == "pool 'books': thing 0 has been kept for 12.000 s by task 'holder'"
    assert stack.count("File ") == 2
    assert stack.rstrip().endswith("async with pool.obj():")
    assert back == "pool 'books': thing 0 came back after 12.000 s from task 'holder'"


def test_the_log_knows_the_task(
    scheduler: FakeScheduler, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A line belongs to the task in which something happened, as it does to a thread, though others write it."""
    monkeypatch.setattr(logging, "logAsyncioTasks", True, raising=False)  # as from 3.12 on
    pool = AsyncPool(Thing, 1, 0)

    async def does_wrong() -> None:
        await pool.ret(Thing(1))

    async def main() -> None:
        await asyncio.create_task(does_wrong(), name="wrong")
        await asyncio.to_thread(said, caplog)
        await (await asyncio.to_thread(pool.ret, Thing(2)))
        await asyncio.create_task(asyncio.sleep(0, said(caplog)), name="writer")

    asyncio.run(main())
    assert [vars(record)["taskName"] for record in caplog.records if record.name == "ppp"] == ["wrong", None]


def test_the_log_knows_no_task_if_nobody_wants_that(
    scheduler: FakeScheduler, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before 3.12, and where it is turned off, records name no task, and none is asked for its name."""
    if hasattr(logging, "logAsyncioTasks"):
        monkeypatch.setattr(logging, "logAsyncioTasks", False)
    asked: list[None] = []

    class Task(asyncio.Task[None]):
        def get_name(self) -> str:
            asked.append(None)
            return "a task"

    async def does_wrong() -> None:
        await AsyncPool(Thing, 1, 0).ret(Thing(1))

    async def main() -> None:
        await Task(does_wrong())

    asyncio.run(main())
    assert len(said(caplog)) == 1
    assert [vars(record).get("taskName") for record in caplog.records] == [None]
    assert asked == []


def test_log_lines_are_written_by_others(real: Scheduler, caplog: pytest.LogCaptureFixture) -> None:
    """A handler that hangs stops a worker, and not the event loop; the lines come in their order."""
    pool = AsyncPool(Thing, 1, 0)
    go_on, threads = threading.Event(), list[int]()

    class Slow(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            threads.append(threading.get_ident())
            assert go_on.wait(20)

    async def main() -> None:
        for number in range(3):
            await pool.ret(Thing(number))
        eventually(lambda: threads)
        async with pool.obj():
            await asyncio.sleep(0)
        go_on.set()

    log, slow = logging.getLogger("ppp"), Slow()
    log.addHandler(slow)
    try:
        asyncio.run(main())
        eventually(lambda: len(threads) == 3)
    finally:
        log.removeHandler(slow)
    assert threading.get_ident() not in threads


def test_in_words(scheduler: FakeScheduler) -> None:
    """Leases, and what is not awaited yet, say what they are."""
    pool = AsyncPool(Thing, 1, 0, name="books")

    async def main() -> None:
        block, request = pool.obj(), pool.lease()
        assert repr(block) == "<Lease of pool 'books': not begun>"
        assert repr(request) == "<Lease of pool 'books': not begun, to be awaited or entered>"
        lease = await request
        assert repr(request) == repr(lease)
        assert repr(lease) == "<Lease of pool 'books': object 0>"
        await lease.release()
        assert repr(lease) == "<Lease of pool 'books': ended>"
        task = asyncio.create_task(pool.lease())
        assert "coro=<AsyncPool.lease()>" in repr(task)
        ending = asyncio.create_task((await task).release())
        assert "coro=<give back()>" in repr(ending)
        await ending
        assert repr(pool) == "<AsyncPool books: 1 idle, 0 in use, 0 waiting, max 1>"

    asyncio.run(main())


def test_no_copy(scheduler: FakeScheduler) -> None:
    """A pool is no value, nor is a lease, begun or not: its object would go back twice.

    As a text a pool is its statistics.
    """
    pool = AsyncPool(Thing, 1, 0, name="books")

    async def main() -> None:
        async with pool.lease() as lease:
            for each in (pool, lease, pool.lease(), pool.obj()):
                for duplicate in (copy.copy, copy.deepcopy, pickle.dumps):
                    with pytest.raises(TypeError, match="cannot copy or pickle <"):
                        duplicate(each)
            assert json.loads(str(pool))["nusing"] == 1

    asyncio.run(main())
