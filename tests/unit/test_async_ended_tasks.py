"""Callers wait though no task that goes on has an object: the log says once what becomes of the objects."""

from __future__ import annotations

import pytest

from ProxyPatternPool import AsyncPool, TimeOut

from .clock import FakeScheduler, HandMovedClock
from .helpers import Thing, said
from .tasks import both, run_in, turn
from .test_async_shown import Together, dumped

BEGIN = "pool 'books': callers wait, and no task that goes on has any of the 2 objects."
END = " This is said once"


def returning(number: int, seconds: int, task: str) -> str:
    longest = f"the longest for {seconds}.000 s, since task '{task}' (ended) has had it"
    return f" {number} being given back ({longest}): a retter or closer takes long, or hangs."


def lent(number: int, seconds: int, task: str) -> str:
    longest = f"the longest for {seconds}.000 s, to task '{task}' (ended)"
    return (
        f" {number} lent to tasks that have ended ({longest}): nobody gives it back before the event loop ends; "
        "`async with pool.obj()` and leases do so when their task ends."
    )


class Site:
    """A pool of two, whose retter hangs, and tasks that end."""

    def __init__(self, flavour: str, scheduler: FakeScheduler, clock: HandMovedClock) -> None:
        self.tasks = Together(flavour)
        self.clock = clock
        self._scheduler = scheduler
        self.pool: AsyncPool[Thing] = AsyncPool(Thing, 2, 0, retter=lambda _: self.tasks.go_on.wait(), name="books")

    async def drop(self) -> None:
        await self.pool.lease(quiet=True)

    async def keep(self) -> None:
        await self.pool.get()

    async def hold(self) -> None:
        async with self.pool.obj():
            await self.tasks.go_on.wait()

    async def begin(self, *tasks: str) -> None:
        """Begin a task for each of these, two seconds apart."""
        for task in tasks:
            self.tasks.begin(getattr(self, task), task)
            await turn(10)
            self._scheduler.run()
            await turn(10)
            self.clock.advance(2.0)

    async def wait(self) -> str:
        """Wait in vain, for no time; give what the caller is told."""
        with pytest.raises(TimeOut) as late:
            await self.pool.get(0)
        return str(late.value)


@both
@pytest.mark.parametrize(
    ("tasks", "line"),
    [
        (("drop", "drop"), returning(2, 4, "drop")),
        (("keep", "keep"), lent(2, 4, "keep")),
        (("keep", "drop"), returning(1, 2, "drop") + lent(1, 4, "keep")),
        (("hold", "drop"), None),
    ],
)
def test_what_callers_wait_for(
    flavour: str,
    tasks: tuple[str, ...],
    line: str | None,
    scheduler: FakeScheduler,
    clock: HandMovedClock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """What is being given back, and what nobody gives back; nothing, if a task that goes on has an object."""
    site = Site(flavour, scheduler, clock)

    async def main() -> None:
        await site.begin(*tasks)
        for _ in range(2):
            await site.wait()
        clock.advance(10.0)
        await site.wait()
        site.tasks.go_on.set()
        scheduler.run()
        assert said(caplog) == ([] if line is None else [BEGIN + line + END])

    run_in(flavour, lambda: site.tasks.run(main))


@both
def test_nothing_to_be_told_of(
    flavour: str, scheduler: FakeScheduler, clock: HandMovedClock, caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing is said of what was given back a moment ago, nor while an object is being created."""
    site = Site(flavour, scheduler, clock)

    async def make(number: int) -> Thing:
        await site.tasks.go_on.wait()
        return Thing(number)

    async def main() -> None:
        creating = AsyncPool(make, 1, 0)
        site.tasks.begin(creating.get, "creates")
        await site.begin("drop", "drop")
        with pytest.raises(TimeOut):
            await creating.get(0)
        site.clock.advance(-1.5)
        await site.wait()
        site.tasks.go_on.set()

    run_in(flavour, lambda: site.tasks.run(main))
    assert [line for line in said(caplog) if "callers wait" in line] == []


def test_when_it_is_told(scheduler: FakeScheduler, clock: HandMovedClock, caplog: pytest.LogCaptureFixture) -> None:
    """Once each object has been so for a second, if a second has gone by since it was looked at last."""

    async def main(later: tuple[float, ...]) -> list[bool]:
        site = Site("asyncio", scheduler, clock)
        told: list[bool] = []

        async def wait() -> None:
            await site.begin("drop", "drop")
            clock.advance(-2.0)
            for seconds in later:
                clock.advance(seconds)
                await site.wait()
                told.append("callers wait" in "".join(said(caplog)))
                caplog.clear()
            site.tasks.go_on.set()

        await site.tasks.run(wait)
        return told

    assert run_in("asyncio", lambda: main((0.5, 0.5, 0.25, 0.25))) == [False, False, False, True]
    assert run_in("asyncio", lambda: main((1.0,))) == [True]


@both
def test_two_at_the_same_time(
    flavour: str, scheduler: FakeScheduler, clock: HandMovedClock, caplog: pytest.LogCaptureFixture
) -> None:
    """Either of them may be named."""
    site = Site(flavour, scheduler, clock)

    async def main() -> None:
        for _ in range(2):
            site.tasks.begin(site.drop, "drop")
        await turn(10)
        scheduler.run()
        await turn(10)
        clock.advance(2.0)
        await site.wait()
        site.tasks.go_on.set()

    run_in(flavour, lambda: site.tasks.run(main))
    assert said(caplog) == [BEGIN + returning(2, 2, "drop") + END]


@both
def test_a_caller_is_told_and_a_dump_shows(flavour: str, scheduler: FakeScheduler, clock: HandMovedClock) -> None:
    """Who waits in vain is told how many objects are being given back; a dump says since when, and who had each."""
    site = Site(flavour, scheduler, clock)

    async def main() -> None:
        await site.begin("drop", "keep")
        assert "2 objects exist (0 idle, 1 lent, 1 being given back), " in await site.wait()
        lines = dumped(site.pool)
        site.tasks.go_on.set()
        came_back = "came back 4.000 s ago from task 'drop' (ended): <Thing at 0x"
        assert lines[2].startswith(f"  being reset, handed over, checked or closed, {came_back}")

    run_in(flavour, lambda: site.tasks.run(main))
