"""The pools that are compared: ours, two written by hand, a queue, and four libraries, as far as they are there."""

from __future__ import annotations

from benchmarks.contenders.base import AnyContender, Build, Connect, Contender, FakeConnection, is_installed
from benchmarks.contenders.dbutils import DbUtilsPool
from benchmarks.contenders.generic import GenericPool
from benchmarks.contenders.ours import Ours, OursLease, OursWatched, OursWith, make_pool, make_watched_pool
from benchmarks.contenders.plain import LifoQueue, LockList, SemaphoreList
from benchmarks.contenders.psycopg import PsycopgPool

__all__ = [
    "FAIR_POOL",
    "QUEUE_POOL",
    "AnyContender",
    "Build",
    "Connect",
    "Contender",
    "DbUtilsPool",
    "FakeConnection",
    "GenericPool",
    "LifoQueue",
    "LockList",
    "Ours",
    "OursLease",
    "OursWatched",
    "OursWith",
    "PsycopgPool",
    "SemaphoreList",
    "make_pool",
    "make_watched_pool",
]

QUEUE_POOL: list[Build] = []
FAIR_POOL: list[Build] = []
if is_installed("sqlalchemy"):
    from benchmarks.contenders.sqlalchemy import SqlAlchemyFairPool, SqlAlchemyPool

    QUEUE_POOL.append(SqlAlchemyPool)
    FAIR_POOL.append(SqlAlchemyFairPool)
