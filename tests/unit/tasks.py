"""Event loops for tests: what is done by tasks of asyncio and of trio alike."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from contextvars import copy_context
from typing import Any, TypeVar

import pytest
import trio

from ProxyPatternPool import AsyncPool

from .helpers import Thing, Works

R = TypeVar("R")

FLAVOURS = ("asyncio", "trio")

both = pytest.mark.parametrize("flavour", FLAVOURS)
"""Have a test done by each kind of task."""


def run_in(flavour: str, main: Callable[[], Awaitable[R]]) -> R:
    """Do something in a task of a new event loop."""

    async def begin() -> R:
        return await main()

    return asyncio.run(begin()) if flavour == "asyncio" else trio.run(begin)


def forget_loop(main: Callable[[], Awaitable[object]]) -> None:
    """Do something in a loop of asyncio that is closed without its end: nobody is told, and no task is cancelled."""

    async def begin() -> None:
        await main()

    loop = asyncio.new_event_loop()
    loop.run_until_complete(begin())
    loop.close()


async def use_in_one_context(proxy: Any) -> None:
    """Have two tasks of asyncio that share a context use a proxy of things, side by side: each sees one of its own."""

    async def use(steps: int) -> set[int]:
        seen: set[int] = set()
        for _ in range(steps):
            seen.add(proxy.number)
            await asyncio.sleep(0)
        return seen

    create: Any = asyncio.create_task
    context = copy_context()
    tasks: list[asyncio.Task[set[int]]] = [create(use(steps), context=context) for steps in (2, 5)]
    first, second = await asyncio.gather(*tasks)
    assert len(first) == len(second) == 1
    assert first != second


async def turn(times: int = 1) -> None:
    """Let all other tasks go on that can, so many times."""
    for _ in range(times):
        if trio.lowlevel.in_trio_task():
            await trio.lowlevel.checkpoint()
        else:
            await asyncio.sleep(0)


class Server:
    """Makes and closes things, as slowly as a server does, and keeps books."""

    def __init__(self) -> None:
        self.works = Works()
        self.slow: int | None = None
        """The number of a thing whose creation takes for ever."""

    async def make(self, number: int) -> Thing:
        await turn(sys.maxsize if number == self.slow else 1)
        return self.works.make(number)

    async def close(self, thing: Thing) -> None:
        await turn()
        self.works.close(thing)

    def pool(self, max_size: int = 2, min_size: int = 0, **parameters: Any) -> AsyncPool[Thing]:
        return AsyncPool(self.make, max_size, min_size, closer=self.close, name="books", **parameters)
