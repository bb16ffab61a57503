"""Leases and ``with`` blocks: one loan, which ends once."""

from __future__ import annotations

import copy
import gc
import pickle
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from ProxyPatternPool import Lease, Pool, PoolClosed, PoolException, TimeOut
from ProxyPatternPool._engine.loans import Loans
from ProxyPatternPool._ledger.entry import Entry, Receipt
from ProxyPatternPool._ledger.shelves import NEVER
from ProxyPatternPool._pool.pool import core_of

from .clock import FakeScheduler, HandMovedClock
from .diary import Diary
from .helpers import Caller, Naps, Thing, Works, eventually, have_all_said, said, wait_for
from .test_async_races import Idle, Using


class Trouble(Exception):
    """What goes wrong in somebody's block."""


def test_with_obj(scheduler: FakeScheduler) -> None:
    """A block has its object, and the object is back when the block is over."""
    pool = Pool(Thing, 1)
    with pool.obj() as thing:
        assert thing.number == 0
        assert pool.stats()["nusing"] == 1
    assert pool.stats()["nusing"] == 0
    assert pool.get(0) is thing


@pytest.mark.parametrize("error", [Trouble, KeyboardInterrupt, GeneratorExit, SystemExit])
def test_with_obj_whatever_happens(error: type[BaseException], scheduler: FakeScheduler) -> None:
    """Whatever a block raises, its object is back, and the error goes on."""
    pool = Pool(Thing, 1)
    with pytest.raises(error), pool.obj():
        raise error
    with pytest.raises(error), pool.lease():
        raise error
    assert pool.stats()["nusing"] == 0


def test_obj_waits_at_the_beginning_of_the_block(scheduler: FakeScheduler, naps: Naps) -> None:
    """The object is borrowed where the block begins, with the timeout that was given before."""
    pool = Pool(Thing, 1)
    block = pool.obj(3)
    thing = pool.get()
    with pytest.raises(TimeOut, match="timeout after 3 seconds"), block:
        pytest.fail("there is nothing to have")
    pool.ret(thing)
    with block as same:
        assert same is thing
    with pytest.raises(TimeOut), pool.obj(0), pool.obj(0):
        pytest.fail("there is nothing to have")


def test_obj_again(scheduler: FakeScheduler) -> None:
    """A block's context manager may be used again after the block, and is a new loan then."""
    pool = Pool(Thing)
    block = pool.obj()
    for _ in range(3):
        with block:
            assert pool.stats()["nusing"] == 1
        assert pool.stats()["nusing"] == 0
    assert pool.stats()["nuses"] == 3


def test_obj_twice_at_once(scheduler: FakeScheduler) -> None:
    """One block at a time: a second within the first is refused, and takes nothing; a second end does nothing."""
    pool = Pool(Thing, min_size=2, name="books")
    block = pool.obj()
    assert repr(block) == "<Lease of pool 'books': not begun>"
    with block as thing:
        with pytest.raises(PoolException, match="this lease of pool 'books' has an object already"), block:
            pytest.fail("it is not over")
        assert [lent.get("trace") for lent in pool.stats()["using"]] == [str(thing)]
    assert pool.stats()["nusing"] == 0
    block.__exit__(None, None, None)


def test_discard_within_a_block(scheduler: FakeScheduler, works: Works, caplog: pytest.LogCaptureFixture) -> None:
    """A broken object may be discarded within its block; the end of the block has nothing left to do."""
    pool = Pool(works.make, closer=works.close)
    with pool.obj() as thing:
        pool.discard(thing)
    assert works.closed == [thing]
    assert said(caplog) == []


def test_ret_within_a_block(scheduler: FakeScheduler, caplog: pytest.LogCaptureFixture) -> None:
    """A block whose object was given back, and lent to another meanwhile, takes it from nobody."""
    pool = Pool(Thing, 2)
    block = pool.obj()
    with block as thing:
        pool.ret(thing)
        assert pool.get(0) is thing
    assert pool.stats()["nusing"] == 1
    with block:
        assert pool.stats()["nusing"] == 2
    assert said(caplog) == []


def test_a_waiter_comes_at_the_end_of_a_block(scheduler: FakeScheduler) -> None:
    """A block that has just found nobody waiting looks again when its object is idle."""
    pool = Pool(Thing, 1, 1)
    shelves = core_of(pool).shelves

    def come() -> None:
        shelves.quick_rets_until = NEVER

    shelves.idle, before = Idle(come), shelves.idle
    shelves.idle.extend(before)
    with pool.obj():
        pass
    assert shelves.quick_rets_until != NEVER, "it was looked at, and nobody was there"


