"""What checkers refuse with database connections: ``negative.py`` for the two doors. It is never run."""

# ruff: noqa: B018, F841
# pyright: strict, reportUnnecessaryTypeIgnoreComment=true
# What follows from an error is not the error:
# pyright: reportUnknownMemberType=false, reportUnusedVariable=false

from __future__ import annotations

import sqlite3

import psycopg
from psycopg import AsyncConnection, Connection
from psycopg.rows import TupleRow

from ProxyPatternPool import Pool, dbapi
from ProxyPatternPool.psycopg import (
    AsyncCheck,
    AsyncReset,
    Check,
    Close,
    Reset,
    SetUp,
    async_connection_pool,
    backend,
    connection_pool,
)


class Other:
    def close(self) -> None: ...


def memory() -> sqlite3.Connection:
    return sqlite3.connect(":memory:", check_same_thread=False)


def plain() -> Connection[TupleRow]:
    return Connection[TupleRow].connect("")


async def awaited() -> AsyncConnection[TupleRow]:
    return await AsyncConnection[TupleRow].connect("")


def of_memory(connection: sqlite3.Connection) -> bool:
    return True


def psycopgs() -> None:
    connection_pool()  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
    connection_pool("")  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
    connection_pool(3, 4)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType,reportCallIssue]
    connection_pool("", "4")  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType,reportCallIssue]
    connection_pool("", 4, timeout="5")  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType,reportCallIssue]
    connection_pool("", 4, time_out=5.0)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
    connection_pool("", 4, check_timeout="5")  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType,reportCallIssue]
    connection_pool("", 4, health=of_memory)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType,reportCallIssue]
    connection_pool("", 4, opener=of_memory)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType,reportCallIssue]
    connection_pool("", 4, retter=AsyncReset())  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType,reportCallIssue]
    connection_pool("", 4, retter=Reset)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType,reportCallIssue]
    connection_pool(memory, 4)  # type: ignore[type-var]  # pyright: ignore[reportArgumentType,reportCallIssue]
    connection_pool(awaited, 4)  # type: ignore[type-var]  # pyright: ignore[reportArgumentType,reportCallIssue]
    connection_pool("", 4).get().nothing  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
    connection_pool(plain, 4).get().nothing  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
    wrong: Pool[sqlite3.Connection] = connection_pool("", 4)  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
    Check("5")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Close(cancel_timeout="5")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    SetUp(work_mem=4)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Check()(memory())  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Reset()(memory())  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    backend(memory())  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Pool(lambda number: memory(), health=Check())  # type: ignore[misc]  # pyright: ignore[reportArgumentType]


async def psycopgs_for_tasks() -> None:
    async_connection_pool("")  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
    async_connection_pool(plain, 4)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType,reportCallIssue]
    async_connection_pool("", 4, delay=5.0)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
    async_connection_pool("", 4, health=Check())  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType,reportCallIssue]
    async_connection_pool("", 4, retter=Reset())  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType,reportCallIssue]
    async_connection_pool(awaited, 4, health=of_memory)  # type: ignore[misc]  # pyright: ignore[reportArgumentType,reportCallIssue]
    (await async_connection_pool("", 4).get()).nothing  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
    async_connection_pool("", 4).get().execute("SELECT 1")  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
    with async_connection_pool("", 4).obj():  # type: ignore[attr-defined]  # pyright: ignore[reportGeneralTypeIssues]
        pass
    AsyncCheck()(psycopg.connect(""))  # type: ignore[arg-type,unused-coroutine]  # pyright: ignore[reportArgumentType,reportUnusedCoroutine]


def any_drivers() -> None:
    dbapi.connection_pool("data.db", 4)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    dbapi.connection_pool(memory)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    dbapi.connection_pool(Other, 4)  # type: ignore[type-var]  # pyright: ignore[reportArgumentType]
    dbapi.connection_pool(memory, 4, health=Check())  # type: ignore[misc]  # pyright: ignore[reportArgumentType]
    dbapi.connection_pool(memory, 4).get().nothing  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
    dbapi.SetUp(3)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    dbapi.Check(3)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    dbapi.Check(limit=3)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    dbapi.Check(limit=dbapi.sqlite_limit(1.0))(Other())  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    dbapi.Close()(Other())  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    dbapi.sqlite_limit("1")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
