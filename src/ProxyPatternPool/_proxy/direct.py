"""Attributes of one object that stays: found without a frame of the interpreter."""

from collections.abc import Callable, Mapping
from types import MethodType
from typing import Any

from .special import Forwarding


class _Names(dict[str, Any]):
    """What a proxy's own names mean; any other name is looked up in the object.

    To get an item is to call ``__missing__`` if it is missing: all in C.
    """

    __slots__ = ("__missing__",)

    __missing__: Callable[[str], Any]


def can_be_direct(obj: object) -> bool:
    """Whether an object has no attribute that its proxy computes: ``__signature__``, and ``__bases__`` of a class."""
    # A proxy may stand for either later. Nothing can be a method of None.
    return obj is not None and not callable(obj) and not isinstance(obj, Forwarding)


def finder(obj: object, own: Mapping[str, Any]) -> Callable[[str], Any]:
    """Make what finds attributes by their names: the proxy's own as they are given, and else the object's."""
    names = _Names(own)
    names.__missing__ = MethodType(getattr, obj)
    # Methods in C are no descriptors: as the __getattribute__ of a class this is called with the name alone.
    return names.__getitem__
