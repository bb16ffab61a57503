"""Texts of errors and of data, and errors without their tracebacks."""

import copy
import json
from contextlib import suppress
from traceback import format_exception
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
        return str.__str__(repr(error))
    except Exception:  # from the user's own __repr__
        return type(error).__name__


def traceback_text(error: BaseException) -> str:
    """The traceback of an error as Python prints it, or its class alone if something about the error fails."""
    try:
        return plain_text("".join(format_exception(type(error), error, error.__traceback__)).rstrip())
    except Exception:  # from code of the user's, such as a property ``__notes__``
        return error_text(error)


def without_traceback(error: BaseException) -> BaseException:
    """Copy an error without its traceback, whose frames would keep the callers' objects alive."""
    kept: BaseException = PoolException(error_text(error))
    with suppress(Exception):  # a class of the user's whose constructor needs more than ``args``
        copied = copy.copy(error)
        if type(copied) is type(error) and copied is not error:
            kept = copied
    for attribute in ("__traceback__", "__cause__", "__context__"):
        BaseException.__setattr__(kept, attribute, None)  # its own may refuse, as that of a frozen data class
    return kept


def text_of(thing: object) -> str:
    """The text of anything, exactly a ``str``; it raises what the ``__str__`` of the thing does."""
    return str.__str__(str(thing))


def plain_text(text: str) -> str:
    """Make a plain ``str`` of one that may be of a subclass, or contain characters that cannot be encoded."""
    return str.encode(text, "utf-8", "backslashreplace").decode()


_MADE_VISIBLE = {
    **{code: f"\\x{code:02x}" for code in (*range(0x20), *range(0x7F, 0xA0))},
    **{code: f"\\u{code:04x}" for code in (0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A))},
    **dict.fromkeys(map(ord, "\t\n\r\u2028\u2029"), " "),
}
"""What is an order to a terminal, what begins another line, and what reverses the order of letters.

Joiners are a part of names, and stay.
"""


def visible(text: str) -> str:
    """Make a text one line that says what it is: a text of the user's can be anything, and can come from anybody."""
    return plain_text(text).translate(_MADE_VISIBLE)


def jsonable(data: object) -> object:
    """Convert data to what JSON can hold: everything else becomes text."""
    try:
        return cast(object, json.loads(json.dumps(data, allow_nan=False, default=str)))
    except (TypeError, ValueError, RecursionError):  # a key that is no string, NaN, a cycle
        return str(data)
