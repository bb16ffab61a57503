"""Names: which are a proxy's own, which the object's, and what subclasses add."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import pytest

from ProxyPatternPool import (
    Proxy,
    ProxyException,
    Scope,
    control,
)

from .helpers import Caller, Settable, Thing, said

# --- names ---------------------------------------------------------------------------------------------


def test_set() -> None:
    """`set` takes exactly one of an object and a function, and gives the proxy."""
    db = Proxy()
    for setter in (db.set, db._set):
        with pytest.raises(ProxyException, match=r"^Proxy must set either obj or fun$"):
            setter()
        with pytest.raises(ProxyException, match=r"^Proxy cannot set both obj and fun$"):
            setter(1, Thing)
        assert setter(1) is db
        assert db == 1
        assert setter(obj=2) is db
        assert db == 2
        assert setter(fun=lambda number: number + 10) is db
        assert db == 10
    with pytest.raises(ProxyException, match=r"^Proxy cannot set both obj and fun$"):
        Proxy[object](1, int)
    with pytest.raises(ProxyException, match=r"^Proxy cannot set both obj and fun$"):
        Proxy[object](obj=0, fun=int)


def test_set_obj_and_set_fun() -> None:
    """`set_obj` and `set_fun`, and the same with underscores, give the proxy."""
    db = Proxy()
    assert db.set_obj("a") is db
    assert db == "a"
    assert db._set_obj("b") is db
    assert db == "b"
    assert db.set_fun(str) is db
    assert db == "0"
    assert db._set_fun(lambda number: number) is db
    assert db == 0
    with pytest.raises(TypeError, match=r"^fun must be callable, not 5$"):
        control(db).set_fun(5)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    assert db == 0


def test_set_name() -> None:
    """With another `set_name` the object's own methods are reached, and the proxy's are called otherwise."""
    db: Any = Proxy(set_name="set_object")
    assert db.set_object(Settable()) is db
    assert (db.set(), db.set_obj(), db.set_fun()) == ("own set", "own set_obj", "own set_fun")
    assert db.set_object_obj(1) is db
    assert str(db) == "1"
    assert db.set_object_fun(str) is db
    assert str(db) == "0"
    assert db._set(2) is db
    assert str(db) == "2"
    for name in ("put__", "__put"):
        assert getattr(Proxy(set_name=name), name)(5) == 5
    nameless: Any = Proxy(Settable(), set_name="")
    assert nameless.set() == "own set"
    assert nameless._set_obj(1) == 1
    with pytest.raises(TypeError, match=r"^set_name must be a string, not 5$"):
        Proxy(set_name=5)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def test_hidden_names_are_told_of(caplog: pytest.LogCaptureFixture) -> None:
    """An object whose own `set` is hidden is warned about when it is set, or made for the first time."""

    class Derived(Settable):
        pass

    settable = Settable()
    hidden = [f"its own {name!r} is hidden by the proxy's" for name in ("set", "set_obj", "set_fun")]

    def told() -> list[str]:
        lines = said(caplog)
        caplog.clear()
        return [part for line in lines for part in hidden if part in line]

    Proxy(settable)
    assert said(caplog)[0].startswith(f"proxy of <Settable at {id(settable):#x}>: its own 'set' is hidden")
    assert told() == hidden
    made = Proxy(fun=lambda _: Settable())
    assert told() == []
    made._get_obj()
    assert told() == hidden
    Caller(made._get_obj).result()
    assert told() == []
    Proxy(set_name="put").put(settable)
    Proxy(Thing(1))
    assert told() == []
    for kind in (Settable, Derived):
        Proxy(kind)
        assert told() == hidden
    bare = Thing(1)
    bare.__dict__["set"] = None
    Proxy(bare)
    assert told() == hidden[:1]
    Proxy(3)
    assert told() == []


def test_names_of_the_object() -> None:
    """All names but the proxy's few are the object's, those too that a proxy's class has."""

    class Odd:
        Scope = "own Scope"
        _way = "own way"
        _control = "own control"
        find = "own find"

    db: Any = Proxy(Odd())
    assert (db.Scope, db._way, db._control, db.find) == ("own Scope", "own way", "own control", "own find")
    assert Proxy.Scope is Scope


