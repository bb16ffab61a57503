"""House keeping: expiry, warnings, kills, health, refill; each exactly when it is due."""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Callable
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ProxyPatternPool import Lease, Pool, TimeOut
from ProxyPatternPool._ledger import policy
from ProxyPatternPool._ledger import sweeps as rounds
from ProxyPatternPool._ledger.entry import Entry
from ProxyPatternPool._scheduler import scheduler as housekeeper

from .clock import FakeScheduler, HandMovedClock
from .helpers import Caller, Naps, Thing, Works, eventually, have_all_said, said, wait_for


def borrow_all(pool: Pool[Thing], count: int) -> list[Thing]:
    return [pool.get() for _ in range(count)]


def give_back_all(pool: Pool[Thing], things: list[Thing]) -> None:
    for thing in things:
        pool.ret(thing)


# --- expiry ------------------------------------------------------------------------------------------


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
    """Without hk_delay the house keeper comes at the very time an object expires."""
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


# --- long uses ---------------------------------------------------------------------------------------


def test_a_long_use_is_told_once(
    scheduler: FakeScheduler, clock: HandMovedClock, caplog: pytest.LogCaptureFixture
) -> None:
    """One warning for each loan that is too long, naming object, owner, time and pool."""
    pool = Pool(Thing, name="books", max_using_delay=10, tracer=lambda thing: f"book {thing.number}")
    things = Caller(lambda: borrow_all(pool, 1), "reader").result()
    clock.advance(9.9)
    pool.housekeep()
    assert said(caplog) == []
    clock.advance(0.1)
    pool.housekeep()
    assert said(caplog) == ["pool 'books': book 0 has been kept for 10.000 s by thread 'reader' (ended)"]
    assert caplog.records[0].levelno == logging.WARNING
    clock.advance(100)
    pool.housekeep()
    assert len(said(caplog)) == 1
    give_back_all(pool, things)
    pool.get()
    clock.advance(11)
    pool.housekeep()
    assert len(said(caplog)) == 3, "the next loan is another"
    assert "by thread 'MainThread'" in said(caplog)[2]


def reset(thing: Thing) -> None:
    """Reset an object."""


