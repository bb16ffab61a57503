"""Applications whose requests are tasks, made with several frameworks: each uses two pools of two objects.

``tasks`` is an ``AsyncPool``; ``both`` is a ``Pool`` of plain objects, from which plain functions, in threads of the
framework's, borrow as well. The servers' own command lines name the functions ``starlette``, ``fastapi`` and
``quart``; ``python -m tests.servers.task_apps FD MODE PATIENCE`` serves the application of aiohttp.
"""

from __future__ import annotations

import faulthandler
import importlib
import json
import os
import signal
import socket
import sys
from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager, suppress
from typing import Any

import anyio
import anyio.to_thread
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.types import Receive, Scope, Send

from ProxyPatternPool import AsyncPool, Pool, PoolStats

from .application import LIFE, PARTS, PATIENCE, SIZE, Desk, Office

USES = 20
"""Of an object: so that some are created and closed while requests come and go."""


class TaskOffice(Office):
    """An office whose factory and closer are awaited."""

    async def furnish_slowly(self, number: int) -> Desk:
        desk = self.furnish(number)
        try:
            await anyio.sleep(0.001)
        except BaseException:
            self.clear(desk)  # a factory that is cancelled leaves nothing behind
            raise
        return desk

    async def tidy(self, desk: Desk) -> None:
        await anyio.sleep(0)
        desk.tidy()

    async def clear_slowly(self, desk: Desk) -> None:
        await anyio.sleep(0.001)
        self.clear(desk)


class TaskApplication:
    """What the frameworks have in common: ``POOL`` is ``tasks`` or ``both``.

    ``/square/POOL/7`` answers 49, ``/stream/POOL/7`` in several parts, ``/plain/7`` in a thread. ``/hold/POOL`` has an
    object until ``/release``, or until a signal, when the server does not answer any more; ``/held`` says how it ended.
    ``/flow/POOL`` has one for a response without an end.
    """

    def __init__(self) -> None:
        faulthandler.dump_traceback_later(LIFE + 5, exit=True)  # a server that hangs says where, and fails
        self.office = TaskOffice()
        self.tasks = AsyncPool(
            self.office.furnish_slowly,
            SIZE,
            SIZE,
            PATIENCE,
            max_use=USES,
            retter=self.office.tidy,
            closer=self.office.clear_slowly,
            name="tasks",
        )
        self.shared_office = Office()
        self.both = Pool(
            self.shared_office.furnish,
            SIZE,
            SIZE,
            PATIENCE,
            max_use=USES,
            retter=Desk.tidy,
            closer=self.shared_office.clear,
            name="both",
        )
        self._held: list[str] = []
        self._released = False
        signal.signal(signal.SIGUSR1, lambda number, frame: self.release())

    @asynccontextmanager
    async def lifespan(self, _: object = None) -> AsyncGenerator[None]:
        """What the server does around all requests."""
        async with self.tasks:
            await self.tasks.wait_ready(PATIENCE)
            yield
            await self.tasks.close(PATIENCE)  # which waits for what is lent
            await anyio.to_thread.run_sync(self.both.shutdown, PATIENCE)
        alive = self.office.alive, self.shared_office.alive
        # At once: uvicorn ends by the signal that has stopped it, and the interpreter does not exit.
        print("closed" if alive == (0, 0) else f"{alive} were not closed", flush=True)
        faulthandler.cancel_dump_traceback_later()

    def _borrowed(self, pool: str) -> AbstractAsyncContextManager[Desk]:
        return self.tasks.obj() if pool == "tasks" else self.both.aobj()

    async def square(self, pool: str, number: int) -> str:
        request = f"square {number}"
        async with self._borrowed(pool) as desk:
            desk.begin(request)
            await anyio.sleep(0.0005)
            square = desk.square(request, number)
            desk.end(request)
        return str(square)

    def plain(self, number: int) -> str:
        request = f"plain {number}"
        with self.both.obj() as desk:
            desk.begin(request)
            square = desk.square(request, number)
            desk.end(request)
        return str(square)

    async def stream(self, pool: str, number: int) -> AsyncGenerator[bytes]:
        request = f"stream {number}"
        async with self._borrowed(pool) as desk:
            desk.begin(request)
            text = str(desk.square(request, number)).rjust(PARTS).encode()
            for part in range(PARTS):
                await anyio.sleep(0.0001)
                desk.square(request, part)
                yield text[part : part + 1] if part < PARTS - 1 else text[part:]
            desk.end(request)

    async def hold(self, pool: str) -> str:
        try:
            async with self._borrowed(pool):
                while not self._released:
                    await anyio.sleep(0.01)
        except BaseException as error:
            self._held.append(type(error).__name__)
            raise
        self._held.append("finished")
        return "held"

    async def flow(self, pool: str) -> AsyncGenerator[bytes]:
        async with self._borrowed(pool):
            while True:
                await anyio.sleep(0.01)
                yield b"drop"

    def release(self) -> str:
        self._released = True
        return "released"

    def held(self) -> str:
        return json.dumps(self._held)

    def stats(self) -> str:
        def numbers(stats: PoolStats, office: Office) -> dict[str, int]:
            return {
                "idle": stats["navail"],
                "in use": stats["nusing"],
                "waiting": stats["nwaiting"],
                "objects": stats["nobjs"],
                "alive": office.alive,
                "failures": stats["hook_errors"] + stats["nerrors"],
            }

        tasks, both = numbers(self.tasks.stats(), self.office), numbers(self.both.stats(), self.shared_office)
        return json.dumps({"process": os.getpid()} | {key: tasks[key] + both[key] for key in tasks})


