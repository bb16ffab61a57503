"""Pools of connections of any driver that has the DB-API 2.0 (PEP 249): sqlite3, PyMySQL, oracledb and others. ::

    from ProxyPatternPool.dbapi import connection_pool

    pool = connection_pool(lambda: pymysql.connect(host="db.example", database="orders"), max_size=10)

    with pool.obj() as connection:
        connection.cursor().execute("INSERT …")
        connection.commit()

What a borrower has not committed is rolled back when the connection comes back. A connection that was idle for long is
checked before it is lent, and no check leaves a transaction open. Each hook is a class, to be used with ``Pool`` or
``proxy`` as well. For psycopg there is ``ProxyPatternPool.psycopg``, which knows more of its connections.
docs/databases.md compares with other pools, and says what to set for which driver.
"""

from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from typing import Any, Generic, Protocol

from typing_extensions import TypeVar, Unpack

from ._config import expect, seconds
from ._databases import complete
from ._hooks import Closer, HealthCheck, Opener, Retter
from ._pool.pool import Pool
from ._proxy.parameters import PoolParameters

__all__ = [
    "Check",
    "Close",
    "DBAPIConnection",
    "DBAPICursor",
    "Reset",
    "SQLiteConnection",
    "SetUp",
    "attribute_limit",
    "connection_pool",
    "sqlite_limit",
]


class DBAPICursor(Protocol):
    """What is used of a cursor: methods that PEP 249 requires."""

    def execute(self, operation: str, /) -> object:
        """Execute a statement."""

    def fetchone(self) -> object:
        """Return the next row; ``None``: there is none."""

    def close(self) -> object:
        """Close it."""


class DBAPIConnection(Protocol):
    """What is used of a connection: methods of PEP 249.

    There ``rollback`` is optional, since not every database has transactions. A pool cannot do without: it is how the
    next borrower gets a connection without what the last one left.
    """

    def cursor(self) -> DBAPICursor:
        """Make a cursor."""
        ...

    def commit(self) -> object:
        """Commit what is pending."""

    def rollback(self) -> object:
        """Undo what is pending."""

    def close(self) -> object:
        """Close it."""


class SQLiteConnection(DBAPIConnection, Protocol):
    """What is used of a connection of sqlite3."""

    def execute(self, sql: str, /) -> DBAPICursor:
        """Execute a statement."""
        ...


C = TypeVar("C", bound=DBAPIConnection)
D_contra = TypeVar("D_contra", bound=DBAPIConnection, default=DBAPIConnection, contravariant=True)


class SetUp(Opener[DBAPIConnection]):
    """Execute statements on each new connection, and commit: DBUtils' ``setsession``.

    Args:
        statements: Such as ``"PRAGMA foreign_keys = ON"`` or ``"SET time_zone = '+00:00'"``.
    """

    def __init__(self, *statements: str) -> None:
        self._statements = [expect("a statement", each, str, "a string") for each in statements]

    def __call__(self, obj: DBAPIConnection, /) -> None:
        """Set it up."""
        cursor = obj.cursor()
        try:
            for statement in self._statements:
                cursor.execute(statement)
        finally:
            cursor.close()
        obj.commit()  # in some databases a setting would go with a transaction that is rolled back


class Reset(Retter[DBAPIConnection]):
    """Undo what the last borrower did not commit.

    It always rolls back, as DBUtils does by default (``reset=True``): PEP 249 has nothing that says whether a
    transaction is open. If that fails, the pool discards the connection. DBUtils ignores the failure, and finds out at
    the next loan.
    """

    def __call__(self, obj: DBAPIConnection, /) -> None:
        """Reset it."""
        obj.rollback()


