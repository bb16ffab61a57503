"""The asynchronous pools that are compared: ours, a deque, a queue, and seven libraries, as far as they are there."""

from __future__ import annotations

import sys

from benchmarks.contenders.asynchronous.aiosqlitepool import AiosqlitePool
from benchmarks.contenders.asynchronous.asyncio_connection_pool import AsyncioConnectionPool
from benchmarks.contenders.asynchronous.base import Build, Connect, Contender, Loan, opened
from benchmarks.contenders.asynchronous.generic import GenericPool
from benchmarks.contenders.asynchronous.ours import Ours, OursReset
from benchmarks.contenders.asynchronous.plain import Deque, LifoQueue
from benchmarks.contenders.asynchronous.psycopg import PsycopgPool
from benchmarks.contenders.base import is_installed

__all__ = [
    "FLOOR",
    "POOLS",
    "QUEUE",
    "RESET",
    "Build",
    "Connect",
    "Contender",
    "Loan",
    "opened",
]

POOLS: dict[str, Build] = {
    Ours.name: Ours,
    PsycopgPool.name: PsycopgPool,
    AiosqlitePool.name: AiosqlitePool,
    AsyncioConnectionPool.name: AsyncioConnectionPool,
    GenericPool.name: GenericPool,
}
"""All that wait, and create on demand."""
RESET: dict[str, Build] = {OursReset.name: OursReset}
"""Ours with the reset that most of the others have."""
QUEUE: dict[str, Build] = {LifoQueue.name: LifoQueue}
"""What waits, and cannot create on demand."""
FLOOR: dict[str, Build] = {Deque.name: Deque}
"""What cannot even wait."""

if is_installed("asyncpg"):
    from benchmarks.contenders.asynchronous.asyncpg import AsyncpgPool

    POOLS[AsyncpgPool.name] = AsyncpgPool
if is_installed("sqlalchemy"):
    from benchmarks.contenders.asynchronous.sqlalchemy import SqlAlchemyPool

    POOLS[SqlAlchemyPool.name] = SqlAlchemyPool
if sys.version_info >= (3, 11):
    from benchmarks.contenders.asynchronous.connpool import ConnPool

    POOLS[ConnPool.name] = ConnPool
