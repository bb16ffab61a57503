"""PgBouncer between the pools and the private server: a process for each test that wants one, on a Unix socket."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import make_conninfo
from typing_extensions import Self

from ..unit.helpers import ROOT
from .support import Conn, Server, eventually

CONSOLE = "host=pgbouncer.example port=6432 dbname=pgbouncer"
"""How docs/processes.md connects to the console."""
MODES = "session", "transaction", "statement"
_PORT = 6432
"""Only a part of the socket's name."""


def executable() -> str:
    """Find PgBouncer; skip the test where it has to be installed by hand, fail where `make` should have done it."""
    found = subprocess.run([ROOT / "tools" / "pgbouncer"], capture_output=True, text=True, check=False)
    if found.returncode == 2:
        pytest.skip(found.stderr.strip())
    assert found.returncode == 0, found.stderr
    return found.stdout.strip()


class Bouncer:
    """A running PgBouncer, whose databases are one database of the server, in a mode each: they are named after it.

    Args:
        server: What it connects to.
        connect_query: What it executes on each new server connection, if anything.
        settings: Those of its section [pgbouncer], beside these, or in their place.
    """

    def __init__(self, server: Server, connect_query: str = "", **settings: object) -> None:
        self._home = Path(tempfile.mkdtemp(prefix="ppp-pgbouncer-"))
        self._log = self._home / "log"
        self._socket = self._home / f".s.PGSQL.{_PORT}"
        users, configuration = self._home / "users", self._home / "pgbouncer.ini"
        users.write_text('"postgres" ""\n')
        folder = Path(server.socket).parent
        usual: dict[str, object] = {
            "unix_socket_dir": self._home,
            "listen_port": _PORT,
            "auth_type": "trust",
            "auth_file": users,
            "admin_users": "postgres",
            "default_pool_size": 2,
            "server_login_retry": 0.1,  # seconds, in which a server that is back is not noticed
        }
        address = f"host={folder} dbname=postgres"
        if connect_query:
            address += f" connect_query='{connect_query}'"
        lines = ["[databases]", *(f"{mode} = {address} pool_mode={mode}" for mode in MODES)]
        lines += ["[pgbouncer]", *(f"{name} = {value}" for name, value in {**usual, **settings}.items())]
        configuration.write_text("\n".join(lines) + "\n")
        self._command = [executable(), str(configuration)]
        if server.user is not None:  # it refuses to run as root
            for path in self._home, users, configuration:
                shutil.chown(path, server.user)
            self._command += ["-u", server.user]
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        """Start it, if it does not run; back when it accepts connections."""
        if self._process is None:
            with self._log.open("ab") as log:
                self._process = process = subprocess.Popen(self._command, stderr=log)
            eventually(lambda: self._answers() or process.poll() is not None, 20)
            assert process.poll() is None, self._log.read_text()

    def _answers(self) -> bool:
        try:
            return bool(self.order("SHOW VERSION"))
        except psycopg.OperationalError:
            return False

    def stop(self) -> None:
        """End it at once, and with it all its connections."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(20)
            self._process = None
            self._socket.unlink(missing_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()
        if error is not None:
            print(self._log.read_text())
        shutil.rmtree(self._home)

    def conninfo(self, database: str) -> str:
        """How to connect to one of its databases, which is named after its mode, or to its console, ``pgbouncer``."""
        return f"host={self._home} port={_PORT} user=postgres dbname={database}"

    def connect(
        self, mode: str, *, autocommit: bool = True, prepare_threshold: int | None = None, **parameters: str
    ) -> Conn:
        """Connect; the other parameters are those of a conninfo."""
        conninfo = make_conninfo(self.conninfo(mode), connect_timeout=30, **parameters)
        return psycopg.connect(conninfo, autocommit=autocommit, prepare_threshold=prepare_threshold)

    def order(self, command: str) -> list[dict[str, Any]]:
        """Have the console execute a command; its rows."""
        with self.connect("pgbouncer") as console:
            cursor = console.execute(command.encode())
            names = [column.name for column in cursor.description or []]
            return [dict(zip(names, row, strict=True)) for row in cursor] if names else []

    def pool(self, mode: str) -> dict[str, Any]:
        """What ``SHOW POOLS`` says of a database."""
        (pool,) = [each for each in self.order("SHOW POOLS") if each["database"] == mode]
        return pool

    def queries(self, mode: str) -> int:
        """How many queries of a database went to the server."""
        return sum(int(each["total_query_count"]) for each in self.order("SHOW STATS") if each["database"] == mode)

    def backends(self, mode: str) -> set[int]:
        """The backends behind a database."""
        return {int(each["remote_pid"]) for each in self.order("SHOW SERVERS") if each["database"] == mode}

    def is_paused(self, mode: str) -> bool:
        """Whether it is, or is about to be once all have left."""
        (database,) = [each for each in self.order("SHOW DATABASES") if each["name"] == mode]
        return bool(database["paused"])


BLOCKS = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "processes.md").read_text(encoding="utf-8"), re.DOTALL)
"""The Python of the page, in order."""


def page(bouncer: Bouncer, what: str) -> dict[str, Any]:
    """The functions that one block of the page defines."""
    (block,) = [each for each in BLOCKS if what in each]
    functions = re.findall(r"^(?:import .*|from .*|def .*(?:\n(?: .*)?)+)$", block, re.MULTILINE)
    found: dict[str, Any] = {"psycopg": psycopg}
    code = "\n".join(functions).replace(CONSOLE, bouncer.conninfo("pgbouncer"))
    exec(compile(code, "docs/processes.md", "exec"), found)
    return found
