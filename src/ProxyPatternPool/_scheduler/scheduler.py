"""One schedule for all pools: a daemon thread that knows each pool's next deadline, and a crew for the work.

The scheduling thread sleeps on a ``SimpleQueue``, whose ``put`` may be called from finalizers, until the
earliest deadline. It never runs a user's hook: it asks a pool what is due, and hands the pool's chores to
a greenlet of the pool's hub, or to a crew of daemon threads that grows only when chores have to wait. A
hook that hangs holds up chores of its own pool alone.

Chores of a hub are of two kinds. What can be done anywhere is done by the crew if the hub is blocked. Checks and
creations are not: a connection of a hub fails in a native thread, and one made there fails in the hub. They wait.
"""

import itertools
import logging
import math
import weakref
from collections import Counter, deque
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import NamedTuple, TypeVar

from .._runtime.environment import REAL, Environment
from .._runtime.native import Empty, SimpleQueue, monotonic, new_rlock
from .._runtime.process import notice
from .._runtime.races import first
from .._runtime.threads import Daemons
from .._runtime.waiting import Hub
from .deadlines import Agenda
from .exit_jobs import Jobs
from .maintained import DispatchState, Maintained, end_job
from .timing import DEFAULT, Timing

Item = TypeVar("Item")

CREW = 4
"""Threads that are started at once for chores; one more each time a pool's chores have waited for too long."""
HELPERS = 4
"""Threads that may do chores of the same pool, of either kind: if its closers all hang, objects are created still."""
MOST_UNREAD = 1000
"""Pools that have asked to be looked at, some of them several times, while no thread can be started."""


