"""Attributes of one object for all are found in C, and nobody can tell, but by the clock."""

from __future__ import annotations

import inspect
from types import FunctionType
from typing import Any

import pytest

from ProxyPatternPool import Proxy, control, proxy
from ProxyPatternPool._proxy import taking
from ProxyPatternPool._proxy.exposed import exposing
from ProxyPatternPool._runtime.native import GIL, Lock


class Settings:
    """An object with an attribute that is computed, and one that is missing."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.asked: list[str] = []

    @property
    def twice(self) -> int:
        return 2 * self.number

    def __getattr__(self, name: str) -> Any:
        self.asked.append(name)
        raise AttributeError(f"there is no {name}")


class Called(Settings):
    def __call__(self, there: int, *, here: int) -> None: ...


def is_direct(front: object) -> bool:
    """Whether no function in Python finds the attributes of a proxy."""
    return not isinstance(vars(type(front))["__getattribute__"], FunctionType)


def used(front: Any) -> Any:
    """A proxy that has found its object."""
    assert not is_direct(front)
    assert front.number
    return front


def test_attributes_are_the_objects() -> None:
    """Those of an instance, of a class, and those that are missing, which the object is asked for once."""
    settings = Settings(3)
    front = used(Proxy(settings))
    assert is_direct(front) is GIL
    assert (front.number, front.twice, front.__class__, front.__dict__) == (3, 6, Settings, vars(settings))
    settings.number = 4
    assert (front.number, front.twice) == (4, 8)
    front.number = 5
    assert settings.number == 5
    with pytest.raises(AttributeError, match="there is no third"):
        _ = front.third
    assert settings.asked == ["third"]


def test_the_proxys_own_names_are_its_own() -> None:
    """Its methods, and what says how many objects there are."""
    settings = Settings(3)
    front = used(Proxy(settings))
    assert front.set_obj.__self__ is front
    assert front._get_obj() is settings
    assert (front._pool, front._nobjs, front._has_obj()) == (None, 1, True)
    assert front.__reduce_ex__.__self__ is front
    assert not hasattr(front, "__bases__")


def test_what_is_set_later_is_found_at_once() -> None:
    """Another object, or a function: whoever has set it does not find the old one's attributes."""
    front = used(Proxy(Settings(1)))
    front.set_obj(Settings(2))
    assert front.number == 2
    front.set_fun(Settings)
    assert front.number == 0
    assert front._nobjs == 1
    front.set_obj(Settings(4))
    assert front.number == 4


def test_what_is_set_by_another_thread_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    """An object that was replaced while its attributes were about to be found directly is not found any more."""
    front: Any = Proxy(Settings(1))

    def meanwhile() -> Lock:
        monkeypatch.undo()
        control(front).set_obj(Settings(2))
        return exposing()

    monkeypatch.setattr(taking, "exposing", meanwhile)
    assert front.number == 1, "it came first"
    assert not is_direct(front)
    assert front.number == 2


def test_objects_with_attributes_that_the_proxy_computes() -> None:
    """Those that can be called have a signature, and a proxy may come to stand for one: they are asked as before."""
    called = used(Proxy(Called(1)))
    assert list(inspect.signature(called).parameters) == ["there", "here"]
    behind = Proxy(Called(2))
    for front in (called, used(Proxy(behind)), used(proxy(Called(3)))):
        assert not is_direct(front)
        assert front.number


def test_subclasses_and_owners_objects_are_asked_as_before() -> None:
    """A subclass may change what a name means, and each owner has an object of its own."""

    class Named(Proxy[Settings]):
        @property
        def label(self) -> str:
            return f"number {self.number}"

    named = used(Named(Settings(1)))
    assert named.label == "number 1"
    front: Any = Proxy(fun=Settings)
    assert front.number == 0
    assert not is_direct(named)
    assert not is_direct(front)
