"""Sleeping and running jobs among eventlet's greenlets. Imported only once eventlet itself is."""

import os
import weakref
from collections import deque
from collections.abc import Callable
from functools import partial

import eventlet
from eventlet import hubs, patcher
from eventlet.hubs.hub import BaseHub
from greenlet import getcurrent, greenlet

from .native import get_ident, thread_reference
from .process import call_in_child
from .waiting import RunningHub, always_alive, do_nothing

_os = patcher.original("os")
"""Unpatched: a green write switches greenlets, and a waiter is woken with a pool's lock held."""


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


class CallPipe:
    """Has a hub make calls for any thread: a queue of calls, and a pipe that a greenlet of the hub listens to."""

    def __init__(self, hub: BaseHub) -> None:
        self._hub = weakref.ref(hub)
        self._thread = get_ident()
        self._calls: deque[Callable[[], object]] = deque()
        read_end, write_end = map(_End, os.pipe())
        self._fd = read_end.fd
        self._ends = [write_end, read_end]
        # The listener below is lost with its thread, without a word: then nobody else is left to close the pipe.
        self._thread_alive = thread_reference(self._ends.clear)
        eventlet.spawn_n(self._listen)

    def here(self) -> bool:
        return get_ident() == self._thread

    def alive(self) -> bool:
        """Whether there still is a hub that listens."""
        return self._hub() is not None and bool(self._ends)

    def call(self, run: Callable[[], object]) -> bool:
        """Have the hub call something soon; say whether there still is a hub."""
        hub = self._hub()
        write_end = next(iter(self._ends), None)  # referred to, and so open, until this has written
        if hub is None or write_end is None:
            return False
        if self.here():
            hub.schedule_call_global(0, run)
            return True
        self._calls.append(run)
        try:
            _os.write(write_end.fd, b"!")
        except BlockingIOError:  # full of unread bytes: the hub will look anyway
            pass
        except BrokenPipeError:  # the hub's thread has ended at this moment, and its end of the pipe with it
            return False
        return True

    def _listen(self) -> None:
        """Make the calls as soon as a byte comes, until the pipe is closed in the child of a fork.

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
            # The byte was another's: a parent and its child share what they poll with, until one of them has a new hub.
            pass

    def close(self) -> None:
        """In the child of a fork: leave the pipe to the parent."""
        self._ends.clear()
        if self._hub() is running() is not None:
            # After the close: the hub would else take it out of what the parent polls, too.
            hubs.notify_opened(self._fd)


_pipes: weakref.WeakKeyDictionary[BaseHub, CallPipe] = weakref.WeakKeyDictionary()


def _after_fork() -> None:
    """Keep the child from reading what is written for its parent: both ends of each pipe are shared."""
    for pipe in list(_pipes.values()):
        pipe.close()
    _pipes.clear()


call_in_child(_after_fork)


def running() -> BaseHub | None:
    """The hub of the current thread, if it has one; a patched thread makes one as soon as it waits."""
    # There is no public way to ask for a hub without making one.
    local = hubs._threadlocal  # pyright: ignore[reportPrivateUsage]  # see above
    hub: BaseHub | None = getattr(local, "hub", None)
    return hub


def running_hub() -> RunningHub | None:
    """What the hub of the current thread offers, if the thread has one."""
    hub = running()
    if hub is None:
        return None
    return RunningHub(partial(EventletSleeper, hub), partial(EventletHub, hub), partial(_pause, hub))


def _pause(hub: BaseHub, seconds: float) -> bool:
    """Let the other greenlets of this hub run for some seconds; say whether they can: not if this is the hub."""
    if getcurrent() is hub.greenlet:
        return False
    eventlet.sleep(seconds)
    return True


def in_hub() -> bool:
    """Whether the current greenlet is the hub, which cannot wait."""
    hub = running()
    return hub is not None and getcurrent() is hub.greenlet


def pipe_of(hub: BaseHub) -> CallPipe:
    """The pipe of the current thread's hub."""
    pipe = _pipes.get(hub)
    if pipe is None or not pipe.alive():
        pipe = _pipes[hub] = CallPipe(hub)
    return pipe


MAX_SLEEP = 3600.0
"""Seconds that a greenlet sleeps at a time."""


class EventletSleeper:
    """A greenlet sleeps by switching to its hub, which switches back when it is called to."""

    __slots__ = ("_greenlet", "_pipe", "_thread_alive", "_woken", "hub")

    def __init__(self, hub: BaseHub, lost: Callable[[], None] = do_nothing) -> None:
        self.hub = hub
        self._pipe = pipe_of(hub)
        self._thread_alive: Callable[[], object] = thread_reference(lost)
        self._greenlet: greenlet | None = None
        self._woken = False

    def sleep(self, seconds: float | None) -> bool:
        # Only calls made by this thread's own hub switch back here, and none can run before the
        # switch below: nothing is lost between looking at the flag and sleeping.
        if not self._woken and (seconds is None or seconds > 0):
            self._greenlet = getcurrent()
            # Whoever sleeps looks at the clock afterwards. What polls would refuse more than 24 days.
            timer = None if seconds is None else self.hub.schedule_call_global(min(seconds, MAX_SLEEP), self._switch)
            try:
                self.hub.switch()
            finally:
                self._greenlet = None
                if timer is not None:
                    timer.cancel()
        woken, self._woken = self._woken, False
        return woken

    def _switch(self) -> None:
        sleeping, self._greenlet = self._greenlet, None
        if sleeping is not None:
            sleeping.switch()

    def wake(self) -> bool:
        self._woken = True
        return self._pipe.call(self._switch)

    def alive(self) -> bool:
        return self._thread_alive() is not None

    def dispose(self) -> None:
        self._thread_alive = always_alive  # the pipe stays: it serves the next sleeper of this hub


class EventletHub:
    """An eventlet hub, which this does not keep alive."""

    for_tasks = False

    def __init__(self, hub: BaseHub) -> None:
        self._pipe = pipe_of(hub)

    def here(self) -> bool:
        return self._pipe.here()

    def alive(self) -> bool:
        return self._pipe.alive()

    def spawn(self, job: Callable[[], None]) -> bool:
        return self._pipe.call(partial(eventlet.spawn_n, job))
