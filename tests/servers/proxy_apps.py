"""An ASGI application that uses two proxies: ``desks`` is awaited, ``shared`` is plain, and used in threads as well.

Below ``/acquired`` each request has its desk before it is answered; below ``/own`` endpoints take what they need. In
both places the middleware gives back. The servers' own command lines name the function ``application``.
"""

from __future__ import annotations

import faulthandler
import importlib
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import anyio

from ProxyPatternPool import PoolStats, Proxy, control, proxy
from ProxyPatternPool.asgi import ReturnMiddleware

from .application import LIFE, PARTS, PATIENCE, SIZE, Desk, Office
from .task_apps import USES, TaskOffice

offices = TaskOffice(), Office()

desks = proxy(
    fun=offices[0].furnish_slowly,
    scope=Proxy.Scope.CONTEXT,
    max_size=SIZE,
    timeout=PATIENCE,
    max_use=USES,
    retter=offices[0].tidy,
    closer=offices[0].clear_slowly,
    name="desks",
)
shared = proxy(
    fun=offices[1].furnish,
    scope=Proxy.Scope.CONTEXT,
    max_size=SIZE,
    timeout=PATIENCE,
    max_use=USES,
    retter=Desk.tidy,
    closer=offices[1].clear,
    name="shared",
)


@asynccontextmanager
async def lifespan(_: object) -> AsyncGenerator[None]:
    yield
    await control(desks).aclose(PATIENCE)
    await control(shared).aclose(PATIENCE)
    alive = [office.alive for office in offices]
    print("closed" if alive == [0, 0] else f"{alive} were not closed", flush=True)
    faulthandler.cancel_dump_traceback_later()


async def use(desk: Desk, request: str, number: int) -> str:
    """Use a desk, which a proxy stands for."""
    desk.begin(request)
    await anyio.sleep(0.0005)
    square = desk.square(request, number)
    desk.end(request)
    return str(square)


async def stream(number: int) -> AsyncGenerator[bytes]:
    """Stream a square. Whatever task does that, it takes the desk itself."""
    request = f"stream {number}"
    async with control(desks).aobj():
        desks.begin(request)
        text = str(desks.square(request, number)).rjust(PARTS).encode()
        for part in range(PARTS):
            await anyio.sleep(0.0001)
            desks.square(request, part)
            yield text[part : part + 1] if part < PARTS - 1 else text[part:]
        desks.end(request)


async def flow() -> AsyncGenerator[bytes]:
    async with control(desks).aobj():
        while True:
            await anyio.sleep(0.01)
            yield b"drop"


def numbers() -> str:
    """What both pools have."""
    pools = control(desks).apool, control(shared).pool
    all_stats: list[PoolStats] = [pool.stats() for pool in pools if pool is not None]
    return json.dumps(
        {
            "in use": sum(stats["nusing"] for stats in all_stats),
            "waiting": sum(stats["nwaiting"] for stats in all_stats),
            "failures": sum(stats["hook_errors"] + stats["nerrors"] for stats in all_stats),
            "alive": sum(office.alive for office in offices),
        }
    )


def application() -> Any:
    faulthandler.dump_traceback_later(LIFE + 5, exit=True)  # a server that hangs says where, and fails
    responses, routing = importlib.import_module("starlette.responses"), importlib.import_module("starlette.routing")
    text, streaming = responses.PlainTextResponse, responses.StreamingResponse

    async def acquired(request: Any) -> Any:
        number: int = request.path_params["number"]
        return text(await use(desks, f"acquired {number}", number))

    async def own(request: Any) -> Any:
        number: int = request.path_params["number"]
        await control(shared).aget()
        return text(await use(shared, f"own {number}", number))

    def plain(request: Any) -> Any:
        number: int = request.path_params["number"]
        what = f"plain {number}"
        shared.begin(what)
        square = shared.square(what, number)
        shared.end(what)
        return text(str(square))

    async def streamed(request: Any) -> Any:
        return streaming(stream(request.path_params["number"]))

    async def flowing(_: Any) -> Any:
        return streaming(flow())

    async def failing(_: Any) -> Any:
        desks.begin("failing")
        raise ConnectionError("on purpose")

    async def stats(_: Any) -> Any:
        return text(numbers())

    def router(routes: dict[str, Any]) -> Any:
        return routing.Router([routing.Route(path, endpoint) for path, endpoint in routes.items()])

    inside = router({"/square/{number:int}": acquired, "/failing": failing})
    outside = router(
        {
            "/square/{number:int}": own,
            "/plain/{number:int}": plain,
            "/stream/{number:int}": streamed,
            "/flow": flowing,
        }
    )
    return importlib.import_module("starlette.applications").Starlette(
        routes=[
            routing.Mount("/acquired", app=ReturnMiddleware(inside, desks, acquire=True)),
            routing.Mount("/own", app=ReturnMiddleware(outside, desks, shared)),
            routing.Route("/stats", stats),
        ],
        lifespan=lifespan,
    )
