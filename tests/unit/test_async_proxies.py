"""Proxies whose objects are awaited: each task takes one of its own, and gives it back at its end."""

from __future__ import annotations

import asyncio
import gc
import inspect
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any
from unittest import mock

import pytest
import trio
import trio.testing

from ProxyPatternPool import (
    AsyncPool,
    Kept,
    PoolClosed,
    PoolException,
    PoolValueError,
    Proxy,
    ProxyException,
    Scope,
    TimeOut,
    control,
    proxy,
    returning,
)
from ProxyPatternPool._proxy.control import either_pool_of

from .clock import FakeScheduler, HandMovedClock
from .helpers import Thing, Works, said
from .tasks import both, run_in, turn

FIRST_AWAIT = (
    r"^this task has no object of proxy 'db' yet, .*: first write `await control\(db\)\.aget\(\)`, or use it in"
)

pytestmark = pytest.mark.usefixtures("scheduler")


class Server:
    """An asynchronous factory, a retter and a closer, and the proxy on them."""

    def __init__(self, flavour: str, scope: Any = Scope.CONTEXT, **parameters: Any) -> None:
        self.flavour = flavour
        self.works = Works()
        self.calls: list[str] = []
        self.failing: BaseException | None = None
        given = {"max_size": 2, "min_size": 0, "timeout": 5.0, "name": "db", "retter": self.ret, **parameters}
        make: Any = proxy
        self.db: Thing = make(fun=self.make, scope=scope, closer=self.close, **given)
        self.control = control(self.db)

    async def make(self, number: int) -> Thing:
        await turn()
        if self.failing is not None:
            raise self.failing
        return self.works.make(number)

    async def ret(self, thing: Thing) -> None:
        self.calls.append("ret")
        await turn()
        self.calls.append("ret done")

    async def close(self, thing: Thing) -> None:
        self.works.close(thing)
        await turn()

    @property
    def in_use(self) -> int:
        pool = self.control.apool
        assert pool is not None
        return pool.stats()["nusing"]

    def run(self, main: Callable[[], Awaitable[None]]) -> None:
        run_in(self.flavour, main)


async def in_task(flavour: str, job: Callable[[], Awaitable[None]]) -> None:
    """Have a task do something, until its end; raise what it raises."""
    errors: list[Exception] = []

    async def begin() -> None:
        try:
            await job()
        except Exception as error:
            errors.append(error)

    if flavour == "asyncio":
        await asyncio.create_task(begin())
        await turn()  # the loop tells of its end
    else:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(begin)
    for error in errors:
        raise error


async def settle(scheduler: FakeScheduler) -> None:
    """Have done what was left to maintenance."""
    for _ in range(4):
        scheduler.run()
        await turn(3)


# --- each task has its own


@both
def test_each_task_has_its_own(flavour: str, scheduler: FakeScheduler) -> None:
    """After ``aget`` the proxy is the task's object; a child has none until it takes one, and not its parent's."""
    server = Server(flavour)
    db = server.db

    async def child() -> None:
        with pytest.raises(ProxyException, match=FIRST_AWAIT):
            _ = db.number
        assert await server.control.aget() is server.control.get()
        assert (db.number, server.in_use) == (1, 2)

    async def main() -> None:
        assert not server.control.has()
        with pytest.raises(ProxyException, match=FIRST_AWAIT):
            _ = db.number
        thing = await server.control.aget()
        assert server.control.has()
        assert (thing.number, db.number) == (0, 0)
        assert await server.control.aget() is thing
        await in_task(flavour, child)
        await settle(scheduler)
        assert (db.number, server.in_use) == (0, 1)

    server.run(main)
    assert not server.works.alive


@both
def test_given_back_when_the_task_ends(flavour: str, scheduler: FakeScheduler) -> None:
    """However it ends, through the retter, and to whoever waits for it."""
    server = Server(flavour, max_size=1)

    async def failing() -> None:
        await server.control.aget()
        raise ConnectionError

    async def main() -> None:
        with pytest.raises(ConnectionError):
            await in_task(flavour, failing)
        await settle(scheduler)
        assert server.calls == ["ret", "ret done"]
        assert (await server.control.aget(0)).number == 0

    server.run(main)


