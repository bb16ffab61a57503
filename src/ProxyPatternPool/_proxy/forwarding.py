"""The class of a proxy, which forwards to the object what is done to the proxy.

Each proxy has a class of its own: ``__getattribute__`` and the special methods that are used most are closures over the
place where the object is kept. The other special methods are written once, in ``Forwarding``.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from functools import cache
from typing import Any, NamedTuple, Protocol, TypeVar, cast

from .._runtime.native import GIL
from .._scope.base import Slot
from .._scope.shared import EmptySlot
from .direct import can_be_direct, finder
from .exposed import ExposedMethods, Supported, namespace, set_attribute
from .introspection import answer_without_object, is_introspection
from .lookups import COMPUTED, NOT_CALLABLE, enter, leave
from .operators import ACCESS, Access, comparable
from .special import SPECIAL, Forwarding

P = TypeVar("P", bound=Forwarding)

OWN = frozenset({"__deepcopy__", "__mro_entries__", "__reduce_ex__", *COMPUTED})
"""Names that Python looks up in a proxy itself, not in its class, and that are the proxy's own nevertheless."""


class Resolver(Protocol):
    """Answers what a proxy is asked while its owner keeps no object."""

    def find(self) -> Any:
        """Find or take the object; what this raises reaches the code that uses the proxy."""

    def find_hashable(self) -> Any:
        """The same for its hash."""

    def peek(self) -> "tuple[()] | tuple[Any]":
        """The object, if there is one: none is taken."""
        ...

    def object_class(self) -> type[object] | None:
        """The class of the objects, if it is known."""

    def equals_only_itself(self, other: object) -> bool:
        """Whether the proxy is compared without an object."""
        ...

    def missing_attribute(self, name: str) -> Exception:
        """What to raise for an attribute that introspection asks for, as long as there is no object."""
        ...

    def state(self) -> str:
        """What the ``repr`` of a proxy says that has no object."""
        ...


class SingleProxy:
    """The first base of all classes that are made for single proxies."""

    __slots__ = ()

    def __init_subclass__(cls) -> None:
        """Do nothing: what a user's class does for each of its subclasses is not meant for each of its proxies."""


class OverriddenMethods:
    """Base with the methods that a subclass overrides, for its ``super()``: the last of the bases."""

    __slots__ = ()


@cache
def _overridden_base(names: frozenset[str]) -> type[OverriddenMethods]:
    methods: dict[str, Any] = {name: SPECIAL[name] for name in names}
    return type("Above", (OverriddenMethods,), {"__slots__": (), **methods})


class ClassControls(NamedTuple):
    """How to control the class of a proxy."""

    connect: Callable[[Resolver], None]
    """Gives it what answers without an object: once, before the proxy is used."""
    bind: Callable[[Slot[Any]], None]
    """Has it read another slot. At first that is an ``EmptySlot``."""
    find_in: Callable[[Any], None]
    """Has attributes found in one object from now on, past any slot. It is called with the lock of ``exposing``."""
    find_by_slot: Callable[[], None]
    """Ends that, with the same lock."""
    exposed: ExposedMethods


