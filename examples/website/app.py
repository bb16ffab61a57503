"""The application. It initializes last: all others have imported `db` by then, and without a proxy had got `None`."""

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
    # Whatever server runs this: a request that has been answered keeps no connection.
    app.wsgi_app = ReturnMiddleware(app.wsgi_app, db)  # type: ignore[method-assign]  # as Flask says to
    # Beside the pages, and for this machine only: how the connections are used. It takes none itself.
    app.wsgi_app = DispatcherMiddleware(app.wsgi_app, {"/status": status_app(db)})  # type: ignore[method-assign]  # as Flask says to
    init_db(connect, close, connections)
    return app
