"""Pools for tasks under uvloop, and in tests that anyio's plugin for pytest runs, each in a loop of its own."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest
import uvloop

from ProxyPatternPool import AsyncLease, AsyncPool

TESTS = """
import asyncio

import pytest

from ProxyPatternPool import AsyncPool


class Thing:
    def __init__(self, loop):
        self.loop, self.closed = loop, False


def here():
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


async def make(number):
    return Thing(here())


async def close(thing):
    assert thing.loop is here()
    thing.closed = True


pool = AsyncPool(make, 2, 2, closer=close, name="module")
seen = []


@pytest.fixture(
    params=[("asyncio", {}), ("asyncio", {"use_uvloop": True}), ("trio", {})], ids=["asyncio", "uvloop", "trio"]
)
def anyio_backend(request):
    return request.param


@pytest.fixture
async def thing(anyio_backend):
    async with pool.obj(5) as thing:
        yield thing


@pytest.mark.anyio
@pytest.mark.parametrize("number", range(3))
async def test_of_its_own(number, thing):
    assert thing.loop is here()
    assert all(before.closed for before in seen)
    seen.append(thing)
    async with pool.obj(5):
        assert pool.stats()["nusing"] == 2


@pytest.mark.parametrize("number", range(3))
def test_plain(number):
    async def main():
        async with pool.obj(5) as thing:
            assert all(before.closed for before in seen)
            seen.append(thing)

    asyncio.run(main())
"""


def test_a_loop_per_test(tmp_path: Path) -> None:
    """A pool at module level has new objects in each test; what the one before had is closed, and nothing is said."""
    file = tmp_path / "test_module.py"
    file.write_text(TESTS)
    options = ["-q", "-W", "error", "-p", "no:cacheprovider", "-o", "log_cli=true", "--rootdir", str(tmp_path)]
    command = [sys.executable, "-m", "pytest", *options, str(file)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, cwd=tmp_path)
    assert "12 passed" in done.stdout, done.stdout
    assert "ppp" not in done.stdout, "nothing was logged"
    assert done.stderr == ""


async def make(number: int) -> int:
    await asyncio.sleep(0)
    return number


def test_runs_of_uvloop() -> None:
    """Each run of uvloop has objects of its own; at its end what is idle is closed, and what ended tasks had."""
    closed: list[int] = []
    kept: list[AsyncLease[int]] = []

    async def close(number: int) -> None:
        await asyncio.sleep(0)
        closed.append(number)

    pool = AsyncPool(make, 2, 1, closer=close, name="books")

    async def main() -> None:
        kept.clear()
        kept.append(await pool.lease())
        async with pool.obj():
            assert pool.owners()[0].owner.startswith("task 'Task-")

    for run in range(1, 4):
        uvloop.run(main())
        assert closed == [0, 1] * run
    assert repr(pool) == "<AsyncPool books: its event loop has ended, 0 idle, 0 in use, 0 waiting, max 2>"


@pytest.mark.parametrize("debug", [False, True])
def test_a_loop_of_uvloop_that_is_closed(debug: bool, caplog: pytest.LogCaptureFixture) -> None:
    """It hangs at nothing, and says nothing but that objects were left open."""
    pool = AsyncPool(make, 2, 0, name="books")

    async def main() -> None:
        await pool.get()

    for _ in range(2):
        loop = uvloop.new_event_loop()
        loop.set_debug(debug)
        loop.run_until_complete(main())
        loop.run_until_complete(asyncio.sleep(0))  # it is stopped, and goes on
        loop.close()
    assert pool.stats()["nobjs"] == 0
    assert [record for record in caplog.records if record.name == "asyncio" and record.levelname != "DEBUG"] == []


def test_threads_wake_a_loop_of_uvloop() -> None:
    """What is given back in a thread is there at once for a task that waits while its loop sleeps."""
    pool = AsyncPool(make, 1, 0)

    async def main() -> None:
        number = await pool.get()
        waiting = asyncio.ensure_future(pool.get(20))
        while not pool.stats()["nwaiting"]:
            await asyncio.sleep(0)
        returned = asyncio.to_thread(pool.ret, number)
        assert (await asyncio.gather(waiting, returned))[0] == number
        await pool.ret(number)
        await pool.close()

    uvloop.run(main())
