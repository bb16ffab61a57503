"""How one caller sleeps until it is woken, whatever its thread runs."""

from collections.abc import Callable
from typing import Protocol

from .native import acquire, allocate_lock


class Sleeper(Protocol):
    """One caller's bed. A wake-up before the sleep is kept; several count as one."""

    @property
    def hub(self) -> object | None:
        """The hub it sleeps in, for telling whether two sleep in the same; ``None`` for a native thread."""
        ...

    def sleep(self, seconds: float | None) -> bool:
        """Sleep until woken (True) or until the time is over (False); ``None`` for ever."""
        ...

    def wake(self) -> bool:
        """Wake the sleeper, now or at its next sleep; from any thread, never switching.

        Say whether it can wake: a greenlet whose thread has ended cannot.
        """
        ...

    def alive(self) -> bool:
        """Whether the sleeper can still come: a greenlet cannot when its thread or its hub is over."""
        ...

    def dispose(self) -> None:
        """Let go of what the sleeper needed of a hub: it does not sleep any more, and cannot be lost."""
        ...


def nothing() -> None:
    """Do nothing about a sleeper that is lost."""


def awake() -> bool:
    """Be the sign of life of a sleeper that has been disposed of: who does not sleep is not lost."""
    return True


class NativeSleeper:
    """A native thread sleeps on a raw lock: the unpatched primitive, with an exact timeout."""

    __slots__ = ("_lock",)

    hub = None

    def __init__(self) -> None:
        self._lock = allocate_lock()
        self._lock.acquire()

    def sleep(self, seconds: float | None) -> bool:
        return acquire(self._lock, seconds)

    def wake(self) -> bool:
        try:
            self._lock.release()
        except RuntimeError:  # it was woken already and has not slept since
            pass
        return True

    def alive(self) -> bool:
        return True

    def dispose(self) -> None:
        """Do nothing: a lock is only memory."""


class Hub(Protocol):
    """The hub in which a pool was first used: where its hooks must run."""

    def here(self) -> bool:
        """Whether the current thread is the hub's."""
        ...

    def alive(self) -> bool:
        """Whether the hub still exists, and with it the chance that it does what it is given."""
        ...

    def spawn(self, job: Callable[[], None]) -> bool:
        """Run a job in a greenlet of this hub, from any thread; say whether the hub still exists."""
        ...
