"""Subclasses of ``Proxy``: what they define, and what their proxies do before they are made."""

import weakref
from collections.abc import Callable, Iterable, Mapping
from functools import wraps
from typing import Any, TypeVar

from .._errors import ProxyException
from .forwarding import SingleProxy
from .operators import Access, access

T = TypeVar("T")

# What they define. -----------------------------------------------------------------------------------


def user_class(cls: type[T]) -> type[T]:
    """The class that a user sees, of which the classes of single proxies are made."""
    return next(base for base in cls.__mro__ if base is not SingleProxy and SingleProxy not in base.__bases__)


def names_added(base: type[object], root: type[object]) -> dict[str, object]:
    """What a user's subclass adds to the class ``root``."""
    added = [cls for cls in base.__mro__ if cls not in root.__mro__]
    return {name: value for cls in reversed(added) for name, value in vars(cls).items()}


_OF_CLASSES = frozenset({"__class_getitem__", "__dict__", "__init__", "__init_subclass__", "__new__", "__weakref__"})


def own_names(added: Mapping[str, object]) -> list[str]:
    """The names of these that are the proxy's own: all but those with double underscores that describe the class."""
    return [
        name
        for name, value in added.items()
        if not (name.startswith("__") and name.endswith("__"))
        or (hasattr(type(value), "__get__") and name not in _OF_CLASSES)
    ]


def attributes_so_far(self: object, base: type[object]) -> Iterable[str]:
    """The attributes that a subclass has set before the proxy is made."""
    return object.__getattribute__(self, "__dict__") if base.__dictoffset__ else ()


# Their __init__. -------------------------------------------------------------------------------------

_reporting: "weakref.WeakSet[Callable[..., None]]" = weakref.WeakSet()


def reports_end(init: Callable[..., None]) -> bool:
    """Whether an ``__init__`` reports when it has ended."""
    return init in _reporting


def reporting_end(init: Callable[..., None]) -> Callable[..., None]:
    """Have an ``__init__`` report when it has ended, if it is the outermost."""

    @wraps(init)
    def __init__(self: object, *args: Any, **kwargs: Any) -> None:  # noqa: N807  # it takes the place of one
        try:
            init(self, *args, **kwargs)
        finally:
            if type(self).__init__ is __init__:
                access(self).finish()

    _reporting.add(__init__)
    return __init__


# Before the proxy is made. ---------------------------------------------------------------------------


def _not_made() -> ProxyException:
    return ProxyException("this proxy is not made yet: call super().__init__(…) first")


def _get(self: object, name: str) -> Any:
    try:
        return object.__getattribute__(self, name)
    except AttributeError:
        raise _not_made() from None


def _set(self: object, name: str, value: object) -> None:
    try:
        object.__setattr__(self, name, value)
    except AttributeError:  # the class has slots
        raise _not_made() from None


def _delete(self: object, name: str) -> None:
    try:
        object.__delattr__(self, name)
    except AttributeError:
        raise _not_made() from None


def _no_object(*_: object) -> Any:
    raise _not_made()


def _names(self: object) -> Iterable[str]:
    return object.__dir__(self)


def _text(self: object) -> str:
    return f"<{type(self).__name__}: not made yet>"


def _finish() -> None:
    """Do nothing: the proxy was never made."""


# The __init__ of a subclass may use the proxy before it calls super().__init__(). Until then the class is the user's.
BEFORE_MADE = Access(_no_object, bool, _get, _set, _delete, _names, _text, _finish)
