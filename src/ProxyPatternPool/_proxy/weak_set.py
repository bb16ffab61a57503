"""A weak set that compares by identity, and may be changed by finalizers."""

import weakref
from collections.abc import Iterator
from functools import partial
from typing import Generic, TypeVar

T = TypeVar("T")


class WeakIdentitySet(Generic[T]):
    """Objects, as long as they live."""

    def __init__(self) -> None:
        self._members: dict[int, weakref.ref[T]] = {}

    def add(self, member: T) -> None:
        key = id(member)
        # The callback is C code, since it runs in finalizers: pop(key, reference), the latter as default.
        self._members[key] = weakref.ref(member, partial(self._members.pop, key))

    def __iter__(self) -> Iterator[T]:
        members = [reference() for reference in list(self._members.values())]
        return iter([member for member in members if member is not None])
