"""An observer is told of everything once, and in order."""

from __future__ import annotations

import contextvars
from collections.abc import Callable

import pytest

from ProxyPatternPool import (
    HookError,
    Pool,
    PoolClosed,
    TimeOut,
    TooManyWaiting,
)
from ProxyPatternPool._inspect.totals import total
from ProxyPatternPool._runtime.process import this_process

from .clock import FakeScheduler, HandMovedClock
from .diary import Diary
from .helpers import Naps, Thing, Works
from .observed import Disturbing, Failure, Line, Thrown, events, fail


def test_created(scheduler: FakeScheduler, clock: HandMovedClock, works: Works, diary: Diary) -> None:
    """A new object is told of with the time that the factory and the opener took."""

    def make(number: int) -> Thing:
        clock.advance(2)
        return works.make(number)

    pool = Pool(make, 3, 2, opener=lambda _: clock.advance(0.5), observer=diary, name="db")
    assert diary.read() == [("created", thing, 2.5) for thing in works.made]
    assert diary.pools == {"db"}
    nameless = Pool(works.make, observer=diary)
    assert diary.pools == {"db", f"#{nameless.stats()['id']}"}
    assert pool.stats()["observer_errors"] == 0


@pytest.mark.parametrize("error", [Failure(), Thrown()])
def test_creation_failed(
    error: BaseException, scheduler: FakeScheduler, clock: HandMovedClock, works: Works, diary: Diary
) -> None:
    """A factory that fails is told of with its error and the time it took."""

    def make(_: int) -> Thing:
        clock.advance(3)
        raise error

    pool = Pool(make, min_size=0, observer=diary)
    with pytest.raises(type(error)):
        pool.get()
    assert diary.read() == [("creation_failed", error, 3.0)]
    assert pool.stats()["nobjs"] == 0


@pytest.mark.parametrize("strict", [False, True])
def test_opener_failed(strict: bool, scheduler: FakeScheduler, works: Works, diary: Diary) -> None:
    """An opener that fails is told of; if the object is discarded it has never been there."""
    pool = Pool(
        works.make,
        min_size=0,
        opener=fail,
        closer=works.close,
        hook_errors="discard" if strict else "log",
        observer=diary,
    )
    if strict:
        with pytest.raises(HookError):
            pool.get()
        hook, creation = diary.read()
        assert isinstance(creation[1], HookError)
        assert creation[1].__cause__ is hook[2]
        assert works.closed == works.made
    else:
        pool.get()
        hook, created, lent = diary.read()
        assert events([created, lent]) == ["created", "lent"]
    assert hook[:2] == ("hook_failed", "opener")
    assert isinstance(hook[2], Failure)


def test_a_loan(scheduler: FakeScheduler, clock: HandMovedClock, works: Works, diary: Diary) -> None:
    """Each loan begins and ends, with the time it took, whatever way it is borrowed."""
    pool = Pool(works.make, 1, observer=diary, getter=lambda _: diary.note("db", "getter"))
    (thing,) = works.made
    diary.read()
    expected: list[Line] = [("lent", thing, 0.0), ("getter",), ("returned", thing, 2.0)]
    pool.get()
    clock.advance(2)
    pool.ret(thing)
    assert diary.read() == expected
    with pool.obj():
        clock.advance(2)
    assert diary.read() == expected
    lease = pool.lease(5)
    clock.advance(2)
    lease.release()
    lease.release()
    assert diary.read() == expected


def test_a_wait(scheduler: FakeScheduler, clock: HandMovedClock, naps: Naps, works: Works, diary: Diary) -> None:
    """The time from the call to the loan is told, be it spent in the queue or with a creation."""

    def make(number: int) -> Thing:
        clock.advance(10)
        return works.make(number)

    pool = Pool(make, 1, 0, observer=diary)
    thing = pool.get()
    assert diary.read() == [("created", thing, 10.0), ("lent", thing, 10.0)]

    def after(seconds: float, end: Callable[[Thing], None]) -> None:
        clock.advance(seconds)
        end(thing)

    naps.meanwhile.append(lambda: after(3, pool.ret))
    assert pool.get() is thing
    assert diary.read() == [("returned", thing, 3.0), ("lent", thing, 3.0)]
    naps.meanwhile.append(lambda: after(4, pool.discard))
    other = pool.get()
    assert diary.read() == [
        ("returned", thing, 4.0),
        ("discarded", thing, "broken"),
        ("created", other, 10.0),
        ("lent", other, 14.0),
    ]
    assert pool.stats()["wait_time"] == 7.0


