"""Health rounds: each idle object is checked, lent to nobody meanwhile, and closed if it is not well."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import cast

import pytest

from ProxyPatternPool import Pool, TimeOut

from .clock import FakeScheduler, HandMovedClock
from .helpers import Caller, Doctor, Naps, Thing, Works, borrow_all, eventually, give_back_all, said, wait_for


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


def test_a_round_by_hand_takes_back_first(scheduler: FakeScheduler, works: Works) -> None:
    """What a finalizer has left to the pool is idle in that round already, and is checked."""
    doctor = Doctor()
    pool = Pool(works.make, 1, 0, health=doctor)
    pool.lease(quiet=True)
    pool.housekeep()
    assert doctor.seen == works.made
    assert len(works.made) == 1


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
    """A check that ends its thread does not end maintenance: it is logged, counted, and the next round comes."""
    doctor = Doctor()
    pool = Pool(works.make, 2, 2, name="books", health=doctor, hk_delay=10, closer=works.close)
    doctor.sick[0] = SystemExit(1)
    for _ in range(2):
        clock.advance(10)
        scheduler.look_at(pool._core)
    assert "pool 'books': maintenance failed: SystemExit(1)" in said(caplog)
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
