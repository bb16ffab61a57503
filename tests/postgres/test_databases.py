"""What docs/databases.md says is true: its Python runs, and each pool does what its column says."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.pq import PipelineStatus, TransactionStatus
from psycopg_pool import PoolTimeout

from ProxyPatternPool import HookError, control

from ..unit.helpers import ROOT
from . import test_psycopg as leaving
from .pools import KINDS, SHORT, Kind
from .support import Conn, Server, ask, connect, eventually

PAGE = (ROOT / "docs" / "databases.md").read_text(encoding="utf-8")


class OnPurpose(Exception):
    """Ends a block."""


def is_clean(connection: Conn) -> bool:
    """Whether it is in no transaction and in no pipeline."""
    server = connection.pgconn
    return (server.transaction_status, server.pipeline_status) == (TransactionStatus.IDLE, PipelineStatus.OFF)


def kill(server: Server, pid: int) -> bool:
    """End a backend; whether there still was one."""
    with connect(server.conninfo) as killer:
        return bool(ask(killer, "SELECT pg_terminate_backend(%s, 10000)", pid))


def after(kind: Kind, server: Server, leave: Callable[[Conn], None]) -> str:
    """What the next borrower gets, when one has left this."""
    pid = 0
    with kind.open(server.conninfo) as block:
        with suppress(psycopg.Error, OnPurpose), block() as first:
            pid = first.info.backend_pid
            leave(first)
        with block() as second:
            if second is not first:
                first.close()
                kill(server, pid)
                return "replaced"
            if not is_clean(second):
                second.close()
                return "lent as it is"
            if ask(second, "SHOW application_name") == "set":
                return "stays"
            return "committed" if ask(second, "SELECT to_regclass('pg_temp.work')") else "undone"


def work(connection: Conn) -> None:
    connection.execute("CREATE TEMP TABLE work ()")


def work_and_fail(connection: Conn) -> None:
    work(connection)
    raise OnPurpose


def work_and_err(connection: Conn) -> None:
    work(connection)
    leaving.left_failed(connection)


def change_the_session(connection: Conn) -> None:
    connection.execute("SET application_name = 'set'")
    connection.commit()


def lost(kind: Kind, server: Server, check: bool) -> str:
    """What a borrower gets if the connection was lost while it was idle."""
    with kind.open(server.conninfo, check=check) as block:
        with block() as first:
            pass
        server.terminate([first.info.backend_pid])
        try:
            with block() as second:
                assert ask(second, "SELECT 42") == 42
        except psycopg.OperationalError:
            return "an error"
        assert second is not first
        return "replaced"


def checked(kind: Kind, server: Server) -> str:
    """In what a check leaves the connection."""
    with kind.open(server.conninfo, check=True) as block:
        with block():
            pass
        with block() as second:
            return "idle" if is_clean(second) else "in a transaction"


def set_up(kind: Kind, server: Server, statement: bytes) -> str:
    """What a borrower gets if this sets the session up."""
    try:
        with kind.open(server.conninfo, set_up=statement, timeout=SHORT) as block, block() as connection:
            return "lent" if is_clean(connection) else "lent as it is"
    except PoolTimeout:
        return "a timeout"
    except (HookError, psycopg.errors.UndefinedColumn):
        return "the error"


def query_after(kind: Kind, server: Server) -> str:
    """What the server does with a query whose connection is replaced."""
    pid = 0
    with kind.open(server.conninfo) as block:
        with suppress(psycopg.Error), block() as first:
            is_active = leaving.executes(server, first)
            pid = first.info.backend_pid
            leaving.left_executing(first)
            eventually(is_active, 20)
        with block():
            return "goes on" if kill(server, pid) else "is cancelled"


CASES: dict[str, Callable[[Kind, Server], str]] = {
    "is idle": lambda kind, server: after(kind, server, leaving.left_idle).replace("undone", "lent again"),
    "did not commit": lambda kind, server: after(kind, server, work),
    "did not commit, and raises": lambda kind, server: after(kind, server, work_and_fail),
    "had an error in a statement": lambda kind, server: after(kind, server, work_and_err),
    "is in a block of `transaction()`": lambda kind, server: after(kind, server, leaving.left_in_block),
    "is in pipeline mode": lambda kind, server: after(kind, server, leaving.left_in_pipeline),
    "was closed by its borrower": lambda kind, server: after(kind, server, leaving.left_closed),
    "executes a query": lambda kind, server: after(kind, server, leaving.left_executing),
    "executed a query when it was replaced: the query": query_after,
    "has other settings, committed": lambda kind, server: after(kind, server, change_the_session),
    "was lost while idle": lambda kind, server: lost(kind, server, check=False),
    "was lost while idle, and is checked": lambda kind, server: lost(kind, server, check=True),
    "has been checked": checked,
    "cannot be set up": lambda kind, server: set_up(kind, server, b"SELECT nonsense"),
    "is set up, and left in a transaction": lambda kind, server: set_up(kind, server, b"SELECT 1"),
}
"""The rows of the table, and what gives the verdict with which each cell begins."""


def table() -> dict[str, dict[str, str]]:
    """The table of cases: what each pool does, as the page has it."""
    lines = PAGE.split("\n## Case by case\n")[1].split("\n## ")[0]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines.splitlines() if line[:1] == "|"]
    (_, *names), _, *cases = rows
    assert names == [kind.name for kind in KINDS]
    return {case: dict(zip(names, cells, strict=True)) for case, *cells in cases}


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_each_pool_does_what_the_table_says(kind: Kind, server: Server) -> None:
    """Case by case, on a real server; what is said beside the verdict is said in their documentation."""
    rows = table()
    assert list(rows) == list(CASES)
    said = {case: cells[kind.name].split(",")[0] for case, cells in rows.items()}
    assert {case: done(kind, server) for case, done in CASES.items()} == said


def test_its_python_runs(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every block, in order, in one program; only the server is another."""
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert len(blocks) == 5
    names: dict[str, Any] = {"__name__": "__main__"}
    for block in blocks:
        code = block.replace('"host=db.example dbname=orders"', repr(server.conninfo))
        exec(compile(code, "docs/databases.md", "exec"), names)
    with names["pool"].obj() as connection:
        assert connection.execute("SELECT name FROM fruits").fetchall() == [("apple",)]
        assert ask(connection, "SHOW statement_timeout") == "15s"
        connection.execute("DROP TABLE fruits")
        connection.commit()
    for each in (names["pool"], names["files"], control(names["db"])):
        each.close()


def test_before_and_after(server: Server) -> None:
    """The blocks of docs/from-psycopg-pool.md do the same, in the one pool and in the other."""
    page = (ROOT / "docs" / "from-psycopg-pool.md").read_text(encoding="utf-8")
    before, after = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    for block in (before, after):
        code = block.replace('"host=db.example dbname=orders"', repr(server.conninfo))
        exec(compile(code, "docs/from-psycopg-pool.md", "exec"), {})