@both
def test_an_ended_task_is_noticed_by_who_needs_an_object(flavour: str) -> None:
    """Before maintenance is: a caller who would have to wait looks for tasks that have ended."""
    server = Server(flavour, max_size=1, retter=None)

    async def take() -> None:
        await server.control.aget()

    async def main() -> None:
        await in_task(flavour, take)
        assert (await server.control.aget(0)).number == 0

    server.run(main)


@both
@pytest.mark.parametrize("awaits", [True, False])
def test_given_back_by_hand(flavour: str, awaits: bool) -> None:
    """At once, by the call; to await what it returns is to wait for the retter."""
    server = Server(flavour)

    async def main() -> None:
        await server.control.aret()  # harmless
        await server.control.aget()
        if awaits:
            await server.control.aret()
            assert server.calls == ["ret", "ret done"]
        else:
            server.control.ret()
            assert not server.control.has()
            await turn(4)
            assert server.calls == ["ret", "ret done"]
        with pytest.raises(ProxyException, match=FIRST_AWAIT):
            _ = server.db.number
        await server.control.aget()
        await server.control.adiscard()
        assert [len(server.works.closed), server.in_use] == [1, 0]
        await server.control.adiscard()  # harmless
        await server.control.aget()
        server.control.discard()
        await turn(4)
        assert [len(server.works.closed), server.in_use] == [2, 0]

    server.run(main)


# --- blocks


@both
def test_a_block_gives_back_what_it_took(flavour: str) -> None:
    """And leaves to the task what it had before, as blocks of threads do."""
    server = Server(flavour)

    async def main() -> None:
        async with server.control.aobj() as thing:
            assert thing is server.control.get()
            async with server.control.aobj(1.0) as same:
                assert same is thing
            assert server.in_use == 1
        assert server.calls == ["ret", "ret done"]
        assert server.in_use == 0
        await server.control.aget()
        with pytest.raises(ConnectionError):
            async with server.control.aobj():
                raise ConnectionError
        assert (server.db.number, server.in_use) == (0, 1)

    server.run(main)


@both
def test_a_block_of_an_object_that_is_given_up_inside_it(flavour: str) -> None:
    """What the task has at the end of the block goes back, whatever it took first."""
    server = Server(flavour)

    async def main() -> None:
        async with server.control.aobj():
            await server.control.adiscard()
            assert (await server.control.aget()).number == 1
        assert server.in_use == 0

    server.run(main)


@both
def test_a_block_that_cannot_begin(flavour: str) -> None:
    """It leaves nothing, and may begin again; while it is open it cannot."""
    server = Server(flavour, backoff=None)
    block = server.control.aobj()

    async def main() -> None:
        server.failing = ConnectionError()
        with pytest.raises(ConnectionError):
            await block.__aenter__()
        server.failing = None
        async with block:
            with pytest.raises(ProxyException, match=r"^this block is open already"):
                await block.__aenter__()
        assert server.in_use == 0
        await block.__aexit__(None, None, None)  # harmless

    server.run(main)


@both
def test_a_cancelled_wait_leaves_nothing(flavour: str) -> None:
    """Neither of ``aget`` nor of a block; the next caller is served."""
    server = Server(flavour, max_size=1)

    async def holder(waiter: Callable[[], Awaitable[None]]) -> None:
        async with server.control.aobj():
            if flavour == "asyncio":
                task = asyncio.ensure_future(waiter())
                await turn(4)
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task
                return
            async with trio.open_nursery() as nursery:
                nursery.start_soon(waiter)
                await trio.testing.wait_all_tasks_blocked()
                nursery.cancel_scope.cancel()

    async def get() -> None:
        await server.control.aget()

    async def block() -> None:
        async with server.control.aobj():
            raise AssertionError("not reached")

    async def main() -> None:
        for waiter in get, block:
            await holder(waiter)
            assert server.in_use == 0
        assert (await server.control.aget(0)).number == 0

    server.run(main)


