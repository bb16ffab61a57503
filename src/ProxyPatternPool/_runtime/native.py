"""The interpreter's own primitives, whether or not gevent or eventlet has patched the modules."""

import importlib
import os
import sys
import threading
import time
import weakref
from _queue import Empty, SimpleQueue  # in C, never patched; its put() may be called from finalizers
from _thread import TIMEOUT_MAX
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

__all__ = [
    "GIL",
    "LOCKS_ARE_FORGOTTEN",
    "MAIN_INTERPRETER",
    "Empty",
    "KeptRLock",
    "Lock",
    "SimpleQueue",
    "ThreadLocal",
    "acquire",
    "allocate_lock",
    "get_ident",
    "get_within",
    "monotonic",
    "new_rlock",
    "start_thread",
    "thread_reference",
    "wall_clock",
    "write",
    "yield_processor",
]


T = TypeVar("T")


class Lock(Protocol):
    """A plain lock, not reentrant, released by anyone; or one that its thread can take again."""

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool: ...
    def release(self) -> None: ...
    def __enter__(self) -> bool: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None: ...


def _original(module: str, name: str) -> Any:
    """Find the unpatched ``module.name``; the caller annotates what it is."""
    gevent = sys.modules.get("gevent.monkey")
    if gevent is not None and gevent.is_object_patched(module, name):
        return gevent.get_original(module, name)
    eventlet = sys.modules.get("eventlet.patcher")
    if eventlet is not None and eventlet.is_monkey_patched("thread"):
        return getattr(eventlet.original(module), name)
    return getattr(importlib.import_module(module), name)


allocate_lock: Callable[[], Lock] = _original("_thread", "allocate_lock")
get_ident: Callable[[], int] = _original("_thread", "get_ident")
if TYPE_CHECKING:
    from threading import local

    from typing_extensions import disjoint_base

    ThreadLocal = local

    @disjoint_base
    class _RLock(Lock):
        def release(self) -> None: ...
        def __exit__(self, *_: object) -> None: ...

else:
    ThreadLocal = _original("_thread", "_local")
    _RLock = _original("_thread", "RLock")
_start_new_thread: Callable[[Callable[[], None], tuple[()]], int] = _original("_thread", "start_new_thread")


def get_within(queue: SimpleQueue[T], seconds: float) -> T:
    """Get from a queue, waiting some seconds at most; raise ``Empty`` then.

    Before Python 3.13 its ``get`` waits for ever if it first acquires the queue's lock, which may be free, and then
    finds that the time is over. A try that does not wait leaves the lock taken. Where several threads get from one
    queue it may still be: one whose time ends as another takes the item waits for the next one, and gets that.
    """
    try:
        return queue.get_nowait()
    except Empty:
        # By position: in 3.12, by name in an interpreter of its own, it would be the end of the process later.
        return queue.get(True, seconds)


write: Callable[[int, bytes], int] = importlib.import_module(os.name).write
"""``os.write``: eventlet's switches to another greenlet, and fails in a signal handler."""

LONGEST_STEP = 0.001
"""Seconds: a waiter's head start, which a clock has to measure."""


def steady_clock() -> Callable[[], float]:
    """Choose a clock that never jumps and moves in small steps: that of Windows does so from Python 3.13 on."""
    coarse = time.get_clock_info("monotonic").resolution > LONGEST_STEP
    return time.perf_counter if coarse else time.monotonic


monotonic = steady_clock()
wall_clock: Callable[[], float] = time.time

GIL: bool = getattr(sys, "_is_gil_enabled", lambda: True)()
"""Whether one bytecode of one thread runs at a time."""

yield_processor: Callable[[], None] | None = None if GIL else getattr(os, "sched_yield", None)
"""Lets another thread have the processor; ``None`` where that is of no use, or where there is no such call."""

LOCKS_ARE_FORGOTTEN = sys.version_info[:2] == (3, 14)
"""Whether ``with`` leaves a lock held if something is thrown in as it is acquired (python/cpython#148874)."""


class KeptRLock(_RLock):
    """A reentrant lock that comes free again whatever is thrown in, on Python 3.14 as well.

    What calls ``__enter__`` there looks for signals after each call in C, and not after the return of a function.
    ``__exit__`` stays in C: nothing is thrown in before it has released the lock.
    """

    __slots__ = ()

    def __enter__(self) -> bool:
        held: list[bool] = []
        try:
            held.extend(map(self.acquire, (True,)))  # one call in C acquires the lock and notes that it is held
        except BaseException:
            if held:
                self.release()
            raise
        return True


new_rlock: Callable[[], Lock] = KeptRLock if LOCKS_ARE_FORGOTTEN else _RLock
"""Makes a lock for a ``with`` statement: its own thread may take it again, and an interruption leaves it free."""


def _is_main_interpreter() -> bool:
    known: Callable[[], bool] | None = getattr(importlib.import_module("_thread"), "_is_main_interpreter", None)
    if known is not None:  # 3.13+
        return known()
    try:
        interpreters: Any = importlib.import_module("_xxsubinterpreters")
    except ImportError:  # an interpreter built without it
        return True
    return bool(interpreters.get_current() == interpreters.get_main())


MAIN_INTERPRETER: bool = _is_main_interpreter()
"""Whether threads may be left behind at the interpreter's end. With another's the whole process ends."""


class _ThreadToken:
    """Lives as long as its thread."""


class _PerThread(ThreadLocal):
    """What each native thread has of its own."""

    def __init__(self) -> None:
        self.token = _ThreadToken()


_per_thread = _PerThread()


def thread_reference(ended: Callable[[], object] | None = None) -> "weakref.ref[_ThreadToken]":
    """A weak reference that dies with the current native thread, and then calls ``ended`` if somebody still holds it.

    The call is made in a finalizer: it must neither wait nor call the user's code.
    """
    return weakref.ref(_per_thread.token, None if ended is None else lambda _: ended())


def start_thread(run: Callable[[], None]) -> bool:
    """Start a native daemon thread, without a ``Thread`` object; say whether it could be.

    Not a daemon where this is not the main interpreter, whose end then waits for it: see ``at_exit``.
    """
    try:
        if MAIN_INTERPRETER:
            _start_new_thread(run, ())
        else:
            threading.Thread(target=run).start()
    except RuntimeError:  # the interpreter is ending (3.12+), or the system has no more threads
        return False
    return True


def acquire(lock: Lock, seconds: float | None) -> bool:
    """Acquire a lock within some seconds, ``None`` for ever; say whether it was."""
    if seconds is None:
        return lock.acquire()
    if seconds <= 0:
        return lock.acquire(False)
    return lock.acquire(True, min(seconds, TIMEOUT_MAX))
