"""What pools of connections to any database have in common."""

from collections.abc import Callable
from typing import Any, Generic, TypeVar

from ._awaitables import is_awaitable, refuse_awaitable
from ._hooks import AsyncHooks, Hooks
from ._pool.parameters import AsyncPoolParameters
from ._proxy.parameters import PoolParameters

T = TypeVar("T")

TIMEOUT = 30.0
"""Longest wait for a connection, in seconds: the default of psycopg_pool. ``Pool`` itself waits for ever."""
HEALTH_BEFORE_GET = 30.0
"""Seconds after which an idle connection is checked before it is lent."""


class InTurn(Generic[T]):
    """A hook that calls others, one after the other, until one raises."""

    def __init__(self, name: str, *hooks: Callable[[T], object]) -> None:
        self._name = name
        self._hooks = hooks

    def __call__(self, obj: T, /) -> None:
        for hook in self._hooks:
            refuse_awaitable(self._name, hook(obj))


class AsyncInTurn(Generic[T]):
    """The same for tasks: it awaits what they return, if that is awaitable."""

    def __init__(self, *hooks: Callable[[T], object]) -> None:
        self._hooks = hooks

    async def __call__(self, obj: T, /) -> None:
        for hook in self._hooks:
            result: Any = hook(obj)
            if is_awaitable(result):
                await result


def complete(
    parameters: "PoolParameters[Any] | AsyncPoolParameters[Any]",
    connect: Callable[..., object],
    *,
    reset: Callable[[Any], object],
    check: Callable[[Any], Any],
    close: Callable[[Any], object],
    afterwards: Callable[[Any], object] | None = None,
    awaited: bool = False,
) -> None:
    """Add the hooks and limits that are right for connections to the parameters of a pool, unless they are given.

    An opener or retter of the user's is wrapped, so it is checked here, where it still has its own name.

    Args:
        parameters: Those that the user has given.
        connect: Makes a connection.
        reset: The retter; one that is given is called after it.
        check: The health check.
        close: The closer.
        afterwards: Called after an opener or retter that is given: it raises if these have left a connection that
            cannot be lent.
        awaited: Whether what hooks return is awaited.

    Raises:
        TypeError: The function, an opener or a retter is not callable, or is a coroutine function that nobody would
            await.
    """
    if not callable(connect):
        raise TypeError(f"connect must be callable, not {connect!r}")
    opener, retter = parameters.get("opener"), parameters.get("retter")
    (AsyncHooks if awaited else Hooks)(connect, opener=opener, retter=retter)

    def in_turn(name: str, *hooks: Callable[[Any], object]) -> Callable[[Any], object]:
        called = hooks if afterwards is None else (*hooks, afterwards)
        return AsyncInTurn(*called) if awaited else InTurn(name, *called)

    parameters["opener"] = None if opener is None else in_turn("opener", opener)
    parameters["retter"] = reset if retter is None else in_turn("retter", reset, retter)
    if parameters.get("health") is None:
        parameters["health"] = check
    if parameters.get("closer") is None:
        parameters["closer"] = close
    parameters.setdefault("timeout", TIMEOUT)
    parameters.setdefault("health_before_get", HEALTH_BEFORE_GET)
    parameters.setdefault("hook_errors", "discard")  # or a connection would be lent whose set-up has failed
