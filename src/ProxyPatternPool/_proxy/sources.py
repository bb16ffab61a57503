"""Where the objects of a proxy come from: what all sources have, and those that need no function."""

import logging
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from typing import Any, Generic, TypeVar

from .._errors import ProxyException
from .._pool.async_pool import AsyncPool
from .._pool.pool import Pool
from .._runtime.process import call_in_child
from .._scope.base import Kept, Loan
from .exposed import UNKNOWN, Supported
from .weak_set import WeakIdentitySet

T = TypeVar("T")

log = logging.getLogger("ppp")


class Source(ABC, Generic[T]):
    """Where objects come from until the proxy is set again.

    It knows what owners keep from it. Retired, it makes all of that unusable: each owner finds out at its next access,
    so that no object is taken away under a call, and gives back what it had.
    """

    unset = False
    shared = False
    """Whether all owners use the same object."""
    fixed = False
    """Whether that is known when this comes into force, stays the same, and is used in the child of a fork, too."""
    pooled = False
    """Whether objects go back to a pool that the user knows of."""
    pool: Pool[T] | None = None
    """That pool, if it is one for threads."""
    apool: AsyncPool[T] | None = None
    """That pool, if it is one for tasks."""
    fun: Callable[[int], T | Awaitable[T]] | None = None

    def __init__(self) -> None:
        self.retired = False
        self.names_checked = False
        """Whether it was looked for attributes of an object that the proxy hides."""
        self.object_class: type[object] | None = None
        """The class of the last object that an owner got, or of one to come."""
        self.known_classes: set[type[object]] = set()
        """The classes of objects that owners got."""
        self.supported: Supported = UNKNOWN
        """The special methods of objects of these classes."""
        self.all_kept: WeakIdentitySet[Kept[T]] = WeakIdentitySet()
        """What owners keep from here."""
        _all_sources.add(self)

    @property
    def ready(self) -> bool:
        """Whether there is an object for an owner that keeps none yet."""
        return False

    @property
    def bounded(self) -> bool:
        """Whether a caller may have to wait until others give back."""
        return False

    @property
    def nobjs(self) -> int:
        """How many objects there are."""
        return 0

    def warn(self, message: str, *arguments: str) -> None:
        """Have a warning logged."""
        log.warning(message, *arguments)

    @abstractmethod
    def take(self, timeout: float | None) -> Kept[T]:
        """Take an object for an owner to keep; whoever calls adds it to ``all_kept``."""

    def begin_in_task(self) -> None:
        """Begin to use this in a task: what is kept may be of an event loop that has ended.

        Raises:
            PoolException: There is one object for all, and it is of another event loop.
        """

    async def take_in_task(self, timeout: float | None) -> Kept[T]:
        """Take an object for a task, while others go on."""
        return self.take(timeout)  # there is nothing to wait for

    def expected(self) -> tuple[type[object] | None, list[T]]:
        """What is known before an owner has an object: the class of all of them, or objects that exist."""
        return None, []

    def retire(self) -> None:
        """End: another source takes over."""
        self.retired = True
        self.invalidate_all()

    def invalidate_all(self) -> None:
        """Make unusable what owners keep."""
        for kept in self.all_kept:
            kept.invalidate()

    def close(self, timeout: float) -> None:
        """Close the pools that there are, and wait for what is lent."""

    async def aclose(self, timeout: float) -> None:
        """The same in a task, while others go on."""

    def after_fork(self) -> None:
        """In a child: what owners keep is the parent's. The objects are never freed here: the pool sees to that."""
        for kept in self.all_kept:
            loan = kept.pop_loan()
            if loan is not None:
                _loans_of_parent.append(loan)
            kept.invalidate()


_all_sources: WeakIdentitySet[Source[Any]] = WeakIdentitySet()
_loans_of_parent: list[Loan] = []


def _after_fork() -> None:
    for source in _all_sources:
        source.after_fork()


call_in_child(_after_fork)  # after the scheduler's, which was registered before


class Unset(Source[T]):
    """No source yet."""

    unset = True

    def __init__(self, message: Callable[[], str]) -> None:
        super().__init__()
        self._message = message

    def take(self, timeout: float | None) -> Kept[T]:
        raise ProxyException(self._message())


class GivenObject(Source[T]):
    """One object for all owners. The child of a fork inherits it as it inherits any other."""

    shared = fixed = True

    def __init__(self, obj: T) -> None:
        super().__init__()
        self._obj = obj

    @property
    def ready(self) -> bool:
        return True

    @property
    def nobjs(self) -> int:
        return 1

    def take(self, timeout: float | None) -> Kept[T]:
        return Kept(self._obj)

    def after_fork(self) -> None:
        """Do nothing."""
