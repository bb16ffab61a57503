"""Refill: what falls below min_size is created again, with pauses where that fails."""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ProxyPatternPool import Pool
from ProxyPatternPool._engine import maintenance
from ProxyPatternPool._engine.maintenance import REFILLS
from ProxyPatternPool._ledger.entry import Entry
from ProxyPatternPool._runtime.environment import Environment
from ProxyPatternPool._scheduler.process import using_scheduler

from .clock import Chance, FakeScheduler, HandMovedClock
from .helpers import Caller, Doctor, Thing, Works, borrow_all, said, wait_for
from .observed import Disturbing


def test_refill(scheduler: FakeScheduler, works: Works) -> None:
    """What falls below min_size is topped up by maintenance, without anyone asking."""
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


def test_where_nothing_is_to_be_refilled(scheduler: FakeScheduler, works: Works) -> None:
    """Nobody is asked to look at the pool when an object ends."""
    pool = Pool(works.make, 3, 1)
    one, two = borrow_all(pool, 2)
    scheduler.run()
    pool.discard(one)
    assert not scheduler.asked
    pool.discard(two)
    assert scheduler.asked


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


def test_a_close_right_before_a_refill(
    scheduler: FakeScheduler, works: Works, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Who is to create, and finds the pool closed, creates nothing, says nothing, and leaves no place taken."""
    pool = Pool(works.make, 2, 1, closer=works.close)
    pool.discard(pool.get())
    ledger = pool._core.ledger
    permit_to_refill = ledger.permit_to_refill

    def and_close(now: float) -> Entry[Thing] | None:
        permit = permit_to_refill(now)
        ledger.close()
        return permit

    monkeypatch.setattr(ledger, "permit_to_refill", and_close)
    scheduler.run()
    gc.collect()
    scheduler.run()
    assert len(works.made) == 1
    assert said(caplog) == []
    assert len(ledger.places) == 0


def test_what_is_lost_right_after_a_refill(
    scheduler: FakeScheduler, works: Works, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A refill that has found nothing missing may not have ended when an object goes: it is made up for after that."""
    monkeypatch.setattr(maintenance, "REFILLS", 1)
    pool = Pool(works.make, 2, 1)
    pool.discard(pool.get())
    core = pool._core
    locked = core.guard.locked

    def and_lose(step: Callable[..., Any], *args: Any) -> Any:
        found = locked(step, *args)
        if step == core.ledger.permit_to_refill and found is None and len(works.made) == 2:
            pool.discard(pool.get())
            scheduler.run()
            assert len(works.made) == 2
        return found

    monkeypatch.setattr(core.guard, "locked", and_lose)
    scheduler.run()
    assert len(works.made) == 3
    assert pool.stats()["navail"] == 1


def test_a_round_by_hand_that_is_interrupted(scheduler: FakeScheduler, works: Works) -> None:
    """Maintenance creates what is missing, also while somebody keeps what was raised, with all that its frames have."""
    doctor = Doctor()
    doctor.sick[0] = KeyboardInterrupt()
    pool = Pool(works.make, 2, 1, health=doctor)
    with pytest.raises(KeyboardInterrupt) as caught:
        pool.housekeep()
    assert pool.stats()["nobjs"] == 0
    scheduler.run()
    assert pool.stats()["nobjs"] == 1
    assert caught.value is doctor.sick[0]


def test_a_round_by_hand_while_others_refill(scheduler: FakeScheduler, works: Works) -> None:
    """It leaves to them what they have begun, also when they fail, and more is missing than they do."""
    pool = Pool(works.make, 5, 5)
    for thing in borrow_all(pool, 5):
        pool.discard(thing)
    pool._core.run_due()
    works.failing = ConnectionError("no server")
    attempts = len(works.numbers)
    pool.housekeep()
    assert len(works.numbers) > attempts
    assert pool.stats()["nobjs"] == 0


def test_a_round_by_hand_does_what_its_refill_brings_about(scheduler: FakeScheduler, works: Works) -> None:
    """What an observer gives back when it is told of a new object is closed when the round ends."""
    lent: list[Thing] = []

    def discard() -> None:
        if lent:
            pool.discard(lent.pop())

    doctor = Doctor()
    doctor.sick[0] = None
    observer = Disturbing.at("created", discard)
    pool = Pool(works.make, 2, 2, health=doctor, closer=works.close, observer=observer)
    lent.append(pool.get())
    assert lent == works.made[1:]
    pool.housekeep()
    assert works.closed == works.made[:2]


def retries(
    scheduler: FakeScheduler, clock: HandMovedClock, pool: Pool[Thing], works: Works, count: int
) -> list[float]:
    """The delays before the next attempts at a refill, as the scheduler keeps them."""
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
    chance: Chance,
) -> None:
    """Failed refills come again after delays that double up to a limit, half of each by chance; then all is well."""
    chance.always = 0.5
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


def test_one_attempt_in_a_refill(scheduler: FakeScheduler, clock: HandMovedClock, works: Works) -> None:
    """It ends with the first failure, though an observer, or a closer, takes longer than the back-off."""

    def take_long() -> None:
        clock.advance(60)
        works.failing = None

    works.failing = ConnectionError()
    Pool(works.make, 3, 2, observer=Disturbing.at("creation_failed", take_long))
    assert works.numbers == [0]


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
    scheduler = FakeScheduler(Environment(clock=clock, random=lambda: chance))
    works = Works()
    works.failing = ConnectionError()
    with using_scheduler(scheduler):
        pool = Pool(works.make)
        deadline = scheduler.look_at(pool._core)
    assert deadline is not None
    assert deadline - clock.now == pytest.approx(0.05 * (0.5 + 0.5 * chance))


def test_success_ends_the_back_off(scheduler: FakeScheduler, clock: HandMovedClock, works: Works) -> None:
    """As soon as a caller's creation succeeds the pool is refilled too."""
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
    """While a worker is creating what is missing, it is asked by others in vain to do the same."""
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


def test_a_round_by_hand_while_creations_hang(scheduler: FakeScheduler, works: Works) -> None:
    """It creates what is missing besides them, even if it is the last that may do so."""
    begun = [threading.Event() for _ in range(REFILLS - 1)]
    go_on = threading.Event()

    def make(number: int) -> Thing:
        if REFILLS - 1 <= number < 2 * (REFILLS - 1):
            begun[number - (REFILLS - 1)].set()
            wait_for(go_on)
        return works.make(number)

    pool = Pool(make, 9, REFILLS - 1, closer=works.close)
    pool.clear()
    pool._core.run_due()
    hanging = [Caller(pool._core.run_chores) for _ in begun]
    for event in begun:
        wait_for(event)
    pool.resize(min_size=REFILLS)
    pool.housekeep()
    assert pool.stats()["navail"] == 1
    go_on.set()
    for caller in hanging:
        caller.result()
    assert pool.stats()["navail"] == REFILLS
