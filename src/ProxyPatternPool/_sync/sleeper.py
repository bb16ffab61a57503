"""How one caller sleeps until it is woken, whatever its thread runs."""

import sys
from collections.abc import Callable
from functools import partial
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


class Home(Protocol):
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


def _hub() -> tuple[Callable[[Callable[[], None]], Sleeper], Callable[[], Home], Callable[[float], bool]] | None:
    """The hub that the current thread runs at this moment: what makes a sleeper in it, and a home, and pauses."""
    if "gevent.hub" in sys.modules:
        from . import gevent_hub

        gevent = gevent_hub.running()
        if gevent is not None:
            return (
                partial(gevent_hub.GeventSleeper, gevent),
                partial(gevent_hub.GeventHome, gevent),
                partial(gevent_hub.pause, gevent),
            )
    if "eventlet.hubs" in sys.modules:
        from . import eventlet_hub

        eventlet = eventlet_hub.running()
        if eventlet is not None:
            return (
                partial(eventlet_hub.EventletSleeper, eventlet),
                partial(eventlet_hub.EventletHome, eventlet),
                partial(eventlet_hub.pause, eventlet),
            )
    return None


def in_hub() -> bool:
    """Whether the caller is the hub itself: a callback, or a signal handler that came while all greenlets slept."""
    if "gevent.hub" in sys.modules:
        from . import gevent_hub

        if gevent_hub.in_hub():
            return True
    if "eventlet.hubs" in sys.modules:
        from . import eventlet_hub

        return eventlet_hub.in_hub()
    return False


def sleeper(lost: Callable[[], None] = nothing) -> Sleeper:
    """Make the sleeper that fits what the current thread runs at this moment.

    A greenlet's thread may end while the greenlet sleeps, which then never comes back. Then ``lost`` is called, in a
    finalizer: it may knock at a house keeper, no more. A native thread cannot be lost in its sleep.
    """
    hub = _hub()
    return NativeSleeper() if hub is None else hub[0](lost)


def home() -> Home | None:
    """The current thread's hub, if it runs one."""
    hub = _hub()
    return None if hub is None else hub[1]()


def pause(seconds: float) -> bool:
    """Let the other greenlets of this thread go on for some seconds; say whether there are any that can."""
    hub = _hub()
    return hub is not None and hub[2](seconds)
