"""Pools of both kinds, for those who show them."""

from typing import Any, TypeAlias, TypeGuard

from .._engine.core import Core
from .async_pool import AsyncPool, async_core_of
from .pool import Pool, core_of

EitherPool: TypeAlias = Pool[Any] | AsyncPool[Any]


def is_pool(thing: object) -> TypeGuard[EitherPool]:
    """Whether something is a pool. A proxy is none, although it answers ``isinstance`` as its object does."""
    return issubclass(type(thing), (Pool, AsyncPool))


def pool_in(thing: object) -> EitherPool | None:
    """The pool that something has at this moment: its attribute ``pool`` is one, or has one.

    So have the pools of the door to SQLAlchemy, and the engines that use them. Not to be asked of a proxy.
    """
    inner = getattr(thing, "pool", None)
    pool = inner if is_pool(inner) else getattr(inner, "pool", None)
    return pool if is_pool(pool) else None


def core_of_either(pool: EitherPool) -> Core[Any]:
    """The parts of a pool."""
    return async_core_of(pool) if isinstance(pool, AsyncPool) else core_of(pool)
