"""Coroutine functions and awaitable results are refused, but where an ``AsyncPool`` awaits them."""

import inspect
from collections.abc import Awaitable, Callable, Generator, Mapping
from functools import partial
from types import AsyncGeneratorType, CoroutineType, FunctionType, GeneratorType, MethodType
from typing import Any, cast

_MARKS = "_is_coroutine_marker", "_is_coroutine"
"""The attributes by which ``inspect.markcoroutinefunction``, and libraries before 3.12, mark coroutine functions."""

_KINDS = {
    inspect.CO_COROUTINE: ("a coroutine function", "awaits"),
    inspect.CO_ITERABLE_COROUTINE: ("a coroutine function", "awaits"),
    inspect.CO_ASYNC_GENERATOR: ("an async generator function", "iterates over"),
    inspect.CO_GENERATOR: ("a generator function", "iterates over"),
}
"""By flags of their code: functions of which a call does nothing but return a coroutine or generator."""

GENERATORS = inspect.CO_GENERATOR
"""Flags of generator functions."""
COROUTINES = inspect.CO_COROUTINE | inspect.CO_ITERABLE_COROUTINE
"""Flags of coroutine functions."""


def refuse_async(name: str, function: object, *, accepted: int = 0, instead: str = "") -> None:
    """Check a function, as far as possible without a call.

    Args:
        name: The name of the parameter, for the error.
        function: What was given.
        accepted: Flags of the functions that it may be besides plain ones, ``GENERATORS`` and ``COROUTINES``.
        instead: What accepts coroutine functions here, for the error; empty: nothing does.

    Raises:
        TypeError: It does nothing until its result is awaited or iterated over.
    """
    flag = flag_of(function)
    if flag & ~accepted:
        what, does = _KINDS[flag]
        wanted = "a plain function or a coroutine function" if accepted & COROUTINES else "a plain function"
        remedy = f"; use {instead}" if instead and flag & COROUTINES else ""
        raise TypeError(f"{name} must be {wanted}, not {what}: nobody {does} what that returns{remedy}")


def flag_of(function: object) -> int:
    """The kind of a function, as a flag of ``inspect``; 0: a plain function.

    This only looks into its class and its ``__dict__``: to read an attribute of a proxy could take an object.
    """
    kind: type[object] = type(function)
    if kind is type:
        return 0  # a class is called by type.__call__, which is written in C
    if issubclass(kind, partial):
        return flag_of(cast("partial[object]", function).func)
    if issubclass(kind, (MethodType, staticmethod, classmethod)):
        return flag_of(cast("MethodType", function).__func__)
    if not issubclass(kind, type):  # a class may have the marks for its instances
        own = _own(function)
        if any(own.get(mark) for mark in _MARKS):
            return inspect.CO_COROUTINE
    if issubclass(kind, FunctionType):
        flags = cast("FunctionType", function).__code__.co_flags
        return next((flag for flag in _KINDS if flags & flag), 0)
    call = _in_class(function, "__call__")
    return 0 if type(call) is kind else flag_of(call)  # else it is written in C


def _in_class(obj: object, name: str) -> object:
    """What the class of an object has by this name, without its metaclass, which may have a ``__getattr__``."""
    for base in type(obj).__mro__:
        if name in vars(base):
            found: object = vars(base)[name]
            return found
    return None


def _own(function: object) -> Mapping[str, object]:
    try:
        own: Mapping[str, object] = object.__getattribute__(function, "__dict__")
    except AttributeError:
        return {}
    return own


def refuse_awaitable(name: str, result: object, remedy: str = "it must be a plain function") -> None:
    """Check what a user's function has returned. Where speed matters, callers first check themselves for ``None``.

    Args:
        name: The name of the parameter, for the error.
        result: What was returned.
        remedy: What to write instead, for the error.

    Raises:
        TypeError: It is awaitable. A coroutine is closed, so that Python does not warn that it was never awaited.
    """
    what = _what_to_await(result)
    if what is None:
        return
    forget(result)
    raise TypeError(f"{name} returned {what}, and nobody awaits it: {remedy}")


def awaited(name: str, result: object) -> Generator[Any, Any, Any] | None:
    """Make of what a user's function has returned the steps by which a task awaits it; ``None``: it is no awaitable.

    Raises:
        TypeError: It is an async generator.
    """
    if _what_to_await(result) is None:
        return None
    kind: type[object] = type(result)
    if kind is AsyncGeneratorType:
        refuse_awaitable(name, result, "a function with a yield in it makes one; return the result")
    if kind is GeneratorType:  # made by types.coroutine
        return cast("GeneratorType[Any, Any, Any]", result)
    return cast("Awaitable[Any]", result).__await__()


def is_awaitable(result: object) -> bool:
    """Whether a result is awaitable, or an async generator."""
    return _what_to_await(result) is not None


def forget(result: object) -> None:
    """Close a coroutine that has not begun and will not be used; do nothing with anything else."""
    if type(result) is CoroutineType:
        coroutine = cast("CoroutineType[object, object, object]", result)
        if inspect.getcoroutinestate(coroutine) == inspect.CORO_CREATED:
            coroutine.close()


def close_unbegun(steps: Generator[Any, Any, object]) -> None:
    """Close what ``awaited`` has made and nobody has begun: Python does not warn that a coroutine was never awaited."""
    close: Callable[[], None] | None = getattr(steps, "close", None)  # users' iterators need not have it
    if close is not None:
        close()


def _what_to_await(result: object) -> str | None:
    """What an awaitable is, in words; ``None``: it is none, or only an object whose metaclass says so."""
    kind: type[object] = type(result)
    if kind is GeneratorType:
        flags = cast("GeneratorType[Any, Any, Any]", result).gi_code.co_flags
        return "a coroutine" if flags & inspect.CO_ITERABLE_COROUTINE else None
    if kind is CoroutineType:
        return "a coroutine"
    if kind is AsyncGeneratorType:
        return "an async generator"
    if not hasattr(kind, "__await__"):
        return None
    return None if _in_class(result, "__await__") is None else f"an awaitable {kind.__name__}"
