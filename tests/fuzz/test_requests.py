"""What a server hands on of a request: whatever that is, the answer is one that can be sent, and gives nothing away."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterable
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ProxyPatternPool import Proxy, asgi, control, wsgi
from ProxyPatternPool.status import status_app

from ..unit.helpers import Thing, Works
from .corpus import NASTY
from .strategies import few_examples, json_values, some_examples, texts
from .world import LOCAL, Answer, world

NAME = "a pool that not everybody is to know of"

as_servers_do = texts.map(lambda text: text.encode("utf-8", "surrogatepass").decode("latin-1"))
"""The bytes of a request, each as one character, as PEP 3333 has it."""
values = st.one_of(as_servers_do, texts)
"""Some servers, and tests, do otherwise."""
paths = st.one_of(st.sampled_from(["", "/", "//", "/index.html", "/..", "/%2e"]), values)
parameters = st.sampled_from(["format", "process", "refresh", "x"])
settings = st.sampled_from(["html", "json", "fragment", "0", "1", "1-000000000000", "../x", ""])
queries = st.one_of(
    values,
    st.lists(st.tuples(parameters, st.one_of(settings, texts)), max_size=4).map(
        lambda pairs: "&".join(f"{key}={quote(value, errors='surrogatepass')}" for key, value in pairs)
    ),
)
methods = st.one_of(st.sampled_from(["GET", "HEAD", "POST", "OPTIONS", "get", ""]), values)
environs = st.fixed_dictionaries(
    {},
    optional={
        "REQUEST_METHOD": methods,
        "PATH_INFO": paths,
        "QUERY_STRING": queries,
        "SCRIPT_NAME": paths,
        "REMOTE_ADDR": st.one_of(st.sampled_from(["127.0.0.1", "::1", "10.0.0.1"]), values),
        "HTTP_HOST": st.one_of(st.sampled_from(["localhost", "evil.example"]), values),
        "SERVER_NAME": values,
        "SERVER_PORT": values,
        "SERVER_PROTOCOL": st.one_of(st.sampled_from(["HTTP/1.1", "HTTP/1.0"]), values),
        "CONTENT_LENGTH": values,
        "CONTENT_TYPE": values,
        "HTTP_COOKIE": values,
        "HTTP_RANGE": values,
        "HTTP_IF_NONE_MATCH": values,
        "wsgi.url_scheme": values,
    },
)


PLAIN = [
    {"REQUEST_METHOD": "POST"},
    {"PATH_INFO": "/x"},
    {"QUERY_STRING": "process=x"},
    {"QUERY_STRING": "format=x"},
    {"QUERY_STRING": "\ud800"},
    {"REMOTE_ADDR": "10.0.0.1"},
]
"""A request of each kind that is refused."""


def refusals(app: Callable[..., Iterable[bytes]]) -> list[Answer]:
    """The answers to them: plain texts."""
    found = [answer for each in PLAIN if (answer := Answer(app, {**LOCAL, **each})).status != 200]
    assert {answer.headers["Content-Type"] for answer in found} == {"text/plain; charset=utf-8"}
    return found


def is_among(answer: Answer, others: list[Answer]) -> bool:
    """Whether an answer is one of those, to the letter: it says nothing again. That to HEAD has no body."""
    return any(
        (answer.status, answer.headers) == (other.status, other.headers) and answer.body in (other.body, b"")
        for other in others
    )


def check(*environs: dict[str, str]) -> None:
    with world():
        proxy: Proxy[Thing] = Proxy(fun=Thing, max_size=1, name=NAME)
        for_local, for_all = status_app(proxy), status_app(proxy, allow=lambda _: True)
        refused = {app: refusals(app) for app in (for_local, for_all)}
        for environ in environs:
            for app in refused:
                answer = Answer(app, environ)
                assert answer.status in (200, 400, 403, 404, 405)
                if answer.status != 200:
                    assert is_among(answer, refused[app])
                    assert NAME.encode() not in answer.body
                else:
                    assert environ.get("REQUEST_METHOD", "GET").upper() in ("GET", "HEAD")
                    assert environ.get("PATH_INFO", "").strip("/") == ""
                if app is for_all:
                    assert answer.status != 403
                elif environ.get("REMOTE_ADDR") not in ("127.0.0.1", "::1"):
                    assert answer.status == 403


@some_examples
@given(environ=environs)
def test_requests_for_the_page(environ: dict[str, str]) -> None:
    """Of any kind: an answer, and no error; nothing for those who may not see it."""
    check(environ)


@pytest.mark.parametrize("key", ["PATH_INFO", "QUERY_STRING", "REQUEST_METHOD", "HTTP_HOST", "REMOTE_ADDR"])
def test_nasty_requests(key: str) -> None:
    """As the bytes of UTF-8, and as they are."""
    check(
        *({**LOCAL, key: text} for text in NASTY),
        *({**LOCAL, key: text.encode("utf-8", "surrogatepass").decode("latin-1")} for text in NASTY),
    )


shapes = ["html", "json", "fragment"]
number_or_name = re.compile(r"[0-9]{1,10}(-[0-9a-f]{12})?")


def check_processes(shape: str, *wanted: str) -> None:
    with TemporaryDirectory(prefix="ppp-") as directory, world():
        app = status_app(directory=directory)
        refused = refusals(app)
        for process in wanted:
            query = f"format={shape}&process={quote(process, errors='surrogatepass')}"
            answer = Answer(app, {**LOCAL, "QUERY_STRING": query})
            if number_or_name.fullmatch(process):  # it has ended
                assert answer.status == (404 if shape == "json" else 200)
                assert answer.headers["Content-Type"].startswith("application/json" if shape == "json" else "text/html")
            else:
                assert answer.status == 404
                assert is_among(answer, refused)


@some_examples
@given(process=st.one_of(settings, texts), shape=st.sampled_from(shapes))
@example(process="\u0661", shape="json")
@example(process="1" * 11, shape="json")
@example(process="1\n", shape="html")
def test_requests_for_a_process(process: str, shape: str) -> None:
    """What is asked for is no path, and is not said again."""
    check_processes(shape, process)


@pytest.mark.parametrize("shape", shapes)
def test_nasty_processes(shape: str) -> None:
    """Markup, paths and all else that is no process: each has the same answer, a plain text."""
    check_processes(shape, *NASTY)


Environ = dict[str, Any]


@few_examples
@given(environ=st.dictionaries(texts, json_values, max_size=3), error=st.booleans())
def test_the_middleware_of_wsgi(environ: Environ, error: bool) -> None:
    """It hands on what it gets, whatever that is, and gives back what was taken."""
    works, seen = Works(), list[Environ]()
    with world():
        proxy: Proxy[Thing] = Proxy(fun=works.make, max_size=1)

        def app(environ: Environ, start_response: object) -> Iterable[bytes]:
            seen.append(environ)
            assert proxy.number == 0
            if error:
                raise ConnectionError
            return [b"x"]

        inner: Any = app
        wrapped: Any = wsgi.ReturnMiddleware(inner, proxy)
        if error:
            with pytest.raises(ConnectionError):
                wrapped(environ, None)
        else:
            answer = wrapped(environ, None)
            assert list(answer) == [b"x"]
            answer.close()
        assert seen[0] is environ
        assert len(works.made) == 1
        pool = control(proxy).pool
        assert pool is not None
        assert pool.stats()["nusing"] == 0


@few_examples
@given(scope=st.one_of(st.dictionaries(texts, json_values, max_size=3), st.fixed_dictionaries({"type": texts})))
@example(scope={"type": "http"})
@example(scope={"type": "websocket", "path": "\ud800"})
@example(scope={"type": ["http"]})
def test_the_middleware_of_asgi(scope: Environ) -> None:
    """The same for tasks."""
    seen: list[Environ] = []
    proxy: Proxy[Thing] = Proxy(fun=Thing, max_size=1, scope=Proxy.Scope.CONTEXT)

    async def app(scope: Environ, receive: object, send: object) -> None:
        seen.append(scope)

    asyncio.run(asgi.ReturnMiddleware(app, proxy)(scope, None, None))
    assert seen[0] is scope
