"""FastAPI and Starlette, as docs/servers.md says: plain functions, and a context for each."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import AsyncGenerator, Callable, Generator, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import pytest

from ProxyPatternPool import ProxyException, Scope, TimeOut, control, proxy
from ProxyPatternPool.asgi import ReturnMiddleware

from ..unit.helpers import DEADLINE, Thing, eventually
from .application import PATIENCE, SIZE
from .shop import Shop
from .support import Answer, Running, all_answers, asgi_command, ask_asgi, right, served

CLIENTS = 8
REQUESTS = 200

KINDS = ["fastapi", "starlette"]


@contextmanager
def uvicorn(kind: str, scope: Scope) -> Generator[Running]:
    with served(asgi_command(kind, "squares", scope.name, "nothing", str(PATIENCE), "1")) as running:
        yield running


def squares(server: Running, path: str) -> None:
    """Ask for 200 squares, 8 at a time: no two use the same object, and there are no more than two."""

    def ask_for(number: int) -> Answer:
        return server.ask(f"/{path}/{number}")

    answers = all_answers(ask_for, REQUESTS, CLIENTS)
    assert answers == [right(number) for number in range(REQUESTS)]


@pytest.mark.parametrize("path", ["square", "async"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_context_for_each_request(kind: str, path: str) -> None:
    """In a plain endpoint, and in ``to_thread``: each call has an object of its own, and gives it back at its end."""
    with uvicorn(kind, Scope.CONTEXT) as server:
        squares(server, path)
        stats = server.comes_to_rest()
        assert stats["waiting"] == 0
        assert stats["idle"] == stats["objects"] == stats["alive"] == SIZE
        stop(server)


@pytest.mark.parametrize("kind", KINDS)
def test_without_it(kind: str) -> None:
    """The threads of the framework are kept, and with the default scope they keep what they have."""
    with uvicorn(kind, Scope.AUTO) as server:
        assert server.ask("/square/7") == right(7)
        assert server.stats()["in use"] == 1
        stop(server)


def stop(server: Running) -> None:
    assert server.ask("/stop") == (200, '"stopped"')
    assert server.ends() == "closed\n"


# In this process: what holds for coroutines, dependencies and streams. ------------------------------------------------


def app_of(endpoint: Callable[..., object]) -> Any:
    app = importlib.import_module("fastapi").FastAPI()
    app.get("/")(endpoint)
    return app


def test_a_dependency_has_an_owner_of_its_own() -> None:
    """What it took has gone back, through the `retter`, before the endpoint has it: both have their turn of one."""
    shop = Shop(Scope.CONTEXT)
    depends = importlib.import_module("fastapi").Depends

    def dependency() -> bytes:
        return shop.text()

    def endpoint(text: str = depends(dependency)) -> list[object]:
        return [text, shop.text().decode(), shop.resets]  # in this order: it waits until the object is back

    assert asyncio.run(ask_asgi(app_of(endpoint), "/")) == (200, '["thing 0","thing 0",1]')
    eventually(lambda: (shop.lent, shop.resets) == (0, 2))


def test_parts_of_a_stream_have_owners_of_their_own() -> None:
    """A plain generator is taken through its steps in a context for each."""
    shop = Shop(Scope.CONTEXT)
    stream = importlib.import_module("starlette.responses").StreamingResponse

    def parts() -> Iterator[bytes]:
        for _ in range(3):
            yield shop.text()

    assert asyncio.run(ask_asgi(app_of(lambda: stream(parts())), "/")) == (200, "thing 0" * 3)
    eventually(lambda: (shop.lent, shop.resets) == (0, 3))


def test_coroutines_share_with_the_default_scope() -> None:
    """What the page warns of: they run in one thread, and so are one owner."""
    shop = Shop()
    used: list[Thing] = []
    both = asyncio.Event()

    async def endpoint() -> int:
        used.append(control(shop.db).get())
        if len(used) == 2:
            both.set()
        await both.wait()
        return shop.db.number

    async def two() -> list[tuple[int, str]]:
        app = app_of(endpoint)
        return list(await asyncio.gather(ask_asgi(app, "/"), ask_asgi(app, "/")))

    assert asyncio.run(two()) == [(200, "0")] * 2
    assert used[0] is used[1]
    control(shop.db).ret()


def test_coroutines_that_wait_stop_the_loop() -> None:
    """What the page warns of: nobody can give back what a coroutine waits for, since nobody else runs meanwhile."""
    shop = Shop(Scope.CONTEXT)
    taken = asyncio.Event()

    async def endpoint() -> int:
        try:
            control(shop.db).get(timeout=0.05)
        except TimeOut:
            return -1
        taken.set()
        await asyncio.sleep(0)
        control(shop.db).ret()
        return 0

    async def two() -> list[tuple[int, str]]:
        app = app_of(endpoint)
        return list(await asyncio.gather(ask_asgi(app, "/"), ask_asgi(app, "/")))

    assert sorted(asyncio.run(two())) == [(200, "-1"), (200, "0")]


def test_what_a_coroutine_names_it_takes() -> None:
    """What the page warns of: an attribute of the proxy's, given to a thread, is the coroutine's; a function is not."""
    shop = Shop(Scope.CONTEXT)

    async def named() -> list[object]:
        return [await asyncio.to_thread(str, shop.db.number), control(shop.db).has()]

    async def used() -> list[object]:
        return [await asyncio.to_thread(lambda: str(shop.db.number)), control(shop.db).has()]

    assert asyncio.run(ask_asgi(app_of(named), "/")) == (200, '["0",true]')
    assert asyncio.run(ask_asgi(app_of(used), "/")) == (200, '["0",false]')
    eventually(lambda: shop.lent == 0)


# In this process: what holds for proxies that are awaited. ------------------------------------------------------------


class Counter:
    """A proxy whose objects are awaited, and what is lent of them."""

    def __init__(self) -> None:
        self.db = proxy(fun=self._make, scope=Scope.CONTEXT, max_size=2, min_size=0, timeout=DEADLINE, name="db")

    async def _make(self, number: int) -> Thing:
        await asyncio.sleep(0)
        return Thing(number)

    @property
    def lent(self) -> int:
        pool = control(self.db).apool
        assert pool is not None
        return pool.stats()["nusing"]


@pytest.mark.parametrize("outside", [True, False])
def test_middlewares_that_have_tasks_of_their_own(outside: bool) -> None:
    """Inside of ours such a one keeps the request's object from the endpoint; around it, it does not."""
    counter = Counter()
    base = importlib.import_module("starlette.middleware.base").BaseHTTPMiddleware

    async def endpoint() -> int:
        if outside:
            return counter.db.number
        with pytest.raises(ProxyException, match=r"^this task has no object of proxy 'db' yet"):
            _ = counter.db.number
        return -1

    async def dispatch(request: object, call_next: Callable[[object], Any]) -> Any:
        return await call_next(request)

    app = app_of(endpoint)
    ours = partial(app.add_middleware, ReturnMiddleware, counter.db, acquire=True)
    theirs = partial(app.add_middleware, base, dispatch=dispatch)
    for add in (ours, theirs) if outside else (theirs, ours):  # the last that is added is around the others
        add()

    async def main() -> None:
        assert await ask_asgi(app, "/") == (200, "0" if outside else "-1")
        assert counter.lent == 0

    asyncio.run(main())


def test_what_belongs_to_a_request() -> None:
    """Dependencies, before and after the answer, and background tasks have the request's object; then it goes back."""
    counter = Counter()
    fastapi = importlib.import_module("fastapi")
    seen: list[object] = []

    async def transaction() -> AsyncGenerator[None]:
        seen.append(("begin", counter.db.number))
        yield
        seen.append(("commit", counter.db.number))

    async def later() -> None:
        seen.append(("later", counter.db.number))

    needed = fastapi.Depends(transaction)

    async def endpoint(background: Any, transaction: Any = needed) -> int:
        background.add_task(later)
        return counter.db.number

    endpoint.__annotations__["background"] = fastapi.BackgroundTasks
    app = app_of(endpoint)
    app.add_middleware(ReturnMiddleware, counter.db, acquire=True)

    async def main() -> None:
        assert await ask_asgi(app, "/") == (200, "0")
        assert sorted(map(str, seen)) == ["('begin', 0)", "('commit', 0)", "('later', 0)"]
        assert counter.lent == 0

    asyncio.run(main())
