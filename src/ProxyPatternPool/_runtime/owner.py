"""Who holds an object: noted at ``get`` by reading one attribute, described only when asked."""

import sys
import threading
import weakref
from collections.abc import Callable, Mapping
from types import FrameType
from typing import TYPE_CHECKING, Any, Protocol

from .current import CurrentId
from .native import ThreadLocal, thread_reference
from .task_owner import TaskOwner

if TYPE_CHECKING:
    from greenlet import greenlet


class Owner(Protocol):
    """A thread, a greenlet or a task, which this does not keep alive."""

    def __str__(self) -> str: ...


def in_words(owner: Owner | None) -> str:
    """Describe an owner; never raise, although the name of a thread can be the user's code."""
    try:
        return str(owner)
    except Exception:  # see above
        return "?"


def is_owner(owner: Owner | None, who: CurrentId) -> bool:
    """Whether an owner is a certain thread or greenlet, as identified by ``current_id``, or a task in that thread."""
    thread, greenlet = who
    if isinstance(owner, TaskOwner):
        return owner.thread == thread
    if isinstance(owner, GreenletOwner):
        return owner.ident == greenlet
    return isinstance(owner, ThreadOwner) and owner.ident == thread and not greenlet


def frame_of(owner: Owner | None, running: Mapping[int, FrameType]) -> FrameType | None:
    """Find the innermost frame of an owner, if that can be said; those ``running`` are of ``sys._current_frames``."""
    if isinstance(owner, (GreenletOwner, TaskOwner)):
        return owner.frame()
    # Where there are greenlets, what a thread runs need not be what its main greenlet was doing.
    return owner.frame(running) if isinstance(owner, ThreadOwner) and here() is _threads else None


class Here(Protocol):
    """Tells who the caller is."""

    @property
    def owner(self) -> Owner: ...


class ThreadOwner:
    """A thread; known by its name after its end, since the system reuses idents at once."""

    __slots__ = ("_alive", "_name", "_thread")

    def __init__(self, thread: threading.Thread) -> None:
        self._thread = weakref.ref(thread)
        self._name = thread.name
        # Not is_alive(): of a patched thread that switches greenlets, or raises.
        self._alive = thread_reference()

    @property
    def ident(self) -> int:
        """Its ident; 0 once the thread object is gone."""
        thread = self._thread()
        return (thread and thread.ident) or 0

    def frame(self, running: Mapping[int, FrameType]) -> FrameType | None:
        """Its innermost frame; ``None`` once it has ended."""
        return running.get(self.ident)

    def __str__(self) -> str:
        thread = self._thread()
        if thread is not None:
            self._name = thread.name
        return f"thread {self._name!r}" + ("" if self._alive() is not None else " (ended)")


class GreenletOwner:
    """A greenlet other than its thread's main one; once it is gone, only a name that it was given is known."""

    __slots__ = ("_greenlet", "_kind", "_name", "ident")

    def __init__(self, current: "greenlet") -> None:
        self._greenlet = weakref.ref(current)
        self._kind = type(current)
        self.ident = id(current)
        # Not current.name, for which gevent makes up a name: that takes longer than all else here.
        self._name: str | None = current.__dict__.get("name")

    def frame(self) -> FrameType | None:
        """Its innermost frame, if it is suspended."""
        current = self._greenlet()
        return None if current is None else current.gr_frame

    def __str__(self) -> str:
        current = self._greenlet()
        if current is not None:
            self._name = getattr(current, "name", None)
        name = self._name or f"{self._kind.__name__}-{self.ident:#x}"
        return f"greenlet {name!r}" + ("" if current is not None and not current.dead else " (ended)")


class _ThreadHere(ThreadLocal):
    """One owner per native thread, made at the thread's first look."""

    def __init__(self) -> None:
        self.owner: Owner = ThreadOwner(threading.current_thread())


class _GreenletHere:
    """Reads the owner from the running greenlet, which keeps it; of a main greenlet, the owner is its thread."""

    def __init__(self, threads: _ThreadHere) -> None:
        from greenlet import getcurrent

        self._current: Callable[[], Any] = getcurrent
        self._threads = threads

    @property
    def owner(self) -> Owner:
        current = self._current()
        try:
            known: Owner = current._ppp_owner
        except AttributeError:
            known = current._ppp_owner = self._threads.owner if current.parent is None else GreenletOwner(current)
        return known


_threads = _ThreadHere()
_greenlets: _GreenletHere | None = None


def here() -> Here:
    """What tells the caller's owner: by threads, or by greenlets once those are in use."""
    global _greenlets
    # Not "greenlet": others import that for uses of their own, and to look at it takes long.
    if "gevent" not in sys.modules and "eventlet" not in sys.modules:
        return _threads
    if _greenlets is None:
        _greenlets = _GreenletHere(_threads)
    return _greenlets
