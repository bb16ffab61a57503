"""The proxy as its users see it."""

import logging
import weakref
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager
from functools import partial
from types import FunctionType
from typing import TYPE_CHECKING, Any, Generic, cast

from typing_extensions import Self, TypeVar, Unpack

from .._config import HookErrors, expect, set_log_level
from .._errors import ProxyException
from .._observer import PoolObserverOrNone
from .._pool.pool import Pool
from .._scope.base import ScopeStrategy
from .._scope.select import Scope as _Scope
from .control import Control, nobjs_of, subclass_block
from .exposed import UNKNOWN, Supported, supported_by, supported_by_class
from .factory_sources import class_made_by
from .forwarding import forwarding_class
from .operators import ACCESS
from .parameters import PoolOverrides, PoolParameters, ignored_for_one_object, note_given
from .special import Forwarding
from .subclasses import BEFORE_MADE, attributes_so_far, names_added, own_names, reporting_end, reports_end, user_class

T = TypeVar("T", default=Any)

log = logging.getLogger("ppp")


class Proxy(Forwarding, Generic[T]):
    """Stand for an object that comes later, or for one per thread, greenlet, task or context.

    Whatever is done to a proxy is done to its object: attributes, operators, calls, ``with``, ``isinstance``. Set it
    once everything is imported, with ``set_obj`` to one object for all, or with ``set_fun`` to a function that makes
    one for each owner. With ``max_size`` they come from a pool.

    An owner's object goes back by itself, to the pool or to be closed, when its thread or greenlet ends or its context
    is dropped; give it back earlier with ``_ret_obj()``, or use it in a ``with proxy._obj()`` block.

    ``proxy(…)`` makes the same, typed as the object itself, and ``control(…)`` has the methods without underscores.
    """

    __slots__ = ("__control",)

    Scope = _Scope

    # written by tools/generate.py: the parameters of Proxy
    def __init__(
        self,
        obj: T | None = None,
        fun: Callable[[int], T | Awaitable[T]] | None = None,
        set_name: str | None = "set",
        scope: "_Scope | ScopeStrategy[T] | Callable[[], ScopeStrategy[T]]" = _Scope.AUTO,
        log_level: int | str | None = None,
        max_size: int | None = None,
        *,
        auto_return: bool = True,
        min_size: int = 1,
        timeout: float | None = None,
        max_use: int | None = 0,
        max_waiting: int | None = None,
        max_lifetime: float | None = 0.0,
        max_avail_delay: float | None = 0.0,
        max_using_delay: float | None = 0.0,
        max_using_delay_kill: float | None = 0.0,
        health_freq: int = 1,
        health_before_get: float | None = None,
        backoff: tuple[float, float] | None = (0.05, 5.0),
        hk_delay: float | None = None,
        delay: float | None = None,
        opener: Callable[[T], object] | None = None,
        getter: Callable[[T], object] | None = None,
        retter: Callable[[T], object] | None = None,
        closer: Callable[[T], object] | None = None,
        health: Callable[[T], bool | Awaitable[bool]] | None = None,
        stats: Callable[[T], object] | None = None,
        tracer: Callable[[T], str] | None = None,
        name: str | None = None,
        trace_owner: bool = False,
        hook_errors: HookErrors = "log",
        observer: PoolObserverOrNone[T] = None,
    ) -> None:
        """Make a proxy, of nothing yet if neither ``obj`` nor ``fun`` is given.

        All from ``min_size`` on are the pool's; hooks are called without a pool, too.

        Args:
            obj: One object for all owners (scope SHARED).
            fun: Makes an object for each owner when it needs one; gets the creation number 0, 1, 2… (``Factory``).
                Without a pool it may return the same object again, which owners then share. The hooks are called for
                each owner, so leave the ``closer`` out then. With scope CONTEXT or SHARED it may be a coroutine
                function (``AsyncFactory``), and so may the hooks: each task takes its object by ``await
                control(db).aget()``.
            name: Name in log lines, errors and ``stats()``; ``None``: a number.
            set_name: Name of the method that sets the content, and beginning of two more, ``…_obj`` and ``…_fun``.
                The object's own methods of these names are hidden: choose another if it has any. Empty, ``None``, and
                the default of ``proxy``: only ``_set``, ``_set_obj`` and ``_set_fun``, which always exist.
            scope: What counts as an owner: a ``Proxy.Scope``, or a ``ScopeStrategy`` of your own.
            log_level: Level to set on the package's logger, ``logging.getLogger("ppp")``.
            max_size: Take objects from a pool of at most this many; 0: unlimited, ``None``: there is no pool.
                Not given: 0 if a parameter is given that only a pool can honour, such as ``min_size``, ``timeout`` or
                ``health``; else ``None``. Without a pool each owner has an object made for it, closed when it ends.
            auto_return: Whether an owner that ends gives its object back to the pool.
                If not, the pool loses the object unless ``_ret_obj`` is called.
            min_size: Keep at least this many objects; maintenance creates what is missing.
                The first are created at construction. After a failure the next attempt waits for ``backoff``.
            timeout: Longest wait in ``get``, in seconds; ``None``: for ever, 0: never wait.
            max_use: Discard an object after this many uses; 0 or ``None``: unlimited.
            max_waiting: At most this many callers wait; more get ``TooManyWaiting``. ``None``: unlimited, 0: nobody.
            max_lifetime: Discard an object this many seconds after its creation; 0.0 or ``None``: never.
                Each object gets a random lifetime of 95 to 100 % of it, so that not all are closed at once. An object
                in use is discarded when it comes back.
            delay: The same as ``hk_delay``, by its older name.
            max_avail_delay: Discard an object idle this many seconds, never below ``min_size``; 0.0, ``None``: never.
            max_using_delay: Warn about an object in use this many seconds; 0.0, ``None``: as ``max_using_delay_kill``.
            max_using_delay_kill: Close an object in use this many seconds, and free its place; 0.0 or ``None``: never.
            health_freq: Check health once in this many maintenance rounds.
            health_before_get: Check health before lending an object idle for this many seconds; ``None``: never.
                Idle: neither used nor checked; 0.0: check always. The borrower checks, in ``get``. If an object fails
                it is discarded, and the next idle one is tried, or a new one.
            backoff: Seconds between attempts to create after one has failed: the first, and the longest.
                It doubles each time, with equal jitter (50 to 100 %). The caller of the first failed attempt gets its
                error at once; later callers wait for the next attempt. ``None``: only maintenance waits.
            hk_delay: Seconds between maintenance rounds; limits are checked only in rounds.
                0.0 or ``None``: half the shortest delay to watch, or 60.0 for ``health`` alone; then limits are met
                exactly.
            opener: Called once with each new object (``Opener``).
            getter: Called with an object each time it is lent (``Getter``).
            retter: Called with an object each time it comes back (``Retter``); a failure discards the object.
            closer: Called once with each object that leaves the pool (``Closer``).
            health: Called with idle objects in maintenance rounds (``HealthCheck``).
                An object for which it returns ``False``, or raises, is discarded.
            stats: Says something JSON-compatible about an object, for ``stats()`` (``StatsHook``).
            tracer: Names a new object in log lines, ``TimeOut``, ``owners()`` and ``dump()`` (``Tracer``).
                Without a ``stats`` hook ``stats()`` calls it again, also for objects in use: it must not use them
                itself.
            trace_owner: Keep the stack of each ``get``, for the warning about a long use; it costs some microseconds.
            hook_errors: What is done if an ``opener`` or ``getter`` raises, ``"log"`` or ``"discard"``.
                ``log``: the error is logged, and the object is used nevertheless. ``discard``: the object is closed,
                and the caller gets ``HookError``.
            observer: Notified of what happens in the pool (``PoolObserver``); for several: ``observers(a, b)``.

        Raises:
            ProxyException: The parameters contradict one another, or the library of the scope is not installed.
            TypeError: A parameter is unknown, or has the wrong type.
            PoolValueError: A parameter of the pool has a value that makes no sense.
        """
        if set_name is not None:
            expect("set_name", set_name, str, "a string")
        expect("auto_return", auto_return, bool, "True or False")
        if log_level is not None:
            set_log_level(log_level)
        for_all = obj is not None or scope is _Scope.SHARED
        ignored = ignored_for_one_object(max_size, made=obj is None) if for_all else None
        if obj is not None and max_size is not None and ignored is None:
            raise ProxyException("one object for all needs no pool: leave max_size out, or set a function")
        if ignored:
            whose = "a proxy" if name is None else f"proxy {name!r}"
            log.warning("%s has one object for all and no pool, to which these would belong: %s", whose, ignored)
        pool: PoolParameters[T] = {
            # written by tools/generate.py: what is passed on
            "min_size": min_size,
            "timeout": timeout,
            "max_use": max_use,
            "max_waiting": max_waiting,
            "max_lifetime": max_lifetime,
            "max_avail_delay": max_avail_delay,
            "max_using_delay": max_using_delay,
            "max_using_delay_kill": max_using_delay_kill,
            "health_freq": health_freq,
            "health_before_get": health_before_get,
            "backoff": backoff,
            "hk_delay": hk_delay,
            "delay": delay,
            "opener": opener,
            "getter": getter,
            "retter": retter,
            "closer": closer,
            "health": cast("Callable[[T], bool] | None", health),
            "stats": stats,
            "tracer": tracer,
            "name": name,
            "trace_owner": trace_owner,
            "hook_errors": hook_errors,
            "observer": observer,
            # end of what tools/generate.py has written
        }
        base = user_class(type(self))
        aliases = _aliases(set_name)
        added = names_added(base, Proxy)
        proxy_class, class_controls = forwarding_class(
            weakref.ref(self),
            base,
            {*_OWN, *aliases, *own_names(added), *attributes_so_far(self, base)},
            added,
            {alias: getattr(base, method) for alias, method in aliases.items() if not hasattr(base, alias)},
            _expected(obj, fun),
            in_init=reports_end(base.__init__),
        )
        control: Control[T] = Control(
            class_controls, proxy_class, tuple(aliases), scope, max_size, pool, auto_return=auto_return
        )
        _set_control(self, control)
        _set_class(self, proxy_class)
        if obj is not None and fun is not None:
            raise ProxyException(_BOTH)
        if obj is not None:
            control.set_obj(obj)
        elif fun is not None:
            control.set_fun(fun)

    def __init_subclass__(cls, **parameters: Any) -> None:
        super().__init_subclass__(**parameters)
        init = vars(cls).get("__init__")
        if isinstance(init, FunctionType):
            setattr(cls, "__init__", reporting_end(init))  # noqa: B010  # checkers refuse the other way

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any: ...
    else:
        __init__ = note_given(__init__)

    def set(self, obj: T | None = None, fun: Callable[[int], T | Awaitable[T]] | None = None) -> Self:
        """Set what to forward to: exactly one of an object for all, and a function that makes one for each owner.

        Whatever was set before is given up: objects are closed when their owners next use the proxy, or end.
        """
        return self._set(obj, fun)

    def set_obj(self, obj: T) -> Self:
        """Set one object for all to forward to."""
        return self._set_obj(obj)

    def set_fun(self, fun: Callable[[int], T | Awaitable[T]]) -> Self:
        """Set a function that makes an object for each owner; it gets the creation number 0, 1, 2…"""
        return self._set_fun(fun)

    def _set(self, obj: T | None = None, fun: Callable[[int], T | Awaitable[T]] | None = None) -> Self:
        if obj is not None and fun is not None:
            raise ProxyException(_BOTH)
        if obj is not None:
            return self._set_obj(obj)
        if fun is not None:
            return self._set_fun(fun)
        raise ProxyException("Proxy must set either obj or fun")

    def _set_obj(self, obj: T) -> Self:
        control_of(self).set_obj(obj)
        return self

    def _set_fun(self, fun: Callable[[int], T | Awaitable[T]]) -> Self:
        control_of(self).set_fun(fun)
        return self

    def _set_pool(self, **pool: Unpack[PoolOverrides[T]]) -> None:
        """Override parameters of the pool, which does not exist yet."""
        control_of(self).set_pool(**pool)

    def _get_obj(self, timeout: float | None = None) -> T:
        """Get the current owner's object, created or taken from the pool if need be."""
        return control_of(self).get(timeout)

    def _has_obj(self) -> bool:
        """Whether the current owner has an object."""
        return control_of(self).has()

    def _ret_obj(self) -> None:
        """Give the current owner's object back to the pool; harmless if there is none."""
        control_of(self).ret()

    def _obj(self, timeout: float | None = None) -> AbstractContextManager[T]:
        """Get the current owner's object for a ``with`` block, and give it back whatever happens inside."""
        kind = type(self)
        if kind._get_obj is Proxy._get_obj and kind._ret_obj is Proxy._ret_obj:
            return control_of(self).obj(timeout)
        return subclass_block(control_of(self), partial(self._get_obj, timeout), self._ret_obj)

    @property
    def _pool(self) -> Pool[T] | None:
        """The pool that objects come from, if there is one."""
        return control_of(self).pool

    @property
    def _nobjs(self) -> int:
        """How many objects there are in the pool; without one, how many were made so far, or given."""
        return nobjs_of(control_of(self))


