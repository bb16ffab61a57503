"""The engine of a proxy, and the honest way to it: every method is typed, and none is forwarded."""

import logging
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from types import CodeType
from typing import Any, Generic, TypeVar, cast

from typing_extensions import Unpack

from .._config import seconds, set_log_level
from .._errors import PoolClosed, ProxyException
from .._hooks import Hooks
from .._pool.pool import Pool
from .._runtime.caller import calling_code
from .._runtime.process import notice
from .._scope.base import Kept, ScopeStrategy, Slot
from .._scope.origin import Origin
from .._scope.select import Scope, name_of, slot_of, threads_are_greenlets
from .._scope.shared import EmptySlot, SharedSlot
from .._scope.strategy import StrategySlot, strategy_of
from .._scope.thread import ThreadSlot
from .blocks import Block, BlockByMethods, Keeping, Stretch, give_back
from .content import Content, Given, MadeForEach, MadeOnce, Nothing, Pooled
from .forwarding import Links
from .knowledge import Knowledge
from .lookups import name_spaces
from .own_pools import OwnPools
from .parameters import NotGiven, PoolOverrides, PoolParameters, bound_of, check, not_given

T = TypeVar("T")

log = logging.getLogger("ppp")

_NOTHING: EmptySlot[Any] = EmptySlot()
_UNDECIDED: SharedSlot[Any] = SharedSlot()
"""What a proxy reads that is set, until the first object is needed: nobody keeps anything there."""


