"""Waiting and working among eventlet's greenlets. Imported only once eventlet itself is."""

import os
import weakref
from collections import deque
from collections.abc import Callable
from functools import partial

import eventlet
from eventlet import hubs, patcher
from eventlet.hubs.hub import BaseHub
from greenlet import getcurrent, greenlet

from .native import get_ident, sign_of_life

_os = patcher.original("os")
"""Unpatched: a green write switches, and rings happen with a pool's lock held."""


class Bell:
    """Carries calls from any thread into one hub: a queue, and a pipe that the hub listens to."""

    def __init__(self, hub: BaseHub) -> None:
        self._hub = weakref.ref(hub)
        self._thread = get_ident()
        self._alive = sign_of_life()
        self._calls: deque[Callable[[], object]] = deque()
        self._listening, self._ringing = os.pipe()
        for end in (self._listening, self._ringing):
            os.set_blocking(end, False)
        eventlet.spawn_n(self._listen)

    def here(self) -> bool:
        return get_ident() == self._thread

    def call(self, run: Callable[[], object]) -> bool:
        """Have the hub call something in its next turn; say whether there still is a hub."""
        hub = self._hub()
        if hub is None or self._alive() is None:
            return False
        if self.here():
            hub.schedule_call_global(0, run)
            return True
        self._calls.append(run)
        try:
            _os.write(self._ringing, b"!")
        except BlockingIOError:  # full of unread rings: the hub will look anyway
            pass
        except OSError:  # closed: the hub's thread has ended
            return False
        return True

    def _listen(self) -> None:
        try:
            while True:
                hubs.trampoline(self._listening, read=True)
                _os.read(self._listening, 4096)
                hub = hubs.get_hub()
                while self._calls:
                    # Never switch to a waiter from here: nobody would switch back to this listener.
                    hub.schedule_call_global(0, self._calls.popleft())
        except OSError:  # closed under us, in the child of a fork
            return
        finally:
            self.close()

    def close(self) -> None:
        ends, self._listening, self._ringing = (self._listening, self._ringing), -1, -1
        for end in ends:
            if end >= 0:
                os.close(end)


_bells: weakref.WeakKeyDictionary[BaseHub, Bell] = weakref.WeakKeyDictionary()


def _after_fork() -> None:
    """Keep the child from reading the rings of its parent: both ends of each pipe are shared."""
    for bell in list(_bells.values()):
        bell.close()
    _bells.clear()


os.register_at_fork(after_in_child=_after_fork)


def running() -> BaseHub | None:
    """The hub of the current thread, if it has one; a patched thread makes one as soon as it waits."""
    # There is no public way to ask for a hub without making one.
    local = hubs._threadlocal  # pyright: ignore[reportPrivateUsage]  # see above
    hub: BaseHub | None = getattr(local, "hub", None)
    return hub


def bell_of(hub: BaseHub) -> Bell:
    """The bell of the current thread's hub."""
    bell = _bells.get(hub)
    if bell is None:
        bell = _bells[hub] = Bell(hub)
    return bell


class EventletSleeper:
    """A greenlet sleeps by switching to its hub, which switches back when the bell was rung for it."""

    __slots__ = ("_bell", "_greenlet", "_hub", "_rung")

    def __init__(self, hub: BaseHub) -> None:
        self._hub = hub
        self._bell = bell_of(hub)
        self._greenlet: greenlet | None = None
        self._rung = False

    def sleep(self, seconds: float | None) -> bool:
        # Only calls made by this thread's own hub switch back here, and none can run before the
        # switch below: nothing is lost between looking at the flag and sleeping.
        if not self._rung and (seconds is None or seconds > 0):
            self._greenlet = getcurrent()
            timer = None if seconds is None else self._hub.schedule_call_global(seconds, self._go)
            try:
                self._hub.switch()
            finally:
                self._greenlet = None
                if timer is not None:
                    timer.cancel()
        rung, self._rung = self._rung, False
        return rung

    def _go(self) -> None:
        sleeping, self._greenlet = self._greenlet, None
        if sleeping is not None:
            sleeping.switch()

    def wake(self) -> bool:
        self._rung = True
        return self._bell.call(self._go)

    def dispose(self) -> None:
        """Do nothing: the bell serves the next sleeper of this hub."""


class EventletHome:
    """The hub in which a pool was first used, and so where its hooks must run."""

    def __init__(self, hub: BaseHub) -> None:
        self._bell = bell_of(hub)

    def here(self) -> bool:
        return self._bell.here()

    def spawn(self, job: Callable[[], None]) -> bool:
        return self._bell.call(partial(eventlet.spawn_n, job))

    def finish(self, job: Callable[[], None], seconds: float) -> None:
        with eventlet.Timeout(seconds, False):
            eventlet.spawn(job).wait()
