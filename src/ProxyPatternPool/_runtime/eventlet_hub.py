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
from .process import in_child
from .waiting import awake, nothing

_os = patcher.original("os")
"""Unpatched: a green write switches, and rings happen with a pool's lock held."""


class _End:
    """One end of a pipe, open as long as somebody refers to it.

    Nobody closes it otherwise. Whoever is about to write holds a reference, so that its number cannot meanwhile have
    become another file's, whatever ends at that moment; and no lock is needed, for which a finalizer could not wait.
    """

    __slots__ = ("fd",)

    _close = staticmethod(os.close)  # at the interpreter's end the module may be gone before the last of these

    def __init__(self, fd: int) -> None:
        self.fd = fd
        os.set_blocking(fd, False)

    def __del__(self) -> None:
        self._close(self.fd)


class Bell:
    """Carries calls from any thread into one hub: a queue, and a pipe that the hub listens to."""

    def __init__(self, hub: BaseHub) -> None:
        self._hub = weakref.ref(hub)
        self._thread = get_ident()
        self._calls: deque[Callable[[], object]] = deque()
        listening, ringing = map(_End, os.pipe())
        self._fd = listening.fd
        self._ends = [ringing, listening]
        # The listener below is lost with its thread, without a word: then nobody else is left to close the pipe.
        self._sign = sign_of_life(self._ends.clear)
        eventlet.spawn_n(self._listen)

    def here(self) -> bool:
        return get_ident() == self._thread

    def alive(self) -> bool:
        """Whether there still is a hub that listens."""
        return self._hub() is not None and bool(self._ends)

    def call(self, run: Callable[[], object]) -> bool:
        """Have the hub call something in its next turn; say whether there still is a hub."""
        hub = self._hub()
        ringing = next(iter(self._ends), None)  # referred to, and so open, until it has rung
        if hub is None or ringing is None:
            return False
        if self.here():
            hub.schedule_call_global(0, run)
            return True
        self._calls.append(run)
        try:
            _os.write(ringing.fd, b"!")
        except BlockingIOError:  # full of unread rings: the hub will look anyway
            pass
        except BrokenPipeError:  # the hub's thread has ended at this moment, and its end of the pipe with it
            return False
        return True

    def _listen(self) -> None:
        """Look at the calls when it rings, until the pipe is closed in the child of a fork.

        The number of the pipe, not the pipe: it is to be closed although this is waiting.
        """
        try:
            while self._ends:
                hubs.trampoline(self._fd, read=True)
                self._read()
                hub = hubs.get_hub()
                while self._calls:
                    # Never switch to a waiter from here: nobody would switch back to this listener.
                    hub.schedule_call_global(0, self._calls.popleft())
        except hubs.IOClosed:
            pass
        finally:
            self._ends.clear()

    def _read(self) -> None:
        try:
            _os.read(self._fd, 4096)
        except BlockingIOError:
            # Rung for another: a parent and its child share what they poll with, until one of them has a new hub.
            pass

    def close(self) -> None:
        """In the child of a fork: leave the pipe to the parent."""
        self._ends.clear()
        if self._hub() is running() is not None:
            # After the close: the hub would else take it out of what the parent polls, too.
            hubs.notify_opened(self._fd)


_bells: weakref.WeakKeyDictionary[BaseHub, Bell] = weakref.WeakKeyDictionary()


def _after_fork() -> None:
    """Keep the child from reading the rings of its parent: both ends of each pipe are shared."""
    for bell in list(_bells.values()):
        bell.close()
    _bells.clear()


in_child(_after_fork)


def running() -> BaseHub | None:
    """The hub of the current thread, if it has one; a patched thread makes one as soon as it waits."""
    # There is no public way to ask for a hub without making one.
    local = hubs._threadlocal  # pyright: ignore[reportPrivateUsage]  # see above
    hub: BaseHub | None = getattr(local, "hub", None)
    return hub


def pause(hub: BaseHub, seconds: float) -> bool:
    """Let the other greenlets of this hub go on for some seconds; say whether they can: not if this is the hub."""
    if getcurrent() is hub.greenlet:
        return False
    eventlet.sleep(seconds)
    return True


def in_hub() -> bool:
    """Whether the current greenlet is the hub, which cannot wait."""
    hub = running()
    return hub is not None and getcurrent() is hub.greenlet


def bell_of(hub: BaseHub) -> Bell:
    """The bell of the current thread's hub."""
    bell = _bells.get(hub)
    if bell is None or not bell.alive():
        bell = _bells[hub] = Bell(hub)
    return bell


LONGEST = 3600.0
"""Seconds that a greenlet sleeps at a time."""


class EventletSleeper:
    """A greenlet sleeps by switching to its hub, which switches back when the bell was rung for it."""

    __slots__ = ("_bell", "_greenlet", "_living", "_rung", "hub")

    def __init__(self, hub: BaseHub, lost: Callable[[], None] = nothing) -> None:
        self.hub = hub
        self._bell = bell_of(hub)
        self._living: Callable[[], object] = sign_of_life(lost)
        self._greenlet: greenlet | None = None
        self._rung = False

    def sleep(self, seconds: float | None) -> bool:
        # Only calls made by this thread's own hub switch back here, and none can run before the
        # switch below: nothing is lost between looking at the flag and sleeping.
        if not self._rung and (seconds is None or seconds > 0):
            self._greenlet = getcurrent()
            # Whoever sleeps looks at the clock afterwards. What polls would refuse more than 24 days.
            timer = None if seconds is None else self.hub.schedule_call_global(min(seconds, LONGEST), self._go)
            try:
                self.hub.switch()
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

    def alive(self) -> bool:
        return self._living() is not None

    def dispose(self) -> None:
        self._living = awake  # the bell stays: it serves the next sleeper of this hub


class EventletHub:
    """The hub in which a pool was first used, and so where its hooks must run."""

    def __init__(self, hub: BaseHub) -> None:
        self._bell = bell_of(hub)

    def here(self) -> bool:
        return self._bell.here()

    def alive(self) -> bool:
        return self._bell.alive()

    def spawn(self, job: Callable[[], None]) -> bool:
        return self._bell.call(partial(eventlet.spawn_n, job))
