"""What users write with ``async``, and every checker is silent about: ``positive.py`` for event loops."""

# pyright: strict

from __future__ import annotations

import asyncio
import io
from collections.abc import Awaitable, Callable, Generator
from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import Any, TypeVar

from typing_extensions import Self, Unpack, assert_type, override

from ProxyPatternPool import (
    AsyncCloser,
    AsyncFactory,
    AsyncGetter,
    AsyncHealthCheck,
    AsyncLease,
    AsyncOpener,
    AsyncPool,
    AsyncPoolParameters,
    AsyncRetter,
    Closer,
    Control,
    Factory,
    HealthCheck,
    Holding,
    HookErrors,
    Opener,
    Pool,
    PoolObserver,
    PoolStats,
    Proxy,
    Retter,
    Scope,
    Tracer,
    control,
    proxy,
)
from ProxyPatternPool.asgi import ASGIApplication, ReturnMiddleware

T = TypeVar("T")

# --- what is pooled


class Connection:
    """A connection to somewhere."""

    def __init__(self, number: int = 0, host: str = "localhost") -> None:
        self.number = number
        self.host = host

    @classmethod
    async def connect(cls, host: str = "localhost") -> Self:
        return cls(0, host)

    async def execute(self, statement: str) -> list[str]:
        return [statement]

    async def ping(self) -> bool:
        return True

    def is_open(self) -> bool:
        return True

    async def rollback(self) -> None:
        """Undo."""

    async def close(self) -> None:
        """End."""


class Replica(Connection):
    """A connection of a kind of its own."""

    def lag(self) -> float:
        return 0.0


class Started:
    """Is awaited to be begun, and used after that, as connections of aiosqlite are."""

    def __await__(self) -> Generator[Any, None, Started]:
        yield from asyncio.sleep(0).__await__()
        return self

    async def close(self) -> None:
        """End."""


def connect(number: int) -> Connection:
    return Connection(number)


async def connect_async(number: int) -> Connection:
    return Connection(number)


async def dial(host: str, number: int) -> Connection:
    return Connection(number, host)


def start(path: str) -> Started:
    return Started()


def begin(number: int) -> Awaitable[Connection]:
    return connect_async(number)


def either(number: int) -> Connection | Awaitable[Connection]:
    return connect_async(number) if number % 2 else Connection(number)


class Server:
    """Something with methods, to be used bound."""

    async def connect(self, number: int) -> Connection:
        return Connection(number)

    def connect_at_once(self, number: int) -> Connection:
        return Connection(number)

    async def set_up(self, connection: Connection) -> None:
        await connection.execute("SET TIME ZONE 'UTC'")

    async def is_well(self, connection: Connection) -> bool:
        return await connection.ping()


# --- T is inferred from whatever makes the objects


def the_type_comes_from_the_factory() -> None:
    assert_type(AsyncPool(connect_async), AsyncPool[Connection])
    assert_type(AsyncPool(connect), AsyncPool[Connection])
    assert_type(AsyncPool(Connection), AsyncPool[Connection])
    assert_type(AsyncPool(partial(dial, "remote")), AsyncPool[Connection])
    assert_type(AsyncPool(partial(Connection, host="remote")), AsyncPool[Connection])
    assert_type(AsyncPool(Server().connect), AsyncPool[Connection])
    assert_type(AsyncPool(Server().connect_at_once), AsyncPool[Connection])
    assert_type(AsyncPool(Connect("remote")), AsyncPool[Connection])
    assert_type(AsyncPool(Structural()), AsyncPool[Connection])
    assert_type(AsyncPool(begin), AsyncPool[Connection])
    assert_type(AsyncPool(either), AsyncPool[Connection])
    assert_type(AsyncPool(fun=connect_async, max_size=3), AsyncPool[Connection])


