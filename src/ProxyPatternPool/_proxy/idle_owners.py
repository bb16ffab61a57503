"""Owners that keep all objects and do not use them while callers wait: the log says so once, with the remedy."""

import math
import sys
from collections.abc import Callable, Iterable, Mapping
from types import FrameType
from typing import Generic, Protocol, TypeVar

from .._engine.loans import Loans
from .._ledger.sweeps import Loan, loan_of
from .._runtime.caller import runs
from .._runtime.native import GIL
from .._runtime.owner import frame_of, in_words, is_owner
from .._runtime.races import snapshot
from .._scope.base import Kept

T = TypeVar("T")

_frames: Callable[[], dict[int, FrameType]] = vars(sys)["_current_frames"]
"""Documented, in spite of its name."""

LONG = 1.0
"""Seconds for which an object has to be kept: between two uses others have time for something else."""


class Work(Protocol):
    """A stretch of work, at whose end an owner gives back by itself: what it keeps until then is in use."""

    @property
    def flow(self) -> tuple[int, int] | None:
        """Who is at it; ``None`` when it is over."""
        ...


class IdleOwners(Generic[T]):
    """Sees whether all that a pool has is kept by owners of one proxy whose code that took it has returned.

    A thread of a server that has answered its request is such an owner, until it answers the next. It knows nothing of
    owners that are tasks: what those run is nowhere to be seen while they wait for something.
    """

    def __init__(self, kept: Iterable[Kept[T]], working: Iterable[Work]) -> None:
        # Not the content, nor its pool: the pool's core refers to this.
        self._kept = kept
        self._working = working
        self._said = False
        self._next_look = -math.inf

    def look(self, loans: Loans[T]) -> None:
        """Have it logged if it is so. For a caller who waits, with nothing held, and no lock is taken."""
        now = loans.clock()
        # Of several callers who come at once more than one may look, which is harmless.
        if self._said or now < self._next_look or not GIL:  # without which other threads' frames are not to be read
            return
        self._next_look = now + LONG
        idle = self._find(loans, now)
        if idle and not self._said:
            self._said = True
            self._tell(loans, idle, now)

    def _find(self, loans: Loans[T], now: float) -> "list[tuple[Loan[T], Kept[T]]]":
        """List all loans if none of them is in use, else nothing."""
        found: list[tuple[Loan[T], Kept[T]]] = []
        objects = ((getattr(kept, "obj", kept), kept) for kept in self._kept)
        keepers = {id(obj): kept for obj, kept in objects if obj is not kept}
        running = _frames()
        try:
            for entry in snapshot(loans.ledger.using.values()):
                loan, kept = loan_of(loans.ledger, entry), keepers.get(id(entry.obj))
                if loan is None or kept is None or now - loan.since < LONG or self._uses(loan, kept, running):
                    return []
                found.append((loan, kept))
        finally:
            running.clear()  # this frame is among them: a cycle, which would keep all that they refer to
        # What is being created, checked or closed is not theirs. Without the lock: who takes a place at this moment is
        # not idle, and was not seen.
        return found if len(found) == len(loans.ledger.places) else []

    def _uses(self, loan: Loan[T], kept: Kept[T], running: Mapping[int, FrameType]) -> bool:
        """Whether an owner may be using what it keeps."""
        if kept.blocks or kept.code is None:
            return True
        if any(each.flow is not None and is_owner(loan.owner, each.flow) for each in self._working):
            return True
        frame = frame_of(loan.owner, running)
        return frame is None or runs(frame, kept.code)

    @staticmethod
    def _tell(loans: Loans[T], idle: "list[tuple[Loan[T], Kept[T]]]", now: float) -> None:
        loan, kept = min(idle, key=lambda each: each[0].since)
        code = kept.code
        what = "" if code is None else f" in {code.co_name} ({code.co_filename}:{code.co_firstlineno})"
        loans.warn(
            "%s: callers wait, and all objects (%d) are kept by owners that do not use them: what took them has "
            "returned. The longest is kept for %.3f s by %s, who took it%s. An owner gives back when it ends, and the "
            "threads of most servers do not: give back after each request with the ReturnMiddleware of "
            "ProxyPatternPool.wsgi, after each job with @returning, or use blocks, with control(…).obj(). See "
            "docs/servers.md. This is said once",
            loans.label,
            len(idle),
            now - loan.since,
            in_words(loan.owner),
            what,
        )
