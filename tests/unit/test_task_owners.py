"""Owners that are tasks: what they are called, whether they have ended, where they wait."""

from __future__ import annotations

import asyncio
import gc
import sys
import weakref
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator
from types import FrameType
from typing import Any, NoReturn

import pytest
import trio

from ProxyPatternPool._runtime.asyncio_hub import AsyncioLoop
from ProxyPatternPool._runtime.current import current_id
from ProxyPatternPool._runtime.owner import Owner, frame_of, in_words, is_owner
from ProxyPatternPool._runtime.owner import here as threads
from ProxyPatternPool._runtime.task_owner import TaskOwner
from ProxyPatternPool._runtime.tasks import awaiting

from .helpers import DEADLINE, Caller
from .loops import Library, Trio, here, until


async def who() -> Owner:
    return here().owner()


def frame(owner: object) -> FrameType | None:
    assert isinstance(owner, TaskOwner)
    return owner.frame()


def test_the_owner_is_the_task(library: Library) -> None:
    """Each task is one owner, always the same, with the task's name, also after its end."""

    async def main() -> None:
        mine: Any = here().owner()
        assert here().owner() is mine
        children = [library.begin(who, name) for name in ("first", "second")]
        await until(library, lambda: all(child.ended for child in children))
        owners: list[Any] = [child.result for child in children]
        assert here().owner() is mine
        assert len({mine, *owners}) == len({each.ident for each in (mine, *owners)}) == 3
        await until(library, lambda: str(owners[0]).endswith("(ended)"))
        assert [owner.name for owner in owners] == ["first", "second"]
        assert [str(owner) for owner in owners] == ["task 'first' (ended)", "task 'second' (ended)"]
        assert not str(mine).endswith("(ended)")

    library.run(main)


def test_a_task_that_is_renamed(library: Library) -> None:
    """It is called as it is called now."""

    async def main() -> None:
        mine: Any = here().owner()
        if isinstance(library, Trio):
            trio.lowlevel.current_task().name = "other"
        else:
            task: Any = asyncio.current_task()
            task.set_name("other")
        assert (mine.name, str(mine)) == ("other", "task 'other'")

    library.run(main)


def test_where_no_task_runs(library: Library) -> None:
    """In a callback of asyncio, the owner is the thread; a callback of trio is called by a task."""

    async def main() -> None:
        loop, seen = here(), list[Owner]()
        loop.spawn(lambda: seen.append(loop.owner()))
        await until(library, lambda: seen)
        assert isinstance(library, Trio) or seen == [threads().owner]
        assert Caller(lambda: isinstance(library, Trio) is (str(loop.owner())[:6] == "thread")).result() in (
            True,
            False,
        )

    library.run(main)


def test_an_owner_keeps_nothing_alive(library: Library) -> None:
    """Neither the task, nor its result, nor what its frames refer to."""

    class Thing:
        pass

    async def main() -> None:
        things: list[weakref.ref[Thing]] = []

        async def use() -> tuple[Owner, Thing]:
            thing = Thing()
            things.append(weakref.ref(thing))
            return here().owner(), thing

        children = [library.begin(use)]
        await until(library, lambda: children[0].ended)
        result: Any = children.pop().result
        owner: Owner = result[0]
        del result
        await library.pause()
        gc.collect()
        assert things[0]() is None
        assert str(owner).endswith("(ended)")

    library.run(main)


# --- Where it waits


async def generate(owners: list[Owner], library: Library) -> AsyncGenerator[int, None]:
    owners.append(here().owner())
    await library.pause(DEADLINE)
    yield 1


def steps(wait: Callable[[], Coroutine[Any, Any, object]]) -> Generator[Any, Any, None]:
    yield from wait().__await__()


@pytest.mark.parametrize("way", ["coroutine", "generator", "steps"])
def test_where_a_task_waits(library: Library, way: str) -> None:
    """The innermost frame of one that waits is known, through all that can be awaited; none when it has ended."""

    async def main() -> None:
        owners: list[Owner] = []

        async def wait() -> None:
            if way == "generator":
                async for _ in generate(owners, library):
                    pass
            else:
                owners.append(here().owner())
                await library.pause(DEADLINE)

        async def wait_in_steps() -> None:
            await awaiting(steps(wait))

        child = library.begin(wait_in_steps if way == "steps" else wait)
        await until(library, lambda: owners)
        owner = owners[0]
        inside = frame(owner)
        assert inside is not None
        assert inside.f_code.co_name.startswith("sleep") or "trio" in inside.f_code.co_filename
        assert frame_of(owner, {}) is inside
        del inside
        child.cancel()
        await until(library, lambda: child.ended and frame(owner) is None)

    library.run(main)


