"""Maintenance of pools for tasks: done in their event loop, on time, each hook in a task of its own."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from dataclasses import replace
from functools import partial
from typing import Any, cast

import pytest
import trio

from ProxyPatternPool import AsyncPool, Pool, TimeOut
from ProxyPatternPool._engine.steps import run_rest
from ProxyPatternPool._inspect.totals import total
from ProxyPatternPool._ledger.entry import Entry
from ProxyPatternPool._pool.async_pool import async_core_of
from ProxyPatternPool._runtime.environment import Environment
from ProxyPatternPool._scheduler.process import using_scheduler
from ProxyPatternPool._scheduler.scheduler import Scheduler

from .clock import FakeScheduler, HandMovedClock, start_none
from .helpers import DEADLINE, Caller, Thing, Works, said
from .tasks import both, run_in, turn


def new_event(flavour: str) -> Any:
    return trio.Event() if flavour == "trio" else asyncio.Event()


async def maintained(scheduler: FakeScheduler, pool: AsyncPool[Any]) -> None:
    """Have maintenance look, and its tasks come to their end, or to where they hang."""
    for _ in range(2):
        scheduler.look_at(async_core_of(pool))
        await turn(10)


async def until(flavour: str, happened: Callable[[], object]) -> None:
    """Let the loop sleep until something has happened; fail when it never does."""
    deadline = time.monotonic() + DEADLINE
    while not happened():
        assert time.monotonic() < deadline, "still not so"
        await (trio.sleep(0.001) if flavour == "trio" else asyncio.sleep(0.001))


class Hooks:
    """A factory and hooks that wait for a turn, and hang with some things."""

    def __init__(self, flavour: str) -> None:
        self.works = Works()
        self.hanging: dict[str, set[int]] = {}
        self.go_on = new_event(flavour)
        self.checked: list[int] = []
        self.back: list[int] = []

    async def _wait(self, what: str, number: int) -> None:
        await (self.go_on.wait() if number in self.hanging.get(what, ()) else turn())

    async def make(self, number: int) -> Thing:
        await self._wait("make", number)
        return self.works.make(number)

    async def reset(self, thing: Thing) -> None:
        await self._wait("ret", thing.number)
        self.back.append(thing.number)

    async def check(self, thing: Thing) -> bool:
        self.checked.append(thing.number)
        await self._wait("check", thing.number)
        return True

    async def close(self, thing: Thing) -> None:
        await self._wait("close", thing.number)
        self.works.close(thing)

    @property
    def closed(self) -> list[int]:
        return [thing.number for thing in self.works.closed]


# On time. ----------------------------------------------------------------------------------------------


@both
def test_refill(flavour: str, scheduler: FakeScheduler) -> None:
    """``min_size`` is kept, from the first use on: side by side, and what is discarded is made up for."""

    async def main() -> None:
        hooks = Hooks(flavour)
        hooks.hanging = {"make": {1}}
        async with AsyncPool(hooks.make, 5, 3) as pool:
            await maintained(scheduler, pool)
            assert sorted(thing.number for thing in hooks.works.made) == [0, 2], "a creation that hangs delays no other"
            hooks.go_on.set()
            await turn(10)
            await pool.wait_ready(0)
            await pool.discard(await pool.get())
            await maintained(scheduler, pool)
            assert pool.stats()["navail"] == 3

    run_in(flavour, main)


@both
def test_a_chore_that_ends_while_others_are_begun(flavour: str, scheduler: FakeScheduler) -> None:
    """As when the collector ends a task that was given up: the others are begun all the same."""

    async def main() -> None:
        hooks = Hooks(flavour)
        async with AsyncPool(hooks.make, 2, 1) as pool:
            busy: dict[str, Callable[[], object]] = cast(
                "dict[str, Any]", async_core_of(pool).chores.one_at_a_time._chores
            )
            busy["given up"] = lambda: busy.pop("given up")
            await maintained(scheduler, pool)
            assert "given up" not in busy
            assert pool.stats()["navail"] == 1

    run_in(flavour, main)


@both
def test_expiry(flavour: str, scheduler: FakeScheduler, clock: HandMovedClock) -> None:
    """What was idle for too long is closed at its time, in the loop; a slow closer delays no other."""

    async def main() -> None:
        hooks = Hooks(flavour)
        hooks.hanging = {"close": {0, 1}}
        async with AsyncPool(hooks.make, 4, 0, closer=hooks.close, max_avail_delay=10) as pool:
            things = [await pool.get() for _ in range(4)]
            for thing in things:
                await pool.ret(thing)
            clock.advance(9.9)
            await maintained(scheduler, pool)
            assert pool.stats()["navail"] == 4
            clock.advance(0.2)
            await maintained(scheduler, pool)
            assert sorted(hooks.closed) == [2, 3]
            assert pool.stats()["nrecycled"] == 4
            hooks.go_on.set()
            await maintained(scheduler, pool)
            assert pool.stats()["nobjs"] == 0

    run_in(flavour, main)


@both
def test_lifetimes(flavour: str, scheduler: FakeScheduler, clock: HandMovedClock) -> None:
    """An object that is too old is replaced: where there is room, before its closer has returned."""

    async def main() -> None:
        hooks = Hooks(flavour)
        hooks.hanging = {"close": {0}}
        async with AsyncPool(hooks.make, 2, 1, closer=hooks.close, max_lifetime=10) as pool:
            await pool.ret(await pool.get())
            clock.advance(10)
            await maintained(scheduler, pool)
            assert pool.stats()["navail"] == 1
            assert await pool.get() is hooks.works.made[1]
            hooks.go_on.set()

    run_in(flavour, main)


@both
def test_kill(flavour: str, scheduler: FakeScheduler, clock: HandMovedClock, caplog: pytest.LogCaptureFixture) -> None:
    """A loan that is too long is warned of, and ended: its object is closed, and who waits gets another."""

    async def main() -> None:
        hooks = Hooks(flavour)
        pool = AsyncPool(
            hooks.make, 1, 0, closer=hooks.close, max_using_delay=5, max_using_delay_kill=10, name="books", tracer=str
        )
        thing = await pool.get()
        clock.advance(6)
        await maintained(scheduler, pool)
        clock.advance(5)
        await maintained(scheduler, pool)
        assert hooks.closed == [0]
        assert await pool.get(0) is not thing
        await pool.ret(thing)
        assert pool.stats()["nkilled"] == 1
        await pool.close()

    run_in(flavour, main)
    first, second, *_ = said(caplog)
    assert "thing 0 has been kept for 6.000 s by task '" in first
    assert "thing 0 has been kept for 11.000 s by task '" in second
    assert second.endswith("', closing it")


@both
def test_health(flavour: str, scheduler: FakeScheduler, clock: HandMovedClock) -> None:
    """Each round checks what is idle; a check that hangs keeps its object only, and not the rounds to come."""

    async def main() -> None:
        hooks = Hooks(flavour)
        hooks.hanging = {"check": {0}}
        async with AsyncPool(hooks.make, 3, 0, health=hooks.check, hk_delay=10) as pool:
            for thing in [await pool.get() for _ in range(3)]:
                await pool.ret(thing)
            clock.advance(10)
            await maintained(scheduler, pool)
            assert hooks.checked == [0]
            clock.advance(10)
            await maintained(scheduler, pool)
            assert hooks.checked == [0, 1, 2]
            clock.advance(10)
            await maintained(scheduler, pool)
            assert hooks.checked == [0, 1, 2, 1, 2]
            assert pool.stats()["navail"] == 2
            hooks.go_on.set()
            await maintained(scheduler, pool)
            assert pool.stats()["navail"] == 3

    run_in(flavour, main)


@both
def test_health_in_a_busy_loop(flavour: str, scheduler: FakeScheduler, clock: HandMovedClock) -> None:
    """Rounds for which the loop has no time leave it one check, and not one each."""

    async def main() -> None:
        hooks = Hooks(flavour)
        async with AsyncPool(hooks.make, 1, 0, health=hooks.check, hk_delay=10) as pool:
            await pool.ret(await pool.get())
            for _ in range(3):
                for _ in range(20):
                    clock.advance(10)
                    scheduler.look_at(async_core_of(pool))
                await turn(10)
            assert pool.stats()["hk_rounds"] == 3 * 20
            assert pool.stats()["hc_rounds"] == len(hooks.checked) == 3

    run_in(flavour, main)


@both
def test_backoff(flavour: str, scheduler: FakeScheduler, clock: HandMovedClock, chance: Any) -> None:
    """After an outage attempts are spaced, for maintenance and for callers, who keep their own timeouts."""
    chance.always = 1.0

    async def main() -> None:
        attempts: list[float] = []

        async def fails(number: int) -> Thing:
            attempts.append(clock.now - 1000)
            await turn()
            raise ConnectionError("no route")

        pool = AsyncPool(fails, 2, 1, backoff=(1.0, 4.0))
        with pytest.raises(ConnectionError):
            await pool.get()
        await maintained(scheduler, pool)
        assert attempts == [0]
        for _ in range(90):
            clock.advance(0.1)
            await maintained(scheduler, pool)
        assert [round(at, 1) for at in attempts] == [0, 1.0, 3.0, 7.0]
        with pytest.raises(TimeOut) as late:
            await pool.get(0)
        assert isinstance(late.value.__cause__, ConnectionError)
        assert len(attempts) == 4
        await pool.close()

    run_in(flavour, main)


@both
def test_with_the_real_scheduler(flavour: str, real: Scheduler) -> None:
    """Its thread sends what is due into the sleeping loop: refill, expiry, checks, and what a dropped lease had."""

    async def main() -> None:
        hooks = Hooks(flavour)
        pool = AsyncPool(
            hooks.make, 3, 1, closer=hooks.close, retter=hooks.reset, health=hooks.check, max_avail_delay=0.05
        )
        async with pool:
            await pool.wait_ready(10)
            one, two = await pool.lease(quiet=True), await pool.lease(quiet=True)
            kept, idle = one.obj.number, two.obj.number
            await two.release()
            await until(flavour, lambda: hooks.closed == [idle])
            hooks.back.clear()
            del one
            await until(flavour, lambda: hooks.back == [kept])
            await until(flavour, lambda: kept in hooks.checked)
        await until(flavour, lambda: hooks.works.alive == [])  # it may have been closed in the middle of a check

    run_in(flavour, main)


# Whose hooks. ------------------------------------------------------------------------------------------

variable: ContextVar[str] = ContextVar("variable", default="nobody's")


@both
def test_context_variables(flavour: str, scheduler: FakeScheduler, clock: HandMovedClock) -> None:
    """Hooks of a loan see the borrower's, those of maintenance nobody's; what they set stays where they run."""
    seen: list[tuple[str, str]] = []

    def hook(name: str, result: object = None) -> Callable[[object], Awaitable[Any]]:
        async def see(_: object) -> Any:
            seen.append((name, variable.get()))
            await turn()
            if name != "get":
                variable.set(name)
            return result

        return see

    def taken() -> list[tuple[str, str]]:
        found = seen.copy()
        seen.clear()
        return found

    async def main() -> None:
        pool: AsyncPool[object] = AsyncPool(
            lambda number: hook("make", object())(number),
            2,
            1,
            opener=hook("open"),
            getter=hook("get"),
            retter=hook("ret"),
            closer=hook("close"),
            health=hook("check", True),
            health_before_get=0.0,
            max_avail_delay=100,
        )
        async with pool:
            variable.set("mine")
            await maintained(scheduler, pool)
            assert taken() == [("make", "nobody's"), ("open", "make")]
            thing = await pool.get()
            assert taken() == [("check", "mine"), ("get", "check")]
            variable.set("mine")
            await pool.ret(thing)
            assert variable.get() == "mine", "a retter that is awaited has a context of its own"
            assert taken() == [("ret", "mine")]
            lease = await pool.lease(quiet=True)
            other = await pool.get()
            assert taken()[2:] == [("make", "check"), ("open", "make"), ("get", "open")]
            variable.set("mine")
            await pool.discard(other)
            assert taken() == [("close", "mine")]
            del lease
            await maintained(scheduler, pool)
            assert taken() == [("ret", "nobody's")]
            clock.advance(51)
            await maintained(scheduler, pool)
            assert taken() == [("check", "nobody's")]
            assert variable.get() == "mine"

    run_in(flavour, main)


class Awaits:
    """Hooks of all kinds that do the same: note that they were called, and, after a turn, that they have ended."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def plain(self, name: str, result: object, _: object) -> object:
        self.notes += [name, f"{name} done"]
        return result

    async def method(self, name: str, result: object, _: object) -> object:
        self.notes.append(name)
        await turn()
        self.notes.append(f"{name} done")
        return result

    def kinds(self, name: str, result: object) -> dict[str, Callable[[Any], Any]]:
        async def function(obj: object) -> object:
            return await self.method(name, result, obj)

        class Called:
            async def __call__(self, obj: object) -> object:
                return await function(obj)

        class Bound:
            async def method(self, obj: object) -> object:
                return await function(obj)

        return {
            "plain": partial(self.plain, name, result),
            "a coroutine function": function,
            "a partial": partial(self.method, name, result),
            "a bound method": Bound().method,
            "a callable object": Called(),
            "a lambda": lambda obj: function(obj),
        }


