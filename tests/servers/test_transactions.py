"""What docs/servers.md says to write for each server: a request finds nothing of what others have left behind."""

from __future__ import annotations

import re
from collections.abc import Callable, Generator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from ProxyPatternPool import Scope

from ..postgres.support import Server
from .application import Way
from .support import Client, asgi_command, hubs_command, served, threads_command

PAGE = (Path(__file__).parents[2] / "docs" / "servers.md").read_text(encoding="utf-8")

Command = Callable[[int], list[str]]


class Row(NamedTuple):
    """A row of the table: how to run that server, and what to write."""

    command: Callable[..., Command]
    way: Way
    scope: Scope = Scope.AUTO


def threads(name: str) -> Callable[..., Command]:
    return lambda *order: threads_command(name, 1, "transactions", *order)


def hub(name: str, mode: str) -> Callable[..., Command]:
    return lambda *order: hubs_command(name, mode, "transactions", *order)


def asgi(kind: str) -> Callable[..., Command]:
    return lambda *order: asgi_command(kind, "transactions", *order)


def gunicorn(kind: str, *options: str) -> Callable[..., Command]:
    here = "tests.servers.scripts.worker"
    start = ["-m", "gunicorn", "--config", f"python:{here}", "--worker-class", kind, *options]
    return lambda *order: lambda fd: [*start, "--bind", f"fd://{fd}", f"{here}:app"]


ROWS = {
    "werkzeug, `flask run`": Row(threads("werkzeug"), "nothing"),
    "gunicorn, `sync`": Row(gunicorn("sync"), "middleware"),
    "gunicorn, `gthread`": Row(gunicorn("gthread", "--threads", "1"), "middleware"),
    "gunicorn, `gevent`": Row(gunicorn("gevent"), "middleware"),
    "waitress": Row(threads("waitress"), "middleware"),
    "a `ThreadPoolExecutor`": Row(threads("executor"), "middleware"),
    "FastAPI, plain `def` endpoints": Row(asgi("fastapi"), "nothing", Scope.CONTEXT),
    "Starlette, plain `def` endpoints": Row(asgi("starlette"), "nothing", Scope.CONTEXT),
    "gevent's pywsgi, patched": Row(hub("gevent", "patched"), "middleware"),
    "gevent's pywsgi, not patched": Row(hub("gevent", "unpatched"), "middleware", Scope.GEVENT),
    "eventlet's wsgi, patched": Row(hub("eventlet", "patched"), "middleware"),
    "eventlet's wsgi, not patched": Row(hub("eventlet", "unpatched"), "middleware", Scope.EVENTLET),
}
"""One thread, or one connection that stays open: each request is answered where the last one was."""


@contextmanager
def client_of(database: Server, row: Row, way: Way, checked: str = "unchecked") -> Generator[Client]:
    order = [row.scope.name, way, checked]
    environment = {"CONNINFO": database.conninfo, "ORDER": " ".join(order)}
    with served(row.command(*order), environment) as server:
        with closing(Client(server, database)) as client:
            yield client
        if row.command is not None and "gunicorn" in row.command(*order)(0):
            server.terminate()
            assert server.ends() == ""
        else:
            server.stop()


@pytest.mark.parametrize("name", ROWS)
def test_what_to_write(database: Server, name: str) -> None:
    """Each request is in a transaction of its own; a failed statement, and a killed backend, fail once."""
    row = ROWS[name]
    with client_of(database, row, row.way) as client:
        assert client.square(7)
        first = client.time
        assert client.square(8)
        assert client.time != first, "now() stands still"

        assert client.ask("/fail") == (500, "psycopg.errors.DivisionByZero: division by zero\n")
        assert client.squares() == [True] * 5

        dead = client.backend
        client.kill()
        assert client.squares()[1:] == [True] * 4
        assert client.backend != dead


@pytest.mark.parametrize("name", sorted(ROWS.keys() - {"werkzeug, `flask run`"}))
def test_without_it(database: Server, name: str) -> None:
    """All requests are in the transaction of the first, and what failed once fails for all that come."""
    row = ROWS[name]
    if row.way == "nothing":
        row = row._replace(scope=Scope.AUTO)
    with client_of(database, row, "nothing") as client:
        assert client.square(7)
        first = client.time
        assert client.square(8)
        assert client.time == first

        assert client.ask("/fail").status == 500
        assert client.squares() == [False] * 5
        status, text = client.ask("/square/7")
        assert (status, text.partition(":")[0]) == (500, "psycopg.errors.InFailedSqlTransaction")

        client.kill()
        assert client.squares() == [False] * 5
        assert client.ask("/square/7") == (500, "psycopg.OperationalError: the connection is closed\n")


def test_a_check_before_each_loan(database: Server) -> None:
    """With ``health_before_get`` not even the first request fails after the kill."""
    with client_of(database, ROWS["waitress"], "middleware", "checked") as client:
        assert client.square(7)
        client.kill()
        assert client.squares() == [True] * 5


@pytest.mark.parametrize("way", ["with", "ret", "returning"])
def test_by_hand(database: Server, way: Way) -> None:
    """A block, a return, or the decorator does what the middleware does."""
    with client_of(database, ROWS["a `ThreadPoolExecutor`"], way) as client:
        assert client.square(7)
        assert client.ask("/fail").status == 500
        assert client.squares() == [True] * 5
        client.kill()
        assert client.squares()[1:] == [True] * 4


ELSEWHERE = {"uWSGI", "mod_wsgi"}
"""A server that has tests of its own, and one of which the page says that it has none."""


def test_every_row_is_tested() -> None:
    """The table has the servers that are tested here, with what is written for them here, and no others."""
    rows = {
        name: what for name, *_, what in re.findall(r"^\| (.+) \| (.+) \| (.+) \| (.+) \|$", PAGE, re.MULTILINE)[2:]
    }
    assert rows.keys() == ROWS.keys() | ELSEWHERE
    for name, row in ROWS.items():
        assert rows[name].startswith("the middleware") is (row.way == "middleware")
        assert (row.scope is Scope.AUTO) == ("scope=" not in rows[name])
        assert row.scope is Scope.AUTO or f"`scope=Proxy.Scope.{row.scope.name}`" in rows[name]
