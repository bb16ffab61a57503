"""What the exporters to metrics systems share: the pools they show, and the bounds of their histograms."""

import math
from collections.abc import Iterable, Iterator
from itertools import chain, pairwise
from typing import NamedTuple
from weakref import WeakValueDictionary

from ._config import seconds
from ._errors import PoolValueError
from ._ledger.counts import Counts
from ._pool.either import EitherPool, core_of_either, is_pool, pool_in
from ._proxy.control import either_pool_of
from ._proxy.proxy import Proxy
from ._proxy.typed import control
from ._text import plain_text

BUCKETS = (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0)
"""Upper bounds in seconds: those that OpenTelemetry's conventions recommend for ``db.client.operation.duration``.

There are none for the times of pools, and what metrics systems use by default begins too high for waits.
"""


def bounds(buckets: Iterable[float]) -> tuple[float, ...]:
    """Check upper bounds given by a user; the infinite one, which there is anyway, is left out.

    Raises:
        TypeError: one is no number.
        PoolValueError: one is negative or NaN, none is finite, or they do not rise.
    """
    checked = tuple(seconds("buckets", bound) for bound in buckets)
    if not checked or any(upper <= lower for lower, upper in pairwise(checked)):
        raise PoolValueError(f"buckets must be numbers of seconds that rise, not {checked!r}")
    if checked[0] == math.inf:
        raise PoolValueError(f"buckets must be numbers of seconds, one of them finite, not {checked!r}")
    # Given one, OpenTelemetry's SDK would fail at each record.
    return checked[:-1] if checked[-1] == math.inf else checked


class Gauges(NamedTuple):
    """The counts of all pools of one name, added up."""

    idle: int
    in_use: int
    checking: int
    creating: int
    closing: int
    waiting: int
    min_size: int
    max_size: float
    """Infinite if that of one of them is unlimited."""


def _add_up(pools: list[Counts]) -> Gauges:
    return Gauges(
        idle=sum(each.idle for each in pools),
        in_use=sum(each.in_use for each in pools),
        checking=sum(each.checking for each in pools),
        creating=sum(each.creating for each in pools),
        closing=sum(each.closing for each in pools),
        waiting=sum(each.waiting for each in pools),
        min_size=sum(each.min_size for each in pools),
        max_size=sum(math.inf if each.max_size is None else each.max_size for each in pools),
    )


class Watched:
    """The pools that an exporter shows as long as they are open; none lives on for it."""

    def __init__(self) -> None:
        # By identity. Unlike a WeakSet it can be copied in one step, while other threads add and drop pools.
        self._things: WeakValueDictionary[int, object] = WeakValueDictionary()

    def add(self, *pools_or_proxies: object) -> None:
        """Show pools from now on: these, or those that proxies and engines have when they are shown.

        Raises:
            TypeError: one is neither a pool nor a proxy, and has no pool.
        """
        for thing in pools_or_proxies:
            # Not isinstance: a proxy says that it is what its object is.
            if not is_pool(thing) and not issubclass(type(thing), Proxy) and pool_in(thing) is None:
                raise TypeError(f"watch() takes pools and proxies, not {thing!r}")
        for thing in pools_or_proxies:
            self._things[id(thing)] = thing

    def pools(self) -> Iterator[EitherPool]:
        """All pools that there are now; one may come twice."""
        for reference in self._things.valuerefs():
            thing = reference()
            if thing is None:  # dropped meanwhile
                continue
            if is_pool(thing):
                yield thing
                continue
            pool = either_pool_of(control(thing)) if issubclass(type(thing), Proxy) else pool_in(thing)
            if pool is not None:
                yield pool


def counts_of(pool: EitherPool) -> Counts:
    """Read the counts of a pool."""
    core = core_of_either(pool)
    return core.guard.locked(core.count)


def read(*several: Watched) -> dict[str, Gauges]:
    """Read the counts of all open pools that are watched, of each once; those of one name are added up.

    The names are made fit to be labels: one that cannot be encoded would cost all others their export.
    """
    found: dict[str, list[Counts]] = {}
    asked: dict[int, EitherPool] = {}
    for pool in chain.from_iterable(watched.pools() for watched in several):
        if id(pool) in asked:
            continue
        asked[id(pool)] = pool
        counts = counts_of(pool)
        if not counts.closed:
            found.setdefault(plain_text(pool.name), []).append(counts)
    return {name: _add_up(pools) for name, pools in found.items()}
