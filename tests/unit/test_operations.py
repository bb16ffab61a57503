"""What an operator asks of a running pool: drain, resize, clear, wait until it is ready."""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Callable
from functools import partial

import pytest

from ProxyPatternPool import Pool, PoolClosed, PoolException, PoolValueError, TimeOut
from ProxyPatternPool._engine.steps import run, run_rest
from ProxyPatternPool._ledger.shelves import NEVER, Put

from .clock import FakeScheduler, HandMovedClock
from .helpers import Caller, Naps, Thing, Works, eventually, said, wait_for


def borrow(pool: Pool[Thing], count: int) -> list[Thing]:
    return [pool.get() for _ in range(count)]


def numbers(things: list[Thing]) -> list[int]:
    return sorted(thing.number for thing in things)


# --- drain -------------------------------------------------------------------------------------------


def test_drain_replaces_what_is_idle_at_once(scheduler: FakeScheduler, works: Works) -> None:
    """Idle objects are closed within drain(), and maintenance makes up for them."""
    pool = Pool(works.make, 5, 3, closer=works.close)
    pool.drain()
    assert numbers(works.closed) == [0, 1, 2]
    scheduler.run()
    stats = pool.stats()
    assert (stats["ndrained"], stats["navail"], stats["nobjs"]) == (3, 3, 3)
    pool.ret(pool.get())
    assert numbers(works.closed) == [0, 1, 2], "what came after it stays"


def test_drain_replaces_what_is_lent_as_it_comes_back(scheduler: FakeScheduler, works: Works) -> None:
    """A lent object is its borrower's until he gives it back; then it is closed, and somebody else gets a new one."""
    pool = Pool(works.make, 2, 0, closer=works.close)
    old = borrow(pool, 2)
    pool.drain()
    assert works.closed == []
    waiting = Caller(pool.get)
    eventually(lambda: pool.stats()["nwaiting"] == 1)
    pool.ret(old[0])
    assert works.closed == [old[0]]
    new = waiting.result()
    assert new.number == 2
    pool.ret(new)
    assert pool.get() is new
    pool.ret(old[1])
    assert works.closed == old
    assert pool.stats()["ndrained"] == 2


def test_drain_ends(scheduler: FakeScheduler, works: Works) -> None:
    """Once all that was there is gone, borrowing and giving back cost what they did."""
    pool = Pool(works.make, 3, 1, closer=works.close)
    ledger = pool._core.ledger
    things = borrow(pool, 2)
    pool.drain()
    assert (ledger.shelves.quick_gets_until, ledger.shelves.quick_rets_until) == (NEVER, NEVER)
    for left, thing in enumerate(things):
        assert pool.stats()["nstale"] == 2 - left
        pool.ret(thing)
    assert pool.stats()["nstale"] == 0
    assert (ledger.shelves.quick_gets_until, ledger.shelves.quick_rets_until) == (math.inf, math.inf)
    scheduler.run()
    empty = Pool(works.make, 3, 0)
    empty.drain()
    ledger = empty._core.ledger
    assert (ledger.shelves.quick_gets_until, ledger.shelves.quick_rets_until) == (math.inf, math.inf)


@pytest.mark.parametrize("operation", [Pool[Thing].drain, Pool[Thing].clear])
def test_a_closer_that_hangs_holds_up_its_caller_alone(
    operation: Callable[[Pool[Thing]], None], scheduler: FakeScheduler, works: Works
) -> None:
    """Workers close the others meanwhile, and create what is missing."""
    begun, go_on = threading.Event(), threading.Event()

    def close(thing: Thing) -> None:
        if not begun.is_set():
            begun.set()
            wait_for(go_on)
        works.close(thing)

    pool = Pool(works.make, 4, 4, closer=close)
    operator = Caller(partial(operation, pool))
    wait_for(begun)
    scheduler.run()
    assert (len(works.closed), pool.stats()["ntodel"], pool.stats()["navail"]) == (3, 1, 3)
    assert operator.busy
    go_on.set()
    operator.result()
    scheduler.run()
    assert (len(works.closed), pool.stats()["navail"]) == (4, 4)


