"""The faults of the module that this package replaces, each absent. Numbers are those of their list."""

from __future__ import annotations

import gc
import logging
import threading
from functools import partial

import pytest

from ProxyPatternPool import HookError, Pool, PoolClosed, TimeOut
from ProxyPatternPool._ledger.entry import Entry

from .clock import FakeScheduler, HandMovedClock
from .helpers import ROOT, Caller, Naps, Nuisance, Thing, Works, eventually, have_all_said, run_script, said, wait_for


def test_fault_01_max_size_bounds_objects(scheduler: FakeScheduler) -> None:
    """However many refill and create at once: never more objects than max_size, no two with the same number."""
    works = Works(bound=3)
    together = threading.Barrier(3)

    def make(number: int) -> Thing:
        thing = works.make(number)
        if 0 < number < 4:
            together.wait(20)  # all three places at once: two callers and a refill, or three callers
        return thing

    pool = Pool(make, 3, 1, closer=works.close)
    pool.discard(pool.get())
    jobs = [pool.housekeep, *[lambda: pool.ret(pool.get())] * 8]
    for caller in [Caller(job) for job in jobs]:
        caller.result()
    assert len(set(works.numbers)) == len(works.numbers)
    assert len(works.alive) == pool.stats()["nobjs"] <= 3


def test_fault_02_slow_creation_stops_nobody(scheduler: FakeScheduler) -> None:
    """Creation and opener run without the lock: while both are slow others get and return."""
    creating, opening, go_on = threading.Event(), threading.Event(), threading.Event()

    def make(number: int) -> Thing:
        if number == 1:
            creating.set()
            wait_for(go_on)
        return Thing(number)

    def open_slowly(thing: Thing) -> None:
        if thing.number == 2:
            opening.set()
            wait_for(go_on)

    pool = Pool(make, 3, opener=open_slowly)
    first = pool.get()
    slow = [Caller(pool.get)]
    wait_for(creating)
    slow.append(Caller(pool.get))
    wait_for(opening)
    for _ in range(10):
        pool.ret(first)
        assert pool.get(0) is first
    go_on.set()
    assert {caller.result().number for caller in slow} == {1, 2}


def test_fault_03_waiters_are_served_in_order(scheduler: FakeScheduler, clock: HandMovedClock) -> None:
    """Of eight threads on four objects nobody is served twice while another waits."""
    pool = Pool(Thing, 4)
    things = [pool.get() for _ in range(4)]
    served: list[int] = []
    enough = threading.Event()

    def all_others_wait(finished: int) -> bool:
        return pool.stats()["nwaiting"] == 7 - finished

    def job(number: int) -> None:
        for _ in range(5):
            thing = pool.get()
            served.append(number)
            clock.advance(0.002)
            finished = number if served.count(number) == 5 else 0
            eventually(partial(all_others_wait, finished))
            pool.ret(thing)
        wait_for(enough)

    callers: list[Caller[None]] = []
    for number in range(8):
        callers.append(Caller(lambda number=number: job(number)))  # type: ignore[misc]
        eventually(lambda: pool.stats()["nwaiting"] == len(callers))
    clock.advance(1)
    pool.ret(things[0])  # the other three stay out: one object goes round
    eventually(lambda: len(served) == 40)
    enough.set()
    for caller in callers:
        caller.result()
    assert served == list(range(8)) * 5


def test_fault_04_objects_may_be_anything(scheduler: FakeScheduler) -> None:
    """Objects that are unhashable, falsy and all equal are told apart, and no place is lost."""
    closed: list[Nuisance] = []
    pool = Pool(lambda number: Nuisance(), 3, 3, closer=closed.append)
    things: list[Nuisance] = []
    for _ in range(3):
        things = [pool.get(0) for _ in range(3)]
        assert len({id(thing) for thing in things}) == 3
        for thing in things:
            pool.ret(thing)
    for _ in things:
        pool.get(0)
    pool.discard(things[1])
    assert [id(thing) for thing in closed] == [id(things[1])]
    pool.ret(things[0])
    assert (pool.stats()["nobjs"], pool.stats()["nusing"]) == (2, 1)


