"""What may happen between two steps of a pool for tasks that take no lock: another thread comes in between."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from ProxyPatternPool import AsyncPool
from ProxyPatternPool._ledger.entry import Entry
from ProxyPatternPool._ledger.shelves import NEVER
from ProxyPatternPool._pool.async_pool import async_core_of
from ProxyPatternPool._runtime.asyncio_hub import AsyncioLoop

from .clock import FakeScheduler, HandMovedClock
from .helpers import Caller, Thing, Works
from .tasks import turn


class Idle(deque[Entry[Thing]]):
    """Idle entries; something happens whenever one comes back."""

    def __init__(self, happens: Callable[[], None]) -> None:
        super().__init__()
        self._happens = happens

    def append(self, entry: Entry[Thing], /) -> None:
        super().append(entry)
        self._happens()


class Using(dict[int, Entry[Thing]]):
    """Entries in use; whoever takes one out comes a moment too late."""

    def pop(self, key: int, /, *default: Any) -> Any:
        super().pop(key, None)
        return super().pop(key, *default)


class InHand(dict[int, Entry[Thing]]):
    """Entries in use; who takes out the first comes while maintenance has it in hand, and puts it back."""

    def __init__(self) -> None:
        super().__init__()
        self.put_back = False

    def pop(self, key: int, /, *default: Any) -> Any:
        if not self.put_back:
            self.put_back = True
            return default[0]
        return super().pop(key, *default)


async def give_back(pool: AsyncPool[Thing], way: str) -> None:
    if way == "ret":
        await pool.ret(await pool.get())
    else:
        async with pool.obj():
            pass


@pytest.mark.parametrize("way", ["ret", "block"])
def test_a_waiter_comes_at_this_moment(way: str, scheduler: FakeScheduler, works: Works) -> None:
    """A return that has just found nobody waiting looks again when its object is idle."""
    pool = AsyncPool(works.make, 1, 0)

    async def main() -> None:
        await give_back(pool, way)
        shelves = async_core_of(pool).shelves

        def come() -> None:
            shelves.quick_rets_until = NEVER

        shelves.idle, before = Idle(come), shelves.idle
        shelves.idle.extend(before)
        await give_back(pool, way)
        assert shelves.quick_rets_until != NEVER, "it was looked at, and nobody was there"

    asyncio.run(main())


@pytest.mark.parametrize("way", ["ret", "block"])
def test_an_object_is_killed_at_this_moment(way: str, scheduler: FakeScheduler, works: Works) -> None:
    """A block whose object another thread takes away at its end does nothing more."""
    pool = AsyncPool(works.make, 1, 0, closer=works.close)

    async def main() -> None:
        core = async_core_of(pool)
        async with pool.obj():
            pass
        core.shelves.using = Using()
        await give_back(pool, way)
        assert pool.stats()["navail"] == 0, "it is in the hands of who has killed it"

    asyncio.run(main())


@pytest.mark.parametrize("way", ["ret", "block"])
def test_maintenance_has_an_object_in_hand_at_this_moment(way: str, scheduler: FakeScheduler, works: Works) -> None:
    """An object is given back though it cannot be found where maintenance has just taken it, by mistake."""
    pool = AsyncPool(works.make, 1, 0)

    async def main() -> None:
        core = async_core_of(pool)
        async with pool.obj():
            pass
        core.shelves.using = InHand()
        await give_back(pool, way)
        assert (pool.stats()["nusing"], pool.stats()["navail"]) == (0, 1)

    asyncio.run(main())


def test_a_block_that_is_cancelled_at_this_moment(scheduler: FakeScheduler) -> None:
    """It leaves at once, and not with its retter, though it had to look for its object a second time."""
    steps: list[str] = []

    async def clean(_: Thing) -> None:
        steps.append("begins")
        await turn(3)
        steps.append("ends")

    pool = AsyncPool(Thing, 1, 0, retter=clean)

    async def main() -> None:
        await pool.ret(await pool.get())
        steps.clear()
        async_core_of(pool).shelves.using = InHand()
        with pytest.raises(asyncio.CancelledError):
            async with pool.obj():
                raise asyncio.CancelledError
        steps.append("left")
        await pool.shutdown()

    asyncio.run(main())
    assert steps.index("left") < steps.index("ends")


def test_given_back_in_another_thread(scheduler: FakeScheduler, clock: HandMovedClock, works: Works) -> None:
    """What another thread gives back is handed to the task that waits, by the call, though the loop stands still."""
    pool = AsyncPool(works.make, 1, 0)

    async def main() -> None:
        thing = await pool.get()
        waiting = asyncio.ensure_future(pool.get())
        while not pool.stats()["nwaiting"]:
            await turn()
        clock.advance(1)
        given_back = Caller(lambda: pool.ret(thing)).result()
        assert pool.stats()["nwaiting"] == 0
        assert await waiting is thing
        await given_back

    asyncio.run(main())


def test_an_object_is_discarded_within_a_block(scheduler: FakeScheduler, works: Works) -> None:
    """Its end finds that the loan is over, and gives nothing back."""
    pool = AsyncPool(works.make, 1, 0, closer=works.close)

    async def main() -> None:
        for closed in (1, 2):
            async with pool.obj() as thing:
                await pool.discard(thing)
            assert pool.stats()["nobjs"] == 0
            assert len(works.closed) == closed

    asyncio.run(main())


def test_two_notice_the_end_of_a_loop(scheduler: FakeScheduler, works: Works, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of two threads that find the loop closed one starts the pool anew."""
    pool = AsyncPool(works.make, 1, 0, name="books")
    alive = AsyncioLoop.alive

    async def main() -> None:
        await pool.get()

    asyncio.run(main())

    def look(loop: AsyncioLoop) -> bool:
        monkeypatch.setattr(AsyncioLoop, "alive", alive)
        assert pool.stats()["nobjs"] == 0  # another thread, at this moment
        return alive(loop)

    monkeypatch.setattr(AsyncioLoop, "alive", look)
    assert pool.stats()["nobjs"] == 0
    assert "ended" not in repr(pool)


