"""One page for all processes that share a directory: here several pages of one process, and sockets of ours."""

from __future__ import annotations

import _socket
import json
import os
import re
import socket
import threading
import zlib
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import cast

import pytest

from ProxyPatternPool import Pool, PoolValueError
from ProxyPatternPool._status import asking, processes, server
from ProxyPatternPool._status.asking import ask as ask_processes
from ProxyPatternPool._status.data import CallerData, ErrorData, ObjectData, PoolData, PoolSummary, SampleData
from ProxyPatternPool._status.directory import LONGEST, Directory
from ProxyPatternPool._status.overview import MOST_IN_LINE
from ProxyPatternPool._status.processes import FORMAT, MOST_PROCESSES, Processes
from ProxyPatternPool.status import StatusData, status_app

from ..unit.helpers import DEADLINE, eventually
from .support import Shy, ask, data_of, page_of

pytestmark = pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="there are no unix sockets")

NAME = "1-00000000000{}"


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that is busy makes nobody seem to hang."""
    monkeypatch.setattr(processes, "PATIENCE", DEADLINE)
    monkeypatch.setattr(server, "PATIENCE", DEADLINE)


@pytest.fixture
def others(directory: Path) -> Generator[Others]:
    with Others(directory).listening() as others:
        yield others


class Others:
    """Processes that do as the test says."""

    def __init__(self, directory: Path) -> None:
        self.directory = Directory(directory)
        self._stack = ExitStack()
        self._number = 0

    @contextmanager
    def listening(self) -> Generator[Others]:
        with self._stack:
            yield self

    def listens(self, backlog: int = 5) -> tuple[str, socket.socket]:
        """One that listens, and never answers."""
        name = NAME.format(self._number)
        self._number += 1
        listener = self._stack.enter_context(socket.socket(socket.AF_UNIX))
        listener.bind(self.directory.socket_of(name))
        listener.listen(backlog)
        return name, listener

    def says(self, *parts: bytes, end: bool = True) -> str:
        """One that answers this to the first who asks."""
        name, listener = self.listens()

        def answer() -> None:
            connection, _ = listener.accept()
            connection.settimeout(DEADLINE)
            with connection, suppress(OSError):
                connection.recv(100)
                for part in parts:
                    connection.sendall(part)
                if not end:
                    connection.recv(100)  # until he who asks gives up

        thread = threading.Thread(target=answer)
        thread.start()
        self._stack.callback(thread.join, DEADLINE)
        return name

    def has_ended(self) -> str:
        """One that has been killed: its socket is still there."""
        name, listener = self.listens()
        listener.close()
        return name


def shown(data: StatusData) -> list[tuple[str, str]]:
    return [(each["id"], each["state"]) for each in data["processes"]]


def asked(app: object, process: str) -> StatusData:
    return cast(StatusData, json.loads(ask(app, f"/?format=json&process={process}").get_data(as_text=True)))


def serving(directory: Path, *pools: Pool[Shy]) -> object:
    """A page that other processes can ask."""
    app = status_app(*pools, directory=directory)
    own = data_of(app)["id"]
    eventually(lambda: (directory / f"{own}.sock").exists())
    return app


# --- What one sees. ------------------------------------------------------------------------------------


def test_all_in_a_list(directory: Path) -> None:
    """Each has a line with the main numbers of its pools, and can be shown in full."""
    one, two = Pool(Shy, 4, name="db"), Pool(Shy, 3, name="db", tracer=lambda shy: f"<shy {shy.number}>")
    with one, two, two.obj(), two.obj():
        here, there = serving(directory, one), serving(directory, two)
        own, other = data_of(here), data_of(there)
        assert own["process"] == own["answered_by"] == os.getpid()
        assert own["problem"] is None
        assert shown(own) == shown(other) == sorted([(own["id"], "answers"), (other["id"], "answers")])
        lines = {each["id"]: each["pools"] for each in own["processes"]}
        assert lines[other["id"]] == [
            {
                "name": "db",
                "state": "open",
                "exists": True,
                "in_use": 2,
                "idle": 0,
                "waiting": 0,
                "max_size": 3,
                "stale": 0,
                "overdue": 0,
                "retry_in": 0.0,
            }
        ]
        there_from_here = asked(here, other["id"])
        assert there_from_here["id"] == other["id"]
        assert there_from_here["pools"][0]["objects"][0]["object"].startswith("<shy ")
        assert there_from_here["processes"] == own["processes"]
        page = page_of(here)
        assert '<th scope="row">all 2</th><td><ul><li><bdi>db</bdi> <span>2 / 7</span></li></ul></td>' in page
        assert f'<a id="process-{own["id"]}" href="?process={own["id"]}" aria-current="page">{os.getpid()}</a>' in page
        assert f'<a id="process-{other["id"]}" href="?process={other["id"]}">{os.getpid()}</a>' in page
        other_page = ask(here, f"/?process={other['id']}").get_data(as_text=True)
        assert "&lt;shy 0&gt;" in other_page
        assert "<shy" not in other_page


def test_by_its_number(directory: Path, others: Others) -> None:
    """That is enough, unless two containers have the same."""
    app = serving(directory)
    name = others.says(json.dumps({"format": FORMAT, "pools": []}).encode())
    data = asked(app, "1")
    assert (data["process"], data["id"], data["problem"]) == (1, name, None)
    assert data["answered_by"] == os.getpid()


def test_it_stays(directory: Path) -> None:
    """Whoever answers the next request: script, reload and links ask for the same process."""
    app = serving(directory)
    own = data_of(app)["id"]
    page = page_of(app)
    assert f'data-process="{own}"' in page
    assert f'<meta http-equiv="refresh" content="5; url=?process={own}">' in page
    assert f'<a href="?process={own}&amp;refresh=0">Pause</a>' in page
    again = ask(app, f"/?process={own}").get_data(as_text=True)
    assert '<meta http-equiv="refresh" content="5">' in again
    still = ask(app, f"/?process={own}&refresh=0").get_data(as_text=True)
    assert f'<a href="?process={own}">Go on</a>' in still


def test_one_alone(directory: Path) -> None:
    """A single process has no sum."""
    page = page_of(serving(directory))
    assert '<th scope="row">all' not in page
    assert '<span class="none">No pools.</span>' in page


def test_what_is_wrong_elsewhere(directory: Path) -> None:
    """A line says it in words, as links to pools do; there is no sum of what is closed, or is not there."""
    closed, unlimited, bounded = Pool(Shy, 2, name="closed"), Pool(Shy, 0, name="db"), Pool(Shy, 2, name="db")
    closed.close()
    with unlimited, bounded:
        app, other = serving(directory, closed, unlimited), serving(directory, bounded)
        page = page_of(app)
        assert '<li><bdi>closed</bdi> <span>0 / 2</span> <strong class="alarm">closed</strong></li>' in page
        assert page.count("<li><bdi>db</bdi> <span>0 in use</span></li>") == 2  # its own, and the sum
        assert "<li><bdi>db</bdi> <span>0 / 2</span></li>" in page
        assert data_of(other)["pools"][0]["max_size"] == 2


def test_many_pools_elsewhere(directory: Path) -> None:
    """In a line there are only the first of them."""
    pools = [Pool(Shy, 1, 0, name=f"<{number}>") for number in range(MOST_IN_LINE + 1)]
    page = page_of(serving(directory, *pools))
    assert page.count("<li><bdi>&lt;") == MOST_IN_LINE
    assert page.count("<li>and 1 more</li>") == 1


def test_one_that_has_ended(directory: Path, others: Others) -> None:
    """It is not in the list any more, and whoever has its page is told; its socket is removed."""
    app, name = serving(directory), others.has_ended()
    assert [each for each, _ in shown(asked(app, name))] == [data_of(app)["id"]]
    assert not others.directory.has(name)
    answer = ask(app, f"/?format=json&process={name}")
    assert answer.status_code == 404
    assert json.loads(answer.get_data())["problem"] == "has ended"
    answer = ask(app, f"/?format=fragment&process={name}")
    assert answer.status_code == 200
    assert b"<p>Process 1 has ended.</p>" in answer.data
    assert f"Process 1, asked by process {os.getpid()}," in answer.get_data(as_text=True)


def test_one_that_does_not_answer(directory: Path, others: Others, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is stopped, or hangs: the page waits no longer than it has to, and says so."""
    monkeypatch.setattr(processes, "PATIENCE", 0.02)
    app = serving(directory)
    name, _ = others.listens()
    full, listener = others.listens(0)
    with ExitStack() as stack:
        for _ in range(2):  # no more find room
            waiting = stack.enter_context(socket.socket(socket.AF_UNIX))
            waiting.setblocking(False)
            with suppress(BlockingIOError):
                waiting.connect(listener.getsockname())
        data = asked(app, name)
    assert data["problem"] == "does not answer within 2 s: it is stopped, or too busy"
    assert shown(data)[:2] == [(name, "does not answer"), (full, "does not answer")]
    assert '<td><strong class="alarm">does not answer</strong></td>' in page_of(app)