def test_fault_05_a_second_return_is_no_return(scheduler: FakeScheduler, caplog: pytest.LogCaptureFixture) -> None:
    """A second return, and a return of a stranger's object, run no hook and give nothing to anybody."""
    returned: list[Thing] = []
    pool = Pool(Thing, 2, retter=returned.append)
    thing = pool.get()
    pool.ret(thing)
    again = Caller(pool.get).result()
    assert again is thing
    have_all_said()
    caplog.clear()
    pool.ret(Thing(99))
    assert returned == [thing]
    pool.ret(thing)  # by identity it is lent, whoever gives it back
    pool.ret(thing)
    assert returned == [thing, thing]
    assert len(said(caplog)) == 2
    assert len({id(pool.get(0)) for _ in range(2)}) == 2


def test_fault_06_the_sick_are_discarded_before_anyone_gets_them(scheduler: FakeScheduler) -> None:
    """An object is not lent while it is checked, not lent when it is sick; one that is false is checked each time."""
    checks: list[object] = []
    closed: list[object] = []

    def health(thing: list[int]) -> bool:
        with pytest.raises(TimeOut):
            pool.get(0)
        checks.append(thing)
        return len(checks) < 3

    def close(thing: list[int]) -> None:
        with pytest.raises(TimeOut):
            pool.get(0)
        closed.append(thing)

    def make(number: int) -> list[int]:
        return []

    pool = Pool(make, 1, 0, health=health, closer=close)
    pool.ret(pool.get())
    for _ in range(3):
        assert closed == []
        pool.housekeep()
    assert len(checks) == 3
    assert len(closed) == 1


def test_fault_07_hooks_that_fail_are_not_forgotten(scheduler: FakeScheduler, works: Works) -> None:
    """No object is served unopened, or whose getter failed, where that is asked for; and none whose reset failed."""

    def fail(thing: Thing) -> None:
        raise ConnectionError

    unopened = Pool(works.make, 1, 0, opener=fail, hook_errors="discard", closer=works.close)
    ungot = Pool(works.make, 1, 0, getter=fail, hook_errors="discard", closer=works.close)
    for pool in (unopened, ungot):
        with pytest.raises(HookError):
            pool.get()
    unreset = Pool(works.make, 1, 0, retter=fail, closer=works.close)
    unreset.ret(unreset.get())
    assert works.alive == []
    for pool in (unopened, ungot, unreset):
        assert pool.stats()["hook_errors"] == 1
        assert pool.stats()["nobjs"] == 0


def test_fault_08_a_check_that_raises_is_no_health(
    scheduler: FakeScheduler, clock: HandMovedClock, works: Works
) -> None:
    """An object whose check raises is discarded, and maintenance goes on."""

    def health(thing: Thing) -> bool:
        if thing.number < 2:
            raise ConnectionError if thing.number else SystemExit
        return True

    pool = Pool(works.make, 2, 2, health=health, hk_delay=10, closer=works.close)
    for _ in range(3):
        clock.advance(10)
        scheduler.look_at(pool._core)
    assert [thing.number for thing in works.closed] == [0, 1]
    assert pool.stats()["hk_rounds"] == 3
    assert pool.stats()["navail"] == 2


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, GeneratorExit, ConnectionError])
def test_fault_09_no_place_is_lost(error: type[BaseException], scheduler: FakeScheduler, naps: Naps) -> None:
    """Whatever interrupts a creation, an opener or a wait, the place is there for the next."""

    def fail(*_: object) -> None:
        raise error

    def make(number: int) -> Thing:
        if number == 0:
            fail()
        return Thing(number)

    pool = Pool(make, 1, 0, opener=lambda thing: fail() if thing.number == 1 else None, hook_errors="discard")
    for expected in (error, HookError if issubclass(error, Exception) else error):
        with pytest.raises(expected):
            pool.get(0)
        naps.clock.advance(5)  # the back-off
    thing = pool.get(0)
    naps.meanwhile.append(fail)
    with pytest.raises(error):
        pool.get()
    pool.ret(thing)
    assert pool.get(0) is thing


def test_fault_10_zero_is_a_value_and_clocks_are_monotonic(
    scheduler: FakeScheduler, clock: HandMovedClock, naps: Naps
) -> None:
    """timeout=0 never waits, and no delay is measured by the wall clock, which may be set at any time."""
    pool = Pool(Thing, 1, timeout=60, max_avail_delay=10)
    pool.get(0)
    with pytest.raises(TimeOut, match="timeout after 0 seconds"):
        pool.get(0)
    assert naps.asked == []
    with pytest.raises(TimeOut, match="timeout after 60 seconds"):
        pool.get()
    sources = list((ROOT / "src" / "ProxyPatternPool").rglob("*.py"))
    users = [path.name for path in sources if "time.time" in path.read_text() or "wall_clock()" in path.read_text()]
    assert sorted(users) == ["core.py", "log_queue.py", "native.py", "owners.py", "stats.py"], (
        "only these say what time it is"
    )


