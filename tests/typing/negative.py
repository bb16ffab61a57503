"""What every checker refuses: each line that is marked, and none that is not.

The marks are ignores with the codes of mypy and of pyright. Both checkers complain of an ignore, or a code in it, that
they do not need: a line that is accepted from now on, or refused for another reason, is an error.
Nothing here is ever run.
"""

# ruff: noqa: B018, F841
# pyright: strict, reportUnnecessaryTypeIgnoreComment=true
# What follows from an error is not the error:
# pyright: reportUnknownArgumentType=false, reportUnknownLambdaType=false, reportUnknownMemberType=false
# pyright: reportUnusedVariable=false

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Generic, NewType, Protocol, TypeVar

from typing_extensions import Unpack

from ProxyPatternPool import (
    Closer,
    Control,
    Factory,
    Getter,
    HealthCheck,
    HookErrors,
    Hooks,
    Kept,
    Opener,
    Pool,
    PoolObserver,
    PoolOverrides,
    PoolParameters,
    Proxy,
    Retter,
    Scope,
    ScopeStrategy,
    StatsHook,
    Tracer,
    control,
    observers,
    proxy,
    returning,
)

T = TypeVar("T")


class Connection:
    def __init__(self, number: int = 0) -> None:
        self.number = number

    def execute(self, statement: str) -> list[str]:
        return [statement]

    def ping(self) -> bool:
        return True

    def close(self) -> None: ...


class Replica(Connection):
    def lag(self) -> float:
        return 0.0


class Other:
    def finish(self) -> None: ...


def connect(number: int) -> Connection:
    return Connection(number)


def dial(host: str, number: int) -> Connection:
    return Connection(number + len(host))


def nothing_needed() -> Connection:
    return Connection()


def by_name(name: str) -> Connection:
    return Connection(len(name))


def of_other(other: Other) -> bool:
    return bool(other)


def of_replica(replica: Replica) -> bool:
    return replica.lag() < 1.0


def two(connection: Connection, reason: str) -> None: ...


class Methods:
    def of_other(self, other: Other) -> bool:
        return bool(other)

    def nothing(self) -> bool:
        return True


class OfOther:
    def __call__(self, obj: Other, /) -> bool:
        return bool(obj)


class NoCall:
    def open(self, obj: Connection) -> None: ...


class SaysText:
    def __call__(self, obj: Connection, /) -> str:
        return str(obj.number)


class SaysNumber:
    def __call__(self, obj: object, /) -> int:
        return id(obj)


class OfOthers(PoolObserver[Other]):
    """Watches pools of something else."""


class OfReplicas(PoolObserver[Replica]):
    """Watches pools of something narrower."""


class Half:
    """Has some of the methods."""

    def created(self, pool: str, obj: object, took: float, /) -> None: ...
    def lent(self, pool: str, obj: object, waited: float, /) -> None: ...


class Misunderstood(PoolObserver[object]):
    def lent(self, pool: str, obj: object, waited: str, /) -> None: ...  # type: ignore[override]  # pyright: ignore[reportIncompatibleMethodOverride]
    def discarded(self, pool: str, obj: object, /) -> None: ...  # type: ignore[override]  # pyright: ignore[reportIncompatibleMethodOverride]


# --- the factory


def factories() -> None:
    Pool()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    Pool(3)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Pool(None)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Pool(Connection())  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Pool(nothing_needed)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Pool(lambda: Connection())  # type: ignore[arg-type,misc]  # pyright: ignore[reportArgumentType]
    Pool(by_name)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Pool(dial)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Pool(partial(dial, 3))  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    other: Pool[Other] = Pool(connect)  # type: ignore[arg-type]  # pyright: ignore[reportAssignmentType]
    narrower: Pool[Replica] = Pool(connect)  # type: ignore[arg-type]  # pyright: ignore[reportAssignmentType]
    proxy(fun=3)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]
    proxy(fun=nothing_needed)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Proxy(fun=by_name)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    also_other: Other = proxy(fun=connect)  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
    unlike: Other = proxy(Connection())  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
    wrong: Proxy[Other] = Proxy(fun=connect)  # type: ignore[arg-type]  # pyright: ignore[reportAssignmentType]


