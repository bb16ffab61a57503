"""Loops that end in odd ways. What is done at their end is printed; nothing may be said on stderr."""

from __future__ import annotations

import gc
import importlib
import sys
import warnings
from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any

from ProxyPatternPool._runtime.task_loops import running_task_loop
from ProxyPatternPool._runtime.waiting import TaskLoop

if TYPE_CHECKING:
    import asyncio

Steps = Generator[Any, Any, None]

kept: list[TaskLoop] = []


def last() -> Steps:
    print("last", flush=True)
    yield from asyncio.sleep(0).__await__()


def forever(loop: TaskLoop) -> Steps:
    yield from loop.new_sleeper().sleep(None)


def unbegun() -> Steps:
    raise AssertionError
    yield


async def main() -> None:
    loop = running_task_loop()
    assert loop is not None
    kept.append(loop)
    loop.at_end(last)
    loop.start(forever(loop), "forever")
    await asyncio.sleep(0)
    loop.start(unbegun(), "never begun")


def end(library: str, how: str, debug: str) -> None:
    module: Any = importlib.import_module(library)
    new_event_loop: Callable[[], asyncio.AbstractEventLoop] = module.new_event_loop
    loop = new_event_loop()
    loop.set_debug(bool(debug))
    loop.slow_callback_duration = 60.0
    if how == "stopped":
        loop.call_soon(loop.stop)
        kept_task = loop.create_task(main())
        loop.run_forever()
        loop.run_until_complete(kept_task)
    else:
        loop.run_until_complete(main())
    if "finalized" in how:
        loop.run_until_complete(loop.shutdown_asyncgens())
    if "never closed" in how:
        warnings.filterwarnings("ignore", "unclosed event loop", ResourceWarning)
    else:
        loop.close()
    if "kept" not in how:
        kept.clear()
        del loop
        gc.collect()
    print("end", flush=True)


def nothing_runs() -> None:
    assert running_task_loop() is None
    hubs = {f"ProxyPatternPool._runtime.{library}_hub" for library in ("asyncio", "trio")}
    assert not {"asyncio", "trio", *hubs} & set(sys.modules)


if __name__ == "__main__":
    if sys.argv[1:]:
        import asyncio

        end(*sys.argv[1:])
    else:
        nothing_runs()