def test_timed_out(scheduler: FakeScheduler, naps: Naps, works: Works, diary: Diary) -> None:
    """Who gets nothing in time is told of with the time it waited, who does not wait with none."""
    pool = Pool(works.make, 1, observer=diary)
    pool.get()
    diary.read()
    for timeout in (2.5, 0):
        with pytest.raises(TimeOut):
            pool.get(timeout)
    assert diary.read() == [("timed_out", 2.5), ("timed_out", 0.0)]


@pytest.mark.parametrize("strict", [False, True])
def test_getter_failed(strict: bool, scheduler: FakeScheduler, works: Works, diary: Diary) -> None:
    """A getter that fails is told of; if the object is discarded for it, its loan is over."""
    pool = Pool(works.make, 1, getter=fail, hook_errors="discard" if strict else "log", observer=diary)
    (thing,) = works.made
    diary.read()
    if strict:
        with pytest.raises(HookError):
            pool.get()
    else:
        pool.get()
    lines = diary.read()
    assert lines[0] == ("lent", thing, 0.0)
    assert lines[1][:2] == ("hook_failed", "getter")
    assert lines[2:] == ([("returned", thing, 0.0), ("discarded", thing, "hook")] if strict else [])


def test_an_interrupted_getter(scheduler: FakeScheduler, works: Works, diary: Diary) -> None:
    """What an interruption of a getter leaves behind is discarded for that."""

    def interrupt(_: Thing) -> None:
        raise Thrown

    pool = Pool(works.make, 1, getter=interrupt, observer=diary)
    (thing,) = works.made
    with pytest.raises(Thrown):
        pool.get()
    assert diary.read()[1:] == [("lent", thing, 0.0), ("returned", thing, 0.0), ("discarded", thing, "interrupted")]


@pytest.mark.parametrize("error", [Failure, Thrown])
def test_retter_failed(error: type[BaseException], scheduler: FakeScheduler, works: Works, diary: Diary) -> None:
    """A retter that fails is told of, and the object discarded for it."""

    def retter(_: Thing) -> None:
        raise error

    pool = Pool(works.make, 1, 0, retter=retter, observer=diary)
    thing = pool.get()
    diary.read()
    if error is Thrown:
        with pytest.raises(Thrown):
            pool.ret(thing)
        assert diary.read() == [("returned", thing, 0.0), ("discarded", thing, "interrupted")]
    else:
        pool.ret(thing)
        returned, hook, discarded = diary.read()
        assert (returned, discarded) == (("returned", thing, 0.0), ("discarded", thing, "retter"))
        assert hook[:2] == ("hook_failed", "retter")


def test_closer_failed(scheduler: FakeScheduler, works: Works, diary: Diary) -> None:
    """A closer that fails is told of, after the end of the object, for which it was called."""
    pool = Pool(works.make, 1, closer=fail, observer=diary)
    pool.shutdown()
    _, discarded, hook = diary.read()
    assert discarded == ("discarded", works.made[0], "shutdown")
    assert hook[:2] == ("hook_failed", "closer")


@pytest.mark.parametrize("raises", [False, True])
def test_bad_health(raises: bool, scheduler: FakeScheduler, works: Works, diary: Diary) -> None:
    """An unhealthy object is discarded for that; only a check that raises has failed."""
    pool = Pool(works.make, 1, 0, health=fail if raises else lambda _: False, observer=diary)
    thing = pool.get()
    pool.ret(thing)
    diary.read()
    pool.housekeep()
    lines = diary.read()
    assert lines[-1] == ("discarded", thing, "health")
    assert [line[:2] for line in lines[:-1]] == ([("hook_failed", "health")] if raises else [])


def test_discarded(scheduler: FakeScheduler, works: Works, diary: Diary) -> None:
    """A broken object is returned and discarded, by the pool or its lease."""
    pool = Pool(works.make, 1, 0, closer=works.close, observer=diary)
    for directly in (True, False):
        lease = pool.lease()
        thing = lease.obj
        diary.read()
        if directly:
            pool.discard(thing)
        else:
            lease.discard()
        assert diary.read() == [("returned", thing, 0.0), ("discarded", thing, "broken")]
    assert works.closed == works.made


