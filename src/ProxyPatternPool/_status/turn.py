"""One look at a time asks the user's functions: a tracer that blocks must not keep ever more of a server's threads."""

from collections import deque
from collections.abc import Callable, Generator
from contextlib import contextmanager

from .._pool.racing import remove, snapshot
from .._sync.sleeper import Sleeper, sleeper

PATIENCE = 1.0
"""Seconds that a look waits for another, and that another may take for a pool before nobody waits for it."""


class Look:
    """One that asks: of which pool the objects, and since when."""

    __slots__ = ("pool", "since")

    def __init__(self, since: float) -> None:
        self.pool = ""
        self.since = since


class Turn:
    """Whose turn it is to ask.

    To take it is one call into C that may be done twice, and to give it back, too: whatever is thrown into a look, the
    turn goes on. It is no lock, since of greenlets that wait for one the hub would stand still.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._looks: dict[str, Look] = {}
        self._beds: deque[Sleeper] = deque()

    @contextmanager
    def taken(self) -> Generator["tuple[Look, Look | None]", None, None]:
        """Take a turn, unless another look has it for too long: then that is the second that is given."""
        mine = Look(self._clock())
        try:
            yield mine, self._get(mine)
        finally:
            if self._looks.get("current") is mine:
                self._looks.pop("current", None)
                for bed in snapshot(self._beds):
                    bed.wake()

    def _get(self, mine: Look) -> Look | None:
        until = mine.since + PATIENCE
        other = self._looks.setdefault("current", mine)
        if other is mine:
            return None
        bed = sleeper()
        self._beds.append(bed)  # first be seen, then look again
        try:
            while (other := self._looks.setdefault("current", mine)) is not mine:
                left = min(until, other.since + PATIENCE) - self._clock()
                if left <= 0:
                    return other
                bed.sleep(left)
        finally:
            remove(self._beds, bed)
            bed.dispose()
        mine.since = self._clock()
        return None

    def asks(self, mine: Look, pool: str) -> None:
        """Note that a look which has the turn comes to a pool."""
        mine.pool, mine.since = pool, self._clock()
