"""The end of the interpreter: every object is closed, lent ones too, within two seconds, silently."""

from __future__ import annotations

import sys
from time import monotonic

import pytest

from .helpers import START, run_script

starts_threads = pytest.mark.skipif(sys.version_info[:2] == (3, 12), reason="3.12 starts no thread at exit")


def exits(case: str) -> list[str]:
    """What a script prints that ends with pools; it takes 2 s at most, and says nothing on stderr."""
    start = monotonic()
    lines = run_script("exits", case)
    assert monotonic() - start < 2.0 + START
    return sorted(lines)


def closed(*numbers: int) -> list[str]:
    return sorted(f"closed thing {number}" for number in numbers)


def test_idle_and_lent() -> None:
    """Idle objects are closed, and lent ones, whoever has them, in whatever way."""
    assert exits("idle_and_lent") == closed(0, 1, 2, 3, 4)


def test_several_pools() -> None:
    """All pools of a process are closed."""
    assert exits("several_pools") == closed(0, 0, 0, 10)


@pytest.mark.parametrize("case", ["closed_before", "waiting", "dropped_lease", "lease_in_a_global"])
def test_closed_once(case: str) -> None:
    """Whatever was done before, each object is closed once."""
    assert exits(case) == closed(0)


def test_a_closer_that_hangs() -> None:
    """A closer that hangs delays the exit by 2 s at most, and keeps no other object from being closed."""
    start = monotonic()
    assert exits("hanging_closer") == closed(0, 1, 3, 10)
    assert monotonic() - start >= 2.0, "the time is given to it"


@pytest.mark.parametrize(("case", "count"), [("failing_closer", 2), ("interrupted_closer", 8)])
def test_closers_that_fail(case: str, count: int) -> None:
    """A closer that fails is silent, and the others are called."""
    assert exits(case) == closed(*range(count))


def test_returned_late() -> None:
    """What is given back during the exit is not complained about."""
    assert exits("returned_late") == closed(0, 10)


@pytest.mark.parametrize("case", ["under_check", "being_created", "being_returned", "being_closed"])
def test_in_the_hands_of_a_hook(case: str) -> None:
    """An object that a hook is busy with is waited for, and closed."""
    assert exits(case) == closed(0)


def test_dropped_pool() -> None:
    """A pool dropped just before the end is closed like any other."""
    assert exits("dropped_pool") == closed(0, 1, 2)


def test_lent_by_a_dropped_pool() -> None:
    """An object that outlives its pool in somebody's hands is closed at the latest now."""
    assert exits("lent_by_a_dropped_pool") == closed(0, 1)


def test_without_closer() -> None:
    """Without a closer objects are freed, as at any exit; nothing is waited for."""
    assert exits("without_closer") == closed(0, 1)


def test_without_pools() -> None:
    """No pool, no word, no delay."""
    assert exits("without_pools") == []


def test_many() -> None:
    """Two hundred objects are closed before the interpreter ends."""
    assert exits("many") == ["closed one"] * 200


def test_no_more_threads() -> None:
    """Where the system has no more threads objects are closed by the exit itself."""
    assert exits("no_more_threads") == closed(0, 1)


@starts_threads
def test_two_closers_that_hang() -> None:
    """The exit has a thread of its own for closers, besides the workers."""
    assert exits("two_hanging_closers") == closed(2, 3, 4, 5, 6, 7)


@starts_threads
def test_a_closer_that_hangs_without_maintenance() -> None:
    """A closer that hangs hangs the exit not even where no thread could be started before."""
    assert exits("threads_at_the_exit_alone") == closed(1, 2)


def test_threads_that_have_not_begun() -> None:
    """A thread that was started, and has not taken its first step, is waited for: it crashes an ending interpreter."""
    assert exits("slow_starts") == ["began", "began"]


def test_after_the_exit() -> None:
    """Functions registered earlier than the package's, which run later, find pools closed."""
    assert exits("after_the_exit") == ["PoolClosed", *closed(0)]


def test_where_nothing_forks() -> None:
    """On a system without forks, such as Windows, all is as elsewhere, up to the end."""
    assert run_script("no_forks") == ["closed 0"]
