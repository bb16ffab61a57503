"""Parameters are defined in one place: what follows from it is written everywhere, and a difference is found."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tools.generate import PlaceError, differences

from .helpers import ROOT

SOURCES = "src/ProxyPatternPool"
POOL, PROXY, FUNCTION = f"{SOURCES}/_pool/pool.py", f"{SOURCES}/_proxy/proxy.py", f"{SOURCES}/_proxy/typed.py"
TYPED, HOOKS, CONFIG = f"{SOURCES}/_proxy/parameters.py", f"{SOURCES}/_hooks.py", f"{SOURCES}/_config.py"
ASYNC, FOR_ASYNC = f"{SOURCES}/_pool/async_pool.py", f"{SOURCES}/_pool/parameters.py"
PAGE, MIGRATION = "docs/parameters.md", "docs/migration.md"
FILES = {POOL, ASYNC, FOR_ASYNC, PROXY, FUNCTION, TYPED, HOOKS, CONFIG, PAGE, MIGRATION}
ALL_TYPED = {TYPED, FOR_ASYNC}

SIGNATURES = {POOL, ASYNC, PROXY, FUNCTION}


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of what is generated, of what it is generated from, and of what does it."""
    shutil.copytree(ROOT / "tools", tmp_path / "tools")
    for file in FILES:
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / file, tmp_path / file)
    return tmp_path


def generate(tree: Path, *options: str) -> tuple[int, str]:
    """Run the generator: its exit code, and what it says."""
    command = [sys.executable, "-m", "tools.generate", *options]
    done = subprocess.run(
        command, cwd=tree, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8", check=False
    )
    return done.returncode, done.stdout


def change(tree: Path, file: str, old: str, new: str) -> None:
    """Change a text that is in the file, where it is first."""
    text = (tree / file).read_text(encoding="utf-8")
    assert old in text
    (tree / file).write_text(text.replace(old, new, 1), encoding="utf-8")


def complained_of(said: str) -> set[str]:
    """The files of which a difference is shown."""
    return {line.removeprefix("--- ") for line in said.splitlines() if line.startswith("--- ")}


def test_all_is_generated(tree: Path) -> None:
    """Everything is as it is defined, so that nothing is said, and nothing is written."""
    assert generate(tree, "--check") == (0, "")
    assert generate(tree) == (0, "")
    for file in FILES:
        assert (tree / file).read_bytes() == (ROOT / file).read_bytes()


CHANGES = {
    "a default": ('default="(0.05, 5.0)"', 'default="(0.5, 5.0)"', {*SIGNATURES, PAGE}),
    "a type": ('"tuple[float, float] | None"', '"tuple[float, float]"', {*SIGNATURES, *ALL_TYPED}),
    "a text": ("Check health once in this many", "Check once in this many", {*SIGNATURES, *ALL_TYPED, PAGE}),
    "a longer text": ("Each object gets a random lifetime", "Each has a lifetime", {*SIGNATURES, *ALL_TYPED, PAGE}),
    "a text of a proxy": ("One object for all", "An object for all", {PROXY, FUNCTION, PAGE}),
    "a default of a proxy": ('default="Scope.AUTO"', 'default="Scope.THREAD"', {PROXY, FUNCTION, PAGE}),
    "the type of a hook": ('returns="bool"', 'returns="object"', {*SIGNATURES, TYPED, HOOKS}),
    "the protocol of a hook": ('"HealthCheck",', '"Doctor",', {*SIGNATURES, *ALL_TYPED, HOOKS, PAGE}),
    "the name of a hook": ('hook("opener"', 'hook("opened"', {*SIGNATURES, *ALL_TYPED, HOOKS, PAGE}),
    "a name": ('"max_lifetime"', '"max_life"', {*FILES} - {HOOKS}),
    "the order": ('    "max_use",\n    "max_avail_delay",', '    "max_avail_delay",\n    "max_use",', {POOL, PAGE}),
    "the order of a proxy's": ('"set_name", "scope"', '"scope", "set_name"', {PROXY, FUNCTION}),
    "the order of an AsyncPool's": ('"min_size", "timeout")', '"timeout", "min_size")', {ASYNC}),
    "what is there for old code": ('("delay", "log_level")', '("delay", "log_level", "max_use")', {ASYNC, FOR_ASYNC}),
    "what is never awaited": ('("stats", "tracer")', '("stats", "tracer", "opener")', {ASYNC, FOR_ASYNC}),
    "the type of what may be awaited": (
        "bool | Awaitable[bool]",
        "Awaitable[bool]",
        {ASYNC, FOR_ASYNC, PROXY, FUNCTION},
    ),
    "what makes a pool": ("needs_pool=True", "needs_pool=False", {TYPED, PAGE, MIGRATION}),
}


