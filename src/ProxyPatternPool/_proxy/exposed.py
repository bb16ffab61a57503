"""Which special methods the class of a proxy has: those that its object has, and no others.

Much code looks for a special method in the class alone: C code for ``__next__`` and ``__index__``, ``callable``,
abstract classes such as ``Awaitable``. It must not take a proxy for what its object is not. For C code a method that is
None is still there, so a method that the object lacks must be absent from the proxy's class and all its bases.
"""

import sys
from collections.abc import Callable, Iterable, Mapping
from types import GeneratorType, UnionType
from typing import Any, NamedTuple, cast

from .._runtime.native import Lock, new_rlock
from .._runtime.process import call_in_child

_TEXTS = "__int__", "__float__", "__complex__", "__round__", "__trunc__", "__floor__", "__ceil__"
"""Python reads numbers from texts, which have none of these methods."""

BEFORE_FIRST_USE = frozenset(
    {
        *_TEXTS,
        *(
            "__bytes__",
            "__len__",
            "__getitem__",
            "__setitem__",
            "__delitem__",
            "__contains__",
            "__iter__",
            "__reversed__",
        ),
        *("__hash__", "__call__", "__enter__", "__exit__", "__instancecheck__", "__subclasscheck__"),
    }
)
"""What a proxy has whose object is not known yet: its first use may call one of these, which takes the object."""

CONDITIONAL = BEFORE_FIRST_USE | {
    *("__await__", "__aiter__", "__anext__", "__aenter__", "__aexit__"),
    *("__next__", "__length_hint__", "__fspath__", "__index__", "__buffer__"),
}
"""What a proxy has only if its object has it. Operators are not among them: no code looks for them in the class."""

_COROUTINE = 0x100
"""The flag of a generator that can be awaited: ``inspect.CO_ITERABLE_COROUTINE``."""


class Supported(NamedTuple):
    """Which of the conditional special methods some objects have."""

    has: frozenset[str]
    denied: frozenset[str]
    """Those that are None in their classes: Python then tries no other way, such as ``__getitem__`` to iterate."""

    def union(self, other: "Supported") -> "Supported":
        """What objects of these or of those classes have: their owners use the same proxy, and so one class."""
        has = self.has | other.has
        return Supported(has, self.denied & other.denied)


UNKNOWN = Supported(BEFORE_FIRST_USE, frozenset())


def supported_by_class(kind: type[object]) -> Supported:
    """Find what the objects of a class have, as far as the class tells."""
    has: set[str] = set()
    denied: set[str] = set()
    for base in reversed(kind.__mro__):
        for name in CONDITIONAL & vars(base).keys():
            here, there = (denied, has) if vars(base)[name] is None else (has, denied)
            here.add(name)
            there.discard(name)
    if issubclass(kind, (str, bytes, bytearray, memoryview)):
        has.update(_TEXTS)
    if issubclass(kind, (str, bytes)):
        has.update({"__fspath__", "__bytes__"})  # they are paths without that method; bytes of a text need an encoding
    if issubclass(kind, complex):
        has.add("__complex__")  # it has the method from 3.11 on
    if issubclass(kind, type):
        has.add("__getitem__")  # the class may be generic
    if issubclass(kind, (tuple, UnionType)):
        has.update({"__instancecheck__", "__subclasscheck__"})
    return Supported(frozenset(has), frozenset(denied))


def supported_by(obj: object) -> Supported:
    """Find what an object has. It is asked itself only for what its class does not tell."""
    has, denied = supported_by_class(type(obj))
    more: set[str] = set()
    less: set[str] = set()
    if type(obj) is GeneratorType and obj.gi_code.co_flags & _COROUTINE:
        more.add("__await__")
    if "__getitem__" in has and "__iter__" not in has:
        try:
            iter(cast("Iterable[object]", obj))
        except TypeError:  # a class, or an object whose keys are no indices
            less.add("__iter__")
    if sys.version_info < (3, 12) and _is_memory(obj):
        more.add("__bytes__")
    return Supported(has | more, denied | less)


def _is_memory(obj: Any) -> bool:
    try:
        memoryview(obj).release()
    except (TypeError, BufferError):
        return False
    return True


_lock = new_rlock()
"""Held while the class of a proxy is changed, during which no code of a user's is called."""


def exposing() -> Lock:
    """The lock to hold while the methods of a proxy's class are changed."""
    return _lock


def _after_fork() -> None:
    global _lock
    _lock = new_rlock()


call_in_child(_after_fork)


set_attribute: Callable[[type[object], str, object], None] = type.__setattr__
delete_attribute: Callable[[type[object], str], None] = type.__delattr__
"""Past a user's metaclass: its code must not be called with the lock held."""


class ExposedMethods:
    """The special methods that the class of one proxy has at the moment.

    If owners have objects of different classes, it has what any of these objects has. So it may have too much for an
    owner, but no method is taken away that an owner is about to use; a call under way has found its method already.
    """

    def __init__(self, proxy_class: type[object], methods: Mapping[str, Callable[..., Any]], now: Supported) -> None:
        self.proxy_class = proxy_class
        self._methods = methods
        self.now: Supported | None = now
        self.initial: Supported | None = None if now is UNKNOWN else now
        """What the class was made with, until the source of the objects has it: it is not looked up twice."""

    def expose(self, wanted: Supported) -> None:
        """Change the methods of the class, with the lock held. It may be done again if it was interrupted."""
        if wanted == self.now:
            self.now = wanted
            return
        self.now = None
        own = vars(self.proxy_class)
        made = namespace(self._methods, wanted)
        for name in self._methods:
            if name not in made:
                if name in own:
                    delete_attribute(self.proxy_class, name)
            elif name not in own or own[name] is not made[name]:
                set_attribute(self.proxy_class, name, made[name])
        self.now = wanted


def namespace(methods: Mapping[str, Callable[..., Any]], wanted: Supported) -> dict[str, Any]:
    """Those of these methods that a class has."""
    made: dict[str, Any] = {name: None for name in wanted.denied if name in methods}
    made.update([(name, methods[name]) for name in wanted.has if name in methods])
    return made
