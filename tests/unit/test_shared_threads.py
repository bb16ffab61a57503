"""Threads that several tasks or greenlets share: sharing an object, or blocking the others, is logged."""

from __future__ import annotations

import asyncio
import math
import sys
import threading
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest

from ProxyPatternPool import Pool, Scope, TimeOut, control, proxy

from .clock import FakeScheduler
from .helpers import Naps, Thing, Works, said, start_without_frames, wait_for

SHARED = "of that thread use it at the same time"


@pytest.mark.parametrize("max_size", [4, None])
def test_tasks_that_share_an_object(
    max_size: int | None, scheduler: FakeScheduler, caplog: pytest.LogCaptureFixture
) -> None:
    """With the default scope they do, and the log says so once, with the place and what helps."""
    db = proxy(fun=Thing, max_size=max_size, name="db")

    async def use() -> Thing:
        c = control(db).get()
        await asyncio.sleep(0)
        return c

    async def main() -> None:
        first, *others = await asyncio.gather(*(use() for _ in range(3)))
        assert all(other is first for other in others)
        scheduler.run()
        control(db).set_fun(Thing)
        await use()

    asyncio.run(main())
    scheduler.run()
    (line,) = said(caplog)
    assert line.startswith("proxy 'db': an object is taken for a thread whose event loop is running")
    assert f"({__file__}:" in line
    assert f"all tasks {SHARED}. With scope=CONTEXT each has its own; scope=THREAD is for who wants it so" in line


def test_of_a_subclass_s_own_name(scheduler: FakeScheduler, caplog: pytest.LogCaptureFixture) -> None:
    """A proxy without a name has none in the log; one of one object for all has nothing to tell."""

    async def main() -> None:
        assert proxy(fun=Thing).number == 0
        shared = proxy(fun=Thing)
        control(shared).set_obj(Thing(5))
        assert shared.number == 5

    asyncio.run(main())
    scheduler.run()
    (line,) = said(caplog)
    assert line.startswith("proxy: an object is taken")


@pytest.mark.parametrize("scope", [Scope.THREAD, Scope.CONTEXT, Scope.SHARED])
def test_a_scope_that_was_chosen(scope: Scope, scheduler: FakeScheduler, caplog: pytest.LogCaptureFixture) -> None:
    """By hand, so it is meant; and where no loop runs there is nobody to share with."""
    db, default = proxy(fun=Thing, scope=scope), proxy(fun=Thing)
    assert default.number == 0

    async def main() -> None:
        assert db.number == 0

    asyncio.run(main())
    scheduler.run()
    assert said(caplog) == []


@pytest.mark.parametrize("link", [True, False])
def test_greenlets_that_share_an_object(
    link: bool, scheduler: FakeScheduler, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So do those of gevent and eventlet in a process without patches; parts of one whole may."""
    current = SimpleNamespace(parent=object(), **({"link": print} if link else {}))
    monkeypatch.setitem(sys.modules, "greenlet", SimpleNamespace(getcurrent=lambda: current))
    db = proxy(fun=Thing, max_size=1)
    assert db.number == 0
    scheduler.run()
    lines = said(caplog)
    assert len(lines) == link
    for line in lines:
        assert "taken for a thread in a greenlet, and threads are not patched" in line
        assert f"all greenlets {SHARED}. With scope=GEVENT or EVENTLET each has its own" in line


def test_greenlets_that_have_no_frames(
    scheduler: FakeScheduler, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One may use a proxy by a function in C alone: there is no line where it does."""
    current = SimpleNamespace(parent=object(), link=print)
    monkeypatch.setitem(sys.modules, "greenlet", SimpleNamespace(getcurrent=lambda: current))
    used = threading.Event()

    class Sized(Thing):
        def __len__(self) -> int:
            used.set()
            return 0

    db: Any = proxy(fun=Sized, max_size=1)
    start_without_frames(partial(len, db))
    wait_for(used)
    scheduler.run()
    (line,) = said(caplog)
    assert "patched (nowhere): all greenlets" in line


def test_a_thread_that_has_no_frames(scheduler: FakeScheduler) -> None:
    """It may be the first to use a proxy: there is no module that asks for an attribute."""
    db: Any = proxy(fun=Thing, max_size=1)
    used = threading.Event()
    start_without_frames(partial(getattr, db, "number"), used.set)
    wait_for(used)


@pytest.mark.parametrize(("timeout", "longest"), [(1.5, "1.5 s"), (math.inf, "for ever")])
def test_a_wait_that_stops_a_loop(
    timeout: float, longest: str, scheduler: FakeScheduler, naps: Naps, caplog: pytest.LogCaptureFixture
) -> None:
    """The log says so once for each pool, with the place; who does not wait stops nobody."""
    pool = Pool(Thing, 1)
    mine = pool.get()

    async def main() -> None:
        with pytest.raises(TimeOut):
            pool.get(0)
        for _ in range(2):
            naps.meanwhile.append(lambda: pool.ret(mine))
            assert pool.get(timeout) is mine

    naps.meanwhile.append(lambda: pool.ret(mine))
    assert pool.get(timeout) is mine
    asyncio.run(main())
    scheduler.run()
    (line,) = said(caplog)
    place = f"{__file__}:{main.__code__.co_firstlineno + 5}"
    assert line.startswith(f"{pool.name and 'pool '}{pool.name}: get waits ({place}, at most {longest}) in")
    assert line.endswith(
        " in a thread whose event loop is running, which stands still meanwhile. It does not with "
        "`await pool.aget()`, `async with pool.aobj()` or an AsyncPool; where a proxy is used, call what uses it in a "
        "thread. This is said once"
    )


def test_a_module_that_is_only_being_imported(scheduler: FakeScheduler, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has no loop yet."""
    empty: Any = SimpleNamespace()
    for name in ("asyncio", "trio.lowlevel", "greenlet"):
        monkeypatch.setitem(sys.modules, name, empty)
    works = Works()
    assert proxy(fun=works.make, max_size=1).number == 0
