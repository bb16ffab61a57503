"""A task that is cancelled at any of its suspension points loses nothing, and ends at once.

Each scenario is done once to count the points at which its task is suspended, and then again for each of them, where
the task is cancelled, has an exception thrown in, or is destroyed. What the pool does in tasks of its own, such as
retters and closers, is slow, so that a task that waited for them would be found out.
"""

from __future__ import annotations

import gc
import logging
from collections import Counter
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from functools import partial
from itertools import count
from types import MappingProxyType
from typing import Any, NamedTuple, TypeAlias

import pytest

from ProxyPatternPool import AsyncPool, HookError, Pool, PoolClosed

from .cancelling import KINDS, Flavour, Kind, Watch, meanwhile, pause, run_task, until
from .clock import FakeScheduler, HandMovedClock
from .diary import Auditor
from .helpers import Thing, Works

BOUND = 2
SLOW = 3
"""Pauses in a retter and in a closer: much more than a task needs to end."""


class Refused(Exception):
    """What hooks raise that are to fail."""


class Server:
    """The factory and the hooks of a pool: all of them wait. It keeps books, as the oracle of what the pool does."""

    def __init__(self) -> None:
        self.places = 0
        """That are taken, from before a creation until the closer has returned."""
        self.made: list[Thing] = []
        self.closed: list[Thing] = []
        self.failing: Counter[str] = Counter()
        """How often each hook is to fail from now on."""
        self.under_way: list[str] = []
        """The retters and closers that were called and have not returned."""
        self.wrong: list[str] = []

    async def make(self, number: int) -> Thing:
        self.places += 1
        if self.places > BOUND:
            self.wrong.append("more objects than places")
        try:
            await self._wait("make", 2)
        except BaseException:
            self.places -= 1
            raise
        self.made.append(Thing(number))
        return self.made[-1]

    async def open(self, thing: Thing) -> None:
        await self._wait("open", 2)

    async def get(self, thing: Thing) -> None:
        await self._wait("get", 2)

    async def check(self, thing: Thing) -> bool:
        if thing in self.closed:
            self.wrong.append("checked after it was closed")
        await self._wait("check", 2)
        self.failing["ill"] -= self.failing["ill"] > 0
        return self.failing["ill"] == 0

    async def ret(self, thing: Thing) -> None:
        await self._slowly("ret")

    async def close(self, thing: Thing) -> None:
        if thing in self.closed:
            self.wrong.append("closed twice")
        self.closed.append(thing)
        try:
            await self._slowly("close")
        finally:
            self.places -= 1

    async def _slowly(self, what: str) -> None:
        self.under_way.append(what)
        try:
            await self._wait(what, SLOW)
        finally:
            self.under_way.remove(what)

    async def _wait(self, what: str, pauses: int) -> None:
        await pause(pauses)
        if self.failing[what] > 0:
            self.failing[what] -= 1
            raise Refused(what)

    @property
    def alive(self) -> int:
        return len(self.made) - len(self.closed)


class Scene:
    """A pool in the middle of a scenario."""

    def __init__(
        self, scheduler: FakeScheduler, clock: HandMovedClock, hooks: str, parameters: Mapping[str, Any]
    ) -> None:
        self.clock = clock
        self.server = server = Server()
        self.auditor = Auditor()
        self.lent: list[Thing] = []
        """What another task has borrowed."""
        self._scheduler = scheduler
        self._at_work = True
        options: dict[str, Any] = {"max_size": BOUND, "min_size": 0, **parameters}
        if "o" in hooks:
            options["observer"] = self.auditor
        self.pool: AsyncPool[Thing] = AsyncPool(
            server.make,
            opener=server.open if "h" in hooks else None,
            getter=server.get if "h" in hooks else None,
            retter=server.ret if "h" in hooks else None,
            closer=server.close,
            health=server.check,
            **options,
        )

    async def maintain(self) -> None:
        """Do maintenance whenever it is asked for."""
        while self._at_work:
            self._scheduler.run()
            await pause()

    def stop(self) -> None:
        self._at_work = False

    async def borrow(self, count: int = BOUND) -> list[Thing]:
        return [await self.pool.get() for _ in range(count)]

    async def balance(self) -> None:
        """Nothing is lent, nobody waits, each object is idle or closed, and the pool serves at full size."""
        pool, server = self.pool, self.server
        gc.collect()
        self._scheduler.run()
        core = pool._core
        await until(lambda: core.shelves.nidle == len(core.ledger.places) == server.places)
        assert server.alive == server.places
        assert not core.ledger.waiters.queue
        self.clock.advance(6)  # no back-off is left, and no round is due
        if not core.ledger.closed:
            await pool.resize(min_size=0, max_size=BOUND)
            server.failing.clear()
            leases = [await pool.lease(0) for _ in range(BOUND)]
            assert len({lease.obj for lease in leases}) == BOUND
            for lease in leases:
                _ = lease.release()
            await pool.close(60)
        assert server.places == server.alive == 0
        assert server.wrong == []
        auditor = self.auditor
        assert auditor.wrong == []
        assert auditor.alive == auditor.lent_now == {}
        assert pool.stats()["observer_errors"] == 0


