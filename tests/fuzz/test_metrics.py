"""Names of pools, and errors, in what is exported: whoever reads it has the same names, and numbers."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any, NoReturn

from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from prometheus_client import CollectorRegistry, Metric, generate_latest
from prometheus_client.openmetrics import exposition, parser
from prometheus_client.parser import text_string_to_metric_families as parse

from ProxyPatternPool import Pool
from ProxyPatternPool.opentelemetry import OpenTelemetryObserver
from ProxyPatternPool.prometheus import PrometheusObserver

from ..unit.helpers import Thing
from .corpus import NASTY
from .strategies import Text, errors, few_examples, texts
from .world import raised_by, world


def raises(error: Exception) -> Callable[[object], NoReturn]:
    """A factory that raises it, or a hook."""

    def fails(_: object) -> NoReturn:
        raise error

    return fails


def named(name: str) -> str:
    """The name that is exported: half surrogates cannot be written."""
    return str.__str__(name).encode("utf-8", "backslashreplace").decode()


def use(pools: Iterable[Pool[Thing]]) -> None:
    """Have of each kind of event one."""
    for pool in pools:
        with pool.obj():
            raised_by(lambda: pool.get(0))  # noqa: B023  # called here


def _untyped(module: Any) -> Any:
    """A module whose functions have no types."""
    return module


def check_prometheus(names: list[str], error: Exception) -> None:
    registry = CollectorRegistry()
    observer = PrometheusObserver(registry)
    with world():
        pools = [Pool(Thing, 1, name=name, getter=raises(error), observer=observer) for name in names]
        failing = Pool(raises(error), min_size=0, name="failing", observer=observer)
        observer.watch(*pools, failing)
        use(pools)
        assert raised_by(failing.get) is type(error)
        plain = generate_latest(registry).decode()
        openmetrics: str = _untyped(exposition).generate_latest(registry).decode()
    expected = {named(name) for name in names}
    others: Iterable[Metric] = _untyped(parser).text_string_to_metric_families(openmetrics)
    for families in (parse(plain), others):
        seen: dict[str, float] = {}
        failed: Counter[str] = Counter()
        for family in families:
            assert family.name.startswith("ppp_")
            for sample in family.samples:
                assert {*sample.labels} <= {"pool", "state", "reason", "hook", "le"}
                if sample.name == "ppp_objects_max":
                    seen[sample.labels["pool"]] = sample.value
                if sample.name in ("ppp_create_errors_total", "ppp_hook_errors_total"):
                    failed[sample.labels.get("hook", "fun")] += int(sample.value)
                assert not math.isnan(sample.value)
                assert sample.labels["pool"] in {*expected, "failing"}
        assert +failed == {"fun": 1, "getter": len(names)}
        # Pools of one name are one.
        assert seen == {**{name: 1.0 * [*map(named, names)].count(name) for name in expected}, "failing": math.inf}


def check_opentelemetry(names: list[str], error: Exception) -> None:
    reader = InMemoryMetricReader()
    provider = MeterProvider([reader])
    observer = OpenTelemetryObserver(provider)
    with world():
        pools = [Pool(Thing, 1, name=name, getter=raises(error), observer=observer) for name in names]
        failing = Pool(raises(error), min_size=0, name="failing", observer=observer)
        observer.watch(*pools, failing)
        use(pools)
        assert raised_by(failing.get) is type(error)
        data = reader.get_metrics_data()
    provider.shutdown()
    assert data is not None
    written = json.loads(data.to_json().encode("utf-8", "strict"))
    found: set[str] = set()
    for metric in written["resource_metrics"][0]["scope_metrics"][0]["metrics"]:
        for point in metric["data"]["data_points"]:
            name = point["attributes"]["db.client.connection.pool.name"]
            name.encode()
            found.add(name)
    assert found == {*map(named, names), "failing"}


names = st.lists(st.one_of(texts, texts.map(Text)), min_size=1, max_size=3)


@few_examples
@given(names=names.filter(lambda names: all(named(name) != "failing" for name in names)), error=errors())
def test_names_for_prometheus(names: list[str], error: Exception) -> None:
    """Its own parsers read them, in both of its formats."""
    check_prometheus(names, error)


@few_examples
@given(names=names, error=errors())
def test_names_for_opentelemetry(names: list[str], error: Exception) -> None:
    check_opentelemetry(names, error)


def test_nasty_names() -> None:
    """Each is a pool of its own."""
    names = [name for name in NASTY if len(name) < 100]  # each is said fifty times, and read slowly
    check_prometheus(names, ConnectionError())
    check_opentelemetry(names, ConnectionError())
