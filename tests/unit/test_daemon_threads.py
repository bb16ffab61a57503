"""Threads of ours: named, and none left before its first step when the interpreter ends."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from functools import partial

import pytest

from ProxyPatternPool._runtime import threads as daemons
from ProxyPatternPool._runtime.native import Empty, SimpleQueue, start_thread

from .clock import HandMovedClock
from .helpers import DEADLINE, Caller, eventually, wait_for


def test_a_daemon_has_a_name() -> None:
    """A thread of ours has a name; other threads have none, and `threading` hears nothing of it."""
    names: list[str] = []
    done = threading.Event()
    before = set(threading.enumerate())

    def job() -> None:
        names.append(daemons.thread_name())
        done.set()

    assert daemons.DaemonThreads().start("ppp-1", job)
    wait_for(done)
    assert names == ["ppp-1"]
    assert daemons.thread_name() == ""
    assert set(threading.enumerate()) <= before


def test_no_daemon_is_left_before_its_first_step() -> None:
    """The end waits for each thread that the system has given no turn to yet, not for those at work."""
    turns = [threading.Event() for _ in range(2)]
    left = list(turns)
    begun: list[str] = []
    work = threading.Event()

    def start_late(run: Callable[[], None]) -> bool:
        turn = left.pop()

        def begin() -> None:
            wait_for(turn)
            run()

        return start_thread(begin)

    def have_begun(number: int) -> bool:
        return len(begun) == number

    def give_turns() -> None:
        eventually(lambda: ours._ended)
        for number, turn in enumerate(turns):
            eventually(partial(have_begun, number))
            turn.set()

    starts = [start_thread, start_late, start_late]
    ours = daemons.DaemonThreads(lambda run: starts.pop(0)(run))
    assert ours.start("at work", lambda: wait_for(work))
    for _ in turns:
        assert ours.start("ppp-1", lambda: begun.append("first step"))
    other = Caller(give_turns)
    ours.end(DEADLINE)
    assert all(turn.is_set() for turn in turns)
    assert not ours._starting
    other.result()
    work.set()


def test_a_daemon_that_is_started_as_the_end_comes() -> None:
    """Either the end waits for it, or it is not started, whichever of the two is at whichever step."""
    tried: list[bool] = []

    class EndsWhenNoted(set[SimpleQueue[None]]):
        def add(self, born: SimpleQueue[None], /) -> None:
            super().add(born)
            first.end(0.0)

    class StartsWhenCounted(set[SimpleQueue[None]]):
        def __iter__(self) -> Iterator[SimpleQueue[None]]:
            tried.append(second.start("ppp-1", lambda: None))
            return super().__iter__()

    first, second = daemons.DaemonThreads(), daemons.DaemonThreads()
    first._starting = EndsWhenNoted()
    second._starting = StartsWhenCounted()
    assert not first.start("ppp-1", lambda: None)
    second.end(0.0)
    assert tried == [False]
    assert not second.start("ppp-1", lambda: None)


@pytest.mark.parametrize("started", [True, False])
def test_a_daemon_that_never_takes_its_first_step(started: bool) -> None:
    """Nobody waits for a thread that could not be started, nor for ever for one that the system forgets."""

    def start_none(run: Callable[[], None]) -> bool:
        return started

    ours = daemons.DaemonThreads(start_none)
    assert ours.start("ppp-1", lambda: None) == started
    assert bool(ours._starting) == started
    ours.end(0.01)


def test_the_end_takes_its_time_once() -> None:
    """However many threads the system forgets, the end takes the time that it was given."""
    times: list[float] = []

    class Never(SimpleQueue[None]):
        def get(self, block: bool = True, timeout: float | None = None) -> None:
            assert timeout is not None
            times.append(timeout)
            clock.advance(timeout)
            raise Empty

    clock = HandMovedClock()
    ours = daemons.DaemonThreads(clock=clock)
    ours._starting = {Never(), Never()}
    ours.end(3.0)
    assert times == [3.0, 0.0]


def test_a_daemon_whose_start_is_interrupted() -> None:
    """An exception thrown in during the start passes, and the thread counts as on its way: it may have been started."""
    born = threading.Event()

    def start_and_raise(run: Callable[[], None]) -> bool:
        def turn() -> None:
            eventually(lambda: ours._ended)
            born.set()
            run()

        assert start_thread(turn)
        raise KeyboardInterrupt

    ours = daemons.DaemonThreads(start_and_raise)
    with pytest.raises(KeyboardInterrupt):
        ours.start("interrupted", lambda: None)
    ours.end(DEADLINE)
    assert born.is_set()
