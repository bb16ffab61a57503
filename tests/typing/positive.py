"""What users write, and every checker is silent about. It runs as well, so that no type here is a lie.

It imports what a user has who installed the wheel, and nothing else.
"""

# pyright: strict

from __future__ import annotations

import io
import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from contextvars import ContextVar
from functools import partial
from typing import Any, Generic, NewType, Protocol, TypeVar

from typing_extensions import Unpack, assert_type, override

import ProxyPatternPool
from ProxyPatternPool import (
    Closer,
    Control,
    DiscardReason,
    Factory,
    FunHook,
    Getter,
    HealthCheck,
    HealthHook,
    Holding,
    HookError,
    HookErrors,
    HookName,
    Hooks,
    Kept,
    Lease,
    ObjectStats,
    Opener,
    Pool,
    PoolClosed,
    PoolException,
    PoolHook,
    PoolObserver,
    PoolOverrides,
    PoolParameters,
    PoolStats,
    PoolValueError,
    PPPException,
    Proxy,
    ProxyException,
    Retter,
    Scope,
    ScopeStrategy,
    StatsHook,
    TimeOut,
    TraceHook,
    Tracer,
    control,
    log,
    observers,
    proxy,
    returning,
)

T = TypeVar("T")

# --- what is pooled


class Connection:
    """A connection to somewhere."""

    def __init__(self, number: int = 0, host: str = "localhost") -> None:
        self.number = number
        self.host = host

    def execute(self, statement: str) -> list[str]:
        return [statement]

    def ping(self) -> bool:
        return True

    def rollback(self) -> None:
        """Undo."""

    def close(self) -> None:
        """End."""


class Replica(Connection):
    """A connection of a kind of its own."""

    def lag(self) -> float:
        return 0.0


def connect(number: int) -> Connection:
    return Connection(number)


def dial(host: str, number: int) -> Connection:
    return Connection(number, host)


class Server:
    """Something with methods, to be used bound."""

    def __init__(self) -> None:
        self.opened: list[Connection] = []

    def connect(self, number: int) -> Connection:
        return Connection(number)

    def set_up(self, connection: Connection) -> None:
        self.opened.append(connection)

    def is_well(self, connection: Connection) -> bool:
        return connection.ping()

    def describe(self, connection: Connection) -> str:
        return f"{connection.host} {connection.number}"

    def measure(self, connection: Connection) -> dict[str, int]:
        return {"number": connection.number}


# --- T is inferred from whatever makes the objects


def the_type_comes_from_the_factory() -> None:
    assert_type(Pool(connect), Pool[Connection])
    assert_type(Pool(Connection), Pool[Connection])
    assert_type(Pool(lambda number: Connection(number)), Pool[Connection])
    assert_type(Pool(lambda _: Connection()), Pool[Connection])
    assert_type(Pool(partial(dial, "remote")), Pool[Connection])
    assert_type(Pool(partial(Connection, host="remote")), Pool[Connection])
    assert_type(Pool(Server().connect), Pool[Connection])
    assert_type(Pool(fun=connect, max_size=3), Pool[Connection])
    assert_type(Pool(Connect("remote")), Pool[Connection])
    assert_type(Pool(lambda number: number), Pool[int])

    assert_type(proxy(fun=connect), Connection)
    assert_type(proxy(fun=Connection), Connection)
    assert_type(proxy(fun=lambda number: Connection(number)), Connection)
    assert_type(proxy(fun=partial(dial, "remote")), Connection)
    assert_type(proxy(fun=Server().connect), Connection)
    assert_type(proxy(fun=Connect("remote")), Connection)
    assert_type(proxy(obj=Connection()), Connection)
    assert_type(proxy(Connection()), Connection)

    assert_type(Proxy(fun=connect), Proxy[Connection])
    assert_type(Proxy(obj=Connection()), Proxy[Connection])
    assert_type(Proxy(Connection()), Proxy[Connection])
    assert_type(Proxy[Connection](), Proxy[Connection])


# --- each protocol, by a class that derives from it, by one that does not, and by a function


class Connect(Factory[Connection]):
    def __init__(self, host: str) -> None:
        self.host = host

    def __call__(self, number: int, /) -> Connection:
        return Connection(number, self.host)