_BOTH = "Proxy cannot set both obj and fun"

_SLOT = vars(Proxy)["_Proxy__control"]
_set_control: Callable[[Proxy[Any], Control[Any]], None] = _SLOT.__set__

_set_class: Callable[[object, type[object]], None] = vars(object)["__class__"].__set__
"""Past a ``__class__`` that a subclass defines."""

_OWN = frozenset(name for name in vars(Proxy) if name.startswith("_") and not name.startswith(("__", "_Proxy__")))


def control_of(proxy: Proxy[T]) -> Control[T]:
    """Find the controls of a proxy, which it does not forward to its object."""
    control: Control[T] = _SLOT.__get__(proxy)
    return control


def _aliases(set_name: str | None) -> dict[str, str]:
    """The names of the methods that set a proxy, each with the method that it is another name of."""
    if not set_name:
        return {}
    aliases = {set_name: "_set", f"{set_name}_obj": "_set_obj", f"{set_name}_fun": "_set_fun"}
    dunder = set_name.startswith("__") and set_name.endswith("__")
    taken = any(alias in _OWN and alias != method for alias, method in aliases.items())
    if dunder or taken or not set_name.isidentifier():
        raise ProxyException(f"set_name must be the name of a method that proxies do not have yet, not {set_name!r}")
    return aliases


def _expected(obj: object, fun: object) -> Supported:
    """The special methods of the objects, as far as they are known already: to change the class takes longer."""
    if obj is not None:
        return supported_by(obj)
    kind = class_made_by(fun)
    return UNKNOWN if kind is None else supported_by_class(kind)


setattr(Proxy, ACCESS, BEFORE_MADE)
