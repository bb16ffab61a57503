"""The pages."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from .database import borrowed


async def search(request: Request) -> Response:
    """Give the places of the passages that hold all the words."""
    words = request.query_params["words"].split()
    async with borrowed(request.app.state.pool) as db:
        return JSONResponse(await db.search(words))


async def count(request: Request) -> Response:
    """Give the number of files and of passages."""
    async with borrowed(request.app.state.pool) as db:
        return JSONResponse(await db.count())


async def lost(request: Request, error: Exception) -> Response:
    """Say that trying again helps."""
    return PlainTextResponse("the connection to the database was lost", 503, {"Retry-After": "0"})


routes = [Route("/search", search), Route("/count", count)]
