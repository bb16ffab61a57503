"""Reading and changing collections without a lock, while other threads and finalizers change them."""

import sys
from collections import deque
from collections.abc import Iterable
from contextlib import suppress
from itertools import islice
from typing import TypeVar

Item = TypeVar("Item")

MOST_TRIES = 100
"""How often it is tried to copy a deque, or a part of a collection, as it is at one moment."""


def first(items: "deque[Item]") -> "Item | None":
    """The first item of a deque, ``None`` if it is empty; others may take items out."""
    try:
        return items[0]
    except IndexError:
        return None


def pop_first(items: "deque[Item]") -> "Item | None":
    """Take out the first item of a deque; ``None`` if it is empty. Others may take items out."""
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


# How many references there are depends on the interpreter: counting makes some itself.
_ALONE = _count(deque([object()]))


def is_alone(items: "deque[Item]") -> bool:
    """Whether only the deque refers to its first item; no other thread may take items out meanwhile."""
    return _count(items) <= _ALONE


def snapshot(items: Iterable[Item]) -> list[Item]:
    """Copy a collection that may change meanwhile."""
    tries = 0
    while True:
        try:
            return list(items)
        except RuntimeError:  # it changed in the middle: a finalizer ran within list(), or another thread without a GIL
            tries += 1
            if tries >= MOST_TRIES and isinstance(items, deque):
                return _one_by_one(items)


def beginning(items: Iterable[Item], most: int) -> list[Item]:
    """Copy the first items, at most so many, of a collection that may change meanwhile."""
    for _ in range(MOST_TRIES):
        with suppress(RuntimeError):  # as above
            return list(islice(items, most))
    return snapshot(items)[:most]


def _one_by_one(items: "deque[Item]") -> list[Item]:
    """Copy a deque that other threads change all the time: what they move meanwhile may be missing, or come twice.

    Without a GIL each step of an iteration locks it, and not the whole, as for a copy of a dictionary or a set.
    """
    copy: list[Item] = []
    with suppress(IndexError):
        while True:
            copy.append(items[len(copy)])
    return copy
