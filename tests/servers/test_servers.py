"""Real servers, 500 requests each through a pool of two: all answers right, and no object lost."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import ExitStack, closing, contextmanager

import pytest

from ProxyPatternPool import Scope
from ProxyPatternPool._runtime.native import GIL

from ..unit.helpers import eventually
from .application import PATIENCE, SIZE, Way
from .executor import THREADS
from .support import Answer, Running, all_answers, ask, hubs_command, right, served, squares, threads_command

SHORT = 0.05
"""Seconds, for one who is to wait in vain."""


@contextmanager
def threads(
    server: str, scope: Scope = Scope.AUTO, way: Way = "nothing", timeout: float = PATIENCE, meeting: int = 1
) -> Generator[Running]:
    with served(threads_command(server, THREADS, "squares", scope.name, way, str(timeout), str(meeting))) as running:
        yield running


@contextmanager
def hub(hub: str, mode: str, scope: Scope, way: Way = "nothing", timeout: float = PATIENCE) -> Generator[Running]:
    with served(hubs_command(hub, mode, "squares", scope.name, way, str(timeout), "1")) as running:
        yield running


def nothing_is_lost(server: Running) -> None:
    """After the requests, and after the server."""
    stats = server.comes_to_rest()
    assert server.ask("/log") == (200, "")
    assert stats["waiting"] == 0
    assert stats["idle"] == stats["objects"] == stats["alive"] == SIZE  # both were needed
    server.stop()


def says_what_to_write(server: Running) -> bool:
    """The log says that all objects are kept by owners that do nothing, and what to do about it; once."""
    lines = server.ask("/log").text.splitlines()
    return len(lines) == 1 and "ReturnMiddleware" in lines[0]


@pytest.mark.parametrize("scope", [Scope.AUTO, Scope.WERKZEUG])
def test_werkzeug(scope: Scope) -> None:
    """A thread for each request: objects come back by themselves."""
    with threads("werkzeug", scope) as server:
        squares(server)
        nothing_is_lost(server)


@pytest.mark.parametrize("name", ["gevent", "eventlet"])
@pytest.mark.parametrize(
    ("mode", "scope"), [("patched", Scope.AUTO), ("unpatched", None), ("unpatched", Scope.WERKZEUG)]
)
def test_greenlets(name: str, mode: str, scope: Scope | None) -> None:
    """A greenlet for each connection: objects come back by themselves."""
    with hub(name, mode, scope or Scope[name.upper()]) as server:
        squares(server)
        nothing_is_lost(server)


@pytest.mark.parametrize("way", ["middleware", "with", "ret"])
@pytest.mark.parametrize("name", ["executor", "waitress"])
def test_threads_that_are_kept(name: str, way: Way) -> None:
    """Threads that never end: something has to give back, and the middleware does."""
    with threads(name, way=way) as server:
        squares(server)
        nothing_is_lost(server)


@pytest.mark.parametrize("name", ["executor", "waitress"])
def test_threads_that_are_kept_with_nothing(name: str) -> None:
    """What the page on servers warns of: such threads keep what they have, though they answer no request."""
    with threads(name, timeout=SHORT, meeting=SIZE + 1) as server:
        answers = all_answers(lambda number: server.ask(f"/meet/{number}"), requests=SIZE + 1)
        assert sorted(answer.status for answer in answers) == [200] * SIZE + [503]
        assert server.stats()["in use"] == SIZE
        if GIL:
            eventually(lambda: server.ask("/square/7") and says_what_to_write(server))
        else:  # nobody can see there what other threads do
            server.ask("/square/7")
            assert server.ask("/log") == (200, "")
        server.stop()


@pytest.mark.parametrize("name", ["gevent", "eventlet"])
def test_open_connections_with_nothing(name: str) -> None:
    """The same: the greenlet of a connection keeps what it has, until the connection is closed."""
    with hub(name, "patched", Scope.AUTO, timeout=SHORT) as server, ExitStack() as stack:
        first, *others = [stack.enter_context(closing(server.connect())) for _ in range(SIZE + 1)]
        answers = [ask(connection, "/square/7") for connection in [first, *others]]
        assert [answer.status for answer in answers] == [200] * SIZE + [503]
        eventually(lambda: ask(others[-1], "/square/7").status == 503 and says_what_to_write(server))
        first.close()
        eventually(lambda: ask(others[-1], "/square/7") == right(7))
        for connection in others:
            connection.close()
        assert server.comes_to_rest()["idle"] == SIZE
        server.stop()


@pytest.mark.parametrize("name", ["gevent", "eventlet"])
def test_open_connections(name: str) -> None:
    """Connections that stay open between requests: the middleware gives back after each."""
    clients = 2 * SIZE
    with hub(name, "patched", Scope.AUTO, "middleware") as server, ExitStack() as stack:
        connections = [stack.enter_context(closing(server.connect())) for _ in range(clients)]

        def ask_again_and_again(client: int) -> Answer:
            answers = {ask(connections[client], f"/square/{client}") for _ in range(25)}
            assert len(answers) == 1, answers
            return answers.pop()

        answers = all_answers(ask_again_and_again, clients, clients)
        assert answers == [right(client) for client in range(clients)]
        assert server.comes_to_rest()["in use"] == 0  # with all of them open
        for connection in connections:
            connection.close()
        nothing_is_lost(server)
