"""The middleware: what a request took goes back at its end, whatever that is."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, TypeVar

import pytest
from werkzeug.test import Client
from werkzeug.test import create_environ as environ_of
from werkzeug.wsgi import ClosingIterator

from ProxyPatternPool import Kept, Proxy, ProxyException, control, proxy
from ProxyPatternPool.wsgi import ReturnMiddleware

from ..unit.helpers import DEADLINE, Thing, Works, eventually
from .executor import ExecutorServer
from .shop import Oops, Shop

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

R = TypeVar("R")


def application(respond: Callable[[], R]) -> Callable[[WSGIEnvironment, StartResponse], R]:
    """A WSGI application of a function that makes the response."""

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> R:
        start_response("200 OK", [("Content-Type", "text/plain")])
        return respond()

    return app


def call(app: WSGIApplication) -> Iterable[bytes]:
    """Call an application as a server does first of all."""
    return app(environ_of(), lambda status, headers, error=None, /: bytes)


def close(response: Iterable[bytes]) -> None:
    """Close a response, as a server does whatever has happened."""
    assert isinstance(response, ClosingIterator)
    response.close()


def get(app: WSGIApplication) -> str:
    """Ask as clients do, to the end."""
    with Client(app).get("/") as response:
        return response.get_data(as_text=True)


def test_no_application() -> None:
    """What cannot be called is refused when it is given, not at the first request."""
    with pytest.raises(TypeError, match=r"^app must be a WSGI application, not None$"):
        ReturnMiddleware(None)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # refused, as it is here


def test_a_response_that_was_sent(shop: Shop) -> None:
    """The object is the request's until the response is closed, and then goes back through the `retter`."""
    wrapped = ReturnMiddleware(application(lambda: [shop.text(), b"!"]), shop.db)
    response = call(wrapped)
    assert (list(response), shop.lent, shop.resets) == ([b"thing 0", b"!"], 1, 0)
    close(response)
    assert (shop.lent, shop.resets) == (0, 1)
    assert [get(wrapped) for _ in range(3)] == ["thing 0!"] * 3
    assert (shop.lent, shop.resets) == (0, 4)


def test_a_stream(shop: Shop) -> None:
    """Half way through the object is still the request's, and each part is passed on as soon as it is there."""
    made: list[int] = []

    def stream() -> Iterator[bytes]:
        for part in range(3):
            made.append(part)
            yield shop.text()

    response = call(ReturnMiddleware(application(stream), shop.db))
    assert shop.lent == 0  # nothing has begun
    for part, text in enumerate(response):
        assert (text, made[-1], shop.lent) == (b"thing 0", part, 1)
    assert made == [0, 1, 2]
    close(response)
    assert (shop.lent, shop.resets) == (0, 1)


def test_the_application_fails(shop: Shop) -> None:
    """An application that fails gives back what it used; its error reaches the server."""

    def respond() -> list[bytes]:
        shop.text()
        raise Oops

    with pytest.raises(Oops):
        call(ReturnMiddleware(application(respond), shop.db))
    assert (shop.lent, shop.resets) == (0, 1)


def test_the_stream_fails(shop: Shop) -> None:
    """Half way through, its error reaches the server, who closes the response."""

    def stream() -> Iterator[bytes]:
        yield shop.text()
        raise Oops

    response = call(ReturnMiddleware(application(stream), shop.db))
    with pytest.raises(Oops):
        list(response)
    close(response)
    assert (shop.lent, shop.resets) == (0, 1)


def test_what_is_done_when_the_response_is_closed(shop: Shop) -> None:
    """It is still done with the request's object, as a rollback has to be."""
    seen: list[object] = []

    def stream() -> Iterator[bytes]:
        try:
            yield shop.text()
            yield b"never sent"
        finally:
            seen.extend([shop.lent, shop.resets, shop.text()])

    response = call(ReturnMiddleware(application(stream), shop.db))
    assert next(iter(response)) == b"thing 0"
    close(response)  # the client has gone away
    assert seen == [1, 0, b"thing 0"]
    assert (shop.lent, shop.resets) == (0, 1)


class Stubborn:
    """A response that fails when it is iterated over, and when it is closed."""

    def __init__(self, shop: Shop, failing: str) -> None:
        self._shop = shop
        self._failing = failing
        self.closed = 0

    def __iter__(self) -> Iterator[bytes]:
        self._shop.text()
        if self._failing == "iter":
            raise Oops
        return iter([b""])

    def close(self) -> None:
        self.closed += 1
        if self._failing == "close":
            raise Oops


