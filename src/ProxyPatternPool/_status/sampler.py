"""Takes a sample of each pool once a second, and keeps those of the last five minutes."""

import math
import weakref
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from .._engine.core import Core
from .._inspect.periodic import Periodic
from .._inspect.status import Reading, read
from .._runtime.races import snapshot
from .._scheduler.scheduler import Scheduler
from .sources import Source

EVERY = 1.0
"""Seconds between two samples."""
KEPT = 300
"""Samples that are kept: five minutes."""


class Sample(NamedTuple):
    """How busy a pool was, at one moment and in the second before."""

    at: float
    """On the pool's clock."""
    in_use: int
    idle: int
    creating: int
    in_upkeep: int
    waiting: int
    p50: float | None
    """The median of the callers' seconds in the queue; ``None`` if there were no callers.

    Of those who still wait the time until now counts. Those who found an object idle waited 0.0.
    """
    p99: float | None
    """The 99th percentile of the same."""


class History:
    """The samples of one source."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self._core: Callable[[], Core[Any] | None] = lambda: None
        self._before: Reading | None = None
        self._samples: deque[Sample] = deque(maxlen=KEPT)

    def samples(self) -> list[Sample]:
        """Those of the last five minutes, oldest first."""
        return snapshot(self._samples)

    def sample(self) -> None:
        """Take a sample of the pool, if there is one."""
        core = self.source.core()
        if core is None:
            self.forget()
            return
        if core is not self._core():  # a proxy was set anew
            self.forget()
            self._core = weakref.ref(core)
        reading = read(core)
        counts = reading.counts
        p50, p99 = (None, None) if self._before is None else waited(self._before, reading)
        self._samples.append(
            Sample(
                at=reading.now,
                in_use=counts.in_use,
                idle=counts.idle,
                creating=counts.creating,
                in_upkeep=counts.in_upkeep,
                waiting=len(reading.waiting),
                p50=p50,
                p99=p99,
            )
        )
        self._before = reading

    def forget(self) -> None:
        """Drop the samples of a pool that is gone."""
        self._core = lambda: None
        self._before = None
        self._samples = deque(maxlen=KEPT)


def waited(before: Reading, now: Reading) -> tuple[float | None, float | None]:
    """The median and the 99th percentile of how long callers waited between two readings."""
    was, so_far = before.totals, now.totals
    ended = so_far.waits - was.waits
    known = now.ended[-ended:] if ended else []
    waits = sorted([*known, *now.waiting])
    # Loans to callers who found an object idle: all but those that ended a wait. To count loans takes milliseconds if
    # there are many objects. So waits count from before the first counting to after the second: else the loan of one
    # that ended meanwhile might be taken for that of another caller, who found an object idle.
    at_once = max(0, so_far.loans - was.loans - (so_far.waits - so_far.timeouts - before.served))
    unknown = ended - len(known)  # taken to be as long as the known ones
    weight = (len(waits) + unknown) / len(waits) if waits else 0.0
    return _quantile(0.5, at_once, waits, weight), _quantile(0.99, at_once, waits, weight)


def _quantile(share: float, zeros: int, waits: Sequence[float], weight: float) -> float | None:
    """Take the nearest rank among so many zeros and these waits, each of which counts ``weight`` times."""
    total = zeros + len(waits) * weight
    if not total:
        return None
    rank = math.ceil(share * total) - zeros
    if rank <= 0:
        return 0.0
    return waits[min(len(waits), math.ceil(rank / weight)) - 1]


class Sampler(Periodic):
    """Takes samples of its sources, in the scheduler's thread, since no hook is called for them."""

    def __init__(self, sources: Iterable[Source], scheduler: Scheduler | None = None) -> None:
        self.histories = [History(source) for source in sources]  # first: the scheduler may look at once
        super().__init__(EVERY, scheduler)

    def __repr__(self) -> str:
        return "the status page's samples"

    def do(self) -> None:
        """Take a sample of each."""
        for history in self.histories:
            history.sample()

    def after_fork(self) -> None:
        """Start anew in a child: its pools are empty."""
        for history in self.histories:
            history.forget()
        super().after_fork()
