"""Only an ``AsyncPool`` awaits: elsewhere what is to be awaited is an error that names the parameter.

A coroutine that is dropped before it was awaited, or closed, fails the test in which it is: pytest makes an error of
Python's warning.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
import sys
import types
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from typing import Any
from unittest.mock import AsyncMock, MagicMock, Mock

import pytest

from ProxyPatternPool import AsyncPool, HookError, Hooks, Pool, PoolObserver, Proxy, control, observers, proxy
from ProxyPatternPool._hooks import AsyncHooks
from ProxyPatternPool.status import status_app
from ProxyPatternPool.wsgi import ReturnMiddleware

from .clock import FakeScheduler
from .helpers import Thing, Works, said

ALWAYS_PLAIN = ("stats", "tracer")
HOOKS = ("opener", "getter", "retter", "closer", "health", *ALWAYS_PLAIN)


async def ping(thing: object) -> bool:
    return True


async def one_by_one(thing: object) -> AsyncGenerator[object]:
    yield thing


def step_by_step(thing: object) -> Generator[object]:
    yield thing


@types.coroutine
def old_style(thing: object) -> Generator[None, None, bool]:
    yield
    return True


def fail(thing: object) -> None:
    raise AssertionError("nobody is to call this")


class Methods:
    async def bound(self, thing: object) -> bool:
        return True

    @staticmethod
    async def static(thing: object) -> bool:
        return True

    @classmethod
    async def of_class(cls, thing: object) -> bool:
        return True


class Called:
    async def __call__(self, thing: object) -> bool:
        return True


class CalledStatically:
    @staticmethod
    async def __call__(thing: object) -> bool:
        return True


class CalledByAnother:
    __call__ = Called()


class Heir(Called):
    __slots__ = ()


def marked() -> Callable[[object], object]:
    def later(thing: object) -> Awaitable[bool]:
        return ping(thing)

    if sys.version_info >= (3, 12):
        return inspect.markcoroutinefunction(later)
    vars(later)["_is_coroutine"] = object()  # as Cython and asgiref do
    return later


ASYNC: dict[str, Any] = {
    "function": ping,
    "partial": functools.partial(ping),
    "partial of a partial": functools.partial(functools.partial(Methods().bound)),
    "bound method": Methods().bound,
    "static method": Methods.static,
    "static method, not looked up": vars(Methods)["static"],
    "class method": Methods.of_class,
    "method": Methods.bound,
    "callable object": Called(),
    "callable object of a subclass": Heir(),
    "static __call__": CalledStatically(),
    "callable __call__": CalledByAnother(),
    "marked": marked(),
    "mock": AsyncMock(),
    "decorated": functools.wraps(ping)(functools.partial(ping)),
    "generator-based": old_style,
    "async generator": one_by_one,
}
MAKERS: tuple[Any, ...] = Pool, Proxy, proxy
PLAIN: dict[str, Any] = {
    "function": fail,
    "wrapper of a coroutine function": functools.wraps(ping)(fail),
    "builtin": id,
    "class": Thing,
    "partial": functools.partial(print, end=""),
    "bound method": "".join,
    "method in C": str.upper,
    "mock": MagicMock(),
    "mock with a specification": Mock(spec=len),
}


@pytest.mark.parametrize("name", ["fun", *HOOKS])
@pytest.mark.parametrize("kind", ASYNC)
def test_what_is_seen_at_construction_is_refused_there(kind: str, name: str) -> None:
    """Whatever kind of coroutine function it is, in whatever parameter: a ``TypeError`` that names it."""
    function = ASYNC[kind]
    for_threads = for_proxies = (
        rf"^{name} must be a plain function, not an async generator function: nobody iterates over what that"
    )
    if function is not one_by_one:
        refusal = f"^{name} must be a plain function, not a coroutine function: nobody awaits what that returns"
        for_threads = refusal + ("$" if name in ALWAYS_PLAIN else "; use AsyncPool$")
        for_proxies = refusal + ("$" if name in ALWAYS_PLAIN else r"; use scope=Proxy\.Scope\.CONTEXT, with which each")
    for make in (*MAKERS, Hooks):
        parameters: dict[str, Any] = {"fun": int, name: function}
        with pytest.raises(TypeError, match=for_threads if make in (Pool, Hooks) else for_proxies):
            make(**parameters)
    refusal = for_proxies
    db: Any = Proxy()
    for set_fun, set_pool in (db._set_fun, db._set_pool), (control(db).set_fun, control(db).set_pool):
        with pytest.raises(TypeError, match=refusal):
            set_fun(function) if name == "fun" else set_pool(**{name: function})
    assert not control(db).has()


@pytest.mark.parametrize("name", ["fun", *HOOKS])
@pytest.mark.parametrize("kind", ASYNC)
def test_hooks_that_are_awaited_may_be_coroutine_functions(kind: str, name: str) -> None:
    """In an ``AsyncPool`` all but two; an async generator function is no hook there either."""
    function = ASYNC[kind]
    parameters: dict[str, Any] = {"fun": int, name: function}
    if function is one_by_one:
        wanted = "" if name in ALWAYS_PLAIN else " or a coroutine function"
        refusal = rf"^{name} must be a plain function{wanted}, not an async generator function: nobody iterates over"
    elif name in ALWAYS_PLAIN:
        refusal = rf"^{name} must be a plain function, not a coroutine function: nobody awaits what that returns$"
    else:
        assert getattr(AsyncHooks(**parameters), name) is function
        return
    others: dict[str, Any] = {"stats": str}
    with pytest.raises(TypeError, match=refusal):
        AsyncHooks(**{**others, **parameters})


@pytest.mark.parametrize("hooks", [Hooks, AsyncHooks])
@pytest.mark.parametrize("kind", PLAIN)
def test_what_is_plain_is_accepted(kind: str, hooks: type[Hooks[object]]) -> None:
    """Nothing is taken for a coroutine function that is none."""
    function = PLAIN[kind]
    hooks(function, function if kind != "class" else None, closer=function)


def test_a_generator_function_is_no_hook_and_may_be_a_factory(scheduler: FakeScheduler) -> None:
    """As a hook nothing in it would ever run; as a factory it makes generators, which may be what is wanted."""
    for name in HOOKS:
        wrong: dict[str, Any] = {name: step_by_step}
        with pytest.raises(TypeError, match=rf"^{name} must be a plain function, not a generator function: nobody"):
            Hooks(int, **wrong)
        with pytest.raises(TypeError, match=rf"^{name} must be a plain function.*, not a generator function: nobody"):
            AsyncHooks(int, **wrong)
        with pytest.raises(TypeError, match=rf"^{name} must be a plain function, not a generator function: nobody"):
            Proxy(**wrong)
    assert AsyncHooks(step_by_step).fun is step_by_step
    with Pool(step_by_step) as pool, pool.obj() as steps:
        assert next(steps) == 0
    assert next(Proxy(fun=step_by_step)._get_obj()) == 0


def test_a_class_that_makes_coroutine_functions_is_a_factory(scheduler: FakeScheduler) -> None:
    """To call the class is to make an object, whatever to call the object is."""

    class Marked(Called):
        _is_coroutine = True

    with Pool(lambda _: Called()) as pool, pool.obj() as called:
        assert type(called) is Called
    kinds: tuple[Any, ...] = Called, Marked
    for kind in kinds:
        assert Hooks(kind).fun is kind


@pytest.mark.parametrize("event", ["created", "lent", "returned", "discarded", "hook_failed"])
def test_an_observer_with_a_coroutine_function_is_refused(event: str) -> None:
    """Its method would never run: the ``TypeError`` names the observer and the method."""
    wrong = type("Wrong", (PoolObserver,), {event: ASYNC["method"]})()
    refusal = rf"^observer: its {event}\(\) must be a plain function, not a coroutine function"
    for make in MAKERS:
        with pytest.raises(TypeError, match=refusal):
            make(fun=int, observer=wrong)
    with pytest.raises(TypeError, match=refusal):
        observers(wrong, wrong)


# --- what is seen only when it is called


class Later:
    """Something to be awaited that is neither a coroutine nor a future."""

    def __await__(self) -> Generator[None, None, None]:
        yield


class Anything(type):
    """A class of classes that has whatever it is asked for."""

    def __getattr__(cls, name: str) -> str:
        return name


class Odd(metaclass=Anything):
    """Not to be awaited, whatever its class says when it is asked."""


class NoLonger(Later):
    """Not to be awaited any more."""

    __await__ = None  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]


def future(thing: object) -> object:
    loop = asyncio.new_event_loop()
    try:
        return loop.create_future()
    finally:
        loop.close()


RESULTS: dict[str, tuple[Callable[[object], object], str]] = {
    "coroutine": (lambda thing: ping(thing), "a coroutine"),
    "generator-based coroutine": (lambda thing: old_style(thing), "a coroutine"),
    "async generator": (lambda thing: one_by_one(thing), "an async generator"),
    "future": (future, "an awaitable _?Future"),
    "own class": (lambda thing: Later(), "an awaitable Later"),
    "proxy of one": (lambda thing: proxy(Later()), "an awaitable Proxy"),
}


@pytest.mark.parametrize("result", RESULTS)
def test_a_factory_that_returns_an_awaitable_has_failed(result: str, scheduler: FakeScheduler) -> None:
    """Its caller gets a ``TypeError`` that names it and what to do; nothing is pooled, no hook is called with it."""
    make, what = RESULTS[result]
    seen: list[object] = []
    pool = Pool(make, 1, 0, opener=seen.append, getter=seen.append, closer=seen.append, backoff=None)
    for _ in range(2):  # the place is free again
        with pytest.raises(
            TypeError,
            match=rf"^fun returned {what}, and nobody awaits it: .*the object itself, or the pool be an AsyncPool$",
        ):
            pool.get()
    stats = pool.stats()
    assert (stats["nobjs"], stats["ncreated"], stats["nerrors"]) == (0, 0, 2)
    assert stats["last_error"] is not None
    assert "fun returned" in stats["last_error"]
    pool.shutdown()
    assert seen == []


@pytest.mark.parametrize("max_size", [None, 2])
def test_a_proxy_says_it_where_it_is_used(max_size: int | None, scheduler: FakeScheduler) -> None:
    """Who uses the proxy gets the error, with a pool or without, and hears what a proxy needs to await it."""
    db: Any = proxy(fun=lambda _: ping(_), max_size=max_size, min_size=0)
    with pytest.raises(TypeError) as error:
        db.execute("SELECT 1")
    assert str(error.value) == (
        "fun returned a coroutine, and nobody awaits it: it must return the object itself, or be written as "
        "`async def`, with scope=Proxy.Scope.CONTEXT"
    )
    assert not control(db).has()
    db = proxy(fun=Thing, opener=lambda thing: ping(thing), hook_errors="discard", max_size=max_size, min_size=0)
    with pytest.raises(
        HookError, match=r"must be a plain function, or be written as `async def`, with scope=.*CONTEXT'"
    ):
        _ = db.number


@pytest.mark.parametrize("result", RESULTS)
@pytest.mark.parametrize("name", ["opener", "getter"])
def test_an_opener_or_getter_that_returns_an_awaitable_has_failed(
    name: str, result: str, scheduler: FakeScheduler, works: Works, caplog: pytest.LogCaptureFixture
) -> None:
    """Logged and counted, or the caller's error, as ``hook_errors`` says."""
    hook, what = RESULTS[result]
    parameters: dict[str, Any] = {name: hook}
    text = rf"{name} returned {what}, and nobody awaits it: it must be a plain function, or the pool an AsyncPool"
    pool = Pool(works.make, 1, 0, **parameters)
    pool.ret(pool.get())
    assert pool.stats()["hook_errors"] == 1
    (line,) = said(caplog)
    assert f"{name} failed on thing 0" in line
    strict = Pool(works.make, 1, 0, hook_errors="discard", closer=works.close, backoff=None, **parameters)
    with pytest.raises(HookError, match=text):
        strict.get()
    assert works.closed == [works.made[-1]]
    assert strict.stats()["hook_errors"] == 1