def test_a_successor_does_not_wait_for_a_closer(scheduler: FakeScheduler, works: Works) -> None:
    """Where there is room the scheduler hears of what is missing before the closer is called."""

    def close(thing: Thing) -> None:
        scheduler.run()
        alive.append(pool.stats()["navail"])

    alive: list[int] = []
    pool = Pool(works.make, 2, 1, closer=close)
    scheduler.run()
    pool.discard(pool.get())
    pool.clear()
    assert alive == [1, 1]


@pytest.mark.parametrize("timeout", [None, 0, 5])
def test_a_return_that_crosses_a_drain(
    timeout: float | None, scheduler: FakeScheduler, naps: Naps, works: Works
) -> None:
    """An object put back by somebody who had not yet seen the drain is not lent, whoever is quicker."""
    naps.scheduler = scheduler
    for borrower_first in (True, False):
        pool = Pool(works.make, 1, closer=works.close)
        ledger = pool._core.ledger
        entry = ledger.shelves.using.pop(id(pool.get()))
        # The steps of ret(), with the drain between its look at the time and its append.
        pool.drain()
        ledger.shelves.idle.append(entry)
        assert ledger.shelves.quick_rets_until == NEVER
        if not borrower_first:
            run_rest(pool._core.returns.follow_up(entry, Put.NEEDS_SETTLE))
            assert works.closed == [entry.obj]
        assert pool.get(timeout) is not entry.obj
        if borrower_first:
            run_rest(pool._core.returns.follow_up(entry, Put.NEEDS_SETTLE))
        assert works.closed == [entry.obj]
        assert pool.stats()["nobjs"] == 1
        works.closed.clear()


