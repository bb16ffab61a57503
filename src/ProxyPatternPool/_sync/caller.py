"""Who calls this package."""

import inspect
from types import FrameType

_PACKAGE = __name__.partition(".")[0] + "."


def caller() -> FrameType | None:
    """Find the innermost frame that is not of this package, if there is one."""
    frame = inspect.currentframe()
    while frame is not None and _module_of(frame).startswith(_PACKAGE):
        frame = frame.f_back
    return frame


def caller_module() -> str:
    """Name the module that calls this package; empty if nobody knows."""
    frame = caller()
    return "" if frame is None else _module_of(frame)


def _module_of(frame: FrameType) -> str:
    name: object = frame.f_globals.get("__name__")
    return name if isinstance(name, str) else ""