def test_a_block_that_is_cancelled_waits_for_no_hook() -> None:
    """The retter goes on by itself."""
    server = Server("asyncio")

    async def main() -> None:
        with pytest.raises(asyncio.CancelledError):
            async with server.control.aobj():
                raise asyncio.CancelledError
        assert server.calls == []
        await turn(4)
        assert server.calls == ["ret", "ret done"]

    asyncio.run(main())


def test_taken_in_the_task_that_is_to_have_it() -> None:
    """Where a library makes a task of ``aget``, that task would have the object: an error says so, and takes none."""
    server = Server("asyncio")

    async def main() -> None:
        with pytest.raises(
            ProxyException, match=r"^proxy 'db': aget\(\) is awaited in another task than it was called"
        ):
            await asyncio.gather(server.control.aget())
        assert server.works.numbers == []

    asyncio.run(main())


def test_a_time_limit_around_it() -> None:
    """``wait_for`` makes a task of it before Python 3.12, and is refused; since then it is in the task itself."""
    server = Server("asyncio")

    async def main() -> None:
        if sys.version_info < (3, 12):
            with pytest.raises(ProxyException, match=r"awaited in another task"):
                await asyncio.wait_for(server.control.aget(), 5.0)
            assert server.works.numbers == []
        else:
            await asyncio.wait_for(server.control.aget(), 5.0)
            assert server.db.number == 0

    asyncio.run(main())


@pytest.mark.skipif(sys.version_info < (3, 12), reason="there are no eager tasks before 3.12")
def test_tasks_that_begin_at_once() -> None:
    """An eager task has an object of its own, though it begins in the middle of its parent."""
    server = Server("asyncio")

    async def child() -> int:
        assert not server.control.has()
        number: int = (await server.control.aget()).number
        return number

    async def main() -> None:
        asyncio.get_running_loop().set_task_factory(vars(asyncio)["eager_task_factory"])
        await server.control.aget()
        assert await asyncio.create_task(child()) == 1
        assert server.db.number == 0

    asyncio.run(main())


def test_a_generator_that_is_left_in_the_middle() -> None:
    """Its block ends when the loop has closed it, in a task of the loop's: the object goes back."""
    server = Server("asyncio")

    async def generator() -> AsyncGenerator[Thing]:
        async with server.control.aobj() as thing:
            yield thing

    async def main() -> None:
        async for thing in generator():
            assert thing is server.control.get()
            break
        await turn(6)
        assert server.in_use == 0
        assert not server.control.has()

    asyncio.run(main())


@both
def test_a_block_that_ends_in_another_task(flavour: str) -> None:
    """As that of a fixture may: its object goes back all the same, though the task that had it has ended before."""
    server = Server(flavour)
    block = server.control.aobj()

    async def begin() -> None:
        await block.__aenter__()

    async def end() -> None:
        assert not server.control.has()
        await block.__aexit__(None, None, None)

    async def main() -> None:
        await in_task(flavour, begin)
        assert server.in_use == 1
        await in_task(flavour, end)
        assert server.in_use == 0
        assert server.calls == ["ret", "ret done"]

    server.run(main)


# --- which scopes


@pytest.mark.parametrize("scope", [Scope.AUTO, Scope.THREAD, Scope.WERKZEUG])
def test_other_scopes_refuse_what_is_awaited(scope: Scope) -> None:
    """As soon as it is given, with the remedy."""
    refusal = r"^{} must be a plain function, not a coroutine function: .*; use scope=Proxy\.Scope\.CONTEXT, with which"

    async def make(number: int) -> Thing:
        return Thing(number)

    async def close(thing: Thing) -> None: ...

    with pytest.raises(TypeError, match=refusal.format("fun")):
        Proxy(fun=make, scope=scope)  # accepted by checkers, which know of no scope here
    with pytest.raises(TypeError, match=refusal.format("closer")):
        Proxy(fun=Thing, scope=scope, closer=close)
    db: Thing = proxy(scope=scope)
    with pytest.raises(TypeError, match=refusal.format("fun")):
        control(db).set_fun(make)
    with pytest.raises(TypeError, match=refusal.format("closer")):
        control(db).set_pool(closer=close)