def test_a_return_at_the_end_of_a_drain(
    scheduler: FakeScheduler, clock: HandMovedClock, works: Works, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While a drain is at it, and has been through with what is idle, whoever puts something back sees it."""
    pool = Pool(works.make, 2, 0, closer=works.close)
    ledger = pool._core.ledger
    entry = ledger.shelves.using.pop(id(pool.get()))
    serve_waiters = ledger.serve_waiters
    put: list[Put | None] = []

    def put_back_and_serve(now: float) -> None:
        if not put:
            put.append(ledger.shelves.put_fast(entry, now))  # as another thread does, without the lock
        serve_waiters(now)

    monkeypatch.setattr(ledger, "serve_waiters", put_back_and_serve)
    pool.drain()
    assert put == [Put.NEEDS_SLOW_PATH]
    run_rest(pool._core.returns.follow_up(entry, Put.NEEDS_SLOW_PATH))
    assert works.closed == [entry.obj]


def test_an_object_given_before_the_drain_and_taken_after_it(
    scheduler: FakeScheduler, clock: HandMovedClock, naps: Naps, works: Works
) -> None:
    """What a waiter was handed, and had not yet come for, is replaced too."""
    naps.scheduler = scheduler
    pool = Pool(works.make, 1, closer=works.close)
    thing = pool.get()

    def hand_over_and_drain() -> None:
        clock.advance(1)
        pool.ret(thing)
        assert pool.stats()["navail"] == 0, "handed over"
        pool.drain()

    naps.meanwhile.append(hand_over_and_drain)
    assert pool.get().number == 1
    assert works.closed == [thing]


def test_an_object_being_created_during_a_drain(scheduler: FakeScheduler, works: Works) -> None:
    """It may have been begun with what is not valid any more: it is lent to its creator, and not again."""
    begun, go_on = threading.Event(), threading.Event()

    def make(number: int) -> Thing:
        if number == 0:
            begun.set()
            wait_for(go_on)
        return works.make(number)

    pool = Pool(make, 2, 0, closer=works.close)
    creator = Caller(pool.get)
    wait_for(begun)
    pool.drain()
    go_on.set()
    thing = creator.result()
    pool.ret(thing)
    assert works.closed == [thing]


def test_an_object_being_checked_during_a_drain(scheduler: FakeScheduler, works: Works) -> None:
    """A check that passes does not save it."""

    def check(thing: Thing) -> bool:
        pool.drain()
        return True

    pool = Pool(works.make, 1, closer=works.close, health=check)
    run(pool._core.maintenance.check_health())
    assert len(works.closed) == 1


def test_draining_twice(scheduler: FakeScheduler, works: Works) -> None:
    """What was created between two drains is stale as well."""
    pool = Pool(works.make, 3, 0, closer=works.close)
    old = pool.get()
    pool.drain()
    newer = pool.get()
    pool.drain()
    for thing in (newer, old):
        pool.ret(thing)
    assert works.closed == [newer, old]


def test_an_interrupted_drain_is_finished_by_maintenance(
    scheduler: FakeScheduler, works: Works, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was left idle by a drain that was interrupted is closed."""
    pool = Pool(works.make, 2, 2, closer=works.close)
    scheduler.run()
    rounds = pool._core.sweeps

    def interrupt(now: float) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(rounds, "prune", interrupt)
        with pytest.raises(KeyboardInterrupt):
            pool.drain()
    assert works.closed == []
    scheduler.run()
    assert numbers(works.closed) == [0, 1]
    assert pool.stats()["navail"] == 2


def test_a_closer_that_is_interrupted(scheduler: FakeScheduler, works: Works) -> None:
    """The rest is closed by workers."""

    def close(thing: Thing) -> None:
        works.close(thing)
        if len(works.closed) == 1:
            raise KeyboardInterrupt

    pool = Pool(works.make, 3, 3, closer=close)
    with pytest.raises(KeyboardInterrupt):
        pool.clear()
    scheduler.run()
    assert numbers(works.closed) == [0, 1, 2]
    assert pool.stats()["navail"] == 3


# --- clear -------------------------------------------------------------------------------------------


def test_clear(scheduler: FakeScheduler, works: Works) -> None:
    """What is idle is closed, what is lent is left alone, and comes back as ever."""
    pool = Pool(works.make, 5, 2, closer=works.close)
    lent = pool.get()
    pool.clear()
    assert numbers(works.closed) == [0]
    pool.ret(lent)
    assert pool.get(0) is lent
    scheduler.run()
    stats = pool.stats()
    assert (stats["ncleared"], stats["nobjs"], stats["nusing"]) == (1, 2, 1)


def test_clear_in_a_health_round(scheduler: FakeScheduler, works: Works) -> None:
    """Those that a round is through with are idle too."""
    seen: list[int] = []

    def check(thing: Thing) -> bool:
        seen.append(thing.number)
        if len(seen) == 2:
            pool.clear()
        return True

    pool = Pool(works.make, 3, 3, health=check, closer=works.close)
    run(pool._core.maintenance.check_health())
    assert seen == [0, 1]
    assert numbers(works.closed) == [0, 2]
    assert pool.stats()["navail"] == 1


# --- resize ------------------------------------------------------------------------------------------


def test_growing_serves_waiters_at_once(scheduler: FakeScheduler, works: Works) -> None:
    """Those who wait may create as soon as there is room."""
    pool = Pool(works.make, 1)
    pool.get()
    callers = [Caller(pool.get) for _ in range(3)]
    eventually(lambda: pool.stats()["nwaiting"] == 3)
    pool.resize(max_size=3)
    eventually(lambda: pool.stats()["nusing"] == 3)
    assert pool.stats()["nwaiting"] == 1
    pool.resize(max_size=0)
    assert numbers([caller.result() for caller in callers]) == [1, 2, 3]
    stats = pool.stats()
    assert (stats["max_size"], stats["sem"]) == (0, None)
    assert "unlimited" in repr(pool)


def test_shrinking(scheduler: FakeScheduler, works: Works) -> None:
    """Idle objects that are too many go at once, the coldest first; lent ones when they come back."""
    pool = Pool(works.make, 6, 1, closer=works.close)
    things = borrow(pool, 6)
    for thing in things[:3]:
        pool.ret(thing)
    pool.resize(max_size=5)
    assert numbers(works.closed) == [0]
    pool.resize(max_size=2)
    assert numbers(works.closed) == [0, 1, 2]
    assert pool.stats()["sem"] == {"value": 0, "init": 2}
    with pytest.raises(TimeOut):
        pool.get(0)
    pool.ret(things[4])
    assert numbers(works.closed) == [0, 1, 2, 4]
    pool.ret(things[3])
    assert pool.get(0) is things[3]
    pool.ret(things[5])
    assert pool.get(0) is things[5]
    stats = pool.stats()
    assert (stats["nshed"], stats["nobjs"], stats["max_size"]) == (4, 2, 2)
    assert pool._core.ledger.shelves.quick_rets_until == math.inf
    assert "max 2" in repr(pool)


def test_a_waiter_in_a_pool_that_shrank(scheduler: FakeScheduler, works: Works) -> None:
    """Who waits gets what comes back once there are not too many any more."""
    pool = Pool(works.make, 3, 0, closer=works.close)
    things = borrow(pool, 3)
    caller = Caller(pool.get)
    eventually(lambda: pool.stats()["nwaiting"] == 1)
    pool.resize(max_size=1)
    for thing in things[:2]:
        pool.ret(thing)
        assert caller.busy
    pool._core.quick.clock = lambda: 2000.0
    pool.ret(things[2])
    assert caller.result() is things[2]


def test_a_return_that_crosses_a_shrinking(scheduler: FakeScheduler, works: Works) -> None:
    """An object put back by somebody who had not yet seen it goes as he looks again."""
    pool = Pool(works.make, 2, 0, closer=works.close)
    things = borrow(pool, 2)
    entry = pool._core.ledger.shelves.using.pop(id(things[0]))
    pool.resize(max_size=1)
    pool._core.ledger.shelves.idle.append(entry)
    run_rest(pool._core.returns.follow_up(entry, Put.NEEDS_SETTLE))
    assert works.closed == [things[0]]
    assert pool.stats()["nshed"] == 1


def test_min_size(scheduler: FakeScheduler, works: Works) -> None:
    """For a larger min_size maintenance creates; for a smaller one nothing is closed."""
    pool = Pool(works.make, 5, 1, closer=works.close)
    pool.resize(min_size=4)
    scheduler.run()
    assert pool.stats()["navail"] == 4
    pool.resize(min_size=0)
    scheduler.run()
    stats = pool.stats()
    assert (stats["navail"], stats["min_size"], stats["max_size"]) == (4, 0, 5)


@pytest.mark.parametrize(
    ("bounds", "error"),
    [
        ({"max_size": -1}, PoolValueError),
        ({"min_size": True}, PoolValueError),
        ({"max_size": 1.5}, TypeError),
        ({"min_size": "3"}, TypeError),
        ({"min_size": 6}, PoolValueError),
        ({"max_size": 1}, PoolValueError),
        ({"min_size": 1, "max_size": -2}, PoolValueError),
        ({"min_size": 4, "max_size": 3}, PoolValueError),
    ],
)
def test_bounds_are_checked_together(
    bounds: dict[str, int], error: type[Exception], scheduler: FakeScheduler, works: Works
) -> None:
    """Senseless bounds are refused as at construction, and nothing has changed."""
    pool = Pool(works.make, 5, 2, closer=works.close)
    with pytest.raises(error, match=r"^(min_size|max_size) "):
        pool.resize(**bounds)
    stats = pool.stats()
    assert (stats["min_size"], stats["max_size"], stats["navail"]) == (2, 5, 2)
    pool.resize()
    pool.resize(min_size=3, max_size=3)
    assert pool.stats()["max_size"] == 3


def test_operations_on_a_closed_pool(scheduler: FakeScheduler, works: Works) -> None:
    """They do no harm, and there is nothing to do; only who waits for objects has to be told."""
    pool = Pool(works.make, 2, 1, closer=works.close)
    lent = pool.get()
    pool.shutdown()
    pool.drain()
    pool.clear()
    pool.resize(max_size=5, min_size=3)
    scheduler.run()
    with pytest.raises(PoolClosed):
        pool.wait_ready()
    pool.ret(lent)
    assert works.closed == works.made == [lent]


OPERATIONS: list[Callable[[Pool[Thing]], None]] = [
    lambda pool: pool.drain(),
    lambda pool: run(pool._core.operations.drain_here()),
    lambda pool: pool.clear(),
    lambda pool: pool.resize(max_size=3),
]


@pytest.mark.parametrize("operation", OPERATIONS)
def test_while_somebody_waits_for_the_next_attempt(
    operation: Callable[[Pool[Thing]], None], scheduler: FakeScheduler, naps: Naps, works: Works
) -> None:
    """He goes on waiting for that."""
    pool = Pool(works.make, 1, 0, backoff=(2.0, 2.0))
    works.failing = ConnectionError("down")
    with pytest.raises(ConnectionError):
        pool.get()
    works.failing = None
    naps.meanwhile.append(lambda: operation(pool))
    assert pool.get(60.0).number == 1


@pytest.mark.parametrize("operation", [Pool[Thing].clear, Pool[Thing].drain])
def test_maintenance_closes_what_a_closer_holds_up(
    operation: Callable[[Pool[Thing]], None], scheduler: FakeScheduler, works: Works
) -> None:
    """It is asked to before the first is closed."""
    begun: list[Thing] = []

    def close(thing: Thing) -> None:
        begun.append(thing)
        if len(begun) == 1:
            scheduler.run()
        works.close(thing)

    pool = Pool(works.make, 3, 3, closer=close)
    scheduler.asked.clear()
    operation(pool)
    assert works.closed[-1] is begun[0]


@pytest.mark.parametrize("operation", OPERATIONS)
def test_in_the_middle_of_a_step(operation: Callable[[Pool[Thing]], None], scheduler: FakeScheduler) -> None:
    """A finalizer or signal handler that interrupts a step of the pool's is refused, as it would wait for itself."""
    pool = Pool(Thing, 2)

    def step() -> None:
        with pytest.raises(PoolException, match="finalizer or signal handler"):
            operation(pool)

    pool._core.guard.locked(step)
    assert pool.stats()["navail"] == 1


# --- wait_ready --------------------------------------------------------------------------------------


def test_ready_already(scheduler: FakeScheduler, naps: Naps, works: Works) -> None:
    """Where there are as many as promised, lent ones included, nobody waits."""
    pool = Pool(works.make, 5, 2)
    pool.get()
    pool.wait_ready(0)
    Pool(works.make, 5, 0).wait_ready()
    assert naps.asked == []


@pytest.mark.parametrize("timeout", [None, 30, math.inf])
def test_until_it_is_ready(timeout: float | None, scheduler: FakeScheduler, naps: Naps, works: Works) -> None:
    """Who waits wakes when the last that was missing is there."""
    works.failing = ConnectionError()
    pool = Pool(works.make, 5, 2)
    works.failing = None

    def refill() -> None:
        naps.clock.advance(5)
        scheduler.run()

    naps.meanwhile.append(refill)
    pool.wait_ready(timeout)
    assert pool.stats()["navail"] == 2
    with pytest.raises(ValueError, match=r"^timeout .*-1"):
        pool.wait_ready(-1)


def test_a_pool_that_nobody_looks_after_yet(scheduler: FakeScheduler, works: Works) -> None:
    """Whoever waits for objects has the scheduler look: in the child of a fork nobody else has."""
    pool = Pool(works.make, 5, 2)
    pool.resize(min_size=3)
    scheduler.asked.clear()
    with pytest.raises(TimeOut):
        pool.wait_ready(0)
    assert scheduler.asked
    scheduler.run()
    pool.wait_ready(0)


def test_who_waits_is_woken(scheduler: FakeScheduler, clock: HandMovedClock, works: Works) -> None:
    """Nobody who waits for objects has to look by himself whether they are there."""
    works.failing = ConnectionError()
    pool = Pool(works.make, 5, 2)
    waiting = Caller(pool.wait_ready)
    eventually(lambda: pool._core.objects._watchers)
    works.failing = None
    clock.advance(5)
    scheduler.run()
    waiting.result()


def test_an_opener_has_to_be_through(scheduler: FakeScheduler, works: Works) -> None:
    """An object is there when its opener has returned."""
    begun, go_on = threading.Event(), threading.Event()

    def slow(thing: Thing) -> None:
        begun.set()
        wait_for(go_on)

    pool = Pool(works.make, 1, 0, opener=slow)
    pool.resize(min_size=1)
    creating = Caller(pool.get)
    wait_for(begun)
    with pytest.raises(TimeOut):
        pool.wait_ready(0)
    go_on.set()
    creating.result()
    pool.wait_ready(0)


def test_never_ready(scheduler: FakeScheduler, naps: Naps, works: Works) -> None:
    """When the time is over the caller learns what is missing, and why."""
    works.failing = ConnectionError("no server")
    pool = Pool(works.make, 5, 2, timeout=3, name="books")
    for timeout, told in ((None, 3), (7, 7), (0.5, 0.5), (0, 0)):
        with pytest.raises(TimeOut) as raised:
            pool.wait_ready(timeout)
        assert str(raised.value).startswith(
            f"timeout after {told} seconds in pool 'books': 0 objects are ready, of 2; "
            "0 objects exist (0 idle, 0 lent), 0 being created, 0 waiting"
        )
        assert isinstance(raised.value.__cause__, ConnectionError)
    assert naps.asked == [3.0, 7.0, 0.5]
    with pytest.raises(PoolValueError, match=r"^timeout must be "):
        pool.wait_ready(-1)


def test_nearly_ready(scheduler: FakeScheduler, naps: Naps, works: Works) -> None:
    """What there is is told as well; who waits no more is woken no more."""
    pool = Pool(works.make, 5, 1, timeout=3, name="books")
    works.failing = ConnectionError("no server")
    pool.resize(min_size=2)
    with pytest.raises(TimeOut) as raised:
        pool.wait_ready()
    assert str(raised.value) == (
        "timeout after 3 seconds in pool 'books': 1 object is ready, of 2; "
        "1 object exists (1 idle, 0 lent), 0 being created, 0 waiting"
    )
    assert pool._core.objects._watchers == []


def test_interrupted_before_it_waits(scheduler: FakeScheduler, works: Works, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is thrown in before anybody knows of the caller comes out as it is."""
    pool = Pool(works.make, 1)

    def interrupted(_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(pool._core.objects, "watch", interrupted)
    with pytest.raises(KeyboardInterrupt):
        pool.wait_ready(1)


def test_less_is_enough(scheduler: FakeScheduler, works: Works) -> None:
    """Who waits hears of a resize, and of a close."""
    works.failing = ConnectionError()
    pool = Pool(works.make, 5, 2)
    waiting = Caller(pool.wait_ready)
    eventually(lambda: pool._core.objects._watchers)
    pool.resize(min_size=0)
    waiting.result()
    pool.resize(min_size=1)
    waiting = Caller(pool.wait_ready)
    eventually(lambda: pool._core.objects._watchers)
    pool.shutdown()
    with pytest.raises(PoolClosed):
        waiting.result()


def test_waiting_for_a_pool_that_a_handler_closes(scheduler: FakeScheduler, works: Works) -> None:
    """A worker that closes what was dropped or closed by a handler wakes them too."""
    works.failing = ConnectionError()
    pool = Pool(works.make, 5, 2)
    waiting = Caller(pool.wait_ready)
    eventually(lambda: pool._core.objects._watchers)
    pool._core.guard.locked(pool.shutdown)
    assert waiting.busy
    scheduler.run()
    with pytest.raises(PoolClosed):
        waiting.result()


def test_nothing_to_wait_for(
    scheduler: FakeScheduler, works: Works, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The parent of a reloading server keeps no objects, and waits for none."""
    monkeypatch.setenv("PPP_WERKZEUG_WORKAROUND", "1")
    monkeypatch.delenv("WERKZEUG_RUN_MAIN", raising=False)
    pool = Pool(works.make, min_size=2)
    pool.wait_ready(0)
    assert works.numbers == []
    assert len(said(caplog)) == 1
    assert caplog.records[0].levelno == logging.WARNING
