"""What an OpenTelemetry reader in memory has collected."""

from __future__ import annotations

from collections.abc import Sequence

from opentelemetry.metrics import MeterProvider
from opentelemetry.sdk.metrics import MeterProvider as SDKMeterProvider
from opentelemetry.sdk.metrics.export import (
    HistogramDataPoint,
    InMemoryMetricReader,
    Metric,
    NumberDataPoint,
    ScopeMetrics,
)

PREFIX = "db.client.connection."


class Meters:
    """A provider of meters with a reader in memory."""

    def __init__(self) -> None:
        self.reader = InMemoryMetricReader()
        self.provider: MeterProvider = SDKMeterProvider([self.reader])

    def metrics(self) -> dict[str, Metric]:
        """All metrics with anything to tell; there is one scope, ours."""
        return {metric.name: metric for scope in self._scopes() for metric in scope.metrics}

    def schema(self) -> str:
        """Which conventions are followed."""
        (scope,) = self._scopes()
        return scope.schema_url

    def _scopes(self) -> Sequence[ScopeMetrics]:
        data = self.reader.get_metrics_data()
        return () if data is None else data.resource_metrics[0].scope_metrics

    def _points(self) -> dict[str, object]:
        """All points by name and attributes, less what all of these begin with: ``count{pool.name=db,state=idle}``."""
        found: dict[str, object] = {}
        for metric in self.metrics().values():
            for point in metric.data.data_points:
                attributes = sorted((point.attributes or {}).items())
                labels = ",".join(f"{name.removeprefix(PREFIX)}=" + str(value) for name, value in attributes)
                found[f"{metric.name.removeprefix(PREFIX)}{{{labels}}}"] = point
        return found

    def numbers(self) -> dict[str, float]:
        """What counters and gauges say."""
        return {name: point.value for name, point in self._points().items() if isinstance(point, NumberDataPoint)}

    def histogram(self, name: str) -> HistogramDataPoint:
        point = self._points()[name]
        assert isinstance(point, HistogramDataPoint)
        return point
