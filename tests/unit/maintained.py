"""What tests of the scheduler share: counted threads, hooks that hang, and something to maintain."""

from __future__ import annotations

import faulthandler
import logging
import threading
import weakref
from collections import deque
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from time import monotonic

from ProxyPatternPool._runtime.native import start_thread
from ProxyPatternPool._runtime.races import pop_first
from ProxyPatternPool._runtime.waiting import Hub
from ProxyPatternPool._scheduler.maintained import Maintained
from ProxyPatternPool._scheduler.process import using_scheduler
from ProxyPatternPool._scheduler.scheduler import Scheduler
from ProxyPatternPool._scheduler.workers import Job

from .helpers import DEADLINE, eventually


class Threads:
    """Counts the threads that schedulers have started, from before they begin until after they end."""

    def __init__(self) -> None:
        self._started: list[object] = []
        self._ended: list[object] = []
        self.how: Callable[[Callable[[], None]], bool] = self.count
        """How threads are started at the moment, if they are."""

    def start(self, run: Callable[[], None]) -> bool:
        return self.how(run)

    def count(self, run: Callable[[], None]) -> bool:
        def run_and_end() -> None:
            try:
                run()
            finally:
                self._ended.append(run)

        self._started.append(run)
        return start_thread(run_and_end)

    @contextmanager
    def refused(self) -> Generator[None]:
        """Have the system start none meanwhile."""
        self.how = lambda _: False
        yield
        self.how = self.count

    def __len__(self) -> int:
        return len(self._started) - len(self._ended)


def with_threads(scheduler: Scheduler, threads: Threads) -> Iterator[Scheduler]:
    """Use a scheduler; in the end its threads have ended, but for a worker that waits for work for ever."""
    with using_scheduler(scheduler):
        yield scheduler
    scheduler.ending = True
    scheduler._requests.put(None)
    workers = scheduler.workers

    def have_ended() -> bool:
        # One that still works might log what this test did when the next one listens.
        return not workers._unfinished and len(threads) == workers.count <= 1

    try:
        with suppress(AssertionError):
            eventually(have_ended, 2.0)
        if not have_ended():
            # Before Python 3.13 a worker may wait for the next job, though its time is over: see `get_within`.
            workers.submit(Job(FakeMaintained(), hub=False), waited=False)
        eventually(have_ended)
    except AssertionError:
        faulthandler.dump_traceback(all_threads=True)
        raise AssertionError(f"{len(threads)} threads, of which {workers.count} count as workers") from None


class FakeMaintained:
    """Something to maintain of which everything can be told."""

    def __init__(self, run_due: Callable[[], float | None] | None = None) -> None:
        self.queued: deque[Callable[[], None]] = deque()
        self.queued_in_hub: deque[Callable[[], None]] = deque()
        self.hub: Hub | None = None
        self.told = run_due
        self.looks: list[float] = []
        self.looked = threading.Event()

    def run_due(self) -> float | None:
        self.looks.append(monotonic())
        self.looked.set()
        return None if self.told is None else self.told()

    def hub_ended(self) -> None:
        self.hub = None

    def run_chores(self, *, common: bool = True, hub: bool = True) -> None:
        for chores, wanted in ((self.queued, common), (self.queued_in_hub, hub)):
            while wanted and (chore := pop_first(chores)) is not None:  # other workers take some, too
                chore()

    def log_later(self, level: int, message: str, *arguments: object, error: BaseException | None = None) -> None:
        logging.getLogger("ppp").log(level, message, *arguments, exc_info=error)

    def close_at_exit(self) -> list[Callable[[], None]]:
        return []

    def wait_until_empty(self, seconds: float) -> None:
        pass

    def after_fork(self) -> None:
        pass


class Hanging:
    """A hook that hangs, in as many threads as come, until it is let go."""

    def __init__(self) -> None:
        self._calls: list[object] = []  # not a number, which threads that add to it at the same time get wrong
        self.begun = threading.Event()
        self.go_on = threading.Event()

    @property
    def count(self) -> int:
        return len(self._calls)

    def __call__(self, *_: object) -> bool:
        self._calls.append(None)
        self.begun.set()
        return self.go_on.wait(3 * DEADLINE)  # longer than any test


class SlowHub:
    """A hub that accepts jobs, and has not yet done any."""

    def __init__(self, there: bool = True, *, for_tasks: bool = False) -> None:
        self.there = there
        self.for_tasks = for_tasks
        self.over = False
        self.jobs: list[Callable[[], None]] = []

    def here(self) -> bool:
        return False

    def alive(self) -> bool:
        return not self.over

    def spawn(self, job: Callable[[], None]) -> bool:
        if self.there:
            self.jobs.append(job)
        return self.there

    def turn(self) -> None:
        """Do what there is to do."""
        while self.jobs:
            self.jobs.pop(0)()


def dropped(maintained: Maintained) -> weakref.ref[Maintained]:
    return weakref.ref(maintained)


def chore_of(maintained: FakeMaintained) -> threading.Event:
    done = threading.Event()
    added: list[object] = []

    def add_a_chore() -> None:
        if not added:
            added.append(1)
            maintained.queued.append(done.set)

    maintained.told = add_a_chore
    return done


class HubHere(SlowHub):
    """The hub of the current thread, with native threads for greenlets."""

    def here(self) -> bool:
        return True

    def spawn(self, job: Callable[[], None]) -> bool:
        self.jobs.append(job)
        return start_thread(job)
