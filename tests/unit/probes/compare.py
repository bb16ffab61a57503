"""Does a proxy make a difference?"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection
from itertools import count
from typing import Any, TypeAlias

from .operations import OPERATIONS, Operation
from .subjects import SUBJECTS, finish, plain

Cover: TypeAlias = Callable[[Any], Any]
"""Makes a proxy stand for an object, and returns the proxy."""
Outcome: TypeAlias = tuple[str, object]


class ByFunction:
    """A cover that has a function make the object, which must not be one to be awaited."""

    def __init__(self, cover: Cover) -> None:
        self._cover = cover

    def __call__(self, obj: Any) -> Any:
        return self._cover(obj)


def _is_awaited(make: Callable[[], object]) -> bool:
    subject = make()
    try:
        return inspect.isawaitable(subject) or inspect.isasyncgen(subject)
    finally:
        finish(subject)


def outcome(operation: Operation, x: Any, obj: Any) -> Outcome:
    """What comes of it: a value, the object itself (or its proxy), or the type of an exception."""
    try:
        value = operation(x)
    except Exception as error:
        return "raised", type(error)
    try:
        return ("returned", "the object") if value is x or value is obj else ("returned", plain(value))
    except Exception as error:
        return "returned what raised", type(error)
    finally:
        if value is not x:
            finish(value)


def cannot(operation: str, subject: str, expected: Outcome) -> bool:
    """What no proxy can do, because it is decided in C, by the type alone."""
    if operation in (
        "weakref",
        "weak key",
    ):  # there are weak references to the proxy, even if there are none to the object
        return expected == ("raised", TypeError)
    if operation == "'ab' mod":  # takes it for a mapping, all of whose items need not be used
        return expected == ("raised", TypeError)
    if operation == "concat":  # takes what has items for a sequence
        return expected == ("raised", TypeError)
    return (operation, subject) in (("as an index", "slice"), ("in a slice", "none"))


def differences(
    new_cover: Callable[[], Cover], without: Collection[str] = (), *, first: int = 0, every: int = 1
) -> list[str]:
    """Try all operations on all objects, and on proxies of others like them; say where the outcomes differ.

    With `every`, only one in so many pairs of an object and an operation is tried, beginning with the `first`.
    """
    found: list[str] = []
    pairs = count(-first)
    for subject, make in SUBJECTS.items():
        cover = new_cover()
        if isinstance(cover, ByFunction) and _is_awaited(make):
            continue
        for name, operation in OPERATIONS.items():
            if name in without or next(pairs) % every:
                continue
            bare, hidden = make(), make()
            expected = outcome(operation, bare, bare)
            got = outcome(operation, cover(hidden), hidden)
            if expected != got and not cannot(name, subject, expected):
                found.append(f"{name}, {subject}: the object {expected}, its proxy {got}")
            finish(bare)
            finish(hidden)
    return found
