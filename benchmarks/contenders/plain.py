"""What people write when they do without a library: the yardsticks."""

from __future__ import annotations

import queue
import threading

from benchmarks.contenders.base import Connect, FakeConnection


class LockList:
    """A lock and a list: the least a thread-safe pool can be. It has no bound and cannot wait."""

    name = "lock + list"

    def __init__(self, connect: Connect, size: int, *, warm: bool = True) -> None:
        self._connect = connect
        self._lock = threading.Lock()
        self._idle = [connect() for _ in range(size if warm else 0)]
        self.acquire = self.get
        self.release = self.ret

    def get(self) -> FakeConnection:
        """Take an object, or make one."""
        with self._lock:
            if self._idle:
                return self._idle.pop()
        return self._connect()

    def ret(self, obj: FakeConnection) -> None:
        """Give it back."""
        with self._lock:
            self._idle.append(obj)

    def cycles(self, count: int) -> None:
        """Cycle."""
        for _ in range(count):
            obj = self.get()
            self.ret(obj)

    def close(self) -> None:
        """Drop the objects."""
        self._idle.clear()


class SemaphoreList:
    """A semaphore for the bound, a lock and a list for the objects: the usual hand-written pool that can wait."""

    name = "semaphore + list"

    def __init__(self, connect: Connect, size: int, *, warm: bool = True) -> None:
        self._connect = connect
        self._places = threading.Semaphore(size)
        self._lock = threading.Lock()
        self._idle = [connect() for _ in range(size if warm else 0)]
        self.acquire = self.get
        self.release = self.ret

    def get(self) -> FakeConnection:
        """Wait for a place, then take an object or make one."""
        self._places.acquire()
        with self._lock:
            if self._idle:
                return self._idle.pop()
        return self._connect()

    def ret(self, obj: FakeConnection) -> None:
        """Give it back."""
        with self._lock:
            self._idle.append(obj)
        self._places.release()

    def cycles(self, count: int) -> None:
        """Cycle."""
        for _ in range(count):
            obj = self.get()
            self.ret(obj)

    def close(self) -> None:
        """Drop the objects."""
        self._idle.clear()


class LifoQueue:
    """`queue.LifoQueue`, filled beforehand: it cannot create on demand, so `warm` is not a choice."""

    name = "queue.LifoQueue"

    def __init__(self, connect: Connect, size: int, *, warm: bool = True) -> None:
        if not warm:
            raise ValueError("a LifoQueue is filled beforehand")
        self._queue: queue.LifoQueue[FakeConnection] = queue.LifoQueue()
        for _ in range(size):
            self._queue.put(connect())
        self.acquire = self._queue.get
        self.release = self._queue.put

    def cycles(self, count: int) -> None:
        """Cycle."""
        pool = self._queue
        for _ in range(count):
            obj = pool.get()
            pool.put(obj)

    def close(self) -> None:
        """Nothing to close."""
