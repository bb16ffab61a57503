"""An observer may use the pool that it observes, and others."""

from __future__ import annotations

import contextvars
import threading

import pytest

from ProxyPatternPool import (
    Pool,
    TimeOut,
    observers,
)

from .clock import FakeScheduler, HandMovedClock
from .diary import Diary
from .helpers import Caller, Works, wait_for
from .observed import EVERYTHING, Disturbing, Line, events, live_through, lively


def test_an_observer_looks(scheduler: FakeScheduler, clock: HandMovedClock, works: Works) -> None:
    """It may look at the pool whatever it is told."""
    seen: list[int] = []

    def look(_: str) -> None:
        seen.append(pool.stats()["nobjs"] + len(pool.owners()) + len(repr(pool)))

    diary = Disturbing(look)
    pool = lively(works, diary)
    live_through(pool, works, clock)
    assert len(seen) == len(EVERYTHING)
    assert pool.stats()["observer_errors"] == 0


def test_an_observer_borrows(scheduler: FakeScheduler, clock: HandMovedClock, works: Works) -> None:
    """What it borrows is its own affair, or there would be no end; what it creates is told of with the next loan."""

    def borrow(event: str) -> None:
        if event == "lent":
            with pool.obj(0):
                pass
            with pytest.raises(TimeOut), pool.obj(0), pool.obj(0):
                pass

    diary = Disturbing(borrow)
    pool = Pool(works.make, 2, 1, closer=works.close, observer=diary)
    first, mine = pool.get(), works.made[1]
    assert diary.read() == [("created", first, 0.0), ("lent", first, 0.0)]
    scheduler.run()
    assert works.closed == []
    assert pool.get(0) is mine
    # Both are out now, and what it wants to borrow then it does not get.
    assert diary.read() == [("created", mine, 0.0), ("lent", mine, 0.0)]
    assert pool.stats()["observer_errors"] == 1
    pool.ret(first)
    pool.ret(mine)
    pool.shutdown()
    assert events(diary.read()) == ["returned", "returned", "discarded", "discarded"]