@pytest.mark.parametrize("retter", [None, reset])
def test_a_warned_object_comes_back(
    retter: Callable[[Thing], object] | None,
    scheduler: FakeScheduler,
    clock: HandMovedClock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """When an object that was warned about comes back one line says so, and after how long."""
    pool = Pool(Thing, name="books", max_using_delay=10, retter=retter)
    things = Caller(lambda: borrow_all(pool, 1), "reader").result()
    clock.advance(10)
    pool.housekeep()
    clock.advance(2.5)
    have_all_said()
    caplog.clear()
    give_back_all(pool, things)
    assert said(caplog) == ["pool 'books': thing 0 came back after 12.500 s from thread 'reader' (ended)"]
    have_all_said()
    caplog.clear()
    give_back_all(pool, borrow_all(pool, 1))
    clock.advance(5)
    give_back_all(pool, borrow_all(pool, 1))
    assert said(caplog) == [], "nothing was said about these"
    assert pool.stats()["navail"] == 1


@pytest.mark.parametrize("by_lease", [True, False])
def test_a_warned_object_is_discarded(
    by_lease: bool, scheduler: FakeScheduler, clock: HandMovedClock, caplog: pytest.LogCaptureFixture
) -> None:
    """The same line for a warned object that is broken."""
    pool = Pool(Thing, name="books", max_using_delay=10)
    lease = pool.lease()
    clock.advance(10)
    pool.housekeep()
    clock.advance(2.5)
    have_all_said()
    caplog.clear()
    if by_lease:
        lease.discard()
    else:
        pool.discard(lease.obj)
    assert said(caplog) == ["pool 'books': thing 0 came back after 12.500 s from thread 'MainThread'"]


@pytest.mark.parametrize("retter", [None, reset])
def test_a_warned_object_comes_back_by_itself(
    retter: Callable[[Thing], object] | None,
    scheduler: FakeScheduler,
    clock: HandMovedClock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The same line for a warned object whose lease was dropped."""
    pool = Pool(Thing, name="books", max_using_delay=10, retter=retter)
    leases = [pool.lease()]
    clock.advance(10)
    pool.housekeep()
    clock.advance(2.5)
    have_all_said()
    caplog.clear()
    leases.clear()
    scheduler.run()
    assert "pool 'books': thing 0 came back after 12.500 s from thread 'MainThread'" in said(caplog)
    assert len(said(caplog)) == 2


def test_short_uses_are_not_told(
    scheduler: FakeScheduler, clock: HandMovedClock, caplog: pytest.LogCaptureFixture
) -> None:
    """An object that changes hands is never kept too long by anyone."""
    pool = Pool(Thing, max_using_delay=10)
    for _ in range(10):
        thing = pool.get()
        clock.advance(6)
        pool.housekeep()
        pool.ret(thing)
    assert said(caplog) == []


def test_every_long_use_is_told(
    scheduler: FakeScheduler, clock: HandMovedClock, caplog: pytest.LogCaptureFixture
) -> None:
    """Every loan that is too long is told of, and no other."""
    pool = Pool(Thing, max_using_delay=10)
    borrow_all(pool, 2)
    clock.advance(5)
    borrow_all(pool, 2)
    clock.advance(5)
    pool.housekeep()
    assert sorted(line.split(": ")[1].split(" has")[0] for line in said(caplog)) == ["thing 0", "thing 1"]


def test_the_stack_of_the_get(
    scheduler: FakeScheduler, clock: HandMovedClock, caplog: pytest.LogCaptureFixture
) -> None:
    """With trace_owner the warning has the stack of the get, its callers first, without the package's own frames."""
    pool = Pool(Thing, max_using_delay=10, trace_owner=True)

    def borrow_deep_down() -> None:
        pool.get()

    def borrow_by_lease() -> object:
        return pool.lease()

    borrow_deep_down()
    lease = borrow_by_lease()
    clock.advance(11)
    pool.housekeep()
    first, second = sorted(said(caplog), key=lambda line: "by_lease" in line)
    assert first.index("test_the_stack_of_the_get") < first.index("borrow_deep_down")
    assert first.rstrip().endswith("pool.get()")
    assert second.rstrip().endswith("return pool.lease()")
    assert "pool.py" not in first + second
    assert "core.py" not in first + second
    assert lease is not None


def test_no_stack_without_trace_owner(
    scheduler: FakeScheduler, clock: HandMovedClock, caplog: pytest.LogCaptureFixture
) -> None:
    """Without trace_owner the warning is one line."""
    pool = Pool(Thing, max_using_delay=10)
    pool.get()
    clock.advance(11)
    pool.housekeep()
    assert "\n" not in said(caplog)[0]


def test_kill(scheduler: FakeScheduler, clock: HandMovedClock, works: Works, caplog: pytest.LogCaptureFixture) -> None:
    """An object kept for max_using_delay_kill is closed and its place freed; the log says so before."""
    works.bound = 1
    pool = Pool(works.make, 1, 0, name="books", max_using_delay=5, max_using_delay_kill=10, closer=works.close)
    thing = pool.get()
    clock.advance(9.9)
    pool.housekeep()
    assert works.closed == []
    clock.advance(0.1)
    pool.housekeep()
    assert works.closed == [thing]
    assert said(caplog) == [
        "pool 'books': thing 0 has been kept for 9.900 s by thread 'MainThread'",
        "pool 'books': thing 0 has been kept for 10.000 s by thread 'MainThread', closing it",
    ]
    stats = pool.stats()
    assert (stats["nkilled"], stats["nusing"], stats["nobjs"]) == (1, 0, 0)
    assert pool.get(0).number == 1
    have_all_said()
    caplog.clear()
    pool.ret(thing)
    assert len(said(caplog)) == 1, "it is not the pool's any more"
    assert pool.stats()["nusing"] == 1


def test_a_kill_serves_waiters(scheduler: FakeScheduler, naps: Naps) -> None:
    """The place of a killed object goes to who waits."""
    pool = Pool(Thing, 1, max_using_delay_kill=10)
    pool.get()
    scheduler.asked.clear()

    def kill() -> None:
        naps.clock.advance(10)
        pool.housekeep()

    naps.meanwhile.append(kill)
    assert pool.get(60).number == 1


def test_the_kill_is_exact(scheduler: FakeScheduler, clock: HandMovedClock, works: Works) -> None:
    """The house keeper comes at the very time of a kill."""
    pool = Pool(works.make, min_size=0, max_using_delay_kill=10, closer=works.close)
    clock.advance(0.5)
    pool.get()
    clock.advance(6)
    assert scheduler.look_at(pool._core) == clock.now + 4
    clock.advance(4)
    scheduler.look_at(pool._core)
    assert works.alive == []


# --- health ------------------------------------------------------------------------------------------


class Doctor:
    """A health check whose word can be told."""

    def __init__(self) -> None:
        self.seen: list[Thing] = []
        self.sick: dict[int, BaseException | None] = {}

    def __call__(self, thing: Thing) -> bool:
        self.seen.append(thing)
        error = self.sick.get(thing.number)
        if error is not None:
            raise error
        return thing.number not in self.sick


def test_health_checks_what_is_idle(scheduler: FakeScheduler, works: Works) -> None:
    """Each idle object is checked once a round, the coldest first; what is lent is not."""
    doctor = Doctor()
    pool = Pool(works.make, 5, 0, health=doctor)
    things = borrow_all(pool, 4)
    give_back_all(pool, things[1:])
    for _ in range(2):
        doctor.seen.clear()
        pool.housekeep()
        assert doctor.seen == things[1:]
    stats = pool.stats()
    assert (stats["nhealth"], stats["hc_rounds"], stats["bad_health"], stats["hc_errors"]) == (6, 2, 0, 0)
    assert [pool.get() for _ in range(3)] == things[:0:-1], "their order is as before"


@pytest.mark.parametrize("error", [None, ConnectionError("gone")])
def test_the_sick_are_discarded(
    error: Exception | None, scheduler: FakeScheduler, works: Works, caplog: pytest.LogCaptureFixture
) -> None:
    """An object whose check says no, or raises, is closed, and the log says why."""
    doctor = Doctor()
    pool = Pool(works.make, 5, 0, name="books", health=doctor, closer=works.close)
    things = borrow_all(pool, 3)
    give_back_all(pool, things)
    doctor.sick[1] = error
    pool.housekeep()
    assert works.closed == [things[1]]
    why = "it said no" if error is None else "ConnectionError('gone')"
    assert said(caplog) == [f"pool 'books': bad health, discarding thing 1: {why}"]
    stats = pool.stats()
    assert (stats["nhealth"], stats["bad_health"], stats["hc_errors"]) == (3, 1, error is not None)
    assert stats["hook_errors"] == 0
    assert stats["hk_errors"] == 0


def test_a_check_that_says_nothing(scheduler: FakeScheduler, works: Works, caplog: pytest.LogCaptureFixture) -> None:
    """A check that forgets to return anything means bad health, and the log says what it did."""
    asked: list[Thing] = []
    pool = Pool(
        works.make, 1, 1, name="books", health=cast("Callable[[Thing], bool]", asked.append), closer=works.close
    )
    thing = works.made[0]
    pool.housekeep()
    assert works.closed == [thing]
    why = "it returned None: return True or False"
    assert said(caplog) == [f"pool 'books': bad health, discarding thing 0: {why}"]


def test_a_sick_object_is_lent_to_nobody(scheduler: FakeScheduler, works: Works) -> None:
    """While an object is checked nobody can borrow it, and what fails its check is never idle again."""
    doctor = Doctor()
    doctor.sick[0] = None
    tried: list[bool] = []

    def close(thing: Thing) -> None:
        with pytest.raises(TimeOut):
            pool.get(0)
        tried.append(True)
        works.close(thing)

    def health(thing: Thing) -> bool:
        with pytest.raises(TimeOut):
            pool.get(0)
        tried.append(True)
        return doctor(thing)

    pool = Pool(works.make, 1, 0, health=health, closer=close)
    give_back_all(pool, borrow_all(pool, 1))
    pool.housekeep()
    assert tried == [True, True]
    assert pool.get(0).number == 1


def test_only_one_is_away_at_a_time(scheduler: FakeScheduler) -> None:
    """During a health round all the others can be borrowed, those before and those behind the one being checked."""
    free: list[int] = []

    def health(thing: Thing) -> bool:
        others: list[Thing] = []
        while True:
            try:
                others.append(pool.get(0))
            except TimeOut:
                break
        assert thing not in others
        free.append(len(others))
        give_back_all(pool, others[::-1])
        return True

    pool = Pool(Thing, 4, 4, health=health)
    pool.housekeep()
    assert free[0] == 3
    assert set(free) == {3}
    assert pool.stats()["navail"] == 4


def test_an_object_borrowed_during_a_round(scheduler: FakeScheduler, works: Works) -> None:
    """An object that is borrowed while a round is under way is left to its borrower."""
    borrowed: list[Thing] = []

    def health(thing: Thing) -> bool:
        if not borrowed:
            borrowed.extend(borrow_all(pool, 2))
        return True

    pool = Pool(works.make, 3, 3, health=health)
    pool.housekeep()
    assert pool.stats()["nhealth"] == 1
    assert pool.stats()["nusing"] == 2
    give_back_all(pool, borrowed)
    assert pool.stats()["navail"] == 3


def test_a_healthy_object_goes_to_who_waits(scheduler: FakeScheduler, naps: Naps) -> None:
    """Who comes while the only object is being checked gets it right after."""
    begun, go_on = threading.Event(), threading.Event()

    def health(thing: Thing) -> bool:
        begun.set()
        wait_for(go_on)
        return True

    pool = Pool(Thing, 1, health=health)
    rounds = Caller(pool.housekeep)
    wait_for(begun)
    waiting = Caller(pool.get)
    eventually(lambda: pool.stats()["nwaiting"] == 1)
    naps.clock.advance(1)
    go_on.set()
    assert waiting.result().number == 0
    rounds.result()


@pytest.mark.parametrize("thing", [0, "", [], None, False])
def test_falsy_objects_are_checked_again_and_again(thing: object, scheduler: FakeScheduler) -> None:
    """An object that is false is checked in every round, and lent all the same."""
    checks: list[object] = []

    def health(thing: object) -> bool:
        checks.append(thing)
        return True

    pool = Pool(lambda number: thing, 1, health=health)
    for _ in range(3):
        pool.housekeep()
    assert len(checks) == 3
    assert pool.get(0) is thing


def test_a_check_that_says_something_false(scheduler: FakeScheduler, works: Works) -> None:
    """A check that forgets to answer says no."""
    pool = Pool(works.make, 1, 0, health=lambda thing: None, closer=works.close)  # type: ignore[arg-type,return-value]  # pyright: ignore[reportArgumentType]
    give_back_all(pool, borrow_all(pool, 1))
    pool.housekeep()
    assert works.closed == works.made


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_an_interrupted_check(error: type[BaseException], scheduler: FakeScheduler, works: Works) -> None:
    """An object whose check was interrupted is closed, no place is lost, and the others stay as they were."""
    doctor = Doctor()
    pool = Pool(works.make, 3, 0, health=doctor, closer=works.close)
    things = borrow_all(pool, 3)
    give_back_all(pool, things)
    doctor.sick[1] = error()
    with pytest.raises(error):
        pool.housekeep()
    assert works.closed == [things[1]]
    stats = pool.stats()
    assert (stats["navail"], stats["nobjs"]) == (2, 2)
    assert stats["nborrows"] == stats["nreturns"]
    assert [pool.get(0), pool.get(0)] == [things[2], things[0]]


def test_an_interrupted_check_among_the_chores(
    scheduler: FakeScheduler, clock: HandMovedClock, works: Works, caplog: pytest.LogCaptureFixture
) -> None:
    """A check that ends its thread does not end the house keeping: it is logged, counted, and the next round comes."""
    doctor = Doctor()
    pool = Pool(works.make, 2, 2, name="books", health=doctor, hk_delay=10, closer=works.close)
    doctor.sick[0] = SystemExit(1)
    for _ in range(2):
        clock.advance(10)
        scheduler.look_at(pool._core)
    assert "pool 'books': house keeping failed: SystemExit(1)" in said(caplog)
    stats = pool.stats()
    assert (stats["hk_errors"], stats["hk_rounds"], stats["hc_rounds"]) == (1, 2, 2)
    assert works.closed == [works.made[0]]
    assert stats["nobjs"] == 2, "it was replaced"


def test_health_freq(scheduler: FakeScheduler, clock: HandMovedClock) -> None:
    """Health is checked in every health_freq-th round."""
    doctor = Doctor()
    pool = Pool(Thing, 1, health=doctor, health_freq=3, hk_delay=10)
    seen: list[int] = []
    for _ in range(7):
        clock.advance(10)
        scheduler.look_at(pool._core)
        seen.append(len(doctor.seen))
    assert seen == [0, 0, 1, 1, 1, 2, 2]
    assert pool.stats()["hk_rounds"] == 7
    assert pool.stats()["hc_rounds"] == 2


def test_health_every_minute(scheduler: FakeScheduler, clock: HandMovedClock) -> None:
    """Where there is health alone it is checked every 60 s."""
    doctor = Doctor()
    pool = Pool(Thing, health=doctor)
    clock.advance(59)
    assert scheduler.look_at(pool._core) == clock.now + 1
    assert doctor.seen == []
    clock.advance(1)
    scheduler.look_at(pool._core)
    assert len(doctor.seen) == 1


def test_no_two_health_rounds_at_once(scheduler: FakeScheduler) -> None:
    """While a health round is under way no other begins."""
    begun, go_on = threading.Event(), threading.Event()
    seen: list[Thing] = []

    def health(thing: Thing) -> bool:
        seen.append(thing)
        begun.set()
        wait_for(go_on)
        return True

    pool = Pool(Thing, 2, 2, health=health)
    first = Caller(pool.housekeep)
    wait_for(begun)
    pool.housekeep()
    assert len(seen) == 1
    assert pool.stats()["hc_rounds"] == 1
    go_on.set()
    first.result()
    assert len(seen) == 2


def test_a_close_during_a_check(scheduler: FakeScheduler, works: Works) -> None:
    """An object that is being checked when the pool is closed is closed after its check."""

    def health(thing: Thing) -> bool:
        pool.shutdown()
        return True

    pool = Pool(works.make, 2, 2, health=health, closer=works.close)
    pool.housekeep()
    assert works.alive == []
    assert pool.stats()["nobjs"] == 0


def test_checks_count_as_borrows(scheduler: FakeScheduler) -> None:
    """A check takes an object out and puts it back: it is counted among borrows and returns, not among uses."""
    during: list[tuple[int, int]] = []

    def health(thing: Thing) -> bool:
        stats = pool.stats()
        during.append((stats["nborrows"], stats["nreturns"]))
        return True

    pool = Pool(Thing, 1, health=health)
    give_back_all(pool, borrow_all(pool, 1))
    pool.housekeep()
    stats = pool.stats()
    assert during == [(2, 1)]
    assert (stats["nborrows"], stats["nreturns"], stats["nuses"]) == (2, 2, 1)


# --- refill ------------------------------------------------------------------------------------------


def test_refill(scheduler: FakeScheduler, works: Works) -> None:
    """What falls below min_size is topped up by the house keeper, without anyone asking."""
    pool = Pool(works.make, 5, 3)
    things = borrow_all(pool, 2)
    for thing in things:
        pool.discard(thing)
    assert pool.stats()["nobjs"] == 1
    scheduler.run()
    assert pool.stats()["nobjs"] == 3
    assert works.numbers == [0, 1, 2, 3, 4]


def test_lent_objects_need_no_refill(scheduler: FakeScheduler, works: Works) -> None:
    """min_size counts objects, not idle objects."""
    pool = Pool(works.make, 5, 2)
    borrow_all(pool, 2)
    scheduler.run()
    pool.housekeep()
    assert len(works.made) == 2


def test_a_round_refills_what_it_has_closed(scheduler: FakeScheduler, clock: HandMovedClock, works: Works) -> None:
    """One full round closes what is sick and replaces it."""
    doctor = Doctor()
    doctor.sick[0] = None
    pool = Pool(works.make, 2, 1, health=doctor, closer=works.close)
    pool.housekeep()
    assert works.closed == [works.made[0]]
    assert pool.stats()["navail"] == 1


def test_a_closed_pool_is_not_refilled(scheduler: FakeScheduler, works: Works) -> None:
    """A closed pool stays empty."""
    pool = Pool(works.make, 2, 2, closer=works.close)
    pool.shutdown()
    pool.housekeep()
    scheduler.run()
    assert len(works.made) == 2
    assert works.alive == []
    assert pool.stats()["hk_rounds"] == 0


def retries(
    scheduler: FakeScheduler, clock: HandMovedClock, pool: Pool[Thing], works: Works, count: int
) -> list[float]:
    """The delays before the next attempts at a refill, as the house keeper keeps them."""
    delays: list[float] = []
    for _ in range(count):
        deadline = scheduler.look_at(pool._core)
        assert deadline is not None
        attempts = len(works.numbers)
        delays.append(deadline - clock.now)
        clock.now = deadline - 0.001
        scheduler.look_at(pool._core)
        assert len(works.numbers) == attempts, "it is too early"
        clock.now = deadline
        scheduler.look_at(pool._core)
        assert len(works.numbers) == attempts + 1
    return delays


@pytest.mark.parametrize("error", [ConnectionError("no server"), SystemExit(1), GeneratorExit()])
def test_backing_off(
    error: BaseException,
    scheduler: FakeScheduler,
    clock: HandMovedClock,
    works: Works,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Failed refills come again after delays that double up to a limit, half of each by chance; then all is well."""
    monkeypatch.setattr(random, "random", lambda: 0.5)
    pool = Pool(works.make, 3, 2)
    works.failing = error
    pool.discard(pool.get())
    scheduler.run()
    assert len(works.numbers) == 3
    delays = retries(scheduler, clock, pool, works, 9)
    assert delays == pytest.approx([0.0375 * 2**n for n in range(7)] + [3.75, 3.75])
    works.failing = None
    clock.advance(5)
    scheduler.look_at(pool._core)
    assert pool.stats()["nobjs"] == 2
    assert pool.stats()["last_error"] is None


def test_one_attempt_at_a_time(scheduler: FakeScheduler, clock: HandMovedClock, works: Works) -> None:
    """A refill that was asked for twice and fails is one attempt: the back-off holds for both."""
    pool = Pool(works.make, 3, 2)
    works.failing = ConnectionError()
    pool.discard(pool.get())
    for _ in range(3):
        pool._core.run_due()
    pool._core.run_chores()
    assert len(works.numbers) == 3


def test_a_failure_of_somebody_else_renews_the_back_off(
    scheduler: FakeScheduler, clock: HandMovedClock, works: Works
) -> None:
    """A refill that was to begin early, since a caller had success, does not if another has failed since."""
    pool = Pool(works.make, 5, 3)
    for thing in borrow_all(pool, 2):
        pool.discard(thing)
    works.failing = ConnectionError()
    scheduler.run()
    works.failing = None
    clock.advance(5)
    borrow_all(pool, 2)
    pool._core.run_due()
    works.failing = ConnectionError()
    with pytest.raises(ConnectionError):
        pool.get()
    attempts = len(works.numbers)
    pool._core.run_chores()
    assert len(works.numbers) == attempts
    scheduler.run()
    assert len(works.numbers) == attempts


@given(st.floats(min_value=0.0, max_value=1.0, exclude_max=True))
def test_chance_in_backing_off(chance: float) -> None:
    """The first delay is between 25 and 50 ms, as chance has it."""
    clock = HandMovedClock()
    scheduler = FakeScheduler(clock)
    works = Works()
    works.failing = ConnectionError()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(housekeeper, "SCHEDULER", scheduler)
        patch.setattr(random, "random", lambda: chance)
        pool = Pool(works.make)
        deadline = scheduler.look_at(pool._core)
    assert deadline is not None
    assert deadline - clock.now == pytest.approx(0.05 * (0.5 + 0.5 * chance))


def test_success_ends_the_back_off(scheduler: FakeScheduler, clock: HandMovedClock, works: Works) -> None:
    """As soon as a caller's creation succeeds the house keeper refills too."""
    pool = Pool(works.make, 5, 3)
    things = borrow_all(pool, 3)
    works.failing = ConnectionError()
    for thing in things:
        pool.discard(thing)
    scheduler.run()
    assert pool.stats()["nobjs"] == 0
    works.failing = None
    clock.advance(0.05)
    pool.get()
    scheduler.run()
    assert pool.stats()["nobjs"] == 3


def test_no_two_refills_at_once(scheduler: FakeScheduler, works: Works) -> None:
    """While the house keeper is creating what is missing, it is asked by others in vain to do the same."""
    begun, go_on = threading.Event(), threading.Event()

    def make(number: int) -> Thing:
        if number == 1:
            begun.set()
            wait_for(go_on)
        return works.make(number)

    pool = Pool(make, 5, 1, closer=works.close)
    pool.discard(pool.get())
    refilling = Caller(pool.housekeep)
    wait_for(begun)
    asked_in_vain = Caller(pool.housekeep)
    asked_in_vain.result()
    scheduler.run()
    assert len(works.made) == 1
    go_on.set()
    refilling.result()
    assert len(works.made) == 2
    assert len(works.alive) == 1


def test_a_creation_that_hangs_holds_up_no_other(scheduler: FakeScheduler, works: Works) -> None:
    """What is missing besides it is created, now and later."""
    begun, go_on = threading.Event(), threading.Event()

    def make(number: int) -> Thing:
        if number == 3:
            begun.set()
            wait_for(go_on)
        return works.make(number)

    pool = Pool(make, 9, 3, closer=works.close)
    pool.clear()
    pool._core.run_due()
    hanging = Caller(pool._core.run_chores)
    wait_for(begun)
    scheduler.run()
    assert pool.stats()["navail"] == 2
    pool.discard(pool.get())
    scheduler.run()
    assert pool.stats()["navail"] == 2
    go_on.set()
    hanging.result()
    assert pool.stats()["navail"] == 3


# --- errors ------------------------------------------------------------------------------------------


def test_a_chore_that_fails(
    scheduler: FakeScheduler, clock: HandMovedClock, works: Works, caplog: pytest.LogCaptureFixture
) -> None:
    """An error of the house keeping itself is logged and counted, and the other chores are done."""
    pool = Pool(works.make, name="books", min_size=0, max_avail_delay=10, closer=works.close)
    give_back_all(pool, borrow_all(pool, 2))
    clock.advance(10)

    def broken() -> None:
        raise RuntimeError("a bug")

    pool._core.chores.append(broken)
    scheduler.look_at(pool._core)
    assert said(caplog) == ["pool 'books': house keeping failed: RuntimeError('a bug')"]
    assert pool.stats()["hk_errors"] == 1
    assert works.alive == []


# --- between two lines ---------------------------------------------------------------------------------


def test_lent_while_its_expiry_is_judged(
    scheduler: FakeScheduler, clock: HandMovedClock, works: Works, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An expired object that is borrowed in the moment it is judged stays its borrower's."""
    pool = Pool(works.make, min_size=0, max_avail_delay=10, closer=works.close)
    give_back_all(pool, borrow_all(pool, 1))
    clock.advance(10)
    borrowed: list[Thing] = []
    on_idle = policy.on_idle

    def judge(idle_for: float, limit: float | None, *, spare: bool) -> policy.Verdict:
        verdict = on_idle(idle_for, limit, spare=spare)
        if not borrowed:
            borrowed.append(pool.get())
        return verdict

    monkeypatch.setattr(policy, "on_idle", judge)
    pool.housekeep()
    assert works.closed == []
    assert pool.stats()["nusing"] == 1


def test_replaced_while_its_expiry_is_judged(
    scheduler: FakeScheduler, clock: HandMovedClock, works: Works, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fresh object that stands where an expired one was judged is not closed in its stead."""
    pool = Pool(works.make, min_size=0, max_avail_delay=10, closer=works.close)
    old, fresh, fresher = borrow_all(pool, 3)
    pool.ret(old)
    clock.advance(10)
    swapped: list[Thing] = []
    on_idle = policy.on_idle

    def judge(idle_for: float, limit: float | None, *, spare: bool) -> policy.Verdict:
        verdict = on_idle(idle_for, limit, spare=spare)
        if not swapped:
            swapped.append(pool.get())
            pool.ret(fresh)
            clock.advance(1)
            pool.ret(fresher)
        return verdict

    monkeypatch.setattr(policy, "on_idle", judge)
    pool.housekeep()
    assert swapped == [old]
    assert works.closed == []
    assert [pool.get(), pool.get()] == [fresher, fresh], "in order"


class Meanwhile:
    """Something that happens once, in the middle of a look at the loans."""

    def __init__(self, what: Callable[[], object]) -> None:
        self.what = what
        self.done = False

    def __call__(self) -> None:
        if not self.done:
            self.done = True
            self.what()


def test_back_while_the_kill_is_judged(
    scheduler: FakeScheduler, clock: HandMovedClock, works: Works, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An object that comes back in the moment its kill is judged is not killed."""
    pool = Pool(works.make, min_size=0, max_using_delay_kill=10, closer=works.close)
    thing = pool.get()
    clock.advance(10)
    meanwhile = Meanwhile(lambda: pool.ret(thing))
    on_long_use = policy.on_long_use

    def judge(used_for: float, warn: float | None, kill: float | None, *, warned: bool) -> policy.Verdict:
        meanwhile()
        return on_long_use(used_for, warn, kill, warned=warned)

    monkeypatch.setattr(policy, "on_long_use", judge)
    pool.housekeep()
    assert meanwhile.done
    assert works.closed == []
    assert pool.get() is thing


def test_lent_again_while_the_kill_is_judged(
    scheduler: FakeScheduler, clock: HandMovedClock, works: Works, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An object that came back and was lent again in the moment its kill is judged stays its new borrower's."""
    pool = Pool(works.make, min_size=0, max_using_delay_kill=10, closer=works.close)
    thing = pool.get()
    clock.advance(10)

    def back_and_out() -> None:
        pool.ret(thing)
        assert pool.get() is thing

    meanwhile = Meanwhile(back_and_out)
    on_long_use = policy.on_long_use

    def judge(used_for: float, warn: float | None, kill: float | None, *, warned: bool) -> policy.Verdict:
        meanwhile()
        return on_long_use(used_for, warn, kill, warned=warned)

    monkeypatch.setattr(policy, "on_long_use", judge)
    pool.housekeep()
    assert meanwhile.done
    assert works.closed == []
    pool.ret(thing)
    assert pool.stats()["navail"] == 1


class Using(dict[int, Entry[Thing]]):
    """Loans, of which one ends just after the house keeper has taken it out."""

    then: Meanwhile

    def pop(self, *args: Any) -> Any:
        popped = super().pop(*args)
        self.then()
        return popped


@pytest.mark.parametrize("way", ["release", "discard", "ret"])
def test_given_back_while_the_kill_is_taken_back(
    way: str, scheduler: FakeScheduler, clock: HandMovedClock, works: Works, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is given back while the house keeper has it in hand, by mistake, is given back."""
    pool = Pool(works.make, 1, 0, max_using_delay_kill=10, closer=works.close)
    thing = pool.get()
    clock.advance(10)
    leases: list[Lease[Thing]] = []
    releasing: list[Caller[None]] = []
    ledger = pool._core.ledger

    def release_elsewhere() -> None:
        ways = {"release": leases[0].release, "discard": leases[0].discard, "ret": lambda: pool.ret(thing)}
        releasing.append(Caller(ways[way]))
        threading.Event().wait(0.05)  # for it to go as far as it can

    def back_and_out() -> None:
        pool.ret(thing)
        leases.append(pool.lease())
        using = Using(ledger.using)
        using.then = Meanwhile(release_elsewhere)
        ledger.using = using

    meanwhile = Meanwhile(back_and_out)
    on_long_use = policy.on_long_use

    def judge(used_for: float, warn: float | None, kill: float | None, *, warned: bool) -> policy.Verdict:
        meanwhile()
        return on_long_use(used_for, warn, kill, warned=warned)

    monkeypatch.setattr(policy, "on_long_use", judge)
    pool.housekeep()
    for caller in releasing:
        caller.result()
    assert works.closed == ([thing] if way == "discard" else [])
    assert pool.stats()["nusing"] == 0
    assert (pool.get(0) is thing) == (way != "discard")


def test_changed_hands_while_it_was_looked_at(
    scheduler: FakeScheduler,
    clock: HandMovedClock,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A loan that changes hands while it is looked at is none of those that are too long."""
    pool = Pool(Thing, max_using_delay=10)
    thing = pool.get()
    clock.advance(10)

    def back_and_out() -> None:
        pool.ret(thing)
        pool.get()

    meanwhile = Meanwhile(back_and_out)
    loan = rounds.Loan

    def look(*args: Any) -> rounds.Loan[Thing]:
        meanwhile()
        return loan(*args)

    monkeypatch.setattr(rounds, "Loan", look)
    pool.housekeep()
    assert meanwhile.done
    assert said(caplog) == []


def test_a_handler_that_borrows(scheduler: FakeScheduler, clock: HandMovedClock, works: Works) -> None:
    """A logging handler that writes through the same pool finds the places that the killed have left."""
    pool = Pool(works.make, 2, max_using_delay_kill=10, closer=works.close)
    written: list[str] = []

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            with pool.obj(0):
                written.append(record.getMessage())

    handler = Handler()
    logging.getLogger("ppp").addHandler(handler)
    try:
        for _ in range(2):
            pool.get()
        clock.advance(10)
        scheduler.look_at(pool._core)
    finally:
        logging.getLogger("ppp").removeHandler(handler)
    assert len(works.closed) == 2
    assert len(written) == 2
    assert all("closing it" in line for line in written)


def test_house_keeping_by_hand_that_is_interrupted(
    scheduler: FakeScheduler, clock: HandMovedClock, works: Works
) -> None:
    """What an interrupted round leaves undone, the house keeper does."""
    interruptions = [KeyboardInterrupt()]

    def close(thing: Thing) -> None:
        works.close(thing)
        if interruptions:
            raise interruptions.pop()

    pool = Pool(works.make, 4, 0, closer=close, max_avail_delay=10)
    for thing in [pool.get() for _ in range(3)]:
        pool.ret(thing)
    scheduler.run()
    clock.advance(10)
    with pytest.raises(KeyboardInterrupt):
        pool.housekeep()
    assert len(works.closed) == 1
    scheduler.run()
    assert len(works.closed) == 3
    assert pool.stats()["nobjs"] == 0


def test_a_chore_that_fails_at_the_end(scheduler: FakeScheduler, caplog: pytest.LogCaptureFixture) -> None:
    """At the interpreter's exit nothing is said of what goes wrong; before, it is said with its traceback."""
    pool = Pool(Thing, 1, name="db")

    def fail() -> None:
        raise ZeroDivisionError

    pool._core.chores.append(fail)
    pool._core.run_chores()
    (record,) = caplog.records
    assert record.getMessage() == "pool 'db': house keeping failed: ZeroDivisionError()"
    assert record.exc_info is not None
    pool._core.close_at_exit()
    pool._core.chores.append(fail)
    pool._core.run_chores()
    assert len(caplog.records) == 1
    assert pool.stats()["hk_errors"] == 2


def test_a_warning_about_a_use_that_ends_at_this_moment(
    scheduler: FakeScheduler, clock: HandMovedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next return is looked at closely for nothing, and those after it are like any other."""
    pool = Pool(Thing, 1, max_using_delay=60)
    thing = pool.get()
    entry = pool._core.ledger.using[id(thing)]
    usual = entry.slow_return_at_use
    verdict = policy.on_long_use

    def come_back(*args: Any, **kwargs: Any) -> policy.Verdict:
        monkeypatch.undo()
        pool.ret(thing)
        return verdict(*args, **kwargs)

    clock.advance(61)
    monkeypatch.setattr(policy, "on_long_use", come_back)
    pool.housekeep()
    assert entry.slow_return_at_use == 0
    pool.ret(pool.get())
    assert entry.slow_return_at_use == usual


def test_a_failing_look_names_the_pool(
    scheduler: FakeScheduler, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A bug in the house keeping of one pool is logged with the pool's name, and tried again."""
    pool = Pool(Thing, 1, name="db")
    monkeypatch.setattr(pool._core, "sweep", lambda: 1 // 0)
    assert housekeeper.Scheduler.run_due(scheduler, pool._core) == scheduler.clock() + housekeeper.RETRY
    assert said(caplog) == ["house keeping of pool 'db' failed"]
    monkeypatch.undo()
