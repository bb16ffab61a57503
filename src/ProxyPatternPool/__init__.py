"""A pool that lends expensive objects safely to threads, greenlets and contexts, and a proxy that stands for them."""

from ._async_hooks import AsyncCloser, AsyncFactory, AsyncGetter, AsyncHealthCheck, AsyncOpener, AsyncRetter
from ._config import HookErrors
from ._errors import (
    HookError,
    PoolClosed,
    PoolException,
    PoolValueError,
    PPPException,
    ProxyException,
    TimeOut,
    TooManyWaiting,
)
from ._hooks import (
    Closer,
    Factory,
    FunHook,
    Getter,
    HealthCheck,
    HealthHook,
    Hooks,
    Opener,
    PoolHook,
    Retter,
    StatsHook,
    TraceHook,
    Tracer,
)
from ._inspect.owners import Holding
from ._inspect.types import ObjectStats, PoolStats
from ._observer import DiscardReason, HookName, PoolObserver, observers
from ._pool import log
from ._pool.async_lease import AsyncLease
from ._pool.async_pool import AsyncPool
from ._pool.lease import Lease
from ._pool.parameters import AsyncPoolParameters
from ._pool.pool import Pool
from ._proxy.control import Control
from ._proxy.parameters import PoolOverrides, PoolParameters
from ._proxy.proxy import Proxy
from ._proxy.returning import returning
from ._proxy.typed import control, proxy
from ._scope.base import Kept, ScopeStrategy
from ._scope.select import Scope

__version__: str = "12.0.0"

__all__ = [
    "AsyncCloser",
    "AsyncFactory",
    "AsyncGetter",
    "AsyncHealthCheck",
    "AsyncLease",
    "AsyncOpener",
    "AsyncPool",
    "AsyncPoolParameters",
    "AsyncRetter",
    "Closer",
    "Control",
    "DiscardReason",
    "Factory",
    "FunHook",
    "Getter",
    "HealthCheck",
    "HealthHook",
    "Holding",
    "HookError",
    "HookErrors",
    "HookName",
    "Hooks",
    "Kept",
    "Lease",
    "ObjectStats",
    "Opener",
    "PPPException",
    "Pool",
    "PoolClosed",
    "PoolException",
    "PoolHook",
    "PoolObserver",
    "PoolOverrides",
    "PoolParameters",
    "PoolStats",
    "PoolValueError",
    "Proxy",
    "ProxyException",
    "Retter",
    "Scope",
    "ScopeStrategy",
    "StatsHook",
    "TimeOut",
    "TooManyWaiting",
    "TraceHook",
    "Tracer",
    "control",
    "log",
    "observers",
    "proxy",
    "returning",
]
