"""What unit tests share: a factory that keeps books, callers in threads, and naps that take no time."""

from __future__ import annotations

import _thread
import math
import os
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable
from functools import partial
from operator import methodcaller
from pathlib import Path
from time import monotonic
from typing import Any, ClassVar, Generic, TypeVar

import pytest

from ProxyPatternPool import Pool
from ProxyPatternPool._engine.core import Core
from ProxyPatternPool._runtime.waiting import NativeSleeper, Sleeper
from ProxyPatternPool._scheduler.process import current_scheduler

from .clock import FakeScheduler, HandMovedClock

R = TypeVar("R")

ROOT = Path(__file__).parents[2]
DEADLINE = 20.0
"""Seconds after which something that should have happened counts as never happening."""
START = 15.0
"""Seconds that an interpreter may need to start and to end, on a machine that has a lot else to do."""


class Thing:
    """An object like any other."""

    def __init__(self, number: int) -> None:
        self.number = number

    def __repr__(self) -> str:
        return f"thing {self.number}"


class Nuisance:
    """An object that is unhashable, falsy, and equal to everything."""

    def __eq__(self, other: object) -> bool:
        return True

    def __bool__(self) -> bool:
        return False


class Settable:
    """An object with methods that a proxy has, too."""

    def set(self) -> str:
        return "own set"

    def set_obj(self) -> str:
        return "own set_obj"

    def set_fun(self) -> str:
        return "own set_fun"


class Works:
    """A factory that keeps books: more objects than places, or an object closed twice, is an error at once."""

    def __init__(self, bound: int | None = None) -> None:
        self.bound = bound
        self.numbers: list[int] = []
        self.made: list[Thing] = []
        self.closed: list[Thing] = []
        self.failing: BaseException | None = None

    def make(self, number: int) -> Thing:
        assert self.bound is None or len(self.made) - len(self.closed) < self.bound, "more objects than places"
        self.numbers.append(number)
        if self.failing is not None:
            raise self.failing
        thing = Thing(number)
        self.made.append(thing)
        return thing

    def close(self, thing: Thing) -> None:
        assert thing not in self.closed, "closed twice"
        self.closed.append(thing)

    @property
    def alive(self) -> list[Thing]:
        return [thing for thing in self.made if thing not in self.closed]


class Doctor:
    """A health check whose word can be told."""

    def __init__(self) -> None:
        self.seen: list[Thing] = []
        self.sick: dict[int, BaseException | None] = {}

    def __call__(self, thing: Thing) -> bool:
        self.seen.append(thing)
        error = self.sick.get(thing.number)
        if error is not None:
            raise error
        return thing.number not in self.sick


def borrow_all(pool: Pool[Thing], count: int) -> list[Thing]:
    return [pool.get() for _ in range(count)]


def give_back_all(pool: Pool[Thing], things: list[Thing]) -> None:
    for thing in things:
        pool.ret(thing)


class Caller(Generic[R]):
    """Somebody who does something in a thread of his own."""

    unheard: ClassVar[list[tuple[object, BaseException]]] = []
    """What callers of this test have raised, and nobody has asked them for."""

    def __init__(self, job: Callable[[], R], name: str | None = None) -> None:
        self._job = job
        self._results: list[R] = []
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._results.append(self._job())
        except BaseException as error:
            self.unheard.append((self, error))
            self._error = error

    @property
    def busy(self) -> bool:
        return self._thread.is_alive()

    def result(self) -> R:
        """Wait for the end: the result, or raise what was raised."""
        self._thread.join(DEADLINE)
        assert not self._thread.is_alive(), "still busy"
        if self._error is not None:
            self.unheard[:] = [unheard for unheard in self.unheard if unheard[0] is not self]
            raise self._error
        return self._results[0]


def eventually(happened: Callable[[], object], seconds: float = DEADLINE) -> None:
    """Wait until something has happened; fail when it never does."""
    deadline = monotonic() + seconds
    pause = threading.Event()
    while not happened():
        assert monotonic() < deadline, f"still not so after {seconds} s"
        pause.wait(0.0005)


def wait_for(event: threading.Event) -> None:
    """Wait for an event; fail when it never comes."""
    assert event.wait(DEADLINE), "it never happened"


