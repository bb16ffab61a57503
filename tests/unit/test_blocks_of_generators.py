"""Blocks in generators whose steps an executor runs, each in a context and a thread of its own."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from contextvars import copy_context
from functools import partial
from types import SimpleNamespace
from typing import Any, TypeVar

import pytest

from ProxyPatternPool import Kept, Pool, Scope, TimeOut, control, proxy
from ProxyPatternPool._proxy.control import unit_of_work
from ProxyPatternPool._scope.thread import ThreadSlot

from .clock import FakeScheduler
from .helpers import Caller, Thing, Works, said
from .probes.covers import PerTenant

R = TypeVar("R")


def pool_of(db: Any) -> Pool[Any]:
    pool = control(db).pool
    assert pool is not None
    return pool


def in_use(db: Any) -> int:
    return pool_of(db).stats()["nusing"]


def step(job: Callable[[], R]) -> R:
    """A step of a request, in this thread, as executors do it that carry contexts on."""
    return copy_context().run(job)


def elsewhere(job: Callable[[], R]) -> R:
    """The same in another of their threads."""
    return Caller(lambda: step(job)).result()


def request(db: Thing) -> Generator[Thing, None, None]:
    """What a web framework calls a dependency: a block that is open as long as the request."""
    with control(db).obj() as c:
        yield c


@pytest.mark.parametrize("max_size", [2, None])
def test_a_block_that_was_carried_away_keeps_its_object(
    max_size: int | None, scheduler: FakeScheduler, caplog: pytest.LogCaptureFixture
) -> None:
    """The next one in the same thread gets another; each gives back its own, and it is logged once."""
    works = Works()
    db = proxy(fun=works.make, max_size=max_size, timeout=0, name="db", closer=works.close)
    for _ in range(2):
        one, other = request(db), request(db)
        mine = step(partial(next, one))
        theirs = step(partial(next, other))
        assert mine is not theirs
        elsewhere(one.close)
        assert works.closed == ([] if max_size else [mine])
        assert step(lambda: control(db).get()) is not theirs
        control(db).ret()
        elsewhere(other.close)
        scheduler.run()
        assert works.closed == ([] if max_size else [mine, theirs])
        control(db).set_fun(works.make)
        works.made.clear()
        works.closed.clear()
    (line,) = said(caplog)
    assert line.startswith(f"proxy 'db': a with block began in thread 'MainThread' at {__file__}:")
    assert f"and it is still open, and that thread does something else: in thread 'MainThread' at {__file__}:" in line
    assert "With scope=CONTEXT each has its own" in line


def test_whoever_looks_finds_nothing_of_it(scheduler: FakeScheduler) -> None:
    """It is not this thread's any more: neither to be used, nor to be given back, nor to be discarded."""
    db = proxy(fun=Thing, max_size=3, timeout=0)
    looks: list[Callable[[], object]] = [control(db).ret, control(db).discard, control(db).has, control(db).get]
    for look in looks:
        block = request(db)
        mine = step(partial(next, block))
        assert look() is not mine
        assert db.number != mine.number
        control(db).ret()
        with unit_of_work(control(db)):
            pass
        assert in_use(db) == 1
        elsewhere(block.close)
        assert in_use(db) == 0


def test_it_ends_where_it_began(scheduler: FakeScheduler) -> None:
    """By chance it comes back to its thread: what that one has by then is left there."""
    db = proxy(fun=Thing, max_size=2, timeout=0)
    block = request(db)
    mine = step(partial(next, block))
    assert control(db).get() is not mine
    step(block.close)
    assert in_use(db) == 1
    assert control(db).get() is not mine


def test_what_the_thread_had_before_goes_with_the_block(scheduler: FakeScheduler) -> None:
    """Its object is in use elsewhere, so the thread takes another; the block gives back the first."""
    db = proxy(fun=Thing, max_size=2, timeout=0)
    first = step(lambda: control(db).get())
    block = request(db)
    assert step(partial(next, block)) is first
    with control(db).obj() as other:
        assert other is not first
    assert in_use(db) == 1
    elsewhere(block.close)
    assert in_use(db) == 0