def test_an_object_is_killed_at_the_end_of_a_block(scheduler: FakeScheduler) -> None:
    """A block whose object another thread takes away at its end does nothing more."""
    pool = Pool(Thing, 1, 1)
    core_of(pool).shelves.using = Using()
    with pool.obj():
        pass
    assert pool.stats()["navail"] == 0, "it is in the hands of who has killed it"


def test_lease(scheduler: FakeScheduler) -> None:
    """A lease has its object until it is released; then it says that it has none."""
    pool = Pool(Thing, 1, name="books")
    lease = pool.lease()
    assert lease.obj.number == 0
    assert repr(lease) == "<Lease of pool 'books': object 0>"
    assert pool.stats()["nusing"] == 1
    lease.release()
    assert pool.stats()["nusing"] == 0
    with pytest.raises(PoolException, match="this lease of pool 'books' has ended: its object was given back"):
        _ = lease.obj
    assert repr(lease) == "<Lease of pool 'books': ended>"


@pytest.mark.parametrize("first", ["release", "discard"])
@pytest.mark.parametrize("second", ["release", "discard"])
def test_a_lease_ends_once(
    first: str, second: str, scheduler: FakeScheduler, works: Works, caplog: pytest.LogCaptureFixture
) -> None:
    """A second end of a lease does nothing, to whomever its object is lent by then."""
    pool = Pool(works.make, 1, closer=works.close)
    lease = pool.lease()
    thing = lease.obj
    getattr(lease, first)()
    assert (works.closed == [thing]) == (first == "discard")
    other = pool.get(0)
    getattr(lease, second)()
    assert other not in works.closed
    assert pool.stats()["nusing"] == 1
    assert said(caplog) == []


def test_lease_as_a_block(scheduler: FakeScheduler) -> None:
    """A lease used as a block gives the object and is released at the block's end, once."""
    pool = Pool(Thing, 1)
    lease = pool.lease()
    with lease as thing:
        assert thing is lease.obj
    assert pool.stats()["nusing"] == 0
    with pytest.raises(PoolException, match="has ended"), lease:
        pytest.fail("it is over")


def test_lease_discarded_in_a_block(scheduler: FakeScheduler, works: Works) -> None:
    """A lease may be discarded in its own block."""
    pool = Pool(works.make, closer=works.close)
    lease = pool.lease()
    with lease as thing:
        lease.discard()
    assert works.closed == [thing]
    assert pool.stats()["nusing"] == 0


def test_a_lease_and_a_return(scheduler: FakeScheduler, caplog: pytest.LogCaptureFixture) -> None:
    """An object given back by itself ends the loan: the lease does no harm to the next borrower."""
    pool = Pool(Thing, 1)
    lease = pool.lease()
    pool.ret(lease.obj)
    other = pool.lease()
    assert other.obj is lease.obj, "of two leases of one object, one is over"
    lease.release()
    lease.discard()
    assert pool.stats()["nusing"] == 1
    assert other.obj.number == 0
    other.release()
    assert said(caplog) == []


def test_errors_of_a_lease(scheduler: FakeScheduler, naps: Naps, caplog: pytest.LogCaptureFixture) -> None:
    """A lease that cannot be had leaves nothing behind."""
    pool = Pool(Thing, 1)
    thing = pool.get()
    with pytest.raises(TimeOut, match="timeout after 2 seconds"):
        pool.lease(2)
    pool.ret(thing)
    pool.shutdown()
    with pytest.raises(PoolClosed):
        pool.lease()
    gc.collect()
    scheduler.run()
    assert said(caplog) == []