def test_worn_out(scheduler: FakeScheduler, works: Works, diary: Diary) -> None:
    """After its last use an object is discarded for that."""
    pool = Pool(works.make, 1, 0, max_use=1, observer=diary)
    thing = pool.get()
    pool.ret(thing)
    assert diary.read()[2:] == [("returned", thing, 0.0), ("discarded", thing, "max_use")]


def test_expired(scheduler: FakeScheduler, clock: HandMovedClock, works: Works, diary: Diary) -> None:
    """An object that was idle for too long is discarded for that."""
    pool = Pool(works.make, 1, 0, max_avail_delay=10, observer=diary)
    thing = pool.get()
    pool.ret(thing)
    diary.read()
    clock.advance(10)
    pool.housekeep()
    assert diary.read() == [("discarded", thing, "idle")]


def test_killed(scheduler: FakeScheduler, clock: HandMovedClock, works: Works, diary: Diary) -> None:
    """A loan that is kept too long is over when the object is killed; that it comes back later is nothing."""
    pool = Pool(works.make, 1, 0, max_using_delay_kill=10, observer=diary)
    thing = pool.get()
    diary.read()
    clock.advance(12)
    pool.housekeep()
    assert diary.read() == [("returned", thing, 12.0), ("discarded", thing, "killed")]
    pool.ret(thing)
    assert diary.read() == []


def test_killed_before_it_was_told(scheduler: FakeScheduler, clock: HandMovedClock, works: Works, diary: Diary) -> None:
    """A borrower that is held up before it can tell of its loan until that is over tells nothing any more."""
    pool = Pool(works.make, 1, 0, max_using_delay_kill=10, observer=diary)
    pool.ret(pool.get())
    core = pool._core
    entry = core.ledger.shelves.take(clock(), this_process.here.owner)
    assert entry is not None
    diary.read()
    clock.advance(10)
    pool.housekeep()
    assert diary.read() == [("discarded", works.made[0], "killed")]
    core.notifier.lent(entry, 0.0)
    core.notifier.discarded(entry, clock())
    assert diary.read() == []


def test_killed_while_it_is_told(scheduler: FakeScheduler, clock: HandMovedClock, works: Works) -> None:
    """The end of a loan that is killed while an observer is still being told of its beginning is told afterwards."""

    def kill(event: str) -> None:
        if event == "lent":
            clock.advance(10)
            contextvars.Context().run(pool.housekeep)  # as a worker would, in its own thread
            assert events(diary.lines) == ["created", "lent"]
            assert pool.stats()["nkilled"] == 1

    diary = Disturbing(kill)
    pool = Pool(works.make, 1, 0, max_using_delay_kill=10, closer=works.close, observer=diary)
    thing = pool.get()
    scheduler.run()
    assert diary.read()[2:] == [("returned", thing, 10.0), ("discarded", thing, "killed")]
    assert total(pool._core).maintenance_errors == 0
    assert works.closed == [thing]
    assert pool.stats()["observer_errors"] == 0


class JustTold(dict[int | str, float]):
    """What is noted of an object whose borrower is being told of its loan until somebody looks whether he is."""

    def setdefault(self, key: int | str, default: float = 0, /) -> float:
        found = super().setdefault(key, default)
        self.pop(key)
        return found


def test_killed_as_it_was_told(scheduler: FakeScheduler, clock: HandMovedClock, works: Works, diary: Diary) -> None:
    """If that ends at the moment of the kill, the end of the loan is the kill's to tell."""
    pool = Pool(works.make, 1, 0, max_using_delay_kill=10, closer=works.close, observer=diary)
    thing = pool.get()
    (entry,) = pool._core.shelves.using.values()
    assert entry.notified is not None
    entry.notified = JustTold({**entry.notified, entry.uses: 1})
    clock.advance(10)
    pool.housekeep()
    assert works.closed == [thing]
    assert events(diary.read()) == ["created", "lent", "returned", "discarded"]


def test_a_dropped_lease(scheduler: FakeScheduler, clock: HandMovedClock, works: Works, diary: Diary) -> None:
    """The end of a lease that is dropped is told by a worker, with the time until then."""
    pool = Pool(works.make, 1, observer=diary)
    (thing,) = works.made
    lease = pool.lease()
    diary.read()
    clock.advance(3)
    del lease
    assert diary.read() == []
    scheduler.run()
    assert diary.read() == [("returned", thing, 3.0)]
    assert pool.get(0) is thing


