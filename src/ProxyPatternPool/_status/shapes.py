"""Whether data that another process has sent is what its type says, so that the page can show it."""

import math
from collections.abc import Mapping
from functools import cache
from types import NoneType, UnionType
from typing import Any, Literal, Union, cast, get_args, get_origin

from typing_extensions import get_type_hints, is_typeddict

from .data import SampleData, fit


def is_shaped(data: object, kind: Any) -> bool:
    """Whether data that came as JSON is of a type: a class, literals, a union, or lists or dictionaries of them.

    A text has to be one that ``fit`` has made, a number finite, and a whole one no larger than what can be counted.
    """
    fields = _dictionary(data)
    if is_typeddict(kind):
        return fields is not None and _has_fields(fields, kind)
    origin, inner = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        return any(is_shaped(data, each) for each in inner)
    if origin is Literal:
        return type(data) is str and data in inner
    if origin is list:
        return isinstance(data, list) and all(is_shaped(each, inner[0]) for each in cast("list[object]", data))
    if origin is dict:
        return fields is not None and all(
            is_shaped(key, inner[0]) and is_shaped(value, inner[1]) for key, value in fields.items()
        )
    return _is_plain(data, kind)


def _dictionary(data: object) -> dict[str, object] | None:
    return cast("dict[str, object]", data) if isinstance(data, dict) else None


_fields = cache(get_type_hints)


def _has_fields(data: Mapping[str, Any], kind: object) -> bool:
    """Whether it has these fields and no others, and, if these are samples, as many of each."""
    fields: Mapping[str, object] = _fields(kind)
    if data.keys() != fields.keys() or not all(is_shaped(data[key], each) for key, each in fields.items()):
        return False
    return kind is not SampleData or len({len(each) for each in data.values()}) == 1


LARGEST = 1 << 63
"""More than can be counted."""


def _is_plain(data: object, kind: type) -> bool:
    if kind is NoneType or kind is bool:
        return type(data) is (NoneType if kind is NoneType else bool)
    if kind is str:
        return type(data) is str and fit(data) == data
    if kind is float and type(data) is float:
        return math.isfinite(data)
    return type(data) is int and abs(data) < LARGEST
