"""Objects come back by themselves when their owner ends: its thread, its task, its context, its process."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import sys
import threading
from collections.abc import Iterator
from time import monotonic
from typing import Any

import pytest

from ProxyPatternPool import Control, Proxy, Scope, TimeOut, control, proxy
from ProxyPatternPool._pool.pool import core_of

from .clock import FakeScheduler
from .helpers import START, Caller, Thing, Works, eventually, run_script, said, wait_for

MANY = 2000
PLACES = 2


class Users:
    """What uses the proxy. More objects than places, and an object that two use at once, are errors at once."""

    def __init__(self, scope: Scope) -> None:
        self.works = Works(bound=PLACES)
        self.in_use: set[Thing] = set()
        self.resets: list[Thing] = []  # not a number, which threads that add to it at the same time get wrong
        self.thing: Thing = proxy(
            fun=self.works.make,
            scope=scope,
            max_size=PLACES,
            timeout=30.0,
            retter=self.reset,
            closer=self.works.close,
        )
        self.control: Control[Thing] = control(self.thing)

    def reset(self, thing: Thing) -> None:
        assert thing not in self.in_use, "given back in the middle of a use"
        self.resets.append(thing)

    def take(self) -> Thing:
        thing = self.control.get()
        assert thing not in self.in_use, "two use it"
        self.in_use.add(thing)
        assert self.thing.number == thing.number
        return thing

    def use(self) -> None:
        self.in_use.remove(self.take())

    def check(self, expected: int = MANY) -> None:
        """Each use had an object, and each came back through the retter."""
        pool = self.control.pool
        assert pool is not None
        eventually(lambda: len(self.resets) == expected)
        eventually(lambda: pool.stats()["navail"] == pool.stats()["nobjs"])
        stats = pool.stats()
        assert (stats["nuses"], stats["nreturns"], stats["nusing"]) == (expected, expected, 0)
        assert stats["ncreated"] <= PLACES
        pool.shutdown()
        assert self.works.alive == []


# --- threads


def test_two_thousand_threads() -> None:
    """Two thousand threads share two objects, and nobody calls `_ret_obj`."""
    users = Users(Scope.THREAD)
    for _ in range(MANY // 100):
        callers = [Caller(users.use) for _ in range(100)]
        for caller in callers:
            caller.result()
    users.check()


def test_an_ended_thread_serves_who_waits() -> None:
    """Whoever waits gets the object of a thread that ends, however it ends."""
    reset: list[Thing] = []
    db = Proxy(fun=Thing, max_size=1, retter=reset.append)
    go_on = threading.Event()

    def end() -> None:
        assert db.number == 0
        wait_for(go_on)

    def fail() -> None:
        end()
        raise KeyboardInterrupt

    for last in (end, fail):
        go_on.clear()
        holder = Caller(last)
        eventually(lambda: db._pool is not None and db._pool.stats()["nusing"] == 1)
        waiting = Caller(lambda: db.number)
        eventually(lambda: db._pool is not None and db._pool.stats()["nwaiting"] == 1)
        go_on.set()
        assert waiting.result() == 0
        with contextlib.suppress(KeyboardInterrupt):
            holder.result()
    eventually(lambda: len(reset) == 4)


def test_at_once(scheduler: FakeScheduler) -> None:
    """When a thread has been joined its object is on its way: the next who wants one gets it without waiting."""
    db = Proxy(fun=Thing, max_size=1, timeout=0)
    for _ in range(3):
        assert Caller(lambda: db.number).result() == 0
    assert db.number == 0


def test_quietly(caplog: pytest.LogCaptureFixture) -> None:
    """That is how it is meant to be: nothing is logged."""
    db = Proxy(fun=Thing, max_size=1)
    for _ in range(3):
        Caller(lambda: db.number).result()
    assert db._get_obj(5.0).number == 0
    assert said(caplog) == []


def test_without_a_pool_it_is_closed() -> None:
    """Without a pool the object of an owner that ends is closed, through the retter if there is one."""
    calls: list[str] = []
    db = Proxy(
        fun=Thing,
        retter=lambda thing: calls.append(f"ret {thing.number}"),
        closer=lambda thing: calls.append(f"close {thing.number}"),
    )
    for number in range(3):
        assert Caller(lambda: db.number).result() == number
        eventually(lambda: len(calls) == 2)
        assert calls == [f"ret {number}", f"close {number}"]
        calls.clear()


def test_auto_return_false(scheduler: FakeScheduler) -> None:
    """As in the module that this one replaces: what is not given back is lost to the pool."""
    works = Works()
    db = Proxy(fun=works.make, max_size=1, timeout=0, auto_return=False, closer=works.close)
    assert db._pool is not None
    with db._obj() as thing:
        assert db._get_obj() is thing
    db._ret_obj()

    def use_well() -> None:
        assert db.number == 0
        db._ret_obj()

    Caller(use_well).result()
    assert Caller(lambda: db.number).result() == 0
    gc.collect()
    scheduler.run()
    with pytest.raises(TimeOut):
        _ = db.number
    assert db._pool.stats()["nusing"] == 1
    control(db).set_obj(Thing(5))
    assert db.number == 5


def test_auto_return_false_without_a_pool() -> None:
    """Without a pool there is nothing to be lost to: an owner's object ends with it."""
    works = Works()
    db = Proxy(fun=works.make, auto_return=False, closer=works.close)
    Caller(lambda: db.number).result()
    eventually(lambda: works.alive == [])