@pytest.mark.parametrize("scope", [Scope.AUTO, Scope.THREAD])
def test_tasks_of_one_thread_do_not_share(scope: Scope) -> None:
    """With a scope of threads all tasks are one owner, so none takes an object by awaiting."""
    db: Any = proxy(fun=Thing, max_size=2, scope=scope)

    async def main() -> None:
        with pytest.raises(ProxyException, match=r"^with scope THREAD all tasks .*scope=Proxy\.Scope\.CONTEXT$"):
            await control(db).aget()
        with pytest.raises(ProxyException, match=r"^with scope THREAD all tasks .*scope=Proxy\.Scope\.CONTEXT$"):
            async with control(db).aobj():
                raise AssertionError("not reached")

    asyncio.run(main())
    assert not control(db).has()


@both
def test_one_object_for_all_tasks(flavour: str) -> None:
    """Scope SHARED: it is made once, by whoever awaits it first, and is there for all, until its event loop ends."""
    server = Server(flavour, Scope.SHARED, max_size=None, retter=None)

    async def use() -> None:
        assert server.control.get() is server.works.made[-1]
        async with server.control.aobj() as thing:
            assert thing is server.works.made[-1]

    async def main() -> None:
        assert repr(server.db) == "<Proxy db: no object yet>"
        with pytest.raises(ProxyException, match=FIRST_AWAIT):
            _ = server.db.number
        await server.control.aget()
        assert server.control.has()
        assert repr(server.db) == repr(server.works.made[-1])
        await in_task(flavour, use)
        await server.control.aret()
        assert server.control.has()

    server.run(main)
    assert not server.works.alive
    assert not server.control.has()
    server.run(main)
    assert len(server.works.closed) == 2


def test_one_object_for_all_tasks_is_of_one_loop() -> None:
    """In another loop there is an error; where the first is closed, and has not said so, another is made."""
    server = Server("asyncio", Scope.SHARED, max_size=None)
    server.control.set_pool(name="db")
    first = asyncio.new_event_loop()

    async def get() -> int:
        number: int = (await server.control.aget()).number
        return number

    assert first.run_until_complete(get()) == 0
    with pytest.raises(PoolException, match=r"^pool 'db' is used in the event loop .*, but lives in"):
        asyncio.run(get())
    first.close()
    asyncio.run(get())
    assert len(server.works.made) == 2


# --- with and without a pool


def test_the_pool_is_one_for_tasks() -> None:
    """It is an ``AsyncPool`` if anything is to be awaited, with the parameters given, and a ``Pool`` if nothing is."""
    server = Server("asyncio", delay=7.0, max_use=3)
    pool = server.control.apool
    assert isinstance(pool, AsyncPool)
    assert server.control.pool is None
    assert either_pool_of(server.control) is pool
    stats = pool.stats()
    assert (stats["max_size"], stats["max_use"], stats["delay"]) == (2, 3, 7.0)
    assert repr(server.control) == f"<Control of a proxy, scope CONTEXT: {pool!r}>"
    with pytest.raises(ProxyException, match=r"^cannot override pool parameters"):
        server.control.set_pool(timeout=1.0)

    async def close(thing: Thing) -> None: ...

    assert control(proxy(fun=Thing, scope=Scope.CONTEXT, max_size=2, closer=close)).apool is not None
    plain = control(proxy(fun=Thing, scope=Scope.CONTEXT, max_size=2))
    assert plain.apool is None
    assert either_pool_of(plain) is plain.pool is not None