@both
@pytest.mark.parametrize("kind", Awaits().kinds("", None))
def test_kinds_of_hooks(flavour: str, kind: str, scheduler: FakeScheduler) -> None:
    """Whatever kind of callable a hook is: what comes after it comes after its end."""
    hooks = Awaits()
    thing = object()

    def hook(name: str, result: object = None) -> Callable[[Any], Any]:
        return hooks.kinds(name, result)[kind]

    async def main() -> None:
        pool: AsyncPool[object] = AsyncPool(
            hook("make", thing),
            1,
            0,
            opener=hook("open"),
            getter=hook("get"),
            retter=hook("ret"),
            closer=hook("close"),
            health=hook("check", True),
            hk_delay=1,
        )
        async with pool, pool.obj() as got:
            assert got is thing
            hooks.notes.append("in use")

    async def checked() -> None:
        pool: AsyncPool[object] = AsyncPool(lambda _: thing, 1, 0, health=hook("check", True), hk_delay=1)
        async with pool.obj():
            pass
        hooks.notes.clear()
        await pool.housekeep()
        assert hooks.notes == ["check", "check done"]
        assert pool.stats()["navail"] == 1

    run_in(flavour, main)
    before = ["make", "make done", "open", "open done", "get", "get done"]
    assert hooks.notes == [*before, "in use", "ret", "ret done", "close", "close done"]
    run_in(flavour, checked)