class SetUp(Opener[Connection]):
    def __call__(self, obj: Connection, /) -> list[str]:
        return obj.execute("SET TIME ZONE 'UTC'")


class Check(Getter[Connection]):
    def __call__(self, obj: Connection, /) -> None:
        obj.ping()


class RollBack(Retter[Connection]):
    def __call__(self, obj: Connection, /) -> None:
        obj.rollback()


class Close(Closer[Connection]):
    def __call__(self, obj: Connection, /) -> None:
        obj.close()


class Ping(HealthCheck[Connection]):
    def __init__(self, timeout: float) -> None:
        self.timeout = timeout

    def __call__(self, obj: Connection, /) -> bool:
        return obj.ping()


class Number(StatsHook[Connection]):
    def __call__(self, obj: Connection, /) -> dict[str, int]:
        return {"number": obj.number}


class Name(Tracer[Connection]):
    def __call__(self, obj: Connection, /) -> str:
        return f"connection {obj.number}"


class Structural:
    """A class that knows nothing of the protocols, and names the parameter as it likes."""

    def __call__(self, connection: Connection) -> bool:
        return connection.ping()


class Whatever:
    """A class for objects of any kind."""

    def __call__(self, obj: object, /) -> bool:
        return obj is not None


class Text:
    """A tracer for objects of any kind."""

    def __call__(self, obj: object, /) -> str:
        return repr(obj)


def set_up(connection: Connection) -> None:
    connection.execute("SET TIME ZONE 'UTC'")


def is_well(connection: Connection) -> bool:
    return connection.ping()


def describe(connection: Connection) -> str:
    return str(connection.number)


def each_protocol_is_a_type() -> None:
    factories: list[Factory[Connection]] = [Connect("remote"), connect, Connection, Server().connect, Replica]
    openers: list[Opener[Connection]] = [SetUp(), set_up, Structural(), Whatever(), Server().set_up]
    getters: list[Getter[Connection]] = [Check(), set_up, Structural(), Whatever(), Server().set_up]
    retters: list[Retter[Connection]] = [RollBack(), Connection.rollback, Structural(), Whatever(), Server().set_up]
    closers: list[Closer[Connection]] = [Close(), Connection.close, Structural(), Whatever(), Server().set_up]
    checks: list[HealthCheck[Connection]] = [Ping(1.0), is_well, Connection.ping, Structural(), Server().is_well]
    looks: list[StatsHook[Connection]] = [Number(), Structural(), Whatever(), Server().measure]
    tracers: list[Tracer[Connection]] = [Name(), describe, repr, Text(), Server().describe]
    for factory in factories:
        connection = factory(0)
        assert_type(connection, Connection)
        for hook in [*openers, *getters, *retters, *closers, *checks, *looks, *tracers]:
            hook(connection)
    for check, tracer in zip(checks, tracers, strict=True):
        assert_type(check(Connection()), bool)
        assert_type(tracer(Connection()), str)


def a_function_takes_a_hook(opener: Opener[Connection], closer: Closer[Connection], tracer: Tracer[Replica]) -> None:
    assert_type(Pool(connect, opener=opener, closer=closer), Pool[Connection])
    pool: Pool[Replica] = Pool(Replica, opener=opener, closer=closer, tracer=tracer)
    pool.close()


def protocols_are_parameters() -> None:
    a_function_takes_a_hook(set_up, Close(), describe)


# --- every hook, in every way


def hooks_are_functions() -> None:
    pool = Pool(
        connect,
        opener=set_up,
        getter=set_up,
        retter=Connection.rollback,
        closer=Connection.close,
        health=is_well,
        stats=describe,
        tracer=describe,
    )
    assert_type(pool, Pool[Connection])


def hooks_are_lambdas() -> None:
    pool = Pool(
        connect,
        opener=lambda c: c.execute("SET TIME ZONE 'UTC'"),
        getter=lambda c: c.ping(),
        retter=lambda c: c.rollback(),
        closer=lambda c: c.close(),
        health=lambda c: c.execute("SELECT 1") == ["1"],
        stats=lambda c: {"number": c.number},
        tracer=lambda c: f"connection {c.number}",
    )
    assert_type(pool, Pool[Connection])


