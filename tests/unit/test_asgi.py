"""The middleware for ASGI applications, without a server: each test calls the application as servers do."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import pytest
import trio
import trio.testing

from ProxyPatternPool import Pool, ProxyException, Scope, control, proxy
from ProxyPatternPool._runtime.native import GIL
from ProxyPatternPool.asgi import ASGIApplication, ReturnMiddleware

from .clock import FakeScheduler
from .helpers import Thing, Works, eventually
from .tasks import both, turn
from .test_async_proxies import Server, in_task, settle

pytestmark = pytest.mark.usefixtures("scheduler")

Send = Callable[[dict[str, Any]], Awaitable[None]]


class Client:
    """Asks an application, and keeps what it sends."""

    def __init__(self, app: ASGIApplication) -> None:
        self._app = app
        self.sent: list[dict[str, Any]] = []

    async def ask(self, kind: str = "http") -> None:
        await self._app({"type": kind}, self._receive, self._send)

    async def _receive(self) -> dict[str, Any]:
        await turn()
        return {"type": "http.request"}

    async def _send(self, message: dict[str, Any]) -> None:
        await turn()
        self.sent.append(message)


async def in_scope_of_cancellation(flavour: str, job: Callable[[], Awaitable[None]]) -> None:
    """Have a task do something, and cancel it once it waits."""
    if flavour == "asyncio":
        task = asyncio.ensure_future(job())
        await turn(5)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return
    async with trio.open_nursery() as nursery:
        nursery.start_soon(job)
        await trio.testing.wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()


async def wait_for_ever() -> None:
    if trio.lowlevel.in_trio_task():
        await trio.sleep_forever()
    else:
        await asyncio.Event().wait()


@both
@pytest.mark.parametrize("kind", ["http", "websocket"])
@pytest.mark.parametrize("acquire", [True, False])
def test_given_back_at_the_end(flavour: str, kind: str, acquire: bool) -> None:
    """When the last part of the response has been sent, and not before; with ``acquire`` it is there from the start."""
    server = Server(flavour)

    async def app(scope: dict[str, Any], receive: Callable[[], Awaitable[object]], send: Send) -> None:
        assert server.control.has() is acquire
        await server.control.aget()
        await receive()
        for part in range(3):
            await send({"part": part, "by": server.db.number})
            assert server.in_use == 1

    client = Client(ReturnMiddleware(app, server.db, acquire=acquire))

    async def main() -> None:
        for _ in range(2):
            await client.ask(kind)
            assert not server.control.has()
            await turn(4)
            assert server.in_use == 0
        assert server.calls == ["ret", "ret done"] * 2
        assert client.sent == [{"part": part, "by": 0} for part in range(3)] * 2

    server.run(main)


@both
def test_given_back_after_a_failure(flavour: str) -> None:
    """The error is the server's to answer."""
    server = Server(flavour)

    async def app(scope: object, receive: object, send: Send) -> None:
        await server.control.aget()
        await send({})
        raise ConnectionError

    client = Client(ReturnMiddleware(app, server.db))

    async def main() -> None:
        with pytest.raises(ConnectionError):
            await client.ask()
        assert not server.control.has()
        await turn(4)
        assert server.calls == ["ret", "ret done"]

    server.run(main)


@both
@pytest.mark.parametrize("acquire", [True, False])
def test_given_back_after_a_cancellation(flavour: str, acquire: bool) -> None:
    """As of a client that has hung up: nothing is awaited on the way out."""
    server = Server(flavour)

    async def app(scope: object, receive: object, send: object) -> None:
        await server.control.aget()
        await wait_for_ever()

    client = Client(ReturnMiddleware(app, server.db, acquire=acquire))

    async def main() -> None:
        await in_scope_of_cancellation(flavour, client.ask)
        await turn(4)
        assert server.in_use == 0
        assert server.calls == ["ret", "ret done"]

    server.run(main)


@both
def test_a_request_that_cannot_have_its_objects(flavour: str) -> None:
    """The application is not called, the error is the server's to answer, and what was taken before it is back."""
    one, other = Server(flavour), Server(flavour, backoff=None)
    other.failing = ConnectionError()

    async def app(scope: object, receive: object, send: object) -> None:
        raise AssertionError("not reached")

    client = Client(ReturnMiddleware(app, one.db, other.db, acquire=True))

    async def main() -> None:
        with pytest.raises(ConnectionError):
            await client.ask()
        await turn(4)
        assert (one.in_use, other.in_use) == (0, 0)
        assert one.calls == ["ret", "ret done"]

    one.run(main)


@both
def test_a_client_that_hangs_up_while_its_request_waits(flavour: str) -> None:
    """For an object that another request has: the next request gets it."""
    server = Server(flavour, max_size=1)

    async def app(scope: object, receive: object, send: Send) -> None:
        await send({"by": server.db.number})

    client = Client(ReturnMiddleware(app, server.db, acquire=True))

    async def main() -> None:
        async with server.control.aobj():
            await in_scope_of_cancellation(flavour, client.ask)
            assert client.sent == []
        await client.ask()
        assert client.sent == [{"by": 0}]

    server.run(main)


@both
def test_the_lifespan_is_passed_through(flavour: str) -> None:
    """It has a task of its own: no object is taken for it, and none taken from it."""
    server = Server(flavour)

    async def app(scope: object, receive: object, send: object) -> None:
        assert not server.control.has()
        await server.control.aget()

    client = Client(ReturnMiddleware(app, server.db, acquire=True))

    async def main() -> None:
        await client.ask("lifespan")
        assert server.control.has()

    server.run(main)


