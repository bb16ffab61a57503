"""Which hook the caller is called by: the frames say so, and a call of a hook costs nothing for it.

A factory or a hook may come back to the pool, or to the proxy, that calls it. Threads that it starts are free to
borrow, and so are other greenlets and tasks: their frames are others.
"""

import os.path
from collections.abc import Callable
from types import CodeType, FrameType
from typing import Any, NamedTuple, TypeVar, cast

from .._runtime.caller import frame_at

R = TypeVar("R")

MAKING: Any = object()
"""What a factory has in hand: there is no object yet."""


class HookCall(NamedTuple):
    """One call of a factory or a hook that has not returned."""

    hooks: object
    """The hooks of the pool that makes it; compared by identity."""
    client: object | None
    """For whom the pool was made, see ``made_for``; compared by identity."""
    obj: Any
    """What it is called with, or ``MAKING``."""
    describes: bool
    """Whether it is a hook that only says something about its object."""


def made_for(client: object, make: Callable[[], R]) -> R:
    """Make something for a client, such as a proxy, that uses the pools made meanwhile: each asks, and knows it."""
    return make()


_HERE = made_for.__code__.co_filename
_HOOKS = frozenset(os.path.join(os.path.dirname(_HERE), name) for name in ("hooks.py", "descriptions.py"))
"""The only modules that call hooks. Whichever function there calls one has a ``self``, with the hooks of one pool, and
an ``entry``, or, if the hook only says something about its object, an ``obj``."""


def _look(is_it: Callable[[HookCall], bool], code: CodeType | None = None) -> Any:
    """The innermost call of a hook that the caller of this module is in the middle of and that `is_it`, or a frame.

    In one function, without a generator: this is done whenever a caller finds nothing idle.
    """
    # It begins outside: a frame that refers to itself would keep all others alive until the collector comes.
    frame: FrameType | None = frame_at(2)
    within = False
    while frame is not None:
        if frame.f_code.co_filename in _HOOKS:
            # Else it has called a function of its own module, which may have called an observer.
            if not within and (call := _call_in(frame)) is not None and is_it(call):
                return call
            within = True
        else:
            within = False
            if frame.f_code is code:
                return frame
        frame = frame.f_back
    return None


def _call_in(frame: FrameType) -> HookCall | None:
    names = frame.f_locals
    if "entry" in names:
        caller, entry = names["self"], names["entry"]
        return HookCall(caller.hooks, caller.client, entry.obj if entry.has_object else MAKING, describes=False)
    if "obj" in names and "self" in names:
        return HookCall(names["self"].hooks, names["self"].client, names["obj"], describes=True)
    return None


def client_of_new_pool() -> object | None:
    """For whom the caller makes a pool, see ``made_for``; ``None``: for nobody, or in the middle of a hook."""
    found: object = _look(lambda _: True, made_for.__code__)
    return cast(object, found.f_locals["client"]) if isinstance(found, FrameType) else None


def innermost_call(is_it: Callable[[HookCall], bool]) -> HookCall | None:
    """The innermost call of a hook, of whatever pool, that the caller is in the middle of and that `is_it`."""
    found: HookCall | None = _look(is_it)  # not cast: that is a call
    return found


def objects_in_hooks_of(client: object) -> list[Any]:
    """What the innermost hook of a pool that is made for a client is called with, or ``MAKING``; nothing outside."""
    call = innermost_call(lambda call: call.client is client)
    return [] if call is None else [call.obj]