@pytest.mark.parametrize("what", CHANGES)
def test_a_change_of_the_definition_alone_is_found(what: str, tree: Path) -> None:
    """The check fails, names the files and how to write them; once they are written it is content."""
    old, new, files = CHANGES[what]
    change(tree, "tools/parameters.py", old, new)
    if what == "the name of a hook":
        change(tree, "tools/parameters.py", '    "opener",', '    "opened",')
    code, said = generate(tree, "--check")
    assert code == 1
    assert complained_of(said) == files
    assert "make generate" in said
    for file in FILES:
        assert (tree / file).read_bytes() == (ROOT / file).read_bytes()  # a check writes nothing
    assert generate(tree)[0] == 0
    assert generate(tree, "--check") == (0, "")


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        (POOL, "        min_size: int = 1,\n", "        min_size: int = 2,\n"),
        (ASYNC, "        min_size: int = 1,\n", "        min_size: int = 2,\n"),
        (ASYNC, "        fun: Callable[[int], Awaitable[T]],\n", "        fun: Callable[[int], T],\n"),
        (ASYNC, "            getter,\n", ""),
        (ASYNC, "            max_use=max_use,\n", ""),
        (POOL, "max_use: Discard an object", "max_use: Drop an object"),
        (POOL, "            max_use=max_use,\n", ""),
        (PROXY, '            "max_use": max_use,\n', ""),
        (FUNCTION, "        observer=observer,\n", ""),
        (TYPED, '        "min_size",\n', ""),
        (FOR_ASYNC, "    trace_owner: bool\n", ""),
        (CONFIG, "        max_use: object,\n", ""),
        (HOOKS, "    stats: Callable[[T], object] | None = None\n", ""),
        (PAGE, "| `max_use` | `0` |", "| `max_use` | `1` |"),
        (MIGRATION, "`min_size`, `timeout`", "`timeout`"),
    ],
)
def test_a_change_by_hand_is_found(file: str, old: str, new: str, tree: Path) -> None:
    """What is generated cannot be changed where it is written: the check fails, and it is put right."""
    change(tree, file, old, new)
    assert complained_of("".join(differences(tree, write=True))) == {file}
    assert (tree / file).read_bytes() == (ROOT / file).read_bytes()


@pytest.mark.parametrize("file", sorted(FILES))
@pytest.mark.parametrize("comment", ["written by tools/generate.py", "end of what tools/generate.py has written"])
def test_a_place_that_is_gone_is_an_error(file: str, comment: str, tree: Path) -> None:
    """Without the comments around it nothing can be written, and the check does not pass it over."""
    if file == FUNCTION and comment.startswith("end"):
        change(tree, file, f"        # {comment}\n", "")
    else:
        change(tree, file, comment, "something else")
    with pytest.raises(PlaceError, match=f"^{re.escape(file)}: "):
        differences(tree, write=True)
    for each in FILES - {file}:
        assert (tree / each).read_bytes() == (ROOT / each).read_bytes()


def test_the_command_says_what_is_wrong(tree: Path) -> None:
    """Whoever has taken a comment away reads where it is missing."""
    change(tree, CONFIG, "written by tools/generate.py: what is checked", "checked")
    said = "no line says 'written by tools/generate.py: what is checked'"
    assert generate(tree, "--check") == (1, f"{CONFIG}: what is checked: {said}\n")


def names_in(function: ast.FunctionDef) -> list[str]:
    """What a function takes by name alone."""
    return [each.arg for each in function.args.kwonlyargs]


def test_a_new_parameter_is_added_in_one_place(tree: Path) -> None:
    """It is in all signatures, by name alone, with its text, is passed on, checked, and in the table."""
    new = """    Parameter(
        "max_dust",
        "float | None",
        "Discard an object with this much dust on it; ``None``: never.",
        "Dust is measured in grams.",
        default="None",
        needs_pool=True,
    ),
)
\"\"\"Those of a pool.\"\"\"
"""
    change(tree, "tools/parameters.py", ')\n"""The parameters of a pool."""\n', new)
    assert generate(tree)[0] == 0
    for file in SIGNATURES:
        text = (tree / file).read_text(encoding="utf-8")
        functions = [each for each in ast.walk(ast.parse(text)) if isinstance(each, ast.FunctionDef)]
        *overloads, function = (each for each in functions if "max_dust" in names_in(each))
        assert len(overloads) == (2 if file in (ASYNC, FUNCTION) else 0)
        documented = ast.get_docstring(function) or ""
        assert "\n    max_dust: Discard an object with this much dust on it; ``None``: never.\n" in documented
        assert "\n        Dust is measured in grams.\n" in documented
    for file, passed in {
        POOL: "            max_dust=max_dust,\n",
        ASYNC: "            max_dust=max_dust,\n",
        PROXY: '            "max_dust": max_dust,\n',
        FUNCTION: "        max_dust=max_dust,\n",
        FOR_ASYNC: "    max_dust: float | None\n",
        CONFIG: "        max_dust: object,\n",
        PAGE: "| `max_dust` | `None` | Discard an object with this much dust on it; `None`: never. Dust is measured in",
        MIGRATION: "`max_dust`",
    }.items():
        assert passed in (tree / file).read_text(encoding="utf-8"), file
    typed = (tree / TYPED).read_text(encoding="utf-8")
    assert '    max_dust: float | None\n    """Discard an object with' in typed
    assert '        "max_dust",\n' in typed
