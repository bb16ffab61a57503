"""Fork with a warm pool; both sides query 200 times at the same time and compare what they got."""

from __future__ import annotations

import os
import sys
import threading
from typing import TYPE_CHECKING

import psycopg

from ProxyPatternPool import Pool

if TYPE_CHECKING:
    from psycopg.rows import TupleRow

QUERIES, THREADS = 200, 4


def query(pool: Pool[psycopg.Connection[TupleRow]], side: str) -> set[int]:
    """Ask for a token that no one else asks for, from several threads; the backends that answered."""
    backends: set[int] = set()
    right: list[str] = []

    def work(thread: int) -> None:
        for i in range(QUERIES // THREADS):
            token = f"{side}-{os.getpid()}-{thread}-{i}"
            with pool.obj(timeout=20) as conn:
                row = conn.execute("SELECT %s::text, pg_backend_pid()", (token,)).fetchone()
            assert row is not None
            if row[0] == token:
                right.append(token)
                backends.add(row[1])

    threads = [threading.Thread(target=work, args=(thread,), daemon=True) for thread in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert len(set(right)) == QUERIES, f"{side}: {len(set(right))} right answers"
    return backends


def main(conninfo: str) -> None:
    pool = Pool(
        lambda _: psycopg.connect(conninfo, autocommit=True),
        max_size=3,
        min_size=3,
        closer=lambda conn: conn.close(),
        health=lambda conn: conn.execute("SELECT 1").fetchone() == (1,),
        hk_delay=0.02,
    )
    leases = [pool.lease(20) for _ in range(3)]
    warm = {lease.obj.info.backend_pid for lease in leases}  # all of them: three threads may do with two
    for lease in leases:
        lease.release()
    assert query(pool, "before") <= warm
    receive, send = os.pipe()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            backends = query(pool, "child")
            os.write(send, " ".join(map(str, backends)).encode())
            pool.shutdown()
            status = 0
        finally:
            os._exit(status)
    mine = query(pool, "parent")
    print("parent: 200 right answers")
    os.close(send)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0, "the child failed"
    print("child: 200 right answers")
    with os.fdopen(receive) as pipe:
        theirs = {int(pid) for pid in pipe.read().split()}
    assert theirs
    assert not theirs & (mine | warm), (theirs, mine, warm)
    assert mine <= warm, f"the parent lost connections: {mine}, {warm}"
    print("disjoint backends")
    pool.shutdown()


if __name__ == "__main__":
    main(sys.argv[1])
