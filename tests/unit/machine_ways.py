"""The ways in which the state machine uses a pool: from a thread, or by the tasks of an event loop."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from concurrent.futures import Future, wait
from contextlib import ExitStack
from typing import Any, Protocol, TypeVar

import anyio.lowlevel
from anyio.from_thread import start_blocking_portal

from ProxyPatternPool import AsyncPool, Pool, PoolStats
from ProxyPatternPool._engine.core import Core
from ProxyPatternPool._engine.steps import Rest, Steps, remaining, run, run_rest
from ProxyPatternPool._runtime.tasks import awaiting

from .clock import FakeScheduler
from .helpers import DEADLINE

R = TypeVar("R")

TURNS = 12
"""How often all tasks go on that can, until nothing is left to do: hooks suspend once, and few wait for one another."""


class Thing:
    """Equal to all others, and so unhashable, and falsy."""

    def __eq__(self, other: object) -> bool:
        return True

    def __bool__(self) -> bool:
        return False


class Front(Protocol):
    """What the machine does with a pool, whose results are there when it returns."""

    def get(self, timeout: float) -> Thing: ...
    def ret(self, obj: Thing) -> object: ...
    def discard(self, obj: Thing) -> object: ...
    def lease(self, timeout: float) -> object: ...
    def housekeep(self) -> None: ...
    def drain(self) -> None: ...
    def clear(self) -> None: ...
    def resize(self, *, min_size: int, max_size: int) -> None: ...
    def shutdown(self) -> None: ...
    def stats(self) -> PoolStats: ...


class Way(Protocol):
    """How something is done."""

    def make_pool(self, *arguments: Any, **parameters: Any) -> tuple[Front, Core[Thing]]:
        """Make the pool, and give its core too."""
        ...

    def call(self, step: Callable[[], R]) -> R:
        """Do something that tells others to do something, and wait for them."""
        ...

    def steps(self, make: Callable[[], Steps[R]]) -> R:
        """Do steps of the engine."""
        ...

    def rest(self, begin: Callable[[], Rest]) -> None:
        """Begin something, and do what is left of it."""
        ...

    def close(self) -> None:
        """Be done."""
        ...


class Threads:
    """In the thread of the machine."""

    def make_pool(self, *arguments: Any, **parameters: Any) -> tuple[Front, Core[Thing]]:
        pool: Pool[Thing] = Pool(*arguments, **parameters)
        return pool, pool._core

    def call(self, step: Callable[[], R]) -> R:
        return step()

    def steps(self, make: Callable[[], Steps[R]]) -> R:
        return run(make())

    def rest(self, begin: Callable[[], Rest]) -> None:
        run_rest(begin())

    def close(self) -> None:
        pass


class Tasks:
    """By tasks of an event loop in another thread; all hooks are coroutine functions, and suspend."""

    backend = "asyncio"

    def __init__(self) -> None:
        self._exit = ExitStack()
        self._portal = self._exit.enter_context(start_blocking_portal(self.backend))
        self.closing: list[Future[None]] = []
        """Calls that close the pool, which must have ended in the end."""

    def make_pool(self, *arguments: Any, **parameters: Any) -> tuple[Front, Core[Thing]]:
        fun, *others = arguments
        for name in ("opener", "getter", "retter", "closer", "health"):
            if parameters[name] is not None:
                parameters[name] = _suspending(parameters[name])
        pool: AsyncPool[Thing] = AsyncPool(_suspending(fun), *others, **parameters)
        self.call(pool._tasks.bind)  # as each borrower does first
        return _FrontOfTasks(pool, self), pool._core

    def awaited(self, begin: Callable[[], Awaitable[R]]) -> R:
        """Do something in a task, and wait until no other has anything left to do."""
        return self.begun(begin).result()

    def begun(self, begin: Callable[[], Awaitable[R]]) -> Future[R]:
        """Do the same, and do not wait."""

        async def task() -> R:
            try:
                return await begin()
            finally:
                for _ in range(TURNS):
                    await anyio.lowlevel.checkpoint()

        return self._portal.start_task_soon(task)

    def call(self, step: Callable[[], R]) -> R:
        async def task() -> R:
            return step()

        return self.awaited(task)

    def steps(self, make: Callable[[], Steps[R]]) -> R:
        return self.awaited(lambda: awaiting(make()))

    def rest(self, begin: Callable[[], Rest]) -> None:
        self.awaited(lambda: awaiting(remaining(begin())))

    def close(self) -> None:
        for closing in self.closing:
            closing.result(DEADLINE)
        self._exit.close()


class TasksOfTrio(Tasks):
    """The same with trio."""

    backend = "trio"


class _FrontOfTasks:
    """A pool for tasks, as the machine uses it."""

    def __init__(self, pool: AsyncPool[Thing], way: Tasks) -> None:
        self._pool = pool
        self._way = way
        self._awaited = way.awaited

    def get(self, timeout: float) -> Thing:
        return self._awaited(lambda: self._pool.get(timeout))

    def ret(self, obj: Thing) -> None:
        self._awaited(lambda: self._pool.ret(obj))

    def discard(self, obj: Thing) -> None:
        self._awaited(lambda: self._pool.discard(obj))

    def lease(self, timeout: float) -> object:
        return self._awaited(lambda: self._pool.lease(timeout))

    def housekeep(self) -> None:
        self._awaited(self._pool.housekeep)

    def drain(self) -> None:
        self._awaited(self._pool.drain)

    def clear(self) -> None:
        self._awaited(self._pool.clear)

    def resize(self, *, min_size: int, max_size: int) -> None:
        self._awaited(lambda: self._pool.resize(min_size=min_size, max_size=max_size))

    def shutdown(self) -> None:
        scheduler = self._pool._core.scheduler
        assert isinstance(scheduler, FakeScheduler)
        ended = self._way.begun(self._pool.close)
        # It may wait for what maintenance has to do first, such as to close what the garbage collector has found.
        while not wait([ended], 1.0).done and scheduler.asked:
            self._way.call(scheduler.run)
        # Or for objects on their way to callers, whom the machine has go on later.
        self._way.closing.append(ended)

    def stats(self) -> PoolStats:
        return self._pool.stats()


def _suspending(hook: Callable[[Any], R]) -> Callable[[Any], Awaitable[R]]:
    async def suspending(argument: Any) -> R:
        await anyio.lowlevel.checkpoint()
        return hook(argument)

    return suspending
