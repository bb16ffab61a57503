"""The pools of one proxy: a hook of theirs that uses the proxy means the object that it is called with."""

import weakref
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from .._engine.core import Core
from .._engine.hook_calls import MAKING, made_for, objects_in_hooks_of
from .._errors import ProxyException
from .._pool.pool import Pool, core_of
from .parameters import HOOKS, PoolParameters

T = TypeVar("T")


class OwnPools(Generic[T]):
    """Makes the pools of one proxy, and finds out whether the caller is in one of their hooks."""

    def __init__(self) -> None:
        self._cores: list[weakref.ref[Core[T]]] = []
        self._have_hooks = False
        # A list, since to append and to pop is atomic.
        self._being_made: list[None] = []
        """As many as there are whose factory may be called before they are known here."""

    def make(self, make: Callable[[], Pool[T]], parameters: PoolParameters[T]) -> Pool[T]:
        """Make a pool with these parameters."""
        if any(parameters.get(name) is not None for name in HOOKS):
            self._have_hooks = True
        self._being_made.append(None)
        try:
            pool = made_for(self, make)
            self._cores.append(weakref.ref(core_of(pool), self._cores.remove))
        finally:
            self._being_made.pop()
        return pool

    def object_of_hook(self) -> list[T]:
        """The object that a hook is called with, if the caller is in a hook of one of these pools; else nothing.

        Raises:
            ProxyException: it is the factory: there is no object yet.
        """
        # To look for the hook that calls takes longer. Without locks: what the caller is in has begun before.
        if not (self._have_hooks or self._being_made or self._create()):
            return []
        found: list[Any] = objects_in_hooks_of(self)
        if found and found[0] is MAKING:
            raise ProxyException("fun uses the proxy whose object it is to make: use that object itself, not the proxy")
        return found

    def _create(self) -> bool:
        """Whether one of these pools creates an object at this moment."""
        for reference in list(self._cores):  # a copy: a finalizer may take one out meanwhile
            core = reference()
            if core is not None and core.ledger.places.ncreating:
                return True
        return False
