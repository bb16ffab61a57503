"""Returns without the lock where somebody has just begun to wait: he is woken, nobody sleeps beside an idle object."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

import pytest

from ProxyPatternPool import Pool, PoolClosed
from ProxyPatternPool._ledger.entry import Entry
from ProxyPatternPool._ledger.ledger import HEAD_START, Ledger
from ProxyPatternPool._ledger.queue import Waiter, WaitQueue
from ProxyPatternPool._ledger.shelves import NEEDS_SETTLE, NEEDS_SLOW_PATH, NEVER

from .clock import FakeScheduler, HandMovedClock
from .helpers import Caller, Thing, Works, eventually
from .ledgers import NOW, Bed, ledger_of, lent, queued, waiter_of, wakes


def ended(ledger: Ledger[Thing]) -> Entry[Thing]:
    """An object whose loan has just ended, and which is the caller's."""
    entry = lent(ledger)
    assert ledger.shelves.end_loan(entry, 1)
    return entry


def test_the_oldest_is_woken_and_the_object_idle() -> None:
    """He finds it when he looks; others are not woken for it."""
    ledger = ledger_of(1, idle=1)
    entry = ended(ledger)
    first, second = queued(ledger), queued(ledger)
    assert ledger.put_beside_waiters(entry, NOW) is None
    assert (list(ledger.shelves.idle), wakes(first), wakes(second)) == ([entry], 1, 0)
    assert not first.woken, "what is noted is noted with the lock held"
    assert ledger.collect(first, NOW) is entry
    assert wakes(second) == 0, "there is nothing for him"


def with_waiters(ledger: Ledger[Thing], **queue: Any) -> Entry[Thing]:
    entry = ended(ledger)
    queued(ledger, **queue)
    return entry


def nobody_waits() -> tuple[Ledger[Thing], Entry[Thing]]:
    ledger = ledger_of(1, idle=1)
    return ledger, ended(ledger)


def waited_for_longer() -> tuple[Ledger[Thing], Entry[Thing]]:
    ledger = ledger_of(1, idle=1)
    return ledger, with_waiters(ledger, now=NOW - HEAD_START)


def a_greenlet_waits() -> tuple[Ledger[Thing], Entry[Thing]]:
    ledger = ledger_of(1, idle=1)
    return ledger, with_waiters(ledger, hub="hub")


def an_interrupted_hand_over() -> tuple[Ledger[Thing], Entry[Thing]]:
    ledger = ledger_of(1, idle=1)
    entry = with_waiters(ledger)
    ledger.waiters.queue[0].served = True
    return ledger, entry


def worn_out() -> tuple[Ledger[Thing], Entry[Thing]]:
    ledger = ledger_of(1, idle=1, max_use=1)
    return ledger, with_waiters(ledger)


def at_the_end_of_its_life() -> tuple[Ledger[Thing], Entry[Thing]]:
    ledger = ledger_of(1, idle=1)
    entry = with_waiters(ledger)
    entry.expires = NOW
    return ledger, entry


def drained() -> tuple[Ledger[Thing], Entry[Thing]]:
    ledger = ledger_of(1, idle=1)
    entry = with_waiters(ledger)
    ledger.shelves.make_returns_slow()
    return ledger, entry


def a_limit_that_is_reached() -> tuple[Ledger[Thing], Entry[Thing]]:
    ledger = ledger_of(1, idle=1)
    entry = with_waiters(ledger)
    ledger.shelves.unlocked_rets_until = NOW
    return ledger, entry


@pytest.mark.parametrize(
    "case",
    [
        nobody_waits,
        waited_for_longer,
        a_greenlet_waits,
        an_interrupted_hand_over,
        worn_out,
        at_the_end_of_its_life,
        drained,
        a_limit_that_is_reached,
    ],
)
def test_all_else_takes_the_lock(case: Callable[[], tuple[Ledger[Thing], Entry[Thing]]]) -> None:
    """The object is not idle, and the caller's, and nobody is woken."""
    ledger, entry = case()
    assert ledger.put_beside_waiters(entry, NOW) is NEEDS_SLOW_PATH
    assert not ledger.shelves.idle
    assert all(wakes(waiter) == 0 for waiter in ledger.waiters.queue)


