"""What happens in the pools of these tests: once by the hand-moved clock, once among threads."""

from __future__ import annotations

import threading
from time import monotonic

import pytest

from ProxyPatternPool import Pool, TimeOut, TooManyWaiting

from ..unit.clock import HandMovedClock
from ..unit.helpers import Caller, Naps, Thing, eventually, wait_for
from .watching import Exporter, pool_of


def one_of_each(exporter: Exporter, clock: HandMovedClock, naps: Naps, name: str = "db") -> Pool[Thing]:
    """Have every event happen in a pool, in times that are exact.

    - Created: 3 objects, in 0.25 s each; one more creation fails.
    - Lent: 5 times, once after 0.75 s in the queue, 3 times with a creation, once at once. One caller times out after
      3 s, one is refused.
    - Returned: 4 times, after 4.25 s, 6 s, 5.75 s and 0.25 s; the second is discarded, and its closer fails.

    In the end one object is idle, and one is lent.
    """

    def make(number: int) -> Thing:
        clock.advance(0.25)
        if number == 3:
            raise OSError("nobody there")
        return Thing(number)

    def close(thing: Thing) -> None:
        if thing.number == 1:
            raise ValueError("it is stuck")

    pool = Pool(make, 3, 0, 3.0, max_waiting=1, name=name, observer=exporter, closer=close)
    exporter.watch(pool)
    first, second, third = pool.get(), pool.get(), pool.get()

    def another_comes() -> None:
        with pytest.raises(TooManyWaiting):
            pool.get()

    def first_comes_back() -> None:
        clock.advance(0.75)
        pool.ret(first)

    naps.meanwhile.append(another_comes)
    with pytest.raises(TimeOut):
        pool.get()
    naps.meanwhile.append(first_comes_back)
    assert pool.get() is first
    clock.advance(2.0)
    pool.discard(second)
    pool.ret(third)
    assert pool.get() is third
    with pytest.raises(OSError, match="nobody there"):
        pool.get()
    pool.ret(third)
    return pool


class Rush:
    """Eight callers in threads of their own want the three objects of a pool, twenty times each."""

    CALLERS = 8
    OBJECTS = 3
    LOANS = 160

    def __init__(self, exporter: Exporter) -> None:
        """Begin: three callers have an object and keep it, five wait."""
        self.waited = 0.0
        """Seconds that callers spent in ``get``, all together."""
        self.used_inside = self.used_outside = 0.0
        """Seconds that objects were used at least, and at most."""
        self._books = threading.Lock()
        self._go_on = threading.Event()
        self.pool = pool_of(exporter, self.OBJECTS)
        self._callers = [Caller(self._use) for _ in range(self.CALLERS)]
        eventually(lambda: self.pool.stats()["nwaiting"] == self.CALLERS - self.OBJECTS)

    def _use(self) -> None:
        for _ in range(self.LOANS // self.CALLERS):
            asked = monotonic()
            thing = self.pool.get()
            got = monotonic()
            wait_for(self._go_on)
            done = monotonic()
            self.pool.ret(thing)
            with self._books:
                self.waited += got - asked
                self.used_inside += done - got
                self.used_outside += monotonic() - asked

    @property
    def busy(self) -> bool:
        return any(caller.busy for caller in self._callers)

    def go_on(self) -> None:
        self._go_on.set()

    def end(self) -> None:
        for caller in self._callers:
            caller.result()
