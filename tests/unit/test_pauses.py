"""After a pause of the whole process, stopped or asleep, limits on what is lent are not over at once."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable

import pytest

from ProxyPatternPool import Pool
from ProxyPatternPool._runtime.environment import Environment
from ProxyPatternPool._scheduler.deadlines import Deadlines
from ProxyPatternPool._scheduler.maintained import Maintained
from ProxyPatternPool._scheduler.scheduler import Scheduler

from .clock import FakeScheduler, HandMovedClock
from .helpers import Thing, Works, said
from .maintained import FakeMaintained


def test_one_round_of_grace(scheduler: FakeScheduler, clock: HandMovedClock, works: Works) -> None:
    """Who was to give back had no time either: he gets that of a round, and then his object is closed."""
    pool = Pool(works.make, 3, 0, max_using_delay_kill=10.0, closer=works.close)
    quick, slow = pool.get(), pool.get()
    scheduler.look_at(pool._core)
    clock.advance(3600)
    scheduler.notice_pause(3590)
    assert scheduler.look_at(pool._core) == clock.now + 5.0
    assert works.closed == []
    pool.ret(quick)
    clock.advance(4.9)
    scheduler.look_at(pool._core)
    assert works.closed == []
    clock.advance(0.2)
    scheduler.look_at(pool._core)
    assert works.closed == [slow]


def test_the_grace_begins_with_the_pause(scheduler: FakeScheduler, clock: HandMovedClock, works: Works) -> None:
    """For a pool that is looked at a little later it ends no later."""
    pool = Pool(works.make, 1, 0, max_using_delay_kill=10.0, closer=works.close)
    thing = pool.get()
    clock.advance(3600)
    scheduler.notice_pause(3590)
    end = clock.now + 5.0
    clock.advance(2)
    assert scheduler.look_at(pool._core) == end
    assert works.closed == []
    clock.now = end
    scheduler.look_at(pool._core)
    assert works.closed == [thing]


def test_a_warning_comes_all_the_same(
    scheduler: FakeScheduler, clock: HandMovedClock, works: Works, caplog: pytest.LogCaptureFixture
) -> None:
    """Only the end of objects is put off."""
    pool = Pool(works.make, 1, 0, max_using_delay=5.0, max_using_delay_kill=10.0, name="db")
    thing = pool.get()
    clock.advance(60)
    scheduler.notice_pause(55)
    scheduler.look_at(pool._core)
    assert said(caplog) == ["pool 'db': thing 0 has been kept for 60.000 s by thread 'MainThread'"]
    pool.ret(thing)


def test_what_is_a_pause(scheduler: FakeScheduler, clock: HandMovedClock) -> None:
    """A look that is a little late is none; nor is a process that is always late, which would know no limit."""
    timing = scheduler.timing
    scheduler.notice_pause(timing.late)
    assert scheduler.paused_at == -math.inf
    scheduler.notice_pause(timing.late + 0.1)
    assert scheduler.paused_at == clock.now
    clock.advance(timing.late_again)
    scheduler.notice_pause(timing.late_again)
    assert scheduler.paused_at == clock.now - timing.late_again
    clock.advance(1)
    scheduler.notice_pause(timing.late_again)
    assert scheduler.paused_at == clock.now


def test_how_late_a_look_is(clock: HandMovedClock) -> None:
    """Late is what comes after the earliest deadline."""
    deadlines: Deadlines[Thing] = Deadlines()
    assert deadlines.overdue(clock.now) == 0.0
    thing = Thing(0)
    deadlines.add(thing, clock.now + 1)
    assert deadlines.overdue(clock.now) == 0.0
    assert deadlines.overdue(clock.now + 3) == 2.0


def test_the_scheduler_notices_it_before_it_looks_at_anything(
    clock: HandMovedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is killed at the first look after a pause, whoever asked for it."""
    scheduler = Scheduler(Environment(clock=clock))
    seen: list[float] = []

    class Waiting:
        def __init__(self) -> None:
            self.queued: deque[Callable[[], None]] = deque()
            self.queued_in_hub: deque[Callable[[], None]] = deque()
            self.hub = None

    def run_due(maintained: object) -> float | None:
        seen.append(scheduler.paused_at)
        scheduler.ending = len(seen) >= 2
        return clock.now + 1

    def asked(wait: float | None) -> list[Waiting]:
        clock.advance(100)
        return [maintained]

    maintained = Waiting()
    monkeypatch.setattr(scheduler, "maintain", run_due)
    monkeypatch.setattr(scheduler._requests, "wait", asked)
    scheduler._run()
    assert seen[:2] == [-math.inf, clock.now]


def test_a_look_in_which_the_process_stands_still(clock: HandMovedClock) -> None:
    """What was due meanwhile is looked at next, at once and so not late: this look says that there was a pause."""
    scheduler = Scheduler(Environment(clock=clock))
    deadlines: Deadlines[Maintained] = Deadlines()

    def stand_still() -> float:
        clock.advance(100)
        return clock.now - 90

    maintained = FakeMaintained(stand_still)
    scheduler._look_at([maintained], deadlines)
    assert scheduler.paused_at == clock.now
    assert deadlines.time_left(clock.now) == pytest.approx(scheduler.timing.shortest_pause)
