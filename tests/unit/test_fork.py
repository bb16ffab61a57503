"""Forks: a child starts empty; what is the parent's is neither used nor closed, nor even freed, in the child."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TypeAlias

import pytest

from ProxyPatternPool._runtime.native import GIL

from .helpers import run_script

Forks: TypeAlias = Callable[[str], list[str]]

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="the system cannot fork")


without_gil = pytest.mark.skipif(not GIL, reason="Python knows nothing of the child: it may wait for others' threads")


@pytest.fixture(params=["python", pytest.param("c", marks=without_gil)])
def forks(request: pytest.FixtureRequest) -> Callable[[str], list[str]]:
    """Run a script that forks, in Python or in C; what it prints."""
    who: str = request.param
    return lambda case: run_script("forks", case, who)


def test_a_child_starts_empty(forks: Forks) -> None:
    """In the child the pool has no objects, no loans and no history; the parent's is as it was."""
    assert forks("starts_empty") == ["parent: fine"]


def test_a_child_fills_its_pool(forks: Forks) -> None:
    """Once used, the child's pool keeps its min_size, in objects of its own."""
    assert forks("filled_again") == []


def test_a_child_closes_its_own(forks: Forks) -> None:
    """A close in the child closes the child's objects only."""
    lines = forks("closes_its_own")
    assert lines[-1] == "parent: fine"
    # Another may have been created to fill it up to its min_size.
    assert set(lines[:-1]) - {"child: closed child's thing 1"} == {"child: closed child's thing 0"}


def test_the_end_of_a_child(forks: Forks) -> None:
    """A child's end closes the child's objects, the parent's end the parent's."""
    lines = forks("exits")
    children = [line for line in lines if line.startswith("child")]
    assert "child: closed child's thing 0" in children
    assert all("child's" in line for line in children)
    assert sorted(line for line in lines if line.startswith("parent")) == [
        "parent: closed parent's thing 0",
        "parent: closed parent's thing 1",
    ]


def test_the_end_of_a_child_that_did_nothing(forks: Forks) -> None:
    """A child that never touched the pool closes nothing."""
    assert sorted(forks("exits_unused")) == ["parent: closed parent's thing 0", "parent: closed parent's thing 1"]


@pytest.mark.parametrize("case", ["finalizers", "finalizers_of_what_is_being_closed"])
def test_finalizers_do_not_run(forks: Forks, case: str) -> None:
    """The finalizers of the parent's objects would speak on shared sockets: in the child they never run."""
    assert forks(case) == []


def test_without_ctypes(forks: Forks) -> None:
    """Without ctypes, which is what keeps them for ever, nothing else is missing."""
    lines = forks("without_ctypes")
    assert "child: closed child's thing 0" in lines  # which of its two is closed first is left to the workers
    assert all("child's" in line for line in lines)


def test_a_lease_over_a_fork(forks: Forks) -> None:
    """A lease of the parent's does nothing in the child, and everything in the parent."""
    lines = forks("lease_over_a_fork")
    assert sorted(lines) == [
        *(f"parent: closed parent's thing {number}" for number in range(3)),
        "parent: returned",
        "parent: returned",
    ]


@pytest.mark.parametrize("case", ["lease_dropped_in_the_child", "waiter_in_the_parent", "lock_held"])
def test_the_child_goes_its_own_way(forks: Forks, case: str) -> None:
    """Leases dropped in the child, waiters of the parent's, and locks that others held, are nothing to the child."""
    lines = forks(case)
    assert all(line.startswith("child: closed child's thing") for line in lines)
    assert bool(lines) == (case == "lock_held")


def test_returned_in_the_child(forks: Forks) -> None:
    """An object of the parent's that is given back in the child runs no hook there."""
    assert forks("returned_in_the_child") == ["parent: returned", "parent: closed parent's thing 0"]


def test_an_observer_in_a_child(forks: Forks) -> None:
    """An observer hears of the parent's objects in the parent, and of the child's in the child."""
    mine, yours, own = "parent's thing 0", "parent's thing 1", "child's thing 0"
    assert forks("observed") == [
        *(f"parent: {event} {thing}" for thing in (mine, yours) for event in ("created", "lent")),
        *(f"child: {event} {own}" for event in ("created", "lent", "returned", "shutdown")),
        *(f"parent: {event} {mine}" for event in ("returned", "broken")),
        *(f"parent: {event} {yours}" for event in ("returned", "shutdown")),
    ]


def test_a_closed_pool_stays_closed(forks: Forks) -> None:
    """What was closed before the fork is closed after it."""
    assert forks("closed_before") == ["parent: closed parent's thing 0", "child: refused"]


def test_maintenance_in_a_child(forks: Forks) -> None:
    """Objects of a child's expire there."""
    assert "child: closed child's thing 0" in forks("maintenance")


def test_grandchildren(forks: Forks) -> None:
    """Every generation starts empty."""
    lines = forks("grandchild")
    assert lines
    assert all(line.startswith("child: closed child's") for line in lines)


def test_from_a_thread(forks: Forks) -> None:
    """Any thread may fork, also while it holds an object."""
    assert forks("from_a_thread") == ["child: 0 parent's thing 0"]


def test_a_pool_dropped_in_a_child(forks: Forks) -> None:
    """A pool that is dropped in a child closes what the child has made, and nothing else."""
    lines = forks("dropped_in_the_child")
    assert lines
    assert all(line.startswith("child: closed child's") for line in lines)
