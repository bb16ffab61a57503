"""Metrics of pools for Prometheus: one observer, for all pools of a process. ::

    from ProxyPatternPool.prometheus import PrometheusObserver

    observer = PrometheusObserver()
    pool = Pool(connect, max_size=4, name="db", observer=observer)
    observer.watch(pool)

What the process exposes then, by ``prometheus_client.start_http_server`` or otherwise, holds, labelled with the pool's
name:

- ``ppp_objects``: objects right now, with ``state`` ``idle`` or ``used``, or on their way: ``creating``, ``checking``,
  ``closing``
- ``ppp_waiting``: callers in the queue right now
- ``ppp_objects_min``, ``ppp_objects_max``: the pool's ``min_size`` and ``max_size``, ``+Inf`` if unlimited
- ``ppp_wait_seconds``: a histogram of how long ``get`` took until it had the object; its count is that of all loans
- ``ppp_use_seconds``: a histogram of how long objects were in use; its count is that of all returns
- ``ppp_create_seconds``: a histogram of how long creations took; its count is that of all objects created
- ``ppp_create_errors_total``: creations that failed
- ``ppp_timeouts_total``: callers who got nothing within their timeout
- ``ppp_refusals_total``: callers who were refused, since ``max_waiting`` were in the queue
- ``ppp_discards_total``: objects that left the pool, with the ``reason``
- ``ppp_hook_errors_total``: hooks that raised, with the ``hook``

Needs prometheus_client: ``pip install prometheus-client``, or the extra ``prometheus``. docs/metrics.md has more.
"""

import os
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar, get_args

from ._export import BUCKETS, Gauges, Watched, bounds, read
from ._inspect.periodic import Periodic
from ._observer import DiscardReason, HookName, PoolObserver
from ._runtime.fork import NotWhileForking
from ._text import plain_text

try:
    from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram
    from prometheus_client.metrics_core import GaugeMetricFamily, Metric
except ImportError as _error:
    raise ImportError(
        "ProxyPatternPool.prometheus needs prometheus_client, which cannot be imported: "
        "pip install prometheus-client (this package's extra 'prometheus')"
    ) from _error

__all__ = ["PrometheusObserver"]

M = TypeVar("M", Counter, Histogram)