def hooks_are_lambdas_and_so_is_the_factory() -> None:
    assert_type(Pool(lambda _: Connection(), closer=lambda c: c.close()), Pool[Connection])
    assert_type(Pool(lambda number: Connection(number), 4, health=lambda c: c.ping()), Pool[Connection])
    assert_type(Pool(fun=lambda _: Connection(), tracer=lambda c: c.host), Pool[Connection])
    assert_type(proxy(fun=lambda _: Connection(), retter=lambda c: c.rollback()), Connection)
    assert_type(Proxy(fun=lambda _: Connection(), retter=lambda c: c.rollback()), Proxy[Connection])
    assert_type(Hooks(lambda _: Connection(), closer=lambda c: c.close()), Hooks[Connection])


def hooks_are_lambdas_for_what_is_said() -> None:
    assert_type(Pool[Connection](lambda _: Connection(), closer=lambda c: c.close()), Pool[Connection])
    assert_type(Proxy[Connection](fun=lambda _: Connection(), closer=lambda c: c.close()), Proxy[Connection])
    pool: Pool[Connection] = Pool(lambda _: Connection(), closer=lambda c: c.close())
    assert_type(pool.get(), Connection)


def hooks_are_methods() -> None:
    server = Server()
    pool = Pool(
        server.connect,
        opener=server.set_up,
        getter=server.set_up,
        retter=server.set_up,
        closer=server.set_up,
        health=server.is_well,
        stats=server.measure,
        tracer=server.describe,
    )
    assert_type(pool, Pool[Connection])


def hooks_are_classes() -> None:
    pool = Pool(
        Connect("remote"),
        opener=SetUp(),
        getter=Check(),
        retter=RollBack(),
        closer=Close(),
        health=Ping(1.0),
        stats=Number(),
        tracer=Name(),
    )
    assert_type(pool, Pool[Connection])
    same = Pool(connect, opener=Structural(), getter=Structural(), retter=Structural(), closer=Structural())
    assert_type(same, Pool[Connection])
    assert_type(Pool(connect, health=Structural(), stats=Structural()), Pool[Connection])


def hooks_take_any_object() -> None:
    pool = Pool(
        connect,
        opener=Whatever(),
        getter=Whatever(),
        retter=Whatever(),
        closer=id,
        health=Whatever(),
        stats=Whatever(),
        tracer=Text(),
    )
    assert_type(pool, Pool[Connection])
    assert_type(Pool(connect, opener=id, stats=repr, tracer=repr), Pool[Connection])


def hooks_take_a_base_class() -> None:
    pool = Pool(Replica, opener=set_up, retter=RollBack(), health=lambda r: r.lag() < 1.0, tracer=describe)
    assert_type(pool, Pool[Replica])


def hooks_of_a_proxy() -> None:
    db = proxy(
        fun=connect,
        max_size=5,
        opener=lambda c: c.execute("SET TIME ZONE 'UTC'"),
        getter=Check(),
        retter=Connection.rollback,
        closer=Close(),
        health=lambda c: c.ping(),
        stats=Whatever(),
        tracer=lambda c: c.host,
    )
    assert_type(db, Connection)
    reference = Proxy(fun=connect, max_size=5, opener=set_up, retter=lambda c: c.rollback(), closer=Whatever())
    assert_type(reference, Proxy[Connection])


def hooks_in_a_bundle() -> None:
    hooks = Hooks(connect, opener=SetUp(), health=lambda c: c.ping(), tracer=describe)
    assert_type(hooks, Hooks[Connection])
    assert_type(hooks.fun(0), Connection)


# --- parameters are passed on


def database(host: str, **pool: Unpack[PoolParameters[Connection]]) -> Pool[Connection]:
    return Pool(partial(dial, host), 4, **pool)


def shared_database(host: str, **pool: Unpack[PoolParameters[Connection]]) -> Connection:
    return proxy(fun=partial(dial, host), max_size=4, **pool)


def configure(db: Connection, **pool: Unpack[PoolOverrides[Connection]]) -> None:
    control(db).set_pool(**pool)


def parameters_are_passed_on() -> None:
    errors: HookErrors = "discard"
    assert_type(database("remote"), Pool[Connection])
    pool = database("remote", opener=set_up, retter=lambda c: c.rollback(), timeout=1.0, hook_errors=errors)
    assert_type(pool.get(), Connection)
    options: PoolParameters[Connection] = {"closer": Close(), "name": "db"}
    with Pool(connect, 4, **options) as same:
        assert_type(same, Pool[Connection])
    deferred: Connection = proxy()
    configure(deferred, max_size=3, log_level="WARNING", closer=Connection.close)
    control(deferred).set_fun(connect)
    assert_type(shared_database("remote", health=Ping(1.0)), Connection)


