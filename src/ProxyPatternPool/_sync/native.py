"""The interpreter's own primitives, whether or not gevent or eventlet has patched the modules."""

import importlib
import sys
import time
import weakref
from _queue import Empty, SimpleQueue  # in C, never patched; its put() may be called from finalizers
from _thread import TIMEOUT_MAX
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

__all__ = [
    "GIL",
    "Empty",
    "Lock",
    "SimpleQueue",
    "ThreadLocal",
    "acquire",
    "allocate_lock",
    "get_ident",
    "monotonic",
    "sign_of_life",
    "start_thread",
    "wall_clock",
]


class Lock(Protocol):
    """A plain lock: not reentrant, released by anyone."""

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool: ...
    def release(self) -> None: ...
    def __enter__(self) -> bool: ...
    def __exit__(self, *exc: object) -> None: ...


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

    ThreadLocal = local
else:
    ThreadLocal = _original("_thread", "_local")
_start_new_thread: Callable[[Callable[[], None], tuple[()]], int] = _original("_thread", "start_new_thread")

monotonic: Callable[[], float] = time.monotonic
wall_clock: Callable[[], float] = time.time

GIL: bool = getattr(sys, "_is_gil_enabled", lambda: True)()
"""Whether one bytecode of one thread runs at a time, which the lock-free steps of the ledger rely on."""


class _Sign:
    """Lives as long as its thread."""


class _Signs(ThreadLocal):
    def __init__(self) -> None:
        self.of_life = _Sign()


_signs = _Signs()


def sign_of_life() -> "weakref.ref[_Sign]":
    """Something that dies with the current native thread."""
    return weakref.ref(_signs.of_life)


def start_thread(run: Callable[[], None]) -> bool:
    """Start a native daemon thread, without a ``Thread`` object; say whether it could be."""
    try:
        _start_new_thread(run, ())
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
