"""The user's side of a pool: what it calls, and when.

Conform to these protocols with a function, a lambda, a bound method or a class of your own. The
parameters of ``Pool`` are annotated with the equivalent ``Callable``, from which checkers infer T best.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Generic, Protocol, TypeVar

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
T_contra = TypeVar("T_contra", contravariant=True)


class Factory(Protocol[T_co]):
    """Called to create an object; it gets the creation number: 0, 1, 2…

    Numbers are unique within the pool, and count attempts: a creation that failed uses one up.
    What it raises reaches the caller of ``get`` for whom the object was being created.
    """

    def __call__(self, number: int, /) -> T_co: ...


class Opener(Protocol[T_contra]):
    """Called once with each new object, before anyone gets it."""

    def __call__(self, obj: T_contra, /) -> object: ...


class Getter(Protocol[T_contra]):
    """Called with an object each time it is lent, in the borrower's thread."""

    def __call__(self, obj: T_contra, /) -> object: ...


class Retter(Protocol[T_contra]):
    """Called with an object each time it comes back, before anyone else gets it.

    An object whose retter fails is discarded: it is never lent in an unknown state.
    """

    def __call__(self, obj: T_contra, /) -> object: ...


class Closer(Protocol[T_contra]):
    """Called once with each object that leaves the pool, whatever the reason.

    Its place stays taken until the closer has returned; its errors are logged and counted.
    """

    def __call__(self, obj: T_contra, /) -> object: ...


class HealthCheck(Protocol[T_contra]):
    """Called with an idle object by the house keeper; ``False`` or an exception discards the object.

    Nobody can borrow the object meanwhile. Give the check a timeout of its own.
    """

    def __call__(self, obj: T_contra, /) -> bool: ...


class StatsHook(Protocol[T_contra]):
    """Called with an object by ``Pool.stats()``; gives JSON-compatible data about it.

    The object may be in use by someone else at that moment: look, do not touch.
    """

    def __call__(self, obj: T_contra, /) -> object: ...


class Tracer(Protocol[T_contra]):
    """Called with an object for log lines and ``Pool.stats()``; gives a short text that identifies it.

    Not for lines that the logger's level suppresses. It may ask the pool, which then shows objects plainly.

    The object may be in use by someone else at that moment: look, do not touch.
    """

    def __call__(self, obj: T_contra, /) -> str: ...


@dataclass(frozen=True)
class Hooks(Generic[T]):
    """The factory of a pool and its hooks, each checked to be callable.

    Raises:
        TypeError: something is not callable; the message names it.
    """

    fun: Callable[[int], T]
    opener: Callable[[T], object] | None = None
    getter: Callable[[T], object] | None = None
    retter: Callable[[T], object] | None = None
    closer: Callable[[T], object] | None = None
    health: Callable[[T], bool] | None = None
    stats: Callable[[T], object] | None = None
    tracer: Callable[[T], str] | None = None

    def __post_init__(self) -> None:
        for field in fields(self):
            hook: object = getattr(self, field.name)
            if not callable(hook) and (hook is not None or field.name == "fun"):
                raise TypeError(f"{field.name} must be callable, not {hook!r}")
