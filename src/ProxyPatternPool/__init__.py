"""A pool that lends expensive objects safely to threads, greenlets and contexts."""

from ._errors import HookError, PoolClosed, PoolException, PoolValueError, PPPException, TimeOut
from ._hooks import Closer, Factory, Getter, HealthCheck, Hooks, Opener, Retter, StatsHook, Tracer
from ._pool.lease import Lease
from ._pool.pool import Pool
from ._pool.stats import ObjectStats, PoolStats

__all__ = [
    "Closer",
    "Factory",
    "Getter",
    "HealthCheck",
    "HookError",
    "Hooks",
    "Lease",
    "ObjectStats",
    "Opener",
    "PPPException",
    "Pool",
    "PoolClosed",
    "PoolException",
    "PoolStats",
    "PoolValueError",
    "Retter",
    "StatsHook",
    "TimeOut",
    "Tracer",
]
