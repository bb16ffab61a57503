"""Pools that become garbage in a cycle, with all that refers to them, while objects are lent.

The collector runs the finalizers of everything in the cycle, in any order, before it takes anything apart: those of
entries that are lent or idle, too.
"""

from __future__ import annotations

import gc
import weakref
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import cast

import pytest

from ProxyPatternPool import Lease, Pool, PoolObserver
from ProxyPatternPool._engine import returns
from ProxyPatternPool._engine.core import Core
from ProxyPatternPool._engine.steps import run_rest
from ProxyPatternPool._ledger.entry import Entry
from ProxyPatternPool._scheduler.maintained import Maintained

from .clock import FakeScheduler, HandMovedClock
from .helpers import Thing, Works, said
from .test_return_races import interrupting

Shape = Callable[[Works], Pool[Thing]]


@pytest.fixture(autouse=True)
def collector() -> Iterator[None]:
    """Cycles are collected when a test says so."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


class Service:
    """A pool in its own object, whose hooks are the object's methods."""

    def __init__(self, works: Works, size: int = 3) -> None:
        self._works = works
        self.pool = Pool(self.connect, size, size, closer=self.close)

    def connect(self, number: int) -> Thing:
        return self._works.make(number)

    def close(self, thing: Thing) -> None:
        self._works.close(thing)


def in_its_object(works: Works) -> Pool[Thing]:
    return Service(works).pool


def in_a_closure(works: Works) -> Pool[Thing]:
    def close(thing: Thing) -> None:
        assert pool.name
        works.close(thing)

    pool = Pool(works.make, 3, 3, closer=close)
    return pool


def in_a_lambda_with_retter(works: Works) -> Pool[Thing]:
    holder: list[Pool[Thing]] = []
    holder.append(Pool(works.make, 3, 3, retter=lambda _: holder.copy(), closer=works.close))
    return holder[0]


class Watcher(PoolObserver[Thing]):
    """An observer that refers to what it observes."""

    pool: Pool[Thing]

    def lent(self, pool: str, obj: Thing, waited: float, /) -> None:
        assert self.pool.name == pool


def with_its_observer(works: Works) -> Pool[Thing]:
    watcher = Watcher()
    watcher.pool = Pool(works.make, 3, 3, closer=works.close, observer=watcher)
    return watcher.pool


SHAPES: list[Shape] = [in_its_object, in_a_closure, in_a_lambda_with_retter, with_its_observer]
shapes = pytest.mark.parametrize("shape", SHAPES)


@shapes
def test_a_plain_loan_is_not_closed(
    shape: Shape, scheduler: FakeScheduler, works: Works, caplog: pytest.LogCaptureFixture
) -> None:
    """What was borrowed with `get` stays open until the process ends, and what is idle is closed once."""
    lent = shape(works).get()
    gc.collect()
    scheduler.run()
    assert works.alive == [lent]
    assert len(works.closed) == 2
    (line,) = said(caplog)
    assert "closed while thread 'MainThread' has thing" in line
    gc.collect()
    scheduler.run()
    assert works.alive == [lent]
    scheduler.exit()
    assert works.alive == []


@shapes
def test_a_lease_outside_of_the_cycle(shape: Shape, scheduler: FakeScheduler, works: Works) -> None:
    """A lease that somebody has keeps its object open; when it is over nobody keeps the pool."""
    lease = shape(works).lease()
    gc.collect()
    scheduler.run()
    assert lease.obj in works.alive
    lease.release()
    del lease
    gc.collect()
    scheduler.run()
    assert works.alive == []
    assert not scheduler._kept_alive


def test_objects_that_refer_to_their_pool(scheduler: FakeScheduler) -> None:
    """Whoever has an object that refers to its pool keeps the pool; when he drops it the idle ones are closed."""
    closed: list[int] = []

    class Connection:
        def __init__(self, number: int, client: Client) -> None:
            self.number = number
            self.client = client

    class Client:
        def __init__(self) -> None:
            self.pool = Pool(self.make, 2, 2, closer=self.close)

        def make(self, number: int) -> Connection:
            return Connection(number, self)

        def close(self, connection: Connection) -> None:
            closed.append(connection.number)

    lent = Client().pool.get()
    gc.collect()
    scheduler.run()
    assert closed == []
    del lent
    gc.collect()
    scheduler.run()
    assert closed == [0]
    scheduler.exit()
    assert sorted(closed) == [0, 1]


