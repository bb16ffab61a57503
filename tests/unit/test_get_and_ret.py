"""Lending and taking back: the right object, to one borrower at a time."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ProxyPatternPool import Pool, PoolValueError, TimeOut
from ProxyPatternPool._ledger.entry import Entry
from ProxyPatternPool._runtime.environment import Environment
from ProxyPatternPool._scheduler.process import using_scheduler

from .clock import FakeScheduler, HandMovedClock
from .helpers import Caller, Nuisance, Thing, Works, said


def test_an_object_is_used_again(scheduler: FakeScheduler, works: Works) -> None:
    """What was given back is lent again, and nothing else is created."""
    pool = Pool(works.make)
    thing = pool.get()
    pool.ret(thing)
    assert pool.get() is thing
    assert works.numbers == [0]


@pytest.mark.parametrize("way", ["get", "get with a timeout", "lease", "obj"])
def test_hot_objects_first(way: str, scheduler: FakeScheduler) -> None:
    """The object given back last is lent first, however it is borrowed."""
    pool = Pool(Thing, min_size=0)
    leases: list[object] = []

    def borrow() -> Thing:
        if way == "lease":
            lease = pool.lease()
            leases.append(lease)
            return lease.obj
        if way == "obj":
            block = pool.obj()
            leases.append(block)
            return block.__enter__()
        return pool.get() if way == "get" else pool.get(1)

    things = [pool.get() for _ in range(4)]
    for thing in things:
        pool.ret(thing)
    assert [borrow() for _ in range(4)] == things[::-1]


def test_nobody_shares(scheduler: FakeScheduler) -> None:
    """Whatever is lent is lent once."""
    pool = Pool(Thing, min_size=3)
    assert len({id(pool.get()) for _ in range(10)}) == 10


def test_get_with_a_timeout_needs_no_wait(scheduler: FakeScheduler, works: Works) -> None:
    """Whatever the timeout, what is idle is lent and what there is room for is created."""
    pool = Pool(works.make, 2)
    for timeout in (0, 0.0, 1, math.inf):
        first, second = pool.get(timeout), pool.get(timeout)
        pool.ret(first)
        pool.ret(second)
    assert len(works.made) == 2


@pytest.mark.parametrize("timeout", [-1, -0.5, math.nan, True, 10**400])
def test_senseless_timeouts(timeout: float, scheduler: FakeScheduler) -> None:
    """A timeout that makes no sense is refused at each call, and nothing is lent."""
    pool = Pool(Thing)
    for borrow in (pool.get, pool.lease):
        with pytest.raises(PoolValueError, match="timeout must be"):
            borrow(timeout)
    with pytest.raises(PoolValueError, match="timeout must be"), pool.obj(timeout):
        pytest.fail("it makes no sense")
    with pytest.raises(PoolValueError, match="timeout must be"):
        pool.shutdown(timeout)
    assert pool.stats()["nusing"] == 0
    assert not pool.stats()["shutdown"]


def test_timeouts_of_wrong_types(scheduler: FakeScheduler) -> None:
    """A timeout that is no number is a TypeError."""
    pool = Pool(Thing)
    with pytest.raises(TypeError, match="timeout must be a number of seconds, not '1'"):
        pool.get("1")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("kind", [list, dict, set, bytearray, Nuisance])
def test_objects_need_not_be_hashable_or_different(kind: type[object], scheduler: FakeScheduler) -> None:
    """Objects are told apart by identity: equal, unhashable and falsy ones are objects like any other."""
    pool = Pool(lambda number: kind(), 3, min_size=0)
    things = [pool.get(0) for _ in range(3)]
    with pytest.raises(TimeOut):
        pool.get(0)
    for thing in things:
        pool.ret(thing)
    assert pool.stats()["navail"] == 3
    assert {id(pool.get(0)) for _ in range(3)} == {id(thing) for thing in things}


@pytest.mark.parametrize("thing", [0, "", [], None, False, 0.0, ()])
def test_falsy_objects(thing: object, scheduler: FakeScheduler) -> None:
    """Falsy objects are lent, taken back and closed like any other."""
    closed: list[object] = []
    pool = Pool(lambda number: thing, 1, closer=closed.append, health=lambda thing: True)
    assert pool.get() is thing
    pool.ret(thing)
    pool.housekeep()
    with pool.obj() as borrowed:
        assert borrowed is thing
    with pool.lease() as borrowed:
        assert borrowed is thing
    pool.shutdown()
    assert len(closed) == 1
    assert closed[0] is thing


def test_a_second_return(scheduler: FakeScheduler, works: Works, caplog: pytest.LogCaptureFixture) -> None:
    """A second return of the same object gets a warning in the log, and nothing else."""
    returned: list[Thing] = []
    pool = Pool(works.make, name="books", retter=returned.append)
    thing = pool.get()
    pool.ret(thing)
    pool.ret(thing)
    assert returned == [thing]
    (line,) = said(caplog)
    assert line.startswith(
        "pool 'books': not lent here (or given back before, or killed), not taken back: <Thing at 0x"
    )
    assert pool.stats()["navail"] == 1
    assert (pool.get(), pool.get()) == (thing, works.made[1])


def test_a_second_discard(scheduler: FakeScheduler, works: Works, caplog: pytest.LogCaptureFixture) -> None:
    """Neither is what was given back discarded, nor what was discarded given back."""
    pool = Pool(works.make, min_size=0, closer=works.close)
    thing = pool.get()
    pool.ret(thing)
    pool.discard(thing)
    assert works.closed == []
    assert pool.get() is thing
    pool.discard(thing)
    pool.discard(thing)
    pool.ret(thing)
    assert works.closed == [thing]
    assert len(said(caplog)) == 3


def test_objects_of_others(scheduler: FakeScheduler, works: Works, caplog: pytest.LogCaptureFixture) -> None:
    """On an object that is not the pool's no hook ever runs, the tracer included; it gets a warning in the log."""
    touched: list[object] = []

    def name(thing: Thing) -> str:
        touched.append(thing)
        return "thing"

    pool = Pool(
        works.make,
        getter=touched.append,
        retter=touched.append,
        closer=touched.append,
        tracer=name,
    )
    touched.clear()  # the tracer has named the first of the pool's own
    stranger = Thing(99)
    pool.ret(stranger)
    pool.discard(stranger)
    assert touched == []
    assert len(said(caplog)) == 2
    assert pool.stats()["nobjs"] == 1