def the_type_comes_from_a_lambda() -> None:
    assert_type(AsyncPool(lambda _: Connection.connect("remote")), AsyncPool[Connection])
    assert_type(AsyncPool(lambda number: dial("remote", number)), AsyncPool[Connection])
    assert_type(AsyncPool(fun=lambda _: Connection.connect(), max_size=4), AsyncPool[Connection])
    assert_type(AsyncPool(lambda _: start("")), AsyncPool[Started])
    assert_type(AsyncPool(lambda number: Connection(number)), AsyncPool[Connection])


def the_type_is_said() -> None:
    assert_type(AsyncPool[Connection](connect_async), AsyncPool[Connection])
    assert_type(AsyncPool[Connection](Replica), AsyncPool[Connection])
    pool: AsyncPool[Connection] = AsyncPool(connect_async, 4)
    plain: AsyncPool[Connection] = AsyncPool(connect, 4)
    later: AsyncPool[Connection] = AsyncPool(lambda _: Connection.connect())
    assert_type([pool, plain, later], list[AsyncPool[Connection]])


def made_of_coroutines(make: Callable[[int], Awaitable[T]]) -> AsyncPool[T]:
    return AsyncPool(make, 4)


def made_of_functions(make: Callable[[int], T]) -> AsyncPool[T]:
    return AsyncPool(make, 4)


def generic_code_makes_pools() -> None:
    assert_type(made_of_coroutines(connect_async), AsyncPool[Connection])
    assert_type(made_of_functions(connect), AsyncPool[Connection])


class Store(AsyncPool[Connection]):
    """A pool that knows how its objects are made."""

    def __init__(self, host: str, size: int) -> None:
        super().__init__(partial(dial, host), size, closer=lambda c: c.close())


class Strict(AsyncPool[T]):
    """A pool of anything, with a default of its own."""

    def __init__(self, make: Callable[[int], Awaitable[T]]) -> None:
        super().__init__(make, 8, hook_errors="discard")


def pools_can_be_subclassed() -> None:
    assert_type(Strict(connect_async), Strict[Connection])
    pools: list[AsyncPool[Connection]] = [Store("remote", 2), Strict(connect_async)]
    assert len(pools) == 2


# --- each protocol, by a class that derives from it, by one that does not, and by a function


class Connect(AsyncFactory[Connection]):
    def __init__(self, host: str) -> None:
        self.host = host

    async def __call__(self, number: int, /) -> Connection:
        return Connection(number, self.host)


class Structural:
    """A factory that knows nothing of the protocols, and names the parameter as it likes."""

    async def __call__(self, which: int) -> Connection:
        return Connection(which)


class SetUp(AsyncOpener[Connection]):
    async def __call__(self, obj: Connection, /) -> list[str]:
        return await obj.execute("SET TIME ZONE 'UTC'")


class Check(AsyncGetter[Connection]):
    async def __call__(self, obj: Connection, /) -> None:
        await obj.ping()


class RollBack(AsyncRetter[Connection]):
    def __call__(self, obj: Connection, /) -> Awaitable[None]:
        return obj.rollback()


class Close(AsyncCloser[Connection]):
    async def __call__(self, obj: Connection, /) -> None:
        await obj.close()


class Ping(AsyncHealthCheck[Connection]):
    def __init__(self, timeout: float) -> None:
        self.timeout = timeout

    async def __call__(self, obj: Connection, /) -> bool:
        return await obj.ping()


class Whatever:
    """A hook for objects of any kind, which knows nothing of the protocols."""

    async def __call__(self, obj: object, /) -> bool:
        return obj is not None


async def set_up(connection: Connection) -> None:
    await connection.execute("SET TIME ZONE 'UTC'")


async def is_well(connection: Connection) -> bool:
    return await connection.ping()


def note(connection: Connection) -> None:
    """Do something that needs no waiting."""


def describe(connection: Connection) -> str:
    return str(connection.number)


