"""What frameworks take a proxy for: what its object is, and nothing else."""

from __future__ import annotations

import asyncio
import importlib
import json
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any, ClassVar

import pytest
from flask import Flask
from jinja2 import Environment

from ProxyPatternPool import Proxy, control, proxy

pydantic: Any = importlib.import_module("pydantic")
fastapi: Any = importlib.import_module("fastapi")
late: Callable[..., Any] = proxy
"""As checkers do not know what will come."""


class Settings(pydantic.BaseModel):  # type: ignore[misc]  # a class like any other to checkers
    """A model that is proxied."""

    debug: bool


def refuse(number: int) -> object:
    raise AssertionError("nobody asked for an object")


# --- Flask


def answer(view: Callable[[], Any], *, debug: bool = False) -> tuple[int, str | None, str]:
    app = Flask(__name__)
    app.debug = debug
    app.testing = True
    app.add_url_rule("/", "view", view)
    response = app.test_client().get("/")
    return response.status_code, response.mimetype, response.get_data(as_text=True)


@pytest.mark.parametrize("debug", [False, True])
def test_flask(debug: bool) -> None:
    """A text is a text. A dictionary is one, and no iterator of its keys: what JSON's C code says of it is said."""
    assert answer(lambda: late("a text"), debug=debug) == (200, "text/html", "a text")
    config = late({"a": 1, "b": 2})
    status, kind, text = answer(lambda: dict(config), debug=debug)
    assert (status, kind, json.loads(text)) == (200, "application/json", {"a": 1, "b": 2})
    assert answer(lambda: control(config).get(), debug=debug)[2] == text
    if debug:  # indented, and so in Python
        assert answer(lambda: config, debug=debug)[2] == text
    else:
        with pytest.raises(TypeError, match="Object of type Proxy is not JSON serializable"):
            answer(lambda: config)


def test_flask_with_a_provider_that_knows_proxies() -> None:
    """As docs/forwarding.md has it."""
    app = Flask(__name__)
    provider: Any = app.json
    default = provider.default

    def known(obj: Any) -> Any:
        found: Any = obj
        return control(found).get() if isinstance(obj, Proxy) else default(obj)

    provider.default = known
    app.add_url_rule("/", "view", lambda: late({"a": late([1])}))
    assert app.test_client().get("/").get_json() == {"a": [1]}


# --- Jinja2


def test_jinja() -> None:
    """In an environment that awaits what can be awaited no proxy is; one that is not known yet is not, either."""

    class Request:
        path = "/here"

        def full(self) -> str:
            return f"full {self.path}"

    template = (
        "{{ config.a }} {{ config }} {% for each in each_of %}{{ each }};{% endfor %} {{ request.full() }} {{ add(2) }}"
    )
    given: dict[str, Any] = {"config": {"a": 1}, "each_of": [1, 2], "add": add_one}
    expected = "1 {'a': 1} 1;2; full /here 3"
    for enable_async in (False, True):
        environment = Environment(enable_async=enable_async, autoescape=False)
        for wrap in (late, made_by_a_function):
            stand_ins: dict[str, Any] = {name: wrap(value) for name, value in given.items()}
            compiled = environment.from_string(template)
            stand_ins["request"] = wrap(Request())
            if enable_async:
                assert asyncio.run(compiled.render_async(stand_ins)) == expected
            else:
                assert compiled.render(stand_ins) == expected


def add_one(number: int) -> int:
    return number + 1


def made_by_a_function(obj: object) -> Any:
    def make(number: int) -> object:
        return obj

    return late(fun=make)


# --- pydantic


def test_pydantic_validates_what_it_is() -> None:
    """Mappings, lists, numbers, and models; texts, bytes and some others are asked for their exact type."""

    class Model(pydantic.BaseModel):  # type: ignore[misc]
        mapping: dict[str, int]
        items: list[int]
        number: int
        ratio: float
        settings: Settings
        anything: Any

    config = late({"a": 1})
    model = Model(
        mapping=config,
        items=late([1, 2]),
        number=late(5),
        ratio=late(1.5),
        settings=late(Settings(debug=True)),
        anything=config,
    )
    assert type(model.mapping) is dict
    assert type(model.items) is list
    assert type(model.number) is int
    assert issubclass(type(model.settings), Proxy)
    expected = {"mapping": {"a": 1}, "items": [1, 2], "number": 5, "ratio": 1.5, "settings": {"debug": True}}
    assert model.model_dump() == {**expected, "anything": {"a": 1}}
    assert late(Settings(debug=True)).model_dump_json() == '{"debug":true}'
    with pytest.raises(ValueError, match="unknown type"):
        model.model_dump_json()  # of what was not validated it asks the exact type
    refused: list[tuple[Any, object]] = [(str, "text"), (bytes, b"bytes"), (Sequence[int], [1]), (Decimal, Decimal(1))]
    for kind, value in refused:
        adapter = pydantic.TypeAdapter(kind)
        with pytest.raises(pydantic.ValidationError, match="should be"):
            adapter.validate_python(late(value))
        assert adapter.validate_python(control(late(value)).get()) == value


def test_pydantic_models_with_a_proxy_in_them() -> None:
    """No object is made for them."""
    for front in (late(), late(fun=refuse)):

        class Model(pydantic.BaseModel):  # type: ignore[misc]
            known: ClassVar[Any] = front
            field: Any = front

        assert Model.known is Model.model_fields["field"].default is front


# --- FastAPI


def test_fastapi() -> None:
    """What a view returns is encoded as its object is, with a type to check or without; only a bare number is not."""
    app = fastapi.FastAPI()

    async def ask(path: str) -> Any:
        sent: list[Any] = []

        async def receive() -> Any:
            return {"type": "http.request", "body": b""}

        async def send(message: Any) -> None:
            sent.append(message)

        scope: dict[str, Any] = {
            "type": "http",
            "method": "GET",
            "path": path,
            "query_string": b"",
            "headers": [],
            "root_path": "",
        }
        await app({**scope, "http_version": "1.1", "scheme": "http", "raw_path": path.encode()}, receive, send)
        return sent[0]["status"], json.loads(sent[1]["body"])

    def view(path: str, value: Any, kind: Any) -> None:
        async def endpoint() -> Any:
            return value

        app.get(path, response_model=kind)(endpoint)

    values: dict[str, tuple[Any, Any]] = {
        "mapping": ({"a": 1}, dict[str, int]),
        "items": ([1, 2], list[int]),
        "model": (Settings(debug=True), Settings),
        "number": (5, int),
    }
    for name, (value, kind) in values.items():
        view(f"/{name}", late(value), None)
        view(f"/typed/{name}", late(value), kind)
    for name, (value, _) in values.items():
        expected = value.model_dump() if isinstance(value, Settings) else value
        assert asyncio.run(ask(f"/typed/{name}")) == (200, expected)
        if name != "number":
            assert asyncio.run(ask(f"/{name}")) == (200, expected)
    with pytest.raises(TypeError, match="not JSON serializable"):
        asyncio.run(ask("/number"))