# --- operating


def pools_are_operated() -> None:
    pool = Pool(
        connect,
        4,
        max_lifetime=1800,
        health=lambda c: bool(c.execute("SELECT 1")),
        health_before_get=30,
        backoff=(1, 9),
    )
    proxy(fun=connect, max_size=4, max_lifetime=1800.0, backoff=None)
    pool.resize(max_size=8)
    pool.resize(min_size=2, max_size=0)
    pool.wait_ready()
    pool.wait_ready(timeout=2.5)
    pool.drain()
    pool.clear()
    stats = pool.stats()
    assert_type(stats["backoff"], list[float] | None)
    assert_type(stats["retry_in"], float)


# --- borrowing


# --- observers


class Waits(PoolObserver[object]):
    """Watches any pool, for one event."""

    def __init__(self) -> None:
        self.longest = 0.0

    @override
    def lent(self, pool: str, obj: object, waited: float, /) -> None:
        self.longest = max(self.longest, waited)


class Hosts(PoolObserver[Connection]):
    """Watches pools of connections."""

    def __init__(self) -> None:
        self.gone: list[tuple[str, DiscardReason]] = []
        self.failed: list[HookName] = []

    @override
    def discarded(self, pool: str, obj: Connection, reason: DiscardReason, /) -> None:
        super().discarded(pool, obj, reason)
        self.gone.append((obj.host, reason))

    @override
    def hook_failed(self, pool: str, hook: HookName, error: BaseException, /) -> None:
        self.failed.append(hook)


class Everything:
    """Derives from nothing, has all methods, and knows reasons and hooks only as text."""

    def created(self, pool: str, obj: object, took: float, /) -> None: ...
    def creation_failed(self, pool: str, error: BaseException, took: float, /) -> None: ...
    def lent(self, pool: str, obj: object, waited: float, /) -> None: ...
    def returned(self, pool: str, obj: object, used: float, /) -> None: ...
    def discarded(self, pool: str, obj: object, reason: str, /) -> None: ...
    def timed_out(self, pool: str, waited: float, /) -> None: ...
    def refused(self, pool: str, waiting: int, /) -> None: ...
    def hook_failed(self, pool: str, hook: str, error: BaseException, /) -> None: ...


def an_observer_changes_no_type() -> None:
    assert_type(Pool(connect, observer=Waits()), Pool[Connection])
    assert_type(Pool(connect, observer=Hosts()), Pool[Connection])
    assert_type(Pool(connect, observer=Everything()), Pool[Connection])
    assert_type(Pool(connect, observer=None, max_waiting=None), Pool[Connection])
    assert_type(Pool(Replica, observer=Hosts()), Pool[Replica])
    assert_type(Pool(connect, opener=lambda c: c.ping(), observer=Waits()), Pool[Connection])
    assert_type(Proxy(fun=connect, max_size=3, observer=Waits(), max_waiting=3), Proxy[Connection])
    assert_type(proxy(fun=connect, max_size=3, observer=Hosts(), max_waiting=3), Connection)
    control(proxy(fun=connect)).set_pool(max_size=3, observer=Hosts(), max_waiting=0)
    # The type said, the content set later.
    later: Connection = proxy(max_size=3, observer=Waits())
    later = proxy(max_size=3, observer=Hosts())
    assert_type(later, Connection)


def several_observers() -> None:
    assert_type(observers(Waits(), Waits()), PoolObserver[object])
    both: PoolObserver[Connection] = observers(Waits(), Hosts())
    assert_type(Pool(connect, observer=both), Pool[Connection])
    watched: Pool[Replica] = Pool(Replica, observer=both)
    watched.ret(watched.get())


