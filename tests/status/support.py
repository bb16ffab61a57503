"""What the tests of the application share: a client, and what it gets."""

from __future__ import annotations

import json
from typing import cast

from werkzeug.test import Client, TestResponse

from ProxyPatternPool.status import StatusData

LOCAL = {"REMOTE_ADDR": "127.0.0.1", "HTTP_HOST": "localhost"}
SECRET = "hunter2"


class Shy:
    """An object that is not to be asked for its text."""

    def __init__(self, number: int) -> None:
        self.number = number

    def __repr__(self) -> str:
        raise AssertionError("asked for its text")


def ask(app: object, path: str = "/", method: str = "GET", **environ: str) -> TestResponse:
    return Client(app).open(path, method=method, environ_overrides={**LOCAL, **environ})  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # any application


def data_of(app: object) -> StatusData:
    answer = ask(app, "/?format=json")
    assert (answer.status_code, answer.mimetype) == (200, "application/json")
    return cast(StatusData, json.loads(answer.get_data(as_text=True)))


def page_of(app: object) -> str:
    answer = ask(app)
    assert (answer.status_code, answer.content_type) == (200, "text/html; charset=utf-8")
    return answer.get_data(as_text=True)


class Broken(Exception):
    pass


def fails(number: int) -> Shy:
    raise Broken(f"cannot connect to postgresql://bob:{SECRET}@db/app")