def test_objects_of_another_pool(scheduler: FakeScheduler, caplog: pytest.LogCaptureFixture) -> None:
    """An object goes back to the pool it came from, not to its neighbour."""
    pool, neighbour = Pool(Thing), Pool(Thing)
    thing = pool.get()
    neighbour.ret(thing)
    assert len(said(caplog)) == 1
    assert (pool.stats()["nusing"], neighbour.stats()["navail"]) == (1, 1)
    pool.ret(thing)
    assert pool.stats()["nusing"] == 0


def test_equal_is_not_the_same(scheduler: FakeScheduler, caplog: pytest.LogCaptureFixture) -> None:
    """An object that only equals a lent one is not taken back in its stead."""
    pool = Pool(lambda number: [number])
    thing = pool.get()
    pool.ret([0])
    assert pool.stats()["nusing"] == 1
    pool.ret(thing)
    assert pool.stats()["nusing"] == 0
    assert len(said(caplog)) == 1


def test_discard(scheduler: FakeScheduler, works: Works) -> None:
    """A broken object is closed, without its retter, and its place is free at once."""
    returned: list[Thing] = []
    pool = Pool(works.make, 1, closer=works.close, retter=returned.append)
    thing = pool.get()
    pool.discard(thing)
    assert works.closed == [thing]
    assert returned == []
    assert pool.get(0) is works.made[1]


def reset(thing: Thing) -> None:
    """Reset an object."""


@pytest.mark.parametrize("retter", [None, reset])
def test_max_use(retter: Callable[[Thing], None] | None, scheduler: FakeScheduler, works: Works) -> None:
    """An object is closed when it comes back from its last use, and counted as worn out."""
    pool = Pool(works.make, 1, max_use=3, closer=works.close, retter=retter)
    for use in range(7):
        thing = pool.get()
        assert thing.number == use // 3
        assert works.closed == works.made[:-1], "in use it is not closed"
        pool.ret(thing)
    assert len(works.closed) == 2
    assert pool.stats()["nwornout"] == 2


def test_max_use_of_one(scheduler: FakeScheduler, works: Works) -> None:
    """Objects that may be used once are never lent twice."""
    pool = Pool(works.make, max_use=1, closer=works.close)
    for use in range(3):
        with pool.obj() as thing:
            assert thing.number == use
    assert len(works.closed) == 3


def test_others_are_quicker(scheduler: FakeScheduler, works: Works) -> None:
    """Who sees idle objects, which others take before he does, is served like everyone who finds none."""
    pool = Pool(works.make, 4, 3, closer=works.close)
    shelves = pool._core.ledger.shelves
    taken: list[Entry[Thing]] = []

    class Shelf(deque[Entry[Thing]]):
        def pop(self) -> Entry[Thing]:  # type: ignore[override]
            taken.append(super().pop())
            raise IndexError

    shelves.idle = Shelf(shelves.idle)
    assert pool.get().number == 3
    assert len(taken) == 3
    shelves.idle = deque(taken)
    pool.shutdown()
    assert len(works.alive) == 1


def test_ret_from_another_thread(scheduler: FakeScheduler) -> None:
    """Who borrows need not be who gives back."""
    pool = Pool(Thing, 1)
    thing = Caller(pool.get).result()
    pool.ret(thing)
    assert pool.get(0) is thing


@given(st.lists(st.integers(min_value=-1, max_value=7), max_size=60))
def test_any_order(steps: list[int]) -> None:
    """Whatever is borrowed and given back in whatever order, nobody shares and the books balance."""
    clock = HandMovedClock()
    with using_scheduler(FakeScheduler(Environment(clock=clock))):
        pool = Pool(Thing, 8, 0)
    lent: list[Thing] = []
    for step in steps:
        if step < 0 and len(lent) < 8:
            thing = pool.get(0)
            assert thing not in lent
            lent.append(thing)
        elif 0 <= step < len(lent):
            pool.ret(lent.pop(step))
    stats = pool.stats()
    assert stats["nusing"] == len(lent) == stats["nborrows"] - stats["nreturns"]
    assert stats["navail"] + stats["nusing"] == stats["nobjs"] == stats["ncreated"]
