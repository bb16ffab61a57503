"""A finalizer or a signal handler of the user's comes back to a pool in the middle of one of its locked steps.

The collector and signal handlers run wherever something is allocated, so also there. Nothing waits for itself.
"""

import ctypes
import sys
import threading
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from ProxyPatternPool import DiscardReason, Pool, PoolClosed, PoolException
from ProxyPatternPool._engine import guard
from ProxyPatternPool._runtime.native import LOCKS_ARE_FORGOTTEN, get_ident

from .clock import FakeScheduler
from .helpers import Caller, Thing, Works, eventually, said
from .ledgers import Bed, waiter_of, wakes


def in_the_middle(pool: Pool[Thing], run: Callable[[], object]) -> None:
    """Do something as a finalizer would that the collector runs within a locked step of this thread."""

    def step() -> None:
        run()

    pool._core.guard.locked(step)


def test_an_object_is_given_back(scheduler: FakeScheduler, works: Works) -> None:
    """An object that needs no closer look is idle at once."""
    pool = Pool(works.make, 1, closer=works.close)
    thing = pool.get()
    in_the_middle(pool, lambda: pool.ret(thing))
    assert pool.get(0) is thing


@pytest.mark.parametrize("broken", [False, True])
def test_an_object_is_given_back_that_needs_a_look(broken: bool, scheduler: FakeScheduler, works: Works) -> None:
    """A broken one is left to a worker, who closes it; any other is there again at once."""
    pool = Pool(works.make, 1, min_size=0, retter=lambda _: None, closer=works.close)
    thing = pool.get()
    in_the_middle(pool, lambda: pool.discard(thing) if broken else pool.ret(thing))
    assert works.alive == [thing]
    assert pool.stats()["navail"] == (not broken)
    scheduler.run()
    assert works.alive == ([] if broken else [thing])
    assert (pool.get(0) is thing) != broken


def test_an_object_is_given_back_that_is_worn_out(scheduler: FakeScheduler, works: Works) -> None:
    """It is left to a worker, who closes it."""
    pool = Pool(works.make, 1, min_size=0, max_use=1, closer=works.close)
    thing = pool.get()
    in_the_middle(pool, lambda: pool.ret(thing))
    assert works.alive == [thing]
    scheduler.run()
    assert works.alive == []
    assert pool.get(0) is not thing


class Interrupted(deque[Any]):
    """What is idle, where an exception comes right after the next."""

    def append(self, x: Any, /) -> None:
        super().append(x)
        raise KeyboardInterrupt


def test_an_object_is_given_back_and_that_is_interrupted(scheduler: FakeScheduler, works: Works) -> None:
    """Maintenance looks whether anybody waits beside it."""
    pool = Pool(works.make, 1, closer=works.close)
    thing = pool.get()
    scheduler.run()
    pool._core.shelves.idle = Interrupted()
    with pytest.raises(KeyboardInterrupt):
        in_the_middle(pool, lambda: pool.ret(thing))
    assert scheduler.asked
    scheduler.run()
    assert pool.get(0) is thing


def test_an_object_is_given_back_whose_lease_is_kept(scheduler: FakeScheduler, works: Works) -> None:
    """It is left to a worker, too, if it is worn out: its place does not wait for the lease."""
    pool = Pool(works.make, 1, min_size=0, max_use=1, closer=works.close)
    lease = pool.lease()
    in_the_middle(pool, lambda: pool.ret(lease.obj))
    scheduler.run()
    assert works.alive == []
    assert pool.get(0) is not lease.obj


@pytest.mark.parametrize("reason", ["broken", "retter", "interrupted"])
def test_why_an_object_went_is_not_forgotten(reason: DiscardReason, scheduler: FakeScheduler) -> None:
    """What is left to workers is closed, and counted, for the reason for which it was given up."""

    def fail(_: Thing) -> None:
        raise ValueError

    pool = Pool(Thing, 1, min_size=0, retter=fail if reason == "retter" else None, max_use=1)
    thing = pool.get()
    in_the_middle(pool, lambda: pool.discard(thing) if reason == "broken" else pool.ret(thing))
    gone = pool._core.ledger.places.nretired_for
    assert not any(gone.values())
    scheduler.run()
    assert {why: count for why, count in gone.items() if count} == {reason: 1}


def test_a_lease_ends(scheduler: FakeScheduler, works: Works) -> None:
    """A lease whose entry maintenance has in its hands at that moment ends at the next look."""
    pool = Pool(works.make, 1, closer=works.close)
    lease = pool.lease()
    using = pool._core.ledger.shelves.using
    in_his_hands = dict(using)

    def release() -> None:
        using.clear()
        lease.release()
        using.update(in_his_hands)

    scheduler.asked.clear()
    in_the_middle(pool, release)
    scheduler.run()
    assert not using
    assert pool.stats()["nusing"] == 0
    assert pool.get(0) is works.made[0]


def test_a_pool_is_closed(scheduler: FakeScheduler, works: Works) -> None:
    """A pool that is closed by a signal handler is closed by maintenance as soon as the handler has returned."""
    pool = Pool(works.make, 2, 2, closer=works.close)
    in_the_middle(pool, pool.shutdown)
    scheduler.run()
    assert works.alive == []
    with pytest.raises(PoolClosed):
        pool.get()


def test_what_cannot_be_done_then_says_so(scheduler: FakeScheduler, works: Works) -> None:
    """Where there is no way, there is an error instead of silence for ever."""
    pool = Pool(works.make, 1, closer=works.close, name="db")
    pool.get()
    for call in (pool.get, pool.stats):
        with pytest.raises(PoolException, match="pool 'db' is called by a finalizer or signal handler in the middle"):
            in_the_middle(pool, call)
    assert pool.stats()["nusing"] == 1