def test_the_close_fails(shop: Shop) -> None:
    """What the application does at the end fails: the object goes back nevertheless."""
    stubborn = Stubborn(shop, "close")
    response = call(ReturnMiddleware(application(lambda: stubborn), shop.db))
    with pytest.raises(Oops):
        close(response)
    assert (stubborn.closed, shop.lent, shop.resets) == (1, 0, 1)


def test_a_response_that_cannot_be_iterated_over(shop: Shop) -> None:
    """The server never gets it, so it is closed here."""
    stubborn = Stubborn(shop, "iter")
    with pytest.raises(Oops):
        call(ReturnMiddleware(application(lambda: stubborn), shop.db))
    assert (stubborn.closed, shop.lent, shop.resets) == (1, 0, 1)


def test_no_response_at_all(shop: Shop) -> None:
    """An application that forgets to return one: the object goes back."""

    def respond() -> list[bytes]:
        shop.text()
        return None  # type: ignore[return-value]  # pyright: ignore[reportReturnType]  # what is wrong with it

    with pytest.raises(TypeError, match="not iterable"):
        call(ReturnMiddleware(application(respond), shop.db))
    assert (shop.lent, shop.resets) == (0, 1)


def test_a_client_within_a_block(shop: Shop) -> None:
    """A test's client, within a block: what the block took is not the request's to give back."""
    wrapped = ReturnMiddleware(application(lambda: [shop.text()]), shop.db)
    with control(shop.db).obj() as thing:
        assert get(wrapped) == f"thing {thing.number}"
        assert (shop.lent, shop.resets) == (1, 0)
        assert control(shop.db).get() is thing
    assert (shop.lent, shop.resets) == (0, 1)


def test_what_a_thread_had_before_the_request(shop: Shop) -> None:
    """It was used when the application was made: the thread does not keep that for ever."""
    shop.text()
    assert get(ReturnMiddleware(application(lambda: [shop.text()]), shop.db)) == "thing 0"
    assert (shop.lent, shop.resets) == (0, 1)


def test_a_request_within_a_request(shop: Shop) -> None:
    """An application that asks itself goes on with the object that it had."""
    inner = ReturnMiddleware(application(lambda: [shop.text()]), shop.db)

    def respond() -> list[bytes]:
        parts = [shop.text(), get(inner).encode()]
        assert (shop.lent, shop.resets) == (1, 0)
        return [*parts, shop.text()]

    assert get(ReturnMiddleware(application(respond), shop.db)) == "thing 0" * 3
    assert (shop.lent, shop.resets) == (0, 1)


def test_to_close_twice_is_harmless(shop: Shop) -> None:
    """A second time gives nothing back: it may be the next request's by then."""
    response = call(ReturnMiddleware(application(lambda: [shop.text()]), shop.db))
    close(response)
    shop.text()
    close(response)
    assert (shop.lent, shop.resets) == (1, 1)
    control(shop.db).ret()


def test_several_proxies() -> None:
    """All are given back, even if one return is interrupted."""
    shops = [Shop(), Shop(), Shop()]
    shops[1].failing = KeyboardInterrupt()

    def respond() -> list[bytes]:
        return [shop.text() for shop in shops]

    response = call(ReturnMiddleware(application(respond), *(shop.db for shop in shops)))
    assert [shop.lent for shop in shops] == [1, 1, 1]
    with pytest.raises(KeyboardInterrupt):
        close(response)
    assert [shop.resets for shop in shops] == [1, 1, 1]
    assert [shops[0].lent, shops[2].lent] == [0, 0]


def test_a_proxy_that_is_not_set_or_not_used(shop: Shop) -> None:
    """Applications are wrapped when they are made, and initialized later; not every request uses everything."""
    unset: Proxy[Thing] = Proxy()
    wrapped = ReturnMiddleware(application(lambda: [b"hello"]), unset, shop.db)
    assert get(wrapped) == "hello"
    assert (shop.lent, shop.resets) == (0, 0)
    unset.set_obj(Thing(7))
    assert get(wrapped) == "hello"
    assert unset.number == 7


def test_without_a_pool_the_object_stays() -> None:
    """Each thread has its own, as long as it lives."""
    works = Works()
    db: Thing = proxy(fun=works.make, closer=works.close)
    wrapped = ReturnMiddleware(application(lambda: [str(db.number).encode()]), db)
    assert [get(wrapped) for _ in range(3)] == ["0"] * 3
    assert works.closed == []