@both
def test_a_round_by_hand_waits_for_all_that_it_finds(
    flavour: str, scheduler: FakeScheduler, clock: HandMovedClock
) -> None:
    """Also if maintenance looks at the pool meanwhile: what the round has still to do is not begun by others."""

    async def main() -> None:
        hooks = Hooks(flavour)
        closing = new_event(flavour)
        checked: list[Thing] = []

        async def closer(thing: Thing) -> None:
            await closing.wait()
            hooks.works.close(thing)

        async def health(thing: Thing) -> bool:
            await turn(3)
            checked.append(thing)
            return True

        pool = AsyncPool(hooks.make, 2, 1, closer=closer, health=health, max_avail_delay=1.0, hk_delay=100.0)
        async with pool.obj(), pool.obj():
            pass
        clock.advance(2.0)

        async def meanwhile() -> None:
            await turn(3)
            await maintained(scheduler, pool)
            assert checked == []
            closing.set()

        async def by_hand() -> None:
            await pool.housekeep()
            assert len(hooks.works.closed) == len(checked) == pool.stats()["navail"] == 1

        if flavour == "trio":
            async with trio.open_nursery() as nursery:
                nursery.start_soon(meanwhile)
                await by_hand()
        else:
            await asyncio.gather(by_hand(), meanwhile())

    run_in(flavour, main)


