"""The Python of docs/asyncio.md runs, section by section, on real servers."""

from __future__ import annotations

import asyncio
import gc
import importlib
import inspect
import re
import signal
import socketserver
import subprocess
import sys
import threading
from collections.abc import AsyncGenerator, Callable, Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from time import monotonic
from typing import Any

import pytest

import ProxyPatternPool
from ProxyPatternPool import AsyncPool, PoolClosed

from ..postgres.support import Server
from .application import PATIENCE
from .support import ROOT, ask_asgi

PAGE = (ROOT / "docs" / "asyncio.md").read_text(encoding="utf-8")
SECTIONS = {part.partition("\n")[0].lstrip("# "): part for part in re.split(r"(?m)^(?=## )", PAGE)}
FIRST = "Tasks: asyncio, trio, anyio"


def blocks(section: str) -> list[str]:
    found: list[str] = re.findall(r"```python\n(.*?)```", SECTIONS[section], re.DOTALL)
    return found


Names = dict[str, Any]


def run(code: str, names: Names) -> Names:
    exec(compile(code, "docs/asyncio.md", "exec"), names)
    return names


class Writer:
    """Somebody who writes what the page shows, and has a server; he is given the names that are there then."""

    def __init__(self, conninfo: str) -> None:
        self._conninfo = conninfo

    def code(self, code: str, names: Names) -> Names:
        return run(re.sub("host=db.example dbname=orders|postgresql://db.example/orders", self._conninfo, code), names)

    def __call__(self, section: str, names: Names | None = None) -> Names:
        """Write a section, below the first of all, or below what there is."""
        if names is None:
            (first,) = blocks(FIRST)
            names = self.code(first, {"__name__": "__main__"})
        for block in blocks(section):
            self.code(block, names)
        return names


@pytest.fixture
def write(database: Server) -> Writer:
    return Writer(database.conninfo)


def test_every_section_is_tested() -> None:
    """A test of this module names each section that has Python in it."""
    tests = Path(__file__).read_text(encoding="utf-8")
    assert [name for name in SECTIONS if blocks(name) and name != FIRST and f'"{name}"' not in tests] == []


# Frameworks. --------------------------------------------------------------------------------------------------------


def is_closed(pool: AsyncPool[Any]) -> bool:
    stats = pool.stats()
    return stats["shutdown"] and stats["nobjs"] == 0


def test_fastapi(write: Writer) -> None:
    """The endpoint answers, and the dependency has its object until the response is sent, or with a scope, before."""
    names = write("FastAPI")
    app, pool = names["app"], names["pool"]
    depends = importlib.import_module("fastapi").Depends

    async def early(connection: Any) -> int:
        return int(await names["dependent"](connection))

    early.__annotations__ = {"connection": Any}
    early.__defaults__ = (depends(names["a_connection"], scope="function"),)
    app.get("/early")(early)
    lent: list[int] = []

    def count(message: Mapping[str, Any]) -> None:
        if message["type"] == "http.response.body":
            lent.append(pool.stats()["nusing"])

    async def main() -> None:
        async with app.router.lifespan_context(app):
            for path in "/answer", "/dependent", "/early":
                assert await ask_asgi(app, path, count) == (200, "42")

    asyncio.run(main())
    assert lent == [0, 1, 0]
    assert is_closed(pool)


def test_cancellation(write: Writer) -> None:
    """The query is cancelled, and its connection is closed: nobody else gets it."""
    names = write("Cancellation")
    pool = names["pool"]

    async def again() -> None:
        async with pool.obj() as connection:
            before = connection
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(names["report"](), 0.2)
        deadline = monotonic() + PATIENCE
        while not before.closed:  # a task of the pool closes it, for which nobody waits
            assert monotonic() < deadline
            await asyncio.sleep(0.01)
        async with pool.obj() as connection:
            assert connection is not before
        await pool.close()

    asyncio.run(again())


