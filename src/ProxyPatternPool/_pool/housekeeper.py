"""One schedule for all pools: a daemon thread that knows each pool's next deadline, and a crew for the work.

The scheduling thread sleeps on a ``SimpleQueue``, whose ``put`` may be called from finalizers, until the
earliest deadline. It never runs a user's hook: it asks a pool what is due, and hands the pool's chores to
a greenlet of the pool's hub, or to a crew of daemon threads that grows only when chores have to wait. A
hook that hangs holds up chores of its own pool alone.
"""

import atexit
import heapq
import itertools
import logging
import math
import os
import weakref
from collections import deque
from collections.abc import Callable, Collection, Iterable
from functools import partial
from typing import Protocol, TypeVar

from .._sync.native import Empty, SimpleQueue, acquire, allocate_lock, monotonic, start_thread
from .._sync.sleeper import Home

Item = TypeVar("Item")

log = logging.getLogger("ppp")

CREW = 4
"""Threads that are started at once for chores; one more each time a pool's chores have waited for ``PATIENCE``."""
HELPERS = 4
"""Threads that may do chores of the same pool: its hooks may all hang, and the others' chores go on."""
PATIENCE = 0.05
"""Seconds until chores that nobody took up get a thread more."""
HUB_PATIENCE = 1.0
"""Seconds until chores that a hub did not take up are done by a thread: the hub may be blocked, or over."""
IDLE = 10.0
"""Seconds after which a thread of the crew with nothing to do ends, unless it is the last."""
BREATH = 0.001
"""Seconds between two looks at the same pool that it asked for in advance: no pool keeps the others waiting."""
LONGEST = 3600.0
"""Seconds after which the scheduling thread looks up from an agenda with nothing due."""
RETRY = 1.0
"""Seconds until a pool whose house keeping failed is looked at again."""
EXIT_TIME = 2.0
"""Seconds that the interpreter's exit waits for closers, all pools together."""


class Household(Protocol):
    """What the house keeper needs of a pool."""

    chores: deque[Callable[[], None]]
    home: Home | None

    def attend(self) -> float | None:
        """Queue the chores that are due; give the time of the next look, ``None`` to be left alone."""
        ...

    def run_chores(self) -> None:
        """Run what is queued, hooks included; raises nothing."""
        ...

    def last_rites(self) -> list[Callable[[], None]]:
        """Close the pool at interpreter exit: the closers that are to be called."""
        ...

    def await_rest(self, seconds: float) -> None:
        """Wait until every place is free, for some seconds at most."""
        ...

    def after_fork(self) -> None:
        """Start anew in a child process."""
        ...


class _Jobs:
    """Jobs that several threads help to finish."""

    def __init__(self, jobs: Iterable[Callable[[], None]] = ()) -> None:
        self._jobs = deque(jobs)
        self._left = len(self._jobs)
        self._lock = allocate_lock()
        self._done = allocate_lock()
        self._done.acquire()

    def add(self, jobs: Collection[Callable[[], None]]) -> None:
        with self._lock:
            self._left += len(jobs)
        self._jobs.extend(jobs)

    def run_chores(self) -> None:
        """Help until no job is left to begin."""
        while True:
            try:
                job = self._jobs.popleft()
            except IndexError:
                return
            try:
                job()
            except BaseException:  # a SystemExit in a closer ends neither the others' closing nor the silence
                pass
            finally:
                with self._lock:
                    self._left -= 1
                    if not self._left:
                        self._done.release()

    def wait(self, seconds: float) -> None:
        """Wait until every job has ended."""
        with self._lock:
            if not self._left:
                return
        acquire(self._done, seconds)


