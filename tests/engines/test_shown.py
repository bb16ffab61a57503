"""Engines are shown by the exporters and on the status page, as pools are."""

from __future__ import annotations

import gc
import json

import pytest
from prometheus_client import CollectorRegistry
from sqlalchemy import create_engine
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool
from werkzeug.test import Client

from ProxyPatternPool import AsyncPool
from ProxyPatternPool._export import Watched, read
from ProxyPatternPool.prometheus import PrometheusObserver
from ProxyPatternPool.sqlalchemy import AsyncFairPool, FairPool
from ProxyPatternPool.status import status_app

from ..exporters.running import run_code
from ..unit.clock import FakeScheduler
from .driver import Driver


def test_an_engine_is_watched(scheduler: FakeScheduler) -> None:
    """The pool that it has now, after ``dispose()`` too; and by its pool's observer what happens there."""
    registry = CollectorRegistry()
    observer = PrometheusObserver(registry)
    engine = create_engine(
        "sqlite://",
        creator=Driver().connect,
        poolclass=FairPool,
        pool_logging_name="shop",
        observer=observer,
        _initialize=False,
    )
    observer.watch(engine)
    for _ in range(2):
        connection = engine.pool.connect()
        assert registry.get_sample_value("ppp_objects", {"pool": "shop", "state": "used"}) == 1
        connection.close()
        engine.dispose()
    assert registry.get_sample_value("ppp_wait_seconds_count", {"pool": "shop"}) == 2
    engine.pool = NullPool(Driver().connect)
    assert registry.get_sample_value("ppp_objects", {"pool": "shop", "state": "used"}) is None


def test_a_pool_is_watched(scheduler: FakeScheduler) -> None:
    """Or the pool itself; that of tasks likewise."""
    watched = Watched()
    pool = FairPool(Driver().connect, logging_name="shop")
    watched.add(pool)
    engine = create_async_engine("sqlite+aiosqlite://", poolclass=AsyncFairPool, pool_logging_name="tasks")
    watched.add(engine)
    assert isinstance(engine.pool, AsyncFairPool)
    assert isinstance(engine.pool.pool, AsyncPool)
    assert {name: gauges.max_size for name, gauges in read(watched).items()} == {"shop": 15, "tasks": 15}
    with pytest.raises(TypeError, match="takes pools and proxies"):
        watched.add(create_engine("sqlite://", poolclass=NullPool))


def test_an_engine_on_the_status_page(scheduler: FakeScheduler) -> None:
    """As long as it lives, and has such a pool."""
    engine = create_engine(
        "sqlite://", creator=Driver().connect, poolclass=FairPool, pool_logging_name="shop", _initialize=False
    )
    client = Client(status_app(engine, allow=lambda _: True))

    def shown() -> tuple[str, bool]:
        (pool,) = json.loads(client.get("/?format=json").text)["pools"]
        return pool["name"], pool["exists"]

    for _ in range(2):
        assert shown() == ("shop", True)
        engine.dispose()
    engine.pool = NullPool(Driver().connect)
    assert shown() == ("shop", False)
    del engine
    gc.collect()
    assert shown() == ("shop", False)


def test_without_sqlalchemy() -> None:
    """What is missing is said, and how to get it."""
    code = (
        "import sys\n"
        "sys.modules['sqlalchemy'] = None\n"
        "try:\n"
        "    import ProxyPatternPool.sqlalchemy\n"
        "except ImportError as error:\n"
        "    print(error)\n"
    )
    (line,) = run_code(code)
    assert line.endswith("pip install SQLAlchemy (this package's extra 'sqlalchemy')")
