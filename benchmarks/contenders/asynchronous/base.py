"""What the asynchronous topics ask of a contender, and the fake connections they all pool."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from typing import Protocol, TypeAlias

Loan: TypeAlias = Callable[[], AbstractAsyncContextManager[object]]
"""`async with loan():` lends an object as long as the block lasts."""


async def pause(seconds: float | None) -> None:
    """Let other tasks run for some time; for None do not even suspend."""
    if seconds is not None:
        await asyncio.sleep(seconds)


class Connect:
    """The factory of every contender: makes fake connections, counts them, and notes how long each one took.

    Args:
        creation: how many seconds a creation takes; 0 suspends the task once, None not at all.
        answer: how many seconds a connection takes for each of its methods, likewise.
        hangs: whether the first creation hangs, until `go_on` is set.
    """

    def __init__(self, creation: float | None = None, answer: float | None = None, hangs: bool = False) -> None:
        self.creation = creation
        self.answer = answer
        self.hangs = hangs
        self.go_on = asyncio.Event()
        self.durations: list[float] = []
        self.created = 0
        self.closed = 0

    async def wait(self) -> None:
        """Take the time that a creation takes."""
        if self.hangs:
            self.hangs = False
            await self.go_on.wait()
        start = time.perf_counter()
        await pause(self.creation)
        self.durations.append(time.perf_counter() - start)

    async def __call__(self) -> FakeConnection:
        """Make a connection."""
        await self.wait()
        return FakeConnection(self)


class FakeConnection:
    """An object with the coroutine methods that pools call, which do nothing: only the pools' own work is measured."""

    __slots__ = ("maker",)

    def __init__(self, maker: Connect) -> None:
        self.maker = maker
        maker.created += 1

    async def execute(self, _sql: str) -> None:
        """Do nothing."""
        await pause(self.maker.answer)

    async def commit(self) -> None:
        """Do nothing."""
        await pause(self.maker.answer)

    async def rollback(self) -> None:
        """Do nothing."""
        await pause(self.maker.answer)

    async def close(self) -> None:
        """Note that it is closed: from the moment it is asked for, however the waiting ends."""
        self.maker.closed += 1
        await pause(self.maker.answer)


class Contender(Protocol):
    """A pool under test, made in the event loop that runs it. It creates on demand if it can.

    With it goes what its users use with it: a reset on return where a library has one.
    """

    @property
    def name(self) -> str:
        """What the tables call it."""
        ...

    @property
    def loan(self) -> Loan:
        """Lend an object: the pool's own callable, so that no adapter is measured."""
        ...

    async def open(self) -> None:
        """Do what has to be awaited before the pool can be used."""
        ...

    async def cycles(self, count: int) -> None:
        """Take an object and give it back, `count` times, in a loop as a user of this pool writes it."""
        ...

    async def blocks(self, count: int) -> None:
        """Do the same with `async with`."""
        ...

    async def idle(self) -> int:
        """Count the objects that the pool has, and has not lent."""
        ...

    async def close(self) -> None:
        """Close the pool."""
        ...


class Build(Protocol):
    """Make a contender of at most `size` objects, in the event loop that runs."""

    def __call__(self, connect: Connect, size: int, /) -> Contender:
        """Make it."""
        ...


async def opened(build: Build, connect: Connect, size: int, *, warm: bool = True) -> Contender:
    """Make and open a contender; `warm` means that all its objects exist when it returns."""
    pool = build(connect, size)
    await pool.open()
    if warm:
        async with AsyncExitStack() as loans:
            for _ in range(size):
                await loans.enter_async_context(pool.loan())
    return pool