@pytest.mark.parametrize("result", RESULTS)
def test_a_retter_that_returns_an_awaitable_has_failed(
    result: str, scheduler: FakeScheduler, works: Works, caplog: pytest.LogCaptureFixture
) -> None:
    """The object was not reset: it is discarded."""
    hook, _ = RESULTS[result]
    pool = Pool(works.make, 1, 0, retter=hook, closer=works.close)
    pool.ret(pool.get())
    assert works.closed == works.made
    assert pool.stats()["hook_errors"] == 1
    (line,) = said(caplog)
    assert "retter failed, discarding thing 0: TypeError('retter returned" in line


@pytest.mark.parametrize("result", RESULTS)
def test_a_health_check_that_returns_an_awaitable_has_failed(
    result: str, scheduler: FakeScheduler, works: Works, caplog: pytest.LogCaptureFixture
) -> None:
    """It is true, and says nothing about the object, which is discarded."""
    hook: Any = RESULTS[result][0]
    pool = Pool(works.make, 1, 1, health=hook, closer=works.close)
    pool.housekeep()
    assert works.closed == works.made[:1]
    stats = pool.stats()
    assert (stats["bad_health"], stats["hc_errors"]) == (1, 1)
    assert any("bad health, discarding thing 0: TypeError('health returned" in line for line in said(caplog))


