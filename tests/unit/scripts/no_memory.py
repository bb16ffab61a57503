"""A process in which one allocation fails, wherever that is. Run by test_faults."""

from __future__ import annotations

import asyncio
import gc
import logging
import sys
from collections.abc import Callable, Coroutine
from contextlib import suppress
from functools import partial
from importlib import import_module
from itertools import product
from typing import Any

from ProxyPatternPool import AsyncPool, Pool, PoolStats, TimeOut
from ProxyPatternPool._pool.async_pool import async_core_of
from ProxyPatternPool._runtime.environment import Environment
from ProxyPatternPool._scheduler.process import using_scheduler

from ..clock import FakeScheduler, HandMovedClock
from ..helpers import Naps

clock = HandMovedClock()
naps = Naps(clock)
"""What happens while a caller waits, in a thread or a task."""


class Thing:
    def __init__(self, number: int) -> None:
        self.number = number

    def name(self) -> str:
        return f"thing {self.number}"


alive: list[Thing] = []


def make(number: int) -> Thing:
    thing = Thing(number)
    alive.append(thing)
    return thing


def close(thing: Thing) -> None:
    assert thing in alive, "closed twice"
    alive.remove(thing)


def needs(job: Callable[[], object], after: int) -> bool:
    """Do a job, of which one allocation fails after so many others; say whether it came to that.

    Of several that fail in a row the interpreter's own context variables break down.
    """
    interpreter: Any = import_module("_testcapi")  # which has no types
    gc.collect()
    gc.disable()
    interpreter.set_nomemory(after, after + 1)
    try:
        try:
            job()
        except (MemoryError, SystemError):  # the interpreter itself sometimes overlooks that there is none
            return True
        try:
            _ = [object() for _ in range(after)]
        except MemoryError:
            return False
        return True  # it was made up for
    finally:
        interpreter.remove_mem_hooks()
        gc.enable()


def look_at_rest(found: PoolStats, where: object) -> None:
    """See that all places are accounted for."""
    # A closer that had no memory may have closed nothing, and counts as one that failed.
    assert found["nobjs"] == found["navail"], where
    assert 0 <= len(alive) - found["nobjs"] <= found["hook_errors"], where
    assert found["nusing"] == found["nwaiting"] == 0, where


def look_at_end(found: PoolStats, where: object) -> None:
    """The same of a pool that is closed."""
    assert len(alive) <= found["hook_errors"], where
    assert found["nobjs"] == 0, where


def come_back(give: Callable[[Thing], object], thing: Thing) -> None:
    """Have an object come back to who waits for longer than newcomers may go before him."""
    clock.advance(1.0)
    give(thing)


# --- Threads. ----------------------------------------------------------------------------------------------


def use(pool: Pool[Thing]) -> None:
    pool.ret(pool.get())


def use_lease(pool: Pool[Thing]) -> None:
    pool.lease().release()


def use_block(pool: Pool[Thing]) -> None:
    with pool.obj():
        pass


def drop(pool: Pool[Thing]) -> None:
    pool.lease(quiet=True)


def discard(pool: Pool[Thing]) -> None:
    pool.discard(pool.get())


def housekeep(pool: Pool[Thing]) -> None:
    pool.housekeep()


def stats(pool: Pool[Thing]) -> None:
    pool.stats()


def wait_for(pool: Pool[Thing], give: Callable[[Thing], object]) -> None:
    first, second = pool.get(), pool.get()
    naps.meanwhile.append(partial(give, first))
    pool.ret(pool.get(10.0))
    pool.ret(second)


def wait_for_object(pool: Pool[Thing]) -> None:
    wait_for(pool, pool.ret)


def wait_for_hand_over(pool: Pool[Thing]) -> None:
    wait_for(pool, partial(come_back, pool.ret))


def wait_for_place(pool: Pool[Thing]) -> None:
    wait_for(pool, partial(come_back, pool.discard))


def wait_in_vain(pool: Pool[Thing]) -> None:
    with pool.obj(), pool.obj():
        try:
            pool.get(10.0)
        except TimeOut:
            pass


WAYS: list[Callable[[Pool[Thing]], None]] = [
    use,
    use_lease,
    use_block,
    drop,
    discard,
    housekeep,
    stats,
    wait_for_object,
    wait_for_hand_over,
    wait_for_place,
    wait_in_vain,
]


def yes(_: object) -> bool:
    return True


HOOKS: dict[str, Any] = {
    "min_size": 0,
    "opener": yes,
    "getter": yes,
    "retter": yes,
    "health": yes,
    "health_before_get": 0.0,
    "tracer": Thing.name,
}


PARAMETERS: list[dict[str, Any]] = [{"min_size": 0}, HOOKS, {"min_size": 0, "max_use": 1}, {"min_size": 2}]


def check(way: Callable[[Pool[Thing]], object], after: int, parameters: dict[str, Any]) -> bool:
    """Do something with a pool, of which one allocation fails. The pool is whole then; say whether one did."""
    alive.clear()
    naps.meanwhile.clear()
    naps.sleepers.clear()
    with using_scheduler(FakeScheduler(Environment(clock=clock, new_sleeper=naps.new_sleeper))) as scheduler:
        pool = Pool(make, 2, closer=close, timeout=0.0, backoff=None, **parameters)
        needed = needs(partial(way, pool), after)
        # Who got an error from ret, or after get, has the object still, and gives it back. So does who has dropped a
        # lease when there was no memory to note it.
        for each in pool.owners():
            pool.ret(each.obj)
        gc.collect()
        scheduler.look_at(pool._core)
        found = pool.stats()
        where = (way.__name__, after, sorted(parameters), found)
        look_at_rest(found, where)
        both = [pool.get(), pool.get()]
        for thing in both:
            pool.ret(thing)
        pool.shutdown()
        scheduler.run()
        look_at_end(pool.stats(), where)
    return needed


