"""Tasks that are cancelled: what they had goes to others, and the cancellation comes out at once."""

from __future__ import annotations

import asyncio
import gc
import logging
from collections.abc import Callable
from functools import partial
from typing import Any

import anyio
import pytest
import trio

from ProxyPatternPool import AsyncPool, Pool, TimeOut

from .cancelling import Flavour, Started, crowd, pause, run_task, until
from .clock import FakeScheduler, HandMovedClock
from .helpers import Thing, Works
from .tasks import both
from .virtual_time import now, run_in_virtual_time, sleep

every = pytest.mark.parametrize("flavour", ["asyncio", "trio", "anyio"])
"""Have a test done by each kind of task; ``anyio``: by tasks of asyncio that anyio cancels for good."""


class Gate:
    """Something to wait for."""

    def __init__(self) -> None:
        self.open = False
        self.callers = 0

    async def passed(self, *_: object) -> bool:
        self.callers += 1
        await until(lambda: self.open)
        return True


async def cancelled_for_good(flavour: Flavour, job: Callable[[], Any]) -> None:
    """Do something in a scope that is cancelled as soon as it waits: each time that it waits again, it is cancelled."""
    if flavour == "trio":
        with trio.CancelScope() as scope:
            scope.cancel()
            await job()
    else:
        with anyio.CancelScope() as other:
            other.cancel()
            await job()


async def hold(pool: AsyncPool[Thing], pauses: int = 1) -> Thing:
    """Borrow for some time."""
    async with pool.obj() as thing:
        await pause(pauses)
        return thing


@both
def test_cancelled_in_the_very_step_of_a_hand_over(
    flavour: Flavour, scheduler: FakeScheduler, clock: HandMovedClock, works: Works
) -> None:
    """The object that was handed to a task goes to the next one, and the task sees its cancellation."""
    pool = AsyncPool(works.make, 1, 0, closer=works.close)

    async def main() -> None:
        async with crowd() as tasks:
            thing = await pool.get()
            first = await tasks.start(partial(hold, pool))
            second = await tasks.start(partial(hold, pool))
            clock.advance(1)  # who has waited for long is handed what comes back
            _ = pool.ret(thing)
            first.cancel()
        assert first.cancelled
        assert second.outcome() is thing
        assert works.closed == []
        assert pool.stats()["navail"] == 1

    run_task(flavour, main)


@both
@pytest.mark.parametrize("kind", ["aget", "aobj", "alease"])
def test_cancelled_in_the_queue_of_a_pool_for_threads(
    flavour: Flavour, kind: str, scheduler: FakeScheduler, clock: HandMovedClock, works: Works
) -> None:
    """The same where a task waits for the object of a thread: it goes to the next task."""
    pool = Pool(works.make, 1, 0, closer=works.close)

    async def borrow() -> Thing:
        if kind == "aget":
            thing = await pool.aget()
            try:
                await pause()
                return thing
            finally:
                pool.ret(thing)
        if kind == "aobj":
            async with pool.aobj() as thing:
                await pause()
                return thing
        lease = await pool.alease()
        thing = lease.obj
        await pause()
        await lease.release()
        return thing

    async def main() -> None:
        async with crowd() as tasks:
            thing = pool.get()
            waiting = await tasks.start(borrow)
            waiting.cancel()
            await pause()
            assert pool.stats()["nwaiting"] == 0
            handed = await tasks.start(borrow)
            second = await tasks.start(borrow)
            clock.advance(1)
            pool.ret(thing)
            handed.cancel()
            await until(lambda: handed.ended)
            gc.collect()
            scheduler.run()  # a lease is dropped
        assert waiting.cancelled
        assert handed.cancelled
        assert second.outcome() is thing
        assert pool.stats()["navail"] == 1

    run_task(flavour, main)


