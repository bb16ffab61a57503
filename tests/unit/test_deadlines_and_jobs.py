"""Deadlines in order, requests, and jobs that many share."""

from __future__ import annotations

import gc
import math
import random
import sys
import threading
import time
import weakref
from collections.abc import Callable
from functools import partial

import pytest

from ProxyPatternPool._runtime.environment import REAL, Environment
from ProxyPatternPool._scheduler import deadlines as module
from ProxyPatternPool._scheduler.deadlines import Deadlines
from ProxyPatternPool._scheduler.exit_jobs import GREENLETS, STUCK_AFTER, ExitJobs
from ProxyPatternPool._scheduler.requests import MAX_UNREAD, Request, Requests

from .clock import HandMovedClock
from .helpers import Caller, FakeHub, Naps, eventually, wait_for
from .maintained import FakeMaintained, Hanging, SlowHub, dropped


class Watched:
    """Something that wants to be looked at."""


def test_only_the_earliest_deadline_is_valid() -> None:
    """Things are due in the order of their deadlines, of which only the earliest counts until it has come."""
    deadlines: Deadlines[Watched] = Deadlines()
    early, late = Watched(), Watched()
    assert deadlines.time_left(0.0) is None
    deadlines.add(late, 20.0)
    deadlines.add(early, 30.0)
    deadlines.add(early, 10.0)
    deadlines.add(early, 15.0)
    assert deadlines.time_left(4.0) == 6.0
    assert deadlines.time_left(40.0) == 0.0
    assert deadlines.pop_due(9.9) == []
    assert deadlines.pop_due(10.0) == [early]
    deadlines.add(early, 25.0)
    assert deadlines.pop_due(30.0) == [late, early]
    assert deadlines.time_left(30.0) is None


def test_deadlines_keep_nothing_alive() -> None:
    """What is gone has no deadline any more."""
    deadlines: Deadlines[Watched] = Deadlines()
    deadlines.add(Watched(), 10.0)
    gc.collect()
    assert deadlines.pop_due(10.0) == []


def test_given_up_deadlines_do_not_pile_up() -> None:
    """Far deadlines that are given up for nearer ones, again and again, do not heap up until they have passed."""
    deadlines: Deadlines[Watched] = Deadlines()
    things = [Watched() for _ in range(10)]
    for now in range(1000):
        for thing in things:
            deadlines.add(thing, now + 7200.0)
            deadlines.add(thing, now + 0.5)
        assert deadlines.pop_due(now + 0.5) == things
        assert len(deadlines) <= 2 * len(things) + module.MAX_STALE + 1
    assert deadlines.pop_due(9000.0) == []
    assert len(deadlines) == 0


def test_a_few_deadlines_given_up_may_stay() -> None:
    """To look for them costs time: that is done once there are as many as valid ones, and ``MAX_STALE`` more."""
    deadlines: Deadlines[Watched] = Deadlines()
    one, other = Watched(), Watched()
    deadlines.add(other, 5.0)
    for number in range(module.MAX_STALE + 3):
        deadlines.add(one, 1000.0 - number)
    most = 2 * 2 + module.MAX_STALE
    assert len(deadlines) == most
    deadlines.add(other, 5.0)  # which is known
    assert len(deadlines) == most
    deadlines.add(one, 10.0)
    assert len(deadlines) == 2
    assert deadlines.pop_due(10.0) == [other, one]


def test_deadlines_given_up_are_removed() -> None:
    """Deadlines that are left after others were given up are still in order."""
    chance = random.Random(7)
    deadlines: Deadlines[Watched] = Deadlines()
    things = [Watched() for _ in range(100)]
    earliest: dict[Watched, int] = {}
    for thing in things:
        for deadline in sorted(chance.sample(range(10_000), 10), reverse=True):
            deadlines.add(thing, deadline)
            earliest[thing] = deadline
    assert len(deadlines) <= 2 * len(things) + module.MAX_STALE + 1
    due: list[Watched] = []
    for now in range(10_000):
        due += deadlines.pop_due(now)
    assert [earliest[thing] for thing in due] == sorted(earliest.values())


def test_who_asks_is_given_once() -> None:
    """However often he asked, and unless he is gone; what only ends the wait is nobody."""
    requests, one, other = Requests(), FakeMaintained(), FakeMaintained()
    asked: list[Request] = [weakref.ref(one), one, weakref.ref(other), dropped(FakeMaintained()), weakref.ref(one)]
    for request in asked:
        requests.put(request)
    assert requests.wait(0.0) == [one, other]
    assert requests.wait(0.0) == []
    requests.put(None)
    assert requests.wait(0.0) == []