def queue_up(pool: Pool[Thing], count: int, job: Callable[[int], object]) -> list[Caller[object]]:
    """Have callers queue one after the other, each in a thread."""
    callers: list[Caller[object]] = []
    for number in range(count):
        before = pool.stats()["nwaiting"]
        callers.append(Caller(lambda number=number: job(number), f"caller {number}"))  # type: ignore[misc]
        eventually(lambda before=before: pool.stats()["nwaiting"] == before + 1)  # type: ignore[misc]
    return callers


class FakeHub:
    """A hub that is always the current one, and does at once what it is asked."""

    for_tasks = False

    def here(self) -> bool:
        return True

    def alive(self) -> bool:
        return True

    def spawn(self, job: Callable[[], None]) -> bool:
        job()
        return True


class FakeSleeper:
    """A sleeper whose sleep takes no time: what others do meanwhile, the sleeping thread does itself."""

    def __init__(self, naps: Naps) -> None:
        self._naps = naps
        self.woken = False
        self.deaf = False
        self.hub: object | None = None

    def sleep(self, seconds: float | None) -> bool:
        self._naps.asked.append(seconds)
        clock = self._naps.clock
        end = math.inf if seconds is None else clock() + seconds
        # Not before it is woken: else a caller whom nobody wakes would look all the same.
        while not self.woken and clock() < end:
            if self._naps.meanwhile:
                self._naps.meanwhile.popleft()()
            elif self._naps.scheduler is not None and self._naps.scheduler.asked:
                self._naps.scheduler.run()
            else:
                assert end < math.inf, "this would sleep for ever"
                clock.advance(end - clock())
        woken, self.woken = self.woken, False
        return woken

    def wake(self) -> bool:
        self.woken = not self.deaf
        return self.woken

    def alive(self) -> bool:
        return not self.deaf

    def dispose(self) -> None:
        self._naps.disposed += 1


class Naps:
    """How the test's own thread sleeps: each sleep does what is queued here, or moves the clock on."""

    def __init__(self, clock: HandMovedClock) -> None:
        self.clock = clock
        self._thread = threading.get_ident()
        self.meanwhile: deque[Callable[[], object]] = deque()
        self.asked: list[float | None] = []
        self.sleepers: list[FakeSleeper] = []
        self.disposed = 0
        self.scheduler: FakeScheduler | None = None
        """Who does maintenance while somebody sleeps and nothing else is to be done, if it is anyone."""

    def new_sleeper(self, lost: Callable[[], None] = lambda: None, /) -> Sleeper:
        if threading.get_ident() != self._thread:
            return NativeSleeper()
        self.sleepers.append(FakeSleeper(self))
        return self.sleepers[-1]

    def wake_last(self) -> None:
        """Wake whoever has begun to wait last, for nothing."""
        self.sleepers[-1].wake()


def have_all_said() -> None:
    """Have all lines said that pools of this test have queued; nothing else is done."""
    for maintained in current_scheduler().pools():
        if isinstance(maintained, Core):
            eventually(partial(_has_said_all, maintained))


def _has_said_all(core: Core[Any]) -> bool:
    core.chores.flush_log()
    # If a worker is doing it, that does nothing: what was queued may not be with the handlers yet.
    return core.notifier.busy or not core.log_queue.unwritten


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What the package has logged in this test, or is about to."""
    have_all_said()
    return [record.getMessage() for record in caplog.records if record.name == "ppp"]


def run_script(name: str, *args: str, seconds: float = 30.0) -> list[str]:
    """Run one of the scripts in a fresh interpreter; it must end well and in silence, and what it prints comes back."""
    command = [sys.executable, "-W", "error", "-m", f"tests.unit.scripts.{name}", *args]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=seconds, check=False, cwd=ROOT, env={**os.environ}
    )
    assert done.returncode == 0, f"{args} exited with {done.returncode}\n{done.stdout}\n{done.stderr}"
    assert done.stderr == "", done.stderr
    return done.stdout.splitlines()


def start_without_frames(*calls: Callable[[], object]) -> None:
    """Have a thread call functions in C: there are no frames but of what they call, not even of who measures."""
    trace = partial(sys.settrace, threading.gettrace())
    start: Callable[..., object] = vars(_thread)["start_new"]  # as it is, whatever is put for the name that is in use
    start(list, (map(methodcaller("__call__"), [trace, *calls]),))
