"""The sources of a proxy that make objects by a function, with a pool or without."""

import logging
from abc import abstractmethod
from collections.abc import Awaitable, Callable, Iterable
from typing import Generic, TypeVar, cast

from .._engine.core import Core
from .._pool.async_pool import AsyncPool
from .._pool.pool import Pool
from .._scope.base import Kept
from .lenders import Lender, LenderToTasks, LenderToThreads, to_be_awaited
from .own_pools import OwnPools
from .parameters import PoolParameters, without_old_names
from .sources import Source
from .unused_objects import RunningWork, UnusedObjectsCheck

T = TypeVar("T")


class PoolMaker(Generic[T]):
    """Makes the pools of a source: for threads, or for tasks."""

    def __init__(
        self,
        fun: Callable[[int], T | Awaitable[T]],
        parameters: PoolParameters[T],
        pools: OwnPools[T],
        how_to_take: Callable[[], str],
    ) -> None:
        """Bring together what a pool is made of.

        Args:
            fun: The function.
            parameters: The parameters of the pool.
            pools: Where the pool is noted.
            how_to_take: Says what to write where a task has no object that it would have to wait for.
        """
        self.fun = fun
        self.parameters = parameters
        self.awaited = to_be_awaited(fun, parameters)
        """Whether the function, or a hook, is to be awaited."""
        self._pools = pools
        self._how_to_take = how_to_take

    def lender(self, max_size: int | None, parameters: PoolParameters[T], all_kept: Iterable[Kept[T]]) -> Lender[T]:
        """Make a pool, with these parameters."""
        own = parameters.copy()
        own["closer"] = _closer_of(own, all_kept, ends_with_loop=self.awaited)
        return self._pools.make(lambda own: self._lender(max_size, own), own, for_tasks=self.awaited)

    def _lender(self, max_size: int | None, parameters: PoolParameters[T]) -> Lender[T]:
        if self.awaited:
            pool: AsyncPool[T] = AsyncPool(self.fun, max_size, **without_old_names(parameters))
            return LenderToTasks(pool, self._how_to_take)
        # What it returns is no awaitable: a pool for threads refuses one.
        return LenderToThreads(Pool(cast("Callable[[int], T]", self.fun), max_size, **parameters))


class FromFactory(Source[T]):
    """Objects that a function makes."""

    def __init__(self, maker: PoolMaker[T]) -> None:
        super().__init__()
        self.fun = maker.fun
        self._maker = maker

    def expected(self) -> tuple[type[object] | None, list[T]]:
        return class_made_by(self.fun), []

    @abstractmethod
    def _lenders(self) -> Iterable[Lender[T]]:
        """The pools that there are."""

    @abstractmethod
    def _lender(self) -> Lender[T]:
        """The pool that lends, which is made if there is none yet."""

    def take(self, timeout: float | None) -> Kept[T]:
        return self._lender().lend(timeout)

    async def take_in_task(self, timeout: float | None) -> Kept[T]:
        return await self._lender().lend_to_task(timeout)

    def warn(self, message: str, *arguments: str) -> None:
        self._lender().core.log_later(logging.WARNING, message, *arguments)

    def retire(self) -> None:
        super().retire()
        for lender in self._lenders():
            lender.retire()

    def close(self, timeout: float) -> None:
        for lender in self._lenders():
            lender.close(timeout)

    async def aclose(self, timeout: float) -> None:
        for lender in self._lenders():
            await lender.aclose(timeout)


class WithoutPool(FromFactory[T]):
    """Objects without a pool that the user knows of: from a private one, made when needed."""

    def __init__(self, maker: PoolMaker[T]) -> None:
        super().__init__(maker)
        # A list, since to append is atomic: if several callers make one at once, all use the first that is here.
        self._private: list[Lender[T]] = []

    @property
    def nobjs(self) -> int:
        return sum(lender.core.ledger.places.ncreated for lender in self._private)

    @abstractmethod
    def _make_lender(self) -> Lender[T]: ...

    def _lenders(self) -> Iterable[Lender[T]]:
        return self._private

    def _lender(self) -> Lender[T]:
        if not self._private:
            self._private.append(self._make_lender())
        return self._private[0]  # the others have made nothing yet


_OF_ONE_OBJECT = frozenset({"timeout", "opener", "closer", "tracer", "name", "hook_errors", "observer"})
"""The parameters of its pool: the object goes back at once and is never lent again, neither reset nor checked."""


