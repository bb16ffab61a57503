"""Which event loop, or hub, runs in the current thread; what a caller sleeps with there.

The modules of the kinds of hub are below this one and know nothing of it. Each is imported only once its library is.
"""

import sys
from collections.abc import Callable

from .waiting import Hub, NativeSleeper, RunningHub, Sleeper, do_nothing


def _running_hub() -> RunningHub | None:
    """The hub that the current thread runs at this moment."""
    if "gevent.hub" in sys.modules:
        from . import gevent_hub

        running = gevent_hub.running_hub()
        if running is not None:
            return running
    if "eventlet.hubs" in sys.modules:
        from . import eventlet_hub

        return eventlet_hub.running_hub()
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


def new_sleeper(lost: Callable[[], None] = do_nothing, /) -> Sleeper:
    """Make the sleeper that fits what the current thread runs at this moment.

    A greenlet's thread may end while the greenlet sleeps, which then never wakes up. Then ``lost`` is called, in a
    finalizer: it may request a look of the scheduler, no more. A native thread cannot be lost in its sleep.
    """
    running = _running_hub()
    return NativeSleeper() if running is None else running.new_sleeper(lost)


def current_hub() -> Hub | None:
    """The current thread's hub, if it runs one."""
    running = _running_hub()
    return None if running is None else running.hub()


def pause(seconds: float) -> bool:
    """Let the other greenlets of this thread run for some seconds; say whether there are any that can."""
    running = _running_hub()
    return running is not None and running.pause(seconds)
