"""The parameters of a proxy that are its pool's: typed once, and checked before there is a pool."""

from collections.abc import Callable
from typing import Any, Generic, TypeVar

from typing_extensions import TypedDict

from .._hooks import Hooks
from .._observe import Observer, check_observer
from .._pool.config import HookErrors, PoolConfig

T = TypeVar("T")


class _Options(TypedDict, Generic[T], total=False):
    min_size: int
    """Keep at least this many; the house keeper creates what is missing."""
    timeout: float | None
    """Longest wait in ``get``, in seconds; ``None``: for ever, 0: never wait."""
    max_use: int
    """Discard an object after this many uses; 0: unlimited."""
    max_waiting: int | None
    """At most this many callers wait; more get ``TooManyWaiting``. ``None``: unlimited, 0: nobody."""
    max_lifetime: float
    """Discard an object this many seconds after its creation; 0.0: never.

    Each at a moment of its own in the last twentieth of that time.
    """
    max_avail_delay: float
    """Discard an object unused for this many seconds, never below ``min_size``; 0.0: never."""
    max_using_delay: float
    """Log a warning about an object kept this many seconds; 0.0: never, or the next if given."""
    max_using_delay_kill: float
    """Close an object kept this many seconds, and free its place; 0.0: never."""
    health_freq: int
    """Check health every this many house-keeping rounds."""
    health_before_get: float | None
    """Check health before lending an object idle for this many seconds; ``None``: never.

    Neither used nor checked, that is; 0.0: always. One that fails is discarded, and the next is tried.
    """
    backoff: tuple[float, float] | None
    """Seconds between attempts to create after one has failed: the first, and the longest.

    Doubled each time, less up to a half by chance. The caller of the first failure gets its error at once;
    those who come later wait for the next attempt. ``None``: they do not, only the house keeper does.
    """
    hk_delay: float | None
    """Seconds between house-keeping rounds, and nothing is done in between.

    0.0 or ``None``: half the smallest to watch, or 60.0 for ``health`` alone, with deadlines met exactly.
    """
    delay: float | None
    """The same as ``hk_delay``, by its older name."""
    opener: Callable[[T], object] | None
    """Called with each new object (``Opener``)."""
    getter: Callable[[T], object] | None
    """Called with an object each time it is lent (``Getter``)."""
    retter: Callable[[T], object] | None
    """Called with an object each time it comes back (``Retter``); if it fails the object is discarded."""
    closer: Callable[[T], object] | None
    """Called with each object that leaves the pool (``Closer``)."""
    health: Callable[[T], bool] | None
    """Called with idle objects in house-keeping rounds (``HealthCheck``)."""
    stats: Callable[[T], object] | None
    """Says something about an object in ``stats()`` (``StatsHook``)."""
    tracer: Callable[[T], str] | None
    """Names an object in log lines, and in ``stats()`` (``Tracer``)."""
    name: str | None
    """Name in log lines, errors and ``stats()``; ``None``: a number."""
    trace_owner: bool
    """Keep the stack of each ``get``, for the warning about a long use. Costs microseconds each."""
    hook_errors: HookErrors
    """What is done if an ``opener`` or ``getter`` raises, ``"log"`` or ``"discard"``.

    The first is to write it into the log and to go on as if nothing had happened, the second to discard the object
    and raise ``HookError`` in the caller.
    """
    observer: Observer[T] | None
    """Told of all that happens, as it happens (``PoolObserver``); several: ``observers(a, b)``."""


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

    max_size: int | None
    """Take objects from a pool of at most this many; 0: unlimited, ``None``: there is no pool.

    Without a pool each owner has an object made for it, and closed when it ends.
    """
    log_level: int | str | None
    """Level to set on the package's logger, ``logging.getLogger("ppp")``."""


_HOOKS = ("opener", "getter", "retter", "closer", "health", "stats", "tracer")


def check(max_size: int | None, parameters: PoolParameters[T]) -> None:
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
    Hooks(int, **{name: given.pop(name) for name in _HOOKS})
    PoolConfig.validated(max_size=max_size, has_health=parameters.get("health") is not None, **given)
