"""The last errors of a pool, which it remembers for whoever looks later."""

from __future__ import annotations

import gc
import logging
import sys
import weakref
from collections.abc import Callable
from contextlib import suppress
from types import FrameType
from typing import TYPE_CHECKING

import pytest

from ProxyPatternPool import Pool
from ProxyPatternPool._engine.core import FAULTS
from ProxyPatternPool._inspect import types as stats
from ProxyPatternPool._ledger.counters import Fault, Faults
from ProxyPatternPool._pool.pool import core_of

from ..unit.clock import HandMovedClock
from ..unit.helpers import Caller, Thing, Works

if TYPE_CHECKING:
    from _typeshed import TraceFunction

pytestmark = pytest.mark.usefixtures("scheduler")


class Broken(Exception):
    pass


class Speechless(Exception):
    def __str__(self) -> str:
        raise ValueError("not even that")


def breaks(error: BaseException | None) -> Callable[[object], bool]:
    def hook(thing: object) -> bool:
        if error is not None:
            raise error
        return False

    return hook


def faults(pool: Pool[Thing]) -> list[Fault]:
    return list(core_of(pool).faults)


def use(pool: Pool[Thing]) -> None:
    with pool.obj():
        pass


@pytest.mark.parametrize("error", [Broken("oops"), Speechless()])
def test_hooks_that_fail(works: Works, clock: HandMovedClock, error: BaseException) -> None:
    broken = breaks(error)
    pool = Pool(works.make, min_size=0, opener=broken, getter=broken, retter=broken, closer=broken)
    clock.advance(5.0)
    use(pool)
    text = "oops" if isinstance(error, Broken) else ""
    assert faults(pool) == [
        Fault(what, type(error).__name__, text, 1, clock.now, clock.now)
        for what in ("opener", "getter", "retter", "closer")
    ]


def test_creations_that_fail(works: Works, clock: HandMovedClock) -> None:
    works.failing = Broken("oops")
    pool = Pool(works.make, min_size=0, backoff=None)
    for _ in range(500):
        clock.advance(1.0)
        with pytest.raises(Broken):
            pool.get()
    met = [Fault("creation", "Broken", "oops", 500, clock.now - 499.0, clock.now)]
    assert faults(pool) == met
    works.failing = None
    use(pool)  # a success does not make them forgotten
    assert faults(pool) == met


def test_what_is_met_often_pushes_out_nothing_else() -> None:
    """Nor do errors that differ in their text alone; else those go that were not met for the longest time."""
    faults = Faults(4)
    faults.remember("creation", "Refused", "", 1.0)
    for now in range(2, 100):
        faults.remember("getter", "Late", f"after {now} s", float(now))
    assert [(fault.what, fault.text) for fault in faults] == [
        ("creation", ""),
        ("getter", "after 97 s"),
        ("getter", "after 98 s"),
        ("getter", "after 99 s"),
    ]
    faults.remember("creation", "Refused", "", 99.5)
    for now, what in enumerate(("opener", "retter", "closer"), 100):
        faults.remember(what, "Broken", "", float(now))
    assert [fault.what for fault in faults] == ["creation", "opener", "retter", "closer"]
    faults.remember("creation", "Refused", "", 200.0)
    assert list(faults)[-1] == Fault("creation", "Refused", "", 3, 1.0, 200.0)
    faults.remember("health", "", "", 201.0)
    assert [fault.what for fault in faults] == ["retter", "closer", "creation", "health"]


def test_many_at_once() -> None:
    """None is lost, and none counted twice."""
    faults, each = Faults(FAULTS), 2000

    def remember() -> None:
        for number in range(each):
            faults.remember("creation", "Broken", str(number % 3), 1.0)
            faults.remember("getter", "Broken", str(number), 1.0)

    callers = [Caller(remember) for _ in range(4)]
    for caller in callers:
        caller.result()
    assert sum(fault.times for fault in faults if fault.what == "creation") == 4 * each
    assert len(list(faults)) == FAULTS


class Late(Exception):
    pass


@pytest.mark.parametrize("line", range(1, 12))
def test_interrupted(line: int) -> None:
    """At any line: what was known is known, and it goes on; a signal handler may even come back in."""
    faults = Faults(2)
    for kind in ("a", "b"):
        faults.remember("creation", kind, "", 1.0)
    lines = 0

    def throw(frame: FrameType, event: str, argument: object) -> TraceFunction:
        nonlocal lines
        if frame.f_code.co_filename == stats.__file__ and event == "line":
            lines += 1
            if lines == line:
                sys.settrace(None)
                faults.remember("handler", "c", "", 2.0)
                raise Late
        return throw

    before = sys.gettrace()
    sys.settrace(throw)
    try:
        with suppress(Late):
            faults.remember("creation", "b", "", 3.0)
            faults.remember("creation", "d", "", 3.0)
    finally:
        sys.settrace(before)
    for _ in range(2):
        faults.remember("creation", "e", "", 4.0)
    found = list(faults)
    assert len(found) == 2
    assert found[-1] == Fault("creation", "e", "", 2, 4.0, 4.0)
    assert all(fault.times >= 1 for fault in found)


@pytest.mark.parametrize(
    ("error", "fault"), [(Broken("oops"), ("health", "Broken", "oops")), (None, ("health", "", ""))]
)
def test_objects_in_bad_health(works: Works, error: BaseException | None, fault: tuple[str, str, str]) -> None:
    """Those whose check fails, and those whose check says no."""
    pool = Pool(works.make, min_size=1, health=breaks(error), hk_delay=9.0)
    pool.housekeep()
    assert [each[:3] for each in faults(pool)] == [fault]


def test_nothing_is_kept_alive(works: Works, caplog: pytest.LogCaptureFixture) -> None:
    """Not the error: its arguments may be large, or connections."""
    caplog.set_level(logging.CRITICAL, "ppp")  # what is logged, pytest keeps
    errors: list[Broken] = []

    def opener(thing: Thing) -> None:
        errors.append(Broken("oops"))
        raise errors[0]

    pool = Pool(works.make, min_size=0, opener=opener)
    use(pool)
    gone = weakref.ref(errors.pop())
    gc.collect()
    assert len(faults(pool)) == 1
    assert gone() is None
