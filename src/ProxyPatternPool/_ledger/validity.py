"""Why an entry is not kept, or not lent any more: it is from before a drain, surplus, or too old."""

import math
from typing import Generic, TypeVar

from .._config import PoolConfig
from .._observer import DiscardReason
from . import policy
from .entry import Entry
from .places import Places

T = TypeVar("T")


class Validity(Generic[T]):
    """Which entries are to be discarded as soon as they come back. Called with the pool's lock held."""

    def __init__(self, config: PoolConfig, places: Places[T]) -> None:
        self.discards_pending = False
        """Whether there may be entries to discard as soon as they come back: stale ones, or more than ``max_size``."""
        self.next_end = math.inf
        """No lifetime ends before this time. It is in the past while an expired entry is neither idle nor in use."""
        self._max_lifetime = config.max_lifetime
        self._places = places
        self._first_fresh = 0  # entries with a lower serial are stale

    def drain(self) -> None:
        """Make all entries that exist now stale: serials only grow."""
        stale = self._places.serials()
        # No call in these three lines, so that nothing can be thrown in between.
        self._first_fresh = self._places.next_serial
        self._places.stale = stale
        self.discards_pending = True

    @property
    def nstale(self) -> int:
        """How many entries there are that are older than the last ``drain``."""
        # Without a look at them: exporters and messages ask often, also of large pools.
        return len(self._places.stale)

    def update_discards_pending(self) -> bool:
        """Look whether there still are entries to discard when they come back; say so."""
        self.discards_pending = self._places.has_surplus or self.nstale > 0
        return self.discards_pending

    def start_lifetime(self, entry: Entry[T], now: float, chance: float) -> None:
        """Draw the lifetime of a new entry, if lifetimes are limited."""
        if self._max_lifetime is not None:
            entry.expires = now + policy.lifetime(self._max_lifetime, chance)
            self.next_end = min(self.next_end, entry.expires)

    def why_discard(self, entry: Entry[T], now: float) -> DiscardReason | None:
        """Why an entry is not kept, whatever its health; ``None``: it is."""
        if self.discards_pending and self._places.has_surplus:
            return "surplus"
        return self.why_not_lend(entry, now)

    def why_not_lend(self, entry: Entry[T], now: float) -> DiscardReason | None:
        """Why an entry is not lent any more, ``None``: it is; whoever has it may ask without the lock."""
        if self.discards_pending and entry.serial < self._first_fresh:
            return "drained"
        return "max_lifetime" if now >= entry.expires else None
