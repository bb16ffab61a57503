"""Shutting down: nobody is served any more, everybody is told, and everything is closed once."""

from __future__ import annotations

import math
import threading
from collections import deque

import pytest

from ProxyPatternPool import Pool, PoolClosed
from ProxyPatternPool._engine import operations
from ProxyPatternPool._engine.steps import run_rest
from ProxyPatternPool._ledger.entry import Entry
from ProxyPatternPool._ledger.shelves import NEVER, Put

from .clock import FakeScheduler, HandMovedClock
from .helpers import Caller, Naps, Thing, Works, eventually, give_back_all, said, wait_for


def test_idle_objects_are_closed(scheduler: FakeScheduler, works: Works) -> None:
    """The close closes what is idle, at once, in the caller's thread."""
    pool = Pool(works.make, min_size=3, closer=works.close)
    pool.shutdown()
    assert works.alive == []
    stats = pool.stats()
    assert stats["shutdown"]
    assert (stats["nobjs"], stats["ndestroys"], stats["navail"]) == (0, 3, 0)


def test_newcomers_are_refused(scheduler: FakeScheduler, works: Works) -> None:
    """Whoever wants an object of a closed pool is refused, however he asks, and nothing is created for him."""
    pool = Pool(works.make, 5, name="books")
    thing = pool.get()
    pool.shutdown()
    block = pool.obj()
    for borrow in (pool.get, pool.lease, block.__enter__, lambda: pool.get(0), lambda: pool.get(math.inf)):
        with pytest.raises(PoolClosed, match="pool 'books' is closed"):
            borrow()
    assert works.numbers == [0]
    pool.ret(thing)
    with pytest.raises(PoolClosed):
        pool.get()
    assert pool.stats()["nwaiting"] == 0


def test_twice(scheduler: FakeScheduler, works: Works, naps: Naps, caplog: pytest.LogCaptureFixture) -> None:
    """A second close does no harm, and says nothing more."""
    pool = Pool(works.make, 2, 2, closer=works.close)
    pool.get()
    pool.shutdown()
    pool.shutdown()
    pool.close(1)
    assert len(works.closed) == 1
    assert len(said(caplog)) == 1


def test_close_is_the_same(scheduler: FakeScheduler, works: Works) -> None:
    """A pool may be closed by close as well, which is the same."""
    pool = Pool(works.make, closer=works.close)
    pool.close(timeout=1)
    assert works.alive == []
    assert pool.close.__func__ is pool.shutdown.__func__  # type: ignore[attr-defined]


def test_as_a_block(scheduler: FakeScheduler, works: Works) -> None:
    """A pool used as a block is closed at its end, whatever happens inside; then it cannot be entered again."""
    with Pool(works.make, closer=works.close) as pool:
        assert pool.get().number == 0
        pool.ret(works.made[0])
    assert works.alive == []
    with pytest.raises(PoolClosed, match="is closed"):
        pool.__enter__()
    with pytest.raises(KeyboardInterrupt), Pool(works.make, closer=works.close):
        raise KeyboardInterrupt
    assert works.alive == []


@pytest.mark.parametrize("way", ["ret", "discard"])
def test_lent_objects_are_closed_when_they_come_back(way: str, scheduler: FakeScheduler, works: Works) -> None:
    """What is lent stays its borrower's, and is closed when it comes back, through the retter as always."""
    returned: list[Thing] = []
    pool = Pool(works.make, closer=works.close, retter=returned.append)
    thing = pool.get()
    pool.shutdown()
    assert works.closed == []
    assert pool.stats()["nusing"] == 1
    getattr(pool, way)(thing)
    assert works.closed == [thing]
    assert returned == ([thing] if way == "ret" else [])
    assert pool.stats()["nobjs"] == 0


def test_nobody_waits_for_what_a_closed_pool_has_lent(scheduler: FakeScheduler, naps: Naps) -> None:
    """Who comes after the close hears of it at once, though all places are taken, and no attempt is counted."""
    pool = Pool(Thing, 1)
    thing = pool.get()
    pool.shutdown()
    with pytest.raises(PoolClosed):
        pool.get()
    pool.ret(thing)
    with pytest.raises(PoolClosed):
        pool.get()  # nor in a free place
    assert naps.asked == []
    assert pool.stats()["ncreating"] == 1


def test_those_still_out_are_named(
    scheduler: FakeScheduler, clock: HandMovedClock, caplog: pytest.LogCaptureFixture
) -> None:
    """A close that leaves objects out says which, who has them, and since when."""
    pool = Pool(Thing, name="books", tracer=lambda thing: f"book {thing.number}")
    Caller(pool.get, "reader").result()
    clock.advance(2.5)
    pool.shutdown()
    (line,) = said(caplog)
    assert line.startswith("pool 'books': closed while thread 'reader' (ended) has book 0, lent 2.500 s ago; ")
    assert line.endswith("it will be closed when it comes back")


