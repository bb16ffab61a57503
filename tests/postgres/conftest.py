"""Fixtures: one private server for the session, a relay or PgBouncer for a test."""

from __future__ import annotations

from collections.abc import Generator

import pytest

from .bouncer import Bouncer
from .relay import Relay
from .support import Server, eventually


@pytest.fixture(scope="session")
def session_server() -> Generator[Server]:
    """The server all tests share."""
    server = Server()
    yield server
    server.destroy()


@pytest.fixture
def server(session_server: Server) -> Generator[Server]:
    """The server, running at both ends of the test; the test's pools must leave no backend behind."""
    session_server.start()
    yield session_server
    session_server.start()
    eventually(lambda: not session_server.backends(), 10)


@pytest.fixture
def relay(server: Server) -> Generator[Relay]:
    """A relay to the server, passing."""
    relay = Relay(server.socket)
    yield relay
    relay.close()


@pytest.fixture
def bouncer(server: Server) -> Generator[Bouncer]:
    """PgBouncer before the server, with two server connections for each of its databases."""
    with Bouncer(server) as bouncer:
        yield bouncer
