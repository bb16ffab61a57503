"""What an operator sees of a pool of real connections, while queries run and backends die."""

from __future__ import annotations

import io
import re
import threading
from collections.abc import Generator
from concurrent.futures import Future
from contextlib import contextmanager
from time import monotonic, sleep
from typing import Any

import psycopg
import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from prometheus_client import CollectorRegistry
from werkzeug.test import Client

from ProxyPatternPool import DiscardReason, HookName, Pool, PoolObserver, TooManyWaiting, observers
from ProxyPatternPool.opentelemetry import OpenTelemetryObserver
from ProxyPatternPool.prometheus import PrometheusObserver
from ProxyPatternPool.status import status_app

from .support import Conn, Server, ask, close, connect, connector, eventually, healthy, pid, spawn


class Notes(PoolObserver[Conn]):
    """All that was told, in order: the event, the backend, and the reason or the seconds."""

    def __init__(self) -> None:
        self.told: list[tuple[str, int, str]] = []
        self.seconds: list[tuple[str, float]] = []
        self.hooks: list[tuple[HookName, type[BaseException]]] = []
        self._pids: dict[int, int] = {}  # a connection that is lost does not know its backend any more

    def take(self) -> list[tuple[str, int, str]]:
        told, self.told = self.told, []
        return told

    def took(self, event: str) -> float:
        """The seconds told with the last event of a kind."""
        return [seconds for name, seconds in self.seconds if name == event][-1]

    def _note(self, event: str, obj: Conn, seconds: float) -> None:
        self.told.append((event, self._pids[id(obj)], ""))
        self.seconds.append((event, seconds))

    def created(self, pool: str, obj: Conn, took: float, /) -> None:
        self._pids[id(obj)] = pid(obj)
        self._note("created", obj, took)

    def lent(self, pool: str, obj: Conn, waited: float, /) -> None:
        self._note("lent", obj, waited)

    def returned(self, pool: str, obj: Conn, used: float, /) -> None:
        self._note("returned", obj, used)

    def discarded(self, pool: str, obj: Conn, reason: DiscardReason, /) -> None:
        self.told.append(("discarded", self._pids.pop(id(obj)), reason))

    def hook_failed(self, pool: str, hook: HookName, error: BaseException, /) -> None:
        self.hooks.append((hook, type(error)))


@contextmanager
def busy(pool: Pool[Conn], name: str) -> Generator[tuple[int, Future[None]]]:
    """A thread of that name that borrows a connection and asks something that takes for ever, until it is cancelled."""
    borrowed: Future[Conn] = Future()
    ended: Future[None] = Future()

    def report() -> None:
        try:
            with pool.obj(timeout=20) as conn:
                borrowed.set_result(conn)
                conn.execute("SELECT pg_sleep(60)")
        except BaseException as error:
            ended.set_exception(error)
        else:
            ended.set_result(None)

    threading.Thread(target=report, name=name, daemon=True).start()
    conn = borrowed.result(20)
    backend = pid(conn)
    try:
        yield backend, ended
    finally:
        # Again and again: the query may not have begun yet, and then there is nothing to cancel.
        def over() -> bool:
            if not (ended.done() or conn.closed):
                conn.cancel_safe()
            return ended.done()

        eventually(over, 20)


def running(server: Server) -> set[int]:
    """The backends in which a query is being executed."""
    with connect(server.conninfo) as conn:
        rows = conn.execute("SELECT pid FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%pg_sleep(60)'")
        return {int(row[0]) for row in rows}


def test_max_waiting_turns_away_whom_slow_queries_would_keep(server: Server) -> None:
    """While slow queries have all connections, so many wait and are served; all others are refused at once."""
    go_on = threading.Event()

    def query() -> int:
        with pool.obj() as conn:
            while not go_on.is_set():
                conn.execute("SELECT pg_sleep(0.05)")
            return int(ask(conn, "SELECT 6 * 7"))

    with Pool(connector(server.conninfo), max_size=2, min_size=2, timeout=20, max_waiting=3, closer=close) as pool:
        patient = [spawn(query) for _ in range(2)]
        eventually(lambda: pool.stats()["nusing"] == 2, 10)
        patient += [spawn(query) for _ in range(3)]
        eventually(lambda: pool.stats()["nwaiting"] == 3, 10)
        refused = [spawn(query) for _ in range(10)]
        for each in refused:
            error = each.exception(10)  # half of the timeout, and while the slow queries go on
            assert isinstance(error, TooManyWaiting)
            assert "2 lent" in str(error)
        assert not any(each.done() for each in patient)
        assert len(server.backends()) == 2
        go_on.set()
        assert [each.result(20) for each in patient] == [42] * 5
        stats = pool.stats()
        assert (stats["nrefused"], stats["ntimeouts"], stats["nuses"], stats["nwaiting"]) == (10, 0, 5, 0)
        assert query() == 42


