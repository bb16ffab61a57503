"""Errors in words, and without what they refer to."""

import copy

from .._errors import PoolException


def said(error: BaseException) -> str:
    """Put an error into words; its own may fail."""
    try:
        return f"{type(error).__name__}: {error}"
    except Exception:  # from the user's own __str__
        return type(error).__name__


def shown(error: BaseException) -> str:
    """Show an error as ``repr`` does, which may fail."""
    try:
        return str(repr(error))
    except Exception:  # from the user's own __repr__
        return type(error).__name__


def keepsake(error: BaseException) -> BaseException:
    """Copy an error without its traceback, whose frames would keep the callers' objects alive."""
    kept: BaseException = PoolException(said(error))
    try:
        copied = copy.copy(error)
    except Exception:  # an error class of the user's whose constructor wants more than its args
        copied = kept
    if type(copied) is type(error):
        kept = copied
    kept.__traceback__ = kept.__cause__ = kept.__context__ = None
    return kept
