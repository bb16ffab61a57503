"""The proxy: what it stands for, when, for whom, and from which pool."""

from __future__ import annotations

import asyncio
import gc
import logging
import sys
import threading
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any
from unittest.mock import ANY

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
from ProxyPatternPool._proxy import sources
from ProxyPatternPool._proxy.parameters import HOOKS
from ProxyPatternPool._runtime import process
from ProxyPatternPool._runtime.native import GIL

from .clock import FakeScheduler
from .diary import Diary
from .helpers import Caller, Nuisance, Settable, Thing, Works, eventually, said, wait_for

late: Callable[..., Any] = proxy
"""As checkers do not know what will come."""


# --- what it stands for --------------------------------------------------------------------------------


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
    for asker, answer in ((f"{module}.threads", False), (None, True), ("shop", True)):
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


@pytest.mark.skipif(not GIL and sys.version_info < (3, 14), reason="Python 3.13 never frees functions without the GIL")
def test_no_reference_is_left() -> None:
    """A proxy that is dropped drops what it stood for."""
    works = Works()
    db = Proxy(fun=works.make, closer=works.close)
    assert db.number == 0
    del db
    gc.collect()
    eventually(lambda: works.closed == works.made)


# --- with a pool ---------------------------------------------------------------------------------------


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
        (dict.fromkeys(HOOKS, 5), TypeError, "must be callable, not 5$"),
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


def test_what_the_parent_of_a_fork_had(scheduler: FakeScheduler) -> None:
    """In the child an owner has nothing: what it kept is the parent's, is not used, and is not given back."""
    db = proxy(fun=Thing, max_size=2)
    assert db.number == 0
    sources._after_fork()
    assert not control(db).has()
    control(db).ret()
    assert db.number == 1
    pool = control(db).pool
    assert pool is not None
    assert pool.stats()["nusing"] == 2
    for loan in sources._loans_of_parent:
        loan.release()
    sources._loans_of_parent.clear()


def test_a_fork_in_c(scheduler: FakeScheduler, monkeypatch: pytest.MonkeyPatch) -> None:
    """A child notices it, whatever it asks a proxy, or its pool, first."""
    noticed: list[None] = []
    monkeypatch.setattr(process, "_steps", [lambda: noticed.append(None)])
    had, fresh = proxy(fun=Thing), proxy(fun=Thing, max_size=1)
    of_tasks = proxy(fun=Thing, scope=Scope.CONTEXT)
    pool = control(fresh).pool
    assert pool is not None

    def is_noticed_by(use: Callable[[], object]) -> bool:
        noticed.clear()
        del process.this_process.here
        use()
        return len(noticed) == 1

    async def main() -> None:
        await control(of_tasks).aget()
        noticed.clear()
        del process.this_process.here
        await control(of_tasks).aget()
        assert len(noticed) == 1

    control(had).get()
    for use in (control(had).has, control(had).get, lambda: repr(fresh), pool.stats):
        assert is_noticed_by(use)
    asyncio.run(main())


def test_a_parameter_of_a_pool_makes_a_pool(scheduler: FakeScheduler, caplog: pytest.LogCaptureFixture) -> None:
    """Also if it has its default, and whatever is given by place; one object for all has an observer nevertheless."""
    assert Proxy(fun=Thing)._pool is None
    for front in (Proxy(fun=Thing, min_size=1), Proxy(None, Thing, None, Scope.THREAD, None, min_size=1)):
        assert front._pool is not None
        assert front._pool.stats()["max_size"] == 0
    assert Proxy(None, Thing, None, Scope.THREAD, None, None, min_size=1)._pool is None
    diary = Diary()
    shared: Any = Proxy(fun=Thing, scope=Scope.SHARED, observer=diary)
    assert shared.number == 0
    assert diary.lines
    assert said(caplog) == []


@pytest.mark.parametrize(
    "given", [{"max_use": -1}, {"min_size": True}, {"min_size": None}, {"health_freq": 0}, {"timeout": ANY}]
)
def test_parameters_of_a_pool_that_there_is_not(given: dict[str, Any]) -> None:
    """They are checked where it is said that there is no pool, too; also one that is equal to the default."""
    with pytest.raises((PoolValueError, TypeError), match=next(iter(given))):
        Proxy(fun=Thing, max_size=None, **given)
    assert Proxy(fun=Thing, max_size=None, health=bool, health_before_get=1.0)._pool is None
