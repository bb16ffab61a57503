"""In which order tasks are served, and what holds up whom."""

from __future__ import annotations

from functools import partial
from itertools import pairwise

import pytest

from ProxyPatternPool import AsyncPool, TimeOut

from .cancelling import Flavour, crowd, pause, until
from .clock import FakeScheduler
from .helpers import Thing, Works
from .tasks import both
from .virtual_time import nap, now, run_in_virtual_time, sleep


@both
def test_nobody_waits_more_than_twice_the_ideal(flavour: Flavour, works: Works) -> None:
    """A hundred workers share ten objects, each held for 200 ms again and again: who waits 1.8 s is well served."""
    waits: list[float] = []
    loans = [0] * 100

    async def main(scheduler: FakeScheduler) -> None:
        pool = AsyncPool(works.make, 10, 0)

        async def work(number: int) -> None:
            while now() < end:
                began = now()
                async with pool.obj():
                    waits.append(now() - began)
                    await sleep(0.2)
                loans[number] += 1

        end = now() + 20
        async with crowd(nap) as tasks:
            for number in range(100):
                await tasks.start(partial(work, number), pauses=0)

    run_in_virtual_time(flavour, main)
    assert len(works.made) == 10
    assert max(waits) <= 2 * 9 * 0.2
    assert max(loans) - min(loans) <= 1
    assert sum(loans) >= 1000


@both
def test_served_in_the_order_in_which_they_came(flavour: Flavour, works: Works) -> None:
    """First come, first served, whoever has a timeout and whoever has none."""
    served: list[int] = []

    async def main(scheduler: FakeScheduler) -> None:
        pool = AsyncPool(works.make, 1, 0)

        async def borrow(number: int) -> None:
            async with pool.obj(60 if number % 2 else None):
                served.append(number)
                await sleep(1)

        async with crowd(nap) as tasks, pool.obj():
            for number in range(10):
                await tasks.start(partial(borrow, number))

    run_in_virtual_time(flavour, main)
    assert served == list(range(10))


@both
def test_an_idle_object_is_lent_in_one_step(flavour: Flavour, works: Works) -> None:
    """Neither the loan nor the return suspends the task; docs/asyncio.md says what follows from that."""

    async def main(scheduler: FakeScheduler) -> None:
        pool = AsyncPool(works.make, 1, 0)
        await pool.ret(await pool.get())

        async def borrow() -> None:
            await pool.ret(await pool.get())
            async with pool.obj():
                pass
            async with pool.lease():
                pass
            await pool.discard(await pool.get())

        with pytest.raises(StopIteration):
            borrow().send(None)

    run_in_virtual_time(flavour, main)


@both
def test_a_burst_on_an_empty_pool(flavour: Flavour, works: Works) -> None:
    """Objects are created side by side, and one connection that hangs holds up nobody but its caller."""
    took: dict[int, float] = {}

    async def connect(number: int) -> Thing:
        await sleep(600 if number == 3 else 1)
        return works.make(number)

    async def main(scheduler: FakeScheduler) -> None:
        pool = AsyncPool(connect, 16, 0)

        async def borrow(number: int) -> None:
            began = now()
            async with pool.obj():
                took[number] = now() - began
                await sleep(5)

        async with crowd(nap) as tasks:
            for number in range(16):
                await tasks.start(partial(borrow, number))

    run_in_virtual_time(flavour, main)
    assert [number for number, seconds in took.items() if seconds > 1.5] == [3]
    assert took[3] == pytest.approx(600)
    assert len(works.made) == 16


@both
def test_who_waits_behind_a_connection_that_hangs(flavour: Flavour, works: Works) -> None:
    """He gets the next object that comes back: a creation that hangs has a place, and nobody else's turn."""

    async def connect(number: int) -> Thing:
        await sleep(600 if number == 1 else 1)
        return works.make(number)

    async def main(scheduler: FakeScheduler) -> None:
        pool = AsyncPool(connect, 2, 0)

        async def borrow() -> float:
            async with pool.obj():
                return now()

        async with crowd(nap) as tasks:
            thing = await pool.get()
            hanging = await tasks.start(borrow)
            waiting = await tasks.start(borrow)
            began = now()
            await sleep(2)
            _ = pool.ret(thing)
            await until(lambda: waiting.ended, nap)
            assert not hanging.ended
            assert waiting.outcome() == pytest.approx(began + 2)

    run_in_virtual_time(flavour, main)


@both
def test_after_an_outage_attempts_are_spaced_and_timeouts_kept(flavour: Flavour, works: Works) -> None:
    """The first to fail gets the error, all others wait, each as long as it wants to; the server is not hammered."""
    attempts: list[float] = []
    ends: dict[int, float] = {}

    async def main(scheduler: FakeScheduler) -> None:
        begin = now()

        async def connect(number: int) -> Thing:
            attempts.append(now() - begin)
            await pause()
            if now() - begin < 30:
                raise ConnectionError("down")
            return works.make(number)

        pool = AsyncPool(connect, 8, 0, backoff=(1.0, 8.0))

        async def borrow(number: int) -> None:
            timeout = number + 1.0 if number < 20 else 100.0
            if number < 20:
                with pytest.raises(TimeOut) as raised:
                    await pool.get(timeout)
                assert isinstance(raised.value.__cause__, ConnectionError)
                assert now() - begin == pytest.approx(timeout, abs=0.01)
            else:
                async with pool.obj(timeout):
                    ends[number] = now() - begin

        with pytest.raises(ConnectionError):
            await pool.get()
        async with crowd(nap) as tasks:
            for number in range(40):
                await tasks.start(partial(borrow, number), pauses=0)
        for task in tasks.started:
            task.outcome()

    run_in_virtual_time(flavour, main)
    during = [time for time in attempts if time < 30]
    gaps = [after - before for before, after in pairwise(during)]
    assert min(gaps) >= 0.5
    assert len(during) < 15
    assert all(30 <= ends[number] < 40 for number in range(20, 40))
