"""The website served on loopback by uvicorn, in the event loop of the job, and a client that asks it."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Generator
from contextlib import contextmanager
from types import TracebackType
from typing import Any

import uvicorn
from starlette.applications import Starlette
from typing_extensions import Self

from job.searching import AGAIN, TRIES, data_of
from ProxyPatternPool import PoolObserver


class Server(uvicorn.Server):
    """Uvicorn's server, which leaves signals to the job."""

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield


class Waits(PoolObserver[object]):
    """Notes how long requests wait for a connection to the database."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    def lent(self, pool: str, obj: object, waited: float, /) -> None:
        self.seconds.append(waited)


class Site:
    """A website, served while the `async with` block runs.

    Args:
        app: The application.
        waits: What observes its pool.
    """

    def __init__(self, app: Starlette, waits: Waits) -> None:
        self.waits = waits.seconds
        self.repeated: list[str] = []
        self.requests = 0
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._host, self._port = self._socket.getsockname()
        self.status_page = f"http://{self._host}:{self._port}/status/"
        self._server = Server(uvicorn.Config(app, lifespan="on", ws="none", log_config=None, access_log=False))

    async def __aenter__(self) -> Self:
        self._serving = asyncio.create_task(self._server.serve([self._socket]), name="server")
        while not self._server.started and not self._serving.done():
            await asyncio.sleep(0.01)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.should_exit = True
        await self._serving

    @property
    def workers(self) -> str:
        """How many tasks answered: uvicorn has one for each request."""
        return f"{self.requests:,} tasks"

    async def get(self, path: str) -> Any:
        """Request a page, again if the website says that this helps; return the data in it."""
        status, body = await self._get(path)
        for _ in range(TRIES):
            if status != AGAIN:
                break
            self.repeated.append(path)
            status, body = await self._get(path)
        return data_of(path, status, body)

    async def _get(self, path: str) -> tuple[int, bytes]:
        self.requests += 1
        reader, writer = await asyncio.open_connection(self._host, self._port)
        try:
            writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
            head, _, body = (await reader.read()).partition(b"\r\n\r\n")
            return int(head.split()[1]), body
        finally:
            writer.close()
            await writer.wait_closed()
