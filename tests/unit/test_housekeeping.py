"""Expiry, and when the next look at a pool is due: exactly when something happens, or once every hk_delay."""

from __future__ import annotations

import pytest

from ProxyPatternPool import Pool
from ProxyPatternPool._inspect.totals import total
from ProxyPatternPool._ledger import policy

from .clock import FakeScheduler, HandMovedClock
from .helpers import Caller, Thing, Works, borrow_all, give_back_all

# --- expiry --------------------------------------------------------------------------------------------


def test_unused_objects_expire(scheduler: FakeScheduler, clock: HandMovedClock, works: Works) -> None:
    """An object unused for max_avail_delay is closed then, not before, and counted as recycled."""
    pool = Pool(works.make, min_size=0, max_avail_delay=60, closer=works.close)
    give_back_all(pool, borrow_all(pool, 1))
    clock.advance(59.9)
    pool.housekeep()
    assert works.closed == []
    clock.advance(0.1)
    pool.housekeep()
    assert works.closed == works.made
    assert pool.stats()["nrecycled"] == 1
    assert pool.stats()["nobjs"] == 0


def test_never_below_min_size(scheduler: FakeScheduler, clock: HandMovedClock, works: Works) -> None:
    """Expiry stops at min_size, and takes the objects unused for longest."""
    pool = Pool(works.make, min_size=2, max_avail_delay=60, closer=works.close)
    things = borrow_all(pool, 5)
    give_back_all(pool, things)
    clock.advance(61)
    pool.housekeep()
    assert works.closed == things[:3]
    assert pool.stats()["navail"] == 2
    clock.advance(1000)
    pool.housekeep()
    assert len(works.closed) == 3
    assert len(works.made) == 5, "nor are they replaced"


def test_lent_objects_count_for_min_size(scheduler: FakeScheduler, clock: HandMovedClock, works: Works) -> None:
    """What is lent is kept as well: an idle object more than min_size goes."""
    pool = Pool(works.make, min_size=2, max_avail_delay=60, closer=works.close)
    things = borrow_all(pool, 3)
    pool.ret(things[0])
    clock.advance(61)
    pool.housekeep()
    assert works.closed == [things[0]]


def test_only_the_unused_expire(scheduler: FakeScheduler, clock: HandMovedClock, works: Works) -> None:
    """What was used meanwhile stays; what is lent is not idle, however long."""
    pool = Pool(works.make, min_size=0, max_avail_delay=60, closer=works.close)
    first, second, third = borrow_all(pool, 3)
    give_back_all(pool, [first, second])
    clock.advance(40)
    assert pool.get() is second
    pool.ret(second)
    clock.advance(30)
    pool.housekeep()
    assert works.closed == [first]
    assert third in works.alive


def test_a_new_object_expires_by_its_creation(scheduler: FakeScheduler, clock: HandMovedClock, works: Works) -> None:
    """An object that was never lent counts as used when it was created."""
    lent: list[Thing] = []

    def make(number: int) -> Thing:
        if number == 1:  # while this one is created for the shelf, another is for a borrower: now there is one to spare
            lent.append(Caller(pool.get).result())
        return works.make(number)

    pool = Pool(make, max_avail_delay=60, closer=works.close)
    pool.discard(pool.get())
    clock.advance(100)
    scheduler.run()
    clock.advance(59)
    pool.housekeep()
    assert [thing.number for thing in works.alive] == [2, 1]
    clock.advance(1)
    pool.housekeep()
    assert works.alive == lent


# --- exact deadlines, or a forced delay ----------------------------------------------------------------


def test_expiry_is_exact(scheduler: FakeScheduler, clock: HandMovedClock, works: Works) -> None:
    """Without hk_delay maintenance comes at the very time an object expires."""
    pool = Pool(works.make, min_size=0, max_avail_delay=60, closer=works.close)
    give_back_all(pool, borrow_all(pool, 1))
    scheduler.run()
    clock.advance(20)
    assert scheduler.look_at(pool._core) == clock.now + 10, "the round at half the delay, first of all"
    clock.advance(10)
    deadline = scheduler.look_at(pool._core)
    assert deadline == clock.now + 30
    clock.advance(30)
    assert works.closed == []
    scheduler.look_at(pool._core)
    assert works.closed == works.made


def test_expiry_is_exact_between_two_rounds(scheduler: FakeScheduler, clock: HandMovedClock, works: Works) -> None:
    """An object that came back in the middle between two rounds expires at its time, not with the next round."""
    pool = Pool(works.make, 1, 0, max_avail_delay=10, closer=works.close)
    thing = pool.get()
    clock.advance(3)
    pool.ret(thing)
    end = clock.now + 10
    while (deadline := scheduler.look_at(pool._core)) is not None and not works.closed:
        clock.now = deadline
    assert works.closed == [thing]
    assert clock.now == end