@both
def test_without_a_pool(flavour: str, scheduler: FakeScheduler) -> None:
    """Each task has an object made for it, which is closed when the task ends; ``aret`` leaves it."""
    server = Server(flavour, max_size=None, min_size=0)
    db: Thing = proxy(fun=server.make, closer=server.close, scope=Scope.CONTEXT)

    async def use() -> None:
        await control(db).aget()
        await control(db).aret()
        assert control(db).has()

    async def main() -> None:
        assert control(db).apool is None
        for number in range(3):
            await in_task(flavour, use)
            await settle(scheduler)
            assert [thing.number for thing in server.works.closed] == list(range(number + 1))

    server.run(main)


@both
def test_objects_that_do_not_come_back_by_themselves(flavour: str, scheduler: FakeScheduler) -> None:
    """With ``auto_return=False`` an object is lost to the pool whose task ends without giving it back."""
    server = Server(flavour, auto_return=False, timeout=None)

    async def forgets() -> None:
        assert await server.control.aget() is server.works.made[-1]

    async def gives_back() -> None:
        await server.control.aget()
        await server.control.aret()

    async def breaks() -> None:
        await server.control.aget()
        await server.control.adiscard()

    async def main() -> None:
        for lost, job in enumerate((gives_back, breaks, forgets, forgets), -1):
            await in_task(flavour, job)
            await settle(scheduler)
            assert server.in_use == max(0, lost)
        with pytest.raises(TimeOut):
            await server.control.aget(0)

    server.run(main)


@both
def test_decorated_jobs_give_back(flavour: str) -> None:
    """A coroutine function that is decorated with ``returning`` gives back at its end, and not what its caller had."""
    server = Server(flavour)

    @returning(server.db)
    async def job() -> int:
        number: int = (await server.control.aget()).number
        return number

    async def main() -> None:
        assert await job() == 0
        assert not server.control.has()
        async with server.control.aobj():
            await job()
            assert server.control.has()

    server.run(main)


# --- plain factories


@both
@pytest.mark.parametrize("auto_return", [True, False])
def test_a_plain_factory_may_be_awaited_too(flavour: str, auto_return: bool) -> None:
    """Its pool is a ``Pool``, for which a task waits while others go on; threads use the same proxy."""
    works = Works(1)
    db: Thing = proxy(fun=works.make, scope=Scope.CONTEXT, max_size=1, timeout=5.0, auto_return=auto_return)
    seen: list[int] = []

    async def other() -> None:
        seen.append((await control(db).aget()).number)
        await control(db).aret()

    async def impatient() -> None:
        await control(db).aget(0)

    async def main() -> None:
        async with control(db).aobj():
            with pytest.raises(TimeOut):
                await in_task(flavour, impatient)
            if flavour == "asyncio":
                waiting = asyncio.create_task(other())
                await turn(2)
            else:
                waiting = None
            assert seen == []
        if waiting is None:
            await in_task(flavour, other)
        else:
            await waiting
        assert seen == [0]
        assert db.number == 0  # taken without waiting

    run_in(flavour, main)


def test_plain_objects_for_all() -> None:
    """Nothing is to be waited for where there is one object, given or made by a plain function."""
    given, made = proxy(Thing(5)), proxy(fun=Thing, scope=Scope.SHARED)

    async def main() -> None:
        assert (await control(given).aget()).number == 5
        assert (await control(made).aget()).number == 0
        async with control(made).aobj() as thing:
            assert thing is await control(made).aget()

    asyncio.run(main())


