"""Flask gives back, with the middleware or without it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

import pytest
from flask import Flask, Response, stream_with_context

from ProxyPatternPool import control
from ProxyPatternPool.wsgi import ReturnMiddleware

from ..unit.helpers import Thing
from .shop import Oops, Shop


@pytest.fixture
def site(shop: Shop) -> Flask:
    """An application that has views of every kind, and does nothing about its objects."""
    site = Flask(__name__)

    @site.get("/plain")
    def plain() -> str:
        return shop.text().decode()

    @site.get("/fails")
    def fails() -> str:
        shop.text()
        raise Oops

    @site.get("/stream")
    def stream() -> Response:
        return Response(parts())

    @site.get("/stream-with-context")
    def stream_in_context() -> Response:
        return Response(stream_with_context(parts()))

    @site.get("/stream-fails")
    def stream_fails() -> Response:
        return Response(stream_with_context(half()))

    def parts() -> Iterator[bytes]:
        for _ in range(3):
            yield shop.text()

    def half() -> Iterator[bytes]:
        yield shop.text()
        raise Oops

    return site


def add_lines(site: Flask, db: Thing) -> None:
    """What the page on servers says to write without the middleware."""

    @site.teardown_appcontext
    def give_back(error: BaseException | None) -> None:
        control(db).ret()


def ask(site: Flask, path: str) -> tuple[int, str]:
    """Ask, reading the response to its end, and closing it, as a server does."""
    text = b""
    with site.test_client().get(path) as response:
        with suppress(Oops):
            for part in response.iter_encoded():
                text += part
        return response.status_code, text.decode()


PATHS = {
    "/plain": (200, "thing 0"),
    "/stream": (200, "thing 0" * 3),
    "/stream-with-context": (200, "thing 0" * 3),
    "/stream-fails": (200, "thing 0"),
    "/nowhere": (404, None),
}


@pytest.mark.parametrize("path", PATHS)
def test_flask_with_the_middleware(shop: Shop, site: Flask, path: str) -> None:
    """Views and streams, to the last part."""
    site.wsgi_app = ReturnMiddleware(site.wsgi_app, shop.db)  # type: ignore[method-assign]  # as Flask says to
    returned(shop, site, path)


@pytest.mark.parametrize("path", [path for path in PATHS if path != "/stream"])
def test_flask_with_lines(shop: Shop, site: Flask, path: str) -> None:
    """Views, and streams with their context."""
    add_lines(site, shop.db)
    returned(shop, site, path)


def returned(shop: Shop, site: Flask, path: str) -> None:
    """Twice the same answer, and nothing of it left."""
    for times in (1, 2):
        status, text = ask(site, path)
        assert status == PATHS[path][0]
        assert PATHS[path][1] in (None, text)
        assert (shop.lent, shop.resets) == (0, 0 if text is None or status == 404 else times)


@pytest.mark.parametrize("way", ["middleware", "lines"])
def test_flask_when_a_view_fails(shop: Shop, site: Flask, way: str, caplog: pytest.LogCaptureFixture) -> None:
    """Flask's answer is an error; the object is back."""
    if way == "middleware":
        site.wsgi_app = ReturnMiddleware(site.wsgi_app, shop.db)  # type: ignore[method-assign]  # as Flask says to
    else:
        add_lines(site, shop.db)
    assert ask(site, "/fails")[0] == 500
    assert [record.name for record in caplog.records] == [__name__]  # it is the application's error, and Flask's log
    assert (shop.lent, shop.resets) == (0, 1)


def test_flask_with_lines_and_a_bare_stream(shop: Shop, site: Flask) -> None:
    """What the page on servers warns of: they come before such a stream, whose object stays with the thread."""
    add_lines(site, shop.db)
    assert ask(site, "/stream") == (200, "thing 0" * 3)
    assert (shop.lent, shop.resets) == (1, 0)
    control(shop.db).ret()
