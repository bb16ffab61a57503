"""Pools that keep a bounded number of objects idle, and lend the oldest first: what doors to other systems ask for."""

from __future__ import annotations

import threading

import pytest

from ProxyPatternPool import AsyncPool, Pool
from ProxyPatternPool._engine.steps import run
from ProxyPatternPool._ledger.queue import Waiter
from ProxyPatternPool._pool.async_pool import async_core_of
from ProxyPatternPool._pool.pool import core_of
from ProxyPatternPool._runtime.process import this_process
from ProxyPatternPool._runtime.tasks import awaiting

from .clock import FakeScheduler, HandMovedClock
from .helpers import FakeSleeper, Naps, Thing, Works, borrow_all, give_back_all, queue_up
from .tasks import both, run_in, turn


def bounded(works: Works, most: int | None, *, oldest_first: bool = False, max_size: int = 4) -> Pool[Thing]:
    pool = Pool(works.make, max_size, 0, closer=works.close)
    core_of(pool).keep_idle(most, oldest_first=oldest_first)
    return pool


def test_what_is_above_the_bound_is_closed_when_it_comes_back(works: Works, scheduler: FakeScheduler) -> None:
    """The first to come back stay."""
    with bounded(works, 2) as pool:
        things = borrow_all(pool, 4)
        give_back_all(pool, things)
        assert pool.stats()["navail"] == 2
        assert works.closed == things[2:]
        assert pool.stats()["nshed"] == 2


def test_the_oldest_is_lent_first(works: Works, scheduler: FakeScheduler) -> None:
    """And the youngest without that."""
    with bounded(works, None, oldest_first=True) as pool:
        things = borrow_all(pool, 3)
        give_back_all(pool, things)
        assert borrow_all(pool, 3) == things
        give_back_all(pool, things)
    with bounded(works, None) as pool:
        things = borrow_all(pool, 3)
        give_back_all(pool, things)
        assert borrow_all(pool, 3) == things[::-1]
        give_back_all(pool, things)


def test_the_oldest_are_lent_first_by_leases_and_after_a_wait(works: Works, scheduler: FakeScheduler) -> None:
    """Whatever way a loan takes."""
    with bounded(works, 3, oldest_first=True) as pool:
        things = borrow_all(pool, 3)
        give_back_all(pool, things)
        with pool.lease() as first, pool.obj(timeout=1.0) as second:
            assert [first, second] == things[:2]


def test_a_caller_who_waits_gets_what_would_be_too_many(works: Works) -> None:
    """Nothing is closed while somebody waits for it, though he has only just come."""
    with bounded(works, 1, max_size=3) as pool:
        things = borrow_all(pool, 3)
        got = queue_up(pool, 3, lambda _: pool.get())
        give_back_all(pool, things)
        assert {id(caller.result()) for caller in got} == set(map(id, things))
        assert works.closed == []
        give_back_all(pool, things)
        assert works.closed == things[1:]


def test_one_idle_and_one_too_many_for_two_who_have_just_come(
    works: Works, scheduler: FakeScheduler, clock: HandMovedClock
) -> None:
    """The first is made idle, since a newcomer may take it within the first millisecond; the second is handed over."""
    with bounded(works, 1, max_size=2) as pool:
        things = borrow_all(pool, 2)
        ledger = core_of(pool).ledger
        sleepers = [FakeSleeper(Naps(clock)) for _ in range(2)]
        waiters: list[Waiter[Thing]] = [Waiter(this_process.here.owner, None, sleeper) for sleeper in sleepers]
        for waiter in waiters:
            assert ledger.take_or_queue(clock(), waiter) is None
        give_back_all(pool, things)
        assert works.closed == []
        taken = [ledger.collect(waiter, clock()) for waiter in waiters]
        assert {id(entry.obj) for entry in taken if entry is not None} == set(map(id, things))
        give_back_all(pool, things)


def test_all_is_closed_here(works: Works) -> None:
    """``drain_here`` has closed all that was idle when it ends, in its caller's thread, and what is lent later."""
    closed_by: list[int] = []
    pool = Pool(works.make, 4, 4, closer=lambda _: closed_by.append(threading.get_ident()))
    lent = pool.get()
    run(core_of(pool).operations.drain_here())
    assert closed_by[:3] == [threading.get_ident()] * 3
    pool.ret(lent)
    assert len(closed_by) == 4
    pool.shutdown()


@both
def test_all_is_closed_here_in_a_task(flavour: str, scheduler: FakeScheduler, works: Works) -> None:
    """It has awaited each closer; they work at the same time."""
    turns: list[Thing] = []

    async def close(thing: Thing) -> None:
        turns.append(thing)
        await turn(3)
        works.close(thing)

    async def main() -> None:
        pool = AsyncPool(works.make, 2, 0, closer=close)
        async with pool.obj(), pool.obj():
            pass
        await awaiting(async_core_of(pool).operations.drain_here())
        assert len(turns) == len(works.closed) == 2

    run_in(flavour, main)


def test_an_error_of_the_factory_is_nobodys_consequence(scheduler: FakeScheduler) -> None:
    """That nothing was idle is no part of its traceback."""

    def fail(_: int) -> Thing:
        raise OSError("no server")

    with Pool(fail, 4, 0) as pool:
        with pytest.raises(OSError, match="no server") as failed:
            pool.get()
        assert failed.value.__context__ is None