@pytest.mark.parametrize("how", ["kept", "worn out", "interrupted after a close"])
def test_an_object_that_refers_to_its_lease(how: str, scheduler: FakeScheduler) -> None:
    """An object that is garbage with its lease and its pool is closed, though it refers to both, and they to it."""
    closed: list[object] = []

    class Connection:
        lease: Lease[Connection]
        pool: Pool[Connection]

    def borrow() -> None:
        pool = Pool(lambda _: Connection(), 1, 1, max_use=1 if how == "worn out" else None, closer=closed.append)
        scheduler.run()
        if how == "interrupted after a close":
            interrupting(pool._core, pool.shutdown)
        lease = pool.lease()
        lease.obj.lease, lease.obj.pool = lease, pool
        if how == "interrupted after a close":
            with suppress(KeyboardInterrupt):
                lease.release()

    borrow()
    gc.collect()
    scheduler.run()
    assert len(closed) == 1
    assert not scheduler._kept_alive


@shapes
def test_a_lease_in_the_cycle(
    shape: Shape, scheduler: FakeScheduler, works: Works, caplog: pytest.LogCaptureFixture
) -> None:
    """A lease that is garbage with its pool has its object closed; a loan beside it has not."""

    def borrow() -> Thing:
        pool = shape(works)
        cycle: list[object] = [pool, pool.lease()]
        cycle.append(cycle)
        return pool.get()

    lent = borrow()
    gc.collect()
    scheduler.run()
    assert works.alive == [lent]
    assert len(works.closed) == 2
    assert ["was dropped by" in line for line in said(caplog)].count(True) == 1