def test_who_keeps_the_object_keeps_using_it() -> None:
    """What somebody took out of the proxy and kept is his, as with any pool: only the loan ends with the thread."""
    db = Proxy(fun=Thing, max_size=1)
    thing = Caller(db._get_obj).result()
    assert db._get_obj(5.0) is thing


# --- tasks


@pytest.mark.parametrize("scope", [Scope.CONTEXT])
def test_two_thousand_tasks(scope: Scope) -> None:
    """Two thousand tasks, all of them referred to until the end, and none of them waits for the loop's next turn."""
    users = Users(scope)

    async def use() -> None:
        users.use()

    async def main() -> None:
        await asyncio.gather(*[use() for _ in range(MANY)])

    asyncio.run(main())
    users.check()


def test_two_thousand_tasks_that_wait() -> None:
    """The same, with tasks that give way while they hold one; no more of them at a time than there are places."""
    users = Users(Scope.CONTEXT)

    async def use(places: asyncio.Semaphore) -> None:
        async with places:
            thing = users.take()
            await asyncio.sleep(0)
            assert users.control.get() is thing
            users.in_use.remove(thing)

    async def main() -> None:
        places = asyncio.Semaphore(PLACES)
        await asyncio.gather(*[use(places) for _ in range(MANY)])

    asyncio.run(main())
    users.check()


@pytest.mark.skipif(sys.version_info < (3, 12), reason="there are no eager tasks before 3.12")
def test_eager_tasks() -> None:
    """Tasks that begin, and may end, before their creation returns, have objects of their own as well."""
    users = Users(Scope.CONTEXT)

    async def use() -> None:
        users.use()

    async def main() -> None:
        asyncio.get_running_loop().set_task_factory(vars(asyncio)["eager_task_factory"])
        mine = users.take()
        await asyncio.gather(*[asyncio.create_task(use()) for _ in range(MANY - 1)])
        users.in_use.remove(mine)

    asyncio.run(main())
    users.check()


@pytest.mark.parametrize(("before", "since", "down"), [(1, None, False), (0, 1, False), (0, None, True)])
def test_who_would_have_to_wait_looks_first(before: int, since: int | None, down: bool) -> None:
    """Where there is a bound, since a resize perhaps, or creations fail, what a task kept that has ended is found."""
    db = Proxy(fun=Thing, scope=Scope.CONTEXT, max_size=before, min_size=0, timeout=0)
    pool = control(db).pool
    assert pool is not None
    pool.resize(max_size=since)

    async def use() -> int:
        number: int = db.number
        if down:
            core_of(pool).ledger.backoff.failed(0.0)
        return number

    async def main() -> list[int]:
        return list(await asyncio.gather(use(), use()))

    assert asyncio.run(main()) == [0, 0]


def test_ends_of_tasks() -> None:
    """A task that fails or is cancelled, and is still referred to, has given back."""
    db = Proxy(fun=Thing, scope=Scope.CONTEXT, max_size=1, timeout=0)

    async def fail() -> None:
        assert db.number == 0
        raise ConnectionError

    async def hang() -> None:
        assert db.number == 0
        await asyncio.sleep(3600)

    async def main() -> None:
        failing = asyncio.create_task(fail())
        await asyncio.wait([failing])
        hanging = asyncio.create_task(hang())
        await asyncio.sleep(0)
        hanging.cancel()
        await asyncio.wait([hanging])
        assert db.number == 0
        assert isinstance(failing.exception(), ConnectionError)

    asyncio.run(main())


def test_given_back_by_hand_in_tasks() -> None:
    """A task that takes and gives back again and again asks once to be told of its end."""
    db = Proxy(fun=Thing, scope=Scope.CONTEXT, max_size=1, timeout=0)

    async def main() -> None:
        task: Any = asyncio.current_task()
        callbacks: list[int] = []
        for _ in range(100):
            with db._obj():
                assert db._has_obj()
            assert not db._has_obj()
            callbacks.append(len(task._callbacks))
        assert callbacks == [callbacks[0]] * 100

    asyncio.run(main())