def test_a_thread_has_no_object_that_is_awaited() -> None:
    """A plain endpoint, in a thread, is told to be a coroutine function; with a plain factory it has its own."""
    server, nameless = Server("asyncio"), Server("asyncio", name=None)
    db: Thing = proxy(fun=Thing, scope=Scope.CONTEXT, max_size=2)

    def endpoint() -> int:
        with pytest.raises(ProxyException) as refusal:
            _ = server.db.number
        assert str(refusal.value) == (
            "the caller has no object of proxy 'db', which is for tasks, and no event loop runs in this thread, "
            "where a framework may call what is a plain `def`: write `async def`, and first "
            "`await control(db).aget()`, or use it in a block, `async with control(db).aobj():`"
        )
        with pytest.raises(ProxyException, match=r"this proxy, .* first `await control\(…\)\.aget\(\)`"):
            _ = nameless.db.number
        return db.number

    async def main() -> None:
        await server.control.aget()
        await control(db).aget()
        assert await asyncio.to_thread(endpoint) == 1

    asyncio.run(main())


# --- set again, closed


@both
def test_set_again(flavour: str, scheduler: FakeScheduler) -> None:
    """What tasks have is closed when they use the proxy next, and who waits gets an object of the new function."""
    server, other = Server(flavour, max_size=1, retter=None), Works()

    async def make(number: int) -> Thing:
        return other.make(number)

    async def waits() -> None:
        assert await server.control.aget() is other.made[-1]

    async def sets() -> None:
        await turn(3)
        server.control.set_fun(make)
        await settle(scheduler)

    async def main() -> None:
        await server.control.aget()
        if flavour == "asyncio":
            await asyncio.gather(waits(), sets())
        else:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(waits)
                nursery.start_soon(sets)
        assert (await server.control.aget()) in other.made
        await settle(scheduler)
        assert not server.works.alive

    server.run(main)


@both
def test_set_again_while_an_object_is_made(flavour: str, scheduler: FakeScheduler) -> None:
    """Whoever it was made for gets one of the new function; what was made is closed."""
    server, other = Server(flavour, retter=None), Works()

    async def make(number: int) -> Thing:
        thing = await server.make(number)
        server.control.set_fun(other.make)
        return thing

    async def main() -> None:
        server.control.set_fun(make)
        assert await server.control.aget() is other.made[0]
        await settle(scheduler)
        assert len(server.works.closed) == 1

    server.run(main)


class Forgetful:
    """A strategy of a user's whose owner loses what it keeps, once: another thread of the same owner gives it back."""

    def __init__(self) -> None:
        self._kept: Kept[Any] | None = None
        self._forgets = True

    def get(self) -> Kept[Any] | None:
        if self._kept is not None and self._forgets:
            self._kept, self._forgets = None, False
        return self._kept

    def set(self, kept: Kept[Any], /) -> None:
        self._kept = kept

    def delete(self) -> None:
        self._kept = None


@both
def test_a_block_whose_object_another_thread_gives_back(flavour: str) -> None:
    """Before it has begun: it takes again, and has what its owner keeps."""
    works = Works()
    db: Thing = proxy(fun=works.make, max_size=1, scope=Forgetful)

    async def main() -> None:
        async with control(db).aobj() as thing:
            assert control(db).get() is thing
        pool = control(db).pool
        assert pool is not None
        assert (pool.stats()["nusing"], pool.stats()["nuses"]) == (0, 2)

    run_in(flavour, main)


@both
def test_closed(flavour: str) -> None:
    """``aclose`` closes the pool, and waits for what is lent; whoever uses the proxy then gets ``PoolClosed``."""
    server = Server(flavour)

    async def main() -> None:
        async with server.control.aobj():
            await server.control.aclose()
            assert server.works.closed == []
            with pytest.raises(ProxyException, match=r"^pool 'db' is closed in its event loop: write `await control"):
                server.control.close()
        assert server.works.alive == []
        with pytest.raises(PoolClosed):
            await server.control.aget()
        with pytest.raises(PoolValueError):
            await server.control.aclose(-1.0)
        server.control.set_fun(server.make)
        assert (await server.control.aget()).number == 0

    server.run(main)


