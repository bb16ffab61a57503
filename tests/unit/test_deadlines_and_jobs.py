"""Deadlines in order, and jobs that many share."""

from __future__ import annotations

import gc
import math
import random
import sys
import threading
import time
from functools import partial

import pytest

from ProxyPatternPool._scheduler import deadlines as agenda_
from ProxyPatternPool._scheduler.deadlines import Agenda
from ProxyPatternPool._scheduler.exit_jobs import Jobs

from .helpers import Caller, FakeHub, eventually, wait_for


class Watched:
    """Something that wants to be looked at."""


def test_an_agenda() -> None:
    """Things are due in the order of their deadlines, of which only the earliest counts until it has come."""
    agenda: Agenda[Watched] = Agenda()
    early, late = Watched(), Watched()
    assert agenda.time_left(0.0) is None
    agenda.note(late, 20.0)
    agenda.note(early, 30.0)
    agenda.note(early, 10.0)
    agenda.note(early, 15.0)
    assert agenda.time_left(4.0) == 6.0
    assert agenda.time_left(40.0) == 0.0
    assert agenda.due(9.9) == []
    assert agenda.due(10.0) == [early]
    agenda.note(early, 25.0)
    assert agenda.due(30.0) == [late, early]
    assert agenda.time_left(30.0) is None


def test_an_agenda_keeps_nothing_alive() -> None:
    """What is gone has no deadline any more."""
    agenda: Agenda[Watched] = Agenda()
    agenda.note(Watched(), 10.0)
    gc.collect()
    assert agenda.due(10.0) == []


def test_an_agenda_does_not_grow() -> None:
    """Far deadlines that are given up for nearer ones, again and again, do not heap up until they have passed."""
    agenda: Agenda[Watched] = Agenda()
    things = [Watched() for _ in range(10)]
    for now in range(1000):
        for thing in things:
            agenda.note(thing, now + 7200.0)
            agenda.note(thing, now + 0.5)
        assert agenda.due(now + 0.5) == things
        assert len(agenda) <= 2 * len(things) + agenda_.SPARE + 1
    assert agenda.due(9000.0) == []
    assert len(agenda) == 0


def test_an_agenda_cleared_of_what_is_given_up() -> None:
    """What is left of an agenda after deadlines were given up is still in order."""
    chance = random.Random(7)
    agenda: Agenda[Watched] = Agenda()
    things = [Watched() for _ in range(100)]
    deadlines: dict[Watched, int] = {}
    for thing in things:
        for deadline in sorted(chance.sample(range(10_000), 10), reverse=True):
            agenda.note(thing, deadline)
            deadlines[thing] = deadline
    assert len(agenda) <= 2 * len(things) + agenda_.SPARE + 1
    due: list[Watched] = []
    for now in range(10_000):
        due += agenda.due(now)
    assert [deadlines[thing] for thing in due] == sorted(deadlines.values())


def test_jobs() -> None:
    """Jobs are done once each, by all who help, whatever some of them raise; who waits is told of the end."""
    jobs = Jobs()
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


def test_jobs_of_nobody() -> None:
    """Where there is nothing to do nobody waits, and no greenlet is started."""
    jobs = Jobs()
    jobs.run()
    jobs.finish(FakeHub(), math.inf)


def test_jobs_without_time() -> None:
    """When the time is over no job is begun."""
    jobs = Jobs()
    jobs.add([partial(pytest.fail, "too late")])
    jobs.finish(FakeHub(), time.monotonic())