# --- the other parameters


def parameters() -> None:
    Pool(connect, "3")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Pool(connect, 3, None)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Pool(connect, 3, 1, 5.0, 1.5)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Pool(connect, max_siz=3)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    Pool(connect, timeout="5")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Pool(connect, max_use=1.5)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Pool(connect, max_lifetime="30")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Pool(connect, health_before_get="1")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Pool(connect, backoff=(1, 2, 3))  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Pool(connect, backoff=0.05)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Pool(connect, 4).resize(8)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    Pool(connect, max_avail_delay="30")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Pool(connect, max_using_delay="30")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Pool(connect, health_freq=0.5)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Pool(connect, hk_delay="1")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Pool(connect, name=5)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Pool(connect, log_level=1.5)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Pool(connect, hook_errors="ignore")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Pool(connect, max_waiting="3")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Pool(connect, max_waiting=1.5)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Pool(connect, trace_owner=None)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    proxy(fun=connect, max_siz=3)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
    proxy(fun=connect, max_size="3")  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]
    proxy(fun=connect, timeout="3")  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]
    proxy(fun=connect, hook_errors="ignore")  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]
    proxy(fun=connect, auto_return=None)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]
    proxy(fun=connect, set_name=3)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]
    Proxy(fun=connect, min_size=None)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Proxy(fun=connect, unknown=1)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


# --- observers


def observers_that_are_none() -> None:
    Pool(connect, observer=3)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Pool(connect, observer=print)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Pool(connect, observer=lambda event: event)  # type: ignore[arg-type,misc]  # pyright: ignore[reportArgumentType]
    Pool(connect, observer=Half())  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Pool(connect, observer=PoolObserver)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Proxy(fun=connect, observer=3)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    proxy(fun=connect, observer=Half())  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]
    observers(3)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def observers_of_another_type() -> None:
    Pool(connect, observer=OfOthers())  # type: ignore[misc]  # pyright: ignore[reportArgumentType]
    Pool(connect, observer=OfReplicas())  # type: ignore[misc]  # pyright: ignore[reportArgumentType]
    proxy(fun=connect, observer=OfOthers())  # type: ignore[misc]  # pyright: ignore[reportArgumentType]
    said: Pool[Connection] = Pool(connect, observer=OfOthers())  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def who_holds_what(pool: Pool[Connection]) -> None:
    pool.owners()[0].obj.finish()  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
    pool.owners()[0].held = 1.0  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]
    pool.dump("dump.txt")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


# --- hooks


def hooks_that_are_none() -> None:
    Pool(connect, opener=3)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Pool(connect, opener="SET TIME ZONE 'UTC'")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Pool(connect, getter=NoCall())  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Pool(connect, retter=[])  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Pool(connect, closer=True)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Pool(connect, health=1.0)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Pool(connect, stats={})  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Pool(connect, tracer="connection")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Proxy(fun=connect, opener=3)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    proxy(fun=connect, closer=3)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]


def functions_for_another_type() -> None:
    Pool(connect, opener=of_other)  # type: ignore[misc]  # pyright: ignore[reportArgumentType]
    Pool(connect, getter=of_other)  # type: ignore[misc]  # pyright: ignore[reportArgumentType]
    Pool(connect, retter=of_other)  # type: ignore[misc]  # pyright: ignore[reportArgumentType]
    Pool(connect, closer=Other.finish)  # type: ignore[misc]  # pyright: ignore[reportArgumentType]
    Pool(connect, health=of_other)  # type: ignore[misc]  # pyright: ignore[reportArgumentType]
    Pool(connect, stats=of_other)  # type: ignore[misc]  # pyright: ignore[reportArgumentType]
    Pool(connect, tracer=str.upper)  # type: ignore[misc]  # pyright: ignore[reportArgumentType]
    Pool(connect, opener=of_replica)  # type: ignore[misc]  # pyright: ignore[reportArgumentType]
    Pool(connect, opener=two)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Pool(connect, opener=nothing_needed)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    proxy(fun=connect, retter=of_other)  # type: ignore[misc]  # pyright: ignore[reportArgumentType]
    Proxy(fun=connect, retter=of_other)  # type: ignore[misc]  # pyright: ignore[reportArgumentType]


