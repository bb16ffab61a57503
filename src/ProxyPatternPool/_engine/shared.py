"""What all parts of one pool share."""

from dataclasses import dataclass
from typing import Generic, TypeVar

from .._config import PoolConfig
from .._runtime.environment import Environment
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