def test_an_observer_of_a_hook_that_failed_borrows(scheduler: FakeScheduler, works: Works) -> None:
    """It is not in the hook any more: it gets an object that is created for it."""
    seen: list[int] = []

    def borrow() -> None:
        with pool.obj(0) as other:
            seen.append(other.number)

    diary = Disturbing.at("hook_failed", borrow)
    pool = Pool(works.make, 2, 1, getter=lambda thing: 1 // thing.number, observer=diary)
    assert pool.get().number == 0
    assert seen == [1]


def test_an_object_that_only_an_observer_has_had(scheduler: FakeScheduler, works: Works) -> None:
    """Of an object that was never told of no end is told."""

    def borrow(event: str) -> None:
        if event == "lent":
            pool.discard(pool.get())

    diary = Disturbing(borrow)
    pool = Pool(works.make, 2, 0, closer=works.close, observer=diary)
    thing = pool.get()
    assert works.closed == []
    scheduler.run()
    assert works.closed == works.made[1:]
    assert diary.read() == [("created", thing, 0.0), ("lent", thing, 0.0)]


@pytest.mark.parametrize("how", ["ret", "discard", "release"])
def test_an_observer_gives_back(how: str, scheduler: FakeScheduler, clock: HandMovedClock, works: Works) -> None:
    """What it gives back, and was told of, comes back a little later, and is told of then, not in the middle."""
    depth: list[str] = []

    def give_back(event: str) -> None:
        assert depth == []
        depth.append(event)
        if event == "timed_out":
            if how == "ret":
                pool.ret(thing)
            elif how == "discard":
                pool.discard(thing)
            else:
                lease.release()
        depth.pop()

    diary = Disturbing(give_back)
    pool = Pool(works.make, 1, 0, closer=works.close, observer=diary)
    lease = pool.lease()
    thing = lease.obj
    diary.read()
    clock.advance(1)
    with pytest.raises(TimeOut):
        pool.get(0)
    assert diary.read() == [("timed_out", 0.0)]
    clock.advance(1)
    scheduler.run()
    discarded: list[Line] = [("discarded", thing, "broken")] if how == "discard" else []
    assert diary.read() == [("returned", thing, 1.0), *discarded]
    assert pool.stats()["observer_errors"] == 0
    assert pool.stats()["nusing"] == 0
    assert works.closed == works.made[: len(discarded)]


def test_killed_while_an_observer_is_told(scheduler: FakeScheduler, clock: HandMovedClock, works: Works) -> None:
    """What is killed while an observer is told of its loan is closed once he was told, though its lease is kept."""

    def kill() -> None:
        clock.advance(10)
        Caller(lambda: scheduler.look_at(pool._core)).result()

    diary = Disturbing.at("lent", kill)
    pool = Pool(works.make, 1, 0, max_using_delay_kill=10, closer=works.close, observer=diary)
    lease = pool.lease()
    assert pool.stats()["nkilled"] == 1
    scheduler.run()
    assert works.closed == works.made
    assert pool.stats()["nobjs"] == 0
    assert repr(lease).endswith("object 0, not lent any more>")


def test_an_observer_shuts_the_pool_down(scheduler: FakeScheduler, works: Works) -> None:
    """What is idle is then told of and closed by a worker, and what is lent when it comes back."""
    diary = Disturbing.at("lent", lambda: pool.shutdown())
    pool = Pool(works.make, 2, 2, closer=works.close, observer=diary)
    thing = pool.get()
    (idle,) = (one for one in works.made if one is not thing)
    assert events(diary.read()) == ["created", "created", "lent"]
    assert works.closed == []
    scheduler.run()
    assert diary.read() == [("discarded", idle, "shutdown")]
    assert works.closed == [idle]
    pool.ret(thing)
    assert diary.read() == [("returned", thing, 0.0), ("discarded", thing, "shutdown")]


def test_an_observer_asks_for_maintenance(scheduler: FakeScheduler, clock: HandMovedClock, works: Works) -> None:
    """Maintenance that it asks for is left to a worker, who can tell it of that."""
    diary = Disturbing.at("timed_out", lambda: pool.housekeep())
    pool = Pool(works.make, 2, 0, max_avail_delay=5, closer=works.close, observer=diary)
    one, two = pool.get(), pool.get()
    pool.ret(one)
    diary.read()
    clock.advance(5)
    pool._core.notifier.timed_out(0.0)
    assert diary.read() == [("timed_out", 0.0)]
    assert works.closed == []
    scheduler.run()
    assert diary.read() == [("discarded", one, "idle")]
    assert works.closed == [one]
    pool.ret(two)


def test_other_greenlets_of_the_thread(scheduler: FakeScheduler, works: Works) -> None:
    """An observer that switches keeps nothing from those to whom it switches: each has a context of its own."""

    def switch(event: str) -> None:
        if event == "timed_out":
            contextvars.Context().run(lambda: pool.ret(thing))

    diary = Disturbing(switch)
    pool = Pool(works.make, 1, observer=diary)
    thing = pool.get()
    diary.read()
    with pytest.raises(TimeOut):
        pool.get(0)
    assert diary.read() == [("timed_out", 0.0), ("returned", thing, 0.0)]


def test_what_an_observer_has_begun(scheduler: FakeScheduler, works: Works) -> None:
    """What goes on with a copy of its context after the call is told of like anything else."""
    copies: list[contextvars.Context] = []
    diary = Disturbing(lambda _: copies.append(contextvars.copy_context()))
    pool = Pool(works.make, 1, observer=diary)
    diary.read()
    copies[0].run(lambda: pool.ret(pool.get()))
    assert events(diary.read()) == ["lent", "returned"]


def test_an_observer_uses_another_pool(scheduler: FakeScheduler, works: Works) -> None:
    """Another pool tells its own observer of it, but none that is being told of something, whichever pool's it is."""
    other_diary, both = Diary(), Diary()

    def borrow(event: str) -> None:
        if event == "lent":
            first.ret(first.get())
            second.ret(second.get())

    diary = Disturbing(borrow)
    first = Pool(works.make, 1, observer=other_diary)
    second = Pool(works.make, 1, observer=diary)
    pool = Pool(works.make, 1, observer=observers(both, diary))
    diary.read()
    other_diary.read()
    pool.ret(pool.get())
    assert events(diary.read()) == ["lent", "returned"]
    assert events(other_diary.read()) == ["lent", "returned"]


def test_two_observers_that_use_each_other_s_pool(scheduler: FakeScheduler, works: Works) -> None:
    """There is an end to it."""
    one = Disturbing.at("lent", lambda: second.ret(second.get()))
    two = Disturbing.at("lent", lambda: first.ret(first.get()))
    first, second = Pool(works.make, 2, observer=one), Pool(works.make, 2, observer=two)
    one.read()
    two.read()
    first.ret(first.get())
    assert events(one.read()) == ["lent", "returned"]
    assert events(two.read()) == ["lent", "returned"]


@pytest.mark.parametrize("how", ["ret", "discard"])
def test_in_the_middle_of_a_step(how: str, scheduler: FakeScheduler, clock: HandMovedClock, works: Works) -> None:
    """What is given back by a finalizer or signal handler in a locked step is told of, and goes back, afterwards."""
    diary = Diary()
    pool = Pool(works.make, 1, 0, closer=works.close, observer=diary)
    thing = pool.get()
    diary.read()
    clock.advance(1)
    pool._core.guard.locked(lambda: pool.ret(thing) if how == "ret" else pool.discard(thing))
    assert diary.read() == []
    clock.advance(1)
    scheduler.run()
    if how == "ret":
        assert diary.read() == [("returned", thing, 1.0)]
        assert pool.get(0) is thing
    else:
        assert diary.read() == [("returned", thing, 1.0), ("discarded", thing, "broken")]


def test_a_slow_observer_holds_up_nobody_else(scheduler: FakeScheduler, works: Works) -> None:
    """While one borrower's loan is being told, others borrow and give back."""
    asleep, wake = threading.Event(), threading.Event()

    def dawdle(event: str) -> None:
        if event == "lent" and threading.current_thread() is not threading.main_thread():
            asleep.set()
            wait_for(wake)

    pool = Pool(works.make, 2, 2, observer=Disturbing(dawdle))
    slow = Caller(pool.get)
    wait_for(asleep)
    assert pool.stats()["nusing"] == 1
    pool.ret(pool.get(0))
    wake.set()
    pool.ret(slow.result())
    assert pool.stats()["navail"] == 2
