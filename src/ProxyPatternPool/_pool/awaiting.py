"""What the methods of a pool for tasks return: something to await, whose work is done or under way already."""

from abc import abstractmethod
from collections.abc import Coroutine, Generator
from contextlib import suppress
from types import GeneratorType, TracebackType, coroutine
from typing import Any, TypeVar, cast

from .._engine.steps import Rest, Steps

R = TypeVar("R")


class Awaited(Coroutine[Any, Any, R]):
    """What can be awaited, and made a task of, but need not be: a coroutine that nobody awaits makes Python warn."""

    __slots__ = ()

    __name__ = "give back"  # for what shows tasks

    @abstractmethod
    def _steps(self) -> Steps[R]:
        """What is done when it is awaited; the same each time."""

    def send(self, value: Any, /) -> Any:
        """Go on, as a task does it."""
        return self._steps().send(value)

    def throw(
        self,
        kind: Any,
        value: BaseException | object = None,
        trace: TracebackType | None = None,
        /,
    ) -> Any:
        """Go on with an exception, as a task does it."""
        error: BaseException = kind if value is None else cast("BaseException", value)
        return self._steps().throw(error)

    def close(self) -> None:
        """Go no further."""
        self._steps().close()


class Finishing(Awaited[None]):
    """A return whose work goes on, whether or not somebody awaits this, and waits for it.

    One task at a time awaits it, as any coroutine.
    """

    __slots__ = ("_awaited", "_rest")

    def __init__(self, rest: Steps[None]) -> None:
        self._rest = rest
        self._awaited = False

    def _steps(self) -> Steps[None]:
        return self._rest

    def __await__(self) -> Generator[Any, Any, None]:
        self._must_not_wait()
        self._awaited = True
        return self._rest

    def send(self, value: Any, /) -> Any:
        if self._awaited:  # and now it is a task, too
            self._must_not_wait()
        return self._rest.send(value)

    def _must_not_wait(self) -> None:
        waits_for: object = cast("GeneratorType[Any, Any, None]", self._rest).gi_yieldfrom
        if waits_for is not None:  # whoever went on with it would break off that wait
            raise RuntimeError("another task awaits this return already: call ret, discard or release once for each")


class _Finished(Awaited[None]):
    """A return of which nothing is left to do; there is one for all."""

    __slots__ = ()

    def _steps(self) -> Steps[None]:
        return _nothing()

    # A function in C: to call a method would cost more than all else that there is to do.
    __await__: Any = iter(()).__iter__


def _nothing() -> Steps[None]:
    return
    yield


FINISHED = _Finished()


@coroutine
def _awaitable_nothing() -> Steps[None]:
    return
    yield


def _at_its_end(steps: Any) -> Any:
    with suppress(StopIteration):
        steps.send(None)
    return steps


BLOCK_LEFT: Coroutine[Any, Any, None] = _at_its_end(_awaitable_nothing())
"""What ``__aexit__`` returns if nothing is left to do; there is one for all.

In truth it is a generator at its end: from Python 3.12 on no task can be made of it. To await it runs nothing, as often
as it is done; with ``FINISHED`` a block takes a twentieth longer.
"""


def finishing(rest: Rest) -> Coroutine[Any, Any, None]:
    """Something to await for what is left of a return."""
    return FINISHED if rest is None else Finishing(rest)
