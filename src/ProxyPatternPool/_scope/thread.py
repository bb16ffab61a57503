"""One object per native thread."""

from typing import TypeVar

from .._runtime.native import ThreadLocal
from .base import PlainSlot

T = TypeVar("T")


class ThreadSlot(ThreadLocal, PlainSlot[T]):
    """A thread that ends drops what it keeps, before it can be joined."""

    owners_have_frames = True
    _owner: object

    def owner(self) -> object:
        try:
            return self._owner
        except AttributeError:
            self._owner = object()
            return self._owner
