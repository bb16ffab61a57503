"""Tasks that are cancelled, or have something thrown in, at one of their suspension points, and what oversees them."""

from __future__ import annotations

import asyncio
import types
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Generator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, Literal, TypeAlias, cast

import anyio
import trio
from trio.lowlevel import Abort, current_task, current_trio_token, reschedule, wait_task_rescheduled

Flavour: TypeAlias = Literal["asyncio", "trio", "anyio"]
"""What cancels: a task of asyncio once, a scope of trio for good, a scope of anyio on asyncio for good."""

Kind: TypeAlias = Literal["cancel", "cancel in step", "cancel on waking", "throw", "close"]
"""What is done to a task that is suspended: it is cancelled, before that by itself, or when it is about to go on; it
has something thrown in that nobody expects; it is destroyed."""

Job: TypeAlias = Callable[[], Coroutine[Any, Any, object]]

KINDS: dict[Flavour, tuple[Kind, ...]] = {
    "asyncio": ("cancel", "cancel in step", "cancel on waking", "throw", "close"),
    "trio": ("cancel", "throw", "close"),
    "anyio": ("cancel",),
}

PATIENCE = 2000
"""Turns of the loop after which what should have happened counts as never happening."""


class Thrown(BaseException):
    """Something that nobody expects."""


async def pause(times: int = 1) -> None:
    """Let other tasks go on, some turns of the loop each time. It is one suspension point each time."""
    for _ in range(times):
        await (_pause_in_trio() if trio.lowlevel.in_trio_task() else _pause_in_asyncio())


async def _pause_in_asyncio() -> None:
    loop = asyncio.get_running_loop()
    over = loop.create_future()

    def later(turns: int) -> None:
        if turns:
            loop.call_soon(later, turns - 1)
        elif not over.done():
            over.set_result(None)

    later(2)
    await over


async def _pause_in_trio() -> None:
    task, token, waiting = current_task(), current_trio_token(), True

    def later(turns: int) -> None:
        if turns:
            token.run_sync_soon(later, turns - 1)
        elif waiting:
            reschedule(task)

    def abort(_: object) -> Abort:
        nonlocal waiting
        waiting = False
        return Abort.SUCCEEDED

    later(1)
    try:
        await wait_task_rescheduled(abort)
    finally:
        waiting = False


async def until(happened: Callable[[], object], wait: Callable[[], Awaitable[object]] = pause) -> None:
    """Let other tasks go on until something has happened; fail if it never does."""
    for _ in range(PATIENCE):
        if happened():
            return
        await wait()
    raise AssertionError("it has not happened")


class Watch:
    """Counts the suspension points of a task, and interrupts it at one of them, counted from 0."""

    def __init__(self, flavour: Flavour, kind: Kind, place: int) -> None:
        self._flavour = flavour
        self._kind = kind
        self._place = place
        self.passed = 0
        """The suspension points that were passed."""
        self.interrupted = False
        self.suspended_again = 0
        """How often the task was suspended after it was interrupted."""
        self.came_out: type[BaseException] | None = None
        """What came out of it, but for the errors that a scenario expects."""
        self._cancel: Callable[[], object] = lambda: None

    @property
    def expected(self) -> type[BaseException]:
        """What is to come out of an interrupted task."""
        if self._kind in ("throw", "close"):
            return Thrown if self._kind == "throw" else GeneratorExit
        return trio.Cancelled if self._flavour == "trio" else asyncio.CancelledError

    async def over(self, job: Job) -> None:
        """Do something in a task of its own, or in a scope, and interrupt it."""
        if self._flavour == "trio":
            with trio.CancelScope() as scope:
                self._cancel = scope.cancel
                await self._watched(job())
            assert scope.cancelled_caught == (self.came_out is trio.Cancelled)
            return
        task = asyncio.create_task(self._in_scope(job) if self._flavour == "anyio" else self._in_task(job))
        if self._flavour == "asyncio":
            self._cancel = task.cancel
        await asyncio.wait([task])
        self._cancel = lambda: None  # what refers to the task keeps its frames, and with them what they refer to
        assert task.cancelled() == (self._flavour == "asyncio" and self.came_out is asyncio.CancelledError)
        if not task.cancelled():
            task.result()

    async def _in_task(self, job: Job) -> None:
        await self._watched(job())

    async def _in_scope(self, job: Job) -> None:
        with anyio.CancelScope() as scope:
            self._cancel = scope.cancel
            await self._watched(job())
        assert scope.cancelled_caught == (self.came_out is asyncio.CancelledError)

    @types.coroutine
    def _watched(self, job: Coroutine[Any, Any, object]) -> Generator[Any, Any, None]:
        go_on: Callable[[], Any] = partial(job.send, None)
        while True:
            try:
                waits_for = go_on()
            except StopIteration:
                return
            except BaseException as error:
                self.came_out = type(error)
                if isinstance(error, Thrown):
                    return
                raise
            self.suspended_again += self.interrupted
            place, self.passed = self.passed, self.passed + 1
            if place == self._place:
                self.interrupted = True
                if self._kind == "close":
                    job.close()
                    self.came_out = GeneratorExit
                    return
                if self._kind == "throw":
                    go_on = partial(job.throw, Thrown())
                    continue
                self._interrupt(waits_for)
            try:
                value = yield waits_for
            except BaseException as error:
                go_on = partial(job.throw, error)
            else:
                go_on = partial(job.send, value)

    def _cancel_now(self, _: object) -> None:
        self._cancel()

    def _interrupt(self, waits_for: Any) -> None:
        if self._kind == "cancel on waking":
            waits_for.add_done_callback(self._cancel_now)
        elif self._kind == "cancel in step" or self._flavour == "trio":
            self._cancel()
        else:
            asyncio.get_running_loop().call_soon(self._cancel)


