"""How a proxy passes on to its object what is done to it.

Each proxy has a class of its own, made when it is made: ``__getattribute__`` and the special methods that matter most
are closures over the slot where the object is kept. The other special methods are written once, in ``Forwarding``.
"""

import copy
import math
import operator
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Generator, Iterable, Iterator
from typing import TYPE_CHECKING, Any, TypeVar, cast

from .._scope.base import Slot
from .._scope.shared import EmptySlot
from .lookups import IMAGINED, NOT_CALLABLE, aenter, aleave, enter, leave, wait
from .operators import WAY, Operators, Way, bare, current, way

P = TypeVar("P", bound="Forwarding")

OWN = frozenset({"__deepcopy__", "__mro_entries__", "__reduce_ex__", *IMAGINED})
"""What is looked up in a proxy rather than in its class, and is nevertheless not its object's."""


class Forwarding(Operators):
    """The special methods of a proxy: each does to the object what it stands for.

    A special method of a subclass, such as a ``__len__`` of its own, takes precedence, and reaches the object's with
    ``super()``. A subclass must not have a ``__getattr__``: it would be asked for what the object lacks.
    """

    __slots__ = ("__weakref__",)

    # --- attributes

    def __getattribute__(self, name: str) -> Any:
        return way(self).get(self, name)

    def __setattr__(self, name: str, value: Any) -> None:
        way(self).set(self, name, value)

    def __delattr__(self, name: str) -> None:
        delattr(current(self), name)

    def __dir__(self) -> Iterable[str]:
        names: list[str] = dir(current(self))
        return names

    # --- texts

    def __repr__(self) -> str:
        return repr(current(self)) if way(self).is_set() else f"<{type(self).__name__}: not set>"

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
        return way(self).is_set() and bool(current(self))

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
        # Nothing of ours is in a pickle: whoever reads it finds the object itself, and needs no proxies.
        return operator.getitem, ((current(self),), 0)


class Made:
    """What the classes of single proxies have in common, before all that they inherit."""

    __slots__ = ()

    def __init_subclass__(cls) -> None:
        """Tell nobody: what a user's class does for each subclass of its own is not meant for each of its proxies."""


def forwarding_class(
    base: type[P], own: Collection[str], find: Callable[[], Any], kind: Callable[[], type[object]]
) -> tuple[type[P], Callable[[Slot[Any]], None]]:
    """Make the class of one proxy.

    The object is what ``kept.obj`` of a slot says, and what ``find`` says where one of these attributes is missing.
    What ``find`` raises reaches whoever used the proxy.

    Args:
        base: The class that the user sees, not one that was made here.
        own: The names that are the proxy's own; all others are its object's, ``__class__`` among them.
        find: Finds or makes the object for whoever asks.
        kind: Says what the ``__class__`` of a proxy is whose owner keeps nothing.

    Returns:
        The class, and a function that says what the slot is from now on. At first it is an ``EmptySlot``: then the
        proxy has a ``repr`` and is false, and for all else it is up to ``find`` to say what is to be done.
    """
    slot: Slot[Any] = EmptySlot()
    own_names = OWN.union(own)
    get_own, set_own = object.__getattribute__, object.__setattr__

    def bind(new: Slot[Any]) -> None:
        nonlocal slot
        slot = new

    def is_set() -> bool:
        return type(slot) is not EmptySlot

    def current() -> Any:
        try:
            return slot.kept.obj
        except AttributeError:
            pass  # to look for it in here would give every error of the user's factory this one as its context
        return find()

    def get(self: Any, name: str) -> Any:
        if name in own_names:
            imagine = IMAGINED.get(name)
            return get_own(self, name) if imagine is None else imagine(current())
        # What follows is current(), written out: a call less is a fifth of the whole. And an AttributeError of the
        # object's own must not be taken for one of ours.
        try:
            obj = slot.kept.obj
        except AttributeError:
            pass
        else:
            return getattr(obj, name)
        return kind() if name == "__class__" else getattr(find(), name)

    def set_(self: Any, name: str, value: Any) -> None:
        if name in own_names:
            set_own(self, name, value)
        elif name != "__orig_class__":  # typing's note on what Proxy[T](…) has made
            setattr(current(), name, value)

    def call(_: Any, /, *args: Any, **kwargs: Any) -> Any:
        return current()(*args, **kwargs)

    call.__dict__["__signature__"] = NOT_CALLABLE

    unary: dict[str, Callable[[Any], Any]] = {
        "__bool__": lambda _: is_set() and bool(current()),
        "__len__": lambda _: len(current()),
        "__hash__": lambda _: hash(current()),
        "__iter__": lambda _: iter(current()),
        "__next__": lambda _: next(current()),
        "__enter__": lambda _: enter(current()),
    }
    binary: dict[str, Callable[[Any, Any], Any]] = {
        "__getattribute__": get,
        "__eq__": lambda _, other: current() == bare(other),
        "__ne__": lambda _, other: current() != bare(other),
        "__getitem__": lambda _, key: current()[key],
        "__contains__": lambda _, item: item in current(),
    }
    ending: dict[str, Callable[[Any, Any, Any, Any], Any]] = {
        "__exit__": lambda _, kind, error, trace: leave(current(), kind, error, trace),
    }
    others: dict[str, Callable[..., Any]] = {"__setattr__": set_, "__call__": call}
    namespace: dict[str, Any] = {
        name: method
        for name, method in {**unary, **binary, **ending, **others}.items()
        if getattr(base, name) is getattr(Forwarding, name)
    }
    if "__eq__" in namespace:
        namespace.setdefault("__hash__", base.__hash__)  # which a class with an __eq__ would lose
    namespace |= {
        "__slots__": (),
        "__module__": base.__module__,
        "__qualname__": base.__qualname__,
        WAY: Way(current, is_set, get, set_),
    }
    made = cast("Callable[..., type[P]]", type(base))(base.__name__, (Made, base), namespace)
    return made, bind