@pytest.mark.parametrize("result", RESULTS)
def test_a_closer_that_returns_an_awaitable_has_failed(
    result: str, scheduler: FakeScheduler, works: Works, caplog: pytest.LogCaptureFixture
) -> None:
    """That is logged and counted, and the place is freed."""
    hook, _ = RESULTS[result]
    pool = Pool(works.make, 1, 0, closer=hook)
    pool.discard(pool.get())
    stats = pool.stats()
    assert (stats["hook_errors"], stats["nobjs"]) == (1, 0)
    (line,) = said(caplog)
    assert "closer failed on thing 0: TypeError('closer returned" in line


@pytest.mark.parametrize("result", RESULTS)
def test_what_says_something_about_objects_says_no_awaitable(
    result: str, scheduler: FakeScheduler, works: Works
) -> None:
    """In the statistics, and in log lines, stands what is wrong."""
    hook: Any = RESULTS[result][0]
    told = Pool(works.make, 1, 1, stats=hook).stats()["avail"][0].get("stats")
    assert str(told).startswith("<Thing: stats failed: TypeError: stats returned a")
    pool = Pool(works.make, 1, 1, tracer=hook)
    assert str(pool.stats()["avail"][0].get("trace")).startswith("<Thing: tracer failed: TypeError: tracer returned a")