@both
def test_a_slow_retter(flavour: str, scheduler: FakeScheduler) -> None:
    """A retter that takes long delays whoever awaits it, and no other object."""

    async def main() -> None:
        hooks = Hooks(flavour)
        hooks.hanging = {"ret": {0}}
        pool = AsyncPool(hooks.make, 2, 0, retter=hooks.reset)
        slow, quick = await pool.get(), await pool.get()
        going_on = pool.ret(slow)
        await pool.ret(quick)
        assert hooks.back == [1]
        assert await pool.get(0) is quick
        await pool.ret(quick)
        hooks.go_on.set()
        await going_on
        assert hooks.back == [1, 1, 0]
        assert await pool.get(0) is slow
        await pool.close()

    run_in(flavour, main)


@both
@pytest.mark.parametrize("hook", ["make", "check", "close"])
def test_a_hook_that_ends_the_program(
    flavour: str, hook: str, scheduler: FakeScheduler, clock: HandMovedClock, caplog: pytest.LogCaptureFixture
) -> None:
    """A SystemExit in a hook that maintenance calls is logged, and ends neither the loop nor other hooks."""
    fails: set[str] = set()
    works = Works()

    async def may_fail(name: str) -> None:
        await turn()
        if name in fails:
            raise SystemExit

    async def make(number: int) -> Thing:
        await may_fail("make")
        return works.make(number)

    async def check(_: Thing) -> bool:
        await may_fail("check")
        return True

    async def close(thing: Thing) -> None:
        works.close(thing)
        await may_fail("close")

    async def main() -> None:
        lifetime = 0 if hook == "check" else 10
        parameters: dict[str, Any] = {"health": check, "hk_delay": 10, "max_lifetime": lifetime, "name": "books"}
        async with AsyncPool(make, 2, 1, closer=close, **parameters) as pool:
            await maintained(scheduler, pool)
            assert len(works.alive) == 1
            fails.add(hook)
            clock.advance(10)
            await maintained(scheduler, pool)
            fails.clear()
            clock.advance(1)
            await maintained(scheduler, pool)
            assert pool.stats()["navail"] == 1

    run_in(flavour, main)
    assert any("maintenance failed: SystemExit" in line for line in said(caplog))
    assert works.alive == []


