"""What the scheduler needs of a pool."""

from collections import deque
from collections.abc import Callable
from typing import Any, Protocol

from .._runtime.waiting import Hub


class Maintained(Protocol):
    """A pool, or something else that has to be looked at from time to time, as the scheduler sees it.

    The scheduler's thread calls ``run_due``, which queues work and calls nothing of the user's. Workers, or greenlets
    of the pool's hub, call ``run_chores``, which does.
    """

    @property
    def queued(self) -> deque[Callable[[], Any]]:
        """Chores that any thread may do: closers, log lines."""
        ...

    @property
    def queued_in_hub(self) -> deque[Callable[[], Any]]:
        """Chores that only the pool's hub does, as long as it lives: health checks, creations."""
        ...

    @property
    def hub(self) -> Hub | None:
        """The hub in which the pool was first used, until ``hub_ended``."""
        ...

    def hub_ended(self) -> None:
        """Have no hub any more; the next one in which the pool is used takes its place."""
        ...

    def run_due(self) -> float | None:
        """Queue the chores that are due; give the time of the next look, ``None`` if none is needed."""
        ...

    def run_chores(self, *, common: bool = True, hub: bool = True) -> None:
        """Run what is in ``queued`` (``common``) and in ``queued_in_hub`` (``hub``); raise nothing."""
        ...

    def log_later(self, level: int, message: str, *arguments: object, error: BaseException | None = None) -> None:
        """Queue a log line, which is written by the next who runs chores."""
        ...

    def close_at_exit(self) -> list[Callable[[], None]]:
        """Close the pool at the interpreter's exit; give what has to be called then, the queued chores included."""
        ...

    def wait_until_empty(self, seconds: float) -> None:
        """Wait until the pool has no object left, for some seconds at most."""
        ...

    def after_fork(self) -> None:
        """Start anew in a child process."""
        ...
