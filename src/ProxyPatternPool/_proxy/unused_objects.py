"""Warns, once, that owners keep all objects of a pool without using them while callers wait, and says what to do."""

import math
import sys
from collections.abc import Callable, Iterable, Mapping
from types import CodeType, FrameType
from typing import Generic, Protocol, TypeVar

from .._engine.waits import Waits
from .._ledger.sweeps import Loan, read_loan
from .._runtime.caller import runs
from .._runtime.current import CurrentId
from .._runtime.native import GIL
from .._runtime.owner import frame_of, in_words, is_owner
from .._runtime.races import snapshot
from .._scope.base import Kept

T = TypeVar("T")

_frames: Callable[[], dict[int, FrameType]] = vars(sys)["_current_frames"]
"""Documented, in spite of its name."""

LONG = 1.0
"""Seconds for which each object has to be kept: shorter ones may be between two uses."""


class RunningWork(Protocol):
    """A unit of work, at whose end its owner gives back: what it keeps until then is in use."""

    @property
    def runs_in(self) -> CurrentId | None:
        """The thread or greenlet that does it; ``None`` when it does not run."""
        ...


class UnusedObjectsCheck(Generic[T]):
    """Checks whether owners of one proxy keep all objects of its pool, and the code that took them has returned.

    A thread of a server that has answered its request is such an owner, until it answers the next one. Nothing is found
    out about owners that are tasks: no frame shows what a task does while it waits.
    """

    def __init__(self, kept: Iterable[Kept[T]], units_of_work: Iterable[RunningWork]) -> None:
        # Neither the source nor its pool: the pool's engine refers to this.
        self._kept = kept
        self._units_of_work = units_of_work
        self._warned = False
        self._next_check = -math.inf

    def check(self, waits: Waits[T]) -> None:
        """Have a warning logged if it is so. Called for a caller that waits; holds no lock, and takes none."""
        now = waits.clock()
        # If several callers come at once, more than one may check, which does no harm.
        if self._warned or now < self._next_check or not GIL:  # without the GIL other threads' frames are not readable
            return
        self._next_check = now + LONG
        unused = self._find(waits, now)
        if unused and not self._warned:
            self._warned = True
            self._warn(waits, unused, now)

    def _find(self, waits: Waits[T], now: float) -> "list[tuple[Loan[T], CodeType]] | None":
        """List all loans, and what took the objects, if none of these is in use."""
        found: list[tuple[Loan[T], CodeType]] = []
        keepers = {id(getattr(kept, "obj", None)): kept for kept in self._kept}
        running = _frames()
        try:
            for entry in snapshot(waits.ledger.shelves.using.values()):
                loan, kept = read_loan(waits.ledger, entry), keepers.get(id(entry.obj))
                if loan is None or kept is None or kept.taken_by is None or now - loan.since < LONG:
                    return None
                if kept.blocks or self._in_use(loan, kept.taken_by, running):
                    return None
                found.append((loan, kept.taken_by))
        finally:
            running.clear()  # this frame is among them: the cycle would keep alive what all of them refer to
        # Objects that are being created, checked or closed are not kept by owners. Without the lock: a caller that
        # takes a place at this moment was not seen, but makes the numbers differ.
        return found if len(found) == len(waits.ledger.places) else None

    def _in_use(self, loan: Loan[T], taken_by: CodeType, running: Mapping[int, FrameType]) -> bool:
        """Whether an owner may be using what it keeps, which no block uses."""
        if any(each.runs_in is not None and is_owner(loan.owner, each.runs_in) for each in self._units_of_work):
            return True
        frame = frame_of(loan.owner, running)
        return frame is None or runs(frame, taken_by)

    @staticmethod
    def _warn(waits: Waits[T], unused: "list[tuple[Loan[T], CodeType]]", now: float) -> None:
        loan, code = min(unused, key=lambda each: each[0].since)
        waits.warn(
            "%s: callers wait, and all objects (%d) are kept by owners that do not use them: what took them has "
            "returned. The longest is kept for %.3f s by %s, who took it in %s. An owner gives back when it ends, and "
            "the threads of most servers do not: give back after each request with the ReturnMiddleware of "
            "ProxyPatternPool.wsgi, after each job with @returning, or use blocks, with control(…).obj(). See "
            "docs/servers.md. This is said once",
            waits.label,
            len(unused),
            now - loan.since,
            in_words(loan.owner),
            f"{code.co_name} ({code.co_filename}:{code.co_firstlineno})",
        )
