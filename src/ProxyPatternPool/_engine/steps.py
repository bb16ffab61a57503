"""The engine's steps: generators that yield only to wait, so that threads and tasks share one engine.

A thread drives steps with ``run``, and never suspends: what it waits for it waits for inside. A task awaits them, and
whatever a step yields is what its event loop waits for. The ``Driver`` of a pool has what differs.

Where a step seldom waits, a plain function does it, and returns ``None`` if all is done, or the steps that are left.
"""

from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Protocol, TypeAlias, TypeVar, cast

from .._awaitables import refuse_awaitable
from .._runtime.waiting import TaskLoop

R = TypeVar("R")

Steps: TypeAlias = Generator[Any, Any, R]
"""Steps that end with a result."""

Rest: TypeAlias = Generator[Any, Any, None] | None
"""What is left to do; ``None``: nothing."""

TASK_NAME = "ProxyPatternPool"
"""The name of the tasks that a pool starts in its event loop."""


def run(steps: Steps[R]) -> R:
    """Drive steps in a thread.

    Raises:
        RuntimeError: They would wait for an event loop.
    """
    try:
        steps.send(None)
    except StopIteration as end:
        return cast(R, end.value)
    steps.close()
    raise RuntimeError("a step of a pool for threads has suspended: this is a bug of ProxyPatternPool")


def remaining(rest: Rest) -> Steps[None]:
    """The steps that are left to do, which may be none."""
    if rest is not None:
        yield from rest


def run_rest(rest: Rest) -> None:
    """Drive in a thread what is left to do."""
    if rest is not None:
        run(rest)


class Driver(Protocol):
    """What differs between threads and tasks, where steps wait."""

    @property
    def for_tasks(self) -> bool:
        """Whether tasks of an event loop use the pool, and all hooks are called there."""
        ...

    @property
    def loop(self) -> TaskLoop | None:
        """The event loop in whose tasks the pool is used, if it is one for tasks and was used."""
        ...

    @property
    def lock(self) -> AbstractContextManager[object]:
        """Held while the event loop changes."""
        ...

    @property
    def closed_for_end(self) -> bool:
        """Whether the pool was closed for the end of its event loop, and not for ever."""
        ...

    @property
    def is_elsewhere(self) -> bool:
        """Whether hooks must not be called here, since the event loop of the pool does not run here."""
        ...

    def leave_loop(self) -> None:
        """Know no event loop: that of before has ended, or is the parent's of this child of a fork."""
        ...

    def call_off_end(self) -> None:
        """Have nothing done at the end of the event loop: the pool is closed, and has nothing left to close."""
        ...

    def is_cancellation(self, error: BaseException) -> bool:
        """Whether an error says no more than that a task was cancelled."""
        ...

    def settle(self, name: str, result: object) -> Steps[Any] | None:
        """Make of the result of a hook, by the hook's name, what it stands for: by the steps that end with that.

        ``None``: it is what it stands for itself.
        """
        ...

    def apart(self, awaited: Steps[R], follow: Callable[[Steps[R]], Steps[None]], *, in_place: bool) -> Rest:
        """Have what a hook has returned awaited, whatever is thrown into the caller; what is returned waits for it.

        Args:
            awaited: What awaits it.
            follow: Makes of that the steps which do so, and all that follows.
            in_place: Whether the caller is to do them himself: a task of the pool's own that nobody cuts short.
        """
        ...

    def finish(self, rest: Rest) -> None:
        """Have done what is left to do on the way of an exception, where no step may wait."""
        ...


class ThreadDriver:
    """Threads and greenlets wait inside, and hooks are plain functions."""

    def __init__(self, fun: str, hook: str) -> None:
        self._fun = fun
        """What else is possible if what fun returns is to be awaited, for the error."""
        self._hook = hook
        """The same for a hook."""

    for_tasks = False
    loop = None
    lock = nullcontext()
    closed_for_end = False
    is_elsewhere = False

    def leave_loop(self) -> None:
        """Do nothing: there was none."""

    def call_off_end(self) -> None:
        """Do the same, for the same reason."""

    def is_cancellation(self, error: BaseException) -> bool:
        """Say no: a thread is not cancelled."""
        return False

    def settle(self, name: str, result: object) -> None:
        """Refuse the result of a hook that is to be awaited.

        Raises:
            TypeError: It is to be awaited.
        """
        if name == "fun":
            refuse_awaitable(name, result, f"it must return the object itself, or {self._fun}")
        else:
            refuse_awaitable(name, result, f"it must be a plain function, or {self._hook}")

    def apart(self, awaited: Steps[R], follow: Callable[[Steps[R]], Steps[None]], *, in_place: bool) -> Rest:
        """Leave it to the caller: a thread is not cancelled."""
        return follow(awaited)

    def finish(self, rest: Rest) -> None:
        """Do it here."""
        run_rest(rest)


THREADS = ThreadDriver("the pool be an AsyncPool", "the pool an AsyncPool")
THREADS_OF_PROXY = ThreadDriver(*["be written as `async def`, with scope=Proxy.Scope.CONTEXT"] * 2)
"""For the pools of proxies: a proxy makes one for tasks if what it is given are coroutine functions."""
