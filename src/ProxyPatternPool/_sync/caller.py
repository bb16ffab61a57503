"""Who calls this package."""

import inspect
import sys
from types import FrameType

_PACKAGE = __name__.partition(".")[0] + "."
_PATCHERS = ("gevent.monkey", "eventlet.patcher")


def caller() -> FrameType | None:
    """Find the innermost frame that is not of this package, if there is one."""
    frame = inspect.currentframe()
    while frame is not None and _module_of(frame).startswith(_PACKAGE):
        frame = frame.f_back
    return frame


class Place:
    """Where this package is called: file and line, put into words only when asked."""

    __slots__ = ("_code", "_line")

    def __init__(self) -> None:
        frame = caller()
        self._code = frame and frame.f_code
        self._line = frame and frame.f_lineno

    def __str__(self) -> str:
        return "nowhere" if self._code is None else f"{self._code.co_filename}:{self._line}"


def is_patcher() -> bool:
    """Whether it is gevent or eventlet, in the middle of patching."""
    if not any(patcher in sys.modules for patcher in _PATCHERS):  # to look for the caller takes longer
        return False
    frame = caller()
    return frame is not None and _module_of(frame).startswith(_PATCHERS)


def _module_of(frame: FrameType) -> str:
    name: object = frame.f_globals.get("__name__")
    return name if isinstance(name, str) else ""