def test_starlette(write: Writer) -> None:
    """The endpoint answers, and the stream comes whole."""
    names = write("Starlette")

    async def main() -> None:
        async with names["app"].router.lifespan_context(names["app"]):
            assert await ask_asgi(names["app"], "/answer") == (200, "[42]")
            assert await ask_asgi(names["app"], "/numbers") == (200, "1\n2\n3\n")

    asyncio.run(main())
    assert is_closed(names["pool"])


def test_a_stream_whose_client_hangs_up(write: Writer) -> None:
    """Its object is back when the request has ended, though nothing collects garbage."""
    response = write("Starlette")["ClosingResponse"]
    pool = AsyncPool(lambda number: object(), 1)
    sent: list[Mapping[str, Any]] = []
    gone = asyncio.Event()

    async def parts() -> AsyncGenerator[bytes]:
        async with pool.obj():
            while True:
                yield b"part"

    async def receive() -> dict[str, str]:
        await gone.wait()
        return {"type": "http.disconnect"}

    async def send(message: Mapping[str, Any]) -> None:
        sent.append(message)
        if len(sent) == 3:
            gone.set()
            await asyncio.Event().wait()  # until it is cancelled

    async def main() -> None:
        await response(parts())({"type": "http", "asgi": {"spec_version": "2.3"}}, receive, send)
        assert len(sent) == 3
        assert (pool.stats()["nusing"], pool.stats()["navail"]) == (0, 1)
        await pool.close()

    gc.disable()
    try:
        asyncio.run(main())
    finally:
        gc.enable()


def test_aiohttp(write: Writer) -> None:
    """The handler answers."""
    names = write("aiohttp")
    utils = importlib.import_module("aiohttp.test_utils")

    async def main() -> None:
        async with utils.TestClient(utils.TestServer(names["app"])) as client:
            assert await (await client.get("/answer")).json() == [42]

    asyncio.run(main())
    assert is_closed(names["pool"])


def test_quart(write: Writer) -> None:
    """The view answers."""
    names = write("Quart")

    async def main() -> None:
        async with names["app"].test_app() as app:
            assert await (await app.test_client().get("/answer")).json == [42]

    asyncio.run(main())
    assert is_closed(names["pool"])


def test_workers(write: Writer, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    """All jobs are done, and none fails."""
    jobs: list[float | None] = []
    obj: Callable[..., Any] = vars(AsyncPool)["obj"]

    def counted(pool: AsyncPool[Any], timeout: float | None = None) -> Any:
        jobs.append(timeout)
        return obj(pool, timeout)

    monkeypatch.setattr(AsyncPool, "obj", counted)
    names = write("Workers")
    assert len(jobs) == 200
    assert caplog.messages == []
    assert is_closed(names["pool"])


def test_the_readme(write: Writer) -> None:
    """The section about tasks runs, and says what it gives."""
    section = (ROOT / "README.md").read_text(encoding="utf-8").partition("\n## Tasks\n")[2].partition("\n## ")[0]
    (code,) = re.findall(r"```py\n(.*?)```", section, re.DOTALL)
    names = write.code(code, {})
    assert is_closed(names["pool"])


def test_scripts(write: Writer) -> None:
    """A hundred tasks share ten connections."""
    names = write("Scripts")
    assert names["answers"] == [7 * number for number in range(100)]
    assert is_closed(names["pool"])


# Event loops. -------------------------------------------------------------------------------------------------------


class Echo(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        while received := self.request.recv(100):
            self.request.sendall(received)


@contextmanager
def echo() -> Generator[int]:
    """A server that answers what it is told."""
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Echo) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=[0.01])
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


def test_trio() -> None:
    """Ten tasks ask, and one is cancelled, whose stream is closed."""
    with echo() as port:
        (block,) = blocks("trio")
        names = run(block.replace('"echo.example", 7', f'"127.0.0.1", {port}'), {})
    assert sorted(names["answers"]) == [b"%d" % number for number in range(10)]
    assert is_closed(names["pool"])


def test_anyio() -> None:
    """The same on both event loops."""
    with echo() as port:
        (block,) = blocks("anyio")
        names = run(block.replace('"echo.example", 7', f'"127.0.0.1", {port}'), {})
    assert sorted(names["answers"]) == sorted([b"%d" % number for number in range(10)] * 2)


