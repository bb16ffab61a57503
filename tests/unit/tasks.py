"""Event loops for tests: what is done by tasks of asyncio and of trio alike."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import pytest
import trio

R = TypeVar("R")

FLAVOURS = ("asyncio", "trio")

both = pytest.mark.parametrize("flavour", FLAVOURS)
"""Have a test done by each kind of task."""


def run_in(flavour: str, main: Callable[[], Awaitable[R]]) -> R:
    """Do something in a task of a new event loop."""

    async def begin() -> R:
        return await main()

    return asyncio.run(begin()) if flavour == "asyncio" else trio.run(begin)


async def turn(times: int = 1) -> None:
    """Let all other tasks go on that can, so many times."""
    for _ in range(times):
        if "asyncio" in _flavour():
            await asyncio.sleep(0)
        else:
            await trio.lowlevel.checkpoint()


def _flavour() -> str:
    return "trio" if trio.lowlevel.in_trio_task() else "asyncio"
