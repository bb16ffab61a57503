"""The one scheduler of this process."""

from collections.abc import Generator
from contextlib import contextmanager
from typing import TypeVar

from .._runtime.process import call_in_child
from .._runtime.threads import at_exit
from .scheduler import Scheduler

S = TypeVar("S", bound=Scheduler)

_current = Scheduler()
call_in_child(_current.after_fork)
at_exit(_current.exit)


def current_scheduler() -> Scheduler:
    """The scheduler that maintains the pools made from now on."""
    return _current


@contextmanager
def using_scheduler(scheduler: S) -> Generator[S]:
    """Have another scheduler maintain the pools made meanwhile, for tests; it hears of no fork and no exit."""
    global _current
    before, _current = _current, scheduler
    try:
        yield scheduler
    finally:
        _current = before