class Control(Generic[T]):
    """The controls of one proxy: ``control(db)``.

    What is called on a proxy is its object's, so a proxy's own methods hide behind underscores. Here they are by
    their names, and typed.
    """

    def __init__(
        self,
        links: Links,
        proxy_class: type[object],
        names: tuple[str, ...],
        scope: "Scope | ScopeStrategy[T] | Callable[[], ScopeStrategy[T]]",
        max_size: "int | NotGiven | None",
        parameters: PoolParameters[T],
        *,
        auto_return: bool,
    ) -> None:
        """Made by ``Proxy``."""
        self._proxy_class = proxy_class
        self._names = names
        self._auto_return = auto_return
        self._max_size = max_size
        self._parameters = parameters
        check(bound_of(max_size), parameters)
        if scope is Scope.SHARED and not isinstance(max_size, NotGiven | None):
            raise ProxyException(_NO_POOL)
        self._slots: dict[str, Slot[T]] = {}
        self._pools: OwnPools[T] = OwnPools()
        if isinstance(scope, Scope):
            self._scope: Scope | ScopeStrategy[T] = scope
            # Whether threads are greenlets is seen when the first object is needed: they may be patched until then.
            if scope not in (Scope.AUTO, Scope.SHARED, Scope.THREAD):
                self._slots["owners"] = slot_of(scope)
        else:
            self._scope = strategy = strategy_of(scope)
            self._slots["owners"] = StrategySlot(strategy)
        # The last is in force. A list, since to append and to remove is atomic: of several callers that set a content
        # at once the last one wins, and each of the others is retired by somebody, without a lock.
        self._contents: list[Content[T]] = [Nothing(self._unset)]
        self._keeping = Keeping(self._contents, self._slots, self._label, self._scope)
        connect, self._bind, claims = links
        self._knowledge = Knowledge(self._contents, self._keeping, claims, self._take, self._name, names)
        connect(self._knowledge)

    # What there is. ----------------------------------------------------------------------------------

    @property
    def pool(self) -> Pool[T] | None:
        """The pool that objects come from, if there is one."""
        return self._contents[-1].pool

    @property
    def scope(self) -> "Scope | ScopeStrategy[T]":
        """Who has an object of its own; ``AUTO`` is decided with the first content."""
        content = self._contents[-1]
        if self._scope is not Scope.AUTO or isinstance(content, Nothing):
            return self._scope
        return Scope.SHARED if content.shared else Scope.THREAD

    def has(self) -> bool:
        """Whether the current owner has an object, or needs only use it."""
        notice()
        return self._contents[-1].ready or hasattr(self._kept(), "obj")

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
        content = Given(obj)
        self._knowledge.note(content, obj)
        self._replace(content)
        self._look_for_hidden(content, obj)

    def set_fun(self, fun: Callable[[int], T]) -> None:
        """Forward to what a function makes.

        If there is to be a pool it is made here, and ``min_size`` objects in it.

        Args:
            fun: Makes an object for each owner when it needs one; gets the creation number 0, 1, 2… (``Factory``).

        Raises:
            TypeError: it is not callable, or a class derived from ``Factory``, and not an instance of it.
        """
        Hooks(fun)  # as a pool will, which may be made much later
        content: Content[T]
        bound = bound_of(self._max_size)
        if self._scope is Scope.SHARED:
            content = MadeOnce(fun, self._parameters, self._pools)
        elif bound is None:
            content = MadeForEach(fun, self._parameters, self._pools)
        else:
            content = Pooled(
                fun,
                bound,
                self._parameters,
                self._pools,
                self._keeping.stretches,
                auto_return=self._auto_return,
            )
        self._knowledge.foresee(content)
        self._replace(content)

    def set_pool(self, **parameters: Unpack[PoolOverrides[T]]) -> None:
        """Override parameters of the pool, which does not exist yet.

        A function that was set without a pool gets one if there is a ``max_size`` now, or if none was ever given and
        there is a parameter now that only a pool can honour: it is set anew.

        Raises:
            ProxyException: the pool exists already, or the scope is SHARED.
        """
        if self.pool is not None:
            raise ProxyException("cannot override pool parameters once initialized")
        # No variable here has the name of a parameter: pyright's hover would show that one.
        bound = parameters.pop("max_size", self._max_size)
        if isinstance(bound, NotGiven):
            bound = not_given([*bound.of_a_pool, *parameters])
        level = parameters.pop("log_level", None)
        merged = cast("PoolParameters[T]", {**self._parameters, **parameters})
        check(bound_of(bound), merged)
        if self._scope is Scope.SHARED and not isinstance(bound, NotGiven | None):
            raise ProxyException(_NO_POOL)
        if level is not None:
            set_log_level(level)
        self._max_size, self._parameters = bound, merged
        fun = self._contents[-1].fun
        if fun is not None:
            self.set_fun(fun)

    def _replace(self, content: Content[T]) -> None:
        if isinstance(self._contents[-1], Nothing):
            self._bind(_UNDECIDED)  # it is set now; whoever first needs an object has it read another
        self._contents.append(content)
        # What others have comes back at their next access. This is the caller's, unless a strategy has to be asked, who
        # need not know of any owner here.
        kept = self._kept() if isinstance(self._scope, Scope) else None
        if kept is not None:
            self._keeping.give_back(kept)
        # All that was set before this, and by whom ever; each step may be done twice, and done again if interrupted.
        known = list(self._contents)
        for old in known[: known.index(content)] if content in known else ():  # else a later one has done it
            old.retire()
            with suppress(ValueError):
                self._contents.remove(old)
        self._knowledge.claim()

    def _look_for_hidden(self, content: Content[T], obj: T) -> None:
        content.seen = True
        spaces = name_spaces(obj)
        for name in self._names:
            if any(name in space for space in spaces):
                log.warning(
                    "proxy of <%s at %#x>: its own %r is hidden by the proxy's; choose another set_name to reach it",
                    type(obj).__name__,
                    id(obj),
                    name,
                )

    # Using. --------------------------------------------------------------------------------------------

    def get(self, timeout: float | None = None) -> T:
        """Get the current owner's object, created or taken from the pool if need be.

        Args:
            timeout: Longest wait in seconds; ``None``: the pool's, 0: do not wait, ``math.inf``: for ever.

        Raises:
            ProxyException: the proxy was not set.
            PoolException: as ``Pool.get``, from which other errors come, too.
            PoolValueError: the timeout is negative or NaN, even if there is nothing to wait for.
        """
        return self._take(timeout)[-1]

    def _take(
        self, timeout: float | None, block: Origin | None = None, code: CodeType | None = None
    ) -> tuple[Slot[T], Kept[T] | None, T]:
        """Get the current owner's object, for a block perhaps; say where it is kept, and as what if it is his own.

        Who knows already what code calls says so.
        """
        if timeout is not None:
            seconds("timeout", timeout)
        notice()  # what is kept here may be a parent's
        while True:
            content = self._contents[-1]
            slot = self._slot_for(content)
            if block is not None:
                block.owner = slot.owner()
            kept = self._keeping.kept_in(slot)
            if kept is not None:
                try:
                    return slot, None if content.shared else kept, kept.obj
                except AttributeError:  # replaced, or inherited in a fork
                    give_back(slot, kept)
            for own in self._pools.object_of_hook():  # which means its object, whoever it is called for
                return slot, None, own
            if content.bounded:
                slot.reclaim()
            try:
                kept = content.take(timeout)
            except PoolClosed:
                if content.retired:
                    continue
                raise
            if self._scope is Scope.AUTO and isinstance(slot, ThreadSlot) and not content.shared:
                self._keeping.tell_of_company()
            # Before it is kept: who is interrupted in this takes another, and is not left with one that is not known.
            obj = getattr(kept, "obj", kept)
            if obj is not kept:  # else replaced meanwhile
                self._knowledge.learn(content, cast(T, obj))
            if block is not None and not content.shared:
                kept.taken = content.pool is not None  # else it has nowhere to go back to, and stays
                kept.blocks.append(block)
            if slot.owners_have_frames:
                kept.code = code or calling_code()
            winner = slot.put(kept)
            if winner is not kept:
                kept.release()
            try:
                obj = winner.obj
            except AttributeError:  # replaced meanwhile
                continue
            if not content.shared:
                content.kind = obj.__class__
            if not content.seen:
                self._look_for_hidden(content, obj)
            return slot, None if content.shared else winner, obj

    def _slot_for(self, content: Content[T]) -> Slot[T]:
        """Choose the slot of a content, and have the proxy read it.

        A proxy that has had owners keeps their slot, also for an object for all: each owner finds there what it has to
        give back.
        """
        if content.unset:
            return _NOTHING
        slot = self._slots.get("owners")
        if isinstance(slot, ThreadSlot) and threads_are_greenlets():
            # Used before they were patched, as by a server that forks greenlet workers after it has loaded the
            # application. What threads have kept so far goes back.
            # Of several who see it at once all take the same.
            slot = self._slots["owners"] = self._slots.setdefault("greenlets", slot_of(Scope.THREAD))
        if slot is None and content.shared:
            slot = self._slots.setdefault("all", SharedSlot())
        elif slot is None:
            slot = self._slots.setdefault("owners", slot_of(Scope.THREAD))
        self._bind(slot)  # always: if another binds what was right a moment ago, the next one here puts it right
        return slot

    def ret(self) -> None:
        """Give the current owner's object back to the pool; without a pool, or an object, do nothing."""
        kept = self._keeping.lent()
        if kept is not None:
            self._keeping.give_back(kept)

    def discard(self) -> None:
        """Give the current owner's object back as broken: it is closed, and the next access gets another.

        Without an object, do nothing.

        Raises:
            ProxyException: the object is everyone's; set another.
        """
        if self._contents[-1].shared:
            raise ProxyException("this object is everyone's, and not one owner's to discard: set another")
        kept = self._kept()
        if kept is not None:
            self._slots["owners"].remove(kept)
            kept.discard()

    def obj(self, timeout: float | None = None) -> AbstractContextManager[T]:
        """Get the current owner's object for a ``with`` block, and give it back at its end whatever happens inside.

        An object that the owner had before, from another such block or by using the proxy, is left to it: a block
        gives back what it took. An owner who had none has none at the end.

        Args:
            timeout: Longest wait in seconds; ``None``: the pool's, 0: do not wait, ``math.inf``: for ever.
                The wait is at the beginning of the block, as are the errors, which are those of ``get``.
        """
        return Block(self._take, self._keeping, timeout)

    def _kept(self) -> Kept[T] | None:
        """What the current owner keeps."""
        return self._keeping.kept()

    def _unset(self) -> str:
        return self._knowledge.unset()

    def _name(self) -> str | None:
        return self._parameters.get("name")

    def _label(self) -> str:
        """Name this in log lines."""
        name = self._name()
        return "proxy" if name is None else f"proxy {name!r}"

    def __repr__(self) -> str:
        content = self._contents[-1]
        if content.pool is not None:
            what = repr(content.pool)
        elif content.fun is not None:
            what = "a function"
        else:
            what = "not set" if isinstance(content, Nothing) else "an object"
        return f"<Control of a proxy, scope {_name(self.scope)}: {what}>"


