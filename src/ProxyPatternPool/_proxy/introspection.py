"""What a proxy answers to introspection as long as its owner has no object: none is taken to answer it.

Tools ask all objects that they meet for names with double underscores, and notebooks for names such as ``_repr_html_``.
They use what they find, and an AttributeError is an answer to them.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

from .._errors import ProxyException


class NoObjectAttribute(ProxyException, AttributeError):
    """There is no object yet that could have this attribute: a tool goes on, as with any object that lacks it."""


class NoObjectHash(ProxyException, TypeError):
    """There is no object yet whose hash it could be: a tool that can do without goes on."""


_OF_CLASSES = frozenset({"__init__", "__new__", "__init_subclass__", "__class_getitem__", "__subclasshook__"})


def is_introspection(name: str) -> bool:
    """Whether tools ask for a name, not users: it has underscores on both sides of more, or is no identifier."""
    return (name[:1] == "_" == name[-1:] and set(name) != {"_"}) or not name.isidentifier()


def answer_without_object(proxy: object, name: str, kind: type[object] | None, call_later: Callable[..., Any]) -> Any:
    """Find the attribute of this name that any object of the proxy will have.

    Args:
        proxy: The proxy that is asked.
        name: A name that ``is_introspection``.
        kind: The class of the object to come, if it is known.
        call_later: Takes the object when it is called, and calls a method of it: gets its name, and the arguments.

    Raises:
        LookupError: the attribute depends on the object, or is to show it, which is not worth taking one.
    """
    if not name.startswith("__") or name in _OF_CLASSES:
        raise LookupError
    if callable(_raw(type(proxy), name, but=object)):
        if name == "__call__":
            return partial(call_later, name)  # with any signature: a mock asks for it, and cannot do without
        return object.__getattribute__(proxy, name)  # takes the object when it is called
    if "repr" in name or name.startswith("__rich"):
        raise LookupError
    if kind is None and name in ("__doc__", "__module__"):
        kind = type(proxy)
    raw = _raw(kind or object, name)
    if raw is _MISSING:
        raise LookupError
    if isinstance(raw, classmethod | staticmethod):
        return getattr(kind or object, name)
    if not hasattr(type(raw), "__get__"):
        return raw
    if callable(raw) and not hasattr(type(raw), "__set__"):
        return partial(call_later, name)
    raise LookupError


_MISSING = object()


def _raw(kind: type[object], name: str, but: type[object] | None = None) -> object:
    """Find an attribute in the name space of a class or its bases, perhaps but one, without binding it."""
    for base in kind.__mro__:
        if base is not but and name in vars(base):
            return vars(base)[name]
    return _MISSING