@both
def test_cancelled_while_its_object_is_checked(flavour: Flavour, works: Works) -> None:
    """The time limit of a task ends it on time: a check is neither absorbed nor tried again; the object is closed."""
    checked: list[Thing] = []

    async def check(thing: Thing) -> bool:
        checked.append(thing)
        await sleep(60)
        return True

    async def main(scheduler: FakeScheduler) -> None:
        pool = AsyncPool(works.make, 2, 0, closer=works.close, health=check, health_before_get=0.0)
        first, second = await pool.get(), await pool.get()
        await pool.ret(second)
        await pool.ret(first)
        began = now()
        if flavour == "trio":
            with trio.move_on_after(2) as scope:
                await pool.get()
            assert scope.cancelled_caught
        else:
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(pool.get(), 2)
        assert now() == began + 2
        assert works.closed == [first]
        assert pool.stats()["navail"] == pool.stats()["nobjs"] == 1
        assert checked == [first]

    run_in_virtual_time(flavour, main)


@both
def test_cancelled_while_what_it_turned_down_is_closed(
    flavour: Flavour, scheduler: FakeScheduler, works: Works
) -> None:
    """One that does not wait for an object waits for its closer, after which it has the place; unless it has gone."""
    gates = [Gate(), Gate()]

    async def close(thing: Thing) -> None:
        await gates[thing.number].passed()
        works.close(thing)

    async def check(thing: Thing) -> bool:
        return thing.number == 2

    pool: AsyncPool[Thing] = AsyncPool(works.make, 1, 0, closer=close, health=check, health_before_get=0.0)

    async def main() -> None:
        await pool.ret(await pool.get())
        async with crowd() as tasks:
            first = await tasks.start(partial(pool.get, 0))
            await until(lambda: gates[0].callers == 1)
            gates[0].open = True
            await until(lambda: first.ended)
            await pool.ret(first.outcome())
            second = await tasks.start(partial(pool.get, 0))
            await until(lambda: gates[1].callers == 1)
            second.cancel()
            await until(lambda: second.ended)
            gates[1].open = True
            await until(lambda: len(works.closed) == 2)
            stats = pool.stats()
            assert (stats["nobjs"], stats["ncreating"], stats["nwaiting"]) == (0, 2, 0)
            assert (await pool.get(0)).number == 2

    run_task(flavour, main)


@both
@pytest.mark.parametrize("stage", ["connecting", "opening", "lending"])
def test_cancelled_while_connecting(flavour: Flavour, stage: str, scheduler: FakeScheduler, works: Works) -> None:
    """The place is free at once, and what was connected nevertheless is closed once."""
    gate = Gate()

    async def connect(number: int) -> Thing:
        if stage == "connecting" and number == 0:
            await gate.passed()
        return works.make(number)

    async def wait_first(thing: Thing) -> None:
        if thing.number == 0:
            await gate.passed()

    opener = wait_first if stage == "opening" else None
    getter = wait_first if stage == "lending" else None
    pool: AsyncPool[Thing] = AsyncPool(connect, 1, 0, opener=opener, getter=getter, closer=works.close)

    async def main() -> None:
        async with crowd() as tasks:
            first = await tasks.start(partial(hold, pool))
            second = await tasks.start(partial(hold, pool))
            assert pool.stats()["nwaiting"] == 1
            first.cancel()
            await until(lambda: second.ended)
            assert first.cancelled
            assert second.outcome().number == 1
        assert [thing.number for thing in works.closed] == [] if stage == "connecting" else [0]
        assert pool.stats()["nobjs"] == pool.stats()["navail"] == 1

    run_task(flavour, main)


def test_what_a_factory_connects_though_it_is_cancelled_is_lent(scheduler: FakeScheduler, works: Works) -> None:
    """A factory that swallows its cancellation has made an object, which is not lost."""

    async def connect(number: int) -> Thing:
        try:
            await pause(10)
        except asyncio.CancelledError:
            pass
        return works.make(number)

    pool: AsyncPool[Thing] = AsyncPool(connect, 1, 0, closer=works.close)

    async def main() -> None:
        async with crowd() as tasks:
            task = await tasks.start(partial(hold, pool))
            task.cancel()
        assert task.outcome() is works.made[0]
        assert pool.stats()["navail"] == 1

    run_task("asyncio", main)


