"""Fixtures: a private PostgreSQL server for the prefork servers, a small pool."""

from __future__ import annotations

from collections.abc import Generator

import pytest

from ..postgres.support import Server
from .shop import Shop


@pytest.fixture(scope="module")
def database() -> Generator[Server]:
    server = Server()
    yield server
    server.destroy()


@pytest.fixture
def shop() -> Shop:
    return Shop()