class PrometheusObserver(PoolObserver[object]):
    """Counts and times for Prometheus what happens in pools, and reads at each scrape what they have.

    One serves all pools. Give it to each as ``observer``, which feeds counters and histograms, and have it ``watch``
    each, for the gauges. It keeps none alive: a pool that was closed or dropped is no longer in the gauges, while what
    was counted stays, as Prometheus wants it. Pools of one name are shown as one, their numbers added up. A pool
    without a name is shown by its number: name those that are made by the thousand.

    It is also the collector, to be unregistered as such: ``registry.unregister(observer)``.

    In the multiprocess mode of ``prometheus_client``, that is if ``PROMETHEUS_MULTIPROC_DIR`` is set, it writes the
    gauges once a second, from the first use of a pool on, to where its ``MultiProcessCollector`` finds them: as sums
    over all processes that are not marked as dead.
    """

    def __init__(self, registry: CollectorRegistry | None = REGISTRY, *, buckets: Iterable[float] = BUCKETS) -> None:
        """Make an observer, and register its metrics.

        Args:
            registry: Where; ``None``: nowhere, which is left to the caller.
            buckets: Upper bounds of the histograms' buckets, in seconds, rising; the infinite one is added.

        Raises:
            PoolValueError: The buckets make no sense.
            TypeError: A bucket is no number.
            ValueError: The registry has these metrics already. One observer is enough.
        """
        upper = bounds(buckets)

        def times(name: str, text: str) -> Histogram:
            return Histogram(name, text, ["pool"], registry=None, buckets=upper)

        def events(name: str, text: str, *labels: str) -> Counter:
            return Counter(name, text, ["pool", *labels], registry=None)

        self._watched = Watched()
        waits = times("ppp_wait_seconds", "How long callers took to get an object, in the queue or otherwise.")
        uses = times("ppp_use_seconds", "How long objects were in use.")
        creations = times("ppp_create_seconds", "How long the creation of objects took.")
        errors = events("ppp_create_errors", "Creations that failed.")
        timeouts = events("ppp_timeouts", "Callers who got nothing within their timeout.")
        refusals = events("ppp_refusals", "Callers who were refused, since too many were waiting.")
        self._discards = events("ppp_discards", "Objects that left the pool.", "reason")
        self._hook_errors = events("ppp_hook_errors", "Hooks that raised.", "hook")
        self._metrics = (waits, uses, creations, errors, timeouts, refusals, self._discards, self._hook_errors)
        self._waits, self._uses, self._creations = _Series(waits), _Series(uses), _Series(creations)
        self._errors, self._timeouts, self._refusals = _Series(errors), _Series(timeouts), _Series(refusals)
        if registry is not None:
            registry.register(self)
        multiprocess = any(name in os.environ for name in (_DIRECTORY, _DIRECTORY.lower()))
        self._shared = _SharedGauges(self._watched) if multiprocess else None

    def watch(self, *pools_or_proxies: object) -> None:
        """Show from now on the gauges of these pools, or of those that these proxies have by then.

        Raises:
            TypeError: One is neither a pool nor a proxy.
        """
        self._watched.add(*pools_or_proxies)

    # Events of pools. ------------------------------------------------------------------------------------

    def created(self, pool: str, obj: object, took: float, /) -> None:
        """Count an object, and how long its creation took."""
        self._creations[pool].observe(took)

    def creation_failed(self, pool: str, error: BaseException, took: float, /) -> None:
        """Count a creation that failed."""
        self._errors[pool].inc()

    def lent(self, pool: str, obj: object, waited: float, /) -> None:
        """Count a loan, and how long its caller waited."""
        self._waits[pool].observe(waited)

    def returned(self, pool: str, obj: object, used: float, /) -> None:
        """Count a return, and how long the object was used."""
        self._uses[pool].observe(used)

    def discarded(self, pool: str, obj: object, reason: DiscardReason, /) -> None:
        """Count an object that left its pool, by the reason."""
        self._discards.labels(plain_text(pool), reason).inc()

    def timed_out(self, pool: str, waited: float, /) -> None:
        """Count a caller who got nothing."""
        self._timeouts[pool].inc()

    def refused(self, pool: str, waiting: int, /) -> None:
        """Count a caller who was refused."""
        self._refusals[pool].inc()

    def hook_failed(self, pool: str, hook: HookName, error: BaseException, /) -> None:
        """Count a hook that raised, by its name."""
        self._hook_errors.labels(plain_text(pool), hook).inc()

    # What the registry calls. ----------------------------------------------------------------------------

    def collect(self) -> Iterator[Metric]:
        """Give all metrics as they are now."""
        gauges = read(self._watched)
        for name in gauges:
            # All at zero before anything has happened: Prometheus sees no rise in what begins at one.
            for times in (self._waits, self._uses, self._creations):
                times.begin(name)
            for events in (self._errors, self._timeouts, self._refusals):
                events.begin(name)
            for reason in get_args(DiscardReason):
                self._discards.labels(name, reason)
            for hook in get_args(HookName):
                self._hook_errors.labels(name, hook)
        for metric in self._metrics:
            yield from metric.collect()
        families = _families()
        for name, now in gauges.items():
            for family, values in zip(families, _values(now), strict=True):
                for labels, value in values.items():
                    family.add_metric([name, *labels], value)
        yield from families

    def describe(self) -> Iterator[Metric]:
        """Give the metrics without their values, by which a registry finds out whether names are taken."""
        for metric in self._metrics:
            yield from metric.describe()
        yield from _families()


