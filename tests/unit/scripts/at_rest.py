"""Before a fork in C, whose child is not told that all other threads are gone."""

from __future__ import annotations

import sys
import threading
import time
from pathlib import Path

ROUNDS = 75
"""Of two milliseconds: longer than the scheduler waits before it looks again at what it gave to workers."""


def _others_sleep() -> bool:
    mine = str(threading.get_native_id())
    for thread in Path("/proc/self/task").glob("*/stat"):
        try:
            state = thread.read_text().rpartition(")")[2].split()[0]
        except OSError:  # it has ended
            continue
        if state != "S" and thread.parent.name != mine:
            return False
    return True


def come_to_rest() -> None:
    """Wait until no other thread wants the GIL: the child's interpreter would wait for it, for ever.

    One that wants it gets it while this sleeps, unless the system has no time for it, and then it does not sleep.
    """
    sys.setswitchinterval(1000.0)  # none demands the GIL: they wait until they get it
    rounds = 0
    while rounds < ROUNDS:
        time.sleep(0.002)
        rounds = rounds + 1 if _others_sleep() else 0
