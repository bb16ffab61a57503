"""SQLite: an FTS5 table in a temporary folder."""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Generator, Iterable, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from ProxyPatternPool import Pool

from .backend import Backend
from .texts import Place, Row


class SQLite(Backend[sqlite3.Connection]):
    """A database in one file.

    SQLite lets one connection write at a time, the others poll. So the pool for writing has one connection: the
    threads cut texts into words side by side, and queue in the pool, first come first served. Any number may read.
    """

    name = "SQLite"
    errors = (sqlite3.Error,)
    writers = 1

    def __init__(self, path: Path) -> None:
        self._path = path

    def connect(self, name: str) -> sqlite3.Connection:
        # The pool lends a connection to one thread after the other, never to two at once.
        return sqlite3.connect(self._path, check_same_thread=False, timeout=10.0)

    def set_up(self, connection: sqlite3.Connection) -> None:
        connection.execute("PRAGMA journal_mode = WAL")  # readers do not wait for the writer
        connection.execute("PRAGMA synchronous = NORMAL")

    def rollback(self, connection: sqlite3.Connection) -> None:
        connection.rollback()

    def is_healthy(self, connection: sqlite3.Connection) -> bool:
        row: object = connection.execute("SELECT 1").fetchone()
        return row == (1,)

    def close(self, connection: sqlite3.Connection) -> None:
        connection.close()

    def describe(self, connection: sqlite3.Connection) -> str:
        return f"{self._path.name}@{id(connection):x}"

    def create(self, connection: sqlite3.Connection) -> None:
        connection.execute(
            "CREATE VIRTUAL TABLE passages USING fts5"
            """(path UNINDEXED, line UNINDEXED, words, detail = none, tokenize = "ascii tokenchars '_'")"""
        )

    def write(self, connection: sqlite3.Connection, rows: Sequence[Row]) -> None:
        with connection:  # one transaction: committed at the end, rolled back on an error
            connection.executemany("INSERT INTO passages (path, line, words) VALUES (?, ?, ?)", rows)

    def finish(self, connection: sqlite3.Connection) -> None:
        with connection:
            connection.execute("INSERT INTO passages (passages) VALUES ('optimize')")

    def search(self, connection: sqlite3.Connection, words: Iterable[str]) -> list[Place]:
        expression = " ".join(f'"{word}"' for word in words)  # in FTS5 a space means AND
        cursor = connection.execute(
            "SELECT path, line FROM passages WHERE passages MATCH ? ORDER BY path, line", (expression,)
        )
        return [Place(path, line) for path, line in cursor]

    def count(self, connection: sqlite3.Connection) -> tuple[int, int]:
        files, rows = connection.execute("SELECT count(DISTINCT path), count(*) FROM passages").fetchone()
        return files, rows

    def wreck(self, pool: Pool[sqlite3.Connection]) -> int:
        """Make two connections refuse every statement from now on, and give them back as if nothing had happened."""
        # Closing them would be found out when they come back: then the rollback fails, and the pool drops them itself.
        with pool.lease() as one, pool.lease() as other:
            for connection in (one, other):
                connection.set_authorizer(_deny)
        return 2


def _deny(*_: object) -> int:
    return sqlite3.SQLITE_DENY


@contextmanager
def sqlite() -> Generator[SQLite, None, None]:
    """Give a database of its own in a temporary folder, removed at the end."""
    with tempfile.TemporaryDirectory(prefix="index-stdlib-") as folder:
        backend = SQLite(Path(folder) / "stdlib.db")
        with closing(backend.connect("set-up")) as connection:
            backend.set_up(connection)
            backend.create(connection)
        yield backend