async def each_protocol_is_a_type() -> None:
    factories: list[AsyncFactory[Connection]] = [Connect("remote"), Structural(), connect_async, Server().connect]
    openers: list[AsyncOpener[Connection]] = [SetUp(), set_up, Whatever(), Server().set_up]
    getters: list[AsyncGetter[Connection]] = [Check(), set_up, Whatever(), Server().set_up]
    retters: list[AsyncRetter[Connection]] = [RollBack(), Connection.rollback, Whatever(), Server().set_up]
    closers: list[AsyncCloser[Connection]] = [Close(), Connection.close, Whatever(), Server().set_up]
    checks: list[AsyncHealthCheck[Connection]] = [Ping(1.0), is_well, Connection.ping, Whatever(), Server().is_well]
    for factory in factories:
        connection = await factory(0)
        assert_type(connection, Connection)
        for hook in [*openers, *getters, *retters, *closers, *checks]:
            await hook(connection)
    for check in checks:
        assert_type(await check(Connection()), bool)


def what_is_awaited_fits_what_is_not() -> None:
    """Whoever ignores what a hook returns can be given one that is to be awaited."""
    openers: list[Opener[Connection]] = [SetUp(), set_up, note]
    closers: list[Closer[Connection]] = [Close(), Connection.close, note]
    assert_type(AsyncPool(connect_async, opener=openers[0], closer=closers[0]), AsyncPool[Connection])


def a_function_takes_hooks(
    fun: Factory[Connection] | AsyncFactory[Connection],
    opener: Opener[Connection] | AsyncOpener[Connection],
    health: HealthCheck[Connection] | AsyncHealthCheck[Connection],
    retter: Retter[Connection],
    tracer: Tracer[Connection],
) -> None:
    assert_type(AsyncPool(fun, opener=opener, health=health, retter=retter, tracer=tracer), AsyncPool[Connection])


def protocols_are_parameters() -> None:
    a_function_takes_hooks(connect, SetUp(), Ping(1.0), note, describe)
    a_function_takes_hooks(Connect("remote"), note, Connection.is_open, RollBack(), describe)


# --- every hook, in every way


def hooks_are_coroutine_functions() -> None:
    pool = AsyncPool(
        connect_async,
        opener=set_up,
        getter=set_up,
        retter=Connection.rollback,
        closer=Connection.close,
        health=is_well,
        stats=describe,
        tracer=describe,
    )
    assert_type(pool, AsyncPool[Connection])
    same = AsyncPool(
        Server().connect,
        opener=Server().set_up,
        getter=SetUp(),
        retter=RollBack(),
        closer=Close(),
        health=Ping(1.0),
    )
    assert_type(same, AsyncPool[Connection])
    assert_type(AsyncPool(connect, health=Whatever(), closer=Connection.close), AsyncPool[Connection])


def hooks_are_plain_functions() -> None:
    pool = AsyncPool(connect_async, opener=note, getter=note, retter=note, closer=id, health=Connection.is_open)
    assert_type(pool, AsyncPool[Connection])
    assert_type(AsyncPool(connect, opener=note, health=Connection.is_open, tracer=repr), AsyncPool[Connection])


def hooks_are_lambdas() -> None:
    pool = AsyncPool(
        connect_async,
        opener=lambda c: c.execute("SET TIME ZONE 'UTC'"),
        getter=lambda c: c.ping(),
        retter=lambda c: c.rollback(),
        closer=lambda c: c.close(),
        health=lambda c: c.ping(),
        stats=lambda c: {"number": c.number},
        tracer=lambda c: f"connection {c.number}",
    )
    assert_type(pool, AsyncPool[Connection])
    assert_type(AsyncPool(connect_async, closer=lambda c: c.close()), AsyncPool[Connection])
    assert_type(AsyncPool(connect_async, health=lambda c: c.is_open()), AsyncPool[Connection])
    assert_type(AsyncPool(connect, health=lambda c: c.ping(), retter=lambda c: c.rollback()), AsyncPool[Connection])


def hooks_are_lambdas_and_so_is_the_factory() -> None:
    assert_type(AsyncPool(lambda _: Connection.connect(), closer=lambda c: c.close()), AsyncPool[Connection])
    assert_type(AsyncPool(lambda _: start(""), closer=lambda s: s.close()), AsyncPool[Started])
    said = AsyncPool[Connection](lambda _: Connection.connect(), closer=lambda c: c.close())
    assert_type(said, AsyncPool[Connection])


