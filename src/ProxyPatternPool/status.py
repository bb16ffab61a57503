"""A page for operators: how busy the pools are, who holds what since when, and what went wrong.

A small WSGI application, to be mounted beside one's own::

    from werkzeug.middleware.dispatcher import DispatcherMiddleware
    from ProxyPatternPool.status import status_app

    app.wsgi_app = DispatcherMiddleware(app.wsgi_app, {"/status": status_app(db, ldap)})

``?format=json`` has the same data for programs: a ``StatusData``. With ``directory=`` one page shows all processes of a
server.

Needs werkzeug: ``pip install werkzeug``, or the extra ``werkzeug``. docs/status.md says who can see what.
"""

import json
import os
from collections.abc import Callable, Iterable

from ._awaitables import refuse_async, refuse_awaitable
from ._status.access import is_local
from ._status.data import (
    CallerData,
    ErrorData,
    ObjectData,
    PoolData,
    PoolSummary,
    ProcessData,
    ProcessState,
    SampleData,
    StatusData,
)
from ._status.masking import masked
from ._status.processes import Processes
from ._status.sampler import Sampler
from ._status.sources import source
from ._wsgi import StartResponse, WSGIApplication, WSGIEnvironment

try:
    from werkzeug.wrappers import Request, Response

    from ._status.page import POLICY, fragment, page
except ImportError as _error:
    raise ImportError(
        "ProxyPatternPool.status needs werkzeug, which cannot be imported: "
        "pip install werkzeug (this package's extra 'werkzeug')"
    ) from _error

__all__ = [
    "CallerData",
    "ErrorData",
    "ObjectData",
    "PoolData",
    "PoolSummary",
    "ProcessData",
    "ProcessState",
    "SampleData",
    "StatusData",
    "is_local",
    "masked",
    "status_app",
]

_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": POLICY,
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


def status_app(
    *pools: object,
    allow: "Callable[[WSGIEnvironment], bool] | None" = None,
    error_text: Callable[[str], str] | None = None,
    directory: "str | os.PathLike[str] | None" = None,
) -> "WSGIApplication":
    """Make a page that shows pools; keep it to mount it, and to have its samples go on.

    It only reads: it answers GET and HEAD, and changes nothing. It calls no hook: objects are shown by
    what the ``tracer`` said when they were created; without one they have numbers. For the samples it adds up, once a
    second, the loans of all objects: 100,000 of them take 7 ms, 1 ms of it with the pool's lock held.

    Args:
        pools: Pools, and proxies, which may get theirs later. A pool is not kept alive by being shown.
        allow: Says whether a request may see the page, from its WSGI environment; it decides alone. ``None``:
            ``is_local``.
        error_text: Makes the text of an error fit to be seen, for instance ``masked``. ``None``: only the class of an
            error is shown, since drivers put passwords into such texts. If it raises, or gives no ``str``, too.
        directory: Where all processes that have this page find each other, from their first use of a pool on; the page
            of each then lists all, and can show any of them. It is made if it does not exist; it must belong to the
            user who runs the processes, with mode 0700, and lie on this machine. ``None``: the page shows the process
            that answers, and knows of no other. Needs unix sockets.

    Raises:
        PoolValueError: ``directory`` is none, a symbolic link or somebody else's, others may enter it, it is too long,
            or this system has no unix sockets.
        OSError: ``directory`` cannot be made.
        TypeError: Something is neither a pool nor a proxy, ``allow`` or ``error_text`` cannot be called, or is a
            coroutine function, or ``directory`` is no path.
    """
    for name, function in (("allow", allow), ("error_text", error_text)):
        if function is not None and not callable(function):
            raise TypeError(f"{name} must be callable, not {function!r}")
        refuse_async(name, function)
    sampler = Sampler([source(pool, number) for number, pool in enumerate(pools, 1)])
    return _StatusApp(Processes(sampler, error_text, directory), is_local if allow is None else allow)


def _decided(allowed: object) -> bool:
    refuse_awaitable("allow", allowed)
    if not isinstance(allowed, bool):  # which may be true, and has decided nothing
        raise TypeError(f"allow must give True or False, not {allowed!r}")
    return allowed


class _StatusApp:
    """The application."""

    def __init__(self, processes: Processes, allow: "Callable[[WSGIEnvironment], bool]") -> None:
        self._processes = processes
        self._allow = allow

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        response = self._answer(environ)
        response.headers.extend(_HEADERS)
        return response({"REQUEST_METHOD": "GET", **environ}, start_response)

    def _answer(self, environ: "WSGIEnvironment") -> Response:
        if not _decided(self._allow(environ)):
            return Response("Forbidden: see the argument allow of status_app.\n", 403)
        try:
            request = Request(environ, populate_request=False)
            asked = request.args
        except UnicodeError:  # bytes in the query that are no text, or characters that are no bytes, see PEP 3333
            return Response("The request is to be in UTF-8.\n", 400)
        if request.path != "/":
            return Response("Not found.\n", 404)
        if request.method not in ("GET", "HEAD"):
            return Response("This is only to be read.\n", 405, {"Allow": "GET, HEAD"})
        shape, process = asked.get("format", "html"), asked.get("process")
        if shape not in ("fragment", "html", "json"):
            return Response("The format is html or json.\n", 400)
        try:
            data = self._processes.collect(process)
        except LookupError:
            return Response("Not found: see the argument directory of status_app.\n", 404)
        match shape:
            case "html":
                text = page(data, reload=asked.get("refresh") != "0", pinned=process is not None)
                return Response(text, mimetype="text/html")
            case "fragment":
                return Response(fragment(data), mimetype="text/html")
            case _:
                text = json.dumps(data, allow_nan=False)
                return Response(text, 200 if data["problem"] is None else 404, mimetype="application/json")
