"""Prometheus reads, at a real endpoint, what happened in pools and how things stand in them."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest
from prometheus_client import CollectorRegistry, Counter

from ProxyPatternPool import DiscardReason, HookName, Pool, PoolValueError, observers, proxy
from ProxyPatternPool.prometheus import PrometheusObserver

from ..unit.clock import FakeScheduler, HandMovedClock
from ..unit.helpers import Naps, Thing
from .contrary import Contrary
from .endpoint import Endpoint, serving
from .events import Rush, one_of_each
from .running import run_code, run_script
from .watching import pool_of


@pytest.fixture(scope="module", name="served")
def serve() -> Iterator[Endpoint]:
    with serving() as endpoint:
        yield endpoint


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def observer(registry: CollectorRegistry) -> PrometheusObserver:
    return PrometheusObserver(registry)


@pytest.fixture
def endpoint(served: Endpoint, registry: CollectorRegistry) -> Endpoint:
    served.registry = registry
    return served


def test_all_that_happens(
    observer: PrometheusObserver, endpoint: Endpoint, clock: HandMovedClock, naps: Naps, scheduler: object
) -> None:
    """Each event counts once, under the pool's name, and each time in its bucket."""
    pool = one_of_each(observer, clock, naps)
    scraped = {name: value for name, value in endpoint.scrape().items() if "_created{" not in name}
    buckets = {name: value for name, value in scraped.items() if "_bucket{" in name}
    other_reasons = {name for name, value in scraped.items() if "_total{" in name and not value}
    assert {name: value for name, value in scraped.items() if name not in {*buckets, *other_reasons}} == {
        'ppp_objects{pool="db",state="idle"}': 1,
        'ppp_objects{pool="db",state="used"}': 1,
        'ppp_objects{pool="db",state="checking"}': 0,
        'ppp_objects{pool="db",state="creating"}': 0,
        'ppp_objects{pool="db",state="closing"}': 0,
        'ppp_objects_min{pool="db"}': 0,
        'ppp_objects_max{pool="db"}': 3,
        'ppp_waiting{pool="db"}': 0,
        'ppp_wait_seconds_count{pool="db"}': 5,
        'ppp_wait_seconds_sum{pool="db"}': 1.5,
        'ppp_use_seconds_count{pool="db"}': 4,
        'ppp_use_seconds_sum{pool="db"}': 16.25,
        'ppp_create_seconds_count{pool="db"}': 3,
        'ppp_create_seconds_sum{pool="db"}': 0.75,
        'ppp_create_errors_total{pool="db"}': 1,
        'ppp_timeouts_total{pool="db"}': 1,
        'ppp_refusals_total{pool="db"}': 1,
        'ppp_discards_total{pool="db",reason="broken"}': 1,
        'ppp_hook_errors_total{hook="closer",pool="db"}': 1,
    }
    steps = ["0.001", "0.005", "0.01", "0.05", "0.1", "0.5", "1.0", "5.0", "10.0", "+Inf"]
    assert buckets == {
        f'ppp_{what}_seconds_bucket{{le="{step}",pool="db"}}': value
        for what, values in (
            ("wait", [1, 1, 1, 1, 1, 4, 5, 5, 5, 5]),
            ("use", [0, 0, 0, 0, 0, 1, 1, 2, 4, 4]),
            ("create", [0, 0, 0, 0, 0, 3, 3, 3, 3, 3]),
        )
        for step, value in zip(steps, values, strict=True)
    }
    stats = pool.stats()
    assert scraped['ppp_wait_seconds_count{pool="db"}'] == stats["nuses"]
    assert scraped['ppp_use_seconds_count{pool="db"}'] == stats["nuses"] - stats["nusing"]
    assert scraped['ppp_create_seconds_count{pool="db"}'] == stats["ncreated"]
    assert scraped['ppp_create_errors_total{pool="db"}'] == stats["nerrors"]
    assert scraped['ppp_timeouts_total{pool="db"}'] == stats["ntimeouts"]
    assert scraped['ppp_refusals_total{pool="db"}'] == stats["nrefused"]
    assert scraped['ppp_discards_total{pool="db",reason="broken"}'] == stats["ndestroys"]
    assert stats["observer_errors"] == 0


def test_before_anything_happened(observer: PrometheusObserver, endpoint: Endpoint) -> None:
    """A new pool is there at once, all its counts at zero, so that their first rise is seen."""
    with pool_of(observer, 3, 0):
        scraped = endpoint.scrape()
    for count in ("wait_seconds_count", "use_seconds_count", "create_seconds_count"):
        assert scraped[f'ppp_{count}{{pool="db"}}'] == 0
    for count in ("create_errors_total", "timeouts_total", "refusals_total"):
        assert scraped[f'ppp_{count}{{pool="db"}}'] == 0
    for reason in get_args(DiscardReason):
        assert scraped[f'ppp_discards_total{{pool="db",reason="{reason}"}}'] == 0
    for hook in get_args(HookName):
        assert scraped[f'ppp_hook_errors_total{{hook="{hook}",pool="db"}}'] == 0


