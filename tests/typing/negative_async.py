"""What every checker refuses of what is written with ``async``: ``negative.py`` for event loops."""

# ruff: noqa: B018, F841
# pyright: strict, reportUnnecessaryTypeIgnoreComment=true
# What follows from an error is not the error:
# pyright: reportUnknownArgumentType=false, reportUnknownLambdaType=false, reportUnknownMemberType=false
# pyright: reportUnusedVariable=false, reportUnknownVariableType=false

from __future__ import annotations

from collections.abc import Awaitable
from functools import partial

from typing_extensions import Self

from ProxyPatternPool import (
    AsyncCloser,
    AsyncFactory,
    AsyncGetter,
    AsyncHealthCheck,
    AsyncLease,
    AsyncOpener,
    AsyncPool,
    AsyncRetter,
    HealthCheck,
    Pool,
    PoolObserver,
    Scope,
    control,
    proxy,
)
from ProxyPatternPool.asgi import ReturnMiddleware


class Connection:
    def __init__(self, number: int = 0) -> None:
        self.number = number

    @classmethod
    async def connect(cls) -> Self:
        return cls()

    async def execute(self, statement: str) -> list[str]:
        return [statement]

    async def ping(self) -> bool:
        return True

    async def close(self) -> None: ...


class Replica(Connection):
    def lag(self) -> float:
        return 0.0


class Other:
    async def finish(self) -> None: ...


def connect(number: int) -> Connection:
    return Connection(number)


async def connect_async(number: int) -> Connection:
    return Connection(number)


async def dial(host: str, number: int) -> Connection:
    return Connection(number + len(host))


async def nothing_needed() -> Connection:
    return Connection()


async def by_name(name: str) -> Connection:
    return Connection(len(name))


async def of_other(other: Other) -> bool:
    return bool(other)


async def of_replica(replica: Replica) -> bool:
    return replica.lag() < 1.0


async def two(connection: Connection, reason: str) -> None: ...


async def describe(connection: Connection) -> str:
    return str(connection.number)


class OfOther:
    async def __call__(self, obj: Other, /) -> bool:
        return bool(obj)


class SaysText:
    async def __call__(self, obj: Connection, /) -> str:
        return str(obj.number)


class OfOthers(PoolObserver[Other]):
    """Watches pools of something else."""


class OpensOther(AsyncOpener[Connection]):
    async def __call__(self, obj: Other, /) -> None: ...  # type: ignore[override]  # pyright: ignore[reportIncompatibleMethodOverride]


class OpensAtOnce(AsyncOpener[Connection]):
    def __call__(self, obj: Connection, /) -> None: ...  # type: ignore[override]  # pyright: ignore[reportIncompatibleMethodOverride]


class ChecksWithText(AsyncHealthCheck[Connection]):
    async def __call__(self, obj: Connection, /) -> str:  # type: ignore[override]  # pyright: ignore[reportIncompatibleMethodOverride]
        return str(obj)


class MakesOther(AsyncFactory[Connection]):
    async def __call__(self, number: int, /) -> Other:  # type: ignore[override]  # pyright: ignore[reportIncompatibleMethodOverride]
        return Other()


class Forgets(AsyncRetter[Connection]):
    async def reset(self, obj: Connection) -> None: ...


# --- the factory


def factories() -> None:
    AsyncPool()  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
    AsyncPool(3)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType,reportCallIssue]
    AsyncPool(None)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType,reportCallIssue]
    AsyncPool(Connection())  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType,reportCallIssue]
    AsyncPool(connect_async(0))  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType,reportCallIssue]
    AsyncPool(Connection.connect)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType,reportCallIssue]
    AsyncPool(Connection.connect())  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType,reportCallIssue]
    AsyncPool(nothing_needed)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType,reportCallIssue]
    AsyncPool(lambda: Connection.connect())  # type: ignore[arg-type,misc]  # pyright: ignore[reportArgumentType,reportCallIssue]
    AsyncPool(by_name)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType,reportCallIssue]
    AsyncPool(dial)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType,reportCallIssue]
    AsyncPool(partial(dial, 3))  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    other: AsyncPool[Other] = AsyncPool(connect_async)  # type: ignore[arg-type]  # pyright: ignore[reportAssignmentType]
    also_other: AsyncPool[Other] = AsyncPool(connect)  # type: ignore[arg-type]  # pyright: ignore[reportAssignmentType]
    narrower: AsyncPool[Replica] = AsyncPool(connect_async)  # type: ignore[arg-type]  # pyright: ignore[reportAssignmentType]
    not_awaited: AsyncPool[Awaitable[Connection]] = AsyncPool(connect)  # type: ignore[arg-type]  # pyright: ignore[reportAssignmentType]
    AsyncPool[Other](connect_async)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType,reportCallIssue]
    AsyncPool[Other](lambda _: Connection.connect())  # type: ignore[arg-type,return-value]  # pyright: ignore[reportArgumentType,reportCallIssue]


