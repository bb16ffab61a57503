"""Factories and hooks that use the proxy, or the pool, that calls them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextvars import copy_context
from typing import Any

import pytest

from ProxyPatternPool import HookError, Pool, PoolException, ProxyException, Scope, TimeOut, control, proxy
from ProxyPatternPool._engine.hook_calls import innermost_call, objects_in_hooks_of
from ProxyPatternPool._proxy import own_pools

from .clock import FakeScheduler, HandMovedClock
from .helpers import Caller, Naps, Thing, Works, said

OWN = (
    r": its own fun, or a hook, borrows from it and would wait for itself: use the object that the hook is called with$"
)
IN_FUN = r"^fun uses the proxy whose object it is to make: use that object itself, not the proxy$"


class Connection:
    """An object that notes what it was asked for."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.asked: list[str] = []

    def execute(self, text: str) -> str:
        self.asked.append(text)
        return f"{self.number}: {text}"

    def ping(self) -> bool:
        self.asked.append("ping")
        return True


SHAPES: list[dict[str, Any]] = [
    {"max_size": 4},
    {"max_size": 1},
    {"max_size": 0},
    {},
    {"max_size": 4, "auto_return": False},
    {"max_size": 4, "scope": Scope.CONTEXT},
    {"scope": Scope.SHARED},
]


@pytest.mark.parametrize("shape", SHAPES)
def test_an_opener_that_uses_the_proxy(shape: dict[str, Any], scheduler: FakeScheduler) -> None:
    """`db.execute` in place of `c.execute`: it is the new object's, at the first need as at the proxy's making."""
    works: list[Connection] = []
    same: list[Connection] = []

    def connect(number: int) -> Connection:
        works.append(Connection(number))
        return works[-1]

    def open_it(c: Connection) -> None:
        db.execute("PRAGMA")
        with control(db).obj() as in_a_block:
            same.append(in_a_block)
        same.append(control(db).get())

    db: Connection = proxy(opener=open_it, timeout=0, **shape)
    control(db).set_fun(connect)
    assert db.execute("SELECT") == "0: SELECT"
    assert [c.asked for c in works] == [["PRAGMA", "SELECT"]]
    assert same == works * 2


@pytest.mark.parametrize("shape", SHAPES)
def test_a_factory_that_uses_the_proxy(shape: dict[str, Any], scheduler: FakeScheduler) -> None:
    """There is no object yet: it is an error at once, and in no time there is a proxy that works."""
    numbers: list[int] = []

    def connect(number: int) -> Connection:
        numbers.append(number)
        db.execute("PRAGMA")
        return Connection(number)

    db: Connection = proxy(timeout=0, backoff=None, min_size=0, **shape)
    control(db).set_fun(connect)
    with pytest.raises(ProxyException, match=IN_FUN):
        db.execute("SELECT")
    assert numbers == [0]
    control(db).set_fun(Connection)
    assert db.execute("SELECT") == "0: SELECT"


def test_every_hook_has_its_object_at_hand(clock: HandMovedClock, scheduler: FakeScheduler) -> None:
    """In the caller's thread as in a worker, also of a proxy that was set again meanwhile."""
    seen: list[tuple[str, bool]] = []

    def hook(name: str, answer: Any = None) -> Callable[[Connection], Any]:
        def call(c: Connection) -> Any:
            db.execute(name)
            seen.append((name, c.asked[-1] == name))
            return answer

        return call

    db: Connection = proxy(
        fun=None,
        max_size=2,
        timeout=0,
        opener=hook("open"),
        getter=hook("get"),
        retter=hook("ret"),
        closer=hook("close"),
        health=hook("health", True),
        stats=hook("stats", 1),
        tracer=hook("trace", "c"),
        max_avail_delay=50.0,
    )
    control(db).set_fun(Connection)
    with control(db).obj() as c:
        assert c.asked[0] == "open"
        assert c.asked[-1] == "get"
    pool = control(db).pool
    assert pool is not None
    assert pool.stats()["avail"][0].get("stats") == 1
    pool.housekeep()
    Caller(control(db).get).result()
    scheduler.run()
    control(db).set_fun(lambda number: Connection(number + 10))
    names = [name for name, _ in seen if name != "trace"]
    assert names[:7] == ["open", "get", "ret", "stats", "health", "get", "ret"]
    assert ("close", True) in seen
    assert ("trace", True) in seen
    assert all(right for _, right in seen), seen
    assert db.number == 10