def test_shutdown(scheduler: FakeScheduler, clock: HandMovedClock, works: Works, diary: Diary) -> None:
    """What is idle is discarded at the end of the pool, and what is lent when it comes back."""
    pool = Pool(works.make, 2, 2, observer=diary)
    thing = pool.get()
    (idle,) = (one for one in works.made if one is not thing)
    diary.read()
    pool.shutdown()
    assert diary.read() == [("discarded", idle, "shutdown")]
    clock.advance(1)
    pool.ret(thing)
    assert diary.read() == [("returned", thing, 1.0), ("discarded", thing, "shutdown")]
    with pytest.raises(PoolClosed):
        pool.get()
    assert diary.read() == []


def test_a_dropped_pool(scheduler: FakeScheduler, works: Works, diary: Diary) -> None:
    """The end of a pool that is dropped is told by a worker."""
    pool = Pool(works.make, 2, 2, closer=works.close, observer=diary)
    diary.read()
    del pool
    assert diary.read() == []
    scheduler.run()
    assert sorted(diary.read(), key=str) == [("discarded", thing, "shutdown") for thing in works.made]


def test_a_lost_entry(scheduler: FakeScheduler, clock: HandMovedClock, works: Works, diary: Diary) -> None:
    """Of an object that is lost in the middle of an end the end is told all the same, of its loan first."""
    pool = Pool(works.make, 1, 0, closer=works.close, observer=diary)
    thing = pool.get()
    diary.read()
    entry = pool._core.ledger.shelves.using.pop(id(thing))
    clock.advance(2)
    del entry
    scheduler.run()
    assert diary.read() == [("returned", thing, 2.0), ("discarded", thing, "interrupted")]
    thing = pool.get()
    clock.advance(2)
    entry = pool._core.ledger.shelves.using.pop(id(thing))
    entry.last_ret = clock()
    clock.advance(2)
    diary.read()
    del entry
    scheduler.run()
    assert diary.read() == [("returned", thing, 2.0), ("discarded", thing, "interrupted")]


def test_what_was_not_told_of_is_not_told_to_end(scheduler: FakeScheduler, works: Works, diary: Diary) -> None:
    """Where the creation could not be told it is told with the loan; where neither could, nothing is."""
    pool = Pool(works.make, 2, 0, closer=works.close, observer=diary)
    one, two = pool.lease(), pool.lease()
    first, second = one.obj, two.obj
    for entry in pool._core.ledger.shelves.using.values():
        assert entry.notified is not None
        entry.notified.clear()  # as if the borrower had been interrupted before
    one.release()
    two.release()
    diary.read()
    assert pool.get() is second
    pool.shutdown()
    assert diary.read() == [("created", second, 0.0), ("lent", second, 0.0)]
    assert works.closed == [first]


def test_refused(scheduler: FakeScheduler, works: Works, diary: Diary) -> None:
    """Who may not wait is told of, with the number of those who do."""
    pool = Pool(works.make, 1, max_waiting=0, observer=diary)
    pool.get()
    diary.read()
    with pytest.raises(TooManyWaiting):
        pool.get()
    assert diary.read() == [("refused", 0)]


def test_a_fork(scheduler: FakeScheduler, works: Works, diary: Diary) -> None:
    """In a child nothing is told of the parent's objects, not even when they come back there."""
    pool = Pool(works.make, 1, observer=diary)
    lease = pool.lease()
    thing = lease.obj
    diary.read()
    scheduler.after_fork()
    pool.ret(thing)
    lease.release()
    scheduler.run()
    made = [line[1] for line in diary.read()]
    assert made == works.made[1:]
    pool.ret(pool.get())
    assert events(diary.read()) == ["lent", "returned"]


def test_the_end_of_the_interpreter(scheduler: FakeScheduler, works: Works, diary: Diary) -> None:
    """At exit objects are closed, and nothing is told: what an observer needs may be gone."""
    pool = Pool(works.make, 2, 2, closer=works.close, observer=diary)
    lease = pool.lease()
    diary.read()
    for rite in pool._core.close_at_exit():
        rite()
    lease.release()
    assert works.alive == []
    assert diary.read() == []
