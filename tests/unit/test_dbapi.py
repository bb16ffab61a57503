"""Pools of connections of any DB-API driver: sqlite3, and one that says what was done."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable, Generator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from ProxyPatternPool import HookError, Pool, PoolValueError, control, proxy
from ProxyPatternPool.dbapi import (
    Check,
    Close,
    DBAPIConnection,
    Reset,
    SetUp,
    attribute_limit,
    connection_pool,
    sqlite_limit,
)

from .clock import FakeScheduler, HandMovedClock


class Cursor:
    """A cursor that notes what is done."""

    def __init__(self, connection: Noted) -> None:
        self._connection = connection

    def execute(self, operation: str, /) -> None:
        self._connection.do(f"execute {operation} within {self._connection.call_timeout}")

    def fetchone(self) -> tuple[int] | None:
        return self._connection.row

    def close(self) -> None:
        self._connection.do("close cursor")


class Noted:
    """A connection of a driver that PEP 249 describes, and that notes what is done."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.fails: set[str] = set()
        self.call_timeout = 0
        self.row: tuple[int] | None = (1,)

    def do(self, what: str) -> None:
        self.done.append(what)
        if what.split()[0] in self.fails:
            raise OSError(f"cannot {what}")

    def cursor(self) -> Cursor:
        return Cursor(self)

    def commit(self) -> None:
        self.do("commit")

    def rollback(self) -> None:
        self.do("rollback")

    def close(self) -> None:
        self.do("close")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A database with a table."""
    path = tmp_path / "data.db"
    with closing(sqlite3.connect(path)) as first:
        first.execute("CREATE TABLE fruits (name text)")
    return path


@pytest.fixture
def pool(path: Path) -> Generator[Pool[sqlite3.Connection]]:
    """A pool of connections to it."""
    with connection_pool(
        lambda: sqlite3.connect(path, check_same_thread=False),
        max_size=1,
        opener=SetUp("PRAGMA foreign_keys = ON", "PRAGMA busy_timeout = 30000"),
        health=Check("SELECT count(*) FROM sqlite_master", limit=sqlite_limit(0.01)),
    ) as pool:
        yield pool


def test_sqlite_is_set_up_once_and_reset_each_time(pool: Pool[sqlite3.Connection]) -> None:
    """The session has its pragmas, and the next borrower does not see what the last one did not commit."""
    with pool.obj() as connection:
        assert connection.execute("PRAGMA foreign_keys").fetchone() == (1,)
        connection.execute("INSERT INTO fruits VALUES ('apple')")
        assert connection.in_transaction
    with pool.obj() as again:
        assert again is connection
        assert not again.in_transaction
        assert again.execute("SELECT count(*) FROM fruits").fetchone() == (0,)
        assert again.execute("PRAGMA busy_timeout").fetchone() == (30_000,)
        again.execute("INSERT INTO fruits VALUES ('pear')")
        again.commit()
    with pool.obj() as again:
        assert again.execute("SELECT name FROM fruits").fetchall() == [("pear",)]


def test_sqlite_is_checked(pool: Pool[sqlite3.Connection]) -> None:
    """A connection that answers stays, with the session's own timeout as it was."""
    pool.housekeep()
    stats = pool.stats()
    assert (stats["nhealth"], stats["bad_health"], stats["navail"]) == (1, 0, 1)
    with pool.obj() as connection:
        assert connection.execute("PRAGMA busy_timeout").fetchone() == (30_000,)


def test_sqlite_that_is_locked_is_given_up_in_time(pool: Pool[sqlite3.Connection], path: Path) -> None:
    """A check does not wait for a lock as long as the session would, which has half a minute."""
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        pool.housekeep()
    assert (pool.stats()["bad_health"], pool.stats()["ndestroys"]) == (1, 1)


def test_sqlite_is_closed(pool: Pool[sqlite3.Connection]) -> None:
    """What leaves the pool is closed, also if its borrower has closed it."""
    with pool.obj() as connection:
        pass
    pool.shutdown()
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        connection.execute("SELECT 1")


def test_one_that_its_borrower_has_closed_is_discarded(pool: Pool[sqlite3.Connection]) -> None:
    """It cannot be rolled back, and so is not lent again."""
    with pool.obj() as connection:
        connection.close()
    with pool.obj() as other:
        assert other is not connection
        assert other.execute("SELECT 1").fetchone() == (1,)


def test_set_up_commits() -> None:
    """What a statement of the set-up begins is over when the connection is lent."""
    connection = Noted()
    SetUp("SET a", "SET b")(connection)
    assert connection.done == ["execute SET a within 0", "execute SET b within 0", "close cursor", "commit"]


def test_one_that_cannot_be_set_up_is_not_lent() -> None:
    """The borrower gets the error, and not a connection that lacks its settings; the cursor is closed."""
    connection = Noted()
    connection.fails = {"execute"}
    with connection_pool(lambda: connection, 1, min_size=0, opener=SetUp("SET a")) as pool:
        with pytest.raises(HookError, match="cannot execute SET a"):
            pool.get()
        assert connection.done[-2:] == ["close cursor", "close"]


def test_the_check_leaves_no_transaction_open() -> None:
    """It rolls back, after the cursor is closed, and within the time limit, which then is as it was."""
    connection = Noted()
    check = Check("SELECT 1 FROM dual", limit=attribute_limit("call_timeout", 1000))
    assert check(connection)
    assert connection.done == ["execute SELECT 1 FROM dual within 1000", "close cursor", "rollback"]
    assert connection.call_timeout == 0


def test_the_check_fails_without_a_row() -> None:
    """A query that finds nothing means unhealthy."""
    connection = Noted()
    connection.row = None
    assert Check()(connection) is False


