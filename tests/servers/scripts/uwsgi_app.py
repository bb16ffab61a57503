"""What uWSGI serves: the proxy is used here already, in the master, before it forks in C.

The environment says how to connect (CONNINFO), how many connections a process has at least and at most (MIN, SIZE), for
how long an idle one is kept (IDLE), the WAY, where it is noted who opens and closes what (BOOK), and whether a hook of
uWSGI's is set after the proxy was used (HOOK).
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import time
import traceback
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg.rows import TupleRow

from ProxyPatternPool import control, proxy
from ProxyPatternPool.wsgi import ReturnMiddleware

from ...unit.scripts.at_rest import come_to_rest

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_uwsgi: Any = sys.modules["uwsgi"]  # the server's own
_book = Path(os.environ["BOOK"])


def _note(line: str) -> None:
    with _book.open("a") as book:
        book.write(f"{line}\n")


def _connect(number: int) -> psycopg.Connection[TupleRow]:
    connection = psycopg.connect(os.environ["CONNINFO"], autocommit=True)
    _note(f"{os.getpid()} opened {connection.info.backend_pid}")
    return connection


def _close(connection: psycopg.Connection[TupleRow]) -> None:
    _note(f"{os.getpid()} closed {connection.info.backend_pid}")
    connection.close()


_db = proxy(
    fun=_connect,
    max_size=int(os.environ["SIZE"]),
    min_size=int(os.environ["MIN"]),
    timeout=20.0,
    max_avail_delay=float(os.environ["IDLE"]),
    closer=_close,
)
_held = _db.info.backend_pid  # from now on this thread has a connection, and another is idle
if float(os.environ["IDLE"]) < 1.0:
    # Else rounds of maintenance come every few milliseconds; a fork in the middle of one hangs, see docs/servers.md.
    control(_db).discard()


def _forked() -> None:
    _note(f"{os.getpid()} forked 0")


if os.environ["HOOK"]:
    importlib.import_module("uwsgidecorators").postfork(_forked)

come_to_rest()


def answer(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    try:
        text, status = json.dumps(_answer(environ["PATH_INFO"][1:])), "200 OK"
    except Exception as error:
        text, status = "".join(traceback.format_exception(error)), "500 Internal Server Error"
    start_response(status, [("Content-Type", "text/plain"), ("Content-Length", str(len(text)))])
    return [text.encode()]


def _answer(what: str) -> object:
    assert os.getpid() != _uwsgi.masterpid()
    if what == "work":  # as views do, in Python: all other threads have their turns meanwhile
        end = time.monotonic() + 0.1
        while time.monotonic() < end:
            time.sleep(0.001)
        return os.getpid()
    number = int(what)
    before = _db.info.backend_pid
    _db.execute("SELECT set_config('request.number', %s, false)", [str(number)])
    time.sleep(0.0005)
    row = _db.execute(
        "SELECT %s::int * %s::int, current_setting('request.number')::int, pg_backend_pid()", [number, number]
    ).fetchone()
    assert row is not None
    square, asked, backend = row
    assert (asked, backend) == (number, before)
    return [square, os.getpid(), backend]


app: WSGIApplication = ReturnMiddleware(answer, _db) if os.environ["WAY"] == "middleware" else answer