# --- the other parameters


def parameters() -> None:
    AsyncPool(connect_async, "3")  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType,reportCallIssue]
    AsyncPool(connect_async, 3, None)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType,reportCallIssue]
    AsyncPool(connect_async, 3, 1, 5.0, 100)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
    AsyncPool(connect_async, max_siz=3)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
    AsyncPool(connect_async, delay=3.0)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
    AsyncPool(connect_async, log_level="INFO")  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
    AsyncPool(connect_async, timeout="5")  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType,reportCallIssue]
    AsyncPool(connect_async, max_use=1.5)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType,reportCallIssue]
    AsyncPool(connect_async, backoff=0.05)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType,reportCallIssue]
    AsyncPool(connect_async, name=5)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType,reportCallIssue]
    AsyncPool(connect_async, hook_errors="ignore")  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType,reportCallIssue]
    AsyncPool(connect_async, observer=3)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType,reportCallIssue]
    AsyncPool(connect_async, observer=OfOthers())  # type: ignore[misc]  # pyright: ignore[reportArgumentType,reportCallIssue]
    AsyncPool(connect, timeout="5")  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType,reportCallIssue]


# --- hooks


def hooks_that_are_none() -> None:
    AsyncPool(connect_async, opener=3)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType,reportCallIssue]
    AsyncPool(connect_async, getter="BEGIN")  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType,reportCallIssue]
    AsyncPool(connect_async, retter=[])  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType,reportCallIssue]
    AsyncPool(connect_async, closer=True)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType,reportCallIssue]
    AsyncPool(connect_async, health=1.0)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType,reportCallIssue]
    AsyncPool(connect, tracer="connection")  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType,reportCallIssue]


def hooks_for_another_type() -> None:
    AsyncPool(connect_async, opener=of_other)  # type: ignore[misc]  # pyright: ignore[reportArgumentType,reportCallIssue]
    AsyncPool(connect_async, getter=OfOther())  # type: ignore[misc]  # pyright: ignore[reportArgumentType,reportCallIssue]
    AsyncPool(connect_async, retter=of_other)  # type: ignore[misc]  # pyright: ignore[reportArgumentType,reportCallIssue]
    AsyncPool(connect_async, closer=Other.finish)  # type: ignore[misc]  # pyright: ignore[reportArgumentType,reportCallIssue]
    AsyncPool(connect_async, health=of_other)  # type: ignore[misc]  # pyright: ignore[reportArgumentType,reportCallIssue]
    AsyncPool(connect_async, stats=of_other)  # type: ignore[misc]  # pyright: ignore[reportArgumentType,reportCallIssue]
    AsyncPool(connect_async, tracer=str.upper)  # type: ignore[misc]  # pyright: ignore[reportArgumentType,reportCallIssue]
    AsyncPool(connect_async, opener=of_replica)  # type: ignore[misc]  # pyright: ignore[reportArgumentType,reportCallIssue]
    AsyncPool(connect_async, opener=two)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType,reportCallIssue]
    AsyncPool(connect_async, opener=nothing_needed)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType,reportCallIssue]
    AsyncPool(connect_async, opener=OfOther)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType,reportCallIssue]
    AsyncPool(connect, closer=Other.finish)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType,reportCallIssue]
    AsyncPool(connect, health=OfOther())  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType,reportCallIssue]
    AsyncPool(partial(dial, "remote"), retter=of_other)  # type: ignore[misc]  # pyright: ignore[reportArgumentType,reportCallIssue]


