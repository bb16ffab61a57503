"""Fork with a warm pool; the child ends normally (`sys.exit`, with everything Python does then), the parent goes on."""

from __future__ import annotations

import gc
import os
import sys
from typing import TYPE_CHECKING

import psycopg

from ProxyPatternPool import Pool

if TYPE_CHECKING:
    from psycopg.rows import TupleRow

QUERIES = 200


class Eager(psycopg.Connection["TupleRow"]):
    """A driver that closes the connection when its object is deleted, whatever the process."""

    def __del__(self, warn: object = None) -> None:
        self.close()


def query(pool: Pool[psycopg.Connection[TupleRow]], side: str) -> set[int]:
    """Query through all connections of the pool in turn; the backends that answered."""
    backends: set[int] = set()
    for i in range(QUERIES // 2):
        with pool.obj(timeout=20) as first, pool.obj(timeout=20) as second:
            for conn in (first, second):
                token = f"{side}-{os.getpid()}-{i}-{id(conn)}"
                row = conn.execute("SELECT %s::text, pg_backend_pid()", (token,)).fetchone()
                assert row is not None
                assert row[0] == token, (token, row)
                backends.add(row[1])
    return backends


conninfo, what, driver = sys.argv[1:]
connect = Eager.connect if driver == "eager" else psycopg.connect
pool = Pool(
    lambda _: connect(conninfo, autocommit=True),
    max_size=2,
    min_size=2,
    closer=lambda conn: conn.close(),
    hk_delay=0.02,
)
lent = pool.get(timeout=20)  # one connection is lent when the process forks, the other idle
child = os.fork()
if child == 0:
    if what == "uses":
        query(pool, "child")
    elif what == "drops":
        del lent, pool
        gc.collect()
    elif what == "shuts":
        pool.shutdown()
    print(f"child {what} done", flush=True)
    sys.exit(0)
_, status = os.waitpid(child, 0)
assert os.waitstatus_to_exitcode(status) == 0, "the child failed"
backends = {lent.info.backend_pid}
pool.ret(lent)
with pool.obj() as one, pool.obj() as two:
    backends |= {one.info.backend_pid, two.info.backend_pid}
assert query(pool, "parent") == backends
assert len(backends) == 2
assert pool.stats()["ncreated"] == 2
print("parent: same backends, 200 right answers")
