"""Texts of errors and of data, and errors without their tracebacks."""

import copy
import json
from typing import cast

from ._errors import PoolException


def error_text(error: BaseException) -> str:
    """The class and the message of an error, or its class alone if its ``__str__`` fails."""
    try:
        return f"{type(error).__name__}: {error}"
    except Exception:  # from the user's own __str__
        return type(error).__name__


def error_repr(error: BaseException) -> str:
    """The ``repr`` of an error, or its class alone if its ``__repr__`` fails."""
    try:
        return str(repr(error))
    except Exception:  # from the user's own __repr__
        return type(error).__name__


def without_traceback(error: BaseException) -> BaseException:
    """Copy an error without its traceback, whose frames would keep the callers' objects alive."""
    kept: BaseException = PoolException(error_text(error))
    try:
        copied = copy.copy(error)
    except Exception:  # a class of the user's whose constructor needs more than ``args``
        copied = kept
    if type(copied) is type(error):
        kept = copied
    kept.__traceback__ = kept.__cause__ = kept.__context__ = None
    return kept


def plain_text(text: str) -> str:
    """Make a plain ``str`` of one that may be of a subclass, or contain characters that cannot be encoded."""
    return str.encode(text, "utf-8", "backslashreplace").decode()


def jsonable(data: object) -> object:
    """Convert data to what JSON can hold: everything else becomes text."""
    try:
        return cast(object, json.loads(json.dumps(data, allow_nan=False, default=str)))
    except (TypeError, ValueError, RecursionError):  # a key that is no string, NaN, a cycle
        return str(data)