def who_holds_what() -> None:
    pool = Pool(connect, trace_owner=True)
    connection = pool.get()
    assert_type(pool.owners(), list[Holding[Connection]])
    for holding in pool.owners():
        assert_type(holding.obj, Connection)
        assert_type(holding.owner, str)
        assert_type(holding.held, float)
        assert_type(holding.name, str | None)
        assert holding.stack is not None
        print(holding.since.isoformat(), holding.stack.format(), file=io.StringIO())
    pool.ret(connection)
    pool.dump(io.StringIO())
    with open(os.devnull, "wb") as file:
        pool.dump(file)
        pool.dump(file=file.fileno())


def objects_are_borrowed() -> None:
    pool = Pool(connect, 4, 1, 5.0, name="db", hook_errors="discard", trace_owner=True, log_level="WARNING")
    connection = pool.get()
    assert_type(connection, Connection)
    assert_type(connection.execute("SELECT 1"), list[str])
    pool.ret(connection)
    pool.discard(pool.get(timeout=0))

    with pool.obj(timeout=1.5) as borrowed:
        assert_type(borrowed, Connection)
    block: AbstractContextManager[Connection] = pool.obj()
    with block as again:
        again.close()

    lease = pool.lease(1, quiet=True)
    assert_type(lease, Lease[Connection])
    assert_type(lease.obj, Connection)
    assert_type(lease.obj.ping(), bool)
    lease.release()
    lease.discard()
    with pool.lease() as leased:
        assert_type(leased, Connection)

    assert_type(pool.name, str)
    pool.housekeep()
    pool.shutdown(timeout=0.5)
    with Pool(connect) as closing:
        assert_type(closing, Pool[Connection])


def statistics_are_typed() -> None:
    with Pool(connect, 4, stats=Number(), name="db") as pool, pool.obj():
        stats = pool.stats()
        assert_type(stats, PoolStats)
        assert_type(stats["navail"] + stats["nusing"], int)
        assert_type(stats["name"], str)
        assert_type(stats["started"], str)
        assert_type(stats["taken"], str)
        assert_type(stats["running"], float)
        assert_type(stats["shutdown"], bool)
        assert_type(stats["timeout"], float | None)
        assert_type(stats["last_error"], str | None)
        sem = stats["sem"]
        if sem is not None:
            assert_type(sem["value"] + sem["init"], int)
        for each in stats["using"]:
            assert_type(each, ObjectStats)
            assert_type(each["uses"], int)
            assert_type(each["last_get"], float)
            assert_type(each["owner"], str | None)
            assert_type(each.get("name"), str | None)
            assert_type(each.get("trace"), str | None)
            if "stats" in each:
                assert_type(each["stats"], object)


# --- the classic proxy: a class of its own, which forwards anything


def a_proxy_is_set_later() -> None:
    db = Proxy()
    db.set_obj(Connection())
    db.execute("SELECT 1")
    anything = Proxy(set_name="become")
    anything.become_fun(connect)
    assert anything.ping()


def a_proxy_with_a_type() -> None:
    db: Proxy[Connection] = Proxy(scope=Proxy.Scope.THREAD, max_size=3, auto_return=False)
    assert_type(db.set_fun(connect), Proxy[Connection])
    db.set_fun(lambda number: Connection(number))
    db.set(fun=connect)
    Proxy[Connection]().set(obj=Connection())
    assert_type(Proxy[Connection]().set_obj(Connection()), Proxy[Connection])
    controls = control(db)
    assert_type(controls, Control[Connection])
    scopes: type[Scope] = Proxy.Scope
    assert scopes.THREAD is Scope.THREAD
    assert db.ping()


class Reference(Proxy[Connection]):
    """A user's own kind of proxy."""

    def __init__(self, host: str) -> None:
        super().__init__(fun=partial(dial, host), max_size=3, retter=lambda c: c.rollback())
        assert_type(self._get_obj(timeout=1.0), Connection)

    def first(self) -> str:
        with self._obj() as connection:
            assert_type(connection, Connection)
            return connection.execute("SELECT 1")[0]

    def reset(self) -> bool:
        if self._has_obj():
            self._ret_obj()
        assert_type(self._pool, Pool[Connection] | None)
        return self._has_obj()

    def turn_to(self, connection: Connection) -> Reference:
        self._set_pool(max_size=None, opener=set_up)
        changed: Reference = self._set(connection)
        return changed._set_fun(connect)._set_obj(connection)


def a_proxy_is_subclassed() -> None:
    reference = Reference("remote")
    assert_type(reference.first(), str)
    assert_type(reference.reset(), bool)
    assert_type(control(reference), Control[Connection])
    assert reference.host == "remote"


