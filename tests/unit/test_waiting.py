"""Waiting for an object: in order, exactly as long as asked, and never in vain while there is something to have."""

from __future__ import annotations

import math
import threading
from time import monotonic

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ProxyPatternPool import Pool, TimeOut
from ProxyPatternPool._runtime.environment import REAL, Environment
from ProxyPatternPool._scheduler.process import using_scheduler

from .clock import FakeScheduler, HandMovedClock
from .helpers import DEADLINE, Naps, Thing, queue_up, wait_for

# --- in order ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("aged", [False, True])
def test_first_come_first_served(aged: bool, scheduler: FakeScheduler, clock: HandMovedClock) -> None:
    """Whoever has waited longest is served first, and everyone is."""
    pool = Pool(Thing, 1)
    thing = pool.get()
    served: list[int] = []

    def job(number: int) -> None:
        thing = pool.get()
        served.append(number)
        pool.ret(thing)

    callers = queue_up(pool, 6, job)
    clock.advance(1.0 if aged else 0.0)
    pool.ret(thing)
    for caller in callers:
        caller.result()
    assert served == list(range(6))
    assert pool.stats()["nwaiting"] == 0
    assert pool.get(0) is thing


def test_newcomers_do_not_overtake(scheduler: FakeScheduler, clock: HandMovedClock) -> None:
    """An object given back goes to the oldest waiter directly: a newcomer finds nothing, however quick he is."""
    pool = Pool(Thing, 1)
    thing = pool.get()
    enough = threading.Event()

    def job(number: int) -> Thing:
        thing = pool.get()
        wait_for(enough)
        return thing

    callers = queue_up(pool, 1, job)
    clock.advance(0.0011)
    pool.ret(thing)
    with pytest.raises(TimeOut):
        pool.get(0)
    enough.set()
    assert callers[0].result() is thing


def test_a_newcomer_may_win_for_a_millisecond(scheduler: FakeScheduler, naps: Naps, clock: HandMovedClock) -> None:
    """A waiter who has just come and was overtaken keeps his place at the head, and is served next."""
    pool = Pool(Thing, 1)
    thing = pool.get()
    newcomer: list[Thing] = []

    def give_back_and_be_quicker() -> None:
        clock.advance(0.0005)
        pool.ret(thing)
        newcomer.append(pool.get(0))

    def give_back() -> None:
        clock.advance(0.0006)
        pool.ret(newcomer.pop())
        with pytest.raises(TimeOut):
            pool.get(0)

    naps.meanwhile.extend([give_back_and_be_quicker, give_back])
    assert pool.get() is thing
    assert pool.stats()["nwaiting"] == 0


def test_as_many_waiters_wake_as_objects_come(scheduler: FakeScheduler, clock: HandMovedClock) -> None:
    """Of two objects given back at once two waiters get one each, and the third waits on."""
    pool = Pool(Thing, 2)
    things = [pool.get(), pool.get()]
    callers = queue_up(pool, 3, lambda number: pool.get())
    for thing in things:
        pool.ret(thing)
    assert {callers[0].result(), callers[1].result()} == set(things)
    assert callers[2].busy
    assert pool.stats()["nwaiting"] == 1
    pool.ret(things[0])
    assert callers[2].result() is things[0]


def test_more_objects_than_waiters(scheduler: FakeScheduler, naps: Naps) -> None:
    """Where more comes back than is waited for, the rest is idle."""
    pool = Pool(Thing, 3)
    things = [pool.get() for _ in range(3)]

    def give_back() -> None:
        for thing in things:
            pool.ret(thing)

    naps.meanwhile.append(give_back)
    pool.get()
    assert (pool.stats()["navail"], pool.stats()["nusing"]) == (2, 1)


def test_a_discarded_object_serves_the_next(scheduler: FakeScheduler, clock: HandMovedClock) -> None:
    """A freed place is worth as much as an object: the oldest waiter creates."""
    pool = Pool(Thing, 1)
    thing = pool.get()
    callers = queue_up(pool, 2, lambda number: pool.get())
    clock.advance(1)
    pool.discard(thing)
    second = callers[0].result()
    assert isinstance(second, Thing)
    assert second.number == 1
    assert callers[1].busy
    pool.discard(second)
    third = callers[1].result()
    assert isinstance(third, Thing)
    assert third.number == 2


def test_worn_out_objects_serve_waiters(scheduler: FakeScheduler, clock: HandMovedClock) -> None:
    """The place of an object that is closed on its return goes to a waiter as well."""
    pool = Pool(Thing, 1, max_use=1)
    thing = pool.get()
    callers = queue_up(pool, 3, lambda number: pool.ret(pool.get()))
    clock.advance(1)
    pool.ret(thing)
    for caller in callers:
        caller.result()
    assert pool.stats()["ncreated"] == pool.stats()["nuses"] == 4


# --- for how long --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("default", "given", "seconds"), [(2.5, None, 2.5), (None, 1.5, 1.5), (9.0, 1.5, 1.5)])
def test_timeouts_are_exact(
    default: float | None, given: float | None, seconds: float, scheduler: FakeScheduler, naps: Naps
) -> None:
    """A wait ends when its time is over, the call's own timeout before the pool's; not before and not after."""
    pool = Pool(Thing, 1, timeout=default)
    pool.get()
    start = naps.clock()
    with pytest.raises(TimeOut, match=f"timeout after {seconds} seconds"):
        pool.get(given)
    assert naps.clock() - start == seconds
    assert naps.asked == [seconds]


