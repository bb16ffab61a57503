"""The controls of a proxy: every method is typed, and none is forwarded to the object."""

from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, AbstractContextManager, suppress
from typing import Any, Generic, TypeVar, cast

from typing_extensions import Unpack

from .._config import seconds, set_log_level
from .._errors import ProxyException
from .._pool.async_pool import AsyncPool
from .._pool.awaiting import FINISHED
from .._pool.either import EitherPool
from .._pool.pool import Pool
from .._runtime.process import notice_fork
from .._scope.base import End, ScopeStrategy
from .._scope.open_block import OpenBlock
from .._scope.select import Scope, name_of, new_slot
from .._scope.shared import SharedSlot
from .._scope.strategy import StrategySlot, strategy_of
from .blocks import AsyncBlock, Block, SubclassBlock
from .exposed import exposing
from .factory_sources import FromFactoryOnce, FromFactoryPerOwner, FromPool, PoolMaker
from .facts import Facts
from .forwarding import ClassControls
from .own_pools import OwnPools
from .owners import OwnerObjects
from .parameters import NotGiven, PoolOverrides, PoolParameters, bound_of, check, check_hooks, not_given
from .resolver import ProxyResolver
from .sources import GivenObject, Source, Unset
from .taking import Taken, Taking
from .unit_of_work import UnitOfWork
from .weak_set import WeakIdentitySet

T = TypeVar("T")

_NOT_TAKEN: SharedSlot[Any] = SharedSlot()
"""The slot of a proxy that is set, until the first object is taken: nothing is kept there."""