# --- code written for the existing module


def pool_of_anything(fun: FunHook, opener: PoolHook, health: HealthHook, tracer: TraceHook) -> Pool[Any]:
    return Pool(fun, 4, 1, 5.0, 100, None, 30.0, None, 1, 0.0, opener, None, None, opener, health, None, tracer, None)


def old_names_and_old_ways() -> None:
    pool = pool_of_anything(connect, set_up, is_well, describe)
    assert_type(pool.get(), Any)
    pool.shutdown(delay=0.5)
    made = Pool(connect, 4, 1, 5.0, 100, 60.0, 30.0, 60.0, 1, 0.0, set_up)
    assert_type(made.get(), Connection)
    Pool(
        connect, max_use=None, max_lifetime=None, max_avail_delay=None, max_using_delay=None, max_using_delay_kill=None
    )
    assert_type(Proxy(fun=connect, set_name=None, max_use=None, min_size=1), Proxy[Connection])
    assert_type(proxy(fun=connect, set_name=None, max_avail_delay=None), Connection)
    assert Proxy.Scope(3) in (Scope.VERSATILE, Scope.WERKZEUG)
    assert_type(ProxyPatternPool.__version__, str)
    ProxyPatternPool.log.setLevel(log.level)


# --- the typed proxy: for checkers and editors it is the object

db: Connection = proxy()
maybe_later: Connection = proxy(name="later", retter=lambda c: c.rollback(), tracer=lambda c: c.host)


def a_content_comes_later() -> None:
    control(db).set_fun(connect)
    control(maybe_later).set_pool(max_size=2, closer=lambda c: c.close(), health=Ping(1.0))
    control(maybe_later).set_fun(lambda number: Connection(number))
    assert_type(db.execute("SELECT 1"), list[str])
    assert_type(db.number, int)
    assert_type(maybe_later.ping(), bool)
    db.number = 5


class Cache:
    """Has a method of the name that sets a ``Proxy``."""

    def set(self, key: str, value: int = 0) -> bool:
        return len(key) > value


def a_set_of_its_own_is_the_objects() -> None:
    assert_type(proxy(Cache()).set("key"), bool)
    later: Cache = proxy()
    control(later).set_obj(Cache())
    assert_type(later.set("key", value=5), bool)


def a_proxy_goes_where_its_object_goes(connection: Connection = db) -> None:
    connections: list[Connection] = [db, connection]
    assert all(isinstance(each, Connection) for each in connections)


def every_scope() -> None:
    assert_type(proxy(Connection(), scope=Scope.SHARED), Connection)
    assert_type(proxy(fun=connect, scope=Scope.SHARED), Connection)
    assert_type(proxy(fun=connect, scope=Scope.AUTO), Connection)
    assert_type(proxy(fun=connect, scope=Scope.THREAD), Connection)
    assert_type(proxy(fun=connect, scope=Scope.CONTEXT), Connection)
    assert_type(proxy(fun=connect, scope=Scope.WERKZEUG), Connection)
    assert_type(proxy(fun=connect, scope=Scope.VERSATILE), Connection)
    assert_type(proxy(fun=connect, scope=Scope.GEVENT), Connection)
    assert_type(proxy(fun=connect, scope=Scope.EVENTLET), Connection)
    for scope in Scope:
        assert_type(control(proxy(fun=connect, scope=scope)), Control[Connection])
        assert_type(Proxy(fun=connect, scope=scope), Proxy[Connection])


def controls_are_typed() -> None:
    pooled = proxy(fun=connect, max_size=2, timeout=1.0)
    controls = control(pooled)
    assert_type(controls, Control[Connection])
    assert_type(controls.get(), Connection)
    assert_type(controls.get(timeout=0.5).ping(), bool)
    with controls.obj() as connection:
        assert_type(connection, Connection)
    assert_type(controls.has(), bool)
    controls.ret()
    assert_type(controls.pool, Pool[Connection] | None)
    if controls.pool is not None:
        assert_type(controls.pool.get(), Connection)
    assert_type(controls.scope, Scope | ScopeStrategy[Connection])
    single = control(proxy(Connection()))
    single.set_obj(Replica())
    single.set_fun(Replica)