def test_a_forced_delay(scheduler: FakeScheduler, clock: HandMovedClock, works: Works) -> None:
    """With hk_delay there is a round every so often, and nothing expires in between."""
    pool = Pool(works.make, min_size=0, max_avail_delay=10, hk_delay=25, closer=works.close)
    clock.advance(1)
    give_back_all(pool, borrow_all(pool, 1))
    assert scheduler.look_at(pool._core) == clock.now + 24
    clock.advance(20)
    assert scheduler.look_at(pool._core) == clock.now + 4
    assert works.closed == []
    clock.advance(4)
    scheduler.look_at(pool._core)
    assert works.closed == works.made
    assert pool.stats()["hk_rounds"] == 1


def test_a_forced_delay_of_nothing(scheduler: FakeScheduler, clock: HandMovedClock) -> None:
    """A forced delay brings rounds also where there is nothing to watch."""
    pool = Pool(Thing, hk_delay=5)
    for _ in range(3):
        clock.advance(5)
        assert scheduler.look_at(pool._core) == clock.now + 5
    assert pool.stats()["hk_rounds"] == 3


def test_rounds_of_an_exact_pool(scheduler: FakeScheduler, clock: HandMovedClock) -> None:
    """Looks at deadlines are no rounds: those come once per delay."""
    pool = Pool(Thing, max_avail_delay=10)
    for _ in range(10):
        clock.advance(1)
        scheduler.look_at(pool._core)
    assert pool.stats()["hk_rounds"] == 2


def test_nothing_to_watch(scheduler: FakeScheduler) -> None:
    """A pool without anything to watch is left alone."""
    pool = Pool(Thing)
    assert scheduler.look_at(pool._core) is None
    assert pool.stats()["hk_rounds"] == 0


def test_an_empty_pool_is_left_alone(scheduler: FakeScheduler, clock: HandMovedClock, works: Works) -> None:
    """A pool with no object is not looked at, until there is one again."""
    pool = Pool(works.make, min_size=0, max_avail_delay=10, closer=works.close)
    assert scheduler.look_at(pool._core) is None
    scheduler.asked.clear()
    give_back_all(pool, borrow_all(pool, 1))
    assert scheduler.asked, "the creation had it looked at"
    scheduler.deadlines.clear()
    scheduler.run()
    assert scheduler.deadlines
    clock.advance(10)
    scheduler.look_at(pool._core)
    assert works.alive == []
    assert scheduler.look_at(pool._core) is None


def test_the_earliest_of_all_deadlines(scheduler: FakeScheduler, clock: HandMovedClock) -> None:
    """The next look is at whatever is due first: expiry, warning, kill."""
    pool = Pool(Thing, min_size=0, max_avail_delay=30, max_using_delay=20, max_using_delay_kill=25)
    clock.advance(1)
    thing = pool.get()
    clock.advance(9)
    assert scheduler.look_at(pool._core) == clock.now + 10, "a round, at the latest"
    clock.advance(9)
    assert scheduler.look_at(pool._core) == clock.now + 1
    clock.advance(2)
    assert scheduler.look_at(pool._core) == clock.now + 5, "warned about: the kill is next"
    pool.ret(thing)
    assert scheduler.look_at(pool._core) == clock.now + 10, "a round again"


def test_a_round_costs_nothing_where_nothing_is_due(scheduler: FakeScheduler, monkeypatch: pytest.MonkeyPatch) -> None:
    """A look at a thousand idle objects of which none has expired looks at one."""
    pool = Pool(Thing, min_size=0, max_avail_delay=10)
    give_back_all(pool, borrow_all(pool, 1000))
    scheduler.run()
    judged: list[float] = []
    on_idle = policy.on_idle

    def judge(idle_for: float, limit: float | None, *, spare: bool) -> policy.Verdict:
        judged.append(idle_for)
        return on_idle(idle_for, limit, spare=spare)

    monkeypatch.setattr(policy, "on_idle", judge)
    scheduler.look_at(pool._core)
    assert len(judged) == 1


def test_the_time_that_it_takes(scheduler: FakeScheduler, clock: HandMovedClock) -> None:
    """What hooks take in rounds by hand, in what a round itself says, and in what maintenance does, adds up."""

    def slow(thing: Thing) -> bool:
        clock.advance(2)
        return True

    def trace(thing: Thing) -> str:
        if not named:
            raise ConnectionError  # so that there is no name yet
        clock.advance(3)
        return "it"

    named: list[None] = []
    pool = Pool(Thing, 1, 0, closer=slow, health=slow, tracer=trace, max_avail_delay=60, max_using_delay=10)
    thing = pool.get()
    named.append(None)
    clock.advance(10)
    pool.housekeep()
    assert total(pool._core).maintenance_time == 3
    named.clear()
    pool.ret(thing)
    pool.housekeep()
    assert total(pool._core).maintenance_time == 3 + 2
    clock.advance(60)
    scheduler.look_at(pool._core)
    assert pool.stats()["nobjs"] == 0
    assert total(pool._core).maintenance_time == 3 + 2 + 2
