"""Health checks and lifetimes of connections to PgBouncer: what ends where, and who notices."""

from __future__ import annotations

from collections.abc import Callable

import psycopg
import pytest
from psycopg import errors

from ProxyPatternPool import Pool
from ProxyPatternPool.psycopg import Check, connection_pool, is_connected

from .bouncer import Bouncer
from .support import Conn, Server, ask, eventually


def backend(connection: Conn) -> int:
    """The server connection that PgBouncer gives for one query."""
    return int(ask(connection, "SELECT pg_backend_pid()"))


def served(pool: Pool[Conn]) -> int:
    """Borrow, ask for the backend, and give back."""
    with pool.obj() as connection:
        return backend(connection)


def makes(bouncer: Bouncer, mode: str) -> Callable[[], Conn]:
    """How a pool connects."""
    return lambda: bouncer.connect(mode)


def test_a_check_is_a_query(bouncer: Bouncer) -> None:
    """A check asks the server, through PgBouncer: it costs a query, and a server connection if there is none."""
    with bouncer.connect("transaction") as connection:
        ask(connection, "SELECT 1")
        before = bouncer.queries("transaction")
        assert Check()(connection)
        assert bouncer.queries("transaction") == before + 1
        bouncer.order("RECONNECT transaction")
        eventually(lambda: not bouncer.backends("transaction"), 20)
        assert Check()(connection)
        assert len(bouncer.backends("transaction")) == 1


def test_killed_while_idle(bouncer: Bouncer, server: Server) -> None:
    """An idle server connection that is killed is replaced by PgBouncer: in transaction mode nobody notices."""
    with bouncer.connect("transaction") as connection:
        first = backend(connection)
        server.terminate([first])
        eventually(lambda: not bouncer.backends("transaction"), 20)
        assert Check()(connection)
        assert backend(connection) != first


def test_killed_in_session_mode(bouncer: Bouncer, server: Server) -> None:
    """In session mode the client is disconnected with it; a check before the loan has it replaced."""
    with connection_pool(makes(bouncer, "session"), 1, health_before_get=0.0) as pool:
        first = served(pool)
        server.terminate([first])
        eventually(lambda: not bouncer.backends("session"), 20)
        assert served(pool) != first
        assert pool.stats()["bad_health"] == 1
    with connection_pool(makes(bouncer, "session"), 1, health_before_get=None) as pool:
        server.terminate([served(pool)])
        eventually(lambda: not bouncer.backends("session"), 20)
        with pytest.raises(psycopg.OperationalError):
            served(pool)
        served(pool)  # the broken one has been discarded when it came back


def test_killed_in_a_transaction(bouncer: Bouncer, server: Server) -> None:
    """Who is in a transaction gets the error; his connection to PgBouncer is lost, and discarded when it comes back."""
    with connection_pool(makes(bouncer, "transaction"), 1) as pool:
        with pool.obj() as connection:
            connection.execute("BEGIN")
            server.terminate([backend(connection)])
            with pytest.raises(psycopg.OperationalError):
                backend(connection)
        assert connection.closed
        served(pool)
        assert pool.stats()["nobjs"] == 1


def test_server_down(server: Server) -> None:
    """While the server is down a check fails: PgBouncer keeps it waiting, or disconnects it. Then all goes on."""

    def fails(check: Check, connection: Conn) -> bool:
        try:
            return not check(connection)
        except psycopg.OperationalError:
            return True

    def refusal() -> str:
        try:
            return str(served(pool))
        except psycopg.OperationalError as error:
            return str(error)

    # Soon neither keeps anybody waiting: PgBouncer for queries, the pool between attempts to connect.
    with (
        Bouncer(server, query_wait_timeout=2) as bouncer,
        connection_pool(makes(bouncer, "transaction"), 1, backoff=(0.05, 0.1)) as pool,
    ):
        assert refusal().isdecimal()
        with bouncer.connect("transaction") as connection:
            server.stop()
            assert fails(Check(0.2), connection)
        eventually(lambda: "server_login_retry" in refusal(), 30)
        server.start()
        eventually(lambda: refusal().isdecimal(), 30)


def test_overload(bouncer: Bouncer) -> None:
    """A check waits in PgBouncer's queue as a query does. If all server connections are busy a good one is closed."""
    with (
        bouncer.connect("transaction") as idle,
        bouncer.connect("transaction") as one,
        bouncer.connect("transaction") as other,
        one.transaction(),
        other.transaction(),
    ):
        ask(one, "SELECT 1")
        ask(other, "SELECT 1")
        assert not Check(0.1)(idle)
        assert idle.closed
        # PgBouncer does not notice that it is gone.
        eventually(lambda: bool(bouncer.pool("transaction")["cl_waiting"] == 1), 20)


