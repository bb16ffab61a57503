"""Where no builtin function does to an object what the interpreter does to a proxy: the same, done by hand."""

import inspect
import sys
from abc import ABCMeta
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from .operators import bare

# --- with and await

NO_CONTEXT = TypeError if sys.version_info >= (3, 11) else AttributeError
"""What the interpreter raises for ``with 5``."""


def enter(obj: object) -> Any:
    """Enter the block of an object; both methods are looked up before anything is called, and in its class."""
    kind: type[Any] = type(obj)
    try:
        method = kind.__enter__
        _ = kind.__exit__
    except AttributeError:
        raise NO_CONTEXT(f"{kind.__name__!r} object cannot be used in a with statement") from None
    return method(obj)


def leave(obj: object, *error: object) -> Any:
    """Leave the block of an object."""
    kind: type[Any] = type(obj)
    return kind.__exit__(obj, *error)


def aenter(obj: object) -> Any:
    """The same for ``async with``."""
    kind: type[Any] = type(obj)
    try:
        method = kind.__aenter__
        _ = kind.__aexit__
    except AttributeError:
        raise NO_CONTEXT(f"{kind.__name__!r} object cannot be used in an async with statement") from None
    return method(obj)


def aleave(obj: object, *error: object) -> Any:
    """The same for ``async with``."""
    kind: type[Any] = type(obj)
    return kind.__aexit__(obj, *error)


async def wait(obj: Any) -> Any:
    """Await an object: the interpreter knows kinds that have no ``__await__``."""
    return await obj


# --- match

SEQUENCE, MAPPING = 1 << 5, 1 << 6
"""The flags of a class that ``match`` looks at, and nothing else: no method is asked."""


class LikeSequence(Sequence[Any], metaclass=ABCMeta):
    """A class that is registered with this has the flag of sequences, and is not taken for a ``Sequence``."""

    @classmethod
    def __subclasshook__(cls, subclass: type) -> bool:
        return False


class LikeMapping(Mapping[Any, Any], metaclass=ABCMeta):
    """As ``LikeSequence``, for mappings."""

    @classmethod
    def __subclasshook__(cls, subclass: type) -> bool:
        return False


def match_as(proxy_class: type, kind: type[object]) -> None:
    """Let ``match`` see the class of a proxy as it sees the class of the object."""
    flags = kind.__flags__ & (SEQUENCE | MAPPING)
    if flags & ~proxy_class.__flags__:
        (LikeSequence if flags == SEQUENCE else LikeMapping).register(proxy_class)


# --- attributes of a proxy that are neither its own nor its object's


def bases_of(obj: Any) -> Any:
    """Make a proxy of a class a subclass of that class, in the eyes of ``issubclass``."""
    return (obj,) if isinstance(obj, type) else obj.__bases__


def signature_of(obj: Any) -> Any:
    """Tell ``inspect.signature`` what it would find if it looked at the object."""
    obj = bare(obj)
    if not callable(obj):
        raise AttributeError("__signature__")
    return inspect.signature(obj)


def name_spaces(obj: object) -> list[Mapping[str, object]]:
    """Where an object's attributes are found, without asking it: ``getattr_static`` is too slow for every proxy."""
    kinds = [*type(obj).__mro__, *(obj.__mro__ if isinstance(obj, type) else ())]
    own: Mapping[str, object]
    try:
        own = object.__getattribute__(obj, "__dict__")
    except AttributeError:
        own = {}
    return [own, *(vars(kind) for kind in kinds)]


IMAGINED: Mapping[str, Callable[[Any], Any]] = {"__bases__": bases_of, "__signature__": signature_of}

NOT_CALLABLE = ()
"""The signature of every proxy's ``__call__``: ``inspect`` refuses it, as it refuses objects that are not callable."""