# Where something is missing. ----------------------------------------------------------------------------


def test_a_blocked_loop(timed: Scheduler, clock: HandMovedClock, caplog: pytest.LogCaptureFixture) -> None:
    """It is logged, once, that what is to be done waits for a loop that does not turn; afterwards it is done."""
    works = Works()

    async def main() -> None:
        pool = AsyncPool(works.make, 1, 0, closer=works.close, max_avail_delay=10, name="books")
        async with pool.obj():
            pass
        core = async_core_of(pool)
        clock.advance(11)
        for _ in range(10):
            timed.maintain(core)
            clock.advance(timed.timing.hub_patience)
        line = "pool 'books': health checks, creations and closers wait for an event loop that is blocked"
        assert said(caplog) == [line]
        assert works.closed == []
        await turn(10)
        assert works.closed == works.made

    asyncio.run(main())


@pytest.fixture
def no_threads(environment: Environment) -> Any:
    """No thread can be started."""
    with using_scheduler(Scheduler(replace(environment, start_thread=start_none))) as scheduler:
        yield scheduler


@both
def test_without_threads(
    flavour: str, no_threads: Scheduler, clock: HandMovedClock, caplog: pytest.LogCaptureFixture
) -> None:
    """Those who borrow have the loop do the work of maintenance, and do not wait for it."""

    async def main() -> None:
        hooks = Hooks(flavour)
        hooks.hanging = {"make": {1}, "close": {0}}
        pool = AsyncPool(hooks.make, 4, 2, closer=hooks.close, max_avail_delay=10, name="books")
        async with pool.obj(20) as thing:
            assert thing.number == 0
            (loan,) = pool.owners()
            assert loan.owner.startswith("task")
            await turn(10)
            assert hooks.works.numbers == [0], "one is being created, for which nobody waits"
            other = await pool.get()
        await pool.ret(other)
        clock.advance(11)
        async with pool.obj(20) as thing:
            assert thing is other
            await turn(10)
            assert pool.stats()["nrecycled"] == 1
            assert hooks.closed == []
        hooks.go_on.set()
        await turn(10)
        assert hooks.closed == [0]
        await pool.wait_ready(20)
        await pool.close()

    run_in(flavour, main)
    lines = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert lines[0].startswith("pool 'books': no thread can be started")


