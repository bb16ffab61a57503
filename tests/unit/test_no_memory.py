"""A moment in which there is no memory: who needs some gets a MemoryError, and the pool is as it was."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from ProxyPatternPool import Pool
from ProxyPatternPool._engine import guard as guard_module
from ProxyPatternPool._engine.guard import Guard

from .helpers import Works

pytestmark = pytest.mark.usefixtures("scheduler")


class NotReleased:
    """A lock at which `with` cannot end: it makes a tuple for that, and there is no memory."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.failing = True
        self.release = self.lock.release

    def __enter__(self) -> None:
        self.lock.acquire()

    def __exit__(self, *_: object) -> None:
        if self.failing:
            raise MemoryError
        self.lock.release()


@pytest.fixture
def lock() -> NotReleased:
    return NotReleased()


@pytest.fixture
def guard(works: Works, lock: NotReleased, monkeypatch: pytest.MonkeyPatch) -> Guard:
    monkeypatch.setattr(guard_module, "LOCKS_ARE_FORGOTTEN", False)
    guard = Pool(works.make, 1)._core.guard
    monkeypatch.setattr(guard, "lock", lock)
    return guard


def fail() -> None:
    raise MemoryError


@pytest.mark.parametrize("step", [fail, lambda: None])
def test_the_end_of_a_step(guard: Guard, lock: NotReleased, step: Callable[[], None]) -> None:
    """The lock is free nevertheless, be it that the step has failed: else all who come later would wait for ever."""
    with pytest.raises(MemoryError):
        guard.locked(step)
    assert not lock.lock.locked()


def test_the_beginning_of_a_step(guard: Guard, lock: NotReleased, monkeypatch: pytest.MonkeyPatch) -> None:
    """A lock that another has, and for which there is no memory to wait, stays his."""

    def enter(_: NotReleased) -> None:
        raise MemoryError

    monkeypatch.setattr(NotReleased, "__enter__", enter)
    lock.lock.acquire()
    with pytest.raises(MemoryError):
        guard.locked(lambda: None)
    assert lock.lock.locked()


def test_a_step_that_fails(guard: Guard, lock: NotReleased) -> None:
    """A lock that was released is not released once more."""
    lock.failing = False
    with pytest.raises(MemoryError):
        guard.locked(fail)
    assert not lock.lock.locked()
    assert guard.locked(lambda: 1) == 1