class HouseKeeper:
    """The schedule and the crew. One per process, ``KEEPER``; tests make their own."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self.clock = clock
        self._households: dict[int, weakref.ref[Household]] = {}
        self._remembered: dict[int, Household] = {}
        self._reset()
        self.ending = False

    def _reset(self) -> None:
        self._lock = allocate_lock()
        self._inbox: SimpleQueue[weakref.ref[Household] | Household | None] = SimpleQueue()
        self._jobs: SimpleQueue[Household | _Jobs] = SimpleQueue()
        self._last_jobs = _Jobs()
        self._running = False
        self._waiting: weakref.WeakKeyDictionary[Household, tuple[Callable[[], None] | None, float, int]] = (
            weakref.WeakKeyDictionary()
        )  # by pool: the chore in front, since when it was waited for, how often somebody was sent
        self._done = 0  # jobs that crew threads have done
        self._done_before = -1  # the same when a thread was last added, or not, for chores that had to wait
        self._free = 0  # crew threads waiting for a job
        self._crew = 0  # crew threads in all
        self._helping: weakref.WeakKeyDictionary[Household | _Jobs, int] = (
            weakref.WeakKeyDictionary()
        )  # crew threads by pool

    def enter(self, household: Household) -> None:
        """Know a pool, weakly, for forks and the exit."""
        key = id(household)
        # A callback in C, since it runs in a finalizer: pop(key, reference), the latter as default.
        self._households[key] = weakref.ref(household, partial(self._households.pop, key))

    def remember(self, household: Household) -> None:
        """Keep a pool whose handle was dropped while objects were lent, until they come back or the process ends."""
        self._remembered[id(household)] = household

    def forget(self, household: Household) -> None:
        """Keep a pool no longer: it has nothing left to close."""
        self._remembered.pop(id(household), None)

    def watch(self, household: Household) -> None:
        """Look after a pool from now on. Starts the thread if need be: not to be called in a finalizer."""
        if not self._running:
            with self._lock:
                if not self._running:
                    self._running = start_thread(self._run)
                    # One of the crew, too: at exit, when no more can be had, a closer may hang and not be the last.
                    self._crew += start_thread(self._work)
        self._inbox.put(weakref.ref(household))

    def knock(self, household: "weakref.ref[Household] | Household") -> None:
        """Have a pool looked at now; from anywhere, finalizers included. A strong reference keeps it until then."""
        self._inbox.put(household)

    # The scheduling thread. ----------------------------------------------------------------------

    def _run(self) -> None:
        agenda: list[tuple[float, int, weakref.ref[Household]]] = []
        noted: weakref.WeakKeyDictionary[Household, float] = weakref.WeakKeyDictionary()
        order = itertools.count()

        def look(household: Household) -> None:
            deadline = self.attend(household)
            if deadline is not None:
                deadline = max(deadline, self.clock() + BREATH)
                # The earliest of its deadlines is the only one that counts: that look will note the next.
                if deadline < noted.get(household, math.inf):
                    noted[household] = deadline
                    heapq.heappush(agenda, (deadline, next(order), weakref.ref(household)))

        def look_at_due() -> None:
            now = self.clock()  # read once: what becomes due meanwhile waits until the inbox was looked at
            while agenda and agenda[0][0] <= now:
                deadline, _, reference = heapq.heappop(agenda)
                household = reference()
                if household is not None and noted.get(household) == deadline:
                    del noted[household]
                    look(household)

        def look_at_asking() -> None:
            wait = min(LONGEST, max(0.0, agenda[0][0] - self.clock())) if agenda else None
            for household in self._asked(wait):
                look(household)

        while not self.ending:  # no pool is kept alive by a name of this frame
            look_at_asking()
            look_at_due()
        self._last_jobs.run_chores()

    def _asked(self, wait: float | None) -> list[Household]:
        """Wait for pools that ask to be looked at: each once, however often it asked."""
        asked: dict[int, Household] = {}
        try:
            message = self._inbox.get(timeout=wait)
            while not self.ending:
                household = message() if isinstance(message, weakref.ref) else message
                if household is not None:
                    asked[id(household)] = household
                message = self._inbox.get_nowait()
        except Empty:
            pass
        return list(asked.values())

    def attend(self, household: Household) -> float | None:
        """Ask a pool what is due and see to its chores; give the time of the next look."""
        try:
            deadline = household.attend()
        except Exception:  # a bug of ours in one pool must not end the house keeping of all
            log.exception("house keeping of %r failed", household)
            deadline = self.clock() + RETRY
        again = self._see_to_chores(household)
        return min((time for time in (deadline, again) if time is not None), default=None)

    def _see_to_chores(self, household: Household) -> float | None:
        """Have a pool's chores done; give the time to see whether they are."""
        chore = first(household.chores)
        if chore is None:
            self._waiting.pop(household, None)
            return None
        now = self.clock()
        patience = PATIENCE if household.home is None else HUB_PATIENCE
        before, since, tries = self._waiting.get(household, (None, now, 0))
        if chore is not before:
            since, tries = now, 0
        elif now < since + patience:
            return since + patience  # somebody was sent for it
        self._waiting[household] = chore, now, tries + 1
        # A hub gets a second greenlet before a thread takes over: the first may be in the middle of a long chore,
        # and a thread is right only if the hub is blocked, or over.
        if household.home is not None and not household.home.spawn(household.run_chores):
            household.home = None  # over: the next hub in which the pool is used becomes its home
            tries = 2
        if household.home is None or tries > 1:
            self._employ(household, more=tries > 0)
        return now + patience

    # The crew. -------------------------------------------------------------------------------------

    def _employ(self, household: Household, *, more: bool) -> None:
        with self._lock:
            helping = self._helping.get(household, 0)
            if helping < HELPERS:
                self._helping[household] = helping + 1  # from the put on, so that jobs not yet taken count
                self._jobs.put(household)
            elif self._crew:
                return
            if more:
                # A crew that gets things done is only busy, and more threads would not be quicker.
                more, self._done_before = self._done == self._done_before, self._done
            if not (more or (self._free == 0 and self._crew < CREW)):
                return
            self._crew += 1
        if not start_thread(self._work):
            with self._lock:
                self._crew -= 1

    def _work(self) -> None:
        jobs = self._jobs
        while True:
            with self._lock:
                self._free += 1
            try:
                household: Household | _Jobs | None = jobs.get(timeout=IDLE)
            except Empty:
                household = None
            with self._lock:
                self._free -= 1
                # A job put after the wait and before this line was not given a thread of its own.
                if household is None and jobs.empty() and self._crew > 1:
                    self._crew -= 1
                    return
            if household is not None:
                household.run_chores()
                with self._lock:
                    self._helping[household] = self._helping.get(household, 1) - 1
                    self._done += 1
            household = None  # keep no pool alive while waiting

    # The ends of the process. ----------------------------------------------------------------------

    def _alive(self) -> list[Household]:
        return [household for ref in list(self._households.values()) if (household := ref()) is not None]

    def exit(self) -> None:
        """Close every object of every pool, within ``EXIT_TIME``, silently."""
        until = monotonic() + EXIT_TIME
        households = self._alive()
        for household in households:
            jobs = household.last_rites()
            if household.home is not None and household.home.here():
                household.home.finish(_Jobs(jobs).run_chores, max(0.0, until - monotonic()))
            else:
                self._last_jobs.add(jobs)
        self.ending = True
        # A closer that hangs must not hang the exit: they run in daemon threads. New threads cannot be had here
        # on some versions (3.12), but the scheduling thread and one of the crew have nothing else to do any more.
        helped = start_thread(self._last_jobs.run_chores)
        if self._running:
            self._inbox.put(None)
            self._jobs.put(self._last_jobs)
        elif not helped:
            self._last_jobs.run_chores()
        self._last_jobs.wait(max(0.0, until - monotonic()))
        for household in households:
            # What was in a hook's hands comes to its end now, or never.
            household.await_rest(max(0.0, until - monotonic()))

    def after_fork(self) -> None:
        """Start anew in a child process: no thread, and pools with nothing in them."""
        self._reset()
        for household in self._alive():
            household.after_fork()


def first(items: "deque[Item]") -> "Item | None":
    """The left end of a deque that others shorten."""
    try:
        return items[0]
    except IndexError:
        return None


KEEPER = HouseKeeper()
os.register_at_fork(after_in_child=KEEPER.after_fork)
atexit.register(KEEPER.exit)