class Control(Generic[T]):
    """The controls of one proxy: ``control(db)``.

    What is called on a proxy is its object's, so a proxy's own methods hide behind underscores. Here they are by
    their names, and typed.
    """

    def __init__(
        self,
        class_controls: ClassControls,
        proxy_class: type[object],
        setters: tuple[str, ...],
        scope: "Scope | ScopeStrategy[T] | Callable[[], ScopeStrategy[T]]",
        max_size: "int | NotGiven | None",
        parameters: PoolParameters[T],
        *,
        auto_return: bool,
    ) -> None:
        """Made by ``Proxy``."""
        self._proxy_class = proxy_class
        self._auto_return = auto_return
        self._max_size = max_size
        self._parameters = parameters
        self._awaits = scope is Scope.CONTEXT or scope is Scope.SHARED
        check(bound_of(max_size), parameters, awaits=self._awaits)
        if scope is Scope.SHARED and not isinstance(max_size, NotGiven | None):
            raise ProxyException(_NO_POOL)
        self._scope: Scope | ScopeStrategy[T] = scope if isinstance(scope, Scope) else strategy_of(scope)
        # The last is in force. A list, since to append and to remove is atomic: if several callers set a source at once
        # the last one wins, and each of the others is retired by one of them, without a lock.
        self._sources: list[Source[T]] = [Unset(lambda: self._resolver.how_to_set())]
        self._owners = OwnerObjects(self._sources, self._label, self._scope)
        if not isinstance(self._scope, Scope):
            self._owners.slots["owners"] = StrategySlot(self._scope)
        elif self._scope not in (Scope.AUTO, Scope.SHARED, Scope.THREAD):
            # The slot of THREAD is made when the first object is taken: threads may be patched until then.
            self._owners.slots["owners"] = new_slot(self._scope)
        self._units_of_work: WeakIdentitySet[UnitOfWork[T]] = WeakIdentitySet()
        self._pools: OwnPools[T] = OwnPools()
        connect, self._bind, find_in, self._find_by_slot, exposed = class_controls
        self._facts = Facts(self._sources, exposed)
        self._taking = Taking(
            self._sources, self._owners, self._pools, self._facts, self._bind, find_in, self._scope, setters
        )
        self._resolver = ProxyResolver(self._sources, self._owners, self._facts, self._taking, self._name, setters)
        connect(self._resolver)

    # What there is. ----------------------------------------------------------------------------------

    @property
    def pool(self) -> Pool[T] | None:
        """The pool that objects come from, if there is one and nothing is awaited."""
        return self._sources[-1].pool

    @property
    def apool(self) -> AsyncPool[T] | None:
        """The pool that objects come from, if there is one and ``fun`` or a hook is a coroutine function."""
        return self._sources[-1].apool

    @property
    def scope(self) -> "Scope | ScopeStrategy[T]":
        """Who has an object of its own; ``AUTO`` is decided when the proxy is set first."""
        source = self._sources[-1]
        if self._scope is not Scope.AUTO or source.unset:
            return self._scope
        return Scope.SHARED if source.shared else Scope.THREAD

    def has(self) -> bool:
        """Whether the current owner has an object, or needs only use it."""
        notice_fork()
        return self._sources[-1].ready or hasattr(self._owners.kept_or_shared(), "obj")

    # Setting. ----------------------------------------------------------------------------------------

    def set_obj(self, obj: T) -> None:
        """Forward to one object, for all.

        Raises:
            ProxyException: the scope gives each owner an object of its own, or it is the proxy itself.
        """
        if self._scope not in (Scope.AUTO, Scope.SHARED):
            raise ProxyException(
                f"scope {_name(self._scope)} gives each owner an object of its own, and this is only one: "
                f"set a function that makes them, or use scope SHARED"
            )
        if type(obj) is self._proxy_class:
            raise ProxyException("obj must not be the proxy itself")
        source = GivenObject(obj)
        self._facts.record_class(source, obj)
        self._replace(source)
        self._taking.check_names(source, obj)

    def set_fun(self, fun: Callable[[int], T | Awaitable[T]]) -> None:
        """Forward to what a function makes.

        If there is to be a pool it is made here, and ``min_size`` objects in it. It is an ``AsyncPool`` if the function
        or a hook is a coroutine function; that makes its first objects when it is first used.

        Args:
            fun: Makes an object for each owner when it needs one; gets the creation number 0, 1, 2… (``Factory``).
                With scope CONTEXT or SHARED it may be a coroutine function (``AsyncFactory``), see ``aget``.

        Raises:
            TypeError: it is not callable, or a class derived from ``Factory``, and not an instance of it; or it is a
                coroutine function, and the scope is another one.
        """
        check_hooks(fun, {}, awaits=self._awaits)  # as a pool does, which may be made much later
        source: Source[T]
        bound = bound_of(self._max_size)
        maker = PoolMaker(fun, self._parameters, self._pools, self._resolver.how_to_take)
        if self._scope is Scope.SHARED:
            source = FromFactoryOnce(maker)
        elif bound is None:
            source = FromFactoryPerOwner(maker)
        else:
            source = FromPool(maker, bound, self._units_of_work, auto_return=self._auto_return)
        self._facts.record_expected(source)
        self._replace(source)

    def set_pool(self, **parameters: Unpack[PoolOverrides[T]]) -> None:
        """Override parameters of the pool, which does not exist yet.

        A function that was set without a pool gets one if there is a ``max_size`` now, or if none was ever given and
        there is a parameter now that only a pool can honour: it is set anew.

        Raises:
            ProxyException: the pool exists already, or the scope is SHARED.
        """
        if self._sources[-1].pooled:
            raise ProxyException("cannot override pool parameters once initialized")
        # No variable here has the name of a parameter: pyright's hover would show that one.
        bound = parameters.pop("max_size", self._max_size)
        if isinstance(bound, NotGiven):
            bound = not_given([*bound.of_a_pool, *parameters])
        level = parameters.pop("log_level", None)
        merged = cast("PoolParameters[T]", {**self._parameters, **parameters})
        check(bound_of(bound), merged, awaits=self._awaits)
        if self._scope is Scope.SHARED and not isinstance(bound, NotGiven | None):
            raise ProxyException(_NO_POOL)
        if level is not None:
            set_log_level(level)
        self._max_size, self._parameters = bound, merged
        fun = self._sources[-1].fun
        if fun is not None:
            self.set_fun(fun)

    def _replace(self, source: Source[T]) -> None:
        if self._sources[-1].unset:
            self._bind(_NOT_TAKEN)  # it is set now; the first owner that takes an object binds the right slot
        self._sources.append(source)
        with exposing():
            self._find_by_slot()
        # What other owners have comes back at their next access, what the caller has now. A user's strategy is not
        # asked: it need not know of any owner here.
        kept = self._owners.kept() if isinstance(self._scope, Scope) else None
        if kept is not None:
            self._owners.give_back(kept)
        # All sources before this one are retired, whichever thread has set them. Each step may be done twice, and is
        # done by the next call if this one is interrupted.
        known = list(self._sources)
        for old in known[: known.index(source)] if source in known else ():  # else a later call has done it
            old.retire()
            with suppress(ValueError):
                self._sources.remove(old)
        self._facts.expose()

    # Using. --------------------------------------------------------------------------------------------

    def get(self, timeout: float | None = None) -> T:
        """Get the current owner's object, created or taken from the pool if need be.

        Args:
            timeout: Longest wait in seconds; ``None``: the pool's, 0: do not wait, ``math.inf``: for ever.

        Raises:
            ProxyException: the proxy was not set; or the object would have to be awaited, see ``aget``.
            PoolException: as ``Pool.get``, from which other errors come, too.
            PoolValueError: the timeout is negative or NaN, even if there is nothing to wait for.
        """
        return self._taking.take(timeout)[-1]

    def aget(self, timeout: float | None = None) -> Coroutine[Any, Any, T]:
        """Get the current task's object: what ``get`` does, but other tasks go on meanwhile.

        From then on the proxy stands for it in this task. It goes back when the task ends, or by ``aret`` or ``ret``.
        Await this in the task that is to have the object: what ``gather``, or ``wait_for`` before Python 3.12, makes a
        task of has an object of its own.

        Args:
            timeout: Longest wait in seconds; ``None``: the pool's, 0: do not wait, ``math.inf``: for ever.

        Raises:
            ProxyException: the proxy was not set; or it is awaited in another task than it was called in; or the scope
                has all tasks of a thread use one object.
            PoolException: as ``AsyncPool.get``, from which other errors come, too.
            PoolValueError: the timeout is negative or NaN, even if there is nothing to wait for.
        """
        return self._aget(timeout, self._owners.owner())

    async def _aget(self, timeout: float | None, caller: object) -> T:
        refuse_one_for_all_tasks(self)
        if self._owners.owner() != caller:
            raise ProxyException(
                f"{self._label()}: aget() is awaited in another task than it was called in, and the object would be "
                f"that task's: await it where it is called, with its own timeout or in asyncio.timeout()"
            )
        return (await self._taking.take_in_task(timeout))[-1]

    def ret(self) -> None:
        """Give the current owner's object back to the pool; without a pool, or an object, do nothing."""
        kept = self._owners.lent()
        if kept is not None:
            self._owners.give_back(kept)

    def aret(self) -> Coroutine[Any, Any, None]:
        """Do the same, at once; to await what is returned is to wait for a ``retter`` that is awaited itself."""
        kept = self._owners.lent()
        return FINISHED if kept is None else self._owners.give_back(kept) or FINISHED

    def discard(self) -> None:
        """Give the current owner's object back as broken: it is closed, and the next access gets another.

        Without an object, do nothing.

        Raises:
            ProxyException: the object is everyone's; set another.
        """
        self._end_broken()

    def adiscard(self) -> Coroutine[Any, Any, None]:
        """Do the same, at once; to await what is returned is to wait for a ``closer`` that is awaited itself.

        Raises:
            ProxyException: the object is everyone's; set another.
        """
        return self._end_broken() or FINISHED

    def _end_broken(self) -> End:
        if self._sources[-1].shared:
            raise ProxyException("this object is everyone's, and not one owner's to discard: set another")
        kept = self._owners.kept()
        return None if kept is None else self._owners.give_back(kept, broken=True)

    def obj(self, timeout: float | None = None) -> AbstractContextManager[T]:
        """Get the current owner's object for a ``with`` block, and give it back at its end whatever happens inside.

        An object that the owner had before, from another such block or by using the proxy, is left to it: a block
        gives back what it took. An owner who had none has none at the end.

        Args:
            timeout: Longest wait in seconds; ``None``: the pool's, 0: do not wait, ``math.inf``: for ever.
                The wait is at the beginning of the block, as are the errors, which are those of ``get``.
        """
        return Block(self._taking.take, self._owners, timeout)

    def aobj(self, timeout: float | None = None) -> AbstractAsyncContextManager[T]:
        """Get the current task's object for an ``async with`` block: what ``obj`` does, but other tasks go on.

        Args:
            timeout: Longest wait in seconds; ``None``: the pool's, 0: do not wait, ``math.inf``: for ever.
                The wait is at the beginning of the block, as are the errors, which are those of ``aget``.
        """
        return AsyncBlock(self._take_in_task, self._owners, timeout)

    async def _take_in_task(self, timeout: float | None, block: OpenBlock) -> Taken[T]:
        refuse_one_for_all_tasks(self)
        return await self._taking.take_in_task(timeout, block)

    # The end. ------------------------------------------------------------------------------------------

    def close(self, timeout: float = 0.0) -> None:
        """Close the pool, as ``Pool.shutdown`` does: whoever uses the proxy then gets ``PoolClosed``.

        Without a pool what owners keep is closed when they end. An object that was given is left alone. A proxy that is
        set again, with ``set_fun``, can be used again.

        Args:
            timeout: Until when to wait for lent objects, in seconds from the call.

        Raises:
            ProxyException: the pool is an ``AsyncPool``: await ``aclose``.
            PoolValueError: the timeout is negative or NaN.
        """
        self._sources[-1].close(seconds("timeout", timeout))

    async def aclose(self, timeout: float = 0.0) -> None:
        """Close the pool: what ``close`` does, but other tasks go on meanwhile. For the end of an application.

        Args:
            timeout: Until when to wait for lent objects, in seconds from the call.

        Raises:
            PoolException: no event loop runs here, or the pool lives in another one.
            PoolValueError: the timeout is negative or NaN.
        """
        await self._sources[-1].aclose(seconds("timeout", timeout))

    def _name(self) -> str | None:
        return self._parameters.get("name")

    def _label(self) -> str:
        """The name of the proxy in log lines."""
        name = self._name()
        return "proxy" if name is None else f"proxy {name!r}"

    def __repr__(self) -> str:
        source = self._sources[-1]
        if source.pooled:
            what = repr(source.pool or source.apool)
        elif source.fun is not None:
            what = "a function"
        else:
            what = "not set" if source.unset else "an object"
        return f"<Control of a proxy, scope {_name(self.scope)}: {what}>"