def test_an_observer_that_returns_an_awaitable_has_failed(
    scheduler: FakeScheduler, caplog: pytest.LogCaptureFixture
) -> None:
    """Counted, and logged the first time; the others are told."""

    class Wrong(PoolObserver[Thing]):
        def lent(self, pool: str, obj: Thing, waited: float, /) -> Any:
            return ping(obj)

    class Right(PoolObserver[Thing]):
        lent_to = 0

        def lent(self, pool: str, obj: Thing, waited: float, /) -> None:
            self.lent_to += 1

    right = Right()
    pool = Pool(Thing, 1, observer=observers(Wrong(), right))
    for _ in range(2):
        pool.ret(pool.get())
    assert pool.stats()["observer_errors"] == 2
    assert right.lent_to == 2
    (line,) = said(caplog)
    assert "observer: its lent() returned a coroutine, and nobody awaits it: it must be a plain method" in line


def test_what_was_begun_elsewhere_is_not_ended(scheduler: FakeScheduler) -> None:
    """A coroutine that somebody else has begun is refused, and left to go on: only what never began is closed."""

    async def go_on() -> str:
        await asyncio.sleep(0)
        return "done"

    begun = go_on()
    begun.send(None)
    pool: Pool[object] = Pool(lambda _: begun, 1, 0)
    with pytest.raises(TypeError, match="fun returned a coroutine"):
        pool.get()
    with pytest.raises(StopIteration, match="done"):
        begun.send(None)


@pytest.mark.parametrize(
    "make",
    [MagicMock, Mock, AsyncMock, Odd, NoLonger, lambda: proxy(fun=Thing), lambda: proxy([1]), proxy, lambda: ping],
)
def test_objects_that_are_not_awaitable_are_pooled(make: Callable[[], object], scheduler: FakeScheduler) -> None:
    """Test doubles, functions, proxies, set or not: whatever is no awaitable by its class; as results of hooks, too."""
    pool = Pool(lambda _: make(), 1, 0, getter=lambda _: make(), retter=lambda _: make(), closer=lambda _: make())
    with pool.obj() as first:
        pass
    with pool.obj() as second:
        assert type(second) is type(first)
    assert pool.stats()["hook_errors"] == 0
    pool.shutdown()


