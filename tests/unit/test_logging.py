"""What is logged: through the logger "ppp", lazily, and nothing that nobody asked for."""

from __future__ import annotations

import logging
import subprocess
import sys

import pytest

from ProxyPatternPool import Pool

from .clock import FakeScheduler, HandMovedClock
from .helpers import ROOT, Thing, said


def fail(thing: Thing) -> None:
    raise ConnectionError("gone")


def provoke(scheduler: FakeScheduler, clock: HandMovedClock, pool: Pool[Thing]) -> None:
    """Make a pool say something in every way."""
    pool.ret(Thing(99))
    thing = pool.get()
    clock.advance(11)
    pool.housekeep()
    pool.ret(thing)
    pool.get()
    pool.lease()
    scheduler.run()
    clock.advance(21)
    pool.housekeep()
    pool.get()
    pool.shutdown()


def test_every_line_names_the_pool(
    scheduler: FakeScheduler, clock: HandMovedClock, caplog: pytest.LogCaptureFixture
) -> None:
    """Every line of a pool begins with its name, and comes through the logger "ppp"."""
    with caplog.at_level(logging.DEBUG):
        pool = Pool(
            Thing,
            name="books",
            max_using_delay=10,
            max_using_delay_kill=20,
            opener=fail,
            getter=fail,
            closer=fail,
            health=lambda thing: False,
        )
        provoke(scheduler, clock, pool)
    assert len(caplog.records) > 8
    assert {record.name for record in caplog.records} == {"ppp"}
    for record in caplog.records:
        assert record.getMessage().startswith("pool 'books': ")
        assert record.levelno >= logging.WARNING
        assert (record.exc_info, record.exc_text) == (None, None), "the message says what there is to say"


def test_lines_are_formatted_lazily(
    scheduler: FakeScheduler, clock: HandMovedClock, caplog: pytest.LogCaptureFixture
) -> None:
    """Lines are given to the logger with their arguments, so that what collects them can tell one from the other."""
    pool = Pool(Thing, max_using_delay=10, max_using_delay_kill=20, closer=fail)
    provoke(scheduler, clock, pool)
    assert caplog.records
    for record in caplog.records:
        assert record.args
        assert "thing" not in record.msg


def test_nothing_is_said_of_what_goes_well(
    scheduler: FakeScheduler, clock: HandMovedClock, caplog: pytest.LogCaptureFixture
) -> None:
    """A pool with which all is well says nothing, not even to who asks for everything."""
    with caplog.at_level(logging.DEBUG):
        pool = Pool(Thing, 5, 2, max_avail_delay=10, health=lambda thing: True, max_use=3)
        for _ in range(5):
            with pool.obj():
                clock.advance(3)
            pool.housekeep()
        pool.shutdown()
        scheduler.run()
    assert caplog.records == []


def test_silence_without_logging() -> None:
    """In a program that has not set up logging the package writes nothing on stderr: it has a NullHandler."""
    code = "from ProxyPatternPool import Pool; Pool(object().__class__.__call__).ret(1)"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, timeout=30, check=True, cwd=ROOT
    )
    assert done.stderr == ""
    assert any(isinstance(handler, logging.NullHandler) for handler in logging.getLogger("ppp").handlers)


def test_nothing_is_named_for_nobody(
    scheduler: FakeScheduler, clock: HandMovedClock, caplog: pytest.LogCaptureFixture
) -> None:
    """Where warnings are switched off, no object is asked for its text."""
    named: list[Talkative] = []

    class Talkative(Thing):
        def __repr__(self) -> str:
            named.append(self)
            return "a thing"

    pool = Pool(Talkative, 1, max_using_delay=10)
    thing = pool.get()
    with caplog.at_level(logging.ERROR, "ppp"):
        clock.advance(10)
        pool.housekeep()
        pool.ret(thing)
    assert named == []
    thing = pool.get()
    clock.advance(10)
    pool.housekeep()
    assert named == [thing]


def test_errors_name_the_object_where_warnings_are_off(
    scheduler: FakeScheduler, caplog: pytest.LogCaptureFixture
) -> None:
    """A level of ERROR does not take the name of the object out of what is logged at that level."""

    def fail(thing: Thing) -> bool:
        raise OSError("no")

    pool = Pool(
        Thing, 1, name="db", getter=fail, retter=fail, closer=fail, tracer=lambda thing: f"number {thing.number}"
    )
    with caplog.at_level(logging.ERROR, "ppp"):
        pool.ret(pool.get())
    assert said(caplog) == [
        "pool 'db': getter failed on number 0: OSError('no')",
        "pool 'db': retter failed, discarding number 0: OSError('no')",
        "pool 'db': closer failed on number 0: OSError('no')",
    ]


def test_errors_where_no_warning_is_logged(scheduler: FakeScheduler, caplog: pytest.LogCaptureFixture) -> None:
    """They say of which object they are all the same."""
    caplog.set_level(logging.ERROR, "ppp")
    pool = Pool(Thing, 1, 0, getter=fail, retter=fail, closer=fail)
    pool.ret(pool.get())
    ill = Pool(Thing, 1, 0, health=lambda _: False)
    ill.ret(ill.get())
    ill.housekeep()
    lines = said(caplog)
    assert [" thing 0: " in line for line in lines] == [True] * 4
