"""A signal handler dumps a pool into a pipe: while the hub is idle, and in the middle of a locked step."""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType

from ProxyPatternPool import Pool

from ..green_env import green


class Thing:
    """An object like any other."""


def run() -> None:
    reading, writing = os.pipe()
    os.dup2(writing, sys.stderr.fileno())
    pool = Pool(lambda _: Thing(), 1, name="db")

    def handle(_signal: int, _frame: FrameType | None) -> None:
        pool.dump()

    def said() -> str:
        return os.read(reading, 1 << 16).decode().splitlines()[0]

    signal.signal(signal.SIGALRM, handle)
    with pool.obj():
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        green.sleep(0.2)
    print("idle hub:", said())
    switched: list[str] = []
    other = green.spawn(lambda: switched.append("switched"))
    pool._core.guard.locked(pool.dump)
    assert switched == [], "nobody else runs within a locked step"
    other.join()
    print("locked step:", said())
