"""``proxy``, which makes a proxy typed as its object, and ``control``, which finds the controls of a proxy."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Literal, Optional, TypeVar, cast, overload

from .._config import HookErrors
from .._errors import ProxyException
from .._observer import PoolObserverOrNone
from .._scope.base import ScopeStrategy
from .._scope.select import Scope
from .control import Control
from .parameters import note_given
from .proxy import Proxy, control_of

T = TypeVar("T")


# Checkers take the first that fits: what a coroutine function returns is not what the proxy stands for.
@overload
# written by tools/generate.py: the parameters of proxy, if fun is awaited
def proxy(  # noqa: D418  # editors show its texts
    *,
    obj: None = None,
    fun: Callable[[int], Awaitable[T]],
    set_name: str | None = "",
    scope: Literal[Scope.CONTEXT, Scope.SHARED],
    log_level: int | str | None = None,
    max_size: int | None = None,
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
) -> T:
    """Make a ``Proxy``, typed as what it stands for.

    Checkers and editors know all members of the object; ``control(…)`` has what is the proxy's own. Say the type
    where the content comes later: ``db: Connection = proxy()``.

    All from ``min_size`` on are the pool's; hooks are called without a pool, too.

    Args:
        obj: One object for all owners (scope SHARED).
        fun: Makes an object for each owner when it needs one; gets the creation number 0, 1, 2… (``Factory``).
            Without a pool it may return the same object again, which owners then share. The hooks are called for each
            owner, so leave the ``closer`` out then. With scope CONTEXT or SHARED it may be a coroutine function
            (``AsyncFactory``), and so may the hooks: each task takes its object by ``await control(db).aget()``.
        name: Name in log lines, errors and ``stats()``; ``None``: a number.
        set_name: Name of the method that sets the content, and beginning of two more, ``…_obj`` and ``…_fun``.
            The object's own methods of these names are hidden: choose another if it has any. Empty, ``None``, and the
            default of ``proxy``: only ``_set``, ``_set_obj`` and ``_set_fun``, which always exist.
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
            Each object gets a random lifetime of 95 to 100 % of it, so that not all are closed at once. An object in
            use is discarded when it comes back.
        delay: The same as ``hk_delay``, by its older name.
        max_avail_delay: Discard an object idle this many seconds, never below ``min_size``; 0.0, ``None``: never.
        max_using_delay: Warn about an object in use this many seconds; 0.0, ``None``: as ``max_using_delay_kill``.
        max_using_delay_kill: Close an object in use this many seconds, and free its place; 0.0 or ``None``: never.
        health_freq: Check health once in this many maintenance rounds.
        health_before_get: Check health before lending an object idle for this many seconds; ``None``: never.
            Idle: neither used nor checked; 0.0: check always. The borrower checks, in ``get``. If an object fails it is
            discarded, and the next idle one is tried, or a new one.
        backoff: Seconds between attempts to create after one has failed: the first, and the longest.
            It doubles each time, with equal jitter (50 to 100 %). The caller of the first failed attempt gets its error
            at once; later callers wait for the next attempt. ``None``: only maintenance waits.
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
            Without a ``stats`` hook ``stats()`` calls it again, also for objects in use: it must not use them itself.
        trace_owner: Keep the stack of each ``get``, for the warning about a long use; it costs some microseconds.
        hook_errors: What is done if an ``opener`` or ``getter`` raises, ``"log"`` or ``"discard"``.
            ``log``: the error is logged, and the object is used nevertheless. ``discard``: the object is closed, and
            the caller gets ``HookError``.
        observer: Notified of what happens in the pool (``PoolObserver``); for several: ``observers(a, b)``.

    Raises:
        ProxyException: The parameters contradict one another, or the library of the scope is not installed.
        TypeError: A parameter is unknown, or has the wrong type.
        PoolValueError: A parameter of the pool has a value that makes no sense.
    """


@overload
# written by tools/generate.py: the parameters of proxy, if fun is plain
def proxy(
    obj: Optional[T] = None,  # noqa: UP045  # so that jedi, and IPython with it, finds out what T is
    fun: Optional[Callable[[int], T]] = None,  # noqa: UP045  # so that jedi, and IPython with it, finds out what T is
    set_name: str | None = "",
    scope: "Scope | ScopeStrategy[T] | Callable[[], ScopeStrategy[T]]" = Scope.AUTO,
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
    health: Callable[[T], bool] | None = None,
    stats: Callable[[T], object] | None = None,
    tracer: Callable[[T], str] | None = None,
    name: str | None = None,
    trace_owner: bool = False,
    hook_errors: HookErrors = "log",
    observer: PoolObserverOrNone[T] = None,
) -> T: ...
# written by tools/generate.py: the parameters of proxy
def proxy(
    obj: Optional[T] = None,  # noqa: UP045  # so that jedi, and IPython with it, finds out what T is
    fun: Callable[[int], T | Awaitable[T]] | None = None,
    set_name: str | None = "",
    scope: "Scope | ScopeStrategy[T] | Callable[[], ScopeStrategy[T]]" = Scope.AUTO,
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
) -> T:
    """Make a ``Proxy``, typed as what it stands for.

    Checkers and editors know all members of the object; ``control(…)`` has what is the proxy's own. Say the type
    where the content comes later: ``db: Connection = proxy()``.

    All from ``min_size`` on are the pool's; hooks are called without a pool, too.

    Args:
        obj: One object for all owners (scope SHARED).
        fun: Makes an object for each owner when it needs one; gets the creation number 0, 1, 2… (``Factory``).
            Without a pool it may return the same object again, which owners then share. The hooks are called for each
            owner, so leave the ``closer`` out then. With scope CONTEXT or SHARED it may be a coroutine function
            (``AsyncFactory``), and so may the hooks: each task takes its object by ``await control(db).aget()``.
        name: Name in log lines, errors and ``stats()``; ``None``: a number.
        set_name: Name of the method that sets the content, and beginning of two more, ``…_obj`` and ``…_fun``.
            The object's own methods of these names are hidden: choose another if it has any. Empty, ``None``, and the
            default of ``proxy``: only ``_set``, ``_set_obj`` and ``_set_fun``, which always exist.
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
            Each object gets a random lifetime of 95 to 100 % of it, so that not all are closed at once. An object in
            use is discarded when it comes back.
        delay: The same as ``hk_delay``, by its older name.
        max_avail_delay: Discard an object idle this many seconds, never below ``min_size``; 0.0, ``None``: never.
        max_using_delay: Warn about an object in use this many seconds; 0.0, ``None``: as ``max_using_delay_kill``.
        max_using_delay_kill: Close an object in use this many seconds, and free its place; 0.0 or ``None``: never.
        health_freq: Check health once in this many maintenance rounds.
        health_before_get: Check health before lending an object idle for this many seconds; ``None``: never.
            Idle: neither used nor checked; 0.0: check always. The borrower checks, in ``get``. If an object fails it is
            discarded, and the next idle one is tried, or a new one.
        backoff: Seconds between attempts to create after one has failed: the first, and the longest.
            It doubles each time, with equal jitter (50 to 100 %). The caller of the first failed attempt gets its error
            at once; later callers wait for the next attempt. ``None``: only maintenance waits.
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
            Without a ``stats`` hook ``stats()`` calls it again, also for objects in use: it must not use them itself.
        trace_owner: Keep the stack of each ``get``, for the warning about a long use; it costs some microseconds.
        hook_errors: What is done if an ``opener`` or ``getter`` raises, ``"log"`` or ``"discard"``.
            ``log``: the error is logged, and the object is used nevertheless. ``discard``: the object is closed, and
            the caller gets ``HookError``.
        observer: Notified of what happens in the pool (``PoolObserver``); for several: ``observers(a, b)``.

    Raises:
        ProxyException: The parameters contradict one another, or the library of the scope is not installed.
        TypeError: A parameter is unknown, or has the wrong type.
        PoolValueError: A parameter of the pool has a value that makes no sense.
    """
    made: Proxy[T] = Proxy(
        # written by tools/generate.py: what is passed on
        obj=obj,
        fun=fun,
        set_name=set_name,
        scope=scope,
        log_level=log_level,
        max_size=max_size,
        auto_return=auto_return,
        min_size=min_size,
        timeout=timeout,
        max_use=max_use,
        max_waiting=max_waiting,
        max_lifetime=max_lifetime,
        max_avail_delay=max_avail_delay,
        max_using_delay=max_using_delay,
        max_using_delay_kill=max_using_delay_kill,
        health_freq=health_freq,
        health_before_get=health_before_get,
        backoff=backoff,
        hk_delay=hk_delay,
        delay=delay,
        opener=opener,
        getter=getter,
        retter=retter,
        closer=closer,
        health=health,
        stats=stats,
        tracer=tracer,
        name=name,
        trace_owner=trace_owner,
        hook_errors=hook_errors,
        observer=observer,
        # end of what tools/generate.py has written
    )
    return cast(T, made)


if not TYPE_CHECKING:
    proxy = note_given(proxy)  # so that the proxy is told


@overload
def control(proxy: Proxy[T]) -> Control[T]: ...
@overload
def control(proxy: T) -> Control[T]: ...
def control(proxy: Any) -> Control[Any]:
    """Find the controls of a proxy, made by ``proxy(…)`` or ``Proxy(…)``.

    Raises:
        ProxyException: It is no proxy.
    """
    if not issubclass(type(proxy), Proxy):
        raise ProxyException(f"this is no proxy, but an object of type {type(proxy).__name__!r}")
    return control_of(proxy)
