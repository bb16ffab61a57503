"""The engine's steps, driven by a task: hooks that are to be awaited are, and whatever is thrown in loses nothing.

There is no public pool for tasks here: an engine gets a driver that awaits what hooks return, and sleeps as tasks do.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import types
from collections.abc import Awaitable, Callable, Generator
from contextlib import suppress
from dataclasses import replace
from typing import Any, TypeVar, cast

import pytest

from ProxyPatternPool import HookError, Hooks, Pool, PoolStats
from ProxyPatternPool._awaitables import is_awaitable
from ProxyPatternPool._config import PoolConfig
from ProxyPatternPool._engine.core import Core
from ProxyPatternPool._engine.steps import Rest, Steps, run
from ProxyPatternPool._inspect.stats import report
from ProxyPatternPool._ledger.entry import Entry
from ProxyPatternPool._runtime.waiting import do_nothing
from ProxyPatternPool._scheduler.process import current_scheduler

from .clock import FakeScheduler, HandMovedClock
from .helpers import ROOT, Works

R = TypeVar("R")


class Thrown(BaseException):
    """What ends a task, as a cancellation does."""


class Server:
    """A factory and hooks that all wait, and note when they begin and when they end."""

    def __init__(self) -> None:
        self.works = Works(bound=2)
        self.calls: list[str] = []
        self.failing: set[str] = set()
        self.healthy = True

    async def make(self, number: int) -> Any:
        await self._waits("make")
        return self.works.make(number)

    async def open(self, thing: Any) -> None:
        await self._waits("open")

    async def get(self, thing: Any) -> None:
        await self._waits("get")

    async def ret(self, thing: Any) -> None:
        await self._waits("ret")

    async def check(self, thing: Any) -> bool:
        await self._waits("check")
        return self.healthy

    async def close(self, thing: Any) -> None:
        self.works.close(thing)
        await self._waits("close")

    async def _waits(self, what: str) -> None:
        self.calls.append(what)
        await asyncio.sleep(0)
        if what in self.failing:
            raise ConnectionError(what)
        self.calls.append(f"{what} done")


class TaskSleeper:
    """A task sleeps until its event is set, from any thread."""

    hub = None

    def __init__(self, _: Callable[[], None] = do_nothing, /) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        with suppress(RuntimeError):  # steps that a test drives by hand
            self._loop = asyncio.get_running_loop()
        self.woken = asyncio.Event()

    def sleep(self, seconds: float | None) -> Steps[bool]:
        with suppress(asyncio.TimeoutError):
            yield from asyncio.wait_for(self.woken.wait(), seconds).__await__()
        woken = self.woken.is_set()
        self.woken.clear()
        return woken

    def wake(self) -> bool:
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self.woken.set)
        return self._loop is not None

    def alive(self) -> bool:
        return True

    def dispose(self) -> None:
        pass


class TaskDriver:
    """Hooks and sleepers are awaited, and what is left to do on the way of an exception is left to others."""

    def __init__(self) -> None:
        self.left: list[Steps[None]] = []

    def settle(self, name: str, result: object) -> Steps[Any] | None:
        return cast("Awaitable[Any]", result).__await__() if is_awaitable(result) else None

    def finish(self, rest: Rest) -> None:
        if rest is not None:
            self.left.append(rest)


class Task:
    """A pool whose engine a task drives."""

    def __init__(self, server: Server, max_size: int = 1, **parameters: Any) -> None:
        self.driver = TaskDriver()
        check = _returning(server.check) if "health_before_get" in parameters else None
        hooks: Hooks[Any] = Hooks(
            _returning(server.make),
            _returning(server.open),
            _returning(server.get),
            _returning(server.ret),
            _returning(server.close),
            check,
        )
        config = config_of(Pool(lambda number: None, max_size, 0, health=check, **parameters))
        scheduler = current_scheduler()
        environment = replace(scheduler.environment, new_sleeper=cast(Any, TaskSleeper))
        scheduler.environment = environment
        self.core: Core[Any] = Core(hooks, config, scheduler, driver=self.driver)

    @property
    def stats(self) -> PoolStats:
        return report(self.core)

    def get(self) -> Steps[Any]:
        got = self.core.loans.borrow(None)
        return (got if isinstance(got, Entry) else (yield from got)).obj

    def ret(self, thing: Any, *, broken: bool = False) -> Steps[None]:
        rest = self.core.returns.give_back(thing, broken=broken)
        if rest is not None:
            yield from rest

    def leftovers(self) -> Steps[None]:
        """What is left to do, and what is queued."""
        while self.driver.left:
            yield from self.driver.left.pop()
        yield from self.core.chores.run()


def _returning(hook: Callable[[Any], Awaitable[Any]]) -> Callable[[Any], Any]:
    """A plain function, as a pool for threads takes it, that returns what is to be awaited."""
    return lambda thing: hook(thing)


def config_of(pool: Pool[Any]) -> PoolConfig:
    return pool._core.config


@types.coroutine
def awaiting(steps: Steps[R]) -> Generator[Any, Any, R]:
    return (yield from steps)


def in_a_task(steps: Steps[R]) -> R:
    async def main() -> R:
        return await awaiting(steps)

    return asyncio.run(main())


def test_every_hook_is_awaited(scheduler: FakeScheduler, clock: HandMovedClock) -> None:
    """From the factory to the closer: what comes next begins when the hook before has ended, not when it returned."""
    server = Server()
    task = Task(server, health_before_get=0.0)

    def life() -> Steps[None]:
        thing = yield from task.get()
        yield from task.ret(thing)
        assert (yield from task.get()) is thing
        yield from task.ret(thing, broken=True)

    in_a_task(life())
    steps = ["make", "open", "get", "ret", "check", "get", "close"]
    assert server.calls == [each for step in steps for each in (step, f"{step} done")]
    assert task.stats["nobjs"] == 0


def test_a_round_awaits_its_checks(scheduler: FakeScheduler) -> None:
    """A health check in a round is awaited, and what it says counts."""
    server = Server()
    task = Task(server, 2, health_before_get=1.0)
    first, second = in_a_task(task.get()), in_a_task(task.get())
    for thing in (first, second):
        in_a_task(task.ret(thing))
    in_a_task(task.core.maintenance.check_health())
    assert task.stats["navail"] == 2
    server.healthy = False
    in_a_task(task.core.maintenance.check_health())
    assert server.works.closed == [first, second]
    server.healthy = True
    in_a_task(task.ret(in_a_task(task.get())))
    server.failing = {"check"}
    in_a_task(task.core.maintenance.check_health())
    assert task.stats["nobjs"] == 0
    assert task.stats["hc_errors"] == 1


@pytest.mark.parametrize("hook_errors", ["log", "discard"])
@pytest.mark.parametrize("hook", ["open", "get"])
def test_a_failing_hook(hook: str, hook_errors: str, scheduler: FakeScheduler) -> None:
    """What an awaited opener or getter raises is logged, or discards the object, as with one that is not awaited."""
    server = Server()
    server.failing = {hook}
    task = Task(server, hook_errors=hook_errors)
    if hook_errors == "log":
        in_a_task(task.get())
        assert server.works.closed == []
    else:
        with pytest.raises(HookError):
            in_a_task(task.get())
        in_a_task(task.leftovers())
        assert server.works.closed == server.works.made
        assert task.stats["nobjs"] == 0
    assert task.stats["hook_errors"] == 1


@pytest.mark.parametrize("hook", ["ret", "close"])
def test_a_failing_return(hook: str, scheduler: FakeScheduler) -> None:
    """An awaited retter that fails discards the object; an awaited closer that fails frees the place."""
    server = Server()
    server.failing = {hook}
    task = Task(server)
    in_a_task(task.ret(in_a_task(task.get()), broken=hook == "close"))
    assert server.works.closed == server.works.made
    assert task.stats["nobjs"] == 0
    assert task.stats["hook_errors"] == 1


def test_an_unhealthy_object_is_replaced(scheduler: FakeScheduler) -> None:
    """One that an awaited check finds no good is closed, and the borrower gets another."""
    server = Server()
    task = Task(server, 2, health_before_get=0.0)
    first = in_a_task(task.get())
    in_a_task(task.ret(first))
    server.healthy = False
    second = in_a_task(task.get())
    assert second is not first
    in_a_task(task.leftovers())
    assert server.works.closed == [first]


def lives(task: Task) -> Steps[None]:
    """Create, return, check, lend, replace, discard: each hook is waited for at least once."""
    thing = yield from task.get()
    yield from task.ret(thing)
    thing = yield from task.get()
    yield from task.ret(thing)
    yield from task.core.maintenance.check_health()
    thing = yield from task.get()
    yield from task.ret(thing, broken=True)


def test_thrown_in_at_each_wait(scheduler: FakeScheduler) -> None:
    """Whichever wait a task ends in: afterwards each object is idle, lent to it, or closed once; places are free."""
    thrown = 0
    while True:
        server = Server()
        task = Task(server, health_before_get=0.0)
        steps = lives(task)
        steps.send(None)
        try:
            for _ in range(thrown):
                steps.send(None)
        except StopIteration:
            break
        with pytest.raises(Thrown):
            steps.throw(Thrown())
        in_a_task(task.leftovers())
        for thing in [entry.obj for entry in task.core.ledger.shelves.using.values()]:
            in_a_task(task.ret(thing, broken=True))  # the task may have had it in hand
        stats = task.stats
        assert stats["nobjs"] == stats["navail"], (thrown, server.calls)
        assert len(server.works.alive) == stats["navail"], (thrown, server.calls)
        assert stats["nwaiting"] == 0
        thrown += 1
    assert thrown >= 10


def test_a_task_that_waits_stops_nobody(scheduler: FakeScheduler) -> None:
    """It is woken by who returns what it waits for; meanwhile its loop goes on, and so does its time."""
    server = Server()
    task = Task(server)
    ticks = 0

    async def main() -> None:
        nonlocal ticks
        held = await awaiting(task.get())
        waiting = asyncio.ensure_future(awaiting(task.get()))
        while task.stats["nwaiting"] == 0 or ticks < 3:
            await asyncio.sleep(0)
            ticks += 1
        await awaiting(task.ret(held))
        assert await waiting is held
        cancelled = asyncio.ensure_future(awaiting(task.get()))
        while task.stats["nwaiting"] == 0:
            await asyncio.sleep(0)
        cancelled.cancel()
        with pytest.raises(asyncio.CancelledError):
            await cancelled
        assert task.stats["nwaiting"] == 0
        await awaiting(task.ret(held))

    asyncio.run(main())
    assert task.stats["navail"] == 1


def test_a_thread_never_suspends(scheduler: FakeScheduler) -> None:
    """A step that would wait for an event loop in a thread is a bug, and says so."""
    server = Server()
    task = Task(server)
    steps = task.get()
    with pytest.raises(RuntimeError, match="a step of a pool for threads has suspended"):
        run(steps)
    in_a_task(task.leftovers())
    assert task.stats["nobjs"] == 0


BROKEN = """
async def step():
    try:
        yield
    {}
"""


@pytest.mark.parametrize(
    ("line", "right"),
    [
        ("except OSError:\n        yield", False),
        ("except OSError:\n        wait = yield from other()", False),
        ("finally:\n        await other()", False),
        ("finally:\n        async with other(): pass", False),
        ("finally:\n        def later():\n            yield", True),
        ("finally:\n        pass\n    yield", True),
    ],
)
def test_no_step_waits_on_the_way_of_an_exception(line: str, right: bool, tmp_path: Any) -> None:
    """Where a task is cancelled for good, it would be cancelled there again: a check of the sources sees it."""
    source = tmp_path / "step.py"
    source.write_text(BROKEN.format(line))
    command = [sys.executable, str(ROOT / "tools" / "waits_on_errors.py"), str(source)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode == 0) == right, done.stdout + done.stderr
    assert done.stderr == ""


def test_the_engine_follows_it() -> None:
    """As do all of its steps."""
    subprocess.run([sys.executable, str(ROOT / "tools" / "waits_on_errors.py")], check=True, timeout=60)
