"""Loans that are too long: each is warned about once, and ended when it is time."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from queue import SimpleQueue

import pytest

from ProxyPatternPool import Pool

from .clock import FakeScheduler, HandMovedClock
from .helpers import (
    Caller,
    Naps,
    Thing,
    Works,
    borrow_all,
    give_back_all,
    have_all_said,
    said,
    start_without_frames,
    wait_for,
)


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
    assert all(line.startswith("  ") for line in first.splitlines()[1:])
    assert first.rstrip().endswith("pool.get()")
    assert second.rstrip().endswith("return pool.lease()")
    assert "pool.py" not in first + second
    assert "core.py" not in first + second
    assert lease is not None


def test_a_get_without_frames(
    scheduler: FakeScheduler, clock: HandMovedClock, caplog: pytest.LogCaptureFixture
) -> None:
    """A thread that does no more than functions in C has no stack to be shown."""
    pool = Pool(Thing, max_using_delay=10, trace_owner=True)
    begun = threading.Event()
    over: SimpleQueue[None] = SimpleQueue()
    start_without_frames(pool.get, begun.set, over.get)
    wait_for(begun)
    (holding,) = pool.owners()
    assert holding.stack == []
    clock.advance(11)
    pool.housekeep()
    (line,) = said(caplog)
    assert "has been kept for 11.000 s" in line
    assert "\n" not in line
    over.put(None)


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
    """Maintenance comes at the very time of a kill."""
    pool = Pool(works.make, min_size=0, max_using_delay_kill=10, closer=works.close)
    clock.advance(0.5)
    pool.get()
    clock.advance(6)
    assert scheduler.look_at(pool._core) == clock.now + 4
    clock.advance(4)
    scheduler.look_at(pool._core)
    assert works.alive == []
