"""Creating objects: outside the lock, never too many, each number once, and what fails loses no place."""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable

import pytest

from ProxyPatternPool import HookError, Pool, PoolException
from ProxyPatternPool._engine.steps import Steps
from ProxyPatternPool._ledger.entry import Entry

from .clock import FakeScheduler
from .helpers import Caller, Naps, Thing, Works, eventually, said, wait_for


def test_min_size_is_there_from_the_start(scheduler: FakeScheduler, works: Works) -> None:
    """A new pool has its min_size of objects, numbered from 0."""
    pool = Pool(works.make, 10, 3)
    assert works.numbers == [0, 1, 2]
    assert pool.stats()["navail"] == 3


@pytest.mark.usefixtures("naps")
def test_numbers_count_attempts(scheduler: FakeScheduler, works: Works) -> None:
    """The factory gets 0, 1, 2…; a creation that failed uses its number up."""
    pool = Pool(works.make, min_size=0)
    pool.get()
    works.failing = ConnectionError()
    with pytest.raises(ConnectionError):
        pool.get()
    works.failing = None
    pool.get()
    assert works.numbers == [0, 1, 2]
    stats = pool.stats()
    assert (stats["ncreating"], stats["ncreated"], stats["nerrors"]) == (3, 2, 1)


@pytest.mark.parametrize("error", [ConnectionError("no server"), KeyboardInterrupt(), SystemExit(3)])
def test_a_failure_reaches_who_creates(
    error: BaseException, scheduler: FakeScheduler, naps: Naps, works: Works
) -> None:
    """What the factory raises reaches the caller as it is, whatever it is, and no place is lost."""
    pool = Pool(works.make, 1, min_size=0)
    works.failing = error
    for _ in range(3):
        with pytest.raises(type(error)) as raised:
            pool.get()
        assert raised.value is error
    stats = pool.stats()
    assert stats["nobjs"] == 0
    assert stats["nerrors"] == 3
    assert stats["last_error"] == f"{type(error).__name__}: {error}"
    assert [fault[:4] for fault in pool._core.faults] == [("creation", type(error).__name__, str(error), 3)]
    works.failing = None
    naps.clock.advance(5)
    assert pool.get(0).number == 3
    assert pool.stats()["last_error"] is None


@pytest.mark.usefixtures("naps")
def test_a_factory_that_stops(scheduler: FakeScheduler) -> None:
    """A StopIteration that escapes from a factory ends no loop of its caller's: it is an error."""
    pool = Pool(lambda number: next(iter(())), 1, min_size=0)
    for _ in range(2):
        with pytest.raises(RuntimeError, match=r"^fun raised StopIteration$"):
            pool.get()
    assert pool.stats()["nobjs"] == 0


def test_interrupted_while_a_failure_is_noted(scheduler: FakeScheduler, works: Works) -> None:
    """What could not be opened is lent to nobody, and closed."""

    class Failure(BaseException):
        def __copy__(self) -> Failure:
            raise KeyboardInterrupt

    def open_it(thing: Thing) -> None:
        if thing.number == 0:
            raise Failure

    pool = Pool(works.make, 1, 0, opener=open_it, closer=works.close)
    with pytest.raises(KeyboardInterrupt):
        pool.get()
    gc.collect()
    scheduler.run()
    assert works.closed == works.made
    assert pool.get(0).number == 1


def test_a_failure_gives_its_place_to_the_next_waiter(scheduler: FakeScheduler) -> None:
    """Without a back-off the place of a failed creation goes at once to the next waiter, as a permit to create."""
    begun, go_on = threading.Event(), threading.Event()

    def make(number: int) -> Thing:
        if number == 0:
            begun.set()
            wait_for(go_on)
            raise ConnectionError
        return Thing(number)

    pool = Pool(make, 1, min_size=0, backoff=None)
    unlucky = Caller(pool.get)
    wait_for(begun)
    lucky = Caller(pool.get)
    eventually(lambda: pool.stats()["nwaiting"] == 1)
    go_on.set()
    with pytest.raises(ConnectionError):
        unlucky.result()
    assert lucky.result().number == 1


