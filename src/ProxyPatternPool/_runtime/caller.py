"""Who calls this package."""

import inspect
import os.path
import sys
from collections.abc import Callable, Iterator
from itertools import dropwhile, takewhile
from types import CodeType, FrameType

from .task_owner import TaskOwner

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


frame_at: Callable[[int], FrameType] = sys._getframe  # pyright: ignore[reportPrivateUsage]  # a public way takes longer
"""The frame of who calls this (0), or of those that have called it."""


def caller(inside: int = 1) -> FrameType | None:
    """Find the innermost frame that is not of this package, if there is one.

    By the names of files, and all in one function: this is done whenever an owner takes an object. So many frames are
    known to be inside the package.
    """
    frame: FrameType | None = frame_at(inside)
    while frame is not None and frame.f_code.co_filename.startswith(_FOLDER):
        frame = frame.f_back
    return frame


def is_inside(frame: FrameType) -> bool:
    """Whether a frame is of this package."""
    return frame.f_code.co_filename.startswith(_FOLDER)


def calling_frames(task: TaskOwner | None) -> list[tuple[FrameType, int]]:
    """The frames that have called this package, the innermost first, and their lines, without those of event loops.

    Args:
        task: Who calls, if it is a task: its frames end where those of its event loop begin.
    """
    if task is None:
        return [(frame, frame.f_lineno) for frame in outwards(caller(2))]
    outermost = task.outermost_frame()
    if outermost is None:  # what it does is written in C, or is our own
        return []
    frames = [*takewhile(lambda frame: frame is not outermost, outwards(frame_at(1))), outermost]
    return [(frame, frame.f_lineno) for frame in dropwhile(_is_between, frames)]


def _is_between(frame: FrameType) -> bool:
    """Whether a frame is of this package, or of what a user's code has called to come to it."""
    return is_inside(frame) or _module_of(frame).startswith(_LOOPS)


class Place:
    """Where this package is called: file and line, put into words only when asked."""

    __slots__ = ("_line", "code")

    def __init__(self) -> None:
        frame = caller(2)
        self.code: CodeType | None = frame and frame.f_code
        """The code that calls: it keeps nothing else alive, as its frame would."""
        self._line = frame and frame.f_lineno

    def __str__(self) -> str:
        return "nowhere" if self.code is None else f"{self.code.co_filename}:{self._line}"


def calling_code() -> CodeType | None:
    """Find the code that calls this package."""
    frame = caller()
    return frame and frame.f_code


def calling_module() -> tuple[CodeType | None, str]:
    """Find the code that calls this package, and the name of its module."""
    frame = caller(3)
    return (None, "") if frame is None else (frame.f_code, _module_of(frame))


_FOLDER = caller.__code__.co_filename.removesuffix(os.path.join("_runtime", "caller.py"))


def runs(innermost: FrameType, code: CodeType) -> bool:
    """Whether some code has not returned, as far as the frames of a thread or greenlet say, given its innermost.

    Of code that stops in the middle, as generators and coroutines do, they say nothing; nor of anything else where
    coroutines take turns.
    """
    if code.co_flags & _SUSPENDABLE:
        return True
    return any(frame.f_code is code or _module_of(frame).startswith(_LOOPS) for frame in outwards(innermost))


def is_patcher(module: str) -> bool:
    """Whether a module is one of gevent's or eventlet's that patches others."""
    return module.startswith(_PATCHERS)


def is_looking(module: str) -> bool:
    """Whether a module tries things that objects can do, to find out something else."""
    return module in _ONLOOKERS


def _module_of(frame: FrameType) -> str:
    name: object = frame.f_globals.get("__name__")
    return name if isinstance(name, str) else ""
