"""What the tests share: a server in a process of its own, and clients that ask it."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Generator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from http.client import HTTPConnection
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from ..unit.helpers import eventually
from .application import PATIENCE

if TYPE_CHECKING:
    from ..postgres.support import Server

R = TypeVar("R")

ROOT = Path(__file__).parents[2]
CLIENTS = 16
REQUESTS = 500


class Answer(NamedTuple):
    status: int
    text: str


class Running:
    """A server in a process of its own, which has a socket of ours: one can connect before it listens to it."""

    def __init__(self, process: subprocess.Popen[str], port: int) -> None:
        self._process = process
        self.process_id = process.pid
        self.port = port

    def connect(self) -> HTTPConnection:
        return HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)

    def ask(self, path: str) -> Answer:
        """Ask once, on a connection of its own."""
        with closing(self.connect()) as connection:
            return ask(connection, path, last=True)

    def stats(self) -> dict[str, int]:
        status, text = self.ask("/stats")
        assert status == 200, text
        stats: dict[str, int] = json.loads(text)
        return stats

    def comes_to_rest(self) -> dict[str, int]:
        """Wait until all objects are back; what is there then."""
        eventually(lambda: self.stats()["in use"] == 0)
        return self.stats()

    def stop(self) -> None:
        """Have it stop as it likes to, with nothing lost and nothing to say."""
        assert self.ask("/stop") == (200, "stopped")
        assert self.ends() == "closed\n"

    def ends(self, errors_are: str = "", code: int = 0) -> str:
        """Wait for its end, in silence on stderr, or with what matches a pattern; what it printed."""
        output, errors = self._process.communicate(timeout=PATIENCE)
        assert self._process.returncode == code, f"exit {self._process.returncode}\n{output}\n{errors}"
        assert re.fullmatch(errors_are, errors), errors
        return output

    def terminate(self) -> None:
        self._process.terminate()


def ask(connection: HTTPConnection, path: str, last: bool = False) -> Answer:
    """Ask on a connection, which stays open unless it is the last time."""
    connection.request("GET", path, headers={"Connection": "close"} if last else {})
    response = connection.getresponse()
    return Answer(response.status, response.read().decode())


def threads_command(server: str, threads: int, *order: str) -> Callable[[int], list[str]]:
    """How to run a server in threads, with an application."""
    script = "tests.servers.scripts.threads"
    return lambda fd: ["-W", "error", "-m", script, server, str(fd), str(threads), *order]


def hubs_command(hub: str, mode: str, *order: str) -> Callable[[int], list[str]]:
    """How to run a server in greenlets, with an application."""
    return lambda fd: ["-W", "error", "-m", "tests.servers.scripts.hubs", hub, mode, str(fd), *order]


def asgi_command(kind: str, *order: str) -> Callable[[int], list[str]]:
    """How to have uvicorn serve an application that is made with FastAPI or Starlette."""
    return lambda fd: ["-W", "error", "-m", "tests.servers.scripts.asgi", kind, str(fd), *order]


def uvicorn(factory: str, *options: str) -> Callable[[int], list[str]]:
    """How to run uvicorn by its own command line, with ``module:factory``; its output is for what goes wrong."""
    fixed = "--factory", "--no-access-log", "--log-level", "warning", "--lifespan", "on"
    return lambda fd: ["-m", "uvicorn", factory, "--fd", str(fd), *fixed, *options]


def hypercorn(factory: str, *options: str) -> Callable[[int], list[str]]:
    """The same for hypercorn."""
    return lambda fd: ["-m", "hypercorn", f"{factory}()", "--bind", f"fd://{fd}", "--log-level", "warning", *options]


@contextmanager
def served(
    command: Callable[[int], list[str]], environment: Mapping[str, str] | None = None, program: str = sys.executable
) -> Generator[Running]:
    """Run a server: with the program's arguments, which depend on the number of the socket."""
    with socket.create_server(("127.0.0.1", 0), backlog=128) as listener:
        fd = listener.fileno()
        process = subprocess.Popen(
            [program, *command(fd)],
            pass_fds=[fd],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env={**os.environ, **(environment or {})},
            start_new_session=True,
        )
        port: int = listener.getsockname()[1]
    with process:
        try:
            yield Running(process, port)
        except BaseException:
            kill(process)
            # Closed if it has ended, and said all it had to say.
            if process.stderr is not None and not process.stderr.closed:
                print(process.stderr.read(), file=sys.stderr)
            raise
        finally:
            kill(process)


def kill(process: subprocess.Popen[str]) -> None:
    """End a process that is still there, with all that it has forked."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def all_answers(ask_for: Callable[[int], R], requests: int = REQUESTS, clients: int = CLIENTS) -> list[R]:
    """Ask for each number, many at a time."""
    with ThreadPoolExecutor(clients) as executor:
        return list(executor.map(ask_for, range(requests), timeout=50))


def squares(server: Running) -> None:
    """Ask for 500 squares, every third streamed, on a connection each: all must be right."""

    def ask_for(number: int) -> Answer:
        return server.ask(f"/{'square' if number % 3 else 'stream'}/{number}")

    answers = all_answers(ask_for)
    wrong = [answer for number, answer in enumerate(answers) if (answer.status, answer.text.strip()) != right(number)]
    assert not wrong, f"{len(wrong)} wrong, the first: {wrong[0].status} {wrong[0].text}"


def right(number: int) -> tuple[int, str]:
    return 200, str(number * number)


class Client:
    """One client, who keeps his connection open where the server lets him."""

    def __init__(self, server: Running, database: Server) -> None:
        self._database = database
        self._connection = server.connect()
        self.backend = 0
        self.time = ""

    def ask(self, path: str) -> Answer:
        return ask(self._connection, path)

    def square(self, number: int) -> bool:
        """Ask for a square; say whether it came, and remember who answered, and in which transaction."""
        status, text = self.ask(f"/square/{number}")
        if status == 200:
            square, self.time, self.backend = json.loads(text)
            assert square == number * number
        return status == 200

    def squares(self) -> list[bool]:
        return [self.square(number) for number in range(5)]

    def kill(self) -> None:
        """Kill the backend that answered last, as an administrator does, and a restart."""
        self._database.terminate([self.backend])

    def close(self) -> None:
        self._connection.close()


def ignore(message: Mapping[str, Any]) -> None:
    """Do nothing about a message."""


async def ask_asgi(app: Any, path: str, sending: Callable[[Mapping[str, Any]], None] = ignore) -> tuple[int, str]:
    """Ask an ASGI application, as a server does."""
    status, text = 0, b""

    received = False

    async def receive() -> dict[str, object]:
        nonlocal received
        if received:
            await asyncio.Event().wait()  # the client stays
        received = True
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        nonlocal status, text
        sending(message)
        status = message.get("status", status)
        text += message.get("body", b"")

    scope: dict[str, object] = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [(b"host", b"localhost")],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 2),
    }
    await app(scope, receive, send)
    return status, text.decode()
