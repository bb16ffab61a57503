"""An observer is told of everything once, in order, and can neither break the pool nor wait for itself."""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable
from typing import Any, cast

import pytest

from ProxyPatternPool import (
    HookError,
    Pool,
    PoolClosed,
    PoolObserver,
    Proxy,
    TimeOut,
    TooManyWaiting,
    control,
    observers,
    proxy,
)
from ProxyPatternPool._observer import EVENTS
from ProxyPatternPool._runtime.process import this_process

from .clock import FakeScheduler, HandMovedClock
from .diary import Auditor, Diary
from .helpers import Caller, Naps, Thing, Works, said, wait_for

Line = tuple[object, ...]


class Failure(Exception):
    """What a hook raises."""


class Thrown(BaseException):
    """Something that is meant for the thread."""


def fail(_: object) -> bool:
    raise Failure


def events(lines: list[Line]) -> list[object]:
    return [line[0] for line in lines]


@pytest.fixture
def diary() -> Diary:
    return Diary()


# --- what is told -----------------------------------------------------------------------------------


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
    entry = core.ledger.take(clock(), this_process.here.owner)
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
            contextvars.Context().run(pool.housekeep)  # as the house keeper would, in his own thread
            assert events(diary.lines) == ["created", "lent"]
            assert pool.stats()["nkilled"] == 1

    diary = Disturbing(kill)
    pool = Pool(works.make, 1, 0, max_using_delay_kill=10, closer=works.close, observer=diary)
    thing = pool.get()
    scheduler.run()
    assert diary.read()[2:] == [("returned", thing, 10.0), ("discarded", thing, "killed")]
    assert works.closed == [thing]
    assert pool.stats()["observer_errors"] == 0


def test_a_dropped_lease(scheduler: FakeScheduler, clock: HandMovedClock, works: Works, diary: Diary) -> None:
    """The end of a lease that is dropped is told by the house keeper, with the time until then."""
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
    """The end of a pool that is dropped is told by the house keeper."""
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
    entry = pool._core.ledger.using.pop(id(thing))
    clock.advance(2)
    del entry
    scheduler.run()
    assert diary.read() == [("returned", thing, 2.0), ("discarded", thing, "interrupted")]
    thing = pool.get()
    clock.advance(2)
    entry = pool._core.ledger.using.pop(id(thing))
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
    for entry in pool._core.ledger.using.values():
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


# --- how it is told -----------------------------------------------------------------------------------


class Disturbing(Diary):
    """Does something whenever it is told of anything."""

    def __init__(self, disturb: Callable[[str], object]) -> None:
        super().__init__()
        self.disturb = disturb

    @classmethod
    def at(cls, event: str, disturb: Callable[[], None]) -> Disturbing:
        """Do something at one kind of event."""

        def at(notified: str) -> None:
            if notified == event:
                disturb()

        return cls(at)

    def note(self, pool: str, *line: object) -> None:
        super().note(pool, *line)
        self.disturb(cast(str, line[0]))


def live_through(pool: Pool[Thing], works: Works, clock: HandMovedClock) -> None:
    """Have everything happen once: each kind of event, of which the pool's hooks are part."""
    pool.ret(pool.get())
    lease = pool.lease()
    with pytest.raises(TimeOut):
        pool.get(0)
    with pytest.raises(TooManyWaiting):
        pool.get(1)
    lease.discard()
    works.failing = Failure()
    with pytest.raises(Failure):
        pool.get()
    works.failing = None
    clock.advance(1)  # so that the next attempt is due
    pool.ret(pool.get())
    pool.shutdown()


EVERYTHING = [
    "created",
    "lent",
    "returned",
    "lent",
    "timed_out",
    "refused",
    "returned",
    "discarded",
    "hook_failed",
    "creation_failed",
    "created",
    "lent",
    "returned",
    "discarded",
    "hook_failed",
]


