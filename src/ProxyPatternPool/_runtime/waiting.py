"""How one caller sleeps until it is woken, whatever its thread runs; what is asked of an event loop, or hub."""

from collections.abc import Callable
from typing import NamedTuple, Protocol

from .native import acquire, allocate_lock


class Sleeper(Protocol):
    """What one caller sleeps with. A wake-up before the sleep is kept; several count as one."""

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
        """Whether the sleeper can still wake up: a greenlet cannot when its thread or its hub has ended."""
        ...

    def dispose(self) -> None:
        """Free what the sleeper needed of a hub: it does not sleep any more, and cannot be lost."""
        ...


def do_nothing() -> None:
    """Do nothing about a sleeper that is lost."""


def always_alive() -> bool:
    """Say that a sleeper that has been disposed of is alive: it does not sleep, and so cannot be lost."""
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
    """The event loop of one thread. A pool that is first used in one has its hooks called there."""

    def here(self) -> bool:
        """Whether the current thread is the hub's."""
        ...

    def alive(self) -> bool:
        """Whether the hub still exists, and so can run what it is given."""
        ...

    def spawn(self, job: Callable[[], None]) -> bool:
        """Run a job in a greenlet of this hub, from any thread; say whether the hub still exists."""
        ...


class RunningHub(NamedTuple):
    """What the hub that runs in the current thread offers. There is a module for each kind of hub, which makes it."""

    new_sleeper: Callable[[Callable[[], None]], Sleeper]
    hub: Callable[[], Hub]
    pause: Callable[[float], bool]
