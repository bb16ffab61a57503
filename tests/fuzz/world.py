"""A world for each example: its clock stands still, maintenance is done when asked for; and what one asks there."""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import contextmanager
from html.parser import HTMLParser
from typing import Any

from ProxyPatternPool._runtime.environment import Environment
from ProxyPatternPool._scheduler.process import using_scheduler

from ..unit.clock import FakeScheduler, HandMovedClock

LARGEST = 1 << 22
"""Bytes of an answer, whatever the texts in it."""
LOCAL = {"REMOTE_ADDR": "127.0.0.1", "HTTP_HOST": "localhost", "REQUEST_METHOD": "GET", "PATH_INFO": "/"}


@contextmanager
def world() -> Generator[FakeScheduler, None, None]:
    with using_scheduler(
        FakeScheduler(Environment(clock=HandMovedClock(), wall_clock=lambda: 1.0, random=lambda: 0.5))
    ) as scheduler:
        yield scheduler
        scheduler.asides.clear()  # threads that answer other processes
        scheduler.run()


def raised_by(job: Callable[[], object]) -> type[BaseException] | None:
    """The class of what a job raises; not itself, since it may fail whoever reports it."""
    try:
        job()
    except Exception as error:
        return type(error)
    return None


class Answer:
    """What an application answers; that it is one a server can send is checked."""

    def __init__(self, app: Callable[..., Iterable[bytes]], environ: Mapping[str, Any]) -> None:
        begun: list[tuple[str, list[tuple[str, str]]]] = []

        def start_response(status: str, headers: list[tuple[str, str]], exc_info: object = None) -> None:
            assert exc_info is None
            begun.append((status, headers))

        body = app({"QUERY_STRING": "", **environ}, start_response)
        self.body = b"".join(body)
        [(status, headers)] = begun
        assert re.fullmatch(r"[1-5][0-9]{2} [A-Z -]+", status), status
        for name, value in headers:
            assert re.fullmatch(r"[A-Za-z-]+", name), name
            assert value.isprintable(), value
            assert value.isascii(), value
        self.status = int(status[:3])
        self.headers = dict(headers)
        assert len(self.headers) == len(headers)
        assert len(self.body) <= LARGEST
        if environ.get("REQUEST_METHOD", "GET") != "HEAD":
            assert int(self.headers["Content-Length"]) == len(self.body)
        else:
            assert self.body == b""

    @property
    def text(self) -> str:
        return self.body.decode()


class Page(HTMLParser):
    """What a browser sees: which elements there are, with which attributes, and the texts in them.

    The time of day, which is another each time, is left out.
    """

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, list[tuple[str, str | None]]]] = [("", [])]
        self.texts = [""]
        self._open: list[str] = []
        self.feed(html)
        self.close()
        assert not self._open, self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, [each for each in attrs if each[0] != "datetime"]))
        self.texts.append("")
        if tag not in ("meta", "link", "path"):
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, attrs))
        self.texts.append("")

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag
        self.elements.append((f"/{tag}", []))
        self.texts.append("")

    def handle_data(self, data: str) -> None:
        if self.elements[-1][0] != "time":
            self.texts[-1] += data

    def handle_comment(self, data: str) -> None:
        raise AssertionError(data)

    handle_pi = unknown_decl = handle_comment

    def inside(self, tag: str) -> list[str]:
        """The texts at the beginning of elements of a kind."""
        return [text for (name, _), text in zip(self.elements, self.texts, strict=True) if name == tag]
