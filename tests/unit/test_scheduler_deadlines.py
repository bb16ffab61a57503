"""The scheduler, with threads and real time: each pool is looked at when it is due, without anybody asking."""

from __future__ import annotations

import weakref
from functools import partial
from time import monotonic

import pytest

from ProxyPatternPool import Pool
from ProxyPatternPool._scheduler.deadlines import Deadlines
from ProxyPatternPool._scheduler.maintained import Maintained
from ProxyPatternPool._scheduler.scheduler import Scheduler
from ProxyPatternPool._scheduler.timing import Timing
from ProxyPatternPool._scheduler.workers import MIN_WORKERS

from .clock import HandMovedClock
from .helpers import DEADLINE, Caller, Thing, Works, eventually, said, wait_for
from .maintained import FakeMaintained, Threads, dropped


def test_expiry_by_itself(real: Scheduler, works: Works) -> None:
    """An unused object is closed on time without anybody asking, neither early nor by half a round late."""
    closed: list[float] = []
    pool = Pool(works.make, min_size=0, max_avail_delay=0.1, closer=lambda thing: closed.append(monotonic()))
    thing = pool.get()
    returned = monotonic()
    pool.ret(thing)
    eventually(lambda: closed)
    assert closed[0] - returned >= 0.1
    assert closed[0] - returned < 5


def test_a_refill_by_itself(real: Scheduler, works: Works) -> None:
    """A pool below its min_size is filled without anybody asking."""
    pool = Pool(works.make, min_size=2)
    pool.discard(pool.get())
    eventually(lambda: pool.stats()["navail"] == 2)


def test_a_dropped_lease_by_itself(real: Scheduler) -> None:
    """A dropped lease comes back without anybody asking, and serves who waits."""
    pool = Pool(Thing, 1)
    leases = [pool.lease()]
    waiting = Caller(pool.get)
    eventually(lambda: pool.stats()["nwaiting"] == 1)
    leases.clear()
    assert waiting.result().number == 0


def test_a_dropped_pool_by_itself(real: Scheduler, works: Works) -> None:
    """A dropped pool is closed without anybody asking, and no thread keeps what is left of it."""
    pool = Pool(works.make, min_size=3, max_avail_delay=3600, closer=works.close)
    core = weakref.ref(pool._core)
    del pool
    eventually(lambda: len(works.closed) == 3)
    eventually(lambda: core() is None)


def test_an_empty_pool_is_not_kept(real: Scheduler) -> None:
    """A pool that was looked at and is dropped with nothing in it is gone at once: nobody refers to it who sleeps."""
    pool = Pool(Thing, min_size=0)
    pool.discard(pool.get())
    core = weakref.ref(pool._core)
    eventually(lambda: not len(real._requests))
    del pool
    eventually(lambda: core() is None)


def test_recovery_by_itself(real: Scheduler, works: Works) -> None:
    """A pool made before its server is up fills itself once it is."""
    works.failing = ConnectionError()
    pool = Pool(works.make, min_size=2)
    eventually(lambda: len(works.numbers) >= 3)
    works.failing = None
    eventually(lambda: pool.stats()["navail"] == 2)


def test_one_schedule_for_all_pools(real: Scheduler, threads: Threads) -> None:
    """Five hundred pools with much to watch cost one thread and its helper, not a thread each."""
    pools = [
        Pool(Thing, max_avail_delay=3600, max_using_delay=60, health=lambda thing: True, min_size=1) for _ in range(500)
    ]
    for pool in pools:
        pool.ret(pool.get())
    eventually(lambda: not len(real._requests))
    assert len(threads) == 2


@pytest.mark.parametrize("timing", [Timing(worker_patience=DEADLINE, worker_idle=0.02)])
def test_five_hundred_pools_are_served(real: Scheduler) -> None:
    """Each of five hundred pools has its objects closed when they expire."""
    works = [Works() for _ in range(500)]
    pools = [Pool(each.make, min_size=0, max_avail_delay=0.2, closer=each.close) for each in works]
    for pool in pools:
        pool.ret(pool.get())
    eventually(lambda: all(len(each.closed) == 1 for each in works))
    assert real.workers.count <= MIN_WORKERS


def test_deadlines_in_order(real: Scheduler) -> None:
    """Pools are looked at when they asked for it, whatever the order in which they asked."""
    start = monotonic()
    several = [FakeMaintained() for _ in range(3)]
    for maintained, delay in zip(several, (0.15, 0.05, 0.1), strict=True):
        maintained.told = partial(next, iter([start + delay]), None)
        real.watch(weakref.ref(maintained))
    eventually(lambda: all(len(maintained.looks) == 2 for maintained in several))
    for maintained, delay in zip(several, (0.15, 0.05, 0.1), strict=True):
        assert maintained.looks[1] - start >= delay


