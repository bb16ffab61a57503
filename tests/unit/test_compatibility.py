"""What code written for the existing module relies on, beyond the documentation; the rest is in docs/migration.md."""

from __future__ import annotations

import inspect
import typing
from typing import Any

import pytest

from ProxyPatternPool import Control, Proxy, ProxyException, Scope, control, proxy
from ProxyPatternPool._proxy.parameters import PoolOverrides

from .clock import HandMovedKeeper
from .helpers import Thing, Works, said

# --- when there is a pool

OF_A_POOL: dict[str, object] = {
    "min_size": 1,
    "timeout": None,
    "max_use": 0,
    "max_waiting": None,
    "max_lifetime": 0.0,
    "max_avail_delay": 0.0,
    "max_using_delay": 0.0,
    "max_using_delay_kill": 0.0,
    "health": None,
    "health_freq": 1,
    "health_before_get": None,
    "backoff": (0.05, 5.0),
    "hk_delay": None,
    "delay": None,
    "stats": None,
    "observer": None,
}
"""What only a pool can honour, with the defaults: to give them is what counts."""


def _touch(thing: Thing) -> None:
    """Do nothing."""


OF_ANY_PROXY: dict[str, object] = {
    "opener": _touch,
    "getter": _touch,
    "retter": _touch,
    "closer": _touch,
    "tracer": str,
    "name": "db",
    "trace_owner": True,
    "hook_errors": "discard",
    "log_level": "INFO",
}

SECOND_WAYS = pytest.mark.parametrize("given", ["at construction", "by _set_pool"])


def _proxy_with(given: str, parameters: dict[str, Any]) -> Proxy[Thing]:
    db: Proxy[Thing] = Proxy(**parameters) if given == "at construction" else Proxy()
    if given == "by _set_pool":
        db._set_pool(**parameters)
    return db.set_fun(Thing)


def _timeout_of(each: Control[Any]) -> float | None:
    return None if each.pool is None else each.pool.stats()["timeout"]


def test_every_parameter_was_sorted() -> None:
    """No parameter of a pool is left out of the two lists."""
    assert {*OF_A_POOL, *OF_ANY_PROXY, "max_size"} == PoolOverrides.__optional_keys__


@SECOND_WAYS
@pytest.mark.parametrize("name", OF_A_POOL)
def test_what_only_a_pool_can_honour_makes_one(given: str, name: str, keeper: HandMovedKeeper) -> None:
    """Whatever its value, were it the default: there is a pool, and it is unlimited."""
    db = _proxy_with(given, {name: OF_A_POOL[name]})
    assert db._pool is not None
    assert db._pool.stats()["max_size"] == 0


@SECOND_WAYS
@pytest.mark.parametrize("name", OF_ANY_PROXY)
def test_what_any_proxy_honours_makes_none(given: str, name: str, keeper: HandMovedKeeper) -> None:
    """Names and the hooks that are called without a pool, too, leave a proxy without one."""
    assert _proxy_with(given, {name: OF_ANY_PROXY[name]})._pool is None


def test_nothing_given_makes_no_pool(keeper: HandMovedKeeper) -> None:
    """With none of these parameters there is no pool."""
    assert Proxy(fun=Thing)._pool is None
    assert control(proxy(fun=Thing)).pool is None


@pytest.mark.parametrize("make", [Proxy, proxy])
def test_no_pool_in_so_many_words(make: Any, keeper: HandMovedKeeper) -> None:
    """An explicit ``max_size=None`` stays no pool, given by name or by place, whatever else is given then or later."""
    made = make(fun=Thing, max_size=None, min_size=5), make(None, Thing, "set", Scope.AUTO, None, None, min_size=5)
    for each in map(control, made):
        assert each.pool is None
        each.set_pool(timeout=1.0)
        assert _timeout_of(each) is None
        each.set_pool(max_size=5)
        assert _timeout_of(each) == 1.0


