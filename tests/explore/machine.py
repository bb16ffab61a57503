"""Runs the threads of a scenario one at a time, and says at each step which of them goes on.

The threads are greenlets of one thread: a switch is cheap, and happens nowhere but where this says. The steps are the
accesses of what threads share (see ``instrument``), as far as the order of two of them can make a difference: those of
locations that threads access without an order, and what threads synchronize by. Between two steps a thread does what no
other can see.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Hashable, Sequence

from greenlet import GreenletExit, greenlet

from .accesses import Accesses
from .memory import Location, Memory
from .plan import Plan, Pruned, Stuck
from .threads import Lock, Nap, Thread


def _in_finalizer() -> bool:
    frame = sys._getframe(1)
    while frame.f_back is not None:
        if frame.f_code.co_name == "__del__":
            return True
        frame = frame.f_back
    return False


class Machine:
    """The threads of one run, and the accesses of what they share."""

    def __init__(self) -> None:
        self.active = False
        self.accesses = Accesses(self)
        self.current: Thread = Thread(0, lambda: None)
        self.memory = Memory(1)
        self.now = 1000.0
        self.on_step: Callable[[int, int, str], None] | None = None
        """Told of each step of a run that is shown: its number, the thread, and what it accesses."""

    # Runs. -------------------------------------------------------------------------------------------

    def run(self, jobs: Sequence[Callable[[], object]], plan: Plan, at_rest: Callable[[], bool]) -> None:
        """Run threads to their end.

        Args:
            jobs: What each does.
            plan: Who goes on at which step.
            at_rest: Called when no thread can go on; it says whether it has done something.

        Raises:
            Pruned: An equivalent schedule is tried as well.
            Stuck: No thread can go on.
        """
        self.threads = [Thread(index, job) for index, job in enumerate(jobs)]
        self.memory = Memory(len(jobs))
        self.accesses.begin()
        self.plan = plan
        self._hub = greenlet.getcurrent()
        try:
            self._next: Thread | None = None
            while True:
                thread = self._next or self._choose()
                self._next = None
                if thread is None:
                    if all(each.done for each in self.threads):
                        return
                    self.memory.meet()
                    if not at_rest() and not self._let_time_pass():
                        raise Stuck
                    continue
                self._resume(thread)
        finally:
            self._end()

    def _resume(self, thread: Thread) -> None:
        self.current = thread
        thread.next_access = None
        thread.waits_for = None
        if thread.greenlet is None:
            thread.greenlet = greenlet(thread.run)
        self.active = True
        try:
            thread.greenlet.switch()
        finally:
            self.active = False

    def _choose(self) -> Thread | None:
        """Who goes on where the current thread cannot."""
        able = [thread for thread in self.threads if thread.can_go_on]
        awake = [thread for thread in able if not thread.asleep]
        if not able:
            return None
        if not awake:
            raise Pruned
        if len(able) == 1:
            return able[0]
        choice = self.plan.choose([thread.index for thread in able], [thread.index for thread in awake])
        return self.threads[choice]

    def _let_time_pass(self) -> bool:
        """Have the first of those who sleep for a time only come to its end; say whether there is one."""
        naps = [thread.waits_for for thread in self.threads if isinstance(thread.waits_for, Nap)]
        first = min((nap.until for nap in naps), default=math.inf)
        if first == math.inf:
            return False
        self.now = max(self.now, first)
        return True

    def _end(self) -> None:
        """Have threads that have not ended do so; nothing is watched meanwhile."""
        for thread in self.threads:
            if thread.greenlet is not None and not thread.done:
                thread.greenlet.throw()

    # Steps. ------------------------------------------------------------------------------------------

    def step(self, location: Location, writes: bool, name: str) -> None:
        """The current thread is about to access something: others may come before."""
        current = self.current
        if self.on_step is not None:
            self.on_step(self.plan.step, current.index, name)
        others = [
            thread.index for thread in self.threads if thread is not current and thread.can_go_on and not thread.asleep
        ]
        choice = self.plan.at_step(others)
        if choice is not None:
            current.next_access = (location, writes)
            current.asleep = self.plan.prunes
            self._next = self.threads[choice]
            self._switch()
        self._tell_sleeping(location, writes)

    def _tell_sleeping(self, location: Location, writes: bool) -> None:
        for thread in self.threads:
            if thread.asleep and thread.next_access is not None:
                where, would_write = thread.next_access
                if where == location and (writes or would_write):
                    thread.asleep = False

    def acquire(self, lock: Lock) -> None:
        if not self.active:
            lock.held, lock.holder = True, None
            return
        self.step(lock, True, "lock")
        if lock.held:
            self.wait_for(lock)
        lock.held, lock.holder = True, self.current
        self.memory.synchronize(self.current.index, lock)

    def released(self, lock: Lock) -> None:
        if self.active:
            self._tell_sleeping(lock, True)
            self.memory.publish(self.current.index, lock)

    def wait_for(self, what: Lock | Nap) -> None:
        """The current thread cannot go on before this is over."""
        if self.active and not what.is_over:
            self.current.waits_for = what
            self._switch()

    def _switch(self) -> None:
        """Have others go on, until it is the turn of this thread."""
        try:
            self._hub.switch()
        except GreenletExit:
            if not _in_finalizer():  # which would only print it
                raise

    def clock(self) -> float:
        """The time."""
        if self.active:
            self.accesses.note("clock", "clock", writes=False)
        return self.now

    def advance(self, seconds: float) -> None:
        """Have time pass: a step of a thread."""
        if self.active:
            self.accesses.note("clock", "clock", writes=True)
        self.now += seconds

    def touch(self, what: Hashable, name: str) -> None:
        """A step of the scenario's own: somebody uses something."""
        if self.active:
            self.step((what, name), True, name)