# --- what an AsyncPool awaits


@pytest.mark.parametrize("result", [*set(RESULTS) - {"async generator", "future"}, "not to be awaited"])
def test_a_pool_for_tasks_awaits_what_can_be_awaited(result: str, scheduler: FakeScheduler) -> None:
    """Whatever kind of awaitable a hook returns, it has ended before what comes next; other results are ignored."""
    seen: list[str] = []

    def note(name: str) -> Callable[[object], object]:
        async def awaited() -> bool:
            await asyncio.sleep(0)
            seen.append(name)
            return True

        @types.coroutine
        def old() -> Generator[None, None, bool]:
            yield
            seen.append(name)
            return True

        class Noted:
            def __await__(self) -> Generator[None, None, bool]:
                return awaited().__await__()

        def plain() -> bool:
            seen.append(name)
            return True

        kinds: dict[str, Callable[[], object]] = {
            "coroutine": awaited,
            "generator-based coroutine": old,
            "own class": Noted,
            "proxy of one": lambda: proxy(Noted()),
            "not to be awaited": plain,
        }
        return lambda _: kinds[result]()

    hooks: dict[str, Any] = {name: note(name) for name in ("opener", "getter", "retter", "closer", "health")}

    async def life() -> None:
        async with AsyncPool(note("fun"), 1, 0, health_before_get=0.0, **hooks) as pool:
            for _ in range(2):
                async with pool.obj() as obj:
                    assert obj is True

    asyncio.run(life())
    assert seen == ["fun", "opener", "getter", "retter", "health", "getter", "retter", "closer"]


# --- what else of a user's is called


class Strategy:
    def get(self) -> None: ...
    def set(self, kept: object, /) -> None: ...
    def delete(self) -> None: ...


@pytest.mark.parametrize("method", ["get", "set", "delete"])
def test_a_strategy_with_a_coroutine_function_is_refused(method: str) -> None:
    """Nothing would ever be kept: the ``TypeError`` names the method."""
    wrong: Any = type("Wrong", (Strategy,), {method: ASYNC["method"]})
    for scope in (wrong, wrong()):
        with pytest.raises(TypeError, match=rf"^scope: its {method}\(\) must be a plain function, not a coroutine"):
            proxy(fun=Thing, scope=scope)


def test_a_strategy_is_made_by_a_plain_function() -> None:
    """A coroutine function does not make one, nor does what calls one."""

    async def make() -> Strategy:
        return Strategy()

    wrong: Any = make
    with pytest.raises(TypeError, match=r"^scope must be a plain function, not a coroutine function"):
        proxy(fun=Thing, scope=wrong)
    with pytest.raises(TypeError, match=r"^scope returned a coroutine, and nobody awaits it"):
        proxy(fun=Thing, scope=lambda: wrong())


async def asgi(scope: object, receive: object, send: object) -> None: ...


def test_the_middleware_serves_wsgi_applications() -> None:
    """An asynchronous application is refused: when it is given, or, if that cannot be seen, by its first answer."""
    wrong: Any = asgi
    with pytest.raises(
        TypeError, match=r"^app must be a plain function, not a coroutine function.*ProxyPatternPool\.asgi, and"
    ):
        ReturnMiddleware(wrong)
    db: Thing = proxy(fun=Thing)
    app = ReturnMiddleware(lambda environ, start_response: wrong(environ, start_response, None), db)
    with pytest.raises(
        TypeError, match=r"^app returned a coroutine, and nobody awaits it: it must be a WSGI application$"
    ):
        app({}, Mock())

    def generated(environ: object, start_response: object) -> Generator[bytes]:
        yield b"answer"

    assert list(ReturnMiddleware(generated, db)({}, Mock())) == [b"answer"]


def test_the_status_page_asks_plain_functions() -> None:
    """Who may see it is decided at once: a coroutine is true, and has decided nothing."""
    wrong: Any = ping
    for name in ("allow", "error_text"):
        with pytest.raises(TypeError, match=rf"^{name} must be a plain function, not a coroutine function"):
            status_app(**{name: wrong})
    page = status_app(allow=lambda environ: wrong(environ))
    with pytest.raises(TypeError, match=r"^allow returned a coroutine, and nobody awaits it"):
        page({}, Mock())
