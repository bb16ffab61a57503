"""One pool for tasks: its parts, put together, and the event loop in which it lives."""

import logging
import weakref
from collections.abc import Callable
from functools import partial
from typing import Any, Generic, TypeVar

from .._errors import PoolException
from .._ledger.entry import GONE, Entry, Receipt
from .._observer import DiscardReason
from .._runtime.process import belongs_to_parent, notice_fork
from .._runtime.races import snapshot
from .._runtime.task_loops import running_task_loop
from .._runtime.task_owner import TaskOwner
from .._runtime.waiting import TaskLoop
from .core import Core
from .ended_tasks import EndedTasksCheck
from .steps import Rest, Steps, run_rest
from .tasks import TaskDriver

T = TypeVar("T")

END_TIME = 2.0
"""Seconds that the end of an event loop waits for closers."""


class AsyncCore(Generic[T]):
    """One pool for tasks. It lives in the event loop that first uses it, until the end of that loop."""

    def __init__(self, make: Callable[[TaskDriver], Core[T]]) -> None:
        self.driver = TaskDriver()
        self.core = make(self.driver)
        self.quick = self.core.quick
        self.label = self.core.label
        self.driver.report = self.core.chores.report
        self.core.waits.on_long_wait = EndedTasksCheck(self.core.situation).check

    def bind(self) -> TaskLoop:
        """Live in the event loop that runs here, if in none yet; give that loop.

        Raises:
            PoolException: No event loop runs here, or the pool lives in another.
        """
        notice_fork()
        loop, driver = _loop_here(self.label), self.driver
        if loop is driver.loop and not driver.ended:
            driver.mark = loop.mark
            return loop
        with driver.lock:  # of two loops, in two threads, one comes first
            before = driver.loop
            if before is not None and before is not loop and before.alive():
                raise PoolException(
                    f"{self.label} is used in {loop.name}, but lives in {before.name}, which is not closed: "
                    f"a pool is for one event loop at a time"
                )
            if before is not None:
                self._start_over(before)
            # First: whoever is interrupted in these two lines does both again, when the pool is used next.
            self.core.scheduling.hub = loop
            driver.live_in(loop, partial(_last_steps, weakref.ref(self.core), driver, loop))
        return loop

    def notice_loop_end(self) -> None:
        """Start empty if the event loop in which the pool lived is closed."""
        notice_fork()
        loop = self.driver.loop
        if loop is None or loop.alive():
            return
        with self.driver.lock:
            if self.driver.loop is loop:
                self._start_over(loop)

    def _start_over(self, ended: TaskLoop) -> None:
        """Start empty: nobody can use, or close, what an event loop has left that has ended."""
        core = self.core
        # Objects whose closer has begun are among those that exist, until it has come to its end, or was cut short. Not
        # all have an entry that can be found: who gives one back in a thread has nobody to leave it to.
        left = core.ledger.places.nobjects + core.objects.cut_short
        if not self.driver.ended:
            core.returns.note_lent_at_end(core.shelves.using.values())
        for entry in core.ledger.places.entries():
            entry.stage = GONE  # whoever still has it does nothing with it
        core.start_over()
        if left:
            message = "%s: %s has ended, and has left %s open"
            core.log_later(logging.WARNING, message, self.label, ended.name, _objects(left))

    def abandon(self) -> None:
        """Have the pool closed whose handle was dropped; in a finalizer, so nobody is waited for or called."""
        loop = self.driver.loop
        if loop is None or loop.alive() or belongs_to_parent():
            self.core.abandon()  # else nobody can close anything any more

    def borrow(self, timeout: float | None, receipt: Receipt[T] | None = None) -> Entry[T] | Steps[Entry[T]]:
        """Lend an entry to the task that calls: at once, or by the steps that are returned."""
        return self.core.loans.borrow(timeout, receipt, self.bind())

    def end_loan(self, entry: Entry[T], use: int, reason: DiscardReason | None = None) -> Rest:
        """Take back an entry, unless that loan is over; close it if there is a reason."""
        return self.core.returns.end_loan(entry, use, reason)

    def end_loan_later(self, entry: Entry[T], use: int, *, quietly: bool = False) -> None:
        """Have a loan ended whose lease was dropped; in a finalizer, so nobody is waited for or called."""
        self.core.end_loan_later(entry, use, quietly=quietly)