def hooks_take_a_base_class() -> None:
    pool = AsyncPool(Replica, opener=set_up, retter=RollBack(), health=lambda r: r.lag() < 1.0, tracer=describe)
    assert_type(pool, AsyncPool[Replica])
    assert_type(AsyncPool(lambda _: Replica.connect(), closer=Close()), AsyncPool[Replica])


# --- parameters


class Waits(PoolObserver[object]):
    """Watches any pool, for one event."""

    longest = 0.0

    @override
    def lent(self, pool: str, obj: object, waited: float, /) -> None:
        self.longest = max(self.longest, waited)


def parameters() -> None:
    errors: HookErrors = "discard"
    pool = AsyncPool(
        connect_async,
        4,
        1,
        5.0,
        max_use=100,
        max_waiting=64,
        max_lifetime=1800,
        max_avail_delay=300.0,
        max_using_delay=30,
        max_using_delay_kill=60,
        health_freq=2,
        health=Ping(1.0),
        health_before_get=30,
        backoff=(1, 9),
        hk_delay=10.0,
        name="db",
        trace_owner=True,
        hook_errors=errors,
        observer=Waits(),
    )
    assert_type(pool, AsyncPool[Connection])
    AsyncPool(connect_async, None, max_use=None, max_lifetime=None, backoff=None)


# --- borrowing


async def objects_are_borrowed() -> None:
    async with AsyncPool(connect_async, 4) as pool:
        assert_type(pool, AsyncPool[Connection])
        assert_type(pool.name, str)
        connection = await pool.get()
        assert_type(connection, Connection)
        await connection.execute("SELECT 1")
        assert_type(await pool.ret(connection), None)
        assert_type(await pool.discard(await pool.get(timeout=1.0)), None)
        async with pool.obj() as one, pool.obj(timeout=1.0) as other:
            assert_type(one, Connection)
            assert_type(await other.execute("SELECT 1"), list[str])
        block: AbstractAsyncContextManager[Connection] = pool.obj(0.5)
        async with block as same:
            assert_type(same, Connection)


async def tasks_borrow() -> None:
    async with AsyncPool(connect_async, 2) as pool:
        task = asyncio.create_task(pool.get())
        assert_type(await task, Connection)
        back = asyncio.create_task(pool.ret(task.result()))
        assert_type(await back, None)
        one, other = await asyncio.gather(pool.get(), pool.get())
        assert_type(one, Connection)
        await asyncio.gather(pool.ret(one), pool.discard(other))
        assert_type(await asyncio.wait_for(pool.lease(), 1.0), AsyncLease[Connection])


async def objects_are_leased() -> None:
    async with AsyncPool(connect_async, 2) as pool:
        lease = await pool.lease()
        assert_type(lease, AsyncLease[Connection])
        assert_type(lease.obj, Connection)
        assert_type(await lease.release(), None)
        async with pool.lease(1.0, quiet=True) as other:
            assert_type(other, AsyncLease[Connection])
            await other.obj.ping()
            assert_type(await other.discard(), None)
        async with await pool.lease() as third:
            assert_type(third.obj, Connection)
        kept: list[AsyncLease[Connection]] = [await pool.lease() for _ in range(2)]
        for each in kept:
            await each.release()


async def pools_are_operated() -> None:
    pool = AsyncPool(connect_async, 4, closer=Close())
    await pool.wait_ready()
    await pool.wait_ready(timeout=2.5)
    await pool.resize(max_size=8)
    await pool.resize(min_size=2, max_size=0)
    await pool.drain()
    await pool.clear()
    await pool.housekeep()
    stats = pool.stats()
    assert_type(stats, PoolStats)
    assert_type(stats["nusing"], int)
    connection = await pool.get()
    holdings = pool.owners()
    assert_type(holdings, list[Holding[Connection]])
    assert_type(holdings[0].obj, Connection)
    assert_type(holdings[0].owner, str)
    pool.dump(io.StringIO())
    await pool.ret(connection)
    await pool.shutdown(timeout=0.5)
    await pool.close()
    await pool.aclose()