Act: TypeAlias = Callable[[Scene], Coroutine[Any, Any, object]]


async def nothing(scene: Scene) -> None:
    """Do nothing before, or meanwhile."""


class Scenario(NamedTuple):
    """What is done by a task that is interrupted, what is done before, and what others do meanwhile."""

    act: Act
    before: Act = nothing
    others: tuple[Act, ...] = ()
    parameters: Mapping[str, Any] = MappingProxyType({})
    at_once: bool = True
    """Whether the task is to end at once."""


# What the task does. ----------------------------------------------------------------------------------


async def block(scene: Scene, timeout: float | None = None) -> None:
    async with scene.pool.obj(timeout):
        await pause()


async def lease_block(scene: Scene, timeout: float | None = None) -> None:
    async with scene.pool.lease(timeout) as lease:
        await pause()
        assert lease.obj in scene.server.made


async def lease_kept(scene: Scene) -> None:
    """Take a lease, which is dropped if the task is interrupted."""
    lease = await scene.pool.lease()
    await pause()
    await lease.release()


async def lease_discarded(scene: Scene) -> None:
    async with await scene.pool.lease() as lease:
        await pause()
        await lease.discard()


async def get_and_ret(scene: Scene) -> None:
    thing = await scene.pool.get()
    try:
        await pause()
    except BaseException:
        _ = scene.pool.ret(thing)
        raise
    await scene.pool.ret(thing)


async def get_and_discard(scene: Scene) -> None:
    thing = await scene.pool.get()
    try:
        await pause()
    finally:
        done = scene.pool.discard(thing)
    await done


async def two_at_once(scene: Scene) -> None:
    async with scene.pool.obj(), scene.pool.obj():
        await pause()


async def close(scene: Scene) -> None:
    await scene.pool.close(60)


async def pool_block(scene: Scene) -> None:
    async with scene.pool as pool, pool.obj():
        await pause()


async def drain(scene: Scene) -> None:
    await scene.pool.drain()


async def clear(scene: Scene) -> None:
    await scene.pool.clear()


async def resize(scene: Scene) -> None:
    await scene.pool.resize(max_size=1)
    await scene.pool.resize(max_size=BOUND)


async def wait_ready(scene: Scene) -> None:
    await scene.pool.wait_ready(60)


async def housekeep(scene: Scene) -> None:
    await scene.pool.housekeep()


async def refused(scene: Scene) -> None:
    """Borrow where the factory or a hook fails."""
    with suppress(Refused, HookError):
        await block(scene)


async def closed(scene: Scene) -> None:
    with suppress(PoolClosed):
        await block(scene)


# What is done before, and by others. ------------------------------------------------------------------


async def one_idle(scene: Scene) -> None:
    await scene.pool.ret(await scene.pool.get())


async def all_idle(scene: Scene) -> None:
    for thing in await scene.borrow():
        await scene.pool.ret(thing)


async def one_idle_and_old(scene: Scene) -> None:
    await one_idle(scene)
    scene.clock.advance(100)


async def all_lent(scene: Scene) -> None:
    scene.lent = await scene.borrow()


async def one_lent(scene: Scene) -> None:
    scene.lent = await scene.borrow(1)


async def one_lent_one_idle(scene: Scene) -> None:
    scene.lent, idle = await scene.borrow(1), await scene.pool.get()
    await scene.pool.ret(idle)


async def give_back(scene: Scene) -> None:
    """Give back all that is lent, one object at a time."""
    for thing in scene.lent:
        await pause(3)
        scene.clock.advance(0.1)  # who has waited until now comes before newcomers
        _ = scene.pool.ret(thing)


async def give_back_at_once(scene: Scene) -> None:
    """Give back what is lent before the first in the queue has waited for long: he is woken to look for it."""
    await pause(3)
    for thing in scene.lent:
        _ = scene.pool.ret(thing)