class Scheduler:
    """The schedule and the workers. One per process, see ``process``; tests make their own."""

    def __init__(self, environment: Environment = REAL, timing: Timing = DEFAULT) -> None:
        self.environment = environment
        self.clock = environment.clock
        self.timing = timing
        self._pools: dict[int, weakref.ref[Maintained]] = {}
        self._remembered: dict[int, Maintained] = {}
        self.ending = False
        self.late_at = -math.inf
        """When it was last noticed that the process had stood still: who was to give back had no time either."""
        self._reset()

    def _reset(self) -> None:
        # A finalizer that has something to say may come back in the middle: what is locked are counts, a step each.
        self._lock = new_rlock()
        self._inbox: SimpleQueue[weakref.ref[Maintained] | Maintained | None] = SimpleQueue()
        self._jobs: SimpleQueue[Job | Jobs] = SimpleQueue()
        self._last_jobs = Jobs()
        self._daemons = Daemons(self.environment.start_thread)
        if self.ending:  # a child of the exit itself, which comes to no other
            self._daemons.end(0.0)
        self._running = False
        self._told = False  # that no thread can be started
        self._vigils: weakref.WeakKeyDictionary[Maintained, DispatchState] = weakref.WeakKeyDictionary()
        self._done = 0  # jobs that crew threads have done
        self._done_before = -1  # the same when a thread was last added, or not, for chores that had to wait
        self._free = 0  # crew threads waiting for a job
        self._crew = 0  # crew threads in all
        self._numbers = itertools.count(1)
        # Crew threads by pool and kind of chores.
        self._helping: weakref.WeakKeyDictionary[Maintained, Counter[bool]] = weakref.WeakKeyDictionary()

    def enter(self, maintained: Maintained) -> None:
        """Know a pool, weakly, for forks and the exit."""
        key = id(maintained)
        # A callback in C, since it runs in a finalizer: pop(key, reference), the latter as default.
        self._pools[key] = weakref.ref(maintained, partial(self._pools.pop, key))

    def remember(self, maintained: Maintained) -> None:
        """Keep a pool whose handle was dropped while objects were lent, until they come back or the process ends."""
        self._remembered[id(maintained)] = maintained

    def forget(self, maintained: Maintained) -> None:
        """Keep a pool no longer: it has nothing left to close."""
        self._remembered.pop(id(maintained), None)

    @property
    def manned(self) -> bool:
        """Whether there are the threads that it takes, the one that knows when and one that does it."""
        return self._running and self._crew > 0

    def watch(self, maintained: Maintained) -> bool:
        """Look after a pool from now on; starts threads if need be. Say whether they are there."""
        notice()  # else a thread that is the parent's would be taken for ours
        if not self.manned:
            with self._lock:
                if not self._running:
                    self._running = self._daemons.start("ppp-housekeeper", self._run)
                # One of the crew, too: at exit, when no more can be had, a closer may hang and not be the last.
                if not self._crew:
                    self._crew += self._start_one_of_the_crew()
        self._inbox.put(weakref.ref(maintained))
        manned = self.manned
        if not manned:
            self._do_without(maintained)
        self._told = not manned
        return manned

    def _do_without(self, maintained: Maintained) -> None:
        """Note that no thread can be started."""
        if not self._told and not self.ending:
            self._told = True  # first: to say it asks for a thread, too
            line = "%s: no thread can be started: until one can, house keeping is done by those who borrow"
            maintained.log_later(logging.WARNING, line, repr(maintained))
        if self._inbox.qsize() >= MOST_UNREAD:
            # Nobody reads them: all are taken out, and each is put back once.
            messages: dict[tuple[int, bool], weakref.ref[Maintained] | Maintained | None] = {}
            while (message := _get(self._inbox)) is not None:
                asking = message() if isinstance(message, weakref.ref) else message
                if asking is not None:
                    messages[id(asking), asking is message] = message
            for message in messages.values():
                self._inbox.put(message)

    def request_look(self, maintained: "weakref.ref[Maintained] | Maintained") -> None:
        """Have a pool looked at now; from anywhere, finalizers included. A strong reference keeps it until then."""
        self._inbox.put(maintained)

    def run_aside(self, job: Callable[[], None]) -> None:
        """Do something in a thread of its own, for a pool that has no house keeping."""
        self._daemons.start("ppp-log", job)

    # The scheduling thread. ----------------------------------------------------------------------

    def _run(self) -> None:
        agenda: Agenda[Maintained] = Agenda()

        def look(maintained: Maintained) -> None:
            deadline = self.run_due(maintained)
            if deadline is not None:
                agenda.note(maintained, max(deadline, self.clock() + self.timing.shortest_pause))

        def look_at_asking() -> None:
            left = agenda.time_left(self.clock())
            asked = self._asked(None if left is None else min(left, self.timing.longest_sleep))
            self.notice_pause(agenda.late(self.clock()))
            for maintained in asked:
                look(maintained)

        def look_at_due() -> None:
            # The time is read once: what becomes due meanwhile waits until the inbox was looked at.
            for maintained in agenda.due(self.clock()):
                look(maintained)

        while not self.ending:  # no pool is kept alive by a name of this frame
            look_at_asking()
            look_at_due()
        self._last_jobs.run()

    def notice_pause(self, late: float) -> None:
        """Note that the process has stood still, if a look is late by so many seconds that nothing else explains it."""
        now = self.clock()
        if late > self.timing.late and now > self.late_at + self.timing.late_again:
            self.late_at = now

    def _asked(self, wait: float | None) -> list[Maintained]:
        """Wait for pools that ask to be looked at: each once, however often it asked."""
        asked: dict[int, Maintained] = {}
        try:
            message = self._inbox.get(True, wait)  # see Daemons.end
            while not self.ending:
                maintained = message() if isinstance(message, weakref.ref) else message
                if maintained is not None:
                    asked[id(maintained)] = maintained
                message = self._inbox.get_nowait()
        except Empty:
            pass
        return list(asked.values())

    def run_due(self, maintained: Maintained) -> float | None:
        """Ask a pool what is due and see to its chores; give the time of the next look."""
        times: list[float] = []
        for step in (maintained.run_due, partial(self._see_to_chores, maintained)):
            try:
                at = step()
            except Exception as error:  # a bug of ours in one pool must not end the house keeping of all
                with suppress(Exception):
                    maintained.log_later(logging.ERROR, "house keeping of %s failed", repr(maintained), error=error)
                    self._employ(Job(maintained, hub=False), more=False)  # who says the line
                at = self.clock() + self.timing.retry_delay
            if at is not None:
                times.append(at)
        return min(times, default=None)

    def _see_to_chores(self, maintained: Maintained) -> float | None:
        """Have a pool's chores done; give the time to see whether they are."""
        hub = maintained.hub
        if hub is not None and not hub.alive():
            hub = maintained.hub = None  # the next hub in which the pool is used becomes its home
        chore, at_home = first(maintained.chores), first(maintained.hub_chores)
        if chore is None and at_home is None:
            self._vigils.pop(maintained, None)
            return None
        vigil = self._vigils.get(maintained)
        if vigil is None or vigil.hub is not hub:
            vigil = self._vigils[maintained] = DispatchState(hub)
        now = self.clock()
        if hub is None:
            for wait, waiting, at_home_too in ((vigil.away, chore, False), (vigil.at_home, at_home, True)):
                if wait.should_dispatch(waiting, now, self.timing.worker_patience):
                    self._employ(Job(maintained, at_home_too), more=wait.tries > 0)
            return min(vigil.away.since, vigil.at_home.since) + self.timing.worker_patience
        late = vigil.away.should_dispatch(chore, now, self.timing.hub_patience)
        late_at_home = vigil.at_home.should_dispatch(at_home, now, self.timing.hub_patience)
        if (late or late_at_home) and not vigil.send(maintained, hub):
            maintained.hub = None  # it has ended at this moment
            return self._see_to_chores(maintained)
        if late_at_home and vigil.at_home.tries == self.timing.hub_tries:
            maintained.log_later(
                logging.WARNING, "%s: checks and creations wait for a hub that does not turn", repr(maintained)
            )
        if late and vigil.away.tries > 1:  # a greenlet was sent twice: the first may be in the middle of a long chore
            self._employ(Job(maintained, hub=False), more=True)
        return min(vigil.away.since, vigil.at_home.since) + self.timing.hub_patience

    # The crew. -------------------------------------------------------------------------------------

    def _employ(self, job: "Job", *, more: bool) -> None:
        with self._lock:
            helping = self._helping.setdefault(job.maintained, Counter())
            if helping[job.hub] < HELPERS:
                helping[job.hub] += 1  # from the put on, so that jobs not yet taken count
                self._jobs.put(job)
            elif self._crew:
                return
            if more:
                # A crew that gets things done is only busy, and more threads would not be quicker.
                more, self._done_before = self._done == self._done_before, self._done
            if not (more or (self._free == 0 and self._crew < CREW)):
                return
            self._crew += 1
        if not self._start_one_of_the_crew():
            with self._lock:
                self._crew -= 1

    def _start_one_of_the_crew(self) -> bool:
        return self._daemons.start(f"ppp-crew-{next(self._numbers)}", self._work)

    def _work(self) -> None:
        jobs = self._jobs
        while True:
            with self._lock:
                self._free += 1
            try:
                job: Job | Jobs | None = jobs.get(True, self.timing.worker_idle)
            except Empty:
                job = None
            with self._lock:
                self._free -= 1
                # A job put after the wait and before this line was not given a thread of its own.
                if job is None and jobs.empty() and self._crew > 1:
                    self._crew -= 1
                    return
            if isinstance(job, Jobs):
                job.run()
                # Nothing comes after the exit's, and it may be that the interpreter waits for this thread.
                with self._lock:
                    self._crew -= 1
                return
            if job is not None:
                job.run()
                end_job()
                with self._lock:
                    self._helping.setdefault(job.maintained, Counter())[job.hub] -= 1
                    self._done += 1
            job = None  # keep no pool alive while waiting

    # The ends of the process. ----------------------------------------------------------------------

    def _alive(self) -> list[Maintained]:
        return [maintained for ref in list(self._pools.values()) if (maintained := ref()) is not None]

    def exit(self) -> None:
        """Close every object of every pool, within ``exit_time``, silently."""
        notice()  # what is the parent's is not closed here
        until = monotonic() + self.timing.exit_time
        pools = self._alive()
        hub_here: Hub | None = None
        jobs_of_hub = Jobs()
        for maintained in pools:
            jobs = maintained.close_at_exit()
            # One by one, not by run_chores(): a closer that hangs keeps no other object open.
            jobs.extend(iter(partial(_pop, maintained.chores), None))
            hub = maintained.hub
            if hub is not None and hub.here() and hub.alive():
                hub_here = hub
                jobs_of_hub.add(jobs)
            else:
                self._last_jobs.add(jobs)
        self.ending = True
        try:
            # A closer that hangs must not hang the exit: they run in daemon threads. 3.12 starts none here, but the
            # scheduling thread has nothing else to do any more, nor have those of the crew that do not hang.
            helped = self._daemons.start("ppp-exit", self._last_jobs.run)
            if self._running:
                self._inbox.put(None)
                for _ in range(self._crew):
                    self._jobs.put(self._last_jobs)
            elif not helped:
                self._last_jobs.run()
            if hub_here is not None:
                jobs_of_hub.finish(hub_here, until)
            self._last_jobs.wait(until)
            for maintained in pools:
                # What was in a hook's hands comes to its end now, or never.
                maintained.wait_until_empty(max(0.0, until - monotonic()))
        finally:
            # Last: who comes late to his first step, or never, costs no object its closer.
            self._daemons.end(max(self.timing.worker_patience, until - monotonic()))

    def after_fork(self) -> None:
        """Start anew in a child process: no thread, and pools with nothing in them."""
        self._reset()
        for maintained in self._alive():
            maintained.after_fork()


class Job(NamedTuple):
    """To do the chores of one kind, those of a pool's home or all others."""

    maintained: Maintained
    hub: bool

    def run(self) -> None:
        if not self.hub:
            self.maintained.run_chores(hub=False)
        elif self.maintained.hub is None:  # it may have got one since
            self.maintained.run_chores(common=False)


def _pop(items: "deque[Item]") -> "Item | None":
    """The left end of a deque that others shorten, taken out."""
    try:
        return items.popleft()
    except IndexError:
        return None


def _get(messages: "SimpleQueue[Item]") -> "Item | None":
    """The next message of a queue, if there is one."""
    try:
        return messages.get_nowait()
    except Empty:
        return None
