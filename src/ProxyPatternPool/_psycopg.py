"""Hooks for connections of psycopg 3: what its transaction status says, and queries with a time limit."""

import _socket
import asyncio
from collections.abc import Awaitable, Generator
from contextlib import suppress
from typing import Any, TypeAlias

from ._async_hooks import AsyncCloser, AsyncHealthCheck, AsyncOpener
from ._config import expect, seconds
from ._hooks import Closer, HealthCheck, Opener, Retter
from ._runtime.native import monotonic

try:
    import psycopg
    from psycopg import AsyncConnection, Connection, capabilities, generators, waiting
    from psycopg.pq import PipelineStatus, TransactionStatus
except ImportError as _error:
    raise ImportError(
        "ProxyPatternPool.psycopg needs psycopg 3, which cannot be imported: pip install 'psycopg[binary]' "
        "(this package's extra 'psycopg' is psycopg without libpq)"
    ) from _error

AnyConnection: TypeAlias = Connection[Any]
"""A connection, whatever its rows are."""
AnyAsyncConnection: TypeAlias = AsyncConnection[Any]
"""The same for tasks."""

_LOOK = 0.05
"""Seconds after which a check that waits looks at the clock."""


# --- setting up


_SET = "SELECT set_config(%s, %s, false)"


def _checked(settings: dict[str, str]) -> list[tuple[str, str]]:
    return [(name, expect(name, value, str, "a string")) for name, value in settings.items()]


class SetUp(Opener[AnyConnection]):
    """Set parameters of the session on each new connection.

    Args:
        settings: Their values by their names, such as ``statement_timeout="30s"`` or ``search_path="orders"``.
    """

    def __init__(self, **settings: str) -> None:
        self._settings = _checked(settings)

    def __call__(self, obj: AnyConnection, /) -> None:
        """Set it up."""
        with obj.transaction():  # a setting outlives its transaction only if that is committed
            for setting in self._settings:
                obj.execute(_SET, setting)


class AsyncSetUp(AsyncOpener[AnyAsyncConnection]):
    """The same as ``SetUp``, for tasks."""

    def __init__(self, **settings: str) -> None:
        self._settings = _checked(settings)

    async def __call__(self, obj: AnyAsyncConnection, /) -> None:
        """Set it up."""
        async with obj.transaction():
            for setting in self._settings:
                await obj.execute(_SET, setting)


# --- giving back


def _has_begun(connection: AnyConnection | AnyAsyncConnection) -> bool:
    """Whether there is a transaction to roll back; psycopg knows it without asking the server.

    Raises:
        psycopg.OperationalError: The connection is lost, still executes a query, or is in pipeline mode.
    """
    server = connection.pgconn
    status = server.transaction_status
    if server.pipeline_status != PipelineStatus.OFF:
        raise psycopg.OperationalError("the connection came back in pipeline mode")
    if status == TransactionStatus.IDLE:
        return False
    if status in (TransactionStatus.INTRANS, TransactionStatus.INERROR):
        return True
    raise psycopg.OperationalError(
        "the connection came back while it executes a query"
        if status == TransactionStatus.ACTIVE
        else "the connection came back closed"
    )


def refuse_transaction(connection: AnyConnection | AnyAsyncConnection) -> None:
    """Refuse what a hook of the user's has left, as psycopg_pool does with ``configure`` and ``reset``."""
    if _has_begun(connection):
        raise psycopg.ProgrammingError("the hook left a transaction open")


class Reset(Retter[AnyConnection]):
    """Undo what the last borrower did not commit: psycopg begins a transaction with each first statement, SELECT too.

    The rules are those of psycopg_pool. If the connection is idle, nothing is done. If it is in a transaction, failed
    or not, that is rolled back. If it is closed or lost, or still executes a query, or the rollback fails, this raises,
    and the pool discards the connection. So it does with one in pipeline mode, which psycopg_pool does not look at.
    """

    def __call__(self, obj: AnyConnection, /) -> None:
        """Reset it."""
        if _has_begun(obj):
            obj.rollback()


class AsyncReset(Retter[AnyAsyncConnection]):
    """The same as ``Reset``, for tasks: what it returns is to be awaited, unless it is ``None``.

    If a task is cancelled in a query, psycopg asks the server to end it, and waits for that. If it does not end, or the
    task is cancelled once more, psycopg closes the connection.
    """

    def __call__(self, obj: AnyAsyncConnection, /) -> Awaitable[None] | None:
        """Reset it."""
        return obj.rollback() if _has_begun(obj) else None


# --- checks


def _is_answered(connection: AnyConnection | AnyAsyncConnection, timeout: float) -> Generator[Any, Any, bool]:
    """Send ``SELECT 1`` and read the answer, as steps that psycopg's functions wait for.

    Not with ``execute``: that would begin a transaction, and try to end the query if it is interrupted.
    """
    until = monotonic() + timeout
    connection.pgconn.send_query(b"SELECT 1")
    steps = generators.execute(connection.pgconn)
    try:
        wanted = next(steps)
        while True:
            # If nothing has come psycopg says so, but its part in C before 3.2.11 says that something has.
            wanted = steps.send((yield wanted))
            if monotonic() >= until:
                return False
    except StopIteration as end:
        [answer] = end.value
        return bool(answer.get_value(0, 0) == b"1")