@both
def test_the_parent_of_a_reloading_server(
    flavour: str, scheduler: FakeScheduler, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is no maintenance: nothing is created ahead, and who borrows takes care of what was dropped."""
    monkeypatch.setenv("PPP_WERKZEUG_WORKAROUND", "1")

    async def main() -> None:
        hooks = Hooks(flavour)
        async with AsyncPool(hooks.make, 2, 2, retter=hooks.reset, closer=hooks.close) as pool:
            scheduler.run()
            await turn(10)
            await pool.wait_ready(0)
            assert hooks.works.numbers == []
            leases = [await pool.lease(quiet=True), await pool.lease(quiet=True)]
            leases.clear()
            assert pool.stats()["nusing"] == 0
            await turn(10)
            assert sorted(hooks.back) == [0, 1]
            assert await pool.get(0) in hooks.works.alive

    run_in(flavour, main)
    scheduler.asides.clear()


RETTERS = ("plain", "awaited", "fails", "fails later")


class Ends:
    """Hooks that wait for a turn, and count the tasks that the pool has at that moment."""

    def __init__(self, retter: str) -> None:
        self._retter = retter
        self.loop: Any = None
        self.counts: list[int] = []
        self.closed: list[Thing] = []

    def _count(self) -> None:
        self.counts.append(len(self.loop._tasks._tasks))  # asyncio lists none of them

    def reset(self, thing: Thing) -> Awaitable[None] | None:
        if self._retter == "fails":
            raise ConnectionError
        return None if self._retter == "plain" else self._reset()

    async def _reset(self) -> None:
        await turn()
        self._count()
        if self._retter == "fails later":
            raise ConnectionError

    async def close(self, thing: Thing) -> None:
        self._count()
        await turn()
        self._count()
        self.closed.append(thing)


async def drop(pool: AsyncPool[Thing], clock: HandMovedClock) -> None:
    await pool.lease(quiet=True)


async def return_in_a_thread(pool: AsyncPool[Thing], clock: HandMovedClock) -> None:
    thing = await pool.get()
    await Caller(lambda: pool.ret(thing)).result()


async def discard_in_a_thread(pool: AsyncPool[Thing], clock: HandMovedClock) -> None:
    thing = await pool.get()
    await Caller(lambda: pool.discard(thing)).result()


async def keep_too_long(pool: AsyncPool[Thing], clock: HandMovedClock) -> None:
    await pool.get()
    clock.advance(10)


async def drain_at_its_return(pool: AsyncPool[Thing], clock: HandMovedClock) -> None:
    shelves, sweeps = async_core_of(pool).shelves, async_core_of(pool).sweeps

    class Shelf(deque[Entry[Thing]]):
        def append(self, entry: Entry[Thing], /) -> None:
            shelves.idle = deque()
            sweeps.drain(clock())  # as another thread does, just before
            shelves.idle = self
            super().append(entry)

    thing = await pool.get()
    async_core_of(pool).shelves.using[id(thing)].uses = 0
    shelves.idle = Shelf()
    await Caller(lambda: pool.ret(thing)).result()


@pytest.mark.parametrize(
    ("way", "retter"),
    [
        *((way, retter) for way in (drop, return_in_a_thread) for retter in RETTERS),
        *((way, "plain") for way in (discard_in_a_thread, keep_too_long, drain_at_its_return)),
    ],
)
def test_one_task_ends_an_object(
    way: Callable[[AsyncPool[Thing], HandMovedClock], Awaitable[None]],
    retter: str,
    scheduler: FakeScheduler,
    clock: HandMovedClock,
) -> None:
    """What is left to maintenance is done by one task of the pool's, which needs no other for what hooks return."""
    hooks = Ends(retter)

    async def main() -> None:
        pool = AsyncPool(Thing, 1, 0, closer=hooks.close, retter=hooks.reset, max_use=1, max_using_delay_kill=5)
        hooks.loop = pool._tasks.bind()
        await way(pool, clock)
        await maintained(scheduler, pool)
        assert len(hooks.closed) == 1
        assert set(hooks.counts) == {1}
        await pool.shutdown()

    run_in("asyncio", main)


def test_one_task_ends_what_others_were_to_close(scheduler: FakeScheduler) -> None:
    """As what the first closer of a clear holds up."""
    hooks = Ends("plain")

    async def main() -> None:
        pool = AsyncPool(Thing, 2, 0, closer=hooks.close)
        hooks.loop = pool._tasks.bind()
        async with pool.obj(), pool.obj():
            pass
        clearing = asyncio.create_task(pool.clear())
        await turn()
        await maintained(scheduler, pool)
        await clearing
        assert len(hooks.closed) == 2
        assert max(hooks.counts) == 3  # one for the closer of the caller's, and two that maintenance has begun
        await pool.shutdown()

    run_in("asyncio", main)


def test_a_chore_in_whose_middle_the_process_forks(scheduler: FakeScheduler) -> None:
    """In the child the others of its kind begin anew."""
    chores = Pool(Thing, 1, 0)._core.chores.one_at_a_time
    (chore,) = chores.unless_under_way("one", chores.start_empty)
    assert list(chores.unless_under_way("one", chores.start_empty)) == []
    run_rest(chore())
    assert len(list(chores.unless_under_way("one", chores.start_empty))) == 1


@both
def test_the_time_that_it_takes(flavour: str, scheduler: FakeScheduler, clock: HandMovedClock) -> None:
    """What hooks take, in a round by hand and in what maintenance does, adds up."""

    async def slow(thing: Thing) -> bool:
        await turn()
        clock.advance(2)
        return True

    async def main() -> None:
        async with AsyncPool(Thing, 1, 0, closer=slow, health=slow, max_avail_delay=60) as pool:
            await pool.ret(await pool.get())
            await pool.housekeep()
            assert total(async_core_of(pool)).maintenance_time == 2
            clock.advance(60)
            await maintained(scheduler, pool)
            assert pool.stats()["nobjs"] == 0
            assert total(async_core_of(pool)).maintenance_time == 2 + 2
            assert not [name for name in async_core_of(pool).chores.one_at_a_time._chores if name.startswith("health")]

    run_in(flavour, main)


@both
def test_lines_leave_nothing_to_workers(flavour: str, scheduler: FakeScheduler) -> None:
    """A worker who has written them is not sent for again."""

    async def main() -> None:
        async with AsyncPool(Thing, 1, 0) as pool:
            await pool.ret(Thing(7))
            core = async_core_of(pool)
            core.run_due()
            assert core.queued
            core.run_chores(hub=False)
            assert not core.queued
            assert not core.log_queue

    run_in(flavour, main)


def test_a_closer_that_ends_the_program_when_nobody_waits_for_it(
    scheduler: FakeScheduler, caplog: pytest.LogCaptureFixture
) -> None:
    """In trio a task of the pool's own cannot end it: it is logged, as its caller was cancelled before."""
    ends = new_event("trio")

    async def close(thing: Thing) -> None:
        await ends.wait()
        raise SystemExit

    async def main() -> None:
        pool = AsyncPool(Thing, 1, 0, closer=close)
        thing = await pool.get()
        with trio.CancelScope() as scope:
            scope.cancel()
            await pool.discard(thing)
        ends.set()
        await maintained(scheduler, pool)
        assert pool.stats()["nobjs"] == 0

    run_in("trio", main)
    assert any("maintenance failed: SystemExit" in line for line in said(caplog))


@both
def test_a_round_by_hand_finds_something_queued(flavour: str, scheduler: FakeScheduler) -> None:
    """It checks what it came for, and does the other as well."""
    seen: list[str] = []

    async def check(thing: Thing) -> bool:
        await turn()
        seen.append("checked")
        return True

    async def main() -> None:
        async with AsyncPool(Thing, 1, 0, health=check) as pool:
            await pool.ret(await pool.get())
            async_core_of(pool).chores.in_hub.append(lambda: seen.append("queued"))
            await pool.housekeep()
            assert sorted(seen) == ["checked", "queued"]

    run_in(flavour, main)


@both
def test_rounds_by_hand_at_the_same_time(flavour: str, scheduler: FakeScheduler) -> None:
    """Each does a check of its own: one that hangs keeps its object, and no other from being checked."""

    async def main() -> None:
        hooks = Hooks(flavour)
        hooks.hanging = {"check": {1}}
        async with AsyncPool(hooks.make, 2, 0, health=hooks.check) as pool:
            async with pool.obj(), pool.obj():
                pass

            async def second() -> None:
                await turn(3)
                await pool.housekeep()
                assert hooks.checked == [1, 0]
                hooks.go_on.set()

            if flavour == "trio":
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(second)
                    await pool.housekeep()
            else:
                await asyncio.gather(pool.housekeep(), second())

    run_in(flavour, main)


@both
def test_a_round_by_hand_beside_one_of_maintenance(
    flavour: str, scheduler: FakeScheduler, clock: HandMovedClock
) -> None:
    """It does a check of its own also where another is queued, which the loop may begin meanwhile."""

    async def main() -> None:
        hooks = Hooks(flavour)
        hooks.hanging = {"check": {1}}
        pool = AsyncPool(hooks.make, 3, 2, closer=hooks.close, health=hooks.check, max_avail_delay=15, hk_delay=10)
        async with pool.obj(), pool.obj(), pool.obj():
            pass
        clock.advance(10)
        scheduler.look_at(async_core_of(pool))
        clock.advance(10)
        await pool.housekeep()
        assert (hooks.closed, hooks.checked) == ([2], [1, 0])
        hooks.go_on.set()
        await turn(3)
        await pool.close()

    run_in(flavour, main)


@both
def test_a_round_by_hand_that_is_interrupted(flavour: str, scheduler: FakeScheduler, clock: HandMovedClock) -> None:
    """Maintenance does the rest."""
    seen: list[int] = []

    def close(thing: Thing) -> None:
        if not seen:
            raise KeyboardInterrupt

    def check(thing: Thing) -> bool:
        seen.append(thing.number)
        return True

    async def main() -> None:
        async with AsyncPool(Thing, 2, 1, closer=close, health=check, max_avail_delay=10) as pool:
            async with pool.obj(), pool.obj():
                pass
            clock.advance(10)
            with pytest.raises(KeyboardInterrupt):
                await pool.housekeep()
            assert seen == []
            async_core_of(pool).run_chores()
            await turn(10)
            assert len(seen) == 1

    run_in(flavour, main)