@pytest.mark.parametrize("step", ["execute", "close", "rollback"])
def test_the_check_raises_what_the_driver_does(step: str) -> None:
    """Whichever step fails: the pool logs why. The time limit is as it was."""
    connection = Noted()
    connection.fails = {step}
    with pytest.raises(OSError, match=f"cannot {step}"):
        Check(limit=attribute_limit("call_timeout", 1000))(connection)
    assert connection.call_timeout == 0


def test_errors_of_closing_are_no_news(caplog: pytest.LogCaptureFixture) -> None:
    """A connection that is lost often cannot be closed without an error, and is gone all the same."""
    connection = Noted()
    connection.fails = {"close"}
    caplog.set_level(logging.DEBUG, logger="ppp")
    with connection_pool(lambda: connection, 1) as pool, pool.obj():
        pass
    assert connection.done[-1] == "close"
    assert "cannot" not in caplog.text


def test_a_retter_is_called_after_the_reset() -> None:
    """As ``reset`` in psycopg_pool: it finds a connection in no transaction."""
    connection = Noted()
    with connection_pool(lambda: connection, 1, retter=lambda c: c.do("reset")) as pool, pool.obj():
        pass
    assert connection.done == ["rollback", "reset", "close"]


def test_a_reset_that_fails_keeps_the_retter_from_being_called() -> None:
    """The connection is discarded at once."""
    connection = Noted()
    connection.fails = {"rollback"}
    with connection_pool(lambda: connection, 1, retter=lambda c: c.do("reset")) as pool:
        with pool.obj():
            pass
        assert connection.done == ["rollback", "close"]


def test_other_hooks_take_the_place_of_ours() -> None:
    """A health check, a closer or a tracer that is given is the only one."""
    connection = Noted()

    def check(connection: Noted) -> bool:
        connection.do("checked")
        return True

    with connection_pool(
        lambda: connection,
        1,
        health=check,
        closer=lambda c: c.do("closed"),
        tracer=lambda c: "session 7",
    ) as pool:
        pool.housekeep()
        assert pool.stats()["avail"][0].get("name") == "session 7"
    assert connection.done == ["checked", "closed"]


def test_defaults(scheduler: FakeScheduler, clock: HandMovedClock) -> None:
    """Callers wait for half a minute, and what was idle for as long is checked before it is lent; all can be said."""
    with connection_pool(Noted, None) as pool:
        stats = pool.stats()
        assert (stats["timeout"], stats["health_before_get"], stats["max_size"]) == (30.0, 30.0, 0)
        with pool.obj() as connection:
            pass
        clock.advance(29)
        with pool.obj():
            pass
        assert connection.done == ["rollback", "rollback"]
        clock.advance(30)
        with pool.obj():
            assert connection.done[2:] == ["execute SELECT 1 within 0", "close cursor", "rollback"]
    with connection_pool(Noted, 1, timeout=None, health_before_get=None, hook_errors="log", opener=_fail) as pool:
        assert (pool.stats()["timeout"], pool.stats()["health_before_get"]) == (None, None)
        pool.get()


def _fail(connection: object) -> None:
    raise OSError("no")


UNTYPED: Any = "data.db"


async def _asynchronous(connection: object) -> None: ...


@pytest.mark.parametrize("name", ["opener", "retter"])
@pytest.mark.parametrize(
    ("hook", "said"), [(3, "{} must be callable, not 3"), (_asynchronous, "{} must be a plain function")]
)
def test_what_cannot_be_a_hook_is_refused(name: str, hook: object, said: str) -> None:
    """Also where ours calls it: the error has its own name."""
    parameters: dict[str, Any] = {name: hook}
    with pytest.raises(TypeError, match=said.format(name)):
        connection_pool(Noted, 1, **parameters)


def test_what_a_retter_returns_is_not_awaited() -> None:
    """If it is awaitable the retter has failed, as in any pool for threads."""
    connection = Noted()
    with connection_pool(lambda: connection, 1, retter=lambda c: _asynchronous(c)) as pool:
        with pool.obj():
            pass
        assert pool.stats()["hook_errors"] == 1
        assert connection.done == ["rollback", "close"]


@pytest.mark.parametrize(
    ("call", "error", "said"),
    [
        (lambda: connection_pool(UNTYPED, 1), TypeError, "connect must be callable, not 'data.db'"),
        (lambda: SetUp(3), TypeError, "a statement must be a string, not 3"),  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        (lambda: Check(3), TypeError, "query must be a string, not 3"),  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        (lambda: sqlite_limit(-1), PoolValueError, "timeout must be 0 or more seconds, not -1"),
    ],
)
def test_what_makes_no_sense_is_refused(call: Callable[[], object], error: type[Exception], said: str) -> None:
    """At once, and by its name."""
    with pytest.raises(error, match=said):
        call()


def test_a_proxy_takes_the_same_hooks(path: Path) -> None:
    """They are hooks as any others."""
    db: sqlite3.Connection = proxy(
        fun=lambda number: sqlite3.connect(path, check_same_thread=False),
        retter=Reset(),
        health=Check(),
        closer=Close(),
    )
    assert db.execute("SELECT count(*) FROM fruits").fetchone() == (0,)
    control(db).ret()
    control(db).close()


def test_the_protocols_are_what_drivers_have() -> None:
    """A connection of sqlite3 conforms, to checkers too."""
    with closing(sqlite3.connect(":memory:")) as connection:
        one: DBAPIConnection = connection
        cursor = one.cursor()
        cursor.execute("SELECT 6 * 7")
        assert cursor.fetchone() == (42,)
        one.commit()
