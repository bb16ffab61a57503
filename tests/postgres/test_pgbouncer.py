"""What PgBouncer's modes break, and what to write instead: each rule of docs/processes.md, first without it."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

import psycopg
import pytest
from psycopg import errors
from typing_extensions import LiteralString

from ProxyPatternPool import HookError
from ProxyPatternPool.psycopg import Check, SetUp, backend, connection_pool

from .bouncer import Bouncer
from .support import Conn, Server, ask, connect, eventually, spawn


@contextmanager
def pair(bouncer: Bouncer, prepare_threshold: int | None = None) -> Generator[tuple[Conn, Conn]]:
    """Two connections to the database whose server connections change with each transaction."""
    with (
        bouncer.connect("transaction", prepare_threshold=prepare_threshold) as one,
        bouncer.connect("transaction", prepare_threshold=prepare_threshold) as other,
    ):
        yield one, other


@contextmanager
def busy(bouncer: Bouncer) -> Generator[Conn]:
    """Somebody is in a transaction, and has the server connection that was used last."""
    with bouncer.connect("transaction") as connection, connection.transaction():
        ask(connection, "SELECT 1")
        yield connection


def test_prepared_statements(bouncer: Bouncer) -> None:
    """What psycopg prepares is on a server connection that others get; `prepare_threshold=None` prevents it."""
    query: LiteralString = "SELECT %s::int + 1"
    with pair(bouncer, prepare_threshold=5) as (one, other):
        for number in range(10):
            assert ask(one, query, number) == number + 1
        for number in range(5):
            assert ask(other, query, number) == number + 1
        with pytest.raises(errors.DuplicatePreparedStatement):
            ask(other, query, 5)
        with busy(bouncer), pytest.raises(errors.InvalidSqlStatementName):
            ask(one, query, 0)
    with pair(bouncer) as (one, other):
        for number in range(10):
            assert ask(one, query, number) == ask(other, query, number) == number + 1
        with busy(bouncer):
            assert ask(one, query, 0) == 1


def test_settings(bouncer: Bouncer, server: Server) -> None:
    """`SET` changes the server connection: others have it, one may lose it. `SET LOCAL` and `ALTER ROLE` are right."""
    show: LiteralString = "SHOW statement_timeout"
    with pair(bouncer) as (one, other):
        one.execute("SET statement_timeout = '5s'")
        assert ask(other, show) == "5s", "of somebody else"
        with busy(bouncer):
            assert ask(one, show) == "0", "lost"
        with one.transaction():
            one.execute("SET LOCAL statement_timeout = '7s'")
            assert ask(one, show) == "7s"
        assert "7s" not in (ask(one, show), ask(other, show))
    with connect(server.conninfo) as admin:
        admin.execute("ALTER ROLE postgres SET statement_timeout = '15s'")
        try:
            bouncer.order("RECONNECT")
            with pair(bouncer) as (one, other), busy(bouncer):
                assert ask(one, show) == ask(other, show) == "15s"
        finally:
            admin.execute("ALTER ROLE postgres RESET statement_timeout")


def test_settings_that_pgbouncer_follows(bouncer: Bouncer) -> None:
    """Those few that the server reports belong to the client, whatever server connection it gets."""
    with pair(bouncer) as (one, other):
        one.execute("SET TimeZone = 'Asia/Tokyo'")
        one.execute("SET application_name = 'one'")
        assert ask(other, "SHOW TimeZone") != "Asia/Tokyo"
        with busy(bouncer):
            assert ask(one, "SHOW TimeZone") == "Asia/Tokyo"
            assert ask(one, "SHOW application_name") == "one"


def test_settings_at_the_start(bouncer: Bouncer) -> None:
    """Settings in `options` are refused by default, and ignored if told so. An opener's `SET` reaches others."""
    with pytest.raises(psycopg.OperationalError, match="unsupported startup parameter: options"):
        bouncer.connect("transaction", options="-c statement_timeout=15s")
    with (
        connection_pool(bouncer.conninfo("transaction"), 1, opener=SetUp(statement_timeout="15s")) as pool,
        pool.obj(),
        bouncer.connect("transaction") as stranger,
    ):
        assert ask(stranger, "SHOW statement_timeout") == "15s"


