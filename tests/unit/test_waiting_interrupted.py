"""Waiters that are interrupted, can wake no more, or wait when the pool is closed: nothing is lost with them."""

from __future__ import annotations

import math
import weakref
from collections.abc import Callable
from dataclasses import replace

import pytest

from ProxyPatternPool import Pool, PoolClosed, TimeOut
from ProxyPatternPool._engine.steps import run_rest
from ProxyPatternPool._ledger.queue import Waiter, WaitQueue
from ProxyPatternPool._ledger.shelves import Put
from ProxyPatternPool._runtime.environment import Environment
from ProxyPatternPool._runtime.owner import here
from ProxyPatternPool._runtime.waiting import AnySleeper, Sleeper, do_nothing
from ProxyPatternPool._scheduler.process import using_scheduler

from .clock import FakeScheduler, HandMovedClock
from .helpers import Caller, FakeSleeper, Naps, Thing, Works, queue_up

# --- interrupted ---------------------------------------------------------------------------------------


class Interruption(BaseException):
    """What a signal handler or a greenlet's timeout raises."""


def interrupt() -> None:
    raise Interruption


def test_an_interrupted_waiter_leaves(scheduler: FakeScheduler, naps: Naps) -> None:
    """A waiter that is interrupted is out of the queue, and what comes back later is there for others."""
    pool = Pool(Thing, 1)
    thing = pool.get()
    naps.meanwhile.append(interrupt)
    with pytest.raises(Interruption):
        pool.get()
    assert pool.stats()["nwaiting"] == 0
    assert pool.stats()["ntimeouts"] == 0
    naps.clock.advance(1)
    pool.ret(thing)
    assert pool.get(0) is thing


def test_an_interrupted_waiter_passes_on_what_it_was_given(scheduler: FakeScheduler, naps: Naps) -> None:
    """An object handed to a waiter in the moment of his interruption is not lost."""
    pool = Pool(Thing, 1)
    thing = pool.get()

    def give_back_and_interrupt() -> None:
        naps.clock.advance(1)
        pool.ret(thing)
        interrupt()

    naps.meanwhile.append(give_back_and_interrupt)
    with pytest.raises(Interruption):
        pool.get()
    assert pool.stats()["navail"] == 1
    assert pool.get(0) is thing


def test_an_interrupted_waiter_passes_on_its_permit(scheduler: FakeScheduler, naps: Naps) -> None:
    """A place handed to a waiter in the moment of his interruption is not lost."""
    pool = Pool(Thing, 1, min_size=0)
    thing = pool.get()

    def discard_and_interrupt() -> None:
        naps.clock.advance(1)
        pool.discard(thing)
        interrupt()

    naps.meanwhile.append(discard_and_interrupt)
    with pytest.raises(Interruption):
        pool.get()
    assert pool.stats()["nobjs"] == 0
    assert isinstance(pool.get(0), Thing)


@pytest.mark.parametrize("worth", ["object", "permit"])
def test_what_an_interrupted_waiter_had_goes_to_the_next(worth: str, scheduler: FakeScheduler, naps: Naps) -> None:
    """The next in the queue gets what an interrupted waiter was given, an object or a permit."""
    pool = Pool(Thing, 1)
    thing = pool.get()
    behind: list[Caller[object]] = []

    def give_back_and_interrupt() -> None:
        behind.extend(queue_up(pool, 1, lambda number: pool.get()))
        naps.clock.advance(1)
        (pool.ret if worth == "object" else pool.discard)(thing)
        interrupt()

    naps.meanwhile.append(give_back_and_interrupt)
    with pytest.raises(Interruption):
        pool.get()
    served = behind[0].result()
    assert isinstance(served, Thing)
    assert (served is thing) == (worth == "object")
    assert pool.stats()["nusing"] == pool.stats()["nobjs"] == 1


def test_a_waiter_that_times_out_passes_on_what_it_was_given(scheduler: FakeScheduler, naps: Naps) -> None:
    """A permit in the hands of a waiter is used, even if it came at the last moment: the wait is over then."""
    pool = Pool(Thing, 1)
    thing = pool.get()

    def discard_late() -> None:
        naps.clock.advance(5)
        pool.discard(thing)

    naps.meanwhile.append(discard_late)
    assert pool.get(5).number == 1


