"""Where docs/house.md does not fit the sources, ``make check`` says so."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from tools.house.__main__ import differences
from tools.house.sources import SourceError

from .helpers import ROOT

SOURCES = "src/ProxyPatternPool"
ROOMS, LOAN, PAGE, DECISIONS = "docs/rooms.svg", "docs/loan.svg", "docs/house.md", "docs/decisions.md"
WRITTEN = {ROOMS, LOAN, PAGE}


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what is written, of what it is written from, and of what writes it; up to date."""
    tree = tmp_path_factory.mktemp("pristine")
    for folder in ("src", "tools", "docs"):
        shutil.copytree(ROOT / folder, tree / folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tree)
    (tree / "tests").symlink_to(ROOT / "tests")
    differences(tree, write=True)
    return tree


@pytest.fixture
def tree(pristine: Path, tmp_path: Path) -> Path:
    """The same for one test, to be changed."""
    return shutil.copytree(pristine, tmp_path / "tree", symlinks=True)


def change(tree: Path, file: str, old: str, new: str) -> None:
    """Change a text that is in the file, where it is first."""
    text = (tree / file).read_text(encoding="utf-8")
    assert old in text
    (tree / file).write_text(text.replace(old, new, 1), encoding="utf-8")


def files_that_differ(tree: Path) -> set[str]:
    """Check, and give the files of which a difference is shown."""
    return {line.removeprefix("--- ").strip() for line in differences(tree) if line.startswith("--- ")}


def test_the_command_fails_and_says_what_to_do(tree: Path) -> None:
    """The check writes nothing, names the file, and says how to write it; once that is done it is content."""
    change(tree, "pyproject.toml", '  "_pool | _scope",\n', '  "_pool",\n  "_scope",\n')
    before = (tree / ROOMS).read_bytes()
    command = [sys.executable, "-m", "tools.house"]
    check = subprocess.run([*command, "--check"], cwd=tree, capture_output=True, text=True, check=False)
    assert (check.returncode, (tree / ROOMS).read_bytes()) == (1, before)
    assert f"--- {ROOMS}" in check.stdout
    assert "make generate" in check.stderr
    subprocess.run(command, cwd=tree, stdout=subprocess.DEVNULL, check=True)
    assert (tree / ROOMS).read_bytes() != before
    assert files_that_differ(tree) == set()


@pytest.mark.parametrize(
    ("file", "old", "new", "differ"),
    [
        ("pyproject.toml", '  "_pool | _scope",\n', '  "_pool",\n  "_scope",\n', {ROOMS}),
        ("pyproject.toml", '  "loans | operations",\n', '  "operations",\n  "loans",\n', {ROOMS, PAGE}),
        ("pyproject.toml", '  "waits",\n', "", {ROOMS, PAGE}),
        (f"{SOURCES}/_config.py", '"""', '"""Said again: ', {ROOMS, PAGE}),
        (f"{SOURCES}/_engine/steps.py", '"""', '"""Said again: ', {PAGE}),
        (
            f"{SOURCES}/_hooks.py",
            "\nfrom ._awaitables import",
            "\nfrom . import _text\nfrom ._awaitables import",
            {ROOMS},
        ),
        (LOAN, "in use", "lent", {LOAN}),
        (PAGE, "| `_ledger` |", "| `_book` |", {PAGE}),
    ],
)
def test_a_change_is_found(file: str, old: str, new: str, differ: set[str], tree: Path) -> None:
    """A contract, a docstring, an import, or what was written, changed alone: the check shows what does not fit."""
    change(tree, file, old, new)
    if file == "pyproject.toml" and "waits" in old:  # of a module that no contract names the picture knows nothing
        change(tree, "tools/house/loan.py", "_wait", "_queue")
        with pytest.raises(SourceError, match=r"there is no _engine/waits\.py: Waits\._wait"):
            differences(tree)
        return
    assert files_that_differ(tree) == differ


def test_sizes_may_be_wrong_by_a_tenth(tree: Path) -> None:
    """A change of some lines fails no check; one of many does."""
    before = (tree / PAGE).read_text(encoding="utf-8")
    with (tree / SOURCES / "_engine/steps.py").open("a", encoding="utf-8") as file:
        file.write("# one\n" * 20)
    assert files_that_differ(tree) == set()
    with (tree / SOURCES / "_engine/steps.py").open("a", encoding="utf-8") as file:
        file.write("# more\n" * 1000)
    assert files_that_differ(tree) == {PAGE}
    differences(tree, write=True)
    assert (tree / PAGE).read_text(encoding="utf-8") != before
    assert "`steps` (1" in (tree / PAGE).read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("file", "old", "new", "said"),
    [
        (f"{SOURCES}/_ledger/sweeps.py", "def sweep(", "def find(", "there is no _ledger/sweeps.py: Sweeps.sweep"),
        (f"{SOURCES}/_ledger/sweeps.py", "def _expire_idle(", "def _age(", f"{PAGE} names .* _ledger/sweeps.py"),
        (f"{SOURCES}/_scheduler/scheduler.py", "class Scheduler", "class Plan", "there is no _scheduler/scheduler.py"),
        (PAGE, "`Places.retire`", "`Places.abolish`", f"{PAGE} names what does not exist: Places.abolish"),
        (DECISIONS, "`shelves.py`", "`shelf.py`", f"{DECISIONS} names what does not exist: shelf.py"),
        (PAGE, "<!-- written by tools/house: the modules", "<!-- the modules", "there is no place for the modules"),
        ("pyproject.toml", '  "waits",\n', '  "queues",\n', "names queues, and there is no"),
    ],
)
def test_what_does_not_exist_is_an_error(file: str, old: str, new: str, said: str, tree: Path) -> None:
    """Steps of a loan, files and functions that the pages name, and places to write to have to be there."""
    change(tree, file, old, new)
    before = {each: (tree / each).read_bytes() for each in WRITTEN}
    with pytest.raises(SourceError, match=said):
        differences(tree, write=True)
    assert {each: (tree / each).read_bytes() for each in WRITTEN} == before


def test_a_module_says_what_it_is_for(tree: Path) -> None:
    """Without a docstring a module has no place in the list."""
    path = tree / SOURCES / "_ledger/policy.py"
    path.write_text(re.sub(r'\A""".*?"""\n', "", path.read_text(encoding="utf-8"), flags=re.DOTALL), encoding="utf-8")
    with pytest.raises(SourceError, match="no docstring"):
        differences(tree)


@pytest.mark.parametrize("picture", [ROOMS, LOAN])
def test_nothing_is_drawn_outside_a_picture(picture: str) -> None:
    """The pictures are SVG, and what is in them is within their bounds."""
    root = ET.fromstring((ROOT / picture).read_text(encoding="utf-8"))
    width, height = float(root.attrib["width"]), float(root.attrib["height"])
    for each in root.iter():
        if "x" in each.attrib:
            size = [float(each.attrib.get(name, "0")) for name in ("x", "y", "width", "height")]
            assert 0 <= size[0] <= size[0] + size[2] <= width
            assert 0 <= size[1] <= size[1] + size[3] <= height
