"""Backends die under the pool, as after an administrator's `pg_terminate_backend` or a crash."""

from __future__ import annotations

import threading
from functools import partial
from queue import SimpleQueue

import psycopg
import pytest

from ProxyPatternPool import HookError, Pool

from .support import Conn, Server, ask, close, connector, eventually, healthy, pid, spawn


def lend_all(pool: Pool[Conn], count: int) -> set[int]:
    """Borrow `count` connections at once, query each, give them back; the backends that answered."""
    conns = [pool.get(timeout=10) for _ in range(count)]
    pids = {int(ask(conn, "SELECT pg_backend_pid()")) for conn in conns}
    for conn in conns:
        pool.ret(conn)
    return pids


def test_idle_killed_replaced_in_one_round(server: Server) -> None:
    """One maintenance round closes every idle connection whose backend is dead, and new ones take their places."""
    with Pool(connector(server.conninfo), max_size=3, min_size=3, health=healthy, closer=close) as pool:
        before = lend_all(pool, 3)
        server.terminate(before)
        pool.housekeep()
        stats = pool.stats()
        assert (stats["bad_health"], stats["ndestroys"]) == (3, 3)
        eventually(lambda: pool.stats()["navail"] == 3, 10)  # the refill may be in other hands
        after = lend_all(pool, 3)
        assert len(after) == 3
        assert not after & before


def test_idle_killed_replaced_on_schedule(server: Server) -> None:
    """Maintenance does the same by itself, without anyone calling the pool."""
    opened: SimpleQueue[int] = SimpleQueue()
    closed: SimpleQueue[int] = SimpleQueue()
    pids: dict[Conn, int] = {}  # a dead connection does not know its backend any more

    def opener(conn: Conn) -> None:
        pids[conn] = pid(conn)
        opened.put(pid(conn))

    def closer(conn: Conn) -> None:
        conn.close()
        closed.put(pids[conn])

    with Pool(
        connector(server.conninfo),
        max_size=3,
        min_size=3,
        health=healthy,
        hk_delay=0.05,
        opener=opener,
        closer=closer,
    ) as pool:
        before = {opened.get(timeout=10) for _ in range(3)}
        server.terminate(before)
        assert {closed.get(timeout=10) for _ in range(3)} == before
        after = {opened.get(timeout=10) for _ in range(3)}
        eventually(lambda: pool.stats()["navail"] == 3, 10)
        assert lend_all(pool, 3) == after
        assert not after & before


def test_only_the_dead_are_replaced(server: Server) -> None:
    """A health round keeps the connections that are well: no more is closed than what broke."""
    with Pool(connector(server.conninfo), max_size=4, min_size=4, health=healthy, closer=close) as pool:
        before = lend_all(pool, 4)
        victims = set(sorted(before)[:2])
        server.terminate(victims)
        pool.housekeep()
        after = lend_all(pool, 4)
        assert after & before == before - victims
        assert pool.stats()["ndestroys"] == 2


def test_health_is_not_asked_of_lent_connections(server: Server) -> None:
    """A round leaves alone what is lent: its borrower's transaction sees no stranger's query."""
    with Pool(connector(server.conninfo), max_size=2, min_size=2, health=healthy, closer=close) as pool:
        with pool.obj() as conn, conn.transaction():
            stamp = ask(conn, "SELECT statement_timestamp()")
            pool.housekeep()
            with pool.obj(timeout=10) as other:
                assert ask(other, "SELECT query_start FROM pg_stat_activity WHERE pid = %s", pid(conn)) == stamp
        assert pool.stats()["nhealth"] == 1


def test_killed_while_lent_discard_frees_the_place(server: Server) -> None:
    """The borrower of a dead connection discards it: it is closed, its place is free, the next `get` gets a new one."""
    with Pool(connector(server.conninfo), max_size=1, closer=close) as pool:
        conn = pool.get()
        dead = pid(conn)
        server.terminate([dead])
        with pytest.raises(psycopg.OperationalError):
            conn.execute("SELECT 1")
        pool.discard(conn)
        assert conn.closed
        stats = pool.stats()
        assert (stats["nusing"], stats["ndestroys"]) == (0, 1)
        with pool.obj(timeout=10) as fresh:
            assert ask(fresh, "SELECT pg_backend_pid()") != dead
        assert pool.stats()["nobjs"] == 1


def test_killed_while_lent_lease_discard(server: Server) -> None:
    """A lease discards as well, and its end gives nothing back a second time."""
    with Pool(connector(server.conninfo), max_size=1, closer=close) as pool:
        lease = pool.lease()
        with lease as conn:
            dead = pid(conn)
            server.terminate([dead])
            with pytest.raises(psycopg.OperationalError):
                conn.execute("SELECT 1")
            lease.discard()
        assert conn.closed
        assert lend_all(pool, 1) != {dead}
        stats = pool.stats()
        assert (stats["nobjs"], stats["navail"], stats["nusing"]) == (1, 1, 0)


