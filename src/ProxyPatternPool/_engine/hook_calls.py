"""Who calls a user's factory or hooks at this moment, and for which pool: they may come back to it from there."""

import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeAlias, TypeVar

from typing_extensions import TypeVarTuple, Unpack

from .._hooks import Hooks
from .._runtime.native import ThreadLocal

T = TypeVar("T")
R = TypeVar("R")
Ts = TypeVarTuple("Ts")


class Site:
    """Where work is done: a pool, without what keeps it alive."""

    __slots__ = ("founder",)

    def __init__(self) -> None:
        stack = _stack()
        self.founder = stack[-1][1] if stack and stack[-1][0] is None else None
        """Who makes the pool for himself, if somebody does; compared by identity."""


Work: TypeAlias = tuple[Site | None, Any, bool]
"""What is being done, and whether it may have another object created.

At a site that is a hook with an object, or ``MAKING``; without a site somebody makes a pool, for himself.
"""

MAKING: object = object()
"""What a factory has at hand."""


class _Mine(ThreadLocal):
    """What each thread is in the middle of, innermost last.

    Not a variable of the context: the threads that a factory starts may have a copy of that, and are free to borrow.
    """

    def __init__(self) -> None:
        self.stack: list[Work] = []


_mine = _Mine()


def _stack() -> list[Work]:
    """What the current thread or greenlet is in the middle of; a main greenlet is its thread."""
    module = sys.modules.get("greenlet")
    getcurrent: Callable[[], Any] | None = None if module is None else getattr(module, "getcurrent", None)
    if getcurrent is None:
        return _mine.stack
    current = getcurrent()
    if current.parent is None:
        return _mine.stack
    try:
        stack: list[Work] = current._ppp_work
    except AttributeError:
        stack = current._ppp_work = []
    return stack


def during(work: Work, step: Callable[[Unpack[Ts]], R], *args: Unpack[Ts]) -> R:
    """Do a step of which it is to be known that it is being done, as long as it is.

    Whatever is thrown into this thread, and whoever interrupts it and does the same: what is noted here is noted
    before the step, and cut off after it, without a call in between at which anything could be thrown in.
    """
    stack = _stack()
    depth = len(stack)
    try:
        stack.append(work)
        return step(*args)
    finally:
        del stack[depth:]


def noted(site: Site, hooks: Hooks[T]) -> Hooks[T]:
    """Make hooks of these whose calls are known.

    Not of the factory, whose object must not be lost on its way, nor of the closer, of whose call it is to be known for
    sure whether it has begun: they are called by ``during``.
    """

    def hook(call: Callable[[T], R] | None, *, creates: bool = False) -> Callable[[T], R] | None:
        if call is None:
            return None
        known = call

        def noted_call(obj: T) -> R:
            # As during(), written out: it is a third of what this costs at each loan.
            stack = _stack()
            depth = len(stack)
            try:
                stack.append((site, obj, creates))
                return known(obj)
            finally:
                del stack[depth:]

        return noted_call

    return replace(
        hooks,
        opener=hook(hooks.opener),
        getter=hook(hooks.getter),
        retter=hook(hooks.retter),
        health=hook(hooks.health),
        # What is created in these is not asked about in turn: there is an end.
        stats=hook(hooks.stats, creates=True),
        tracer=hook(hooks.tracer, creates=True),
    )


def work_at(site: Site) -> Work | None:
    """By which call of a pool's factory or hooks the caller is called, innermost, if by any."""
    return next((work for work in reversed(_stack()) if work[0] is site), None)


def at_hand(founder: object) -> list[Any]:
    """The object that the innermost work in somebody's pools is about, or ``MAKING``; nothing if there is none."""
    return [obj for where, obj, _ in _stack() if where is not None and where.founder is founder][-1:]