@given(st.lists(st.floats(min_value=0.0, max_value=0.9), max_size=8), st.floats(min_value=0.001, max_value=1e6))
def test_early_wakes_neither_shorten_nor_lengthen_a_wait(portions: list[float], timeout: float) -> None:
    """However often a waiter is woken for nothing, it sleeps no longer than it asked for, and no shorter."""
    clock = HandMovedClock()
    naps = Naps(clock)
    scheduler = FakeScheduler(Environment(clock=clock, new_sleeper=naps.new_sleeper))
    with using_scheduler(scheduler):
        pool = Pool(Thing, 1)
        pool.get()
        start = clock()

        def wake_early(portion: float) -> None:
            clock.advance((naps.asked[-1] or 0.0) * portion)
            naps.wake_last()

        naps.meanwhile.extend([lambda portion=portion: wake_early(portion) for portion in portions])  # type: ignore[misc]
        with pytest.raises(TimeOut):
            pool.get(timeout)
    assert start + timeout <= clock() <= (start + timeout) * (1 + 1e-15)
    assert all(asked is not None and asked > 0 for asked in naps.asked)


@pytest.mark.parametrize("timeout", [0, 0.0])
def test_zero_never_waits(timeout: float, scheduler: FakeScheduler, naps: Naps) -> None:
    """A timeout of 0 gives what can be had at once, and never waits; it does not mean the pool's default."""
    pool = Pool(Thing, 1, timeout=10)
    thing = pool.get(timeout)
    with pytest.raises(TimeOut, match="timeout after 0 seconds"):
        pool.get(timeout)
    assert naps.asked == []
    pool.ret(thing)
    assert pool.get(timeout) is thing


def test_default_of_zero_never_waits(scheduler: FakeScheduler, naps: Naps) -> None:
    """A pool's default timeout of 0 is a timeout of 0."""
    pool = Pool(Thing, 1, timeout=0)
    pool.get()
    with pytest.raises(TimeOut, match="timeout after 0 seconds"):
        pool.get()
    assert naps.asked == []


@pytest.mark.parametrize(("default", "given"), [(None, None), (math.inf, None), (3.0, math.inf)])
def test_for_ever(default: float | None, given: float | None, scheduler: FakeScheduler, naps: Naps) -> None:
    """Without a timeout, or with an infinite one, a wait ends when there is something to have."""
    pool = Pool(Thing, 1, timeout=default)
    thing = pool.get()
    naps.meanwhile.extend([lambda: naps.clock.advance(1e9), naps.wake_last, lambda: pool.ret(thing)])
    assert pool.get(given) is thing
    assert naps.asked == [None, None]


def test_an_object_at_the_last_moment(scheduler: FakeScheduler, naps: Naps) -> None:
    """What is handed to a waiter whose time is just over is not lost: he has it."""
    pool = Pool(Thing, 1)
    thing = pool.get()

    def give_back_late() -> None:
        naps.clock.advance(5)
        pool.ret(thing)

    naps.meanwhile.append(give_back_late)
    assert pool.get(5) is thing


def test_real_threads_sleep_exactly() -> None:
    """With the real clock and a real sleeper a wait of 50 ms takes 50 ms."""
    with using_scheduler(FakeScheduler(REAL)):
        pool = Pool(Thing, 1)
    pool.get()
    start = monotonic()
    with pytest.raises(TimeOut):
        pool.get(0.05)
    assert 0.05 <= monotonic() - start < DEADLINE


def test_who_waits_for_long_looks_into_it(scheduler: FakeScheduler, naps: Naps) -> None:
    """After a second, each time when he has waited twice as long, and when he gives up; not while others wait less."""
    pool = Pool(Thing, 1)
    thing = pool.get()
    looks: list[float] = []
    start = naps.clock()
    pool._core.waits.on_long_wait = lambda waits: looks.append(waits.clock() - start)
    with pytest.raises(TimeOut):
        pool.get(10)
    assert looks == [1, 2, 4, 8, 10]
    with pytest.raises(TimeOut):
        pool.get(0)
    assert looks == [1, 2, 4, 8, 10, 10]
    naps.meanwhile.extend([lambda: naps.clock.advance(0.5), naps.wake_last, lambda: pool.ret(thing)])
    assert pool.get(1) is thing
    assert len(looks) == 6


def test_waiting_is_counted(scheduler: FakeScheduler, naps: Naps) -> None:
    """Time spent in the queue adds up, the longest is remembered, and those who waited in vain are counted."""
    pool = Pool(Thing, 1)
    thing = pool.get()
    for seconds in (1, 3, 2):
        with pytest.raises(TimeOut):
            pool.get(seconds)
    with pytest.raises(TimeOut):
        pool.get(0)

    def give_back() -> None:
        naps.clock.advance(0.5)
        pool.ret(thing)

    naps.meanwhile.append(give_back)
    pool.get(2)
    stats = pool.stats()
    assert stats["ntimeouts"] == 4
    assert stats["wait_time"] == pytest.approx(6.5)
    assert stats["max_wait"] == 3.0
    assert stats["nwaiting"] == 0
