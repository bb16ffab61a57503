"""What a user edits, and what is to be offered there."""

from __future__ import annotations

import inspect
import sqlite3
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any

import pytest

from ProxyPatternPool import AsyncPool, Pool, PoolStats, Proxy, proxy

FILE = """\
import sqlite3
from functools import partial

from ProxyPatternPool import (
    AsyncCloser, AsyncFactory, AsyncGetter, AsyncHealthCheck, AsyncLease, AsyncOpener, AsyncPool, AsyncRetter,
    Closer, Control, Factory, Getter, HealthCheck, Hooks, Lease, Opener, Pool, Proxy, Retter, Scope, ScopeStrategy,
    StatsHook, TimeOut, Tracer, control, proxy, returning
)


def connect(number: int) -> sqlite3.Connection:
    return sqlite3.connect(":memory:")


async def connect_async(number: int) -> sqlite3.Connection:
    return connect(number)


pool = Pool(connect, closer=sqlite3.Connection.close)
lease = pool.lease()
apool: AsyncPool[sqlite3.Connection] = AsyncPool(connect_async, closer=sqlite3.Connection.close)
db = proxy(fun=connect)
later: sqlite3.Connection = proxy()
single = proxy(connect(0))
reference = Proxy(fun=connect)


@returning(db)
def job(number: int, *, name: str = "") -> str:
    '''Do it.'''
    return name * number
"""
CURSOR = "|"

CONNECTION = frozenset(name for name in dir(sqlite3.Connection) if not name.startswith("_"))
CONTROL = {"discard", "get", "has", "obj", "pool", "ret", "scope", "set_fun", "set_obj", "set_pool"}
POOL = {"close", "discard", "get", "housekeep", "lease", "name", "obj", "ret", "shutdown", "stats"}


def parameters_of(called: Any) -> set[str]:
    """The names of what a function takes, or a class."""
    return set(inspect.signature(called).parameters) - {"self"}


@dataclass(frozen=True)
class Offer:
    """What is to be offered at a place in the code, and no member of sqlite3.Connection unless it is all of them."""

    code: str
    names: frozenset[str]


def offers(places: Mapping[str, AbstractSet[str]]) -> list[Any]:
    """A parameter of a test for each place."""
    return [pytest.param(Offer(code, frozenset(names)), id=code) for code, names in places.items()]


BOTH: dict[str, AbstractSet[str]] = {
    "db.|": CONNECTION,
    "later.|": CONNECTION,
    "single.|": CONNECTION,
    "pool.get().|": CONNECTION,
    "lease.obj.|": CONNECTION,
    "with pool.obj() as o:\n    o.|": CONNECTION,
    "with pool.lease() as o:\n    o.|": CONNECTION,
    "control(db).get().|": CONNECTION,
    "control(later).get().|": CONNECTION,
    "Pool(partial(sqlite3.connect, ':memory:')).get().|": CONNECTION,
    "Pool(lambda number: sqlite3.connect(':memory:')).get().|": CONNECTION,
    "async def job():\n    (await apool.get()).|": CONNECTION,
    "async def job():\n    async with apool.obj() as o:\n        o.|": CONNECTION,
    "async def job():\n    (await apool.lease()).obj.|": CONNECTION,
    "async def job():\n    async with apool.lease() as o:\n        o.obj.|": CONNECTION,
    "async def job():\n    (await pool.aget()).|": CONNECTION,
    "async def job():\n    async with pool.aobj() as o:\n        o.|": CONNECTION,
    "async def job():\n    async with pool.alease() as o:\n        o.obj.|": CONNECTION,
    "pool.|": POOL | {"aget", "alease", "aobj"},
    "apool.|": POOL | {"aclose", "clear", "drain", "resize", "wait_ready"},
    "lease.|": {"discard", "obj", "release"},
    "control(db).|": CONTROL,
    "reference.|": {"set", "set_fun", "set_obj"},
    "Scope.|": {"AUTO", "CONTEXT", "EVENTLET", "GEVENT", "SHARED", "THREAD", "VERSATILE", "WERKZEUG"},
    "Pool(|": {f"{name}=" for name in parameters_of(Pool)},
    "AsyncPool(|": {f"{name}=" for name in parameters_of(AsyncPool)},
    "proxy(|": {f"{name}=" for name in parameters_of(proxy)},
    "Proxy(|": {f"{name}=" for name in parameters_of(Proxy)},
    'pool.stats()["|': set(PoolStats.__annotations__),
    'apool.stats()["|': set(PoolStats.__annotations__),
}
# Where jedi knows nothing.
PYRIGHT: dict[str, AbstractSet[str]] = {
    "Pool(connect, opener=lambda c: c.|)": CONNECTION,
    "async def job():\n    (await AsyncPool(connect_async).get()).|": CONNECTION,
    "async def job():\n    async with AsyncPool(connect).obj() as o:\n        o.|": CONNECTION,
    "async def job():\n    (await AsyncPool(lambda _: connect_async(0)).lease()).obj.|": CONNECTION,
    "AsyncPool(connect_async, opener=lambda c: c.|)": CONNECTION,
    "AsyncPool(connect, opener=lambda c: c.|)": CONNECTION,
    "AsyncPool(lambda _: connect_async(0), opener=lambda c: c.|)": CONNECTION,
    "AsyncPool(connect_async, health=lambda c: c.|)": CONNECTION,
    'AsyncPool(connect_async, hook_errors="|")': {"discard", "log"},
    "proxy(fun=connect, retter=lambda c: c.|)": CONNECTION,
    "control(db).set_pool(closer=lambda c: c.|)": CONNECTION,
    "with control(db).obj() as o:\n    o.|": CONNECTION,
    "reference._get_obj().|": CONNECTION,
    "control(db).set_pool(|)": {f"{name}=" for name in parameters_of(Pool) - {"fun"}},
    'pool.stats()["using"][0]["|"]': {"last_get", "last_ret", "name", "owner", "stats", "trace", "uses"},
    'Pool(connect, hook_errors="|")': {"discard", "log"},
}


def place(code: str) -> tuple[str, int, int]:
    """A text, and the place of the cursor in it, counted from 0."""
    before, after = (FILE + code).split(CURSOR)
    return before + after, before.count("\n"), len(before) - before.rfind("\n") - 1


def assert_offered(offer: Offer, offered: list[str]) -> None:
    """Check that all is offered that is to be, and nothing that belongs elsewhere."""
    names = {each.strip("\"'") for each in offered}
    assert offer.names <= names, sorted(offer.names - names)
    if offer.names != CONNECTION:
        assert not CONNECTION - {"close"} <= names
