"""Whose turn it is to ask the user's functions."""

from __future__ import annotations

import subprocess
import sys

import pytest

from ProxyPatternPool._status import turn as module
from ProxyPatternPool._status.turn import PATIENCE, Turn

from ..unit.clock import HandMovedClock
from ..unit.helpers import DEADLINE, Naps


@pytest.fixture
def turn(clock: HandMovedClock) -> Turn:
    return Turn(clock)


@pytest.fixture(autouse=True)
def _beds(naps: Naps, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "sleeper", naps.bed)


def test_one_after_the_other(turn: Turn, naps: Naps) -> None:
    for _ in range(2):
        with turn.taken() as (_, other):
            assert other is None
    assert naps.asked == []


def test_who_comes_second_waits(turn: Turn, clock: HandMovedClock, naps: Naps) -> None:
    """And has the turn as soon as the first gives it back."""
    first = turn.taken()
    mine, _ = first.__enter__()
    turn.asks(mine, "db")

    def end() -> None:
        clock.advance(0.25)
        first.__exit__(None, None, None)

    naps.meanwhile.append(end)
    with turn.taken() as (mine, other):
        assert (other, mine.since) == (None, clock.now)
    assert naps.asked == [PATIENCE]


def test_nobody_waits_for_long(turn: Turn, clock: HandMovedClock, naps: Naps) -> None:
    """Nor at all for one that is not done with a pool within that time."""
    with turn.taken() as (first, _):
        turn.asks(first, "db")
        with turn.taken() as (second, other):
            turn.asks(second, "fine")
            assert (other is first, first.pool) == (True, "db")
        clock.advance(9.0)
        with turn.taken() as (_, other):
            assert other is first
            assert clock.now - first.since == 9.0 + PATIENCE
    assert naps.asked == [PATIENCE]


def test_who_is_slow_with_many_pools_is_waited_for_as_long(turn: Turn, clock: HandMovedClock, naps: Naps) -> None:
    """From the call on, whatever the other has come to."""
    with turn.taken() as (first, _):

        def goes_on() -> None:
            clock.advance(0.75)
            turn.asks(first, "next")

        naps.meanwhile.extend([goes_on, goes_on])
        with turn.taken() as (_, other):
            assert other is first
    assert naps.asked == [PATIENCE, 0.25]


def test_a_look_that_fails_gives_it_back(turn: Turn) -> None:
    with pytest.raises(KeyboardInterrupt), turn.taken():
        raise KeyboardInterrupt
    with turn.taken() as (_, other):
        assert other is None


AMONG_GREENLETS = """
import gevent.monkey
gevent.monkey.patch_all()
import gevent
from werkzeug.test import Client
from ProxyPatternPool import Pool
from ProxyPatternPool.status import status_app

def tracer(thing):
    asked.set()
    go.wait()
    return "answered"

def look():
    environ = {"REMOTE_ADDR": "127.0.0.1"}
    return Client(app).get("/?format=json", environ_overrides=environ).get_json()["pools"][0]["objects"][0]["object"]

asked, go = gevent.event.Event(), gevent.event.Event()
pool = Pool(lambda number: object(), tracer=tracer)
app = status_app(pool)
first = gevent.spawn(look)
asked.wait()
second = gevent.spawn(look)
gevent.sleep(0.01)  # the hub turns while the second waits
assert not second.ready()
if THEN == "answers":
    go.set()
    assert [first.get(10), second.get(10)] == ["answered", "answered"]
else:
    assert second.get(10) == "object 0"
    assert not first.ready()
    first.kill()
    go.set()
    assert look() == "answered"
"""


@pytest.mark.parametrize("then", ["answers", "blocks"])
def test_among_greenlets(then: str) -> None:
    """Who waits for his turn does not keep the hub from whoever has it, and who is killed gives it back."""
    script = AMONG_GREENLETS.replace("THEN", repr(then))
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=DEADLINE, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
