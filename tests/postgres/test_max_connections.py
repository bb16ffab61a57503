"""The server refuses further connections: "too many clients already"."""

from __future__ import annotations

import logging
import threading
from collections.abc import Generator
from contextlib import contextmanager
from functools import partial

import psycopg
import pytest

from ProxyPatternPool import Pool

from .support import MAX_CONNECTIONS, Conn, Server, ask, close, connect, connector, eventually, spawn


@contextmanager
def crowd(server: Server, leave: int = 0) -> Generator[list[Conn]]:
    """Take all the server's connections but `leave`."""
    taken: list[Conn] = []
    try:
        taken.extend(connect(server.conninfo) for _ in range(MAX_CONNECTIONS))
        with pytest.raises(psycopg.OperationalError, match="too many clients"):
            connect(server.conninfo)
        for _ in range(leave):
            free(server, taken)
        yield taken
    finally:
        for conn in taken:
            conn.close()


def free(server: Server, taken: list[Conn]) -> None:
    """Close one of the crowd's connections; back when the server has seen it."""
    gone = taken.pop()
    backend = gone.info.backend_pid
    gone.close()
    if taken:
        eventually(lambda: not ask(taken[0], "SELECT count(*) FROM pg_stat_activity WHERE pid = %s", backend), 10)


def test_refusals_reach_the_caller(server: Server) -> None:
    """A refused connection is its creator's error; the place is free again, and works when the server has room."""
    with Pool(connector(server.conninfo), max_size=2, min_size=0, closer=close) as pool, crowd(server) as taken:
        for timeout in (10, None, None):  # more often than there are places; the first with time, the others without
            with pytest.raises(psycopg.OperationalError, match="too many clients"):
                pool.get(timeout)
        assert pool.stats()["nobjs"] == 0
        free(server, taken)
        with pool.obj(timeout=10) as conn:
            assert ask(conn, "SELECT 1") == 1


def test_min_size_is_reached_when_there_is_room(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    """A pool made while the server is full starts with what it gets, says so in the log, and fills up by itself."""
    with (
        crowd(server, leave=1) as taken,
        caplog.at_level(logging.WARNING, logger="ppp"),
        Pool(connector(server.conninfo), max_size=4, min_size=3, closer=close) as pool,
    ):
        assert pool.stats()["navail"] == 1
        eventually(lambda: "too many clients" in caplog.text, 20)
        with pool.obj(timeout=0) as conn:
            assert ask(conn, "SELECT 1") == 1
        free(server, taken)
        free(server, taken)
        eventually(lambda: pool.stats()["navail"] == 3, 20)


def test_a_pool_larger_than_the_server(server: Server) -> None:
    """More borrowers than the server allows: some are refused, and succeed once others gave back; none hangs."""
    callers = MAX_CONNECTIONS + 15
    full = threading.Barrier(callers)
    refused = threading.Semaphore(0)

    def work(number: int) -> int:
        full.wait(20)
        while True:
            try:
                conn = pool.get(timeout=20)
            except psycopg.OperationalError:
                refused.release()
                continue
            try:
                assert held.wait(20)
                return int(ask(conn, "SELECT %s::int", number))
            finally:
                pool.ret(conn)

    held = threading.Event()
    with Pool(connector(server.conninfo), max_size=2 * callers, min_size=0, closer=close) as pool:
        futures = [spawn(partial(work, number)) for number in range(callers)]
        assert refused.acquire(timeout=20)
        eventually(lambda: pool.stats()["nusing"] == MAX_CONNECTIONS, 20)
        held.set()
        assert [future.result(20) for future in futures] == list(range(callers))
        stats = pool.stats()
        assert (stats["nusing"], stats["nwaiting"]) == (0, 0)
        assert stats["nobjs"] == stats["navail"] == stats["ncreated"] - stats["ndestroys"]
        assert stats["nerrors"] > 0


def test_a_refusal_passes_its_place_on(server: Server) -> None:
    """With one place, a refused creator's place goes to the oldest waiter, who succeeds if there is room by then."""
    entered = threading.Event()
    go = threading.Event()

    def make(number: int) -> Conn:
        entered.set()
        assert go.wait(20)
        try:
            return connect(server.conninfo)
        except psycopg.OperationalError:
            free(server, taken)
            raise

    with crowd(server) as taken, Pool(make, max_size=1, min_size=0, closer=close) as pool:
        first = spawn(lambda: pool.get(timeout=20))
        assert entered.wait(10)
        second = spawn(lambda: pool.get(timeout=20))
        eventually(lambda: pool.stats()["nwaiting"] == 1, 10)
        go.set()
        assert isinstance(first.exception(10), psycopg.OperationalError)
        conn = second.result(10)
        assert ask(conn, "SELECT 1") == 1
        pool.ret(conn)
