"""What code written for the existing module relies on, beyond the documentation; the rest is in docs/migration.md."""

from __future__ import annotations

import inspect
import logging
import re
import sys
import typing
from collections.abc import Callable
from types import ModuleType
from typing import Any
from unittest.mock import Mock, call

import pytest

import ProxyPatternPool
from ProxyPatternPool import (
    Control,
    Factory,
    HealthCheck,
    Opener,
    Pool,
    PoolClosed,
    PoolException,
    PoolValueError,
    Proxy,
    ProxyException,
    Scope,
    Tracer,
    control,
    proxy,
)
from ProxyPatternPool._proxy.factory_sources import FromFactoryPerOwner, PoolMaker
from ProxyPatternPool._proxy.own_pools import OwnPools
from ProxyPatternPool._proxy.parameters import PoolOverrides

from .clock import FakeScheduler
from .helpers import ROOT, Caller, Naps, Thing, Works, said

# --- when there is a pool

OF_A_POOL = (
    "min_size",
    "timeout",
    "max_use",
    "max_waiting",
    "max_lifetime",
    "max_avail_delay",
    "max_using_delay",
    "max_using_delay_kill",
    "health",
    "health_freq",
    "health_before_get",
    "backoff",
    "hk_delay",
    "delay",
    "stats",
    "observer",
)
"""What only a pool can honour."""


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
def test_what_only_a_pool_can_honour_makes_one(given: str, name: str, scheduler: FakeScheduler) -> None:
    """Whatever its value, were it the default: there is a pool, and it is unlimited."""
    db = _proxy_with(given, {name: inspect.signature(Pool).parameters[name].default})
    assert db._pool is not None
    assert db._pool.stats()["max_size"] == 0


@SECOND_WAYS
@pytest.mark.parametrize("name", OF_ANY_PROXY)
def test_what_any_proxy_honours_makes_none(given: str, name: str, scheduler: FakeScheduler) -> None:
    """Names and the hooks that are called without a pool, too, leave a proxy without one."""
    assert _proxy_with(given, {name: OF_ANY_PROXY[name]})._pool is None


def test_nothing_given_makes_no_pool(scheduler: FakeScheduler) -> None:
    """With none of these parameters there is no pool."""
    assert Proxy(fun=Thing)._pool is None
    assert control(proxy(fun=Thing)).pool is None


@pytest.mark.parametrize("make", [Proxy, proxy])
def test_no_pool_in_so_many_words(make: Any, scheduler: FakeScheduler) -> None:
    """An explicit ``max_size=None`` stays no pool, given by name or by place, whatever else is given then or later."""
    made = make(fun=Thing, max_size=None, min_size=5), make(None, Thing, "set", Scope.AUTO, None, None, min_size=5)
    for each in map(control, made):
        assert each.pool is None
        each.set_pool(timeout=1.0)
        assert _timeout_of(each) is None
        each.set_pool(max_size=5)
        assert _timeout_of(each) == 1.0


@pytest.mark.parametrize("make", [Proxy, proxy])
def test_settings_are_those_of_the_pool(make: Any, scheduler: FakeScheduler) -> None:
    """Nothing is ignored: objects are made at once, and the statistics show what was set."""
    db: Any = make(min_size=5, timeout=1.0)
    control(db).set_fun(Thing)
    pool = control(db).pool
    assert pool is not None
    stats = pool.stats()
    assert (stats["min_size"], stats["timeout"], stats["navail"]) == (5, 1.0, 5)


def test_subclasses_pass_on_what_was_given(scheduler: FakeScheduler) -> None:
    """Through ``super().__init__(*args, **kwargs)`` it is known as well what was given."""

    class Reference(Proxy[Thing]):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)

    assert Reference(fun=Thing)._pool is None
    assert Reference(fun=Thing, min_size=1)._pool is not None
    assert Reference(None, Thing, "set", Scope.AUTO, None, 3)._pool is not None
    assert Reference(fun=Thing, max_size=None, min_size=1)._pool is None


