"""How a proxy passes on to its object what is done to it.

Each proxy has a class of its own, made when it is made: ``__getattribute__`` and the special methods that matter most
are closures over the slot where the object is kept. The other special methods are written once, in ``Forwarding``.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, NamedTuple, Protocol, TypeVar, cast

from .._scope.base import Slot
from .._scope.shared import EmptySlot
from .claims import Abilities, Claims, namespace
from .lookups import IMAGINED, NOT_CALLABLE, enter, leave
from .operators import WAY, Way, comparable
from .probing import found_without, is_probe
from .special import SPECIAL, Forwarding

P = TypeVar("P", bound=Forwarding)

OWN = frozenset({"__deepcopy__", "__mro_entries__", "__reduce_ex__", *IMAGINED})
"""What is looked up in a proxy rather than in its class, and is nevertheless not its object's."""


class Host(Protocol):
    """What knows of the objects of a proxy, beside those that owners keep."""

    def find(self) -> Any:
        """Find or make the object for whoever asks; what it raises reaches whoever used the proxy."""

    def find_hashable(self) -> Any:
        """The same for whoever wants a hash."""

    def peek(self) -> "tuple[()] | tuple[Any]":
        """The object, if it is at hand; none is taken."""
        ...

    def kind(self) -> type[object] | None:
        """The class of the objects, if it is known."""

    def equals_only_itself(self, other: object) -> bool:
        """Whether there is no object that the proxy could be compared by."""
        ...

    def lacking(self, name: str) -> Exception:
        """What to raise for an attribute that nobody asks for who needs the object."""
        ...

    def state(self) -> str:
        """What to say of the proxy, in place of an object."""
        ...


class Made:
    """What the classes of single proxies have in common, before all that they inherit."""

    __slots__ = ()

    def __init_subclass__(cls) -> None:
        """Tell nobody: what a user's class does for each subclass of its own is not meant for each of its proxies."""


class Above:
    """What ``super()`` of a subclass finds of the methods that it overrides: behind all that it inherits."""

    __slots__ = ()


_above: dict[frozenset[str], type[Above]] = {}


def _made_above(names: frozenset[str]) -> type[Above]:
    found = _above.get(names)
    if found is None:
        methods: dict[str, Any] = {name: SPECIAL[name] for name in names}
        found = _above.setdefault(names, type("Above", (Above,), {"__slots__": (), **methods}))
    return found


class Links(NamedTuple):
    """What the maker of a class gets, to control it."""

    connect: Callable[[Host], None]
    """Says who knows of the objects: to be called once, before the proxy is used."""
    bind: Callable[[Slot[Any]], None]
    """Says what the slot is from now on. At first it is an ``EmptySlot``."""
    claims: Claims


