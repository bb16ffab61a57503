"""Hooks: what is called when, never with a lock held, and what their failures do."""

from __future__ import annotations

import threading
from typing import Literal

import pytest

from ProxyPatternPool import (
    Closer,
    Factory,
    Getter,
    HealthCheck,
    HookError,
    Hooks,
    Opener,
    Pool,
    Retter,
    StatsHook,
    TimeOut,
    Tracer,
)

from .clock import FakeScheduler, HandMovedClock
from .helpers import Caller, Naps, Thing, Works, eventually, said, wait_for

HookErrors = Literal["log", "discard"]
both_policies = pytest.mark.parametrize("policy", ["log", "discard"])


def fail(thing: Thing) -> None:
    raise ConnectionError(f"{thing} is not so")


def test_every_hook_in_its_turn(scheduler: FakeScheduler, clock: HandMovedClock) -> None:
    """The life of an object: opener once, getter and retter with each loan, health between, closer once."""
    seen: list[str] = []

    def note(word: str) -> Opener[Thing]:
        return lambda thing: seen.append(f"{word} {thing.number}")

    def health(thing: Thing) -> bool:
        seen.append(f"health {thing.number}")
        return True

    pool = Pool(
        Thing,
        opener=note("open"),
        getter=note("get"),
        retter=note("ret"),
        closer=note("close"),
        health=health,
    )
    for _ in range(2):
        pool.ret(pool.get())
    pool.housekeep()
    pool.shutdown()
    assert seen == ["open 0", "get 0", "ret 0", "get 0", "ret 0", "health 0", "close 0"]


def test_hooks_may_be_objects_of_classes(scheduler: FakeScheduler) -> None:
    """A class that conforms to a protocol is as good as a function."""

    class Remembering:
        def __init__(self) -> None:
            self.seen: list[Thing] = []

        def __call__(self, thing: Thing, /) -> object:
            self.seen.append(thing)
            return None

    class Healthy:
        def __call__(self, thing: Thing, /) -> bool:
            return True

    class Name:
        def __call__(self, thing: Thing, /) -> str:
            return f"no. {thing.number}"

    class Make:
        def __call__(self, number: int, /) -> Thing:
            return Thing(number)

    fun: Factory[Thing] = Make()
    hook = Remembering()
    opener: Opener[Thing] = hook
    getter: Getter[Thing] = hook
    retter: Retter[Thing] = hook
    closer: Closer[Thing] = hook
    shows: StatsHook[Thing] = hook
    health: HealthCheck[Thing] = Healthy()
    tracer: Tracer[Thing] = Name()
    pool = Pool(
        fun,
        opener=opener,
        getter=getter,
        retter=retter,
        closer=closer,
        health=health,
        stats=shows,
        tracer=tracer,
    )
    pool.ret(pool.get())
    pool.housekeep()
    pool.stats()
    pool.shutdown()
    assert len(hook.seen) == 5
    assert Hooks(fun, opener).opener is opener


def test_no_hook_runs_with_a_lock_held(scheduler: FakeScheduler, clock: HandMovedClock) -> None:
    """Whatever hook is running, the pool answers everyone else meanwhile."""
    answered: set[str] = set()

    def other_people(word: str) -> None:
        def job() -> None:
            for thing in [pool.get(0) for _ in range(10)]:  # which needs the lock: some are created
                pool.ret(thing)
            pool.stats()

        Caller(job).result()
        answered.add(word)

    def make(number: int) -> Thing:
        if threading.current_thread() is threading.main_thread() and number:
            other_people("fun")
        return Thing(number)

    def hook(word: str) -> Opener[Thing]:
        def called(thing: Thing) -> None:
            if armed and word not in answered and threading.current_thread() is threading.main_thread():
                other_people(word)

        return called

    armed = False
    pool = Pool(
        make,
        opener=hook("opener"),
        getter=hook("getter"),
        retter=hook("retter"),
        closer=hook("closer"),
        health=lambda thing: hook("health")(thing) is None,
        stats=hook("stats"),
        tracer=lambda thing: str(hook("tracer")(thing)),
        max_using_delay=5.0,
        max_avail_delay=1000.0,
    )
    armed = True
    things = [pool.get() for _ in range(13)]
    clock.advance(6)
    pool.ret(things.pop())
    pool.housekeep()
    pool.stats()
    pool.discard(things.pop())
    assert answered == {"fun", "opener", "getter", "retter", "closer", "health", "stats", "tracer"}