class TaskLender(Generic[T]):
    """Lends the objects of a pool for threads to tasks, which wait without stopping their event loop."""

    def __init__(self, core: Core[T]) -> None:
        self._core = core
        self.label = core.label

    def borrow(self, timeout: float | None, receipt: Receipt[T] | None = None) -> Entry[T] | Steps[Entry[T]]:
        """Lend an entry to the task that calls: at once, or by the steps that are returned.

        Raises:
            PoolException: No event loop runs here.
        """
        notice_fork()
        return self._core.loans.borrow(timeout, receipt, _loop_here(self.label))

    def shutdown(self, timeout: float) -> Steps[None]:
        """Close the pool: closers are called here, and the task that calls waits for what is lent.

        Raises:
            PoolException: No event loop runs here.
        """
        return self._core.operations.shutdown(timeout, _loop_here(self.label))

    def end_loan(self, entry: Entry[T], use: int, reason: DiscardReason | None = None) -> Rest:
        """Take back an entry, unless that loan is over; hooks are called here, and nothing is left to wait for."""
        run_rest(self._core.returns.end_loan(entry, use, reason))
        return None

    def end_loan_later(self, entry: Entry[T], use: int, *, quietly: bool = False) -> None:
        """Have a loan ended whose lease was dropped; in a finalizer, so nobody is waited for or called."""
        self._core.end_loan_later(entry, use, quietly=quietly)


def _loop_here(label: str) -> TaskLoop:
    loop = running_task_loop()
    if loop is None:
        raise PoolException(f"{label} is awaited where no event loop runs: that is for tasks of asyncio and of trio")
    return loop


def _last_steps(reference: "weakref.ref[Core[Any]]", driver: TaskDriver, loop: TaskLoop) -> Steps[None]:
    """At the end of a loop close what is there, as long as that can be done, and serve nobody any more.

    The tasks of the application have ended; those that maintenance has started may not have. What a task had when it
    ended nobody gives back.
    """
    if driver.loop is not loop:
        return  # interrupted in bind(): the pool has nothing yet, or has begun to live in another loop since
    driver.ended = True
    core = reference()
    if core is None:
        return
    if not core.ledger.closed:  # else for ever, or by these steps: a pool may have them twice, see bind()
        driver.closed_for_end = True
    doomed = core.guard.locked(core.objects.close_ledger)  # so what comes back from now on is closed, too
    core.returns.read_mailbox()
    # Without the lock: no loan begins any more, so a use and its owner stay as they are read. A thread may end one at
    # this moment. Of the two one takes it out of ``using``, and the other does nothing.
    kept = [entry for entry in snapshot(core.shelves.using.values()) if _is_lost(entry)]
    if kept:
        message = "%s: %s ends, and closes %s that tasks had when they ended"
        core.log_later(logging.WARNING, message, core.label, loop.name, _objects(len(kept)))
    core.returns.note_lent_at_end(kept)
    for entry in kept:
        core.returns.end_loan(entry, entry.uses, "shutdown")
    for entry in doomed:
        core.objects.close_and_free(entry)
    core.chores.start_each(loop)  # last: a thread may have given something back just now
    yield from loop.wait_for_tasks(END_TIME)


def _is_lost(entry: Entry[Any]) -> bool:
    """Whether a task has ended that was lent an object."""
    return isinstance(entry.owner, TaskOwner) and entry.owner.ended


def _objects(number: int) -> str:
    return "1 object" if number == 1 else f"{number} objects"
