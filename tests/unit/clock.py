"""Time moved by hand, and a house keeper without a thread."""

import weakref
from collections import deque
from collections.abc import Callable

from ProxyPatternPool._pool.household import Household
from ProxyPatternPool._pool.housekeeper import HouseKeeper, Job


class HandMovedClock:
    """Seconds that pass when told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds


class HandMovedKeeper(HouseKeeper):
    """Keeps house when told to, in the caller's thread: what is asked of it is only noted."""

    def __init__(self, clock: HandMovedClock) -> None:
        super().__init__(clock)
        self.asides: deque[Callable[[], None]] = deque()
        self.asked: deque[weakref.ref[Household] | Household] = deque()
        self.deadlines: list[float] = []
        """The times at which a real house keeper would wake next, as pools said when last looked at."""

    @property
    def manned(self) -> bool:
        return True

    def watch(self, household: Household) -> bool:
        self.asked.append(weakref.ref(household))
        return self.manned

    def knock(self, household: "weakref.ref[Household] | Household") -> None:
        self.asked.append(household)

    def _employ(self, job: Job, *, more: bool) -> None:
        """Employ nobody."""

    def do_aside(self, job: Callable[[], None]) -> None:
        self.asides.append(job)

    def run(self) -> None:
        """Look at every pool that asked for it, and do its chores, until nobody asks any more."""
        while self.asides:
            self.asides.popleft()()
        while self.asked:
            asked = self.asked.popleft()
            household = asked() if isinstance(asked, weakref.ref) else asked
            if household is not None:
                deadline = household.attend()
                household.run_chores()
                if deadline is not None:
                    self.deadlines.append(deadline)

    def look_at(self, household: Household) -> float | None:
        """Look at one pool, as at its deadline, and do its chores; give its next deadline."""
        self.asked.append(weakref.ref(household))
        self.deadlines.clear()
        self.run()
        return min(self.deadlines, default=None)