def test_only_proxies() -> None:
    """Anything else, and nothing at all, is refused at once."""
    with pytest.raises(ProxyException, match="no proxy, but an object of type 'Thing'"):
        ReturnMiddleware(application(lambda: [b""]), Thing(0))
    with pytest.raises(ProxyException, match="no proxy is given"):
        ReturnMiddleware(application(lambda: [b""]))


def test_without_werkzeug() -> None:
    """The error says what to install, and all the rest works."""
    script = """
import sys
sys.modules["werkzeug"] = sys.modules["werkzeug.wsgi"] = None
import ProxyPatternPool
try:
    import ProxyPatternPool.wsgi
except ImportError as error:
    print(error)
"""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script], capture_output=True, text=True, timeout=DEADLINE, check=False
    )
    assert (done.stdout, done.stderr) == (
        (
            "ProxyPatternPool.wsgi needs werkzeug, which cannot be imported: "
            "pip install werkzeug (this package's extra 'werkzeug')\n"
        ),
        "",
    )


class Line:
    """A connection that says that it is broken when it is used, and not when it is reset."""

    def __init__(self, number: int) -> None:
        self.alive = True

    def use(self) -> bytes:
        if not self.alive:
            raise Oops
        return b"well"

    def rollback(self) -> None:
        pass


@pytest.mark.parametrize("checked", [False, True])
def test_a_reset_that_says_nothing_of_a_broken_connection(checked: bool) -> None:
    """It is lent again and again; checked before each loan, no request gets it."""
    lines: list[Line] = []

    def connect(number: int) -> Line:
        lines.append(Line(number))
        return lines[-1]

    db: Line = proxy(
        fun=connect,
        max_size=1,
        timeout=DEADLINE,
        retter=lambda line: line.rollback(),
        health=lambda line: line.alive,
        health_before_get=0.0 if checked else None,
    )
    wrapped = ReturnMiddleware(application(lambda: [db.use()]), db)
    assert get(wrapped) == "well"
    lines[0].alive = False
    for _ in range(5):
        with nullcontext() if checked else pytest.raises(Oops):
            assert get(wrapped) == "well"
    assert len(lines) == 1 + checked


# On a real server. -----------------------------------------------------------------------------------


@contextmanager
def listening(app: WSGIApplication) -> Generator[int]:
    """Serve an application in threads that do not end; the port."""
    server = ExecutorServer(app)
    serving = threading.Thread(target=server.serve_forever, args=[0.01])
    serving.start()
    try:
        yield server.port
    finally:
        server.shutdown()
        serving.join(DEADLINE)
        assert not serving.is_alive()


def test_a_client_that_goes_away(shop: Shop) -> None:
    """In the middle of an endless stream: the server notices that it cannot write, and the object goes back."""
    ended = threading.Event()

    def stream() -> Iterator[bytes]:
        try:
            while not ended.is_set():
                yield shop.text() * 1000
        finally:
            ended.set()

    with listening(ReturnMiddleware(application(stream), shop.db)) as port:
        with socket.create_connection(("127.0.0.1", port), DEADLINE) as client:
            client.sendall(b"GET / HTTP/1.1\r\nHost: here\r\n\r\n")
            received = b""
            while b"thing 0" not in received:
                received += client.recv(1 << 16)
            assert shop.lent == 1
        assert ended.wait(DEADLINE)
        eventually(lambda: shop.lent == 0)
        assert shop.resets == 1
        with socket.create_connection(("127.0.0.1", port), DEADLINE) as client:  # for others
            client.sendall(b"GET / HTTP/1.1\r\nHost: here\r\n\r\n")
            assert client.makefile("rb").readline() == b"HTTP/1.1 200 OK\r\n"
    eventually(lambda: shop.lent == 0)


def test_refuses_strategies() -> None:
    """Several requests may be one owner there: the first to end would give back what the others use."""
    with pytest.raises(ProxyException, match=r"^scope .*Nobody.* decides itself when an object goes back"):
        ReturnMiddleware(application(list[bytes]), Proxy(fun=Thing, scope=Nobody))


class Nobody:
    """A strategy that keeps nothing."""

    def get(self) -> Kept[Thing] | None:
        return None

    def set(self, kept: Kept[Thing], /) -> None: ...

    def delete(self) -> None: ...
