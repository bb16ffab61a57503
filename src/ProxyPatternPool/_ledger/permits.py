"""Permits to create an object: each takes a place, at a time at which there may be an attempt."""

from typing import Generic, TypeVar

from .backoff import Backoff
from .entry import Entry
from .places import Places

T = TypeVar("T")


class Permits(Generic[T]):
    """Gives permits. Called with the pool's lock held."""

    def __init__(self, places: Places[T], backoff: Backoff) -> None:
        self._places = places
        self._backoff = backoff

    def for_caller(self, now: float) -> Entry[T] | None:
        """Take a place for a caller, if there is room and no back-off."""
        return self._take(now) if self._places.has_room() and self._backoff.allows_callers(now) else None

    def for_refill(self, now: float) -> Entry[T] | None:
        """Take a place for a missing object, if there is no back-off. The caller has seen that there is room."""
        return self._take(now) if self._backoff.allows(now) else None

    def for_waiters(self, now: float, waiting: int) -> Entry[T] | None:
        """Take a place in which the pool creates for those who wait, unless it does so for all of them."""
        places = self._places
        if not places.has_room() or len(places.for_waiters) >= waiting or not self._backoff.allows(now):
            return None
        return self._take(now, for_waiters=True)

    def _take(self, now: float, *, for_waiters: bool = False) -> Entry[T]:
        entry = self._places.reserve(for_waiters=for_waiters)
        entry.attempt = self._backoff.begin(now)
        return entry