@pytest.mark.parametrize(("connect_query", "timeout"), [("", "0"), ("SET statement_timeout = 7000", "7s")])
def test_ignored_settings(server: Server, connect_query: str, timeout: str) -> None:
    """With `ignore_startup_parameters` one connects, but has not what one asked for: PgBouncer can set it for all."""
    with (
        Bouncer(server, connect_query, ignore_startup_parameters="options") as bouncer,
        bouncer.connect("transaction", options="-c statement_timeout=15s") as connection,
    ):
        assert ask(connection, "SHOW statement_timeout") == timeout


def test_limits(server: Server) -> None:
    """`max_db_connections` has clients wait, like `default_pool_size`; `max_client_conn` refuses them."""
    with (
        Bouncer(server, max_client_conn=3, max_db_connections=1) as bouncer,
        bouncer.connect("transaction") as one,
        bouncer.connect("transaction") as other,
    ):
        with one.transaction():
            ask(one, "SELECT 1")
            answer = spawn(lambda: ask(other, "SELECT 6 * 7"))
            eventually(lambda: bool(bouncer.pool("transaction")["cl_waiting"] == 1), 20)
        assert answer.result(20) == 42
        with bouncer.connect("transaction"), pytest.raises(psycopg.OperationalError, match="max_client_conn"):
            bouncer.connect("transaction")


def test_advisory_locks(bouncer: Bouncer) -> None:
    """A session's lock is the server connection's: two have it at once. That of a transaction is kept by one alone."""
    with pair(bouncer) as (one, other):
        assert ask(one, "SELECT pg_try_advisory_lock(1)")
        assert ask(other, "SELECT pg_try_advisory_lock(1)"), "both have it"
        with busy(bouncer):
            assert not ask(one, "SELECT pg_advisory_unlock(1)"), "it is not here"
        with one.transaction():
            assert ask(one, "SELECT pg_try_advisory_xact_lock(2)")
            assert not ask(other, "SELECT pg_try_advisory_xact_lock(2)")
        assert ask(other, "SELECT pg_try_advisory_xact_lock(2)")


def test_temporary_tables(bouncer: Bouncer) -> None:
    """A temporary table is the server connection's; one that lives as long as the transaction is found in it."""
    with pair(bouncer) as (one, other):
        one.execute("CREATE TEMP TABLE work (number int)")
        ask(other, "SELECT count(*) FROM work")  # somebody else's
        with busy(bouncer), pytest.raises(errors.UndefinedTable):
            one.execute("SELECT * FROM work")
        with one.transaction():
            one.execute("CREATE TEMP TABLE passing (number int) ON COMMIT DROP")
            assert ask(one, "SELECT count(*) FROM passing") == 0


def test_listen(bouncer: Bouncer, server: Server) -> None:
    """What is listened to in transaction mode is not heard; through a database in session mode it is."""
    with (
        bouncer.connect("transaction") as deaf,
        bouncer.connect("session") as hears,
        connect(server.conninfo) as sender,
    ):
        for connection in deaf, hears:
            connection.execute("LISTEN news")
        sender.execute("NOTIFY news, 'here'")
        (heard,) = hears.notifies(timeout=20, stop_after=1)
        assert heard.payload == "here"
        assert not list(deaf.notifies(timeout=0))


def test_held_cursors(bouncer: Bouncer) -> None:
    """A cursor WITH HOLD is the server connection's; one without ends with its transaction, and is right."""
    with bouncer.connect("transaction") as connection:
        with connection.cursor("held", withhold=True) as held:
            held.execute("SELECT generate_series(1, 3)")
            with busy(bouncer), pytest.raises(errors.InvalidCursorName):
                held.fetchone()
        with connection.transaction(), connection.cursor("plain") as plain:
            plain.execute("SELECT generate_series(1, 3)")
            assert plain.fetchall() == [(1,), (2,), (3,)]


