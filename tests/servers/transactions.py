"""What one request leaves behind for the next: an application on PostgreSQL, with a connection for all requests."""

from __future__ import annotations

import json
import os
import threading
import time
import traceback
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import TYPE_CHECKING

import psycopg
from psycopg.rows import TupleRow

from ProxyPatternPool import Scope, TimeOut, control, proxy

from .application import PATIENCE, Farewell, Way, scope_and_way, using, wrapped

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment


def connect(number: int) -> psycopg.Connection[TupleRow]:
    """As psycopg does it if nothing is said: the first statement begins a transaction, a SELECT too."""
    return psycopg.connect(os.environ["CONNINFO"])


def reset(connection: psycopg.Connection[TupleRow]) -> None:
    """Undo what the last request has not committed; a connection that broke fails here."""
    connection.rollback()


def alive(connection: psycopg.Connection[TupleRow]) -> bool:
    """See whether there still is somebody at the other end."""
    connection.execute("SELECT 1")
    connection.rollback()  # or it would be idle in a transaction
    return True


class Transactions:
    """``/square/7`` answers 49, the time and the backend, ``/fail`` fails in the database; ``/stop`` is the test's."""

    def __init__(self, scope: Scope, way: Way, health_before_get: float | None) -> None:
        self.db: psycopg.Connection[TupleRow] = proxy(
            fun=connect,
            scope=scope,
            max_size=1,
            timeout=2.0,
            retter=reset,
            health=alive,
            health_before_get=health_before_get,
            closer=lambda connection: connection.close(),
        )
        self.way: Way = way
        self.pause: Callable[[float], object] = time.sleep
        self.stopped = threading.Event()
        self.wsgi: WSGIApplication = wrapped(self.answer, self.db, way)

    @classmethod
    def ordered(cls, scope: str, way: str, checked: str) -> Transactions:
        """As the command line says."""
        return cls(*scope_and_way(scope, way), 0.0 if checked == "checked" else None)

    def answer(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        code, text = self.respond(environ["PATH_INFO"])
        headers = [("Content-Type", "text/plain"), ("Content-Length", str(len(text.encode())))]
        start_response(f"{code} {HTTPStatus(code).phrase}", headers)
        if environ["PATH_INFO"] == "/stop":
            return Farewell(text.encode(), self.stopped.set)
        return [text.encode()]

    def respond(self, path: str) -> tuple[int, str]:
        """Answer a request: the status and the text."""
        _, what, *rest = path.split("/")
        try:
            return 200, "stopped" if what == "stop" else self._text(what, rest)
        except Exception as error:
            return 503 if isinstance(error, TimeOut) else 500, "".join(traceback.format_exception_only(error))

    def _text(self, what: str, rest: list[str]) -> str:
        with using(self.db, self.way):
            if what == "fail":
                self.db.execute("SELECT 1 / 0")
            number = int(rest[0])
            row = self.db.execute(
                "SELECT %s::int * %s::int, now()::text, pg_backend_pid()", [number, number]
            ).fetchone()
        return json.dumps(row)

    def close(self) -> None:
        """Close the pool."""
        pool = control(self.db).pool
        assert pool is not None
        pool.shutdown(PATIENCE)
