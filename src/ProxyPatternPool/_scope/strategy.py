"""A user's own notion of an owner."""

import weakref
from functools import partial
from typing import Generic, TypeVar

from .._errors import ProxyException
from .._sync.native import allocate_lock
from .base import Kept, ScopeStrategy

T = TypeVar("T")

_taken: dict[int, object] = {}
"""Every strategy that has a proxy, by its identity: what it keeps would be another proxy's."""


class StrategySlot(Generic[T]):
    """Asks a strategy. Several threads may be the same owner: the lock decides whose object they all use."""

    def __init__(self, strategy: ScopeStrategy[T]) -> None:
        key = id(strategy)
        try:
            mark: object = weakref.ref(strategy, partial(_taken.pop, key))
        except TypeError:  # it has no room for weak references: remembered for ever, and so its identity is not reused
            mark = [strategy]
        if _taken.setdefault(key, mark) is not mark:
            raise ProxyException(
                f"scope {strategy!r} belongs to another proxy: make one for each, or give the class, or a function"
            )
        self.strategy = strategy
        self._lock = allocate_lock()

    @property
    def kept(self) -> Kept[T]:
        kept = self.strategy.get()
        if kept is None:
            raise AttributeError("kept")
        return kept

    def get(self) -> Kept[T] | None:
        return self.strategy.get()

    def put(self, kept: Kept[T]) -> Kept[T]:
        with self._lock:
            other = self.strategy.get()
            if other is None:
                self.strategy.set(kept)
                return kept
        return other

    def remove(self, kept: Kept[T]) -> bool:
        with self._lock:
            if self.strategy.get() is not kept:
                return False
            self.strategy.delete()
            return True

    def reclaim(self) -> None:
        """Do nothing: when owners end is the strategy's business."""
