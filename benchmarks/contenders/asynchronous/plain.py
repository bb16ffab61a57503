"""What people write when they do without a library, and the least that a pool can cost: the yardsticks."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from benchmarks.contenders.asynchronous.base import Connect, FakeConnection


class DequeLoan:
    """A block that takes an object from a deque."""

    __slots__ = ("idle", "obj")

    def __init__(self, idle: deque[FakeConnection]) -> None:
        self.idle = idle

    async def __aenter__(self) -> FakeConnection:
        self.obj = obj = self.idle.pop()
        return obj

    async def __aexit__(self, *_: object) -> None:
        self.idle.append(self.obj)


class Deque:
    """A deque, filled beforehand: the floor. It cannot wait."""

    name = "deque"

    def __init__(self, connect: Connect, size: int) -> None:
        self._objects = deque(FakeConnection(connect) for _ in range(size))

    async def open(self) -> None:
        """Nothing to open."""

    def loan(self) -> DequeLoan:
        """Lend an object."""
        return DequeLoan(self._objects)

    async def get(self) -> FakeConnection:
        """Take an object."""
        return self._objects.pop()

    async def ret(self, obj: FakeConnection) -> None:
        """Give it back."""
        self._objects.append(obj)

    async def cycles(self, count: int) -> None:
        """Cycle."""
        for _ in range(count):
            obj = await self.get()
            await self.ret(obj)

    async def blocks(self, count: int) -> None:
        """Cycle."""
        for _ in range(count):
            async with self.loan():
                pass

    async def idle(self) -> int:
        """Count the objects not lent."""
        return len(self._objects)

    async def close(self) -> None:
        """Nothing to close."""


class LifoQueue:
    """`asyncio.LifoQueue`, filled beforehand, and a context manager around it: the usual hand-written pool."""

    name = "asyncio.LifoQueue"

    def __init__(self, connect: Connect, size: int) -> None:
        self._queue: asyncio.LifoQueue[FakeConnection] = asyncio.LifoQueue()
        for _ in range(size):
            self._queue.put_nowait(FakeConnection(connect))

    async def open(self) -> None:
        """Nothing to open."""

    @asynccontextmanager
    async def loan(self) -> AsyncGenerator[FakeConnection]:
        """Lend an object."""
        obj = await self._queue.get()
        try:
            yield obj
        finally:
            self._queue.put_nowait(obj)

    async def cycles(self, count: int) -> None:
        """Cycle."""
        pool = self._queue
        for _ in range(count):
            obj = await pool.get()
            pool.put_nowait(obj)

    async def blocks(self, count: int) -> None:
        """Cycle."""
        for _ in range(count):
            async with self.loan():
                pass

    async def idle(self) -> int:
        """Count the objects not lent."""
        return self._queue.qsize()

    async def close(self) -> None:
        """Nothing to close."""
