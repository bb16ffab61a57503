"""Typing of proxies, at run time and for checkers: what these refuse is refused here, too."""

from __future__ import annotations

import asyncio
import math
from contextlib import AbstractContextManager
from inspect import signature
from typing import Any
from unittest.mock import Mock

import pytest
from typing_extensions import assert_type

from ProxyPatternPool import (
    Control,
    Factory,
    Pool,
    PoolValueError,
    Proxy,
    ProxyException,
    Scope,
    ScopeStrategy,
    control,
    proxy,
)
from ProxyPatternPool._proxy import typed

from .clock import FakeScheduler
from .helpers import Caller, Thing, Works


class Connection:
    """An object with methods of its own."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.closed = False

    def execute(self, text: str) -> str:
        return f"{self.number}: {text}"

    def close(self) -> None:
        self.closed = True


def connect(number: int) -> Connection:
    return Connection(number)


def measure(text: str) -> int:
    return len(text)


def scope_of(thing: Thing) -> Scope | ScopeStrategy[Thing]:
    return control(thing).scope


# --- what is what


def test_proxy_has_the_type_of_the_object() -> None:
    """`proxy(…)` is a T for checkers, with all its members, and a proxy at run time."""
    db = proxy(fun=connect, opener=lambda c: c.execute("open"), closer=lambda c: c.close())
    assert_type(db, Connection)
    assert db.execute("read") == "0: read"
    assert_type(db.number, int)
    assert isinstance(db, Connection)
    assert issubclass(type(db), Proxy)
    assert_type(proxy(Thing(1)), Thing)
    assert_type(proxy(fun=Thing, max_size=2), Thing)
    numbers = proxy([1, 2])
    assert_type(numbers, list[int])
    assert numbers[0] == len(numbers) - 1


def test_the_proxy_may_be_set_later() -> None:
    """`db: Connection = proxy()` is the shape of a shared module; an application sets it last."""
    db: Connection = proxy(closer=lambda c: c.close(), max_size=2)
    assert not control(db).has()
    control(db).set_fun(connect)
    assert db.execute("read") == "0: read"
    control(db).set_obj(Connection(7))
    assert db.execute("read") == "7: read"


def test_proxy_of_the_class() -> None:
    """`Proxy(…)` knows its T in its own methods, and takes any other name for the object's."""
    db = Proxy(fun=connect, max_size=2, opener=lambda c: c.execute("open"))
    assert_type(db, Proxy[Connection])
    assert_type(db._get_obj(), Connection)
    assert_type(db._has_obj(), bool)
    assert_type(db._pool, Pool[Connection] | None)
    assert_type(db._obj(1.0), AbstractContextManager[Connection])
    assert_type(db.set_fun(connect), Proxy[Connection])
    assert_type(db.set_obj(connect(0)), Proxy[Connection])
    assert_type(db.set(fun=connect), Proxy[Connection])
    assert_type(db.execute, Any)
    with db._obj() as connection:
        assert_type(connection, Connection)
    anything = Proxy()
    assert_type(anything, Proxy[Any])
    assert anything.set_obj("x").upper() == "X"
    assert anything.set_obj(Thing(3)).number == 3
    assert_type(Proxy[int](5)._get_obj(), int)


