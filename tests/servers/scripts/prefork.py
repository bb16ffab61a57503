"""What gunicorn serves, and its configuration: the proxy is used here already, in the parent, before it forks.

The environment says how to connect (CONNINFO), how many connections a process may have (SIZE), and the WAY.
"""

from __future__ import annotations

import json
import os
import time
import traceback
from collections.abc import Iterable
from typing import TYPE_CHECKING

import psycopg
from psycopg.rows import TupleRow

from ProxyPatternPool import control, proxy
from ProxyPatternPool.wsgi import ReturnMiddleware

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

# gunicorn's settings
preload_app = True
control_socket_disable = True
loglevel = "warning"

_parent = os.getpid()


def _connect(number: int) -> psycopg.Connection[TupleRow]:
    return psycopg.connect(os.environ["CONNINFO"], autocommit=True)


_db = proxy(
    fun=_connect,
    max_size=int(os.environ["SIZE"]),
    min_size=2,
    timeout=20.0,
    closer=lambda connection: connection.close(),
)


def _backend() -> int:
    """Which process of the database answers."""
    row = _db.execute("SELECT pg_backend_pid()").fetchone()
    assert row is not None
    assert row[0] == _db.info.backend_pid
    return int(row[0])


_held = _backend()  # from now on this thread has a connection, and another is idle


def answer(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    try:
        text, status = json.dumps(_answer(int(environ["PATH_INFO"][1:]))), "200 OK"
    except Exception as error:
        text, status = "".join(traceback.format_exception(error)), "500 Internal Server Error"
    start_response(status, [("Content-Type", "text/plain"), ("Content-Length", str(len(text)))])
    return [text.encode()]


def _answer(number: int) -> list[int]:
    """A square, and who made it: one connection from the first query to the last, which nobody else uses meanwhile."""
    assert os.getpid() != _parent
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


def on_exit(arbiter: object) -> None:
    """In the parent, when all others have ended: what it had before the first fork is as it was."""
    pool = control(_db).pool
    assert pool is not None
    stats = pool.stats()
    assert (stats["ncreated"], stats["nusing"], stats["navail"]) == (2, 1, 1), stats
    assert {_backend() for _ in range(200)} == {_held}
    with pool.obj() as idle:
        row = idle.execute("SELECT pg_backend_pid()").fetchone()
        assert row == (idle.info.backend_pid,)
        print(json.dumps([_held, idle.info.backend_pid]))