_NO_POOL = "scope SHARED has one object, and nothing to take from a pool: leave max_size out, or use another scope"


def pool_name_of(control: Control[T]) -> str | None:
    """Find the name that a proxy's pool will have, for rooms that show it."""
    return _inside(control)[1].get("name")


def nobjs_of(control: Control[T]) -> int:
    """Count the objects of a proxy, for rooms that show it."""
    return _inside(control)[0].nobjs


def block_by_methods(control: Control[T], get: Callable[[], T], ret: Callable[[], None]) -> BlockByMethods[T]:
    """Make a block whose object is taken and given back by these, for rooms that have others than those here."""
    keeping = _inside(control)[2]
    return BlockByMethods(control.obj(), keeping, control.has, get, ret)


def stretch_of(control: Control[T]) -> Stretch[T]:
    """Make a stretch of work at whose end goes back what was taken, for rooms that serve one after another."""
    return Stretch(_inside(control)[2])


def _inside(control: Control[T]) -> tuple[Content[T], PoolParameters[T], Keeping[T]]:
    c = control
    return c._contents[-1], c._parameters, c._keeping  # pyright: ignore[reportPrivateUsage]  # this module's


def _name(scope: "Scope | ScopeStrategy[Any]") -> str:
    return name_of(scope) if isinstance(scope, Scope) else repr(scope)
