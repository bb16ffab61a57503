"""Scopes of the user's own."""

import weakref
from collections.abc import Callable
from functools import partial
from typing import Generic, TypeVar, cast

from .._awaitables import refuse_async, refuse_awaitable
from .._errors import ProxyException
from .._runtime.native import new_rlock
from .._runtime.process import call_in_child
from .base import Kept, ScopeStrategy

T = TypeVar("T")

_used: dict[int, object] = {}
"""The strategies of proxies, by identity: each keeps the objects of one proxy."""


_lock = new_rlock()
"""Held while threads that are one owner agree on one object. One lock for all strategies: it is held briefly.

It is reentrant: a signal handler or a finalizer may use the proxy meanwhile. What that keeps, the interrupted code
finds, or replaces.
"""


def _after_fork() -> None:
    """Make another: the thread that held it in the parent does not exist here."""
    global _lock
    _lock = new_rlock()


call_in_child(_after_fork)


class StrategySlot(Generic[T]):
    """Asks a strategy. Several threads may be the same owner."""

    owners_have_frames = False

    def __init__(self, strategy: ScopeStrategy[T]) -> None:
        key = id(strategy)
        try:
            mark: object = weakref.ref(strategy, partial(_used.pop, key))
        except TypeError:  # no weak references: remembered for ever, so that its identity is not reused
            mark = [strategy]
        if _used.setdefault(key, mark) is not mark:
            raise ProxyException(
                f"scope {strategy!r} belongs to another proxy: make one for each, or give the class, or a function"
            )
        self.strategy = strategy

    @property
    def place(self) -> object:
        return self

    @property
    def kept(self) -> Kept[T]:
        kept = self.strategy.get()
        if kept is None:
            raise AttributeError
        return kept

    def owner(self) -> None:
        """Say nothing: only the strategy knows."""

    def get(self) -> Kept[T] | None:
        return self.strategy.get()

    def put(self, kept: Kept[T]) -> Kept[T]:
        with _lock:
            other = self.strategy.get()
            if other is None:
                self.strategy.set(kept)
                return kept
        return other

    def remove(self, kept: Kept[T]) -> None:
        with _lock:
            if self.strategy.get() is kept:
                self.strategy.delete()

    def drop_ended(self) -> None:
        """Do nothing: the strategy notices when owners end."""


def strategy_of(scope: "ScopeStrategy[T] | Callable[[], ScopeStrategy[T]]") -> ScopeStrategy[T]:
    """Make a user's strategy, if it is not one yet. A class has the methods, too, and still has to be called."""
    strategy: object = scope
    if isinstance(scope, type) or not isinstance(scope, ScopeStrategy):
        if not callable(scope):
            raise TypeError(f"scope must be a Scope, such as Proxy.Scope.THREAD, or a ScopeStrategy, not {strategy!r}")
        refuse_async("scope", scope)
        new: object = scope()
        refuse_awaitable("scope", new)
        strategy = new
    if not isinstance(strategy, ScopeStrategy):
        raise TypeError(f"scope must be a Scope, such as Proxy.Scope.THREAD, or a ScopeStrategy, not {strategy!r}")
    made = cast("ScopeStrategy[T]", strategy)
    refuse_async("scope: its get()", made.get)
    refuse_async("scope: its set()", made.set)
    refuse_async("scope: its delete()", made.delete)
    return made
