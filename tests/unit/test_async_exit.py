"""Ends of the interpreter, and forks, with pools for tasks: no hang, and no word from asyncio or from Python."""

from __future__ import annotations

import os
from time import monotonic

import pytest

from .helpers import START, run_script
from .tasks import both

FULL = "<AsyncPool module: 0 idle, 2 in use, 2 waiting, max 2>"

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="the system cannot fork")


@pytest.fixture(params=["", "1"], ids=["plain", "debug"])
def mode(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """As users run it, and in development mode, where asyncio and Python complain about all that is left."""
    for name in ("PYTHONDEVMODE", "PYTHONASYNCIODEBUG"):
        monkeypatch.setenv(name, request.param)


def ends(case: str, flavour: str = "asyncio") -> list[str]:
    """What a script prints that ends without any delay, and says nothing on stderr."""
    start = monotonic()
    lines = run_script("async_exits", case, flavour)
    assert monotonic() - start < START
    return lines


CLOSED = " ends, and closes 1 object that tasks had when they ended"


@both
@pytest.mark.parametrize(
    ("case", "after"), [("tasks_wait", []), ("interrupted", ["went on"]), ("exits", []), ("raises", ["raised"])]
)
def test_the_end_of_a_busy_loop(flavour: str, case: str, after: list[str], mode: None) -> None:
    """However a run ends, with tasks that hold objects and tasks that wait: what they had is closed in it."""
    said, logged = apart(ends(case, flavour))
    assert sorted(said) == sorted([FULL, "closed thing 0", "closed thing 1", *after])
    (line,) = logged
    assert line.endswith(CLOSED)


@both
def test_a_daemon_thread(flavour: str, mode: None) -> None:
    """A loop that still runs, in a daemon thread, holds nothing up: nobody can close what it has."""
    assert ends("in_a_daemon_thread", flavour) == [FULL]


@both
def test_after_a_run(flavour: str, mode: None) -> None:
    """What was idle at the end of the run is closed there, and what was lent to a task that has ended."""
    said, logged = apart(ends("idle_and_lent", flavour))
    assert sorted(said) == ["closed thing 0", "closed thing 1"]
    (line,) = logged
    assert line.endswith(CLOSED)


@pytest.mark.parametrize("case", ["closed_without_its_end", "never_used"])
def test_nobody_can_close(case: str, mode: None) -> None:
    """What a loop has left that was closed in another way ends with the process, as does a pool that had no loop."""
    assert ends(case) == []


def test_a_loop_that_is_never_closed() -> None:
    """A loop that only stands still runs no more."""
    assert ends("never_closed") == []


def test_a_lease_in_a_global(mode: None) -> None:
    """A lease of an ended loop does nothing when it is dropped at exit: its object was closed with the loop."""
    said, logged = apart(ends("lease_in_a_global"))
    assert said == ["closed thing 0", "got thing 0", "closed thing 0"]
    (line,) = logged
    assert line.startswith("logged pool 'module': the event loop ")
    assert line.endswith(CLOSED)


def apart(lines: list[str]) -> tuple[list[str], list[str]]:
    """What a script says, and what is logged, by a thread that comes when it comes."""
    logged = [line for line in lines if line.startswith("logged")]
    return [line for line in lines if line not in logged], logged


PARENT_GOES_ON = ["still thing 0", "closed thing 1", "closed thing 0"]


@needs_fork
@pytest.mark.parametrize("case", ["fork_beside_a_loop", "multiprocessing_beside_a_loop"])
def test_a_fork_beside_a_loop(case: str) -> None:
    """A child starts empty, in a loop of its own; in the parent all goes on."""
    assert ends(case) == [
        "child: got child thing 0",
        "child: closed child thing 0",
        "child: <AsyncPool module: its event loop has ended, 0 idle, 0 in use, 0 waiting, max 2>",
        *PARENT_GOES_ON,
    ]


@needs_fork
def test_a_fork_after_a_loop() -> None:
    """That the pool was closed for the end of the parent's loop closes it for no child, as for no other loop."""
    assert ends("fork_after_a_loop") == [
        "got thing 0",
        "closed thing 0",
        "child: got child thing 0",
        "child: closed child thing 0",
        "child: <AsyncPool module: its event loop has ended, 0 idle, 0 in use, 0 waiting, max 2>",
        "got thing 0",
        "closed thing 0",
    ]


@needs_fork
@both
def test_a_fork_in_a_coroutine(flavour: str) -> None:
    """The child inherits the frames of the coroutine, and what those hold; it gives back nothing of it.

    Of trio it inherits the run, too: there it runs asyncio.
    """
    said, logged = apart(ends("fork_in_a_coroutine", flavour))
    assert [*said[:-2], *sorted(said[-2:], reverse=True)] == [
        "child: <AsyncPool module: 0 idle, 0 in use, 0 waiting, max 2>",
        "child: got child thing 0",
        "child: closed child thing 0",
        "child: <AsyncPool module: its event loop has ended, 0 idle, 0 in use, 0 waiting, max 2>",
        *PARENT_GOES_ON,
    ]
    assert all("not lent here" in line for line in logged)