def lively(works: Works, observer: PoolObserver[object]) -> Pool[Thing]:
    return Pool(works.make, 1, 0, closer=fail, max_waiting=0, observer=observer)


def test_no_lock_is_held(scheduler: FakeScheduler, clock: HandMovedClock, works: Works) -> None:
    """Whatever is told, the pool's lock is free."""

    def look(_: str) -> None:
        assert pool._core.lock.acquire(False)
        pool._core.lock.release()

    diary = Disturbing(look)
    pool = lively(works, diary)
    live_through(pool, works, clock)
    assert events(diary.read()) == EVERYTHING
    assert pool.stats()["observer_errors"] == 0


def test_an_observer_that_fails(
    scheduler: FakeScheduler, clock: HandMovedClock, works: Works, caplog: pytest.LogCaptureFixture
) -> None:
    """Its failures are counted, logged once for each method, and nothing to anyone else."""

    def disturb(event: str) -> None:
        raise Failure(event)

    diary = Disturbing(disturb)
    pool = lively(works, diary)
    live_through(pool, works, clock)
    assert events(diary.read()) == EVERYTHING
    assert pool.stats()["observer_errors"] == len(EVERYTHING)
    lines = [line for line in said(caplog) if "observer failed" in line]
    assert sorted(lines) == sorted(
        f"{pool._core.label}: observer failed in {event}(): Failure('{event}'); if it does again, that is only counted"
        for event in EVENTS
    )
    assert caplog.records[0].exc_info


class Unreachable(Diary):
    """Cannot even be asked for a method, as a proxy of an observer that cannot be made."""

    def __init__(self, error: type[BaseException], *events: str) -> None:
        super().__init__()
        self.error = error
        self.events = events

    def __getattribute__(self, name: str) -> Any:
        if name in EVENTS and name in self.events:
            raise self.error
        return super().__getattribute__(name)


def test_an_observer_that_cannot_be_reached(
    scheduler: FakeScheduler, clock: HandMovedClock, works: Works, caplog: pytest.LogCaptureFixture
) -> None:
    """That is a failure of its own, too, and it is told of an object as soon as it can be."""
    away, diary = Unreachable(Failure), Diary()
    pool = lively(works, observers(away, diary))
    away.events = EVENTS
    live_through(pool, works, clock)
    assert events(diary.read()) == EVERYTHING
    assert away.read() == []
    assert pool.stats()["observer_errors"] == len(EVERYTHING)
    assert f"{pool._core.label}: observer failed in lent(): Failure(); if it does again, that is only counted" in said(
        caplog
    )
    away.events = ()
    alone = lively(works, away)
    away.events = EVENTS
    alone.ret(alone.get())
    assert away.read() == []
    away.events = ()
    alone.ret(alone.get())
    assert events(away.read()) == ["created", "lent", "returned"]


def test_an_observer_that_is_a_proxy(scheduler: FakeScheduler, works: Works) -> None:
    """Each thread has its own, and one that cannot be made is nothing to the borrower."""
    diary = Diary()

    def make(number: int) -> Diary:
        if number:
            raise ConnectionError
        return diary

    pool = Pool(works.make, 1, 0, observer=proxy(fun=make))
    pool.ret(pool.get())
    Caller(lambda: pool.ret(pool.get())).result()
    assert events(diary.read()) == ["created", "lent", "returned"]
    assert pool.stats()["observer_errors"] == 1


class Interrupting(Diary):
    """Raises what is meant for the thread, once, at one event."""

    def __init__(self, event: str) -> None:
        super().__init__()
        self._event: str | None = event

    def note(self, pool: str, *line: object) -> None:
        super().note(pool, *line)
        if line[0] == self._event:
            self._event = None
            raise Thrown


