"""Exceptions thrown in at any instruction of the package, and operations of a pool to throw them into."""

import dis
import sys
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from types import CodeType, FrameType
from typing import TYPE_CHECKING

import pytest

import ProxyPatternPool
from ProxyPatternPool import Pool, TimeOut

if TYPE_CHECKING:
    from _typeshed import TraceFunction


PACKAGE = ProxyPatternPool.__path__[0]
BOUND = 2


class Thrown(BaseException):
    """Something that nobody expects."""


class Thing:
    def __init__(self, serial: int) -> None:
        self.serial = serial


class Thrower:
    """Raises, in its own thread, at one place of the package where an exception could arrive, counted from 0."""

    def __init__(self, place: int) -> None:
        self._thread = threading.get_ident()
        self.place = place
        self.passed = 0
        self._before: dict[FrameType, str] = {}  # what each running frame did last

    def begins(self, frame: FrameType) -> bool:
        """A frame begins; say whether it is one to watch."""
        if threading.get_ident() != self._thread:
            return False
        if frame.f_back in self._before and sys.version_info >= (3, 11):
            self._before[frame.f_back] = "PYTHON"  # no look at its return
        if not frame.f_code.co_filename.startswith(PACKAGE) or _in_finalizer(frame):
            return False
        self._before[frame] = "RESUME"
        return True

    def executes(self, frame: FrameType, offset: int) -> None:
        """A frame is about to execute an instruction."""
        operation = dis.opname[frame.f_code.co_code[offset]]
        if frame not in self._before or operation in ("RESUME", "CACHE", "PRECALL", "NOP", "EXTENDED_ARG"):
            return
        before, self._before[frame] = self._before[frame], operation
        if before.startswith(("RESUME", "CALL", "JUMP_BACKWARD", "JUMP_ABSOLUTE")):
            self.passed += 1
            self.act(frame)

    def act(self, frame: FrameType) -> None:
        """Do what is to be done at a place."""
        if self.passed == self.place + 1:
            raise Thrown(frame.f_code.co_name, frame.f_lineno)

    def ends(self, frame: FrameType) -> None:
        self._before.pop(frame, None)

    def forget(self) -> None:
        """Keep no frame alive, and with it no lease."""
        self._before.clear()


def _in_finalizer(frame: FrameType | None) -> bool:
    """Whether a frame belongs to a finalizer: what is thrown in there is only printed."""
    while frame is not None:
        if frame.f_code.co_name == "__del__":
            return True
        frame = frame.f_back
    return False


def _trace(thrower: Thrower) -> "TraceFunction":
    def trace(frame: FrameType, event: str, _: object) -> "TraceFunction | None":
        if event == "call" and not thrower.begins(frame):
            return None
        frame.f_trace_opcodes = True
        frame.f_trace_lines = False
        if event == "opcode":
            thrower.executes(frame, frame.f_lasti)
        elif event == "return":
            thrower.ends(frame)
        return trace

    return trace


@contextmanager
def throwing(thrower: Thrower) -> Generator[Thrower, None, None]:
    """Throw at a place of what is done meanwhile."""
    if sys.version_info < (3, 12):
        before = sys.gettrace()
        sys.settrace(_trace(thrower))
        try:
            yield thrower
        finally:
            sys.settrace(before)
            thrower.forget()
        return
    # sys.settrace loses events of single instructions there; this is what it is made of.
    monitoring, tool = sys.monitoring, sys.monitoring.PROFILER_ID + 1
    events = monitoring.events
    monitoring.use_tool_id(tool, "thrower")

    def starts(_code: CodeType, _offset: int) -> None:
        thrower.begins(sys._getframe(1))

    def executes(_code: CodeType, offset: int) -> None:
        thrower.executes(sys._getframe(1), offset)

    def ends(_code: CodeType, _offset: int, _with: object) -> None:
        thrower.ends(sys._getframe(1))

    monitoring.register_callback(tool, events.PY_START, starts)
    monitoring.register_callback(tool, events.INSTRUCTION, executes)
    monitoring.register_callback(tool, events.PY_RETURN, ends)
    monitoring.register_callback(tool, events.PY_UNWIND, ends)
    monitoring.set_events(tool, events.PY_START | events.INSTRUCTION | events.PY_RETURN | events.PY_UNWIND)
    try:
        yield thrower
    finally:
        monitoring.set_events(tool, 0)
        monitoring.free_tool_id(tool)
        thrower.forget()


def get_and_ret(pool: Pool[Thing]) -> None:
    # Through a lease: nobody can protect the moment between the return of get() and its assignment.
    pool.lease().release()


def with_obj(pool: Pool[Thing]) -> None:
    with pool.obj(0.5):
        pass


def create(pool: Pool[Thing]) -> None:
    with pool.lease(), pool.lease():
        pass


def discard(pool: Pool[Thing]) -> None:
    pool.lease().discard()


def time_out(pool: Pool[Thing]) -> None:
    with pool.lease(), pool.lease(), pytest.raises(TimeOut):
        pool.lease(0)


def drop(pool: Pool[Thing]) -> None:
    lease = pool.lease()
    del lease
    pool.stats()


def housekeep(pool: Pool[Thing]) -> None:
    pool.housekeep()


def drain(pool: Pool[Thing]) -> None:
    with pool.lease():
        pool.drain()


def resize(pool: Pool[Thing]) -> None:
    with pool.lease():
        pool.resize(max_size=1)
        pool.resize(max_size=BOUND)


def clear(pool: Pool[Thing]) -> None:
    pool.clear()


def wait_ready(pool: Pool[Thing]) -> None:
    pool.wait_ready(0)


OPERATIONS: list[Callable[[Pool[Thing]], None]] = [
    get_and_ret,
    with_obj,
    create,
    discard,
    time_out,
    drop,
    housekeep,
    drain,
    resize,
    clear,
    wait_ready,
]
