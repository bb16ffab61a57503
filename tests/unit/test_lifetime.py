"""`max_lifetime`: no object is lent after its time, and its successor does not keep anybody waiting."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ProxyPatternPool import Pool
from ProxyPatternPool._engine.steps import run
from ProxyPatternPool._ledger.entry import Entry, Receipt
from ProxyPatternPool._ledger.policy import lifetime
from ProxyPatternPool._ledger.shelves import Shelves
from ProxyPatternPool._runtime.owner import Owner

from .clock import Chance, FakeScheduler, HandMovedClock
from .helpers import Naps, Thing, Works


@pytest.fixture(autouse=True)
def latest(chance: Chance) -> None:
    """Every object lives as long as it may, unless a test says otherwise."""
    chance.always = 0.0


@given(st.floats(min_value=1e-3, max_value=1e9), st.floats(min_value=0.0, max_value=1.0, exclude_max=True))
def test_each_has_a_limit_of_its_own(longest: float, chance: float) -> None:
    """A lifetime is between 95 % and the whole of what was given, as chance has it."""
    assert 0.95 * longest <= lifetime(longest, chance) <= longest
    assert lifetime(100.0, 0.5) == pytest.approx(97.5)


def test_limits_are_spread(scheduler: FakeScheduler, clock: HandMovedClock, chance: Chance, works: Works) -> None:
    """Objects created together end one after the other, each at its own time, which is drawn once."""
    chance.ordered.extend([0.8, 0.4])
    pool = Pool(works.make, 3, 3, max_lifetime=100, closer=works.close)
    start = clock.now
    for end, gone in ((96.0, [0]), (98.0, [0, 1]), (100.0, [0, 1, 2])):
        clock.now = start + end - 0.001
        deadline = scheduler.look_at(pool._core)
        assert deadline == pytest.approx(start + end), "the scheduler knows when the next ends"
        assert [thing.number for thing in works.closed] == gone[:-1]
        clock.now = start + end
        scheduler.look_at(pool._core)
        assert [thing.number for thing in works.closed] == gone
        assert pool.stats()["navail"] == 3, "replaced at once"
    stats = pool.stats()
    assert (stats["nexpired"], stats["ndestroys"], stats["max_lifetime"]) == (3, 3, 100.0)


def test_at_return(scheduler: FakeScheduler, clock: HandMovedClock, works: Works) -> None:
    """An object that comes back after its time is closed at once, by whoever gives it back."""
    pool = Pool(works.make, 1, max_lifetime=100, closer=works.close)
    thing = pool.get()
    clock.advance(99.9)
    pool.ret(thing)
    assert pool.get() is thing
    clock.advance(0.1)
    pool.ret(thing)
    assert works.closed == [thing]
    assert pool.stats()["nexpired"] == 1
    scheduler.run()
    assert pool.stats()["navail"] == 1, "maintenance was told"


@pytest.mark.parametrize("timeout", [None, 0, 5])
def test_before_lending(
    timeout: float | None, scheduler: FakeScheduler, naps: Naps, clock: HandMovedClock, works: Works
) -> None:
    """Where maintenance did not come in time, an idle object beyond its time is not lent: a new one is."""
    naps.scheduler = scheduler
    pool = Pool(works.make, 2, 2, max_lifetime=100, closer=works.close)
    clock.advance(100)
    assert pool.get(timeout).number == 2
    assert len(works.closed) == 2
    assert (pool.stats()["nexpired"], pool.stats()["nusing"]) == (2, 1)


@pytest.mark.parametrize("way", ["lent", "given back"])
def test_of_an_object_that_a_borrower_created(
    way: str, scheduler: FakeScheduler, clock: HandMovedClock, works: Works
) -> None:
    """It ends in time as well, though nothing else has happened since its creation and nobody has looked."""
    pool = Pool(works.make, 1, 0, max_lifetime=100, closer=works.close)
    thing = pool.get()
    if way == "given back":
        pool.ret(thing)
    clock.advance(100)
    if way == "lent":
        pool.ret(thing)
    assert pool.get(0).number == 1
    assert works.closed == [thing]


def test_a_lent_object_is_left_alone(scheduler: FakeScheduler, clock: HandMovedClock, works: Works) -> None:
    """Maintenance closes nothing that is lent, and does not look again and again because of it."""
    pool = Pool(works.make, 2, 1, max_lifetime=100, closer=works.close)
    thing = pool.get()
    clock.advance(200)
    pool.housekeep()
    assert works.closed == []
    assert scheduler.look_at(pool._core) == clock.now + 50, "the next round, and nothing before"
    pool.ret(thing)
    assert works.closed == [thing]


def test_a_return_that_crosses_the_end(
    scheduler: FakeScheduler, naps: Naps, clock: HandMovedClock, works: Works
) -> None:
    """An object put back by somebody who came just before its end, when a round had just passed, is not lent."""
    naps.scheduler = scheduler
    pool = Pool(works.make, 1, 0, max_lifetime=100, closer=works.close)
    thing = pool.get()
    ledger = pool._core.ledger
    clock.advance(99.9)
    # The steps of ret(), with the end and a round between its look at the time and its append.
    entry = ledger.shelves.using.pop(id(thing))
    entry.last_ret = clock.now
    assert clock.now < ledger.shelves.quick_rets_until
    clock.advance(0.1)
    assert scheduler.look_at(pool._core) == clock.now + 1, "it looks again soon"
    assert works.closed == []
    ledger.shelves.idle.append(entry)
    assert ledger.shelves.quick_gets_until <= clock.now, "until then everyone looks"
    assert pool.get() is not thing
    assert works.closed == [thing]


def test_a_loan_in_the_middle_of_a_round(
    scheduler: FakeScheduler,
    naps: Naps,
    clock: HandMovedClock,
    works: Works,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An object whose time is over is not lent to who takes it just before a round, which then finds it lent."""
    naps.scheduler = scheduler
    pool = Pool(works.make, 1, 1, max_lifetime=100, closer=works.close)
    clock.advance(100)
    take = Shelves[Thing].take

    def take_and_have_a_round(
        shelves: Shelves[Thing], now: float, owner: Owner, receipt: Receipt[Thing] | None
    ) -> Entry[Thing] | None:
        entry = take(shelves, now, owner, receipt)
        pool._core.run_due()
        return entry

    monkeypatch.setattr(Shelves, "take", take_and_have_a_round)
    assert pool.get().number == 1
    assert len(works.closed) == 1


