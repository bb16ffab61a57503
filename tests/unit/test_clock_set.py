"""The time of day is set while a pool works: what people read says the new one, and nothing is older or younger."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from ProxyPatternPool import Pool, TimeOut
from ProxyPatternPool._inspect.status import details
from ProxyPatternPool._runtime.environment import Environment
from ProxyPatternPool._scheduler.process import using_scheduler

from .clock import Chance, FakeScheduler, HandMovedClock
from .helpers import Naps, Thing, Works, said

DAY = 86400.0
NOON = datetime(2026, 6, 1, 12).timestamp()
"""When a test begins."""


class TimeOfDay:
    """Goes on as the clock of the test does, until it is set."""

    def __init__(self, clock: HandMovedClock) -> None:
        self._clock = clock
        self._offset = NOON - clock()

    def __call__(self) -> float:
        return self._clock() + self._offset

    def set(self, jump: float) -> None:
        self._offset += jump


@pytest.fixture
def day(clock: HandMovedClock) -> TimeOfDay:
    return TimeOfDay(clock)


@pytest.fixture
def scheduler(environment: Environment, day: TimeOfDay) -> Iterator[FakeScheduler]:
    """That of all unit tests, but for the time of day."""
    with using_scheduler(FakeScheduler(replace(environment, wall_clock=day))) as scheduler:
        yield scheduler
        scheduler.run()


either_way = pytest.mark.parametrize("jump", [-DAY, DAY])


@either_way
def test_loans_and_idle_objects(jump: float, day: TimeOfDay, scheduler: FakeScheduler, clock: HandMovedClock) -> None:
    """Ages of a pool, a loan and an idle object are those of the clock; times are those of the new day."""
    pool = Pool(Thing, 2, 2)
    held, idle = pool.get(), pool.get()
    clock.advance(2)
    pool.ret(idle)
    pool.housekeep()
    day.set(jump)
    clock.advance(3)
    now = datetime.fromtimestamp(NOON + jump + 5)
    stats = pool.stats()
    assert (stats["now"], stats["taken"]) == (now.timestamp(), now.isoformat(timespec="microseconds"))
    assert stats["started"] == datetime.fromtimestamp(NOON).isoformat(timespec="microseconds"), "as it was then"
    assert (stats["running"], stats["rel_hk_last"]) == (5, -3)
    [lent], [returned] = stats["using"], stats["avail"]
    assert (lent["last_get"], lent["last_ret"]) == (-5, -5)
    assert (returned["last_get"], returned["last_ret"]) == (-5, -3)
    [holding] = pool.owners()
    assert (holding.obj, holding.held) == (held, 5)
    assert holding.since == (now - timedelta(seconds=5)).astimezone()
    pool.ret(held)


@either_way
def test_waits(jump: float, day: TimeOfDay, scheduler: FakeScheduler, clock: HandMovedClock, naps: Naps) -> None:
    """A caller waits as long as it was to, and it is shown for how long."""
    pool = Pool(Thing, 1, timeout=60)
    held = pool.get()
    ages: list[float] = []
    written = io.StringIO()

    def set_clock() -> None:
        clock.advance(20)
        day.set(jump)
        ages.extend(caller.seconds for caller in details(pool._core, 1, 1).callers)
        pool.dump(written)

    naps.meanwhile.append(set_clock)
    with pytest.raises(TimeOut, match="timeout after 60 seconds"):
        pool.get()
    assert ages == [20]
    assert "  waiting for 20.000 s: " in written.getvalue()
    assert "  lent for 20.000 s to " in written.getvalue()
    assert clock.now == 1060
    assert (pool.stats()["wait_time"], pool.stats()["max_wait"]) == (60, 60)
    pool.ret(held)


@either_way
def test_log_lines(
    jump: float,
    day: TimeOfDay,
    scheduler: FakeScheduler,
    clock: HandMovedClock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A line has the time of day of its moment, and the true age of the loan that it is about."""
    pool = Pool(Thing, name="books", max_using_delay=10)
    thing = pool.get()
    clock.advance(4)
    day.set(jump)
    pool.housekeep()
    assert said(caplog) == [], "it is 4 seconds old"
    clock.advance(6)
    pool.housekeep()
    day.set(-jump)
    pool.ret(thing)
    assert [line.partition(" by ")[0].partition(" from ")[0] for line in said(caplog)] == [
        "pool 'books': thing 0 has been kept for 10.000 s",
        "pool 'books': thing 0 came back after 10.000 s",
    ]
    assert [record.created - NOON for record in caplog.records] == [jump + 10, 10]


@either_way
def test_limits(
    jump: float, day: TimeOfDay, scheduler: FakeScheduler, clock: HandMovedClock, chance: Chance, works: Works
) -> None:
    """No object is closed before the end of its time, nor later: idle, lent, or alive."""
    chance.always = 0.0  # as long as it may live
    pool = Pool(works.make, 2, max_avail_delay=10, max_lifetime=30, max_using_delay_kill=20, closer=works.close)
    kept, idle = pool.get(), pool.get()
    pool.ret(idle)
    day.set(jump)
    for seconds, closed in ((9.9, []), (0.1, [idle]), (9.9, [idle]), (0.1, [idle, kept])):
        clock.advance(seconds)
        scheduler.look_at(pool._core)
        assert works.closed == closed
    [last] = works.alive
    day.set(-jump)
    for seconds, closed in ((29.9, [idle, kept]), (0.1, [idle, kept, last])):
        clock.advance(seconds)
        scheduler.look_at(pool._core)
        assert works.closed == closed