# --- jobs in threads that are kept: the decorated function keeps its signature

ldap: Proxy[Connection] = Proxy(fun=connect, scope=Scope.CONTEXT)
tasks = proxy(fun=connect, scope=Scope.CONTEXT, max_size=2)


@returning(maybe_later, ldap)
def job(number: int, *names: str, host: str = "localhost") -> list[str]:
    return [host, *names] * number


@returning(tasks)
async def job_of_a_task(number: int) -> list[str]:
    return tasks.execute("SELECT 1") * number


class Service:
    """Whose methods are jobs."""

    @returning(tasks)
    def method(self, number: int) -> Service:
        tasks.execute("SELECT 1")
        return self

    @classmethod
    @returning(tasks)
    def of_class(cls, number: int) -> int:
        return number

    @staticmethod
    @returning(tasks)
    def static(number: int = 0) -> int:
        return number


@returning(tasks)
def first_of(things: list[T]) -> T:
    return things[0]


async def awaits_jobs() -> None:
    assert_type(await job_of_a_task(2), list[str])
    assert_type(await job_of_a_task(number=2), list[str])


def decorated_jobs_keep_their_signatures() -> None:
    assert_type(job(2, "a", host="b"), list[str])
    assert_type(Service().method(3), Service)
    assert_type(Service.of_class(number=3), int)
    assert_type(Service().of_class(3), int)
    assert_type(Service.static(), int)
    assert_type(first_of([3]), int)
    assert_type(first_of(["three"]), str)
    assert_type(returning(tasks)(len)("three"), int)
    assert_type(returning(tasks)(lambda: str(3))(), str)
    callback: Callable[[int], list[str]] = job
    callback(1)


# --- a scope of one's own

tenant: ContextVar[str] = ContextVar("tenant", default="none")


class PerTenant(Generic[T]):
    """One object for each tenant, whatever it is; nothing of ours is inherited."""

    def __init__(self) -> None:
        self._kept: dict[str, Kept[T]] = {}

    def get(self) -> Kept[T] | None:
        return self._kept.get(tenant.get())

    def set(self, kept: Kept[T]) -> None:
        self._kept[tenant.get()] = kept

    def delete(self) -> None:
        self._kept.pop(tenant.get(), None)


class Once(ScopeStrategy[Connection]):
    """One for all, of one type, derived from the protocol."""

    def __init__(self) -> None:
        self._kept: Kept[Connection] | None = None

    def get(self) -> Kept[Connection] | None:
        return self._kept

    def set(self, kept: Kept[Connection], /) -> None:
        self._kept = kept

    def delete(self) -> None:
        self._kept = None


def scopes_of_ones_own() -> None:
    assert_type(proxy(fun=connect, scope=PerTenant), Connection)
    assert_type(proxy(fun=connect, scope=PerTenant[Connection]), Connection)
    assert_type(proxy(fun=connect, scope=PerTenant[Connection]()), Connection)
    assert_type(proxy(fun=connect, scope=lambda: PerTenant[Connection]()), Connection)
    assert_type(proxy(fun=connect, scope=Once), Connection)
    assert_type(proxy(fun=connect, scope=Once(), max_size=3), Connection)
    assert_type(Proxy(fun=connect, scope=PerTenant), Proxy[Connection])
    later: Connection = proxy(scope=Once())
    control(later).set_fun(connect)
    strategy: ScopeStrategy[Connection] = PerTenant[Connection]()
    strategy.set(Kept(Connection()))
    kept = strategy.get()
    assert kept is not None
    assert_type(kept.obj, Connection)


# --- T is whatever a type can be


class Executor(Protocol):
    """Anything that executes."""

    def execute(self, statement: str) -> list[str]: ...


class Box(Generic[T]):
    """Something generic."""

    def __init__(self, content: T) -> None:
        self.content = content


Session = NewType("Session", Connection)
Handler = Callable[[str], int]


def executor(number: int) -> Executor:
    return Connection(number)


def either(number: int) -> Connection | Box[int]:
    return Connection(number) if number % 2 else Box(number)


def perhaps(number: int) -> Connection | None:
    return Connection(number) if number else None


def boxed(number: int) -> Box[int]:
    return Box(number)


def session(number: int) -> Session:
    return Session(Connection(number))


def handler(number: int) -> Handler:
    return lambda text: len(text) + number


