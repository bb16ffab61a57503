"""The application. It initializes last: without a proxy the others would have imported a `db` that is `None`."""

from __future__ import annotations

from collections.abc import Callable

from flask import Flask
from werkzeug.middleware.dispatcher import DispatcherMiddleware

from ProxyPatternPool.status import status_app
from ProxyPatternPool.wsgi import ReturnMiddleware
from storage.database import Connection

from .database import db, init_db
from .search import blueprint


def create_app(connect: Callable[[int], Connection], close: Callable[[Connection], object], connections: int) -> Flask:
    """Make the application.

    Args:
        connect: makes a connection to the database.
        close: closes one.
        connections: how many there may be at the same time, however many requests there are.
    """
    app = Flask(__name__)
    app.register_blueprint(blueprint)
    # With every server: when a request has been answered, its connection goes back.
    app.wsgi_app = ReturnMiddleware(app.wsgi_app, db)  # type: ignore[method-assign]  # as Flask says to
    # A status page beside the others, for this machine only. It uses no connection itself.
    app.wsgi_app = DispatcherMiddleware(app.wsgi_app, {"/status": status_app(db)})  # type: ignore[method-assign]  # as Flask says to
    init_db(connect, close, connections)
    return app
