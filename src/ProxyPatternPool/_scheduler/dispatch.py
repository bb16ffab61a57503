"""Who runs the queued chores of a pool: its hub, or a worker.

A pool that was first used in a hub has its chores run there. If the hub is blocked, workers run those that any thread
may do. Health checks and creations wait: an object of a hub fails in a native thread, and one that is made in a native
thread fails in the hub.
"""

import logging
import math
import weakref
from collections.abc import Callable
from typing import Any

from .._runtime.races import first
from .._runtime.waiting import Hub
from .maintained import Maintained
from .timing import Timing
from .workers import Job, Workers


class HubJob:
    """A greenlet on its way to run the chores of a pool in its hub."""

    __slots__ = ("__weakref__", "_maintained", "begun")

    def __init__(self, maintained: Maintained) -> None:
        self._maintained = maintained
        self.begun = False

    def __call__(self) -> None:
        self.begun = True
        self._maintained.run_chores()


class ChoreAge:
    """For how long the first chore of a queue has waited."""

    __slots__ = ("_chore", "_since", "tries")

    tries: int
    """How often the chore was dispatched before."""

    def __init__(self) -> None:
        self._chore: Callable[[], Any] | None = None
        self._since: float  # when the chore was last dispatched

    def should_dispatch(self, chore: Callable[[], Any] | None, now: float, patience: float) -> bool:
        """Note which chore is the first now; say whether to dispatch it: it is new, or nobody has begun it in time."""
        if chore is None or chore is not self._chore:
            self._chore, self.tries = chore, 0
        elif now < self._since + patience:
            return False
        else:
            self.tries += 1
        self._since = now
        return chore is not None

    def look_at(self, patience: float) -> float:
        """When to look whether the chore has been begun; infinity if there is none."""
        return math.inf if self._chore is None else self._since + patience


class DispatchState:
    """What is known about the chores of one pool, as long as they wait and the pool has the same hub."""

    __slots__ = ("_hub_job", "common", "hub", "in_hub")

    def __init__(self, hub: Hub | None) -> None:
        self.hub = hub
        self.common = ChoreAge()
        self.in_hub = ChoreAge()
        self._hub_job: Callable[[], HubJob | None] = lambda: None

    def spawn(self, maintained: Maintained, hub: Hub) -> bool:
        """Start a greenlet, unless one has not begun yet: another would not be quicker. Say whether the hub exists.

        A greenlet that is killed before it begins does not count: only the hub refers to it.
        """
        hub_job = self._hub_job()
        if hub_job is None or hub_job.begun:
            hub_job = HubJob(maintained)
            self._hub_job = weakref.ref(hub_job)
            return hub.spawn(hub_job)
        return True


class Dispatcher:
    """Has the chores of pools run, by their hubs or by workers."""

    def __init__(self, clock: Callable[[], float], timing: Timing, workers: Workers) -> None:
        self._clock = clock
        self._timing = timing
        self._workers = workers
        self._states: weakref.WeakKeyDictionary[Maintained, DispatchState] = weakref.WeakKeyDictionary()

    def dispatch(self, maintained: Maintained) -> float | None:
        """Have a pool's chores run; give the time to look whether they were."""
        hub = maintained.hub
        if hub is not None and not hub.alive():
            maintained.hub_ended()
            hub = None
        if first(maintained.queued) is None and first(maintained.queued_in_hub) is None:
            self._states.pop(maintained, None)
            return None
        state = self._states.get(maintained)
        if state is None or state.hub is not hub:
            state = self._states[maintained] = DispatchState(hub)
        if hub is None:
            common = self._to_workers(maintained, state.common, hub=False)
            return min(common, self._to_workers(maintained, state.in_hub, hub=True))
        look = (self._to_loop if hub.for_tasks else self._to_hub)(maintained, state, hub)
        if look is None:
            maintained.hub_ended()  # at this moment
            return self.dispatch(maintained)
        return look

    def _to_workers(self, maintained: Maintained, age: ChoreAge, *, hub: bool) -> float:
        """Have chores of one kind run by a worker; give the time to look whether they were."""
        chore = first(maintained.queued_in_hub if hub else maintained.queued)
        patience = self._timing.worker_patience
        if age.should_dispatch(chore, self._clock(), patience):
            self._workers.submit(Job(maintained, hub=hub), waited=age.tries > 0)
        return age.look_at(patience)

    def _to_hub(self, maintained: Maintained, state: DispatchState, hub: Hub) -> float | None:
        """Have all chores run by a greenlet, or, if the hub is blocked, what any thread may do by a worker.

        Give the time to look whether they were; ``None``: the hub has ended.
        """
        now, patience = self._clock(), self._timing.hub_patience
        common = state.common.should_dispatch(first(maintained.queued), now, patience)
        in_hub = state.in_hub.should_dispatch(first(maintained.queued_in_hub), now, patience)
        if (common or in_hub) and not state.spawn(maintained, hub):
            return None
        if in_hub:
            self._warn_if_blocked(maintained, state, "health checks and creations")
        # Not at the second try: the first greenlet may be in the middle of a long chore.
        if common and state.common.tries > 1:
            self._workers.submit(Job(maintained, hub=False), waited=True)
        return min(state.common.look_at(patience), state.in_hub.look_at(patience))

    def _to_loop(self, maintained: Maintained, state: DispatchState, loop: Hub) -> float | None:
        """The same for an event loop of tasks: there all hooks are called, and no log lines are written."""
        lines = self._to_workers(maintained, state.common, hub=False)
        now, patience = self._clock(), self._timing.hub_patience
        if state.in_hub.should_dispatch(first(maintained.queued_in_hub), now, patience):
            if not state.spawn(maintained, loop):
                return None
            self._warn_if_blocked(maintained, state, "health checks, creations and closers")
        return min(lines, state.in_hub.look_at(patience))

    def _warn_if_blocked(self, maintained: Maintained, state: DispatchState, what: str) -> None:
        """Have a warning logged, once, that chores were sent to a hub several times and not begun."""
        if state.in_hub.tries == self._timing.hub_tries:
            line = f"%s: {what} wait for an event loop that is blocked"
            maintained.log_later(logging.WARNING, line, repr(maintained))
