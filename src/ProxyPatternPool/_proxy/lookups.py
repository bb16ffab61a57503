"""What the interpreter does to an object where no builtin function does the same: ``with``, ``await``, ``match``."""

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
    """Enter the block of an object: both methods are looked up in its class before one is called."""
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
    """Await an object: some awaitables, such as coroutines of generators, have no ``__await__``."""
    return await obj


# --- match

SEQUENCE, MAPPING = 1 << 5, 1 << 6
"""The flags of a class by which ``match`` tells sequences and mappings: it looks at nothing else."""


class LikeSequence(Sequence[Any], metaclass=ABCMeta):
    """Registered with this, a class gets the flag of sequences, and is still no ``Sequence`` to ``isinstance``."""

    @classmethod
    def __subclasshook__(cls, subclass: type) -> bool:
        return False


class LikeMapping(Mapping[Any, Any], metaclass=ABCMeta):
    """The same for mappings."""

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
    """The ``__bases__`` of a proxy: to ``issubclass`` a proxy of a class is a subclass of that class."""
    return (obj,) if isinstance(obj, type) else obj.__bases__


def signature_of(obj: Any) -> Any:
    """The ``__signature__`` of a proxy: that which ``inspect.signature`` finds for the object."""
    obj = bare(obj)
    if not callable(obj):
        raise AttributeError("__signature__")
    return inspect.signature(obj)


def namespaces(obj: object) -> list[Mapping[str, object]]:
    """The name spaces of an object and its classes, read past its own code. ``getattr_static`` takes too long."""
    kinds = [*type(obj).__mro__, *(obj.__mro__ if isinstance(obj, type) else ())]
    own: Mapping[str, object]
    try:
        own = object.__getattribute__(obj, "__dict__")
    except AttributeError:
        own = {}
    return [own, *(vars(kind) for kind in kinds)]


COMPUTED: Mapping[str, Callable[[Any], Any]] = {"__bases__": bases_of, "__signature__": signature_of}

NOT_CALLABLE = ()
"""The signature of every proxy's ``__call__``: ``inspect`` refuses it, as it refuses objects that are not callable."""