@pytest.mark.parametrize("answer", [b"\xff", b"[]", b"7", b"{}", b'{"format": 0, "pools": []}', b"[" * 100_000])
def test_one_of_another_version(directory: Path, others: Others, answer: bytes) -> None:
    """What is not understood is not shown."""
    app, name = serving(directory), others.says(answer)
    data = asked(app, name)
    assert (name, "another version") in shown(data)
    assert data["problem"] == "runs another version of this package: restart it to see it here"


def test_many_processes(directory: Path) -> None:
    """Those that are shown are bounded, for each of them is asked."""
    directory.mkdir(0o700)
    for number in range(MOST_PROCESSES + 5):
        with socket.socket(socket.AF_UNIX) as dead:
            dead.bind(Directory(directory).socket_of(f"{number}-000000000000"))
    app = status_app(directory=directory)
    data_of(app)
    assert len(list(directory.glob("[0-9]*-000000000000.sock"))) == 6


@pytest.mark.parametrize("process", ["../etc", "", "1-2", "99999999999", "x"])
def test_no_process_at_all(directory: Path, process: str) -> None:
    """What is asked for is never used as a path."""
    assert ask(status_app(directory=directory), f"/?process={process}").status_code == 404


def test_without_a_directory() -> None:
    """There are no others, and nothing in the page has changed."""
    app = status_app()
    assert ask(app, "/?process=1").status_code == 404
    data = data_of(app)
    assert (data["id"], data["processes"], data["process"]) == ("", [], os.getpid())
    assert "data-process" not in page_of(app)
    assert "<table" not in page_of(app)


