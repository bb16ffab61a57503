"""Gives back what a unit of work took through proxies, if its thread or greenlet does not end with it."""

import inspect
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from functools import wraps
from types import CoroutineType
from typing import Any, TypeVar, cast

from typing_extensions import ParamSpec

from .._awaitables import flag_of, forget
from .._errors import ProxyException
from .._scope.select import Scope
from .control import Control, refuse_one_for_all_tasks, unit_of_work
from .proxy import Proxy
from .typed import control

P = ParamSpec("P")
R = TypeVar("R")


def returning_controls(proxies: Sequence[object]) -> list[Control[Any]]:
    """Find the controls of proxies whose objects are to go back.

    Raises:
        ProxyException: None is given, or one is no proxy, or its scope is a strategy of the user's. Then several
            threads may be one owner, and the first to end its work would give back what the others use: the strategy
            has to drop it.
    """
    if not proxies:
        raise ProxyException("no proxy is given: name those whose objects are to go back")
    controls = [control(proxy) for proxy in proxies]
    for each in controls:
        if not isinstance(each.scope, Scope):
            raise ProxyException(f"scope {each.scope!r} decides itself when an object goes back: leave its proxy out")
    return controls


def check_scopes(controls: Iterable[Control[Any]]) -> None:
    """Check that tasks have objects of their own, as far as it is known now: a proxy that is not set may be set later.

    Raises:
        ProxyException: the scope of one is another.
    """
    for each in controls:
        refuse_one_for_all_tasks(each)


def giving_back(controls: Sequence[Control[Any]]) -> ExitStack:
    """Begin a unit of work with each of these proxies, which ends when the stack is closed.

    Each object goes back as by ``control(proxy).ret()``, whatever another raises. Not the object of a block that was
    open before, nor one that the unit of work around this one had.
    """
    stack = ExitStack()
    for each in controls:
        stack.enter_context(unit_of_work(each))
    return stack


def returning(*proxies: object) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Decorate a job: what it took through proxies goes back at its end, though its thread goes on.

    For threads that do one job after another without a middleware: those of an executor, a queue's workers, a
    scheduler. ::

        @returning(db, ldap)
        def greet(user: str) -> None: ...

    A job ends when its function returns or raises; a coroutine function, when its coroutine has ended. Objects that its
    thread had before go back as well. Not the object of a block that was open before, nor one that a decorated job had
    which calls this one. Each goes back as by ``control(proxy).ret()``, whatever another raises: an object without a
    pool stays its owner's.

    In an event loop all tasks use what their thread keeps: for a coroutine function proxies need ``scope=CONTEXT``.

    Args:
        proxies: What the job uses, made by ``proxy(…)`` or ``Proxy(…)``; they need not be set yet.

    Raises:
        ProxyException: None is given, or one of them is no proxy, or its scope is a strategy of your own, which decides
            itself when an object goes back. A coroutine function raises it when it is called, if not before, where a
            proxy has the same object for all tasks of a thread.
        TypeError: What is decorated is no job: a generator function, a class, a ``staticmethod`` or ``classmethod``. A
            function raises it that is none of these and returns a coroutine, which would begin after its end.
    """
    strangers = [type(each).__name__ for each in proxies if not issubclass(type(each), Proxy)]
    if strangers or not proxies:
        what = f"this is no proxy, but an object of type {strangers[0]!r}" if strangers else "no proxy is given"
        raise ProxyException(f"{what}: write @returning(db), with the proxies whose objects are to go back")
    controls = returning_controls(proxies)

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        if _is_of_coroutines(function):
            check_scopes(controls)
            return cast("Callable[P, R]", _around_coroutine(controls, function))
        return _around(controls, function)

    return decorate


def _is_of_coroutines(function: object) -> bool:
    """Whether it is a coroutine function; if it is no job at all that is an error."""
    kind: type[object] = type(function)
    if issubclass(kind, (staticmethod, classmethod)):
        raise TypeError(f"@returning(…) is for functions: write it below @{kind.__name__}")
    if issubclass(kind, type) or not callable(function):
        raise TypeError(f"@returning(…) is for functions, such as the methods of a class, not for {function!r}")
    flag = flag_of(function)
    if flag in (inspect.CO_GENERATOR, inspect.CO_ASYNC_GENERATOR):
        raise TypeError(
            "@returning(…) is not for generator functions, between whose steps others use what was taken: "
            "use a with block in it, or decorate the function that goes through it"
        )
    return bool(flag)


def _around(controls: Sequence[Control[Any]], function: Callable[P, R]) -> Callable[P, R]:
    @wraps(function)
    def job(*args: P.args, **kwargs: P.kwargs) -> R:
        with giving_back(controls):
            result = function(*args, **kwargs)
            kind: type[object] = type(result)
            if kind is CoroutineType:
                forget(result)
                raise TypeError("a coroutine would begin after the job's end: write @returning(…) right above its def")
            return result

    return job


def _around_coroutine(controls: Sequence[Control[Any]], function: Callable[P, Any]) -> Callable[P, Any]:
    @wraps(function)
    async def job(*args: P.args, **kwargs: P.kwargs) -> Any:
        check_scopes(controls)  # again: one that was not set has its scope by now
        with giving_back(controls):
            return await function(*args, **kwargs)

    return job
