"""Pools of both kinds, for those who show them."""

from typing import Any, TypeAlias, TypeGuard

from .._engine.core import Core
from .async_pool import AsyncPool, async_core_of
from .pool import Pool, core_of

EitherPool: TypeAlias = Pool[Any] | AsyncPool[Any]


def is_pool(thing: object) -> TypeGuard[EitherPool]:
    """Whether something is a pool. A proxy is none, although it answers ``isinstance`` as its object does."""
    return issubclass(type(thing), (Pool, AsyncPool))


def core_of_either(pool: EitherPool) -> Core[Any]:
    """The parts of a pool."""
    return async_core_of(pool) if isinstance(pool, AsyncPool) else core_of(pool)