_NO_POOL = "scope SHARED has one object, and nothing to take from a pool: leave max_size out, or use another scope"


# What other modules need of a control, and users do not see.


def refuse_one_for_all_tasks(control: Control[Any]) -> None:
    """Refuse what a task does with an object that it would share with all others of its thread.

    Raises:
        ProxyException: the scope is one of threads or greenlets.
    """
    scope = control.scope
    if scope is Scope.THREAD or scope is Scope.GEVENT or scope is Scope.EVENTLET:
        raise ProxyException(
            f"with scope {scope.name} all tasks of a thread have the same object, and the first to end would "
            f"give back what others use: make the proxy with scope=Proxy.Scope.CONTEXT"
        )


def pool_name_of(control: Control[T]) -> str | None:
    """The name that a proxy's pool will have."""
    return _inside(control)[1].get("name")


def either_pool_of(control: Control[Any]) -> EitherPool | None:
    """The pool that a proxy's objects come from, if there is one, of whichever kind."""
    return control.pool or control.apool


def nobjs_of(control: Control[T]) -> int:
    """Count the objects of a proxy."""
    return _inside(control)[0].nobjs


def subclass_block(control: Control[T], get: Callable[[], T], ret: Callable[[], None]) -> SubclassBlock[T]:
    """Make a block that takes its object, and gives it back, by methods of a subclass of ``Proxy``."""
    return SubclassBlock(control.obj(), _inside(control)[2], control.has, get, ret)


def unit_of_work(control: Control[T]) -> UnitOfWork[T]:
    """Make a unit of work, at whose end what was taken goes back."""
    _, _, owners, units = _inside(control)
    return UnitOfWork(owners, units)


def _inside(
    control: Control[T],
) -> "tuple[Source[T], PoolParameters[T], OwnerObjects[T], WeakIdentitySet[UnitOfWork[T]]]":
    c = control
    return c._sources[-1], c._parameters, c._owners, c._units_of_work  # pyright: ignore[reportPrivateUsage]  # as above


def _name(scope: "Scope | ScopeStrategy[Any]") -> str:
    return name_of(scope) if isinstance(scope, Scope) else repr(scope)