def test_an_interrupted_lease_has_nothing(scheduler: FakeScheduler, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is thrown in when a lease has just got its object gives the object back at once."""
    pool = Pool(Thing, 1)
    kept: list[object] = []
    borrow = Loans[Thing].borrow

    def interrupted(loans: Loans[Thing], timeout: float | None, receipt: Receipt[Thing]) -> None:
        kept.append(receipt)
        assert isinstance(borrow(loans, timeout, receipt), Entry)
        raise Trouble

    monkeypatch.setattr(Loans, "borrow", interrupted)
    with pytest.raises(Trouble):
        pool.lease()
    assert pool.stats()["navail"] == 1


def test_a_lease_over_the_close(scheduler: FakeScheduler, works: Works) -> None:
    """A lease that outlives its pool closes its object when it is released."""
    pool = Pool(works.make, closer=works.close)
    lease = pool.lease()
    pool.shutdown()
    assert works.closed == []
    assert lease.obj.number == 0
    lease.release()
    assert works.alive == []


def test_a_lease_of_a_killed_object(
    scheduler: FakeScheduler, clock: HandMovedClock, works: Works, caplog: pytest.LogCaptureFixture
) -> None:
    """Releasing a lease whose object was killed meanwhile is harmless, and its repr says so."""
    pool = Pool(works.make, 1, min_size=0, max_using_delay_kill=5, closer=works.close, name="db")
    lease = pool.lease()
    assert repr(lease) == "<Lease of pool 'db': object 0>"
    clock.advance(6)
    pool.housekeep()
    assert works.closed == [works.made[0]]
    assert repr(lease) == "<Lease of pool 'db': object 0, not lent any more>"
    have_all_said()
    caplog.clear()
    lease.release()
    lease.discard()
    assert said(caplog) == []
    assert len(works.closed) == 1


# --- dropped -----------------------------------------------------------------------------------------


def test_a_dropped_lease_comes_back(scheduler: FakeScheduler, works: Works, caplog: pytest.LogCaptureFixture) -> None:
    """A lease that is dropped gives its object back, through the retter, with a warning that names pool and object."""
    returned: list[Thing] = []
    pool = Pool(works.make, 1, name="books", retter=returned.append)

    def borrow_and_forget() -> None:
        pool.lease()

    Caller(borrow_and_forget, "forgetful").result()
    assert returned == [], "no hook runs in a finalizer"
    scheduler.run()
    assert returned == works.made
    (line,) = said(caplog)
    assert line.startswith("pool 'books': the lease of thing 0 was dropped by thread 'forgetful'")
    assert line.endswith("without release()")
    assert pool.stats()["navail"] == 1


def test_a_quiet_lease_is_dropped_without_a_word(
    scheduler: FakeScheduler, works: Works, caplog: pytest.LogCaptureFixture
) -> None:
    """A quiet lease is one that is meant to be dropped: its object goes back by the retter, and nothing is said."""
    reset: list[Thing] = []
    pool = Pool(works.make, 1, retter=reset.append, closer=works.close)
    lease = pool.lease(quiet=True)
    thing = lease.obj
    del lease
    scheduler.run()
    assert pool.get(0) is thing
    assert reset == [thing]
    pool.ret(thing)
    pool.lease(quiet=True).release()
    scheduler.run()
    assert pool.stats()["navail"] == 1
    assert not caplog.records


@pytest.mark.parametrize("quiet", ["x", "", None, 0, 1])
def test_quiet_is_yes_or_no(quiet: Any, scheduler: FakeScheduler) -> None:
    """What is neither is refused, before anything is lent."""
    pool = Pool(Thing, 1)
    with pytest.raises(TypeError, match=f"^quiet must be True or False, not {quiet!r}$"):
        pool.lease(quiet=quiet)
    assert pool.stats()["nusing"] == 0
    pool.lease(quiet=False).release()


def test_a_dropped_lease_in_a_cycle(scheduler: FakeScheduler, caplog: pytest.LogCaptureFixture) -> None:
    """A lease in a garbage cycle comes back when the collector runs."""
    pool = Pool(Thing, 1)
    gc.disable()
    try:
        cycle: list[object] = [pool.lease()]
        cycle.append(cycle)
        del cycle
        scheduler.run()
        assert pool.stats()["nusing"] == 1
        gc.collect()
    finally:
        gc.enable()
    scheduler.run()
    assert pool.stats()["nusing"] == 0
    assert len(said(caplog)) == 1


def taken(*_: object) -> None:
    pytest.fail("the lock is taken")


def test_loans_take_no_lock(scheduler: FakeScheduler, diary: Diary, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever hooks there are, as long as an object is idle: threads that borrow do not wait for each other."""
    seen: list[Thing] = []

    def check(thing: Thing) -> bool:
        return True

    pool = Pool(Thing, 1, 1, getter=seen.append, retter=seen.append, health=check, health_before_get=0, observer=diary)
    with monkeypatch.context() as patch:
        patch.setattr(pool._core.guard, "locked", taken)
        with pool.obj() as thing:
            pass
        pool.ret(pool.get())
    assert seen == [thing] * 4
    assert [line[0] for line in diary.lines] == ["created", *["lent", "returned"] * 2]
    pool.get()
    assert [loan.owner for loan in pool.owners()] == ["thread 'MainThread'"]


def test_a_release_takes_no_lock(scheduler: FakeScheduler, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a rule, so that threads that release do not wait for each other."""
    pool = Pool(Thing, 1)
    lease = pool.lease()
    with monkeypatch.context() as patch:
        patch.setattr(pool._core.guard, "locked", taken)
        lease.release()
    assert pool.stats()["navail"] == 1


def test_the_next_borrower_sweeps(scheduler: FakeScheduler) -> None:
    """Who finds nothing idle looks for dropped leases himself, before he waits or creates."""
    pool = Pool(Thing, 1)
    thing = pool.lease().obj
    assert pool.get(0) is thing


def test_what_the_next_borrower_has_found_is_seen_to(scheduler: FakeScheduler, works: Works) -> None:
    """He leaves the retter to maintenance, and has it look: its look for that lease may have been before."""
    pool = Pool(works.make, 1, retter=lambda _: None)
    pool.lease(quiet=True)
    scheduler.asked.clear()
    with pytest.raises(TimeOut):
        pool.get(0)
    scheduler.run()
    assert pool.get(0) is works.made[0]


def test_a_dropped_lease_serves_a_waiter(scheduler: FakeScheduler, naps: Naps) -> None:
    """A waiter gets the object of a lease that is dropped while he waits."""
    pool = Pool(Thing, 1)
    leases = [pool.lease()]
    thing = leases[0].obj

    def drop() -> None:
        naps.clock.advance(1)
        leases.clear()
        scheduler.run()

    naps.meanwhile.append(drop)
    assert pool.get() is thing


def test_a_dropped_block(scheduler: FakeScheduler, caplog: pytest.LogCaptureFixture) -> None:
    """A block that never ends, in a generator that is dropped, gives its object back at once."""
    pool = Pool(Thing, 1)

    def read() -> Iterator[Thing]:
        with pool.obj() as thing:
            yield thing

    reading = read()
    next(reading)
    assert pool.stats()["nusing"] == 1
    del reading
    assert pool.stats()["nusing"] == 0
    block = pool.obj()
    block.__enter__()
    del block
    scheduler.run()
    assert pool.stats()["nusing"] == 0
    assert len(said(caplog)) == 1


def test_a_late_finalizer_harms_nobody(scheduler: FakeScheduler, caplog: pytest.LogCaptureFixture) -> None:
    """A lease that is dropped long after its loan has ended takes the object from nobody."""
    pool = Pool(Thing, 1)
    lease = pool.lease()
    pool.ret(lease.obj)
    other = pool.get(0)
    del lease
    scheduler.run()
    assert pool.stats()["nusing"] == 1
    assert said(caplog) == []
    pool.ret(other)


def test_a_lease_dropped_with_the_lock_held(scheduler: FakeScheduler) -> None:
    """A finalizer may run anywhere, even in a thread that holds the pool's lock: it waits for nothing."""
    pool = Pool(Thing, 1)
    leases = [pool.lease()]

    def drop() -> None:
        with pool._core.guard.lock:
            leases.clear()

    Caller(drop).result()
    scheduler.run()
    assert pool.stats()["nusing"] == 0


def test_a_dropped_lease_is_told_once(scheduler: FakeScheduler, caplog: pytest.LogCaptureFixture) -> None:
    """Of several threads that look after a dropped lease at once, one takes the object back and says so."""
    naming, go_on = threading.Event(), threading.Event()

    class Slow(Thing):
        def __repr__(self) -> str:
            if threading.current_thread().name == "slow":
                naming.set()
                wait_for(go_on)
            return "it"

    pool = Pool(Slow, 1)
    pool.lease()
    sweeping = Caller(scheduler.run, "slow")
    wait_for(naming)
    pool.stats()
    go_on.set()
    sweeping.result()
    assert len(said(caplog)) == 1
    assert pool.stats()["navail"] == 1


def test_a_dropped_lease_of_a_closed_pool(scheduler: FakeScheduler, works: Works) -> None:
    """The object of a dropped lease is closed where the pool is."""
    pool = Pool(works.make, closer=works.close)
    leases = [pool.lease()]
    pool.shutdown()
    leases.clear()
    scheduler.run()
    assert works.alive == []


def test_an_unborn_lease() -> None:
    """The finalizer of a lease whose constructor was interrupted has nothing to do."""

    class Mine(Lease[Thing]):
        pass

    Mine.__new__(Mine)


def test_released_in_another_thread(scheduler: FakeScheduler) -> None:
    """A lease may be handed to another thread and released there."""
    pool = Pool(Thing, 1)
    lease = pool.lease()
    Caller(lease.release).result()
    eventually(lambda: pool.stats()["navail"] == 1)


def test_leases_and_pools_are_not_copied(scheduler: FakeScheduler) -> None:
    """A copy would give the object back a second time, under whoever has it then, and close the pool of another."""
    pool = Pool(Thing, 1, name="db")
    with pool.lease() as thing, pytest.raises(TypeError, match=r"^cannot copy or pickle <Pool db: "):
        copy.copy(pool)
    lease = pool.lease()
    for duplicate in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(TypeError, match=r"^cannot copy or pickle <Lease of pool 'db': object 0>: its object would"):
            duplicate(lease)
    assert lease.obj is thing
    lease.release()


def test_a_block_keeps_its_pool(scheduler: FakeScheduler) -> None:
    """A pool that nobody refers to any more is used by the block that was asked for while somebody did."""
    block = Pool(Thing, 1).obj()
    gc.collect()
    scheduler.run()
    with block as thing:
        assert thing.number == 0