def test_all_parameters_reach_the_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is given to the function is given to the class, each by its name."""
    given = {name: object() for name in signature(Proxy).parameters}
    make: Any = proxy
    made = Mock()
    monkeypatch.setattr(typed, "Proxy", made)
    make(**given)
    made.assert_called_once_with(**given)


def test_control_of_either() -> None:
    """`control` finds the same controls, whichever way a proxy is typed."""
    one, other = proxy(fun=connect), Proxy(fun=connect)
    assert_type(control(one), Control[Connection])
    assert_type(control(other), Control[Connection])
    assert control(one) is control(one)
    for stranger in (connect(0), 5, None, Proxy, control(one)):
        with pytest.raises(ProxyException, match=f"no proxy, but an object of type '{type(stranger).__name__}'$"):
            control(stranger)


def test_refused_by_checkers() -> None:
    """What does not fit is red in the editor; at run time it is refused where it can be seen."""
    with pytest.raises(TypeError, match="unexpected keyword argument 'max_siz'"):
        proxy(fun=connect, max_siz=3)  # type: ignore[call-overload,call-arg,unused-ignore]  # pyright: ignore[reportCallIssue]
    with pytest.raises(TypeError, match=r"^max_size must be a whole number, not '3'$"):
        proxy(fun=connect, max_size="3")  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]
    with pytest.raises(TypeError, match=r"^timeout must be a number of seconds, not '3'$"):
        Proxy(fun=connect, timeout="3")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    proxy(fun=connect, closer=measure)  # type: ignore[misc]  # pyright: ignore[reportArgumentType]
    proxy(fun=connect, health=lambda c: 3)  # type: ignore[arg-type,return-value]  # pyright: ignore[reportArgumentType]
    proxy(fun=connect, closer=lambda c: c.nothing())  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue,reportUnknownMemberType,reportUnknownLambdaType]
    db: Connection = proxy()
    with pytest.raises(TypeError, match=r"^fun must be callable, not 5$"):
        control(db).set_fun(5)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    control(db).set_fun(measure)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    with pytest.raises(TypeError, match="unexpected keyword argument 'max_siz'"):
        control(db).set_pool(max_siz=3)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    control(db).set_pool(closer=measure)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    with pytest.raises(AttributeError):
        control(db).anything  # type: ignore[attr-defined]  # noqa: B018  # pyright: ignore[reportAttributeAccessIssue,reportUnknownMemberType]


# --- what the controls do


def test_controls(scheduler: FakeScheduler) -> None:
    """`get`, `has`, `ret`, `obj`, `pool` and `scope`, by their names."""
    works = Works()
    thing = proxy(fun=works.make, max_size=1, timeout=0)
    controls = control(thing)
    assert_type(controls.pool, Pool[Thing] | None)
    assert_type(controls.scope, Scope | ScopeStrategy[Thing])
    assert controls.scope is Scope.THREAD
    assert not controls.has()
    assert_type(controls.get(), Thing)
    assert controls.get(0) is works.made[0]
    assert controls.has()
    controls.ret()
    assert not controls.has()
    with controls.obj(0) as same:
        assert_type(same, Thing)
        assert same is works.made[0]
        assert controls.has()
    assert not controls.has()
    assert controls.pool is not None
    assert controls.pool.stats()["nusing"] == 0
    assert Caller(controls.get).result() is works.made[0]


@pytest.mark.parametrize(("timeout", "error"), [("x", TypeError), (-1, PoolValueError), (math.nan, PoolValueError)])
def test_a_senseless_timeout(timeout: Any, error: type[Exception], scheduler: FakeScheduler) -> None:
    """It is refused even if there is nothing to wait for: the owner has an object, or it is everyone's."""
    for thing in (proxy(fun=Thing, max_size=1), proxy(fun=Thing), proxy(Thing(0))):
        assert thing.number == 0
        with pytest.raises(error, match=r"^timeout must be "):
            control(thing).get(timeout)
        with pytest.raises(error, match=r"^timeout must be "), control(thing).obj(timeout):
            pytest.fail("the wait is at the beginning")
        with pytest.raises(error, match=r"^timeout must be "):
            control(thing).close(timeout)
        with pytest.raises(error, match=r"^timeout must be "):
            asyncio.run(control(thing).aclose(timeout))
        assert control(thing).get(0) is control(thing).get()