def test_the_format_of_answers() -> None:
    """It has another number whenever something in them has another name: at an update old processes meet new ones."""
    types = (PoolSummary, PoolData, ObjectData, CallerData, ErrorData, SampleData)
    keys = [key for each in types for key in sorted(each.__annotations__)]
    assert (FORMAT, zlib.crc32(" ".join(keys).encode())) == (1, 4202658659)


# --- Asking. -------------------------------------------------------------------------------------------


def told(others: Others, name: str, seconds: float = DEADLINE) -> dict[str, bytes | None]:
    return ask_processes(others.directory, {name: "line"}, seconds)


def test_an_answer_in_parts(others: Others) -> None:
    parts = [b"1" * 100_000, b"2" * 100_000]
    name = others.says(*parts)
    assert told(others, name) == {name: b"".join(parts)}


def test_an_answer_that_is_too_long(others: Others, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "MOST", 10)
    name = others.says(b"1" * 100, end=False)
    assert told(others, name) == {name: None}


def test_an_answer_that_comes_late(others: Others) -> None:
    name = others.says(b"{", end=False)
    assert told(others, name, 0.02) == {name: None}


def test_no_answer(others: Others) -> None:
    """A page that is dropped at this moment."""
    assert told(others, others.says()) == {}


def test_one_that_is_gone(others: Others) -> None:
    assert told(others, NAME.format(7)) == {}


