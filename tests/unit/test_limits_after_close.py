"""Limits on lent objects hold until the last of them is gone, though the pool is closed or nobody has it any more."""

from __future__ import annotations

from time import monotonic

import pytest

from ProxyPatternPool import Pool

from .clock import FakeScheduler, HandMovedClock
from .helpers import DEADLINE, Naps, Thing, Works, eventually, said


def test_a_shutdown_that_waits_ends_when_what_is_lent_is_killed(
    scheduler: FakeScheduler, clock: HandMovedClock, naps: Naps, works: Works, caplog: pytest.LogCaptureFixture
) -> None:
    """The kill delay is kept while somebody waits for what is lent, who then has nothing left to wait for."""
    pool = Pool(works.make, 1, name="db", max_using_delay=0.2, max_using_delay_kill=0.5, closer=works.close)
    thing = pool.get()

    def half_a_second() -> None:
        for _ in range(5):
            clock.advance(0.1)
            scheduler.look_at(pool._core)

    naps.meanwhile.append(half_a_second)
    start = clock()
    pool.shutdown(timeout=2.0)
    assert clock() - start == pytest.approx(0.5)
    assert works.closed == [thing]
    assert [line.split(" by ")[0] for line in said(caplog)] == [
        "pool 'db': thing 0 has been kept for 0.200 s",
        "pool 'db': thing 0 has been kept for 0.500 s",
    ]
    pool.ret(thing)
    assert works.closed == [thing]


def test_what_is_lent_after_a_shutdown(
    scheduler: FakeScheduler, clock: HandMovedClock, works: Works, caplog: pytest.LogCaptureFixture
) -> None:
    """Nobody waits for it, and it is warned about and killed all the same, each at its time."""
    pool = Pool(works.make, 2, 2, max_using_delay=10, max_using_delay_kill=20, closer=works.close)
    pool.get()
    clock.advance(5)
    pool.get()
    pool.shutdown()
    assert scheduler.look_at(pool._core) == clock() + 5
    clock.advance(5)
    assert scheduler.look_at(pool._core) == clock() + 5
    assert len([line for line in said(caplog) if "has been kept for 10.000 s" in line]) == 1
    clock.advance(10)
    assert scheduler.look_at(pool._core) == clock() + 5
    assert len(works.closed) == 1
    clock.advance(5)
    scheduler.look_at(pool._core)
    assert works.alive == []
    assert scheduler.look_at(pool._core) is None, "there is nothing left to watch"


def test_what_a_dropped_pool_has_lent(scheduler: FakeScheduler, clock: HandMovedClock, works: Works) -> None:
    """A loan of a pool that nobody has any more cannot come back; it is killed at its time."""
    pool = Pool(works.make, 1, max_using_delay_kill=20, closer=works.close)
    thing, core = pool.get(), pool._core
    del pool
    assert scheduler.look_at(core) == clock() + 10, "half the delay"
    clock.advance(20)
    scheduler.look_at(core)
    assert works.closed == [thing]
    assert not scheduler._kept_alive


def test_maintenance_by_hand(scheduler: FakeScheduler, clock: HandMovedClock, works: Works) -> None:
    """A round by hand does the same for a closed pool; it checks nothing, and creates nothing."""
    checked: list[Thing] = []

    def check(thing: Thing) -> bool:
        checked.append(thing)
        return True

    pool = Pool(works.make, 2, 2, max_using_delay_kill=20, health=check, closer=works.close)
    pool.get()
    pool.shutdown()
    clock.advance(20)
    pool.housekeep()
    assert works.alive == []
    assert len(works.made) == 2
    assert checked == []


def test_a_loan_that_begins_at_the_close(scheduler: FakeScheduler, clock: HandMovedClock, works: Works) -> None:
    """Somebody who took an object just before the close has it a moment later: it is watched as well."""
    pool = Pool(works.make, 1, max_using_delay_kill=20, closer=works.close)
    thing = pool.get()
    using = pool._core.ledger.shelves.using
    in_between = dict(using)
    using.clear()
    pool.shutdown()
    assert scheduler.look_at(pool._core) is not None
    using.update(in_between)
    clock.advance(20)
    scheduler.look_at(pool._core)
    assert works.closed == [thing]


def test_maintenance_comes_by_itself(works: Works) -> None:
    """Nobody has to wake him: he knows the time."""
    pool = Pool(works.make, 1, max_using_delay_kill=0.2, closer=works.close)
    pool.get()
    start = monotonic()
    pool.shutdown(timeout=DEADLINE)
    assert works.alive == []
    assert monotonic() - start < DEADLINE / 2
    pool = Pool(works.make, 1, max_using_delay_kill=0.2, closer=works.close)
    pool.get()
    del pool
    eventually(lambda: not works.alive)