@pytest.mark.parametrize("auto_return", [True, False])
@pytest.mark.parametrize("max_size", [1, None])
def test_discard(max_size: int | None, auto_return: bool, scheduler: FakeScheduler) -> None:
    """`discard` closes the owner's object, with a pool or without, and there is another at the next access."""
    works = Works()
    thing = proxy(fun=works.make, closer=works.close, max_size=max_size, min_size=0, timeout=0, auto_return=auto_return)
    control(thing).discard()
    assert works.made == []
    assert thing.number == 0
    control(thing).discard()
    assert works.closed == works.made
    control(thing).discard()
    assert not control(thing).has()
    assert thing.number == 1
    control(thing).ret()
    assert works.alive == works.made[1:]


class Dial(Factory[Thing]):
    """A factory that has to be made first."""

    def __call__(self, number: int, /) -> Thing:
        return Thing(number)


@pytest.mark.parametrize("max_size", [1, None])
def test_a_class_of_factories_is_refused_when_it_is_set(max_size: int | None, scheduler: FakeScheduler) -> None:
    """It would make factories; and what was set before stays."""
    thing: Thing = proxy(max_size=max_size)
    with pytest.raises(TypeError, match=r"^fun must be an instance: Dial\(…\), not the class$"):
        control(thing).set_fun(Dial)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    with pytest.raises(ProxyException, match="this proxy is not set"):
        control(thing).get()
    control(thing).set_fun(Dial())
    assert thing.number == 0


def test_what_is_everyones_is_not_discarded(scheduler: FakeScheduler) -> None:
    """An object for all is not one caller's to close."""
    message = "^this object is everyone's, and not one owner's to discard: set another$"
    for thing in (proxy(Thing(1)), proxy(fun=Thing, scope=Scope.SHARED)):
        with pytest.raises(ProxyException, match=message):
            control(thing).discard()


def test_a_proxy_does_not_stand_for_itself() -> None:
    """It would look for its object for ever; what it had stays."""
    thing = proxy(Thing(1))
    with pytest.raises(ProxyException, match=r"^obj must not be the proxy itself$"):
        control(thing).set_obj(thing)
    assert thing.number == 1


def test_setting_by_the_controls(scheduler: FakeScheduler) -> None:
    """`set_obj`, `set_fun` and `set_pool`."""
    thing: Thing = proxy()
    controls = control(thing)
    assert scope_of(thing) is Scope.AUTO
    assert controls.pool is None
    controls.set_obj(Thing(5))
    assert scope_of(thing) is Scope.SHARED
    assert thing.number == 5
    controls.set_pool(max_size=3, min_size=2, name="things")
    controls.set_fun(Thing)
    assert thing.number == 1
    assert controls.pool is not None
    assert controls.pool.name == "things"
    with pytest.raises(ProxyException, match=r"^cannot override pool parameters once initialized$"):
        controls.set_pool(max_size=4)


def test_nothing_is_forwarded() -> None:
    """The controls are no proxy: what they lack, they lack."""
    controls = control(proxy("text"))
    assert not hasattr(controls, "upper")
    assert not isinstance(controls, str)


def test_repr(scheduler: FakeScheduler) -> None:
    """The controls say in one line what they control."""
    db: Thing = proxy()
    assert repr(control(db)) == "<Control of a proxy, scope AUTO: not set>"
    control(db).set_obj(Thing(1))
    assert repr(control(db)) == "<Control of a proxy, scope SHARED: an object>"
    control(db).set_fun(Thing)
    assert repr(control(db)) == "<Control of a proxy, scope THREAD: a function>"
    control(db).set_pool(max_size=2, name="things")
    control(db).get()
    pool = "<Pool things: 0 idle, 1 in use, 0 waiting, max 2>"
    assert repr(control(db)) == f"<Control of a proxy, scope THREAD: {pool}>"


def test_scope_by_the_controls() -> None:
    """`scope` is what was given, or what AUTO has become."""
    assert scope_of(proxy(fun=Thing, scope=Scope.CONTEXT)) is Scope.CONTEXT
    assert scope_of(proxy(fun=Thing)) is Scope.THREAD
