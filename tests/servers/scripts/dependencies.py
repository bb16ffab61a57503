"""A FastAPI application with a dependency, served by uvicorn.

``python -m tests.servers.scripts.dependencies FD SCOPE SIZE``. The dependency is a generator with a block in it.

The framework takes it through its steps in threads that are kept, each step in whichever is free, and in a copy of the
request's context. ``SIZE`` 0: without a pool.
"""

from __future__ import annotations

import faulthandler
import importlib
import logging
import socket
import sys
import threading
import time
from collections.abc import Generator
from typing import Any

from ProxyPatternPool import Scope, control, proxy

from ..application import LIFE, PATIENCE, Desk

fastapi: Any = importlib.import_module("fastapi")
uvicorn: Any = importlib.import_module("uvicorn")


class Lines(logging.Handler):
    """Keeps what is logged."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


def application(scope: Scope, size: int | None, stopped: threading.Event) -> Any:
    app = fastapi.FastAPI()
    db: Desk = proxy(fun=Desk, scope=scope, max_size=size, timeout=PATIENCE, name="db")
    log = Lines()
    logging.getLogger("ppp").addHandler(log)
    logging.getLogger("ppp").propagate = False

    def connection() -> Generator[Desk, None, None]:
        with control(db).obj() as c:
            yield c

    def square(number: int, c: Any) -> int:
        request = str(number)
        c.begin(request)
        time.sleep(0.002)  # so that others come meanwhile
        answer = c.square(request, number)
        c.end(request)
        return int(answer)

    square.__annotations__ = {"number": int, "c": Any}
    square.__defaults__ = (fastapi.Depends(connection),)

    def stats() -> dict[str, int]:
        pool = control(db).pool
        return {"in use": 0 if pool is None else pool.stats()["nusing"]}

    def said() -> list[str]:
        return log.lines

    def stop() -> str:
        stopped.set()
        return "stopped"

    app.get("/square/{number}")(square)
    app.get("/stats")(stats)
    app.get("/said")(said)
    app.get("/stop")(stop)
    return app


def main(fd: str, scope: str, size: str) -> None:
    stopped = threading.Event()
    app = application(Scope[scope], int(size) or None, stopped)
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", access_log=False, lifespan="off"))

    def stop() -> None:
        assert stopped.wait(LIFE)
        server.should_exit = True  # when the last answer is sent

    threading.Thread(target=stop).start()
    server.run(sockets=[socket.socket(fileno=int(fd))])
    print("closed")


faulthandler.dump_traceback_later(LIFE + 5, exit=True)  # a server that hangs says where, and fails
main(*sys.argv[1:])
faulthandler.cancel_dump_traceback_later()