def test_a_closed_pool_that_is_dropped(
    scheduler: FakeScheduler, works: Works, caplog: pytest.LogCaptureFixture
) -> None:
    """What is still out was named when the pool was closed, and is not again; it is closed when it comes back."""
    pool = Pool(works.make, 1, closer=works.close)
    lease = pool.lease()
    pool.shutdown()
    del pool
    scheduler.run()
    lease.release()
    scheduler.run()
    (line,) = said(caplog)
    assert "closed while" in line
    assert works.alive == []


def test_a_close_that_finds_everything_says_nothing(scheduler: FakeScheduler, caplog: pytest.LogCaptureFixture) -> None:
    """A clean close is worth no word."""
    pool = Pool(Thing)
    pool.ret(pool.get())
    pool.shutdown()
    assert said(caplog) == []


def test_waiting_for_what_is_lent(
    scheduler: FakeScheduler, works: Works, naps: Naps, caplog: pytest.LogCaptureFixture
) -> None:
    """With a timeout the close waits for lent objects, until the last is closed and no longer."""
    pool = Pool(works.make, 2, 0, closer=works.close)
    things = [pool.get(), pool.get()]

    def give_back() -> None:
        naps.clock.advance(2)
        pool.ret(things.pop())

    naps.meanwhile.extend([give_back, naps.wake_last, give_back])
    pool.shutdown(10)
    assert works.alive == []
    assert naps.asked == [10, 8]
    assert said(caplog) == []


def test_waiting_in_vain(scheduler: FakeScheduler, works: Works, naps: Naps, caplog: pytest.LogCaptureFixture) -> None:
    """The wait ends on time; then those still out are named."""
    pool = Pool(works.make, closer=works.close)
    pool.get()
    pool.shutdown(10)
    assert naps.asked == [10]
    assert len(said(caplog)) == 1


def test_the_time_begins_with_the_call(scheduler: FakeScheduler, works: Works, naps: Naps) -> None:
    """The seconds for which a close waits include those that the closers of idle objects take."""

    def close_slowly(thing: Thing) -> None:
        works.close(thing)
        naps.clock.advance(3)

    pool = Pool(works.make, closer=close_slowly)
    things = [pool.get() for _ in range(3)]
    give_back_all(pool, things[1:])
    pool.shutdown(10)
    assert naps.asked == [10 - 2 * 3]
    pool.ret(things[0])
    assert works.alive == []


def test_waiting_for_ever(scheduler: FakeScheduler, works: Works, naps: Naps) -> None:
    """An infinite timeout waits as long as it takes."""
    pool = Pool(works.make, closer=works.close)
    thing = pool.get()
    naps.meanwhile.extend([lambda: naps.clock.advance(1e9), naps.wake_last, lambda: pool.ret(thing)])
    pool.shutdown(math.inf)
    assert naps.asked == [None, None]
    assert works.alive == []


def test_waiting_for_what_is_being_created(scheduler: FakeScheduler, works: Works) -> None:
    """The close waits also for an object that is being created, which is closed then."""
    begun, go_on = threading.Event(), threading.Event()

    def make(number: int) -> Thing:
        begun.set()
        wait_for(go_on)
        return works.make(number)

    pool = Pool(make, min_size=0, closer=works.close)
    creating = Caller(pool.get)
    wait_for(begun)
    closing = Caller(lambda: pool.shutdown(math.inf))
    eventually(lambda: pool.stats()["shutdown"])
    assert closing.busy
    go_on.set()
    closing.result()
    assert works.closed == works.made
    with pytest.raises(PoolClosed):
        creating.result()


def test_two_who_wait_for_the_end(scheduler: FakeScheduler) -> None:
    """Any number of threads can wait for the end of a pool."""
    pool = Pool(Thing)
    thing = pool.get()
    callers = [Caller(lambda: pool.shutdown(math.inf)) for _ in range(3)]
    eventually(lambda: len(pool._core.objects._watchers) == 3)
    pool.ret(thing)
    for caller in callers:
        caller.result()


def test_an_interrupted_close(scheduler: FakeScheduler, works: Works, naps: Naps) -> None:
    """A close that is interrupted while it waits is a close."""
    pool = Pool(works.make, closer=works.close)
    thing = pool.get()

    def interrupt() -> None:
        raise KeyboardInterrupt

    naps.meanwhile.append(interrupt)
    with pytest.raises(KeyboardInterrupt):
        pool.shutdown(10)
    with pytest.raises(PoolClosed):
        pool.get()
    pool.ret(thing)
    assert works.alive == []
    assert pool._core.objects._watchers == []


def test_a_close_interrupted_by_a_closer(scheduler: FakeScheduler, works: Works) -> None:
    """Where a closer is interrupted a worker closes the rest."""

    def close(thing: Thing) -> None:
        works.close(thing)
        if len(works.closed) == 1:
            raise KeyboardInterrupt

    pool = Pool(works.make, min_size=3, closer=close)
    with pytest.raises(KeyboardInterrupt):
        pool.shutdown()
    scheduler.run()
    assert works.alive == []
    assert pool.stats()["nobjs"] == 0


