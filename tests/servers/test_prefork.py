"""gunicorn forks from a parent that has used the proxy: the children have connections of their own, and so has it."""

from __future__ import annotations

import json
from collections.abc import Generator
from contextlib import contextmanager

import pytest

from ..postgres.support import Server
from ..unit.helpers import eventually
from .application import Way
from .support import CLIENTS, REQUESTS, Running, all_answers, served

WORKERS = 2
THREADS = 4


@contextmanager
def gunicorn(database: Server, kind: str, way: Way, size: int) -> Generator[Running]:
    here = "tests.servers.scripts.prefork"
    options = ["--config", f"python:{here}", "--workers", str(WORKERS), "--worker-class", kind]
    if kind == "gthread":
        options += ["--threads", str(THREADS)]
    environment = {"CONNINFO": database.conninfo, "SIZE": str(size), "WAY": way}
    with served(lambda fd: ["-m", "gunicorn", *options, "--bind", f"fd://{fd}", f"{here}:app"], environment) as running:
        yield running


@pytest.mark.parametrize(
    ("kind", "way", "size"),
    [("sync", "nothing", 2), ("gthread", "nothing", THREADS), ("gthread", "middleware", 2), ("gevent", "nothing", 2)],
)
def test_gunicorn(database: Server, kind: str, way: Way, size: int) -> None:
    """500 right answers, no connection of one process in another, and the parent's are untouched at the end."""
    served_by: dict[int, int] = {}
    with gunicorn(database, kind, way, size) as server:

        def ask_for(number: int) -> int:
            status, text = server.ask(f"/{number}")
            assert status == 200, text
            square, process, backend = json.loads(text)
            assert square == number * number
            assert served_by.setdefault(backend, process) == process, "a connection in two processes"
            return int(process)

        # Both are there before it begins.
        eventually(lambda: len(set(all_answers(ask_for, CLIENTS))) == WORKERS)
        assert len(all_answers(ask_for, REQUESTS)) == REQUESTS
        assert len(served_by) <= WORKERS * size
        if kind == "gevent":  # two greenlets of a worker have not shared one
            assert len(served_by) == WORKERS * size
        server.terminate()
        parents = json.loads(server.ends())
        assert len(set(parents)) == 2
        assert not served_by.keys() & set(parents)
    eventually(lambda: not database.backends())
