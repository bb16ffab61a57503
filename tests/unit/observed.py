"""A pool to which everything happens once, and an observer that does something whenever it is told."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import pytest

from ProxyPatternPool import (
    Pool,
    PoolObserver,
    TimeOut,
    TooManyWaiting,
)

from .clock import HandMovedClock
from .diary import Diary
from .helpers import Thing, Works

Line = tuple[object, ...]


class Failure(Exception):
    """What a hook raises."""


class Thrown(BaseException):
    """Something that is meant for the thread."""


def fail(_: object) -> bool:
    raise Failure


def events(lines: list[Line]) -> list[object]:
    return [line[0] for line in lines]


class Disturbing(Diary):
    """Does something whenever it is told of anything."""

    def __init__(self, disturb: Callable[[str], object]) -> None:
        super().__init__()
        self.disturb = disturb

    @classmethod
    def at(cls, event: str, disturb: Callable[[], None]) -> Disturbing:
        """Do something at one kind of event."""

        def at(notified: str) -> None:
            if notified == event:
                disturb()

        return cls(at)

    def note(self, pool: str, *line: object) -> None:
        super().note(pool, *line)
        self.disturb(cast(str, line[0]))


def live_through(pool: Pool[Thing], works: Works, clock: HandMovedClock) -> None:
    """Have everything happen once: each kind of event, of which the pool's hooks are part."""
    pool.ret(pool.get())
    lease = pool.lease()
    with pytest.raises(TimeOut):
        pool.get(0)
    with pytest.raises(TooManyWaiting):
        pool.get(1)
    lease.discard()
    works.failing = Failure()
    with pytest.raises(Failure):
        pool.get()
    works.failing = None
    clock.advance(1)  # so that the next attempt is due
    pool.ret(pool.get())
    pool.shutdown()


EVERYTHING = [
    "created",
    "lent",
    "returned",
    "lent",
    "timed_out",
    "refused",
    "returned",
    "discarded",
    "hook_failed",
    "creation_failed",
    "created",
    "lent",
    "returned",
    "discarded",
    "hook_failed",
]


def lively(works: Works, observer: PoolObserver[object]) -> Pool[Thing]:
    return Pool(works.make, 1, 0, closer=fail, max_waiting=0, observer=observer)
