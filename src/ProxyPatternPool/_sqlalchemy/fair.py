"""The pool for engines that threads and greenlets use."""

from typing import Any

from sqlalchemy.pool import ConnectionPoolEntry
from typing_extensions import override

from .._engine.steps import run
from .._errors import TimeOut, TooManyWaiting
from .._pool.pool import Pool
from .base import AnyFairPool


class FairPool(AnyFairPool[Pool[ConnectionPoolEntry]]):
    """A pool for ``create_engine``, in which who waits longest is served first. ::

        engine = create_engine(url, poolclass=FairPool, pool_size=5, max_overflow=10, pool_timeout=30)

    It takes the parameters of SQLAlchemy's ``QueuePool``, and those below. Events, invalidation, ``detach``, reset on
    return, ``pre_ping`` and ``recycle`` are SQLAlchemy's own. It differs in this:

    - Connections that come back are handed to callers in the order in which these came.
    - ``dispose()`` also closes, when they come back, the connections that are in use.
    - In the child of a fork it starts empty, and leaves the parent's connections alone, even without
      ``engine.dispose(close=False)``.
    - A pool that is dropped, and the end of the interpreter, close what is idle.
    - The error of a timeout says who has had a connection for longest.
    """

    _is_asyncio: Any = False

    def _new_pool(self, options: dict[str, Any]) -> Pool[ConnectionPoolEntry]:
        return Pool(lambda _: self._create_connection(), closer=lambda record: record.close(), **options)

    @override
    def _do_get(self) -> ConnectionPoolEntry:
        try:
            return self._pool.get()
        except (TimeOut, TooManyWaiting) as error:
            self._give_up(error)

    @override
    def _do_return_conn(self, record: ConnectionPoolEntry) -> None:
        self._pool.ret(record)

    @override
    def dispose(self) -> None:
        """Close what is idle now, and what is in use when it comes back."""
        run(self._core.operations.drain_here())
        self.logger.info("Pool disposed. %s", self.status())