@both
def test_a_plain_pool_is_closed_in_a_task(flavour: str, clock: HandMovedClock) -> None:
    """It waits for what is lent while others go on, until it is back."""
    works = Works()
    db: Thing = proxy(fun=works.make, closer=works.close, scope=Scope.CONTEXT, max_size=2, min_size=0)

    async def main() -> None:
        await control(db).aget()

        async def close() -> None:
            await control(db).aclose(60.0)
            assert works.alive == []

        if flavour == "asyncio":
            closing = asyncio.create_task(close())
            await turn(3)
            assert works.closed == []
            await control(db).aret()
            await closing
            return
        async with trio.open_nursery() as nursery:
            nursery.start_soon(close)
            await trio.testing.wait_all_tasks_blocked()
            assert works.closed == []
            await control(db).aret()

    run_in(flavour, main)
    with pytest.raises(PoolClosed):
        control(db).get()


def test_proxies_without_a_pool_are_closed_as_well() -> None:
    """What a private pool keeps for all is closed; an object that was given is its giver's; unset ones have none."""
    works = Works()
    shared: Thing = proxy(fun=works.make, closer=works.close, scope=Scope.SHARED)
    unused: Thing = proxy(fun=works.make, closer=works.close)
    given: Thing = proxy(Thing(1))
    unset: Thing = proxy()
    assert shared.number == 0
    for each in shared, unused, given, unset:
        control(each).close()
    assert works.alive == []
    assert given.number == 1
    pooled = control(proxy(fun=works.make, max_size=1))
    pooled.close()
    with pytest.raises(PoolClosed):
        pooled.get()

    async def main() -> None:
        for each in given, unset, unused:
            await control(each).aclose()

    asyncio.run(main())


# --- hooks, kills, onlookers


@both
def test_hooks_that_use_the_proxy(flavour: str) -> None:
    """For an awaited hook the proxy is the object that the hook is called with; for the factory it is none."""
    seen: list[tuple[str, int]] = []

    async def make(number: int) -> Thing:
        await turn()
        with pytest.raises(ProxyException, match=r"^fun uses the proxy whose object it is to make"):
            _ = db.number
        return Thing(number)

    def hook(name: str) -> Callable[[Thing], Awaitable[None]]:
        async def called(thing: Thing) -> None:
            await turn()
            assert control(db).get() is thing
            seen.append((name, db.number))

        return called

    async def check(thing: Thing) -> bool:
        await turn()
        return control(db).get() is thing

    def counts(thing: Thing) -> None:
        seen.append(("stats", db.number))

    db = proxy(
        fun=make,
        scope=Scope.CONTEXT,
        max_size=1,
        min_size=0,
        health=check,
        health_before_get=0.0,
        stats=counts,
        opener=hook("opener"),
        getter=hook("getter"),
        retter=hook("retter"),
        closer=hook("closer"),
    )

    async def main() -> None:
        for _ in range(2):
            async with control(db).aobj():
                pass
        pool = control(db).apool
        assert pool is not None
        pool.stats()
        await control(db).aclose()

    run_in(flavour, main)
    names = ["opener", "getter", "retter", "getter", "retter", "stats", "closer"]
    assert seen == [(name, 0) for name in names]


def test_what_is_killed_is_replaced(clock: HandMovedClock, scheduler: FakeScheduler) -> None:
    """An object that is closed after ``max_using_delay_kill`` is not the task's any more."""
    server = Server("asyncio", max_using_delay_kill=10.0, retter=None)

    async def main() -> None:
        await server.control.aget()
        clock.advance(20.0)
        await settle(scheduler)
        assert len(server.works.closed) == 1
        assert not server.control.has()
        assert (await server.control.aget()).number == 1

    asyncio.run(main())


