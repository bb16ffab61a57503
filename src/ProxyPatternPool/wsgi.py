"""Give back what a request used, in servers whose threads do not end with it.

An object goes back when its thread or greenlet ends. The threads of most servers do not end, nor does the greenlet of a
connection that the client keeps open. So an application there must give objects back after each request. ::

    from ProxyPatternPool.wsgi import ReturnMiddleware

    application = ReturnMiddleware(application, db, ldap)

In Flask it is ``app.wsgi_app = ReturnMiddleware(app.wsgi_app, db)``, for which mypy needs an ignore of
``method-assign``; or, without this module::

    @app.teardown_appcontext
    def give_back(error: BaseException | None) -> None:
        control(db).ret()

But that is too early for a response that is streamed after its view has returned: then use the middleware, or
``flask.stream_with_context``, which keeps the context until the end of the response.

This module needs werkzeug: ``pip install werkzeug``, or the extra ``werkzeug``. docs/servers.md says what each server
needs.
"""

from collections.abc import Iterable
from contextlib import ExitStack

from ._awaitables import GENERATORS, refuse_async, refuse_awaitable
from ._proxy.returning import giving_back, returning_controls
from ._wsgi import StartResponse, WSGIApplication, WSGIEnvironment

try:
    from werkzeug.wsgi import ClosingIterator
except ImportError as _error:
    raise ImportError(
        "ProxyPatternPool.wsgi needs werkzeug, which cannot be imported: "
        "pip install werkzeug (this package's extra 'werkzeug')"
    ) from _error

__all__ = ["ReturnMiddleware"]


class ReturnMiddleware:
    """A WSGI application around another: what a request took through proxies goes back at the end of the request.

    That is when the whole response has been sent, also a streamed one, or has failed: in the application, half way
    through, or because the client went away. The ``close`` of the application's response is called before. Each object
    goes back as by ``control(proxy).ret()``, so an object without a pool stays its owner's.

    One middleware for the whole application is enough; put it around all others. A block that was open before the
    request, for instance around a test's client, keeps its object; and so does a request that makes another request.
    """

    def __init__(self, app: "WSGIApplication", *proxies: object) -> None:
        """Wrap an application.

        Args:
            app: The application.
            proxies: What the application uses, made by ``proxy(…)`` or ``Proxy(…)``; they need not be set yet.

        Raises:
            TypeError: The application is an asynchronous one, or none.
            ProxyException: No proxy is given, or one of them is none, or its scope is a strategy of your own. There
                several requests may be one owner, and the first to end would give back what the others use: its
                strategy is to drop it.
        """
        try:
            refuse_async("app", app, accepted=GENERATORS)
        except TypeError as error:
            raise TypeError(
                f"{error}. It must be a WSGI application; FastAPI, Starlette and other ASGI applications have the "
                f"ReturnMiddleware of ProxyPatternPool.asgi, and need proxies with scope=Proxy.Scope.CONTEXT"
            ) from None
        if not callable(app):
            raise TypeError(f"app must be a WSGI application, not {app!r}")
        self._app = app
        self._controls = returning_controls(proxies)

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        """Answer a request as the application does."""
        # The close of the response and each return are done, whatever another of them raises.
        with giving_back(self._controls) as at_end:
            response = self._app(environ, start_response)
            try:
                refuse_awaitable("app", response, "it must be a WSGI application")
                answer = _Answer(response)
            except BaseException:  # the server does not get the response, so it is closed here
                close = getattr(response, "close", None)
                if close is not None:
                    close()
                raise
            answer.at_end = at_end.pop_all()
            return answer


class _Answer(ClosingIterator):
    """A response, which the server closes however it has ended."""

    at_end: ExitStack

    def close(self) -> None:
        with self.at_end:  # does nothing in a second call
            super().close()
