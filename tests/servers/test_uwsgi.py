"""uWSGI forks in C, from a master that has used the proxy: its workers have connections of their own, and so has it."""

from __future__ import annotations

import json
import sys
import time
from collections import defaultdict
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from http.client import HTTPException
from pathlib import Path
from threading import Event

import pytest

from ..postgres.support import Server
from ..unit.helpers import eventually
from .application import Way
from .support import CLIENTS, REQUESTS, ROOT, Answer, Client, Running, all_answers, served

WORKERS = 2
THREADS = 4
UWSGI = Path(sys.executable).with_name("uwsgi")

answers_before_3_13 = pytest.mark.skipif(
    sys.version_info >= (3, 13),
    reason="every worker of uWSGI ends with this option on Python 3.13, whatever it serves",
)
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there is no uWSGI")


class Book:
    """What processes have noted: who opened and closed which backend."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self, event: str) -> dict[int, list[int]]:
        """The backends of an event, by process."""
        found: defaultdict[int, list[int]] = defaultdict(list)
        for line in self.path.read_text().splitlines():
            process, what, backend = line.split()
            if what == event:
                found[int(process)].append(int(backend))
        return found

    def each_closes_its_own(self) -> None:
        opened, closed = self.read("opened"), self.read("closed")
        for process, backends in closed.items():
            assert len(set(backends)) == len(backends), "closed twice"
            assert set(backends) <= set(opened[process]), "closed what another had opened"


@contextmanager
def running(log: Path, application: str, environment: dict[str, str], *options: str) -> Generator[Running]:
    """Run uWSGI with two workers; what it says is in its log, and nothing is wrong there."""

    def command(fd: int) -> list[str]:
        common = ["--http-socket", f"fd://{fd}", "--module", f"tests.servers.scripts.{application}:app", "--need-app"]
        common += ["--master", "--processes", str(WORKERS), "--die-on-term", "--home", sys.prefix]
        common += ["--pythonpath", str(ROOT), "--disable-logging", "--logto", str(log)]
        return [*common, *options]

    try:
        with served(command, environment, program=str(UWSGI)) as server:
            yield server
            # A worker that is still busy with what comes after its last answer calls no exit functions.
            time.sleep(0.5)
            server.terminate()
            server.ends(r"uwsgi socket 0 inherited .*\n")  # before it has its log
    finally:
        print(log.read_text())
    assert "Traceback" not in log.read_text()


@contextmanager
def uwsgi(
    database: Server,
    book: Book,
    *options: str,
    way: Way = "nothing",
    least: int = 2,
    idle: float = 60.0,
    hook: str = "",
) -> Generator[Running]:
    environment = {
        "CONNINFO": database.conninfo,
        "SIZE": "2",
        "MIN": str(least),
        "IDLE": str(idle),
        "WAY": way,
        "BOOK": str(book.path),
        "HOOK": hook,
    }
    with running(book.path.with_name("log"), "uwsgi_app", environment, *options) as server:
        yield server
    book.each_closes_its_own()


@pytest.fixture
def book(tmp_path: Path) -> Book:
    return Book(tmp_path / "book")


def ask(server: Running, number: int) -> tuple[int, int]:
    """Ask for a square; which process has answered, and which backend."""
    status, text = server.ask(f"/{number}")
    assert status == 200, text
    square, process, backend = json.loads(text)
    assert square == number * number
    return process, backend


def all_workers(server: Running) -> set[int]:
    """Ask until each worker has answered."""
    workers: set[int] = set()

    def are_there() -> bool:
        workers.update(process for process, _ in all_answers(lambda number: ask(server, number), CLIENTS))
        return len(workers) == WORKERS

    eventually(are_there)
    return workers


@pytest.mark.parametrize(
    ("options", "way", "hook"),
    [
        ([], "nothing", ""),
        ([], "nothing", "uwsgidecorators"),
        (["--enable-threads"], "nothing", ""),
        pytest.param(["--enable-threads", "--py-call-osafterfork"], "nothing", "", marks=answers_before_3_13),
        (["--enable-threads", "--py-call-uwsgi-fork-hooks"], "nothing", ""),
        (["--threads", str(THREADS), "--py-call-uwsgi-fork-hooks"], "middleware", "uwsgidecorators"),
        (["--enable-threads", "--lazy-apps"], "nothing", ""),
    ],
)
def test_uwsgi(database: Server, book: Book, options: list[str], way: Way, hook: str) -> None:
    """500 right answers, no connection of one process in another, and each closes in the end what it has opened."""
    with uwsgi(database, book, *options, way=way, hook=hook) as server:
        workers = all_workers(server)
        served_by: dict[int, int] = {}
        for process, backend in all_answers(lambda number: ask(server, number), REQUESTS):
            assert served_by.setdefault(backend, process) == process, "a connection in two processes"
    opened, closed = book.read("opened"), book.read("closed")
    for backend, process in served_by.items():
        assert backend in opened[process], "a connection of another process"
    for process in workers:
        assert sorted(closed[process]) == sorted(opened[process]), "not all that a worker has opened was closed"
    assert set(book.read("forked")) == (workers if hook else set())
    eventually(lambda: not database.backends())


@pytest.mark.parametrize("options", [["--enable-threads"], []])
def test_maintenance(database: Server, book: Book, options: list[str]) -> None:
    """A worker process does maintenance: with threads enabled at all times, and else while it answers requests."""
    with uwsgi(database, book, *options, way="middleware", least=0, idle=0.1) as server:
        workers = all_workers(server)

        def kept() -> bool:
            if not options:
                all_answers(lambda number: server.ask("/work"), CLIENTS, 4)
            return workers <= book.read("closed").keys()

        eventually(kept)


def test_ends_while_busy(database: Server, book: Book) -> None:
    """With the hook of docs/servers.md workers that are busy close all that they have opened when the server ends."""
    options = "--threads", str(THREADS), "--lazy-apps", "--hook-master-start", "unix_signal:15 gracefully_kill_them_all"
    with (
        uwsgi(database, book, *options, way="middleware") as server,
        ThreadPoolExecutor(CLIENTS) as clients,
    ):
        workers, ended = all_workers(server), Event()

        def keep_busy() -> None:
            with suppress(OSError, HTTPException):
                while not ended.is_set():
                    assert server.ask("/work").status == 200

        busy = [clients.submit(keep_busy) for _ in range(CLIENTS)]
        assert server.ask("/work").status == 200
        server.terminate()
        eventually(lambda: book.read("closed").keys() >= workers)
        ended.set()
        for each in busy:
            each.result()
    opened, closed = book.read("opened"), book.read("closed")
    assert [sorted(closed[each]) for each in workers] == [sorted(opened[each]) for each in workers]


class Separate(Client):
    """A client on a connection for each request: this server keeps none open. It has one worker here."""

    def __init__(self, server: Running, database: Server) -> None:
        super().__init__(server, database)
        self.close()
        self._server = server

    def ask(self, path: str) -> Answer:
        return self._server.ask(path)


@pytest.mark.parametrize("way", ["middleware", "nothing"])
def test_transactions(database: Server, tmp_path: Path, way: Way) -> None:
    """With the middleware a failed statement, and a killed backend, fail once; without it all that follow fail."""
    environment = {"CONNINFO": database.conninfo, "ORDER": f"AUTO {way} unchecked"}
    with running(tmp_path / "log", "worker", environment, "--processes", "1", "--lazy-apps") as server:
        client = Separate(server, database)
        assert client.square(7)
        assert client.ask("/fail").status == 500
        assert client.squares() == [way == "middleware"] * 5
        client.kill()
        assert client.squares()[1:] == [way == "middleware"] * 4