class Turns:
    """Turns of a scheduler's thread, in this one, at times moved by hand: how often something was looked at."""

    def __init__(self, scheduler: Scheduler, clock: HandMovedClock, *deadlines: float) -> None:
        self._scheduler = scheduler
        self._clock = clock
        self._deadlines: Deadlines[Maintained] = Deadlines()
        self._start = clock.now
        self.maintained = FakeMaintained(partial(next, iter([clock.now + seconds for seconds in deadlines]), None))

    def at(self, seconds: float, *, asks: bool = False) -> int:
        self._clock.now = self._start + seconds
        # Somebody else always asks: so it does not wait.
        self._scheduler.request_look(self.maintained if asks else FakeMaintained())
        self._scheduler._turn(self._deadlines)
        return len(self.maintained.looks)


def test_only_the_earliest_deadline_counts(timed: Scheduler, clock: HandMovedClock) -> None:
    """A pool is looked at once at its earliest deadline, however often it asked; that look says the next."""
    looks = Turns(timed, clock, 5.0, 10.0, 15.0)
    assert looks.at(0.0, asks=True) == 1
    assert looks.at(1.0, asks=True) == 2  # of which 10 comes, and 5 counts
    assert looks.at(4.9) == 2
    assert looks.at(5.0) == 3
    assert looks.at(10.0) == looks.at(14.9) == 3
    assert looks.at(15.0) == looks.at(100.0) == 4


def test_a_deadline_brought_forward(timed: Scheduler, clock: HandMovedClock) -> None:
    """A pool that asks for an earlier look is not looked at again at the time it had asked for before."""
    looks = Turns(timed, clock, 10.0, 5.0)
    assert looks.at(0.0, asks=True) == 1
    assert looks.at(1.0, asks=True) == 2
    assert looks.at(5.0) == looks.at(10.0) == looks.at(100.0) == 3


def test_a_past_deadline_is_now(real: Scheduler) -> None:
    """A deadline that has passed already is met at once."""
    deadlines = [monotonic() - 100]
    maintained = FakeMaintained(lambda: deadlines.pop() if deadlines else None)
    real.watch(weakref.ref(maintained))
    eventually(lambda: len(maintained.looks) == 2)


def test_a_pool_that_is_gone(real: Scheduler) -> None:
    """A pool that was dropped before its deadline, or before it was looked at, is not missed."""
    maintained, other = FakeMaintained(lambda: monotonic() + 0.05), FakeMaintained()
    real.watch(weakref.ref(maintained))
    wait_for(maintained.looked)
    gone = weakref.ref(maintained)
    del maintained
    real.request_look(dropped(FakeMaintained()))
    eventually(lambda: gone() is None)
    real.watch(weakref.ref(other))
    wait_for(other.looked)


def test_maintenance_that_always_raises(
    timed: Scheduler, clock: HandMovedClock, caplog: pytest.LogCaptureFixture
) -> None:
    """It is tried again after a second, however often the pool asks: to log the failure asks for a look, too."""
    maintained = FakeMaintained(lambda: 1 // 0)
    for number in (1, 2):
        again = timed.clock() + timed.timing.retry_delay
        for _ in range(9):
            assert timed.maintain(maintained) == again
            clock.advance(timed.timing.retry_delay / 10)
        assert len(maintained.looks) == len(said(caplog)) == number
        clock.advance(timed.timing.retry_delay)


@pytest.mark.parametrize("timing", [Timing(retry_delay=0.02, worker_idle=0.02)])
def test_maintenance_that_raises(real: Scheduler, caplog: pytest.LogCaptureFixture) -> None:
    """A pool whose maintenance fails is logged, looked at again later, and harms no other."""

    def fail() -> None:
        raise RuntimeError("a bug")

    maintained, other = FakeMaintained(fail), FakeMaintained()
    real.watch(weakref.ref(maintained))
    real.watch(weakref.ref(other))
    wait_for(other.looked)
    eventually(lambda: len(maintained.looks) >= 3)
    assert maintained.looks[1] - maintained.looks[0] >= 0.02
    lines = said(caplog)
    assert lines[0].startswith("maintenance of <tests.unit.maintained.FakeMaintained object")
    assert "RuntimeError: a bug" in caplog.text
    maintained.told = None
