"""The special methods of proxies that are no operators."""

import copy
import math
import operator
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from .exposed import CONDITIONAL
from .lookups import NOT_CALLABLE, aenter, aleave, enter, leave, wait
from .operators import Operators, access, bare, current


class Forwarding(Operators):
    """The special methods of a proxy: each does to the object what it is called for.

    A special method of a subclass, such as a ``__len__`` of its own, takes precedence, and reaches the object's with
    ``super()``. A subclass must not have a ``__getattr__``: it would be asked for what the object lacks.

    Checkers see all of them here. Those in ``CONDITIONAL`` are moved to ``SPECIAL``, for the classes of single proxies.
    """

    __slots__ = ("__weakref__",)

    # --- attributes

    def __getattribute__(self, name: str) -> Any:
        return access(self).get(self, name)

    def __setattr__(self, name: str, value: Any) -> None:
        access(self).set(self, name, value)

    def __delattr__(self, name: str) -> None:
        access(self).delete(self, name)

    def __dir__(self) -> Iterable[str]:
        names: Iterable[str] = access(self).names(self)
        return names

    # --- texts

    def __repr__(self) -> str:
        return access(self).text(self)

    def __str__(self) -> str:
        return str(current(self))

    def __bytes__(self) -> bytes:
        return bytes(current(self))

    def __format__(self, specification: str) -> str:
        return format(current(self), specification)

    def __fspath__(self) -> Any:
        path: os.PathLike[Any] = current(self)
        return os.fspath(path)

    # --- containers

    def __bool__(self) -> bool:
        return access(self).is_set() and bool(current(self))

    def __len__(self) -> int:
        return len(current(self))

    def __length_hint__(self) -> Any:
        hint = operator.length_hint(current(self), -1)
        return NotImplemented if hint < 0 else hint

    def __getitem__(self, key: Any) -> Any:
        return current(self)[key]

    def __setitem__(self, key: Any, value: Any) -> None:
        current(self)[key] = value

    def __delitem__(self, key: Any) -> None:
        del current(self)[key]

    def __contains__(self, item: Any) -> bool:
        return item in current(self)

    def __iter__(self) -> Iterator[Any]:
        return iter(current(self))

    def __next__(self) -> Any:
        return next(current(self))

    def __reversed__(self) -> Iterator[Any]:
        backwards: Iterator[Any] = reversed(current(self))
        return backwards

    def __buffer__(self, flags: int, /) -> memoryview:
        return memoryview(current(self))

    # --- numbers

    def __int__(self) -> int:
        return int(current(self))

    def __float__(self) -> float:
        return float(current(self))

    def __complex__(self) -> complex:
        return complex(current(self))

    def __index__(self) -> int:
        return operator.index(current(self))

    def __round__(self, *digits: Any) -> Any:
        return round(current(self), *digits)

    def __trunc__(self) -> Any:
        return math.trunc(current(self))

    def __floor__(self) -> Any:
        return math.floor(current(self))

    def __ceil__(self) -> Any:
        return math.ceil(current(self))

    # --- calls, blocks, coroutines

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return current(self)(*args, **kwargs)

    __call__.__dict__["__signature__"] = NOT_CALLABLE

    def __enter__(self) -> Any:
        return enter(current(self))

    def __exit__(self, *error: object) -> Any:
        return leave(current(self), *error)

    def __aenter__(self) -> Any:
        return aenter(current(self))

    def __aexit__(self, *error: object) -> Any:
        return aleave(current(self), *error)

    # Hidden from checkers: they would miss an await in front of db.set_obj(…), which returns the proxy.
    if not TYPE_CHECKING:  # pragma: no branch

        def __await__(self) -> Generator[Any, Any, Any]:
            return wait(current(self)).__await__()

    def __aiter__(self) -> AsyncIterator[Any]:
        each: AsyncIterator[Any] = aiter(current(self))
        return each

    def __anext__(self) -> Awaitable[Any]:
        following: Awaitable[Any] = anext(current(self))
        return following

    # --- classes

    def __instancecheck__(self, instance: Any) -> bool:
        return isinstance(instance, current(self))

    def __subclasscheck__(self, subclass: Any) -> bool:
        return issubclass(subclass, current(self))

    def __mro_entries__(self, bases: tuple[Any, ...]) -> tuple[Any, ...]:
        obj = bare(self)
        is_class = issubclass(type(obj), type)
        return (obj,) if is_class or not hasattr(obj, "__mro_entries__") else obj.__mro_entries__(bases)

    # --- copies: of the object

    def __copy__(self) -> Any:
        return copy.copy(current(self))

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        return copy.deepcopy(current(self), memo)

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        # The pickle holds the object alone: to read it takes neither a proxy nor this package.
        return operator.getitem, ((current(self),), 0)


SPECIAL: dict[str, Callable[..., Any]] = {
    name: vars(Forwarding)[name] for name in sorted(CONDITIONAL & vars(Forwarding).keys())
}
"""The methods that the class of a proxy gets only if its object has them."""

SPECIAL["__hash__"] = Operators.__hash__
for _name in SPECIAL.keys() & vars(Forwarding).keys():
    delattr(Forwarding, _name)
