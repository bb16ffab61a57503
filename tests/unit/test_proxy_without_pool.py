"""Proxies without a pool: an object for each owner, or one for all, and what contradicts that."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest

from ProxyPatternPool import (
    HookError,
    Proxy,
    ProxyException,
    Scope,
    TimeOut,
    control,
    proxy,
)

from .clock import FakeScheduler
from .helpers import Caller, Thing, Works, eventually, said, wait_for

# --- without a pool ------------------------------------------------------------------------------------


def test_without_a_pool_hooks_apply(scheduler: FakeScheduler) -> None:
    """`opener` at creation, `closer` when the owner ends or the source is replaced."""
    opened: list[Thing] = []
    closed: list[Thing] = []
    db = Proxy(fun=Thing, opener=opened.append, closer=closed.append)
    mine = db._get_obj()
    assert opened == [mine]
    other = Caller(db._get_obj).result()
    scheduler.run()
    assert opened == [mine, other]
    assert closed == [other]
    db._ret_obj()
    assert db._get_obj() is mine, "there is nowhere to give it back to"
    assert closed == [other]
    control(db).set_obj(Thing(7))
    assert closed == [other, mine]
    assert db.number == 7


def test_without_a_pool_creations_are_parallel() -> None:
    """First uses in different threads create at the same time."""
    together = threading.Barrier(4)

    def make(number: int) -> int:
        together.wait(20)
        return number

    db = Proxy(fun=make)
    users = [Caller(db._get_obj) for _ in range(4)]
    assert sorted(user.result() for user in users) == [0, 1, 2, 3]


# --- one for all, made by a function -------------------------------------------------------------------


def test_shared_function_is_called_once() -> None:
    """The object is made once, lazily, even when sixteen threads ask first at the same moment."""
    works = Works()
    together = threading.Barrier(16)
    asked = threading.Event()

    def make(number: int) -> Thing:
        wait_for(asked)
        return works.make(number)

    db = Proxy(fun=make, scope=Scope.SHARED, closer=works.close)
    assert not db._has_obj()
    assert works.numbers == []

    def use() -> Thing:
        together.wait(20)
        return db._get_obj()

    users = [Caller(use) for _ in range(16)]
    eventually(lambda: together.n_waiting == 0)
    asked.set()
    assert {user.result() for user in users} == set(works.made)
    assert works.numbers == [0]
    assert db._has_obj()
    assert db._pool is None
    assert control(db).scope is Scope.SHARED
    db._ret_obj()
    assert db._has_obj()
    control(db).set_obj(Thing(5))
    assert works.closed == works.made


def test_a_block_with_the_one_object(scheduler: FakeScheduler, works: Works) -> None:
    """Nobody takes it and nobody gives it back: blocks have it like everyone, one within another."""
    thing = Thing(7)
    made = proxy(fun=works.make, scope=Scope.SHARED, closer=works.close)
    for db in (proxy(thing), made):
        with control(db).obj() as outer, control(db).obj() as inner:
            assert outer is inner is control(db).get()
        assert control(db).get() is outer
    assert works.made == works.alive == [control(made).get()]


def test_shared_function_that_fails() -> None:
    """A creation that fails reaches its caller, and the next one tries again."""
    works = Works()
    works.failing = ConnectionError("down")
    db = Proxy(fun=works.make, scope=Scope.SHARED)
    for _ in range(2):
        with pytest.raises(ConnectionError):
            db._get_obj()
        assert not db._has_obj()
    works.failing = None
    assert db.number == 2
    assert Caller(lambda: db.number).result() == 2


def test_shared_function_hooks() -> None:
    """One object for all is opened, and closed in the end; nobody takes it or gives it back."""
    calls: list[str] = []

    def note(name: str) -> Callable[[Thing], object]:
        return lambda thing: calls.append(name)

    db = Proxy(
        fun=Thing,
        scope=Scope.SHARED,
        opener=note("open"),
        getter=note("get"),
        retter=note("ret"),
        closer=note("close"),
    )
    assert Caller(lambda: db.number).result() == db.number == 0
    assert calls == ["open"]
    control(db).set_fun(lambda number: Thing(5))
    assert calls == ["open", "close"]
    assert db.number == 5


def test_shared_function_with_parameters(scheduler: FakeScheduler, caplog: pytest.LogCaptureFixture) -> None:
    """Those that the making of one object can honour: how it is called, what an opener does that fails."""

    def fail(thing: Thing) -> None:
        raise ValueError("no")

    logged: Any = Proxy(fun=Thing, scope=Scope.SHARED, opener=fail, tracer=lambda thing: "my thing", name="one")
    assert logged.number == 0
    assert any("'one'" in line and "my thing" in line for line in said(caplog))
    strict = Proxy(fun=Thing, scope=Scope.SHARED, opener=fail, hook_errors="discard")
    with pytest.raises(HookError):
        strict._get_obj()


def test_who_does_not_wait_for_the_one_object(scheduler: FakeScheduler) -> None:
    """Others make it, in a thread or in a task, and that takes longer than the caller waits."""
    begun, go_on = threading.Event(), threading.Event()

    def make(number: int) -> Thing:
        begun.set()
        wait_for(go_on)
        return Thing(number)

    of_threads = proxy(fun=make, scope=Scope.SHARED)
    maker = Caller(control(of_threads).get)
    wait_for(begun)
    with pytest.raises(TimeOut):
        control(of_threads).get(0)
    go_on.set()
    assert maker.result() is control(of_threads).get(0)

    async def make_in_task(number: int) -> Thing:
        await asyncio.sleep(0)
        return Thing(number)

    async def main() -> None:
        of_tasks: Thing = proxy(fun=make_in_task, scope=Scope.SHARED)
        making = asyncio.create_task(control(of_tasks).aget())
        await asyncio.sleep(0)
        with pytest.raises(TimeOut):
            await control(of_tasks).aget(0)
        assert await making is await control(of_tasks).aget(0)

    asyncio.run(main())


def test_shared_function_that_uses_its_own_proxy() -> None:
    """It would wait for itself for ever, and is told so."""
    db: Any = Proxy(scope=Scope.SHARED)

    def use_it(number: int) -> Any:
        return db.name

    db.set_fun(use_it)
    with pytest.raises(ProxyException, match=r"^fun uses the proxy whose object it is to make: use that object itself"):
        db._get_obj()
    db.set_fun(Thing)
    assert db.number == 0


# --- what contradicts ----------------------------------------------------------------------------------


def test_shared_refuses_a_pool() -> None:
    """One object, and a pool to take it from, contradict each other."""
    for make in (
        lambda: Proxy(1, max_size=2),
        lambda: Proxy(1, max_size=0),
        lambda: Proxy(scope=Scope.SHARED, max_size=2),
        lambda: Proxy(fun=int, scope=Scope.SHARED, max_size=2),
        lambda: Proxy(scope=Scope.SHARED)._set_pool(max_size=2),
        lambda: Proxy(fun=Thing, scope=Scope.SHARED)._set_pool(max_size=2),
    ):
        with pytest.raises(ProxyException, match="pool: leave max_size out"):
            make()
    message = "^one object for all needs no pool: leave max_size out, or set a function$"
    with pytest.raises(ProxyException, match=message):
        Proxy(1, max_size=2)


@pytest.mark.parametrize("scope", [Scope.THREAD, Scope.CONTEXT])
def test_finer_scopes_refuse_an_object(scope: Scope) -> None:
    """One object cannot be each owner's own."""
    message = f"^scope {scope.name} gives each owner an object of its own, and this is only one"
    with pytest.raises(ProxyException, match=message):
        Proxy(1, scope=scope)
    db = Proxy(fun=Thing, scope=scope)
    with pytest.raises(ProxyException, match=message):
        control(db).set_obj(1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    assert db.number == 0
