"""Event loops whose time passes only while all tasks sleep, and then at once."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Awaitable, Callable

import trio
from trio.testing import MockClock

from ProxyPatternPool._runtime.environment import Environment
from ProxyPatternPool._scheduler.process import using_scheduler

from .clock import FakeScheduler, HandMovedClock


class _Selector(selectors.DefaultSelector):
    """Where a loop would sleep its time passes instead."""

    def __init__(self, clock: HandMovedClock) -> None:
        super().__init__()
        self._clock = clock

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0 if timeout is not None else 5.0)
        if not ready:
            assert timeout is not None, "nothing will ever happen"
            self._clock.advance(max(0.0, timeout))
        return ready


class _Loop(asyncio.SelectorEventLoop):
    """A loop of asyncio whose clock is that of the test."""

    def __init__(self, clock: HandMovedClock) -> None:
        self._now = clock
        super().__init__(_Selector(clock))

    def time(self) -> float:
        return self._now()


def run_in_virtual_time(flavour: str, main: Callable[[FakeScheduler], Awaitable[None]]) -> None:
    """Do something in a task of a new loop; the pools that are made there have the clock of the loop."""
    if flavour == "trio":
        mock = MockClock(autojump_threshold=0)
        with using_scheduler(FakeScheduler(Environment(clock=mock.current_time))) as scheduler:
            trio.run(main, scheduler, clock=mock)
        return
    clock = HandMovedClock()
    loop = _Loop(clock)
    with using_scheduler(FakeScheduler(Environment(clock=clock))) as scheduler:
        try:
            asyncio.set_event_loop(loop)
            loop.run_until_complete(main(scheduler))
            loop.run_until_complete(loop.shutdown_asyncgens())
        finally:
            asyncio.set_event_loop(None)
            loop.close()


def now() -> float:
    """The time of the loop that runs."""
    return trio.current_time() if trio.lowlevel.in_trio_task() else asyncio.get_running_loop().time()


async def sleep(seconds: float) -> None:
    """Sleep in the loop that runs."""
    await (trio.sleep(seconds) if trio.lowlevel.in_trio_task() else asyncio.sleep(seconds))


async def nap() -> None:
    """Let a second pass."""
    await sleep(1)
