"""The thread that answers other processes: when it begins, what it lasts through, when it ends."""

from __future__ import annotations

import _socket
import gc
import logging
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from ProxyPatternPool._status import server as server_module
from ProxyPatternPool._status.asking import ask
from ProxyPatternPool._status.directory import Directory
from ProxyPatternPool._status.server import Server

from ..unit.clock import FakeScheduler
from ..unit.helpers import DEADLINE, ROOT, Caller, eventually

pytestmark = pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="there are no unix sockets")


class Parrot:
    """Answers what it is asked; to nothing it says nothing, and some it does not like."""

    def answer(self, question: str) -> bytes | None:
        if question == "fail":
            raise ZeroDivisionError("nobody can know")
        return question.encode() or None


class Served:
    """A server whose thread is one of the test's."""

    def __init__(self, path: Path, scheduler: FakeScheduler) -> None:
        self.parrots = [Parrot()]
        self.directory = Directory(path)
        self.server = Server(self.directory, self.parrots[0])
        self.scheduler = scheduler
        self.thread = self.begin()

    def begin(self) -> Caller[None]:
        assert not self.scheduler.asides
        self.server.do()
        self.thread = Caller(self.scheduler.asides.popleft())
        return self.thread

    @property
    def there(self) -> bool:
        return self.directory.has(self.server.name)

    def says(self, question: str) -> bytes | None:
        return ask(self.directory, {self.server.name: question}, DEADLINE).get(self.server.name, b"(gone)")

    def end(self) -> None:
        self.server.close_at_exit()
        self.thread.result()


@pytest.fixture
def served(directory: Path, scheduler: FakeScheduler, monkeypatch: pytest.MonkeyPatch) -> Served:
    monkeypatch.setattr(server_module, "LOOK_AGAIN", 0.01)
    monkeypatch.setattr(server_module, "PATIENCE", DEADLINE)
    served = Served(directory, scheduler)
    eventually(lambda: served.there)
    return served


def test_it_answers(served: Served) -> None:
    """One after another; in the end nothing is left."""
    assert [served.says(question) for question in ("one", "two")] == [b"one", b"two"]
    assert served.says("") == b"(gone)"
    served.end()
    assert os.listdir(served.directory.path) == []


def test_one_thread(served: Served, scheduler: FakeScheduler) -> None:
    """There is never more than one, and none any more at the end."""
    served.server.do()
    assert not scheduler.asides
    served.end()
    served.server.do()
    assert not scheduler.asides


def no_thread(scheduler: FakeScheduler, name: str, job: Callable[[], None]) -> bool:
    return False


def test_no_thread(served: Served, scheduler: FakeScheduler, monkeypatch: pytest.MonkeyPatch) -> None:
    """If none can be had it is tried again."""
    other = Parrot()
    without = Server(served.directory, other)
    with monkeypatch.context() as patch:
        patch.setattr(FakeScheduler, "run_in_thread", no_thread)
        without.do()
    without.do()
    assert len(scheduler.asides) == 1
    scheduler.asides.clear()
    served.end()


def test_a_socket_that_is_removed(served: Served) -> None:
    """As by a program that clears directories of temporary files: it comes back, under the same name."""
    for _ in range(2):
        shutil.rmtree(served.directory.path)
        eventually(lambda: served.there)
        assert served.says("still there") == b"still there"
    served.end()


@pytest.mark.parametrize("question", [b"", b"x" * 101, b"half"])
def test_one_who_does_not_ask(served: Served, question: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever says nothing, or no end of it, gets no answer, and holds up others for a moment only."""
    monkeypatch.setattr(server_module, "PATIENCE", 0.02)
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(DEADLINE)
        connection.connect(served.directory.socket_of(served.server.name))
        connection.sendall(question)
        if not question:
            connection.shutdown(socket.SHUT_WR)
        assert connection.recv(10) == b""
    assert served.says("next") == b"next"
    served.end()


def test_what_it_answers_for_is_dropped(served: Served) -> None:
    """The thread does not keep it, and ends."""
    served.parrots.clear()
    gc.collect()
    served.thread.result()
    assert not served.there


def test_it_is_woken_at_the_end(directory: Path, scheduler: FakeScheduler) -> None:
    """Where the interpreter waits for its threads it does not wait for the next look."""
    served = Served(directory, scheduler)
    eventually(lambda: served.there)
    served.end()
    assert not served.there


class Heard(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


def test_what_goes_wrong(served: Served, scheduler: FakeScheduler) -> None:
    """It is logged, once until all is well again, and tried again later."""
    heard = Heard()
    log = logging.getLogger("ppp")
    log.addHandler(heard)
    try:
        for _ in range(2):
            os.chmod(served.directory.path, 0o755)
            os.unlink(served.directory.socket_of(served.server.name))
            served.thread.result()
            served.begin().result()
            served.server.run_chores()
            os.chmod(served.directory.path, 0o700)
            served.begin()
            eventually(lambda: served.there)
            assert served.says("well again") == b"well again"
    finally:
        log.removeHandler(heard)
    line = (
        "other processes do not see the pools of this one on the status page: "
        "PoolValueError: directory must not be open to others, as its mode 0755 is: chmod 700 "
    )
    assert [each.startswith(line) for each in heard.lines] == [True, True]
    served.end()


def test_an_answer_that_fails(served: Served, scheduler: FakeScheduler) -> None:
    """Then there is none, and the next is asked in another thread."""
    assert served.says("fail") in (None, b"(gone)")
    served.thread.result()
    assert not served.there
    served.begin()
    eventually(lambda: served.there)
    served.end()


def test_a_fork(served: Served) -> None:
    """A child closes what it has inherited, if there is anything, and begins under a name of its own."""
    served.end()
    names = {served.server.name}
    for inherited in (None, _socket.socket(socket.AF_UNIX)):
        vars(served.server)["_listening"] = inherited
        served.server.after_fork()
        names.add(served.server.name)
        assert inherited is None or inherited.fileno() == -1
        served.begin()
        eventually(lambda: served.there)
        assert served.says("child") == b"child"
        served.end()
    assert len(names) == 3


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system cannot fork")
def test_the_ends_of_processes(directory: Path) -> None:
    """They say nothing, and wait for nobody; no socket remains."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "tests.status.scripts.ends", str(directory)],
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
        cwd=ROOT,
    )
    assert (done.stdout, done.stderr, done.returncode) == ("child: 2\nparent: 1\n", "", 0)
    assert list(directory.iterdir()) == []