async def discard(scene: Scene) -> None:
    """Discard all that is lent, so that waiters create."""
    for thing in scene.lent:
        await pause(3)
        _ = scene.pool.discard(thing)


async def close_pool(scene: Scene) -> None:
    """Close the pool while callers wait."""
    await pause(3)
    await scene.pool.close()


async def come_next(scene: Scene) -> None:
    """Wait behind the task that is interrupted, and be served."""
    await pause()
    async with scene.pool.obj():
        await pause()


def fails(what: str, first: Act = nothing) -> Act:
    """Have a hook fail once, after what is done first."""

    async def before(scene: Scene) -> None:
        await first(scene)
        scene.server.failing[what] = 1

    return before


checking: dict[str, Any] = {"health_before_get": 0.0}
strict: dict[str, Any] = {"hook_errors": "discard"}
patient = partial(block, timeout=60)

SCENARIOS: dict[str, Scenario] = {
    "an empty pool": Scenario(block),
    "creating while another waits": Scenario(block, nothing, (come_next,), {"max_size": 1}),
    "an idle object": Scenario(block, one_idle),
    "two objects": Scenario(two_at_once, one_idle),
    "a lease in a block": Scenario(lease_block),
    "a lease that is kept": Scenario(lease_kept),
    "a lease that is discarded": Scenario(lease_discarded, one_idle),
    "get and ret": Scenario(get_and_ret),
    "get and discard": Scenario(get_and_discard, one_idle),
    "used for the last time": Scenario(block, one_idle, parameters={"max_use": 2}),
    "checked": Scenario(block, all_idle, parameters=checking),
    "found ill": Scenario(block, fails("ill", all_idle), parameters=checking),
    "found ill, with a timeout": Scenario(patient, fails("ill", one_lent_one_idle), (give_back,), checking),
    "a check that fails": Scenario(lease_kept, fails("check", all_idle), parameters=checking),
    "too old": Scenario(block, one_idle_and_old, parameters={"max_lifetime": 50.0}),
    "waiting": Scenario(block, all_lent, (give_back, come_next)),
    "woken to look": Scenario(block, one_lent, (give_back_at_once, come_next), {"max_size": 1}),
    "waiting with a timeout": Scenario(patient, all_lent, (come_next, give_back)),
    "waiting for a lease": Scenario(partial(lease_block, timeout=60), all_lent, (give_back, come_next)),
    "waiting for a place": Scenario(patient, all_lent, (discard, come_next)),
    "waiting for one of two": Scenario(two_at_once, all_lent, (give_back,)),
    "waiting, and checked": Scenario(block, fails("ill", all_lent), (give_back, come_next), checking),
    "waiting, until the pool is closed": Scenario(closed, all_lent, (close_pool, give_back)),
    "a factory that fails": Scenario(refused, fails("make")),
    "an opener that fails": Scenario(refused, fails("open")),
    "an opener that fails, strictly": Scenario(refused, fails("open"), parameters=strict),
    "a getter that fails": Scenario(refused, fails("get")),
    "a getter that fails, strictly": Scenario(refused, fails("get", one_idle), parameters=strict),
    "a retter that fails": Scenario(block, fails("ret", all_lent), (discard,)),
    "a closer that fails": Scenario(lease_discarded, fails("close", one_idle)),
    "closing": Scenario(close, all_idle),
    "closing while objects are lent": Scenario(close, one_lent_one_idle, (give_back,)),
    "closing while a task waits": Scenario(close, all_lent, (closed, give_back)),
    # Who leaves it closes the pool, and waits for that, as long as he is not cancelled for good.
    "the block of a pool": Scenario(pool_block, at_once=False),
    "draining": Scenario(drain, all_idle),
    "draining while objects are lent": Scenario(drain, one_lent_one_idle, (give_back, come_next)),
    "clearing": Scenario(clear, all_idle),
    "resizing": Scenario(resize, all_idle),
    "resizing while a task waits": Scenario(resize, one_lent_one_idle, (come_next, give_back)),
    "until it is ready": Scenario(wait_ready, parameters={"min_size": 2}),
    "a round": Scenario(housekeep, all_idle, parameters={"min_size": 2}),
    "a round that finds an object ill": Scenario(housekeep, fails("ill", all_idle), parameters={"min_size": 2}),
    "a round whose check fails": Scenario(housekeep, fails("check", all_idle)),
    "a round that creates": Scenario(housekeep, parameters={"min_size": 2}),
    "a round whose creation fails": Scenario(housekeep, fails("make"), parameters={"min_size": 2}),
}