def test_every_waiter_meets_the_failure_itself(scheduler: FakeScheduler) -> None:
    """Without a back-off each waiter tries in turn while nothing can be created, and hears of it; nobody sleeps on."""
    begun, go_on = threading.Event(), threading.Event()

    def make(number: int) -> Thing:
        begun.set()
        wait_for(go_on)
        raise ConnectionError(number)

    pool = Pool(make, 1, min_size=0, backoff=None)
    callers = [Caller(pool.get)]
    wait_for(begun)
    callers += [Caller(pool.get) for _ in range(4)]
    eventually(lambda: pool.stats()["nwaiting"] == 4)
    go_on.set()
    for caller in callers:
        with pytest.raises(ConnectionError):
            caller.result()
    stats = pool.stats()
    assert (stats["nerrors"], stats["nobjs"], stats["nwaiting"]) == (5, 0, 0)


def test_a_slow_creation_holds_up_nobody(scheduler: FakeScheduler, works: Works) -> None:
    """While an object is being created others are lent and given back: no lock is held."""
    begun, go_on = threading.Event(), threading.Event()

    def make(number: int) -> Thing:
        if number == 1:
            begun.set()
            wait_for(go_on)
        return Thing(number)

    pool = Pool(make, 2)
    first = pool.get()
    caller = Caller(pool.get)
    wait_for(begun)
    pool.ret(first)
    assert pool.get(0) is first
    stats = pool.stats()
    assert (stats["nobjs"], stats["ncreated"], stats["ncreating"]) == (2, 1, 2)
    go_on.set()
    assert caller.result().number == 1


def test_creations_go_on_in_parallel(scheduler: FakeScheduler) -> None:
    """Callers who find an empty pool create side by side: all of them are in the factory at once."""
    together = threading.Barrier(8)

    def make(number: int) -> Thing:
        together.wait(20)
        return Thing(number)

    pool = Pool(make, 8, min_size=0)
    callers = [Caller(pool.get) for _ in range(8)]
    assert sorted(caller.result().number for caller in callers) == list(range(8))


def test_never_more_than_max_size(scheduler: FakeScheduler) -> None:
    """However many create at once, there are never more objects than max_size, and no number is given twice."""
    works = Works(bound=3)
    pool = Pool(works.make, 3, closer=works.close, max_use=2)
    rounds = 40
    start = threading.Barrier(8)

    def job() -> None:
        start.wait(20)
        for _ in range(rounds):
            with pool.obj():
                pass

    for caller in [Caller(job) for _ in range(8)]:
        caller.result()
    assert len(set(works.numbers)) == len(works.numbers)
    stats = pool.stats()
    assert stats["nuses"] == 8 * rounds
    assert stats["nobjs"] == stats["navail"] == len(works.alive)
    assert stats["ncreated"] - stats["ndestroys"] == len(works.alive)


def test_a_place_is_taken_until_the_closer_returns(scheduler: FakeScheduler, works: Works) -> None:
    """An object that is being closed still counts: its successor is created when its closer has returned."""
    closing, go_on = threading.Event(), threading.Event()

    def close(thing: Thing) -> None:
        closing.set()
        wait_for(go_on)
        works.close(thing)

    works.bound = 1
    pool = Pool(works.make, 1, min_size=0, closer=close)
    thing = pool.get()
    discarding = Caller(lambda: pool.discard(thing))
    wait_for(closing)
    waiting = Caller(pool.get)
    eventually(lambda: pool.stats()["nwaiting"] == 1)
    stats = pool.stats()
    assert (stats["nobjs"], stats["ntodel"], stats["sem"]) == (1, 1, {"value": 0, "init": 1})
    go_on.set()
    discarding.result()
    assert waiting.result().number == 1


