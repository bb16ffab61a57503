"""Sleeping and running jobs among gevent's greenlets. Imported only once gevent itself is."""

import weakref
from collections.abc import Callable
from functools import partial

import gevent
import gevent.hub
from gevent._hub_local import get_hub_if_exists
from gevent.hub import Hub as Loop
from gevent.hub import Waiter, get_hub
from gevent.monkey import is_module_patched
from greenlet import getcurrent

from .native import get_ident, thread_reference
from .waiting import RunningHub, always_alive, do_nothing

_main_thread: int = vars(gevent.hub)["MAIN_THREAD_IDENT"]


def running() -> Loop | None:
    """The hub of the current thread, if it has one; the main thread of a patched process has one by intention.

    Any other that has none has no greenlets either, and waits natively: a hub for it would stay, with two descriptors.
    """
    hub: Loop | None = get_hub_if_exists()
    if hub is None and is_module_patched("socket") and get_ident() == _main_thread:
        hub = get_hub()
    return hub


def running_hub() -> RunningHub | None:
    """What the hub of the current thread offers, if the thread has one."""
    hub = running()
    if hub is None:
        return None
    return RunningHub(partial(GeventSleeper, hub), partial(GeventHub, hub), partial(_pause, hub))


def in_hub() -> bool:
    """Whether the current greenlet is the hub, which cannot wait."""
    hub = get_hub_if_exists()
    return hub is not None and getcurrent() is hub


def _exists(hub: Loop) -> bool:
    """Whether nobody has destroyed a hub: it gives its loop away then."""
    return getattr(hub, "loop", None) is not None


def _pause(hub: Loop, seconds: float) -> bool:
    """Let the other greenlets of this hub run for some seconds; say whether they can: not if this is the hub."""
    if gevent.getcurrent() is hub:
        return False
    gevent.sleep(seconds)
    return True


class GeventSleeper:
    """A greenlet sleeps by switching to its hub, which switches back when another thread uses an async watcher.

    The watcher also tells the hub to wait for other threads: without it, a hub with nothing else to do raises
    ``LoopExit`` in the sleeping greenlet.
    """

    __slots__ = ("_disposed", "_thread_alive", "_waiter", "_watcher", "_woken", "hub")

    def __init__(self, hub: Loop, lost: Callable[[], None] = do_nothing) -> None:
        self.hub = hub
        self._thread_alive: Callable[[], object] = thread_reference(lost)
        self._woken = self._disposed = False
        self._waiter: Waiter[None] = Waiter(hub)
        self._watcher = hub.loop.async_()
        self._watcher.start(self._switch)

    def _switch(self) -> None:
        self._waiter.switch(None)

    def sleep(self, seconds: float | None) -> bool:
        # Only callbacks of this thread's own hub use the waiter, and they cannot run before get()
        # switches there: nothing is lost between looking at the flag and sleeping.
        self._waiter.clear()
        if not self._woken and (seconds is None or seconds > 0):
            timer = None if seconds is None else self.hub.loop.timer(seconds)
            try:
                if timer is not None:
                    timer.start(self._switch)
                self._waiter.get()
            finally:
                if timer is not None:
                    timer.stop()
                    timer.close()
        woken, self._woken = self._woken, False
        return woken

    def wake(self) -> bool:
        self._woken = True
        if not self.alive():
            return False
        if not self._disposed:
            try:
                self._watcher.send()
            except Exception:  # whatever a destroyed loop answers
                return False
        return True

    def alive(self) -> bool:
        return self._thread_alive() is not None and _exists(self.hub)

    def dispose(self) -> None:
        self._thread_alive = always_alive
        self._disposed = True
        self._watcher.stop()
        self._watcher.close()


class GeventHub:
    """A gevent hub, which this does not keep alive."""

    for_tasks = False

    def __init__(self, hub: Loop) -> None:
        self._hub = weakref.ref(hub)
        self._thread = get_ident()
        self._thread_alive = thread_reference()

    def here(self) -> bool:
        return get_ident() == self._thread

    def alive(self) -> bool:
        hub = self._hub()
        return hub is not None and self._thread_alive() is not None and _exists(hub)

    def spawn(self, job: Callable[[], None]) -> bool:
        hub = self._hub()
        if hub is None or not self.alive():
            return False
        try:
            hub.loop.run_callback_threadsafe(gevent.spawn, job)
        except Exception:  # whatever a destroyed loop answers: the caller has another way
            return False
        return True
