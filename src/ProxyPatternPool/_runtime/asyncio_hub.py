"""Waiting among asyncio's tasks, and starting some. Imported only once asyncio itself is."""

import asyncio
import math
import os
import sys
from collections.abc import Callable, Generator, Iterator
from contextvars import Context
from functools import partial
from operator import methodcaller
from typing import Any, cast

from .native import get_ident
from .owner import Owner, here
from .task_owner import TaskKind, owner_of
from .tasks import LONGEST_END, MAX_SLEEP, EndOfLoop, Last, StepsCoroutine, Tasks, awaiting, quietly
from .threads import current_name
from .waiting import do_nothing

Loop = asyncio.AbstractEventLoop

OTHERS_TIME = 2.0
"""Seconds that the end of a loop waits for asynchronous generators of the user's, which may use a pool,"""
STARTED_TIME = 1.0
"""and after all else for what they have started."""

_running: Callable[[], Loop | None] = vars(asyncio)["_get_running_loop"]
"""Not the public function, which raises where no loop runs."""

_ASKS_SYSTEM = sys.version_info < (3, 12)
"""Whether that asks the operating system for the number of the process: it takes longest of all that a loan does."""

_current_task: Callable[[Loop], Any] = (
    # In C: from 3.12 on, where there are tasks that begin within create_task(), only that knows for sure.
    asyncio.current_task if sys.version_info >= (3, 12) else vars(asyncio.tasks)["_current_tasks"].get
)

_KIND = TaskKind(methodcaller("get_name"), methodcaller("get_coro"), methodcaller("done"))


def running_loop() -> "AsyncioLoop | None":
    """What is asked of the loop that runs in this thread, if one does."""
    loop = _running()
    if loop is None:
        return None
    # The loop keeps it, so that each lives as long as the other. A dictionary of weak keys would keep both for ever.
    known: AsyncioLoop | None = vars(loop).get("_ppp_loop")
    if known is None:
        known = vars(loop)["_ppp_loop"] = AsyncioLoop(loop)
    known.mark = known.current()  # a loop may run in another thread than before
    return known


def _in_task(loop: Loop) -> bool:
    """Whether a task of a loop is running, in this thread."""
    return _running() is loop and _current_task(loop) is not None


def _call_soon(loop: Loop, run: Callable[[], object]) -> bool:
    """Have a loop call something, from any thread and in finalizers; say whether it is not closed."""
    try:
        # A finalizer may run when the loop has just seen that there is nothing to do, and is about to sleep. That is
        # not so in a task. With a context of its own, since that of the caller is nobody's business in the loop.
        (loop.call_soon if _in_task(loop) else loop.call_soon_threadsafe)(run, context=Context())
    except RuntimeError:  # it is closed
        return False
    return True


class AsyncioSleeper:
    """A task sleeps on a future of its loop."""

    __slots__ = ("_future", "_home", "_woken", "hub")

    def __init__(self, home: "AsyncioLoop") -> None:
        self._home = home
        self.hub = home.loop
        self._woken = False
        self._future: asyncio.Future[None] | None = None

    def sleep(self, seconds: float | None) -> Generator[Any, Any, bool]:
        if not self._woken and (seconds is None or seconds > 0):
            future = self._future = self.hub.create_future()
            timer = None if seconds is None else self.hub.call_later(min(seconds, MAX_SLEEP), self._end_sleep)
            try:
                # Look again, now that there is a future: a finalizer may have woken this in between. From here on it
                # would end the future, and nobody else can before the task suspends: others use callbacks of the loop.
                if not self._woken:
                    yield from future
            finally:
                self._future = None
                if timer is not None:
                    timer.cancel()
        woken, self._woken = self._woken, False
        return woken

    def _end_sleep(self) -> None:
        future = self._future
        if future is not None and not future.done():
            future.set_result(None)

    def _rouse(self) -> None:
        """End the sleep for which this was called: it may be over, and be another one's turn."""
        if self._woken:
            self._end_sleep()

    def wake(self) -> bool:
        self._woken = True
        if _in_task(self.hub):
            self._end_sleep()
            return True
        return self._home.spawn(self._rouse)

    def alive(self) -> bool:
        return self._home.alive()

    def dispose(self) -> None:
        """Do nothing: a sleeper is only memory."""