# --- the getter --------------------------------------------------------------------------------------


def test_a_failed_getter_is_logged(scheduler: FakeScheduler, caplog: pytest.LogCaptureFixture) -> None:
    """By default a failing getter is logged and counted, and the object is lent."""
    pool = Pool(Thing, name="books", getter=fail)
    assert pool.get().number == 0
    assert said(caplog) == ["pool 'books': getter failed on thing 0: ConnectionError('thing 0 is not so')"]
    assert pool.stats()["hook_errors"] == 1


def test_a_failed_getter_discards(scheduler: FakeScheduler, works: Works) -> None:
    """Under "discard" an object whose getter failed is closed, its place freed, and the caller told."""
    pool = Pool(works.make, 1, getter=fail, hook_errors="discard", closer=works.close)
    for borrow in (pool.get, pool.lease, pool.obj().__enter__):
        with pytest.raises(HookError, match="getter failed") as raised:
            borrow()
        assert isinstance(raised.value.__cause__, ConnectionError)
    assert len(works.closed) == 3
    assert works.alive == []
    stats = pool.stats()
    assert (stats["hook_errors"], stats["nusing"], stats["nobjs"], stats["nerrors"]) == (3, 0, 0, 0)


@both_policies
def test_an_interrupted_getter(policy: HookErrors, scheduler: FakeScheduler, works: Works) -> None:
    """An object whose getter was interrupted is closed under either policy."""

    def interrupted(thing: Thing) -> None:
        raise KeyboardInterrupt

    pool = Pool(works.make, 1, getter=interrupted, hook_errors=policy, closer=works.close)
    with pytest.raises(KeyboardInterrupt):
        pool.get()
    assert works.closed == works.made
    assert pool.stats()["nusing"] == 0


def test_the_getter_runs_in_the_borrowers_thread(scheduler: FakeScheduler) -> None:
    """The getter may prepare an object for the thread that is to have it."""
    seen: list[str] = []
    pool = Pool(Thing, getter=lambda thing: seen.append(threading.current_thread().name))
    Caller(pool.get, "borrower").result()
    assert seen == ["borrower"]


# --- the retter --------------------------------------------------------------------------------------


@both_policies
def test_a_failed_retter_always_discards(
    policy: HookErrors, scheduler: FakeScheduler, works: Works, caplog: pytest.LogCaptureFixture
) -> None:
    """An object whose reset failed is never used again, whatever the policy; who gives it back hears nothing."""
    pool = Pool(works.make, 1, name="books", retter=fail, hook_errors=policy, closer=works.close)
    pool.ret(pool.get())
    assert works.closed == works.made
    assert pool.stats()["hook_errors"] == 1
    assert said(caplog) == ["pool 'books': retter failed, discarding thing 0: ConnectionError('thing 0 is not so')"]
    assert pool.get(0).number == 1


def test_an_interrupted_retter(scheduler: FakeScheduler, works: Works) -> None:
    """An object whose reset was interrupted is never used again, and the interruption goes on."""

    def interrupted(thing: Thing) -> None:
        raise KeyboardInterrupt

    pool = Pool(works.make, 1, retter=interrupted, closer=works.close)
    thing = pool.get()
    with pytest.raises(KeyboardInterrupt):
        pool.ret(thing)
    assert works.closed == [thing]
    assert pool.get(0).number == 1