def test_until_one_ends_all_is_quick(scheduler: FakeScheduler, clock: HandMovedClock, works: Works) -> None:
    """Nothing is looked at as long as no lifetime has ended, nor after what has ended is known to be out."""
    pool = Pool(works.make, 2, 2, max_lifetime=100)
    ledger = pool._core.ledger
    first = clock.now + 100
    assert ledger.shelves.quick_gets_until == ledger.shelves.quick_rets_until == first
    old = pool.get()
    clock.advance(100)
    scheduler.run()
    scheduler.look_at(pool._core)
    assert ledger.shelves.quick_gets_until == ledger.shelves.quick_rets_until == first + 100
    pool.ret(old)
    assert pool.stats()["nexpired"] == 2


def test_all_is_quick_again_while_what_has_ended_is_out(
    scheduler: FakeScheduler, clock: HandMovedClock, works: Works
) -> None:
    """Nothing is closed or created yet, and yet all is quick until the next end."""
    pool = Pool(works.make, 2, 0, max_lifetime=100)
    old = pool.get()
    clock.advance(50)
    young = pool.get()
    last = clock.now + 100
    scheduler.run()
    clock.advance(50)
    scheduler.look_at(pool._core)
    ledger = pool._core.ledger
    assert ledger.shelves.quick_gets_until == ledger.shelves.quick_rets_until == last
    pool.ret(young)
    pool.ret(old)
    assert pool.stats()["nexpired"] == 1


