"""One object per native thread."""

from typing import TypeVar

from .._runtime.caller import calling_code
from .._runtime.native import ThreadLocal
from .base import Kept, PlainSlot

T = TypeVar("T")


class ThreadSlot(ThreadLocal, PlainSlot[T]):
    """A thread that ends drops what it keeps before anyone has joined it."""

    _owner: object

    def owner(self) -> object:
        try:
            return self._owner
        except AttributeError:
            self._owner = object()
            return self._owner

    def put(self, kept: Kept[T]) -> Kept[T]:
        kept.code = calling_code()
        return super().put(kept)
