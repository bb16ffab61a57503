"""What is dropped is closed: pools, leases, and entries lost to whatever was thrown in at the worst moment."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator

import pytest

from ProxyPatternPool import AsyncPool, Pool
from ProxyPatternPool._ledger.entry import Entry, Mailbox
from ProxyPatternPool._pool.pool import core_of
from ProxyPatternPool._proxy.weak_set import WeakIdentitySet

from .clock import FakeScheduler, HandMovedClock
from .helpers import Caller, Thing, Works, said


@pytest.fixture(autouse=True)
def collector() -> Iterator[None]:
    """What these tests see is not the collector's luck."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def test_a_dropped_pool_closes_its_objects(scheduler: FakeScheduler, works: Works) -> None:
    """Dropping a pool closes what is idle, not in the finalizer but in a worker, and ends its maintenance."""
    pool = Pool(works.make, min_size=3, max_avail_delay=60, closer=works.close)
    core = weakref.ref(pool._core)
    scheduler.run()
    del pool
    assert works.closed == [], "no hook runs in a finalizer"
    scheduler.run()
    assert len(works.closed) == 3
    assert core() is None, "nobody keeps what is left of it"


def test_a_dropped_pool_without_objects(scheduler: FakeScheduler, works: Works) -> None:
    """A pool with nothing in it leaves nothing to do."""
    pool = Pool(works.make, min_size=0)
    scheduler.run()
    del pool
    assert not scheduler.asked


def test_a_closed_pool_is_dropped_in_silence(
    scheduler: FakeScheduler, works: Works, caplog: pytest.LogCaptureFixture
) -> None:
    """A pool that was closed properly is dropped without a word."""
    pool = Pool(works.make, closer=works.close)
    pool.shutdown()
    scheduler.run()
    del pool
    assert not scheduler.asked, "there is nothing to do"
    scheduler.run()
    assert len(works.closed) == 1
    assert said(caplog) == []


def test_a_pool_that_is_dropped_before_a_refill(scheduler: FakeScheduler, works: Works) -> None:
    """What maintenance creates in a pool that had nothing when it was dropped is closed."""
    pool = Pool(works.make, min_size=1, closer=works.close)
    pool.discard(pool.get())
    core = pool._core
    core.run_due()
    del pool
    core.run_chores()
    del core
    assert len(works.made) == 2
    scheduler.run()
    assert works.alive == []
    assert not list(scheduler.pools()), "nobody keeps what is left of it"


def test_a_pool_in_a_cycle(scheduler: FakeScheduler, works: Works) -> None:
    """A pool that is part of a garbage cycle is closed when the collector runs."""

    class Application:
        def __init__(self) -> None:
            self.pool = Pool(works.make, min_size=2, closer=works.close)
            self.myself = self

    application = Application()
    del application
    scheduler.run()
    assert works.closed == []
    gc.collect()
    scheduler.run()
    assert len(works.closed) == 2


def test_objects_that_refer_to_their_pool(scheduler: FakeScheduler, works: Works) -> None:
    """Objects, factory and closer may refer to the pool: none of them keeps it alive."""

    class Client:
        def __init__(self) -> None:
            self.pool = Pool(self.make, min_size=2, closer=self.close)
            self.closed = 0

        def make(self, number: int) -> tuple[Client, Thing]:
            return self, works.make(number)

        def close(self, thing: tuple[Client, Thing]) -> None:
            works.close(thing[1])

    client = Client()
    gone = weakref.ref(client.pool._core)
    client.pool.ret(client.pool.get())
    del client
    gc.collect()
    scheduler.run()
    assert len(works.closed) == 2
    gc.collect()
    assert gone() is None


def test_everything_in_one_cycle(scheduler: FakeScheduler, works: Works, caplog: pytest.LogCaptureFixture) -> None:
    """A pool, its lease and its objects that become garbage together: every object is closed, once."""

    def borrow() -> None:
        pool = Pool(works.make, 3, 3, closer=works.close)
        cycle: list[object] = [pool, pool.lease()]
        cycle.append(cycle)

    borrow()
    gc.collect()
    scheduler.run()
    assert len(works.closed) == 3
    assert len(said(caplog)) == 1