# --- The directory. ------------------------------------------------------------------------------------


def test_it_is_made(directory: Path) -> None:
    status_app(directory=directory)
    assert directory.stat().st_mode & 0o7777 == 0o700
    status_app(directory=str(directory))  # once more


def test_a_relative_path(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Servers go elsewhere."""
    monkeypatch.chdir(directory.parent)
    assert Directory(directory.name).path == str(directory)


def refused(path: Path, message: str) -> None:
    with pytest.raises(PoolValueError, match=re.escape(message)):
        status_app(directory=path)


def test_one_that_others_may_enter(directory: Path) -> None:
    directory.mkdir()
    directory.chmod(0o750)
    refused(directory, f"directory must not be open to others, as its mode 0750 is: chmod 700 {directory}")
    directory.chmod(0o700)
    status_app(directory=directory)


def test_a_symbolic_link(directory: Path) -> None:
    to = directory.with_name("to")
    to.mkdir(0o700)
    directory.symlink_to(to)
    refused(directory, f"directory must not be a symbolic link: {directory}; give where it leads: {to.resolve()}")


def test_a_file(directory: Path) -> None:
    directory.touch()
    refused(directory, f"directory must be one, or not exist yet: {directory}")


def test_one_of_somebody_else(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    directory.mkdir(0o700)
    owner = directory.stat().st_uid
    monkeypatch.setattr(os, "geteuid", lambda: owner + 1)
    refused(directory, f"directory must belong to the user who runs this process, {owner + 1}, not to {owner}: ")


def test_one_whose_path_is_too_long(directory: Path) -> None:
    """Said when the page is made, before there is any socket."""
    longest = directory.with_name("x" * (LONGEST - len("/4194304-0123456789ab.sock.new") - len(f"{directory.parent}/")))
    too_long = longest.with_name(longest.name + "x")
    refused(
        too_long, f"directory must be shorter by 1 bytes: the path of a unix socket has at most {LONGEST}: {too_long}"
    )
    assert not too_long.exists()
    serving(longest)


def test_one_that_cannot_be_made(directory: Path) -> None:
    with pytest.raises(FileNotFoundError):
        status_app(directory=directory / "deeper")
    with pytest.raises(TypeError):
        status_app(directory=7)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # what is tested


def test_a_system_without_unix_sockets(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(_socket, "AF_UNIX")
    refused(directory, "directory must be left out on this system, which has no unix sockets")


def test_a_directory_that_is_gone(directory: Path) -> None:
    """Then there are no others."""
    here = Directory(directory)
    directory.rmdir()
    assert here.names() == []


def test_a_name_for_a_socket_of_which_there_is_one(directory: Path) -> None:
    """If it cannot have its name nothing is left behind."""
    here = Directory(directory)
    os.mkdir(here.socket_of(NAME.format(0)))
    with socket.socket(socket.AF_UNIX) as listener, pytest.raises(IsADirectoryError):
        here.place(NAME.format(0), listener)
    assert [each.name for each in directory.iterdir()] == [NAME.format(0) + ".sock"]


def test_questions(directory: Path) -> None:
    """There are two; to others there is no answer."""
    app = status_app(Pool(Shy, name="db"), directory=directory)
    [page] = (each for each in vars(app).values() if isinstance(each, Processes))
    answer: Callable[[str], object] = lambda question: json.loads(page.answer(question) or b"null")  # noqa: E731
    assert answer("eval") is None
    line, full = cast("list[dict[str, list[dict[str, object]]]]", [answer("line"), answer("page")])
    assert line["pools"][0].items() <= full["pools"][0].items()