def threads(step: int) -> None:
    for parameters, way in product(PARAMETERS, WAYS):
        after = 1
        while check(way, after, parameters):
            after += step


# --- Tasks. ------------------------------------------------------------------------------------------------

TURNS = 30
"""Turns of the loop within which all comes to rest."""


async def use_in_task(pool: AsyncPool[Thing]) -> None:
    await pool.ret(await pool.get())


async def use_lease_in_task(pool: AsyncPool[Thing]) -> None:
    await (await pool.lease()).release()


async def use_block_in_task(pool: AsyncPool[Thing]) -> None:
    async with pool.obj():
        pass


async def drop_in_task(pool: AsyncPool[Thing]) -> None:
    await pool.lease(quiet=True)


async def discard_in_task(pool: AsyncPool[Thing]) -> None:
    await pool.discard(await pool.get())


async def housekeep_in_task(pool: AsyncPool[Thing]) -> None:
    await pool.housekeep()


async def wait_in_task(pool: AsyncPool[Thing], give: Callable[[Thing], object]) -> None:
    first, second = await pool.get(), await pool.get()
    naps.meanwhile.append(partial(give, first))
    await pool.ret(await pool.get(10.0))
    await pool.ret(second)


async def wait_for_object_in_task(pool: AsyncPool[Thing]) -> None:
    await wait_in_task(pool, pool.ret)


async def wait_for_hand_over_in_task(pool: AsyncPool[Thing]) -> None:
    await wait_in_task(pool, partial(come_back, pool.ret))


async def wait_for_place_in_task(pool: AsyncPool[Thing]) -> None:
    await wait_in_task(pool, partial(come_back, pool.discard))


async def wait_in_vain_in_task(pool: AsyncPool[Thing]) -> None:
    async with pool.obj(), pool.obj():
        try:
            await pool.get(10.0)
        except TimeOut:
            pass


TASKS: list[Callable[[AsyncPool[Thing]], Coroutine[Any, Any, None]]] = [
    use_in_task,
    use_lease_in_task,
    use_block_in_task,
    drop_in_task,
    discard_in_task,
    housekeep_in_task,
    wait_for_object_in_task,
    wait_for_hand_over_in_task,
    wait_for_place_in_task,
    wait_in_vain_in_task,
]


async def yes_in_task(_: object) -> bool:
    return True


HOOKS_IN_TASK = {**HOOKS, "opener": yes_in_task, "getter": yes_in_task}
"""What is awaited is done in the caller's task; a retter or closer would have one of its own."""


def drive(steps: Coroutine[Any, Any, None]) -> None:
    """Do what a task does. What happens while it waits is done here, or else it has waited for long enough."""
    try:
        while True:
            future: asyncio.Future[None] = steps.send(None)
            try:
                if naps.meanwhile:
                    naps.meanwhile.popleft()()
            except BaseException:
                with suppress(asyncio.CancelledError):
                    steps.throw(asyncio.CancelledError())
                raise
            if not future.done():
                clock.advance(10.0)
                future.set_result(None)
    except StopIteration:
        pass


async def check_task(
    way: Callable[[AsyncPool[Thing]], Coroutine[Any, Any, None]], after: int, parameters: dict[str, Any]
) -> bool:
    """The same in a task."""
    alive.clear()
    naps.meanwhile.clear()
    with using_scheduler(FakeScheduler(Environment(clock=clock))) as scheduler:
        pool: AsyncPool[Thing] = AsyncPool(make, 2, closer=close, timeout=0.0, backoff=None, **parameters)
        await pool.ret(await pool.get())  # from now on it lives in this loop
        await pool.clear()
        steps = way(pool)
        needed = needs(partial(drive, steps), after)
        del steps
        for each in pool.owners():
            await pool.ret(each.obj)
        gc.collect()
        for _ in range(TURNS):
            scheduler.look_at(async_core_of(pool))
            found = pool.stats()
            if found["nobjs"] == found["navail"]:
                break
            await asyncio.sleep(0)  # the loop closes something
        found = pool.stats()
        where = (way.__name__, after, sorted(parameters), found)
        look_at_rest(found, where)
        both = [await pool.get(), await pool.get()]
        for thing in both:
            await pool.ret(thing)
        await pool.close()
        scheduler.run()
        look_at_end(pool.stats(), where)
    return needed


def tasks(step: int) -> None:
    async def main() -> None:
        for parameters, way in product([HOOKS_IN_TASK if each is HOOKS else each for each in PARAMETERS], TASKS):
            after = 1
            while await check_task(way, after, parameters):
                after += step

    asyncio.run(main())


if __name__ == "__main__":
    logging.getLogger("ppp").setLevel(logging.CRITICAL)
    sys.unraisablehook = lambda _: None  # what finalizers have no memory for
    gc.collect()
    gc.freeze()
    globals()[sys.argv[1]](int(sys.argv[2]))
    print("whole")
