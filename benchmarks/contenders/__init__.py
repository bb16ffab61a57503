"""The pools that are compared: ours, two written by hand, a queue, and four libraries."""

from __future__ import annotations

from benchmarks.contenders.base import AnyContender, Build, Connect, Contender, FakeConnection
from benchmarks.contenders.dbutils import DbUtilsPool
from benchmarks.contenders.generic import GenericPool
from benchmarks.contenders.ours import Ours, OursLease, OursWatched, OursWith, make_pool, make_watched_pool
from benchmarks.contenders.plain import LifoQueue, LockList, SemaphoreList
from benchmarks.contenders.psycopg import PsycopgPool
from benchmarks.contenders.sqlalchemy import SqlAlchemyFairPool, SqlAlchemyPool

__all__ = [
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
    "SqlAlchemyFairPool",
    "SqlAlchemyPool",
    "make_pool",
    "make_watched_pool",
]
