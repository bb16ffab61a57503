"""``Pool.dump()``: what a pool has at this moment, written by a signal handler when nothing moves.

As in ``faulthandler`` no lock is taken, none of the user's code is called, neither hooks nor the objects' own methods,
no source file is opened, and each line is written as soon as it is made. So it works in the middle of the pool's own
steps, and of anyone else's. The price: what is read without the lock may not fit together.
"""

import io
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import IO, TypeVar

from .._engine.core import Core
from .._ledger.entry import Entry
from .._runtime import native
from .._runtime.caller import is_inside
from .._runtime.owner import Owner, in_words
from .._runtime.races import snapshot
from .._runtime.task_owner import TaskOwner
from .._text import visible
from .short import why_ended

T = TypeVar("T")


def dump(core: Core[T], file: IO[str] | IO[bytes] | int | None) -> None:
    """Write what a pool has, and who holds it or waits for it."""
    if file is not None:
        _write(core, file)
    elif sys.stderr is not None:  # else a process without a console
        # Nobody reads it any more, or it is full and must not be waited for: then write nothing, as faulthandler does.
        with suppress(OSError, ValueError):
            _write(core, sys.stderr)


def _write(core: Core[T], file: object) -> None:
    write = _writer(file)
    for line in _lines(core):
        write(visible(line) + "\n")


def _writer(file: object) -> Callable[[str], object]:
    """Find out how to write: to the descriptor, if there is one, past a buffer that may be half changed."""
    if isinstance(file, int) and not isinstance(file, bool):
        return _Descriptor(file)
    fileno: object = getattr(file, "fileno", None)
    if callable(fileno):
        try:
            descriptor: object = fileno()
        except OSError:  # a StringIO: what it raises is one
            descriptor = None
        if isinstance(descriptor, int) and descriptor >= 0:  # logging frameworks put a file with -1 in place of stderr
            return _Descriptor(descriptor)
    write: object = getattr(file, "write", None)
    if not callable(write):
        raise TypeError(f"file must be a file object or a descriptor, not {file!r}")
    if isinstance(file, (io.RawIOBase, io.BufferedIOBase)):
        return lambda text: write(_encoded(text))
    return write


def _encoded(text: str) -> bytes:
    return text.encode(errors="backslashreplace")


class _Descriptor:
    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def __call__(self, text: str) -> None:
        data = _encoded(text)
        while data:
            data = data[native.write(self._descriptor, data) :]


def _lines(core: Core[T]) -> Iterator[str]:
    ledger, counts, now = core.ledger, core.count(), core.clock()
    ended = why_ended(core)
    bound = "unlimited" if counts.max_size is None else f"max {counts.max_size}"
    yield (
        f"{core.label}{ended and f', {ended}'}: {counts.idle} idle, {counts.in_use} lent, "
        f"{counts.checking} being checked, {counts.creating} being created, {counts.closing} being closed, "
        f"{counts.waiting} waiting, {bound}"
    )
    if core.objects.last_error is not None:
        yield f"  last creation failed: {_error_line(core.objects.last_error)}"
    for entry in snapshot(ledger.shelves.using.values()):
        use = entry.uses
        yield f"  lent for {now - entry.last_get:.3f} s to {in_words(entry.owner)}: {_object(entry)}"
        stack = entry.stack if entry.stack_use == use else None
        # The most recent call first, as faulthandler has it, and without the source lines, as there.
        for frame in reversed(stack or ()):
            yield f'    File "{frame.filename}", line {frame.lineno} in {frame.name}'
        yield from _suspended(entry.owner)
    idle = list(ledger.shelves.idle_entries())
    known = {id(entry) for entry in (*snapshot(ledger.shelves.using.values()), *idle)}
    for entry in ledger.places.entries():
        if entry.has_object and entry.uses and id(entry) not in known:
            came = f"came back {now - entry.last_ret:.3f} s ago from {in_words(entry.owner)}"
            yield f"  being reset, handed over, checked or closed, {came}: {_object(entry)}"
    for waiter in snapshot(ledger.waiters.queue):
        since = waiter.since
        if since is not None:
            yield f"  waiting for {waiter.waited + now - since:.3f} s: {in_words(waiter.owner)}"
            yield from _suspended(waiter.owner)
    for entry in idle:
        yield f"  idle for {now - entry.last_ret:.3f} s: {_object(entry)}"


def _suspended(owner: Owner | None) -> Iterator[str]:
    """Say where a task is suspended now: of all that waits, only this is not in the stack of any thread."""
    frames = owner.frames() if isinstance(owner, TaskOwner) else []
    if frames:
        yield "    suspended:"
    for frame in reversed(frames):
        if not is_inside(frame):
            yield f'    File "{frame.f_code.co_filename}", line {frame.f_lineno} in {frame.f_code.co_name}'


def _object(entry: Entry[T]) -> str:
    # The name is what the tracer said when the object was created, a plain string since then: nothing is called now.
    name = "" if entry.name is None else f"{entry.name}, "
    return f"{name}<{type(entry.obj).__name__} at {id(entry.obj):#x}>, number {entry.serial}, use {entry.uses}"


def _error_line(error: BaseException) -> str:
    """The text of an error as far as its arguments are text: its own ``__str__`` is the user's code."""
    return ": ".join([type(error).__name__, *(text for text in error.args if type(text) is str)])