def test_a_return_that_crosses_the_close(scheduler: FakeScheduler, works: Works) -> None:
    """An object put back by somebody who had not yet seen the close is closed, wherever he put it."""
    for late in (False, True):
        pool = Pool(works.make, 2, 2, closer=works.close)
        ledger = pool._core.ledger
        entry = ledger.shelves.using.pop(id(pool.get()))
        # The steps of ret(), with the close between its look at the time and its append to the deque it has
        # loaded, before the close (late) or after.
        idle = ledger.shelves.idle
        pool.shutdown()
        (idle if late else ledger.shelves.idle).append(entry)
        assert ledger.shelves.quick_rets_until == NEVER
        run_rest(pool._core.returns.follow_up(entry, Put.NEEDS_SETTLE))
        assert works.alive == []
        assert pool.stats()["nobjs"] == 0


def test_a_return_that_the_close_has_found(scheduler: FakeScheduler, works: Works) -> None:
    """An object put back just before the close, which the close has found and closed, is closed once."""
    pool = Pool(works.make, 2, 2, closer=works.close)
    ledger = pool._core.ledger
    entry = ledger.shelves.using.pop(id(pool.get()))
    ledger.shelves.idle.append(entry)
    pool.shutdown()
    run_rest(pool._core.returns.follow_up(entry, Put.NEEDS_SETTLE))
    assert works.alive == []
    assert len(works.closed) == 2


def test_a_borrower_quicker_than_the_close(scheduler: FakeScheduler, works: Works) -> None:
    """An object taken by somebody who was quicker than the close is his, and closed when it comes back."""
    pool = Pool(works.make, 2, 2, closer=works.close)
    ledger = pool._core.ledger
    taken: list[Entry[Thing]] = []

    class Shelf(deque[Entry[Thing]]):
        def pop(self) -> Entry[Thing]:  # type: ignore[override]
            if len(self) == 1:
                taken.append(super().pop())
            return super().pop()

    ledger.shelves.idle = Shelf(ledger.shelves.idle)
    pool.shutdown()
    assert len(works.closed) == 1
    (entry,) = taken
    ledger.shelves.using[entry.key] = entry
    pool.ret(entry.obj)
    assert works.alive == []


def test_a_close_seen_right_after_the_return(scheduler: FakeScheduler, works: Works) -> None:
    """An object put back in the moment of the close is closed by who put it back."""
    pool = Pool(works.make, 2, 2, closer=works.close)
    thing = pool.get()
    ledger = pool._core.ledger

    class Shelf(deque[Entry[Thing]]):
        def append(self, entry: Entry[Thing], /) -> None:
            pool.shutdown()
            super().append(entry)

    ledger.shelves.idle = Shelf(ledger.shelves.idle)
    pool.ret(thing)
    assert works.alive == []
    assert pool.stats()["nobjs"] == 0


def test_hooks_may_close_their_pool(scheduler: FakeScheduler, works: Works) -> None:
    """A pool may be closed from within any of its hooks."""

    def close(thing: Thing) -> None:
        works.close(thing)
        pool.shutdown()

    pool = Pool(works.make, 3, 3, closer=close, retter=lambda thing: pool.shutdown())
    pool.ret(pool.get())
    assert works.alive == []


def test_maintenance_ends(scheduler: FakeScheduler, clock: HandMovedClock) -> None:
    """A closed pool asks for no more looks."""
    pool = Pool(Thing, max_avail_delay=10, health=lambda thing: True)
    scheduler.run()
    pool.shutdown()
    clock.advance(100)
    assert scheduler.look_at(pool._core) is None
    assert pool.stats()["hk_rounds"] == 0


def test_an_interrupted_shutdown(scheduler: FakeScheduler, works: Works, monkeypatch: pytest.MonkeyPatch) -> None:
    """The exception reaches the caller, and maintenance does the rest."""
    pool = Pool(works.make, 2, 2, closer=works.close)

    def interrupt(_: object) -> None:
        raise KeyboardInterrupt

    scheduler.asked.clear()
    with monkeypatch.context() as patch:
        patch.setattr(type(pool._core.ledger.shelves), "close", interrupt)
        with pytest.raises(KeyboardInterrupt):
            pool.shutdown()
    assert len(works.alive) == 2
    scheduler.run()
    assert works.alive == []
    with pytest.raises(PoolClosed):
        pool.get(0)


def test_shutdown_in_a_hub(
    scheduler: FakeScheduler, works: Works, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A hub itself cannot wait, as in a signal handler that finds all greenlets asleep: a worker closes."""
    monkeypatch.setattr(operations, "in_hub", lambda: True)
    pool = Pool(works.make, 2, 2, closer=works.close)
    lent = pool.get()
    pool.shutdown(timeout=2)
    assert works.closed == []
    scheduler.run()
    assert works.alive == [lent]
    pool.ret(lent)
    assert works.alive == []
