"""Metrics of pools for OpenTelemetry: one observer, for all pools of a process. ::

    from ProxyPatternPool.opentelemetry import OpenTelemetryObserver

    observer = OpenTelemetryObserver()
    pool = Pool(connect, max_size=4, name="db", observer=observer)
    observer.watch(pool)

The names are those of the semantic conventions for database client connection pools, version 1.44.0, where they have
the status "development" (https://opentelemetry.io/docs/specs/semconv/database/database-metrics/#connection-pools). An
object of the pool is a connection there; all have the attribute ``db.client.connection.pool.name``:

- ``db.client.connection.count``: objects right now, by ``db.client.connection.state``: ``idle`` or ``used``
- ``db.client.connection.idle.min``: the pool's ``min_size``
- ``db.client.connection.max``, and ``db.client.connection.idle.max``, for which a pool has no limit of its own: its
  ``max_size``; absent if unlimited
- ``db.client.connection.pending_requests``: callers in the queue right now
- ``db.client.connection.timeouts``: callers who got nothing within their timeout
- ``db.client.connection.create_time``, ``.wait_time``, ``.use_time``: histograms of how long, in seconds, creations
  took, ``get`` took until it had the object, and objects were in use

Needs opentelemetry-api, or the extra ``opentelemetry``, and an SDK, which is the application's to
choose. docs/metrics.md has more.
"""

import math
from collections.abc import Callable, Iterable
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from weakref import WeakKeyDictionary, ref

from ._export import BUCKETS, Gauges, Watched, bounds, read
from ._observer import PoolObserver
from ._text import plain_text

try:
    from opentelemetry.metrics import (
        CallbackOptions,
        Histogram,
        Meter,
        MeterProvider,
        Observation,
        get_meter,
        get_meter_provider,
    )
except ImportError as _error:
    raise ImportError(
        "ProxyPatternPool.opentelemetry needs opentelemetry-api, which cannot be imported: "
        "pip install opentelemetry-api (this package's extra 'opentelemetry')"
    ) from _error

__all__ = ["OpenTelemetryObserver"]

_SCHEMA = "https://opentelemetry.io/schemas/1.44.0"
_POOL = "db.client.connection.pool.name"
_STATE = "db.client.connection.state"


class OpenTelemetryObserver(PoolObserver[object]):
    """Records for OpenTelemetry what happens in pools, and reads what they have when an SDK asks for it.

    One serves all pools, and several do no harm. Give it to each as ``observer``, which feeds histograms and counts
    timeouts, and have it ``watch`` each, for all else. It keeps none alive: a pool that was closed or dropped is no
    longer reported. Pools of one name are reported as one, their numbers added up. A pool without a name is reported by
    its number: name those that are made by the thousand.
    """

    def __init__(self, meter_provider: MeterProvider | None = None, *, buckets: Iterable[float] = BUCKETS) -> None:
        """Make an observer, and its instruments.

        Args:
            meter_provider: Whose; ``None``: the global one, which may also be set later.
            buckets: Upper bounds of the histograms' buckets, in seconds, rising; views of the SDK go before them.

        Raises:
            PoolValueError: The buckets make no sense.
            TypeError: A bucket is no number.
        """
        upper = bounds(buckets)
        meter = get_meter("ProxyPatternPool", _version(), meter_provider, _SCHEMA)

        def times(name: str, text: str) -> Histogram:
            return meter.create_histogram(name, "s", text, explicit_bucket_boundaries_advisory=upper)

        self._creations = times("db.client.connection.create_time", "The time it took to create a new connection.")
        self._waits = times(
            "db.client.connection.wait_time", "The time it took to obtain an open connection from the pool."
        )
        self._uses = times(
            "db.client.connection.use_time", "The time between borrowing a connection and returning it to the pool."
        )
        self._timeouts = meter.create_counter(
            "db.client.connection.timeouts",
            "{timeout}",
            "The number of connection timeouts that have occurred trying to obtain a connection from the pool.",
        )
        self._watched = _watched_through(meter_provider)
        _show(meter, partial(_read, None if meter_provider is None else ref(meter_provider)))

    def watch(self, *pools_or_proxies: object) -> None:
        """Report from now on the counts of these pools, or of those that these proxies have by then.

        Raises:
            TypeError: One is neither a pool nor a proxy.
        """
        self._watched.add(*pools_or_proxies)

    def created(self, pool: str, obj: object, took: float, /) -> None:
        """Record how long the creation of an object took."""
        self._creations.record(took, {_POOL: plain_text(pool)})

    def lent(self, pool: str, obj: object, waited: float, /) -> None:
        """Record how long a caller waited for the object it got."""
        self._waits.record(waited, {_POOL: plain_text(pool)})

    def returned(self, pool: str, obj: object, used: float, /) -> None:
        """Record how long an object was used."""
        self._uses.record(used, {_POOL: plain_text(pool)})

    def timed_out(self, pool: str, waited: float, /) -> None:
        """Count a caller who got nothing."""
        self._timeouts.add(1, {_POOL: plain_text(pool)})


def _version() -> str:
    try:
        return version("ProxyPatternPool")
    except PackageNotFoundError:  # run from its source, or bundled without metadata
        return ""


_WATCHED: WeakKeyDictionary[MeterProvider, Watched] = WeakKeyDictionary()
_WATCHED_GLOBALLY = Watched()


def _watched_through(meter_provider: MeterProvider | None) -> Watched:
    """Find the pools that are reported to a provider, ``None``: the global one, whichever that becomes."""
    return _WATCHED_GLOBALLY if meter_provider is None else _WATCHED.setdefault(meter_provider, Watched())


def _read(given: "ref[MeterProvider] | None") -> dict[str, Gauges]:
    """Read the pools of all observers of one provider.

    Of two observable instruments of one name the SDK calls the callbacks of the first, and silently drops those of the
    other. So each reads for all. Which provider is the global one is known only now.
    """
    globally = get_meter_provider()
    provider = globally if given is None else given()
    several = [_WATCHED_GLOBALLY] if provider is globally else []
    if provider is not None and provider in _WATCHED:
        several.append(_WATCHED[provider])
    return read(*several)


def _show(meter: Meter, read_all: Callable[[], dict[str, Gauges]]) -> None:
    """Make the instruments that ask for numbers when they are read."""

    def show(name: str, unit: str, text: str, numbers: Callable[[Gauges], dict[str | None, float]]) -> None:
        def observe(_: CallbackOptions) -> list[Observation]:
            return [
                Observation(number, {_POOL: pool} if state is None else {_POOL: pool, _STATE: state})
                for pool, now in read_all().items()
                for state, number in numbers(now).items()
                if number < math.inf
            ]

        meter.create_observable_up_down_counter(f"db.client.connection.{name}", [observe], unit, text)

    show(
        "count",
        "{connection}",
        "The number of connections that are currently in state described by the `state` attribute.",
        lambda now: {"idle": now.idle, "used": now.in_use},
    )
    show(
        "idle.max",
        "{connection}",
        "The maximum number of idle open connections allowed.",
        lambda now: {None: now.max_size},
    )
    show(
        "idle.min",
        "{connection}",
        "The minimum number of idle open connections allowed.",
        lambda now: {None: now.min_size},
    )
    show("max", "{connection}", "The maximum number of open connections allowed.", lambda now: {None: now.max_size})
    show(
        "pending_requests",
        "{request}",
        "The number of current pending requests for an open connection.",
        lambda now: {None: now.waiting},
    )