def test_objects_on_their_way(observer: PrometheusObserver, endpoint: Endpoint, scheduler: FakeScheduler) -> None:
    """What is being created, checked or closed takes a place, and is shown."""
    seen: dict[str, float] = {}

    def look(state: str) -> None:
        seen[state] = endpoint.scrape()[f'ppp_objects{{pool="db",state="{state}"}}']

    def make(number: int) -> Thing:
        look("creating")
        return Thing(number)

    def healthy(_: Thing) -> bool:
        look("checking")
        return True

    pool = Pool(make, 1, 0, name="db", health=healthy, closer=lambda _: look("closing"))
    observer.watch(pool)
    pool.ret(pool.get())
    pool.housekeep()
    pool.clear()
    assert seen == {"creating": 1, "checking": 1, "closing": 1}


def test_a_rush(observer: PrometheusObserver, endpoint: Endpoint) -> None:
    """Scraped in the middle and at the end, the numbers are those of the pool, and of those who used it."""
    rush = Rush(observer)
    scraped = endpoint.scrape()
    assert scraped['ppp_objects{pool="db",state="used"}'] == rush.pool.stats()["nusing"] == 3
    assert scraped['ppp_objects{pool="db",state="idle"}'] == rush.pool.stats()["navail"] == 0
    assert scraped['ppp_waiting{pool="db"}'] == rush.pool.stats()["nwaiting"] == 5
    assert scraped['ppp_wait_seconds_count{pool="db"}'] == 3
    assert scraped['ppp_use_seconds_count{pool="db"}'] == 0

    rush.go_on()
    while rush.busy:
        before, scraped = scraped, endpoint.scrape()
        assert scraped['ppp_objects{pool="db",state="used"}'] <= 3
        assert scraped['ppp_waiting{pool="db"}'] <= 5
        for name in ('ppp_wait_seconds_count{pool="db"}', 'ppp_use_seconds_count{pool="db"}'):
            assert scraped[name] >= before[name]
    rush.end()

    scraped, stats = endpoint.scrape(), rush.pool.stats()
    assert scraped['ppp_objects{pool="db",state="used"}'] == stats["nusing"] == 0
    assert scraped['ppp_objects{pool="db",state="idle"}'] == stats["navail"] == 3
    assert scraped['ppp_waiting{pool="db"}'] == stats["nwaiting"] == 0
    assert scraped['ppp_create_seconds_count{pool="db"}'] == stats["ncreated"] == 3
    assert scraped['ppp_wait_seconds_count{pool="db"}'] == stats["nuses"] == Rush.LOANS
    assert scraped['ppp_use_seconds_count{pool="db"}'] == Rush.LOANS
    assert stats["wait_time"] < scraped['ppp_wait_seconds_sum{pool="db"}'] <= rush.waited
    assert rush.used_inside <= scraped['ppp_use_seconds_sum{pool="db"}'] <= rush.used_outside
    rush.pool.close()
    assert endpoint.scrape()['ppp_discards_total{pool="db",reason="shutdown"}'] == 3


def test_names_and_kinds(observer: PrometheusObserver, endpoint: Endpoint) -> None:
    """The exposition passes the parser of OpenMetrics, which is strict about names, kinds and suffixes."""
    with pool_of(observer) as pool, pool.obj():
        families = {name: metric.type for name, metric in endpoint.families().items()}
    assert families == {
        "ppp_wait_seconds": "histogram",
        "ppp_use_seconds": "histogram",
        "ppp_create_seconds": "histogram",
        "ppp_create_errors": "counter",
        "ppp_timeouts": "counter",
        "ppp_refusals": "counter",
        "ppp_discards": "counter",
        "ppp_hook_errors": "counter",
        "ppp_objects": "gauge",
        "ppp_objects_min": "gauge",
        "ppp_objects_max": "gauge",
        "ppp_waiting": "gauge",
    }


def test_a_closed_pool(observer: PrometheusObserver, endpoint: Endpoint) -> None:
    """It is no longer in the gauges; what it counted stays, and what comes back late is counted, too."""
    pool = pool_of(observer)
    thing = pool.get()
    pool.close()
    scraped = endpoint.scrape()
    assert not [name for name in scraped if name.startswith(("ppp_objects", "ppp_waiting"))]
    assert scraped['ppp_wait_seconds_count{pool="db"}'] == 1
    pool.ret(thing)
    assert endpoint.scrape()['ppp_use_seconds_count{pool="db"}'] == 1