def test_discard_serves_the_waiters(server: Server) -> None:
    """All connections die while lent and others wait: each discard lets one waiter create, never above `max_size`."""
    size = 4
    alive = threading.Semaphore(size)

    def make(number: int) -> Conn:
        assert alive.acquire(blocking=False), "more connections than max_size"
        return connector(server.conninfo)(number)

    def unmake(conn: Conn) -> None:
        conn.close()
        alive.release()

    with Pool(make, max_size=size, min_size=size, closer=unmake) as pool:
        lent = [pool.get(timeout=10) for _ in range(size)]

        def wait() -> int:
            with pool.obj(timeout=20) as conn:
                return int(ask(conn, "SELECT pg_backend_pid()"))

        waiters = [spawn(wait) for _ in range(2 * size)]
        eventually(lambda: pool.stats()["nwaiting"] == 2 * size, 10)
        dead = {pid(conn) for conn in lent}
        server.terminate(dead)
        for conn in lent:
            with pytest.raises(psycopg.OperationalError):
                conn.execute("SELECT 1")
            pool.discard(conn)
        served = {waiter.result(20) for waiter in waiters}
        assert not served & dead
        eventually(lambda: pool.stats()["navail"] == size, 20)  # the scheduler may be creating the last
        stats = pool.stats()
        assert (stats["nusing"], stats["nwaiting"], stats["nobjs"]) == (0, 0, size)


def test_killed_while_lent_returned_with_a_retter(server: Server) -> None:
    """A dead connection given back with `ret` is not lent again where a `retter` resets it: it is closed."""
    with Pool(
        connector(server.conninfo), max_size=1, closer=close, retter=lambda conn: conn.execute("DISCARD ALL")
    ) as pool:
        with pool.obj() as conn:
            dead = pid(conn)
            server.terminate([dead])
        assert conn.closed
        assert pool.stats()["hook_errors"] == 1
        assert lend_all(pool, 1) != {dead}


def test_killed_while_idle_found_by_the_getter(server: Server) -> None:
    """With `hook_errors="discard"` a `getter` that finds a dead connection tells the caller, and the place is free."""
    with Pool(
        connector(server.conninfo),
        max_size=1,
        closer=close,
        getter=lambda conn: conn.execute("SELECT 1"),
        hook_errors="discard",
    ) as pool:
        dead = lend_all(pool, 1)
        server.terminate(dead)
        with pytest.raises(HookError) as caught:
            pool.get(timeout=10)
        assert isinstance(caught.value.__cause__, psycopg.OperationalError)
        assert not lend_all(pool, 1) & dead


def test_the_log_names_a_backend_that_is_gone(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    """The driver says 0 of a closed connection: its name is what the tracer of docs/production.md said of it before."""
    with Pool(
        connector(server.conninfo),
        max_size=1,
        closer=close,
        retter=lambda conn: conn.rollback(),
        tracer=lambda connection: f"backend {connection.info.backend_pid}",
        name="orders",
    ) as pool:
        with pool.obj() as conn:
            backend = pid(conn)
            server.terminate([backend])
            with pytest.raises(psycopg.OperationalError):
                conn.execute("SELECT 1")
            (lent,) = pool.stats()["using"]
            assert (lent.get("name"), lent.get("trace")) == (f"backend {backend}", "backend 0")
        eventually(lambda: len(caplog.messages) > 0, 10)
        assert caplog.messages[0].startswith(f"pool 'orders': retter failed, discarding backend {backend}: ")


def test_a_busy_pool_survives_a_massacre(server: Server) -> None:
    """Under load, all backends are killed again and again: workers discard and go on, no answer is wrong."""
    workers, rounds = 6, 3
    done = threading.Event()

    def work(name: int) -> int:
        answers = 0
        while not done.is_set():
            lease = pool.lease(timeout=20)
            with lease as conn:
                try:
                    assert ask(conn, "SELECT %s::text", f"{name}-{answers}") == f"{name}-{answers}"
                except psycopg.OperationalError:
                    lease.discard()
                else:
                    answers += 1
        return answers

    def await_borrows(count: int) -> None:
        eventually(lambda: pool.stats()["nborrows"] > count, 20)

    with Pool(connector(server.conninfo), max_size=4, min_size=2, health=healthy, hk_delay=0.02, closer=close) as pool:
        futures = [spawn(partial(work, name)) for name in range(workers)]
        for _ in range(rounds):
            await_borrows(pool.stats()["nborrows"] + 100)
            server.terminate(server.backends())
        await_borrows(pool.stats()["nborrows"] + 100)
        done.set()
        assert all(future.result(20) > 0 for future in futures)
        stats = pool.stats()
        assert (stats["nusing"], stats["nwaiting"]) == (0, 0)
        assert stats["ndestroys"] >= rounds
