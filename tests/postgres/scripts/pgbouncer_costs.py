"""Measure what PgBouncer costs beside a direct connection: python -m tests.postgres.scripts.pgbouncer_costs."""

from __future__ import annotations

import sys
from collections.abc import Callable
from statistics import quantiles
from time import perf_counter

import psycopg

from ProxyPatternPool.psycopg import Check, connection_pool, is_connected

from ..bouncer import Bouncer
from ..support import Conn, Server, eventually, spawn

QUERIES = 4000


def microseconds(actions: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Of each the time that nine of ten take longer than, so that a busy machine changes little. They take turns."""
    times: dict[str, list[float]] = {name: [] for name in actions}
    for _ in range(rounds):
        for name, action in actions.items():
            start = perf_counter()
            action()
            times[name].append(perf_counter() - start)
    return {name: quantiles(each, n=10)[0] * 1e6 for name, each in times.items()}


def query(connection: Conn) -> Callable[[], object]:
    return lambda: connection.execute("SELECT 1").fetchone()


def in_turn(*connections: Conn) -> Callable[[], object]:
    """Query on one after the other; all of them count as one."""

    def queries() -> None:
        for connection in connections:
            connection.execute("SELECT 1").fetchone()

    return queries


def measure(bouncer: Bouncer, server: Server, queries: int) -> None:
    direct = psycopg.connect(server.conninfo, autocommit=True, prepare_threshold=None)
    session = bouncer.connect("session")
    one, other = (bouncer.connect("transaction", application_name=name) for name in ("one", "other"))
    same = bouncer.connect("transaction", application_name="one")
    check = Check()
    with direct, session, one, other, same:
        found = microseconds(
            {
                "a query, direct": query(direct),
                "a query, session mode": query(session),
                "a query, transaction mode": query(one),
                "two queries of two clients with the same name": in_turn(one, same),
                "two queries of two clients with different names": in_turn(one, other),
                "a check, direct": lambda: check(direct),
                "a check, transaction mode": lambda: check(one),
                "the check is_connected": lambda: is_connected(one),
            },
            queries,
        )
        found |= microseconds(
            {
                "a new connection, direct": lambda: psycopg.connect(server.conninfo).close(),
                "a new connection, transaction mode": lambda: bouncer.connect("transaction").close(),
            },
            max(queries // 40, 2),
        )
    for name, time in found.items():
        print(f"{name}: {time:.0f} µs")


def fail_over(bouncer: Bouncer, server: Server) -> None:
    """Pause, restart the server, and resume, with four threads that query."""
    waits: list[float] = []
    done = False

    with connection_pool(lambda: bouncer.connect("transaction"), 4, min_size=4) as pool:

        def load() -> None:
            while not done:
                start = perf_counter()
                with pool.obj() as connection:
                    connection.execute("SELECT 1")
                waits.append(perf_counter() - start)

        threads = [spawn(load) for _ in range(4)]
        eventually(lambda: len(waits) >= 200, 20)
        start = perf_counter()
        bouncer.order("PAUSE transaction")
        paused = perf_counter()
        server.stop()
        server.start()
        restarted = perf_counter()
        bouncer.order("RESUME transaction")
        until = len(waits) + 200
        eventually(lambda: len(waits) >= until, 20)
        done = True
        for thread in threads:
            thread.result(20)
    print(f"until PAUSE returns: {(paused - start) * 1e3:.0f} ms")
    print(f"restart of the server: {(restarted - paused) * 1e3:.0f} ms")
    print(f"longest wait of a caller: {max(waits) * 1e3:.0f} ms")


def main(queries: int = QUERIES) -> None:
    server = Server()
    try:
        with Bouncer(server) as bouncer:
            measure(bouncer, server, queries)
            fail_over(bouncer, server)
    finally:
        server.destroy()


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
