"""Leases and blocks of tasks: how long each waits, what its end waits for, and that each is one loan at a time."""

from __future__ import annotations

from typing import Any

import pytest

from ProxyPatternPool import AsyncPool, Pool, PoolException, TimeOut
from ProxyPatternPool._engine.async_core import AsyncCore
from ProxyPatternPool._ledger.entry import Entry, Receipt

from .cancelling import Flavour, run_task
from .clock import FakeScheduler
from .helpers import Thing, Works
from .tasks import both, run_in, turn
from .throwing import Thrown
from .virtual_time import now, run_in_virtual_time

ways = pytest.mark.parametrize("way", ["obj", "lease", "aobj", "alease"])
"""Have a test done by each block: those of a pool for tasks, and those of a pool for threads."""


def pool_for(way: str, **parameters: Any) -> Any:
    """Make the pool that has these blocks."""
    return (Pool if way.startswith("a") else AsyncPool)(Thing, 2, 0, name="db", **parameters)


@both
@ways
def test_each_has_its_own_timeout(flavour: Flavour, way: str) -> None:
    """A block waits as long as it was told to, whatever the pool's timeout is."""

    async def main(scheduler: FakeScheduler) -> None:
        pool = pool_for(way, timeout=1)
        async with getattr(pool, way)(), getattr(pool, way)():
            for timeout, seconds in ((3, 3), (None, 1), (0, 0)):
                began = now()
                with pytest.raises(TimeOut, match=f"timeout after {seconds} second"):
                    async with getattr(pool, way)(timeout):
                        pytest.fail("there is nothing to have")
                assert now() == began + seconds

    run_in_virtual_time(flavour, main)


@both
@ways
def test_one_loan_at_a_time(flavour: Flavour, way: str, scheduler: FakeScheduler) -> None:
    """A block within itself is refused, and takes nothing away from it; it ends once, and then it may begin again."""
    pool = pool_for(way)
    block = getattr(pool, way)()
    assert repr(block).startswith("<Lease of pool 'db': not begun")

    async def main() -> None:
        async with getattr(pool, way)(), getattr(pool, way)():
            pass
        for _ in range(2):
            async with block as had:
                with pytest.raises(PoolException, match="this lease of pool 'db' has an object already: one block"):
                    async with block:
                        pytest.fail("it is not over")
                assert isinstance(had if way.endswith("obj") else had.obj, Thing)
                assert pool.stats()["nusing"] == 1
            assert pool.stats()["nusing"] == 0
            await block.__aexit__(None, None, None)
        assert pool.stats()["navail"] == 2

    run_in(flavour, main)


@both
@pytest.mark.parametrize("way", ["obj", "lease", "awaited lease"])
def test_the_end_of_a_block_waits_for_its_retter(flavour: Flavour, way: str, scheduler: FakeScheduler) -> None:
    """What an awaited retter does has been done when the block is over."""
    back: list[Thing] = []

    async def reset(thing: Thing) -> None:
        await turn()
        back.append(thing)

    pool: AsyncPool[Thing] = AsyncPool(Thing, 1, 0, retter=reset)

    async def main() -> None:
        if way == "obj":
            async with pool.obj() as thing:
                pass
        else:
            async with pool.lease() if way == "lease" else await pool.lease() as lease:
                thing = lease.obj
        assert back == [thing]

    run_task(flavour, main)


@ways
def test_a_block_keeps_its_pool(way: str, scheduler: FakeScheduler) -> None:
    """A pool that nobody refers to any more is used by the block that was asked for while somebody did."""

    async def main() -> None:
        pool = pool_for(way)
        async with getattr(pool, way)() as had:
            thing = had if way.endswith("obj") else had.obj
        block = getattr(pool, way)()
        del pool, had
        scheduler.run()
        async with block as had:
            assert (had if way.endswith("obj") else had.obj) is thing

    run_task("asyncio", main)


def test_an_interrupted_lease_has_nothing(
    scheduler: FakeScheduler, works: Works, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is thrown in when a lease has just got its object gives the object back at once."""
    pool = AsyncPool(works.make, 1, 1)
    borrow = AsyncCore[Thing].borrow

    def interrupted(core: AsyncCore[Thing], timeout: float | None, receipt: Receipt[Thing] | None = None) -> None:
        assert isinstance(borrow(core, timeout, receipt), Entry)
        raise Thrown

    async def main() -> None:
        await pool.ret(await pool.get())
        monkeypatch.setattr(AsyncCore, "borrow", interrupted)
        request = pool.lease()
        with pytest.raises(Thrown):
            await request
        assert pool.stats()["navail"] == 1

    run_task("asyncio", main)


@pytest.mark.parametrize("quiet", ["x", "", None, 0, 1])
def test_quiet_is_yes_or_no(quiet: Any, scheduler: FakeScheduler) -> None:
    """What is neither is refused, before anything is lent."""
    pool = AsyncPool(Thing, 1, 0)
    with pytest.raises(TypeError, match=f"^quiet must be True or False, not {quiet!r}$"):
        _ = pool.lease(quiet=quiet)
