"""Pools of connections to PostgreSQL by psycopg 3, for threads and for tasks. ::

    from ProxyPatternPool.psycopg import connection_pool

    pool = connection_pool("host=db.example dbname=orders", max_size=10)

    with pool.obj() as connection, connection.transaction():
        connection.execute("INSERT …")

Unlike ``psycopg_pool.ConnectionPool.connection()``, ``pool.obj()`` does not commit at the end of its block. What was
not committed is rolled back when the connection comes back.

The hooks look at what psycopg knows of the connection, so that a return of one that is idle costs no round trip. One
that is lost, or still executes a query, is discarded. Each hook is a class, to be used with ``Pool``, ``AsyncPool`` or
``proxy`` as well. docs/databases.md compares with other pools, case by case.

This module needs psycopg: ``pip install psycopg``, or the extra ``psycopg``; ``pip install 'psycopg[binary]'`` where
libpq is not installed.
"""

import os
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, TypeVar, overload

from typing_extensions import Unpack

from ._databases import complete
from ._pool.async_pool import AsyncPool
from ._pool.parameters import AsyncPoolParameters
from ._pool.pool import Pool
from ._proxy.parameters import PoolParameters

# The first of what needs psycopg: it says so if psycopg cannot be imported.
from ._psycopg import (  # isort: skip
    AnyAsyncConnection,
    AnyConnection,
    AsyncCheck,
    AsyncClose,
    AsyncReset,
    AsyncSetUp,
    Check,
    Close,
    Reset,
    SetUp,
    backend,
    is_connected,
    refuse_transaction,
)
import psycopg
from psycopg import AsyncConnection, Connection
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.rows import TupleRow

__all__ = [
    "AsyncCheck",
    "AsyncClose",
    "AsyncReset",
    "AsyncSetUp",
    "Check",
    "Close",
    "Reset",
    "SetUp",
    "async_connection_pool",
    "backend",
    "connection_pool",
    "is_connected",
]

C = TypeVar("C", bound=AnyConnection)
A = TypeVar("A", bound=AnyAsyncConnection)

MAX_LIFETIME = 3600.0
"""Seconds: the default of psycopg_pool."""
CONNECT_TIMEOUT = 10
"""Seconds. psycopg itself waits for 130."""
USER_TIMEOUT = 10_000
"""Milliseconds after which the system gives up a connection whose other end does not acknowledge what was sent.

By itself Linux tries again for a quarter of an hour.
"""


def _with_limits(conninfo: str) -> str:
    """Add the time limits that neither the conninfo nor the environment has.

    Raises:
        psycopg.ProgrammingError: It is no conninfo.
    """
    limits = {"connect_timeout": CONNECT_TIMEOUT, "tcp_user_timeout": USER_TIMEOUT}
    if "PGCONNECT_TIMEOUT" in os.environ:
        del limits["connect_timeout"]
    return make_conninfo(conninfo, **{**limits, **conninfo_to_dict(conninfo)})


@overload
def connection_pool(
    connect: str,
    max_size: int | None,
    *,
    check_timeout: float = 5.0,
    **parameters: Unpack[PoolParameters[Connection[TupleRow]]],
) -> Pool[Connection[TupleRow]]: ...
@overload
def connection_pool(
    connect: Callable[[], C],
    max_size: int | None,
    *,
    check_timeout: float = 5.0,
    **parameters: Unpack[PoolParameters[C]],
) -> Pool[C]: ...
def connection_pool(
    connect: str | Callable[[], C],
    max_size: int | None,
    *,
    check_timeout: float = 5.0,
    **parameters: Unpack[PoolParameters[Any]],
) -> Pool[Any]:
    """Make a pool of connections, each of them by ``psycopg.connect``, or as you say.

    The hooks are ``Reset``, ``Check``, ``Close`` and the tracer ``backend``; others take their places if they are
    given. But a ``retter`` is called after ``Reset``, and like an ``opener`` it has to leave no transaction open, or
    the connection is discarded: so it is with ``reset`` and ``configure`` of psycopg_pool.

    Defaults that differ from those of ``Pool``: ``timeout=30.0`` and ``max_lifetime=3600.0``, as in psycopg_pool;
    ``health_before_get=30.0``; and ``hook_errors="discard"``, so that no connection is lent whose set-up has failed.

    Args:
        connect: A conninfo, such as ``"host=db.example dbname=orders"``, or a function that makes a connection.
            The function is for what a conninfo cannot say: ``lambda: psycopg.connect(…, row_factory=dict_row)``. A
            conninfo gets ``connect_timeout=10`` (seconds) and ``tcp_user_timeout=10000`` (milliseconds) unless it has
            its own: so a return, which may have to roll back, ends in time if the network fails. Give them in your
            function, too.
        max_size: At most this many connections; 0 or ``None``: unlimited.
        check_timeout: Longest wait of a check for its answer, in seconds.
        parameters: All others of ``Pool``.

    Raises:
        PoolValueError: A value makes no sense; the message names the parameter and the value.
        TypeError: A parameter has the wrong type; the message names it and the value.
        psycopg.ProgrammingError: The conninfo is none.
    """
    make = partial(psycopg.connect, _with_limits(connect)) if isinstance(connect, str) else connect
    complete(
        parameters,
        make,
        reset=Reset(),
        check=Check(check_timeout),
        close=Close(),
        afterwards=refuse_transaction,
    )
    parameters.setdefault("tracer", backend)
    parameters.setdefault("max_lifetime", MAX_LIFETIME)
    return Pool(lambda number: make(), max_size, **parameters)


@overload
def async_connection_pool(
    connect: str,
    max_size: int | None,
    *,
    check_timeout: float = 5.0,
    **parameters: Unpack[AsyncPoolParameters[AsyncConnection[TupleRow]]],
) -> AsyncPool[AsyncConnection[TupleRow]]: ...
@overload
def async_connection_pool(
    connect: Callable[[], Awaitable[A]],
    max_size: int | None,
    *,
    check_timeout: float = 5.0,
    **parameters: Unpack[AsyncPoolParameters[A]],
) -> AsyncPool[A]: ...
def async_connection_pool(
    connect: str | Callable[[], Awaitable[Any]],
    max_size: int | None,
    *,
    check_timeout: float = 5.0,
    **parameters: Unpack[AsyncPoolParameters[Any]],
) -> AsyncPool[Any]:
    """Make a pool of connections for tasks of asyncio: the same as ``connection_pool``, with ``AsyncConnection``.

    An ``opener`` or ``retter`` may be a coroutine function.

    Args:
        connect: A conninfo, or a function that returns a connection to be awaited, as in ``connection_pool``.
        max_size: At most this many connections; 0 or ``None``: unlimited.
        check_timeout: Longest wait of a check for its answer, in seconds.
        parameters: All others of ``AsyncPool``.

    Raises:
        PoolValueError: A value makes no sense; the message names the parameter and the value.
        TypeError: A parameter has the wrong type; the message names it and the value.
        psycopg.ProgrammingError: The conninfo is none.
    """
    make = partial(AsyncConnection.connect, _with_limits(connect)) if isinstance(connect, str) else connect
    complete(
        parameters,
        make,
        reset=AsyncReset(),
        check=AsyncCheck(check_timeout),
        close=AsyncClose(),
        afterwards=refuse_transaction,
        awaited=True,
    )
    parameters.setdefault("tracer", backend)
    parameters.setdefault("max_lifetime", MAX_LIFETIME)
    return AsyncPool(lambda number: make(), max_size, **parameters)
