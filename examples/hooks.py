"""Hooks for pools of database connections: set up the session, reset it, check it, close it.

Each is a class that derives from one of the library's protocols, so that checkers see at once whether it fits. ::

    pool = Pool(
        lambda _: sqlite3.connect("data.db", check_same_thread=False),
        opener=SQLiteSetUp(journal_mode="WAL"),
        retter=SQLiteReset(),
        health=SQLiteCheck(timeout=1.0),
        closer=SQLiteClose(),
    )
    pool = Pool(
        lambda _: psycopg.connect("dbname=data"),
        opener=PostgresSetUp(statement_timeout="30s"),
        retter=PostgresReset(),
        health=PostgresCheck(timeout=1.0),
        closer=PostgresClose(),
    )
"""

from __future__ import annotations

import selectors
import sqlite3
from time import monotonic
from typing import TYPE_CHECKING, Any, TypeAlias

from ProxyPatternPool import Closer, HealthCheck, Opener, Retter

if TYPE_CHECKING:  # hooks for SQLite do not need psycopg
    import psycopg

PostgresConnection: TypeAlias = "psycopg.Connection[Any]"
"""A connection, whatever its rows are."""


class SQLiteSetUp(Opener[sqlite3.Connection]):
    """Set pragmas.

    Args:
        pragmas: Their values by their names, such as ``journal_mode="WAL"`` or ``busy_timeout=10_000``.
    """

    def __init__(self, **pragmas: str | int) -> None:
        self._pragmas = pragmas

    def __call__(self, obj: sqlite3.Connection, /) -> None:
        for name, value in self._pragmas.items():
            obj.execute(f"PRAGMA {name} = {value}")


class SQLiteReset(Retter[sqlite3.Connection]):
    """Undo what the last user did not commit."""

    def __call__(self, obj: sqlite3.Connection, /) -> None:
        obj.rollback()


class SQLiteCheck(HealthCheck[sqlite3.Connection]):
    """Check that the database can be read.

    Args:
        timeout: Longest wait for a lock that another connection holds, in seconds.
    """

    def __init__(self, timeout: float) -> None:
        self._milliseconds = round(timeout * 1000)

    def __call__(self, obj: sqlite3.Connection, /) -> bool:
        try:
            (usual,) = obj.execute("PRAGMA busy_timeout").fetchone()
            obj.execute(f"PRAGMA busy_timeout = {self._milliseconds}")
            try:
                # SELECT 1 alone would not read the file.
                return bool(obj.execute("SELECT 1 FROM (SELECT count(*) FROM sqlite_master)").fetchone() == (1,))
            finally:
                obj.execute(f"PRAGMA busy_timeout = {usual}")
        except sqlite3.Error:
            return False


class SQLiteClose(Closer[sqlite3.Connection]):
    """Close the connection, and undo what was not committed."""

    def __call__(self, obj: sqlite3.Connection, /) -> None:
        obj.close()


class PostgresSetUp(Opener[PostgresConnection]):
    """Set parameters of the session.

    Args:
        settings: Their values by their names, such as ``statement_timeout="30s"`` or ``synchronous_commit="off"``.
    """

    def __init__(self, **settings: str) -> None:
        self._settings = settings

    def __call__(self, obj: PostgresConnection, /) -> None:
        with obj.transaction():  # a setting outlives its transaction only if that is committed
            for name, value in self._settings.items():
                obj.execute("SELECT set_config(%s, %s, false)", (name, value))


class PostgresReset(Retter[PostgresConnection]):
    """Undo what the last user did not commit: psycopg begins a transaction with each first statement, also a SELECT."""

    def __call__(self, obj: PostgresConnection, /) -> None:
        obj.rollback()


class PostgresCheck(HealthCheck[PostgresConnection]):
    """Check that the server answers ``SELECT 1`` in time.

    The server's own ``statement_timeout`` does not help if the network has failed or the server hangs. So this sends
    the query without blocking, and waits for the answer with a timeout. If psycopg knows that the connection is lost it
    raises: to a pool that means unhealthy, too, and the error is logged.

    Args:
        timeout: Longest wait for the answer, in seconds.
    """

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout

    def __call__(self, obj: PostgresConnection, /) -> bool:
        deadline = monotonic() + self._timeout
        server = obj.pgconn
        answers: list[bytes | None] = []
        with selectors.DefaultSelector() as selector:
            selector.register(server.socket, selectors.EVENT_READ)
            server.send_query(b"SELECT 1")
            server.flush()
            while True:
                while server.is_busy():
                    if not selector.select(max(0.0, deadline - monotonic())):
                        return False
                    server.consume_input()
                result = server.get_result()
                if result is None:
                    return answers == [b"1"]
                answers.append(result.get_value(0, 0))


class PostgresClose(Closer[PostgresConnection]):
    """Close the connection; the server undoes what was not committed."""

    def __call__(self, obj: PostgresConnection, /) -> None:
        obj.close()
