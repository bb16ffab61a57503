"""The pools of one proxy: a hook of theirs that uses the proxy means the object that it is called with."""

import weakref
from collections.abc import Callable, Generator
from typing import Any, Generic, TypeVar, cast

from .._awaitables import awaited, is_awaitable
from .._engine.core import Core
from .._engine.hook_calls import MAKING, made_for, objects_in_hooks_of
from .._errors import ProxyException
from .lenders import Lender
from .parameters import HOOKS, PoolParameters

T = TypeVar("T")
R = TypeVar("R")


class OwnPools(Generic[T]):
    """Makes the pools of one proxy, and finds out whether the caller is in one of their hooks."""

    def __init__(self) -> None:
        self._cores: list[weakref.ref[Core[T]]] = []
        # A list, since to append and to pop is atomic. After an interruption there may be too many: that costs time.
        self._running: list[None] = []
        """As many as there are calls of hooks, and pools that are being made, in whatever thread."""

    def make(
        self, make: Callable[[PoolParameters[T]], Lender[T]], parameters: PoolParameters[T], *, for_tasks: bool
    ) -> Lender[T]:
        """Make a pool with these parameters, and what lends its objects."""
        own: dict[str, Any] = {**parameters}
        for name in HOOKS:
            if own.get(name) is not None:
                hook = own[name]
                own[name] = _counted(hook, self._running)
                if for_tasks:
                    own[name] = _counted_and_awaited(name, own[name], self._running)
        self._running.append(None)  # its factory may be called before it is known here
        try:
            lender = made_for(self, lambda: make(cast("PoolParameters[T]", own)))
            self._cores.append(weakref.ref(lender.core, self._cores.remove))
        finally:
            self._running.pop()
        return lender

    def object_of_hook(self) -> list[T]:
        """The object that a hook is called with, if the caller is in a hook of one of these pools; else nothing.

        Raises:
            ProxyException: it is the factory: there is no object yet.
        """
        # To look for the hook that calls takes longer. Without locks: what the caller is in has begun before.
        if not self._running:
            for reference in list(self._cores):  # a copy: a finalizer may take one out meanwhile
                core = reference()
                if core is not None and core.ledger.places.ncreating:
                    break
            else:
                return []
        found: list[Any] = objects_in_hooks_of(self)
        if found and found[0] is MAKING:
            raise ProxyException("fun uses the proxy whose object it is to make: use that object itself, not the proxy")
        return found


def _counted(hook: Callable[[T], R], running: list[None]) -> Callable[[T], R]:
    """Make a hook of this one whose calls are counted while they run."""

    def counted(obj: T) -> R:
        running.append(None)
        try:
            return hook(obj)
        finally:
            running.pop()

    return counted


def _counted_and_awaited(name: str, hook: Callable[[T], R], running: list[None]) -> "Callable[[T], R | _Counted]":
    """Make one of it of which it counts, too, while a task awaits what it returns."""

    def counted_and_awaited(obj: T) -> "R | _Counted":
        result = hook(obj)
        return result if result is None or not is_awaitable(result) else _Counted(name, result, running)

    return counted_and_awaited


class _Counted:
    """What a hook has returned, to be awaited."""

    __slots__ = ("_name", "_result", "_running")

    def __init__(self, name: str, result: object, running: list[None]) -> None:
        self._name = name
        self._result = result
        self._running = running

    def __await__(self) -> Generator[Any, Any, Any]:
        self._running.append(None)
        try:
            steps = awaited(self._name, self._result)
            assert steps is not None, "what is not awaitable is not counted"
            return (yield from steps)
        finally:
            self._running.pop()