def test_nobody_gets_an_object_before_its_reset(scheduler: FakeScheduler) -> None:
    """While the retter works on an object it is neither idle nor lent."""
    begun, go_on = threading.Event(), threading.Event()

    def reset(thing: Thing) -> None:
        begun.set()
        wait_for(go_on)

    pool = Pool(Thing, 1, retter=reset)
    thing = pool.get()
    returning = Caller(lambda: pool.ret(thing))
    wait_for(begun)
    with pytest.raises(TimeOut):
        pool.get(0)
    stats = pool.stats()
    assert (stats["navail"], stats["nusing"], stats["nobjs"]) == (0, 0, 1)
    go_on.set()
    returning.result()
    assert pool.get(0) is thing


def test_a_failed_reset_serves_the_next_waiter(scheduler: FakeScheduler, naps: Naps) -> None:
    """A waiter creates in the place of an object that was discarded on its return."""
    pool = Pool(Thing, 1, retter=fail)
    thing = pool.get()
    naps.meanwhile.append(lambda: pool.ret(thing))
    assert pool.get().number == 1


# --- the closer --------------------------------------------------------------------------------------


@both_policies
def test_a_failed_closer(policy: HookErrors, scheduler: FakeScheduler, caplog: pytest.LogCaptureFixture) -> None:
    """A closer's failure is logged and counted, and the place is free all the same."""
    pool = Pool(Thing, 1, name="books", closer=fail, hook_errors=policy)
    pool.discard(pool.get())
    assert said(caplog) == ["pool 'books': closer failed on thing 0: ConnectionError('thing 0 is not so')"]
    stats = pool.stats()
    assert (stats["hook_errors"], stats["ndestroys"], stats["nobjs"]) == (1, 1, 0)
    assert pool.get(0).number == 1


def test_an_interrupted_closer(scheduler: FakeScheduler) -> None:
    """A closer that is interrupted frees its place, and the interruption goes on."""

    def interrupted(thing: Thing) -> None:
        raise KeyboardInterrupt

    pool = Pool(Thing, 1, closer=interrupted)
    thing = pool.get()
    with pytest.raises(KeyboardInterrupt):
        pool.discard(thing)
    assert pool.stats()["nobjs"] == 0
    assert pool.get(0).number == 1


def test_a_closer_is_called_once(scheduler: FakeScheduler, works: Works, caplog: pytest.LogCaptureFixture) -> None:
    """However many want an object closed at once, its closer is called once."""

    def close(thing: Thing) -> None:
        works.close(thing)
        pool.discard(thing)
        pool.ret(thing)
        pool.shutdown()

    pool = Pool(works.make, closer=close)
    pool.discard(pool.get())
    pool.shutdown()
    assert len(works.closed) == len(works.made)


# --- the tracer --------------------------------------------------------------------------------------


def test_a_failed_tracer_breaks_nothing(scheduler: FakeScheduler, caplog: pytest.LogCaptureFixture) -> None:
    """Where the tracer fails the log line says so, and nothing else goes wrong."""

    def trace(thing: Thing) -> str:
        raise ValueError("nameless")

    pool = Pool(Thing, name="books", closer=fail, tracer=trace)
    pool.discard(pool.get())
    (line,) = said(caplog)
    assert line.startswith("pool 'books': closer failed on <Thing: tracer failed: ValueError: nameless>: Connection")
    assert [fault[:4] for fault in pool._core.faults][:1] == [("tracer", "ValueError", "nameless", 1)]


def test_a_failed_text_breaks_nothing(scheduler: FakeScheduler, caplog: pytest.LogCaptureFixture) -> None:
    """The same where the object's own text fails."""

    class Nameless:
        def __repr__(self) -> str:
            raise ValueError("nameless")

    def close(thing: Nameless) -> None:
        raise ConnectionError

    pool = Pool(lambda number: Nameless(), closer=close)
    pool.discard(pool.get())
    assert "<Nameless: tracer failed: ValueError: nameless>" in said(caplog)[0]


def test_hooks_are_needed_by_nobody(scheduler: FakeScheduler) -> None:
    """A pool without hooks needs none, its maintenance included."""
    pool = Pool(Thing)
    pool.ret(pool.get())
    pool.housekeep()
    eventually(lambda: pool.stats()["hk_rounds"] == 1)
    pool.shutdown()
    assert pool.stats()["ndestroys"] == 1