def test_an_observer_of_connections_that_break(server: Server) -> None:
    """It is told of each backend's life in order, why it ended, and of times that are those of a clock beside it."""
    notes = Notes()
    with Pool(
        connector(server.conninfo),
        max_size=1,
        min_size=0,
        health=healthy,
        health_before_get=0.0,
        closer=close,
        observer=notes,
    ) as pool:
        start = monotonic()
        conn = pool.get()
        first = pid(conn)
        assert notes.take() == [("created", first, ""), ("lent", first, "")]
        assert 0 < notes.took("created") <= notes.took("lent") <= monotonic() - start

        conn.execute("SELECT pg_sleep(0.1)")
        pool.ret(conn)
        assert notes.take() == [("returned", first, "")]
        assert 0.1 <= notes.took("returned") <= monotonic() - start - notes.took("lent")

        server.terminate([first])
        conn = pool.get()
        second = pid(conn)
        assert notes.take() == [("discarded", first, "health"), ("created", second, ""), ("lent", second, "")]
        ((hook, error),) = notes.hooks
        assert hook == "health"
        assert issubclass(error, psycopg.OperationalError)

        def wait() -> float:
            start = monotonic()
            with pool.obj():
                return monotonic() - start

        waiting = spawn(wait)
        eventually(lambda: pool.stats()["nwaiting"] == 1, 10)
        sleep(0.1)
        server.terminate([second])
        with pytest.raises(psycopg.OperationalError):
            conn.execute("SELECT 1")
        pool.discard(conn)
        elapsed = waiting.result(20)
        third = notes.told[-1][1]
        assert notes.take() == [
            ("returned", second, ""),
            ("discarded", second, "broken"),
            ("created", third, ""),
            ("lent", third, ""),
            ("returned", third, ""),
        ]
        assert 0.1 + notes.took("created") <= notes.took("lent") <= elapsed, "the queue and the creation"
        stats = pool.stats()
        # The pool counts the check that found the first in bad health as a loan; nobody got it, and nobody is told.
        assert (stats["ncreated"], stats["nuses"], stats["observer_errors"]) == (3, 3 + 1, 0)
    assert notes.take() == [("discarded", third, "shutdown")]


def test_from_a_holder_to_his_backend(server: Server) -> None:
    """Who has kept a connection for long is found by the pool, his query by the server, and it can be ended there."""
    with Pool(connector(server.conninfo), max_size=2, min_size=2, timeout=20, closer=close, trace_owner=True) as pool:
        with busy(pool, "report-1") as (longest, ended), busy(pool, "report-2") as (other, _):
            waiting = spawn(lambda: pool.ret(pool.get()))
            eventually(lambda: pool.stats()["nwaiting"] == 1, 10)
            eventually(lambda: running(server) == {longest, other}, 10)
            start = monotonic()
            holdings = pool.owners()
            pool.dump(file := io.StringIO())
            assert monotonic() - start < 10, "nobody waits for a query"

            assert [(each.owner, pid(each.obj)) for each in holdings] == [
                ("thread 'report-1'", longest),
                ("thread 'report-2'", other),
            ]
            assert all(each.stack is not None and each.stack[-1].name == "report" for each in holdings)
            for each in holdings:
                owner, where = re.escape(each.owner), f"{id(each.obj):#x}"
                assert re.search(rf"lent for \d+\.\d+ s to {owner}: <Connection at {where}>", file.getvalue())
            assert re.search(r"waiting for \d+\.\d+ s: thread '", file.getvalue())

            server.terminate([pid(holdings[0].obj)])
            assert isinstance(ended.exception(20), psycopg.OperationalError)
            waiting.result(20)
            assert running(server) == {other}
        assert pool.owners() == []


