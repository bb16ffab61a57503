"""What the package takes from the world outside, in one object: time, chance, sleeping, event loops and threads."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from . import hubs, native
from .waiting import Hub, Sleeper, do_nothing


class NewSleeper(Protocol):
    """Makes the sleeper of a caller who is about to wait, as ``hubs.new_sleeper`` does."""

    def __call__(self, lost: Callable[[], None] = do_nothing, /) -> Sleeper: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """Where pools and their scheduler get all that comes from outside.

    The defaults are the real ones. Tests give others, and so patch no module.
    """

    clock: Callable[[], float] = native.monotonic
    """Seconds that never jump, for all that is measured."""
    wall_clock: Callable[[], float] = native.wall_clock
    """Seconds since the epoch, for what people read."""
    random: Callable[[], float] = random.random
    """A number from 0 to 1, 1 excluded."""
    new_sleeper: NewSleeper = hubs.new_sleeper
    current_hub: Callable[[], Hub | None] = hubs.current_hub
    """The event loop that runs in the current thread, if it is one in which hooks can be called."""
    start_thread: Callable[[Callable[[], None]], bool] = native.start_thread
    """Start a daemon thread; say whether it could be."""


REAL = Environment()