def methods_for_another_type() -> None:
    Pool(connect, opener=Methods().of_other)  # type: ignore[misc]  # pyright: ignore[reportArgumentType]
    Pool(connect, health=Methods().of_other)  # type: ignore[misc]  # pyright: ignore[reportArgumentType]
    Pool(connect, closer=Methods().nothing)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    proxy(fun=connect, closer=Methods().of_other)  # type: ignore[misc]  # pyright: ignore[reportArgumentType]


def classes_for_another_type() -> None:
    Pool(connect, opener=OfOther())  # type: ignore[misc]  # pyright: ignore[reportArgumentType]
    Pool(connect, getter=OfOther())  # type: ignore[misc]  # pyright: ignore[reportArgumentType]
    Pool(connect, retter=OfOther())  # type: ignore[misc]  # pyright: ignore[reportArgumentType]
    Pool(connect, closer=OfOther())  # type: ignore[misc]  # pyright: ignore[reportArgumentType]
    Pool(connect, health=OfOther())  # type: ignore[misc]  # pyright: ignore[reportArgumentType]
    Pool(connect, stats=OfOther())  # type: ignore[misc]  # pyright: ignore[reportArgumentType]
    Pool(connect, opener=OfOther)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    proxy(fun=connect, opener=OfOther())  # type: ignore[misc]  # pyright: ignore[reportArgumentType]
    Proxy(fun=connect, opener=OfOther())  # type: ignore[misc]  # pyright: ignore[reportArgumentType]


def lambdas_are_looked_into() -> None:
    Pool(connect, opener=lambda c: c.nothing)  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
    Pool(connect, getter=lambda c: c.execute(3))  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Pool(connect, retter=lambda: None)  # type: ignore[arg-type,misc]  # pyright: ignore[reportArgumentType]
    Pool(connect, closer=lambda c: c.finish)  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
    Pool(connect, health=lambda c: c.number)  # type: ignore[arg-type,return-value]  # pyright: ignore[reportArgumentType]
    Pool(connect, stats=lambda c: c.nothing)  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
    Pool(connect, tracer=lambda c: c.number)  # type: ignore[arg-type,return-value]  # pyright: ignore[reportArgumentType]
    proxy(fun=connect, opener=lambda c: c.nothing)  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
    proxy(fun=connect, tracer=lambda c: c.number)  # type: ignore[arg-type,return-value]  # pyright: ignore[reportArgumentType]
    Proxy(fun=connect, opener=lambda c: c.nothing)  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
    Proxy(fun=connect, health=lambda c: c.number)  # type: ignore[arg-type,return-value]  # pyright: ignore[reportArgumentType]


def lambdas_are_looked_into_beside_a_lambda() -> None:
    Pool(lambda _: Connection(), closer=lambda c: c.finish)  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
    Pool(lambda _: Connection(), health=lambda c: c.number)  # type: ignore[arg-type,return-value]  # pyright: ignore[reportArgumentType]
    Pool[Connection](lambda _: Connection(), opener=lambda c: c.finish)  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
    proxy(fun=lambda _: Connection(), closer=lambda c: c.finish)  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
    Proxy(fun=lambda _: Connection(), closer=lambda c: c.finish)  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
    Hooks(lambda _: Connection(), closer=lambda c: c.finish)  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]


def results_of_hooks() -> None:
    Pool(connect, health=SaysText())  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Pool(connect, health=Connection.close)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Pool(connect, tracer=SaysNumber())  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Pool(connect, tracer=id)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Hooks(connect, tracer=Connection.ping)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Hooks(connect, opener=of_other)  # type: ignore[misc]  # pyright: ignore[reportArgumentType]


# --- parameters that are passed on


# --- what is to be awaited: refused where the result has a type


async def connect_async(number: int) -> Connection:
    return Connection(number)


async def ping_async(connection: Connection) -> bool:
    return connection.ping()


async def host_async(connection: Connection) -> str:
    return "localhost"


class Tells(PoolObserver[Connection]):
    async def lent(self, pool: str, obj: Connection, waited: float, /) -> None: ...  # type: ignore[override]  # pyright: ignore[reportIncompatibleMethodOverride]


