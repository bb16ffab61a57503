"""Giving back what a stretch of work took through proxies, where its thread or greenlet does not end with it."""

from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from typing import Any

from .._errors import ProxyException
from .._scope.select import Scope
from .control import Control, stretch_of
from .typed import control


def returning_controls(proxies: Iterable[object]) -> list[Control[Any]]:
    """Find the controls of proxies whose objects are to go back.

    Raises:
        ProxyException: One of them is no proxy, or its scope is a strategy of the user's. There several threads may be
            one owner, and the first to end its work would give back what the others use: its strategy is to drop it.
    """
    controls = [control(proxy) for proxy in proxies]
    for each in controls:
        if not isinstance(each.scope, Scope):
            raise ProxyException(f"scope {each.scope!r} decides itself when an object goes back: leave its proxy out")
    return controls


def giving_back(controls: Sequence[Control[Any]]) -> ExitStack:
    """Begin a stretch of work: when this is closed, what the owner then has of these proxies goes back.

    Each does, whatever another raises. It is as by ``control(proxy).ret()``, but for what is not this work's to give
    back: what a block has that was open before, and what the work around this one had, if there is any.
    """
    stack = ExitStack()
    for each in controls:
        stack.enter_context(stretch_of(each))
    return stack