def objects_of_a_protocol() -> None:
    pool = Pool(executor, opener=lambda e: e.execute("SELECT 1"))
    assert_type(pool, Pool[Executor])
    assert_type(pool.get().execute("SELECT 1"), list[str])
    wider: Pool[Executor] = Pool(connect)
    wider.ret(Connection())
    assert_type(proxy(fun=executor), Executor)
    deferred: Executor = proxy()
    control(deferred).set_fun(connect)
    assert_type(control(deferred), Control[Executor])


def objects_of_a_union() -> None:
    pool = Pool(either, tracer=lambda o: o.host if isinstance(o, Connection) else str(o.content))
    assert_type(pool, Pool[Connection | Box[int]])
    with pool.obj() as o:
        if isinstance(o, Connection):
            assert_type(o.ping(), bool)
        else:
            assert_type(o.content, int)
    pool.ret(Connection())


def objects_or_none() -> None:
    pool = Pool(perhaps, closer=lambda c: None if c is None else c.close())
    assert_type(pool, Pool[Connection | None])
    connection = pool.get()
    assert_type(connection, Connection | None)
    if connection is not None:
        assert_type(connection.ping(), bool)
    pool.ret(connection)


def objects_of_a_generic_class() -> None:
    pool = Pool(boxed, tracer=lambda b: str(b.content))
    assert_type(pool, Pool[Box[int]])
    assert_type(pool.get().content, int)
    assert_type(proxy(fun=boxed), Box[int])
    assert_type(control(proxy(fun=boxed)), Control[Box[int]])
    assert_type(Pool(lambda number: Box(number)), Pool[Box[int]])


def objects_of_a_new_type() -> None:
    pool = Pool(session, retter=lambda s: s.rollback(), closer=Close())
    assert_type(pool, Pool[Session])
    assert_type(pool.get(), Session)
    assert_type(proxy(fun=session), Session)


def objects_that_are_functions() -> None:
    assert_type(Pool(handler).get()("abc"), int)
    count: Handler = proxy(fun=handler)
    assert count("abc") == 3


def objects_of_a_callers_type(make: Callable[[int], T]) -> T:
    pool = Pool(make, 3)
    with pool.obj() as obj:
        assert_type(obj, T)
    return proxy(fun=make)


def generic_functions() -> None:
    assert_type(objects_of_a_callers_type(connect), Connection)
    assert_type(objects_of_a_callers_type(boxed), Box[int])


# --- subclasses


class Connections(Pool[Connection]):
    """A pool of one kind, made in one way."""

    def __init__(self, host: str, size: int) -> None:
        super().__init__(partial(dial, host), size, opener=set_up, closer=lambda c: c.close())
        self.host = host

    @override
    def get(self, timeout: float | None = None) -> Connection:
        return super().get(0.5 if timeout is None else timeout)

    def one(self) -> list[str]:
        with self.obj() as connection:
            return connection.execute("SELECT 1")


class Counted(Pool[T]):
    """A pool of any kind."""

    def __init__(self, fun: Callable[[int], T], max_size: int) -> None:
        super().__init__(fun, max_size)
        self.gets = 0

    @override
    def get(self, timeout: float | None = None) -> T:
        self.gets += 1
        return super().get(timeout)


def a_pool_is_subclassed() -> None:
    with Connections("remote", 3) as pool:
        assert_type(pool, Connections)
        assert_type(pool.get(), Connection)
        assert_type(pool.one(), list[str])
        assert_type(pool.lease().obj, Connection)
    counted = Counted(connect, 3)
    assert_type(counted, Counted[Connection])
    assert_type(counted.get().ping(), bool)


# --- errors


def errors_have_their_places() -> None:
    errors: list[type[PPPException]] = [PoolException, ProxyException]
    errors += [TimeOut, PoolClosed, HookError, PoolValueError]
    late: type[TimeoutError] = TimeOut
    wrong: type[ValueError] = PoolValueError
    pool = Pool(connect, 1)
    held = pool.get()
    caught: list[PoolException] = []
    try:
        pool.get(timeout=0)
    except TimeOut as error:
        caught.append(error)
    pool.ret(held)
    assert isinstance(caught[0], late)
    assert not isinstance(caught[0], wrong)
    assert type(caught[0]) in errors
