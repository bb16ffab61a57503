"""What the child of a fork must not free, and what must not be half done when a process forks."""

import contextlib
import importlib
import os
import sys
from types import TracebackType

from .native import acquire, allocate_lock, get_ident

_inherited: list[object] = []


def never_free(thing: object) -> None:
    """Never free something, not even when the interpreter ends.

    A list in a module is emptied at exit, and the finalizers of what it held would then speak on
    connections that the parent still uses. One reference too many prevents that.
    """
    _inherited.append(thing)
    ctypes = sys.modules.get("ctypes")
    if ctypes is not None:  # else the interpreter was built without it: until exit the list does
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(thing))


def _before_fork() -> None:
    """Import in the parent what the child needs: an import lock that is held stays so in the child for ever."""
    with contextlib.suppress(ImportError):  # an interpreter built without it
        importlib.import_module("ctypes")


if hasattr(os, "register_at_fork"):  # Windows does not fork
    os.register_at_fork(before=_before_fork)


MOST_DELAY = 1.0
"""Seconds for which a fork waits at most for what must not be half done."""


class NotWhileForking:
    """A lock for what must not be half done when this process forks.

    Locks that another thread holds at that moment, such as those of a library, stay locked in the child for ever. So
    whoever takes them in a thread of ours holds this one, and a fork waits for it. It is never unregistered.
    """

    def __init__(self) -> None:
        self._lock = allocate_lock()
        self._forking: set[int] = set()
        """The threads that fork, and hold the lock."""
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(before=self.before, after_in_parent=self.in_parent, after_in_child=self.in_child)

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        self._lock.release()

    def before(self) -> None:
        """Wait for whoever holds the lock."""
        if acquire(self._lock, MOST_DELAY):
            self._forking.add(get_ident())

    def in_parent(self) -> None:
        """Go on."""
        if get_ident() in self._forking:
            self._forking.discard(get_ident())
            self._lock.release()

    def in_child(self) -> None:
        """Begin with a lock that nobody holds."""
        self._lock = allocate_lock()
        self._forking.clear()
