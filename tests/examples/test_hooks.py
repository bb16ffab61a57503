"""The hook classes of the examples do with real databases what they say."""

from __future__ import annotations

import sqlite3
from collections.abc import Generator
from contextlib import closing
from pathlib import Path
from time import monotonic
from typing import Any

import psycopg
import pytest

from hooks import (
    PostgresCheck,
    PostgresClose,
    PostgresReset,
    PostgresSetUp,
    SQLiteCheck,
    SQLiteClose,
    SQLiteReset,
    SQLiteSetUp,
)
from ProxyPatternPool import Pool
from tests.postgres.relay import Relay
from tests.postgres.support import Server, spawn

SOON = 0.2
"""The timeout of checks that are to fail, in seconds."""
LONG = 20.0
"""Seconds that no check takes that keeps its timeout."""


@pytest.fixture
def sqlite(tmp_path: Path) -> Generator[Pool[sqlite3.Connection]]:
    """A pool of connections to a file, with all the hooks."""
    with closing(sqlite3.connect(tmp_path / "data.db")) as first:
        first.execute("CREATE TABLE fruits (name text)")
    with Pool(
        lambda _: sqlite3.connect(tmp_path / "data.db", check_same_thread=False),
        max_size=1,
        opener=SQLiteSetUp(foreign_keys="ON", busy_timeout=30_000),
        retter=SQLiteReset(),
        health=SQLiteCheck(timeout=SOON),
        closer=SQLiteClose(),
    ) as pool:
        yield pool


def test_sqlite_is_set_up_once_and_reset_each_time(sqlite: Pool[sqlite3.Connection]) -> None:
    """The session has its pragmas, and the next user does not see what the last one did not commit."""
    with sqlite.obj() as connection:
        assert connection.execute("PRAGMA foreign_keys").fetchone() == (1,)
        connection.execute("INSERT INTO fruits VALUES ('apple')")
        assert connection.in_transaction
    with sqlite.obj() as again:
        assert again is connection
        assert not again.in_transaction
        assert again.execute("SELECT count(*) FROM fruits").fetchone() == (0,)
        assert again.execute("PRAGMA busy_timeout").fetchone() == (30_000,)


def test_sqlite_is_checked(sqlite: Pool[sqlite3.Connection]) -> None:
    """A connection that answers stays, with the session's own timeout as it was."""
    sqlite.housekeep()
    stats = sqlite.stats()
    assert (stats["nhealth"], stats["bad_health"], stats["navail"]) == (1, 0, 1)
    with sqlite.obj() as connection:
        assert connection.execute("PRAGMA busy_timeout").fetchone() == (30_000,)


def test_sqlite_that_cannot_be_read_is_discarded_in_time(sqlite: Pool[sqlite3.Connection], tmp_path: Path) -> None:
    """A check does not wait for a lock as long as the session would."""
    with closing(sqlite3.connect(tmp_path / "data.db", isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        started = monotonic()
        sqlite.housekeep()
        assert SOON <= monotonic() - started < LONG
    assert sqlite.stats()["bad_health"] == 1
    assert sqlite.stats()["ndestroys"] == 1


def test_sqlite_is_closed(sqlite: Pool[sqlite3.Connection]) -> None:
    """What leaves the pool is closed."""
    with sqlite.obj() as connection:
        pass
    sqlite.shutdown()
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        connection.execute("SELECT 1")


def _pool(conninfo: str) -> Pool[psycopg.Connection[Any]]:
    return Pool(
        lambda _: psycopg.connect(conninfo, connect_timeout=30),
        max_size=1,
        opener=PostgresSetUp(statement_timeout="29s", application_name="fruits"),
        retter=PostgresReset(),
        health=PostgresCheck(timeout=SOON),
        closer=PostgresClose(),
    )


def _is_idle(connection: psycopg.Connection[Any]) -> bool:
    return connection.info.transaction_status == psycopg.pq.TransactionStatus.IDLE


def test_postgres_is_set_up_once_and_reset_each_time(server: Server) -> None:
    """The session keeps its settings after a rollback, and the next user finds no transaction."""
    used: list[psycopg.Connection[Any]] = []
    with _pool(server.conninfo) as pool:
        for _ in range(2):
            with pool.obj() as connection:
                used.append(connection)
                assert _is_idle(connection)
                assert connection.execute("SHOW statement_timeout").fetchone() == ("29s",)
                assert connection.execute("SHOW application_name").fetchone() == ("fruits",)
                assert not _is_idle(connection)
    assert used[0] is used[1]
    assert used[0].closed


def test_postgres_is_checked(server: Server) -> None:
    """A connection that answers stays, in no transaction, and can be used."""
    with _pool(server.conninfo) as pool:
        pool.housekeep()
        stats = pool.stats()
        assert (stats["nhealth"], stats["bad_health"], stats["navail"]) == (1, 0, 1)
        with pool.obj() as connection:
            assert _is_idle(connection)
            assert connection.execute("SELECT 2").fetchone() == (2,)


def test_postgres_that_does_not_answer_is_discarded_in_time(server: Server, relay: Relay) -> None:
    """A check over a network that has failed ends when its time is up."""
    with _pool(server.through(relay.port)) as pool:
        check = PostgresCheck(timeout=SOON)
        with pool.lease() as connection:
            relay.stall()
            started = monotonic()
            assert spawn(lambda: check(connection)).result(LONG) is False
            assert monotonic() - started >= SOON
            relay.resume()
            connection.close()


def test_postgres_that_has_gone_is_discarded(server: Server, relay: Relay) -> None:
    """A connection whose other end is gone is no longer lent."""
    with _pool(server.through(relay.port)) as pool:
        relay.cut()
        spawn(pool.housekeep).result(LONG)
        assert pool.stats()["bad_health"] == 1
