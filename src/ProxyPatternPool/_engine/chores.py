"""What one pool leaves to maintenance: what is queued for it, and how it is done."""

import logging
import weakref
from collections import deque
from contextlib import suppress
from functools import partial
from typing import Any

from .._ledger.counters import Tally
from .._runtime.waiting import TaskLoop, do_nothing
from .._text import error_repr
from .one_at_a_time import Chore, OneAtATime
from .shared import Shared
from .steps import TASK_NAME, Rest, Steps, run, run_rest


class Ending(partial[Rest]):
    """A chore that ends the loan, or the life, of an object; its function has the parameter ``in_place``."""


class Creation(partial[Rest]):
    """A chore that creates an object for callers who wait."""


LONGEST_CREATION = 10.0
"""Seconds after which such a chore is given up among tasks: one that hangs is not to keep its place from others."""


class Chores:
    """The chores of one pool."""

    def __init__(self, shared: Shared[Any]) -> None:
        self._label = shared.label
        self._clock = shared.environment.clock
        self._notifier = shared.notifier
        self._driver = shared.driver
        self._log_queue = shared.log_queue
        self._log_queue.on_line = partial(_request_flush, weakref.ref(self))
        self._scheduling = shared.scheduling
        # When one has ended, the scheduler looks at what was not begun because of it.
        self.one_at_a_time = OneAtATime(shared.guard, ended=shared.scheduling.schedule)

    def start_empty(self, tally: Tally) -> None:
        """Begin with nothing to do."""
        self._tally = tally
        self.anywhere: deque[Chore] = deque()
        """What may be done in any thread: closers, log lines."""
        self.in_hub: deque[Chore] = deque()
        """What is done in the pool's hub as long as that lives: health checks, creations."""
        self.in_worker = self.anywhere
        """What is done in a worker, if the pool has no hub that does all: log lines."""
        if self._driver.for_tasks:
            self.anywhere = self.in_hub  # hooks are called in the event loop, and nowhere else
        self.one_at_a_time.start_empty()

    def leave(self, chore: Chore) -> None:
        """Leave a chore to maintenance; from anywhere, finalizers included."""
        self.anywhere.append(chore)
        self._scheduling.request_look_and_keep()

    # Doing them: without the lock, in a worker, in a greenlet of the pool's hub, or in a caller of housekeep(). ----

    def run_for_scheduler(self, *, common: bool = True, hub: bool = True) -> None:
        """Do what is queued, hooks included, or have tasks do it, if this is their event loop; raises nothing.

        Args:
            common: Whether to do what may be done anywhere.
            hub: Whether to do what belongs into the pool's hub. If not, a worker does this.
        """
        loop = self._driver.loop
        if not self._driver.for_tasks:
            try:
                run(self.run_raising(common=common, hub=hub))
            except BaseException as error:  # a SystemExit, or a greenlet's death, in a hook: these chores end here
                self.report(error)
            if common:
                self.flush_log_quietly()
        elif not hub:
            self.in_worker.clear()  # that is: log lines
            self.flush_log_quietly()
        elif loop is not None and loop.here():
            self.start_each(loop)

    def start_each(self, loop: TaskLoop) -> None:
        """Have each chore done by a task of its own in the event loop, which this is; a slow hook delays no other."""
        while (chore := self._next(common=False, hub=True)) is not None:
            # Checks and refills, of which one at a time is enough, are of no use once the loop ends.
            loop.start(self._do(chore, loop), TASK_NAME, ends_with_loop=chore in self.one_at_a_time)

    def start(self, creation: Creation) -> None:
        """Have a task create an object for callers who wait; called by a task of the event loop."""
        loop = self._driver.loop
        assert loop is not None, "a task was cancelled outside the event loop"
        loop.start(self._do(creation, loop), TASK_NAME, ends_with_loop=True, limit=LONGEST_CREATION)

    def _do(self, chore: Chore, loop: TaskLoop) -> Steps[None]:
        start = self._clock()
        try:
            # This task goes on at the end of its loop, if it ends an object: no other is needed for that.
            rest = chore(in_place=True) if isinstance(chore, Ending) else chore()
            if rest is not None:
                yield from rest
        except (GeneratorExit, loop.cancelled):
            pass  # as when the loop ends: what was begun has come to its end, and is not the fault of anything
        except BaseException as error:  # a hook raised something that would end the whole loop
            self.report(error)
        self._tally.add("hk_time", self._clock() - start)

    def run_in_caller(self, *, hub: bool = True) -> Steps[None]:
        """Do what is queued, where there is no thread for it: here, or, among tasks, in tasks of their own."""
        loop = self._driver.loop
        if loop is not None:
            self.start_each(loop)
        else:
            yield from self.run_raising(hub=hub)

    def run_raising(self, *, common: bool = True, hub: bool = True) -> Steps[None]:
        """Do the same, and raise what is meant for this thread."""
        if self._notifier.busy:
            return  # an observer is being told something: it cannot be told of what is done here, so others do it
        start = self._clock()
        while (chore := self._next(common=common, hub=hub)) is not None:
            yield from self._attempt(chore)
        self._tally.add("hk_time", self._clock() - start)

    def run_queued_since(self, before: int) -> Steps[None]:
        """Do what was queued for the pool's hub since it had so many chores, so that it is waited for.

        Among tasks: while one is awaited here, the event loop would begin the others, in tasks of their own.
        """
        start = self._clock()
        mine = [self.in_hub.pop() for _ in range(len(self.in_hub) - before)]  # the first is the last
        try:
            while mine:
                yield from self._attempt(mine.pop())
        finally:
            self.in_hub.extend(reversed(mine))  # interrupted, maintenance does the rest
        self._tally.add("hk_time", self._clock() - start)

    def _attempt(self, chore: Chore) -> Steps[None]:
        try:
            rest = chore()
            if rest is not None:
                yield from rest
        except Exception as error:
            self.report(error)

    def _next(self, *, common: bool, hub: bool) -> Chore | None:
        for chores, wanted in ((self.anywhere, common), (self.in_hub, hub)):
            try:
                if wanted:
                    return chores.popleft()
            except IndexError:
                continue
        return None

    def report(self, error: BaseException) -> None:
        """Have an error logged that nobody gets."""
        self._tally.add("hk_errors")
        self._log_queue.add(logging.ERROR, "%s: maintenance failed: %s", self._label, error_repr(error), error=error)

    # The log. ----------------------------------------------------------------------------------------

    def request_flush_by_worker(self) -> None:
        """Have lines logged that are queued, if there are any, by the worker to which the scheduler gives this."""
        if self._log_queue:
            self.in_worker.append(do_nothing)

    def request_flush(self) -> None:
        """Have the queued lines logged; from anywhere, finalizers included."""
        self._scheduling.request_flush(self.flush_log_quietly)

    def flush_log_quietly(self) -> None:
        """Do so, whatever is raised."""
        with suppress(BaseException):  # a greenlet's death: whoever comes next goes on
            self.flush_log()

    def flush_log(self) -> None:
        """Log what is queued, unless somebody is doing it, or it is an observer who asks for it."""
        if self._log_queue and not self._notifier.busy:
            for flush in self.one_at_a_time.unless_under_way("log", self._flush):
                run_rest(flush())

    def _flush(self) -> None:
        more = True
        while more:
            # What a filter of the log raises, or what makes its records, is not logged again, without end.
            with suppress(Exception):
                more = self._log_queue.log_next()


def _request_flush(reference: "weakref.ref[Chores]") -> None:
    chores = reference()
    if chores is not None:  # else the pool is gone, and its lines with it
        chores.request_flush()
