"""What tasks of asyncio and of trio have in common: how they do steps, which have not ended, the end of their loop."""

import sys
import types
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator
from contextlib import suppress
from types import CodeType, FrameType, GeneratorType
from typing import Any, Protocol, TypeAlias, TypeVar, cast

from .caller import is_inside
from .native import monotonic
from .task_owner import suspended_frames
from .waiting import TaskSleeper

R = TypeVar("R")

Last: TypeAlias = Callable[[], Generator[Any, Any, None]]
"""Makes the steps that are done at the end of a loop."""

LONGEST_END = 10.0
"""Seconds after which the steps at the end of a loop are cancelled, if they have not ended by themselves."""

MAX_SLEEP = 86400.0
"""Seconds that a task sleeps at a time, at most: who sleeps looks at the clock afterwards, and loops have limits."""


@types.coroutine
def awaiting(steps: Generator[Any, Any, R]) -> Generator[Any, Any, R]:
    """Have the calling task do steps, by awaiting this."""
    return (yield from steps)


def quietly(steps: Generator[Any, Any, None]) -> Generator[Any, Any, None]:
    """Do steps that are nobody's but the task's: an error would reach only the user's log, or end his loop."""
    try:
        yield from steps
    except Exception:  # see above; whoever made the steps has had it logged
        pass


class StepsCoroutine(Coroutine[Any, Any, R]):
    """Steps as a coroutine, for a task of their own.

    They are begun in any case, so that what is in their ``finally`` is done: also if the task is cancelled at once. A
    native coroutine would not be, and would warn that it was never awaited if its loop is closed before it begins.
    """

    __slots__ = ("_begun", "_steps")

    def __init__(self, steps: Generator[Any, Any, R]) -> None:
        self._begun = False
        self._steps = cast("GeneratorType[Any, Any, R]", steps)

    def send(self, value: Any, /) -> Any:
        self._begun = True
        return self._steps.send(value)

    def throw(self, *error: Any) -> Any:
        if not self._begun:
            self.send(None)  # if there is nothing to wait for, this has ended, without noticing what is thrown in
        return self._steps.throw(*error)

    def close(self) -> None:
        self._steps.close()

    def __await__(self) -> Generator[Any, Any, R]:
        return self._steps

    # What shows tasks and their stacks looks for these.

    __name__ = "steps"

    @property
    def cr_frame(self) -> FrameType | None:
        """The frame of the hook in which they are suspended, or their own; ``None`` once they have ended."""
        own: FrameType | None = self._steps.gi_frame  # that is so whatever checkers know
        return next((frame for frame in suspended_frames(self._steps) if not is_inside(frame)), own)

    @property
    def cr_code(self) -> CodeType:
        """The code of that frame."""
        frame = self.cr_frame
        return self._steps.gi_code if frame is None else frame.f_code

    @property
    def cr_running(self) -> bool:
        return self._steps.gi_running

    @property
    def cr_await(self) -> object:
        return self._steps.gi_yieldfrom


class Cancellable(Protocol):
    """What cancels a task."""

    def cancel(self) -> object: ...


class Tasks:
    """The tasks of a loop that have not ended. Only tasks and callbacks of the loop use this."""

    def __init__(self, new_sleeper: Callable[[], TaskSleeper]) -> None:
        self._new_sleeper = new_sleeper
        self._tasks: set[Cancellable] = set()
        self._ending_with_loop: set[Cancellable] = set()
        self._waiting: set[TaskSleeper] = set()

    def add(self, task: Cancellable, *, ends_with_loop: bool = False) -> None:
        """Keep a task, until it has ended."""
        self._tasks.add(task)
        if ends_with_loop:
            self._ending_with_loop.add(task)

    def remove(self, task: Cancellable) -> None:
        """Note that a task has ended."""
        self._tasks.discard(task)  # not there if who started it was interrupted in that
        self._ending_with_loop.discard(task)
        for sleeper in self._waiting:
            sleeper.wake()

    def __bool__(self) -> bool:
        return bool(self._tasks)

    def each(self, do: Callable[[Cancellable], object]) -> None:
        """Do something with each task."""
        for task in self._tasks:
            do(task)

    def wait(self, seconds: float) -> Generator[Any, Any, None]:
        """Wait until all have ended; after some seconds cancel those that have not, and wait for them."""
        for task in list(self._ending_with_loop):
            task.cancel()
        until, left = monotonic() + seconds, seconds
        sleeper = self._new_sleeper()
        cancelled: set[Cancellable] = set()
        self._waiting.add(sleeper)
        try:
            while self._tasks and left > 0:
                yield from sleeper.sleep(left)
                left = until - monotonic()
            while self._tasks:
                # Also those that a task which was cancelled has started, such as the closer of an object whose retter
                # it was.
                for task in self._tasks - cancelled:
                    task.cancel()
                    cancelled.add(task)
                yield from sleeper.sleep(None)
        finally:
            self._waiting.remove(sleeper)


class EndOfLoop:
    """What is done when a loop finalizes its asynchronous generators: this begins one, which notices that.

    The loop refers to it. It refers to no pool, but to what is to be done.
    """

    def __init__(self, here: Callable[[], bool], finish: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self._here = here
        self._finish = finish
        self._lasts: dict[object, Last] = {}
        self._generator: AsyncGenerator[None, None] | None = None
        self._watching = False

    def add(self, last: Last) -> Callable[[], None]:
        """Have steps done at the end; give what calls them off."""
        key = object()
        self._lasts[key] = last
        if not self._watching:  # or whoever began it was interrupted
            self.watch()

        def call_off() -> None:
            self._lasts.pop(key, None)  # in one step of the interpreter: from any thread, and in finalizers

        return call_off

    def take(self) -> list[Last]:
        """Take what is to be done now."""
        lasts, self._lasts = list(self._lasts.values()), {}
        return lasts

    def watch(self) -> None:
        """Begin an asynchronous generator, in a task or a callback of the loop, which is told of it by a hook."""
        self._generator = self._until_the_end()
        hooks = sys.get_asyncgen_hooks()
        try:
            # Nobody but the loop ends it. When a loop is freed that has not finalized it, Python would else have the
            # loop start a task for that.
            sys.set_asyncgen_hooks(finalizer=None)
            # It has come to its yield; or the loop has ended already, and all warnings are errors.
            with suppress(StopIteration, ResourceWarning):
                self._generator.__anext__().send(None)
        finally:
            sys.set_asyncgen_hooks(*hooks)

    async def _until_the_end(self) -> AsyncGenerator[None, None]:
        self._watching = True
        try:
            yield
        except GeneratorExit:
            if self._here():  # else it is freed, with its loop
                await self._finish()
            raise
        except BaseException:  # thrown in before it has come to its yield
            self._watching = False
            raise