@pytest.mark.parametrize("had_before", [True, False])
def test_it_ends_while_it_is_found(had_before: bool, scheduler: FakeScheduler, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its end comes between two steps of who takes it for carried away: the object goes back once, by one of them."""
    resets: list[Thing] = []
    db = proxy(fun=Thing, max_size=2, timeout=0, retter=resets.append)
    if had_before:
        step(control(db).get)
    block = request(db)
    mine = step(partial(next, block))
    remove = ThreadSlot[Thing].remove

    def ends(self: ThreadSlot[Thing], kept: Kept[Thing]) -> None:
        remove(self, kept)
        monkeypatch.setattr(ThreadSlot, "remove", remove)
        elsewhere(block.close)

    monkeypatch.setattr(ThreadSlot, "remove", ends)
    assert not control(db).has()
    assert resets == [mine]
    assert in_use(db) == 0


@contextmanager
def transaction(db: Thing) -> Generator[None, None, None]:
    """A helper as many have one."""
    with control(db).obj():
        yield


def test_a_block_around_the_caller_is_not_carried_away(scheduler: FakeScheduler) -> None:
    """What is called within it uses its object, be it in a context of its own or by a helper that has the block."""
    db = proxy(fun=Thing, max_size=1, timeout=0)

    def inside() -> None:
        with control(db).obj() as same:
            assert same.number == db.number == 0
        with transaction(db):
            assert db.number == 0
            step(nested)

    def nested() -> None:
        with control(db).obj() as same:
            assert same.number == 0
        assert control(db).has()

    def outermost() -> None:
        for around in (control(db).obj(), transaction(db)):
            with around:
                inside()
                step(inside)
            assert in_use(db) == 0
        inside()
        assert in_use(db) == 0

    outermost()
    step(outermost)
    elsewhere(outermost)


def test_tasks_share_it(scheduler: FakeScheduler) -> None:
    """Of these it is not to be known: another object might have to be waited for, by the whole loop."""
    db = proxy(fun=Thing, max_size=1, timeout=0)

    async def use(ready: asyncio.Event) -> Thing:
        with control(db).obj() as c:
            ready.set()
            await asyncio.sleep(0)
            return c

    async def main() -> None:
        ready = asyncio.Event()
        first = asyncio.create_task(use(ready))
        await ready.wait()
        assert await use(ready) is await first

    asyncio.run(main())


def test_tasks_of_trio_share_it(scheduler: FakeScheduler, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same, as far as it says that it runs in this thread."""
    db = proxy(fun=Thing, max_size=2, timeout=0)
    running = True

    def current_trio_token() -> object:
        if not running:
            raise RuntimeError("must be called from async context")
        return object()

    monkeypatch.setitem(sys.modules, "trio.lowlevel", SimpleNamespace(current_trio_token=current_trio_token))
    block = request(db)
    mine = step(partial(next, block))
    assert control(db).get() is mine
    running = False
    assert control(db).get() is not mine
    elsewhere(block.close)


def test_greenlets_share_it(scheduler: FakeScheduler, monkeypatch: pytest.MonkeyPatch) -> None:
    """A greenlet that is part of a whole has a context of its own, and goes on with what the others have."""
    db = proxy(fun=Thing, max_size=2, timeout=0)
    main, part = SimpleNamespace(parent=None), SimpleNamespace(parent=object())
    current = main
    monkeypatch.setitem(sys.modules, "greenlet", SimpleNamespace(getcurrent=lambda: current))
    block = request(db)
    mine = step(partial(next, block))
    current = part
    assert control(db).get() is mine
    current = main
    assert control(db).get() is not mine
    elsewhere(block.close)


@pytest.mark.parametrize("scope", [Scope.CONTEXT, PerTenant])
def test_where_nothing_is_carried_away(scope: Any, scheduler: FakeScheduler) -> None:
    """A context's object is nobody else's anyway; a strategy says itself who is an owner."""
    db = proxy(fun=Thing, max_size=1, timeout=0, scope=scope)
    block = request(db)
    mine = step(partial(next, block))
    if scope is Scope.CONTEXT:
        with pytest.raises(TimeOut):
            control(db).get()
    else:
        assert control(db).get() is mine
    elsewhere(block.close)
    assert in_use(db) == 0