def test_a_lease_outlives_its_pool(scheduler: FakeScheduler, works: Works) -> None:
    """A lease whose pool was dropped is good until it is released; then its object is closed."""
    pool = Pool(works.make, 2, 2, closer=works.close)
    lease = pool.lease()
    del pool
    scheduler.run()
    assert works.alive == [lease.obj]
    lease.release()
    scheduler.run()
    assert works.alive == []


def test_a_lease_dropped_after_its_pool(scheduler: FakeScheduler, works: Works) -> None:
    """A lease that is dropped when its pool is already gone has its object closed all the same."""
    pool = Pool(works.make, closer=works.close)
    leases = [pool.lease()]
    del pool
    scheduler.run()
    leases.clear()
    gc.collect()
    scheduler.run()
    assert works.alive == []


def test_what_a_dropped_pool_has_lent(scheduler: FakeScheduler, works: Works, caplog: pytest.LogCaptureFixture) -> None:
    """A pool dropped while objects are lent says so, and is remembered until the last of them has come back."""
    pool = Pool(works.make, 2, 0, name="books", closer=works.close)
    leases = [pool.lease(), pool.lease()]
    core = weakref.ref(pool._core)
    del pool
    scheduler.run()
    assert [line.startswith("pool 'books': closed while thread 'MainThread' has thing") for line in said(caplog)] == [
        True,
        True,
    ]
    leases.pop().release()
    assert scheduler._kept_alive
    leases.pop().release()
    assert works.alive == []
    scheduler.run()
    assert not scheduler._kept_alive
    assert core() is None


def test_the_pool_is_not_kept_by_its_objects_owners(scheduler: FakeScheduler) -> None:
    """Neither loans nor leases keep the public pool alive."""
    pool = Pool(Thing)
    gone = weakref.ref(pool)
    lease = pool.lease()
    del pool
    assert gone() is None
    assert lease.obj.number == 0


def test_a_lost_idle_entry(scheduler: FakeScheduler, works: Works, caplog: pytest.LogCaptureFixture) -> None:
    """An object lost on its way from the shelf to its borrower is closed, and its place is free again."""
    works.bound = 1
    pool = Pool(works.make, 1, closer=works.close)
    pool._core.ledger.shelves.idle.pop()  # by a thread that was killed right then
    scheduler.run()
    assert works.closed == [works.made[0]]
    assert pool.stats()["nobjs"] == 1, "replaced, since min_size is 1"
    assert pool.get(0).number == 1
    assert said(caplog) == []


def test_a_lost_permit(scheduler: FakeScheduler, works: Works) -> None:
    """A place that was to be filled by a thread that was killed is free again."""
    pool = Pool(works.make, 1, min_size=0)
    with pool._core.guard.lock:
        pool._core.ledger.places.reserve()
    scheduler.run()
    assert pool.get(0).number == 1
    assert pool.stats()["nobjs"] == 1


def test_lost_uses_are_not_forgotten(scheduler: FakeScheduler, works: Works) -> None:
    """The counters stay exact when an entry is lost."""
    pool = Pool(works.make, 2, 0, closer=works.close)
    for _ in range(3):
        pool.ret(pool.get())
    pool._core.ledger.shelves.idle.pop()
    scheduler.run()
    stats = pool.stats()
    assert (stats["nuses"], stats["ncreated"], stats["ndestroys"], stats["nobjs"]) == (3, 1, 1, 0)
    assert stats["nborrows"] == stats["nreturns"] == 3


def test_a_false_alarm(scheduler: FakeScheduler, works: Works) -> None:
    """An entry that was thought lost and is not is left where it is."""
    pool = Pool(works.make, 2, 2, closer=works.close)
    thing = pool.get()
    ledger = pool._core.ledger
    ledger.mailbox.orphans.extend([ledger.shelves.idle[0], ledger.shelves.using[id(thing)]])
    pool.stats()
    scheduler.run()
    assert works.closed == []
    pool.ret(thing)
    assert pool.stats()["navail"] == 2


