"""What operators ask of a pool that runs: close, replace, resize, clear, wait until it is ready."""

import logging
import math
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Generic, TypeVar

from .._config import seconds
from .._errors import PoolClosed, TimeOut
from .._ledger.counts import count
from .._ledger.entry import Entry
from .._ledger.ledger import Ledger
from .._ledger.sweeps import Sweeps
from .._runtime.hubs import in_hub
from .._runtime.waiting import TaskLoop
from .chores import Chores, Ending
from .guard import Reentered
from .hook_calls import innermost_call
from .maintenance import TURN, Maintenance
from .objects import Objects
from .returns import Returns
from .shared import Shared
from .situation import Situation
from .steps import TASK_NAME, Rest, Steps, remaining, run, run_rest

T = TypeVar("T")

LONG_CLOSING = 10.0
"""Seconds after which who closes a pool for tasks is told that he waits for its hooks."""


class Operations(Generic[T]):
    """Operates one pool."""

    def __init__(
        self,
        shared: Shared[T],
        chores: Chores,
        objects: Objects[T],
        returns: Returns[T],
        maintenance: Maintenance[T],
        situation: Situation[T],
    ) -> None:
        self._label = shared.label
        self._new_sleeper = shared.new_sleeper
        self._clock = shared.environment.clock
        self._driver = shared.driver
        self._config = shared.config
        self._guard = shared.guard
        self._scheduling = shared.scheduling
        self._hooks = shared.hooks
        self._chores = chores
        self._objects = objects
        self._returns = returns
        self._maintenance = maintenance
        self._situation = situation
        self._log_queue = shared.log_queue
        self._warned_of_closing = False

    def start_empty(self, ledger: Ledger[T], sweeps: Sweeps[T]) -> None:
        """Operate a new ledger."""
        self._ledger = ledger
        self._sweeps = sweeps

    # The beginning. --------------------------------------------------------------------------------

    def create_first(self) -> None:
        """Create the first objects of a pool for threads, in the caller."""
        if not self._scheduling.maintained:
            return
        self._scheduling.bind_hub()
        try:
            # In this thread alone: its first objects are there when a pool is made, and an interruption is raised here.
            refills = list(self._maintenance.new_refills())
            run_rest(refills[0]())
        except BaseException:
            run(self.shutdown(0.0))
            raise

    # The end. --------------------------------------------------------------------------------------

    def shutdown(self, timeout: float, loop: TaskLoop | None = None) -> Steps[None]:
        """Serve nobody any more, close what is idle, wait for what is lent; in a task of a loop if it is given."""
        deadline = self._clock() + seconds("timeout", timeout)
        opened = not self._ledger.closed
        try:
            doomed = self._guard.locked(self._objects.close_ledger)
        except Reentered:
            self.close_later()  # as soon as this handler has returned
            return
        except BaseException:
            self.close_later()
            raise
        if in_hub():  # a signal handler, or a callback: whoever waits there, as closers may, stops all greenlets
            for entry in doomed:
                self._chores.leave(Ending(self._objects.close_and_free, entry))
        else:
            # All are begun before any is waited for.
            rests = [self._objects.close_and_free(entry) for entry in doomed]
            own_loop = self._driver.loop
            if own_loop is not None and any(rests):  # one may hang, and whoever waits for it cannot say so
                own_loop.start(self._warn_if_hooks_take_long(), TASK_NAME, ends_with_loop=True)
            for rest in rests:
                yield from remaining(rest)
            yield from self.wait_until_empty(max(0.0, deadline - self._clock()), loop)
        if opened:
            self._returns.report_unreturned()
        if self._driver.for_tasks and not self._within_hook():
            # Tasks of the pool's own are closing, or still resetting, what came back or was discarded before.
            yield from self._warn_if_hooks_take_long()
            yield from self._wait_until(self._nothing_comes_back, math.inf)

    def _warn_if_hooks_take_long(self) -> Steps[None]:
        """Wait until nothing is being reset or closed, for some seconds at most; then have it logged, once."""
        if (yield from self._wait_until(self._nothing_comes_back, LONG_CLOSING)) or self._warned_of_closing:
            return
        self._warned_of_closing = True
        self._log_queue.add(
            logging.WARNING,
            "%s: closing has waited %g s for a retter or closer, which takes long, or hangs: %s. This is said once",
            self._label,
            LONG_CLOSING,
            self._situation.in_words(),
        )

    def _nothing_comes_back(self) -> bool:
        """Whether nothing is being reset or closed. Checks do not count: one may hang."""
        counts = count(self._ledger, self._sweeps, self._clock())
        return counts.in_upkeep <= counts.checking

    def _within_hook(self) -> bool:
        """Whether a hook of this pool calls, which may be a closer, and would wait for itself."""
        return innermost_call(lambda call: call.hooks is self._hooks.hooks) is not None

    def close_later(self) -> None:
        """Have maintenance close the pool."""
        self._ledger.mailbox.abandoned = True
        self._scheduling.request_look()

    def wait_until_empty(self, timeout: float, loop: TaskLoop | None = None) -> Steps[bool]:
        """Wait until every place is free, for some seconds at most; say whether it is so."""
        return self._wait_until(lambda: not self._ledger.places, timeout, loop)

    # While it runs. ----------------------------------------------------------------------------------

    def clear(self) -> Steps[None]:
        """Close what is idle."""
        return self._close_all(partial(self._sweeps.clear, self._clock()))

    def drain(self) -> Steps[None]:
        """Have every object that exists now replaced before it is lent again."""
        return self._close_all(partial(self._sweeps.drain, self._clock()))

    def drain_here(self) -> Steps[None]:
        """Do the same; all that was idle is closed when this ends, and by nobody else."""
        self._scheduling.bind_hub()
        # All are begun before any is waited for.
        doomed = self._guard.locked(self._sweeps.drain, self._clock())
        for rest in [self._objects.close_and_free(entry) for entry in doomed]:
            yield from remaining(rest)

    def resize(self, min_size: int | None, max_size: int | None) -> Steps[None]:
        """Have other bounds from now on."""
        return self._close_all(partial(self._resize, min_size, max_size))

    def _resize(self, min_size: int | None, max_size: int | None) -> list[Entry[T]]:
        # Read and written in one step: of two who resize at once each changes what he names.
        places = self._ledger.places
        config = places.config.resized(min_size=min_size, max_size=max_size)
        # No call in these lines, so that nothing can be thrown in between.
        places.config = config
        self._ledger.validity.discards_pending = True
        self._objects.wake_watchers()
        return self._sweeps.prune(self._clock())

    def _close_all(self, step: Callable[[], list[Entry[T]]]) -> Steps[None]:
        """Do a step with the lock held, and close what it takes out, together with maintenance.

        A closer that hangs holds up this caller, but none of the others.
        """
        chores = self._chores
        self._scheduling.bind_hub()
        try:
            doomed = deque(self._guard.locked(step))
            if self._scheduling.maintained:
                chores.anywhere.extend(Ending(self._close_next, doomed) for _ in range(len(doomed)))
                self._scheduling.schedule()
            while doomed:
                yield from remaining(self._close_next(doomed))
        finally:
            self._scheduling.schedule()  # maintenance makes up for what is missing, or was interrupted

    def _close_next(self, doomed: deque[Entry[T]], *, in_place: bool = False) -> Rest:
        try:
            entry = doomed.popleft()
        except IndexError:  # others were quicker
            return None
        return self._objects.close_and_free(entry, in_place=in_place)

    def wait_ready(self, timeout: float | None) -> Steps[None]:
        """Wait until there are as many objects as the pool is to keep."""
        longest = self._config.timeout if timeout is None else seconds("timeout", timeout)
        ledger, places = self._ledger, self._ledger.places

        def ready() -> bool:
            return ledger.closed or not self._scheduling.maintained or places.nready >= places.config.min_size

        self._scheduling.bind_hub()
        self._scheduling.schedule()
        if not (yield from self._wait_until(ready, math.inf if longest is None else longest)):
            ready_ones = f"{places.nready} {'object is' if places.nready == 1 else 'objects are'} ready"
            raise self._objects.caused_by_last_error(
                TimeOut(
                    f"timeout after {longest:g} seconds in {self._label}: {ready_ones}, of {places.config.min_size}; "
                    f"{self._situation.in_words()}"
                )
            )
        self.refuse_if_closed()

    def refuse_if_closed(self) -> None:
        """Refuse who begins to use a closed pool.

        Raises:
            PoolClosed: It is closed.
        """
        if self._ledger.closed:
            raise PoolClosed(f"{self._label} is closed")

    def _wait_until(self, done: Callable[[], bool], timeout: float, loop: TaskLoop | None = None) -> Steps[bool]:
        """Wait until something is so, for some seconds at most; say whether it is."""
        deadline = self._clock() + timeout
        sleeper = self._new_sleeper() if loop is None else loop.new_sleeper()
        try:
            self._guard.locked(self._objects.watch, sleeper)
            while not (so := done()) and (left := deadline - self._clock()) > 0:
                if self._maintenance.is_missing and (yield from self._maintenance.stand_in(hub=True)):
                    left = min(left, TURN)
                slept = sleeper.sleep(None if left == math.inf else left)
                if not isinstance(slept, bool):
                    yield from slept
            return so
        finally:
            self._guard.locked(self._objects.unwatch, sleeper)
            sleeper.dispose()