# --- subclasses ----------------------------------------------------------------------------------------


def test_subclass() -> None:
    """A subclass works as in the module that this one replaces, with methods of its own."""

    class Reference(Proxy[Any]):
        kind = "reference"

        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)

        def describe(self) -> str:
            return f"{self.kind} to {self.number}"

    db = Reference(fun=Thing, max_size=2)
    assert db.describe() == "reference to 0"
    assert isinstance(db, Reference)
    assert isinstance(db, Thing)
    assert type(db).__name__ == "Reference"
    assert issubclass(type(db), Reference)
    late = Reference(set_name="put")
    assert late.put_fun(Thing) is late
    assert late.describe() == "reference to 0"


def test_subclass_with_slots_and_others_beside() -> None:
    """A subclass may keep something of its own in slots, and inherit from others, abstract classes among them."""

    class Counted(Proxy[Any]):
        __slots__ = ("count",)

    class Greeting:
        def greet(self) -> str:
            return "hello"

    class Abstract(Proxy[Any], ABC):
        @abstractmethod
        def kind(self) -> str: ...

    class Concrete(Abstract, Greeting):
        def kind(self) -> str:
            return "concrete"

    db = Counted(Thing(1))
    db.count = 5
    assert (db.count, db.number) == (5, 1)
    assert not hasattr(db._get_obj(), "count")
    concrete = Concrete(Thing(2))
    assert (concrete.kind(), concrete.greet(), concrete.number) == ("concrete", "hello", 2)


def test_subclass_that_overrides() -> None:
    """What a subclass overrides is called, by whatever name."""
    calls: list[str] = []

    class Loud(Proxy[Any]):
        def _set_obj(self, obj: Any) -> Any:
            calls.append(f"_set_obj {obj}")
            return super()._set_obj(obj)

        def _get_obj(self, timeout: float | None = None) -> Any:
            calls.append("_get_obj")
            return super()._get_obj(timeout)

    db = Loud()
    assert db.set(1) is db
    assert db.set_obj(2) is db
    named = Loud(set_name="put")
    assert named.put(3) is named
    assert named.put_obj(4) is named
    assert db._get_obj() == 2
    assert calls == ["_set_obj 1", "_set_obj 2", "_set_obj 3", "_set_obj 4", "_get_obj"]


def test_subclass_before_it_is_made() -> None:
    """Before `super().__init__()` a subclass has its methods, and nothing to forward to."""

    class Early(Proxy[Any]):
        def __init__(self) -> None:
            assert self.name() == "early"
            with pytest.raises(ProxyException, match=r"call super\(\).__init__\(…\) first"):
                _ = self.x
            with pytest.raises(ProxyException, match=r"call super\(\).__init__\(…\) first"):
                del self.x
            with pytest.raises(ProxyException, match=r"call super\(\).__init__\(…\) first"):
                _ = self + 1
            assert repr(self) == "<Early: not made yet>"
            assert "name" in dir(self)
            assert bool(self) is False
            super().__init__()

        def name(self) -> str:
            return "early"

    assert Early().set_obj(Thing(1)).number == 1


def test_made_by_the_class_of_another() -> None:
    """`type(p)(…)` is a proxy of the same kind, with names of its own."""

    class Reference(Proxy[Any]):
        def hello(self) -> str:
            return f"hello {self}"

    first = Reference(1, set_name="put")
    second = type(first)(2)
    third = type(second)(Settable(), set_name="put")
    assert first == 1
    assert (second.hello(), first.hello()) == ("hello 2", "hello 1")
    assert second.set(3) is second
    assert third.set() == "own set"
    assert type(third).__mro__[2] is Reference
