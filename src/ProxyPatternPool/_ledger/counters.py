"""Counters of events, and the last errors: each with a lock of its own."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import NamedTuple

from .._runtime.native import allocate_lock, new_rlock
from .._runtime.races import snapshot


class Fault(NamedTuple):
    """An error, without what it would keep alive, and how often the very same was met."""

    what: str
    """``creation``, or the hook that failed."""
    kind: str
    """The error's class; empty for a health check that said no."""
    text: str
    """What it says; empty if that fails, too."""
    times: int
    first: float
    """When it was met first, on the pool's clock."""
    last: float


class _Record:
    """How often an error was met, and when."""

    __slots__ = ("count", "first", "last")

    def __init__(self, now: float) -> None:
        self.count = 0
        self.first = self.last = now


class Faults:
    """The last errors, each kind once: what is met again and again pushes out nothing else.

    A signal handler or a finalizer may come to it in the middle of its own work, in the same thread: the lock lets
    them in, and each change is one step that they cannot come into.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._lock = new_rlock()
        self._records: dict[tuple[str, str, str], _Record] = {}

    def remember(self, what: str, kind: str, text: str, now: float) -> None:
        """Count an error. The texts are exact strings: the hash of another is the user's code."""
        with self._lock:
            record = self._records.setdefault((what, kind, text), _Record(now))
            # No call in these two lines: nothing comes in between.
            record.count += 1
            record.last = now
            while len(self._records) > self._most:
                self._forget_one()

    def _forget_one(self) -> None:
        """Let go of the oldest of those that differ in their text alone, where there are most of these."""
        known = snapshot(self._records.items())
        alike = Counter(key[:2] for key, _ in known)
        oldest, _ = max(known, key=lambda item: (alike[item[0][:2]], -item[1].last))
        self._records.pop(oldest, None)

    def __iter__(self) -> Iterator[Fault]:
        """The one that was met last is the last."""
        known = [
            Fault(*key, record.count, record.first, record.last)
            for key, record in snapshot(self._records.items())
            if record.count  # else whoever entered it was interrupted
        ]
        return iter(sorted(known, key=lambda fault: fault.last))


class Tally:
    """Counters of rare events, exact under concurrent use: ``+=`` on an attribute is not."""

    def __init__(self) -> None:
        self._lock = allocate_lock()
        # In C, where no finalizer or signal handler can come in between and wait for the lock for ever.
        self._counts: defaultdict[str, float] = defaultdict(int)

    def add(self, event: str, amount: float = 1) -> None:
        with self._lock:
            self._counts[event] += amount

    def __getitem__(self, event: str) -> float:
        return self._counts.get(event, 0)
