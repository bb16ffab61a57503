"""One scheduler for all pools: a daemon thread that knows when each pool has to be looked at next.

The thread sleeps until the earliest deadline, or until a pool requests a look. It asks the pool what is due, and has
the pool's chores run by the pool's hub or by a worker. It never calls a user's hook, and so never hangs in one.
"""

import logging
import math
import weakref
from collections.abc import Callable
from contextlib import suppress
from functools import partial

from .._runtime.environment import REAL, Environment
from .._runtime.native import Empty, SimpleQueue, allocate_lock, get_within, new_rlock
from .._runtime.process import notice_fork
from .._runtime.threads import DaemonThreads
from .deadlines import Deadlines
from .dispatch import Dispatcher
from .exit_jobs import ExitJobs, close_at_exit
from .maintained import Maintained
from .requests import Requests
from .timing import DEFAULT, Timing
from .workers import Job, Workers


class Scheduler:
    """The deadlines of pools, and the threads. One per process, see the module ``process``; tests make their own."""

    def __init__(self, environment: Environment = REAL, timing: Timing = DEFAULT) -> None:
        self.environment = environment
        self.clock = environment.clock
        self.timing = timing
        self._pools: dict[int, weakref.ref[Maintained]] = {}
        self._kept_alive: dict[int, Maintained] = {}
        self.ending = False
        self.paused_at = -math.inf
        """When it was last noticed that the process had stood still: borrowers had no time to give back either."""
        self._start_empty()

    def _start_empty(self) -> None:
        """Begin with no thread and no request: at construction, and in the child of a fork."""
        self._threads = DaemonThreads(self.environment.start_thread)
        if self.ending:  # a child of the exit itself, which comes to no other
            self._threads.end()
        self.workers = Workers(self._threads, self.timing, self.clock)
        self._dispatcher = Dispatcher(self.clock, self.timing, self.workers)
        self._exit_jobs = ExitJobs(self.environment)
        self._requests = Requests()
        # When pools whose maintenance has failed are looked at again.
        self._retry_at: weakref.WeakKeyDictionary[Maintained, float] = weakref.WeakKeyDictionary()
        # A finalizer may come to start the scheduler's thread while this very thread is doing so.
        self._lock = new_rlock()
        self._loop_lock = allocate_lock()
        self._looks_ended: SimpleQueue[None] = SimpleQueue()
        self._running = False
        self._warned = False  # that no thread can be started

    # What pools ask for. -----------------------------------------------------------------------------

    def register(self, maintained: Maintained) -> None:
        """Know a pool, weakly, for forks and the exit."""
        key = id(maintained)
        # A callback in C, since it runs in a finalizer: pop(key, reference), the latter as default.
        self._pools[key] = weakref.ref(maintained, partial(self._pools.pop, key))

    def pools(self) -> list[Maintained]:
        """The pools that are known and still there."""
        return [maintained for ref in list(self._pools.values()) if (maintained := ref()) is not None]

    def keep_alive(self, maintained: Maintained) -> None:
        """Keep a pool whose handle was dropped while objects were lent, until they come back or the process ends."""
        self._kept_alive[id(maintained)] = maintained

    def let_go(self, maintained: "weakref.ref[Maintained]") -> None:
        """Keep a pool no longer: it has nothing left to close."""
        self._kept_alive.pop(id(maintained()), None)

    @property
    def has_threads(self) -> bool:
        """Whether there is the scheduler's thread and at least one worker."""
        return self._running and self.workers.count > 0

    def watch(self, maintained: "weakref.ref[Maintained]") -> bool:
        """Look at a pool now, and from now on when it says; start threads if need be. Say whether there are any."""
        notice_fork()  # else a thread that is the parent's would be taken for ours
        if not self.has_threads:
            with self._lock:
                if not self._running:
                    self._running = self._threads.start("ppp-scheduler", self._run)
            # A worker, too: at exit, when no more can be had, a closer may hang in one thread and not in the last.
            self.workers.start_first()
        self._requests.put(maintained)
        has_threads = self.has_threads
        if not has_threads:
            self._do_without_threads(maintained)
        self._warned = not has_threads
        return has_threads

    def request_look(self, maintained: "weakref.ref[Maintained] | Maintained") -> None:
        """Have a pool looked at now; from anywhere, finalizers included. A strong reference keeps it until then."""
        self._requests.put(maintained)

    def run_in_thread(self, name: str, job: Callable[[], None]) -> bool:
        """Run something in a thread of its own, which has a name for the log; say whether it can be."""
        return self._threads.start(name, job)

    def _do_without_threads(self, reference: "weakref.ref[Maintained]") -> None:
        """Warn that no thread can be started, and keep few requests meanwhile."""
        maintained = reference()
        if not self._warned and not self.ending and maintained is not None:
            self._warned = True  # first: to log it asks for a thread, too
            line = "%s: no thread can be started: until one can, maintenance is done by those who borrow"
            maintained.log_later(logging.WARNING, line, repr(maintained))
        self._requests.limit()

    # The thread. Between two looks no frame of it refers to a pool, which would keep the pool alive. ------

    def _run(self) -> None:
        if not self._loop_lock.acquire(False):
            return  # started twice, by a finalizer while it was being started: one is enough
        deadlines: Deadlines[Maintained] = Deadlines()
        while not self.ending:
            self._turn(deadlines)
        self._looks_ended.put(None)
        self._exit_jobs.run()

    def _turn(self, deadlines: Deadlines[Maintained]) -> None:
        """Wait for what is to be looked at next, and look at it."""
        self._look_at(self._wait_for_requests(deadlines), deadlines)
        # The time is read once: what becomes due meanwhile waits until requests were looked at.
        self._look_at(deadlines.pop_due(self.clock()), deadlines)

    def _wait_for_requests(self, deadlines: Deadlines[Maintained]) -> list[Maintained]:
        """Wait for requests, until the next deadline at most; give the pools that made them."""
        left = deadlines.time_left(self.clock())
        longest = self.timing.longest_sleep
        requesting = self._requests.wait(longest if left is None else min(left, longest))
        self.notice_pause(deadlines.overdue(self.clock()))
        return [] if self.ending else requesting

    def _look_at(self, pools: list[Maintained], deadlines: Deadlines[Maintained]) -> None:
        for maintained in pools:
            begun = self.clock()
            deadline = self.maintain(maintained)
            self.notice_pause(self.clock() - begun)  # a look calls nothing of the user's: it takes no such time
            if deadline is not None:
                deadlines.add(maintained, max(deadline, self.clock() + self.timing.shortest_pause))

    def notice_pause(self, overdue: float) -> None:
        """Note that the process has stood still, if a look is late, or took long, by more than all else explains."""
        now = self.clock()
        if overdue > self.timing.late and now > self.paused_at + self.timing.late_again:
            self.paused_at = now

    def maintain(self, maintained: Maintained) -> float | None:
        """Ask a pool what is due, and have its chores run; give the time of the next look."""
        # The line about a failure asks for a look, too: the pool is left alone until it is time to try again.
        retry_at = self._retry_at.pop(maintained, 0.0)
        if self.clock() < retry_at:
            self._retry_at[maintained] = retry_at
            return retry_at
        times: list[float] = []
        for step in (maintained.run_due, partial(self._dispatcher.dispatch, maintained)):
            try:
                at = step()
            except Exception as error:  # a bug of ours in one pool must not end the maintenance of all
                with suppress(Exception):
                    maintained.log_later(logging.ERROR, "maintenance of %s failed", repr(maintained), error=error)
                    self.workers.submit(Job(maintained, hub=False), waited=False)  # which writes the line
                at = self._retry_at[maintained] = self.clock() + self.timing.retry_delay
            if at is not None:
                times.append(at)
        return min(times, default=None)

    # The ends of the process. ------------------------------------------------------------------------

    def exit(self) -> None:
        """Close every object of every pool, silently, within ``exit_time``."""
        notice_fork()  # what is the parent's is not closed here
        until = self.clock() + self.timing.exit_time
        pools = self.pools()
        jobs_in_hub = ExitJobs(self.environment)
        hub_here = close_at_exit(pools, jobs_in_hub, self._exit_jobs)
        self.ending = True
        try:
            self._start_exit_jobs()
            if hub_here is not None:
                jobs_in_hub.run_in_hub(hub_here, until)
            self._exit_jobs.wait(until)
            for maintained in pools:
                # Objects that a hook was working on come to their end now, or never.
                maintained.wait_until_empty(max(0.0, until - self.clock()))
            # What a look refers to when the interpreter stops its thread is never freed.
            if self._running:
                with suppress(Empty):
                    get_within(self._looks_ended, max(0.0, until - self.clock()))
        finally:
            # Last: a thread that begins late, or never, costs no object its closer.
            self._threads.end(max(self.timing.worker_patience, until - self.clock()))

    def _start_exit_jobs(self) -> None:
        """Have the closers run in daemon threads, so that one that hangs does not hang the exit.

        Python 3.12 starts no thread here. But the scheduler's own has nothing else to do any more, nor have workers.
        """
        started = self._threads.start("ppp-exit", self._exit_jobs.run)
        if self._running:
            self._requests.put(None)
            self.workers.join_exit(self._exit_jobs)
        elif not started:
            self._exit_jobs.run()

    def after_fork(self) -> None:
        """Start anew in a child process: no thread, and pools with nothing in them."""
        self._start_empty()
        for maintained in self.pools():
            maintained.after_fork()