def attempt(
    flavour: Flavour,
    kind: Kind,
    place: int,
    scenario: Scenario,
    hooks: str,
    scheduler: FakeScheduler,
    clock: HandMovedClock,
) -> Watch:
    """Do a scenario, and interrupt its task at a suspension point."""
    watch = Watch(flavour, kind, place)

    async def main() -> None:
        scene = Scene(scheduler, clock, hooks, scenario.parameters)
        async with meanwhile(scene.maintain):
            await scenario.before(scene)
            async with meanwhile(*(partial(other, scene) for other in scenario.others)):
                await watch.over(partial(scenario.act, scene))
            await scene.balance()
            scene.stop()

    run_task(flavour, main)
    return watch


@pytest.mark.parametrize("hooks", ["", "ho"])
@pytest.mark.parametrize("name", SCENARIOS)
@pytest.mark.parametrize("flavour", KINDS)
def test_interrupted_at_any_suspension_point_a_task_loses_nothing_and_ends_at_once(
    flavour: Flavour, name: str, hooks: str, scheduler: FakeScheduler, clock: HandMovedClock
) -> None:
    """Wherever it is cancelled, the cancellation comes out as it is, before what the pool finishes has ended."""
    logging.getLogger("ppp").setLevel(logging.CRITICAL)
    scenario = SCENARIOS[name]
    for kind in KINDS[flavour]:
        for place in count():
            watch = attempt(flavour, kind, place, scenario, hooks, scheduler, clock)
            if not watch.interrupted:  # it has ended before
                assert watch.came_out is None
                assert place == watch.passed > 0
                break
            print(kind, place, watch.came_out, watch.suspended_again)  # shown if this fails
            assert watch.came_out is watch.expected
            assert watch.suspended_again == 0 or not scenario.at_once


# Tasks in a pool for threads. ---------------------------------------------------------------------------


async def aget(pool: Pool[Thing], timeout: float | None) -> None:
    thing = await pool.aget(timeout)
    try:
        await pause()
    finally:
        pool.ret(thing)


async def aobj(pool: Pool[Thing], timeout: float | None) -> None:
    async with pool.aobj(timeout):
        await pause()


async def alease(pool: Pool[Thing], timeout: float | None) -> None:
    lease = await pool.alease(timeout)
    await pause()
    await lease.release()


async def alease_block(pool: Pool[Thing], timeout: float | None) -> None:
    async with pool.alease(timeout) as lease:
        await pause()
        await lease.discard()


@pytest.mark.parametrize("handed", [False, True])
@pytest.mark.parametrize("timeout", [None, 60])
@pytest.mark.parametrize("way", [aget, aobj, alease, alease_block])
@pytest.mark.parametrize("flavour", KINDS)
def test_interrupted_at_any_suspension_point_a_task_loses_nothing_of_a_pool_for_threads(
    flavour: Flavour,
    way: Callable[[Pool[Thing], float | None], Coroutine[Any, Any, None]],
    timeout: float | None,
    handed: bool,
    scheduler: FakeScheduler,
    clock: HandMovedClock,
) -> None:
    """It waits in the queue of threads: what comes back meanwhile is lent to the next one, and each hook is called."""
    logging.getLogger("ppp").setLevel(logging.CRITICAL)

    def attempt(kind: Kind, place: int) -> Watch:
        works, auditor, watch = Works(bound=BOUND), Auditor(), Watch(flavour, kind, place)

        async def main() -> None:
            pool = Pool(works.make, BOUND, 0, closer=works.close, retter=lambda _: None, observer=auditor)
            lent = [pool.get() for _ in range(BOUND)]

            async def give_back() -> None:
                for thing in lent:
                    await pause(3)
                    clock.advance(handed * 1.0)
                    pool.ret(thing)

            async with meanwhile(give_back, partial(aobj, pool, 60)):
                await watch.over(partial(way, pool, timeout))
            gc.collect()
            scheduler.run()
            assert pool.stats()["nobjs"] == pool.stats()["navail"] == len(works.alive)
            assert pool.stats()["nwaiting"] == 0
            assert len({id(pool.get(0)) for _ in range(BOUND)}) == BOUND
            assert auditor.wrong == []
            assert len(auditor.lent_now) == BOUND

        run_task(flavour, main)
        return watch

    for kind in KINDS[flavour]:
        for place in count():
            watch = attempt(kind, place)
            if not watch.interrupted:
                assert place == watch.passed > 0
                break
            print(kind, place, watch.came_out, watch.suspended_again)
            assert watch.came_out is watch.expected
            assert watch.suspended_again == 0