@every
@pytest.mark.parametrize("way", ["retter", "discard"])
def test_cancelled_in_the_middle_of_a_query(flavour: Flavour, way: str, scheduler: FakeScheduler, works: Works) -> None:
    """The hook that resets it fails, and it is discarded: its closer waits, in a task that nobody has cancelled."""
    ended: list[Thing] = []

    async def reset(thing: Thing) -> None:
        await pause()
        raise ConnectionError("in the middle of a query")

    async def close(thing: Thing) -> None:
        works.close(thing)
        await pause(3)
        ended.append(thing)

    pool: AsyncPool[Thing] = AsyncPool(works.make, 1, 0, retter=reset, closer=close)

    async def query() -> None:
        async with pool.lease() as lease:
            try:
                await pause(100)
            finally:
                if way == "discard":
                    await lease.discard()

    async def main() -> None:
        logging.getLogger("ppp").setLevel(logging.CRITICAL)
        await cancelled_for_good(flavour, query)
        await until(lambda: ended)
        assert ended == works.closed == works.made
        await until(lambda: pool.stats()["nobjs"] == 0)

    run_task(flavour, main)


@both
def test_cancelled_on_the_way_out_of_a_block(flavour: Flavour, scheduler: FakeScheduler, works: Works) -> None:
    """The return is finished: the retter is done to its end, and the object is idle."""
    gate = Gate()
    pool: AsyncPool[Thing] = AsyncPool(works.make, 1, 0, retter=gate.passed, closer=works.close)

    async def main() -> None:
        async with crowd() as tasks:
            task = await tasks.start(partial(hold, pool), pauses=5)
            assert gate.callers == 1
            task.cancel()
            await until(lambda: task.ended)
            assert task.cancelled
            assert pool.stats()["navail"] == 0
            gate.open = True
            await until(lambda: pool.stats()["navail"] == 1)
        assert works.closed == []

    run_task(flavour, main)


@pytest.mark.parametrize("first", ["the return", "the time limit"])
@pytest.mark.parametrize("lease", [False, True])
def test_a_time_limit_that_ends_at_the_moment_of_success(first: str, lease: bool, works: Works) -> None:
    """Either the task has the object, or the pool has: never neither."""

    async def main(scheduler: FakeScheduler) -> None:
        pool = AsyncPool(works.make, 1, 0, closer=works.close)
        loop = asyncio.get_running_loop()
        thing = await pool.get()
        if first == "the return":
            loop.call_later(1, pool.ret, thing)

        async def borrow() -> Thing:
            if lease:
                return (await asyncio.wait_for(pool.lease(), 1)).obj
            return await asyncio.wait_for(pool.get(), 1)

        task = asyncio.create_task(borrow())
        await asyncio.sleep(0)
        if first != "the return":
            loop.call_later(1, pool.ret, thing)
        await asyncio.wait([task])
        await asyncio.sleep(0.1)
        stats = pool.stats()
        error = task.exception()
        if error is None and not lease:
            assert task.result() is thing
            assert stats["nusing"] == 1
        else:
            assert error is None or isinstance(error, asyncio.TimeoutError)
            scheduler.run()
            assert pool.stats()["navail"] == 1
        assert works.closed == []

    logging.getLogger("ppp").setLevel(logging.CRITICAL)
    run_in_virtual_time("asyncio", main)


@both
def test_a_storm_of_cancellations_leaves_no_stale_waiter(
    flavour: Flavour, scheduler: FakeScheduler, works: Works
) -> None:
    """Of a hundred that wait, all but a few are cancelled: those are served, in their order."""
    pool = AsyncPool(works.make, 1, 0, closer=works.close)
    served: list[int] = []

    async def borrow(number: int) -> None:
        async with pool.obj():
            served.append(number)
            await pause()

    async def main() -> None:
        async with crowd() as tasks:
            thing = await pool.get()
            waiting = [await tasks.start(partial(borrow, number)) for number in range(100)]
            assert pool.stats()["nwaiting"] == 100
            patient = [number for number in range(100) if number % 10 == 7]
            for number, task in enumerate(waiting):
                if number not in patient:
                    task.cancel()
            _ = pool.ret(thing)
            await tasks.all_ended()
        assert served == patient
        assert sum(task.cancelled for task in waiting) == 90
        assert pool.stats()["navail"] == 1

    run_task(flavour, main)


