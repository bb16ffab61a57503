"""FastAPI and Starlette, as docs/servers.md says: plain functions, and a context for each."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

import pytest

from ProxyPatternPool import Scope

from .application import PATIENCE, SIZE
from .support import Answer, Running, all_answers, right, served

CLIENTS = 8
REQUESTS = 200

KINDS = ["fastapi", "starlette"]


@contextmanager
def uvicorn(kind: str, scope: Scope) -> Generator[Running]:
    order = [scope.name, "nothing", str(PATIENCE), "1"]
    with served(lambda fd: ["-W", "error", "-m", "tests.servers.scripts.asgi", kind, str(fd), *order]) as running:
        yield running


def squares(server: Running, path: str) -> None:
    """Ask for 200 squares, 8 at a time: no two use the same object, and there are no more than two."""

    def ask_for(number: int) -> Answer:
        return server.ask(f"/{path}/{number}")

    answers = all_answers(ask_for, REQUESTS, CLIENTS)
    assert answers == [right(number) for number in range(REQUESTS)]


@pytest.mark.parametrize("path", ["square", "async"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_context_for_each_request(kind: str, path: str) -> None:
    """In a plain endpoint, and in ``to_thread``: each call has an object of its own, and gives it back at its end."""
    with uvicorn(kind, Scope.CONTEXT) as server:
        squares(server, path)
        stats = server.comes_to_rest()
        assert stats["waiting"] == 0
        assert stats["idle"] == stats["objects"] == stats["alive"] == SIZE
        stop(server)


@pytest.mark.parametrize("kind", KINDS)
def test_without_it(kind: str) -> None:
    """The threads of the framework are kept, and with the default scope they keep what they have."""
    with uvicorn(kind, Scope.AUTO) as server:
        assert server.ask("/square/7") == right(7)
        assert server.stats()["in use"] == 1
        stop(server)


def stop(server: Running) -> None:
    assert server.ask("/stop") == (200, '"stopped"')
    assert server.ends() == "closed\n"
