"""Event loops in which tests run the same promises."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import Any, Protocol, TypeAlias, TypeVar

import trio

from ProxyPatternPool._runtime.task_loops import running_task_loop
from ProxyPatternPool._runtime.waiting import TaskLoop

from .helpers import DEADLINE

R = TypeVar("R")

Main: TypeAlias = Callable[[], Awaitable[R]]


class Child:
    """A task that a test has begun: how it has ended, and how it can be cancelled."""

    def __init__(self, cancel: Callable[[], object]) -> None:
        self.cancel = cancel
        self.ended = False
        self.result: object = None
        self.error: BaseException | None = None

    async def do(self, main: Main[object]) -> None:
        try:
            self.result = await main()
        except BaseException as error:
            self.error = error
            if not isinstance(error, Exception):
                raise
        finally:
            self.ended = True


class Library(Protocol):
    """What runs event loops."""

    @property
    def cancelled(self) -> type[BaseException]:
        """What is thrown into a task that is cancelled."""
        ...

    def run(self, main: Main[R]) -> R:
        """Run an event loop until a task has ended."""
        ...

    def begin(self, main: Main[object], name: str | None = None) -> Child:
        """Begin another task."""
        ...

    async def pause(self, seconds: float = 0.0) -> None:
        """Let others run."""
        ...


class Asyncio:
    """asyncio, or another library with its interface."""

    cancelled = asyncio.CancelledError

    def __init__(self, run: Callable[..., Any] = asyncio.run, *, debug: bool = False) -> None:
        self._run = run
        self.debug = debug

    def run(self, main: Main[R]) -> R:
        async def patient() -> R:
            asyncio.get_running_loop().slow_callback_duration = DEADLINE  # else it logs what takes longer
            return await main()

        result: R = self._run(patient(), debug=self.debug)
        return result

    def begin(self, main: Main[object], name: str | None = None) -> Child:
        child = Child(lambda: task.cancel())
        task = asyncio.get_running_loop().create_task(child.do(main), name=name)
        child.cancel = task.cancel  # which keeps the task, too
        return child

    async def pause(self, seconds: float = 0.0) -> None:
        await asyncio.sleep(seconds)


class Trio:
    """trio."""

    cancelled = trio.Cancelled

    def run(self, main: Main[R]) -> R:
        return trio.run(main)

    def begin(self, main: Main[object], name: str | None = None) -> Child:
        scope = trio.CancelScope()
        child = Child(scope.cancel)

        async def run() -> None:
            with scope:
                await child.do(main)

        trio.lowlevel.spawn_system_task(run, name=name)
        return child

    async def pause(self, seconds: float = 0.0) -> None:
        await trio.sleep(seconds)


LIBRARIES: dict[str, Library] = {"asyncio": Asyncio(), "asyncio in debug mode": Asyncio(debug=True), "trio": Trio()}


def here() -> TaskLoop:
    """What is asked of the loop that runs here."""
    loop = running_task_loop()
    assert loop is not None
    return loop


async def until(library: Library, happened: Callable[[], object]) -> None:
    """Let others run until something has happened; fail when it never does."""
    deadline = monotonic() + DEADLINE
    while not happened():
        assert monotonic() < deadline, "still not so"
        await library.pause(0.0005)


def steps_of(awaitable: Awaitable[R]) -> Any:
    """The steps that await something."""
    return (yield from awaitable.__await__())
