"""ASGI applications, served by uvicorn: ``python -m tests.servers.scripts.asgi KIND FD APPLICATION ORDER…``.

KIND is ``fastapi`` or ``starlette``. ``/square/7`` is answered by a plain function, in a thread of the framework's;
``/async/7`` by a coroutine that has such a function called in a thread.
"""

from __future__ import annotations

import asyncio
import faulthandler
import importlib
import json
import socket
import sys
import threading
from typing import Any

from ..application import LIFE, Application, ordered
from ..transactions import Transactions

uvicorn: Any = importlib.import_module("uvicorn")


def fastapi(application: Application) -> Any:
    app = importlib.import_module("fastapi").FastAPI()

    def square(number: int) -> int:
        return application.square(number)

    async def square_in_thread(number: int) -> int:
        return await asyncio.to_thread(application.square, number)

    def stats() -> dict[str, int]:
        return application.stats()

    def stop() -> str:
        application.stopped.set()
        return "stopped"

    app.get("/square/{number}")(square)
    app.get("/async/{number}")(square_in_thread)
    app.get("/stats")(stats)
    app.get("/stop")(stop)
    return app


def starlette(application: Application) -> Any:
    routing = importlib.import_module("starlette.routing")
    text = importlib.import_module("starlette.responses").PlainTextResponse

    def square(request: Any) -> Any:
        return text(str(application.square(request.path_params["number"])))

    async def square_in_thread(request: Any) -> Any:
        return text(str(await asyncio.to_thread(application.square, request.path_params["number"])))

    def stats(request: Any) -> Any:
        return text(json.dumps(application.stats()))

    def stop(request: Any) -> Any:
        application.stopped.set()
        return text('"stopped"')

    routes = {"/square/{number:int}": square, "/async/{number:int}": square_in_thread, "/stats": stats, "/stop": stop}
    return importlib.import_module("starlette.applications").Starlette(
        routes=[routing.Route(path, endpoint) for path, endpoint in routes.items()]
    )


def transactions(application: Transactions, kind: str) -> Any:
    """A plain function for all paths."""
    text = importlib.import_module("starlette.responses").PlainTextResponse

    def respond(path: str) -> Any:
        if path == "stop":
            application.stopped.set()
        code, answer = application.respond(f"/{path}")
        return text(answer, code)

    if kind == "fastapi":
        app = importlib.import_module("fastapi").FastAPI()
        app.get("/{path:path}")(respond)
        return app
    route = importlib.import_module("starlette.routing").Route

    def endpoint(request: Any) -> Any:
        return respond(request.path_params["path"])

    return importlib.import_module("starlette.applications").Starlette(routes=[route("/{path:path}", endpoint)])


def main(kind: str, fd: str, *order: str) -> None:
    application = ordered(*order)
    if isinstance(application, Transactions):
        app = transactions(application, kind)
    else:
        assert isinstance(application, Application)
        app = fastapi(application) if kind == "fastapi" else starlette(application)
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", access_log=False, lifespan="off"))

    def stop() -> None:
        assert application.stopped.wait(LIFE)
        server.should_exit = True  # when the last answer is sent

    threading.Thread(target=stop).start()
    server.run(sockets=[socket.socket(fileno=int(fd))])
    application.close()
    print("closed")


faulthandler.dump_traceback_later(LIFE + 5, exit=True)  # a server that hangs says where, and fails
main(*sys.argv[1:])
faulthandler.cancel_dump_traceback_later()