@pytest.mark.parametrize("event", EVENTS)
@pytest.mark.parametrize("reachable", [True, False])
def test_an_observer_that_is_interrupted(
    event: str, reachable: bool, scheduler: FakeScheduler, clock: HandMovedClock, works: Works
) -> None:
    """What is thrown into an observer goes on to the caller, and nothing is lost or told twice."""
    auditor = Auditor()
    away = Unreachable(Thrown)
    pool = lively(works, observers(Interrupting(event) if reachable else away, auditor))
    away.events = (event,)
    with pytest.raises(Thrown):
        live_through(pool, works, clock)
    away.events = ()
    works.failing = None
    clock.advance(1)  # if a creation failed the next attempt is due
    scheduler.run()
    stats = pool.stats()
    assert stats["nusing"] == stats["nwaiting"] == stats["ntodel"] == 0
    untold = int(event == "created" and not reachable)  # of whom they are told with the next loan
    assert stats["navail"] == stats["nobjs"] == len(auditor.alive) + untold
    assert not auditor.lent_now
    assert stats["observer_errors"] == 0
    if not stats["shutdown"]:
        pool.ret(pool.get(0))
    pool.shutdown()
    scheduler.run()
    assert not auditor.alive
    assert not auditor.wrong
    assert len(auditor.created_so_far) == pool.stats()["ncreated"]


def test_interrupted_in_the_beginning_of_a_loan(scheduler: FakeScheduler, works: Works) -> None:
    """The loan is over, and the object as good as before."""
    diary = Interrupting("lent")
    pool = Pool(works.make, 1, observer=diary)
    (thing,) = works.made
    with pytest.raises(Thrown):
        pool.get()
    assert diary.read()[1:] == [("lent", thing, 0.0), ("returned", thing, 0.0)]
    assert pool.get(0) is thing


def test_several_observers(scheduler: FakeScheduler, clock: HandMovedClock, works: Works) -> None:
    """All are told, in order; a failure of one is its own, and what is thrown into one goes on after the last."""

    def disturb(_: str) -> None:
        raise Failure

    def interrupt(_: str) -> None:
        raise Thrown

    order: list[int] = []
    failing, first = Disturbing(disturb), Disturbing(lambda _: order.append(1))
    second = Disturbing(lambda _: order.append(2))
    pool = lively(works, observers(failing, observers(first, observers(), second)))
    live_through(pool, works, clock)
    assert events(failing.lines) == events(first.lines) == events(second.lines) == EVERYTHING
    assert order == [1, 2] * len(EVERYTHING)
    assert pool.stats()["observer_errors"] == len(EVERYTHING)
    first.disturb = interrupt
    other = Pool(works.make, 1, 0, observer=observers(first, second))
    second.read()
    with pytest.raises(Thrown):
        other.get()
    assert events(second.read()) == ["created"]


def test_several_without_a_pool() -> None:
    """What ``observers`` makes is an observer like any other: it can be told by hand."""
    one, two = Diary(), Diary()
    both = observers(one, two)
    error = Failure()
    both.created("db", 1, 2.0)
    both.creation_failed("db", error, 2.0)
    both.lent("db", 1, 2.0)
    both.returned("db", 1, 2.0)
    both.discarded("db", 1, "idle")
    both.timed_out("db", 2.0)
    both.refused("db", 3)
    both.hook_failed("db", "opener", error)
    assert one.lines == two.lines
    assert one.lines == [
        ("created", 1, 2.0),
        ("creation_failed", error, 2.0),
        ("lent", 1, 2.0),
        ("returned", 1, 2.0),
        ("discarded", 1, "idle"),
        ("timed_out", 2.0),
        ("refused", 3),
        ("hook_failed", "opener", error),
    ]
    assert repr(observers(one)) == f"observers({one!r})"


def test_the_base_does_nothing(scheduler: FakeScheduler, clock: HandMovedClock, works: Works) -> None:
    """An observer overrides what it wants to know, and no more."""

    class Nothing(PoolObserver[object]):
        pass

    pool = lively(works, Nothing())
    live_through(pool, works, clock)
    assert pool.stats()["observer_errors"] == 0


