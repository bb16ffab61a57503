"""The website served on loopback, and a client that asks it."""

from __future__ import annotations

import logging
import time
from http.client import HTTPConnection
from threading import Thread, current_thread
from types import TracebackType
from typing import Any

from flask import Flask
from typing_extensions import Self
from werkzeug.serving import ThreadedWSGIServer

from job.searching import AGAIN, TRIES, data_of
from ProxyPatternPool import control
from website.database import db


class Server(ThreadedWSGIServer):
    """Werkzeug's server: a new thread for each connection, of which a client makes one for each request."""

    daemon_threads = False  # so that closing the server waits for all of them


class Site:
    """A website, served while the `with` block runs.

    Args:
        app: The application.
    """

    def __init__(self, app: Flask) -> None:
        self.waits: list[float] = []
        self.repeated: list[str] = []
        self.measuring = True
        app.before_request(self._measure)
        logging.getLogger("werkzeug").setLevel(logging.WARNING)  # not a line for each request
        self._server = Server("127.0.0.1", 0, app)
        self.status_page = f"http://{self._server.host}:{self._server.port}/status"
        self._threads: set[str] = set()
        self._thread = Thread(target=self._server.serve_forever, args=(0.05,), name="server")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join()  # which waits for all threads of the server

    @property
    def workers(self) -> str:
        """How many threads answered."""
        return f"{len(self._threads):,} threads"

    def get(self, path: str) -> Any:
        """Request a page, again if the website says that this helps; return the data in it."""
        status, body = self._get(path)
        for _ in range(TRIES):
            if status != AGAIN:
                break
            self.repeated.append(path)
            status, body = self._get(path)
        return data_of(path, status, body)

    def _get(self, path: str) -> tuple[int, bytes]:
        connection = HTTPConnection(self._server.host, self._server.port, timeout=60.0)
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def _measure(self) -> None:
        """Take the thread's connection before the page does, and measure how long that takes."""
        if not self.measuring:
            return
        started = time.perf_counter()
        control(db).get()
        self.waits.append(time.perf_counter() - started)
        self._threads.add(current_thread().name)