_DIRECTORY = "PROMETHEUS_MULTIPROC_DIR"
"""What ``prometheus_client`` looks for, also in lower case, to know that it is in its multiprocess mode."""
_GAUGES = (
    ("ppp_objects", "Objects right now.", ["pool", "state"]),
    ("ppp_waiting", "Callers in the queue right now.", ["pool"]),
    ("ppp_objects_min", "Objects to keep at least.", ["pool"]),
    ("ppp_objects_max", "Objects at most.", ["pool"]),
)


def _values(now: Gauges) -> list[dict[tuple[str, ...], float]]:
    """The values of each gauge for one pool, by the labels that it has beside the pool's name."""
    return [
        {
            ("idle",): now.idle,
            ("used",): now.in_use,
            ("checking",): now.checking,
            ("creating",): now.creating,
            ("closing",): now.closing,
        },
        {(): now.waiting},
        {(): now.min_size},
        {(): now.max_size},
    ]


def _families() -> list[GaugeMetricFamily]:
    return [GaugeMetricFamily(name, text, labels=labels) for name, text, labels in _GAUGES]


EVERY = 1.0
"""Seconds between two times that gauges are written for all processes."""
_not_while_forking = NotWhileForking()
_NOTHING = Gauges(0, 0, 0, 0, 0, 0, 0, 0)


class _SharedGauges(Periodic):
    """The gauges of this process among those of all, in the multiprocess mode of ``prometheus_client``.

    There a collector is not asked: whoever is scraped reads the files of all processes. So the values are written when
    they have changed, once a second at most. A worker's thread does so, since the locks of ``prometheus_client`` may be
    those of gevent or eventlet. At the end of the process they are 0; those of a process that was killed go when it is
    marked as dead.
    """

    def __init__(self, watched: Watched) -> None:
        self._watched = watched
        self._gauges = [
            Gauge(name, text, labels, registry=None, multiprocess_mode="livesum") for name, text, labels in _GAUGES
        ]
        self._written: dict[str, Gauges] = {}
        self._under_way = False
        super().__init__(EVERY)

    def __repr__(self) -> str:
        return "the gauges for Prometheus"

    def do(self) -> None:
        """Have them written by a worker, unless one has still to do so: so there are never two."""
        if not self._under_way:
            self._under_way = True
            self.queued.append(self._write)

    def _write(self) -> None:
        try:
            self._write_all(read(self._watched))
            self.be_content()
        except Exception as error:  # no space is left, or the directory is gone
            self.complain(error, "the gauges for Prometheus are not up to date: %s")
        finally:
            self._under_way = False

    def _write_all(self, now: dict[str, Gauges]) -> None:
        with _not_while_forking:
            self._set_all(now)

    def _set_all(self, now: dict[str, Gauges]) -> None:
        # Series cannot be removed in this mode: those of a pool that is gone are 0.
        for pool in {**self._written, **now}:
            found = now.get(pool, _NOTHING)
            if found != self._written.get(pool):
                for gauge, values in zip(self._gauges, _values(found), strict=True):
                    for labels, value in values.items():
                        gauge.labels(pool, *labels).set(value)
                self._written[pool] = found

    def close_at_exit(self) -> list[Callable[[], None]]:
        """Have them be 0 when the process has ended."""
        return [*super().close_at_exit(), lambda: self._write_all({})]

    def after_fork(self) -> None:
        """Start anew in a child, which has written nothing."""
        self._written = {}
        self._under_way = False
        super().after_fork()


class _Series(dict[str, M]):
    """The children of a metric, by pool: ``labels`` finds them too, with a lock, which takes longer than to count."""

    def __init__(self, metric: M) -> None:
        super().__init__()
        self._metric: M = metric

    def begin(self, pool: str) -> M:
        """Show a pool, at zero."""
        series: M = self._metric.labels(plain_text(pool))
        self[pool] = series
        return series

    __missing__ = begin
