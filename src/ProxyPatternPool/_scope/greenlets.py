"""One object per greenlet, whichever library it is of. Imported only once its scope is used."""

import weakref
from collections.abc import Callable, Hashable, Iterable
from typing import TypeVar

from greenlet import getcurrent, greenlet

from .base import Kept
from .keyed import KeyedSlot
from .thread import ThreadSlot

T = TypeVar("T")


def link(owner: object, end: Callable[..., object]) -> None:
    """Have ``end`` called when a greenlet ends that is gevent's or eventlet's."""
    # Those of gevent have both. What is rawlinked runs in the hub itself, what is linked in a new greenlet.
    linker = getattr(owner, "rawlink", None) or getattr(owner, "link", None)
    if linker is not None:
        linker(end)


def current_linkable() -> object | None:
    """The current greenlet, if it can tell when it ends."""
    current = getcurrent()
    return current if hasattr(current, "link") else None


class GreenletSlot(KeyedSlot[T]):
    """A greenlet's object comes back when it has ended, even while others still refer to it to ask for its result.

    Greenlets of other libraries cannot tell when they end: what they keep comes back when they are no longer referred
    to, or when somebody needs an object. The main greenlet of a thread stands for the thread.
    """

    owners_have_frames = True

    def __init__(self) -> None:
        super().__init__()
        self._threads: ThreadSlot[T] = ThreadSlot()

    @property
    def kept(self) -> Kept[T]:
        current = getcurrent()
        if current.parent is None:
            kept: Kept[T] = self._threads.place.kept
            return kept
        try:
            record = self._records[id(current)]
        except KeyError:
            raise AttributeError from None
        return record.kept

    def get(self) -> Kept[T] | None:
        return self._threads.get() if getcurrent().parent is None else super().get()

    def put(self, kept: Kept[T]) -> Kept[T]:
        return self._threads.put(kept) if getcurrent().parent is None else super().put(kept)

    def remove(self, kept: Kept[T]) -> None:
        if getcurrent().parent is None:
            self._threads.remove(kept)
        else:
            super().remove(kept)

    def owner(self) -> object:
        current = getcurrent()
        return self._threads.owner() if current.parent is None else weakref.ref(current)

    def _key(self) -> Hashable:
        return id(getcurrent())

    def _owners(self) -> Iterable[object]:
        return [getcurrent()]

    def _link(self, owner: object, end: Callable[..., object]) -> None:
        link(owner, end)

    def _ended(self, owner: object) -> bool:
        return isinstance(owner, greenlet) and owner.dead
