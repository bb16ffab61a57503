"""Ends of the interpreter with pools for tasks, and children of processes with a running event loop.

What is closed, and what happens, is printed; the test reads it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import multiprocessing
import os
import signal
import sys
import threading
import traceback
import warnings
from collections.abc import Callable, Coroutine
from typing import Any

import trio

from ProxyPatternPool import AsyncLease, AsyncPool

PATIENCE = 20.0
PARENT = os.getpid()

# From 3.12 on a fork among threads is warned about. Here it is what is to be tested.
warnings.filterwarnings("ignore", "This process", DeprecationWarning)
logging.basicConfig(format="logged %(message)s", stream=sys.stdout)
logging.getLogger("asyncio").addFilter(lambda record: "took" not in str(record.msg))  # debug mode finds a loop slow
kept: list[object] = []  # as modules keep what they have
trios = sys.argv[2:] == ["trio"]


def say(line: str) -> None:
    who = "" if os.getpid() == PARENT else "child: "
    os.write(1, f"{who}{line}\n".encode())


class Thing:
    def __init__(self, number: int) -> None:
        self.number = number
        self.process = os.getpid()

    def __str__(self) -> str:
        return f"{'' if self.process == PARENT else 'child '}thing {self.number}"


async def make(number: int) -> Thing:
    await nap()
    return Thing(number)


async def close(thing: Thing) -> None:
    await nap()
    say(f"closed {thing}")


pool = AsyncPool(make, 2, 0, closer=close, name="module")


async def nap() -> None:
    # A child that was forked in a run of trio can run asyncio.
    await (trio.sleep(0) if trios and os.getpid() == PARENT else asyncio.sleep(0))


def run(main: Callable[[], Coroutine[Any, Any, Any]]) -> None:
    async def patient() -> None:
        asyncio.get_running_loop().slow_callback_duration = PATIENCE  # else debug mode logs what takes longer
        await main()

    if trios:
        trio.run(main)
    else:
        asyncio.run(patient())


async def hold() -> None:
    async with pool.obj():
        await (trio.sleep_forever() if trios else asyncio.Event().wait())


async def wait() -> None:
    await pool.get()


async def busy(then: Callable[[], object]) -> None:
    """Do something while one task holds all there is, and two others wait."""
    kept.append(await pool.lease())
    if trios:
        async with trio.open_nursery() as nursery:
            for what in (hold, wait, wait):
                nursery.start_soon(what)
                for _ in range(10):
                    await nap()
            say(repr(pool))
            then()
            await nap()  # where an interrupt is raised
            nursery.cancel_scope.cancel()
    else:
        kept.extend([asyncio.create_task(what()) for what in (hold, wait, wait)])
        for _ in range(10):
            await nap()
        say(repr(pool))
        then()
        await nap()


def nothing() -> None:
    """Return."""


def tasks_wait() -> None:
    run(lambda: busy(nothing))


def alone(then: Callable[[], object]) -> None:
    """Run that, and raise the error itself, of which a nursery makes a group."""
    try:
        run(lambda: busy(then))
    except BaseException as error:
        group: Any = error
        for one in getattr(group, "exceptions", ()):
            raise one from None
        raise


def interrupted() -> None:
    with contextlib.suppress(KeyboardInterrupt):
        alone(lambda: signal.raise_signal(signal.SIGINT))
    say("went on")


def exits() -> None:
    alone(lambda: sys.exit(0))


def raises() -> None:
    def fail() -> None:
        raise ConnectionError

    try:
        run(lambda: busy(fail))
    except BaseException:
        say("raised")


def in_a_daemon_thread() -> None:
    ready = threading.Event()

    def begin() -> None:
        ready.set()

    async def main() -> None:
        await busy(begin)
        await (trio.sleep_forever() if trios else asyncio.Event().wait())

    threading.Thread(target=lambda: run(main), daemon=True).start()
    assert ready.wait(PATIENCE)


async def use_both() -> None:
    async with pool.obj():
        kept.append(await pool.lease())


def idle_and_lent() -> None:
    run(use_both)


def never_closed() -> None:
    warnings.simplefilter("ignore", ResourceWarning)
    loop = asyncio.new_event_loop()
    kept.append(loop)
    loop.run_until_complete(use_both())


def closed_without_its_end() -> None:
    loop = asyncio.new_event_loop()
    loop.run_until_complete(use_both())
    loop.close()


def never_used() -> None:
    kept.append(AsyncPool(make, 5, 5))


def lease_in_a_global() -> None:
    async def take() -> AsyncLease[Thing]:
        return await pool.lease()

    kept.append(asyncio.run(take()))
    asyncio.run(take_and_return())


async def take_and_return() -> None:
    async with pool.obj() as thing:
        say(f"got {thing}")


# Forks. -------------------------------------------------------------------------------------------------


def in_child(job: Callable[[], object]) -> None:
    child = os.fork()
    if child == 0:
        status = 1
        try:
            job()
            status = 0
        except BaseException:
            traceback.print_exc()
            sys.stderr.flush()
        finally:
            sys.stdout.flush()
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def child_of_a_coroutine(lease: AsyncLease[Thing]) -> None:
    say(repr(pool))
    thing = lease.obj
    asyncio.run(take_and_return())
    asyncio.run(lease.release())
    asyncio.run(pool.ret(thing))
    say(repr(pool))


def child_of_a_process() -> None:
    asyncio.run(take_and_return())
    say(repr(pool))


def fork_in_a_thread() -> None:
    in_child(child_of_a_process)


def fork_by_multiprocessing() -> None:
    process = multiprocessing.get_context("fork").Process(target=child_of_a_process)
    process.start()
    process.join(PATIENCE)
    assert process.exitcode == 0


async def around(fork: Callable[[AsyncLease[Thing]], object]) -> None:
    """Fork while something is idle and something lent; afterwards all goes on."""
    async with pool.obj():
        lease = await pool.lease()
    idle = repr(pool)
    fork(lease)
    assert repr(pool) == idle
    async with pool.obj() as thing:
        say(f"still {thing}")
    await lease.release()


def fork_in_a_coroutine() -> None:
    run(lambda: around(lambda lease: in_child(lambda: child_of_a_coroutine(lease))))


def fork_after_a_loop() -> None:
    asyncio.run(take_and_return())
    in_child(child_of_a_process)
    asyncio.run(take_and_return())


def fork_beside_a_loop() -> None:
    def fork(_: object) -> None:
        thread = threading.Thread(target=fork_in_a_thread)
        thread.start()
        thread.join(PATIENCE)

    asyncio.run(around(fork))


def multiprocessing_beside_a_loop() -> None:
    asyncio.run(around(lambda _: fork_by_multiprocessing()))


if __name__ == "__main__":
    globals()[sys.argv[1]]()
