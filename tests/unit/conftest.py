"""Every unit test has a hand-moved clock and a house keeper that does nothing by itself."""

import logging
from collections.abc import Iterator

import pytest

from ProxyPatternPool._runtime import threads as daemons
from ProxyPatternPool._scheduler import scheduler as housekeeper
from ProxyPatternPool._scheduler.scheduler import Scheduler

from .clock import FakeScheduler, HandMovedClock
from .diary import Diary
from .helpers import Naps, Works, eventually, sleep_in
from .maintained import Hanging, Threads


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


@pytest.fixture
def diary() -> Diary:
    """An observer that writes down what it is told."""
    return Diary()


@pytest.fixture(autouse=True)
def log_level() -> Iterator[None]:
    """A test that silences the log, or makes it speak, does so for itself."""
    log = logging.getLogger("ppp")
    level = log.level
    yield
    log.setLevel(level)


@pytest.fixture
def threads(monkeypatch: pytest.MonkeyPatch) -> Threads:
    """The threads started in this test."""
    threads = Threads()
    monkeypatch.setattr(daemons, "start_thread", threads.start)
    return threads


@pytest.fixture
def real(threads: Threads, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scheduler]:
    """A house keeper with threads, of which one at most is left afterwards, waiting for work for ever."""
    scheduler = Scheduler()
    monkeypatch.setattr(housekeeper, "SCHEDULER", scheduler)
    monkeypatch.setattr(housekeeper, "IDLE", 0.02)
    yield scheduler
    scheduler.ending = True
    scheduler._inbox.put(None)
    eventually(lambda: len(threads) == scheduler._crew <= 1)


@pytest.fixture
def hanging() -> Iterator[Hanging]:
    """A hook that hangs until the end of the test at the latest."""
    hook = Hanging()
    yield hook
    hook.go_on.set()


@pytest.fixture
def timed(real: Scheduler, clock: HandMovedClock) -> Scheduler:
    """A house keeper whose crew is real, and who looks when told to, at times moved by hand."""
    real.clock = clock
    return real
