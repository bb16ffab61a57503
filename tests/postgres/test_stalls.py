"""The network stalls or breaks between the pool and the server: what hangs must hang alone."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from time import monotonic

import psycopg
import pytest

from ProxyPatternPool import Pool, TimeOut

from .relay import Relay
from .support import Conn, Server, ask, close, connect, eventually, healthy, pid, spawn

PROMPT = 1.0  # seconds that nothing takes which does not wait for the network


def first_through(relay: Relay, server: Server) -> Callable[[int], Conn]:
    """A factory whose object 0 goes through the relay, and all others directly to the server."""
    return lambda number: connect(server.conninfo if number else server.through(relay.port))


def test_stalled_check_does_not_block_other_objects(server: Server, relay: Relay) -> None:
    """While the health check of one connection hangs, the pool's others are lent, given back and counted as ever."""
    with Pool(first_through(relay, server), max_size=3, min_size=3, health=healthy, closer=close) as pool:
        relay.stall()
        round_ = spawn(pool.housekeep)
        assert relay.holding.wait(10)
        started = monotonic()
        for _ in range(50):
            first, second = pool.get(timeout=5), pool.get(timeout=5)
            assert ask(first, "SELECT 1") == ask(second, "SELECT 1") == 1
            pool.ret(second)
            pool.ret(first)
        assert pool.stats()["nobjs"] == 3
        assert monotonic() - started < PROMPT
        assert not round_.done()
        relay.resume()
        round_.result(10)
        stats = pool.stats()
        assert (stats["navail"], stats["bad_health"], stats["ndestroys"]) == (3, 0, 0)


def test_stalled_check_does_not_block_another_pool(server: Server, relay: Relay) -> None:
    """The scheduled maintenance of one pool hangs in a health check: another pool's goes on in time."""
    checks = threading.Semaphore(0)

    def watched(conn: Conn) -> bool:
        checks.release()
        return healthy(conn)

    with (
        Pool(first_through(relay, server), max_size=2, min_size=2, health=healthy, hk_delay=0.05, closer=close) as pool,
        Pool(
            lambda _: connect(server.conninfo),
            max_size=2,
            min_size=1,
            health=watched,
            hk_delay=0.05,
            max_avail_delay=0.2,
            closer=close,
        ) as other,
    ):
        relay.stall()
        assert relay.holding.wait(10)
        conns = other.get(timeout=5), other.get(timeout=5)
        for conn in conns:
            other.ret(conn)
        while checks.acquire(blocking=False):
            pass  # those from before the stall
        started = monotonic()
        for _ in range(5):
            assert checks.acquire(timeout=PROMPT)
        eventually(lambda: other.stats()["nobjs"] == 1, PROMPT)  # one of the two expired
        assert monotonic() - started < 2 * PROMPT
        relay.resume()
        eventually(lambda: pool.stats()["navail"] == 2, 10)


def test_check_cut_while_it_stalls(server: Server, relay: Relay) -> None:
    """A check whose connection breaks at last counts as failed: its connection is closed and replaced."""
    with Pool(first_through(relay, server), max_size=2, min_size=2, health=healthy, closer=close) as pool:
        relay.stall()
        round_ = spawn(pool.housekeep)
        assert relay.holding.wait(10)
        relay.cut()
        round_.result(10)
        eventually(lambda: pool.stats()["navail"] == 2, 10)
        stats = pool.stats()
        assert (stats["bad_health"], stats["ndestroys"]) == (1, 1)


def test_shutdown_during_a_stalled_check(server: Server, relay: Relay) -> None:
    """`shutdown` does not wait for a check that hangs; the connection is closed once the check has ended."""
    closed: list[Conn] = []

    def closer(conn: Conn) -> None:
        conn.close()
        closed.append(conn)

    pool = Pool(first_through(relay, server), max_size=2, min_size=2, health=healthy, closer=closer)
    relay.stall()
    round_ = spawn(pool.housekeep)
    assert relay.holding.wait(10)
    started = monotonic()
    pool.shutdown()
    assert monotonic() - started < PROMPT
    assert len(closed) == 1
    relay.resume()
    round_.result(10)
    eventually(lambda: len(closed) == 2, 10)
    assert all(conn.closed for conn in closed)