class ClosingResponse(StreamingResponse):
    """What docs/asyncio.md shows: the generator of a stream is closed at its end, also if its client hangs up."""

    def __init__(self, parts: AsyncGenerator[bytes]) -> None:
        super().__init__(parts)
        self._parts = parts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with aclosing(self._parts):
            await super().__call__(scope, receive, send)


def starlette() -> Any:
    application = TaskApplication()
    routing = importlib.import_module("starlette.routing")

    async def square(request: Any) -> Any:
        return PlainTextResponse(await application.square(**request.path_params))

    async def stream(request: Any) -> Any:
        return ClosingResponse(application.stream(**request.path_params))

    async def flow(request: Any) -> Any:
        return ClosingResponse(application.flow(**request.path_params))

    def plain(request: Any) -> Any:
        return PlainTextResponse(application.plain(**request.path_params))

    async def hold(request: Any) -> Any:
        return PlainTextResponse(await application.hold(**request.path_params))

    async def release(_: Any) -> Any:
        return PlainTextResponse(application.release())

    async def held(_: Any) -> Any:
        return PlainTextResponse(application.held())

    async def stats(_: Any) -> Any:
        return PlainTextResponse(application.stats())

    routes = {
        "/square/{pool}/{number:int}": square,
        "/stream/{pool}/{number:int}": stream,
        "/plain/{number:int}": plain,
        "/flow/{pool}": flow,
        "/hold/{pool}": hold,
        "/release": release,
        "/held": held,
        "/stats": stats,
    }
    return importlib.import_module("starlette.applications").Starlette(
        routes=[routing.Route(path, endpoint) for path, endpoint in routes.items()], lifespan=application.lifespan
    )


def fastapi() -> Any:
    application = TaskApplication()
    app = importlib.import_module("fastapi").FastAPI(
        lifespan=application.lifespan, default_response_class=PlainTextResponse
    )

    async def square(pool: str, number: int) -> str:
        return await application.square(pool, number)

    async def stream(pool: str, number: int) -> Any:
        return ClosingResponse(application.stream(pool, number))

    async def flow(pool: str) -> Any:
        return ClosingResponse(application.flow(pool))

    def plain(number: int) -> str:
        return application.plain(number)

    async def hold(pool: str) -> str:
        return await application.hold(pool)

    async def release() -> str:
        return application.release()

    async def held() -> str:
        return application.held()

    async def stats() -> str:
        return application.stats()

    for endpoint in stream, flow:
        endpoint.__annotations__["return"] = None  # it is a response, and needs no model
    app.get("/square/{pool}/{number}")(square)
    app.get("/stream/{pool}/{number}")(stream)
    app.get("/flow/{pool}")(flow)
    app.get("/plain/{number}")(plain)
    app.get("/hold/{pool}")(hold)
    app.get("/release")(release)
    app.get("/held")(held)
    app.get("/stats")(stats)
    return app


def quart() -> Any:
    application = TaskApplication()
    app = importlib.import_module("quart").Quart(__name__)

    async def around_all_requests() -> AsyncGenerator[None]:
        async with application.lifespan():
            yield

    app.while_serving(around_all_requests)
    app.get("/square/<pool>/<int:number>")(application.square)
    app.get("/stream/<pool>/<int:number>", endpoint="stream")(application.stream)
    app.get("/flow/<pool>", endpoint="flow")(application.flow)
    app.get("/plain/<int:number>")(application.plain)
    app.get("/hold/<pool>")(application.hold)
    app.get("/release")(application.release)
    app.get("/held")(application.held)
    app.get("/stats")(application.stats)
    return app


def serve_with_aiohttp(fd: int, *, cancelling: bool, patience: float) -> None:
    application = TaskApplication()
    web = importlib.import_module("aiohttp.web")

    def number_in(request: Any) -> int:
        return int(request.match_info["number"])

    async def square(request: Any) -> Any:
        return web.Response(text=await application.square(request.match_info["pool"], number_in(request)))

    async def send(request: Any, parts: AsyncGenerator[bytes]) -> Any:
        response = web.StreamResponse()
        with suppress(ConnectionResetError):  # which aiohttp would log: the client has hung up
            async with aclosing(parts):
                await response.prepare(request)
                async for part in parts:
                    await response.write(part)
        return response

    async def stream(request: Any) -> Any:
        return await send(request, application.stream(request.match_info["pool"], number_in(request)))

    async def flow(request: Any) -> Any:
        return await send(request, application.flow(request.match_info["pool"]))

    async def plain(request: Any) -> Any:
        return web.Response(text=await anyio.to_thread.run_sync(application.plain, number_in(request)))

    async def hold(request: Any) -> Any:
        return web.Response(text=await application.hold(request.match_info["pool"]))

    async def release(_: Any) -> Any:
        return web.Response(text=application.release())

    async def held(_: Any) -> Any:
        return web.Response(text=application.held())

    async def stats(_: Any) -> Any:
        return web.Response(text=application.stats())

    async def around_all_requests(app: object) -> AsyncGenerator[None]:
        async with application.lifespan():
            yield

    app = web.Application()
    app.cleanup_ctx.append(around_all_requests)
    app.router.add_get("/square/{pool}/{number}", square)
    app.router.add_get("/stream/{pool}/{number}", stream)
    app.router.add_get("/flow/{pool}", flow)
    app.router.add_get("/plain/{number}", plain)
    app.router.add_get("/hold/{pool}", hold)
    app.router.add_get("/release", release)
    app.router.add_get("/held", held)
    app.router.add_get("/stats", stats)
    web.run_app(
        app,
        sock=socket.socket(fileno=fd),
        print=None,
        access_log=None,
        handler_cancellation=cancelling,
        shutdown_timeout=patience,
    )


if __name__ == "__main__":
    serve_with_aiohttp(int(sys.argv[1]), cancelling=sys.argv[2] == "cancelling", patience=float(sys.argv[3]))
