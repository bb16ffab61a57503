"""This library's pool, in the ways of using it that the targets name."""

from __future__ import annotations

import math

from benchmarks.contenders.base import Connect, FakeConnection
from ProxyPatternPool import Lease, Pool


def make_pool(connect: Connect, size: int, *, warm: bool = True) -> Pool[FakeConnection]:
    """Make a pool with everything optional switched off."""
    return Pool(lambda _: connect(), max_size=size, min_size=size if warm else 0, timeout=math.inf)


def make_watched_pool(connect: Connect, size: int, *, warm: bool = True) -> Pool[FakeConnection]:
    """Make a pool with health checks, expiry and long-use warnings, whose rounds run ten times a second."""
    return Pool(
        lambda _: connect(),
        max_size=size,
        min_size=size if warm else 0,
        timeout=math.inf,
        max_avail_delay=60.0,
        max_using_delay=30.0,
        health=lambda _: True,
        hk_delay=0.1,
    )


class Ours:
    """`pool.get()` and `pool.ret(obj)`."""

    name = "ours"

    def __init__(self, connect: Connect, size: int, *, warm: bool = True) -> None:
        self.pool = self.make(connect, size, warm)
        self.acquire = self.pool.get
        self.release = self.pool.ret

    def make(self, connect: Connect, size: int, warm: bool) -> Pool[FakeConnection]:
        """Make the pool that this way of using it is about."""
        return make_pool(connect, size, warm=warm)

    def cycles(self, count: int) -> None:
        """Cycle."""
        pool = self.pool
        for _ in range(count):
            obj = pool.get()
            pool.ret(obj)

    def close(self) -> None:
        """Shut the pool down."""
        self.pool.shutdown()


class OursWatched(Ours):
    """The same with health checks, expiry and long-use warnings."""

    name = "ours, health + expiry + warnings"

    def make(self, connect: Connect, size: int, warm: bool) -> Pool[FakeConnection]:
        """Make the pool."""
        return make_watched_pool(connect, size, warm=warm)


class OursWith(Ours):
    """`with pool.obj():`."""

    name = "ours, with pool.obj()"

    def cycles(self, count: int) -> None:
        """Cycle."""
        pool = self.pool
        for _ in range(count):
            with pool.obj():
                pass


class OursLease:
    """`lease = pool.lease()` and `lease.release()`."""

    name = "ours, lease"

    def __init__(self, connect: Connect, size: int, *, warm: bool = True) -> None:
        self.pool = make_pool(connect, size, warm=warm)
        self.acquire = self.pool.lease
        self.release = Lease[FakeConnection].release

    def cycles(self, count: int) -> None:
        """Cycle."""
        pool = self.pool
        for _ in range(count):
            lease = pool.lease()
            lease.release()

    def close(self) -> None:
        """Shut the pool down."""
        self.pool.shutdown()
