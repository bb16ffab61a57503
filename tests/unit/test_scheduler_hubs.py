"""Pools of an event loop: what is to be done there waits for it, unless it is blocked or over."""

from __future__ import annotations

import threading

import pytest

from ProxyPatternPool._scheduler.scheduler import Scheduler
from ProxyPatternPool._scheduler.timing import Timing

from .clock import HandMovedClock
from .helpers import Caller, eventually, said, wait_for
from .maintained import Hanging, House, SlowHome, Threads, chore_of


def test_chores_of_a_hub(real: Scheduler) -> None:
    """The chores of a pool of a hub are done in that hub."""
    house, hub = House(), SlowHome()
    house.hub = hub
    done = chore_of(house)
    real.watch(house)
    eventually(lambda: hub.jobs)
    assert not done.is_set()
    hub.jobs[0]()
    assert done.is_set()


@pytest.mark.parametrize("timing", [Timing(hub_patience=0.02, worker_idle=0.02)])
def test_chores_of_a_hub_that_is_blocked(real: Scheduler) -> None:
    """A hub that does not take up its chores for too long, or is gone, has them done by a thread."""
    blocked, gone, over = House(), House(), House()
    blocked.hub, gone.hub, over.hub = SlowHome(), SlowHome(there=False), SlowHome()
    over.hub.over = True
    done = [chore_of(house) for house in (blocked, gone, over)]
    for house in (blocked, gone, over):
        real.watch(house)
    for each in done:
        wait_for(each)
    assert gone.hub is None, "the next hub becomes its home"
    assert over.hub is None
    assert blocked.hub is not None


def test_home_chores_wait_for_a_blocked_hub(timed: Scheduler, clock: HandMovedClock) -> None:
    """What fails anywhere but at home waits as long as its hub is blocked, behind one greenlet; the rest does not."""
    house, hub = House(), SlowHome()
    house.hub = hub
    checked: list[int] = []
    closed = threading.Event()
    house.hub_chores.append(lambda: checked.append(threading.get_ident()))
    house.chores.append(closed.set)
    for look in range(100):
        assert timed.maintain(house) == clock.now + timed.timing.hub_patience
        if look < 2:
            assert not closed.is_set()
        else:
            wait_for(closed)
        clock.advance(timed.timing.hub_patience)
    assert len(hub.jobs) == 1
    eventually(lambda: timed.workers._idle == timed.workers.count)
    assert not checked
    hub.turn()
    assert checked == [threading.get_ident()]
    assert timed.maintain(house) is None


def test_a_hub_that_does_not_turn_is_told_of(
    timed: Scheduler, clock: HandMovedClock, caplog: pytest.LogCaptureFixture
) -> None:
    """Once: checks and creations wait for it, and nobody would know why."""
    house, hub = House(), SlowHome()
    house.hub = hub
    house.hub_chores.append(lambda: None)
    for look in range(20):
        assert len(said(caplog)) == (look > timed.timing.hub_tries)
        timed.maintain(house)
        clock.advance(timed.timing.hub_patience)
    assert said(caplog)[0].endswith(": health checks and creations wait for an event loop that is blocked")
    hub.turn()
    assert timed.maintain(house) is None


def test_a_failure_of_the_keepers_own(timed: Scheduler, caplog: pytest.LogCaptureFixture) -> None:
    """What a hub raises when it is sent for ends the house keeping of nobody."""
    house = House()
    house.hub = SlowHome()
    house.hub.jobs = None  # type: ignore[assignment]  # pyright: ignore[reportAttributeAccessIssue]
    house.chores.append(lambda: None)
    assert timed.maintain(house) == timed.clock() + timed.timing.retry_delay
    assert said(caplog)[0].endswith("failed")


def test_a_look_too_early_sends_nobody(timed: Scheduler, clock: HandMovedClock) -> None:
    """However often a pool asks to be looked at, its hub gets its time."""
    house, hub = House(), SlowHome()
    house.hub = hub
    done = threading.Event()
    house.chores.append(done.set)
    since = clock.now
    for _ in range(9):
        assert timed.maintain(house) == since + timed.timing.hub_patience
        clock.advance(timed.timing.hub_patience / 10)
    assert len(hub.jobs) == 1
    assert timed.workers.count == 0
    hub.turn()


def test_home_chores_of_a_hub_that_ends(timed: Scheduler) -> None:
    """When the hub that home chores have waited for turns out to be over, the crew does them."""
    house, hub = House(), SlowHome()
    house.hub = hub
    done = threading.Event()
    house.hub_chores.append(done.set)
    timed.maintain(house)
    assert len(hub.jobs) == 1
    hub.over = True
    timed.maintain(house)
    assert house.hub is None
    wait_for(done)


def test_a_hub_that_ends_at_this_moment(timed: Scheduler) -> None:
    """A hub that is over by the time it is to do something has it done by the crew at once."""
    house = House()
    house.hub = SlowHome(there=False)
    done = threading.Event()
    house.hub_chores.append(done.set)
    timed.maintain(house)
    assert house.hub is None
    wait_for(done)


def test_a_greenlet_that_never_began(timed: Scheduler, clock: HandMovedClock) -> None:
    """A greenlet that is killed before it has begun is not waited for: another is sent."""
    house, hub = House(), SlowHome()
    house.hub = hub
    done = threading.Event()
    house.hub_chores.append(done.set)
    timed.maintain(house)
    hub.jobs.clear()
    clock.advance(timed.timing.hub_patience)
    timed.maintain(house)
    assert len(hub.jobs) == 1
    hub.turn()
    assert done.is_set()


def test_a_greenlet_in_a_long_chore(timed: Scheduler, clock: HandMovedClock, hanging: Hanging) -> None:
    """What comes while a greenlet is in the middle of a long chore has another greenlet, not a thread."""
    house, hub = House(), SlowHome()
    house.hub = hub

    def check() -> None:
        hanging()

    house.hub_chores.append(check)
    timed.maintain(house)
    first = Caller(hub.jobs.pop())
    wait_for(hanging.begun)
    done = threading.Event()
    house.hub_chores.append(done.set)
    timed.maintain(house)
    assert len(hub.jobs) == 1
    clock.advance(10 * timed.timing.hub_patience)
    timed.maintain(house)
    assert len(hub.jobs) == 1
    assert timed.workers.count == 0
    hub.turn()
    assert done.is_set()
    hanging.go_on.set()
    first.result()


def test_a_pool_that_finds_a_home(timed: Scheduler, threads: Threads) -> None:
    """A thread of the crew that was sent before a pool was first used in a hub leaves the home chores to that."""
    house, hub = House(), SlowHome()
    at_home = threading.Event()
    house.hub_chores.append(at_home.set)
    with threads.refused():
        timed.maintain(house)
    house.hub = hub
    timed.workers.count += threads.start(timed.workers._work)
    eventually(lambda: timed.workers._idle and not timed.workers._active[house][True])
    assert not at_home.is_set()
    timed.maintain(house)
    hub.turn()
    assert at_home.is_set()
