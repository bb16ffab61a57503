"""Who calls this package."""

import inspect
import os.path
import sys
from collections.abc import Iterator
from types import CodeType, FrameType

_PACKAGE = __name__.partition(".")[0] + "."
_PATCHERS = ("gevent.monkey", "eventlet.patcher")
_LOOPS = ("asyncio.", "trio.")
_SUSPENDABLE = inspect.CO_GENERATOR | inspect.CO_COROUTINE | inspect.CO_ITERABLE_COROUTINE | inspect.CO_ASYNC_GENERATOR
_ONLOOKERS = frozenset(
    {
        *("IPython.core.oinspect", "_pytest.compat", "asyncio.coroutines", "enum"),
        *("inspect", "rich.pretty", "rlcompleter", "typing"),
    }
)
"""They look whether attributes are there that have plain names, hash and compare values, and ask for lengths."""


def outwards(frame: FrameType | None) -> Iterator[FrameType]:
    """Go from a frame to those that have called it."""
    while frame is not None:
        yield frame
        frame = frame.f_back


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


def calling_code() -> CodeType | None:
    """Find the code that calls this package: remembered, it keeps nothing alive, as a frame would.

    By the names of files, and all in one function: this is done whenever an owner takes an object.
    """
    frame: FrameType | None = sys._getframe(2)  # pyright: ignore[reportPrivateUsage]  # a public way takes longer
    while frame is not None and frame.f_code.co_filename.startswith(_FOLDER):
        frame = frame.f_back
    return None if frame is None else frame.f_code


_FOLDER = calling_code.__code__.co_filename.removesuffix(os.path.join("_runtime", "caller.py"))


def runs(innermost: FrameType, code: CodeType) -> bool:
    """Whether some code has not returned, as far as the frames of a thread or greenlet say, given its innermost.

    Of code that stops in the middle, as generators and coroutines do, they say nothing; nor of anything else where
    coroutines take turns.
    """
    if code.co_flags & _SUSPENDABLE:
        return True
    return any(frame.f_code is code or _module_of(frame).startswith(_LOOPS) for frame in outwards(innermost))


def is_patcher() -> bool:
    """Whether it is gevent or eventlet, in the middle of patching."""
    if not any(patcher in sys.modules for patcher in _PATCHERS):  # to look for the caller takes longer
        return False
    frame = caller()
    return frame is not None and _module_of(frame).startswith(_PATCHERS)


def is_looking() -> bool:
    """Whether it is somebody who tries things that objects can do, to find out something else."""
    frame = caller()
    return frame is not None and _module_of(frame) in _ONLOOKERS


def _module_of(frame: FrameType) -> str:
    name: object = frame.f_globals.get("__name__")
    return name if isinstance(name, str) else ""