@pytest.mark.usefixtures("naps")
@pytest.mark.parametrize("min_size", [0, 1])
def test_duplicates_are_refused(min_size: int, scheduler: FakeScheduler, works: Works) -> None:
    """A factory that gives an object which the pool has already is told so; the object stays as it was."""
    shared = Thing(0)
    pool = Pool(lambda number: shared, 2, min_size, name="books", closer=works.close)
    assert pool.get() is shared
    for _ in range(2):
        with pytest.raises(PoolException, match="pool 'books': fun returned an object that is in the pool already"):
            pool.get()
    assert works.closed == []
    assert pool.stats()["nobjs"] == 1
    assert pool.stats()["nerrors"] == 2
    pool.ret(shared)
    assert pool.get() is shared
    pool.discard(shared)
    assert works.closed == [shared]
    works.closed.clear()
    assert pool.get() is shared, "it may come back once it is gone"


# --- at construction ----------------------------------------------------------------------------------


def test_failures_at_construction_are_logged(
    scheduler: FakeScheduler, works: Works, caplog: pytest.LogCaptureFixture
) -> None:
    """A pool can be made before its server is up: the failure is logged, with the time of the next attempt."""
    works.failing = ConnectionError("no server")
    pool = Pool(works.make, 5, 3, name="books")
    (line,) = said(caplog)
    assert line.startswith("pool 'books': creation failed, next attempt in 0.0")
    assert line.endswith("ConnectionError('no server')")
    assert works.numbers == [0], "one attempt is enough for now"
    assert pool.stats()["last_error"] == "ConnectionError: no server"


def test_an_interruption_at_construction(scheduler: FakeScheduler, works: Works) -> None:
    """What is no Exception reaches who makes the pool, and what was created before is closed."""

    def make(number: int) -> Thing:
        if number == 2:
            raise KeyboardInterrupt
        return works.make(number)

    with pytest.raises(KeyboardInterrupt):
        Pool(make, min_size=3, closer=works.close)
    assert len(works.made) == 2
    assert works.alive == []


# --- the opener --------------------------------------------------------------------------------------


def fail(thing: Thing) -> None:
    raise ConnectionError(f"{thing} is not so")


def test_the_opener_comes_first_and_once(scheduler: FakeScheduler) -> None:
    """The opener sees each object once, before the getter and before anyone has it."""
    seen: list[tuple[str, int]] = []
    pool = Pool(
        Thing,
        opener=lambda thing: seen.append(("open", thing.number)),
        getter=lambda thing: seen.append(("get", thing.number)),
    )
    assert seen == [("open", 0)]
    for _ in range(2):
        pool.ret(pool.get())
    assert seen == [("open", 0), ("get", 0), ("get", 0)]


def test_a_failed_opener_is_logged(scheduler: FakeScheduler, works: Works, caplog: pytest.LogCaptureFixture) -> None:
    """By default a failing opener is logged with the object's name and counted, and the object goes on."""
    pool = Pool(works.make, 1, min_size=0, opener=fail, name="books", closer=works.close)
    thing = pool.get()
    assert said(caplog) == ["pool 'books': opener failed on thing 0: ConnectionError('thing 0 is not so')"]
    assert works.closed == []
    stats = pool.stats()
    assert (stats["hook_errors"], stats["nerrors"], stats["ncreated"]) == (1, 0, 1)
    pool.ret(thing)


def test_a_failed_opener_discards(scheduler: FakeScheduler, works: Works, caplog: pytest.LogCaptureFixture) -> None:
    """Under "discard" an object whose opener failed is closed, and the caller gets the error, as a cause."""
    pool = Pool(works.make, 1, min_size=0, opener=fail, hook_errors="discard", closer=works.close)
    with pytest.raises(HookError, match="opener failed") as raised:
        pool.get()
    assert isinstance(raised.value.__cause__, ConnectionError)
    assert works.closed == works.made
    stats = pool.stats()
    assert (stats["hook_errors"], stats["nerrors"], stats["nobjs"]) == (1, 1, 0)
    assert stats["last_error"] is not None
    assert stats["last_error"].startswith("HookError: opener failed")
    assert said(caplog) == []


