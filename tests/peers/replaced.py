"""A plugin for the pytest that runs SQLAlchemy's own tests, see tools/peers: its QueuePool is ours.

What these tests read of QueuePool's private state is answered from ours. Nothing else of SQLAlchemy's is changed.
"""

from __future__ import annotations

import re
from typing import Any

import pytest
from typing_extensions import override

from .exceptions import EXCEPTIONS, Test


@pytest.hookimpl(tryfirst=True)
def pytest_sessionstart() -> None:
    # Not before: SQLAlchemy's own plugins have to be there when the first of it is imported.
    import sqlalchemy
    from sqlalchemy import pool
    from sqlalchemy.pool import ConnectionPoolEntry, impl

    from ProxyPatternPool import Pool
    from ProxyPatternPool.sqlalchemy import AsyncFairPool, FairPool

    class Queue(Pool[ConnectionPoolEntry]):
        """Answers what the tests ask the private queue of a pool."""

        use_lifo: bool

        def empty(self) -> bool:
            return self.stats()["navail"] == 0

    class QueuePool(FairPool):
        @property
        def _overflow(self) -> int:
            return self.overflow()

        @override
        def _new_pool(self, options: dict[str, Any]) -> Pool[ConnectionPoolEntry]:
            queue = Queue(lambda _: self._create_connection(), closer=lambda record: record.close(), **options)
            queue.use_lifo = self._use_lifo
            return queue

    class AsyncAdaptedQueuePool(AsyncFairPool):
        pass

    for ours in (QueuePool, AsyncAdaptedQueuePool):
        ours._sqla_logger_namespace = f"sqlalchemy.pool.impl.{ours.__name__}"
        for module in (sqlalchemy, pool, impl):
            setattr(module, ours.__name__, ours)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Have those fail that do not apply; one that is not there any more, in a file that is run, ends the run."""
    found: set[Test] = set()
    files: set[str] = set()
    for item in items:
        file, *groups, name = item.nodeid.split("::")
        files.add(file)
        # SQLAlchemy appends the database to the name of the class.
        test = Test(file, re.sub(r"_sqlite\+.*", "", groups[0]) if groups else "", name.split("[")[0])
        if test in EXCEPTIONS:
            found.add(test)
            item.add_marker(pytest.mark.xfail(reason=EXCEPTIONS[test], strict=True))
    gone = {test for test in EXCEPTIONS if test.file in files} - found
    if gone:
        raise pytest.UsageError(f"tests/peers/exceptions.py names what is not there: {sorted(gone)}")
