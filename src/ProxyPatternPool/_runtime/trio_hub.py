"""Waiting among trio's tasks, and starting some. Imported only once trio itself is."""

import math
import os
from collections.abc import Callable, Generator
from contextlib import nullcontext
from contextvars import Context, copy_context
from functools import partial
from operator import attrgetter
from typing import Any

import trio
from trio.lowlevel import Abort, RunVar, Task, current_task, current_trio_token, in_trio_task

from .native import get_ident
from .owner import Owner, here
from .process import call_in_child
from .task_owner import TaskKind, TaskOwner, owner_of
from .tasks import LONGEST_END, MAX_SLEEP, EndOfLoop, Last, Tasks, awaiting, quietly
from .threads import current_name
from .waiting import do_nothing


def _ended(task: Task) -> bool:
    return task.coro.cr_frame is None


_KIND = TaskKind(attrgetter("name"), attrgetter("coro"), _ended)

_loops: "RunVar[TrioLoop]" = RunVar("ProxyPatternPool")


def task_here() -> Task | None:
    """The task that calls, if one does."""
    return current_task() if in_trio_task() else None


class _Ends(trio.abc.Instrument):
    """Is told by one run of trio which tasks end, and calls what is to be called then: tasks themselves tell nobody."""

    def __init__(self) -> None:
        self._ends: dict[Task, list[Callable[[], object]]] = {}

    def add(self, task: Task, end: Callable[[], object]) -> None:
        """Have something called when a task of this run ends."""
        self._ends.setdefault(task, []).append(end)

    def task_exited(self, task: Task) -> None:
        for end in self._ends.pop(task, ()):
            end()


_ends: "RunVar[_Ends]" = RunVar("ProxyPatternPool, ends of tasks")


def call_at_end(task: Task, end: Callable[[], object]) -> None:
    """Have something called when a task of the current run ends: in the run, not by the task."""
    try:
        ends = _ends.get()
    except LookupError:
        ends = _Ends()
        _ends.set(ends)
        trio.lowlevel.add_instrument(ends)
    ends.add(task, end)


def running_loop() -> "TrioLoop | None":
    """What is asked of trio's run in this thread, if the caller is one of its tasks, or is called by one."""
    if not in_trio_task():
        return None
    try:
        loop = _loops.get()
    except LookupError:
        loop = TrioLoop()
        _loops.set(loop)
    return None if loop.is_parents else loop


def _leave_to_parent() -> None:
    """In a child that was forked by a task of trio: know that the run is the parent's. Trio itself goes on with it."""
    loop = running_loop()
    if loop is not None:
        loop.is_parents = True


call_in_child(_leave_to_parent)


UNFINISHED = 2.0
"""Seconds for which tasks may go on when the main task has ended."""
WATCH = 1.0
"""Seconds between two looks whether there are such tasks, while somebody notices the end of the main task for them."""


class TrioSleeper:
    """A task sleeps until another one, or a callback, reschedules it."""

    __slots__ = ("_home", "_task", "_woken", "hub")

    def __init__(self, home: "TrioLoop") -> None:
        self._home = home
        self.hub = home.token
        self._woken = False
        self._task: Task | None = None

    def sleep(self, seconds: float | None) -> Generator[Any, Any, bool]:
        if not self._woken and (seconds is None or seconds > 0):
            self._task = current_task()
            try:
                # Look again, now that the task is known: a finalizer may have woken this in between. From here on one
                # in this task, and all other threads, use a callback of the run, which comes when the task suspends.
                if not self._woken:
                    with nullcontext() if seconds is None else trio.move_on_after(min(seconds, MAX_SLEEP)):
                        yield from trio.lowlevel.wait_task_rescheduled(self._abort).__await__()
            finally:
                self._task = None
        woken, self._woken = self._woken, False
        return woken

    def _abort(self, _: object) -> Abort:
        self._task = None
        return Abort.SUCCEEDED

    def _rouse(self) -> None:
        """End the sleep for which this was called: it may be over, and be another one's turn."""
        task = self._task
        if task is not None and self._woken:
            self._task = None
            trio.lowlevel.reschedule(task)

    def wake(self) -> bool:
        self._woken = True
        if self._home.here() and current_task() is not self._task:
            self._rouse()
            return True
        return self._home.spawn(self._rouse)

    def alive(self) -> bool:
        return self._home.alive()

    def dispose(self) -> None:
        """Do nothing: a sleeper is only memory."""


