"""Hooks of a pool for tasks that raise what ends a task or a program, and hooks that use the pool."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator
from functools import partial
from typing import Any

import pytest

from ProxyPatternPool import AsyncPool, PoolException
from ProxyPatternPool._engine import hooks

from .cancelling import Flavour, Started, crowd, pause, run_task, until
from .clock import FakeScheduler
from .helpers import Thing, Works, said
from .tasks import both


class Faulty:
    """A factory and hooks that wait, of which one raises something once."""

    def __init__(self, hook: str, error: Callable[[], BaseException]) -> None:
        self.works = Works(bound=1)
        self._hook = hook
        self._error = error

    def pool(self) -> AsyncPool[Thing]:
        return AsyncPool(
            self.make,
            1,
            0,
            opener=partial(self._raises, "opener"),
            getter=partial(self._raises, "getter"),
            retter=partial(self._raises, "retter"),
            closer=self.close,
            health=self.check,
            health_before_get=0.0,
        )

    async def _raises(self, hook: str, thing: Thing | None = None) -> None:
        await pause()
        if hook == self._hook:
            self._hook = ""
            raise self._error()

    async def make(self, number: int) -> Thing:
        await self._raises("fun")
        return self.works.make(number)

    async def check(self, thing: Thing) -> bool:
        await self._raises("health")
        return True

    async def close(self, thing: Thing) -> None:
        self.works.close(thing)
        await self._raises("closer")


async def life(pool: AsyncPool[Thing]) -> None:
    """Have each hook called once."""
    await pool.ret(await pool.get())
    thing = await pool.get()
    await pool.discard(thing)


async def serves(pool: AsyncPool[Thing], works: Works) -> None:
    """The place is free, and the object that was there, if there was one, was closed once."""
    await until(lambda: pool.stats()["nobjs"] == pool.stats()["navail"])
    assert pool.stats()["navail"] == len(works.alive)
    async with pool.obj(0):
        pass
    await pool.close()
    assert works.closed == works.made


@both
@pytest.mark.parametrize("hook", ["fun", "opener", "getter", "health", "retter", "closer"])
def test_a_hook_that_ends_the_program(flavour: Flavour, hook: str, scheduler: FakeScheduler) -> None:
    """A ``SystemExit`` comes out of the task for which the hook is called, and nothing is lost."""
    faulty = Faulty(hook, partial(SystemExit, 3))
    pool = faulty.pool()

    async def main() -> None:
        with pytest.raises(SystemExit):
            await life(pool)
        await serves(pool, faulty.works)

    run_task(flavour, main)


@pytest.mark.parametrize("hook", ["fun", "opener", "getter", "health", "retter", "closer"])
def test_a_hook_that_is_cancelled_by_itself(hook: str, scheduler: FakeScheduler) -> None:
    """What runs in the task of a borrower cancels him. A retter or a closer does not: it is the pool's own task."""
    faulty = Faulty(hook, asyncio.CancelledError)
    pool = faulty.pool()

    async def main() -> None:
        async with crowd() as tasks:
            task = await tasks.start(partial(life, pool))
            await tasks.all_ended()
        assert task.cancelled == (hook not in ("retter", "closer"))
        await serves(pool, faulty.works)

    run_task("asyncio", main)


@both
@pytest.mark.parametrize("hook", ["retter", "closer"])
def test_a_hook_that_ends_the_program_while_nobody_waits(
    flavour: Flavour, hook: str, scheduler: FakeScheduler, caplog: pytest.LogCaptureFixture
) -> None:
    """It ends the loop, as in any other task of asyncio. In trio, which takes it for its own fault, it is logged."""
    faulty = Faulty(hook, partial(SystemExit, 3))
    pool = faulty.pool()

    async def main() -> None:
        thing = await pool.get()
        _ = pool.ret(thing) if hook == "retter" else pool.discard(thing)
        await pause(10)
        await serves(pool, faulty.works)

    if flavour == "trio":
        run_task(flavour, main)
        assert any("maintenance failed: SystemExit(3)" in line for line in said(caplog))
        return
    with pytest.raises(SystemExit):
        asyncio.run(main())


@both
@pytest.mark.parametrize("hook", ["fun", "opener", "getter", "retter", "closer", "health"])
def test_a_hook_that_waits_for_the_pool(flavour: Flavour, hook: str, scheduler: FakeScheduler, works: Works) -> None:
    """It would wait for itself: it gets an error at once that says what to do instead. What is idle it may borrow."""
    errors: list[PoolException] = []
    pool: AsyncPool[Thing]

    async def use(result: Any = True) -> Any:
        await pause()
        try:
            await pool.get(60)
        except PoolException as error:
            errors.append(error)
        return result

    async def make(number: int) -> Thing:
        return await use(works.make(number)) if hook == "fun" else works.make(number)

    async def close(thing: Thing) -> None:
        works.close(thing)
        if hook == "closer":
            await use()

    async def use_with(thing: Thing) -> Any:
        return await use()

    def called(name: str) -> Any:
        return use_with if hook == name else None

    pool = AsyncPool(
        make,
        1,
        0,
        opener=called("opener"),
        getter=called("getter"),
        retter=called("retter"),
        closer=close,
        health=called("health"),
        health_before_get=0.0 if hook == "health" else None,
    )

    async def main() -> None:
        async with crowd() as tasks:
            user: Started = await tasks.start(partial(life, pool))
            await tasks.all_ended()
        user.outcome()
        assert len(errors) >= 1
        assert "its own fun, or a hook, borrows from it" in str(errors[0])
        assert pool.stats()["nobjs"] == 0

    run_task(flavour, main)


@both
def test_a_retter_that_discards_its_object(flavour: Flavour, scheduler: FakeScheduler, works: Works) -> None:
    """Its object is not lent any more: that is ignored, and said; another pool may be used at will."""
    other = AsyncPool(works.make, 1, 0)

    async def reset(thing: Thing) -> None:
        async with other.obj():
            await pool.discard(thing)

    pool: AsyncPool[Thing] = AsyncPool(works.make, 1, 0, retter=reset, closer=works.close)

    async def main() -> None:
        async with pool.obj():
            await pause()
        assert pool.stats()["navail"] == other.stats()["navail"] == 1
        assert works.closed == []

    run_task(flavour, main)


@both
@pytest.mark.parametrize("plain", [False, True])
def test_thrown_in_while_it_is_seen_what_a_factory_has_returned(
    flavour: Flavour, plain: bool, scheduler: FakeScheduler, works: Works, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The closer is called with the object, if that is what was returned, and never with what is to be awaited."""
    results: list[object] = []

    def make(number: int) -> Any:
        return works.make(number) if plain else Later(partial(works.make, number))

    def interrupted(result: object) -> bool:
        results.append(result)
        monkeypatch.undo()
        raise KeyboardInterrupt

    pool: AsyncPool[Thing] = AsyncPool(make, 1, 0, closer=works.close)

    async def main() -> None:
        monkeypatch.setattr(hooks, "is_awaitable", interrupted)
        with pytest.raises(KeyboardInterrupt):
            await pool.get()
        assert len(results) == 1
        assert works.closed == works.made == (results if plain else [])
        await serves(pool, works)

    run_task(flavour, main)


class Later:
    """Awaited for an object."""

    def __init__(self, make: Callable[[], Thing]) -> None:
        self._make = make

    def __await__(self) -> Generator[Any, Any, Thing]:
        yield from pause().__await__()
        return self._make()
