"""Give back what a request of an ASGI application used, and have it ready before the application is called.

A proxy with ``scope=Proxy.Scope.CONTEXT`` has an object for each task, and gives it back when the task ends. An ASGI
server answers each request in a task of its own; this gives back at the end of the request, also where tasks go on. ::

    from ProxyPatternPool.asgi import ReturnMiddleware

    app.add_middleware(ReturnMiddleware, db)  # of FastAPI or Starlette
    app = ReturnMiddleware(app, db)  # around any ASGI application

With ``acquire=True`` each request has its objects before the application is called, so that its coroutines use a proxy
whose ``fun`` is a coroutine function without ``await control(db).aget()``. It needs no other package. docs/servers.md
says more.
"""

from collections.abc import Awaitable
from typing import Any, Protocol

from ._config import expect
from ._proxy.returning import check_scopes, giving_back, returning_controls

__all__ = ["ASGIApplication", "ReturnMiddleware"]


class ASGIApplication(Protocol):
    """An ASGI application, by whatever names its framework calls what it is called with."""

    def __call__(self, scope: Any, receive: Any, send: Any, /) -> Awaitable[None]:
        """Answer a request."""
        ...


class ReturnMiddleware:
    """An ASGI application around another: what a request's task took through proxies goes back at the end.

    The end of a request, or of a websocket, is when the application's coroutine has ended: the response has been sent
    to its last byte, also a streamed one, and the background tasks of Starlette have ended; or it has failed, or was
    cancelled because the client went away. Each object goes back as by ``control(proxy).ret()``, at once: nothing is
    awaited, so a cancellation finds nothing to interrupt.

    Other tasks have objects of their own, also those that the application starts and leaves running. A block that was
    open before the request, for instance around a test's client, keeps its object; and so does a request that makes
    another request in the same task.

    Put it inside of middlewares that call the application in another task, as the ``BaseHTTPMiddleware`` of Starlette.
    """

    def __init__(self, app: ASGIApplication, *proxies: object, acquire: bool = False) -> None:
        """Wrap an application.

        Args:
            app: The application.
            proxies: What the application uses, made by ``proxy(…)`` or ``Proxy(…)``; they need not be set yet.
            acquire: Whether each request gets its objects first, in the order of the proxies, as by
                ``await control(proxy).aget()``. If that fails the server answers with an error, as it does if the
                application fails.

        Raises:
            TypeError: The application cannot be called, or ``acquire`` is neither True nor False.
            ProxyException: No proxy is given, or one of them is none; or its scope is one of threads, of which all
                tasks are one owner, or a strategy of your own, which decides itself when an object goes back.
        """
        if not callable(app):
            raise TypeError(f"app must be an ASGI application, not {app!r}")
        self._app = app
        self._controls = returning_controls(proxies)
        self._acquire = expect("acquire", acquire, bool, "True or False")
        check_scopes(self._controls)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer a request as the application does."""
        if scope.get("type") not in ("http", "websocket"):  # the lifespan has a task of its own, which lasts
            await self._app(scope, receive, send)
            return
        check_scopes(self._controls)  # again: a proxy that was not set has its scope by now
        with giving_back(self._controls):
            if self._acquire:
                for each in self._controls:
                    await each.aget()
            await self._app(scope, receive, send)