@both
def test_tasks_that_go_on_have_their_own(flavour: str, scheduler: FakeScheduler) -> None:
    """A task that the application leaves running keeps none of the request's objects, and its own until its end."""
    server = Server(flavour)
    seen: list[object] = []
    tasks: list[asyncio.Task[None]] = []

    async def goes_on() -> None:
        seen.append(server.control.has())
        await server.control.aget()
        seen.append(server.db.number)
        await turn(8)
        seen.append(server.db.number)

    async def main() -> None:
        async def app(scope: object, receive: object, send: Send) -> None:
            if nursery is None:
                tasks.append(asyncio.create_task(goes_on()))
            else:
                nursery.start_soon(goes_on)
            await send({"by": server.db.number})
            await turn(4)

        async def ask() -> None:
            await Client(ReturnMiddleware(app, server.db, acquire=True)).ask()
            await turn(2)
            assert server.in_use == 1

        nursery: trio.Nursery | None = None
        if flavour == "asyncio":
            await ask()
            await tasks[0]
        else:
            async with trio.open_nursery() as nursery:
                await ask()
        await settle(scheduler)
        assert seen == [False, 1, 1]
        assert server.in_use == 0

    server.run(main)


@both
def test_what_others_give_back_is_left_to_them(flavour: str) -> None:
    """A block around the request, as around a test's client; and the request that makes another in its own task."""
    server = Server(flavour)

    async def inner(scope: object, receive: object, send: Send) -> None:
        await send({"by": server.db.number})

    async def outer(scope: object, receive: object, send: object) -> None:
        before = server.control.get()
        await inside.ask()
        assert server.control.get() is before

    inside = Client(ReturnMiddleware(inner, server.db, acquire=True))
    client = Client(ReturnMiddleware(outer, server.db, acquire=True))

    async def main() -> None:
        await client.ask()
        assert not server.control.has()
        async with server.control.aobj() as thing:
            await inside.ask()
            assert server.control.get() is thing

    server.run(main)


def test_plain_functions_share_the_proxy() -> None:
    """In a thread of the framework's, in a copy of the request's context, each has an object of its own."""
    works = Works()
    db: Thing = proxy(fun=works.make, max_size=2, scope=Scope.CONTEXT)
    numbers: list[int] = []

    async def app(scope: object, receive: object, send: object) -> None:
        numbers.append((await control(db).aget()).number)
        numbers.append(await asyncio.to_thread(lambda: db.number))

    async def main() -> None:
        await Client(ReturnMiddleware(app, db)).ask()
        pool = control(db).pool
        assert pool is not None
        eventually(partial(all_are_back, pool))  # the thread may have more to do after its function has returned

    def all_are_back(pool: Pool[Thing]) -> bool:
        if not GIL:
            gc.collect()  # else what the thread has made waits for that thread, which sleeps
        return pool.stats()["nusing"] == 0

    asyncio.run(main())
    assert numbers == [0, 1]


def test_what_it_refuses() -> None:
    """What is no application, no proxy, or a proxy that all tasks of a thread share: as soon as it is known."""
    anything: Any = 3

    async def app(scope: object, receive: object, send: object) -> None: ...

    with pytest.raises(TypeError, match=r"^app must be an ASGI application, not 3$"):
        ReturnMiddleware(anything)
    with pytest.raises(TypeError, match=r"^acquire must be True or False, not 3$"):
        ReturnMiddleware(app, proxy(), acquire=anything)
    with pytest.raises(ProxyException, match=r"^no proxy is given: name those whose objects are to go back$"):
        ReturnMiddleware(app)
    with pytest.raises(ProxyException, match=r"^this is no proxy"):
        ReturnMiddleware(app, anything)
    with pytest.raises(ProxyException, match=r"^with scope THREAD all tasks .* make the proxy with scope=Proxy"):
        ReturnMiddleware(app, proxy(fun=Thing, max_size=1))
    db: Thing = proxy(max_size=1)
    middleware = ReturnMiddleware(app, db)
    control(db).set_fun(Thing)
    with pytest.raises(ProxyException, match=r"^with scope THREAD all tasks"):
        asyncio.run(Client(middleware).ask())


@both
def test_a_task_for_each_request(flavour: str, scheduler: FakeScheduler) -> None:
    """As servers do it: many at once on a pool of two, of which some fail, and some are slow."""
    server = Server(flavour)
    answered: list[int] = []

    async def app(scope: object, receive: Callable[[], Awaitable[object]], send: Send) -> None:
        await receive()
        number = server.db.number
        await turn(number)
        assert number == server.db.number
        answered.append(number)
        if len(answered) % 5 == 0:
            raise ConnectionError

    client = Client(ReturnMiddleware(app, server.db, acquire=True))

    async def ask() -> None:
        try:
            await client.ask()
        except ConnectionError:
            await turn()

    async def main() -> None:
        if flavour == "asyncio":
            await asyncio.gather(*(ask() for _ in range(40)))
        else:
            async with trio.open_nursery() as nursery:
                for _ in range(40):
                    nursery.start_soon(ask)
        await settle(scheduler)
        assert server.in_use == 0
        assert len(answered) == 40
        assert set(answered) == {0, 1}
        await in_task(flavour, client.ask)

    server.run(main)