@both
@pytest.mark.parametrize("at", ["waiting", "woken", "handed", "creating"])
def test_a_cancelled_waiter_at_the_head_lets_the_next_one_through(
    flavour: Flavour, at: str, scheduler: FakeScheduler, clock: HandMovedClock, works: Works
) -> None:
    """At once: whether it only waits, was woken to look for what came back, or was handed an object or a place."""
    gate = Gate()

    async def connect(number: int) -> Thing:
        if number == 1:
            await gate.passed()
        return works.make(number)

    pool: AsyncPool[Thing] = AsyncPool(connect, 1, 0, closer=works.close)

    async def main() -> None:
        async with crowd() as tasks:
            thing = await pool.get()
            head = await tasks.start(partial(hold, pool))
            following = await tasks.start(partial(hold, pool))
            if at == "handed":
                clock.advance(1)
            if at == "creating":
                _ = pool.discard(thing)
                await until(lambda: gate.callers == 1)
            elif at != "waiting":
                _ = pool.ret(thing)
            head.cancel()
            if at == "waiting":
                await until(lambda: head.ended)
                _ = pool.ret(thing)
            await until(lambda: following.ended)
        assert head.cancelled
        assert following.outcome() is works.made[-1]
        assert pool.stats()["navail"] == 1

    run_task(flavour, main)


@both
@pytest.mark.parametrize("retter", [False, True])
def test_a_wake_up_belongs_to_no_task(flavour: Flavour, retter: bool, scheduler: FakeScheduler, works: Works) -> None:
    """Who gives back is cancelled before he does anything else: whoever waits is served nevertheless."""
    pool: AsyncPool[Thing] = AsyncPool(works.make, 1, 0, retter=(lambda _: pause()) if retter else None)
    returned: list[Started] = []

    async def give_back(thing: Thing) -> None:
        done = pool.ret(thing)
        returned[0].cancel()
        await done
        await pause()

    async def main() -> None:
        thing = await pool.get()
        async with crowd() as tasks:
            waiting = await tasks.start(partial(hold, pool))
            started = Started(partial(give_back, thing))
            returned.append(started)
            returning = await tasks.start(started.run)
            await until(lambda: waiting.ended)
        assert started.cancelled
        assert returning.ended
        assert waiting.outcome() is thing

    run_task(flavour, main)


@both
def test_three_waiters_and_a_cancelled_creation(flavour: Flavour, scheduler: FakeScheduler, works: Works) -> None:
    """The place of a creation that is cancelled is the next one's, and nobody sleeps on beside it."""
    gate = Gate()

    async def connect(number: int) -> Thing:
        if number == 0:
            await gate.passed()
        return works.make(number)

    pool: AsyncPool[Thing] = AsyncPool(connect, 1, 0)

    async def main() -> None:
        async with crowd() as tasks:
            creating = await tasks.start(partial(hold, pool))
            waiting = [await tasks.start(partial(hold, pool)) for _ in range(3)]
            creating.cancel()
            await tasks.all_ended()
        assert {task.outcome() for task in waiting} == set(works.made)
        assert len(works.made) == 1

    run_task(flavour, main)


@both
def test_a_cancelled_creation_is_no_error_of_the_server(
    flavour: Flavour, scheduler: FakeScheduler, works: Works
) -> None:
    """Nobody waits for a back-off, and no error names it as its cause; what was an error before stays one."""
    gate = Gate()
    errors: list[Exception] = []

    async def connect(number: int) -> Thing:
        await gate.passed()
        if errors:
            raise errors[0]
        return works.make(number)

    pool: AsyncPool[Thing] = AsyncPool(connect, 1, 0)

    async def cancel_one() -> None:
        gate.open = False
        async with crowd() as tasks:
            creating = await tasks.start(partial(hold, pool))
            creating.cancel()
        assert creating.cancelled
        gate.open = True

    async def main() -> None:
        await cancel_one()
        assert pool.stats()["last_error"] is None
        assert pool.stats()["retry_in"] == 0.0
        async with pool.obj():
            with pytest.raises(TimeOut) as raised:
                await pool.get(0)
            assert raised.value.__cause__ is None
        errors.append(ConnectionError("down"))
        await pool.clear()
        with pytest.raises(ConnectionError):
            await pool.get()
        await cancel_one()
        assert pool.stats()["last_error"] == "ConnectionError: down"

    run_task(flavour, main)
