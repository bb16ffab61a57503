"""OpenTelemetry collects what happened in pools and how things stand in them, by the names of its conventions."""

from __future__ import annotations

import gc
import math
from collections.abc import Callable
from importlib import import_module
from importlib.metadata import PackageNotFoundError
from typing import cast

import pytest
from opentelemetry.metrics import Counter, Histogram, Meter, UpDownCounter
from opentelemetry.sdk.metrics.export import Sum
from opentelemetry.semconv.schemas import Schemas

from ProxyPatternPool import Pool, PoolValueError, observers, proxy
from ProxyPatternPool.opentelemetry import OpenTelemetryObserver

from ..unit.clock import HandMovedClock
from ..unit.helpers import Naps, Thing
from .contrary import Contrary
from .events import Rush, one_of_each
from .readings import Meters
from .running import run_code
from .watching import pool_of


@pytest.fixture
def meters() -> Meters:
    return Meters()


@pytest.fixture
def observer(meters: Meters) -> OpenTelemetryObserver:
    return OpenTelemetryObserver(meters.provider)


def test_all_that_happens(
    observer: OpenTelemetryObserver, meters: Meters, clock: HandMovedClock, naps: Naps, scheduler: object
) -> None:
    """Each event counts once, under the pool's name, and each time in its bucket."""
    pool = one_of_each(observer, clock, naps)
    assert meters.numbers() == {
        "count{pool.name=db,state=idle}": 1,
        "count{pool.name=db,state=used}": 1,
        "idle.max{pool.name=db}": 3,
        "idle.min{pool.name=db}": 0,
        "max{pool.name=db}": 3,
        "pending_requests{pool.name=db}": 0,
        "timeouts{pool.name=db}": 1,
    }
    for name, count, total, buckets in (
        ("wait_time", 5, 1.5, (1, 0, 0, 0, 0, 3, 1, 0, 0, 0)),
        ("use_time", 4, 16.25, (0, 0, 0, 0, 0, 1, 0, 1, 2, 0)),
        ("create_time", 3, 0.75, (0, 0, 0, 0, 0, 3, 0, 0, 0, 0)),
    ):
        point = meters.histogram(f"{name}{{pool.name=db}}")
        assert (point.count, point.sum, tuple(point.bucket_counts)) == (count, total, buckets)
        assert tuple(point.explicit_bounds) == (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10)
    assert pool.stats()["observer_errors"] == 0


def official(name: str) -> str:
    """A name in the conventions, as OpenTelemetry generates them for Python; it lies where pyright does not look."""
    attributes = import_module("opentelemetry.semconv._incubating.attributes.db_attributes")
    return cast(str, getattr(attributes, f"DB_CLIENT_CONNECTION_{name}"))


def official_instrument(name: str, meter: Meter) -> Counter | Histogram | UpDownCounter:
    """An instrument that is made by the conventions."""
    metrics = import_module("opentelemetry.semconv._incubating.metrics.db_metrics")
    make: Callable[[Meter], Counter | Histogram | UpDownCounter]
    make = getattr(metrics, f"create_db_client_connection_{name}")
    return make(meter)


def test_the_conventions(
    observer: OpenTelemetryObserver, meters: Meters, clock: HandMovedClock, naps: Naps, scheduler: object
) -> None:
    """Names, units, descriptions, kinds and attributes are those that OpenTelemetry generates from its conventions."""
    others = Meters()
    for instrument_name in (
        "count",
        "idle_max",
        "idle_min",
        "max",
        "pending_requests",
        "timeouts",
        "create_time",
        "wait_time",
        "use_time",
    ):
        instrument = official_instrument(instrument_name, others.provider.get_meter("official"))
        if isinstance(instrument, Histogram):
            instrument.record(1)
        else:
            instrument.add(1)
    pool = one_of_each(observer, clock, naps)
    assert meters.schema() == Schemas.V1_44_0.value
    told, wanted = meters.metrics(), others.metrics()
    assert told.keys() == wanted.keys()
    for name, metric in told.items():
        other = wanted[name]
        assert (metric.unit, metric.description) == (other.unit, other.description)
        assert type(metric.data) is type(other.data)
        if isinstance(metric.data, Sum) and isinstance(other.data, Sum):
            assert metric.data.is_monotonic == other.data.is_monotonic
        for point in metric.data.data_points:
            attributes = dict(point.attributes or {})
            if name == "db.client.connection.count":
                assert attributes.pop(official("STATE")) in ("idle", "used")
            assert attributes == {official("POOL_NAME"): pool.name}


