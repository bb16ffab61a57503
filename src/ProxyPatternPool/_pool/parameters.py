"""The parameters of an ``AsyncPool``, for functions that pass them on."""

from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from typing_extensions import TypedDict

from .._config import HookErrors
from .._observer import PoolObserverOrNone

T = TypeVar("T")


# Closed: there are no others, so that ``AsyncPool(fun, **parameters)`` gets nothing that it does not know.


class AsyncPoolParameters(TypedDict, Generic[T], total=False, closed=True):
    """The parameters of an ``AsyncPool``: all but ``fun`` and ``max_size``.

    For functions of your own that make such pools, with the same parameters. ::

        def sessions(dsn: str, **pool: Unpack[AsyncPoolParameters[AsyncConnection]]) -> AsyncPool[AsyncConnection]:
            return AsyncPool(lambda _: AsyncConnection.connect(dsn), 4, **pool)

        sessions("dbname=data", retter=AsyncConnection.rollback)
    """

    # written by tools/generate.py: what an AsyncPool takes
    min_size: int
    """Keep at least this many objects; maintenance creates what is missing.

    The first are created when the pool is first used. After a failure the next attempt waits for ``backoff``.
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
    opener: Callable[[T], object] | None
    """Called once with each new object (``AsyncOpener``)."""
    getter: Callable[[T], object] | None
    """Called with an object each time it is lent (``AsyncGetter``)."""
    retter: Callable[[T], object] | None
    """Called with an object each time it comes back (``AsyncRetter``); a failure discards the object."""
    closer: Callable[[T], object] | None
    """Called once with each object that leaves the pool (``AsyncCloser``)."""
    health: Callable[[T], bool | Awaitable[bool]] | None
    """Called with idle objects in maintenance rounds (``AsyncHealthCheck``).

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
