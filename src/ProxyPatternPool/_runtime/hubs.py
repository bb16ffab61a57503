"""Which event loop, or hub, runs in the current thread; what is waited with there."""

import sys
from collections.abc import Callable
from functools import partial

from .waiting import Hub, NativeSleeper, Sleeper, nothing


def _hub() -> tuple[Callable[[Callable[[], None]], Sleeper], Callable[[], Hub], Callable[[float], bool]] | None:
    """The hub that the current thread runs at this moment: what makes a sleeper in it, and a home, and pauses."""
    if "gevent.hub" in sys.modules:
        from . import gevent_hub

        gevent = gevent_hub.running()
        if gevent is not None:
            return (
                partial(gevent_hub.GeventSleeper, gevent),
                partial(gevent_hub.GeventHub, gevent),
                partial(gevent_hub.pause, gevent),
            )
    if "eventlet.hubs" in sys.modules:
        from . import eventlet_hub

        eventlet = eventlet_hub.running()
        if eventlet is not None:
            return (
                partial(eventlet_hub.EventletSleeper, eventlet),
                partial(eventlet_hub.EventletHub, eventlet),
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


def new_sleeper(lost: Callable[[], None] = nothing) -> Sleeper:
    """Make the sleeper that fits what the current thread runs at this moment.

    A greenlet's thread may end while the greenlet sleeps, which then never comes back. Then ``lost`` is called, in a
    finalizer: it may knock at a house keeper, no more. A native thread cannot be lost in its sleep.
    """
    hub = _hub()
    return NativeSleeper() if hub is None else hub[0](lost)


def current_hub() -> Hub | None:
    """The current thread's hub, if it runs one."""
    hub = _hub()
    return None if hub is None else hub[1]()


def pause(seconds: float) -> bool:
    """Let the other greenlets of this thread go on for some seconds; say whether there are any that can."""
    hub = _hub()
    return hub is not None and hub[2](seconds)