@pytest.mark.parametrize("make", [Proxy, proxy])
def test_settings_are_those_of_the_pool(make: Any, keeper: HandMovedKeeper) -> None:
    """Nothing is ignored: objects are made at once, and the statistics show what was set."""
    db: Any = make(min_size=5, timeout=1.0)
    control(db).set_fun(Thing)
    pool = control(db).pool
    assert pool is not None
    stats = pool.stats()
    assert (stats["min_size"], stats["timeout"], stats["navail"]) == (5, 1.0, 5)


def test_subclasses_pass_on_what_was_given(keeper: HandMovedKeeper) -> None:
    """Through ``super().__init__(*args, **kwargs)`` it is known as well what was given."""

    class Reference(Proxy[Thing]):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)

    assert Reference(fun=Thing)._pool is None
    assert Reference(fun=Thing, min_size=1)._pool is not None
    assert Reference(None, Thing, "set", Scope.AUTO, None, 3)._pool is not None
    assert Reference(fun=Thing, max_size=None, min_size=1)._pool is None


def test_a_pool_comes_later(keeper: HandMovedKeeper) -> None:
    """A function that was set without a pool gets one by ``_set_pool``, if nobody has ever said that there is none."""
    works = Works()
    db = Proxy(fun=works.make, closer=works.close)
    first = db._get_obj()
    db._set_pool(tracer=str)
    assert db._pool is None
    db._set_pool(min_size=2)
    assert db._pool is not None
    assert db._pool.stats()["navail"] == 2
    assert db._get_obj() is not first
    assert first in works.closed


def test_an_object_for_all_has_no_pool(keeper: HandMovedKeeper, caplog: pytest.LogCaptureFixture) -> None:
    """Parameters of a pool beside it are ignored, as ever, and the log says which."""
    thing = Thing(5)
    db = Proxy(thing, min_size=5, closer=lambda _: None, timeout=1.0)
    assert db._pool is None
    assert db._get_obj() is thing
    control(proxy(fun=Thing, scope=Scope.SHARED, name="db", timeout=1.0, min_size=2)).get()
    assert said(caplog) == [
        "a proxy has one object for all and no pool, to which these would belong: min_size, timeout",
        "proxy 'db' has one object for all and no pool, to which these would belong: min_size",
    ]


def test_an_object_for_all_in_silence(keeper: HandMovedKeeper, caplog: pytest.LogCaptureFixture) -> None:
    """Where nothing is ignored nothing is said; nor of an object that takes the place of a pool, as in tests."""
    Proxy(Thing(5), closer=lambda _: None)
    control(proxy(fun=Thing, scope=Scope.SHARED, timeout=1.0)).get()
    db = Proxy(min_size=2)
    db.set_obj(Thing(5))
    assert db._pool is None
    assert db.number == 5
    assert said(caplog) == []


def test_a_size_for_one_object_is_refused() -> None:
    """A ``max_size`` that was given for an object for all, or for a shared one, is a contradiction."""
    with pytest.raises(ProxyException, match="needs no pool"):
        Proxy(Thing(5), max_size=2)
    with pytest.raises(ProxyException, match="nothing to take from a pool"):
        Proxy(scope=Scope.SHARED, max_size=2)
    with pytest.raises(ProxyException, match="nothing to take from a pool"):
        Proxy(scope=Scope.SHARED)._set_pool(max_size=2)


@pytest.mark.parametrize("function", [Proxy.__init__, proxy])
def test_what_notes_the_names_is_not_seen(function: Any) -> None:
    """Signatures, types and texts are those that are written down."""
    parameters = inspect.signature(function).parameters
    assert parameters["max_size"].default is None
    assert parameters["min_size"].kind is inspect.Parameter.KEYWORD_ONLY
    assert typing.get_type_hints(function)["min_size"] is int
    assert "max_size: Take objects from a pool" in function.__doc__
    with pytest.raises(TypeError, match=rf"{function.__name__}\(\) got an unexpected keyword argument 'max_siz'"):
        function(*([Proxy()] if function is not proxy else []), max_siz=3)