def served(ledger: Ledger[Thing]) -> None:
    ledger.waiters.queue.clear()


def closed(ledger: Ledger[Thing]) -> None:
    ledger.shelves.make_returns_slow()


def due(ledger: Ledger[Thing]) -> None:
    ledger.shelves.unlocked_rets_until = NOW


def gone(ledger: Ledger[Thing]) -> None:
    bed = ledger.waiters.queue[0].sleeper
    assert isinstance(bed, Bed)
    bed.gone = True


@pytest.mark.parametrize("meanwhile", [served, closed, due, gone])
def test_what_happens_meanwhile_is_looked_at(meanwhile: Callable[[Ledger[Thing]], None]) -> None:
    """After the object is idle: if nobody is woken, or returns are slow for all, the lock is taken after all."""
    ledger = ledger_of(1, idle=1)
    entry = with_waiters(ledger)

    class Shelf(deque[Entry[Thing]]):
        def append(self, entry: Entry[Thing], /) -> None:
            super().append(entry)
            meanwhile(ledger)

    ledger.shelves.idle = Shelf()
    assert ledger.put_beside_waiters(entry, NOW) is NEEDS_SETTLE


def test_returns_do_not_stay_slow_without_the_lock() -> None:
    """While somebody waits they are slow; for whoever may do without the lock there is a limit of its own."""
    ledger = ledger_of(1, idle=1)
    ended(ledger)
    queued(ledger)
    assert ledger.shelves.quick_rets_until == NEVER < NOW < ledger.shelves.unlocked_rets_until
    ledger.close()
    assert ledger.shelves.unlocked_rets_until == NEVER


def test_no_step_is_done_with_the_lock(scheduler: FakeScheduler, works: Works, monkeypatch: pytest.MonkeyPatch) -> None:
    """A return beside one who has just come serves him, and leaves the lock to those who wait."""
    pool = Pool(works.make, 1)
    thing = pool.get()
    waiting = Caller(pool.get)
    eventually(lambda: pool.stats()["nwaiting"] == 1)
    locked: list[Entry[Thing]] = []

    def put_locked(entry: Entry[Thing], now: float) -> bool:
        locked.append(entry)
        return False

    monkeypatch.setattr(pool._core.ledger, "put_locked", put_locked)
    pool.ret(thing)
    assert waiting.result() is thing
    assert locked == []


def test_who_has_waited_is_handed_it(scheduler: FakeScheduler, clock: HandMovedClock, works: Works) -> None:
    """After his head start a newcomer cannot see what comes back."""
    pool = Pool(works.make, 1)
    thing = pool.get()
    waiting = Caller(pool.get)
    eventually(lambda: pool.stats()["nwaiting"] == 1)
    clock.advance(1)
    pool.ret(thing)
    assert not pool._core.ledger.shelves.idle
    assert waiting.result() is thing


