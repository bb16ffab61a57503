"""Pools that ask to be looked at."""

import weakref
from collections.abc import Callable
from typing import TypeAlias

from .._runtime.native import Empty, SimpleQueue, get_within
from .maintained import Maintained

Request: TypeAlias = weakref.ref[Maintained] | Maintained | None
"""A pool: a strong reference keeps it until it was looked at. ``None`` ends the wait at once."""

MAX_UNREAD = 1000
"""Requests that may be queued, several of some pools, while no thread can be started to read them."""


def _pool_of(request: Request) -> Maintained | None:
    return request() if isinstance(request, weakref.ref) else request


class Requests:
    """The queue of requests, which one thread reads."""

    def __init__(self) -> None:
        self._queue: SimpleQueue[Request] = SimpleQueue()
        self.put: Callable[[Request], None] = self._queue.put
        """Add a request, from anywhere, finalizers included: this is in C and waits for no lock."""

    def __len__(self) -> int:
        return self._queue.qsize()

    def _next(self) -> Request:
        """The next request; ``None`` if there is none."""
        try:
            return self._queue.get_nowait()
        except Empty:
            return None

    def wait(self, seconds: float) -> list[Maintained]:
        """Wait for requests, for some seconds at most; give each pool once, however often it asked."""
        requesting: dict[int, Maintained] = {}
        try:
            request = get_within(self._queue, seconds)
        except Empty:
            return []
        while request is not None:
            maintained = _pool_of(request)
            if maintained is not None:
                requesting[id(maintained)] = maintained
            request = self._next()
        return list(requesting.values())

    def limit(self) -> None:
        """Drop repeated requests if there are many, where nobody reads them."""
        if len(self) < MAX_UNREAD:
            return
        requests: dict[tuple[int, bool], Request] = {}
        while (request := self._next()) is not None:
            maintained = _pool_of(request)
            if maintained is not None:
                requests[id(maintained), maintained is request] = request
        for request in requests.values():
            self.put(request)
