"""A slot for owners that the interpreter has no locals for: each has a seat, until it ends."""

import weakref
from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Iterable
from functools import partial
from typing import Generic, TypeVar

from .base import EMPTY, Kept

T = TypeVar("T")


class Seat(Generic[T]):
    """Where one owner keeps something."""

    __slots__ = ("kept", "owners")

    def __init__(self) -> None:
        self.kept: Kept[T] = EMPTY
        self.owners: list[weakref.ref[object]] = []
        """What the owner is made of: it has ended as soon as one of these has."""


class SeatedSlot(ABC, Generic[T]):
    """Keeps by owner. An owner's seat is cleared when it dies, or when it says that it has ended.

    Callbacks of weak references run in finalizers: these are calls of ``dict.pop``, in C. There is no lock: an owner
    runs in one thread at a time, so nobody else puts anything into its seat; what all share changes by single calls.
    """

    owners_have_frames = False

    def __init__(self) -> None:
        self._seats: dict[Hashable, Seat[T]] = {}
        self._taken: set[Hashable] = set()
        """Whose seats have something, and of some that are gone: who looks for ended owners need not ask all."""
        self._parts: dict[int, tuple[weakref.ref[object], set[Hashable]]] = {}
        """By identity: what owners are made of, and which seats end with it; one task may run in many contexts."""

    @abstractmethod
    def _key(self) -> Hashable:
        """Who the current owner is, by identity, for as long as it exists."""

    @abstractmethod
    def _owners(self) -> Iterable[object]:
        """What the current owner is made of."""

    @abstractmethod
    def _link(self, owner: object, end: Callable[..., object]) -> None:
        """Have ``end`` called with whatever it may be, when an owner ends that may still be referred to then."""

    @abstractmethod
    def _ended(self, owner: object) -> bool:
        """Whether an owner has ended, though it still exists."""

    @abstractmethod
    def owner(self) -> object: ...

    @property
    def kept(self) -> Kept[T]:
        try:
            seat = self._seats[self._key()]
        except KeyError:
            raise AttributeError("kept") from None
        return seat.kept

    def get(self) -> Kept[T] | None:
        seat = self._seats.get(self._key())
        return None if seat is None or seat.kept is EMPTY else seat.kept

    def put(self, kept: Kept[T]) -> Kept[T]:
        key = self._key()
        seat = self._seats.get(key)
        if seat is None:
            seat = self._sit(key)
        seat.kept = kept
        self._note(self._taken, key)
        return kept

    def _note(self, keys: set[Hashable], key: Hashable) -> None:
        keys.add(key)
        if len(keys) > 2 * len(self._seats) + 16:
            for known in list(keys):
                if known not in self._seats:
                    keys.discard(known)

    def _sit(self, key: Hashable) -> Seat[T]:
        seat: Seat[T] = Seat()
        self._seats[key] = seat
        for owner in self._owners():
            seat.owners.append(weakref.ref(owner, partial(self._seats.pop, key)))  # pop(key, reference): no KeyError
            part = id(owner)
            if part not in self._parts:
                self._parts[part] = weakref.ref(owner, partial(self._parts.pop, part)), set()
                self._link(owner, partial(_end, weakref.ref(self), part))
            self._note(self._parts[part][1], key)
        return seat

    def end(self, part: int) -> None:
        """Clear the seats of all owners that have ended with this part of theirs."""
        _, keys = self._parts.pop(part, (None, ()))
        for key in keys:
            self._clear(key)

    def _clear(self, key: Hashable) -> None:
        self._seats.pop(key, None)
        self._taken.discard(key)

    def remove(self, kept: Kept[T]) -> None:
        # The seat stays: its owner is linked to once, however often it takes something and gives it back.
        key = self._key()
        seat = self._seats.get(key)
        if seat is not None and seat.kept is kept:
            self._taken.discard(key)
            seat.kept = EMPTY

    def reclaim(self) -> None:
        for key in list(self._taken):
            seat = self._seats.get(key)
            owners = [] if seat is None else [owner() for owner in seat.owners]
            if any(owner is not None and self._ended(owner) for owner in owners):
                self._clear(key)


def _end(slot: "weakref.ref[SeatedSlot[T]]", part: int, *_: object) -> None:
    there = slot()
    if there is not None:
        there.end(part)