def test_metrics_while_queries_run(server: Server) -> None:
    """Whatever moment a reading comes at, its numbers fit; at rest all that happened has been counted once."""
    registry, reader = CollectorRegistry(), InMemoryMetricReader()
    provider = MeterProvider([reader])
    prometheus, telemetry = PrometheusObserver(registry), OpenTelemetryObserver(provider)
    done = threading.Event()

    def sample(name: str, **labels: str) -> float:
        return registry.get_sample_value(name, {"pool": "db", **labels}) or 0.0

    def points(name: str) -> list[Any]:
        data = reader.get_metrics_data()
        assert data is not None
        return [
            point
            for resource in data.resource_metrics
            for scope in resource.scope_metrics
            for metric in scope.metrics
            if metric.name == f"db.client.connection.{name}"
            for point in metric.data.data_points
        ]

    def work() -> None:
        while not done.is_set():
            with pool.obj(timeout=20) as conn:
                conn.execute("SELECT pg_sleep(0.002)")

    with Pool(
        connector(server.conninfo),
        max_size=3,
        min_size=0,
        max_use=20,
        name="db",
        closer=close,
        observer=observers(prometheus, telemetry),
    ) as pool:
        prometheus.watch(pool)
        telemetry.watch(pool)
        workers = [spawn(work) for _ in range(6)]
        most_waiting = readings = 0.0
        until = monotonic() + 20
        while (readings < 50 or most_waiting == 0 or sample("ppp_discards_total", reason="max_use") == 0) and (
            monotonic() < until
        ):
            (objects,) = (family for family in registry.collect() if family.name == "ppp_objects")
            assert 0 <= sum(each.value for each in objects.samples) <= 3
            most_waiting = max(most_waiting, sample("ppp_waiting"))
            assert sum(point.value for point in points("count")) <= 3
            readings += 1
        done.set()
        for worker in workers:
            worker.result(20)
        assert 0 < most_waiting <= 6
        stats = pool.stats()
        loans, created = stats["nuses"], stats["ncreated"]
        assert sample("ppp_wait_seconds_count") == sample("ppp_use_seconds_count") == loans
        assert sample("ppp_create_seconds_count") == created
        assert sample("ppp_discards_total", reason="max_use") == stats["nwornout"] == stats["ndestroys"] > 0
        assert sample("ppp_objects", state="idle") == stats["navail"] == created - stats["ndestroys"]
        assert sample("ppp_use_seconds_sum") >= loans * 0.002
        (uses,) = points("use_time")
        (waits,) = points("wait_time")
        assert (uses.count, waits.count) == (loans, loans)
        assert uses.sum >= loans * 0.002
        assert stats["observer_errors"] == 0
    provider.shutdown()


def test_the_status_page_names_backends_without_asking_them(server: Server) -> None:
    """They are called what they were called when they were new; the page is there while the query goes on."""
    with Pool(
        connector(server.conninfo),
        max_size=2,
        min_size=2,
        name="db",
        closer=close,
        tracer=lambda conn: f"backend {pid(conn)}",
    ) as pool:
        client = Client(status_app(pool))
        with busy(pool, "report-1") as (backend, ended):
            eventually(lambda: running(server) == {backend}, 10)
            idle: set[int] = set()

            def settled() -> bool:  # the backend of whoever has just looked may still be on its way out
                idle.clear()
                idle.update(server.backends() - {backend})
                return len(idle) == 1

            eventually(settled, 10)
            data = client.get("/?format=json", environ_base={"REMOTE_ADDR": "127.0.0.1"}).get_json()
            page = client.get("/", environ_base={"REMOTE_ADDR": "127.0.0.1"}).get_data(as_text=True)
            assert not ended.done()
            (shown,) = data["pools"]
            assert (shown["in_use"], shown["idle"], shown["waiting"]) == (1, 1, 0)
            assert [(each["object"], each["in_use"], each["owner"]) for each in shown["objects"]] == [
                (f"backend {backend}", True, "thread 'report-1'"),
                (f"backend {idle.pop()}", False, None),
            ]
            assert f"backend {backend}" in page
            assert "report-1" in page
            assert running(server) == {backend}