class Check(HealthCheck[D_contra], Generic[D_contra]):
    """Check that a query has a row, and leave no transaction open.

    If it raises, that means unhealthy, too, and the log has the error.

    Args:
        query: Such as ``"SELECT 1 FROM dual"`` for Oracle before 23ai. ``SELECT 1`` does not read the file of an SQLite
            database; ``SELECT count(*) FROM sqlite_master`` does.
        limit: Makes a context manager in which the driver's own time limit is that of the check: ``sqlite_limit``,
            ``attribute_limit``, or one of yours. PEP 249 has no time limits. ``None``: those of the connection hold.
    """

    def __init__(
        self, query: str = "SELECT 1", *, limit: Callable[[D_contra], AbstractContextManager[object]] | None = None
    ) -> None:
        self._query = expect("query", query, str, "a string")
        self._limit = _unlimited if limit is None else limit

    def __call__(self, obj: D_contra, /) -> bool:
        """Check it."""
        with self._limit(obj):
            cursor = obj.cursor()
            try:
                cursor.execute(self._query)
                found = cursor.fetchone() is not None
            finally:
                cursor.close()
            obj.rollback()
            return found


def _unlimited(connection: object) -> AbstractContextManager[object]:
    return nullcontext()


class Close(Closer[DBAPIConnection]):
    """Close the connection; the database undoes what was not committed.

    An error is ignored, as by DBUtils: many drivers raise one if the connection is lost, or was closed by its borrower.
    """

    def __call__(self, obj: DBAPIConnection, /) -> None:
        """Close it."""
        with suppress(Exception):
            obj.close()


def sqlite_limit(timeout: float) -> Callable[[SQLiteConnection], AbstractContextManager[object]]:
    """Limit how long sqlite3 waits for another connection's lock, for a ``Check``.

    Args:
        timeout: Longest wait, in seconds.

    Raises:
        PoolValueError: It is negative or NaN.
    """
    milliseconds = round(seconds("timeout", timeout) * 1000)

    @contextmanager
    def limit(connection: SQLiteConnection) -> Generator[None]:
        row: Any = connection.execute("PRAGMA busy_timeout").fetchone()
        connection.execute(f"PRAGMA busy_timeout = {milliseconds}")
        try:
            yield
        finally:
            connection.execute(f"PRAGMA busy_timeout = {row[0]}")

    return limit


def attribute_limit(name: str, value: object) -> Callable[[object], AbstractContextManager[object]]:
    """Set an attribute of the connection during a ``Check``, and then put it back.

    Args:
        name: The attribute with the driver's time limit.
            In oracledb ``call_timeout``, milliseconds; in pyodbc ``timeout``, seconds.
        value: Its value during the check, in the driver's unit.
    """

    @contextmanager
    def limit(connection: object) -> Generator[None]:
        usual: Any = getattr(connection, name)
        setattr(connection, name, value)
        try:
            yield
        finally:
            setattr(connection, name, usual)

    return limit


def connection_pool(connect: Callable[[], C], max_size: int | None, **parameters: Unpack[PoolParameters[C]]) -> Pool[C]:
    """Make a pool of connections.

    The hooks are ``Reset``, ``Check`` and ``Close``; others take their places if they are given, but a ``retter`` is
    called after ``Reset``. Give ``SetUp(…)`` as ``opener``, and a ``tracer`` that returns what the database calls the
    connection.

    Defaults that differ from those of ``Pool``: ``timeout=30.0``, as in psycopg_pool; ``health_before_get=30.0``; and
    ``hook_errors="discard"``, so that no connection is lent whose set-up has failed.

    Args:
        connect: Makes a connection, which any thread may use and close: for sqlite3 with ``check_same_thread=False``.
            The driver's ``threadsafety`` must be 1 or more. Give it the time limits that the driver has: a return, a
            check and a close wait for the server.
        max_size: At most this many connections; 0 or ``None``: unlimited.
        parameters: All others of ``Pool``.

    Raises:
        PoolValueError: A value makes no sense; the message names the parameter and the value.
        TypeError: A parameter has the wrong type; the message names it and the value.
    """
    complete(parameters, connect, reset=Reset(), check=Check(), close=Close())
    return Pool(lambda number: connect(), max_size, **parameters)
