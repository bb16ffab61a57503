"""What a user gives to be called is a plain function: nobody here awaits what it returns."""

import inspect
from collections.abc import Mapping
from functools import partial
from types import AsyncGeneratorType, CoroutineType, FunctionType, GeneratorType, MethodType
from typing import Any, cast

_MARKS = "_is_coroutine_marker", "_is_coroutine"
"""What ``inspect.markcoroutinefunction`` leaves in a function, and what others leave who did the same before 3.12."""

_KINDS = {
    inspect.CO_COROUTINE: ("a coroutine function", "awaits"),
    inspect.CO_ITERABLE_COROUTINE: ("a coroutine function", "awaits"),
    inspect.CO_ASYNC_GENERATOR: ("an async generator function", "iterates over"),
    inspect.CO_GENERATOR: ("a generator function", "iterates over"),
}
"""By the flags of their code: functions that return before they have done anything."""


def refuse_async(name: str, function: object, *, lazy: bool = False) -> None:
    """Check what is to be called, as far as it can be seen without a call.

    Args:
        name: Of the parameter, for the error.
        function: What was given.
        lazy: Whether it may be a generator function. As a factory that makes generators; as a hook it never runs.

    Raises:
        TypeError: It does nothing when it is called, but when what it returns is awaited, or iterated over.
    """
    flag = flag_of(function)
    if flag and not (lazy and flag == inspect.CO_GENERATOR):
        what, does = _KINDS[flag]
        raise TypeError(f"{name} must be a plain function, not {what}: nobody {does} what that returns")


def flag_of(function: object) -> int:
    """Which kind of function it is, as a flag of ``inspect``, 0 for a plain one.

    Only its class and its own name space are looked at: a proxy that is asked could take an object.
    """
    kind: type[object] = type(function)
    if kind is type:
        return 0  # type.__call__ is written in C: whatever the class makes, the call makes it
    if issubclass(kind, partial):
        return flag_of(cast("partial[object]", function).func)
    if issubclass(kind, (MethodType, staticmethod, classmethod)):
        return flag_of(cast("MethodType", function).__func__)
    if not issubclass(kind, type):  # a class may have them for what it makes
        own = _own(function)
        if any(own.get(mark) for mark in _MARKS):
            return inspect.CO_COROUTINE
    if issubclass(kind, FunctionType):
        flags = cast("FunctionType", function).__code__.co_flags
        return next((flag for flag in _KINDS if flags & flag), 0)
    call = _in_class(function, "__call__")
    return 0 if type(call) is kind else flag_of(call)  # what is written in C is called by more that is


def _in_class(obj: object, name: str) -> object:
    """What the class of an object has by this name: metaclasses answer for it as well, some whatever they are asked."""
    return next((vars(base)[name] for base in type(obj).__mro__ if name in vars(base)), None)


def _own(function: object) -> Mapping[str, object]:
    try:
        own: Mapping[str, object] = object.__getattribute__(function, "__dict__")
    except AttributeError:
        return {}
    return own


def refuse_awaitable(name: str, result: object, remedy: str = "it must be a plain function") -> None:
    """Check what something of a user's has returned. Whoever is in a hurry looks himself whether it is ``None``.

    Args:
        name: Of the parameter, for the error.
        result: What was returned.
        remedy: What to write, for the error.

    Raises:
        TypeError: It is to be awaited. A coroutine is closed, so that Python does not warn that it never was.
    """
    what = _what_to_await(result)
    if what is None:
        return
    forget(result)
    raise TypeError(f"{name} returned {what}, and nobody awaits it: {remedy}")


def is_awaitable(result: object) -> bool:
    """Whether something is to be awaited."""
    return _what_to_await(result) is not None


def forget(result: object) -> None:
    """Close a coroutine that never began, and that nobody will have; leave alone all else."""
    if type(result) is CoroutineType:
        coroutine = cast("CoroutineType[object, object, object]", result)
        if inspect.getcoroutinestate(coroutine) == inspect.CORO_CREATED:
            coroutine.close()


def _what_to_await(result: object) -> str | None:
    """What something is that is to be awaited; ``None`` for all else, of which most is seen at the first look."""
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