def test_a_dropped_pool(observer: PrometheusObserver, endpoint: Endpoint) -> None:
    """Neither the observer nor a scrape keeps a pool alive."""
    pool = pool_of(observer)
    assert endpoint.scrape()['ppp_objects_max{pool="db"}'] == 3
    del pool
    gc.collect()
    assert not [name for name in endpoint.scrape() if name.startswith("ppp_objects")]


def test_pools_of_one_name(observer: PrometheusObserver, endpoint: Endpoint) -> None:
    """They are shown as one, added up, and when one of them ends no count goes back."""
    one, two = (pool_of(observer, size) for size in (3, 4))
    with pool_of(observer, 5, name="cache") as cache, cache.obj(), one.obj(), one.obj(), two.obj():
        scraped = endpoint.scrape()
        assert scraped['ppp_objects{pool="db",state="used"}'] == 3
        assert scraped['ppp_objects{pool="cache",state="used"}'] == 1
        assert scraped['ppp_objects_min{pool="db"}'] == 2
        assert scraped['ppp_objects_max{pool="db"}'] == 7
        assert scraped['ppp_objects_max{pool="cache"}'] == 5
        assert scraped['ppp_wait_seconds_count{pool="db"}'] == 3
    one.close()
    scraped = endpoint.scrape()
    assert scraped['ppp_objects_max{pool="db"}'] == 4
    assert scraped['ppp_objects{pool="db",state="idle"}'] == 1
    assert scraped['ppp_wait_seconds_count{pool="db"}'] == 3
    two.close()


def test_a_pool_that_is_resized(observer: PrometheusObserver, endpoint: Endpoint) -> None:
    """Its bounds are what they are now, and what was closed for it says so."""
    with pool_of(observer, 3, 2) as pool:
        pool.resize(min_size=0, max_size=1)
        scraped = endpoint.scrape()
        assert (scraped['ppp_objects_min{pool="db"}'], scraped['ppp_objects_max{pool="db"}']) == (0, 1)
        assert scraped['ppp_discards_total{pool="db",reason="surplus"}'] == 1
        pool.resize(max_size=0)
        assert endpoint.scrape()['ppp_objects_max{pool="db"}'] == float("inf")


def test_an_unlimited_pool(observer: PrometheusObserver, endpoint: Endpoint) -> None:
    """Its maximum is infinite, so that its use is never a large part of it."""
    with pool_of(observer, 0):
        assert endpoint.scrape()['ppp_objects_max{pool="db"}'] == float("inf")


def test_the_pool_of_a_proxy(observer: PrometheusObserver, endpoint: Endpoint) -> None:
    """A proxy hands its observer to its pool, and is watched itself."""
    thing = proxy(fun=Thing, max_size=3, name="db", observer=observer)
    observer.watch(thing)
    assert thing.number == 0
    assert endpoint.scrape()['ppp_objects{pool="db",state="used"}'] == 1


def test_a_pool_without_a_name(observer: PrometheusObserver, endpoint: Endpoint) -> None:
    """Its number stands for it."""
    with pool_of(observer, name=None) as pool:
        assert endpoint.scrape()[f'ppp_objects_max{{pool="{pool.name}"}}'] == 3
        assert pool.name.startswith("#")


def test_beside_other_observers(observer: PrometheusObserver, endpoint: Endpoint) -> None:
    """It works as one of several, whatever the others do."""
    contrary = Contrary()
    with Pool(Thing, 3, name="db", observer=observers(contrary, observer)) as pool:
        observer.watch(pool)
        with pool.obj():
            scraped = endpoint.scrape()
        assert pool.stats()["observer_errors"] == contrary.told > 0
    assert scraped['ppp_objects{pool="db",state="used"}'] == 1
    assert scraped['ppp_wait_seconds_count{pool="db"}'] == 1