def test_maintenance_comes_in_the_middle(
    scheduler: FakeScheduler, works: Works, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However far the finalizers have come when the scheduler looks, nothing is closed twice, or while lent."""
    request_look = scheduler.request_look

    def look_at_once(maintained: object) -> None:
        request_look(maintained)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # whatever a look is asked for
        scheduler.run()

    def borrow() -> Thing:
        pool = in_a_lambda_with_retter(works)
        cycle: list[object] = [pool, pool.lease()]
        cycle.append(cycle)
        return pool.get()

    lent = borrow()
    monkeypatch.setattr(scheduler, "request_look", look_at_once)
    gc.collect()
    monkeypatch.undo()
    scheduler.run()
    assert works.alive == [lent]


def remembered(scheduler: FakeScheduler) -> Core[Thing]:
    """The one pool that the scheduler keeps."""
    (maintained,) = scheduler._kept_alive.values()
    return cast("Core[Thing]", maintained)


def lose(pool: Pool[Thing]) -> object:
    """Lose an idle entry to an exception whose traceback is in a cycle."""

    def interrupted() -> None:
        entry = pool._core.ledger.shelves.idle.pop()
        raise KeyboardInterrupt(entry)

    try:
        interrupted()
    except KeyboardInterrupt as error:
        return error.with_traceback  # which refers to the error, and this frame to that
    raise AssertionError


def test_a_lost_entry_in_the_same_cycle(scheduler: FakeScheduler, works: Works) -> None:
    """An entry that is lost, and lost with its pool, is closed as well."""

    def borrow() -> Thing:
        pool = in_its_object(works)
        cycle: list[object] = [lose(pool)]
        cycle.append(cycle)
        return pool.get()

    lent = borrow()
    gc.collect()
    scheduler.run()
    assert works.alive == [lent]


def test_a_lost_entry_is_found_before_its_cycle_is_taken_apart(
    scheduler: FakeScheduler, clock: HandMovedClock, works: Works
) -> None:
    """The scheduler may look while the collector still runs finalizers: it looks again a little later."""
    pool = Pool(works.make, 2, 1, closer=works.close)
    held = [pool._core.ledger.shelves.idle.pop()]  # by something that the collector is about to free
    pool._core.ledger.mailbox.orphans.append(held[0])
    at = scheduler.look_at(pool._core)
    assert works.closed == []
    assert at == clock() + returns.ORPHANS
    held.clear()
    scheduler.look_at(pool._core)
    assert works.closed == [works.made[0]]


def test_what_was_finalized_can_be_lost_later(scheduler: FakeScheduler, clock: HandMovedClock, works: Works) -> None:
    """An entry has one finalizer, which has run: lost on its way back, it is found all the same."""
    in_its_object(works).get()
    gc.collect()
    scheduler.run()
    core = remembered(scheduler)
    assert len(works.alive) == 1
    assert scheduler.look_at(core) == clock() + returns.LENT_ORPHANS
    core.ledger.shelves.using.clear()  # by a thread that was killed right then
    scheduler.look_at(core)
    assert works.alive == []
    assert not scheduler._kept_alive


def test_a_pool_that_came_back_is_known_again(scheduler: FakeScheduler, works: Works) -> None:
    """A pool that was garbage, and is kept for what it has lent, still hears finalizers, forks, and the exit."""
    in_its_object(works).get()
    gc.collect()
    scheduler.run()
    core = remembered(scheduler)
    assert scheduler.pools() == [core]
    assert len(core.ledger.places.entries()) == 1
    core.ledger.mailbox.request_look()
    asked = scheduler.asked.pop()
    assert isinstance(asked, weakref.ref)
    assert asked() is core


def test_a_pool_that_was_shut_down_is_kept_while_it_has_lent(scheduler: FakeScheduler, works: Works) -> None:
    """What is lent when a pool is shut down and dropped is closed at the end of the process, as any other."""
    pool = Pool(works.make, 2, 2, closer=works.close)
    lent = pool.get()
    pool.shutdown()
    del pool
    gc.collect()
    scheduler.run()
    assert works.alive == [lent]
    scheduler.exit()
    assert works.alive == []


def test_two_who_look_for_what_is_lost(scheduler: FakeScheduler, works: Works) -> None:
    """An entry is finished once, whoever else looks, and whatever is put where lost ones stand meanwhile."""
    pool = Pool(works.make, 2, 2, closer=works.close)
    ledger = pool._core.ledger
    ledger.shelves.idle.pop()
    orphans: deque[Entry[Thing]] = ledger.mailbox.orphans
    assert len(orphans) == 1
    pool._core.returns.read_mailbox()
    pool._core.returns.read_mailbox()
    scheduler.run()
    assert len(works.closed) == 1
    assert not orphans


def test_the_last_comes_back_while_its_pool_does(
    scheduler: FakeScheduler, works: Works, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pool that is kept alive for what it has lent, and has it back at that very moment, is let go again."""
    lent = Service(works, 1).pool.get()
    gc.collect()
    keep_alive = scheduler.keep_alive

    def keep_too_late(maintained: Maintained) -> None:
        run_rest(cast("Core[Thing]", maintained).returns.give_back(lent))
        keep_alive(maintained)

    monkeypatch.setattr(scheduler, "keep_alive", keep_too_late)
    scheduler.run()
    assert works.alive == []
    assert not scheduler._kept_alive


def test_a_pool_that_is_dropped_in_the_middle_of_a_look(
    scheduler: FakeScheduler, works: Works, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it has lent is closed at the interpreter's end at the latest: the next look keeps the pool for that."""
    handles = [Pool(works.make, closer=works.close)]
    core, lent = handles[0]._core, handles[0].get()
    read_mailbox = core.returns.read_mailbox

    def drop_and_read() -> bool:
        handles.clear()
        return read_mailbox()

    monkeypatch.setattr(core.returns, "read_mailbox", drop_and_read)
    scheduler.look_at(core)
    assert core.ledger.closed
    assert works.alive == [lent]
    assert [*scheduler._kept_alive.values()] == [core]


def test_what_was_finalized_is_out_of_sight_when_it_is_closed(scheduler: FakeScheduler, works: Works) -> None:
    """An entry whose finalizer has run is looked at as long as it has a place, and no longer."""
    lent = in_its_object(works).get()
    gc.collect()
    scheduler.run()
    core = remembered(scheduler)
    orphans = core.ledger.mailbox.orphans
    (entry,) = orphans
    run_rest(core.returns.give_back(lent))
    assert works.alive == []
    assert not orphans
    orphans.append(entry)  # as if it had not been taken out, for an exception thrown in
    core.returns.read_mailbox()
    assert not orphans
