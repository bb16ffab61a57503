"""The sources of a proxy that make objects by a function, with a pool or without."""

import logging
from abc import abstractmethod
from collections.abc import Callable, Iterable
from typing import Generic, TypeVar

from .._pool.lease import QuietLease
from .._pool.pool import Pool, core_of
from .._scope.base import Kept
from .own_pools import OwnPools
from .parameters import PoolParameters
from .sources import Source
from .unused_objects import RunningWork, UnusedObjectsCheck

T = TypeVar("T")


class FromFactory(Source[T]):
    """Objects that a function makes, without a pool that the user knows of: a private pool, made when needed."""

    def __init__(self, fun: Callable[[int], T], parameters: PoolParameters[T], pools: OwnPools[T]) -> None:
        super().__init__()
        self.fun = self._fun = fun
        self._parameters = parameters
        self._pools = pools
        # A list, since to append is atomic: if several callers make one at once, all use the first that is here.
        self._private_pools: list[Pool[T]] = []

    @property
    def nobjs(self) -> int:
        return sum(core_of(pool).ledger.places.ncreated for pool in self._private_pools)

    @abstractmethod
    def _make_pool(self, parameters: PoolParameters[T]) -> Pool[T]: ...

    def expected(self) -> tuple[type[object] | None, list[T]]:
        return class_made_by(self._fun), []

    def _private_pool(self) -> Pool[T]:
        if not self._private_pools:
            self._private_pools.append(self._pools.make(self._make_pool, self._parameters))
        return self._private_pools[0]  # the others have made nothing yet

    def warn(self, message: str, *arguments: str) -> None:
        core_of(self._private_pool()).log_later(logging.WARNING, message, *arguments)

    def retire(self) -> None:
        super().retire()
        for pool in self._private_pools:
            pool.shutdown()


class FromFactoryOnce(FromFactory[T]):
    """One object for all owners, made when the first of them needs it.

    A pool of one makes it. Callers that come meanwhile wait in its queue, in whatever way they wait, and get the same
    object; if it could not be made the next in the queue tries.
    """

    shared = True

    @property
    def ready(self) -> bool:
        return any(core_of(pool).shelves.nidle for pool in self._private_pools)

    def _make_pool(self, parameters: PoolParameters[T]) -> Pool[T]:
        # The object goes back at once, and is never lent again: it is neither reset nor checked, and lasts.
        return Pool(
            self._fun,
            1,
            0,
            parameters.get("timeout"),
            opener=parameters.get("opener"),
            closer=parameters.get("closer"),
            tracer=parameters.get("tracer"),
            name=parameters.get("name"),
            backoff=None,
            hook_errors=parameters.get("hook_errors", "log"),
            observer=parameters.get("observer"),
        )

    def _take(self, timeout: float | None) -> Kept[T]:
        with self._private_pool().obj(timeout) as obj:
            return Kept(obj)


class FromFactoryPerOwner(FromFactory[T]):
    """An object for each owner, closed when the owner ends: lent once, by a pool that keeps none.

    The function may give several owners the same object, if its author means it to.
    """

    def __init__(self, fun: Callable[[int], T], parameters: PoolParameters[T], pools: OwnPools[T]) -> None:
        own = parameters.copy()
        super().__init__(fun, own, pools)
        own["min_size"], own["max_use"] = 0, 1
        own["closer"] = _closer_of(own, self.all_kept)
        own["backoff"] = None  # without a pool no caller waits for another

    def _make_pool(self, parameters: PoolParameters[T]) -> Pool[T]:
        pool = Pool(self._fun, 0, **parameters)
        core_of(pool).allow_same_object()
        return pool

    def _take(self, timeout: float | None) -> Kept[T]:
        lease = self._private_pool().lease(timeout, quiet=True)
        return Kept(lease.obj, lease)


class FromPool(Source[T]):
    """An object for each owner, from a pool."""

    def __init__(
        self,
        fun: Callable[[int], T],
        max_size: int,
        parameters: PoolParameters[T],
        pools: OwnPools[T],
        units_of_work: Iterable[RunningWork],
        *,
        auto_return: bool,
    ) -> None:
        super().__init__()
        self.fun = fun
        own = parameters.copy()
        own["closer"] = _closer_of(own, self.all_kept)
        self.pool = self._pool = pools.make(lambda own: Pool(fun, max_size, **own), own)
        self._core = core_of(self._pool)
        self._core.waits.on_long_wait = UnusedObjectsCheck(self.all_kept, units_of_work).check
        self._auto_return = auto_return

    @property
    def bounded(self) -> bool:
        # Without the lock. A caller that comes just before a resize, or a failure, waits as if it had come earlier.
        core = self._core
        return core.config.max_size is not None or core.ledger.backoff.failures > 0

    @property
    def nobjs(self) -> int:
        return self._core.ledger.places.nready

    def warn(self, message: str, *arguments: str) -> None:
        self._core.log_later(logging.WARNING, message, *arguments)

    def expected(self) -> tuple[type[object] | None, list[T]]:
        # Without the lock: only the classes of the objects are looked at, whoever takes one of them meanwhile.
        idle = self._core.shelves.idle_entries()
        return class_made_by(self.fun), [entry.obj for entry in idle]

    def _take(self, timeout: float | None) -> Kept[T]:
        if self._auto_return:
            lease = QuietLease(self._core).begin(timeout)
            return Kept(lease.obj, lease)
        obj = self._pool.get(timeout)
        return Kept(obj, _Loan(self._pool, obj))

    def retire(self) -> None:
        super().retire()
        self._pool.shutdown()


def class_made_by(fun: object) -> type[object] | None:
    """The class of the objects that a function makes, if the function is that class."""
    if not isinstance(fun, type):
        return None
    cls: type[object] = fun
    call: object = type(cls).__call__
    return cls if call is type.__call__ and cls.__new__ is object.__new__ else None


def _closer_of(parameters: PoolParameters[T], all_kept: Iterable[Kept[T]]) -> Callable[[T], object] | None:
    """The user's closer; if objects may be killed, one that has their owners take others from then on.

    It does not refer to the source: the pool must not keep alive what keeps the pool.
    """
    closer = parameters.get("closer")
    if not parameters.get("max_using_delay_kill"):
        return closer

    def close(obj: T) -> None:
        for kept in all_kept:
            if getattr(kept, "obj", kept) is obj:
                kept.invalidate()
        if closer is not None:
            closer(obj)

    return close


class _Loan(Generic[T]):
    """A loan that only its owner can end: to drop it gives nothing back."""

    __slots__ = ("_obj", "_pool")

    def __init__(self, pool: Pool[T], obj: T) -> None:
        self._pool = pool
        self._obj = obj

    def release(self) -> None:
        self._pool.ret(self._obj)

    def discard(self) -> None:
        self._pool.discard(self._obj)
