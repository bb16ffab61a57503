"""Proxies of ASGI applications, on real servers: 500 requests through pools of two; a fifth of the clients hang up."""

from __future__ import annotations

import signal
from contextlib import ExitStack, closing

import pytest

from ..unit.helpers import eventually
from .application import SIZE
from .support import REQUESTS, Answer, Running, all_answers, hypercorn, right, uvicorn
from .test_tasks import Kind, hang_up, running

APPLICATION = "tests.servers.proxy_apps:application"
SILENT = "--log-level", "critical"


KINDS = {
    "uvicorn": Kind(uvicorn(APPLICATION, *SILENT, "--loop", "asyncio"), code=-signal.SIGTERM),
    "uvicorn-uvloop": Kind(uvicorn(APPLICATION, *SILENT, "--loop", "uvloop"), code=-signal.SIGTERM),
    "hypercorn-trio": Kind(hypercorn(APPLICATION, *SILENT, "--worker-class", "trio")),
}

PATHS = "acquired/square", "own/stream", "own/square", "own/plain"


def visit(server: Running, number: int) -> Answer:
    """Do what the client of a number does; what he should be told."""
    path = f"/{PATHS[number % len(PATHS)]}/{number}"
    if number % 5 == 0:
        hang_up(server, path, after_first_part=number % 3 == 0)
        return Answer(*right(number))
    status, text = server.ask(path)
    return Answer(status, text.strip())


@pytest.mark.parametrize("name", KINDS)
def test_requests(name: str) -> None:
    """Tasks that have their object before they begin, that take it, that stream, and plain functions in threads."""
    with running(KINDS[name]) as server:
        assert all_answers(lambda number: visit(server, number)) == [right(number) for number in range(REQUESTS)]
        stats = server.comes_to_rest()
        assert (stats["waiting"], stats["failures"]) == (0, 0)
        assert stats["alive"] <= 2 * SIZE


@pytest.mark.parametrize("name", KINDS)
def test_failures_and_clients_who_hang_up(name: str) -> None:
    """An endpoint that raises, and a stream without an end whose client goes: their objects are given back."""
    with running(KINDS[name]) as server, ExitStack() as stack:
        for _ in range(2 * SIZE):
            status, _text = server.ask("/acquired/failing")
            assert status == 500
        assert server.comes_to_rest()["in use"] == 0
        for _ in range(SIZE):
            connection = stack.enter_context(closing(server.connect()))
            connection.request("GET", "/own/flow")
            assert connection.getresponse().read(4) == b"drop"
        assert server.stats()["in use"] == SIZE
        stack.close()
        eventually(lambda: server.stats()["in use"] == 0)
        assert server.ask("/acquired/square/3") == right(3)
