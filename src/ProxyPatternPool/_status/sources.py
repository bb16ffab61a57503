"""The pools that a status page shows: those it was given, and those of the proxies and engines it was given."""

import weakref
from abc import ABC, abstractmethod
from typing import Any

from .._engine.core import Core
from .._pool.either import EitherPool, core_of_either, is_pool, pool_in
from .._proxy.control import Control, either_pool_of, pool_name_of
from .._proxy.proxy import Proxy
from .._proxy.typed import control


class Source(ABC):
    """Where a pool comes from."""

    absent: str
    """What to say while there is none."""

    @property
    @abstractmethod
    def name(self) -> str:
        """The pool's, or what to call it while there is none."""

    @abstractmethod
    def core(self) -> Core[Any] | None:
        """The pool's inner state, if there is a pool at this moment."""


class PoolSource(Source):
    """A pool, which is held weakly."""

    absent = "dropped"

    def __init__(self, pool: EitherPool) -> None:
        # To the public pool, with which the pool ends; leases keep the inner state alive for longer.
        self._pool = weakref.ref(pool)
        self._name = pool.name

    @property
    def name(self) -> str:
        return self._name

    def core(self) -> Core[Any] | None:
        pool = self._pool()
        return None if pool is None else core_of_either(pool)


class ProxySource(Source):
    """A proxy, which may get its pool later, or another one, or none."""

    absent = "no pool yet: the proxy is not set, or was made without one"

    def __init__(self, control: Control[Any], name: str) -> None:
        self._control = control
        self._name = name

    @property
    def name(self) -> str:
        pool = either_pool_of(self._control)
        return (pool_name_of(self._control) or self._name) if pool is None else pool.name

    def core(self) -> Core[Any] | None:
        pool = either_pool_of(self._control)
        return None if pool is None else core_of_either(pool)


class EngineSource(Source):
    """What has a pool, now this one, now another; held weakly, as a pool."""

    absent = "dropped, or it has no pool of ours any more"

    def __init__(self, engine: object, pool: EitherPool) -> None:
        self._engine = weakref.ref(engine)
        self._name = pool.name

    @property
    def name(self) -> str:
        pool = pool_in(self._engine())
        return self._name if pool is None else pool.name

    def core(self) -> Core[Any] | None:
        pool = pool_in(self._engine())
        return None if pool is None else core_of_either(pool)


def source(thing: object, number: int) -> Source:
    """Make a source of a pool, of a proxy, or of what has a pool, the n-th.

    Raises:
        TypeError: it is none of them.
    """
    # Not by isinstance: a proxy answers that as its object does, which it would have to make for that.
    if issubclass(type(thing), Proxy):
        return ProxySource(control(thing), f"proxy {number}")
    if is_pool(thing):
        return PoolSource(thing)
    pool = pool_in(thing)
    if pool is not None:
        return EngineSource(thing, pool)
    raise TypeError(f"status_app shows pools and proxies, not a {type(thing).__name__}")