def test_one_look_finds_all(scheduler: FakeScheduler, works: Works) -> None:
    """What is lost is closed after one look, though a false alarm came before; so is what a dropped lease wore out."""
    pool = Pool(works.make, 4, 4, closer=works.close, max_use=1)
    core = pool._core
    leases = [pool.lease(quiet=True)]
    idle = core.ledger.shelves.idle
    core.ledger.mailbox.orphans.append(idle[0])
    for _ in range(2):
        idle.pop()  # by threads that were killed right then
    leases.clear()
    core.run_due()
    core.run_chores(hub=False)
    assert len(works.closed) == 3
    assert len(idle) == 1


def test_interrupted_just_before_the_closer(
    scheduler: FakeScheduler, works: Works, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An object whose thread was interrupted on its way to the closer is closed by a worker."""
    pool = Pool(works.make, 1, 0, closer=works.close)
    thing = pool.get()

    def interrupted(entry: Entry[Thing]) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(pool._core.hooks, "close", interrupted)
    with pytest.raises(KeyboardInterrupt):
        pool.discard(thing)
    monkeypatch.undo()
    assert works.closed == []
    assert pool.stats()["nobjs"] == 1, "its place is taken until then"
    scheduler.run()
    assert works.closed == [thing]
    assert pool.stats()["nobjs"] == 0


def test_a_weak_set() -> None:
    """It has what lives, also what is equal and cannot be hashed, and remembers nothing of what has gone."""
    one, other = {1}, {1}
    members: WeakIdentitySet[set[int]] = WeakIdentitySet()
    for member in (one, other, one):
        members.add(member)
    assert list(map(id, members)) == [id(one), id(other)]
    del one, member
    assert list(map(id, members)) == [id(other)]
    assert len(members._members) == 1


def test_an_unborn_entry() -> None:
    """The finalizer of an entry whose constructor was interrupted has nothing to do."""
    mailbox: Mailbox[Thing] = Mailbox(lambda: None)

    class Mine(Entry[Thing]):
        pass

    Mine.__new__(Mine)
    assert not mailbox


def test_finalizers_in_a_hundred_threads(scheduler: FakeScheduler, works: Works) -> None:
    """Whatever threads leave behind when they end comes back."""
    pool = Pool(works.make, 4, 0, closer=works.close)

    def borrow_and_forget() -> None:
        for _ in range(10):
            pool.lease()

    gc.enable()
    for caller in [Caller(borrow_and_forget) for _ in range(10)]:
        caller.result()
    scheduler.run()
    stats = pool.stats()
    assert stats["nusing"] == 0
    assert stats["navail"] == stats["nobjs"] == len(works.made) <= 4
    assert stats["nborrows"] == stats["nreturns"] == 100


def test_errors_keep_nothing_alive(scheduler: FakeScheduler, clock: HandMovedClock) -> None:
    """The creation error that a pool remembers keeps none of its caller's objects alive."""

    def make(number: int) -> Thing:
        raise ConnectionError

    class Big:
        pass

    pool = Pool(make, min_size=0)

    def try_in_vain() -> weakref.ref[Big]:
        big = Big()
        with pytest.raises(ConnectionError):
            pool.get()
        return weakref.ref(big)

    gone = try_in_vain()
    gc.collect()
    assert gone() is None
    assert pool.stats()["last_error"] == "ConnectionError: "


def test_nothing_is_done_when_the_interpreter_ends(scheduler: FakeScheduler, works: Works) -> None:
    """Finalizers run then with the modules of this package emptied, and there is nobody left to close anything."""
    pool = Pool(works.make, max_size=2)
    lease = pool.lease()
    (entry,) = core_of(pool).ledger.places.entries()
    tasks = AsyncPool(works.make)
    scheduler.run()
    for dropped in (entry, lease, pool, tasks):
        dropped.__del__(lambda: True)
    assert not scheduler.asked
    assert pool.stats()["nusing"] == 1
    lease.discard()
    assert pool.get() is works.made[1], "the pool is as it was"
