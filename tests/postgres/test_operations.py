"""What an operator does to a pool that runs: replace connections, drain, resize, ride out an outage."""

from __future__ import annotations

import threading
from collections.abc import Callable
from time import monotonic, sleep

import psycopg
import pytest

from ProxyPatternPool import Pool, TimeOut

from .support import Conn, Server, ask, close, connect, connector, eventually, healthy, pid, spawn


class Attempts:
    """A factory that notes when it was called."""

    def __init__(self, conninfo: str) -> None:
        self.conninfo = conninfo
        self.times: list[float] = []

    def __call__(self, number: int) -> Conn:
        self.times.append(monotonic())
        return connect(self.conninfo)


def pids(pool: Pool[Conn], count: int) -> set[int]:
    """The backends of that many connections, borrowed together, as they say themselves."""
    conns = [pool.get(timeout=20) for _ in range(count)]
    found = {int(ask(conn, "SELECT pg_backend_pid()")) for conn in conns}
    for conn in conns:
        pool.ret(conn)
    return found


class Workers:
    """Threads that borrow, ask and give back until they are stopped; what goes wrong is raised then."""

    def __init__(self, pool: Pool[Conn], count: int, seen: Callable[[Conn], object] = lambda conn: None) -> None:
        self._done = threading.Event()
        self._pool = pool
        self._seen = seen
        self.answers = 0
        self._futures = [spawn(self._work) for _ in range(count)]

    def _work(self) -> None:
        while not self._done.is_set():
            with self._pool.obj(timeout=20) as conn:
                assert ask(conn, "SELECT 1") == 1
                self._seen(conn)
            self.answers += 1  # about right is right enough

    def go_on(self, answers: int = 100) -> None:
        until = self.answers + answers
        eventually(lambda: self.answers >= until or any(future.done() for future in self._futures), 20)

    def stop(self) -> None:
        self._done.set()
        for future in self._futures:
            future.result(20)


def test_max_lifetime_replaces_backends(server: Server) -> None:
    """Under load every backend is replaced in its time, and no borrower notices."""
    lifetime = 0.5
    born: dict[int, float] = {}
    oldest = 0.0
    lock = threading.Lock()

    def note(conn: Conn) -> None:
        nonlocal oldest
        with lock:
            oldest = max(oldest, monotonic() - born[pid(conn)])

    with Pool(
        connector(server.conninfo),
        max_size=4,
        min_size=2,
        max_lifetime=lifetime,
        opener=lambda conn: born.__setitem__(pid(conn), monotonic()),
        closer=close,
    ) as pool:
        first = server.backends()
        workers = Workers(pool, 4, note)
        eventually(lambda: len(born) >= 12, 20)
        assert not server.backends() & first
        workers.stop()
        stats = pool.stats()
        assert stats["nexpired"] >= 8
        assert stats["nexpired"] == stats["ndestroys"]
        assert oldest < lifetime + 2, "old ones do not stay"


def test_max_lifetime_of_idle_backends(server: Server) -> None:
    """Maintenance replaces idle ones by itself, each at its own time."""
    with Pool(connector(server.conninfo), max_size=3, min_size=3, max_lifetime=0.5, closer=close) as pool:
        first = server.backends()
        assert len(first) == 3
        eventually(lambda: not server.backends() & first, 20)
        eventually(lambda: pool.stats()["navail"] == 3, 20)


@pytest.mark.parametrize("timeout", [None, 0, 20])
def test_health_before_get_hides_what_broke(server: Server, timeout: float | None) -> None:
    """All idle connections are killed, and nobody who borrows sees it."""
    with Pool(
        connector(server.conninfo), max_size=3, min_size=3, health=healthy, health_before_get=0.0, closer=close
    ) as pool:
        before = pids(pool, 3)
        server.terminate(before)
        conn = pool.get(timeout)
        assert ask(conn, "SELECT pg_backend_pid()") not in before
        pool.ret(conn)
        # Not all need have been tried by then: the scheduler may have put a fresh one in front.
        assert not pids(pool, 3) & before
        eventually(lambda: (pool.stats()["bad_health"], pool.stats()["ndestroys"]) == (3, 3), 20)


def test_health_before_get_under_load(server: Server) -> None:
    """While borrowers come and go idle connections are killed again and again: none of them gets a dead one."""
    with Pool(
        connector(server.conninfo), max_size=8, min_size=8, health=healthy, health_before_get=0.0, closer=close
    ) as pool:
        workers = Workers(pool, 3)
        for _ in range(5):
            workers.go_on()
            # Only what is idle may be killed: it is taken out like a borrower's, killed, and put back without a word.
            conns = [pool.get(timeout=20) for _ in range(4)]
            server.terminate([pid(conn) for conn in conns])
            for conn in conns:
                pool.ret(conn)
        workers.go_on()
        workers.stop()
        assert pool.stats()["bad_health"] > 0


