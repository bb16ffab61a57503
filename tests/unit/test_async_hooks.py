"""The factory and the hooks of a pool for tasks: coroutine functions, functions that return awaitables, or plain."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Generator
from functools import partial
from typing import Any

import pytest

from ProxyPatternPool import AsyncPool, HookError
from ProxyPatternPool._pool.async_pool import async_core_of

from .clock import FakeScheduler, HandMovedClock
from .helpers import Thing, Works, said
from .tasks import both, run_in, turn


class Server:
    """A factory and hooks that all wait, and note when they begin and when they end."""

    def __init__(self, bound: int = 2) -> None:
        self.works = Works(bound=bound)
        self.calls: list[str] = []
        self.failing: set[str] = set()
        self.healthy = True

    def pool(self, max_size: int = 1, **parameters: Any) -> AsyncPool[Any]:
        return AsyncPool(
            self.make,
            max_size,
            0,
            opener=self.open,
            getter=self.get,
            retter=self.ret,
            closer=self.close,
            health=self.check,
            **parameters,
        )

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
        await turn()
        if what in self.failing:
            raise ConnectionError(what)
        self.calls.append(f"{what} done")


@both
def test_every_hook_is_awaited(flavour: str, scheduler: FakeScheduler, clock: HandMovedClock) -> None:
    """From the factory to the closer: what comes next begins when the hook before has ended, not when it returned."""
    server = Server()
    pool = server.pool(health_before_get=0.0)

    async def life() -> None:
        thing = await pool.get()
        await pool.ret(thing)
        assert await pool.get() is thing
        await pool.discard(thing)
        assert pool.stats()["nobjs"] == 0

    run_in(flavour, life)
    steps = ["make", "open", "get", "ret", "check", "get", "close"]
    assert server.calls == [each for step in steps for each in (step, f"{step} done")]


@both
@pytest.mark.parametrize("ends", ["obj", "lease"])
def test_a_block_that_is_cancelled_does_not_wait_for_its_hooks(
    flavour: str, ends: str, scheduler: FakeScheduler
) -> None:
    """The task goes on at once with its cancellation; the pool waits for the retter, and lends the object again."""
    waiting: list[Any] = []
    server = Server()

    async def retter(thing: Any) -> None:
        waiting.append(thing)
        while gate:
            await turn()

    gate = [True]
    pool = AsyncPool(server.make, 1, 0, retter=retter, closer=server.close)

    async def block() -> None:
        if ends == "obj":
            async with pool.obj():
                raise Cancelled
        async with pool.lease():
            raise Cancelled

    async def blocks() -> None:
        with pytest.raises(Cancelled):
            await block()
        assert pool.stats()["navail"] == 0
        gate.clear()
        async with pool.obj() as thing:
            assert waiting == [thing] == server.works.made

    class Cancelled(BaseException):
        """As those of asyncio and of trio, it is no ``Exception``."""

    run_in(flavour, blocks)


@both
def test_a_round_awaits_its_checks(flavour: str, scheduler: FakeScheduler) -> None:
    """A health check in a round is awaited, and what it says counts."""
    server = Server()
    pool = server.pool(2, hk_delay=1.0)

    async def rounds() -> None:
        first, second = await pool.get(), await pool.get()
        await pool.ret(first)
        await pool.ret(second)
        await pool.housekeep()
        assert pool.stats()["navail"] == 2
        server.healthy = False
        await pool.housekeep()
        assert server.works.closed == [first, second]
        server.healthy = True
        await pool.ret(await pool.get())
        server.failing = {"check"}
        await pool.housekeep()
        assert pool.stats()["nobjs"] == 0
        assert pool.stats()["hc_errors"] == 1

    run_in(flavour, rounds)


@both
@pytest.mark.parametrize("hook_errors", ["log", "discard"])
@pytest.mark.parametrize("hook", ["open", "get"])
def test_a_failing_hook(flavour: str, hook: str, hook_errors: str, scheduler: FakeScheduler) -> None:
    """What an awaited opener or getter raises is logged, or discards the object, as with one that is not awaited."""
    server = Server()
    server.failing = {hook}
    pool = server.pool(hook_errors=hook_errors)

    async def fails() -> None:
        if hook_errors == "log":
            thing = await pool.get()
            assert server.works.closed == []
            await pool.ret(thing)
        else:
            with pytest.raises(HookError):
                await pool.get()
            await turn(5)
            assert server.works.closed == server.works.made
            assert pool.stats()["nobjs"] == 0
        assert pool.stats()["hook_errors"] == 1

    run_in(flavour, fails)


@both
@pytest.mark.parametrize("hook", ["ret", "close"])
def test_a_failing_return(flavour: str, hook: str, scheduler: FakeScheduler) -> None:
    """An awaited retter that fails discards the object; an awaited closer that fails frees the place."""
    server = Server()
    server.failing = {hook}
    pool = server.pool()

    async def fails() -> None:
        thing = await pool.get()
        await (pool.discard(thing) if hook == "close" else pool.ret(thing))
        await turn(5)
        assert server.works.closed == server.works.made
        assert pool.stats()["nobjs"] == 0
        assert pool.stats()["hook_errors"] == 1

    run_in(flavour, fails)


class Opens:
    """Awaited for a connection, as that of aiosqlite is."""

    def __await__(self) -> Generator[Any, Any, str]:
        yield from turn().__await__()
        return "awaited"


class Connects:
    """A callable object whose call is to be awaited."""

    async def __call__(self, number: int) -> str:
        await turn()
        return "called"

    async def method(self, prefix: str, number: int) -> str:
        return prefix

    @classmethod
    async def connect(cls) -> str:
        return "connected"


FACTORIES: dict[str, Callable[[int], str | Awaitable[str]]] = {
    "plain": lambda number: "plain",
    "awaited": lambda number: Opens(),
    "called": Connects(),
    "bound": partial(Connects().method, "bound"),
    "connected": lambda number: Connects.connect(),
}


@both
@pytest.mark.parametrize("expected", FACTORIES)
def test_all_kinds_of_factories(flavour: str, expected: str, scheduler: FakeScheduler) -> None:
    """A plain function, something awaitable, a callable object, a partial of a method, a class method in a lambda."""
    pool = AsyncPool(FACTORIES[expected], 1, 0)

    async def gets() -> None:
        async with pool.obj() as got:
            assert got == expected

    run_in(flavour, gets)


@both
def test_an_asynchronous_generator_is_refused(flavour: str, scheduler: FakeScheduler) -> None:
    """Nobody could say which of its values the object is."""

    async def generate(number: int) -> Any:
        yield number

    pool: AsyncPool[Any] = AsyncPool(lambda number: generate(number), 1, 0)

    async def gets() -> None:
        with pytest.raises(TypeError, match="fun returned an async generator"):
            await pool.get()

    run_in(flavour, gets)


@pytest.mark.parametrize("as_task", [False, True])
def test_awaited_by_two_tasks(as_task: bool, scheduler: FakeScheduler) -> None:
    """What a return gives to await is awaited by one task, as a coroutine is; another is told so, and harms nobody."""

    async def main() -> None:
        go_on = asyncio.Event()
        pool = AsyncPool(Thing, 1, 0, retter=lambda _: go_on.wait())
        back = pool.ret(await pool.get())

        async def wait() -> None:
            await back

        first = asyncio.create_task(wait())
        await turn()
        second = asyncio.create_task(back if as_task else wait())
        await turn()
        with pytest.raises(RuntimeError, match=r"^another task awaits this return already: call ret"):
            await second
        assert not first.done()
        go_on.set()
        await first
        await back  # there is nothing to wait for any more

    asyncio.run(main())


def test_a_return_as_a_task(scheduler: FakeScheduler) -> None:
    """A task that waits for a retter may be cancelled: the retter goes on."""

    async def main() -> None:
        go_on = asyncio.Event()
        pool = AsyncPool(Thing, 1, 0, retter=lambda _: go_on.wait())
        task = asyncio.create_task(pool.ret(await pool.get()))
        await turn(3)
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()
        go_on.set()
        await turn(3)
        assert pool.stats()["navail"] == 1

    asyncio.run(main())


def test_a_return_as_a_task_that_ends(scheduler: FakeScheduler) -> None:
    """It ends when the retter has ended."""

    async def main() -> None:
        pool = AsyncPool(Thing, 1, 0, retter=lambda _: turn(3))
        task = asyncio.create_task(pool.ret(await pool.get()))
        await turn(2)
        assert not task.done()
        await asyncio.wait_for(task, 20)
        assert pool.stats()["navail"] == 1

    asyncio.run(main())


@both
def test_entering_creates_what_is_missing(flavour: str, scheduler: FakeScheduler) -> None:
    """A pool that is entered has its first objects created, though nobody uses it."""

    async def main() -> None:
        async with AsyncPool(Thing, 3, 2) as pool:
            scheduler.run()
            await turn(5)
            assert pool.stats()["navail"] == 2

    run_in(flavour, main)


@both
def test_what_hooks_have_failed_with(flavour: str, scheduler: FakeScheduler, caplog: pytest.LogCaptureFixture) -> None:
    """Whichever is awaited, and fails, is named with its error, in the log and where the last errors are shown."""

    async def fail(thing: Thing) -> bool:
        await turn()
        raise ConnectionError("gone")

    async def make(number: int) -> Thing:
        return Thing(number)

    async def main() -> None:
        pool = AsyncPool(make, 1, 0, opener=fail, getter=fail, retter=fail, closer=fail, name="books")
        await pool.ret(await pool.get())
        checked = AsyncPool(make, 1, 1, health=fail, name="books")
        await checked.ret(await checked.get())
        await checked.housekeep()
        for one, hooks in ((pool, ["opener", "getter", "retter", "closer"]), (checked, ["health"])):
            found = [fault[:4] for fault in async_core_of(one).faults]
            assert sorted(found) == sorted((hook, "ConnectionError", "gone", 1) for hook in hooks)

    run_in(flavour, main)
    what = ["opener failed on", "getter failed on", "retter failed, discarding", "closer failed on"]
    what.append("bad health, discarding")
    assert said(caplog) == [f"pool 'books': {failed} thing 0: ConnectionError('gone')" for failed in what]