def test_a_rush(observer: OpenTelemetryObserver, meters: Meters) -> None:
    """Read in the middle and at the end, the numbers are those of the pool, and of those who used it."""
    rush = Rush(observer)
    numbers = meters.numbers()
    assert numbers["count{pool.name=db,state=used}"] == rush.pool.stats()["nusing"] == 3
    assert numbers["count{pool.name=db,state=idle}"] == rush.pool.stats()["navail"] == 0
    assert numbers["pending_requests{pool.name=db}"] == rush.pool.stats()["nwaiting"] == 5
    assert meters.histogram("wait_time{pool.name=db}").count == 3

    rush.go_on()
    while rush.busy:
        numbers = meters.numbers()
        assert numbers["count{pool.name=db,state=used}"] <= 3
        assert numbers["pending_requests{pool.name=db}"] <= 5
    rush.end()

    numbers, stats = meters.numbers(), rush.pool.stats()
    assert numbers["count{pool.name=db,state=used}"] == stats["nusing"] == 0
    assert numbers["count{pool.name=db,state=idle}"] == stats["navail"] == 3
    assert numbers["pending_requests{pool.name=db}"] == stats["nwaiting"] == 0
    waits, uses, creations = (meters.histogram(f"{what}_time{{pool.name=db}}") for what in ("wait", "use", "create"))
    assert creations.count == stats["ncreated"] == 3
    assert waits.count == stats["nuses"] == Rush.LOANS
    assert uses.count == Rush.LOANS
    assert stats["wait_time"] < waits.sum <= rush.waited
    assert rush.used_inside <= uses.sum <= rush.used_outside
    rush.pool.close()


def test_a_closed_pool(observer: OpenTelemetryObserver, meters: Meters) -> None:
    """It is no longer reported; what comes back late is."""
    pool = pool_of(observer)
    thing = pool.get()
    pool.close()
    assert meters.numbers() == {}
    pool.ret(thing)
    assert meters.histogram("use_time{pool.name=db}").count == 1


def test_a_dropped_pool(observer: OpenTelemetryObserver, meters: Meters) -> None:
    """Neither the observer nor a reader keeps a pool alive."""
    pool = pool_of(observer)
    assert meters.numbers()["max{pool.name=db}"] == 3
    del pool
    gc.collect()
    assert meters.numbers() == {}


def test_pools_of_one_name(observer: OpenTelemetryObserver, meters: Meters) -> None:
    """They are reported as one, added up."""
    one, two = (pool_of(observer, size) for size in (3, 4))
    with pool_of(observer, 5, name="cache") as cache, cache.obj(), one.obj(), one.obj(), two.obj():
        numbers = meters.numbers()
        assert numbers["count{pool.name=db,state=used}"] == 3
        assert numbers["count{pool.name=cache,state=used}"] == 1
        assert numbers["idle.min{pool.name=db}"] == 2
        assert numbers["max{pool.name=db}"] == 7
        assert numbers["max{pool.name=cache}"] == 5
    one.close()
    assert meters.numbers()["max{pool.name=db}"] == 4
    assert meters.histogram("wait_time{pool.name=db}").count == 3
    two.close()


def test_a_pool_that_is_resized(observer: OpenTelemetryObserver, meters: Meters) -> None:
    """Its bounds are what they are now."""
    with pool_of(observer, 3, 2) as pool:
        pool.resize(min_size=0, max_size=1)
        numbers = meters.numbers()
        bounds = [numbers[f"{name}{{pool.name=db}}"] for name in ("max", "idle.max", "idle.min")]
        assert bounds == [1, 1, 0]


