"""What pools do while the system has no thread to spare. Run by test_without_threads."""

from __future__ import annotations

import logging
import sys
import threading
import time

from ProxyPatternPool import Pool

lines: list[str] = []


class Handler(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        lines.append(record.getMessage())


class Thing:
    def __init__(self, number: int) -> None:
        self.open = True

    def close(self) -> None:
        self.open = False


def moment() -> None:
    logging.getLogger("ppp").addHandler(Handler())
    size = threading.stack_size(1 << 40)
    pool = Pool(Thing, 1, 1, closer=Thing.close, retter=lambda _: None, max_using_delay_kill=0.3)
    for _ in range(3):
        pool.lease(quiet=True)  # left to the scheduler
        pool.ret(pool.get(5.0))
    print("told once" if sum("no thread" in line for line in lines) == 1 else lines)
    kept = pool.get(0)
    print("served" if pool.get(5.0).open and not kept.open else "not killed")
    threading.stack_size(size)
    until = time.monotonic() + 10.0
    while pool.stats()["nkilled"] < 2 and time.monotonic() < until:
        time.sleep(0.01)
    print("works again" if pool.stats()["nkilled"] == 2 else pool.stats())


globals()[sys.argv[1]]()