def test_a_dead_server_is_not_hammered(server: Server) -> None:
    """Many wait at a stopped server: attempts are few, and who times out learns why."""
    factory = Attempts(server.conninfo)
    with Pool(factory, max_size=10, min_size=0, closer=close) as pool:
        server.stop()
        with pytest.raises(psycopg.OperationalError) as first:
            pool.get(timeout=10)
        start = monotonic()
        callers = [spawn(lambda: pool.get(timeout=2)) for _ in range(20)]
        for caller in callers:
            error = caller.exception(20)
            assert isinstance(error, TimeOut)
            assert isinstance(error.__cause__, psycopg.OperationalError)
            assert str(error.__cause__) == str(first.value)
        assert monotonic() - start < 5
        # With all chance on the short side delays are 25, 50, 100, 200, 400, 800, 1600 ms: eight attempts in all.
        assert 3 <= len(factory.times) <= 9
        gaps = [after - before for before, after in zip(factory.times, factory.times[1:], strict=False)]
        assert gaps[-1] > gaps[0]
        stats = pool.stats()
        assert (stats["ntimeouts"], stats["nwaiting"], stats["nobjs"]) == (20, 0, 0)
        assert stats["retry_in"] > 0


def test_callers_outlive_an_outage(server: Server) -> None:
    """Whoever has time waits until the server is back: one fails, which is the first; all others are served."""
    factory = Attempts(server.conninfo)
    with Pool(factory, max_size=4, min_size=0, closer=close) as pool:
        server.stop()
        with pytest.raises(psycopg.OperationalError):
            pool.get(timeout=30)

        def query() -> int:
            with pool.obj(timeout=30) as conn:
                return int(ask(conn, "SELECT 1"))

        callers = [spawn(query) for _ in range(12)]
        eventually(lambda: len(factory.times) >= 4, 20)
        server.start()
        assert [caller.result(30) for caller in callers] == [1] * 12
        stats = pool.stats()
        assert (stats["last_error"], stats["retry_in"], stats["nwaiting"]) == (None, 0.0, 0)
        server.stop()
        pool.clear()
        with pytest.raises(psycopg.OperationalError):
            pool.get(timeout=10)  # the first after a success


def test_wait_ready(server: Server) -> None:
    """Whoever starts before the database waits for it, and is told what is wrong if it does not come."""
    server.stop()
    with Pool(connector(server.conninfo), max_size=4, min_size=2, closer=close) as pool:
        with pytest.raises(TimeOut) as late:
            pool.wait_ready(timeout=0.2)
        assert isinstance(late.value.__cause__, psycopg.OperationalError)
        waiting = spawn(lambda: pool.wait_ready(timeout=30))
        sleep(0.1)
        server.start()
        waiting.result(30)
        assert pool.stats()["navail"] == 2
        assert len(pids(pool, 2)) == 2


def test_drain_under_load(server: Server) -> None:
    """After a drain no query reaches a backend from before, while nobody is refused or broken off."""
    after: set[int] = set()
    with Pool(connector(server.conninfo), max_size=4, min_size=2, closer=close) as pool:
        workers = Workers(pool, 6)
        workers.go_on()
        before = server.backends()
        pool.drain()
        eventually(lambda: not server.backends() & before, 20)
        workers.go_on()
        workers.stop()
        workers = Workers(pool, 6, lambda conn: after.add(pid(conn)))
        workers.go_on()
        workers.stop()
        assert after
        assert not after & before
        assert pool.stats()["ndrained"] == len(before)


def test_drain_after_a_failover(server: Server) -> None:
    """All backends were lost at once: a drain replaces what is idle, and lent ones go as they come back."""
    with Pool(connector(server.conninfo), max_size=4, min_size=4, closer=close) as pool:
        lent = pool.get()
        before = server.backends()
        server.terminate(before)
        pool.drain()
        conn = pool.get(timeout=20)
        assert ask(conn, "SELECT 1") == 1
        pool.ret(conn)
        with pytest.raises(psycopg.OperationalError):
            lent.execute("SELECT 1")
        pool.ret(lent)
        assert lent.closed
        eventually(lambda: pool.stats()["navail"] == 4, 20)
        assert not pids(pool, 4) & before
        assert pool.stats()["ndrained"] == 4


def test_resize_live(server: Server) -> None:
    """Under load the pool grows and shrinks; backends follow, and no query fails."""
    with Pool(connector(server.conninfo), max_size=2, min_size=1, closer=close) as pool:
        workers = Workers(pool, 10)
        workers.go_on()
        assert len(server.backends()) <= 2
        pool.resize(min_size=6, max_size=8)
        eventually(lambda: len(server.backends()) >= 6, 20)
        workers.go_on()
        pool.resize(min_size=1, max_size=3)
        eventually(lambda: pool.stats()["nobjs"] <= 3, 20)
        eventually(lambda: len(server.backends()) <= 3, 20)
        workers.go_on()
        workers.stop()
        stats = pool.stats()
        assert stats["nshed"] >= 3
        assert stats["nerrors"] == 0
        waiting = [pool.get() for _ in range(3)]
        caller = spawn(lambda: pool.get(timeout=20))
        eventually(lambda: pool.stats()["nwaiting"] == 1, 10)
        pool.resize(max_size=4)
        for conn in [*waiting, caller.result(20)]:
            pool.ret(conn)
