"""Time moved by hand, chance made to order, and a scheduler without a thread."""

import random
import weakref
from collections import deque
from collections.abc import Callable
from dataclasses import replace

from ProxyPatternPool._runtime.environment import Environment
from ProxyPatternPool._scheduler.maintained import Maintained
from ProxyPatternPool._scheduler.scheduler import Scheduler


class HandMovedClock:
    """Seconds that pass when told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds


class Chance:
    """Random numbers until others are ordered."""

    def __init__(self) -> None:
        self.ordered: deque[float] = deque()
        self.always: float | None = None
        """What comes when nothing is ordered."""

    def __call__(self) -> float:
        if self.ordered:
            return self.ordered.popleft()
        return random.random() if self.always is None else self.always


def start_none(run: Callable[[], None]) -> bool:
    """Have no thread to spare."""
    return False


class FakeScheduler(Scheduler):
    """Does maintenance when told to, in the caller's thread: what is asked of it is only noted."""

    def __init__(self, environment: Environment) -> None:
        super().__init__(replace(environment, start_thread=start_none))
        self.asides: deque[Callable[[], None]] = deque()
        self.asked: deque[weakref.ref[Maintained] | Maintained] = deque()
        self.deadlines: list[float] = []
        """The times at which a real scheduler would wake next, as pools said when last looked at."""

    @property
    def has_threads(self) -> bool:
        return True

    def watch(self, maintained: "weakref.ref[Maintained]") -> bool:
        self.asked.append(maintained)
        return True

    def request_look(self, maintained: "weakref.ref[Maintained] | Maintained") -> None:
        self.asked.append(maintained)

    def run_in_thread(self, name: str, job: Callable[[], None]) -> bool:
        self.asides.append(job)
        return True

    def run(self) -> None:
        """Look at every pool that asked for it, and do its chores, until nobody asks any more."""
        while self.asides:
            self.asides.popleft()()
        while self.asked:
            asked = self.asked.popleft()
            maintained = asked() if isinstance(asked, weakref.ref) else asked
            if maintained is not None:
                deadline = maintained.run_due()
                maintained.run_chores()
                maintained.run_chores(hub=False)  # what a pool for tasks leaves to a worker
                if deadline is not None:
                    self.deadlines.append(deadline)

    def look_at(self, maintained: Maintained) -> float | None:
        """Look at one pool, as at its deadline, and do its chores; give its next deadline."""
        self.asked.append(weakref.ref(maintained))
        self.deadlines.clear()
        self.run()
        return min(self.deadlines, default=None)
