"""Collections that other threads and finalizers change meanwhile, read and changed without the pool's lock."""

import sys
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


def pop_first(items: "deque[Item]") -> "Item | None":
    """Take out the left end of a deque that others shorten."""
    try:
        return items.popleft()
    except IndexError:
        return None


def remove(items: "deque[Item]", item: Item) -> bool:
    """Remove an item unless somebody else did; say whether it was removed here."""
    try:
        items.remove(item)
    except ValueError:
        return False
    return True


def _count(items: "deque[Item]") -> int:
    return sys.getrefcount(items[0])


# Interpreters differ in how much the count itself adds.
_ALONE = _count(deque([object()]))


def is_alone(items: "deque[Item]") -> bool:
    """Whether nothing else refers to the item at the left end of a deque, which nobody else shortens meanwhile."""
    return _count(items) <= _ALONE


def snapshot(items: Iterable[Item]) -> list[Item]:
    """Copy a collection that changes meanwhile."""
    while True:
        try:
            return list(items)
        except RuntimeError:  # it changed in the middle: a finalizer ran within list()
            continue
