"""The log lines of a pool: queued when something happens, and logged later, with no lock held and no caller waiting.

A handler of the user's may be slow, hang, or borrow from the very pool that logs.
"""

import inspect
import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from types import TracebackType
from typing import Any, cast

from .._runtime.imported import imported
from .._runtime.native import get_ident, new_rlock
from .._runtime.owner import Owner, in_words
from .._runtime.threads import current_name, thread_name
from .._text import traceback_text, visible, without_traceback

log = logging.getLogger("ppp")

MOST = 1000
"""The most lines in the queue; if there are more, the oldest are dropped and counted."""


class Later:
    """An argument of a line whose text is made when the line is logged; it keeps no object alive."""

    __slots__ = ("_text",)

    def __init__(self, text: Callable[[], str]) -> None:
        self._text = text

    def __str__(self) -> str:
        return self._text()


class Lines:
    """An argument of a line that goes on in lines of its own: the stack at which an object was borrowed."""

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text


def owner_later(owner: Owner | None) -> Later:
    """Name an owner when the line is logged.

    The name of a task, and whether it has ended, may come from code of the user's, which nobody calls where such a line
    is queued: in the scheduler's thread, and in a caller who takes back what finalizers have left. So a line that is
    logged late may say ``(ended)`` of an owner who went on at the time of the line. It never names another owner.
    """
    return Later(partial(in_words, owner))


@dataclass(frozen=True, slots=True)
class _Line:
    """A log line, with the moment and thread it belongs to. It has no traceback: that refers to frames of callers."""

    level: int
    message: str
    arguments: tuple[object, ...]
    error: tuple[type[BaseException], BaseException, TracebackType | None] | None
    trace: str | None
    time: float
    thread: int | None
    thread_name: str | None
    task: str | None
    path: str
    number: int
    function: str

    def log(self) -> None:
        """Log the line, as a record of the moment and the thread it belongs to."""
        # The record is made here, not when something happened: a record factory may be user code.
        arguments = tuple(map(_to_log, self.arguments))
        record = log.makeRecord(
            log.name, self.level, self.path, self.number, self.message, arguments, self.error, self.function
        )
        record.relativeCreated += (self.time - record.created) * 1000
        record.created = self.time
        record.msecs = float(int(self.time % 1 * 1000))
        record.thread, record.threadName = self.thread, self.thread_name
        if _tasks_are_logged():
            record.taskName = self.task
        record.exc_text = self.trace
        log.handle(record)


class LogQueue:
    """The lines of one pool that are not logged yet, in order."""

    def __init__(self, label: str, wall_clock: Callable[[], float]) -> None:
        self._label = label
        self._wall_clock = wall_clock
        self.on_line: Callable[[], None] = _nothing
        """Called after each new line, from anywhere, finalizers included, to have it logged."""
        self.silent = False
        """True at interpreter exit: no line is added any more."""
        self.start_empty()

    def start_empty(self) -> None:
        """Begin with nothing: at construction, and in the child of a fork."""
        # Reentrant: a finalizer or signal handler may add a line in the middle of a method here, in the same thread.
        # Each change is a single step.
        self._lock = new_rlock()
        self.lines: deque[_Line] = deque()
        self._dropped = 0
        self.under_way = 0
        """Lines that are being logged: they have left the queue, and a handler may not have written them."""

    def __len__(self) -> int:
        return len(self.lines)

    @property
    def unwritten(self) -> bool:
        """Whether there is a line that its handlers have not written yet."""
        # Read without the lock, in this order: a line is counted before it leaves the queue, until it is written.
        return len(self.lines) > 0 or self.under_way > 0

    def add(self, level: int, message: str, *arguments: object, error: BaseException | None = None) -> None:
        """Queue a line. Arguments are texts, numbers, ``Later`` or ``Lines``: anything else may change meanwhile."""
        if self.silent or not log.isEnabledFor(level):
            return
        trace = None if error is None else traceback_text(error)
        kept = None if error is None else (type(error), without_traceback(error), None)
        thread, name = (get_ident(), current_name()) if logging.logThreads else (None, thread_name() or None)
        line = _Line(level, message, arguments, kept, trace, self._wall_clock(), thread, name, _task_name(), *_place())
        with self._lock:
            while len(self.lines) >= MOST:
                self.lines.popleft()
                self._dropped += 1
            self.lines.append(line)
        self.on_line()

    def flush(self) -> None:
        """Log all lines."""
        while self.log_next():
            pass

    def log_next(self) -> bool:
        """Log one line; say whether there was one. It raises what the user's filters and record factories raise."""
        with self._lock:
            dropped, self._dropped = self._dropped, 0
        if dropped:
            log.warning("%s: %d log lines were dropped: a handler of the log is too slow", self._label, dropped)
        with self._lock:
            if not self.lines:
                return False
            self.under_way += 1  # first, see unwritten
            line = self.lines.popleft()
        try:
            line.log()
        finally:
            with self._lock:
                self.under_way -= 1
        return True


def _to_log(argument: object) -> object:
    """What the record of a line has: of a text, one line, which names nothing but itself."""
    if isinstance(argument, Lines):
        return argument.text
    return visible(str(argument)) if isinstance(argument, (str, Later)) else argument


def _nothing() -> None:
    """Do nothing: the lines are logged when the queue is flushed next."""


def _tasks_are_logged() -> bool:
    """Whether log records have the names of tasks of asyncio: from 3.12 on, unless somebody has turned that off."""
    return bool(getattr(logging, "logAsyncioTasks", False))


def _task_name() -> str | None:
    """The name of the task of asyncio that runs, as records have it; nothing is made for that, as for an owner."""
    asyncio: Any = imported("asyncio") if _tasks_are_logged() else None
    try:
        return cast(str, asyncio.current_task().get_name())
    except Exception:  # no loop runs here, or no task, or one of a class of the user's
        return None


def _place() -> tuple[str, int, str]:
    """Where a line comes from: file, line and function."""
    frame = inspect.currentframe()
    while frame is not None and frame.f_code.co_name in _PASSED_ON:
        frame = frame.f_back
    return ("", 0, "") if frame is None else (frame.f_code.co_filename, frame.f_lineno, frame.f_code.co_name)


_PASSED_ON = ("_place", "add", "_complain", "_warn", "log_later", "warn")
