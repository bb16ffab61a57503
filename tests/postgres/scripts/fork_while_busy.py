"""Fork while every connection is lent and threads wait for them."""

from __future__ import annotations

import os
import sys
import threading
import traceback
from time import monotonic, sleep

import psycopg

from ProxyPatternPool import Pool

SIZE = 2


def main(conninfo: str) -> None:
    pool = Pool(lambda _: psycopg.connect(conninfo, autocommit=True), max_size=SIZE, closer=lambda conn: conn.close())
    lent = [pool.get(timeout=20) for _ in range(SIZE)]
    served: list[int] = []

    def wait() -> None:
        with pool.obj(timeout=20) as conn:
            row = conn.execute("SELECT pg_backend_pid()").fetchone()
            assert row is not None
            served.append(row[0])

    waiters = [threading.Thread(target=wait, daemon=True) for _ in range(2 * SIZE)]
    for waiter in waiters:
        waiter.start()
    deadline = monotonic() + 20
    while pool.stats()["nwaiting"] < len(waiters):
        assert monotonic() < deadline
        sleep(0.005)
    parents = {conn.info.backend_pid for conn in lent}
    child = os.fork()
    if child == 0:
        code = 1
        try:
            stats = pool.stats()
            assert (stats["nusing"], stats["nwaiting"], stats["navail"]) == (0, 0, 0), stats
            pool.ret(lent[0])  # the parent's: a warning, nothing else
            mine = [pool.get(timeout=20) for _ in range(SIZE)]  # maintenance may be creating one of them
            assert not {conn.info.backend_pid for conn in mine} & parents
            for conn in mine:
                row = conn.execute("SELECT pg_backend_pid()").fetchone()
                assert row is not None
                assert row[0] == conn.info.backend_pid
                pool.ret(conn)
            pool.shutdown()
            print("child: all places free", flush=True)
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0, "the child failed"
    for conn in lent:
        pool.ret(conn)
    for waiter in waiters:
        waiter.join(20)
    assert len(served) == len(waiters), served
    assert set(served) <= parents, (served, parents)
    pool.shutdown()
    print("parent: everyone served")


if __name__ == "__main__":
    main(sys.argv[1])
