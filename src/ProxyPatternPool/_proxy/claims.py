"""What the class of a proxy claims to be able to do: what its object can, and nothing else.

Much code looks at the class alone, for a special method: C code at the slots of ``__next__`` and ``__index__``,
``callable``, abstract classes such as ``Awaitable``. It must not take a proxy for what its object is not. A method set
to None is still there for C code, so what the object lacks must be absent from the class of its proxy, and from all its
bases.
"""

import sys
from collections.abc import Callable, Iterable, Mapping
from types import GeneratorType, UnionType
from typing import Any, NamedTuple, cast

from .._runtime.native import Lock, new_rlock
from .._runtime.process import call_in_child

_TEXTS = "__int__", "__float__", "__complex__", "__round__", "__trunc__", "__floor__", "__ceil__"
"""Python reads numbers in texts, which have none of these methods."""

FOR_USE = frozenset(
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
"""What a proxy has whose object is not known yet: its first use may be one of these, and makes the object."""

CLAIMS = FOR_USE | {
    *("__await__", "__aiter__", "__anext__", "__aenter__", "__aexit__"),
    *("__next__", "__length_hint__", "__fspath__", "__index__", "__buffer__"),
}
"""What a proxy has only if its object has it. Arithmetic is not among them: nobody takes it for a claim."""

_COROUTINE = 0x100
"""The flag of a generator that can be awaited: ``inspect.CO_ITERABLE_COROUTINE``."""


class Abilities(NamedTuple):
    """What objects of some classes have, of what proxies may have."""

    has: frozenset[str]
    denied: frozenset[str]
    """What is None in their classes, so that Python does not try another way, such as ``__getitem__`` to iterate."""

    def united(self, other: "Abilities") -> "Abilities":
        """What objects of the one or the other kind have: their owners use the same proxy, and the same class."""
        has = self.has | other.has
        return Abilities(has, (self.denied | other.denied) - has)


UNKNOWN = Abilities(FOR_USE, frozenset())
_CHANGING = Abilities(frozenset({"unlike any other"}), frozenset())


def abilities_of_class(kind: type[object]) -> Abilities:
    """Find what the objects of a class have."""
    has: set[str] = set()
    denied: set[str] = set()
    for base in reversed(kind.__mro__):
        for name in CLAIMS & vars(base).keys():
            for_it, against = (denied, has) if vars(base)[name] is None else (has, denied)
            for_it.add(name)
            against.discard(name)
    if issubclass(kind, (str, bytes, bytearray, memoryview)):
        has.update(_TEXTS)
    if issubclass(kind, (str, bytes)):
        has.update(
            {"__fspath__", "__bytes__"}
        )  # paths, which have no method that says so; no bytes without an encoding
    if issubclass(kind, complex):
        has.add("__complex__")  # which it has from 3.11 on
    if issubclass(kind, type):
        has.add("__getitem__")  # of a generic class
    if issubclass(kind, (tuple, UnionType)):
        has.update({"__instancecheck__", "__subclasscheck__"})
    return Abilities(frozenset(has), frozenset(denied))


def abilities_of(obj: object) -> Abilities:
    """Find what an object has; of itself only what its class does not tell."""
    has, denied = abilities_of_class(type(obj))
    more: set[str] = set()
    less: set[str] = set()
    if type(obj) is GeneratorType and obj.gi_code.co_flags & _COROUTINE:
        more.add("__await__")
    if "__getitem__" in has and "__iter__" not in has:
        try:
            iter(cast("Iterable[object]", obj))
        except TypeError:  # only a class, or what has keys that are no indices
            less.add("__iter__")
    if sys.version_info < (3, 12) and "__bytes__" not in has and _is_memory(obj):
        more.add("__bytes__")
    return Abilities(has | more, denied | less)


def _is_memory(obj: Any) -> bool:
    try:
        memoryview(obj).release()
    except (TypeError, BufferError):
        return False
    return True


_lock = new_rlock()
"""Held while the class of a proxy is changed: nothing is called then that is not ours."""


def changing() -> Lock:
    """The lock to hold while what a proxy claims is changed."""
    return _lock


def _after_fork() -> None:
    global _lock
    _lock = new_rlock()


call_in_child(_after_fork)


set_attribute: Callable[[type[object], str, object], None] = type.__setattr__
delete_attribute: Callable[[type[object], str], None] = type.__delattr__
"""Past what a user's metaclass does: nothing of his is called with the lock held."""


class Claims:
    """What the class of one proxy claims at the moment.

    Where owners have objects of different classes it claims what any of them has: to each it is then at most too much.
    So nothing is taken away that somebody may be about to use; and a call under way has found its method already.
    """

    def __init__(self, proxy_class: type[object], methods: Mapping[str, Callable[..., Any]], now: Abilities) -> None:
        self.proxy_class = proxy_class
        self._methods = methods
        self.now: Abilities = now
        self.first: Abilities | None = None if now is UNKNOWN else now
        """What the object has that the class was made for, until that is noted: it is not looked at twice."""

    def become(self, wanted: Abilities) -> None:
        """Have the class claim this; with the lock held. It may be done again if it was interrupted."""
        if wanted == self.now:
            self.now = wanted
            return
        self.now = _CHANGING
        own = vars(self.proxy_class)
        made = namespace(self._methods, wanted)
        for name in self._methods:
            if name not in made:
                if name in own:
                    delete_attribute(self.proxy_class, name)
            elif name not in own or own[name] is not made[name]:
                set_attribute(self.proxy_class, name, made[name])
        self.now = wanted


def namespace(methods: Mapping[str, Callable[..., Any]], wanted: Abilities) -> dict[str, Any]:
    """What a class has of these methods."""
    made: dict[str, Any] = {name: None for name in (*wanted.denied, "__hash__") if name in methods}  # else inherited
    made.update([(name, methods[name]) for name in wanted.has if name in methods])
    return made
