"""The pools with what is switched on for production: ours with one thing at a time, and what others have of it."""

from __future__ import annotations

import math
from functools import partial

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from prometheus_client import CollectorRegistry
from typing_extensions import Unpack

from benchmarks.contenders.base import Build, Connect, FakeConnection, is_installed
from benchmarks.contenders.ours import Ours
from benchmarks.contenders.psycopg import PsycopgPool
from ProxyPatternPool import Pool, PoolObserver, PoolOverrides
from ProxyPatternPool.opentelemetry import OpenTelemetryObserver
from ProxyPatternPool.prometheus import PrometheusObserver

HOUR = 3600


def nothing(_: object) -> None:
    """Do nothing: only the pools' own work is measured."""


def fine(_: object) -> bool:
    """Find it in good health, at no cost."""
    return True


class Deaf(PoolObserver[object]):
    """An observer whose methods, all of them, do nothing."""


class OursSwitchedOn(Ours):
    """`pool.get()` and `pool.ret(obj)`, with what is to be measured switched on."""

    def __init__(
        self,
        connect: Connect,
        size: int,
        *,
        warm: bool = True,
        name: str,
        parameters: PoolOverrides[FakeConnection],
    ) -> None:
        self.name = name
        self.parameters = parameters
        super().__init__(connect, size, warm=warm)

    def make(self, connect: Connect, size: int, warm: bool) -> Pool[FakeConnection]:
        """Make the pool."""
        parameters: PoolOverrides[FakeConnection] = {
            **self.parameters,
            "max_size": size,
            "min_size": size if warm else 0,
            "timeout": math.inf,
        }
        return Pool(lambda _: connect(), **parameters)


class OursPrometheus(OursSwitchedOn):
    """With the observer for Prometheus."""

    def __init__(self, connect: Connect, size: int, *, warm: bool = True) -> None:
        self.exporter = PrometheusObserver(CollectorRegistry())
        super().__init__(connect, size, warm=warm, name=PROMETHEUS, parameters={"observer": self.exporter})
        self.exporter.watch(self.pool)


class OursOpenTelemetry(OursSwitchedOn):
    """With the observer for OpenTelemetry, and its SDK behind it."""

    def __init__(self, connect: Connect, size: int, *, warm: bool = True) -> None:
        self.provider = MeterProvider([InMemoryMetricReader()])
        self.exporter = OpenTelemetryObserver(self.provider)
        super().__init__(connect, size, warm=warm, name=OPENTELEMETRY, parameters={"observer": self.exporter})
        self.exporter.watch(self.pool)

    def close(self) -> None:
        """Shut the pool and the SDK down."""
        super().close()
        self.provider.shutdown()


def ours(title: str, /, **parameters: Unpack[PoolOverrides[FakeConnection]]) -> Build:
    """Ours with these parameters."""
    return partial(OursSwitchedOn, name=title, parameters=parameters)


PLAIN = "ours"
LIFETIME = "ours, max_lifetime"
CHECK_NOT_DUE = "ours, health_before_get, not due"
CHECK_EACH = "ours, health_before_get, each time"
RETTER = "ours, retter"
TOGETHER = "ours, all of these"
OBSERVER = "ours, observer that does nothing"
PROMETHEUS = "ours, observer for Prometheus"
OPENTELEMETRY = "ours, observer for OpenTelemetry"
PSYCOPG = "psycopg_pool"
PSYCOPG_CHECK = "psycopg_pool, check"
PSYCOPG_RESET = "psycopg_pool, reset"
SQLALCHEMY = "SQLAlchemy"
SQLALCHEMY_RECYCLE = "SQLAlchemy, pool_recycle"
SQLALCHEMY_PING = "SQLAlchemy, pool_pre_ping"
SQLALCHEMY_LISTENERS = "SQLAlchemy, listeners that do nothing"

BUILDS: list[Build] = [
    Ours,
    ours(LIFETIME, max_lifetime=HOUR),
    ours(CHECK_NOT_DUE, health=fine, health_before_get=30.0),
    ours(CHECK_EACH, health=fine, health_before_get=0.0),
    ours(RETTER, retter=nothing),
    ours(
        TOGETHER,
        max_waiting=100,
        max_lifetime=HOUR,
        health=fine,
        health_before_get=30.0,
        max_using_delay=30.0,
        retter=nothing,
    ),
    ours(OBSERVER, observer=Deaf()),
    OursPrometheus,
    OursOpenTelemetry,
    PsycopgPool,
    partial(PsycopgPool, name=PSYCOPG_CHECK, check=nothing),
    partial(PsycopgPool, name=PSYCOPG_RESET, reset=nothing),
]
if is_installed("sqlalchemy"):
    from benchmarks.contenders.sqlalchemy import SqlAlchemyPool

    BUILDS.extend(
        (
            partial(SqlAlchemyPool, name=SQLALCHEMY),
            partial(SqlAlchemyPool, name=SQLALCHEMY_RECYCLE, recycle=HOUR),
            partial(SqlAlchemyPool, name=SQLALCHEMY_PING, ping=True),
            partial(SqlAlchemyPool, name=SQLALCHEMY_LISTENERS, listen=True),
        )
    )