# --- observers that use the pool ------------------------------------------------------------------------


def test_an_observer_looks(scheduler: FakeScheduler, clock: HandMovedClock, works: Works) -> None:
    """It may look at the pool whatever it is told."""
    seen: list[int] = []

    def look(_: str) -> None:
        seen.append(pool.stats()["nobjs"] + len(pool.owners()) + len(repr(pool)))

    diary = Disturbing(look)
    pool = lively(works, diary)
    live_through(pool, works, clock)
    assert len(seen) == len(EVERYTHING)
    assert pool.stats()["observer_errors"] == 0


def test_an_observer_borrows(scheduler: FakeScheduler, clock: HandMovedClock, works: Works) -> None:
    """What it borrows is its own affair, or there would be no end; what it creates is told of with the next loan."""

    def borrow(event: str) -> None:
        if event == "lent":
            with pool.obj(0):
                pass
            with pytest.raises(TimeOut), pool.obj(0), pool.obj(0):
                pass

    diary = Disturbing(borrow)
    pool = Pool(works.make, 2, 1, closer=works.close, observer=diary)
    first, mine = pool.get(), works.made[1]
    assert diary.read() == [("created", first, 0.0), ("lent", first, 0.0)]
    assert pool.get(0) is mine
    # Both are out now, and what it wants to borrow then it does not get.
    assert diary.read() == [("created", mine, 0.0), ("lent", mine, 0.0)]
    assert pool.stats()["observer_errors"] == 1
    pool.ret(first)
    pool.ret(mine)
    pool.shutdown()
    assert events(diary.read()) == ["returned", "returned", "discarded", "discarded"]


def test_an_object_that_only_an_observer_has_had(scheduler: FakeScheduler, works: Works) -> None:
    """Of an object that was never told of no end is told."""

    def borrow(event: str) -> None:
        if event == "lent":
            pool.discard(pool.get())

    diary = Disturbing(borrow)
    pool = Pool(works.make, 2, 0, closer=works.close, observer=diary)
    thing = pool.get()
    assert works.closed == []
    scheduler.run()
    assert works.closed == works.made[1:]
    assert diary.read() == [("created", thing, 0.0), ("lent", thing, 0.0)]


@pytest.mark.parametrize("how", ["ret", "discard", "release"])
def test_an_observer_gives_back(how: str, scheduler: FakeScheduler, clock: HandMovedClock, works: Works) -> None:
    """What it gives back, and was told of, comes back a little later, and is told of then, not in the middle."""
    depth: list[str] = []

    def give_back(event: str) -> None:
        assert depth == []
        depth.append(event)
        if event == "timed_out":
            if how == "ret":
                pool.ret(thing)
            elif how == "discard":
                pool.discard(thing)
            else:
                lease.release()
        depth.pop()

    diary = Disturbing(give_back)
    pool = Pool(works.make, 1, 0, closer=works.close, observer=diary)
    lease = pool.lease()
    thing = lease.obj
    diary.read()
    clock.advance(1)
    with pytest.raises(TimeOut):
        pool.get(0)
    assert diary.read() == [("timed_out", 0.0)]
    clock.advance(1)
    scheduler.run()
    discarded: list[Line] = [("discarded", thing, "broken")] if how == "discard" else []
    assert diary.read() == [("returned", thing, 1.0), *discarded]
    assert pool.stats()["observer_errors"] == 0
    assert pool.stats()["nusing"] == 0
    assert works.closed == works.made[: len(discarded)]


