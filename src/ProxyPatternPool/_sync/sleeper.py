"""How one caller sleeps until it is woken, whatever its thread runs."""

import sys
from collections.abc import Callable
from typing import Protocol

from .native import acquire, allocate_lock


class Sleeper(Protocol):
    """One caller's bed. A wake-up before the sleep is kept; several count as one."""

    def sleep(self, seconds: float | None) -> bool:
        """Sleep until woken (True) or until the time is over (False); ``None`` for ever."""
        ...

    def wake(self) -> bool:
        """Wake the sleeper, now or at its next sleep; from any thread, never switching.

        Say whether it can wake: a greenlet whose thread has ended cannot.
        """
        ...

    def dispose(self) -> None:
        """Let go of what the sleeper needed of a hub."""
        ...


class NativeSleeper:
    """A native thread sleeps on a raw lock: the unpatched primitive, with an exact timeout."""

    __slots__ = ("_lock",)

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

    def dispose(self) -> None:
        """Do nothing: a lock is only memory."""


class Home(Protocol):
    """The hub in which a pool was first used: where its hooks must run."""

    def here(self) -> bool:
        """Whether the current thread is the hub's."""
        ...

    def spawn(self, job: Callable[[], None]) -> bool:
        """Run a job in a greenlet of this hub, from any thread; say whether the hub still exists."""
        ...

    def finish(self, job: Callable[[], None], seconds: float) -> None:
        """Run a job in a greenlet of this thread's hub and wait for its end, for some seconds at most."""
        ...


def sleeper() -> Sleeper:
    """Make the sleeper that fits what the current thread runs at this moment."""
    if "gevent.hub" in sys.modules:
        from . import gevent_hub

        gevent = gevent_hub.running()
        if gevent is not None:
            return gevent_hub.GeventSleeper(gevent)
    if "eventlet.hubs" in sys.modules:
        from . import eventlet_hub

        eventlet = eventlet_hub.running()
        if eventlet is not None:
            return eventlet_hub.EventletSleeper(eventlet)
    return NativeSleeper()


def home() -> Home | None:
    """The current thread's hub, if it runs one."""
    if "gevent.hub" in sys.modules:
        from . import gevent_hub

        gevent = gevent_hub.running()
        if gevent is not None:
            return gevent_hub.GeventHome(gevent)
    if "eventlet.hubs" in sys.modules:
        from . import eventlet_hub

        eventlet = eventlet_hub.running()
        if eventlet is not None:
            return eventlet_hub.EventletHome(eventlet)
    return None