class AsyncCheck(HealthCheck[Connection]):
    async def __call__(self, obj: Connection, /) -> bool: ...  # type: ignore[override,empty-body]  # pyright: ignore[reportIncompatibleMethodOverride]


def nothing_is_awaited() -> None:
    Pool(connect, health=ping_async)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Pool(connect, health=lambda c: ping_async(c))  # type: ignore[arg-type,return-value]  # pyright: ignore[reportArgumentType]
    Pool(connect, tracer=host_async)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    proxy(fun=connect, tracer=host_async)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    said: Pool[Connection] = Pool(connect_async)  # type: ignore[arg-type]  # pyright: ignore[reportAssignmentType]
    db: Connection = proxy(fun=connect_async)  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
    Pool(connect_async, closer=Connection.close)  # type: ignore[misc]  # pyright: ignore[reportArgumentType]
    Pool(connect_async).get().ping()  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]


def database(**pool: Unpack[PoolParameters[Connection]]) -> Pool[Connection]:
    Pool(Other, **pool)  # type: ignore[arg-type,misc]  # pyright: ignore[reportArgumentType]
    return Pool(connect, **pool)


def configure(db: Other, **pool: Unpack[PoolOverrides[Connection]]) -> None:
    control(db).set_pool(**pool)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def passed_on(db: Other) -> None:
    database(timeout="5")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    database(max_siz=5)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    database(max_size=5)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    database(opener=of_other)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    database(hook_errors="ignore")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    configure(db, fun=connect)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    configure(db, max_size="5")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    errors: HookErrors = "ignore"  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
    options: PoolParameters[Connection] = {"max_siz": 3}  # type: ignore[typeddict-unknown-key]  # pyright: ignore[reportAssignmentType]


# --- the protocols


class OpensOther(Opener[Connection]):
    def __call__(self, obj: Other, /) -> None: ...  # type: ignore[override]  # pyright: ignore[reportIncompatibleMethodOverride]


class ClosesNothing(Closer[Connection]):
    def __call__(self) -> None: ...  # type: ignore[override]  # pyright: ignore[reportIncompatibleMethodOverride]


class ChecksWithText(HealthCheck[Connection]):
    def __call__(self, obj: Connection, /) -> str:  # type: ignore[override]  # pyright: ignore[reportIncompatibleMethodOverride]
        return str(obj)


class MakesOther(Factory[Connection]):
    def __call__(self, number: int, /) -> Other:  # type: ignore[override]  # pyright: ignore[reportIncompatibleMethodOverride]
        return Other()


class Forgets(Retter[Connection]):
    def reset(self, obj: Connection) -> None: ...


def protocols() -> None:
    factory: Factory[Connection] = nothing_needed  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
    makes_other: Factory[Other] = connect  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
    opener: Opener[Connection] = of_other  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
    getter: Getter[Connection] = OfOther()  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
    retter: Retter[Connection] = OfOther  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
    closer: Closer[Connection] = NoCall()  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
    health: HealthCheck[Connection] = SaysText()  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
    stats: StatsHook[Connection] = of_other  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
    tracer: Tracer[Connection] = SaysNumber()  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
    narrow: Opener[Connection] = of_replica  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
    Forgets()  # type: ignore[abstract]  # pyright: ignore[reportAbstractUsage]


def hook_for_others(opener: Opener[Other], health: HealthCheck[Replica]) -> None:
    Pool(connect, opener=opener)  # type: ignore[misc]  # pyright: ignore[reportArgumentType]
    Pool(connect, health=health)  # type: ignore[misc]  # pyright: ignore[reportArgumentType]


# --- borrowing


def borrowed(pool: Pool[Connection]) -> None:
    pool.get().nothing()  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
    pool.get("1")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    pool.get().execute(5)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    other: Other = pool.get()  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
    replica: Replica = pool.get()  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
    pool.ret(Other())  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    pool.ret()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    pool.discard("connection")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    with pool.obj() as connection:
        connection.nothing()  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
    with pool.obj("1"):  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        pass
    with pool as itself:
        itself.nothing()  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
    pool.shutdown("now")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    pool.nothing()  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
    pool.name = "other"  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]