def lambdas_are_looked_into() -> None:
    AsyncPool(connect_async, opener=lambda c: c.nothing)  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
    AsyncPool(connect_async, getter=lambda c: c.execute(3))  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    AsyncPool(connect_async, retter=lambda: None)  # type: ignore[arg-type,misc]  # pyright: ignore[reportArgumentType,reportCallIssue]
    AsyncPool(connect_async, closer=lambda c: c.finish())  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
    AsyncPool(connect_async, health=lambda c: c.number)  # type: ignore[arg-type,return-value]  # pyright: ignore[reportArgumentType,reportCallIssue]
    AsyncPool(connect_async, health=lambda c: c.execute("SELECT 1"))  # type: ignore[arg-type,return-value]  # pyright: ignore[reportArgumentType,reportCallIssue]
    AsyncPool(connect, closer=lambda c: c.finish())  # type: ignore[arg-type]  # pyright: ignore[reportAttributeAccessIssue]
    AsyncPool(lambda _: Connection.connect(), closer=lambda c: c.finish())  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
    AsyncPool[Connection](lambda _: Connection.connect(), opener=lambda c: c.finish())  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]


def results_of_hooks() -> None:
    AsyncPool(connect_async, health=SaysText())  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType,reportCallIssue]
    AsyncPool(connect_async, health=Connection.close)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType,reportCallIssue]
    AsyncPool(connect_async, health=describe)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType,reportCallIssue]
    AsyncPool(connect_async, tracer=describe)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType,reportCallIssue]
    AsyncPool(connect_async, tracer=SaysText())  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType,reportCallIssue]
    AsyncPool(connect, tracer=lambda c: describe(c))  # type: ignore[arg-type,return-value]  # pyright: ignore[reportArgumentType,reportCallIssue]


def protocols() -> None:
    factory: AsyncFactory[Connection] = nothing_needed  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
    at_once: AsyncFactory[Connection] = connect  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
    makes_other: AsyncFactory[Other] = connect_async  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
    opener: AsyncOpener[Connection] = of_other  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
    getter: AsyncGetter[Connection] = OfOther()  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
    retter: AsyncRetter[Connection] = OfOther  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
    closer: AsyncCloser[Connection] = print  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
    health: AsyncHealthCheck[Connection] = SaysText()  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
    plain: HealthCheck[Connection] = Connection.ping  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
    narrow: AsyncOpener[Connection] = of_replica  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
    Forgets()  # type: ignore[abstract]  # pyright: ignore[reportAbstractUsage]


def hooks_of_a_pool_for_threads(health: AsyncHealthCheck[Connection], fun: AsyncFactory[Connection]) -> None:
    Pool(connect, health=health)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    pool: Pool[Connection] = Pool(fun)  # type: ignore[arg-type]  # pyright: ignore[reportAssignmentType]
    AsyncPool(connect_async).get().number  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]


# --- borrowing


async def objects_are_borrowed(pool: AsyncPool[Connection]) -> None:
    connection: Other = await pool.get()  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
    (await pool.get()).nothing  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
    pool.get().number  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
    await pool.get("5")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await pool.ret(Other())  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await pool.ret()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    await pool.ret(pool.get())  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await pool.discard("connection")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    async with pool.obj() as one:
        await one.finish()  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
    async with pool.obj(timeout="5") as two:  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        await two.close()
    with pool.obj() as three:  # type: ignore[attr-defined]  # pyright: ignore[reportGeneralTypeIssues]
        pass
    with pool:  # type: ignore[attr-defined]  # pyright: ignore[reportGeneralTypeIssues]
        pass


