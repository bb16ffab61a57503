"""This library's pool for tasks."""

from __future__ import annotations

import math

from benchmarks.contenders.asynchronous.base import Connect, FakeConnection
from ProxyPatternPool import AsyncPool


class Ours:
    """`obj = await pool.get()` and `await pool.ret(obj)`; `async with pool.obj():`."""

    name = "ours"

    def __init__(self, connect: Connect, size: int) -> None:
        self.pool = self.make(connect, size)
        self.loan = self.pool.obj

    def make(self, connect: Connect, size: int) -> AsyncPool[FakeConnection]:
        """Make a pool with everything optional switched off, but for what closes its objects."""
        return AsyncPool(lambda _: connect(), max_size=size, min_size=0, timeout=math.inf, closer=FakeConnection.close)

    async def open(self) -> None:
        """Nothing to open."""

    async def cycles(self, count: int) -> None:
        """Cycle."""
        pool = self.pool
        for _ in range(count):
            obj = await pool.get()
            await pool.ret(obj)

    async def blocks(self, count: int) -> None:
        """Cycle."""
        pool = self.pool
        for _ in range(count):
            async with pool.obj():
                pass

    async def idle(self) -> int:
        """Count the objects not lent."""
        return self.pool.stats()["navail"]

    async def close(self) -> None:
        """Close the pool."""
        await self.pool.close()


class OursReset(Ours):
    """The same with a reset on return."""

    name = "ours, retter"

    def make(self, connect: Connect, size: int) -> AsyncPool[FakeConnection]:
        """Make the pool."""
        return AsyncPool(
            lambda _: connect(),
            max_size=size,
            min_size=0,
            timeout=math.inf,
            retter=FakeConnection.rollback,
            closer=FakeConnection.close,
        )
