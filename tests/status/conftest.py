"""The hand-moved clock and scheduler of the unit tests; a browser for the tests that look at the page."""

from __future__ import annotations

from collections.abc import Generator

import pytest

from ..unit.conftest import chance, clock, environment, naps, scheduler, works
from .browser import Browser, browser

__all__ = ["chance", "clock", "environment", "naps", "real_browser", "scheduler", "works"]


@pytest.fixture(scope="module")
def real_browser() -> Generator[Browser, None, None]:
    with browser() as running:
        yield running
