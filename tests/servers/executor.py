"""A server whose threads never end: those of an executor. Many are built so: gunicorn's gthread, waitress, uWSGI."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

THREADS = 4


class QuietHandler(WSGIRequestHandler):
    """It does not log each request; what goes wrong is still said."""

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        pass


class ExecutorServer(BaseWSGIServer):
    """A few threads for all requests."""

    multithread = True

    def __init__(self, app: WSGIApplication, fd: int | None = None, threads: int = THREADS) -> None:
        super().__init__("127.0.0.1", 0, app, QuietHandler, fd=fd)
        self._executor = ThreadPoolExecutor(threads)

    def process_request(self, request: Any, client_address: Any) -> None:
        self._executor.submit(self._process, request, client_address)

    def _process(self, request: Any, client_address: Any) -> None:
        try:
            self.finish_request(request, client_address)
        except Exception:
            self.handle_error(request, client_address)
        finally:
            self.shutdown_request(request)

    def server_close(self) -> None:
        super().server_close()
        # Not there yet when the base closes the socket that it was made with, and does not use.
        executor = getattr(self, "_executor", None)
        if executor is not None:
            executor.shutdown()
