"""What one pool leaves to maintenance: where it is done, what is queued for it, and how it is done."""

import logging
import weakref
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from typing import Any, TypeAlias

from .._ledger.counters import Tally
from .._ledger.ledger import Ledger
from .._ledger.shelves import NEVER
from .._runtime.hubs import current_hub
from .._runtime.waiting import Hub
from .._scheduler.maintained import Maintained
from .._scheduler.scheduler import Scheduler
from .._text import error_repr
from .guard import Reentered
from .shared import Shared
from .steps import Rest, Steps, run_rest

Chore: TypeAlias = Callable[[], Rest]
"""Something to do. It is begun by whoever does it, and not before."""


class Chores:
    """The chores of one pool, and how the scheduler is asked to have them done."""

    def __init__(self, shared: Shared[Any], scheduler: Scheduler, *, maintained: bool) -> None:
        self.maintained = maintained
        """Whether there is maintenance: not in the parent of a reloading server."""
        self._label = shared.label
        self._clock = shared.environment.clock
        self._guard = shared.guard
        self._notifier = shared.notifier
        self._log_queue = shared.log_queue
        self._log_queue.on_line = self.request_flush
        self._scheduler = scheduler

    def start_empty(self, ledger: Ledger[Any], tally: Tally) -> None:
        """Begin with nothing to do, and with no hub."""
        self._ledger = ledger
        self._tally = tally
        self.anywhere: deque[Chore] = deque()
        """What may be done in any thread: closers, log lines."""
        self.in_hub: deque[Chore] = deque()
        """What is done in the pool's hub as long as that lives: health checks, creations."""
        self.hub: Hub | None = None
        self._busy: dict[str, weakref.ref[Chore]] = {}  # chores of which one at a time is enough

    def refer_to(self, pool: Maintained) -> None:
        """Say which pool the scheduler is to look at; its parts do not keep it alive."""
        self._pool: weakref.ref[Maintained] = weakref.ref(pool)

    # Where and when. ---------------------------------------------------------------------------------

    def bind_hub(self) -> None:
        """Make the current thread's hub, if it has one, that of a pool that has none.

        To be called before anything that makes maintenance create objects: made in a native thread they are useless in
        the hub. Of two hubs that come at once it is either: the pool serves both.
        """
        if self.hub is None:
            self.hub = current_hub()

    @property
    def has_threads(self) -> bool:
        """Whether there are threads that do what is left to them."""
        return self._scheduler.has_threads

    @property
    def may_wait_for_others(self) -> bool:
        """Whether somebody else does soon what is left by this caller.

        Not where nobody would come, or perhaps not for long: a hub does not turn while others wait for it.
        """
        return self.maintained and self.has_threads and (self.hub is None or self.hub.here())

    @property
    def paused_at(self) -> float:
        """When it was last noticed that the whole process had stood still."""
        return self._scheduler.paused_at

    def request_look(self) -> None:
        """Have the scheduler look at the pool now; from anywhere, finalizers included."""
        self._scheduler.request_look(self._pool)

    def schedule(self) -> None:
        """Have the scheduler look at what is to be watched now."""
        if not self.maintained:
            if self._log_queue:
                self.request_flush()
            return
        ledger = self._ledger
        if not self._scheduler.watch(self._pool):
            # Without the lock: if somebody writes another time at this moment, loans are quick until the next look.
            ledger.unmaintained = True
            ledger.quick_gets_until = NEVER
        elif ledger.unmaintained:
            ledger.unmaintained = False
            with suppress(Reentered):  # then loans are not quick until the next step
                self._guard.locked(ledger.serve_waiters, self._clock())

    def new_look_request(self) -> Callable[[], None]:
        """Make what requests a look, and refers to no more than it has to."""
        return partial(self._scheduler.request_look, self._pool)

    def forget(self) -> None:
        """Have the scheduler keep the pool no longer: it has nothing left to close."""
        self._scheduler.let_go(self._pool)

    def leave(self, chore: Chore) -> None:
        """Leave a chore to maintenance; from anywhere, finalizers included."""
        self.anywhere.append(chore)
        # The queue of the scheduler keeps the pool until then: the caller may be the last that refers to it.
        self._scheduler.request_look(self._pool() or self._pool)

    def finish(self, rest: Rest) -> None:
        """Do what is left to do where nobody can be waited for by suspending: on the way of an exception."""
        run_rest(rest)

    # Doing them: without the lock, in a worker, in a greenlet of the pool's hub, or in a caller of housekeep(). ----

    def run(self, *, common: bool = True, hub: bool = True) -> Steps[None]:
        """Do what is queued, hooks included; raises nothing.

        Args:
            common: Whether to do what may be done anywhere.
            hub: Whether to do what belongs into the pool's hub.
        """
        try:
            yield from self.run_raising(common=common, hub=hub)
        except BaseException as error:  # a SystemExit, or a greenlet's death, in a hook: this pool's chores end here
            self._went_wrong(error)
        if common:
            self.flush_log()

    def run_raising(self, *, common: bool = True, hub: bool = True) -> Steps[None]:
        """Do the same, and raise what is meant for this thread."""
        if self._notifier.busy:
            return  # an observer asks for it: what it would be told of could not be told, and is left to others
        start = self._clock()
        while (chore := self._next(common=common, hub=hub)) is not None:
            try:
                rest = chore()
                if rest is not None:
                    yield from rest
            except Exception as error:
                self._went_wrong(error)
        self._tally.add("hk_time", self._clock() - start)

    def _next(self, *, common: bool, hub: bool) -> Chore | None:
        for chores, wanted in ((self.anywhere, common), (self.in_hub, hub)):
            try:
                if wanted:
                    return chores.popleft()
            except IndexError:
                continue
        return None

    def _went_wrong(self, error: BaseException) -> None:
        self._tally.add("hk_errors")
        self._log_queue.add(logging.ERROR, "%s: house keeping failed: %s", self._label, error_repr(error), error=error)

    # One at a time. ----------------------------------------------------------------------------------

    def alone_if_first(self, name: str, chore: Chore) -> Iterator[Chore]:
        """Make a chore of which one at a time is enough, unless there is one, queued or under way."""
        alone = self._guard.locked(self._claim, name, chore)
        if alone is not None:
            yield alone

    def _claim(self, name: str, chore: Chore) -> Chore | None:
        other = self._busy.get(name)
        if other is not None and other() is not None:
            return None
        alone: Chore = partial(self._do_alone, name, chore)
        self._busy[name] = weakref.ref(alone)  # weak: one that is lost on the way holds up no other
        return alone

    def _do_alone(self, name: str, chore: Chore) -> Steps[None]:
        try:
            rest = chore()
            if rest is not None:
                yield from rest
        finally:
            self._busy.pop(name, None)
            self.schedule()  # at what was not begun because this was under way

    # The log. ----------------------------------------------------------------------------------------

    def request_flush(self) -> None:
        """Have the queued lines logged; from anywhere, finalizers included."""
        if self.maintained:
            self._scheduler.watch(self._pool)
            self._scheduler.request_look(self._pool() or self._pool)  # as above
        else:
            self._scheduler.run_in_thread(self.flush_log)

    def flush_log(self) -> None:
        """Log what is queued, unless somebody is doing it, or it is an observer who asks for it."""
        if self._log_queue and not self._notifier.busy:
            for flush in self.alone_if_first("log", self._flush):
                with suppress(BaseException):  # a greenlet's death: whoever comes next goes on
                    run_rest(flush())

    def _flush(self) -> None:
        more = True
        while more:
            # What a filter of the log raises, or what makes its records, is not logged again, without end.
            with suppress(Exception):
                more = self._log_queue.log_next()
