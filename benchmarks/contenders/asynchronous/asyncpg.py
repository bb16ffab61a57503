"""asyncpg's pool, with a connection class that needs no server."""

from __future__ import annotations

import asyncpg

from benchmarks.contenders.asynchronous.base import Connect, FakeConnection


class FakeProtocol:
    """What the pool asks of the wire protocol, on a return."""

    queries_count = 0

    def _is_cancelling(self) -> bool:
        return False


class FakePgConnection(asyncpg.Connection):
    """A subclass, since the pool insists on one, which overrides all that touches the wire."""

    def __init__(self, connect: Connect) -> None:  # the base class would want a wire
        self._fake = FakeConnection(connect)
        self._protocol = FakeProtocol()
        self._closed = False
        self._pool_holder = None

    def __del__(self) -> None:
        """Say nothing of connections that are not closed: the storm counts them."""

    def is_closed(self) -> bool:
        """Tell whether it is closed."""
        return self._closed

    async def close(self, *, timeout: float | None = None) -> None:
        """Close it, and tell the pool as the base class does."""
        try:
            if not self._closed:
                self._closed = True
                await self._fake.close()
        finally:
            self._cleanup()

    def terminate(self) -> None:
        """Close it without waiting."""
        if not self._closed:
            self._closed = True
            self._fake.maker.closed += 1
        self._cleanup()

    async def reset(self, *, timeout: float | None = None) -> None:
        """Wait for one answer, as the query that resets a session does."""
        await self._fake.rollback()

    def _on_release(self, stacklevel: int = 1) -> None:
        pass

    def _set_proxy(self, proxy: object) -> None:
        pass

    def _cleanup(self) -> None:
        reference, self._pool_holder = self._pool_holder, None
        holder = reference and reference()
        if holder is not None:
            holder._release_on_close()


class AsyncpgPool:
    """`conn = await pool.acquire()` and `await pool.release(conn)`, which resets the session."""

    name = "asyncpg"

    def __init__(self, connect: Connect, size: int) -> None:
        async def make(*_: object, **__: object) -> FakePgConnection:
            await connect.wait()
            return FakePgConnection(connect)

        self.pool = asyncpg.create_pool(connect=make, connection_class=FakePgConnection, min_size=0, max_size=size)
        self.loan = self.pool.acquire

    async def open(self) -> None:
        """Open the pool."""
        _ = await self.pool

    async def cycles(self, count: int) -> None:
        """Cycle."""
        pool = self.pool
        for _ in range(count):
            conn = await pool.acquire()
            await pool.release(conn)

    async def blocks(self, count: int) -> None:
        """Cycle."""
        pool = self.pool
        for _ in range(count):
            async with pool.acquire():
                pass

    async def idle(self) -> int:
        """Count the objects not lent."""
        return self.pool.get_idle_size()

    async def close(self) -> None:
        """Close the pool."""
        await self.pool.close()
