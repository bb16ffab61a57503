"""What is awaited in loops of anyio, whichever library runs them: its scopes and task groups work as everywhere."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any

import anyio
import pytest
from anyio.from_thread import start_blocking_portal

from ProxyPatternPool._runtime.tasks import awaiting

from ..unit.helpers import DEADLINE
from ..unit.loops import here

Steps = Generator[Any, Any, None]

RUNS: dict[str, tuple[str, dict[str, Any]]] = {
    "asyncio": ("asyncio", {}),
    "asyncio in debug mode": ("asyncio", {"debug": True}),
    "uvloop": ("asyncio", {"use_uvloop": True}),
    "trio": ("trio", {}),
}


@pytest.fixture(params=RUNS)
def run(request: pytest.FixtureRequest) -> Callable[..., None]:
    """Runs a coroutine function in a loop."""
    backend, options = RUNS[request.param]

    def run(main: Callable[[], Any]) -> None:
        anyio.run(main, backend=backend, backend_options=options)

    return run


async def use_anyio() -> None:
    """Do what hooks written with anyio do."""
    async with anyio.create_task_group() as group:
        group.start_soon(anyio.sleep, 0.001)
    with anyio.move_on_after(0.001) as scope:
        await anyio.sleep(DEADLINE)
    assert scope.cancelled_caught
    assert await anyio.to_thread.run_sync(lambda: 5) == 5
    assert anyio.get_current_task().name is not None


def test_scopes_around_a_sleep(run: Callable[..., None]) -> None:
    """A deadline, and the cancellation of a task group, end the sleep of a task, and nothing else."""

    async def main() -> None:
        sleeper = here().new_sleeper()
        seen: list[object] = []

        async def sleep() -> None:
            try:
                seen.append(await awaiting(sleeper.sleep(DEADLINE)))
            except anyio.get_cancelled_exc_class():
                seen.append("cancelled")
                raise

        with anyio.move_on_after(0.001) as scope:
            await sleep()
        assert scope.cancelled_caught
        async with anyio.create_task_group() as group:
            group.start_soon(sleep)
            await anyio.wait_all_tasks_blocked()
            sleeper.wake()
        async with anyio.create_task_group() as group:
            group.start_soon(sleep)
            await anyio.wait_all_tasks_blocked()
            group.cancel_scope.cancel()
        assert seen == ["cancelled", True, "cancelled"]

    run(main)


def test_hooks_that_use_anyio(run: Callable[..., None]) -> None:
    """They do in tasks of the pool's own as well, while the loop runs and at its end, though all else is cancelled."""
    done: list[str] = []

    def chore(what: str) -> Steps:
        yield from use_anyio().__await__()
        done.append(what)

    def last() -> Steps:
        here().start(chore("closer"), "closer")
        yield from use_anyio().__await__()
        yield from here().wait_for_tasks(DEADLINE)
        done.append("last")

    async def main() -> None:
        here().at_end(last)
        here().start(chore("retter"), "retter")
        await awaiting(here().wait_for_tasks(DEADLINE))
        done.append("main")

    run(main)
    assert done == ["retter", "main", "closer", "last"]


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_portal(backend: str) -> None:
    """A loop that anyio runs in a thread for others ends as any other does."""
    done: list[str] = []

    def last() -> Steps:
        yield from use_anyio().__await__()
        done.append(here().name)

    async def use() -> str:
        here().at_end(last)
        return here().name

    with start_blocking_portal(backend) as portal:
        name = portal.call(use)
        assert portal.call(use) == name
        assert done == []
    assert done == [name, name]
