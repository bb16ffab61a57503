"""The engine's steps: generators that yield only to wait, so that threads and tasks share one engine.

A thread drives steps with ``run``, and never suspends: what it waits for it waits for inside, as ever. A task awaits
them, and whatever a step yields is what its event loop waits for.

Where a step seldom waits, a plain function does it, and returns ``None`` if all is done, or the steps that are left.
"""

from collections.abc import Callable, Generator
from typing import Any, TypeAlias, TypeVar, cast

from .._awaitables import refuse_awaitable
from .._runtime.waiting import Sleeper

R = TypeVar("R")

Steps: TypeAlias = Generator[Any, Any, R]
"""Steps that end with a result."""

Rest: TypeAlias = Generator[Any, Any, None] | None
"""What is left to do; ``None``: nothing."""

Settle: TypeAlias = Callable[[str, object], Steps[Any] | None]
"""What is done with the result of a hook, by the hook's name: the steps that end with what it stands for, or ``None``
if it is what it stands for itself."""


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


def run_rest(rest: Rest) -> None:
    """Drive in a thread what is left to do."""
    if rest is not None:
        run(rest)


def slept(sleeper: Sleeper, seconds: float | None) -> Steps[bool]:
    """Sleep until woken (True) or until the time is over (False); ``None``: for ever."""
    return sleeper.sleep(seconds)
    yield  # a thread sleeps above, and suspends nothing


REMEDIES = {"fun": "it must be a plain function that returns the object itself"}


def refuse(name: str, result: object) -> None:
    """Refuse the result of a hook that is to be awaited: a thread cannot.

    Raises:
        TypeError: It is to be awaited.
    """
    refuse_awaitable(name, result, REMEDIES.get(name, "it must be a plain function"))
