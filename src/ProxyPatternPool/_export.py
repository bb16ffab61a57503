"""What the doors to metrics systems share: the pools they show, and the buckets they count times in."""

import math
from collections.abc import Iterable, Iterator
from itertools import chain, pairwise
from typing import NamedTuple, cast
from weakref import WeakValueDictionary

from ._config import seconds
from ._errors import PoolValueError
from ._inspect.status import standing
from ._pool.pool import Pool, core_of
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
    """How things stand in the pools of one name."""

    idle: int = 0
    used: int = 0
    checking: int = 0
    creating: int = 0
    closing: int = 0
    waiting: int = 0
    least: int = 0
    most: float = 0
    """Infinite if one of them is unlimited."""


class Watched:
    """The pools that an exporter shows as long as they are open; none lives on for it."""

    def __init__(self) -> None:
        # By identity. Unlike a WeakSet it can be copied in one step, while other threads add and drop pools.
        self._things: WeakValueDictionary[int, object] = WeakValueDictionary()

    def add(self, *pools_or_proxies: object) -> None:
        """Show pools from now on: these, or those that proxies have when they are shown.

        Raises:
            TypeError: one is neither a pool nor a proxy.
        """
        for thing in pools_or_proxies:
            # Not isinstance: a proxy says that it is what its object is.
            if not issubclass(type(thing), (Pool, Proxy)):
                raise TypeError(f"watch() takes pools and proxies, not {thing!r}")
        for thing in pools_or_proxies:
            self._things[id(thing)] = thing

    def pools(self) -> Iterator[Pool[object]]:
        """All pools that there are now; one may come twice."""
        for reference in self._things.valuerefs():
            thing = reference()
            if thing is None:  # dropped meanwhile
                continue
            pool = cast("Pool[object]", thing) if issubclass(type(thing), Pool) else control(thing).pool
            if pool is not None:
                yield pool


def read(*several: Watched) -> dict[str, Gauges]:
    """Look how things stand in all open pools of these books, in each once; those of one name are added up.

    The names are made fit to be labels: one that cannot be encoded would cost all others their export.
    """
    found: dict[str, Gauges] = {}
    asked: dict[int, Pool[object]] = {}
    for pool in chain.from_iterable(watched.pools() for watched in several):
        if id(pool) in asked:
            continue
        asked[id(pool)] = pool
        now = standing(core_of(pool))
        if now.closed:
            continue
        name = plain_text(pool.name)
        so_far = found.get(name, Gauges())
        found[name] = Gauges(
            idle=so_far.idle + now.idle,
            used=so_far.used + now.used,
            checking=so_far.checking + now.checking,
            creating=so_far.creating + now.creating,
            closing=so_far.closing + now.closing,
            waiting=so_far.waiting + now.waiting,
            least=so_far.least + now.least,
            most=so_far.most + (math.inf if now.most is None else now.most),
        )
    return found
