"""The parameters of a proxy that are its pool's: typed once, and checked before there is a pool."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields
from functools import wraps
from inspect import signature
from types import FunctionType
from typing import Any, Generic, TypeVar, cast

from typing_extensions import TypedDict

from .._awaitables import GENERATORS, refuse_async
from .._config import HookErrors, PoolConfig
from .._hooks import ALWAYS_PLAIN, AsyncHooks, Hooks
from .._observer import PoolObserverOrNone, check_observer
from .._pool.pool import Pool

T = TypeVar("T")


class _Options(TypedDict, Generic[T], total=False):
    # written by tools/generate.py: what is passed on
    min_size: int
    """Keep at least this many objects; maintenance creates what is missing.

    The first are created at construction. After a failure the next attempt waits for ``backoff``.
    """
    timeout: float | None
    """Longest wait in ``get``, in seconds; ``None``: for ever, 0: never wait."""
    max_use: int | None
    """Discard an object after this many uses; 0 or ``None``: unlimited."""
    max_waiting: int | None
    """At most this many callers wait; more get ``TooManyWaiting``. ``None``: unlimited, 0: nobody."""
    max_lifetime: float | None
    """Discard an object this many seconds after its creation; 0.0 or ``None``: never.

    Each object gets a random lifetime of 95 to 100 % of it, so that not all are closed at once. An object in use is
    discarded when it comes back.
    """
    max_avail_delay: float | None
    """Discard an object idle this many seconds, never below ``min_size``; 0.0, ``None``: never."""
    max_using_delay: float | None
    """Warn about an object in use this many seconds; 0.0, ``None``: as ``max_using_delay_kill``."""
    max_using_delay_kill: float | None
    """Close an object in use this many seconds, and free its place; 0.0 or ``None``: never."""
    health_freq: int
    """Check health once in this many maintenance rounds."""
    health_before_get: float | None
    """Check health before lending an object idle for this many seconds; ``None``: never.

    Idle: neither used nor checked; 0.0: check always. The borrower checks, in ``get``. If an object fails it is
    discarded, and the next idle one is tried, or a new one.
    """
    backoff: tuple[float, float] | None
    """Seconds between attempts to create after one has failed: the first, and the longest.

    It doubles each time, with equal jitter (50 to 100 %). The caller of the first failed attempt gets its error at
    once; later callers wait for the next attempt. ``None``: only maintenance waits.
    """
    hk_delay: float | None
    """Seconds between maintenance rounds; limits are checked only in rounds.

    0.0 or ``None``: half the shortest delay to watch, or 60.0 for ``health`` alone; then limits are met exactly.
    """
    delay: float | None
    """The same as ``hk_delay``, by its older name."""
    opener: Callable[[T], object] | None
    """Called once with each new object (``Opener``)."""
    getter: Callable[[T], object] | None
    """Called with an object each time it is lent (``Getter``)."""
    retter: Callable[[T], object] | None
    """Called with an object each time it comes back (``Retter``); a failure discards the object."""
    closer: Callable[[T], object] | None
    """Called once with each object that leaves the pool (``Closer``)."""
    health: Callable[[T], bool] | None
    """Called with idle objects in maintenance rounds (``HealthCheck``).

    An object for which it returns ``False``, or raises, is discarded.
    """
    stats: Callable[[T], object] | None
    """Says something JSON-compatible about an object, for ``stats()`` (``StatsHook``)."""
    tracer: Callable[[T], str] | None
    """Names a new object in log lines, ``TimeOut``, ``owners()`` and ``dump()`` (``Tracer``).

    Without a ``stats`` hook ``stats()`` calls it again, also for objects in use: it must not use them itself.
    """
    name: str | None
    """Name in log lines, errors and ``stats()``; ``None``: a number."""
    trace_owner: bool
    """Keep the stack of each ``get``, for the warning about a long use; it costs some microseconds."""
    hook_errors: HookErrors
    """What is done if an ``opener`` or ``getter`` raises, ``"log"`` or ``"discard"``.

    ``log``: the error is logged, and the object is used nevertheless. ``discard``: the object is closed, and the caller
    gets ``HookError``.
    """
    observer: PoolObserverOrNone[T]
    """Notified of what happens in the pool (``PoolObserver``); for several: ``observers(a, b)``."""
    # end of what tools/generate.py has written


# Closed: there are no others, so that ``Pool(fun, **parameters)`` gets nothing that it does not know.


class PoolParameters(_Options[T], Generic[T], total=False, closed=True):
    """The parameters of a pool that a proxy passes on: all but ``fun``, ``max_size`` and ``log_level``.

    For functions of your own that make pools or proxies, with the same parameters. ::

        def database(path: str, **pool: Unpack[PoolParameters[Connection]]) -> Pool[Connection]:
            return Pool(lambda _: sqlite3.connect(path, check_same_thread=False), 4, **pool)

        database(":memory:", retter=Connection.rollback)
    """


class PoolOverrides(_Options[T], Generic[T], total=False, closed=True):
    """The parameters of a pool that ``set_pool`` takes: all but ``fun``."""

    # written by tools/generate.py: the others
    log_level: int | str | None
    """Level to set on the package's logger, ``logging.getLogger("ppp")``."""
    max_size: int | None
    """Take objects from a pool of at most this many; 0: unlimited, ``None``: there is no pool.

    Not given: 0 if a parameter is given that only a pool can honour, such as ``min_size``, ``timeout`` or ``health``;
    else ``None``. Without a pool each owner has an object made for it, closed when it ends.
    """
    # end of what tools/generate.py has written