def test_what_the_owner_has_comes_first(scheduler: FakeScheduler) -> None:
    """A hook that is called in the middle of its use of the proxy is called with another object, and both are there."""
    seen: list[int] = []
    db: Connection = proxy(max_size=2, timeout=0, opener=lambda c: seen.append(db.number))
    control(db).set_fun(Connection)
    assert db.number == 0
    pool = control(db).pool
    assert pool is not None
    with pool.obj() as other:
        assert other.number == 1
    assert seen == [0, 0]


def test_hooks_of_others(scheduler: FakeScheduler) -> None:
    """A hook that uses another proxy, or another pool, means that one; nested, each means its own."""
    seen: list[str] = []

    def open_inner(c: Connection) -> None:
        seen.append(outer.execute("by inner"))
        seen.append(inner.execute("by inner"))

    def open_outer(c: Connection) -> None:
        seen.append(inner.execute("by outer"))
        seen.append(outer.execute("by outer"))

    inner: Connection = proxy(max_size=1, timeout=0, opener=open_inner, min_size=0)
    outer: Connection = proxy(max_size=1, timeout=0, opener=open_outer, min_size=0)
    control(inner).set_fun(lambda number: Connection(5))
    control(outer).set_fun(lambda number: Connection(7))
    assert outer.number == 7
    assert seen == ["7: by inner", "5: by inner", "5: by outer", "7: by outer"]


@pytest.mark.parametrize("min_size", [0, 1])
def test_a_pool_that_is_made_in_a_factory_is_nobody_s(min_size: int, scheduler: FakeScheduler) -> None:
    """What its hooks are called with is not the proxy's object, also where that is made together with its pool."""
    errors: list[BaseException | None] = []

    def connect(number: int) -> Connection:
        def use_it(c: Connection) -> None:
            db.execute("?")

        with pytest.raises(HookError) as caught:
            Pool(Connection, 1, 0, opener=use_it, hook_errors="discard").get()
        errors.append(caught.value.__cause__)
        return Connection(number)

    db: Connection = proxy(max_size=1, timeout=0, min_size=min_size)
    control(db).set_fun(connect)
    assert control(db).get().number == 0
    (error,) = errors
    assert isinstance(error, ProxyException)


# --- a pool of one's own


@pytest.mark.parametrize(
    ("max_size", "timeout"), [(4, None), (1, None), (0, None), (4, 5.0), (1, 5.0), (0, 5.0), (4, 0), (0, 0)]
)
def test_a_factory_that_borrows(max_size: int, timeout: float | None, scheduler: FakeScheduler, naps: Naps) -> None:
    """From the pool that it makes an object for: an error at once, and the place is free again."""
    calls: list[int] = []

    def connect(number: int) -> Connection:
        calls.append(number)
        if len(calls) < 3:
            pool.get(timeout)
        return Connection(number)

    pool = Pool(connect, max_size, 0, backoff=None)
    for _ in range(2):
        with pytest.raises(PoolException, match=OWN) as caught:
            pool.get(timeout)
        assert type(caught.value) is PoolException
    assert len(calls) == 2
    stats = pool.stats()
    assert (stats["nobjs"], stats["ntimeouts"], stats["nwaiting"]) == (0, 0, 0)
    assert pool.get(timeout).number == calls[2]
    assert naps.asked == []


def test_who_does_not_wait_is_told_that_there_is_none(scheduler: FakeScheduler) -> None:
    """That is no mistake of a factory's: it can do without."""

    def connect(number: int) -> Connection:
        with pytest.raises(TimeOut):
            pool.get(0)
        return Connection(number)

    pool = Pool(connect, 1, 0)
    assert pool.get().number == 0
    assert pool.stats()["ntimeouts"] == 1


def test_an_opener_that_borrows(scheduler: FakeScheduler, caplog: pytest.LogCaptureFixture) -> None:
    """The same; the log says what failed, as of any opener."""
    pool: Pool[Connection] = Pool(Connection, 4, 0, opener=lambda c: pool.get().execute("PRAGMA"))
    assert pool.get(0).asked == []
    scheduler.run()
    (line,) = said(caplog)
    assert "opener failed on" in line
    assert "its own fun, or a hook, borrows from it and would wait for itself" in line
    assert pool.stats()["nobjs"] == 1