def test_fault_11_the_scheduler_keeps_nothing_alive(scheduler: FakeScheduler, works: Works) -> None:
    """A dropped pool is closed and looked after no more."""
    pool = Pool(works.make, min_size=2, max_avail_delay=60, health=lambda thing: True, closer=works.close)
    scheduler.run()
    del pool
    gc.collect()
    scheduler.run()
    assert len(works.closed) == 2
    assert not scheduler.asked
    assert scheduler.pools() == []


@pytest.mark.parametrize("case", ["starts_empty", "maintenance", "lock_held"])
def test_fault_11_forks(case: str) -> None:
    """A forked child has objects and maintenance of its own, and does not touch its parent's."""
    assert run_script("forks", case, "python")


def test_fault_12_shutdown_leaves_nobody_blocked(scheduler: FakeScheduler, works: Works) -> None:
    """A close wakes everyone who waits, at once."""
    pool = Pool(works.make, 2)
    pool.get()
    pool.get()
    callers = [Caller(pool.get) for _ in range(4)]
    eventually(lambda: pool.stats()["nwaiting"] == 4)
    pool.shutdown()
    for caller in callers:
        with pytest.raises(PoolClosed):
            caller.result()


def test_fault_12_nothing_is_created_in_a_closed_pool(scheduler: FakeScheduler, works: Works, naps: Naps) -> None:
    """A getter that was just let pass, with a permit to create, creates nothing in a pool that was closed since."""
    pool = Pool(works.make, 1, 0, closer=works.close)
    thing = pool.get()

    def permit_and_close() -> None:
        naps.clock.advance(1)
        pool.discard(thing)
        pool.shutdown()

    naps.meanwhile.append(permit_and_close)
    with pytest.raises(PoolClosed):
        pool.get()
    assert works.numbers == [0]
    assert works.alive == []
    assert pool.stats()["nobjs"] == 0


def test_fault_12_nothing_is_refilled_in_a_closed_pool(
    scheduler: FakeScheduler, works: Works, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The same for a refill that was let pass just before the close."""
    pool = Pool(works.make, 2, closer=works.close)
    pool.discard(pool.get())
    ledger = pool._core.ledger
    permit = ledger.permit_to_refill

    def permit_and_close(now: float) -> Entry[Thing] | None:
        entry = permit(now)
        ledger.close()
        return entry

    monkeypatch.setattr(ledger, "permit_to_refill", permit_and_close)
    scheduler.run()
    assert works.numbers == [0]
    assert pool.stats()["nobjs"] == 0
    assert said(caplog) == []


def test_fault_13_a_dropped_loan_comes_back(scheduler: FakeScheduler) -> None:
    """An object whose thread ended without giving it back is not lost, where it was borrowed by a lease."""
    pool = Pool(Thing, 1)

    def job() -> None:
        threading.local().lease = pool.lease()

    Caller(job).result()
    gc.collect()
    assert pool.get(0).number == 0


def test_fault_14_greenlets_are_tested_with_their_hubs() -> None:
    """A waiting greenlet does not stop its hub, patched or not: tests/greenlets shows it, with gevent and eventlet."""
    scripts = ROOT / "tests" / "greenlets"
    tests = (scripts / "test_greenlets.py").read_text()
    for case in ("test_one_object_eight_greenlets", "test_timeouts", "test_across_threads"):
        assert f"def {case}(" in tests
    assert 'HUBS = ["gevent", "eventlet"]' in (scripts / "support.py").read_text()
    assert '"unpatched"' in tests


def test_fault_16_the_warning_says_by_whom(
    scheduler: FakeScheduler, clock: HandMovedClock, caplog: pytest.LogCaptureFixture
) -> None:
    """The warning about an object kept too long names object, owner and time, also after the owner's end."""
    pool = Pool(Thing, max_using_delay=10, tracer=lambda thing: f"connection no. {thing.number}")
    go_on, borrowed = threading.Event(), threading.Event()

    def job() -> None:
        pool.get()
        borrowed.set()
        wait_for(go_on)

    caller = Caller(job, "worker 7")
    wait_for(borrowed)
    clock.advance(12.5)
    pool.housekeep()
    (line,) = said(caplog)
    for word in ("connection no. 0", "thread 'worker 7'", "12.500 s"):
        assert word in line
    assert caplog.records[0].levelno == logging.WARNING
    go_on.set()
    caller.result()
