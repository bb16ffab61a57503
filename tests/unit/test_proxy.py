"""The proxy: what it stands for, when, for whom; which names are its own."""

from __future__ import annotations

import gc
import logging
import sys
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import partial
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import pytest

from ProxyPatternPool import (
    Pool,
    PoolClosed,
    PoolValueError,
    PPPException,
    Proxy,
    ProxyException,
    Scope,
    TimeOut,
    control,
    proxy,
)

from .clock import FakeScheduler, HandMovedClock
from .helpers import Caller, Nuisance, Thing, Works, eventually, said, wait_for

late: Callable[..., Any] = proxy
"""As checkers do not know what will come."""


class Settable:
    """An object with methods that a proxy has, too."""

    def set(self) -> str:
        return "own set"

    def set_obj(self) -> str:
        return "own set_obj"

    def set_fun(self) -> str:
        return "own set_fun"


# --- what it stands for


def test_delayed() -> None:
    """Made before what it stands for, imported anywhere, set last."""
    db = Proxy()
    imported = db
    assert db.set_obj(Thing(5)) is db
    assert imported.number == 5
    assert isinstance(imported, Thing)


@pytest.mark.parametrize("module", ["gevent.monkey", "eventlet.patcher"])
def test_who_patches_gets_no_object(module: str, works: Works, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those who look for locks in everything alive, while they patch, have nothing made."""

    def unpatched(*_: object) -> bool:
        return False

    library: Any = SimpleNamespace(is_object_patched=unpatched, is_monkey_patched=unpatched)
    monkeypatch.setitem(sys.modules, module, library)
    db = Proxy(fun=works.make, max_size=1, min_size=0)
    for asker, answer in ((f"{module}.threads", False), ("shop", True)):
        names: dict[str, Any] = {"__name__": asker, "db": db, "Thing": Thing}
        exec("answers = hasattr(db, 'number'), isinstance(db, Thing), hasattr(db, '__dict__')", names)
        assert names["answers"] == (answer, answer, answer)
        assert bool(works.made) is answer


def test_an_object_is_shared() -> None:
    """One object is the same for all threads."""
    thing = Thing(1)
    db = Proxy(thing)
    assert db._get_obj() is thing
    assert Caller(db._get_obj).result() is thing
    assert control(db).scope is Scope.SHARED
    assert db._pool is None
    db._ret_obj()
    assert db._has_obj()


def test_a_function_is_called_for_each_thread() -> None:
    """Each thread has an object of its own, made when it needs it, numbered 0, 1, 2…"""
    works = Works()
    db = Proxy(fun=works.make)
    assert works.numbers == []
    assert db.number == 0
    assert db.number == 0
    assert [Caller(lambda: db.number).result() for _ in range(3)] == [1, 2, 3]
    assert db.number == 0
    assert control(db).scope is Scope.THREAD
    assert works.numbers == [0, 1, 2, 3]


@pytest.mark.parametrize("obj", [0, "", [], {}, 0.0, False, Nuisance()])
def test_falsy_objects(obj: object) -> None:
    """Falsy objects are objects like any other."""
    for db in (Proxy(obj), Proxy(obj=obj), Proxy().set(obj), Proxy().set_obj(obj), Proxy(fun=lambda _: obj)):
        assert db._get_obj() is obj
        assert db._has_obj()
        assert not db
        assert type(db._get_obj()) is type(obj)


def test_none_is_set_by_name() -> None:
    """`None` as a parameter is none at all; `set_obj(None)` and a function can mean it."""
    assert not Proxy(None)._has_obj()
    for db in (Proxy().set_obj(None), Proxy(fun=lambda _: None)):
        assert db._get_obj() is None
        assert db._has_obj()
        assert str(db) == "None"


def test_unset() -> None:
    """What is not set says so, and what to call; it has a repr, and is false."""
    db = Proxy()
    assert repr(db) == "<Proxy: not set>"
    assert bool(db) is False
    assert not db._has_obj()
    assert db._pool is None
    assert control(db).scope is Scope.AUTO
    db._ret_obj()
    uses: list[Callable[[], object]] = [
        db._get_obj,
        lambda: db.anything,
        lambda: str(db),
        lambda: len(db),
        lambda: db[0],
        lambda: iter(db),
        lambda: db < 1,
        lambda: hash(db),
        lambda: hasattr(db, "anything"),
        lambda: setattr(db, "anything", 1),
        lambda: delattr(db, "anything"),
        lambda: db(),
        lambda: db.__enter__(),
        lambda: db._obj().__enter__(),
    ]
    for use in uses:
        with pytest.raises(ProxyException, match=r"^this proxy is not set: call set_obj\(…\) or set_fun\(…\) first$"):
            use()
    assert issubclass(ProxyException, PPPException)


@pytest.mark.parametrize(
    ("unset", "message"),
    [
        (Proxy(set_name="put"), "this proxy is not set: call put_obj(…) or put_fun(…) first"),
        (Proxy(name="db"), "proxy 'db' is not set: call db.set_obj(…) or db.set_fun(…) first"),
        (Proxy(name="my db"), "proxy 'my db' is not set: call set_obj(…) or set_fun(…) first"),
        (Proxy(set_name=""), "this proxy is not set: call control(…).set_obj(…) or control(…).set_fun(…) first"),
        (late(), "this proxy is not set: call control(…).set_obj(…) or control(…).set_fun(…) first"),
        (late(name="db"), "proxy 'db' is not set: call control(db).set_obj(…) or control(db).set_fun(…) first"),
        (late(name="a-b"), "proxy 'a-b' is not set: call control(…).set_obj(…) or control(…).set_fun(…) first"),
        (late(set_name="put"), "this proxy is not set: call put_obj(…) or put_fun(…) first"),
    ],
)
def test_an_unset_proxy_says_which_and_how(unset: Any, message: str) -> None:
    """Many modules have one: its name, and the calls that this one has."""
    with pytest.raises(ProxyException) as caught:
        unset.anything()
    assert str(caught.value) == message
    with pytest.raises(AttributeError) as missing:
        _ = unset.__wrapped__
    assert str(missing.value) == f"__wrapped__: {message}"


def test_a_name_that_comes_later() -> None:
    """A name given with the other parameters of the pool is the proxy's."""
    db: Any = late()
    control(db).set_pool(name="db")
    assert repr(db) == "<Proxy db: not set>"
    with pytest.raises(ProxyException, match=r"^proxy 'db' is not set: call control\(db\)"):
        db.anything()


def test_a_set_of_ones_own() -> None:
    """What `proxy` makes has no methods of its own but those with an underscore: all others are the object's."""
    cache: Any = late(Settable())
    assert (cache.set(), cache.set_obj(), cache.set_fun()) == ("own set", "own set_obj", "own set_fun")
    assert cache._set_obj(1) == 1
    unset: Any = late()
    with pytest.raises(ProxyException, match=r"^this proxy is not set: call control\(…\)\.set_obj\(…\)"):
        unset.set_obj(1)
    control(unset).set_fun(lambda number: Settable())
    assert unset.set() == "own set"
    named: Any = late(set_name="put")
    assert named.put(5) == 5


def test_fault_15_special_methods() -> None:
    """A proxy on `[]`, or on nothing, does not recurse; operators are forwarded, as are setattr and `__getattr__`."""

    class Dynamic:
        def __getattr__(self, name: str) -> str:
            if name.startswith("no_"):
                raise AttributeError(name)
            return f"dynamic {name}"

    empty: Proxy[list[int]] = Proxy([])
    assert repr(empty) == "[]"
    assert empty == []
    assert not hasattr(empty, "nothing")
    empty.append(1)
    assert len(empty) == 1
    assert empty[0] == 1
    assert 1 in empty
    assert list(empty) == [1]
    dynamic = Proxy(Dynamic())
    assert dynamic.anything == "dynamic anything"
    with pytest.raises(AttributeError, match=r"^no_such$"):
        _ = dynamic.no_such
    thing = Thing(0)
    proxied = Proxy(thing)
    proxied.number = 3
    assert thing.number == 3
    del proxied.number
    assert not hasattr(thing, "number")
    with Proxy(threading.Lock()) as held:
        assert held
    assert Proxy(3) + 1 == 4
    assert 1 + Proxy(3) == 4
    assert Proxy(str)(3) == "3"


def test_an_error_of_the_function_reaches_the_caller() -> None:
    """What the function raises comes out of whatever was done to the proxy, and the next use tries again."""
    works = Works()
    db = Proxy(fun=works.make)
    for error in (ConnectionError("down"), AttributeError("mistake"), KeyboardInterrupt()):
        works.failing = error
        with pytest.raises(type(error)) as raised:
            _ = db.number
        assert raised.value is error
        assert not db._has_obj()
    works.failing = None
    assert db.number == 3


def test_proxies_of_proxies() -> None:
    """A proxy may stand for a proxy; each is controlled apart."""
    inner = Proxy(fun=Thing)
    outer = Proxy(inner)
    assert outer.number == 0
    assert isinstance(outer, Thing)
    assert control(outer).get() is inner
    assert inner._has_obj()
    made = Proxy(fun=lambda number: inner)
    assert made.number == 0


def test_no_reference_is_left() -> None:
    """A proxy that is dropped drops what it stood for."""
    works = Works()
    db = Proxy(fun=works.make, closer=works.close)
    assert db.number == 0
    del db
    gc.collect()
    eventually(lambda: works.closed == works.made)


# --- names


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
    nameless: Any = Proxy(Settable(), set_name="")
    assert nameless.set() == "own set"
    assert nameless._set_obj(1) == 1
    with pytest.raises(TypeError, match=r"^set_name must be a string, not 5$"):
        Proxy(set_name=5)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def test_hidden_names_are_told_of(caplog: pytest.LogCaptureFixture) -> None:
    """An object whose own `set` is hidden is warned about when it is set, or made for the first time."""
    settable = Settable()
    hidden = [f"its own {name!r} is hidden by the proxy's" for name in ("set", "set_obj", "set_fun")]

    def told() -> list[str]:
        lines = said(caplog)
        caplog.clear()
        return [part for line in lines for part in hidden if part in line]

    Proxy(settable)
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
    Proxy(Settable)
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


# --- subclasses


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


# --- with a pool


def test_max_size(scheduler: FakeScheduler) -> None:
    """`None`, the default: no pool. 0: an unlimited one. n: at most n."""
    assert Proxy(fun=Thing)._pool is None
    unlimited = Proxy(fun=Thing, max_size=0)._pool
    assert isinstance(unlimited, Pool)
    assert unlimited.stats()["sem"] is None
    bounded = Proxy(fun=Thing, max_size=2, min_size=2, timeout=0)
    assert isinstance(bounded._pool, Pool)
    assert bounded._pool.stats()["navail"] == 2
    assert bounded._get_obj().number + Caller(bounded._get_obj).result().number == 1
    with pytest.raises(TimeOut, match="timeout after"):
        Caller(lambda: (bounded._get_obj(), Caller(bounded._get_obj).result())).result()


def test_get_has_ret(scheduler: FakeScheduler) -> None:
    """`_get_obj` takes from the pool, `_has_obj` says so, `_ret_obj` gives back, and is harmless otherwise."""
    db = Proxy(fun=Thing, max_size=2)
    assert db._pool is not None
    assert not db._has_obj()
    db._ret_obj()
    thing = db._get_obj()
    assert db._get_obj() is thing
    assert db._has_obj()
    assert db._pool.stats()["nusing"] == 1
    assert not Caller(db._has_obj).result()
    db._ret_obj()
    assert not db._has_obj()
    assert db._pool.stats()["nusing"] == 0
    db._ret_obj()
    assert db._pool.stats()["nreturns"] == 1
    assert db.number == 0
    assert db._has_obj()


def test_get_with_a_timeout(scheduler: FakeScheduler) -> None:
    """`_get_obj(timeout)` waits that long, the pool's own timeout is for all other uses."""
    db = Proxy(fun=Thing, max_size=1, timeout=0)
    other = threading.Event()
    taken = threading.Event()

    def hold() -> None:
        db._get_obj()
        taken.set()
        wait_for(other)

    holder = Caller(hold)
    wait_for(taken)
    with pytest.raises(TimeOut, match="timeout after 0 seconds"):
        _ = db.number
    with pytest.raises(TimeOut, match="timeout after 0 seconds"):
        db._get_obj(0)
    with pytest.raises(PoolValueError):
        db._get_obj(-1)
    with pytest.raises(TimeOut, match="timeout after 0 seconds"), db._obj(0):
        raise AssertionError("there was none")
    other.set()
    holder.result()
    scheduler.run()
    assert db.number == 0


def test_in_a_block(scheduler: FakeScheduler) -> None:
    """`with proxy._obj() as o` gets it, and gives it back whatever happens inside."""
    db = Proxy(fun=Thing, max_size=1)
    assert db._pool is not None
    with db._obj() as thing:
        assert thing is db._get_obj()
        assert db._pool.stats()["nusing"] == 1
    assert db._pool.stats()["nusing"] == 0
    with pytest.raises(KeyboardInterrupt), db._obj(timeout=1.0):
        raise KeyboardInterrupt
    assert db._pool.stats()["nusing"] == 0
    assert not db._has_obj()
    alone = Proxy(fun=Thing)
    with alone._obj() as thing:
        assert alone._get_obj() is thing
    assert alone._get_obj() is thing, "nowhere to give it back to"


def test_hooks(scheduler: FakeScheduler) -> None:
    """The pool's hooks are called as by any pool."""
    calls: list[str] = []

    def note(name: str) -> Callable[[Thing], object]:
        return lambda thing: calls.append(f"{name} {thing}")

    db = Proxy(fun=Thing, max_size=1, opener=note("open"), getter=note("get"), retter=note("ret"), closer=note("close"))
    assert calls == ["open thing 0"]
    assert db.number == 0
    db._ret_obj()
    assert db._pool is not None
    db._pool.shutdown()
    assert calls == ["open thing 0", "get thing 0", "ret thing 0", "close thing 0"]
    with pytest.raises(PoolClosed):
        db._get_obj()


def test_set_pool(scheduler: FakeScheduler) -> None:
    """`_set_pool` overrides parameters before the pool exists, and is refused after."""
    works = Works()
    db = Proxy(max_size=1, closer=works.close)
    db._set_pool(max_size=3, min_size=2)
    assert db.set_fun(works.make) is db
    assert db._pool is not None
    stats = db._pool.stats()
    assert (stats["max_size"], stats["min_size"], stats["navail"]) == (3, 2, 2)
    with pytest.raises(ProxyException, match=r"^cannot override pool parameters once initialized$"):
        db._set_pool(max_size=4)
    db._pool.shutdown()
    assert works.alive == [], "the closer was not forgotten"


def test_set_pool_for_a_function_without_one(scheduler: FakeScheduler) -> None:
    """A function that was set without a pool gets one; what was made without it is closed."""
    works = Works()
    db = Proxy(fun=works.make, closer=works.close)
    assert db.number == 0
    db._set_pool(tracer=str)
    assert db._pool is None
    assert db.number == 0
    assert len(works.closed) == 1
    db._set_pool(max_size=2, timeout=5.0, log_level=logging.getLogger("ppp").level)
    assert db._pool is not None
    assert db._pool.stats()["timeout"] == 5.0
    assert len(works.closed) == 2
    shared: Proxy[object] = Proxy(5)
    shared._set_pool(max_size=2)
    assert shared == 5
    assert shared._pool is None
    assert shared.set_fun(str) == "0"
    assert shared._pool is not None


def test_log_level() -> None:
    """`log_level` is the level of the package's logger."""
    Proxy(log_level=logging.ERROR)
    assert logging.getLogger("ppp").level == logging.ERROR
    Proxy(log_level="DEBUG")._set_pool(log_level="INFO")
    assert logging.getLogger("ppp").level == logging.INFO


@pytest.mark.parametrize(
    ("parameters", "error", "message"),
    [
        ({"max_siz": 3}, TypeError, "got an unexpected keyword argument 'max_siz'"),
        ({"fum": 3}, TypeError, "unexpected keyword argument 'fum'"),
        ({"max_size": "3"}, TypeError, "^max_size must be a whole number, not '3'$"),
        ({"max_size": -1}, PoolValueError, "^max_size must be 0 or more, not -1$"),
        ({"timeout": "soon"}, TypeError, "^timeout must be a number of seconds, not 'soon'$"),
        ({"closer": 5}, TypeError, "^closer must be callable, not 5$"),
        ({"max_size": 1, "min_size": 2}, PoolValueError, r"^min_size \(2\) must not exceed max_size \(1\)$"),
        ({"delay": 1.0, "hk_delay": 1.0}, PoolValueError, "are the same parameter"),
        ({"hook_errors": "raise"}, PoolValueError, "hook_errors"),
        ({"auto_return": 1}, TypeError, "^auto_return must be True or False, not 1$"),
        ({"log_level": "LOUD"}, PoolValueError, "log_level"),
        ({"scope": 5}, TypeError, "^scope must be a Scope, such as .*, or a ScopeStrategy, not 5$"),
        ({"scope": dict}, TypeError, "^scope must be a Scope, such as .*, or a ScopeStrategy, not {}$"),
    ],
)
def test_bad_parameters(parameters: dict[str, Any], error: type[Exception], message: str) -> None:
    """Parameters are checked when the proxy is made, long before it is set."""
    with pytest.raises(error, match=message):
        Proxy(**parameters)


def test_bad_parameters_of_set_pool() -> None:
    """The same for `_set_pool`, which changes nothing then."""
    db = Proxy(max_size=2)
    with pytest.raises(TypeError, match=r"^unexpected keyword argument 'max_siz'$"):
        db._set_pool(max_siz=3)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    with pytest.raises(TypeError, match=r"^unexpected keyword argument 'fun'$"):
        db._set_pool(fun=Thing)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    with pytest.raises(PoolValueError):
        db._set_pool(min_size=3)
    assert db.set_fun(Thing) is db
    assert db._pool is not None
    assert db._pool.stats()["max_size"] == 2


# --- setting again


def test_set_again_with_a_pool(scheduler: FakeScheduler) -> None:
    """The old pool is shut down; its lent objects close when they come back, each owner's at its next use."""
    old, new = Works(), Works()

    def close(thing: Thing) -> None:
        (old if thing in old.made else new).close(thing)

    db = Proxy(fun=old.make, max_size=3, min_size=2, closer=close)
    pool = db._pool
    assert pool is not None
    used, go_on, used_again, end = (threading.Event() for _ in range(4))
    things: list[Thing] = []

    def use() -> None:
        things.append(db._get_obj())
        used.set()
        wait_for(go_on)
        things.append(db._get_obj())
        used_again.set()
        wait_for(end)

    mine = db._get_obj()
    user = Caller(use)
    wait_for(used)
    assert db.set_fun(new.make) is db
    assert pool.stats()["shutdown"]
    assert db._pool is not pool
    assert old.closed == [mine], "the caller's at once, and not what another has in hand"
    go_on.set()
    wait_for(used_again)
    assert old.alive == []
    assert things[0] in old.made
    assert things[1] in new.made
    assert db._get_obj() in new.made
    end.set()
    user.result()
    scheduler.run()
    assert new.closed == []


@pytest.mark.parametrize("max_size", [None, 2])
def test_nobody_is_left_with_a_stale_object(scheduler: FakeScheduler, max_size: int | None) -> None:
    """From function to object to function: whatever kind of content, owners have the last that was set."""
    closed: list[Thing] = []
    db: Any = Proxy(fun=Thing, max_size=max_size, closer=closed.append)
    go = [threading.Event() for _ in range(4)]
    done = [threading.Event() for _ in range(4)]
    seen: list[object] = []

    def use() -> None:
        for start, end in zip(go, done, strict=True):
            wait_for(start)
            seen.append(db._get_obj())
            assert db._has_obj()
            end.set()

    user = Caller(use)
    contents: list[Callable[[], object]] = [
        lambda: None,
        lambda: db.set_obj("shared"),
        lambda: db.set_obj("other"),
        lambda: db.set_fun("made {}".format),
    ]
    mine: list[object] = []
    for step, (set_content, start, end) in enumerate(zip(contents, go, done, strict=True)):
        set_content()
        mine.append(db._get_obj())
        start.set()
        wait_for(end)
        assert control(db).scope is (Scope.SHARED if step in (1, 2) else Scope.THREAD)
    user.result()
    assert isinstance(seen[0], Thing)
    assert isinstance(mine[0], Thing)
    assert seen[1:] == ["shared", "other", "made 1"]
    assert mine[1:] == ["shared", "other", "made 0"]
    scheduler.run()
    made = [thing for thing in (*mine, *seen) if isinstance(thing, Thing)]
    assert all(thing in closed for thing in made)


def test_set_while_somebody_waits(scheduler: FakeScheduler) -> None:
    """Whoever waits for an object of the old pool gets one of the new."""
    db = Proxy(fun=lambda number: "old", max_size=1)
    pool = db._pool
    assert pool is not None
    assert db == "old"
    waiting = Caller(db._get_obj)
    eventually(lambda: pool.stats()["nwaiting"] == 1)
    control(db).set_fun(lambda number: "new")
    assert waiting.result() == "new"


def test_set_while_an_object_is_made(scheduler: FakeScheduler) -> None:
    """An object that was being made when the content was replaced is not kept: its maker gets one of the new."""
    begun, go_on = threading.Event(), threading.Event()
    closed: list[str] = []

    def make(number: int) -> str:
        begun.set()
        wait_for(go_on)
        return "old"

    db = Proxy(fun=make, closer=closed.append)
    user = Caller(lambda: (db._get_obj(), db._has_obj(), str(db)))
    wait_for(begun)
    control(db).set_fun(lambda number: "new")
    go_on.set()
    assert user.result() == ("new", True, "new")
    scheduler.run()
    assert "old" in closed


def test_set_by_the_getter(scheduler: FakeScheduler) -> None:
    """A content replaced at the last moment, by a hook of its own, is not used any more."""
    closed: list[Thing] = []

    def replace(thing: Thing) -> None:
        if thing.number < 10:
            control(db).set_fun(lambda number: Thing(number + 10))

    db = Proxy(fun=Thing, max_size=2, getter=replace, closer=closed.append)
    assert db.number == 10
    scheduler.run()
    assert [thing.number for thing in closed] == [0]


def test_an_interrupted_setting_is_made_up_for(scheduler: FakeScheduler, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was not retired because somebody was interrupted is retired when the proxy is set again."""
    db = Proxy(fun=Thing, max_size=1)
    first = db._pool
    assert first is not None
    with monkeypatch.context() as patch:
        patch.setattr(first, "shutdown", Mock(side_effect=KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            control(db).set_fun(Thing)
    second = db._pool
    assert second is not None
    assert second is not first
    assert not first.stats()["shutdown"]
    control(db).set_fun(Thing)
    assert first.stats()["shutdown"]
    assert second.stats()["shutdown"]
    assert db.number == 0


def test_set_by_many_at_once(scheduler: FakeScheduler) -> None:
    """Several threads set the proxy at the same moment: one wins, and all others' pools are shut down."""
    db: Proxy[str] = Proxy(max_size=2)
    together = threading.Barrier(8)
    pools: list[Pool[str]] = []

    def set_it(name: str) -> None:
        together.wait(20)
        for round_ in range(20):
            control(db).set_fun(partial("{}.{}.{}".format, name, round_))
            pool = db._pool
            assert pool is not None
            pools.append(pool)
            assert "." in db._get_obj()

    setters = [Caller(lambda name=name: set_it(name)) for name in "abcdefgh"]  # type: ignore[misc]
    for setter in setters:
        setter.result()
    assert [pool for pool in set(pools) if not pool.stats()["shutdown"]] == [db._pool]


def test_closed_by_hand_is_closed(scheduler: FakeScheduler) -> None:
    """Who shuts the pool down gets PoolClosed, until the proxy is set again; what is lent is used on until returned."""
    db = Proxy(fun=Thing, max_size=2)
    assert db._pool is not None
    assert db.number == 0
    db._pool.shutdown()
    assert db.number == 0
    db._ret_obj()
    with pytest.raises(PoolClosed):
        _ = db.number
    assert db.set_fun(Thing).number == 0


def test_killed_objects(clock: HandMovedClock, scheduler: FakeScheduler) -> None:
    """When the house keeper has closed an object that was kept too long, its owner gets another at the next access."""
    works = Works()
    db = Proxy(fun=works.make, max_size=1, max_using_delay_kill=10.0, closer=works.close)
    assert db._pool is not None
    assert db.number == 0
    clock.advance(11.0)
    db._pool.housekeep()
    assert len(works.closed) == 1
    assert not db._has_obj()
    assert db.number == 1
    assert db._pool.stats()["nusing"] == 1
    db._ret_obj()
    assert db._pool.stats()["navail"] == 1


def test_killed_objects_without_a_pool(clock: HandMovedClock, scheduler: FakeScheduler) -> None:
    """Nor does an owner keep a closed object where there is no pool to give it back to, nor a closer."""
    db = Proxy(fun=Thing, max_size=None, max_using_delay_kill=10.0)
    first = db._get_obj()
    other = Caller(db._get_obj).result()
    assert other is not first
    clock.advance(11.0)
    scheduler.run()
    assert db._get_obj() is not first


def test_nested_blocks(scheduler: FakeScheduler) -> None:
    """A function with a block of its own, called in a block, does not take away what its caller still uses."""
    works = Works()
    db = Proxy(fun=works.make, max_size=1, timeout=0)

    def helper() -> Thing:
        with db._obj() as thing:
            return thing

    with db._obj() as thing:
        assert helper() is thing
        with pytest.raises(TimeOut):
            Caller(db._get_obj).result()
        with pytest.raises(KeyError), db._obj():
            raise KeyError
        assert db._has_obj()
    assert not db._has_obj()
    assert Caller(helper).result() is thing


def test_a_block_gives_back_whatever_was_taken_in_it(scheduler: FakeScheduler) -> None:
    """The object may be given back inside by hand, and taken again; or the content is replaced."""
    works = Works()
    db: Any = Proxy(fun=works.make, max_size=1, timeout=0, closer=works.close)
    with db._obj():
        db._ret_obj()
        assert not db._has_obj()
        assert db.number == 0
    assert not db._has_obj()
    with db._obj():
        db.set_fun(works.make)
        assert db._get_obj() is works.made[1]
    assert not db._has_obj()
    assert works.closed == works.made[:1]


@pytest.mark.parametrize("name", ["a b", "1st", "__len__", "__class__", "_get_obj", "_obj"])
def test_set_name_must_be_a_name(name: str) -> None:
    """That proxies do not have yet: it would hide what they need."""
    with pytest.raises(ProxyException, match=rf"^set_name must be the name of a method .*, not '{name}'$"):
        Proxy(set_name=name)
    assert Proxy(set_name="_set")._set(5) == 5


# --- without a pool


def test_without_a_pool_hooks_apply(scheduler: FakeScheduler) -> None:
    """`opener` at creation, `closer` when the owner ends or the content is replaced."""
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


# --- one for all, made by a function


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


# --- what contradicts


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