def test_a_pool_comes_later(scheduler: FakeScheduler) -> None:
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


def test_an_object_for_all_has_no_pool(scheduler: FakeScheduler, caplog: pytest.LogCaptureFixture) -> None:
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


def test_an_object_for_all_in_silence(scheduler: FakeScheduler, caplog: pytest.LogCaptureFixture) -> None:
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


# --- names


def test_version() -> None:
    """It satisfies the lower bounds of those who require the existing module; the changelog begins with it."""
    assert int(ProxyPatternPool.__version__.split(".")[0]) > 11
    versions = re.findall(r"^## \[([\d.]+)\]", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert versions[0] == ProxyPatternPool.__version__


def test_log(caplog: pytest.LogCaptureFixture) -> None:
    """The package's logger is where the existing module had it."""
    assert ProxyPatternPool.log is logging.getLogger("ppp")
    ProxyPatternPool.log.warning("seen")
    assert said(caplog) == ["seen"]


def test_names_of_hooks() -> None:
    """The existing module's types of hooks can be imported, and are ours."""
    names = [ProxyPatternPool.FunHook, ProxyPatternPool.PoolHook, ProxyPatternPool.HealthHook]
    assert [typing.get_origin(name) for name in names] == [Factory, Opener, HealthCheck]
    assert typing.get_origin(ProxyPatternPool.TraceHook) is Tracer


def test_delete_is_an_old_name_of_shutdown(scheduler: FakeScheduler, works: Works, naps: Naps) -> None:
    """It closes what there is and serves nobody any more, and waits for nothing; who calls it is warned in his line."""
    pool: Any = Pool(works.make, 2, closer=works.close)
    thing = pool.get()
    with pytest.warns(DeprecationWarning, match=r"^Pool.__delete__\(\) .* Pool.shutdown\(\)$") as warned:
        pool.__delete__()
    assert warned[0].filename == __file__
    assert not any(naps.asked)
    pool.ret(thing)
    assert works.alive == []
    with pytest.raises(PoolClosed):
        pool.get()


def test_delete_makes_no_descriptors(scheduler: FakeScheduler, works: Works) -> None:
    """A pool is an attribute of a class like any other: an instance may have its own, and take it away again."""

    class Service:
        pool = Pool(works.make, 2, closer=works.close)

    service = Service()
    assert not inspect.isdatadescriptor(Service.pool)
    service.pool = Pool(works.make, 1, closer=works.close)
    assert service.pool is not Service.pool
    del service.pool
    assert service.pool is Service.pool
    assert service.pool.get() in works.alive


def test_delete_keeps_no_pool(scheduler: FakeScheduler, works: Works) -> None:
    """A pool that is dropped closes its objects at once, as if it had no such name."""
    pool = Pool(works.make, closer=works.close)
    del pool
    scheduler.run()
    assert works.alive == []


def test_number_of_objects(scheduler: FakeScheduler, works: Works) -> None:
    """``_nobjs`` is how many objects there are in the pool, whoever has them."""
    db = Proxy(max_size=3, min_size=2, closer=works.close)
    assert db._nobjs == 0
    db.set_fun(works.make)
    assert db._nobjs == 2
    assert db._pool is not None
    assert len({db._pool.get(), db._pool.get(), db._get_obj()}) == db._nobjs == 3
    control(db).discard()
    assert db._nobjs == 2


def test_number_of_objects_without_a_pool(scheduler: FakeScheduler, works: Works) -> None:
    """There ``_nobjs`` is how many were made so far, or given."""
    assert Proxy()._nobjs == 0
    assert Proxy(Thing(5))._nobjs == 1
    each = Proxy(fun=works.make)
    assert each._nobjs == 0
    assert [Caller(lambda: (each.number, each._nobjs)).result() for _ in range(3)] == [(0, 1), (1, 2), (2, 3)]
    shared = Proxy(fun=works.make, scope=Scope.SHARED)
    assert (shared._nobjs, shared.number, shared._nobjs) == (0, 0, 1)


# --- signatures


def test_the_order_of_parameters(scheduler: FakeScheduler, works: Works) -> None:
    """Up to ``log_level`` they may be given by position, in the existing module's order; ours by name alone."""
    names = list(inspect.signature(Pool).parameters)
    order = ["fun", "max_size", "min_size", "timeout", "max_use", "max_avail_delay", "max_using_delay"]
    order += ["max_using_delay_kill", "health_freq", "delay", "opener", "getter", "retter", "closer", "health"]
    order += ["stats", "tracer", "log_level"]
    assert names[: len(order)] == order
    done: list[str] = []

    def hook(name: str) -> Callable[[Thing], bool]:
        def called(thing: Thing) -> bool:
            done.append(name)
            return True

        return called

    hooks = hook("opener"), hook("getter"), hook("retter"), hook("closer"), hook("health")
    pool = Pool(works.make, 4, 1, 1.5, 7, 40.0, 20.0, 30.0, 2, 5.0, *hooks, lambda _: "seen", str, "INFO")
    stats = pool.stats()
    assert (stats["max_size"], stats["min_size"], stats["timeout"], stats["max_use"]) == (4, 1, 1.5, 7)
    assert (stats["max_avail_delay"], stats["max_using_delay_warn"], stats["max_using_delay_kill"]) == (
        40.0,
        20.0,
        30.0,
    )
    assert (stats["health_freq"], stats["delay"], stats["avail"][0].get("stats")) == (2, 5.0, "seen")
    pool.ret(pool.get())
    pool.housekeep()
    pool.housekeep()
    pool.shutdown()
    assert done == ["opener", "getter", "retter", "health", "closer"]
    with pytest.raises(TypeError, match="positional"):
        Pool(works.make, *[0] * len(order))  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


LIMITS = ["max_use", "max_lifetime", "max_avail_delay", "max_using_delay", "max_using_delay_kill"]


@pytest.mark.parametrize("name", LIMITS)
def test_none_is_no_limit(name: str, scheduler: FakeScheduler) -> None:
    """``None`` switches a limit off, in a pool and in a proxy."""
    off: dict[str, Any] = {name: None}
    shown = {"max_using_delay": "max_using_delay_warn"}.get(name, name)
    in_a_proxy = Proxy(fun=Thing, **off)._pool
    assert in_a_proxy is not None
    for pool in (Pool(Thing, **off), in_a_proxy):
        stats: Any = pool.stats()
        assert stats[shown] == 0
        assert scheduler.look_at(pool._core) is None


def test_delay_of_a_shutdown(scheduler: FakeScheduler, naps: Naps, works: Works) -> None:
    """``shutdown(delay=…)`` waits as long as ``shutdown(timeout=…)``, and to give both is an error."""
    pool = Pool(works.make, 1, closer=works.close)
    thing = pool.get()
    with pytest.raises(PoolValueError, match=r"^timeout \(1.0\) and delay \(2.0\) are the same: give only one$"):
        pool.shutdown(1.0, delay=2.0)
    with pytest.raises(PoolValueError, match=r"^delay must be 0 or more seconds, not -1$"):
        pool.shutdown(delay=-1)
    naps.meanwhile.append(lambda: pool.ret(thing))
    pool.shutdown(delay=3.0)
    assert naps.asked == [3.0]
    assert works.alive == []
    pool.shutdown(delay=None)


def test_no_name_to_set_by() -> None:
    """``set_name=None`` leaves only the names with an underscore, as the empty one does."""
    for none in (None, ""):
        db: Any = Proxy(set_name=none)
        assert db._set_obj(Mock()) is db
        assert db.set.mock_calls == []
        db.set_fun(5)
        assert control(db).get().mock_calls == [call.set_fun(5)]


def test_scopes_by_number(monkeypatch: pytest.MonkeyPatch) -> None:
    """Scopes have the existing module's numbers, and its names by number; CONTEXT, which is ours, has the next."""
    names = {0: "AUTO", 1: "SHARED", 2: "THREAD", 3: "VERSATILE", 4: "GEVENT", 5: "EVENTLET", 6: "CONTEXT"}
    assert {scope.value: scope.name for scope in Proxy.Scope} == names
    monkeypatch.setitem(sys.modules, "werkzeug", ModuleType("werkzeug"))
    assert Proxy.Scope(3) is Proxy.Scope["VERSATILE"] is Proxy.Scope["WERKZEUG"]
    assert "scope WERKZEUG" in repr(control(Proxy(scope=Proxy.Scope(3))))


# --- statistics


def test_free_places(scheduler: FakeScheduler, works: Works) -> None:
    """``stats()["sem"]["value"]`` is how many callers could be served now, of an idle pool as many as may be."""
    pool = Pool(works.make, 3, 2, closer=works.close)
    places = [pool.stats()["sem"]]
    things = [pool.get() for _ in range(3)]
    places.append(pool.stats()["sem"])
    for thing in things:
        pool.ret(thing)
    places.append(pool.stats()["sem"])
    assert places == [{"value": value, "init": 3} for value in (3, 0, 3)]


def test_free_places_while_something_is_done(scheduler: FakeScheduler) -> None:
    """What is being created, checked or closed serves nobody meanwhile."""
    seen: list[object] = []

    def look(thing: object) -> bool:
        seen.append(pool.stats()["sem"])
        return True

    def make(number: int) -> Thing:
        if number:
            look(number)
        return Thing(number)

    pool = Pool(make, 2, 1, closer=look, health=look)
    taken = [pool.get(), pool.get()]
    pool.ret(taken[0])
    pool.housekeep()
    pool.discard(taken[1])
    assert seen == [{"value": value, "init": 2} for value in (0, 0, 1)]


def test_a_trace_without_a_tracer(scheduler: FakeScheduler) -> None:
    """An object shows under ``trace`` even if there is no tracer: by its own text."""
    pool = Pool(Thing)
    pool.get()
    assert [lent.get("trace") for lent in pool.stats()["using"]] == ["thing 0"]


# --- the same object again


@pytest.mark.parametrize("scope", [Scope.THREAD, Scope.CONTEXT])
@pytest.mark.parametrize("thing", [Mock(), 5, "interned", None], ids=["a double", "a number", "a string", "nothing"])
def test_owners_share_what_they_are_given_twice(thing: object, scope: Scope, scheduler: FakeScheduler) -> None:
    """Without a pool a function may return the same object for several owners; it is closed for each of them."""
    closed: list[object] = []
    db: Proxy[object] = Proxy(fun=lambda _: thing, scope=scope, closer=closed.append)

    def use() -> object:
        other = Caller(db._get_obj).result()
        return other is db._get_obj() is thing

    assert db._get_obj() is thing
    assert Caller(use).result()
    scheduler.run()
    assert closed == [thing, thing]
    control(db).discard()
    assert closed == [thing, thing, thing]
    assert db._get_obj() is thing


def test_sharing_survives_a_fork(scheduler: FakeScheduler) -> None:
    """In a child as well, where there are no objects yet."""
    thing = Thing(5)
    source = FromFactoryPerOwner(PoolMaker(lambda _: thing, {}, OwnPools(), str))
    first = source.take(None)
    source.all_kept.add(first)
    source._lender().core.after_fork()
    source.after_fork()
    assert [source.take(None).obj, source.take(None).obj] == [thing, thing]
    assert not hasattr(first, "obj")


def test_a_pool_has_each_object_once(scheduler: FakeScheduler) -> None:
    """With a pool the same object again is refused, by a sentence that says why."""
    thing = Thing(5)
    db = Proxy(fun=lambda _: thing, max_size=2)
    assert db._get_obj() is thing
    with pytest.raises(PoolException, match="it has to make another each time, since a pool lends each object to one"):
        Caller(db._get_obj).result()
    assert db._pool is not None
    assert db._pool.stats()["nobjs"] == 1