def test_a_parent_that_ends_before_its_child() -> None:
    """A task's object comes back at its end, though a child with a copy of its context lives on."""
    db = Proxy(fun=Thing, scope=Scope.CONTEXT, max_size=1, timeout=0)

    async def main() -> None:
        stop = asyncio.Event()
        children: list[asyncio.Task[object]] = []

        async def parent() -> None:
            assert db.number == 0
            children.append(asyncio.create_task(stop.wait()))

        await asyncio.create_task(parent())
        assert db.number == 0
        stop.set()
        await children[0]

    asyncio.run(main())


# --- under load


@pytest.fixture
def busy_collector() -> Iterator[None]:
    """The collector runs at every allocation, and finalizers wherever they can."""
    threshold = gc.get_threshold()
    gc.set_threshold(1)
    yield
    gc.set_threshold(*threshold)


@pytest.mark.usefixtures("busy_collector")
def test_collector_at_every_allocation() -> None:
    """Threads whose objects come back through cycles, while the collector runs all the time: no deadlock, no loss."""
    users = Users(Scope.THREAD)

    def use_in_a_cycle() -> None:
        cycle: list[object] = []
        cycle.append(cycle)
        local = threading.local()
        local.cycle = cycle
        cycle.append(local)
        users.use()

    for _ in range(20):
        callers = [Caller(use_in_a_cycle) for _ in range(20)]
        for caller in callers:
            caller.result()
    users.check(400)


@pytest.mark.usefixtures("busy_collector")
def test_collector_with_contexts() -> None:
    """Contexts in cycles with what they keep, while the collector runs all the time."""
    users = Users(Scope.CONTEXT)

    async def use() -> None:
        cycle: list[object] = [asyncio.current_task()]
        cycle.append(cycle)
        users.use()

    async def main() -> None:
        for _ in range(10):
            await asyncio.gather(*[use() for _ in range(20)])

    asyncio.run(main())
    users.check(200)


# --- the ends of the process


def ends(case: str) -> list[str]:
    """What a script prints that ends, or forks, with proxies in use."""
    start = monotonic()
    lines = run_script("proxies", case)
    assert monotonic() - start < 2.0 + START, "no more than the exit may take"
    return sorted(lines)


@pytest.mark.parametrize("case", ["exit_threads", "exit_threads_without_pool"])
def test_exit(case: str) -> None:
    """At exit the objects of daemon threads and of the main thread are closed: silently, and quickly."""
    assert ends(case) == [f"closed {number}" for number in range(4)]


@pytest.mark.parametrize("case", ["exit_shared", "exit_context", "exit_loop"])
def test_exit_of_others(case: str) -> None:
    """At exit the one object of all, and those of contexts and tasks, are closed."""
    assert ends(case) == ["closed 0"]


def test_exit_without_closer() -> None:
    """Without a closer there is nothing to wait for."""
    assert ends("exit_without_closer") == []


forking = pytest.mark.skipif(not hasattr(os, "fork"), reason="the system cannot fork")


@forking
@pytest.mark.parametrize("case", ["fork_pool", "fork_each", "fork_by_hand", "fork_context"])
def test_fork(case: str) -> None:
    """In a child a proxy gives objects of the child's own; the parent's are neither used nor closed there."""
    assert ends(case) == [
        "child: closed child's 0",
        "child: uses child's 0",
        "parent: closed parent's 0",
        "parent: uses parent's 0",
        "parent: uses parent's 0",
    ]


@forking
def test_fork_shared() -> None:
    """One object for all that a function makes is made anew in a child; one that was given is inherited."""
    assert ends("fork_shared") == [
        "child: closed child's 0",
        "child: given parent's 7",
        "child: uses child's 0",
        "parent: closed parent's 0",
        "parent: uses parent's 0",
        "parent: uses parent's 0",
    ]


@forking
def test_fork_among_threads() -> None:
    """The objects of the parent's other threads, which the child does not have, are not closed there."""
    assert ends("fork_threads") == [
        "child: closed child's 0",
        "child: uses child's 0",
        "parent: closed parent's 0",
        "parent: closed parent's 1",
        "parent: uses parent's 0",
        "parent: uses parent's 0",
    ]


@forking
def test_fork_finalizers() -> None:
    """The finalizers of the parent's objects would speak on shared sockets: in the child they never run."""
    assert [line for line in ends("fork_finalizers") if line.endswith("parent's 0")] == ["parent: freed parent's 0"]


def test_what_does_not_come_back_has_a_timeout(scheduler: FakeScheduler) -> None:
    """Whoever wants an object that nobody gives back waits as long as he says."""
    db = proxy(fun=Thing, max_size=1, auto_return=False)
    assert Caller(lambda: db.number).result() == 0
    with pytest.raises(TimeOut, match="timeout after 0 seconds"):
        control(db).get(0)
