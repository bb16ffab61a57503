"""An observer can neither break a pool nor hold it up; what is none is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import pytest

from ProxyPatternPool import (
    Pool,
    PoolObserver,
    Proxy,
    control,
    observers,
    proxy,
)
from ProxyPatternPool._observer import EVENTS, members

from .clock import FakeScheduler, HandMovedClock
from .diary import Auditor, Diary
from .helpers import Caller, Thing, Works, said
from .observed import EVERYTHING, Disturbing, Failure, Line, Thrown, events, live_through, lively

# --- how it is told ------------------------------------------------------------------------------------


def test_no_lock_is_held(scheduler: FakeScheduler, clock: HandMovedClock, works: Works) -> None:
    """Whatever is told, the pool's lock is free."""

    def look(_: str) -> None:
        assert pool._core.guard.lock.acquire(False)
        pool._core.guard.lock.release()

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
    (entry,) = pool._core.shelves.using.values()
    assert entry.notified is not None
    assert [note for note in entry.notified if isinstance(note, int)] == [], "nothing is left of the use before"


def test_interrupted_before_the_closer(scheduler: FakeScheduler, works: Works) -> None:
    """Maintenance calls it, also while somebody keeps what was raised, with all that its frames have."""
    pool = Pool(works.make, 1, 0, closer=works.close, observer=Interrupting("discarded"))
    thing = pool.get()
    scheduler.run()
    with pytest.raises(Thrown) as caught:
        pool.discard(thing)
    assert works.closed == []
    scheduler.run()
    assert works.closed == [thing]
    assert caught.value.__traceback__ is not None


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
    assert (one.lines, one.pools) == (two.lines, two.pools)
    assert one.pools == {"db"}
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
    assert repr(both) == f"observers({one!r}, {two!r})"
    assert [members(None), members(one), members(observers(both, one))] == [(), (one,), (one, two, one)]


def test_nobody_is_no_observer_among_several() -> None:
    """A variable without a value is not taken for an observer that wants to know nothing."""
    nobody: Any = None
    with pytest.raises(TypeError, match=r"^observer must be a PoolObserver, not None$"):
        observers(Diary(), nobody)


def test_the_base_does_nothing(scheduler: FakeScheduler, clock: HandMovedClock, works: Works) -> None:
    """An observer overrides what it wants to know, and no more."""

    class Nothing(PoolObserver[object]):
        pass

    pool = lively(works, Nothing())
    live_through(pool, works, clock)
    assert pool.stats()["observer_errors"] == 0


# --- what is no observer -------------------------------------------------------------------------------


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
