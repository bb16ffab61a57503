"""Closers that run at the interpreter's exit, within some time, in as many threads or greenlets as it takes."""

from collections import deque
from collections.abc import Callable, Collection, Iterable

from .._runtime.environment import Environment
from .._runtime.native import new_rlock
from .._runtime.races import pop_first
from .._runtime.waiting import Hub, Sleeper
from .maintained import Maintained

GREENLETS = 4
"""Greenlets that start at once; twice as many more each time that jobs have not begun after ``STUCK_AFTER``."""
STUCK_AFTER = 0.05
"""Seconds until greenlets that have not begun all jobs count as stuck."""


class ExitJobs:
    """Jobs that several threads or greenlets run together; each job runs once."""

    def __init__(self, environment: Environment) -> None:
        self._environment = environment
        self._jobs: deque[Callable[[], None]] = deque()
        self._left = 0  # jobs that have not ended
        self._lock = new_rlock()
        self._sleeper: Sleeper | None = None

    def add(self, jobs: Collection[Callable[[], None]]) -> None:
        """Add jobs, before anybody runs or waits."""
        with self._lock:
            self._left += len(jobs)
        self._jobs.extend(jobs)

    def run(self) -> None:
        """Run jobs until each has been begun, by this caller or by others."""
        while (job := pop_first(self._jobs)) is not None:
            try:
                job()
            except BaseException:  # a SystemExit in one neither ends the others nor is reported
                pass
            finally:
                with self._lock:
                    self._left -= 1
                if not self._left and self._sleeper is not None:
                    self._sleeper.wake()

    def wait(self, until: float) -> None:
        """Wait until every job has ended, or until a time has come; the thread's event loop runs meanwhile."""
        sleeper = self._sleeper = self._environment.new_sleeper()
        try:
            while self._left and (left := until - self._environment.clock()) > 0:
                sleeper.sleep(left)
        finally:
            sleeper.dispose()

    def run_in_hub(self, hub: Hub, until: float) -> None:
        """Run the jobs in greenlets of this thread's hub, and wait for them.

        As long as jobs have not begun there are ever more greenlets: however many closers hang, each is called.
        """
        clock = self._environment.clock
        greenlets = GREENLETS
        while self._jobs and clock() < until:
            for _ in range(min(greenlets, len(self._jobs))):
                hub.spawn(self.run)
            self.wait(min(until, clock() + STUCK_AFTER))
            greenlets *= 2
        self.wait(until)


def close_at_exit(pools: Iterable[Maintained], jobs_in_hub: ExitJobs, jobs: ExitJobs) -> Hub | None:
    """Close pools, and add their closers to jobs: those of this thread's hub apart. Give that hub, if there are any."""
    hub_here: Hub | None = None
    for maintained in pools:
        closers = maintained.close_at_exit()
        hub = maintained.hub
        if hub is not None and hub.here() and hub.alive():
            hub_here = hub
            jobs_in_hub.add(closers)
        else:
            jobs.add(closers)
    return hub_here
