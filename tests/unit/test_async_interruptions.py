"""What is thrown into a task at any instruction of the package loses nothing: see ``test_interruptions``.

The hooks do not wait, so that a task does each operation in one step, in which a signal may arrive at any place. Each
Python tries one place in three, and its neighbours the others; PPP_EVERY=1 has it try all.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import sys
from collections.abc import Callable, Coroutine, Generator
from functools import partial
from itertools import count
from typing import Any, TypeAlias

import pytest

from ProxyPatternPool import AsyncPool, TimeOut

from .cancelling import Flavour, crowd, pause, run_task, until
from .clock import FakeScheduler, HandMovedClock
from .diary import Auditor
from .tasks import both
from .throwing import BOUND, Thing, Thrower, Thrown, throwing

EVERY = int(os.environ.get("PPP_EVERY", "3"))

Operation: TypeAlias = Callable[[AsyncPool[Thing]], Coroutine[Any, Any, None]]


async def lease_and_release(pool: AsyncPool[Thing]) -> None:
    await (await pool.lease()).release()


async def block(pool: AsyncPool[Thing]) -> None:
    async with pool.obj():
        pass


async def lease_block(pool: AsyncPool[Thing]) -> None:
    async with pool.lease(0.5):
        pass


async def create(pool: AsyncPool[Thing]) -> None:
    async with pool.obj(), pool.obj():
        pass


async def discard(pool: AsyncPool[Thing]) -> None:
    await (await pool.lease()).discard()


async def time_out(pool: AsyncPool[Thing]) -> None:
    async with pool.lease(), pool.lease():
        with pytest.raises(TimeOut):
            await pool.lease(0)


async def drop(pool: AsyncPool[Thing]) -> None:
    lease = await pool.lease()
    del lease
    pool.stats()


async def housekeep(pool: AsyncPool[Thing]) -> None:
    await pool.housekeep()


async def drain(pool: AsyncPool[Thing]) -> None:
    async with pool.obj():
        await pool.drain()


async def resize(pool: AsyncPool[Thing]) -> None:
    async with pool.obj():
        await pool.resize(max_size=1)
        await pool.resize(max_size=BOUND)


async def clear(pool: AsyncPool[Thing]) -> None:
    await pool.clear()


OPERATIONS: list[Operation] = [
    lease_and_release,
    block,
    lease_block,
    create,
    discard,
    time_out,
    drop,
    housekeep,
    drain,
    resize,
    clear,
]


class Soon:
    """Awaited, and there at once. A coroutine that something keeps from being awaited would make Python warn."""

    def __init__(self, result: object) -> None:
        self._result = result

    def __await__(self) -> Generator[Any, Any, Any]:
        return self._result
        yield


class Books:
    """The factory as oracle. It lets nothing interrupt itself: only the package's instructions are counted."""

    def __init__(self) -> None:
        self.made: list[Thing] = []
        self.closed: list[Thing] = []

    def make(self, serial: int) -> Any:
        self.made.append(Thing(serial))
        return self.made[-1]

    def connect(self, serial: int) -> Any:
        return Connection(self, serial)

    def close(self, thing: Thing) -> None:
        self.closed.append(thing)


class Connection:
    """Awaited for an object, which exists from then on."""

    def __init__(self, books: Books, serial: int) -> None:
        self._make = partial(books.make, serial)

    def __await__(self) -> Generator[Any, Any, Any]:
        return self._make()
        yield


async def balance(pool: AsyncPool[Thing], books: Books, auditor: Auditor, scheduler: FakeScheduler) -> None:
    """Nothing is lent, nobody waits, each object is idle or closed once, and the pool serves at full size."""

    def at_rest() -> bool:
        scheduler.run()
        stats = pool.stats()
        return stats["nusing"] == 0 and stats["nobjs"] == stats["navail"] == len(books.made) - len(books.closed)

    gc.collect()
    await until(at_rest)
    assert pool.stats()["nwaiting"] == 0
    leases = [await pool.lease(0) for _ in range(BOUND)]
    assert len({lease.obj for lease in leases}) == BOUND
    for lease in leases:
        await lease.release()
    await pool.close()
    await until(lambda: len(books.closed) == len(books.made))
    assert set(books.closed) == set(books.made)
    assert auditor.wrong == []
    assert auditor.alive == auditor.lent_now == {}


@both
@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("hooks", [False, True])
def test_an_exception_thrown_into_a_task_at_any_place_loses_nothing(
    flavour: Flavour, operation: Operation, hooks: bool, scheduler: FakeScheduler, clock: HandMovedClock
) -> None:
    """Whatever is thrown into a task and wherever, nothing is lost, and an observer's books balance."""
    logging.getLogger("ppp").setLevel(logging.CRITICAL)

    async def attempt(place: int) -> bool:
        books, auditor = Books(), Auditor()
        pool: AsyncPool[Thing] = AsyncPool(
            books.connect if hooks else books.make,
            BOUND,
            closer=books.close,
            max_use=2,
            max_avail_delay=60.0,
            max_using_delay_kill=60.0,
            opener=Soon if hooks else None,
            retter=(lambda _: None) if hooks else None,
            getter=Soon if hooks else None,
            health=(lambda _: Soon(True)) if hooks else None,
            observer=auditor if hooks else None,
        )
        scheduler.run()
        thrown = False
        steps = operation(pool)
        try:
            with throwing(Thrower(place)):
                steps.send(None)
        except StopIteration:
            pass
        except Thrown as error:
            print(place, *error.args)  # shown if the books below do not balance
            thrown = True
        else:
            raise AssertionError("it has waited")
        del steps
        clock.advance(1)
        await pool.resize(max_size=BOUND)  # it may have been interrupted in between
        await balance(pool, books, auditor, scheduler)
        return thrown

    async def main() -> None:
        for place in count(sys.version_info.minor % EVERY, EVERY):
            if not await attempt(place):
                assert place > 10, "hardly anything was tried"
                break
        await pause(5)

    run_task(flavour, main)


class Never:
    """Awaited by a task that is driven by hand, and there only once that is over."""

    def __await__(self) -> Generator[Any, Any, Any]:
        yield


def test_thrown_in_where_the_pool_takes_over_a_creation(scheduler: FakeScheduler) -> None:
    """While a caller is cancelled in a creation for which another waits: he who waits is served all the same."""
    logging.getLogger("ppp").setLevel(logging.CRITICAL)

    async def attempt(place: int) -> bool:
        books = Books()
        pool: AsyncPool[Thing] = AsyncPool(
            lambda serial: books.connect(serial) if serial else Never(), 1, 0, closer=books.close
        )
        cancelled = block(pool)
        cancelled.send(None)
        thrown = False
        async with crowd() as tasks:
            waiting = await tasks.start(partial(block, pool))
            try:
                with throwing(Thrower(place)):
                    cancelled.throw(asyncio.CancelledError())
            except asyncio.CancelledError:
                pass
            except Thrown as error:
                print(place, *error.args)
                thrown = True
            del cancelled
            gc.collect()

            def served() -> bool:
                scheduler.run()
                return waiting.ended

            await until(served)
        waiting.outcome()
        assert pool.stats()["navail"] == pool.stats()["nobjs"] == len(books.made) == 1
        await pool.close()
        assert books.closed == books.made
        return thrown

    async def main() -> None:
        for place in count(sys.version_info.minor % EVERY, EVERY):
            if not await attempt(place):
                assert place > 10, "hardly anything was tried"
                break

    run_task("asyncio", main)
