"""The server goes away and comes back; the process that holds the pool goes on."""

from __future__ import annotations

import threading
from functools import partial
from time import monotonic

import psycopg
import pytest

from ProxyPatternPool import Pool, TimeOut

from .support import Conn, Server, ask, close, connect, connector, eventually, healthy, spawn


class Attempts:
    """A factory that notes when it was called, and can be held up."""

    def __init__(self, conninfo: str) -> None:
        self.conninfo = conninfo
        self.times: list[float] = []
        self.entered = threading.Event()
        self.gate = threading.Event()
        self.gate.set()

    def __call__(self, number: int) -> Conn:
        self.times.append(monotonic())
        self.entered.set()
        assert self.gate.wait(20)
        return connect(self.conninfo)


def test_creation_error_reaches_the_creator(server: Server) -> None:
    """With the server down, `get` raises the driver's own error at the caller who creates; no place is lost by it.

    At the first always, at those who wait for ever in their turn.
    """
    with Pool(connector(server.conninfo), max_size=1, min_size=0, closer=close) as pool:
        server.stop()
        with pytest.raises(psycopg.OperationalError):
            pool.get(timeout=10)
        for _ in range(2):
            with pytest.raises(psycopg.OperationalError):
                pool.get()
        stats = pool.stats()
        assert (stats["nobjs"], stats["nerrors"], stats["nusing"]) == (0, 3, 0)
        assert stats["last_error"]
        server.start()
        with pool.obj(timeout=10) as conn:
            assert ask(conn, "SELECT 1") == 1


def test_a_failed_creation_passes_its_place_on(server: Server) -> None:
    """With the server down, one place and no back-off, each waiter creates in its turn and sees the error at once."""
    factory = Attempts(server.conninfo)
    with Pool(factory, max_size=1, min_size=0, closer=close, backoff=None) as pool:
        server.stop()
        factory.gate.clear()
        callers = [spawn(lambda: pool.get(timeout=20)) for _ in range(4)]
        eventually(lambda: pool.stats()["nwaiting"] == 3, 10)
        factory.gate.set()
        for caller in callers:
            assert isinstance(caller.exception(10), psycopg.OperationalError)
        stats = pool.stats()
        assert (stats["nobjs"], stats["nwaiting"], stats["nerrors"]) == (0, 0, 4)


def test_timeout_carries_the_last_creation_error(server: Server) -> None:
    """Who times out while creations fail learns why: the last creation error is the cause of the `TimeOut`."""
    factory = Attempts(server.conninfo)
    with Pool(factory, max_size=2, min_size=0, closer=close, backoff=None) as pool:
        lent = pool.get()
        server.stop()
        with pytest.raises(psycopg.OperationalError) as failed:
            pool.get(timeout=10)
        factory.gate.clear()
        factory.entered.clear()
        creator = spawn(lambda: pool.get(timeout=10))
        assert factory.entered.wait(10)  # now both places are taken: one is lent, one being created
        with pytest.raises(TimeOut, match="timeout after") as late:
            pool.get(timeout=0.05)
        assert type(late.value.__cause__) is type(failed.value)
        assert str(late.value.__cause__) == str(failed.value)
        factory.gate.set()
        assert isinstance(creator.exception(10), psycopg.OperationalError)
        pool.discard(lent)
        assert pool.stats()["nobjs"] == 0


def test_construction_does_not_need_the_server(server: Server) -> None:
    """A pool made while the server is down is a pool: the scheduler fills it up once the server is there."""
    server.stop()
    with Pool(connector(server.conninfo), max_size=4, min_size=2, closer=close) as pool:
        assert pool.stats()["nobjs"] == 0
        server.start()
        eventually(lambda: pool.stats()["navail"] == 2, 20)
        with pool.obj(timeout=0) as conn:
            assert ask(conn, "SELECT 1") == 1


def test_refill_backs_off_and_recovers(server: Server) -> None:
    """While the server is down the scheduler tries to refill, ever less often; later `min_size` is regained."""
    factory = Attempts(server.conninfo)
    with Pool(factory, max_size=2, min_size=2, health=healthy, hk_delay=0.01, closer=close) as pool:
        assert pool.stats()["nobjs"] == 2
        server.stop()
        eventually(lambda: pool.stats()["nobjs"] == 0, 10)
        created = 2
        eventually(lambda: len(factory.times) >= created + 5, 20)
        failing = factory.times[created:]
        # every round would be an attempt in 10 ms or so; delays that double from 50 ms take far longer, jitter included
        assert failing[4] - failing[1] > 0.15, "two are missing, so the first two attempts are side by side"
        server.start()
        eventually(lambda: pool.stats()["navail"] == 2, 20)
        assert pool.stats()["nerrors"] >= 4
        with pool.obj(timeout=0) as conn:
            assert ask(conn, "SELECT 1") == 1


def test_without_back_off_callers_are_not_delayed(server: Server) -> None:
    """With `backoff=None` only the scheduler waits: a `get` after the server's return creates at once."""
    with Pool(
        connector(server.conninfo),
        max_size=4,
        min_size=2,
        health=healthy,
        hk_delay=0.01,
        backoff=None,
        closer=close,
    ) as pool:
        server.stop()
        eventually(lambda: pool.stats()["nerrors"] >= 4, 20)
        server.start()
        with pool.obj(timeout=0) as conn:
            assert ask(conn, "SELECT 1") == 1


def test_workers_go_on_after_a_restart(server: Server) -> None:
    """Workers that discard what broke all work again after a restart of the server, with the same pool."""
    workers = 6
    stopped = threading.Event()
    restarted = threading.Event()
    done = threading.Event()
    failed: set[int] = set()
    recovered: set[int] = set()

    def work(name: int) -> None:
        while not done.is_set():
            back = restarted.is_set()
            try:
                lease = pool.lease(timeout=20)
            except psycopg.OperationalError:
                failed.add(name)
                stopped.wait(0.01)
                continue
            with lease as conn:
                try:
                    assert ask(conn, "SELECT %s::int", name) == name
                except psycopg.OperationalError:
                    failed.add(name)
                    lease.discard()
                else:
                    if back:
                        recovered.add(name)

    with Pool(connector(server.conninfo), max_size=3, min_size=3, health=healthy, hk_delay=0.05, closer=close) as pool:
        futures = [spawn(partial(work, name)) for name in range(workers)]
        eventually(lambda: pool.stats()["nborrows"] > 100, 20)
        server.stop()
        eventually(lambda: pool.stats()["nwaiting"] == workers, 20)  # for the next attempt to create
        assert failed
        server.start()
        restarted.set()
        eventually(lambda: len(recovered) == workers, 20)
        done.set()
        for future in futures:
            future.result(20)
        eventually(lambda: pool.stats()["navail"] == 3, 20)
        stats = pool.stats()
        assert (stats["nobjs"], stats["nusing"], stats["nwaiting"]) == (3, 0, 0)
