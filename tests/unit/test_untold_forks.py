"""The child of a fork of which nobody tells: whatever uses a pool first starts it anew. No process forks here."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Awaitable, Callable, Iterator

import pytest
import trio

from ProxyPatternPool import AsyncPool, Pool, PoolException, TimeOut
from ProxyPatternPool._engine import loans
from ProxyPatternPool._runtime import process, trio_hub
from ProxyPatternPool._runtime.owner import here

from .clock import FakeScheduler
from .helpers import Caller, Naps, Thing, Works, said

process.watch_for_forks()
pytestmark = pytest.mark.skipif(
    isinstance(vars(process._Slot)["here"], property), reason="here nobody empties the slot of a child"
)


@pytest.fixture
def fork(scheduler: FakeScheduler, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], None]]:
    """Have this process be such a child from now on: its slot is empty, as by the kernel, and all else is there."""

    def begin_anew() -> None:
        for maintained in scheduler.pools():
            maintained.after_fork()

    def fork() -> None:
        del process.this_process.here

    monkeypatch.setattr(process, "_steps", [begin_anew, trio_hub._leave_to_parent])
    yield fork
    noticed = hasattr(process.this_process, "here")
    process.this_process.here = here()
    assert noticed


def _enter(pool: Pool[Thing]) -> Thing:
    return pool.obj().__enter__()


def _lease(pool: Pool[Thing]) -> Thing:
    return pool.lease(quiet=True).obj


@pytest.mark.parametrize("use", [Pool[Thing].get, _enter, _lease])
@pytest.mark.parametrize("threads", [True, False])
def test_a_pool_that_is_used(
    use: Callable[[Pool[Thing]], Thing],
    threads: bool,
    scheduler: FakeScheduler,
    works: Works,
    fork: Callable[[], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It lends no object of the parent's, also where no thread could be started in the parent, for maintenance."""

    def watch(_: object) -> bool:
        return threads

    monkeypatch.setattr(scheduler, "watch", watch)
    pool = Pool(works.make, 2, 1)
    fork()
    assert use(pool) is works.made[1]
    assert pool.stats()["nobjs"] == 1


def test_another_thread_is_quicker(
    scheduler: FakeScheduler, works: Works, naps: Naps, fork: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever has begun anew waits no longer for an object than he wants."""

    def notice_fork() -> bool:
        noticed = process.notice_fork()
        Caller(pool.get).result()
        return noticed

    pool = Pool(works.make, 1, 1)
    fork()
    monkeypatch.setattr(loans, "notice_fork", notice_fork)
    with pytest.raises(TimeOut, match=r"^timeout after 3 seconds "):
        pool.get(3)


def test_a_pool_that_is_made(scheduler: FakeScheduler, works: Works, fork: Callable[[], None]) -> None:
    """It is the child's from the beginning, and keeps its first object."""
    fork()
    pool = Pool(works.make, 1, 1)
    assert pool.get() is works.made[0]


@pytest.mark.parametrize("dropped", [False, True])
def test_what_is_the_parent_s_is_not_freed(dropped: bool, scheduler: FakeScheduler, fork: Callable[[], None]) -> None:
    """What is done where a connection is freed would be done to the parent's."""
    pools = [Pool(Thing, 1, 1)]
    scheduler.run()
    known = weakref.ref(pools[0].get())
    fork()
    if dropped:
        pools.clear()
    process.notice_fork()
    gc.collect()
    assert known() is not None


def test_what_the_parent_has_to_say(
    scheduler: FakeScheduler, fork: Callable[[], None], caplog: pytest.LogCaptureFixture
) -> None:
    """The parent says it, and no child does."""
    pool = Pool(Thing, 1, 0)
    pool.ret(Thing(7))
    fork()
    process.notice_fork()
    assert said(caplog) == []


def _count(pool: AsyncPool[Thing]) -> int:
    return pool.stats()["nobjs"]


def _count_lent(pool: AsyncPool[Thing]) -> int:
    return len(pool.owners())


@pytest.mark.parametrize("ask", [_count, _count_lent])
def test_a_pool_for_tasks_that_is_asked(
    ask: Callable[[AsyncPool[Thing]], int], scheduler: FakeScheduler, works: Works, fork: Callable[[], None]
) -> None:
    """It shows nothing of the parent's."""
    pool = AsyncPool(works.make, 1, 0)
    loop = asyncio.new_event_loop()
    loop.run_until_complete(pool.get())
    assert ask(pool) == 1
    fork()
    assert ask(pool) == 0
    loop.close()


def test_a_pool_for_tasks_in_a_new_loop(scheduler: FakeScheduler, works: Works, fork: Callable[[], None]) -> None:
    """It does not live in the parent's loop, though the child has that, too, and it is not closed."""
    pool = AsyncPool(works.make, 1, 0)
    loop = asyncio.new_event_loop()
    loop.run_until_complete(pool.get())
    fork()
    asyncio.run(pool.wait_ready())
    assert asyncio.run(pool.get(timeout=0)) is works.made[1]
    loop.close()


@pytest.mark.parametrize("kind", [Pool, AsyncPool])
def test_a_task_of_trio_that_forks(
    kind: type[Pool[Thing] | AsyncPool[Thing]], scheduler: FakeScheduler, works: Works, fork: Callable[[], None]
) -> None:
    """In the child it goes on, with a run that is the parent's: no pool is for it."""
    pool = kind(works.make, 1, 0)

    async def main() -> None:
        get: Callable[[], Awaitable[Thing]] = pool.aget if isinstance(pool, Pool) else pool.get
        await get()
        fork()
        with pytest.raises(PoolException, match="is awaited where no event loop runs"):
            await get()

    trio.run(main)
