"""Pools of an event loop: what is to be done there waits for it, unless it is blocked or over."""

from __future__ import annotations

import logging
import math
import threading
import weakref
from collections.abc import Callable
from functools import partial

import pytest

from ProxyPatternPool._runtime.environment import Environment
from ProxyPatternPool._runtime.threads import DaemonThreads
from ProxyPatternPool._scheduler.deadlines import Deadlines
from ProxyPatternPool._scheduler.dispatch import Dispatcher
from ProxyPatternPool._scheduler.maintained import Maintained
from ProxyPatternPool._scheduler.scheduler import Scheduler
from ProxyPatternPool._scheduler.timing import Timing
from ProxyPatternPool._scheduler.workers import Job, Workers

from .clock import HandMovedClock
from .helpers import Caller, eventually, said, wait_for
from .maintained import FakeMaintained, Hanging, SlowHub, Threads, chore_of


def test_chores_of_a_hub(real: Scheduler) -> None:
    """The chores of a pool of a hub are done in that hub."""
    maintained, hub = FakeMaintained(), SlowHub()
    maintained.hub = hub
    done = chore_of(maintained)
    real.watch(weakref.ref(maintained))
    eventually(lambda: hub.jobs)
    assert not done.is_set()
    hub.jobs[0]()
    assert done.is_set()


@pytest.mark.parametrize("timing", [Timing(hub_patience=0.02, worker_idle=0.02)])
def test_chores_of_a_hub_that_is_blocked(real: Scheduler) -> None:
    """A hub that does not take up its chores for too long, or is gone, has them done by a thread."""
    blocked, gone, over = FakeMaintained(), FakeMaintained(), FakeMaintained()
    blocked.hub, gone.hub, over.hub = SlowHub(), SlowHub(there=False), SlowHub()
    over.hub.over = True
    done = [chore_of(maintained) for maintained in (blocked, gone, over)]
    for maintained in (blocked, gone, over):
        real.watch(weakref.ref(maintained))
    for each in done:
        wait_for(each)
    assert gone.hub is None, "the next hub becomes its own"
    assert over.hub is None
    assert blocked.hub is not None


def test_hub_chores_wait_for_a_blocked_hub(timed: Scheduler, clock: HandMovedClock) -> None:
    """What fails anywhere but in its hub waits as long as that is blocked, behind one greenlet; the rest does not."""
    maintained, hub = FakeMaintained(), SlowHub()
    maintained.hub = hub
    checked: list[int] = []
    closed = threading.Event()
    maintained.queued_in_hub.append(lambda: checked.append(threading.get_ident()))
    maintained.queued.append(closed.set)
    for look in range(100):
        assert timed.maintain(maintained) == clock.now + timed.timing.hub_patience
        if look < 2:
            assert not closed.is_set()
        else:
            wait_for(closed)
        clock.advance(timed.timing.hub_patience)
    assert len(hub.jobs) == 1
    eventually(lambda: not timed.workers._unfinished)
    assert not checked
    hub.turn()
    assert checked == [threading.get_ident()]
    assert timed.maintain(maintained) is None


@pytest.mark.parametrize(
    ("for_tasks", "what"),
    [(False, "health checks and creations"), (True, "health checks, creations and closers")],
)
def test_a_hub_that_does_not_turn_is_told_of(
    for_tasks: bool, what: str, timed: Scheduler, clock: HandMovedClock, caplog: pytest.LogCaptureFixture
) -> None:
    """Once: checks and creations wait for it, and nobody would know why."""
    maintained, hub = FakeMaintained(), SlowHub(for_tasks=for_tasks)
    maintained.hub = hub
    maintained.queued_in_hub.append(lambda: None)
    for look in range(20):
        assert len(said(caplog)) == (look > timed.timing.hub_tries)
        timed.maintain(maintained)
        clock.advance(timed.timing.hub_patience)
    assert said(caplog) == [f"{maintained!r}: {what} wait for an event loop that is blocked"]
    assert caplog.records[0].levelno == logging.WARNING
    hub.turn()
    assert timed.maintain(maintained) is None


class BrokenHub(SlowHub):
    """A hub with a bug."""

    def spawn(self, job: Callable[[], None]) -> bool:
        raise RuntimeError("a bug")


def test_a_failure_of_the_schedulers_own(timed: Scheduler, caplog: pytest.LogCaptureFixture) -> None:
    """What a hub raises when it is sent for ends the maintenance of nobody."""
    maintained = FakeMaintained()
    maintained.hub = BrokenHub()
    maintained.queued.append(lambda: None)
    assert timed.maintain(maintained) == timed.clock() + timed.timing.retry_delay
    assert said(caplog)[0].endswith("failed")


