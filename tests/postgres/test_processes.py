"""What docs/processes.md says is true: its Python runs, and gunicorn's workers have the connections that it counts."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest

from ..servers.support import Running, all_answers, served
from ..unit.helpers import ROOT
from .bouncer import BLOCKS, CONSOLE, Bouncer
from .scripts.pgbouncer_costs import fail_over, measure
from .support import Server, eventually

PAGE = (ROOT / "docs" / "processes.md").read_text(encoding="utf-8")
WORKERS, THREADS = 8, 2
CONNECTIONS = 16


def test_its_python_runs(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every block, in order, in one process."""
    with Bouncer(server, default_pool_size=4) as bouncer:
        monkeypatch.setenv("DATABASE", bouncer.conninfo("session"))
        names: dict[str, Any] = {"__name__": "orders"}
        for block in BLOCKS:
            for placeholder, real in {
                "host=pgbouncer.example port=6432 dbname=orders": bouncer.conninfo("transaction"),
                CONSOLE: bouncer.conninfo("pgbouncer"),
                "host=db.example dbname=orders": server.conninfo,
                'fail_over("orders"': 'fail_over("transaction"',
            }.items():
                block = block.replace(placeholder, real)
            exec(compile(block, "docs/processes.md", "exec"), names)
            if "def application" in block:
                assert names["application"]({}, Mock()) == [b"42"]
        assert names["orders"].stats()["ndrained"] >= 1
        with names["orders"].obj():
            (lent,) = names["orders"].owners()
        assert re.fullmatch(r"orders \d+-\d+", lent.name)
        for each in "orders", "pool":
            names[each].shutdown()


def serve(folder: Path, conninfo: str, look: Callable[[], None]) -> None:
    """Serve the first block of the page, as it says, and look at it while it answers."""
    assert f"gunicorn --workers {WORKERS} --threads {THREADS} orders:application" in BLOCKS[0]
    assert f"| {CONNECTIONS} |" in PAGE
    (folder / "orders.py").write_text(BLOCKS[0])
    (folder / "imports.py").write_text(
        "import ProxyPatternPool.psycopg\n"
    )  # once, in the parent, since that takes long
    options = [
        "--config",
        str(folder / "imports.py"),
        "--workers",
        str(WORKERS),
        "--threads",
        str(THREADS),
        "--log-level",
        "warning",
        "--no-control-socket",
    ]

    def command(fd: int) -> list[str]:
        return ["-m", "gunicorn", *options, "--pythonpath", str(folder), "--bind", f"fd://{fd}", "orders:application"]

    def ask(server: Running) -> None:
        answers = all_answers(lambda number: server.ask("/"), 64)
        assert {(answer.status, answer.text) for answer in answers} == {(200, "42")}

    with served(command, {"DATABASE": conninfo}) as server:
        ask(server)
        look()
        ask(server)
        look()
        server.terminate()
        server.ends()


def test_direct(server: Server, tmp_path: Path) -> None:
    """As many as workers times `max_size`."""
    serve(tmp_path, server.conninfo, lambda: eventually(lambda: len(server.backends()) == CONNECTIONS, 20))


def test_through_pgbouncer(server: Server, tmp_path: Path) -> None:
    """The same number of connections to PgBouncer, and to the server no more than `default_pool_size`."""
    assert "with `default_pool_size = 4`" in PAGE

    def look() -> None:
        eventually(lambda: bool(bouncer.pool("transaction")["cl_active"] == CONNECTIONS), 20)
        assert 1 <= len(bouncer.backends("transaction")) <= 4
        assert len(server.backends()) <= 4

    with Bouncer(server, default_pool_size=4) as bouncer:
        serve(tmp_path, bouncer.conninfo("transaction"), look)


def test_what_it_costs_can_be_measured(server: Server, bouncer: Bouncer, capsys: pytest.CaptureFixture[str]) -> None:
    """The program that gave the figures of the page gives one for each of its rows."""
    measure(bouncer, server, 10)
    fail_over(bouncer, server)
    measured = [line.split(": ")[0] for line in capsys.readouterr().out.splitlines()]
    table = PAGE.split("## What it costs\n")[1].split("\n## ")[0]
    assert re.findall(r"^\| ([^|]+?) \| [\d,]+ (?:µs|ms) \|$", table, re.MULTILINE) == measured
