"""The engine's steps: a thread that drives them never suspends, and none waits on the way of an exception."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from ProxyPatternPool._engine.steps import THREADS, Steps, run, run_rest

from .helpers import ROOT


def test_a_thread_never_suspends() -> None:
    """A step that would wait for an event loop in a thread is a bug, and says so; it is closed."""
    ended: list[str] = []

    def step() -> Steps[None]:
        try:
            yield
        finally:
            ended.append("closed")

    steps = step()
    with pytest.raises(RuntimeError, match=r"^a step of a pool for threads has suspended"):
        run(steps)
    assert ended == ["closed"]


def test_a_thread_does_itself_what_is_left() -> None:
    """What a task leaves to another task is done by the thread that waits for it."""
    done: list[str] = []

    def step() -> Steps[str]:
        return "done"
        yield

    def follow(awaited: Steps[str]) -> Steps[None]:
        done.append((yield from awaited))

    run_rest(THREADS.apart(step(), follow, in_place=False))
    assert done == ["done"]


BROKEN = """
async def step():
    try:
        yield
    {}
"""


@pytest.mark.parametrize(
    ("line", "right"),
    [
        ("except OSError:\n        yield", False),
        ("except OSError:\n        wait = yield from other()", False),
        ("finally:\n        await other()", False),
        ("finally:\n        async with other(): pass", False),
        ("finally:\n        def later():\n            yield", True),
        ("finally:\n        pass\n    yield", True),
    ],
)
def test_no_step_waits_on_the_way_of_an_exception(line: str, right: bool, tmp_path: Any) -> None:
    """Where a task is cancelled for good, it would be cancelled there again: a check of the sources sees it."""
    source = tmp_path / "step.py"
    source.write_text(BROKEN.format(line))
    command = [sys.executable, str(ROOT / "tools" / "waits_on_errors.py"), str(source)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode == 0) == right, done.stdout + done.stderr
    assert done.stderr == ""


def test_the_engine_follows_it() -> None:
    """As do all of its steps."""
    subprocess.run([sys.executable, str(ROOT / "tools" / "waits_on_errors.py")], check=True, timeout=60)
