"""Counters of events, and the last errors: each with a lock of its own."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import NamedTuple

from .._runtime.native import new_rlock
from .._runtime.races import snapshot


class Fault(NamedTuple):
    """One kind of error: its texts, which keep nothing alive, and how often and when it was met."""

    what: str
    """``creation``, or the hook that failed."""
    kind: str
    """The error's class; empty for a health check that said no."""
    text: str
    """The error's message; empty if its ``__str__`` fails."""
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
    """The last errors, each kind once, so that an error that repeats does not push out the others.

    A signal handler or a finalizer may call it in the same thread in the middle of one of its methods. So the lock is
    reentrant, and each change is a single step that they cannot interrupt.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._lock = new_rlock()
        self._records: dict[tuple[str, str, str], _Record] = {}

    def remember(self, what: str, kind: str, text: str, now: float) -> None:
        """Count an error. The texts are exactly of type ``str``: the hash of a subclass is user code."""
        with self._lock:
            record = self._records.setdefault((what, kind, text), _Record(now))
            # No call in these two lines, so that nothing can interrupt them.
            record.count += 1
            record.last = now
            while len(self._records) > self._most:
                self._forget_one()

    def _forget_one(self) -> None:
        """Forget one kind of error: of the largest group that differs only in its texts, the one met longest ago."""
        known = snapshot(self._records.items())
        alike = Counter(key[:2] for key, _ in known)
        oldest, _ = max(known, key=lambda item: (alike[item[0][:2]], -item[1].last))
        self._records.pop(oldest, None)

    def __iter__(self) -> Iterator[Fault]:
        """The errors in the order in which they were met last."""
        known = [
            Fault(*key, record.count, record.first, record.last)
            for key, record in snapshot(self._records.items())
            if record.count  # 0 if the call that added the record was interrupted
        ]
        return iter(sorted(known, key=lambda fault: fault.last))


class Tally:
    """Counters of rare events, exact under concurrent use: ``+=`` on an attribute is not."""

    def __init__(self) -> None:
        self._lock = new_rlock()
        # A defaultdict of int counts in C: no finalizer or signal handler of this thread counts in the middle of it.
        self._counts: defaultdict[str, float] = defaultdict(int)

    def add(self, event: str, amount: float = 1) -> None:
        with self._lock:
            self._counts[event] += amount

    def __getitem__(self, event: str) -> float:
        return self._counts.get(event, 0)
