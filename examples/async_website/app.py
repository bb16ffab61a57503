"""The application."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

from a2wsgi import WSGIMiddleware
from starlette.applications import Starlette
from starlette.routing import Mount

from ProxyPatternPool import AsyncPool
from ProxyPatternPool.status import status_app
from storage.database import AsyncConnection

from .database import ConnectionLost
from .search import lost, routes


def create_app(pool: AsyncPool[AsyncConnection]) -> Starlette:
    """Make the application, which closes the pool when its server stops."""

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncGenerator[None, None]:
        async with pool:
            await pool.wait_ready()  # a website that cannot reach its database does not start
            yield

    # A status page beside the others, for this machine only. It uses no connection itself.
    asgi: Any = WSGIMiddleware  # its types are not quite Starlette's
    status = Mount("/status", asgi(status_app(pool)))
    app = Starlette(routes=[*routes, status], exception_handlers={ConnectionLost: lost}, lifespan=lifespan)
    app.state.pool = pool
    return app
