"""The hooks of a pool for tasks, as far as they may be coroutine functions: see ``_hooks`` for what each is for.

An ``AsyncPool`` awaits what its factory and its hooks return, if that is awaitable. So it accepts these and their plain
siblings side by side. Only ``stats`` and ``tracer`` are always plain: they say something about an object at once.
"""

from abc import abstractmethod
from collections.abc import Awaitable
from typing import Protocol, TypeVar

T_co = TypeVar("T_co", covariant=True)
T_contra = TypeVar("T_contra", contravariant=True)


class AsyncFactory(Protocol[T_co]):
    """Called to create an object of an ``AsyncPool``, and awaited; else it is a ``Factory``.

    It is awaited in the task of the caller for whom the object is created, or in one of the pool's own. ::

        class Connect(AsyncFactory[AsyncConnection]):
            def __init__(self, dsn: str) -> None:
                self._dsn = dsn

            async def __call__(self, number: int, /) -> AsyncConnection:
                return await AsyncConnection.connect(self._dsn)

        pool = AsyncPool(Connect("dbname=data"), max_size=4)
    """

    @abstractmethod
    def __call__(self, number: int, /) -> Awaitable[T_co]: ...


class AsyncOpener(Protocol[T_contra]):
    """Called once with each new object of an ``AsyncPool``, and awaited; else it is an ``Opener``.

    It is awaited where the factory is, before the object is lent. ::

        class SetUp(AsyncOpener[AsyncConnection]):
            async def __call__(self, obj: AsyncConnection, /) -> None:
                await obj.execute("SET statement_timeout = '5s'")

        pool = AsyncPool(connect_async, opener=SetUp())
    """

    @abstractmethod
    def __call__(self, obj: T_contra, /) -> Awaitable[object]: ...


class AsyncGetter(Protocol[T_contra]):
    """Called with an object each time it is lent, and awaited; else it is a ``Getter``.

    It is awaited in the borrower's task, and sees its context variables. ::

        class Begin(AsyncGetter[AsyncConnection]):
            async def __call__(self, obj: AsyncConnection, /) -> None:
                await obj.execute("BEGIN")

        pool = AsyncPool(connect_async, getter=Begin())
    """

    @abstractmethod
    def __call__(self, obj: T_contra, /) -> Awaitable[object]: ...


class AsyncRetter(Protocol[T_contra]):
    """Called with an object each time it comes back, and awaited; else it is a ``Retter``.

    It is awaited in a task of the pool's own, so that a cancellation of the borrower does not end it. ::

        class RollBack(AsyncRetter[AsyncConnection]):
            async def __call__(self, obj: AsyncConnection, /) -> None:
                await obj.rollback()

        pool = AsyncPool(connect_async, retter=RollBack())
    """

    @abstractmethod
    def __call__(self, obj: T_contra, /) -> Awaitable[object]: ...


class AsyncCloser(Protocol[T_contra]):
    """Called once with each object that leaves the pool, and awaited; else it is a ``Closer``.

    It is awaited in a task of the pool's own. The object counts towards ``max_size`` until that has ended. ::

        class Close(AsyncCloser[AsyncConnection]):
            async def __call__(self, obj: AsyncConnection, /) -> None:
                await obj.close()

        pool = AsyncPool(connect_async, closer=Close())
    """

    @abstractmethod
    def __call__(self, obj: T_contra, /) -> Awaitable[object]: ...


class AsyncHealthCheck(Protocol[T_contra]):
    """Called with an idle object in maintenance rounds, and awaited; else it is a ``HealthCheck``.

    It is awaited in a task of its own, and, before a loan under ``health_before_get``, in the borrower's. ::

        class Answers(AsyncHealthCheck[AsyncConnection]):
            async def __call__(self, obj: AsyncConnection, /) -> bool:
                return await obj.execute("SELECT 1") is not None

        pool = AsyncPool(connect_async, health=Answers(), hk_delay=30.0)
    """

    @abstractmethod
    def __call__(self, obj: T_contra, /) -> Awaitable[bool]: ...


ASYNC_PROTOCOLS: tuple[type, ...] = (
    AsyncFactory,
    AsyncOpener,
    AsyncGetter,
    AsyncRetter,
    AsyncCloser,
    AsyncHealthCheck,
)
