"""How tasks of an event loop drive the steps of a pool, and which loop that is."""

from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

from .._awaitables import awaited, close_unbegun
from .._runtime.native import new_rlock
from .._runtime.waiting import TaskLoop, do_nothing
from .steps import TASK_NAME, Rest, Steps

R = TypeVar("R")


def _no_task(_: object) -> None:
    """No event loop is known yet."""


class TaskDriver:
    """Tasks are suspended where they wait, and what hooks return is awaited."""

    for_tasks = True
    report: Callable[[BaseException], None]
    """Called with what ends a program, such as a ``SystemExit`` in a hook, where it cannot do so; set by the pool."""

    def __init__(self) -> None:
        self.lock = new_rlock()
        """Held while the loop changes. A signal handler may look at the pool meanwhile, in the same thread."""
        self.loop: TaskLoop | None = None
        self.current: Callable[[], object] = do_nothing
        """For the quick ways of ``AsyncPool``: what this returns equals ``mark`` in the thread of the loop."""
        self.mark: object = self
        self.running_task: Callable[[Any], Any] = _no_task
        """For the same: ``running_task(task_key)._ppp_owner`` is who calls, see ``TaskLoop``."""
        self.task_key: object = None
        self.ended = False
        """Whether the loop has finalized its asynchronous generators, as it does before it is closed."""
        self.closed_for_end = False
        """Whether the pool was closed for that, and not for ever."""
        self._call_off: Callable[[], None] = do_nothing

    # Which loop. -------------------------------------------------------------------------------------

    def live_in(self, loop: TaskLoop, last: Callable[[], Steps[None]]) -> None:
        """Use tasks of a loop, which runs here; at its end it does the last steps."""
        self._call_off = loop.at_end(last)
        self.running_task, self.task_key = loop.running_task, loop.task_key
        # In this order, so that the quick ways of AsyncPool are right whatever they read.
        self.mark = loop.mark
        self.current = loop.current
        self.loop = loop  # last: who is interrupted before does all this again

    def leave_loop(self) -> None:
        """Know no loop."""
        self.current = do_nothing
        self.mark = self
        self.running_task, self.task_key = _no_task, None
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

    def is_cancellation(self, error: BaseException) -> bool:
        """Whether an error says no more than that a task was cancelled, or destroyed."""
        return self.loop is not None and isinstance(error, (GeneratorExit, self.loop.cancelled))

    def settle(self, name: str, result: object) -> Steps[Any] | None:
        """Await what a hook has returned, if it is to be awaited.

        Raises:
            TypeError: It is an asynchronous generator.
        """
        return awaited(name, result)

    def apart(self, awaited: Steps[R], follow: Callable[[Steps[R]], Steps[None]], *, in_place: bool) -> Rest:
        """Have a task of the pool's own do it, which sees the context variables of the caller, if he is none himself.

        Hooks are called in the loop only, so this is it.
        """
        steps = follow(awaited)
        if in_place:
            return steps
        assert self.loop is not None, "a hook was called outside the event loop"
        apart = _Apart(self.loop, self.report)
        self.loop.start(apart.do(steps), TASK_NAME, inherit=True, lost=partial(close_unbegun, awaited))
        return apart.wait()

    def finish(self, rest: Rest) -> None:
        """Do nothing: what is left is to wait for another task, which goes on."""


class _Apart:
    """Steps that a task of the pool's own does, and a caller who waits for them, unless he is cancelled."""

    __slots__ = ("_awaited", "_cancelled", "_ended", "_raised", "_report")

    def __init__(self, loop: TaskLoop, report: Callable[[BaseException], None]) -> None:
        self._cancelled = loop.cancelled
        self._report = None if loop.exits_with_task else report
        self._ended = loop.new_sleeper()
        self._awaited = False
        self._raised: BaseException | None = None

    def do(self, steps: Steps[None]) -> Steps[None]:
        """Do them, in the task of the pool's own."""
        try:
            yield from steps
        except (GeneratorExit, self._cancelled):
            raise  # this task was cancelled, or a hook did as if: the caller was not
        except BaseException as error:  # such as a SystemExit in a hook
            if self._awaited:
                self._raised = error
            elif self._report is None:
                raise
            else:
                self._report(error)
        finally:
            self._ended.wake()

    def wait(self) -> Steps[None]:
        """Wait for them, in the caller; what they raise that is no ``Exception`` is his."""
        self._awaited = True
        try:
            yield from self._ended.sleep(None)
        finally:
            self._awaited = False
        if self._raised is not None:
            raise self._raised
