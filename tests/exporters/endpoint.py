"""A real endpoint on the loopback, and what a Prometheus server would read there."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from http.client import HTTPConnection
from typing import cast

from prometheus_client import CollectorRegistry, Metric, start_http_server
from prometheus_client.openmetrics import parser as open_metrics
from prometheus_client.parser import text_string_to_metric_families

from ..unit.helpers import DEADLINE

# It has no types.
_parse_strictly = cast("Callable[[str], Iterable[Metric]]", vars(open_metrics)["text_string_to_metric_families"])

OPEN_METRICS = "application/openmetrics-text; version=1.0.0"


class Endpoint:
    """Where a process exposes its metrics: one for many tests, since it takes long to end."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.port = 0

    def collect(self) -> Iterable[Metric]:
        return self.registry.collect()

    def text(self, accept: str = "*/*") -> str:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=DEADLINE)
        try:
            connection.request("GET", "/metrics", headers={"Accept": accept})
            response = connection.getresponse()
            text = response.read().decode()
            assert response.status == 200, text
            return text
        finally:
            connection.close()

    def families(self) -> dict[str, Metric]:
        """All metrics, read by the stricter of the two parsers, of the stricter of the two formats."""
        return {metric.name: metric for metric in _parse_strictly(self.text(OPEN_METRICS))}

    def scrape(self) -> dict[str, float]:
        """All samples: ``{'ppp_waiting{pool="db"}': 0.0, …}``."""
        found: dict[str, float] = {}
        for metric in text_string_to_metric_families(self.text()):
            for sample in metric.samples:
                labels = ",".join(f'{label}="{value}"' for label, value in sorted(sample.labels.items()))
                found[f"{sample.name}{{{labels}}}"] = sample.value
        return found


@contextmanager
def serving() -> Generator[Endpoint]:
    """Expose metrics as applications do."""
    endpoint = Endpoint()
    server, thread = start_http_server(0, "127.0.0.1", endpoint)
    endpoint.port = server.server_port
    try:
        yield endpoint
    finally:
        server.shutdown()
        server.server_close()
        thread.join(DEADLINE)
