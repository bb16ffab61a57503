"""A slot for owners that have no local storage in the interpreter: a record for each, until it ends."""

import weakref
from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Iterable
from functools import partial
from typing import Generic, TypeVar

from .base import EMPTY, Kept

T = TypeVar("T")


class OwnerRecord(Generic[T]):
    """What one owner keeps."""

    __slots__ = ("kept", "owners")

    def __init__(self) -> None:
        self.kept: Kept[T] = EMPTY
        self.owners: list[weakref.ref[object]] = []
        """The parts of the owner, such as a task and its context. The owner ends as soon as one of them does."""


class KeyedSlot(ABC, Generic[T]):
    """Keeps records by owner. A record is deleted when its owner is collected, or says that it has ended.

    Callbacks of weak references run in finalizers: they are calls of ``dict.pop``, in C. There is no lock: an owner
    runs in one thread at a time, so only one thread changes its record, and what all owners share changes by single
    calls.
    """

    owners_have_frames = False

    def __init__(self) -> None:
        self._records: dict[Hashable, OwnerRecord[T]] = {}
        self._filled: set[Hashable] = set()
        """Keys of the records that keep something, and some stale keys: ``drop_ended`` looks at no others."""
        self._parts: dict[int, tuple[weakref.ref[object], set[Hashable]]] = {}
        """Parts of owners, by identity, each with the keys of its owners: one task may run in many contexts."""

    @abstractmethod
    def _key(self) -> Hashable:
        """The key of the current owner: made of identities, unique as long as the owner exists."""

    @abstractmethod
    def _owners(self) -> Iterable[object]:
        """The parts of the current owner."""

    @abstractmethod
    def _link(self, owner: object, end: Callable[..., object]) -> None:
        """Have ``end`` called, with any arguments, when a part ends that may still be referred to then."""

    @abstractmethod
    def _ended(self, owner: object) -> bool:
        """Whether a part has ended, though it still exists."""

    @abstractmethod
    def owner(self) -> object: ...

    @property
    def place(self) -> object:
        return self

    @property
    @abstractmethod
    def kept(self) -> Kept[T]:
        """What the record of the current key keeps, found with as few calls as can be."""

    def get(self) -> Kept[T] | None:
        record = self._records.get(self._key())
        return None if record is None or record.kept is EMPTY else record.kept

    def put(self, kept: Kept[T]) -> Kept[T]:
        key = self._key()
        record = self._records.get(key)
        if record is None:
            record = self._add_record(key)
        record.kept = kept
        self._add_key(self._filled, key)
        return kept

    def _add_key(self, keys: set[Hashable], key: Hashable) -> None:
        """Add a key to a set of keys, from which stale ones are deleted when there are many."""
        keys.add(key)
        if len(keys) > 2 * len(self._records) + 16:
            for known in list(keys):
                if known not in self._records:
                    keys.discard(known)

    def _add_record(self, key: Hashable) -> OwnerRecord[T]:
        record: OwnerRecord[T] = OwnerRecord()
        self._records[key] = record
        for owner in self._owners():
            record.owners.append(weakref.ref(owner, partial(self._records.pop, key)))  # pop(key, reference): no error
            part = id(owner)
            if part not in self._parts:
                self._parts[part] = weakref.ref(owner, partial(self._parts.pop, part)), set()
                self._link(owner, partial(_end, weakref.ref(self), part))
            self._add_key(self._parts[part][1], key)
        return record

    def end(self, part: int) -> None:
        """Delete the records of all owners with this part, which has ended."""
        _, keys = self._parts.pop(part, (None, ()))
        for key in keys:
            self._delete(key)

    def _delete(self, key: Hashable) -> None:
        self._records.pop(key, None)
        self._filled.discard(key)

    def remove(self, kept: Kept[T]) -> None:
        # The record stays: its owner is linked to once, however often it takes something and gives it back.
        key = self._key()
        record = self._records.get(key)
        if record is not None and record.kept is kept:
            self._filled.discard(key)
            record.kept = EMPTY

    def drop_ended(self) -> None:
        for key in list(self._filled):
            record = self._records.get(key)
            owners = [] if record is None else [owner() for owner in record.owners]
            if any(owner is not None and self._ended(owner) for owner in owners):
                self._delete(key)


def _end(slot: "weakref.ref[KeyedSlot[T]]", part: int, *_: object) -> None:
    there = slot()
    if there is not None:
        there.end(part)
