"""What gunicorn serves: a pool in each worker, one status page and one set of metrics for all.

The environment says in which directory processes find each other (STATUS), and what prometheus_client needs
(PROMETHEUS_MULTIPROC_DIR).
"""

from __future__ import annotations

import os
import time
import warnings
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, cast

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector
from werkzeug.middleware.dispatcher import DispatcherMiddleware

from ProxyPatternPool import control, proxy
from ProxyPatternPool.prometheus import PrometheusObserver
from ProxyPatternPool.status import status_app

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

# From 3.15 on the end of the interpreter warns about the files that prometheus_client leaves open.
warnings.filterwarnings("ignore", "unclosed file", ResourceWarning)


# It has no types.
_collect_all = cast("Callable[[CollectorRegistry], object]", MultiProcessCollector)

observer = PrometheusObserver()
numbers: list[int] = proxy(fun=lambda number: [number], max_size=4, min_size=0, name="db", observer=observer)
observer.watch(numbers)


def use(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Use the pool once, and say in which process."""
    with control(numbers).obj():
        time.sleep(0.002)
    return _answer(start_response, str(os.getpid()).encode())


def metrics(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    return _answer(start_response, generate_latest(registry), CONTENT_TYPE_LATEST)


def _answer(start_response: StartResponse, text: bytes, kind: str = "text/plain") -> Iterable[bytes]:
    start_response("200 OK", [("Content-Type", kind), ("Content-Length", str(len(text)))])
    return [text]


registry = CollectorRegistry()
_collect_all(registry)
pages: dict[str, WSGIApplication] = {
    "/status": status_app(numbers, directory=os.environ["STATUS"]),
    "/metrics": metrics,
}
app = DispatcherMiddleware(use, pages)