@both
def test_looking_takes_nothing(flavour: str) -> None:
    """Nor does it make anything, or wait: a ``repr``, a debugger, a mock; and what asks for names of users is told."""
    server = Server(flavour)
    db = server.db

    async def look() -> None:
        assert repr(db) == "<Proxy db: no object yet>"
        assert not server.control.has()
        assert db is not None
        assert db not in (None,)  # compared, not looked at by identity
        assert "__class__" in dir(db)
        assert type(db).__name__ == "Proxy"
        assert not inspect.iscoroutinefunction(db)
        assert not hasattr(db, "__wrapped__")
        assert not hasattr(db, "_repr_html_")
        mock.create_autospec(db)
        inspect.getattr_static(db, "number", None)
        with pytest.raises(ProxyException, match="no object"):
            hasattr(db, "number")
        with pytest.raises(ProxyException, match="no object"):
            bool(db)
        await turn(3)

    run_in(flavour, look)
    assert server.works.numbers == []


@both
def test_plain_hooks(flavour: str, caplog: pytest.LogCaptureFixture) -> None:
    """They are hooks as any other; one that returns an async generator is called by its name."""

    async def values() -> AsyncGenerator[int, None]:
        yield 1

    plain: dict[str, Callable[[Thing], object]] = {
        "getter": lambda _: values(),
        "health": lambda _: True,
        "tracer": repr,
        "stats": lambda thing: thing.number,
    }
    server = Server(flavour, max_size=1, **plain)

    async def main() -> None:
        thing = await server.control.aget()
        pool = server.control.apool
        assert pool is not None
        shown: Any = pool.stats()["using"][0]
        assert (shown["name"], shown["stats"]) == ("thing 0", 0)
        await server.control.aret()
        await pool.housekeep()
        assert pool.stats()["navail"] == 1
        assert await server.control.aget() is thing

    run_in(flavour, main)
    assert any("getter returned an async generator" in line for line in said(caplog))


@both
def test_a_block_waits_for_what_was_taken_in_it(flavour: str) -> None:
    """The object of the block is given back in it, and another is taken: its retter has ended when the block has."""
    server = Server(flavour)

    async def main() -> None:
        async with server.control.aobj():
            await server.control.aret()
            await server.control.aget()
        assert server.calls == ["ret", "ret done"] * 2

    run_in(flavour, main)


@both
@pytest.mark.parametrize("way", ["aget", "aobj"])
def test_senseless_timeouts(flavour: str, way: str) -> None:
    """They are refused, whether or not there is an object."""
    server = Server(flavour)

    async def main() -> None:
        for _ in range(2):
            got = server.control.aget(-1) if way == "aget" else server.control.aobj(-1).__aenter__()
            with pytest.raises(PoolValueError, match=r"^timeout must be"):
                await got
            await server.control.aget()

    run_in(flavour, main)


async def in_another_task(main: Callable[[], Awaitable[object]]) -> None:
    """Do something in a task of its own, and wait for it."""
    errors: list[BaseException] = []

    async def begin() -> None:
        try:
            await main()
        except Exception as error:
            errors.append(error)

    if trio.lowlevel.in_trio_task():
        async with trio.open_nursery() as nursery:
            nursery.start_soon(begin)
    else:
        await asyncio.create_task(begin())
    if errors:
        raise errors[0]


@both
@pytest.mark.parametrize("kind", ["plain", "awaited"])
def test_a_task_ends_without_a_word(
    flavour: str, kind: str, scheduler: FakeScheduler, caplog: pytest.LogCaptureFixture
) -> None:
    """What it had goes back, which is as it should be; others wait for that as long as they say."""
    db: Any = proxy(fun=Thing, scope=Scope.CONTEXT, max_size=1, timeout=5) if kind == "plain" else None
    mine = Server(flavour, max_size=1).control if db is None else control(db)

    async def take() -> None:
        await mine.aget()

    async def main() -> None:
        async with mine.aobj():
            with pytest.raises(TimeOut, match="timeout after 0 seconds"):
                await in_another_task(lambda: mine.aget(0))
        await in_another_task(take)
        await turn(3)
        gc.collect()
        scheduler.run()
        pool = either_pool_of(mine)
        assert pool is not None
        assert pool.stats()["nusing"] == 0

    run_in(flavour, main)
    assert said(caplog) == []