def test_which_pool(write: Writer) -> None:
    """A task and a thread use one pool."""
    names = write("Which pool", {})
    assert names["answers"] == [42, 42]
    names["plain"].close()


def test_drivers(write: Writer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each pool creates, checks, resets and closes a connection of its driver; ``What is awaited`` holds with it."""
    monkeypatch.chdir(tmp_path)
    pools: list[AsyncPool[Any]] = []
    for section in "Drivers", "What is awaited":
        assert len(blocks(section)) == (3 if section == "Drivers" else 1)
    for block in blocks("Drivers"):
        names = write.code(block, {})
        asyncio.run(check_one(names["pool"]))
        pools.append(write("What is awaited", names)["pool"])
    for pool in pools:
        assert pool.stats()["hook_errors"] == 0
        assert is_closed(pool)


async def check_one(pool: AsyncPool[Any]) -> None:
    async with pool.obj():
        pass
    await pool.housekeep()
    assert pool.stats()["navail"] == pool.stats()["nobjs"] == 1


def test_which_event_loop(write: Writer) -> None:
    """A second loop has a connection of its own, and counts anew; a pool that was closed stays closed."""
    names = write("Which event loop")
    assert (names["first"], names["second"]) == (42, 42)
    pool: AsyncPool[Any] = names["pool"]
    assert pool.stats()["ncreated"] == 0

    async def close() -> None:
        assert await names["ask"]() == 42
        await pool.close()

    asyncio.run(close())
    with pytest.raises(PoolClosed):
        asyncio.run(names["ask"]())


def test_tests(tmp_path: Path) -> None:
    """The fixture works in anyio's plugin."""
    (block,) = blocks("Tests")
    (tmp_path / "test_it.py").write_text(block, encoding="utf-8")
    command = [sys.executable, "-W", "error", "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_it.py"]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "1 passed" in ended.stdout


# From others, and when something is wrong. --------------------------------------------------------------------------


def test_names_for_those_who_come_from_other_pools() -> None:
    """What the tables say is ours exists."""
    ours = {*dir(AsyncPool), *inspect.signature(AsyncPool).parameters, *dir(ProxyPatternPool)}
    rows = re.findall(r"(?m)^\| [^|]+ \| ([^|]+) \|$", SECTIONS["From another pool"])
    assert len(rows) > 20
    for name in re.findall(r"`(?:async with pool\.)?(\w+)", " ".join(rows)):
        assert name in ours or name in {"async", "c"}, name


def test_what_is_committed(write: Writer) -> None:
    """What the table says to those who know psycopg_pool: only what is done in ``transaction()`` is kept."""
    pool: AsyncPool[Any] = write.code(blocks(FIRST)[0], {})["pool"]

    async def main() -> list[tuple[int]]:
        async with pool:
            async with pool.obj() as c, c.transaction():
                await c.execute("CREATE TABLE kept (number int)")
                await c.execute("INSERT INTO kept VALUES (1)")
            async with pool.obj() as c:
                await c.execute("INSERT INTO kept VALUES (2)")
            async with pool.obj() as c:
                cursor = await c.execute("SELECT number FROM kept")
                rows: list[tuple[int]] = await cursor.fetchall()
                return rows

    assert "`async with pool.obj() as c, c.transaction():`" in SECTIONS["From another pool"]
    assert asyncio.run(main()) == [(1,)]


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGUSR1")
def test_when_tasks_hang(write: Writer, capsys: pytest.CaptureFixture[str]) -> None:
    """The task that waits for itself is named, and says so."""
    before = signal.getsignal(signal.SIGUSR1)
    try:
        write("When tasks hang")
    finally:
        signal.signal(signal.SIGUSR1, before)
    printed = capsys.readouterr().out
    first, _, last = blocks("When tasks hang")[0].rpartition("\n# ")[2].strip().partition(", …; ")
    assert printed.startswith(first)
    assert printed.endswith(f"{last}\n")
    assert "to task 'billing'" in printed