async def size(pool: AsyncPool[Connection]) -> int:
    async with pool.obj() as connection:
        return len(await connection.execute("SELECT 1"))


async def pools_are_parameters() -> None:
    store = Store("remote", 2)
    assert_type(await size(store), int)
    await store.close()


# --- tasks and threads in one pool


async def tasks_borrow_from_a_pool_for_threads() -> None:
    with Pool(connect, 4) as pool:
        connection = await pool.aget()
        assert_type(connection, Connection)
        pool.ret(connection)
        pool.discard(await pool.aget(timeout=1.0))
        async with pool.aobj() as one, pool.aobj(timeout=1.0) as other:
            assert_type(one, Connection)
            assert_type(other, Connection)
        block: AbstractAsyncContextManager[Connection] = pool.aobj(0.5)
        async with block as same:
            assert_type(same, Connection)
        lease = await pool.alease()
        assert_type(lease, AsyncLease[Connection])
        assert_type(lease.obj, Connection)
        await lease.release()
        async with pool.alease(1.0, quiet=True) as other_lease:
            assert_type(other_lease, AsyncLease[Connection])
            await other_lease.discard()
        assert_type(await asyncio.create_task(pool.aget()), Connection)


def to_host(host: str, **pool: Unpack[AsyncPoolParameters[Connection]]) -> AsyncPool[Connection]:
    return AsyncPool(partial(dial, host), 4, **pool)


async def parameters_are_passed_on() -> None:
    options: AsyncPoolParameters[Connection] = {"closer": Connection.close, "health": is_well}
    assert_type(to_host("localhost", **options), AsyncPool[Connection])
    assert_type(to_host("localhost", min_size=0, timeout=1.0), AsyncPool[Connection])


# --- proxies


async def proxies_are_typed_as_what_they_stand_for() -> None:
    db = proxy(fun=connect_async, scope=Scope.CONTEXT, max_size=4, closer=Connection.close, health=is_well)
    assert_type(db, Connection)
    assert_type(await control(db).aget(), Connection)
    assert_type(await db.execute("SELECT 1"), list[str])
    assert_type(proxy(fun=Connect("localhost"), scope=Proxy.Scope.CONTEXT), Connection)
    assert_type(proxy(fun=connect_async, scope=Scope.SHARED), Connection)
    assert_type(proxy(fun=connect, scope=Scope.CONTEXT, max_size=4), Connection)
    reference: Proxy[Connection] = Proxy(fun=connect_async, scope=Scope.CONTEXT, max_size=4)
    assert_type(reference, Proxy[Connection])
    assert_type(reference.set_fun(connect_async), Proxy[Connection])


async def tasks_take_from_proxies() -> None:
    db: Connection = proxy(scope=Scope.CONTEXT, max_size=4)
    controls = control(db)
    assert_type(controls, Control[Connection])
    controls.set_fun(connect_async)
    controls.set_fun(connect)
    assert_type(await controls.aget(), Connection)
    assert_type(await controls.aget(timeout=1.0), Connection)
    await controls.aret()
    async with controls.aobj(1.0) as connection:
        assert_type(connection, Connection)
    await controls.adiscard()
    assert_type(controls.apool, AsyncPool[Connection] | None)
    assert_type(controls.pool, Pool[Connection] | None)
    await controls.aclose(timeout=1.0)
    controls.close(1.0)


async def application(scope: dict[str, str], receive: Callable[[], object], send: Callable[[object], object]) -> None:
    send(receive())


async def applications_are_wrapped() -> None:
    db = proxy(fun=connect_async, scope=Scope.CONTEXT, max_size=4)
    app: ASGIApplication = ReturnMiddleware(application, db, acquire=True)
    await ReturnMiddleware(app, db)({"type": "http"}, list, list)