def test_what_is_idle_it_may_have(scheduler: FakeScheduler) -> None:
    """A factory that makes one out of another does not wait for itself as long as there is one."""
    seen: list[int] = []

    def connect(number: int) -> Connection:
        if number:
            with pool.obj() as other:
                seen.append(other.number)
        return Connection(number)

    pool = Pool(connect, 2, 1)
    pool.resize(min_size=2)
    scheduler.run()
    assert seen == [0]
    assert pool.stats()["navail"] == 2


@pytest.mark.parametrize("hook", ["getter", "retter", "closer", "health", "stats", "tracer"])
def test_every_hook_that_borrows(
    hook: str, scheduler: FakeScheduler, naps: Naps, caplog: pytest.LogCaptureFixture
) -> None:
    """Its own object takes the only place: none waits for itself."""
    errors: list[Exception] = []

    def borrow(c: Connection) -> bool:
        try:
            pool.get()
        except PoolException as error:
            errors.append(error)
        return True

    hooks: dict[str, Any] = {hook: borrow}
    pool: Pool[Connection] = Pool(Connection, 1, 1, **hooks)
    with pool.obj():
        pool.stats()
    pool.housekeep()
    pool.clear()
    assert errors
    assert all("would wait for itself" in str(error) for error in errors)
    assert naps.asked == []


def test_threads_of_a_factory_may_borrow(scheduler: FakeScheduler) -> None:
    """They are not in the middle of making anything, though they have a copy of its context."""
    seen: list[int] = []

    def connect(number: int) -> Connection:
        if number == 0:
            context = copy_context()
            seen.append(Caller(lambda: context.run(lambda: db.number)).result())
        return Connection(number)

    db: Connection = proxy(max_size=2, timeout=0, min_size=0)
    control(db).set_fun(connect)
    assert db.number == 0
    assert seen == [1]


def test_nothing_is_left_of_it(scheduler: FakeScheduler) -> None:
    """Whatever is thrown in the middle: afterwards nobody is in the middle of anything."""
    works = Works()
    works.failing = KeyboardInterrupt()
    db: Thing = proxy(max_size=2, timeout=0, min_size=0)
    control(db).set_fun(works.make)
    with pytest.raises(KeyboardInterrupt):
        control(db).get()
    works.failing = None
    assert db.number == 1
    assert innermost_call(lambda _: True) is None
    assert nothing_runs(db)


def nothing_runs(db: object) -> bool:
    """Whether no call of a hook is remembered, which would take memory, and time at each use of the proxy."""
    return control(db)._pools._running == []


def test_no_call_of_a_hook_is_remembered(scheduler: FakeScheduler) -> None:
    """Neither the making of a pool nor a hook leaves anything behind; nor one that is awaited, or fails."""

    async def greet(thing: Thing) -> None:
        await asyncio.sleep(0)

    async def main() -> None:
        await control(awaited).aget()

    db: Thing = proxy(fun=Thing, max_size=1, getter=id, retter=lambda thing: 1 // thing.number)
    awaited: Thing = proxy(fun=Thing, scope=Scope.CONTEXT, max_size=1, getter=greet)
    for each in (db, awaited):
        assert nothing_runs(each)
    assert db.number == 0
    control(db).ret()
    asyncio.run(main())
    for each in (db, awaited):
        assert nothing_runs(each)


def test_nobody_looks_for_a_hook_afterwards(scheduler: FakeScheduler, monkeypatch: pytest.MonkeyPatch) -> None:
    """An access looks for the hook that it is in only while one runs: that takes longer than all else."""
    looks: list[object] = []

    def look(pools: object) -> list[Any]:
        looks.append(pools)
        return objects_in_hooks_of(pools)

    monkeypatch.setattr(own_pools, "objects_in_hooks_of", look)
    asked: list[int] = []
    db: Connection = proxy(
        fun=Connection, max_size=1, min_size=0, getter=lambda _: asked.append(db.number), retter=lambda _: None
    )
    for _ in range(3):
        with control(db).obj():
            assert db.number == 0
    assert (len(looks), asked) == (3, [0] * 3)