def test_where_a_task_of_the_pool_waits(library: Library) -> None:
    """Steps that have a task of their own are seen, too; and a task that runs waits nowhere."""

    async def main() -> None:
        owners: list[Owner] = []
        sleeper = here().new_sleeper()

        def do() -> Generator[Any, Any, None]:
            owners.append(here().owner())
            assert frame(owners[0]) is None
            yield from sleeper.sleep(None)

        here().start(do(), "chore")
        await until(library, lambda: owners)
        assert frame(owners[0]) is not None
        sleeper.wake()
        await awaiting(here().wait_for_tasks(DEADLINE))
        await until(library, lambda: frame(owners[0]) is None)
        assert frame(here().owner()) is None, "it is running"

    library.run(main)


def test_whether_a_task_may_be_at_work(library: Library) -> None:
    """A task counts as what its thread does."""

    async def main() -> None:
        owner = here().owner()
        assert is_owner(owner, current_id())
        assert not is_owner(owner, Caller(current_id).result())

    library.run(main)


# --- Tasks and names of the user's


class Name:
    """A name that is no text."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.error = error

    def __str__(self) -> str:
        if self.error is not None:
            raise self.error
        return "a name"


class NamedTask(asyncio.Task[Any]):
    """A task of the user's."""

    name: Any = Name()

    def get_name(self) -> Any:
        return self.name


class Sealed(asyncio.Task[Any]):
    """A task that takes no attributes but its own."""

    def __setattr__(self, name: str, value: object) -> None:
        if name == "_ppp_owner":
            raise AttributeError(name)
        super().__setattr__(name, value)


class Foreign(asyncio.Task[Any]):
    """A task without the newer methods."""

    def _missing(self) -> NoReturn:
        raise AttributeError

    get_name = get_coro = _missing


def owner_in(kind: type[asyncio.Task[Any]]) -> tuple[Any, Any]:
    """The owner of a task of a certain class, and again."""

    async def both() -> tuple[Owner, Owner]:
        await asyncio.sleep(0)
        return here().owner(), here().owner()

    async def main() -> tuple[Any, Any]:
        task = kind(both(), loop=asyncio.get_running_loop())
        await task
        return task.result()[0], task.result()[1]

    return asyncio.run(main())


def test_names_that_are_no_texts(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name may be anything, and fail as it likes."""
    owner, _ = owner_in(NamedTask)
    assert str(owner) == "task 'a name' (ended)"
    monkeypatch.setattr(NamedTask, "name", Name(ZeroDivisionError()))
    owner, _ = owner_in(NamedTask)
    assert in_words(owner) == str(owner) == f"task 'NamedTask-{owner.ident:#x}' (ended)"


@pytest.mark.parametrize("seen_before", [False, True])
def test_tasks_that_are_called_none(seen_before: bool) -> None:
    """Python 3.13.0 gives tasks that name that began at once and were given none: then it is what it was before."""

    async def main() -> None:
        task: Any = asyncio.current_task()
        task.set_name("mine")
        if seen_before:
            here().owner()
        task.set_name(None)
        owner: Any = here().owner()
        assert owner.name == ("mine" if seen_before else f"Task-{owner.ident:#x}")

    asyncio.run(main())


def test_tasks_that_take_no_attributes() -> None:
    """They have one owner each, all the same."""
    first, second = owner_in(Sealed)
    assert first is second
    assert str(first).startswith("task 'Task-")


def test_tasks_of_another_kind() -> None:
    """What cannot be asked of a task is not known."""
    owners: list[Any] = []

    async def wait() -> None:
        owners.append(here().owner())
        await asyncio.sleep(0.001)

    async def main() -> None:
        task = Foreign(wait(), loop=asyncio.get_running_loop())
        await asyncio.sleep(0)
        assert frame(owners[0]) is None
        await task

    asyncio.run(main())
    assert str(owners[0]) == f"task 'Foreign-{owners[0].ident:#x}' (ended)"


@pytest.mark.skipif(sys.version_info < (3, 12), reason="there are no eager tasks")
def test_eager_tasks() -> None:
    """A task that begins within the making of another one's child is the owner while it runs, and no longer."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        loop.set_task_factory(vars(asyncio)["eager_task_factory"])
        mine = here().owner()
        child = loop.create_task(who(), name="eager")
        assert child.done()
        assert str(child.result()) == "task 'eager' (ended)"
        assert here().owner() is mine
        assert isinstance(here(), AsyncioLoop)

    asyncio.run(main())
