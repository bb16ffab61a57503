"""How tasks of an event loop drive the steps of a pool, and which loop that is."""

from collections.abc import Callable
from typing import Any

from .._awaitables import awaited
from .._runtime.native import new_rlock
from .._runtime.owner import Owner
from .._runtime.waiting import TaskLoop, TaskSleeper, do_nothing
from .steps import TASK_NAME, Rest, Steps


def _nobody() -> None:
    """No task: no event loop is known yet."""


class TaskDriver:
    """Tasks are suspended where they wait, and what hooks return is awaited."""

    for_tasks = True

    def __init__(self) -> None:
        self.lock = new_rlock()
        """Held while the loop changes. A signal handler may look at the pool meanwhile, in the same thread."""
        self.loop: TaskLoop | None = None
        self.current: Callable[[], object] = do_nothing
        """For the quick ways of ``AsyncPool``: what this returns equals ``mark`` in the thread of the loop."""
        self.mark: object = self
        self.task_owner: Callable[[], Owner | None] = _nobody
        """Who calls, if that is a task of the loop, in its thread."""
        self.ended = False
        """Whether the loop has finalized its asynchronous generators, as it does before it is closed."""
        self.closed_for_end = False
        """Whether the pool was closed for that, and not for ever."""
        self._call_off: Callable[[], None] = do_nothing

    # Which loop. -------------------------------------------------------------------------------------

    def live_in(self, loop: TaskLoop, last: Callable[[], Steps[None]]) -> None:
        """Use tasks of a loop, which runs here; at its end it does the last steps."""
        self.loop = loop
        self.task_owner = loop.task_owner
        self._call_off = loop.at_end(last)
        # Last, and the mark before the function, so that the quick ways of AsyncPool are right whatever they read.
        self.mark = loop.mark
        self.current = loop.current

    def leave_loop(self) -> None:
        """Know no loop."""
        self.current = do_nothing
        self.mark = self
        self.task_owner = _nobody
        self._call_off = do_nothing
        self.ended = self.closed_for_end = False
        self.loop = None

    def call_off_end(self) -> None:
        """Have nothing done at the end of the loop; from any thread, finalizers included."""
        self._call_off()

    @property
    def is_elsewhere(self) -> bool:
        """Whether hooks must not be called here: the loop does not run here."""
        return self.loop is None or not self.loop.here()

    # How steps wait. -----------------------------------------------------------------------------------

    def settle(self, name: str, result: object) -> Steps[Any] | None:
        """Await what a hook has returned, if it is to be awaited.

        Raises:
            TypeError: It is an asynchronous generator.
        """
        return awaited(name, result)

    def apart(self, steps: Steps[None]) -> Rest:
        """Have a task of the pool's own do them, which sees the context variables of the caller.

        Hooks are called in the loop only, so this is it.
        """
        assert self.loop is not None, "a hook was called outside the event loop"
        ended = self.loop.new_sleeper()
        self.loop.start(_do_and_wake(steps, ended), TASK_NAME, inherit=True)
        return _end_of(ended)

    def finish(self, rest: Rest) -> None:
        """Do nothing: what is left is to wait for another task, which goes on."""


def _do_and_wake(steps: Steps[None], sleeper: TaskSleeper) -> Steps[None]:
    try:
        yield from steps
    finally:
        sleeper.wake()


def _end_of(sleeper: TaskSleeper) -> Steps[None]:
    yield from sleeper.sleep(None)