def forwarding_class(
    base: type[P],
    own: Collection[str],
    theirs: Collection[str],
    aliases: Mapping[str, Callable[..., Any]],
    abilities: Abilities,
    *,
    begun: bool,
) -> tuple[type[P], Links]:
    """Make the class of one proxy.

    The object is what ``kept.obj`` of a slot says, and what the host finds where one of these attributes is missing.

    Args:
        base: The class that the user sees, not one that was made here.
        own: The names that are the proxy's own; all others are its object's, ``__class__`` among them.
        theirs: All names that subclasses define.
        aliases: Methods of this proxy alone.
        abilities: What the objects have, as far as it is known.
        begun: Whether an ``__init__`` of a subclass runs, and ``finish`` will be called when it ends.
    """
    host: Host
    slot: Slot[Any] = EmptySlot()
    # A set that grows by single calls, and that a subclass alone adds to: whose __init__ runs, or that is not set yet.
    own_names = {*OWN, *own}
    get_own, set_own, delete_own = object.__getattribute__, object.__setattr__, object.__delattr__

    def connect(to: Host) -> None:
        nonlocal host
        host = to

    def bind(new: Slot[Any]) -> None:
        nonlocal slot
        slot = new

    def is_set() -> bool:
        return type(slot) is not EmptySlot

    def finish() -> None:
        nonlocal begun
        begun = False

    def current() -> Any:
        try:
            return slot.kept.obj
        except AttributeError:
            pass  # to look for it in here would give every error of the user's factory this one as its context
        return host.find()

    def peek() -> "tuple[()] | tuple[Any]":
        try:
            return (slot.kept.obj,)
        except AttributeError:
            return host.peek()

    def late(name: str, *args: Any, **kwargs: Any) -> Any:
        return getattr(current(), name)(*args, **kwargs)

    def look(self: Any, name: str) -> Any:
        found = peek()
        imagine = IMAGINED.get(name)
        if found:
            return getattr(found[0], name) if imagine is None else imagine(found[0])
        kind = host.kind()
        if name == "__class__":
            return made if kind is None else kind
        try:
            return found_without(self, name, kind, late)
        except LookupError:
            pass
        raise host.lacking(name)

    def get(self: Any, name: str) -> Any:
        if name in own_names:
            return get_own(self, name) if name not in IMAGINED else look(self, name)
        # What follows is current(), written out: a call less is a fifth of the whole. And an AttributeError of the
        # object's own must not be taken for one of ours.
        try:
            obj = slot.kept.obj
        except AttributeError:
            pass
        else:
            return getattr(obj, name)
        return look(self, name) if is_probe(name) else getattr(host.find(), name)

    def set_(self: Any, name: str, value: Any) -> None:
        if name in own_names:
            set_own(self, name, value)
        elif name != "__orig_class__":  # typing's note on what Proxy[T](…) has made
            setattr(current(), name, value)

    def set_of_subclass(self: Any, name: str, value: Any) -> None:
        if (begun or not is_set()) and name not in own_names and name != "__orig_class__":
            set_own(self, name, value)
            own_names.add(name)
        else:
            set_(self, name, value)

    def delete(self: Any, name: str) -> None:
        if name not in own_names:
            delattr(current(), name)
            return
        delete_own(self, name)
        if not hasattr(made, name):
            own_names.discard(name)

    def names(_: Any) -> Iterable[str]:
        found = peek()
        if found:
            return dir(found[0])
        own_now = [name for name in dir(made) if name in own_names or is_probe(name)]
        return {*own_now, *dir(host.kind() or object)}

    def text(self: Any) -> str:
        found = peek()
        return repr(found[0]) if found else f"<{type(self).__name__}{host.state()}>"

    def equal(_: Any, other: Any) -> Any:
        try:
            obj = slot.kept.obj
        except AttributeError:
            pass
        else:
            return obj == comparable(other)
        return NotImplemented if host.equals_only_itself(other) else host.find() == comparable(other)

    def unequal(_: Any, other: Any) -> Any:
        try:
            obj = slot.kept.obj
        except AttributeError:
            pass
        else:
            return obj != comparable(other)
        return NotImplemented if host.equals_only_itself(other) else host.find() != comparable(other)

    def hashed(_: Any) -> int:
        try:
            obj = slot.kept.obj
        except AttributeError:
            pass
        else:
            return hash(obj)
        return hash(host.find_hashable())

    def call(_: Any, /, *args: Any, **kwargs: Any) -> Any:
        return current()(*args, **kwargs)

    call.__dict__["__signature__"] = NOT_CALLABLE

    # The quickest of what SPECIAL has.
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
    for name in theirs:
        methods.pop(name, None)
        attributes.pop(name, None)
    if "__eq__" in attributes and "__hash__" in theirs:
        attributes["__hash__"] = base.__hash__  # which a class with an __eq__ would lose
    attributes |= {
        **aliases,
        **namespace(methods, abilities),
        "__slots__": (),
        "__doc__": base.__doc__,
        "__module__": base.__module__,
        "__qualname__": base.__qualname__,
        WAY: Way(current, is_set, get, setter, delete, names, text, finish),
    }
    overridden = frozenset(SPECIAL.keys() & theirs)
    bases = (Made, base, _made_above(overridden)) if overridden else (Made, base)
    made = cast("Callable[..., type[P]]", type(base))(base.__name__, bases, attributes)
    return made, Links(connect, bind, Claims(made, methods, abilities))
