"""The pools of a proxy, for threads and for tasks: they lend what its owners keep."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Generic, TypeVar, cast

from .._awaitables import COROUTINES, flag_of
from .._engine.core import Core
from .._errors import ProxyException
from .._pool.async_pool import AsyncPool, async_core_of, tasks_of
from .._pool.lease import QuietLease
from .._pool.pool import Pool, core_of
from .._scope.base import End, Kept
from .parameters import HOOKS, PoolParameters

T = TypeVar("T")


def to_be_awaited(fun: object, parameters: PoolParameters[T]) -> bool:
    """Whether a pool needs to await its factory or one of its hooks: whether one of them is a coroutine function."""
    return any(flag_of(each) & COROUTINES for each in (fun, *map(cast("dict[str, object]", parameters).get, HOOKS)))


class Lender(ABC, Generic[T]):
    """Lends the objects of one pool."""

    pool: Pool[T] | None = None
    """The pool, if it is one for threads."""
    apool: AsyncPool[T] | None = None
    """The pool, if it is one for tasks."""

    @property
    @abstractmethod
    def core(self) -> Core[T]:
        """The parts of the pool."""

    @abstractmethod
    def lend(self, timeout: float | None) -> Kept[T]:
        """Lend an object to the caller, who blocks his thread while he waits; it comes back when this is dropped."""

    @abstractmethod
    def lend_for_good(self, timeout: float | None) -> Kept[T]:
        """The same, but to drop it gives nothing back."""

    @abstractmethod
    async def lend_to_task(self, timeout: float | None) -> Kept[T]:
        """Lend an object to the calling task, while others go on; it comes back when this is dropped."""

    @abstractmethod
    async def lend_to_task_for_good(self, timeout: float | None) -> Kept[T]:
        """The same, but to drop it gives nothing back."""

    def begin_in_task(self) -> None:
        """Begin to use the pool in a task, though it may lend nothing.

        Raises:
            PoolException: It lives in another event loop.
        """

    @abstractmethod
    def retire(self) -> None:
        """Have the pool closed, for whoever does not wait for anything."""

    @abstractmethod
    def close(self, timeout: float) -> None:
        """Close the pool, as ``Pool.shutdown`` does."""

    @abstractmethod
    async def aclose(self, timeout: float) -> None:
        """Close the pool, and wait in a task, while others go on."""


class LenderToThreads(Lender[T]):
    """Lends the objects of a ``Pool``, to tasks as well."""

    def __init__(self, pool: Pool[T]) -> None:
        self.pool = self._pool = pool
        self._core = core_of(pool)

    @property
    def core(self) -> Core[T]:
        return core_of(self._pool)

    def lend(self, timeout: float | None) -> Kept[T]:
        lease = QuietLease(self._core).begin(timeout)
        return Kept(lease.obj, lease)

    def lend_for_good(self, timeout: float | None) -> Kept[T]:
        obj = self._pool.get(timeout)
        return Kept(obj, _LoanForGood(self._pool, obj))

    async def lend_to_task(self, timeout: float | None) -> Kept[T]:
        lease = await self._pool.alease(timeout, quiet=True)
        return Kept(lease.obj, lease)

    async def lend_to_task_for_good(self, timeout: float | None) -> Kept[T]:
        obj = await self._pool.aget(timeout)
        return Kept(obj, _LoanForGood(self._pool, obj))

    def retire(self) -> None:
        self._pool.shutdown()

    def close(self, timeout: float) -> None:
        self._pool.shutdown(timeout)

    async def aclose(self, timeout: float) -> None:
        await self._pool.aclose(timeout)


class LenderToTasks(Lender[T]):
    """Lends the objects of an ``AsyncPool``.

    Without waiting nobody gets any: there is no way to wait for a task of one's own event loop.
    """

    def __init__(self, pool: AsyncPool[T], how_to_take: Callable[[], str]) -> None:
        self.apool = self._pool = pool
        self._how_to_take = how_to_take

    @property
    def core(self) -> Core[T]:
        return async_core_of(self._pool)

    def lend(self, timeout: float | None) -> Kept[T]:
        raise ProxyException(self._how_to_take())

    lend_for_good = lend

    def begin_in_task(self) -> None:
        tasks_of(self._pool).bind()

    async def lend_to_task(self, timeout: float | None) -> Kept[T]:
        lease = await self._pool.lease(timeout, quiet=True)
        return Kept(lease.obj, lease)

    async def lend_to_task_for_good(self, timeout: float | None) -> Kept[T]:
        obj = await self._pool.get(timeout)
        return Kept(obj, _LoanForGood(self._pool, obj))

    def retire(self) -> None:
        tasks_of(self._pool).abandon()

    def close(self, timeout: float) -> None:
        raise ProxyException(f"{self.core.label} is closed in its event loop: write `await control(…).aclose()`")

    async def aclose(self, timeout: float) -> None:
        await self._pool.aclose(timeout)


class _LoanForGood(Generic[T]):
    """A loan that only its owner can end: to drop it gives nothing back."""

    __slots__ = ("_obj", "_pool")

    def __init__(self, pool: Pool[T] | AsyncPool[T], obj: T) -> None:
        self._pool = pool
        self._obj = obj

    def release(self) -> End:
        return self._pool.ret(self._obj)

    def discard(self) -> End:
        return self._pool.discard(self._obj)