def test_a_failing_metric(observer: PrometheusObserver, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    """What fails here is the observer's failure, counted by the pool, and nobody else's."""

    def fail(self: Counter) -> None:
        raise OSError("disk full")  # as in multiprocess mode

    with pool_of(observer) as pool:
        monkeypatch.setattr(Counter, "inc", fail)
        pool.discard(pool.get())
        assert pool.stats()["observer_errors"] == 1
        assert endpoint.scrape()['ppp_use_seconds_count{pool="db"}'] == 1


def test_what_is_told_and_not_watched(observer: PrometheusObserver, endpoint: Endpoint) -> None:
    """It is counted all the same, and has no gauges."""
    with Pool(Thing, 3, name="db", observer=observer) as pool, pool.obj():
        scraped = endpoint.scrape()
    assert scraped['ppp_wait_seconds_count{pool="db"}'] == 1
    assert not [name for name in scraped if name.startswith("ppp_objects")]


def test_a_name_that_cannot_be_encoded(
    observer: PrometheusObserver, endpoint: Endpoint, clock: HandMovedClock, naps: Naps, scheduler: object
) -> None:
    """It is written out, in all metrics; else nothing at all would be exposed, of no pool."""
    pool = one_of_each(observer, clock, naps, name="f \udc80")
    scraped = endpoint.scrape()
    assert scraped
    assert all('pool="f \\udc80"' in name for name in scraped)
    assert scraped['ppp_objects{pool="f \\udc80",state="used"}'] == 1
    for count in ("create_errors", "timeouts", "refusals"):
        assert scraped[f'ppp_{count}_total{{pool="f \\udc80"}}'] == 1
    assert scraped['ppp_discards_total{pool="f \\udc80",reason="broken"}'] == 1
    assert scraped['ppp_hook_errors_total{hook="closer",pool="f \\udc80"}'] == 1
    assert pool.stats()["observer_errors"] == 0


def test_what_is_no_pool(observer: PrometheusObserver) -> None:
    with pytest.raises(TypeError, match="watch\\(\\) takes pools and proxies, not 'db'"):
        observer.watch("db")


@pytest.mark.parametrize("buckets", [[60, 3600.0], [60, 3600.0, float("inf")]])
def test_other_buckets(registry: CollectorRegistry, endpoint: Endpoint, buckets: list[float]) -> None:
    observer = PrometheusObserver(registry, buckets=buckets)
    with pool_of(observer):
        bounds = [name for name in endpoint.scrape() if name.startswith("ppp_use_seconds_bucket")]
    assert bounds == [f'ppp_use_seconds_bucket{{le="{bound}",pool="db"}}' for bound in ("60.0", "3600.0", "+Inf")]


@pytest.mark.parametrize("buckets", [[], [1, 1], [2, 1], [-1, 1], [float("nan")], [True], [float("inf")]])
def test_buckets_that_make_no_sense(registry: CollectorRegistry, buckets: list[float]) -> None:
    with pytest.raises(PoolValueError, match="buckets must be"):
        PrometheusObserver(registry, buckets=buckets)
    PrometheusObserver(registry)  # nothing was registered


def test_a_second_observer(registry: CollectorRegistry, observer: PrometheusObserver) -> None:
    """A registry takes one; the second is refused as a whole. Another is welcome when the first has left."""
    with pytest.raises(ValueError, match="ppp_wait_seconds"):
        PrometheusObserver(registry)
    registry.unregister(observer)
    assert list(registry.collect()) == []
    PrometheusObserver(registry)


def test_no_registry(registry: CollectorRegistry, endpoint: Endpoint) -> None:
    """One may register the observer oneself, and its metrics' names are known without asking any pool."""
    observer = PrometheusObserver(None)
    with pool_of(observer):
        assert endpoint.scrape() == {}
        registry.register(observer)
        assert endpoint.scrape()['ppp_objects_max{pool="db"}'] == 3


def test_the_usual_registry() -> None:
    """Without a word about registries it is that of prometheus_client, from which anyone exposes metrics."""
    script = """
import prometheus_client
from ProxyPatternPool import Pool
from ProxyPatternPool.prometheus import PrometheusObserver
observer = PrometheusObserver()
with Pool(lambda number: [], 4, name="db", observer=observer) as pool:
    observer.watch(pool)
    print('ppp_objects_max{pool="db"} 4.0' in prometheus_client.generate_latest().decode().splitlines())
"""
    assert run_code(script) == ["True"]


def test_without_prometheus_client() -> None:
    """Whoever imports it is told what to install; nobody else is asked to."""
    script = """
import sys
sys.modules["prometheus_client"] = None
import ProxyPatternPool
try:
    import ProxyPatternPool.prometheus
except ImportError as error:
    print(error)
"""
    message = (
        "ProxyPatternPool.prometheus needs prometheus_client, which cannot be imported: "
        "pip install prometheus-client (this package's extra 'prometheus')"
    )
    assert run_code(script) == [message]


can_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="the system cannot fork")


@can_fork
def test_a_fork() -> None:
    """In the child the gauges are those of its own pool, which starts empty; counts go on from the parent's."""
    assert run_script("forked") == [
        "child, at once: used 0, idle 0, loans 2, returns 0",
        "child, later: used 1, idle 0, loans 3, returns 0",
        "parent: used 2, idle 0, loans 2, returns 0",
    ]


@can_fork
def test_many_processes(tmp_path: Path) -> None:
    """In the multiprocess mode of prometheus_client all processes count together."""
    assert run_script("prefork", PROMETHEUS_MULTIPROC_DIR=str(tmp_path)) == [
        'ppp_create_seconds_count{pool="db"} 3.0',
        'ppp_discards_total{pool="db",reason="broken"} 2.0',
        'ppp_use_seconds_count{pool="db"} 11.0',
        'ppp_wait_seconds_count{pool="db"} 11.0',
    ]
