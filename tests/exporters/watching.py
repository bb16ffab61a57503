"""Pools as an application makes them that exports its metrics."""

from __future__ import annotations

from typing import Protocol

from ProxyPatternPool import Pool, PoolObserver

from ..unit.helpers import Thing


class Exporter(PoolObserver[object], Protocol):
    """What all observers of ours have that export metrics."""

    def watch(self, *pools_or_proxies: object) -> None: ...


def pool_of(exporter: Exporter, max_size: int = 3, min_size: int = 1, *, name: str | None = "db") -> Pool[Thing]:
    """Make a pool that tells an exporter, and is watched by it."""
    pool = Pool(Thing, max_size, min_size, name=name, observer=exporter)
    exporter.watch(pool)
    return pool
