"""What is done once in some seconds by the scheduler's thread, from the first use of a pool on."""

import logging
import weakref
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable
from contextlib import suppress

from .._engine.log_queue import LogQueue
from .._runtime.races import pop_first
from .._runtime.waiting import Hub
from .._scheduler.process import current_scheduler
from .._scheduler.scheduler import Scheduler
from .._text import error_text


class Periodic(ABC):
    """Is looked at by the scheduler once in some seconds. It starts no thread of its own.

    The scheduler has no thread before the first pool is in use, and until then there is nothing to see. It holds this
    weakly.
    """

    def __init__(self, every: float, scheduler: Scheduler | None = None) -> None:
        self._every = every
        # What the scheduler expects.
        self.queued: deque[Callable[[], None]] = deque()
        self.queued_in_hub: deque[Callable[[], None]] = deque()
        self.hub: Hub | None = None
        self.scheduler = current_scheduler() if scheduler is None else scheduler
        self._log_queue = LogQueue(repr(self), self.scheduler.environment.wall_clock)
        self.clock = self.scheduler.clock
        self._next = self.clock()
        self._complaint = ""
        self.scheduler.register(self)
        self.scheduler.request_look(weakref.ref(self))  # done as soon as it has a thread

    @abstractmethod
    def do(self) -> None:
        """Do it, in the scheduler's thread: without waiting, and without calling what is the user's."""

    def run_due(self) -> float | None:
        """Do it, if it is time; give the time of the next look."""
        now = self.clock()
        if now >= self._next:
            self.do()
            # At even distances; but after the machine was suspended those that were missed are not made up for.
            self._next = max(self._next + self._every, now + self._every / 2)
        return self._next

    def hub_ended(self) -> None:  # noqa: B027  # most have nothing to do here
        """Do nothing: it never has one."""

    def run_chores(self, *, common: bool = True, hub: bool = True) -> None:
        """Run what was queued, in a worker's thread; raises nothing."""
        while common and (chore := pop_first(self.queued)) is not None:
            with suppress(Exception):  # such as what a filter of the log raises
                chore()

    def log_later(self, level: int, message: str, *arguments: object, error: BaseException | None = None) -> None:
        """Queue a log line."""
        self._log_queue.add(level, message, *arguments, error=error)
        self.queued.append(self._log_queue.flush)

    def complain(self, error: Exception, line: str) -> None:
        """Log what is wrong, with a place for the error: once, until it is another or all is well."""
        text = error_text(error)
        if text != self._complaint:
            self._complaint = text
            self.log_later(logging.WARNING, line, text)
            self.scheduler.request_look(weakref.ref(self))

    def be_content(self) -> None:
        """Note that all is well."""
        self._complaint = ""

    def close_at_exit(self) -> list[Callable[[], None]]:
        """Give what is still queued."""
        return list(self.queued)

    def wait_until_empty(self, seconds: float) -> None:  # noqa: B027  # as above
        """Do nothing: there is nothing to wait for."""

    def after_fork(self) -> None:
        """Start anew in a child: its scheduler starts when one of its pools is used."""
        self.queued.clear()
        self._log_queue.start_empty()
        self._next = self.clock()
        self.scheduler.request_look(weakref.ref(self))