@pytest.mark.parametrize("policy", ["log", "discard"])
def test_an_interrupted_opener(policy: str, scheduler: FakeScheduler, works: Works) -> None:
    """An object whose opener was interrupted is closed under either policy: nobody knows its state."""

    def interrupted(thing: Thing) -> None:
        raise KeyboardInterrupt

    pool = Pool(
        works.make,
        1,
        min_size=0,
        opener=interrupted,
        closer=works.close,
        hook_errors="log" if policy == "log" else "discard",
    )
    with pytest.raises(KeyboardInterrupt):
        pool.get()
    assert works.closed == works.made
    assert pool.stats()["nobjs"] == 0


def test_interrupted_at_construction_while_another_has_an_object(
    scheduler: FakeScheduler, naps: Naps, works: Works
) -> None:
    """Nobody waits for that: it is closed when it comes back."""
    made: list[Pool[Thing]] = []
    kept: list[Thing] = []

    class Own(Pool[Thing]):
        def __init__(self) -> None:
            made.append(self)
            super().__init__(make, 2, 2, closer=works.close)

    def make(number: int) -> Thing:
        if number:
            kept.append(made[0].get())
            raise KeyboardInterrupt
        return works.make(number)

    with pytest.raises(KeyboardInterrupt):
        Own()
    assert naps.asked == []
    assert works.closed == []
    made[0].ret(kept[0])
    assert works.closed == works.made


def test_a_failed_opener_at_construction(
    scheduler: FakeScheduler, works: Works, caplog: pytest.LogCaptureFixture
) -> None:
    """Under "discard" a failing opener is a failed creation at construction too."""
    Pool(works.make, opener=fail, hook_errors="discard", closer=works.close)
    assert works.closed == works.made
    assert "creation failed, next attempt in" in said(caplog)[0]


# --- closed meanwhile ----------------------------------------------------------------------------------


def creating_while(works: Works, what: Callable[[], object]) -> Pool[Thing]:
    """A pool with a factory during whose second call something happens."""

    def make(number: int) -> Thing:
        if number == 1:
            what()
        return works.make(number)

    return Pool(make, 5, closer=works.close)


def test_a_close_during_a_creation(scheduler: FakeScheduler, works: Works) -> None:
    """An object whose creation outlasts the pool is closed, and its caller hears that the pool is."""
    pool = creating_while(works, lambda: pool.shutdown())
    lent = pool.get()
    with pytest.raises(PoolException, match="is closed"):
        pool.get()
    assert works.closed == [works.made[1]]
    pool.ret(lent)
    assert works.alive == []


def test_a_close_during_a_refill(scheduler: FakeScheduler, works: Works) -> None:
    """The same for what a refill creates."""
    pool = creating_while(works, lambda: pool.shutdown())
    pool.discard(pool.get())
    scheduler.run()
    assert len(works.made) == 2
    assert works.alive == []


def test_an_interruption_right_after_the_factory(
    scheduler: FakeScheduler, works: Works, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An object that was created and not yet entered when its caller was interrupted is closed."""
    pool = Pool(works.make, 1, min_size=0, closer=works.close)
    make = pool._core.hooks.make

    def make_and_interrupt(entry: Entry[Thing]) -> Steps[None]:
        yield from make(entry)
        raise KeyboardInterrupt

    monkeypatch.setattr(pool._core.hooks, "make", make_and_interrupt)
    with pytest.raises(KeyboardInterrupt):
        pool.get()
    assert works.closed == works.made
    assert len(works.made) == 1
    assert pool.stats()["nobjs"] == 0
    monkeypatch.undo()