def test_an_unlimited_pool(observer: OpenTelemetryObserver, meters: Meters) -> None:
    """It has no maximum to report, nor has its name if another pool has a limit."""
    with pool_of(observer, 0), pool_of(observer):
        assert set(meters.numbers()) == {
            "count{pool.name=db,state=idle}",
            "count{pool.name=db,state=used}",
            "idle.min{pool.name=db}",
            "pending_requests{pool.name=db}",
        }


def test_the_pool_of_a_proxy(observer: OpenTelemetryObserver, meters: Meters) -> None:
    """A proxy hands its observer to its pool, and is watched itself."""
    thing = proxy(fun=Thing, max_size=3, name="db", observer=observer)
    observer.watch(thing)
    assert thing.number == 0
    assert meters.numbers()["count{pool.name=db,state=used}"] == 1


def test_an_observer_for_each_pool(meters: Meters) -> None:
    """Of one provider's: all are heard."""
    with (
        pool_of(OpenTelemetryObserver(meters.provider)) as db,
        pool_of(OpenTelemetryObserver(meters.provider), 4, name="cache") as cache,
        db.obj(),
        cache.obj(),
    ):
        numbers = meters.numbers()
        for pool, size in (("db", 3), ("cache", 4)):
            assert numbers[f"max{{pool.name={pool}}}"] == size
            assert numbers[f"count{{pool.name={pool},state=used}}"] == 1
            assert meters.histogram(f"wait_time{{pool.name={pool}}}").count == 1


@pytest.mark.parametrize("installed", [True, False])
def test_the_scope(installed: bool, meters: Meters, monkeypatch: pytest.MonkeyPatch) -> None:
    """Readings say which version of what they come from, as far as that is known."""

    def version(name: str) -> str:
        if not installed:
            raise PackageNotFoundError(name)
        return f"1.2.3 of {name}"

    monkeypatch.setattr("ProxyPatternPool.opentelemetry.version", version)
    with pool_of(OpenTelemetryObserver(meters.provider)):
        data = meters.reader.get_metrics_data()
    assert data is not None
    scopes = [each.scope for resource in data.resource_metrics for each in resource.scope_metrics]
    assert [(scope.name, scope.version) for scope in scopes] == [
        ("ProxyPatternPool", "1.2.3 of ProxyPatternPool" if installed else "")
    ]


def test_an_observer_for_each_provider() -> None:
    """Each reports its own pools only."""
    here, there = Meters(), Meters()
    with (
        pool_of(OpenTelemetryObserver(here.provider), name="here"),
        pool_of(OpenTelemetryObserver(there.provider), name="there"),
    ):
        assert here.numbers()["max{pool.name=here}"] == there.numbers()["max{pool.name=there}"] == 3
        assert "max{pool.name=there}" not in here.numbers()


def test_a_pool_that_two_providers_report() -> None:
    here, there = Meters(), Meters()
    both = [OpenTelemetryObserver(meters.provider) for meters in (here, there)]
    with Pool(Thing, 3, name="db", observer=observers(*both)) as pool, pool.obj():
        for observer, meters in zip(both, (here, there), strict=True):
            observer.watch(pool)
            assert meters.numbers()["count{pool.name=db,state=used}"] == 1
            assert meters.histogram("wait_time{pool.name=db}").count == 1


def test_the_global_provider() -> None:
    """Without a word about providers it is the global one, set before or afterwards."""
    script = """
from opentelemetry.metrics import set_meter_provider
from ProxyPatternPool import Pool
from ProxyPatternPool.opentelemetry import OpenTelemetryObserver
from tests.exporters.readings import Meters

def pool_of(observer, size, name):
    pool = Pool(lambda number: [], size, name=name, observer=observer)
    observer.watch(pool)
    return pool

meters = Meters()
pools = [pool_of(OpenTelemetryObserver(meters.provider), 4, "by name, before")]
pools.append(pool_of(OpenTelemetryObserver(), 1, "before"))
set_meter_provider(meters.provider)
pools.append(pool_of(OpenTelemetryObserver(), 2, "after"))
pools.append(pool_of(OpenTelemetryObserver(meters.provider), 3, "by name"))
for pool in pools:
    with pool.obj():
        pass
    size = meters.numbers()[f"max{{pool.name={pool.name}}}"]
    loans = meters.histogram(f"wait_time{{pool.name={pool.name}}}").count
    print(pool.name, size, loans)
"""
    assert run_code(script) == ["by name, before 4 1", "before 1 1", "after 2 1", "by name 3 1"]