def test_what_is_not_lent_here(scheduler: FakeScheduler, works: Works, caplog: pytest.LogCaptureFixture) -> None:
    """An object that is not lent here gets a warning then too, and nothing else."""
    pool = Pool(works.make, 1, closer=works.close, name="db")
    in_the_middle(pool, lambda: pool.ret(Thing(7)))
    (line,) = said(caplog)
    assert line.startswith("pool 'db': not lent here")


def test_another_greenlet_is_waited_for(
    scheduler: FakeScheduler, works: Works, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who comes while another greenlet of his thread is within a step lets it go on, and is served then."""
    pool = Pool(works.make, 1, closer=works.close)
    looks: list[float] = []

    def pause(seconds: float) -> bool:
        looks.append(seconds)
        if len(looks) == 3:
            pool._core.guard._holder = 0  # the other comes to the end of its step
        return True

    monkeypatch.setattr(guard, "pause", pause)
    pool._core.guard._holder = get_ident()  # of the thread, in which this is another greenlet
    assert not pool._core.guard.within_step()
    assert pool.stats()["nobjs"] == 1
    assert looks == [guard.PAUSE] * 3


def test_a_thread_without_greenlets_waits_for_none(scheduler: FakeScheduler, works: Works) -> None:
    """Where nobody else of the thread could go on there is an error instead of silence for ever."""
    pool = Pool(works.make, 1, closer=works.close)
    pool._core.guard._holder = 1

    def come() -> None:
        pool._core.guard._holder = get_ident()
        pool.stats()

    with pytest.raises(PoolException, match="in the middle of its own work"):
        Caller(come).result()
    pool._core.guard._holder = 0


@pytest.mark.parametrize("forgotten", [LOCKS_ARE_FORGOTTEN, True])
def test_only_the_own_step_counts(
    forgotten: bool, scheduler: FakeScheduler, works: Works, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A step of another pool is no reason to refuse anything, though another greenlet be in a step of this one."""
    monkeypatch.setattr(guard, "LOCKS_ARE_FORGOTTEN", forgotten)
    pool, other = Pool(works.make, 1), Pool(works.make, 1)
    found: list[bool] = []
    in_the_middle(pool, lambda: found.extend([pool._core.guard.within_step(), other._core.guard.within_step()]))
    other._core.guard._holder = get_ident()
    in_the_middle(pool, lambda: found.append(other._core.guard.within_step()))
    other._core.guard._holder = 0
    assert found == [True, False, False]


def test_nobody_waits_for_his_own_step(scheduler: FakeScheduler, monkeypatch: pytest.MonkeyPatch) -> None:
    """However few calls are between the two: he could not come to its end."""
    core = Pool(Thing, 1)._core

    def pause(seconds: float) -> bool:
        pytest.fail("he waits")

    step: Callable[[], int] = partial(core.guard.locked, int)
    monkeypatch.setattr(guard, "pause", pause)
    with pytest.raises(PoolException, match="in the middle of its own work"):
        core.guard.locked(step)
    assert core.guard.locked(lambda: core.guard.within_step())


@pytest.mark.parametrize("forgotten", [LOCKS_ARE_FORGOTTEN, True])
def test_a_step_that_fails_leaves_nobody_asleep(
    forgotten: bool, scheduler: FakeScheduler, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever is thrown into it: who waits looks, since nobody knows how far it has come."""
    monkeypatch.setattr(guard, "LOCKS_ARE_FORGOTTEN", forgotten)
    core, waiter = Pool(Thing, 1)._core, waiter_of(Bed())
    core.ledger.waiters.join(waiter, core.clock())
    with pytest.raises(ZeroDivisionError):
        core.guard.locked(divmod, 1, 0)
    assert wakes(waiter) == 1


def test_thrown_in_before_the_lock_is_acquired(scheduler: FakeScheduler, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is thrown into a thread that waits for the lock comes out, and the lock stays with whoever has it."""
    monkeypatch.setattr(guard, "LOCKS_ARE_FORGOTTEN", True)
    core = Pool(Thing, 1, 0)._core

    class Interrupted:
        def acquire(self, blocking: bool) -> bool:
            raise KeyboardInterrupt

    monkeypatch.setattr(core.guard, "lock", Interrupted())  # it would fail if it were released
    with pytest.raises(KeyboardInterrupt):
        core.guard.locked(int)


@pytest.mark.parametrize("forgotten", [LOCKS_ARE_FORGOTTEN, True])
def test_thrown_in_as_the_lock_is_acquired(
    forgotten: bool, scheduler: FakeScheduler, works: Works, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lock comes free again, though Python 3.14 forgets one that is acquired by a with statement."""
    monkeypatch.setattr(guard, "LOCKS_ARE_FORGOTTEN", forgotten)
    pool = Pool(works.make, 2, 0)
    core = pool._core
    main = threading.get_ident()
    core.guard.lock.acquire()

    def interrupt() -> None:
        frames = vars(sys)["_current_frames"]
        eventually(lambda: frames()[main].f_code.co_name in ("locked", "_noted"))
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(main), ctypes.py_object(KeyboardInterrupt))
        core.guard.lock.release()

    caller = Caller(interrupt)
    with pytest.raises(KeyboardInterrupt):
        core.guard.locked(int)
    caller.result()
    assert core.guard.lock.acquire(False)
    core.guard.lock.release()
    assert core.guard.locked(int) == 0
    with pytest.raises(ZeroDivisionError):
        core.guard.locked(divmod, 1, 0)
    assert core.guard.lock.acquire(False)
