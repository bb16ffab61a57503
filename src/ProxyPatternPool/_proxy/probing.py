"""What a proxy answers those who only look, for an owner that has no object: none is taken for their sake.

Tools ask all that they meet for names with double underscores, and notebooks for names such as ``_repr_html_``. They
use what they find, and an AttributeError is an answer to them.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

from .._errors import ProxyException


class Lacking(ProxyException, AttributeError):
    """There is no object that could have this attribute: whoever only looks goes on, as with any other object."""


class Unhashable(ProxyException, TypeError):
    """There is no object yet whose hash it could be: whoever can do without goes on."""


_OF_CLASSES = frozenset({"__init__", "__new__", "__init_subclass__", "__class_getitem__", "__subclasshook__"})


def is_probe(name: str) -> bool:
    """Whether tools ask for a name, and hardly a person: it has underscores on both sides, or is no name at all."""
    return (name[:1] == "_" == name[-1:] and len(name) > 2) or not name.isidentifier()


def found_without(proxy: object, name: str, kind: type[object] | None, late: Callable[..., Any]) -> Any:
    """Find what is behind a name, whatever the object will be.

    Args:
        proxy: Who is asked.
        name: What for: a probe.
        kind: The class of the object to come, if it is known.
        late: Calls a method of the object, which it takes then: with the name, and the arguments.

    Raises:
        LookupError: it depends on the object, or is to show it, which is not worth taking one.
    """
    if not name.startswith("__") or name in _OF_CLASSES:
        raise LookupError(name)
    if callable(_raw(type(proxy), name, before=object)):
        if name == "__call__":
            return partial(late, name)  # of any signature: a mock asks for it, and cannot do without
        return object.__getattribute__(proxy, name)  # takes the object when it is called
    if "repr" in name or name.startswith("__rich"):
        raise LookupError(name)
    if kind is None and name in ("__doc__", "__module__"):
        kind = type(proxy)
    raw = _raw(kind or object, name)
    if raw is _MISSING:
        raise LookupError(name)
    if isinstance(raw, classmethod | staticmethod):
        return getattr(kind or object, name)
    if not hasattr(type(raw), "__get__"):
        return raw
    if callable(raw) and not hasattr(type(raw), "__set__"):
        return partial(late, name)
    raise LookupError(name)


_MISSING = object()


def _raw(kind: type[object], name: str, before: type[object] | None = None) -> object:
    """Find what a class has by a name, as it stands there."""
    for base in kind.__mro__:
        if base is before:
            break
        if name in vars(base):
            return vars(base)[name]
    return _MISSING