def test_bouncer_restarted(bouncer: Bouncer) -> None:
    """PgBouncer itself ends, and with it all connections to it: a check before the loan has them replaced."""
    with connection_pool(makes(bouncer, "transaction"), 2, min_size=2, health_before_get=0.0) as pool:
        served(pool)
        bouncer.stop()
        bouncer.start()
        served(pool)
        with pool.obj() as one, pool.obj() as other:
            assert backend(one) > 0
            assert backend(other) > 0


def test_a_check_without_a_query(bouncer: Bouncer) -> None:
    """`is_connected` sees that PgBouncer has gone, and asks nobody: no overload makes it fail."""
    make = makes(bouncer, "transaction")
    with connection_pool(make, 2, min_size=2, health=is_connected, health_before_get=0.0) as pool:
        before = served(pool)
        with make() as one, make() as other, one.transaction(), other.transaction():
            backend(one)
            backend(other)
            queries = bouncer.queries("transaction")
            pool.get()
            pool.get()
            assert bouncer.queries("transaction") == queries
            assert pool.stats()["bad_health"] == 0
            for lent in pool.owners():
                pool.ret(lent.obj)
        bouncer.stop()
        bouncer.start()
        assert served(pool) != before
        assert pool.stats()["bad_health"] >= 1


def test_query_wait_timeout(server: Server) -> None:
    """Who waits for a server connection for too long is disconnected by PgBouncer, and his connection discarded."""
    with (
        Bouncer(server, default_pool_size=1) as bouncer,
        bouncer.connect("transaction") as busy,
        connection_pool(makes(bouncer, "transaction"), 1) as pool,
    ):
        served(pool)
        with busy.transaction():
            ask(busy, "SELECT 1")
            bouncer.order("SET query_wait_timeout = '0.2'")
            with pytest.raises(errors.ProtocolViolation, match="query_wait_timeout"):
                served(pool)
        served(pool)
        assert pool.stats()["nobjs"] == 1


def test_client_idle_timeout(bouncer: Bouncer) -> None:
    """PgBouncer disconnects clients that are idle for too long: the pool closes them earlier, or checks them."""
    make = makes(bouncer, "transaction")
    with (
        connection_pool(make, 1, health_before_get=None) as trusting,
        connection_pool(make, 1, health_before_get=0.0) as checking,
        connection_pool(make, 1, health_before_get=None, min_size=0, max_avail_delay=0.1) as closing,
    ):
        for pool in trusting, checking, closing:
            served(pool)
        eventually(lambda: closing.stats()["nobjs"] == 0, 20)
        bouncer.order("SET client_idle_timeout = '0.1'")
        eventually(lambda: bool(bouncer.pool("transaction")["cl_active"] == 0), 20)
        bouncer.order("SET client_idle_timeout = '0'")
        with pytest.raises(psycopg.OperationalError):
            served(trusting)
        served(checking)
        served(closing)
        assert checking.stats()["bad_health"] == 1


def test_server_lifetime(server: Server) -> None:
    """`server_lifetime` ends server connections that no client has: in session mode those behind a pool stay."""
    with (
        Bouncer(server, server_lifetime=0.1) as bouncer,
        connection_pool(makes(bouncer, "transaction"), 1) as passing,
        connection_pool(makes(bouncer, "session"), 1) as keeping,
    ):
        kept, first = served(keeping), served(passing)
        eventually(lambda: served(passing) != first, 20)
        second = served(passing)
        eventually(lambda: served(passing) != second, 20)
        assert served(keeping) == kept
        assert passing.stats()["ncreated"] == 1
        keeping.drain()
        eventually(lambda: served(keeping) != kept, 20)


@pytest.mark.parametrize("mode", ["session", "transaction"])
def test_max_lifetime(server: Server, mode: str) -> None:
    """`max_lifetime` ends connections to PgBouncer, which gives the same server connection to the new ones."""
    with (
        Bouncer(server, default_pool_size=1) as bouncer,
        connection_pool(makes(bouncer, mode), 1, max_lifetime=0.1) as pool,
    ):
        first = served(pool)
        eventually(lambda: pool.stats()["nexpired"] >= 2, 20)
        assert served(pool) == first
