"""The scopes by name, and the slot of each."""

import importlib
import sys
from collections.abc import Callable
from enum import Enum
from typing import Any

from .._errors import ProxyException
from .base import Slot
from .shared import SharedSlot
from .thread import ThreadSlot


class Scope(Enum):
    """What an owner is: each owner has an object of its own."""

    AUTO = 0
    """``SHARED`` for an object, ``THREAD`` for a function."""
    SHARED = 1
    """All use the same object."""
    THREAD = 2
    """Each thread; where gevent or eventlet has patched threads, these are greenlets."""
    VERSATILE = 3
    """The same as ``WERKZEUG``."""
    WERKZEUG = VERSATILE
    """Each greenlet or context, which is what a ``Local`` of werkzeug tells apart."""
    GEVENT = 4
    """Each greenlet of gevent."""
    EVENTLET = 5
    """Each greenlet of eventlet."""
    CONTEXT = 6
    """Each context of ``contextvars``, and each task of asyncio or trio. A child does not inherit its parent's object.

    A task takes its object by ``await control(db).aget()``. One that just uses the proxy, and has to wait, blocks the
    event loop, and so those who could give back.
    """


def name_of(scope: Scope) -> str:
    """Name a scope as it is documented: its first name in the class is that of the original module."""
    return "WERKZEUG" if scope is Scope.WERKZEUG else scope.name


def new_slot(scope: Scope) -> Slot[Any]:
    """Make the slot of a scope.

    Raises:
        ProxyException: the library of this scope is not installed.
    """
    library = _LIBRARIES.get(scope)
    if library is not None:
        _require(scope, library)
    return _SLOTS[scope]()


def _thread_slot() -> Slot[Any]:
    return _greenlet_slot() if threads_are_greenlets() else ThreadSlot()


def _context_slot() -> Slot[Any]:
    from .context import ContextSlot

    return ContextSlot()


def _greenlet_slot() -> Slot[Any]:
    from .greenlets import GreenletSlot

    return GreenletSlot()


def _require(scope: Scope, library: str) -> None:
    try:
        importlib.import_module(library)
    except ImportError as error:
        raise ProxyException(
            f"scope {name_of(scope)} needs {library}, which cannot be imported: "
            f"pip install {library} (this package's extra '{library}')"
        ) from error


def threads_are_greenlets() -> bool:
    """Whether gevent or eventlet has patched threads."""
    gevent = sys.modules.get("gevent.monkey")
    if gevent is not None and gevent.is_object_patched("_thread", "start_new_thread"):
        return True
    eventlet = sys.modules.get("eventlet.patcher")
    return eventlet is not None and bool(eventlet.is_monkey_patched("thread"))


_LIBRARIES = {Scope.WERKZEUG: "werkzeug", Scope.GEVENT: "gevent", Scope.EVENTLET: "eventlet"}
_SLOTS: dict[Scope, Callable[[], Slot[Any]]] = {
    Scope.AUTO: _thread_slot,
    Scope.SHARED: SharedSlot,
    Scope.THREAD: _thread_slot,
    Scope.CONTEXT: _context_slot,
    # Werkzeug's Local is a context variable, which copies of the context inherit. Here, as in CONTEXT, they must not.
    Scope.WERKZEUG: _context_slot,
    Scope.GEVENT: _greenlet_slot,
    Scope.EVENTLET: _greenlet_slot,
}
