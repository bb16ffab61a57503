"""Observers of a pool for tasks are told the same, in the same order, as those of one for threads."""

from __future__ import annotations

import pytest

from ProxyPatternPool import AsyncPool, HookError, PoolObserver, TimeOut, TooManyWaiting, observers
from ProxyPatternPool._scheduler.scheduler import Scheduler

from .clock import FakeScheduler, HandMovedClock
from .diary import Diary
from .helpers import Thing, Works, said
from .observed import EVERYTHING, Failure, Thrown, events
from .tasks import both, run_in, turn


async def live_through(pool: AsyncPool[Thing], works: Works, clock: HandMovedClock) -> None:
    """Have everything happen once: each kind of event, of which the pool's hooks are part."""
    await pool.ret(await pool.get())
    lease = await pool.lease()
    with pytest.raises(TimeOut):
        await pool.get(0)
    with pytest.raises(TooManyWaiting):
        await pool.get(1)
    await lease.discard()
    works.failing = Failure()
    with pytest.raises(Failure):
        await pool.get()
    works.failing = None
    clock.advance(1)  # so that the next attempt is due
    await pool.ret(await pool.get())
    await pool.close()


class Server:
    """A factory and a closer that wait, and a closer that fails, as in ``lively``."""

    def __init__(self, works: Works) -> None:
        self._works = works

    async def make(self, number: int) -> Thing:
        await turn()
        return self._works.make(number)

    async def close(self, thing: Thing) -> None:
        await turn()
        raise Failure

    def pool(self, observer: PoolObserver[object]) -> AsyncPool[Thing]:
        return AsyncPool(self.make, 1, 0, closer=self.close, max_waiting=0, observer=observer)


@both
def test_everything_is_told(
    flavour: str, scheduler: FakeScheduler, works: Works, clock: HandMovedClock, diary: Diary
) -> None:
    """Each observer is told of each event, in the task in which it happens."""
    other = Diary()

    async def main() -> None:
        await live_through(Server(works).pool(observers(diary, other)), works, clock)

    run_in(flavour, main)
    assert events(diary.lines) == events(other.lines) == EVERYTHING


@both
def test_waits_and_loans_are_measured(
    flavour: str, scheduler: FakeScheduler, works: Works, clock: HandMovedClock, diary: Diary
) -> None:
    """How long a creation, a wait and a loan have taken is what has passed while their task was suspended."""

    async def make(number: int) -> Thing:
        clock.advance(2)
        await turn()
        clock.advance(3)
        return works.make(number)

    async def main() -> None:
        pool = AsyncPool(make, 1, 0, observer=diary)
        async with pool.obj():
            await turn()
            clock.advance(7)

    run_in(flavour, main)
    assert [(line[0], line[-1]) for line in diary.lines] == [
        ("created", 5.0),
        ("lent", 5.0),
        ("returned", 7.0),
        ("discarded", "shutdown"),
    ]


@both
def test_the_end_of_a_loop_is_told(flavour: str, real: Scheduler, works: Works, diary: Diary) -> None:
    """What is idle at the end of its loop is discarded there, as is what ended tasks had: observers are told."""
    pool = AsyncPool(works.make, 2, 0, observer=diary)
    kept: list[Thing] = []

    async def main() -> None:
        kept.append(await pool.get())
        async with pool.obj():
            pass

    run_in(flavour, main)
    run_in(flavour, main)
    once = ["created", "lent", "created", "lent", "returned", "returned", "discarded", "discarded"]
    assert events(diary.lines) == once * 2


@both
def test_dropped_while_something_is_lent(
    flavour: str, scheduler: FakeScheduler, works: Works, caplog: pytest.LogCaptureFixture
) -> None:
    """A pool that is dropped says who has what; that is closed when its lease ends."""

    async def main() -> None:
        pool = AsyncPool(works.make, 1, 0, closer=works.close, name="books")
        lease = await pool.lease()
        del pool
        scheduler.run()
        await turn(10)
        (line,) = said(caplog)
        assert line.startswith("pool 'books': closed while task '")
        assert line.endswith("' has thing 0, lent 0.000 s ago; it will be closed when it comes back")
        assert works.closed == []
        await lease.release()
        assert works.closed == works.made

    run_in(flavour, main)


@both
@pytest.mark.parametrize(("error", "reason"), [(Failure(), "hook"), (Thrown(), "interrupted")])
def test_why_a_loan_was_not_begun(
    flavour: str, error: BaseException, reason: str, scheduler: FakeScheduler, diary: Diary
) -> None:
    """An object whose getter fails, when it is awaited, is discarded for that, and else since it was interrupted."""

    async def prepare(thing: Thing) -> None:
        await turn()
        raise error

    async def main() -> None:
        pool = AsyncPool(Thing, 1, 0, getter=prepare, hook_errors="discard", observer=diary)
        with pytest.raises((HookError, Thrown)):
            await pool.get()
        assert [line[2] for line in diary.lines if line[0] == "discarded"] == [reason]

    run_in(flavour, main)
