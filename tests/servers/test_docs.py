"""The Python of docs/servers.md runs, block by block, on a real server."""

from __future__ import annotations

import asyncio
import importlib
import re
import sys
import warnings
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import psycopg
import pytest
from flask import Flask

from ProxyPatternPool import Pool, control, proxy

from ..postgres.support import Conn, Server
from .application import PATIENCE
from .support import ask_asgi

PAGE = (Path(__file__).parents[2] / "docs" / "servers.md").read_text(encoding="utf-8")


class Reader:
    """Somebody who writes what the page shows, with what the page takes for granted."""

    def __init__(self, conninfo: str) -> None:
        self._conninfo = conninfo
        self._blocks = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
        self.names: dict[str, Any] = {"__name__": "__main__", "db": proxy(), "ldap": proxy()}
        self.pools: list[Pool[Any]] = []
        self._connections: list[Conn] = []

    def connect(self, number: int) -> Conn:
        connection: Conn = psycopg.connect(self._conninfo)
        self._connections.append(connection)
        return connection

    def write(self, what: str) -> None:
        """Write the next block, in which this is to be found."""
        block = self._blocks.pop(0)
        assert what in block
        block = block.replace('"host=db.example dbname=orders"', repr(self._conninfo))
        before = self.names["db"]
        exec(compile(block, "docs/servers.md", "exec"), self.names)
        if self.names["db"] is not before:
            control(self.names["db"]).set_fun(self.connect)
            pool = control(self.names["db"]).pool
            assert pool is not None
            self.pools.append(pool)

    def answer(self) -> dict[str, int]:
        """A view, with a transaction that it does not end."""
        (number,) = self.names["db"].execute("SELECT 6 * 7").fetchone()
        return {"answer": number}

    def close(self) -> None:
        """Come to an end: nothing was left to read, and nothing is lent."""
        assert not self._blocks
        for pool in self.pools:
            pool.shutdown(PATIENCE)
            assert pool.stats()["nusing"] == 0
        for connection in self._connections:  # one block leaves the closer to its reader
            connection.close()


async def in_lifespan(names: dict[str, Any], path: str) -> tuple[int, str]:
    """Ask the application once, as long as it lives; at its end nothing is lent, and the connections are closed."""
    async with names["lifespan"](names["app"]):
        answer = await ask_asgi(names["app"], path)
        pool = control(names["orders"]).apool
        assert pool is not None
        assert pool.stats()["nusing"] == 0
    assert pool.stats()["nobjs"] == 0
    return answer


@pytest.mark.skipif(sys.platform == "win32", reason="there is no fork")
def test_its_python_runs(database: Server) -> None:
    """Each block does what is said of it."""
    reader = Reader(database.conninfo)
    names = reader.names
    flask = Flask("first")
    flask.get("/")(reader.answer)
    names["application"] = flask.wsgi_app
    reader.write("ReturnMiddleware(application, db, ldap)")
    reader.write("max_size=4")
    reader.write("def alive")

    for part in "ReturnMiddleware(app.wsgi_app, db)", "@app.teardown_appcontext":
        names["app"] = flask = Flask("second")
        flask.get("/")(reader.answer)
        reader.write(part)
        assert flask.test_client().get("/", buffered=True).json == {"answer": 42}
        assert not control(names["db"]).has()
        with flask.test_client().get("/") as response:
            assert response.json == {"answer": 42}
            assert control(names["db"]).has() is ("Middleware" in part)  # the response is not closed yet
        assert not control(names["db"]).has()

    reader.write("@returning(db, ldap)")
    assert not control(names["db"]).has()

    names["app"] = importlib.import_module("fastapi").FastAPI()
    reader.write('@app.get("/answer")')
    reader.write('@app.get("/async")')
    for path in "/answer", "/async":
        assert asyncio.run(ask_asgi(names["app"], path)) == (200, "42")

    reader.write("acquire=True")
    assert asyncio.run(in_lifespan(names, "/orders")) == (200, "42")
    reader.write("aobj()")
    names["app"] = app = importlib.import_module("fastapi").FastAPI()
    an_order = importlib.import_module("fastapi").Depends(names["an_order"])

    async def dependent(connection: Any = an_order) -> int:
        assert control(names["orders"]).get() is connection
        (number,) = await (await names["orders"].execute("SELECT 6 * 7")).fetchone()
        return int(number)

    app.get("/dependent")(dependent)
    control(names["orders"]).set_fun(names["connect"])
    assert asyncio.run(in_lifespan(names, "/dependent")) == (200, "42")

    names["pool"] = Pool(reader.connect, 2, closer=lambda connection: connection.close())
    reader.pools.append(names["pool"])
    with warnings.catch_warnings():
        reader.write("warnings.filterwarnings")
        reader.write("multiprocessing.get_context")
        process: BaseProcess = names["process"]
        process.start()
    process.join(PATIENCE)
    assert process.exitcode == 0
    reader.close()