def test_without_an_sdk() -> None:
    """Nothing is collected, and nothing fails."""
    script = """
import sys
sys.modules["opentelemetry.sdk"] = None
from ProxyPatternPool import Pool
from ProxyPatternPool.opentelemetry import OpenTelemetryObserver
observer = OpenTelemetryObserver()
with Pool(lambda number: [], 4, name="db", observer=observer) as pool:
    observer.watch(pool)
    with pool.obj():
        print(pool.stats()["observer_errors"])
"""
    assert run_code(script) == ["0"]


def test_beside_other_observers(observer: OpenTelemetryObserver, meters: Meters) -> None:
    """It works as one of several, whatever the others do."""
    contrary = Contrary()
    with Pool(Thing, 3, name="db", observer=observers(contrary, observer)) as pool:
        observer.watch(pool)
        with pool.obj():
            numbers = meters.numbers()
        assert pool.stats()["observer_errors"] == contrary.told > 0
    assert numbers["count{pool.name=db,state=used}"] == 1
    assert meters.histogram("wait_time{pool.name=db}").count == 1


def test_a_name_that_cannot_be_encoded(
    observer: OpenTelemetryObserver, meters: Meters, clock: HandMovedClock, naps: Naps, scheduler: object
) -> None:
    """It is written out, in all metrics; an exporter would drop the attribute, and take all such pools for one."""
    pool = one_of_each(observer, clock, naps, name="f \udc80")
    metrics = meters.metrics()
    assert len(metrics) == 9, pool
    points = [point for metric in metrics.values() for point in metric.data.data_points]
    names = [(point.attributes or {})["db.client.connection.pool.name"] for point in points]
    assert names == ["f \\udc80"] * len(points)


def test_what_is_no_pool(observer: OpenTelemetryObserver) -> None:
    with pytest.raises(TypeError, match="watch\\(\\) takes pools and proxies, not 'db'"):
        observer.watch("db")


@pytest.mark.parametrize("buckets", [[60, 3600.0], [60, 3600.0, math.inf]])
def test_other_buckets(meters: Meters, buckets: list[float]) -> None:
    with Pool(Thing, 3, name="db", observer=OpenTelemetryObserver(meters.provider, buckets=buckets)) as pool:
        with pool.obj():
            pass
        assert pool.stats()["observer_errors"] == 0
        assert tuple(meters.histogram("use_time{pool.name=db}").explicit_bounds) == (60, 3600)


def test_buckets_that_make_no_sense(meters: Meters) -> None:
    with pytest.raises(PoolValueError, match=r"buckets must be numbers of seconds that rise, not \(2\.0, 1\.0\)"):
        OpenTelemetryObserver(meters.provider, buckets=[2, 1])
    with pytest.raises(PoolValueError, match=r"buckets must be numbers of seconds, one of them finite, not \(inf,\)"):
        OpenTelemetryObserver(meters.provider, buckets=[math.inf])
    with pytest.raises(TypeError, match="buckets must be a number of seconds, not 'soon'"):
        OpenTelemetryObserver(meters.provider, buckets=["soon"])  # type: ignore[list-item]  # pyright: ignore[reportArgumentType]


def test_without_opentelemetry() -> None:
    """Whoever imports it is told what to install; nobody else is asked to."""
    script = """
import sys
sys.modules["opentelemetry"] = sys.modules["opentelemetry.metrics"] = None
import ProxyPatternPool
try:
    import ProxyPatternPool.opentelemetry
except ImportError as error:
    print(error)
"""
    message = (
        "ProxyPatternPool.opentelemetry needs opentelemetry-api, which cannot be imported: "
        "pip install opentelemetry-api (this package's extra 'opentelemetry')"
    )
    assert run_code(script) == [message]
