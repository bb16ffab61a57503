"""Gauges in the multiprocess mode of prometheus_client: when they are written, and what.

Here they are those of one process, in its memory. tests/servers/test_workers.py scrapes the workers of a server.
"""

from __future__ import annotations

import gc
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client import Gauge

from ProxyPatternPool._inspect.periodic import Periodic
from ProxyPatternPool.prometheus import PrometheusObserver

from ..unit.clock import FakeScheduler, HandMovedClock
from .watching import pool_of


class Written:
    """What is written for others."""

    def __init__(self, scheduler: FakeScheduler) -> None:
        self.scheduler = scheduler
        self.observer = PrometheusObserver(None)
        self.periodic: Periodic = vars(self.observer)["_shared"]
        self.gauges: list[Gauge] = vars(self.periodic)["_gauges"]

    def look(self) -> dict[str, float]:
        """Let a second pass; what is written then, but the states of objects that are on their way."""
        self.scheduler.look_at(self.periodic)
        return self.values()

    def values(self) -> dict[str, float]:
        found: dict[str, float] = {}
        for metric in (metric for gauge in self.gauges for metric in gauge.collect()):
            for sample in metric.samples:
                labels = ",".join(value for _, value in sorted(sample.labels.items()))
                if not labels.endswith(("checking", "creating", "closing")):
                    found[f"{sample.name.removeprefix('ppp_')} {labels}"] = sample.value
        return found


@pytest.fixture
def written(scheduler: FakeScheduler, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Written:
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    return Written(scheduler)


EVERYTHING = {"objects db,idle": 1, "objects db,used": 0, "waiting db": 0, "objects_min db": 1, "objects_max db": 3}
NOTHING = dict.fromkeys(EVERYTHING, 0)


def test_in_this_mode_alone(scheduler: FakeScheduler, written: Written, monkeypatch: pytest.MonkeyPatch) -> None:
    """Elsewhere gauges are read when they are asked for, and nothing is done meanwhile."""
    modes = {vars(gauge)["_multiprocess_mode"] for gauge in written.gauges}
    assert modes == {"livesum"}  # over all processes that live
    monkeypatch.delenv("PROMETHEUS_MULTIPROC_DIR")
    assert vars(PrometheusObserver(None))["_shared"] is None
    monkeypatch.setenv("prometheus_multiproc_dir", "as it was called before")
    assert vars(PrometheusObserver(None))["_shared"] is not None


def test_once_a_second(written: Written, clock: HandMovedClock) -> None:
    """From the first use of a pool on."""
    with pool_of(written.observer) as pool:
        assert written.values() == {}
        assert written.look() == EVERYTHING
        with pool.obj():
            clock.advance(0.5)
            assert written.look() == EVERYTHING
            clock.advance(0.5)
            assert written.look() == {**EVERYTHING, "objects db,idle": 0, "objects db,used": 1}
        clock.advance(1.0)
        assert written.look() == EVERYTHING


def test_what_has_not_changed(written: Written, clock: HandMovedClock, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not written again."""
    with pool_of(written.observer):
        written.look()
        monkeypatch.setattr(Gauge, "set", None)
        clock.advance(1.0)
        assert written.look() == EVERYTHING


@pytest.mark.parametrize("dropped", [False, True])
def test_a_pool_that_is_gone(written: Written, clock: HandMovedClock, dropped: bool) -> None:
    """Its numbers are 0: in this mode no series can be removed."""
    pools = [pool_of(written.observer)]
    assert written.look() == EVERYTHING
    if not dropped:
        pools[0].close()
    pools.clear()
    gc.collect()
    clock.advance(1.0)
    assert written.look() == NOTHING


def test_the_end_of_the_process(written: Written) -> None:
    """Then all is 0, also where nobody marks the process as dead."""
    with pool_of(written.observer):
        assert written.look() == EVERYTHING
        for job in written.periodic.close_at_exit():
            job()
        assert written.values() == NOTHING


def test_one_at_a_time(written: Written, clock: HandMovedClock) -> None:
    """While one is under way, in a worker that waits, there is no other."""
    with pool_of(written.observer):
        for _ in range(3):
            written.periodic.run_due()
            clock.advance(1.0)
        assert len(written.periodic.queued) == 1
        written.periodic.run_chores()
        assert written.values() == EVERYTHING
        written.periodic.run_due()
        assert len(written.periodic.queued) == 1


def test_a_fork(written: Written, clock: HandMovedClock, monkeypatch: pytest.MonkeyPatch) -> None:
    """A child begins at once, writes all that it has, and drops what its parent had not done yet."""
    with pool_of(written.observer):
        assert written.look() == EVERYTHING
        clock.advance(1.0)
        written.periodic.run_due()
        written.periodic.after_fork()
        assert not written.periodic.queued
        monkeypatch.delenv("PROMETHEUS_MULTIPROC_DIR")  # there it cannot be done
        for gauge in written.gauges:
            gauge.clear()  # as in the files of another process
        assert written.look() == EVERYTHING


@pytest.fixture
def lines() -> Iterator[list[str]]:
    heard: list[str] = []

    class Heard(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            heard.append(record.getMessage())

    handler, log = Heard(), logging.getLogger("ppp")
    log.addHandler(handler)
    yield heard
    log.removeHandler(handler)


def test_what_cannot_be_written(
    written: Written, clock: HandMovedClock, lines: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is logged once, until it can be."""
    works = Gauge.set

    def fail(gauge: Gauge, value: float) -> None:
        raise OSError("no space left")

    def refuse(record: logging.LogRecord) -> bool:
        raise ZeroDivisionError

    line = "the gauges for Prometheus are not up to date: OSError: no space left"
    with pool_of(written.observer):
        for _ in range(2):
            monkeypatch.setattr(Gauge, "set", fail)
            for _ in range(2):
                written.look()
                clock.advance(1.0)
            monkeypatch.setattr(Gauge, "set", works)
            assert written.look() == EVERYTHING
            clock.advance(1.0)
            written.periodic.after_fork()  # writes all again
        assert lines == [line, line]
        log = logging.getLogger("ppp")
        log.addFilter(refuse)
        try:
            written.periodic.log_later(logging.WARNING, "nobody hears this")
            written.periodic.run_chores()
        finally:
            log.removeFilter(refuse)
