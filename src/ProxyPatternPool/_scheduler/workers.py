"""The worker threads, which run the chores of pools.

There are few: more are started only where chores wait for too long and no job ends meanwhile, as when hooks hang.
Of one pool only some jobs run at the same time, so that a hook that hangs delays chores of its own pool alone.
"""

import itertools
import logging
import math
import weakref
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple

from .._runtime.native import Empty, SimpleQueue, get_within, new_rlock
from .._runtime.threads import DaemonThreads
from .exit_jobs import ExitJobs
from .maintained import Maintained
from .timing import Timing

MIN_WORKERS = 4
"""Workers that are started as soon as there are jobs for them; one more each time chores have waited for too long."""
MAX_JOBS = 4
"""Jobs of one pool and kind at the same time: though all its closers hang, objects are created still."""

_after_jobs: list[Callable[[], None]] = []


def after_each_job(step: Callable[[], None]) -> None:
    """Have a function called in a worker after each job; it must raise nothing.

    A thread that ends gives back what it has borrowed for itself. A worker does not end with its job.
    """
    _after_jobs.append(step)


class Job(NamedTuple):
    """Run the chores of one kind: those of a pool's hub, or all others."""

    maintained: Maintained
    hub: bool

    def run(self) -> None:
        if not self.hub:
            self.maintained.run_chores(hub=False)
        elif self.maintained.hub is None:  # the pool may have got a hub since this job was submitted
            self.maintained.run_chores(common=False)


class Workers:
    """The worker threads and the queue of their jobs."""

    def __init__(self, threads: DaemonThreads, timing: Timing, clock: Callable[[], float]) -> None:
        self._threads = threads
        self._timing = timing
        self._clock = clock
        # A finalizer may submit a job while its thread holds the lock: each locked step only counts.
        self._lock = new_rlock()
        self._jobs: SimpleQueue[Job | ExitJobs] = SimpleQueue()
        self.count = 0
        """Workers in all."""
        self._unfinished = 0  # jobs that are queued or run: each is to have a worker
        self._done = 0  # jobs that have ended
        self._done_before = -1  # the same when it was last looked at whether all hang
        self._hang = False
        self._look_again_at = -math.inf
        self._numbers = itertools.count(1)
        # Jobs that are queued or run, by pool and kind.
        self._active: weakref.WeakKeyDictionary[Maintained, Counter[bool]] = weakref.WeakKeyDictionary()

    def start_first(self) -> None:
        """Start a worker if there is none."""
        with self._lock:
            if self.count:
                return
            self.count += 1  # first: a finalizer may come here while the thread is being started
        self._start_worker()

    def submit(self, job: Job, *, waited: bool) -> None:
        """Have a job run; ``waited`` if its chores have waited for too long, which may mean that all workers hang."""
        with self._lock:
            active = self._active.setdefault(job.maintained, Counter())
            if active[job.hub] < MAX_JOBS:
                active[job.hub] += 1  # before the put, so that jobs not yet taken count
                self._unfinished += 1
                self._jobs.put(job)
            elif self._unfinished <= self.count:
                return
            if not ((waited and self._all_hang()) or self.count < min(self._unfinished, MIN_WORKERS)):
                return
            self.count += 1
        self._start_worker()

    def _all_hang(self) -> bool:
        """Whether no job has ended for a while. Workers that get things done are busy, and more would not be quicker.

        It is looked at once in a while: of all pools whose chores have waited, the scheduler may submit the jobs in no
        time.
        """
        now = self._clock()
        if now >= self._look_again_at:
            self._hang, self._done_before = self._done == self._done_before, self._done
            self._look_again_at = now + self._timing.worker_patience
        return self._hang and self._done == self._done_before

    def join_exit(self, jobs: ExitJobs) -> None:
        """Have each worker run jobs of the interpreter's exit, and then end."""
        for _ in range(self.count):
            self._jobs.put(jobs)

    def _start_worker(self) -> None:
        """Start a worker, which has been counted."""
        if not self._threads.start(f"ppp-worker-{next(self._numbers)}", self._work):
            with self._lock:
                self.count -= 1

    def _work(self) -> None:
        while True:
            try:
                job: Job | ExitJobs = get_within(self._jobs, self._timing.worker_idle)
            except Empty:
                with self._lock:
                    # A job put after the wait and before this line has no worker but this one.
                    if self._jobs.empty() and self.count > 1:
                        self.count -= 1
                        return
                continue
            if isinstance(job, ExitJobs):
                job.run()
                # Nothing comes after the exit, and the interpreter may wait for this thread.
                with self._lock:
                    self.count -= 1
                return
            self._do(job)
            del job  # keep no pool alive while waiting

    def _do(self, job: Job) -> None:
        """Run a job. What a bug of ours raises in it is logged: the worker and the jobs to come go on."""
        try:
            job.run()
            for step in _after_jobs:
                step()
        except BaseException as error:
            with suppress(Exception):
                job.maintained.log_later(logging.ERROR, "maintenance of %s failed", repr(job.maintained), error=error)
        finally:
            with self._lock:
                self._active.setdefault(job.maintained, Counter())[job.hub] -= 1
                self._unfinished -= 1
                self._done += 1
