"""An application that servers serve: it uses a proxy on a pool of two, and gives nothing back itself."""

from __future__ import annotations

import json
import logging
import threading
import time
import traceback
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias, get_args

from ProxyPatternPool import Scope, TimeOut, control, proxy, returning
from ProxyPatternPool.wsgi import ReturnMiddleware

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

SIZE = 2
PARTS = 4
"""Of a response that is streamed."""
LIFE = 50.0
"""Seconds after which a server ends that nobody has stopped."""
PATIENCE = 20.0
"""Seconds after which something that should have happened counts as never happening."""

Way: TypeAlias = Literal["nothing", "middleware", "with", "ret", "returning"]
WAYS: tuple[Way, ...] = get_args(Way)


class Listener(logging.Handler):
    """What the package says in its log."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []
        logging.getLogger("ppp").addHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


class Served(Protocol):
    """An application as the scripts see it that serve one."""

    wsgi: WSGIApplication
    pause: Callable[[float], object]
    stopped: threading.Event

    def close(self) -> None: ...


def ordered(what: str, *order: str) -> Served:
    """Make the application that the command line asks for: ``squares``, or ``transactions``, on PostgreSQL."""
    if what == "squares":
        return Application.ordered(*order)
    from .transactions import Transactions  # imported after the standard library was patched, if it was

    return Transactions.ordered(*order)


def scope_and_way(scope: str, way: str) -> tuple[Scope, Way]:
    """As the command line says."""
    return Scope[scope], next(known for known in WAYS if known == way)


@contextmanager
def using(db: object, way: Way) -> Generator[None]:
    """What there is to write around the use of a proxy: nothing, in most ways."""
    if way == "with":
        with control(db).obj():
            yield
    elif way == "ret":
        try:
            yield
        finally:
            control(db).ret()
    else:
        yield


def wrapped(answer: WSGIApplication, db: object, way: Way) -> WSGIApplication:
    """What there is to write around the application: nothing, in most ways."""
    if way == "middleware":
        return ReturnMiddleware(answer, db)
    return returning(db)(answer) if way == "returning" else answer


class Desk:
    """An object that notices when two requests use it at once."""

    def __init__(self, number: int) -> None:
        self.number = number
        self._request: str | None = None

    def begin(self, request: str) -> None:
        assert self._request is None, f"{request} found {self._request} at desk {self.number}"
        self._request = request

    def square(self, request: str, number: int) -> int:
        assert self._request == request, f"{request} found {self._request} at desk {self.number}"
        return number * number

    def end(self, request: str) -> None:
        assert self._request == request, f"{request} found {self._request} at desk {self.number}"
        self._request = None

    def tidy(self) -> None:
        """Forget a request that was cancelled in the middle."""
        self._request = None


class Office:
    """A factory that keeps books: to have more desks than places is an error at once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._desks: set[Desk] = set()

    @property
    def alive(self) -> int:
        return len(self._desks)

    def furnish(self, number: int) -> Desk:
        desk = Desk(number)
        with self._lock:
            assert self.alive < SIZE, "more objects than places"
            self._desks.add(desk)
        return desk

    def clear(self, desk: Desk) -> None:
        with self._lock:
            self._desks.remove(desk)  # a KeyError if it was closed before


class Farewell:
    """The last answer of a server: only when it is sent is somebody told."""

    def __init__(self, text: bytes, sent: Callable[[], None]) -> None:
        self._text = text
        self.close = sent  # called by the server after the last part, as WSGI has it

    def __iter__(self) -> Iterator[bytes]:
        return iter([self._text])


class Application:
    """``/square/7`` answers 49, ``/stream/7`` in several parts; ``/stats``, ``/log`` and ``/stop`` are the test's."""

    def __init__(self, scope: Scope, way: Way, timeout: float, meeting: int) -> None:
        self.log = Listener()
        self.office = Office()
        self.db: Desk = proxy(
            fun=self.office.furnish, scope=scope, max_size=SIZE, timeout=timeout, closer=self.office.clear
        )
        self.way: Way = way
        self.pause: Callable[[float], object] = time.sleep
        self.stopped = threading.Event()
        self._meeting = threading.Barrier(meeting)
        self.wsgi: WSGIApplication = wrapped(self.answer, self.db, way)

    @classmethod
    def ordered(cls, scope: str, way: str, timeout: str, meeting: str) -> Application:
        """As the command line says."""
        return cls(*scope_and_way(scope, way), float(timeout), int(meeting))

    def answer(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        _, what, *rest = environ["PATH_INFO"].split("/")
        try:
            if what == "stream":
                parts: Iterable[bytes] = self._stream(int(rest[0]))
                headers = [("Content-Type", "text/plain")]
            else:
                text = self._text(what, rest).encode()
                parts = Farewell(text, self.stopped.set) if what == "stop" else [text]
                headers = [("Content-Type", "text/plain"), ("Content-Length", str(len(text)))]
            status = "200 OK"
        except Exception as error:
            text = "".join(traceback.format_exception(error)).encode()
            parts, headers = [text], [("Content-Type", "text/plain"), ("Content-Length", str(len(text)))]
            status = "503 Service Unavailable" if isinstance(error, TimeOut) else "500 Internal Server Error"
        start_response(status, headers)
        return parts

    def _text(self, what: str, rest: list[str]) -> str:
        if what == "stats":
            return json.dumps(self.stats())
        if what == "log":
            return "\n".join(self.log.lines)
        if what == "stop":
            return "stopped"
        if what == "meet":  # as many requests as meet are all being answered at once
            self._meeting.wait(PATIENCE)
        return str(self.square(int(rest[0])))

    def square(self, number: int) -> int:
        """Do what a request is about."""
        request = f"square {number}"
        with using(self.db, self.way):
            self.db.begin(request)
            self.pause(0.0005)
            square = self.db.square(request, number)
            self.db.end(request)
        return square

    def _stream(self, number: int) -> Iterator[bytes]:
        request = f"stream {number}"
        with using(self.db, self.way):
            self.db.begin(request)
            text = str(self.db.square(request, number)).rjust(PARTS).encode()
            for part in range(PARTS):
                self.pause(0.0001)
                self.db.square(request, part)
                yield text[part : part + 1] if part < PARTS - 1 else text[part:]
            self.db.end(request)

    def stats(self) -> dict[str, int]:
        pool = control(self.db).pool
        assert pool is not None
        stats = pool.stats()
        return {
            "idle": stats["navail"],
            "in use": stats["nusing"],
            "waiting": stats["nwaiting"],
            "objects": stats["nobjs"],
            "alive": self.office.alive,
        }

    def close(self) -> None:
        """Close the pool: it must have no object left."""
        pool = control(self.db).pool
        assert pool is not None
        pool.shutdown(PATIENCE)
        assert self.office.alive == 0, f"{self.office.alive} objects were not closed"