_ONLY_OF_A_POOL = frozenset(
    {
        # written by tools/generate.py: what needs a pool
        "min_size",
        "timeout",
        "max_use",
        "max_waiting",
        "max_lifetime",
        "max_avail_delay",
        "max_using_delay",
        "max_using_delay_kill",
        "health_freq",
        "health_before_get",
        "backoff",
        "hk_delay",
        "delay",
        "health",
        "stats",
        "observer",
        # end of what tools/generate.py has written
    }
)
"""Parameters that only a pool can honour: if one is given, whatever its value, there is a pool."""


@dataclass(frozen=True)
class NotGiven:
    """Stands for a ``max_size`` that was not given."""

    of_a_pool: tuple[str, ...] = ()
    """Parameters that were given, and that only a pool can honour."""


def not_given(names: Iterable[str]) -> NotGiven:
    """Make what stands for ``max_size`` if these parameters are given without it."""
    return NotGiven(tuple(name for name in names if name in _ONLY_OF_A_POOL))


def bound_of(max_size: "int | NotGiven | None") -> int | None:
    """The ``max_size`` of the pool, given or not; ``None``: there is no pool."""
    if isinstance(max_size, NotGiven):
        return 0 if max_size.of_a_pool else None
    return max_size


def ignored_for_one_object(max_size: object, *, made: bool) -> str | None:
    """Name the parameters of a pool that were given for one object for all; ``None`` if a ``max_size`` was, too.

    An object that is ``made`` once comes from a private pool, which honours some of them.
    """
    if not isinstance(max_size, NotGiven):
        return None
    return ", ".join(name for name in max_size.of_a_pool if not (made and name in ("timeout", "observer")))


F = TypeVar("F", bound=Callable[..., Any])


def note_given(function: F) -> F:
    """Have a function with the parameters of a proxy get a ``NotGiven`` if its caller gives no ``max_size``.

    A default could not tell ``min_size=1`` from no ``min_size``, nor ``max_size=None`` from no ``max_size``.
    """
    place = cast(FunctionType, function).__code__.co_varnames.index("max_size")

    @wraps(function)
    def called(*args: Any, **parameters: Any) -> Any:
        if len(args) <= place and "max_size" not in parameters:
            parameters["max_size"] = not_given(parameters)
        return function(*args, **parameters)

    return cast(F, called)


HOOKS = tuple(field.name for field in fields(Hooks) if field.name != "fun")


def check_hooks(fun: object, hooks: Mapping[str, Any], *, awaits: bool) -> None:
    """Check a function that makes objects, and hooks, as a pool does.

    Args:
        fun: The function.
        hooks: Hooks by name.
        awaits: Whether the pool may be one for tasks.

    Raises:
        TypeError: one is not callable, or is none of those functions.
    """
    for name, function in () if awaits else {"fun": fun, **hooks}.items():
        if name not in ALWAYS_PLAIN:
            refuse_async(name, function, accepted=GENERATORS if name == "fun" else 0, instead=_FOR_TASKS)
    AsyncHooks[Any](cast("Callable[[int], Any]", fun), **hooks)  # the rest of what both check


_FOR_TASKS = "scope=Proxy.Scope.CONTEXT, with which each task has an object of its own"


def without_old_names(parameters: PoolParameters[T]) -> Any:
    """The parameters of an ``AsyncPool``: one has an older name, which it does not know."""
    own: dict[str, Any] = {**parameters}
    delay = own.pop("delay", None)
    if delay is not None:
        own["hk_delay"] = delay
    return own


def check(max_size: int | None, parameters: PoolParameters[T], *, awaits: bool) -> None:
    """Check parameters as a pool would, for a proxy that has none yet.

    Raises:
        TypeError: a parameter is unknown, or has the wrong type.
        PoolValueError: a parameter has a value that makes no sense.
    """
    given: dict[str, Any] = {**parameters}
    for name in given:
        if name not in PoolParameters.__optional_keys__:
            raise TypeError(f"unexpected keyword argument {name!r}")
    check_observer(given.pop("observer"))
    hooks = {name: given.pop(name) for name in HOOKS}
    if any(hook is not None for hook in hooks.values()):
        check_hooks(int, hooks, awaits=awaits)
    if max_size is None and all(map(_is_default, given, given.values())):
        return  # as for most proxies: this takes a quarter of the time that a check takes
    PoolConfig.validated(max_size=max_size, has_health=parameters.get("health") is not None, **given)


_DEFAULTS: Mapping[str, object] = {each.name: each.default for each in signature(Pool).parameters.values()}


def _is_default(name: str, value: object) -> bool:
    default = _DEFAULTS[name]
    # The type first: so no __eq__ of a user's is called.
    return value is default or (type(value) is type(default) and value == default)