class FromFactoryOnce(WithoutPool[T]):
    """One object for all owners, made when the first of them needs it.

    A pool of one makes it. Callers that come meanwhile wait in its queue, in whatever way they wait, and get the same
    object; if it could not be made the next in the queue tries.
    """

    shared = True

    def _make_lender(self) -> Lender[T]:
        given = {name: value for name, value in self._maker.parameters.items() if name in _OF_ONE_OBJECT}
        own = cast("PoolParameters[T]", {**given, "min_size": 0, "backoff": None})
        return self._maker.lender(1, own, self.all_kept)

    def begin_in_task(self) -> None:
        for lender in self._private:
            lender.begin_in_task()
            if not lender.core.ledger.places:  # the event loop in which it was made has ended
                self.invalidate_all()

    def take(self, timeout: float | None) -> Kept[T]:
        return _given_back(super().take(timeout))

    async def take_in_task(self, timeout: float | None) -> Kept[T]:
        return _given_back(await super().take_in_task(timeout))


class FromFactoryPerOwner(WithoutPool[T]):
    """An object for each owner, closed when the owner ends: lent once, by a pool that keeps none.

    The function may give several owners the same object, if its author means it to.
    """

    def _make_lender(self) -> Lender[T]:
        # Without a pool no caller waits for another.
        own: PoolParameters[T] = {**self._maker.parameters, "min_size": 0, "max_use": 1, "backoff": None}
        lender = self._maker.lender(None, own, self.all_kept)
        lender.core.allow_same_object()
        return lender


class FromPool(FromFactory[T]):
    """An object for each owner, from a pool."""

    pooled = True

    def __init__(
        self,
        maker: PoolMaker[T],
        max_size: int,
        units_of_work: Iterable[RunningWork],
        *,
        auto_return: bool,
    ) -> None:
        super().__init__(maker)
        self._only = lender = maker.lender(max_size, maker.parameters, self.all_kept)
        self.pool, self.apool = lender.pool, lender.apool
        self._core: Core[T] = lender.core
        if not maker.awaited:  # of tasks nothing is found out: what they keep comes back when they end
            self._core.waits.on_long_wait = UnusedObjectsCheck(self.all_kept, units_of_work).check
        self._lend = lender.lend if auto_return else lender.lend_for_good
        self._lend_to_task = lender.lend_to_task if auto_return else lender.lend_to_task_for_good

    def _lenders(self) -> Iterable[Lender[T]]:
        return (self._only,)

    def _lender(self) -> Lender[T]:
        return self._only

    @property
    def bounded(self) -> bool:
        # Without the lock. A caller that comes just before a resize, or a failure, waits as if it had come earlier.
        core = self._core
        return core.config.max_size is not None or core.ledger.backoff.failures > 0

    @property
    def nobjs(self) -> int:
        return self._core.ledger.places.nready

    def expected(self) -> tuple[type[object] | None, list[T]]:
        # Without the lock: only the classes of the objects are looked at, whoever takes one of them meanwhile.
        idle = self._core.shelves.idle_entries()
        return class_made_by(self.fun), [entry.obj for entry in idle]

    def take(self, timeout: float | None) -> Kept[T]:
        return self._lend(timeout)

    async def take_in_task(self, timeout: float | None) -> Kept[T]:
        return await self._lend_to_task(timeout)


def _given_back(lent: Kept[T]) -> Kept[T]:
    """Give an object back that its owners go on using: what they keep of it has no loan."""
    kept = Kept(lent.obj)
    lent.end()
    return kept


def class_made_by(fun: object) -> type[object] | None:
    """The class of the objects that a function makes, if the function is that class."""
    if not isinstance(fun, type):
        return None
    cls: type[object] = fun
    call: object = type(cls).__call__
    return cls if call is type.__call__ and cls.__new__ is object.__new__ else None


def _closer_of(
    parameters: PoolParameters[T], all_kept: Iterable[Kept[T]], *, ends_with_loop: bool
) -> Callable[[T], object] | None:
    """The user's closer; if objects may be closed while owners have them, these take others from then on.

    That is so if the pool may kill them, or is that of an event loop, which may end. It does not refer to the source:
    the pool must not keep alive what keeps the pool.
    """
    closer = parameters.get("closer")
    if not ends_with_loop and not parameters.get("max_using_delay_kill"):
        return closer

    def close(obj: T) -> object:
        for kept in all_kept:
            if getattr(kept, "obj", None) is obj:
                kept.invalidate()
        return None if closer is None else closer(obj)

    return close