def test_an_interruption_wakes_all_the_same(
    scheduler: FakeScheduler, works: Works, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is thrown in when the object is idle, and nobody woken yet, leaves nobody asleep beside it."""
    pool = Pool(works.make, 1)
    thing = pool.get()
    waiting = Caller(pool.get)
    eventually(lambda: pool.stats()["nwaiting"] == 1)
    looks: list[int] = []
    oldest_thread = WaitQueue[Thing].oldest_thread

    def interrupt_the_second(queue: WaitQueue[Thing]) -> Waiter[Thing] | None:
        looks.append(1)
        if len(looks) == 2:
            raise KeyboardInterrupt
        return oldest_thread(queue)

    monkeypatch.setattr(WaitQueue, "oldest_thread", interrupt_the_second)
    with pytest.raises(KeyboardInterrupt):
        pool.ret(thing)
    assert waiting.result() is thing


def test_a_waiter_that_cannot_be_woken_is_left_to_the_lock() -> None:
    """One without a place to sleep never joins; if one is there the others are served with the lock held."""
    ledger = ledger_of(1, idle=1)
    entry = with_waiters(ledger)
    ledger.waiters.queue[0].sleeper = None
    assert ledger.put_beside_waiters(entry, NOW) is NEEDS_SETTLE


def test_a_close_meanwhile_closes_what_an_interrupted_return_has_left(
    scheduler: FakeScheduler, works: Works, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What comes idle after the close has searched is taken out again, though its return is interrupted there."""
    pool = Pool(works.make, 1, closer=works.close)
    thing = pool.get()
    ledger = pool._core.ledger
    waiting = Caller(pool.get)
    eventually(lambda: pool.stats()["nwaiting"] == 1)
    put_beside_waiters = ledger.put_beside_waiters

    def close_and_interrupt(entry: Entry[Thing], now: float) -> None:
        idle = ledger.shelves.idle
        pool.shutdown()
        idle.append(entry)
        put_beside_waiters(entry, now)
        raise KeyboardInterrupt

    monkeypatch.setattr(ledger, "put_beside_waiters", close_and_interrupt)
    with pytest.raises(KeyboardInterrupt):
        pool.ret(thing)
    assert works.closed == [thing]
    with pytest.raises(PoolClosed):
        waiting.result()


def test_an_interruption_in_the_middle_of_the_pools_own_work_has_somebody_look(
    scheduler: FakeScheduler, works: Works, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A finalizer that gives back within a locked step cannot take the lock: maintenance looks for who waits."""
    pool = Pool(works.make, 1)
    thing = pool.get()
    core = pool._core

    def interrupted(entry: Entry[Thing], now: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(core.ledger, "put_beside_waiters", interrupted)
    core.ledger.shelves.quick_rets_until = NEVER
    scheduler.asked.clear()

    def within_a_step() -> None:
        with pytest.raises(KeyboardInterrupt):
            pool.ret(thing)

    core.guard.locked(within_a_step)
    assert scheduler.asked


# --- permits that are handed out beside it


def backing_off(max_size: int) -> tuple[Ledger[Thing], Entry[Thing], float]:
    """A ledger in which a creation has failed, an object whose loan has just ended, and when the next may be tried."""
    ledger = ledger_of(max_size, idle=1, backoff=(1.0, 1.0))
    entry = ended(ledger)
    ledger.backoff.failed(NOW, ledger.backoff.begin(NOW))
    return ledger, entry, ledger.backoff.due_at


@pytest.mark.parametrize("max_size", [2, 3])
def test_who_hands_out_permits_wakes_others_for_what_is_idle(max_size: int) -> None:
    """One who was woken for an object may have a permit now: the next is woken for the object."""
    ledger, entry, later = backing_off(max_size)
    waiters = [queued(ledger, later - HEAD_START / 2) for _ in range(3)]
    newcomer = waiter_of()
    take_any = ledger._take_any

    def take_and_put(now: float, waiter: Waiter[Thing]) -> Entry[Thing] | None:
        found = take_any(now, waiter)
        if waiter is newcomer and not ledger.shelves.idle:
            assert ledger.put_beside_waiters(entry, now) is None  # as another thread does, without the lock
        return found

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ledger, "_take_any", take_and_put)
        assert ledger.take_or_queue(later, newcomer) is None
    assert [waiter.handed is not None for waiter in waiters] == [True, False, False]
    assert list(ledger.shelves.idle) == [entry]
    assert [wakes(waiter) for waiter in waiters[1:]] == [1, 0]


@pytest.mark.parametrize("max_size", [2, 3])
def test_who_hands_them_out_himself_looks_once_more(max_size: int) -> None:
    """He was woken for the object, which had not been there when he looked."""
    ledger, entry, later = backing_off(max_size)
    first, second = queued(ledger, later - HEAD_START / 2), queued(ledger, later - HEAD_START / 2)
    take_any = ledger._take_any
    looks: list[int] = []

    def take_and_put(now: float, waiter: Waiter[Thing]) -> Entry[Thing] | None:
        found = take_any(now, waiter)
        looks.append(1)
        if len(looks) == 1:
            assert ledger.put_beside_waiters(entry, now) is None
        return found

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ledger, "_take_any", take_and_put)
        assert ledger.collect(second, later) is entry
    assert (first.handed is not None, entry.last_get) == (True, later)