def test_below_min_size_for_one_replacement(scheduler: FakeScheduler, clock: HandMovedClock, works: Works) -> None:
    """A lifetime ends whatever min_size says; where there is room the successor does not wait for the closer."""
    order: list[str] = []

    def make(number: int) -> Thing:
        order.append(f"make {number}")
        return works.make(number)

    def close(thing: Thing) -> None:
        assert pool._core.ledger.wants_refill(), "the refill knows before the closer is called"
        order.append(f"close {thing.number}")
        works.close(thing)

    pool = Pool(make, 2, 1, max_lifetime=100, closer=close)
    clock.advance(100)
    assert pool._core.run_due() is not None
    assert [len(pool._core.chores.anywhere), len(pool._core.chores.in_hub)] == [1, 1], (
        "the closer and the refill, side by side"
    )
    scheduler.run()
    assert sorted(order) == ["close 0", "make 0", "make 1"]
    assert pool.stats()["navail"] == 1


def test_churn_makes_no_walks(scheduler: FakeScheduler, clock: HandMovedClock, monkeypatch: pytest.MonkeyPatch) -> None:
    """Maintenance goes through all objects when a lifetime may end, however often it looks."""
    pool = Pool(Thing, 5, 5, max_lifetime=100)
    walks: list[float] = []
    entries = pool._core.ledger.places.entries

    def walk() -> list[Entry[Thing]]:
        walks.append(clock.now)
        return entries()

    monkeypatch.setattr(pool._core.ledger.places, "entries", walk)
    for _ in range(50):
        clock.advance(1)
        scheduler.look_at(pool._core)
    assert walks == []
    clock.advance(50)
    scheduler.look_at(pool._core)
    assert walks


def test_forced_rounds(scheduler: FakeScheduler, clock: HandMovedClock, works: Works) -> None:
    """With a forced delay lifetimes of idle objects end in rounds, and half the lifetime is the delay without one."""
    pool = Pool(works.make, 2, 1, max_lifetime=100, hk_delay=70, closer=works.close)
    clock.advance(100)
    scheduler.look_at(pool._core)
    assert len(works.closed) == 1, "the round that was due after 70 s"
    assert pool.stats()["delay"] == 70.0
    assert Pool(Thing, max_lifetime=100).stats()["delay"] == 50.0


def test_in_a_health_round(scheduler: FakeScheduler, clock: HandMovedClock, works: Works) -> None:
    """An object whose lifetime ends during its check is closed afterwards."""

    def check(thing: Thing) -> bool:
        clock.advance(30)
        return True

    pool = Pool(works.make, 1, max_lifetime=100, health=check, closer=works.close)
    clock.advance(80)
    run(pool._core.maintenance.check_health())
    assert len(works.closed) == 1
    assert pool.stats()["nexpired"] == 1


@pytest.mark.parametrize("min_size", [0, 1])
def test_a_life_begins_when_the_object_is_ready(
    min_size: int, scheduler: FakeScheduler, clock: HandMovedClock, works: Works
) -> None:
    """An opener that takes longer than a lifetime leaves one that can be used."""
    pool = Pool(works.make, 1, min_size, max_lifetime=10, opener=lambda _: clock.advance(20), closer=works.close)
    thing = pool.get()
    clock.advance(9)
    pool.ret(thing)
    assert pool.get() is thing


def test_lives_that_are_over_at_once(scheduler: FakeScheduler, clock: HandMovedClock, works: Works) -> None:
    """Nobody creates them without a pause: neither the constructor nor maintenance goes on for ever."""

    def close(thing: Thing) -> None:
        works.close(thing)
        assert len(works.closed) < 10

    clock.now = 1e9  # where seconds are so large that a lifetime makes no difference
    pool = Pool(works.make, 2, 2, max_lifetime=1e-9, closer=close)
    assert len(works.closed) == 1
    scheduler.run()
    assert len(works.closed) == 1, "it is not yet time for another"
    clock.advance(1)
    assert pool.get().number > 0
