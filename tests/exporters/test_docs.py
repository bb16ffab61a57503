"""What docs/metrics.md says is true."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from ProxyPatternPool import HookError, Pool, control, proxy
from ProxyPatternPool._export import BUCKETS
from ProxyPatternPool.opentelemetry import OpenTelemetryObserver
from ProxyPatternPool.prometheus import PrometheusObserver

from ..unit.clock import FakeScheduler, HandMovedClock
from ..unit.helpers import ROOT, Naps, Thing
from .events import one_of_each
from .readings import Meters
from .running import run_code

PAGE = (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")

ANY_PORT = """
import warnings
# From 3.15 on the end of the interpreter warns about the files that prometheus_client leaves open.
warnings.filterwarnings("ignore", "unclosed file", ResourceWarning)
import prometheus_client
serve = prometheus_client.start_http_server
def serve_somewhere(port, addr):
    served.append(serve(0, addr))
served = []
prometheus_client.start_http_server = serve_somewhere
"""


def test_its_python_runs(tmp_path: Path) -> None:
    """Every block runs, in order, in one program, and asserts what it shows; only the port is another one."""
    blocks = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert len(blocks) == 7
    code = "".join(blocks).replace('"http://127.0.0.1:8000/', 'f"http://127.0.0.1:{served[0][0].server_port}/')
    environment = {"no_proxy": "127.0.0.1", "PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}
    assert run_code(f"{ANY_PORT}{code}print('done')", **environment) == ["done"]


def rows(section: str) -> set[str]:
    """The names in the first column of a section's table."""
    table = PAGE.split(f"\n## {section}\n")[1].split("\n## ")[0]
    return {
        name for row in re.findall(r"^\| (`[^|]*`) \|", table, re.MULTILINE) for name in re.findall(r"`(.*?)`", row)
    }


def test_all_metrics_of_prometheus_are_in_the_table() -> None:
    metrics = PrometheusObserver(None).describe()
    assert rows("Prometheus") == {f"{each.name}_total" if each.type == "counter" else each.name for each in metrics}


def test_all_metrics_of_opentelemetry_are_in_the_table(clock: HandMovedClock, naps: Naps, scheduler: object) -> None:
    meters = Meters()
    pool = one_of_each(OpenTelemetryObserver(meters.provider), clock, naps)
    assert rows("OpenTelemetry") == set(meters.metrics())
    pool.close()


def test_the_buckets_are_those_in_use() -> None:
    said = re.search(r"for all three histograms, than\n(.*?) s\.", PAGE)
    assert said is not None
    assert tuple(map(float, re.split(", | and ", said[1]))) == BUCKETS


def told(registry: CollectorRegistry, name: str, **labels: str) -> float | None:
    return registry.get_sample_value(name, {"pool": "db", **labels})


def test_where_totals_differ_from_stats(scheduler: object) -> None:
    """An opener that fails under "discard" ends an object that nobody was told of; a check may end a loan likewise."""
    registry = CollectorRegistry()
    well = {0: True, 1: False, 2: True}

    def start(thing: Thing) -> None:
        if thing.number == 0:
            raise OSError("it does not start")

    pool = Pool(
        Thing,
        max_size=1,
        min_size=0,
        name="db",
        opener=start,
        hook_errors="discard",
        health=lambda thing: well[thing.number],
        health_before_get=0.0,
        backoff=None,
        observer=PrometheusObserver(registry),
    )
    with pytest.raises(HookError):
        pool.get()
    pool.ret(pool.get())  # the second object, which is new, and so not checked
    pool.ret(pool.get(0))  # the third, since the second is in bad health by now
    stats = pool.stats()
    assert (stats["ncreated"], stats["ndestroys"], stats["nuses"]) == (3, 2, 3)
    assert told(registry, "ppp_create_seconds_count") == 2
    assert told(registry, "ppp_create_errors_total") == 1
    assert told(registry, "ppp_hook_errors_total", hook="opener") == 1
    assert told(registry, "ppp_discards_total", reason="health") == 1
    assert told(registry, "ppp_wait_seconds_count") == told(registry, "ppp_use_seconds_count") == 2
    pool.close()


def test_a_proxy_without_a_pool(clock: HandMovedClock, scheduler: FakeScheduler) -> None:
    """Its objects are in the histograms, never in the gauges; lifetimes and checks before loans mean nothing to it."""
    registry = CollectorRegistry()
    observer = PrometheusObserver(registry)
    checked: list[Thing] = []

    def check(thing: Thing) -> bool:
        checked.append(thing)
        return False

    thing = proxy(
        fun=Thing, max_size=None, name="db", health=check, health_before_get=0.0, max_lifetime=1.0, observer=observer
    )
    observer.watch(thing)
    first = control(thing).get()
    clock.advance(2.0)
    scheduler.run()
    assert control(thing).get() is first
    control(thing).discard()
    assert control(thing).get() is not first
    assert told(registry, "ppp_create_seconds_count") == told(registry, "ppp_wait_seconds_count") == 2
    assert told(registry, "ppp_use_seconds_count") == 1
    assert told(registry, "ppp_objects", state="used") is None
    assert checked == []
