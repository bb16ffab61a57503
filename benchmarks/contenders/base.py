"""What the topics ask of a contender, and the fake connections they all pool."""

from __future__ import annotations

import time
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any, Protocol, TypeAlias, TypeVar

T = TypeVar("T")


def is_installed(module: str) -> bool:
    """Whether a library is there, and compiled: not all can be without a GIL. The header of a run names what is not."""
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # nor is its package
        return False


class FakeConnection:
    """An object with the methods a DB-API pool calls, which do nothing: only the pools' own work is measured."""

    __slots__ = ()

    def commit(self) -> None:
        """Do nothing."""

    def rollback(self) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""


class Connect:
    """The factory of every contender: makes fake connections, slowly if asked, and notes how long each one took.

    Args:
        seconds: how long a creation takes; 0 takes no time and notes nothing.
    """

    def __init__(self, seconds: float = 0.0) -> None:
        self.seconds = seconds
        self.durations: list[float] = []

    def wait(self) -> None:
        """Take the time that a creation takes."""
        if self.seconds:
            start = time.perf_counter()
            time.sleep(self.seconds)
            self.durations.append(time.perf_counter() - start)

    def __call__(self) -> FakeConnection:
        """Make a connection."""
        self.wait()
        return FakeConnection()


class Contender(Protocol[T]):
    """A pool under test. `acquire` and `release` are the pool's own callables, so that no adapter is measured."""

    @property
    def name(self) -> str:
        """What the tables call it."""
        ...

    @property
    def acquire(self) -> Callable[[], T]:
        """Take an object, waiting as long as needed."""
        ...

    @property
    def release(self) -> Callable[[T], object]:
        """Give an object back."""
        ...

    def cycles(self, count: int) -> None:
        """Take an object and give it back, `count` times, in a loop as a user of this pool writes it."""
        ...

    def close(self) -> None:
        """Close the pool and stop its threads."""
        ...


AnyContender: TypeAlias = Contender[Any]
"""A contender whose kind of object matters to nobody but itself."""


class Build(Protocol):
    """Make a contender of at most `size` objects; `warm` means that all of them exist when it returns."""

    def __call__(self, connect: Connect, size: int, *, warm: bool = True) -> AnyContender:
        """Make it."""
        ...


def fill(contender: AnyContender, size: int) -> None:
    """Make a pool that creates on demand create all its objects."""
    objects = [contender.acquire() for _ in range(size)]
    for obj in objects:
        contender.release(obj)