class AsyncioLoop:
    """An event loop of asyncio, or of another library with its interface, such as uvloop."""

    for_tasks = True
    exits_with_task = True
    cancelled = asyncio.CancelledError
    current = staticmethod(get_ident if _ASKS_SYSTEM else _running)
    running_task = staticmethod(_current_task)
    mark: object
    """Set by ``running_loop``, whenever it is asked for the loop."""

    def __init__(self, loop: Loop) -> None:
        self.loop = self.task_key = loop
        self.name = f"the event loop {id(loop):#x} of asyncio in thread {current_name()!r}"
        self._process = os.getpid()
        self._tasks = Tasks(self.new_sleeper)
        self._last_tasks = Tasks(self.new_sleeper)
        self._end = EndOfLoop(self.here, self._finish)

    def here(self) -> bool:
        return _running() is self.loop

    def alive(self) -> bool:
        return not self.loop.is_closed() and self._process == os.getpid()

    def spawn(self, job: Callable[[], object]) -> bool:
        # The child of a fork would wake up its parent's loop: they share what it sleeps on.
        return self._process == os.getpid() and _call_soon(self.loop, job)

    def owner(self) -> Owner:
        owner = self._task_owner()
        return here().owner if owner is None else owner

    def _task_owner(self) -> Owner | None:
        task = _current_task(self.loop)
        if task is None:
            return None
        try:
            known: Owner = task._ppp_owner
        except AttributeError:
            return owner_of(task, _KIND)
        return known

    def new_sleeper(self, lost: Callable[[], None] = do_nothing, /) -> AsyncioSleeper:
        return AsyncioSleeper(self)

    def start(
        self,
        steps: Generator[Any, Any, None],
        name: str,
        *,
        inherit: bool = False,
        ends_with_loop: bool = False,
        limit: float = math.inf,
        lost: Callable[[], object] = do_nothing,
    ) -> None:
        task = self._start(self._tasks, steps, name, inherit=inherit)
        if lost is not do_nothing:
            self.loop.call_soon(_Begun(lost), context=Context())
        self._tasks.add(task, ends_with_loop=ends_with_loop)
        if limit < math.inf:
            timer = self.loop.call_later(limit, task.cancel, context=Context())
            task.add_done_callback(lambda _: timer.cancel(), context=Context())
        if not ends_with_loop:
            # Who ends a loop, as asyncio.run does, cancels all tasks that asyncio knows of, be it in the middle of a
            # closer. It does not know of this one: steps at the end of the loop wait for it, see wait_for_tasks.
            asyncio._unregister_task(task)

    def _start(
        self, tasks: Tasks, steps: Generator[Any, Any, None], name: str, *, inherit: bool = False
    ) -> "asyncio.Task[None]":
        # Not loop.create_task: a task factory may begin the task at once, among the frames of whoever calls this, and
        # may be anything. A task takes a copy of the context in which it is made.
        new: type[asyncio.Task[None]] = asyncio.Task
        make = partial(new, StepsCoroutine(quietly(steps)), loop=self.loop, name=name)
        task: Any = make() if inherit else Context().run(make)
        task._log_destroy_pending = False
        task.add_done_callback(partial(_ended, tasks), context=Context())
        return cast("asyncio.Task[None]", task)

    def at_end(self, last: Last) -> Callable[[], None]:
        # A generator that finalizes may use the first pool of all. asyncio would warn of one that is begun so late.
        if getattr(self.loop, "_asyncgens_shutdown_called", False):
            return do_nothing
        return self._end.add(last)

    def wait_for_tasks(self, seconds: float) -> Generator[Any, Any, None]:
        return self._tasks.wait(seconds)

    async def _finish(self) -> None:
        # The user's generators are finalized beside this one, and may use a pool: they come first.
        others = _finalized_with(asyncio.current_task())
        if others:
            await asyncio.wait(others, timeout=OTHERS_TIME)
        for last in self._end.take():
            self._last_tasks.add(self._start(self._last_tasks, last(), "ProxyPatternPool at the end of the loop"))
        await awaiting(self._last_tasks.wait(LONGEST_END))
        # What a generator has started that took longer.
        await awaiting(self._tasks.wait(STARTED_TIME))


class _Begun:
    """Comes in the queue of a loop after a task that was just made: when it is called the task has begun.

    Only the queue refers to it. If it is freed without a call, the loop was closed: the task does not begin any more.
    """

    __slots__ = ("_lost",)

    def __init__(self, lost: Callable[[], object]) -> None:
        self._lost = lost

    def __call__(self) -> None:
        self._lost = do_nothing

    def __del__(self) -> None:
        getattr(self, "_lost", do_nothing)()  # __init__ may have been interrupted


def _finalized_with(this: "asyncio.Task[Any] | None") -> "set[asyncio.Task[Any]]":
    """The tasks for which the loop waits together with this one.

    In the same moment it begins to finalize all generators, in any order, and asks nobody else.
    """
    waited_for = (getattr(task, "_fut_waiter", None) for task in asyncio.all_tasks())
    gathered: Iterator[list[asyncio.Task[Any]]] = (getattr(each, "_children", []) for each in waited_for)
    return {task for together in gathered if this in together for task in together if task is not this}


def _ended(tasks: Tasks, task: "asyncio.Task[None]") -> None:
    """Forget a task that has ended, and look at its exception, so that the loop does not log that nobody has."""
    tasks.remove(task)
    if not task.cancelled():
        task.exception()