def test_nothing_is_left_at_the_end(scheduler: FakeScheduler, works: Works) -> None:
    """A pool that is gone at the end of its loop has nothing to do there, though nobody has said so."""

    def nobody() -> None:
        """Call nothing off, as if something was thrown in before."""

    async def main() -> None:
        pool = AsyncPool(works.make, 1, 0)
        await pool.ret(await pool.get())
        await pool.clear()
        pool._driver._call_off = nobody
        del pool
        scheduler.run()
        await turn()

    asyncio.run(main())


def test_a_look_from_another_thread(scheduler: FakeScheduler, works: Works, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is no maintenance, only the loop does what is to be done: a thread that looks does not."""
    monkeypatch.setenv("PPP_WERKZEUG_WORKAROUND", "1")

    async def back(_: Thing) -> None:
        await turn()

    async def main() -> None:
        pool = AsyncPool(works.make, 1, 0, retter=back)
        lease = await pool.lease(quiet=True)
        del lease
        await asyncio.to_thread(pool.stats)
        await turn(5)
        assert pool.stats()["navail"] == 0
        await turn(5)
        assert pool.stats()["navail"] == 1

    asyncio.run(main())
    scheduler.asides.clear()


def test_a_pool_that_was_not_made(scheduler: FakeScheduler) -> None:
    """What cannot be made leaves nothing to be closed."""
    wrong: Any = 3
    with pytest.raises(TypeError, match="fun must be callable, not 3"):
        AsyncPool(wrong)


def test_a_coroutine_that_is_no_coroutine(scheduler: FakeScheduler) -> None:
    """A task may be made of anything that has the methods of a coroutine; what has no frame has no stack."""

    class Steps(Coroutine[Any, Any, None]):
        def __init__(self, inner: Coroutine[Any, Any, None]) -> None:
            self._inner = inner

        def send(self, value: Any, /) -> Any:
            return self._inner.send(value)

        def throw(self, *error: Any) -> Any:
            return self._inner.throw(*error)

        def close(self) -> None:
            self._inner.close()

        def __await__(self) -> Any:
            return self._inner.__await__()

    pool = AsyncPool(Thing, 1, 0, trace_owner=True)

    async def borrows() -> None:
        async with pool.obj():
            assert pool.owners()[0].stack == []

    async def main() -> None:
        await asyncio.get_running_loop().create_task(Steps(borrows()))

    asyncio.run(main())


def test_a_return_that_nobody_waits_for(scheduler: FakeScheduler, works: Works) -> None:
    """What a return gives to be awaited can be closed as well: the retter goes on."""
    back: list[Thing] = []

    async def reset(thing: Thing) -> None:
        await turn()
        back.append(thing)

    pool = AsyncPool(works.make, 1, 0, retter=reset)

    async def main() -> None:
        thing = await pool.get()
        going_on = pool.ret(thing)
        going_on.close()
        await turn(5)
        assert back == [thing]
        assert await pool.get(0) is thing

    asyncio.run(main())


def test_the_next_loop_at_this_moment(scheduler: FakeScheduler, works: Works) -> None:
    """Who notices the end of a loop when the pool lives in the next one already changes nothing."""
    pool = AsyncPool(works.make, 1, 0, closer=works.close)

    async def main() -> None:
        await pool.get()

    async def goes_on() -> None:
        thing = await pool.get()
        core = async_core_of(pool)
        core.hub_ended()
        assert core.hub is not None
        await pool.ret(thing)

    asyncio.run(main())
    asyncio.run(goes_on())
    assert works.closed == works.made
