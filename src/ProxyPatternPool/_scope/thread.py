"""One object per native thread."""

from typing import TypeVar

from .._sync.native import ThreadLocal
from .base import PlainSlot

T = TypeVar("T")


class ThreadSlot(ThreadLocal, PlainSlot[T]):
    """A thread that ends drops what it keeps before anyone has joined it."""