class Started:
    """A task that a test has started."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._cancel: Callable[[], object] = lambda: None
        self.ended = False
        self.cancelled = False
        """Whether its cancellation came out of it."""
        self._result: Any = None
        self._error: Exception | None = None

    def cancel(self) -> None:
        """Cancel it; in trio, for good."""
        self._cancel()

    def outcome(self) -> Any:
        """What it has returned; what came out of it is raised."""
        assert self.ended
        assert not self.cancelled
        if self._error is not None:
            raise self._error
        return self._result

    async def run(self) -> None:
        """Do it, in its task."""
        if trio.lowlevel.in_trio_task():
            with trio.CancelScope() as scope:
                self._cancel = scope.cancel
                await self._run()
        else:
            task = asyncio.current_task()
            assert task is not None
            self._cancel = task.cancel
            await self._run()

    async def _run(self) -> None:
        try:
            self._result = await self._job()
        except (asyncio.CancelledError, trio.Cancelled):
            self.cancelled = True
            raise
        except Exception as error:
            self._error = error.with_traceback(None)  # which keeps what the task had
        finally:
            self.ended = True
            self._cancel = lambda: None


class Crowd:
    """The tasks that a test starts."""

    def __init__(self, spawn: Callable[[Job], object]) -> None:
        self._spawn = spawn
        self.started: list[Started] = []

    async def start(self, job: Job, pauses: int = 1) -> Started:
        """Start a task, and let it go as far as it can."""
        started = Started(job)
        self.started.append(started)
        self._spawn(started.run)
        await pause(pauses)
        return started

    async def all_ended(self, wait: Callable[[], Awaitable[object]] = pause) -> None:
        """Wait for all tasks."""
        await until(lambda: all(started.ended for started in self.started), wait)


@asynccontextmanager
async def crowd(wait: Callable[[], Awaitable[object]] = pause) -> AsyncGenerator[Crowd, None]:
    """Start tasks, which end in the block, or at its end."""
    if trio.lowlevel.in_trio_task():
        async with trio.open_nursery() as nursery:
            tasks = Crowd(nursery.start_soon)
            yield tasks
            await tasks.all_ended(wait)
        return
    spawned: list[asyncio.Task[object]] = []
    tasks = Crowd(lambda job: spawned.append(asyncio.create_task(job())))
    try:
        yield tasks
        await tasks.all_ended(wait)
    finally:
        for task in spawned:
            task.cancel()
        await asyncio.gather(*spawned, return_exceptions=True)


@asynccontextmanager
async def meanwhile(*jobs: Job) -> AsyncGenerator[None, None]:
    """Have other tasks do something. At the end of the block they must end well."""
    async with crowd() as others:
        for job in jobs:
            await others.start(job, pauses=0)
        yield
    for other in others.started:
        other.outcome()


def run_task(flavour: Flavour, main: Callable[[], Awaitable[None]]) -> None:
    """Do something in a task of a new event loop, which must not complain of anything."""
    complaints: list[str] = []

    async def begin() -> None:
        if flavour != "trio":
            asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(str(context)))
        await main()
        if flavour != "trio":
            assert asyncio.all_tasks() == {asyncio.current_task()}, "tasks are left"

    if flavour == "trio":
        _run_in_the_same_order(begin)
    else:
        asyncio.run(begin())
    assert complaints == []


def _run_in_the_same_order(main: Callable[[], Awaitable[None]]) -> None:
    """Do something in a run of trio whose tasks go on in the same order each time; otherwise it shuffles them."""
    run = cast("Any", trio)._core._run
    before, run._ALLOW_DETERMINISTIC_SCHEDULING = run._ALLOW_DETERMINISTIC_SCHEDULING, True
    run._r.seed(0)
    try:
        trio.run(main)
    finally:
        run._ALLOW_DETERMINISTIC_SCHEDULING = before
