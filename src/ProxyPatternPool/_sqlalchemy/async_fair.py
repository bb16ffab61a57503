"""The pool for engines that tasks of asyncio use.

SQLAlchemy runs its own code in a greenlet of the task. From there ``await_only`` has the task await something, so the
event loop goes on. What our pool calls, the factory and the closer, it calls in the task: they start a greenlet each.
"""

from collections.abc import Awaitable
from typing import Any

from sqlalchemy import exc
from sqlalchemy.pool import AsyncAdaptedQueuePool, ConnectionPoolEntry
from sqlalchemy.util import await_only, greenlet_spawn
from typing_extensions import override

from .._errors import TimeOut, TooManyWaiting
from .._pool.async_pool import AsyncPool, tasks_of
from .._runtime.tasks import awaiting
from .base import AnyFairPool


class AsyncFairPool(AnyFairPool[AsyncPool[ConnectionPoolEntry]]):
    """A pool for ``create_async_engine``, in which who waits longest is served first. ::

        engine = create_async_engine(url, poolclass=AsyncFairPool, pool_size=5, max_overflow=10, pool_timeout=30)

    It is what ``FairPool`` is, for tasks of asyncio. It lives in the event loop that first uses it. At the end of that
    loop it closes what is idle, and in the next one it starts empty, as in the child of a fork.
    """

    _is_asyncio: Any = True
    _dialect: Any = vars(AsyncAdaptedQueuePool)["_dialect"]  # where it is used without an engine

    def _new_pool(self, options: dict[str, Any]) -> AsyncPool[ConnectionPoolEntry]:
        return AsyncPool(lambda _: greenlet_spawn(self._create_connection), closer=_close, **options)

    @override
    def _do_get(self) -> ConnectionPoolEntry:
        try:
            return await_only(self._pool.get())
        except (TimeOut, TooManyWaiting) as error:
            self._give_up(error)

    @override
    def _do_return_conn(self, record: ConnectionPoolEntry) -> None:
        # The garbage collector gives back as well, at any place, even in the middle of a step of this pool. Such a
        # record has no connection any more, so there is nothing to wait for.
        connected = record.dbapi_connection is not None
        closing = self._pool.ret(record)
        if connected:
            try:
                await_only(closing)
            except exc.MissingGreenlet:  # whoever gives back here cannot wait; what is closed goes on by itself
                pass

    @override
    def dispose(self) -> None:
        """Close what is idle now, and what is in use when it comes back."""
        await_only(self._dispose())
        self.logger.info("Pool disposed. %s", self.status())

    async def _dispose(self) -> None:
        tasks = tasks_of(self._pool)
        tasks.bind()  # first: it may start empty
        await awaiting(tasks.core.operations.drain_here())


def _close(record: ConnectionPoolEntry) -> Awaitable[None] | None:
    return None if record.dbapi_connection is None else greenlet_spawn(record.close)
