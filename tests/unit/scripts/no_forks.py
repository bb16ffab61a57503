"""Pools where Python cannot fork, as on Windows. What is done is printed; the test reads it."""

from __future__ import annotations

import asyncio
import os

for name in ("fork", "forkpty", "register_at_fork"):
    if hasattr(os, name):
        delattr(os, name)

from ProxyPatternPool import AsyncPool, Pool, Scope, control, proxy  # noqa: E402  # not before

closed: list[object] = []


async def tasks() -> None:
    async with AsyncPool(int, closer=closed.append) as pool, pool.obj() as number:
        assert number == 0


threads = Pool(int, 2, 1, closer=lambda number: print("closed", number, flush=True))
assert threads.get() == 0
asyncio.run(tasks())
assert closed == [0]
made: complex = proxy(fun=complex, max_size=1, scope=Scope.THREAD)
assert made.real == 0.0
control(made).ret()
