"""Texts of errors and of data, and errors without what they refer to."""

import copy
import json
from typing import cast

from ._errors import PoolException


def error_text(error: BaseException) -> str:
    """Put an error into words; its own may fail."""
    try:
        return f"{type(error).__name__}: {error}"
    except Exception:  # from the user's own __str__
        return type(error).__name__


def error_repr(error: BaseException) -> str:
    """Show an error as ``repr`` does, which may fail."""
    try:
        return str(repr(error))
    except Exception:  # from the user's own __repr__
        return type(error).__name__


def without_traceback(error: BaseException) -> BaseException:
    """Copy an error without its traceback, whose frames would keep the callers' objects alive."""
    kept: BaseException = PoolException(error_text(error))
    try:
        copied = copy.copy(error)
    except Exception:  # an error class of the user's whose constructor wants more than its args
        copied = kept
    if type(copied) is type(error):
        kept = copied
    kept.__traceback__ = kept.__cause__ = kept.__context__ = None
    return kept


def plain_text(text: str) -> str:
    """Make a plain string of one that may be of a class of the user's, or hold what cannot be encoded."""
    return str.encode(text, "utf-8", "backslashreplace").decode()


def jsonable(data: object) -> object:
    """Give data back as JSON would: what it cannot hold becomes text."""
    try:
        return cast(object, json.loads(json.dumps(data, allow_nan=False, default=str)))
    except (TypeError, ValueError, RecursionError):  # a key that is no string, NaN, a cycle
        return str(data)
