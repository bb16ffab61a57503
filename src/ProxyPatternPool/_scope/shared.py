"""One object for the whole process."""

from typing import TypeVar

from .base import EMPTY, Kept, PlainSlot

T = TypeVar("T")


class SharedSlot(PlainSlot[T]):
    """All callers are one owner. What is kept has no loan, so two callers may keep it at once."""

    __slots__ = ("kept",)

    def __init__(self) -> None:
        self.kept: Kept[T] = EMPTY


class EmptySlot(PlainSlot[T]):
    """Keeps nothing: the slot of a proxy that is not set yet."""