def test_statement_mode(bouncer: Bouncer) -> None:
    """Statement mode refuses transactions, which psycopg begins unless in autocommit mode, and `SetUp` in any case."""
    with bouncer.connect("statement", autocommit=False) as connection, pytest.raises(psycopg.OperationalError):
        connection.execute("SELECT 1")
    with (
        connection_pool(
            lambda: bouncer.connect("statement"), 1, min_size=0, opener=SetUp(search_path="orders")
        ) as pool,
        pytest.raises(HookError, match="transaction blocks not allowed"),
    ):
        pool.get()
    with connection_pool(lambda: bouncer.connect("statement"), 1) as pool, pool.obj() as connection:
        assert ask(connection, "SELECT 6 * 7") == 42
        assert Check()(connection)


def test_reset_query(bouncer: Bouncer) -> None:
    """`server_reset_query` is executed when a client of session mode has left, not when a borrower has given back."""
    with connection_pool(lambda: bouncer.connect("session"), 1) as pool:
        with pool.obj() as connection:
            number = ask(connection, "SELECT pg_backend_pid()")
            connection.execute("SET statement_timeout = '5s'")
        with pool.obj() as connection:
            assert ask(connection, "SHOW statement_timeout") == "5s"
    eventually(lambda: bouncer.pool("session")["sv_idle"] == 1, 20)
    with bouncer.connect("session") as connection:
        assert ask(connection, "SELECT pg_backend_pid()") == number
        assert ask(connection, "SHOW statement_timeout") == "0"

    def reset(connection: Conn) -> None:
        connection.execute("RESET ALL")
        connection.commit()

    with connection_pool(lambda: bouncer.connect("session"), 1, retter=reset) as pool:
        with pool.obj() as connection:
            connection.execute("SET statement_timeout = '5s'")
        with pool.obj() as connection:
            assert ask(connection, "SHOW statement_timeout") == "0"


def test_names(bouncer: Bouncer, server: Server) -> None:
    """The number of the backend is PgBouncer's own, and tells nothing; the application's name reaches the server."""

    def name(connection: Conn) -> str:
        return connection.info.parameter_status("application_name") or "unnamed"

    with (
        connection_pool(lambda: bouncer.connect("transaction", application_name="orders 1"), 1, tracer=name) as pool,
        pool.obj() as connection,
        connection.transaction(),
        connect(server.conninfo) as admin,
    ):
        number = ask(connection, "SELECT pg_backend_pid()")
        assert backend(connection) != f"backend {number}"
        assert ask(admin, "SELECT application_name FROM pg_stat_activity WHERE pid = %s", number) == "orders 1"
        (lent,) = pool.owners()
        assert lent.name == "orders 1"


@pytest.mark.parametrize("mode", ["transaction", "session"])
def test_a_pool_keeps_server_connections(bouncer: Bouncer, mode: str) -> None:
    """In session mode idle connections of a pool keep others waiting, until it closes them. Not in transaction mode."""
    with connection_pool(lambda: bouncer.connect(mode), 2) as pool:
        with pool.obj() as one, pool.obj() as two:
            assert ask(one, "SELECT 1") == ask(two, "SELECT 1") == 1
        with bouncer.connect(mode) as stranger:
            answer = spawn(lambda: ask(stranger, "SELECT 6 * 7"))
            if mode == "session":
                eventually(lambda: bool(bouncer.pool("session")["cl_waiting"] == 1), 20)
                pool.drain()
            assert answer.result(20) == 42


def sleeping(server: Server) -> int:
    """How many backends sleep in a query."""
    with connect(server.conninfo) as connection:
        return int(ask(connection, "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'"))


def test_queries_are_cancelled(bouncer: Bouncer, server: Server) -> None:
    """A query that is executed when its connection is closed is cancelled on the server, by PgBouncer."""
    with connection_pool(lambda: bouncer.connect("transaction"), 1) as pool:
        lease = pool.lease()
        query = spawn(lambda: lease.obj.execute("SELECT pg_sleep(60)"))
        eventually(lambda: sleeping(server) == 1, 20)
        lease.discard()
        assert isinstance(query.exception(20), psycopg.OperationalError)
        eventually(lambda: sleeping(server) == 0, 20)
