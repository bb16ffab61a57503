"""One object per native thread."""

from typing import Any, Generic, TypeVar

from .._runtime.native import ThreadLocal
from .base import EMPTY, Kept

T = TypeVar("T")


class ThreadSlot(Generic[T]):
    """A thread that ends drops what it keeps, before it can be joined."""

    owners_have_frames = True

    def __init__(self) -> None:
        # No class derived from it: the interpreter finds attributes of a plain one quicker.
        self.place: Any = ThreadLocal()

    @property
    def kept(self) -> Kept[T]:
        kept: Kept[T] = self.place.kept
        return kept

    def owner(self) -> object:
        try:
            return self.place.owner
        except AttributeError:
            self.place.owner = object()
            return self.place.owner

    def get(self) -> Kept[T] | None:
        kept: Kept[T] | None = getattr(self.place, "kept", None)
        return None if kept is EMPTY else kept

    def put(self, kept: Kept[T]) -> Kept[T]:
        self.place.kept = kept
        return kept

    def remove(self, kept: Kept[T]) -> None:
        # Two steps: what a signal handler puts between them is lost to the thread, and goes back as dropped.
        if self.get() is kept:
            self.place.kept = EMPTY

    def drop_ended(self) -> None:
        """Do nothing: the end of a thread is never missed."""
