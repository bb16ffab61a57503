"""The pool of the website's connections, and how a request borrows one."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager

from ProxyPatternPool import AsyncPool, PoolObserver
from storage.database import AsyncConnection


class ConnectionLost(Exception):
    """The connection that was borrowed is broken. Another try helps: the pool has others, or makes one."""


def create_pool(
    connect: Callable[[int], Awaitable[AsyncConnection]],
    close: Callable[[AsyncConnection], Awaitable[object]],
    connections: int,
    observer: PoolObserver[object] | None = None,
) -> AsyncPool[AsyncConnection]:
    """Make the pool; it connects when it is first used, in the event loop that runs then.

    Args:
        connect: Makes a connection to the database.
        close: Closes one.
        connections: How many there may be at the same time, however many requests there are.
        observer: Is told of each loan.
    """
    return AsyncPool(
        connect,
        max_size=connections,
        min_size=connections,
        timeout=30.0,  # an error is better than a page that never comes
        retter=lambda connection: connection.rollback(),  # the next user finds a clean session
        closer=close,
        health=lambda connection: connection.is_healthy(),
        hk_delay=1.0,  # check the idle ones every second
        tracer=str,
        max_using_delay=10.0,  # a warning in the log says who keeps a connection that long
        name="website",
        observer=observer,
    )


@asynccontextmanager
async def borrowed(pool: AsyncPool[AsyncConnection]) -> AsyncGenerator[AsyncConnection, None]:
    """Borrow a connection for an ``async with`` block. One that broke in it is discarded.

    Raises:
        ConnectionLost: It broke.
    """
    async with pool.lease() as lease:
        try:
            yield lease.obj
        except Exception as error:
            if await lease.obj.is_healthy():
                raise
            await lease.discard()
            raise ConnectionLost from error