def test_an_observer_shuts_the_pool_down(scheduler: FakeScheduler, works: Works) -> None:
    """What is idle is then told of and closed by the house keeper, and what is lent when it comes back."""
    diary = Disturbing.at("lent", lambda: pool.shutdown())
    pool = Pool(works.make, 2, 2, closer=works.close, observer=diary)
    thing = pool.get()
    (idle,) = (one for one in works.made if one is not thing)
    assert events(diary.read()) == ["created", "created", "lent"]
    assert works.closed == []
    scheduler.run()
    assert diary.read() == [("discarded", idle, "shutdown")]
    assert works.closed == [idle]
    pool.ret(thing)
    assert diary.read() == [("returned", thing, 0.0), ("discarded", thing, "shutdown")]


def test_an_observer_has_house_kept(scheduler: FakeScheduler, clock: HandMovedClock, works: Works) -> None:
    """House keeping that it asks for is left to the house keeper, who can tell it of that."""
    diary = Disturbing.at("timed_out", lambda: pool.housekeep())
    pool = Pool(works.make, 2, 0, max_avail_delay=5, closer=works.close, observer=diary)
    one, two = pool.get(), pool.get()
    pool.ret(one)
    diary.read()
    clock.advance(5)
    pool._core.notifier.timed_out(0.0)
    assert diary.read() == [("timed_out", 0.0)]
    assert works.closed == []
    scheduler.run()
    assert diary.read() == [("discarded", one, "idle")]
    assert works.closed == [one]
    pool.ret(two)


def test_other_greenlets_of_the_thread(scheduler: FakeScheduler, works: Works) -> None:
    """An observer that switches keeps nothing from those to whom it switches: each has a context of its own."""

    def switch(event: str) -> None:
        if event == "timed_out":
            contextvars.Context().run(lambda: pool.ret(thing))

    diary = Disturbing(switch)
    pool = Pool(works.make, 1, observer=diary)
    thing = pool.get()
    diary.read()
    with pytest.raises(TimeOut):
        pool.get(0)
    assert diary.read() == [("timed_out", 0.0), ("returned", thing, 0.0)]


def test_what_an_observer_has_begun(scheduler: FakeScheduler, works: Works) -> None:
    """What goes on with a copy of its context after the call is told of like anything else."""
    copies: list[contextvars.Context] = []
    diary = Disturbing(lambda _: copies.append(contextvars.copy_context()))
    pool = Pool(works.make, 1, observer=diary)
    diary.read()
    copies[0].run(lambda: pool.ret(pool.get()))
    assert events(diary.read()) == ["lent", "returned"]


def test_an_observer_uses_another_pool(scheduler: FakeScheduler, works: Works) -> None:
    """Another pool tells its own observer of it, but none that is being told of something, whichever pool's it is."""
    other_diary, both = Diary(), Diary()

    def borrow(event: str) -> None:
        if event == "lent":
            first.ret(first.get())
            second.ret(second.get())

    diary = Disturbing(borrow)
    first = Pool(works.make, 1, observer=other_diary)
    second = Pool(works.make, 1, observer=diary)
    pool = Pool(works.make, 1, observer=observers(both, diary))
    diary.read()
    other_diary.read()
    pool.ret(pool.get())
    assert events(diary.read()) == ["lent", "returned"]
    assert events(other_diary.read()) == ["lent", "returned"]


def test_two_observers_that_use_each_other_s_pool(scheduler: FakeScheduler, works: Works) -> None:
    """There is an end to it."""
    one = Disturbing.at("lent", lambda: second.ret(second.get()))
    two = Disturbing.at("lent", lambda: first.ret(first.get()))
    first, second = Pool(works.make, 2, observer=one), Pool(works.make, 2, observer=two)
    one.read()
    two.read()
    first.ret(first.get())
    assert events(one.read()) == ["lent", "returned"]
    assert events(two.read()) == ["lent", "returned"]


