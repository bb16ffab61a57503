"""Checkers accept what is right, and refuse what is wrong, in a project that has the wheel and nothing else of ours."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from .downstream import (
    CHECKERS,
    FIRST,
    HERE,
    MARKS,
    NEGATIVE,
    POSITIVE,
    PYTHON,
    SECONDS,
    SETTINGS,
    Place,
    Project,
    check,
    run,
)
from .faults import FAULTS, Fault
from .snippets import Snippet, snippets

pytestmark = pytest.mark.timeout(SECONDS + 20)

RUNS = [(name, version) for name, checker in CHECKERS.items() for version in checker.versions]


def _places(fault: Fault) -> set[Place]:
    """Where its lines are; of files that have marks, in the copies without them."""
    files = {name: name for name in POSITIVE} if fault.kind == "refused" else NEGATIVE
    found: dict[str, set[Place]] = {line: set() for line in fault.lines}
    for name, copy in files.items():
        lines = MARKS.sub("", (HERE / name).read_text(encoding="utf-8")).splitlines()
        for number, line in enumerate(lines, 1):
            found.get(line.strip(), set[Place]()).add(Place(copy, number))
    for line, places in found.items():
        assert places, f"there is no {line}"
    return set[Place]().union(*found.values())


def _marked(file: str) -> set[Place]:
    lines = (HERE / file).read_text(encoding="utf-8").splitlines()
    return {Place(file, number) for number, line in enumerate(lines, 1) if MARKS.search(line)}


def test_the_project_has_only_the_wheel(project: Project) -> None:
    """What checkers see of us is installed in the downstream environment, with what the wheel and its extras need."""
    code = (
        "import importlib.metadata, ProxyPatternPool\n"
        "print(ProxyPatternPool.__file__)\n"
        "print(*sorted(each.name for each in importlib.metadata.distributions()))\n"
    )
    verdict = run(PYTHON, "-I", "-c", code, cwd=project.root)
    file, names = verdict.text.splitlines()
    assert Path(file).is_relative_to(PYTHON.parents[1])
    assert Path(file).with_name("py.typed").exists()
    assert names == (
        "MarkupSafe ProxyPatternPool SQLAlchemy Werkzeug opentelemetry-api prometheus_client psycopg typing_extensions"
    )


@pytest.mark.parametrize(("name", "version"), RUNS)
def test_right_is_accepted_and_wrong_refused(project: Project, name: str, version: str) -> None:
    """What the checkers refuse is what is marked, not a line more or less, but for faults of theirs that are known."""
    files = CHECKERS[name].files
    expected = _marked("canary.py")
    for marked, wrong in NEGATIVE.items():
        if wrong in files:
            expected |= {replace(place, file=wrong) for place in _marked(marked)}
    if "snippets" in files:
        expected |= {place for snippet in snippets() for place in snippet.refused}
    for fault in FAULTS:
        if name in fault.checkers:
            # Who gets the marks reads there what he may overlook.
            expected ^= {place for place in _places(fault) if place.file in files}
    verdict = project.verdicts[name, version].result()
    assert verdict.about(verdict.places - expected) == "", "refused, and should not be"
    assert expected - verdict.places == set(), "accepted, and should not be"
    assert verdict.code == 1, verdict.text


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: f"{', '.join(fault.checkers)}: {fault.reason}")
def test_a_fault_is_the_checkers_own(fault: Fault, tmp_path: Path) -> None:
    """What a checker gets wrong it gets wrong without us, too; mypy and pyright, or one of them, do not."""
    assert "ProxyPatternPool" not in fault.reproduction
    (tmp_path / "fault.py").write_text(fault.reproduction, encoding="utf-8")
    (tmp_path / "pyrightconfig.json").write_text(SETTINGS, encoding="utf-8")
    last = {Place("fault.py", len(fault.reproduction.splitlines()))}
    right, wrong = (set[Place](), last) if fault.kind == "refused" else (last, set[Place]())
    for name, expected in {"mypy": right, "pyright": right, **dict.fromkeys(fault.checkers, wrong)}.items():
        verdict = check(CHECKERS[name], FIRST, ["fault.py"], tmp_path)
        assert verdict.places == expected, f"{name}: {verdict.text}"


@pytest.mark.parametrize(
    ("name", "many"), [("negative.py", 200), ("negative_async.py", 120), ("negative_databases.py", 40)]
)
def test_refusals_are_many_and_marked_for_both(name: str, many: int) -> None:
    """No such file is hollow, and no line of it is refused by one checker alone."""
    lines = (HERE / name).read_text(encoding="utf-8").splitlines()
    marked = [line for line in lines if ": ignore" in line]
    assert len(marked) >= many
    for line in marked:
        assert MARKS.search(line), line


# Each in an interpreter of its own: some import libraries, and leave things behind.
_RUNNER = """
import ast, asyncio, sys, warnings
warnings.filterwarnings("ignore", "\\nEventlet is deprecated")
file = sys.argv[1]
with open(file, encoding="utf-8") as stream:
    text = stream.read()
names = {"__name__": "user"}
sys.modules["user"] = type(sys)("user")
exec(compile(text, file, "exec"), names)
for each in ast.parse(text).body:
    # Functions that are about something, not for something, need nothing.
    if isinstance(each, ast.FunctionDef) and len(each.args.args) == len(each.args.defaults):
        names[each.name]()
        print(each.name)
    if isinstance(each, ast.AsyncFunctionDef) and not each.args.args:
        asyncio.run(names[each.name]())
        print(each.name)
"""


@pytest.mark.parametrize(
    ("name", "last"),
    [
        ("positive.py", "errors_have_their_places"),
        ("positive_async.py", "applications_are_wrapped"),
        ("positive_databases.py", "errors_are_the_drivers"),
    ],
)
def test_what_is_accepted_runs(name: str, last: str, project: Project) -> None:
    """The types say the truth: what checkers accept does not fail when it is run."""
    verdict = run(sys.executable, "-W", "error", "-c", _RUNNER, HERE / name, cwd=project.root)
    assert verdict.code == 0, verdict.text
    assert verdict.text.startswith("the_type_comes_from_the_factory\n"), verdict.text
    assert verdict.text.endswith(f"\n{last}\n"), verdict.text


@pytest.mark.parametrize("snippet", snippets(), ids=lambda snippet: snippet.file)
def test_what_is_documented_runs(snippet: Snippet, project: Project) -> None:
    """The code in the documentation does not fail when it is run, but for the lines that checkers refuse."""
    verdict = run(PYTHON, "-W", "error", "-c", snippet.runnable, cwd=project.root)
    assert verdict.code == 0, verdict.text
