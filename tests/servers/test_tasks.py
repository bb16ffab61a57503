"""Real servers whose requests are tasks: 500 requests through a pool of two, with clients who hang up in the middle."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable, Generator
from contextlib import ExitStack, closing, contextmanager
from functools import partial
from http.client import HTTPConnection
from typing import NamedTuple

import pytest

from ..unit.helpers import eventually
from .application import PATIENCE, SIZE
from .support import REQUESTS, Answer, Running, all_answers, ask, hypercorn, right, served, uvicorn

APPS = "tests.servers.task_apps"
POOLS = "tasks", "both"


class Kind(NamedTuple):
    """A server, and a framework."""

    command: Callable[[int], list[str]]
    """How to run it, with the number of the socket."""
    cancels: bool = False
    """Whether an endpoint is cancelled when its client hangs up."""
    code: int = 0
    """With what it ends after a SIGTERM."""


def aiohttp(mode: str, patience: float = PATIENCE) -> Callable[[int], list[str]]:
    return lambda fd: ["-m", APPS, str(fd), mode, str(patience)]


KINDS = {
    "uvicorn-starlette": Kind(uvicorn(f"{APPS}:starlette", "--loop", "asyncio"), code=-signal.SIGTERM),
    "uvicorn-fastapi": Kind(uvicorn(f"{APPS}:fastapi", "--loop", "uvloop"), code=-signal.SIGTERM),
    "hypercorn-asyncio": Kind(hypercorn(f"{APPS}:starlette")),
    "hypercorn-trio": Kind(hypercorn(f"{APPS}:starlette", "--worker-class", "trio")),
    "hypercorn-quart": Kind(hypercorn(f"{APPS}:quart"), cancels=True),
    "aiohttp": Kind(aiohttp("finishing")),
    "aiohttp-cancelling": Kind(aiohttp("cancelling"), cancels=True),
}

IMPATIENT = {
    "uvicorn": Kind(uvicorn(f"{APPS}:starlette", "--timeout-graceful-shutdown", "1"), code=-signal.SIGTERM),
    "hypercorn-trio": Kind(hypercorn(f"{APPS}:starlette", "--graceful-timeout", "1", "--worker-class", "trio")),
    "aiohttp": Kind(aiohttp("finishing", 1.0)),
}
"""Those that are told to wait for one second only when they are to stop."""
if sys.version_info < (3, 12):  # from then on it waits for all connections first, without a limit
    IMPATIENT["hypercorn-asyncio"] = Kind(hypercorn(f"{APPS}:starlette", "--graceful-timeout", "1"))


@contextmanager
def running(kind: Kind) -> Generator[Running]:
    with served(lambda fd: ["-W", "error", *kind.command(fd)]) as server:
        yield server
        server.terminate()
        assert server.ends(code=kind.code) == "closed\n"


def hang_up(server: Running, path: str, *, after_first_part: bool) -> None:
    with closing(server.connect()) as connection:
        connection.request("GET", path)
        if after_first_part:
            connection.getresponse().read(1)


def visit(server: Running, pool: str, number: int) -> Answer:
    """Do what the client of a number does; what he should be told."""
    if number % 5 == 0:
        hang_up(server, f"/{'stream' if number % 2 else 'square'}/{pool}/{number}", after_first_part=number % 3 == 0)
        return Answer(*right(number))
    what = "plain" if pool == "both" and number % 5 == 1 else f"{'stream' if number % 5 == 2 else 'square'}/{pool}"
    status, text = server.ask(f"/{what}/{number}")
    return Answer(status, text.strip())


def at_rest(server: Running) -> dict[str, int]:
    """What there is when all objects are back, and those that were used up are replaced."""
    eventually(lambda: server.stats()["idle"] == SIZE * len(POOLS))
    return server.stats()


@pytest.mark.parametrize("name", KINDS)
def test_requests(name: str) -> None:
    """500 requests to each pool, a fifth of whose clients hang up: answers are right, and nothing is lost or shared."""
    with running(KINDS[name]) as server:
        for pool in POOLS:
            answers = all_answers(partial(visit, server, pool))
            assert answers == [right(number) for number in range(REQUESTS)]
        stats = at_rest(server)
        assert (stats["in use"], stats["waiting"], stats["failures"]) == (0, 0, 0)
        assert stats["objects"] == stats["alive"] == SIZE * len(POOLS)


@pytest.mark.parametrize("name", KINDS)
def test_a_client_who_hangs_up(name: str) -> None:
    """A stream ends then. Some servers cancel the endpoint, others have it go on: its object comes back either way."""
    with running(KINDS[name]) as server, ExitStack() as stack:
        cancels = KINDS[name].cancels
        for pool in POOLS:
            stack.enter_context(closing(server.connect())).request("GET", f"/hold/{pool}")
            flow = stack.enter_context(closing(server.connect()))
            flow.request("GET", f"/flow/{pool}")
            assert flow.getresponse().read(4) == b"drop"
        eventually(lambda: server.stats()["in use"] == 2 * len(POOLS))
        stack.close()
        eventually(lambda: server.stats()["in use"] == (0 if cancels else len(POOLS)))
        if not cancels:
            for _ in range(20):
                assert server.stats()["in use"] == len(POOLS)
            assert server.ask("/release") == (200, "released")
        at_rest(server)
        assert json.loads(server.ask("/held").text) == ["CancelledError" if cancels else "finished"] * len(POOLS)


def hold_all(server: Running, stack: ExitStack) -> list[HTTPConnection]:
    """Have more requests under way than there are objects, when the server is told to stop."""
    connections = [stack.enter_context(closing(server.connect())) for _ in range(len(POOLS) * (SIZE + 1))]
    for number, connection in enumerate(connections):
        connection.request("GET", f"/hold/{POOLS[number % len(POOLS)]}")

    def all_have_come() -> bool:
        stats = server.stats()
        return (stats["in use"], stats["waiting"]) == (len(POOLS) * SIZE, len(POOLS))

    eventually(all_have_come)
    idle = stack.enter_context(closing(server.connect()))
    assert ask(idle, "/held") == (200, "[]")
    server.terminate()
    assert idle.sock.recv(1) == b""  # the first that a server does
    return connections


@pytest.mark.parametrize("name", KINDS)
def test_a_stop_with_requests_under_way(name: str) -> None:
    """Those that have an object finish, those that wait get one, and when they have all ended the pools are closed."""
    kind = KINDS[name]
    with served(lambda fd: ["-W", "error", *kind.command(fd)]) as server, ExitStack() as stack:
        process = server.stats()["process"]
        connections = hold_all(server, stack)
        os.kill(process, signal.SIGUSR1)
        for connection in connections:
            response = connection.getresponse()
            assert (response.status, response.read()) == (200, b"held")
        assert server.ends(code=kind.code) == "closed\n"


@pytest.mark.parametrize("name", IMPATIENT)
def test_a_stop_that_cancels_requests(name: str) -> None:
    """Requests that do not end in time are cancelled by the server: the pools are closed, and nothing hangs."""
    kind = IMPATIENT[name]
    with served(lambda fd: ["-W", "error", *kind.command(fd)]) as server, ExitStack() as stack:
        hold_all(server, stack)
        assert server.ends("(?s).*", kind.code) == "closed\n"


def test_several_workers() -> None:
    """Each process of a server has pools of its own, and closes them."""
    command = uvicorn(f"{APPS}:fastapi", "--workers", "2")
    quiet = "-W", "ignore:unclosed:ResourceWarning"  # of uvicorn's own socket
    with served(lambda fd: ["-W", "error", *quiet, *command(fd)]) as server:
        answers = all_answers(partial(visit, server, "tasks"))
        assert answers == [right(number) for number in range(REQUESTS)]
        processes: set[int] = set()

        def both_have_answered() -> bool:
            processes.add(server.stats()["process"])
            return len(processes) == 2

        eventually(both_have_answered)
        server.terminate()
        assert server.ends() == "closed\n" * 2
