"""Collections that other threads and finalizers change meanwhile, read and changed without the pool's lock."""

from collections import deque
from collections.abc import Iterable
from typing import TypeVar

Item = TypeVar("Item")


def first(items: "deque[Item]") -> "Item | None":
    """The left end of a deque that others shorten."""
    try:
        return items[0]
    except IndexError:
        return None


def remove(items: "deque[Item]", item: Item) -> bool:
    """Remove an item unless somebody else did; say whether it was removed here."""
    try:
        items.remove(item)
    except ValueError:
        return False
    return True


def snapshot(items: Iterable[Item]) -> list[Item]:
    """Copy a collection that changes meanwhile."""
    while True:
        try:
            return list(items)
        except RuntimeError:  # it changed in the middle: a finalizer ran within list()
            continue
