"""How one pool asks the scheduler for maintenance, and where that is done."""

import weakref
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

from .._ledger.ledger import Ledger
from .._ledger.shelves import NEVER
from .._runtime.waiting import Hub
from .._scheduler.maintained import Maintained
from .._scheduler.scheduler import Scheduler
from .guard import Guard, Reentered
from .log_queue import LogQueue


class Scheduling:
    """What one pool asks of the scheduler."""

    def __init__(self, scheduler: Scheduler, guard: Guard, log_queue: LogQueue, *, maintained: bool) -> None:
        self.maintained = maintained
        """Whether there is maintenance: not in the parent of a reloading server."""
        self._scheduler = scheduler
        self._clock = scheduler.clock
        self._current_hub = scheduler.environment.current_hub
        self._guard = guard
        self._log_queue = log_queue

    def start_empty(self, ledger: Ledger[Any]) -> None:
        """Begin with no hub."""
        self._ledger = ledger
        self.hub: Hub | None = None
        """The hub in which the pool was first used, as long as it lives."""

    def refer_to(self, pool: Maintained) -> None:
        """Say which pool the scheduler is to look at; its parts do not keep it alive."""
        self._pool: weakref.ref[Maintained] = weakref.ref(pool)

    # Where. ------------------------------------------------------------------------------------------

    def bind_hub(self) -> None:
        """Make the current thread's hub, if it has one, that of a pool that has none.

        To be called before anything that makes maintenance create objects: made in a native thread they are useless in
        the hub. Of two hubs that come at once it is either: the pool serves both.
        """
        if self.hub is None:
            self.hub = self._current_hub()

    @property
    def is_here(self) -> bool:
        """Whether the current thread may do what belongs into the pool's hub."""
        return self.hub is None or self.hub.here()

    @property
    def has_threads(self) -> bool:
        """Whether there are threads for maintenance."""
        return self._scheduler.has_threads

    @property
    def is_soon(self) -> bool:
        """Whether somebody else does soon what this caller leaves to maintenance.

        Not where nobody would come, or perhaps not for long: a hub does not turn while others wait for it.
        """
        return self.maintained and self.has_threads and self.is_here

    # When. -------------------------------------------------------------------------------------------

    @property
    def paused_at(self) -> float:
        """When it was last noticed that the whole process had stood still."""
        return self._scheduler.paused_at

    def schedule(self) -> None:
        """Have the scheduler look at what is to be watched from now on; starts its threads if need be."""
        if not self.maintained:
            if self._log_queue:
                self._log_queue.on_line()
            return
        ledger = self._ledger
        if not self._scheduler.watch(self._pool):
            # Without the lock: if somebody writes another time at this moment, loans are quick until the next look.
            ledger.unmaintained = True
            ledger.shelves.quick_gets_until = NEVER
        elif ledger.unmaintained:
            ledger.unmaintained = False
            with suppress(Reentered):  # then loans are not quick until the next step
                self._guard.locked(ledger.serve_waiters, self._clock())

    def request_look(self) -> None:
        """Have the scheduler look at the pool now; from anywhere, finalizers included."""
        self._scheduler.request_look(self._pool)

    def request_look_and_keep(self) -> None:
        """Do the same; the scheduler keeps the pool until then: the caller may be the last that refers to it."""
        self._scheduler.request_look(self._pool() or self._pool)

    def new_look_request(self) -> Callable[[], None]:
        """Make what requests a look, and refers to no more than it has to."""
        return partial(self._scheduler.request_look, self._pool)

    def request_flush(self, flush: Callable[[], None]) -> None:
        """Have log lines written: by maintenance, or, if there is none, by a thread of its own that does so."""
        if self.maintained:
            self._scheduler.watch(self._pool)
            self.request_look_and_keep()
        else:
            self._scheduler.run_in_thread("ppp-log", flush)

    def let_go(self) -> None:
        """Have the scheduler keep the pool no longer: it has nothing left to close."""
        self._scheduler.let_go(self._pool)