def leased(pool: Pool[Connection]) -> None:
    lease = pool.lease()
    lease.obj.nothing()  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
    lease.obj = Connection()  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]
    lease.obj()  # type: ignore[operator]  # pyright: ignore[reportCallIssue]
    lease.execute("SELECT 1")  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
    pool.lease(0, True)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    pool.lease(quite=True)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    with pool.lease() as connection:
        connection.nothing()  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
        connection.release()  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]


def statistics(pool: Pool[Connection]) -> None:
    stats = pool.stats()
    stats["nothing"]  # type: ignore[typeddict-item]  # pyright: ignore[reportGeneralTypeIssues]
    stats.navail  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
    stats["sem"]["value"]  # type: ignore[index]  # pyright: ignore[reportOptionalSubscript]
    stats["navail"].upper()  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
    stats["using"]["uses"]  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType,reportCallIssue]
    stats["using"][0]["nothing"]  # type: ignore[typeddict-item]  # pyright: ignore[reportGeneralTypeIssues]
    stats["nusing"] = "many"  # type: ignore[typeddict-item]  # pyright: ignore[reportGeneralTypeIssues]
    name: int = stats["name"]  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]


# --- proxies


def seed_proxies(db: Proxy[Connection]) -> None:
    db.set_obj(Other())  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    db.set_fun(Other)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    db.set(connect)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    db.set(fun=nothing_needed)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    db.set_obj()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


class Reference(Proxy[Connection]):
    def use(self) -> None:
        self._get_obj().nothing()  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
        self._get_obj("1")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        with self._obj() as connection:
            connection.nothing()  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
        self._set_obj(Other())  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        self._set_fun(nothing_needed)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        self._set_pool(max_siz=3)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
        self._set_pool(max_size="3")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        self._set_pool(opener=of_other)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        self._pool.get()  # type: ignore[union-attr]  # pyright: ignore[reportOptionalMemberAccess]


def typed_proxies() -> None:
    db = proxy(fun=connect)
    db.nothing()  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
    db.execute(5)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    db.set_fun(connect)  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
    db.number = "five"  # type: ignore[assignment]  # pyright: ignore[reportAttributeAccessIssue]
    later: Connection = proxy()
    later.nothing()  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
    looked_into: Connection = proxy(retter=lambda c: c.nothing)  # type: ignore[attr-defined,unused-ignore]  # pyright: ignore[reportAttributeAccessIssue]
    untyped = proxy()  # type: ignore[var-annotated]  # pyright: ignore[reportUnknownVariableType]
    later = Other()  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]


def controls(db: Connection) -> None:
    control(db).set_obj(Other())  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    control(db).set_fun(Other)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    control(db).set_fun(nothing_needed)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    control(db).set_fun(5)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    control(db).set_pool(max_siz=3)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    control(db).set_pool(max_size="3")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    control(db).set_pool(fun=connect)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    control(db).set_pool(closer=of_other)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    control(db).set_pool(closer=lambda c: c.nothing)  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
    control(db).get().nothing()  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
    control(db).get("1")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    control(db).execute("SELECT 1")  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
    control(db).pool.get()  # type: ignore[union-attr]  # pyright: ignore[reportOptionalMemberAccess]
    control(db).scope = Scope.THREAD  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]
    with control(db).obj() as connection:
        connection.nothing()  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
    controls: Control[Other] = control(db)  # type: ignore[arg-type]  # pyright: ignore[reportAssignmentType]


# --- jobs


db = proxy(fun=connect)


@returning(db)
def job(number: int, *, host: str = "") -> str:
    return host * number


@returning(db)
async def job_of_a_task(number: int) -> str:
    return str(number)


@returning
def no_proxies(number: int) -> str:
    return str(number)


class Service:
    @returning(db)
    def method(self, number: int) -> str:
        return str(number)


async def awaits_jobs() -> None:
    await job_of_a_task("2")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    wrong: int = await job_of_a_task(2)  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
    text: str = job_of_a_task(2)  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]


def jobs() -> None:
    job("2")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    job(2, "localhost")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    job(2, port=3)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    job()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    wrong: int = job(2)  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
    Service().method("2")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Service().method()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    returning(db)(3)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    no_proxies(3)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