class Check(HealthCheck[AnyConnection]):
    """Check that the server answers ``SELECT 1`` in time.

    No transaction is begun. The server's own ``statement_timeout`` would not help if the network has failed or the
    server hangs, so this does not wait longer than its timeout. Then it closes the connection, so that no closer waits
    for the same server again. If psycopg knows that the connection is lost it raises: that means unhealthy, too, and
    the log has the error.

    Args:
        timeout: Longest wait for the answer, in seconds.

    Raises:
        PoolValueError: It is negative or NaN.
    """

    def __init__(self, timeout: float = 5.0) -> None:
        self._timeout = seconds("timeout", timeout)

    def __call__(self, obj: AnyConnection, /) -> bool:
        """Check it."""
        answered = waiting.wait(_is_answered(obj, self._timeout), obj.pgconn.socket, interval=_LOOK)
        if not answered:
            obj.close()
        return answered


class AsyncCheck(AsyncHealthCheck[AnyAsyncConnection]):
    """The same as ``Check``, for tasks."""

    def __init__(self, timeout: float = 5.0) -> None:
        self._timeout = seconds("timeout", timeout)

    async def __call__(self, obj: AnyAsyncConnection, /) -> bool:
        """Check it."""
        answered = await waiting.wait_async(_is_answered(obj, self._timeout), obj.pgconn.socket, interval=_LOOK)
        if not answered:
            await obj.close()
        return answered


def is_connected(connection: AnyConnection | AnyAsyncConnection) -> bool:
    """Check whether an idle connection has ended, without a query: for threads and for tasks.

    It takes about ten microseconds, so it can be done before each loan: ``health=is_connected, health_before_get=0.0``.
    Unlike ``Check`` it fails for no overload of the server, and behind PgBouncer it costs no server connection. It sees
    that the server, or PgBouncer, has closed the connection, as at a restart or after a time limit. It does not see
    that the network has failed, or that the server hangs.

    Whatever arrives while a connection is idle is taken for its end. So one that listens for notifications is replaced
    when there is one, and all are when the server tells them of a change to its configuration.
    """
    if connection.closed:
        return False
    # The interpreter's own socket: those of gevent and eventlet would let other greenlets run. Its family does not
    # matter here, and would have to be asked for.
    peeking = _socket.socket(_socket.AF_INET, _socket.SOCK_STREAM, 0, connection.pgconn.socket)
    try:
        peeking.setblocking(False)  # libpq has it so; a default timeout for sockets would change it
        peeking.recv(1, _socket.MSG_PEEK)
    except OSError as error:
        return isinstance(error, BlockingIOError)  # nothing has come; any other says that it is lost
    finally:
        peeking.detach()
    return False


# --- closing


def _is_executing(connection: AnyConnection | AnyAsyncConnection) -> bool:
    return connection.pgconn.transaction_status == TransactionStatus.ACTIVE


def _wake(connection: AnyConnection | AnyAsyncConnection) -> None:
    """Have whoever waits for an answer see that the connection has ended.

    To close it would not wake him. The next connection may get the number of its socket, and then he would wait for
    that one, or in an event loop disturb it.
    """
    with suppress(psycopg.Error, OSError):  # it was lost meanwhile
        ending = _socket.socket(fileno=connection.pgconn.socket)
        try:
            ending.shutdown(_socket.SHUT_RDWR)
        finally:
            ending.detach()


class Close(Closer[AnyConnection]):
    """Close the connection; the server undoes what was not committed.

    If it executes a query, as one that was killed by ``max_using_delay_kill``, the server is first asked to cancel
    that: else it would go on, since PostgreSQL does not notice that the client has gone before it answers. This is
    left out if psycopg uses a libpq older than 17, which has no time limit for it. Then whoever waits for the answer
    gets an error, and the connection is closed when he has it.

    Args:
        cancel_timeout: Longest wait for the server to take the request, in seconds: psycopg itself, when it is
            interrupted, waits for 5. The same for who executes the query. The connection's place is taken meanwhile.

    Raises:
        PoolValueError: It is negative or NaN.
    """

    def __init__(self, cancel_timeout: float = 5.0) -> None:
        self._timeout = seconds("cancel_timeout", cancel_timeout)

    def __call__(self, obj: AnyConnection, /) -> None:
        """Close it."""
        if _is_executing(obj):
            if capabilities.has_cancel_safe():
                with suppress(psycopg.Error):
                    obj.cancel_safe(timeout=self._timeout)
            if obj.lock.locked():  # as long as somebody executes something
                _wake(obj)
                if obj.lock.acquire(timeout=self._timeout):
                    obj.lock.release()
        obj.close()


class AsyncClose(AsyncCloser[AnyAsyncConnection]):
    """The same as ``Close``, for tasks."""

    def __init__(self, cancel_timeout: float = 5.0) -> None:
        self._timeout = seconds("cancel_timeout", cancel_timeout)

    async def __call__(self, obj: AnyAsyncConnection, /) -> None:
        """Close it."""
        if _is_executing(obj):
            if capabilities.has_cancel_safe():
                with suppress(psycopg.Error):
                    await obj.cancel_safe(timeout=self._timeout)
            if obj.lock.locked():
                _wake(obj)
                with suppress(asyncio.TimeoutError):
                    await asyncio.wait_for(obj.lock.acquire(), self._timeout)
                    obj.lock.release()
        await obj.close()


def backend(connection: AnyConnection | AnyAsyncConnection) -> str:
    """Name a connection by its server process, as ``pg_stat_activity`` has it, without asking the server: a tracer."""
    return f"backend {connection.info.backend_pid}"