def forwarding_class(
    proxy: Callable[[], P | None],
    base: type[P],
    own: Collection[str],
    subclass_names: Collection[str],
    aliases: Mapping[str, Callable[..., Any]],
    supported: Supported,
    *,
    in_init: bool,
) -> tuple[type[P], ClassControls]:
    """Make the class of one proxy.

    The object is ``slot.place.kept.obj``, or what the resolver finds if one of these attributes is missing.

    Args:
        proxy: A weak reference to the proxy.
        base: The class that the user sees, not one that was made here.
        own: The names that are the proxy's own; all others are its object's, ``__class__`` among them.
        subclass_names: All names that subclasses define.
        aliases: Methods of this proxy alone.
        supported: The special methods of the objects, as far as they are known.
        in_init: Whether an ``__init__`` of a subclass runs, and ``finish`` will be called when it ends.
    """
    resolver: Resolver
    place: Any = EmptySlot[Any]()
    # Changes by single calls. Only a subclass adds to it, while its __init__ runs or the proxy is not set.
    own_names = {*OWN, *own}
    get_own, set_own, delete_own = object.__getattribute__, object.__setattr__, object.__delattr__

    def connect(to: Resolver) -> None:
        nonlocal resolver
        resolver = to

    def bind(new: Slot[Any]) -> None:
        nonlocal place
        place = new.place

    def is_set() -> bool:
        return type(place) is not EmptySlot

    def finish() -> None:
        nonlocal in_init
        in_init = False

    def current() -> Any:
        try:
            return place.kept.obj
        except AttributeError:
            pass  # not find() in here: each error of the user's factory would get this one as its context
        return resolver.find()

    def peek() -> "tuple[()] | tuple[Any]":
        try:
            return (place.kept.obj,)
        except AttributeError:
            return resolver.peek()

    def call_later(name: str, *args: Any, **kwargs: Any) -> Any:
        return getattr(current(), name)(*args, **kwargs)

    # A subclass may change what its names mean. Without a GIL threads would wait for each other to count references.
    may_be_direct, direct = GIL and not subclass_names, False

    def find_in(obj: Any) -> None:
        nonlocal may_be_direct, direct
        front = proxy()
        if front is not None and may_be_direct and can_be_direct(obj):
            own = {name: get_own(front, name) for name in own_names if name not in COMPUTED}
            # Once: a class that is changed a thousand times is one that the interpreter is slow with, from then on.
            may_be_direct, direct = False, True
            set_attribute(proxy_class, "__getattribute__", finder(obj, own))

    def find_by_slot() -> None:
        nonlocal direct
        if direct:
            set_attribute(proxy_class, "__getattribute__", get)
            direct = False

    def introspect(self: Any, name: str) -> Any:
        found = peek()
        compute = COMPUTED.get(name)
        if found:
            return getattr(found[0], name) if compute is None else compute(found[0])
        kind = resolver.object_class()
        if name == "__class__":
            return proxy_class if kind is None else kind
        try:
            return answer_without_object(self, name, kind, call_later)
        except LookupError:
            pass
        raise resolver.missing_attribute(name)

    def get(self: Any, name: str) -> Any:
        if name in own_names:
            return get_own(self, name) if name not in COMPUTED else introspect(self, name)
        # As current(), written out: a call less is a fifth of the whole. An AttributeError that the object raises is
        # not caught here.
        try:
            obj = place.kept.obj
        except AttributeError:
            pass
        else:
            return getattr(obj, name)
        return introspect(self, name) if is_introspection(name) else getattr(resolver.find(), name)

    def set_(self: Any, name: str, value: Any) -> None:
        if name in own_names:
            set_own(self, name, value)
        elif name != "__orig_class__":  # which typing sets on what Proxy[T](…) has made
            setattr(current(), name, value)

    def set_of_subclass(self: Any, name: str, value: Any) -> None:
        if (in_init or not is_set()) and name not in own_names and name != "__orig_class__":
            set_own(self, name, value)
            own_names.add(name)
        else:
            set_(self, name, value)

    def delete(self: Any, name: str) -> None:
        if name not in own_names:
            delattr(current(), name)
            return
        delete_own(self, name)
        if not hasattr(proxy_class, name):
            own_names.discard(name)

    def names(_: Any) -> Iterable[str]:
        found = peek()
        if found:
            return dir(found[0])
        own_now = [name for name in dir(proxy_class) if name in own_names or is_introspection(name)]
        return {*own_now, *dir(resolver.object_class() or object)}

    def text(self: Any) -> str:
        found = peek()
        return repr(found[0]) if found else f"<{type(self).__name__}{resolver.state()}>"

    def equal(_: Any, other: Any) -> Any:
        try:
            obj = place.kept.obj
        except AttributeError:
            pass
        else:
            return obj == comparable(other)
        return NotImplemented if resolver.equals_only_itself(other) else resolver.find() == comparable(other)

    def unequal(_: Any, other: Any) -> Any:
        try:
            obj = place.kept.obj
        except AttributeError:
            pass
        else:
            return obj != comparable(other)
        return NotImplemented if resolver.equals_only_itself(other) else resolver.find() != comparable(other)

    def hashed(_: Any) -> int:
        try:
            obj = place.kept.obj
        except AttributeError:
            pass
        else:
            return hash(obj)
        return hash(resolver.find_hashable())

    def call(_: Any, /, *args: Any, **kwargs: Any) -> Any:
        return current()(*args, **kwargs)

    call.__dict__["__signature__"] = NOT_CALLABLE

    # Those of SPECIAL that are used most, as closures.
    unary: dict[str, Callable[[Any], Any]] = {
        "__len__": lambda _: len(current()),
        "__iter__": lambda _: iter(current()),
        "__next__": lambda _: next(current()),
        "__enter__": lambda _: enter(current()),
        "__hash__": hashed,
    }
    binary: dict[str, Callable[[Any, Any], Any]] = {
        "__getitem__": lambda _, key: current()[key],
        "__contains__": lambda _, item: item in current(),
    }
    ending: dict[str, Callable[[Any, Any, Any, Any], Any]] = {
        "__exit__": lambda _, kind, error, trace: leave(current(), kind, error, trace),
    }
    quick: dict[str, Callable[..., Any]] = {**unary, **binary, **ending, "__call__": call}

    def truth(_: Any) -> bool:
        return is_set() and bool(current())

    # A subclass has room for attributes of its own, unless it has slots.
    setter = set_of_subclass if base.__dictoffset__ else set_
    always: dict[str, Any] = {
        "__getattribute__": get,
        "__setattr__": setter,
        "__bool__": truth,
        "__eq__": equal,
        "__ne__": unequal,
    }
    methods, attributes = {**SPECIAL, **quick}, {**always}
    for name in subclass_names:
        methods.pop(name, None)
        attributes.pop(name, None)
    if "__hash__" in subclass_names:
        attributes["__hash__"] = base.__hash__  # a class with an __eq__ would lose it
    attributes |= {
        **aliases,
        **namespace(methods, supported),
        "__slots__": (),
        "__doc__": base.__doc__,
        "__module__": base.__module__,
        "__qualname__": base.__qualname__,
        ACCESS: Access(current, is_set, get, setter, delete, names, text, finish),
    }
    overridden = frozenset(SPECIAL.keys() & subclass_names)
    bases = (SingleProxy, base, _overridden_base(overridden)) if overridden else (SingleProxy, base)
    proxy_class = cast("Callable[..., type[P]]", type(base))(base.__name__, bases, attributes)
    exposed = ExposedMethods(proxy_class, methods, supported)
    return proxy_class, ClassControls(connect, bind, find_in, find_by_slot, exposed)
