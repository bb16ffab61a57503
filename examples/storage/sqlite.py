"""SQLite: an FTS5 table in a temporary folder."""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Generator, Iterable, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from ProxyPatternPool import Pool
from ProxyPatternPool.dbapi import Check, Close, Reset, SetUp, sqlite_limit

from .database import AsyncDatabase, Connection, Database, Place, Row

SET_UP = SetUp("PRAGMA journal_mode = WAL", "PRAGMA synchronous = NORMAL")  # readers do not wait for the writer
RESET = Reset()
CHECK = Check("SELECT count(*) FROM sqlite_master", limit=sqlite_limit(1.0))
CLOSE = Close()

SEARCH = "SELECT path, line FROM passages WHERE passages MATCH ? ORDER BY path, line"
COUNT = "SELECT count(DISTINCT path), count(*) FROM passages"
INSERT = "INSERT INTO passages (path, line, words) VALUES (?, ?, ?)"
OPTIMIZE = "INSERT INTO passages (passages) VALUES ('optimize')"


def expression(words: Iterable[str]) -> str:
    """Give what `SEARCH` looks for."""
    return " ".join(f'"{word}"' for word in words)  # in FTS5 a space means AND


class SQLiteConnection(Connection):
    """A connection to the database in a file."""

    def __init__(self, path: Path, name: str) -> None:
        self._name = name
        # The pool lends a connection to one thread after the other, never to two at once.
        self._connection = sqlite3.connect(path, check_same_thread=False, timeout=10.0)
        SET_UP(self._connection)

    def search(self, words: Iterable[str]) -> list[Place]:
        return [Place(path, line) for path, line in self._connection.execute(SEARCH, (expression(words),))]

    def count(self) -> tuple[int, int]:
        files, rows = self._connection.execute(COUNT).fetchone()
        return files, rows

    def create(self) -> None:
        self._connection.execute(
            "CREATE VIRTUAL TABLE passages USING fts5"
            """(path UNINDEXED, line UNINDEXED, words, detail = none, tokenize = "ascii tokenchars '_'")"""
        )

    def write(self, rows: Sequence[Row]) -> None:
        with self._connection:  # one transaction: committed at the end, rolled back on an error
            self._connection.executemany(INSERT, rows)

    def finish(self) -> None:
        with self._connection:
            self._connection.execute(OPTIMIZE)

    def rollback(self) -> None:
        RESET(self._connection)

    def is_healthy(self) -> bool:
        try:
            return CHECK(self._connection)
        except sqlite3.Error:
            return False

    def close(self) -> None:
        CLOSE(self._connection)

    def wreck(self) -> None:
        """Refuse every statement from now on."""
        self._connection.set_authorizer(deny)

    def __str__(self) -> str:
        return self._name


def deny(*_: object) -> int:
    """Refuse a statement."""
    return sqlite3.SQLITE_DENY


class SQLite(Database):
    """A database in one file.

    SQLite lets one connection write at a time, the others poll. So the pool for writing has one connection: the
    threads cut texts into words side by side, and queue in the pool, first come first served. Any number may read.
    """

    name = "SQLite"
    writers = 1

    def __init__(self, path: Path) -> None:
        self._path = path

    def connect(self, name: str) -> SQLiteConnection:
        return SQLiteConnection(self._path, name)

    def wreck(self, pool: Pool[Connection]) -> int:
        """Break two connections, and give them back as if they were sound."""
        # If they were closed, the rollback would fail at their return, and the pool would discard them itself.
        with pool.lease() as one, pool.lease() as other:
            for connection in (one, other):
                assert isinstance(connection, SQLiteConnection)
                connection.wreck()
        return 2

    def for_tasks(self) -> AsyncDatabase:
        from .async_sqlite import AsyncSQLite  # here, so that aiosqlite is not needed for threads

        return AsyncSQLite(self._path)


@contextmanager
def sqlite() -> Generator[SQLite, None, None]:
    """Make a database in a temporary folder, which is removed at the end."""
    with tempfile.TemporaryDirectory(prefix="search-stdlib-") as folder:
        database = SQLite(Path(folder) / "stdlib.db")
        with closing(database.connect("set-up")) as connection:
            connection.create()
        yield database
