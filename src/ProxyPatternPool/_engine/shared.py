"""What all parts of one pool share."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from .._config import PoolConfig
from .._ledger.shelves import Shelves
from .._runtime.environment import Environment
from .._runtime.waiting import AnySleeper, do_nothing
from .descriptions import Descriptions
from .guard import Guard
from .hooks import HookCaller
from .log_queue import LogQueue
from .notifier import ObserverNotifier
from .scheduling import Scheduling
from .steps import Driver

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Shared(Generic[T]):
    """One pool's name, world and tools: none of them knows a part."""

    label: str
    """How log lines and errors call the pool."""
    environment: Environment
    config: PoolConfig
    """What the pool was told; its bounds may have changed since, see ``Places.config``."""
    guard: Guard
    descriptions: Descriptions[T]
    hooks: HookCaller[T]
    notifier: ObserverNotifier[T]
    log_queue: LogQueue
    scheduling: Scheduling
    driver: Driver

    def new_sleeper(self, lost: Callable[[], None] = do_nothing) -> AnySleeper:
        """Make the sleeper of a caller: of a task, if the pool is for tasks, and else of a thread or greenlet."""
        loop = self.driver.loop
        return self.environment.new_sleeper(lost) if loop is None else loop.new_sleeper()


class Quick(Generic[T]):
    """What the quick ways of the public pools read: in slots, where Python finds it sooner than in a ``Core``."""

    __slots__ = ("clock", "shelves")

    shelves: Shelves[T]
    """Those of now: in the child of a fork, or in the next event loop, there are others."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.clock = clock