# --- scopes


class NoDelete(Generic[T]):
    def get(self) -> Kept[T] | None: ...
    def set(self, kept: Kept[T], /) -> None: ...


class ForOther:
    def get(self) -> Kept[Other] | None: ...
    def set(self, kept: Kept[Other], /) -> None: ...
    def delete(self) -> None: ...


class NeedsName(ForOther):
    def __init__(self, name: str) -> None:
        self.name = name


class Incomplete(ScopeStrategy[Connection]):
    def delete(self) -> None: ...


def scopes() -> None:
    proxy(fun=connect, scope="thread")  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType,reportCallIssue]
    proxy(fun=connect, scope=None)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType,reportCallIssue]
    proxy(fun=connect, scope=Scope.THREADS)  # type: ignore[arg-type,attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
    proxy(fun=connect, scope=Scope)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType,reportCallIssue]
    proxy(fun=connect, scope=NoDelete)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType,reportCallIssue]
    proxy(fun=connect, scope=NoDelete[Connection]())  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType,reportCallIssue]
    later: Connection = proxy(scope=ForOther())  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
    same: Proxy[Connection] = Proxy(scope=ForOther)  # type: ignore[arg-type]  # pyright: ignore[reportAssignmentType]
    other: Other = proxy(scope=NeedsName)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType,reportUnknownVariableType]
    Incomplete()  # type: ignore[abstract]  # pyright: ignore[reportAbstractUsage]
    strategy: ScopeStrategy[Connection] = ForOther()  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]


# --- T is whatever a type can be


class Executor(Protocol):
    def execute(self, statement: str) -> list[str]: ...


class Box(Generic[T]):
    def __init__(self, content: T) -> None:
        self.content = content


Session = NewType("Session", Connection)


def executor(number: int) -> Executor:
    return Connection(number)


def either(number: int) -> Connection | Box[int]:
    return Connection(number)


def perhaps(number: int) -> Connection | None:
    return Connection(number)


def boxed(number: int) -> Box[int]:
    return Box(number)


def session(number: int) -> Session:
    return Session(Connection(number))


def other_kinds() -> None:
    Pool(executor).get().close()  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
    Pool(executor, closer=lambda e: e.close())  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
    Pool(executor).ret(Other())  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    unfit: Pool[Executor] = Pool(Other)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType,reportAssignmentType]
    Pool(either).get().ping()  # type: ignore[union-attr]  # pyright: ignore[reportAttributeAccessIssue]
    Pool(either, closer=Connection.close)  # type: ignore[misc]  # pyright: ignore[reportArgumentType]
    Pool(perhaps).get().ping()  # type: ignore[union-attr]  # pyright: ignore[reportOptionalMemberAccess]
    Pool(perhaps, closer=lambda c: c.close())  # type: ignore[union-attr]  # pyright: ignore[reportOptionalMemberAccess]
    Pool(boxed).get().content.upper()  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
    Pool(boxed).ret(Box("text"))  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Pool(session).ret(Connection())  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Pool(session, opener=lambda s: s.nothing)  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
    proxy(fun=executor).close()  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
    proxy(fun=perhaps).ping()  # type: ignore[union-attr]  # pyright: ignore[reportOptionalMemberAccess]
    plain: Session = proxy(fun=connect)  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]


def of_a_callers_type(make: Callable[[int], T]) -> T:
    Pool(make).get().execute("SELECT 1")  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
    Pool(make).ret(Connection())  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    return proxy(fun=make)


# --- subclasses


class Connections(Pool[Connection]):
    def __init__(self) -> None:
        super().__init__(Other)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]

    def get(self, timeout: float | None = None) -> Other:  # type: ignore[override]  # pyright: ignore[reportIncompatibleMethodOverride]
        return Other()

    def one(self) -> None:
        self.lease().obj.nothing()  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]


class OtherReference(Proxy[Connection]):
    def __init__(self) -> None:
        super().__init__(fun=Other)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def subclasses(pool: Connections, reference: OtherReference) -> None:
    pool.ret(Other())  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    pool.lease().obj.nothing()  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
    reference.set_obj(Other())  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    control(reference).get().nothing()  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
