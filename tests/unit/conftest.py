"""Every unit test has a hand-moved clock and a house keeper that does nothing by itself."""

import logging
from collections.abc import Iterator

import pytest

from ProxyPatternPool._scheduler import scheduler as housekeeper

from .clock import FakeScheduler, HandMovedClock
from .helpers import Naps, Works, sleep_in


@pytest.fixture
def clock() -> HandMovedClock:
    return HandMovedClock()


@pytest.fixture
def scheduler(clock: HandMovedClock, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeScheduler]:
    """Pools made in this test are kept by this one."""
    scheduler = FakeScheduler(clock)
    monkeypatch.setattr(housekeeper, "SCHEDULER", scheduler)
    yield scheduler
    scheduler.run()


@pytest.fixture
def naps(clock: HandMovedClock, monkeypatch: pytest.MonkeyPatch) -> Iterator[Naps]:
    """Whoever waits in this test sleeps like this; every bed is made up again in the end."""
    naps = Naps(clock)
    sleep_in(monkeypatch, naps.bed)
    yield naps
    assert naps.made_up == len(naps.beds)
    assert not naps.meanwhile, "nobody slept so often"


@pytest.fixture
def works() -> Works:
    """A factory that keeps books."""
    return Works()


@pytest.fixture(autouse=True)
def log_level() -> Iterator[None]:
    """A test that silences the log, or makes it speak, does so for itself."""
    log = logging.getLogger("ppp")
    level = log.level
    yield
    log.setLevel(level)