def interrupt_with_it(
    pool: Pool[Thing], naps: Naps, patch: pytest.MonkeyPatch, meanwhile: Callable[[], object] = lambda: None
) -> None:
    """Have a waiter be interrupted on the way to what was just lent to it, after something that others do then."""
    thing = pool.get()
    naps.meanwhile.append(lambda: pool.ret(thing))
    collect = pool._core.ledger.collect

    def collect_and_interrupt(waiter: Waiter[Thing], now: float) -> None:
        collect(waiter, now)
        pool._core.guard.lock.release()  # the lock is held here: what others do comes right after
        Caller(meanwhile).result()
        pool._core.guard.lock.acquire()
        interrupt()

    with patch.context() as patched:
        patched.setattr(pool._core.ledger, "collect", collect_and_interrupt)
        with pytest.raises(Interruption):
            pool.get()


def test_an_object_in_the_hands_of_an_interrupted_waiter(
    scheduler: FakeScheduler, naps: Naps, works: Works, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An object lent to a caller who is interrupted on the way to it is idle, and lent no more."""
    pool = Pool(works.make, 1)
    interrupt_with_it(pool, naps, monkeypatch)
    assert (pool.stats()["nusing"], pool.stats()["navail"]) == (0, 1)
    assert pool.get(0) is works.made[0]


def test_lent_again_in_the_hands_of_an_interrupted_waiter(
    scheduler: FakeScheduler, naps: Naps, works: Works, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An object lent to a caller who is interrupted on the way to it, and to another by then, stays the other's."""
    pool = Pool(works.make, 1)

    def lend_again() -> None:
        pool.ret(works.made[0])
        assert pool.get(0) is works.made[0]

    interrupt_with_it(pool, naps, monkeypatch, lend_again)
    assert (pool.stats()["nusing"], pool.stats()["navail"]) == (1, 0)
    with pytest.raises(TimeOut):
        pool.get(0)


def test_worn_out_in_the_hands_of_an_interrupted_waiter(
    scheduler: FakeScheduler, naps: Naps, works: Works, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An object lent to a caller who is interrupted on the way to it counts that use, and may be worn out by it."""
    pool = Pool(works.make, 1, min_size=0, max_use=2, closer=works.close)
    interrupt_with_it(pool, naps, monkeypatch)
    assert works.closed == works.made
    assert (pool.stats()["nobjs"], pool.stats()["nusing"]) == (0, 0)


def test_killed_in_the_hands_of_an_interrupted_waiter(
    scheduler: FakeScheduler, naps: Naps, works: Works, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An object lent to a caller who is interrupted on the way to it, and killed meanwhile, is closed once."""
    pool = Pool(works.make, 1, min_size=0, max_using_delay_kill=10, closer=works.close)

    def kill() -> None:
        naps.clock.advance(10)
        pool.housekeep()

    interrupt_with_it(pool, naps, monkeypatch, kill)
    assert works.closed == works.made
    assert (pool.stats()["nobjs"], pool.stats()["nusing"]) == (0, 0)


# --- gone ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("age", [0.0, 1.0])
@pytest.mark.parametrize("worth", ["object", "permit"])
def test_a_waiter_that_can_wake_no_more_is_passed_over(
    worth: str, age: float, scheduler: FakeScheduler, naps: Naps
) -> None:
    """What a waiter would get whose thread died under him, as a greenlet's can, goes to the next."""
    pool = Pool(Thing, 1, 0)
    thing = pool.get()
    behind: list[Caller[object]] = []

    def die() -> None:
        naps.sleepers[-1].deaf = True
        behind.extend(queue_up(pool, 2, lambda number: pool.get()))
        naps.clock.advance(age)
        (pool.ret if worth == "object" else pool.discard)(thing)
        served = behind[0].result()
        assert isinstance(served, Thing)
        assert (served is thing) == (worth == "object")
        pool.discard(served)
        assert isinstance(behind[1].result(), Thing)
        interrupt()  # for the test's sake it is still there

    naps.meanwhile.append(die)
    with pytest.raises(Interruption):
        pool.get()


def test_who_can_wake_no_more_uses_up_no_wake() -> None:
    """As many waiters are woken as objects are idle, and those who can wake no more are not among them."""
    queue: WaitQueue[Thing] = WaitQueue()
    owner = here().owner
    sleepers = [FakeSleeper(Naps(HandMovedClock())) for _ in range(4)]
    waiters: list[Waiter[Thing]] = [Waiter(owner, None, sleeper) for sleeper in sleepers]
    first, dead, second, third = waiters
    sleepers[1].deaf = True
    for waiter in (first, dead, second):
        queue.join(waiter, 1000.0)
    queue.wake_first(2)
    assert [waiter.woken for waiter in (first, second)] == [True, True]
    first.woken = False  # it looked, and somebody was quicker
    queue.leave(second)
    queue.join(third, 1000.0)
    queue.wake_first(2)
    assert [waiter.woken for waiter in (first, third)] == [True, True]


def test_a_close_does_not_wait_for_who_can_wake_no_more(scheduler: FakeScheduler, naps: Naps) -> None:
    """A waiter whose thread died is nothing to a close; the others hear of it."""
    pool = Pool(Thing, 1)
    thing = pool.get()
    behind: list[Caller[object]] = []

    def die() -> None:
        naps.sleepers[-1].deaf = True
        pool.ret(thing)
        assert pool.get(0) is thing
        behind.extend(queue_up(pool, 1, lambda number: pool.get()))
        pool.shutdown()
        with pytest.raises(PoolClosed):
            behind[0].result()
        interrupt()

    naps.meanwhile.append(die)
    with pytest.raises(Interruption):
        pool.get()


def test_nobody_left_who_can_wake(scheduler: FakeScheduler, naps: Naps) -> None:
    """Where the only waiter is gone, what he would get is there for others."""
    pool = Pool(Thing, 1)
    thing = pool.get()

    def die() -> None:
        naps.sleepers[-1].deaf = True
        naps.clock.advance(1)
        pool.ret(thing)
        assert pool.get(0) is thing
        interrupt()

    naps.meanwhile.append(die)
    with pytest.raises(Interruption):
        pool.get()
    assert pool.stats()["nusing"] == 1


# --- closed --------------------------------------------------------------------------------------------


def test_a_close_wakes_all(scheduler: FakeScheduler) -> None:
    """Everyone who waits learns at once that the pool is closed, whatever his timeout."""
    pool = Pool(Thing, 1)
    pool.get()
    callers = queue_up(pool, 8, lambda number: pool.get(math.inf if number % 2 else 3600))
    pool.shutdown()
    for caller in callers:
        with pytest.raises(PoolClosed):
            caller.result()
    stats = pool.stats()
    assert stats["nwaiting"] == 0
    assert stats["ntimeouts"] == 0


def test_nobody_sleeps_while_something_is_idle(scheduler: FakeScheduler, monkeypatch: pytest.MonkeyPatch) -> None:
    """An object given back between the look at the shelf and the queue is found by who queues."""
    pool = Pool(Thing, 1)
    thing = pool.get()
    join = WaitQueue[Thing].join

    def join_as_it_comes_back(queue: WaitQueue[Thing], waiter: Waiter[Thing], now: float, *, in_front: bool) -> None:
        join(queue, waiter, now, in_front=in_front)
        # As another thread's ret() does that began before anybody waited: without the lock, which is held here.
        entry = pool._core.ledger.shelves.using.pop(id(thing))
        pool._core.ledger.shelves.idle.append(entry)

    monkeypatch.setattr(WaitQueue, "join", join_as_it_comes_back)
    assert pool.get(1000) is thing
    assert pool.stats()["nwaiting"] == 0


def test_a_return_that_was_interrupted_before_it_was_announced(scheduler: FakeScheduler) -> None:
    """An object that is idle beside a waiter, since who gave it back was interrupted, is announced at the next look."""
    pool = Pool(Thing, 1)
    thing = pool.get()
    [waiting] = queue_up(pool, 1, lambda number: pool.get())
    # As ret() of another thread does that began before anybody waited, and into which something was thrown then.
    entry = pool._core.ledger.shelves.using.pop(id(thing))
    pool._core.ledger.shelves.idle.append(entry)
    scheduler.look_at(pool._core)
    assert waiting.result() is thing


def test_a_return_during_the_queueing_is_announced(scheduler: FakeScheduler, clock: HandMovedClock) -> None:
    """An object put back by somebody who did not yet see the waiter wakes him after all."""
    pool = Pool(Thing, 1)
    thing = pool.get()
    # ret() as it goes when the waiter comes between its look and its append.
    entry = pool._core.ledger.shelves.using.pop(id(thing))
    put = pool._core.ledger.shelves.put_fast(entry, clock())
    assert put is None
    pool._core.ledger.shelves.idle.remove(entry)  # it comes a little later
    [waiting] = queue_up(pool, 1, lambda number: pool.get())
    pool._core.ledger.shelves.idle.append(entry)
    run_rest(pool._core.returns.follow_up(entry, Put.NEEDS_SETTLE))
    assert waiting.result() is thing


def test_a_permit_for_nobody(scheduler: FakeScheduler, naps: Naps) -> None:
    """Where all who wait can wake no more, a freed place is free."""
    pool = Pool(Thing, 1, 0)
    thing = pool.get()

    def die() -> None:
        naps.sleepers[-1].deaf = True
        pool.discard(thing)
        assert pool.stats()["nobjs"] == 0
        interrupt()  # for the test's sake it is still there

    naps.meanwhile.append(die)
    with pytest.raises(Interruption):
        pool.get()


def test_a_busy_hub_keeps_nobody_waiting() -> None:
    """A greenlet comes when its hub turns: meanwhile an idle object is there for those who wait elsewhere."""
    queue: WaitQueue[Thing] = WaitQueue()
    naps = Naps(HandMovedClock())
    waiters: list[Waiter[Thing]] = []
    for hub in ("one", "one", "other", "other", None, None):
        sleeper = FakeSleeper(naps)
        sleeper.hub = hub
        waiters.append(Waiter(here().owner, None, sleeper))
        queue.join(waiters[-1], 1000.0)
    queue.wake_first(1)
    assert [waiter.woken for waiter in waiters] == [True, False, True, False, True, False]
    queue.wake_first(2)
    assert all(waiter.woken for waiter in waiters)


def test_a_greenlet_that_is_lost_has_maintenance_look(
    scheduler: FakeScheduler, naps: Naps, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a finalizer it does no more: what it was given is taken back then."""
    pool = Pool(Thing, 1)
    thing = pool.get()
    waits = pool._core.waits
    new_sleeper = waits._new_sleeper
    lost: list[Callable[[], None]] = []

    def noted(when_lost: Callable[[], None]) -> AnySleeper:
        lost.append(when_lost)
        return new_sleeper(when_lost)

    def lose_and_return() -> None:
        scheduler.asked.clear()
        lost[0]()
        assert [asked() if isinstance(asked, weakref.ref) else asked for asked in scheduler.asked] == [pool._core]
        pool.ret(thing)

    monkeypatch.setattr(waits, "_new_sleeper", noted)
    naps.meanwhile.append(lose_and_return)
    assert pool.get() is thing


def test_a_greenlet_that_is_lost_while_it_waits_for_the_end(environment: Environment, naps: Naps) -> None:
    """It holds up nobody, and there is nothing to take back."""
    lost: list[Callable[[], None]] = []

    def noted(when_lost: Callable[[], None] = do_nothing, /) -> Sleeper:
        lost.append(when_lost)
        return naps.new_sleeper(when_lost)

    with using_scheduler(FakeScheduler(replace(environment, new_sleeper=noted))):
        pool = Pool(Thing, 1, 0)
        thing = pool.get()
        naps.meanwhile += [lambda: lost[-1](), lambda: pool.ret(thing)]
        lost.clear()
        pool.shutdown(timeout=10)
        assert len(lost) == 1
        assert pool.stats()["nobjs"] == 0


def test_what_a_greenlet_has_come_for_is_its_own(scheduler: FakeScheduler, naps: Naps) -> None:
    """What it was given and has fetched is not taken back, though its thread ends later."""
    pool = Pool(Thing, 1)
    thing = pool.get()

    def give() -> None:
        waiter = pool._core.ledger.waiters.oldest()
        assert waiter is not None
        waiter.hub = "hub"
        naps.clock.advance(1)
        pool.ret(thing)

    naps.meanwhile.append(give)
    assert pool.get() is thing
    naps.sleepers[-1].deaf = True
    scheduler.look_at(pool._core)
    assert (pool.stats()["nusing"], pool.stats()["navail"]) == (1, 0)


@pytest.mark.parametrize("worth", ["object", "permit"])
def test_what_is_given_to_a_greenlet_that_never_comes(worth: str, scheduler: FakeScheduler, naps: Naps) -> None:
    """A greenlet whose thread ends before its hub turns leaves what it was given to the next who wants it."""
    pool = Pool(Thing, 1)
    thing = pool.get()

    def end() -> None:
        waiter = pool._core.ledger.waiters.oldest()
        assert waiter is not None
        waiter.hub = "hub"
        naps.clock.advance(1)
        (pool.ret if worth == "object" else pool.discard)(thing)
        scheduler.run()
        assert pool.stats()["navail"] == 0
        naps.sleepers[-1].deaf = True
        pool._core.scheduling.request_look()  # as its sleeper does that is lost
        scheduler.run()
        assert (pool.get(0) is thing) == (worth == "object")
        interrupt()  # for the test's sake it is still there

    naps.meanwhile.append(end)
    with pytest.raises(Interruption):
        pool.get()
    assert pool.stats()["nobjs"] == pool.stats()["nusing"] == 1