def test_requests_that_nobody_reads_are_few() -> None:
    """One that keeps its pool alive does so all the same."""
    requests, one, other = Requests(), FakeMaintained(), FakeMaintained()
    requests.put(weakref.ref(one))
    requests.put(one)
    requests.put(dropped(FakeMaintained()))
    for _ in range(MAX_UNREAD - 4):
        requests.put(weakref.ref(other))
    requests.limit()
    assert len(requests) == MAX_UNREAD - 1
    requests.put(weakref.ref(other))
    requests.limit()
    assert len(requests) == 3
    known = weakref.ref(one)
    del one
    assert requests.wait(0.0) == [known(), other]


def test_jobs() -> None:
    """Jobs are done once each, by all who help, whatever some of them raise; who waits is told of the end."""
    jobs = ExitJobs(REAL)
    done: list[int] = []
    go_on = threading.Event()

    def last() -> None:
        wait_for(go_on)
        done.append(100)

    jobs.add([partial(sys.exit, 3), *(partial(done.append, number) for number in range(50)), last])
    helpers = [Caller(jobs.run) for _ in range(3)]
    start = time.monotonic()
    jobs.wait(start + 0.02)
    assert time.monotonic() - start >= 0.02
    waiting = Caller(lambda: jobs.wait(math.inf))
    eventually(lambda: len(done) == 50)
    assert waiting.busy
    go_on.set()
    waiting.result()
    assert sorted(done) == [*range(50), 100]
    for helper in helpers:
        helper.result()
    jobs.wait(math.inf)


class CountingHub(FakeHub):
    """A hub that counts what it is asked."""

    def __init__(self) -> None:
        self.spawned = 0

    def spawn(self, job: Callable[[], None]) -> bool:
        self.spawned += 1
        return super().spawn(job)


def test_jobs_of_nobody() -> None:
    """Where there is nothing to do nobody waits, and no greenlet is started."""
    jobs, hub = ExitJobs(REAL), CountingHub()
    jobs.run()
    jobs.run_in_hub(hub, math.inf)
    assert hub.spawned == 0


def test_jobs_without_time(clock: HandMovedClock, naps: Naps) -> None:
    """When the time is over no job is begun, and nobody waits."""
    jobs, hub = ExitJobs(Environment(clock=clock, new_sleeper=naps.new_sleeper)), CountingHub()
    done: list[str] = []
    jobs.add([partial(done.append, "too late")])
    jobs.run_in_hub(hub, clock.now)
    assert hub.spawned == 0
    assert (done, naps.asked) == ([], [])
    jobs.wait(clock.now + 2.0)
    assert naps.asked == [2.0]


def test_greenlets_that_do_not_begin(clock: HandMovedClock, naps: Naps) -> None:
    """Twice as many are started each time, as long as there is time, and no more than there are jobs."""
    jobs, hub = ExitJobs(Environment(clock=clock, new_sleeper=naps.new_sleeper)), SlowHub()
    jobs.add([lambda: None] * 10)
    until = clock.now + 2.8 * STUCK_AFTER
    jobs.run_in_hub(hub, until)
    assert len(hub.jobs) == GREENLETS + 2 * GREENLETS + 10
    assert naps.asked == pytest.approx([STUCK_AFTER, STUCK_AFTER, 0.8 * STUCK_AFTER])
    assert clock.now == pytest.approx(until)


def test_greenlets_that_have_begun(clock: HandMovedClock, naps: Naps, hanging: Hanging) -> None:
    """They are waited for until the last has ended, and no longer."""
    jobs, hub = ExitJobs(Environment(clock=clock, new_sleeper=naps.new_sleeper)), SlowHub()
    greenlets: list[Caller[None]] = []

    def hang() -> None:
        hanging()

    def begin() -> None:
        greenlets.append(Caller(hub.jobs.pop()))
        wait_for(hanging.begun)
        clock.advance(STUCK_AFTER)

    def end() -> None:
        hanging.go_on.set()
        greenlets[0].result()

    jobs.add([hang])
    naps.meanwhile += [begin, end]
    jobs.run_in_hub(hub, clock.now + 2.0)
    assert naps.asked == pytest.approx([STUCK_AFTER, 2.0 - STUCK_AFTER])
    assert not greenlets[0].busy
    assert hub.jobs == []