class TrioLoop:
    """One run of trio."""

    for_tasks = True
    exits_with_task = False
    cancelled = trio.Cancelled
    current = staticmethod(get_ident)
    task_key = None

    def __init__(self) -> None:
        self.mark = get_ident()
        self.token = current_trio_token()
        self.name = f"the run {id(self.token):#x} of trio in thread {current_name()!r}"
        self._process = os.getpid()
        self.is_parents = False
        """Whether this is the child of a fork in a task of the run, which only the parent can go on with."""
        self._ending = self._over = False
        self._watching = False
        self._deadline = math.inf
        self._tasks = Tasks(self.new_sleeper)
        self._nursery: trio.Nursery | None = None
        self._late: list[Callable[[trio.Nursery], None]] = []
        self._end = EndOfLoop(self.here, self._finish)
        self._end.watch()

    def here(self) -> bool:
        # Only in a task: a finalizer may run when trio has just seen that there is nothing to do, and is about to
        # sleep; and in guest mode callbacks of another loop run in the same thread.
        return in_trio_task() and current_trio_token() is self.token and not self._over

    def alive(self) -> bool:
        return not self._over and self._process == os.getpid()

    def spawn(self, job: Callable[[], object]) -> bool:
        if not self.alive():  # the child of a fork would wake up its parent's run: they share what it sleeps on
            return False
        try:
            self.token.run_sync_soon(_call, job)
        except trio.RunFinishedError:  # at this moment, or without finalizing its asynchronous generators
            return False
        return True

    def owner(self) -> Owner:
        owner = self.running_task()
        return here().owner if owner is None else owner

    def running_task(self, key: object = None) -> TaskOwner | None:
        # The owner itself, which is its own: trio's tasks take no attributes.
        try:
            task = current_task()
        except RuntimeError:
            return None
        return owner_of(task, _KIND)

    def new_sleeper(self, lost: Callable[[], None] = do_nothing, /) -> TrioSleeper:
        return TrioSleeper(self)

    def start(
        self,
        steps: Generator[Any, Any, None],
        name: str,
        *,
        inherit: bool = False,
        ends_with_loop: bool = False,
        limit: float = math.inf,
        lost: Callable[[], object] = do_nothing,  # trio begins all that is started
    ) -> None:
        context = copy_context() if inherit else Context()
        scope = trio.CancelScope(deadline=trio.current_time() + limit)
        self._tasks.add(scope, ends_with_loop=ends_with_loop)
        do = partial(self._do, steps, scope)
        try:
            if self._nursery is not None:
                _start_in(do, name, context, self._nursery)
                return
            trio.lowlevel.spawn_system_task(do, name=name, context=context)
        except RuntimeError:
            # The main task has ended, and so have all others, or the last task at the end of the run: see _finish.
            self._late.append(partial(_start_in, do, name, context))
            return
        if not ends_with_loop:
            # At the end of its main task trio cancels all system tasks, be it in the middle of a closer.
            scope.shield, scope.deadline = True, self._deadline
            if not self._watching:
                self._watching = True
                trio.lowlevel.spawn_system_task(self._watch_main_task, name=name)

    async def _watch_main_task(self) -> None:
        """As long as there are tasks that are not to be cut off: when the main task ends, give them some seconds."""
        try:
            while self._tasks:
                await trio.sleep(WATCH)
        except trio.Cancelled:
            self._deadline = trio.current_time() + UNFINISHED
            self._tasks.each(self._limit)
            raise
        self._watching = False

    def _limit(self, task: Any) -> None:
        task.deadline = self._deadline

    async def _do(self, steps: Generator[Any, Any, None], scope: trio.CancelScope) -> None:
        try:
            with scope:
                await awaiting(quietly(steps))
        finally:
            self._tasks.remove(scope)

    def at_end(self, last: Last) -> Callable[[], None]:
        return self._end.add(last)

    def wait_for_tasks(self, seconds: float) -> Generator[Any, Any, None]:
        return self._tasks.wait(seconds)

    async def _finish(self) -> None:
        if not self._ending:
            # The user's generators are finalized in any order, and may use a pool. A new one comes after them all.
            self._ending = True
            self._end.watch()
            return
        # They are finalized in a scope that is cancelled, when there are no other tasks, and none can be spawned.
        with trio.CancelScope(shield=True, deadline=trio.current_time() + LONGEST_END):
            async with trio.open_nursery() as self._nursery:
                self._start_late(self._nursery)
                for last in self._end.take():
                    self._nursery.start_soon(_do_last, last, name="ProxyPatternPool at the end of the run")
            # A callback of the run may come between the last task's end and this.
            while self._late:
                async with trio.open_nursery() as self._nursery:
                    self._start_late(self._nursery)
        self._nursery = None
        self._over = True

    def _start_late(self, nursery: trio.Nursery) -> None:
        late, self._late = self._late, []
        for start in late:
            start(nursery)


async def _do_last(last: Last) -> None:
    await awaiting(quietly(last()))


def _call(job: Callable[[], object]) -> None:
    """Do a job that must raise nothing: it would end the whole run."""
    try:
        job()
    except Exception:  # see above
        pass


def _start_in(do: Any, name: str, context: Context, nursery: trio.Nursery) -> None:
    """Start a task in a nursery, which copies the context that is current."""
    context.run(partial(nursery.start_soon, do, name=name))
