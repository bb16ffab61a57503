"""Run what docs/production.md shows, block by block, with the server given: python recommended.py CONNINFO."""

from __future__ import annotations

import io
import os
import re
import signal
import sys
from contextlib import redirect_stderr
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import psycopg

from ProxyPatternPool import Pool, PoolClosed

PAGE = Path(__file__).parents[3] / "docs" / "production.md"
PLACEHOLDER = '"host=db.example dbname=orders user=orders"'


def backends(pool: Pool[Any]) -> set[int]:
    """The backends of all that is idle, by the names that the tracer gave them."""
    return {int(each["name"].removeprefix("backend ")) for each in pool.stats()["avail"] if "name" in each}


def main(conninfo: str) -> None:
    page = PAGE.read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    assert page.count(PLACEHOLDER) == 1
    configuration, *recipes, end = [block.replace(PLACEHOLDER, repr(conninfo)) for block in blocks]
    namespace: dict[str, Any] = {"__name__": "__main__"}

    def run(block: str) -> None:
        exec(compile(block, str(PAGE), "exec"), namespace)

    run(configuration)
    pool: Pool[Any] = namespace["pool"]
    pool.wait_ready(20)
    assert pool.stats()["delay"] * pool.stats()["health_freq"] == 60
    before = backends(pool)
    assert len(before) == 10
    for block in recipes:
        run(block)
        if ".drain()\n" in block:
            assert not backends(pool) & before
    pool.wait_ready(20)
    shown = pool.stats()
    assert (shown["min_size"], shown["max_size"], shown["nobjs"]) == (10, 10, 10)

    with redirect_stderr(io.StringIO()) as dumped, pool.obj() as connection:
        assert connection.execute("SHOW statement_timeout").fetchone() == ("15s",)
        os.kill(os.getpid(), signal.SIGUSR1)
        assert f"backend {connection.info.backend_pid}, <Connection at {id(connection):#x}>" in dumped.getvalue()
    assert connection.info.transaction_status == psycopg.pq.TransactionStatus.IDLE, "the retter"
    drained = pool.stats()["ndrained"]
    os.kill(os.getpid(), signal.SIGHUP)
    until = monotonic() + 20
    while pool.stats()["ndrained"] < drained + 10:
        assert monotonic() < until
        sleep(0.01)

    connection = namespace["connect"](0)
    assert namespace["Check"]()(connection)
    assert connection.info.transaction_status == psycopg.pq.TransactionStatus.IDLE, "the check"
    connection.close()
    run(end)
    try:
        pool.get()
    except PoolClosed:
        print("done")


if __name__ == "__main__":
    main(*sys.argv[1:])
