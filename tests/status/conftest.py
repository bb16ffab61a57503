"""The hand-moved clock and scheduler of the unit tests; a browser, and a directory for sockets."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from ..unit.conftest import chance, clock, environment, naps, scheduler, works
from .browser import Browser, browser

__all__ = ["chance", "clock", "directory", "environment", "naps", "real_browser", "scheduler", "works"]


@pytest.fixture(scope="module")
def real_browser() -> Generator[Browser, None, None]:
    with browser() as running:
        yield running


@pytest.fixture
def directory() -> Generator[Path, None, None]:
    """A path for a directory that is not there yet: a short one, since paths of sockets are."""
    with TemporaryDirectory(prefix="ppp-", ignore_cleanup_errors=True) as above:
        yield Path(above) / "status"
