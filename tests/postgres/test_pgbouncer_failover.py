"""A failover by PgBouncer's PAUSE, RECONNECT and RESUME, and the pool's drain: no request fails, none is lost."""

from __future__ import annotations

import threading

import pytest

from ProxyPatternPool import Pool
from ProxyPatternPool.psycopg import connection_pool

from .bouncer import Bouncer, page
from .support import Conn, Server, ask, connect, eventually, spawn

WORKERS = 4


class Load:
    """Threads that write a number each time, in a transaction, until they are stopped; what fails is raised then."""

    def __init__(self, pool: Pool[Conn]) -> None:
        self._pool = pool
        self._done = threading.Event()
        self._lock = threading.Lock()
        self.written = 0
        """How many transactions have succeeded."""
        self._futures = [spawn(self._work) for _ in range(WORKERS)]

    def _work(self) -> None:
        while not self._done.is_set():
            with self._pool.obj() as connection, connection.transaction():
                connection.execute("INSERT INTO written VALUES (pg_backend_pid())")
            with self._lock:
                self.written += 1

    def goes_on(self) -> None:
        """Wait until it has gone on for a while."""
        until = self.written + 50
        eventually(lambda: self.written >= until or any(future.done() for future in self._futures), 20)

    def stop(self) -> None:
        self._done.set()
        for future in self._futures:
            future.result(20)


@pytest.fixture
def load_table(server: Server) -> object:
    """A table in which the load writes."""
    with connect(server.conninfo) as admin:
        admin.execute("DROP TABLE IF EXISTS written")
        return admin.execute("CREATE TABLE written (backend int)")


def written(server: Server) -> int:
    with connect(server.conninfo) as connection:
        return int(ask(connection, "SELECT count(*) FROM written"))


def pool_of(bouncer: Bouncer, mode: str) -> Pool[Conn]:
    """A pool with two connections for four threads: in session mode more could not have a server connection each."""
    return connection_pool(lambda: bouncer.connect(mode), 2, min_size=2)


@pytest.mark.usefixtures("load_table")
@pytest.mark.parametrize("mode", ["transaction", "session"])
def test_failover(bouncer: Bouncer, server: Server, mode: str) -> None:
    """The function of docs/processes.md, under load, with a restart of the server: no request fails, none is lost."""

    def restart() -> None:
        assert not bouncer.backends(mode)
        server.stop()
        server.start()

    with pool_of(bouncer, mode) as pool:
        load = Load(pool)
        load.goes_on()
        before = bouncer.backends(mode)
        page(bouncer, "def fail_over")["fail_over"](mode, switch=restart, drain=pool.drain)
        load.goes_on()
        load.stop()
        stats = pool.stats()
        assert (stats["nstale"], stats["nerrors"], stats["ntimeouts"]) == (0, 0, 0)
        assert stats["ndrained"] == 2
        assert written(server) == load.written
        assert not bouncer.backends(mode) & before


@pytest.mark.usefixtures("load_table")
@pytest.mark.parametrize("mode", ["transaction", "session"])
def test_reconnect(bouncer: Bouncer, server: Server, mode: str) -> None:
    """Without a pause connections are replaced one after the other; in session mode only once the pool lets them go."""
    with pool_of(bouncer, mode) as pool:
        load = Load(pool)
        load.goes_on()
        before = bouncer.backends(mode)
        bouncer.order(f"RECONNECT {mode}")
        if mode == "session":
            load.goes_on()
            assert bouncer.backends(mode) >= before
            pool.drain()
        bouncer.order(f"WAIT_CLOSE {mode}")
        assert not bouncer.backends(mode) & before
        load.goes_on()
        load.stop()
        assert written(server) == load.written


def test_pause_waits_for_the_pool(bouncer: Bouncer) -> None:
    """In session mode PAUSE waits for connections that a pool keeps, until it is drained, and lent ones are back."""
    with pool_of(bouncer, "session") as pool:
        with pool.obj() as lent:
            ask(lent, "SELECT 1")
            with pool.obj() as idle:
                ask(idle, "SELECT 1")
            pause = spawn(lambda: bouncer.order("PAUSE session"))
            eventually(lambda: bouncer.is_paused("session"), 20)
            assert bouncer.pool("session")["sv_active"] == 2
            pool.drain()
            eventually(lambda: bouncer.pool("session")["sv_active"] == 1, 20)
            assert not pause.done()
            assert ask(lent, "SELECT 6 * 7") == 42, "who has one goes on"
        pause.result(20)
        bouncer.order("RESUME session")


def test_a_pause_that_is_called_off(bouncer: Bouncer) -> None:
    """RESUME calls off a PAUSE that waits: the command does not return, but all goes on, and can be paused later."""
    with bouncer.connect("session") as connection:
        ask(connection, "SELECT 1")
        spawn(lambda: bouncer.order("PAUSE session"))
        eventually(lambda: bouncer.is_paused("session"), 20)
        bouncer.order("RESUME session")
        assert ask(connection, "SELECT 6 * 7") == 42
        with bouncer.connect("session") as another:
            assert ask(another, "SELECT 6 * 7") == 42
    bouncer.order("PAUSE session")
    assert not bouncer.backends("session")
    bouncer.order("RESUME session")


def test_a_drain_alone(server: Server) -> None:
    """A drain replaces connections to PgBouncer; behind them is the same server connection until RECONNECT."""
    with (
        Bouncer(server, default_pool_size=1) as bouncer,
        connection_pool(lambda: bouncer.connect("session"), 1) as pool,
    ):

        def backend() -> int:
            with pool.obj() as connection:
                return int(ask(connection, "SELECT pg_backend_pid()"))

        first = backend()
        pool.drain()
        assert backend() == first
        bouncer.order("RECONNECT session")
        assert backend() == first
        pool.drain()
        assert backend() != first
