"""A dependency of FastAPI's with a block in it: a generator that is taken through its steps in several threads."""

from __future__ import annotations

import json

import pytest

from ProxyPatternPool import Scope

from ..unit.helpers import eventually
from .support import Answer, all_answers, right, served

CLIENTS = 8
REQUESTS = 120


@pytest.mark.parametrize("size", [CLIENTS, 2, 0])
@pytest.mark.parametrize("scope", [Scope.AUTO, Scope.CONTEXT])
def test_a_dependency_with_a_block(scope: Scope, size: int) -> None:
    """120 requests, 8 at a time: no object is used by two of them, all go back, and at most one line is logged."""
    order = [scope.name, str(size)]
    with served(lambda fd: ["-W", "error", "-m", "tests.servers.scripts.dependencies", str(fd), *order]) as server:

        def ask_for(number: int) -> Answer:
            return server.ask(f"/square/{number}")

        assert all_answers(ask_for, REQUESTS, CLIENTS) == [right(number) for number in range(REQUESTS)]
        eventually(lambda: server.stats()["in use"] == 0)
        lines: list[str] = json.loads(server.ask("/said").text)
        assert len(lines) <= (scope is Scope.AUTO)
        for line in lines:
            assert line.startswith("proxy 'db': a with block began in thread 'AnyIO worker thread")
            assert "With scope=CONTEXT each has its own" in line
        assert server.ask("/stop") == (200, '"stopped"')
        assert server.ends() == "closed\n"
