"""The event loops on which everything is measured, as far as they are there."""

from __future__ import annotations

import asyncio
from asyncio import AbstractEventLoop
from collections.abc import Callable, Generator
from contextlib import contextmanager

from benchmarks.contenders.base import is_installed

LOOPS: dict[str, Callable[[], AbstractEventLoop]] = {"asyncio": asyncio.new_event_loop}
if is_installed("uvloop"):
    import uvloop

    LOOPS["uvloop"] = uvloop.new_event_loop
PATIENCE = 1.0
"""Seconds that tasks get to end when they are cancelled at the end of a loop."""


@contextmanager
def event_loop(name: str) -> Generator[AbstractEventLoop]:
    """Make an event loop, and end it as `asyncio.run` does, but do not wait for tasks that hang."""
    loop = LOOPS[name]()
    try:
        yield loop
    finally:
        left = asyncio.all_tasks(loop)
        for task in left:
            task.cancel()
        if left:
            loop.run_until_complete(asyncio.wait(left, timeout=PATIENCE))
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()