async def nothing_is_forgotten(pool: AsyncPool[Connection], lease: AsyncLease[Connection]) -> None:
    connection = await pool.get()
    pool.ret(connection)  # type: ignore[unused-coroutine]  # pyright: ignore[reportUnusedCoroutine]
    pool.discard(connection)  # type: ignore[unused-coroutine]  # pyright: ignore[reportUnusedCoroutine]
    pool.get()  # type: ignore[unused-coroutine]  # pyright: ignore[reportUnusedCoroutine]
    pool.drain()  # type: ignore[unused-coroutine]  # pyright: ignore[reportUnusedCoroutine]
    pool.shutdown()  # type: ignore[unused-coroutine]  # pyright: ignore[reportUnusedCoroutine]
    pool.wait_ready()  # type: ignore[unused-coroutine]  # pyright: ignore[reportUnusedCoroutine]
    lease.release()  # type: ignore[unused-coroutine]  # pyright: ignore[reportUnusedCoroutine]
    lease.discard()  # type: ignore[unused-coroutine]  # pyright: ignore[reportUnusedCoroutine]


async def objects_are_leased(pool: AsyncPool[Connection]) -> None:
    lease = await pool.lease()
    await lease.obj.finish()  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
    await lease.execute("SELECT 1")  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
    lease.obj = Connection()  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]
    pool.lease().obj  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
    await pool.lease(quiet="yes")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await lease.release(1.0)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    async with pool.lease() as other:
        await other.ping()  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
    with pool.lease() as third:  # type: ignore[attr-defined]  # pyright: ignore[reportGeneralTypeIssues]
        pass
    wrong: AsyncLease[Other] = await pool.lease()  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]


async def pools_are_operated(pool: AsyncPool[Connection]) -> None:
    await pool.resize(8)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    await pool.wait_ready(timeout="5")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await pool.shutdown(delay=1.0)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    await pool.stats()  # type: ignore[misc]  # pyright: ignore[reportGeneralTypeIssues]
    pool.stats()["nused"]  # type: ignore[typeddict-item]  # pyright: ignore[reportGeneralTypeIssues]
    await pool.owners()[0].obj.finish()  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
    pool.dump("dump.txt")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    pool.name = "db"  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]


async def tasks_borrow_from_a_pool_for_threads(pool: Pool[Connection]) -> None:
    (await pool.aget()).nothing  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
    pool.aget().number  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
    pool.aget()  # type: ignore[unused-coroutine]  # pyright: ignore[reportUnusedCoroutine]
    await pool.aget("5")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await pool.ret(await pool.aget())  # type: ignore[func-returns-value,misc]  # pyright: ignore[reportGeneralTypeIssues]
    with pool.aobj() as one:  # type: ignore[attr-defined]  # pyright: ignore[reportGeneralTypeIssues]
        pass
    async with pool.obj() as two:  # type: ignore[attr-defined]  # pyright: ignore[reportGeneralTypeIssues]
        pass
    async with pool.aobj() as three:
        await three.finish()  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
    (await pool.alease()).obj.nothing  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
    pool.alease().obj  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
    async with pool.alease() as lease:
        lease.nothing  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]


async def proxies() -> None:
    db = proxy(fun=connect_async, scope=Scope.CONTEXT, max_size=4)
    db.nothing  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
    threads: Connection = proxy(fun=connect_async, scope=Scope.THREAD)  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
    proxy(fun=connect_async, scope=Scope.CONTEXT, max_size="4")  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType,reportCallIssue]
    proxy(fun=connect_async, scope=Scope.CONTEXT, health=of_other)  # type: ignore[arg-type,unused-coroutine]  # pyright: ignore[reportArgumentType,reportCallIssue]
    proxy(fun=connect_async, scope=Scope.CONTEXT, tracer=describe)  # type: ignore[arg-type,unused-coroutine]  # pyright: ignore[reportArgumentType,reportCallIssue]
    control(db).set_fun(nothing_needed)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    (await control(db).aget()).nothing  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
    with control(db).aobj() as one:  # type: ignore[attr-defined]  # pyright: ignore[reportGeneralTypeIssues]
        pass
    async with control(db).aobj() as two:
        two.nothing  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
    control(db).apool.stats()  # type: ignore[union-attr]  # pyright: ignore[reportOptionalMemberAccess]
    ReturnMiddleware(db, db)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    ReturnMiddleware(control(db).aret, db)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
