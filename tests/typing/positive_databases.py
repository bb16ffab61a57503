"""What users write with database connections, and every checker is silent about: ``positive.py`` for the two doors."""

# pyright: strict

from __future__ import annotations

import sqlite3

import psycopg
from psycopg import AsyncConnection, Connection
from psycopg.rows import DictRow, TupleRow, dict_row
from typing_extensions import assert_type

from ProxyPatternPool import AsyncPool, Pool, Scope, control, dbapi, proxy
from ProxyPatternPool.psycopg import (
    AsyncCheck,
    AsyncClose,
    AsyncReset,
    AsyncSetUp,
    Check,
    Close,
    Reset,
    SetUp,
    async_connection_pool,
    backend,
    connection_pool,
    is_connected,
)

NOWHERE = "host=db.invalid dbname=orders"

# --- psycopg


class Rows:
    """Where rows are dictionaries."""

    @staticmethod
    def connect() -> Connection[DictRow]:
        return Connection[DictRow].connect(NOWHERE, row_factory=dict_row)

    @staticmethod
    async def connect_async() -> AsyncConnection[DictRow]:
        return await AsyncConnection[DictRow].connect(NOWHERE, row_factory=dict_row)


def connect_by_number(number: int) -> Connection[DictRow]:
    return Rows.connect()


def read(connection: Connection[TupleRow]) -> None:
    connection.execute("SELECT 1")


def the_type_comes_from_the_factory() -> None:
    pool = connection_pool(NOWHERE, 4, min_size=0)
    assert_type(pool, Pool[Connection[TupleRow]])
    assert_type(connection_pool(Rows.connect, 4, min_size=0), Pool[Connection[DictRow]])
    assert_type(connection_pool("", max_size=None, min_size=0, name="orders"), Pool[Connection[TupleRow]])


def pools_take_all_parameters() -> None:
    pool = connection_pool(
        NOWHERE,
        max_size=4,
        check_timeout=1.0,
        min_size=0,
        timeout=5.0,
        opener=SetUp(search_path="orders"),
        getter=read,
        retter=read,
        closer=lambda connection: connection.close(),
    )
    assert_type(pool, Pool[Connection[TupleRow]])
    assert_type(
        connection_pool(Rows.connect, 4, min_size=0, opener=SetUp(search_path="orders"), health=Check()),
        Pool[Connection[DictRow]],
    )


def hooks_are_for_any_rows() -> None:
    pool = Pool(
        connect_by_number,
        4,
        min_size=0,
        opener=SetUp(search_path="orders"),
        retter=Reset(),
        health=Check(1.0),
        closer=Close(),
        tracer=backend,
    )
    assert_type(pool, Pool[Connection[DictRow]])
    db = proxy(fun=connect_by_number, max_size=4, min_size=0, retter=Reset(), health=Check(), tracer=backend)
    assert_type(db, Connection[DictRow])
    checked = Pool(connect_by_number, 4, min_size=0, health=is_connected, health_before_get=0.0)
    assert_type(checked, Pool[Connection[DictRow]])
    assert_type(connection_pool(Rows.connect, 4, min_size=0, health=is_connected), Pool[Connection[DictRow]])


# --- psycopg, for tasks


async def connect_async_by_number(number: int) -> AsyncConnection[DictRow]:
    return await Rows.connect_async()


async def read_async(connection: AsyncConnection[TupleRow]) -> None:
    await connection.execute("SELECT 1")


def note(connection: AsyncConnection[TupleRow]) -> str:
    return backend(connection)


async def the_type_comes_from_the_awaited_factory() -> None:
    assert_type(async_connection_pool(NOWHERE, 4), AsyncPool[AsyncConnection[TupleRow]])
    assert_type(async_connection_pool(Rows.connect_async, 4, timeout=5.0), AsyncPool[AsyncConnection[DictRow]])


async def hooks_may_be_awaited() -> None:
    pool = async_connection_pool(NOWHERE, 4, check_timeout=1.0, opener=read_async, retter=note, tracer=note)
    assert_type(pool, AsyncPool[AsyncConnection[TupleRow]])
    of_dicts = AsyncPool(
        connect_async_by_number,
        4,
        opener=AsyncSetUp(search_path="orders"),
        retter=AsyncReset(),
        health=AsyncCheck(1.0),
        closer=AsyncClose(),
        tracer=backend,
    )
    assert_type(of_dicts, AsyncPool[AsyncConnection[DictRow]])
    assert_type(
        async_connection_pool(NOWHERE, 4, health=is_connected, health_before_get=0.0),
        AsyncPool[AsyncConnection[TupleRow]],
    )
    db = proxy(fun=connect_async_by_number, scope=Scope.CONTEXT, max_size=4, retter=AsyncReset(), closer=AsyncClose())
    assert_type(db, AsyncConnection[DictRow])


# --- any other driver


class Memory:
    """Where data are that need not last."""

    @staticmethod
    def connect() -> sqlite3.Connection:
        return sqlite3.connect(":memory:", check_same_thread=False)


def any_driver_will_do() -> None:
    with dbapi.connection_pool(Memory.connect, 4, opener=dbapi.SetUp("PRAGMA foreign_keys = ON")) as pool:
        assert_type(pool, Pool[sqlite3.Connection])
        with pool.obj() as connection:
            assert_type(connection, sqlite3.Connection)
    with dbapi.connection_pool(
        Memory.connect,
        4,
        retter=lambda connection: connection.rollback(),
        health=dbapi.Check("SELECT 1", limit=dbapi.sqlite_limit(1.0)),
    ) as pool:
        assert_type(pool, Pool[sqlite3.Connection])


def any_driver_has_the_same_hooks() -> None:
    db: sqlite3.Connection = proxy(
        fun=lambda number: Memory.connect(),
        retter=dbapi.Reset(),
        health=dbapi.Check(),
        closer=dbapi.Close(),
    )
    assert_type(db.in_transaction, bool)
    control(db).ret()
    control(db).close()
    connection: dbapi.DBAPIConnection = Memory.connect()
    check = dbapi.Check(limit=dbapi.attribute_limit("row_factory", None))
    assert_type(check(connection), bool)
    dbapi.Close()(connection)


def errors_are_the_drivers() -> None:
    try:
        connection_pool("nonsense", 4)
    except psycopg.ProgrammingError:
        pass
