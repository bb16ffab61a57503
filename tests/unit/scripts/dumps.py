"""A signal handler dumps a pool, at every place of the pool's own work where a signal can arrive.

What is printed is how often the pool's lock was held then, by the thread in which the handler runs, and how often not.
"""

from __future__ import annotations

import os
import signal
import tempfile
from collections import Counter
from contextlib import suppress
from types import FrameType

from ProxyPatternPool import Pool, TimeOut

from ..throwing import OPERATIONS, Thing, Thrower, throwing


class Signalling(Thrower):
    """Sends a signal at each place; it is handled at once, in this thread, right there."""

    def act(self, frame: FrameType) -> None:
        if not handling:  # not for the dump itself
            signal.raise_signal(signal.SIGINT)


pool = Pool(Thing, 2, 1, max_use=3, max_avail_delay=60.0, health=lambda _: True, trace_owner=True, name="db")
held: Counter[bool] = Counter()
handling: list[None] = []

with tempfile.TemporaryFile() as file:
    descriptor = file.fileno()

    def handle(_signal: int, _frame: FrameType | None) -> None:
        handling.append(None)
        look()
        handling.clear()

    def look() -> None:
        is_free = pool._core.guard.lock.acquire(False)
        if is_free:
            pool._core.guard.lock.release()
        held[not is_free] += 1
        os.ftruncate(descriptor, 0)
        os.lseek(descriptor, 0, os.SEEK_SET)
        pool.dump(descriptor)
        os.lseek(descriptor, 0, os.SEEK_SET)
        first = os.read(descriptor, 1 << 16).decode().splitlines()[0]
        assert first.startswith("pool 'db': "), first
        assert first.endswith((" waiting, max 1", " waiting, max 2")), first

    signal.signal(signal.SIGINT, handle)
    for operation in OPERATIONS:
        # The scheduler is a real one, and may not have made ready by then.
        with suppress(TimeOut), throwing(Signalling(0)):
            operation(pool)

pool.shutdown()
print(held[True])
print(held[False])
