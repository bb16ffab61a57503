"""Daemon threads that the interpreter may leave behind at its exit."""

import atexit
import threading
from collections.abc import Callable
from contextlib import suppress

from . import native
from .native import Empty, SimpleQueue, ThreadLocal


class _PerThread(ThreadLocal):
    """What each daemon thread has of its own."""

    name = ""


_per_thread = _PerThread()


def thread_name() -> str:
    """The name of the current native thread, if it is one of ours.

    Not kept in ``threading.current_thread()``: that makes an entry for a thread which ``threading`` does not know.
    Until 3.12 such an entry outlives its thread, and is taken for the next one with the same ident; and before 3.11.8
    and 3.12.2 a process that is forked in a thread with such an entry, as by a factory, ends with an error.
    """
    return _per_thread.name


def current_name() -> str:
    """The name of the current thread, whoever started it."""
    return _per_thread.name or threading.current_thread().name


class DaemonThreads:
    """Daemon threads, each of which has taken its first step when the interpreter ends.

    At its end the interpreter frees the states of all other threads. One that waits for the GIL is told, and ends; one
    that the system has not yet let run goes on with the freed state, and crashes the process, before 3.11.6 and 3.12.1
    (https://github.com/python/cpython/issues/108987).
    """

    def __init__(
        self,
        start_thread: Callable[[Callable[[], None]], bool] = native.start_thread,
        clock: Callable[[], float] = native.monotonic,
    ) -> None:
        self._start_thread = start_thread
        self._clock = clock
        self._starting: set[SimpleQueue[None]] = set()
        self._ended = False

    def start(self, name: str, run: Callable[[], None]) -> bool:
        """Run something in a new thread, which has a name for the log; say whether it can be: not after `end`."""
        first_step: SimpleQueue[None] = SimpleQueue()

        def begin() -> None:
            self._starting.discard(first_step)
            first_step.put(None)
            _per_thread.name = name
            run()

        # In this order: either end() sees a thread that is to be started here, or it is seen here that it was called.
        # An exception thrown in leaves the thread noted, for nobody knows whether it was started: end() waits in vain.
        self._starting.add(first_step)
        started = not self._ended and self._start_thread(begin)
        if not started:
            self._starting.discard(first_step)
        return started

    def end(self, seconds: float = 0.0) -> None:
        """Start no thread from now on, and wait for the first step of each that was, for some seconds at most."""
        until = self._clock() + seconds
        self._ended = True
        for first_step in list(self._starting):
            with suppress(Empty):
                native.get_within(first_step, max(0.0, until - self._clock()))


def at_exit(end: Callable[[], None]) -> None:
    """Have a function called when the interpreter ends; it must end all threads."""
    if native.MAIN_INTERPRETER:
        atexit.register(end)
    else:
        # There is no public way to be called before the interpreter waits for its threads, which comes before what is
        # registered with atexit; concurrent.futures has this one, too.
        vars(threading)["_register_atexit"](end)