def test_stalled_creation_and_timeouts(server: Server, relay: Relay) -> None:
    """While a creation hangs, the timeouts of others end in time, and what is given back is lent at once."""

    def make(number: int) -> Conn:
        return connect(server.through(relay.port) if number else server.conninfo)

    with Pool(make, max_size=2, min_size=1, closer=close) as pool:
        lent = pool.get(timeout=5)
        relay.stall()
        creator = spawn(lambda: pool.get(timeout=20))
        assert relay.holding.wait(10)

        def late(timeout: float) -> float:
            started = monotonic()
            with pytest.raises(TimeOut):
                pool.get(timeout=timeout)
            return monotonic() - started

        timeouts = [0.0, 0.1, 0.2, 0.3, 0.4]
        waits = [spawn(partial(late, timeout)) for timeout in timeouts]
        for timeout, wait in zip(timeouts, waits, strict=True):
            assert timeout <= wait.result(10) < timeout + PROMPT / 2
        started = monotonic()
        pool.ret(lent)
        with pool.obj(timeout=5) as again:
            assert again is lent
            assert ask(again, "SELECT 1") == 1
        assert monotonic() - started < PROMPT
        assert not creator.done()
        relay.resume()
        created = creator.result(10)
        assert ask(created, "SELECT 1") == 1
        pool.ret(created)
        stats = pool.stats()
        assert (stats["navail"], stats["nobjs"], stats["ntimeouts"]) == (2, 2, 5)


def test_stalled_refill_does_not_block(server: Server, relay: Relay) -> None:
    """The scheduler's own creation hangs: callers get and give back what there is."""

    def make(number: int) -> Conn:
        return connect(server.through(relay.port) if number > 1 else server.conninfo)

    with Pool(make, max_size=2, min_size=2, health=healthy, closer=close) as pool:
        relay.stall()
        pool.discard(pool.get(timeout=5))
        round_ = spawn(pool.housekeep)
        assert relay.holding.wait(10)
        started = monotonic()
        for _ in range(50):
            with pool.obj(timeout=5) as conn:
                assert ask(conn, "SELECT 1") == 1
        assert monotonic() - started < PROMPT
        relay.resume()
        round_.result(10)
        eventually(lambda: pool.stats()["navail"] == 2, 10)


def test_cut_while_creating(server: Server, relay: Relay) -> None:
    """A connection that breaks while it is created is an error for its creator, and its place goes to who waits."""
    with Pool(first_through(relay, server), max_size=1, min_size=0, closer=close) as pool:
        relay.stall()
        creator = spawn(lambda: pool.get(timeout=20))
        assert relay.holding.wait(10)
        waiter = spawn(lambda: pool.get(timeout=20))
        eventually(lambda: pool.stats()["nwaiting"] == 1, 10)
        relay.cut()
        assert isinstance(creator.exception(10), psycopg.OperationalError)
        conn = waiter.result(10)
        assert ask(conn, "SELECT 1") == 1
        pool.ret(conn)


def test_cut_and_mended(server: Server, relay: Relay) -> None:
    """The network breaks all connections, idle and lent, and later works again: so does the pool."""
    with Pool(
        lambda _: connect(server.through(relay.port)), max_size=3, min_size=3, health=healthy, closer=close
    ) as pool:
        lent = pool.get(timeout=5)
        relay.cut()
        with pytest.raises(psycopg.OperationalError):
            lent.execute("SELECT 1")
        pool.discard(lent)
        pool.housekeep()
        assert pool.stats()["navail"] == 0
        with pytest.raises((psycopg.OperationalError, TimeOut)) as failed:  # the first to know may be the scheduler
            pool.get(timeout=0.5)
        assert psycopg.OperationalError in (type(failed.value), type(failed.value.__cause__))
        relay.mend()
        with pool.obj(timeout=5) as conn:
            assert ask(conn, "SELECT pg_backend_pid()") == pid(conn)
        eventually(lambda: pool.stats()["navail"] == 3, 20)