@pytest.mark.parametrize("how", ["ret", "discard"])
def test_in_the_middle_of_a_step(how: str, scheduler: FakeScheduler, clock: HandMovedClock, works: Works) -> None:
    """What is given back by a finalizer or signal handler in a locked step is told of, and goes back, afterwards."""
    diary = Diary()
    pool = Pool(works.make, 1, 0, closer=works.close, observer=diary)
    thing = pool.get()
    diary.read()
    clock.advance(1)
    pool._core.locked(lambda: pool.ret(thing) if how == "ret" else pool.discard(thing))
    assert diary.read() == []
    clock.advance(1)
    scheduler.run()
    if how == "ret":
        assert diary.read() == [("returned", thing, 1.0)]
        assert pool.get(0) is thing
    else:
        assert diary.read() == [("returned", thing, 1.0), ("discarded", thing, "broken")]


def test_a_slow_observer_holds_up_nobody_else(scheduler: FakeScheduler, works: Works) -> None:
    """While one borrower's loan is being told, others borrow and give back."""
    asleep, wake = threading.Event(), threading.Event()

    def dawdle(event: str) -> None:
        if event == "lent" and threading.current_thread() is not threading.main_thread():
            asleep.set()
            wait_for(wake)

    pool = Pool(works.make, 2, 2, observer=Disturbing(dawdle))
    slow = Caller(pool.get)
    wait_for(asleep)
    assert pool.stats()["nusing"] == 1
    pool.ret(pool.get(0))
    wake.set()
    pool.ret(slow.result())
    assert pool.stats()["navail"] == 2


# --- what is no observer ---------------------------------------------------------------------------------


class Half:
    """Has some of the methods."""

    created = lent = returned = timed_out = creation_failed = print
    discarded = 3


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (3, "observer must be a PoolObserver, and has no method created: 3"),
        (print, "observer must be a PoolObserver, and has no method created"),
        (Half(), "observer must be a PoolObserver, and has no method discarded"),
        (Diary, "observer must be a PoolObserver, not a class"),
    ],
)
def test_no_observer(value: object, words: str) -> None:
    """What is none is refused at once, by name, wherever it is given."""
    observer = cast("PoolObserver[object]", value)
    for make in (
        lambda: Pool(Thing, observer=observer),
        lambda: Proxy(observer=observer),
        lambda: proxy(None, Thing, max_size=1, observer=observer),
        lambda: control(cast("Thing", Proxy())).set_pool(max_size=2, observer=observer),
        lambda: observers(Diary(), observer),
    ):
        with pytest.raises(TypeError, match=words):
            make()
    with pytest.raises(TypeError, match="not None"):
        observers(cast("PoolObserver[object]", None))


def test_without_deriving(scheduler: FakeScheduler, works: Works) -> None:
    """A class that has all methods is as good."""
    calls: list[Line] = []

    class Own:
        def __getattr__(self, name: str) -> Callable[..., object]:
            return lambda *args: calls.append((name, *args))

    pool = Pool(works.make, 1, name="db", observer=cast("PoolObserver[Thing]", Own()))
    pool.get()
    assert calls == [("created", "db", works.made[0], 0.0), ("lent", "db", works.made[0], 0.0)]


def test_a_proxy_that_is_set_later(scheduler: FakeScheduler, works: Works) -> None:
    """Its observers, of any objects, do not hide its type from checkers."""
    diary = Diary()
    db: Thing = proxy(max_size=1, min_size=0, retter=lambda thing: thing.number, observer=observers(diary, diary))
    control(db).set_fun(works.make)
    assert db.number == 0
    assert events(diary.read()) == ["created", "created", "lent", "lent"]


def test_proxies(scheduler: FakeScheduler, works: Works) -> None:
    """Proxies pass their observer on, to a pool of ours too."""
    scopes = Proxy.Scope
    for max_size, scope in ((2, scopes.AUTO), (None, scopes.AUTO), (None, scopes.SHARED)):
        diary = Diary()
        db = Proxy(fun=works.make, scope=scope, max_size=max_size, observer=diary, min_size=0, max_waiting=None)
        number = db.number
        assert events(diary.lines)[:2] == ["created", "lent"]
        assert works.made[-1].number == number