@pytest.mark.parametrize("for_tasks", [False, True])
def test_a_look_too_early_sends_nobody(for_tasks: bool, timed: Scheduler, clock: HandMovedClock) -> None:
    """However often a pool asks to be looked at, its hub gets its time."""
    maintained, hub = FakeMaintained(), SlowHub(for_tasks=for_tasks)
    maintained.hub = hub
    done = threading.Event()
    (maintained.queued_in_hub if for_tasks else maintained.queued).append(done.set)
    since = clock.now
    for _ in range(9):
        assert timed.maintain(maintained) == since + timed.timing.hub_patience
        clock.advance(timed.timing.hub_patience / 10)
    assert len(hub.jobs) == 1
    assert timed.workers.count == 0
    hub.turn()


class Noted(Workers):
    """Workers that note what they are to do: chores of a hub or others, and whether those have waited."""

    def __init__(self, clock: HandMovedClock) -> None:
        super().__init__(DaemonThreads(lambda _: True), Timing(), clock)
        self.jobs: list[tuple[bool, bool]] = []

    def submit(self, job: Job, *, waited: bool) -> None:
        assert isinstance(job.maintained, FakeMaintained)
        self.jobs.append((job.hub, waited))


def test_a_failure_is_written_by_a_worker(clock: HandMovedClock) -> None:
    """Who looks at all pools has no time for handlers of the log. The pool is left alone until it is time again."""
    clock.now = 0.0  # as some clocks begin
    scheduler = Scheduler(Environment(clock=clock))
    workers = scheduler.workers = Noted(clock)
    maintained = FakeMaintained(lambda: 1 // 0)
    for number in (1, 2):
        assert scheduler.maintain(maintained) == clock.now + scheduler.timing.retry_delay
        assert (len(maintained.looks), workers.jobs) == (number, [(False, False)] * number)
        clock.advance(scheduler.timing.retry_delay)


def test_a_look_that_takes_long_is_a_pause(clock: HandMovedClock) -> None:
    """A look takes no time, unless the process stands still."""
    scheduler, deadlines = Scheduler(Environment(clock=clock)), Deadlines[Maintained]()
    scheduler._look_at([FakeMaintained()], deadlines)
    assert scheduler.paused_at == -math.inf
    scheduler._look_at([FakeMaintained(lambda: clock.advance(2 * scheduler.timing.late))], deadlines)
    assert scheduler.paused_at == clock.now


def test_what_workers_are_given(clock: HandMovedClock) -> None:
    """Without a hub all chores, by kinds; again, with a word about it, if nobody has begun the first in time."""
    workers, timing, maintained = Noted(clock), Timing(worker_patience=2.0), FakeMaintained()
    dispatch = partial(Dispatcher(clock, timing, workers).dispatch, maintained)
    maintained.queued.append(lambda: None)
    since = clock.now
    assert (dispatch(), workers.jobs) == (since + 2, [(False, False)])
    maintained.queued_in_hub.append(lambda: None)
    clock.advance(1.0)
    assert (dispatch(), workers.jobs[1:]) == (since + 2, [(True, False)])
    clock.advance(1.0)
    assert (dispatch(), workers.jobs[2:]) == (since + 3, [(False, True)])
    maintained.queued.clear()
    clock.advance(1.0)
    assert (dispatch(), workers.jobs[3:]) == (since + 5, [(True, True)])
    maintained.queued_in_hub.clear()
    assert dispatch() is None


@pytest.mark.parametrize("for_tasks", [False, True])
def test_what_an_event_loop_is_given(for_tasks: bool, clock: HandMovedClock) -> None:
    """All chores; but no log lines, if it is one of tasks: a handler that is slow would stop it."""
    workers, timing, maintained, hub = Noted(clock), Timing(), FakeMaintained(), SlowHub(for_tasks=for_tasks)
    dispatch = partial(Dispatcher(clock, timing, workers).dispatch, maintained)
    maintained.hub = hub
    maintained.queued.append(lambda: None)
    patience = timing.worker_patience if for_tasks else timing.hub_patience
    assert dispatch() == clock.now + patience
    assert (workers.jobs, len(hub.jobs)) == (([(False, False)], 0) if for_tasks else ([], 1))
    maintained.queued.clear()
    maintained.queued_in_hub.append(lambda: None)
    assert dispatch() == clock.now + timing.hub_patience
    assert len(hub.jobs) == 1


def test_what_workers_are_given_for_a_blocked_hub(clock: HandMovedClock) -> None:
    """What any thread may do, from the third look on: at the second the hub may be in the middle of a long chore."""
    workers, timing, maintained, hub = Noted(clock), Timing(), FakeMaintained(), SlowHub()
    dispatch = partial(Dispatcher(clock, timing, workers).dispatch, maintained)
    maintained.hub = hub
    for chores in (maintained.queued, maintained.queued_in_hub):
        chores.append(lambda: None)
    for looks in range(4):
        assert dispatch() == clock.now + timing.hub_patience
        assert workers.jobs == [(False, True)] * max(0, looks - 1)
        clock.advance(timing.hub_patience)
    assert len(hub.jobs) == 1


def test_the_same_chore_again_is_a_new_one(timed: Scheduler, clock: HandMovedClock) -> None:
    """It has not waited since it was done before: its hub gets its time, and no worker does it."""
    maintained, hub = FakeMaintained(), SlowHub()
    maintained.hub = hub
    done: list[int] = []

    def chore() -> None:
        done.append(threading.get_ident())

    for _ in range(4):
        maintained.queued.append(chore)
        assert timed.maintain(maintained) == clock.now + timed.timing.hub_patience
        hub.turn()
        assert timed.maintain(maintained) is None
        clock.advance(timed.timing.hub_patience)
    assert done == [threading.get_ident()] * 4
    assert timed.workers.count == 0


def test_hub_chores_of_a_hub_that_ends(timed: Scheduler) -> None:
    """When the hub for which chores have waited turns out to be over, workers do them."""
    maintained, hub = FakeMaintained(), SlowHub()
    maintained.hub = hub
    done = threading.Event()
    maintained.queued_in_hub.append(done.set)
    timed.maintain(maintained)
    assert len(hub.jobs) == 1
    hub.over = True
    timed.maintain(maintained)
    assert maintained.hub is None
    wait_for(done)


@pytest.mark.parametrize("for_tasks", [False, True])
def test_a_hub_that_ends_at_this_moment(for_tasks: bool, timed: Scheduler) -> None:
    """A hub that is over by the time it is to do something has it done by a worker at once."""
    maintained = FakeMaintained()
    maintained.hub = SlowHub(there=False, for_tasks=for_tasks)
    done = threading.Event()
    maintained.queued_in_hub.append(done.set)
    timed.maintain(maintained)
    assert maintained.hub is None
    wait_for(done)


def test_a_greenlet_that_never_began(timed: Scheduler, clock: HandMovedClock) -> None:
    """A greenlet that is killed before it has begun is not waited for: another is sent."""
    maintained, hub = FakeMaintained(), SlowHub()
    maintained.hub = hub
    done = threading.Event()
    maintained.queued_in_hub.append(done.set)
    timed.maintain(maintained)
    hub.jobs.clear()
    clock.advance(timed.timing.hub_patience)
    timed.maintain(maintained)
    assert len(hub.jobs) == 1
    hub.turn()
    assert done.is_set()


def test_a_greenlet_in_a_long_chore(timed: Scheduler, clock: HandMovedClock, hanging: Hanging) -> None:
    """What comes while a greenlet is in the middle of a long chore has another greenlet, not a thread."""
    maintained, hub = FakeMaintained(), SlowHub()
    maintained.hub = hub

    def check() -> None:
        hanging()

    maintained.queued_in_hub.append(check)
    timed.maintain(maintained)
    first = Caller(hub.jobs.pop())
    wait_for(hanging.begun)
    done = threading.Event()
    maintained.queued_in_hub.append(done.set)
    timed.maintain(maintained)
    assert len(hub.jobs) == 1
    clock.advance(10 * timed.timing.hub_patience)
    timed.maintain(maintained)
    assert len(hub.jobs) == 1
    assert timed.workers.count == 0
    hub.turn()
    assert done.is_set()
    hanging.go_on.set()
    first.result()


def test_a_pool_that_finds_its_hub(timed: Scheduler, threads: Threads) -> None:
    """A worker that was sent before a pool was first used in a hub leaves the hub's chores to that."""
    maintained, hub = FakeMaintained(), SlowHub()
    in_its_hub = threading.Event()
    maintained.queued_in_hub.append(in_its_hub.set)
    with threads.refused():
        timed.maintain(maintained)
    maintained.hub = hub
    timed.workers.start_first()
    eventually(lambda: not timed.workers._unfinished)
    assert not in_its_hub.is_set()
    timed.maintain(maintained)
    hub.turn()
    assert in_its_hub.is_set()
