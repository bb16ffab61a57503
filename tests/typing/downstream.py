"""A user's project: an environment with the wheel in it and no way to our sources, and the checkers that look at it.

`make typing` builds the environments, beside the one that the tests run in: `downstream` has the wheel and what it
depends on, `oldest` the oldest mypy that has to understand it. All other checkers are in the tests' own, at pinned
versions.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
BIN = Path(sys.prefix) / "bin"
DOWNSTREAM = Path(sys.prefix) / "downstream"
PYTHON = DOWNSTREAM / "bin" / "python"
OLDEST = Path(sys.prefix) / "oldest" / "bin" / "python"
SECONDS = 100.0
"""After which a checker counts as never ending."""

FIRST, LAST = "3.10", "3.15"
"""The oldest Python we support, and the newest that the checkers know."""

POSITIVE = ("positive.py", "positive_async.py", "positive_databases.py")
"""What is right."""
NEGATIVE = {
    "negative.py": "wrong.py",
    "negative_async.py": "wrong_async.py",
    "negative_databases.py": "wrong_databases.py",
}
"""What is wrong, with marks, and the names of the copies without them."""

MARKS = re.compile(r"  # type: ignore\[[a-z,-]+\]  # pyright: ignore\[[A-Za-z,]+\]$", re.MULTILINE)
"""What a refused line ends with."""

SETTINGS = json.dumps({"typeCheckingMode": "strict", "enableTypeIgnoreComments": False})
"""Pyright's."""

_PLACE = re.compile(r"\b(\w+\.py):(\d+):")


@dataclass(frozen=True, order=True)
class Place:
    """Where a checker complains."""

    file: str
    line: int


@dataclass(frozen=True)
class Verdict:
    """What a program has said."""

    code: int
    text: str

    @property
    def places(self) -> set[Place]:
        """Where it complains."""
        return {place for line in self.text.splitlines() for place in _places(line)}

    def about(self, places: set[Place]) -> str:
        """What it says of these."""
        return "\n".join(line for line in self.text.splitlines() if not places.isdisjoint(_places(line)))


def _places(line: str) -> list[Place]:
    """The place that a line of a verdict is about, if it is."""
    found = _PLACE.search(line)
    return [Place(found[1], int(found[2]))] if found and " note: " not in line else []


@dataclass(frozen=True)
class Checker:
    """A type checker, as a user calls it who wants it strict."""

    command: tuple[str | Path, ...]
    version: str
    """The option that tells it the version of Python."""
    versions: tuple[str, ...] = (FIRST, LAST)
    files: tuple[str, ...] = (*POSITIVE, *NEGATIVE.values(), "canary.py")
    """What it looks at; the canary has one line that is wrong."""


_MYPY = ("--strict", "--no-incremental", "--no-error-summary", "--hide-error-context", "--python-executable", PYTHON)
_ALL = (*POSITIVE, *NEGATIVE, "canary.py", "snippets")

CHECKERS = {
    "mypy": Checker((BIN / "mypy", *_MYPY), "--python-version", files=_ALL),
    "pyright": Checker((BIN / "pyright", "--pythonpath", PYTHON), "--pythonversion", files=_ALL),
    "pyrefly": Checker(
        (BIN / "pyrefly", "check", "--preset=strict", "--output-format=min-text", "--python-interpreter-path", PYTHON),
        "--python-version",
    ),
    "ty": Checker((BIN / "ty", "check", "--output-format=concise", "--python", PYTHON), "--python-version"),
    "zuban": Checker((BIN / "zuban", "check", "--strict", "--python-executable", PYTHON), "--python-version"),
    "mypy 1.14": Checker(
        (OLDEST, "-m", "mypy", *_MYPY), "--python-version", (FIRST, "3.13"), files=(*POSITIVE, "canary.py")
    ),
}


def run(*command: str | Path, cwd: Path, **environment: str) -> Verdict:
    """Run a program to its end."""
    done = subprocess.run(
        command,
        cwd=cwd,
        env={**os.environ, "PYRIGHT_PYTHON_IGNORE_WARNINGS": "1", "NO_COLOR": "1", **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    return Verdict(done.returncode, done.stdout)


def check(checker: Checker, version: str, files: Iterable[str | Path], project: Path) -> Verdict:
    """Have a checker look at files of a project."""
    return run(*checker.command, checker.version, version, *files, cwd=project)


@dataclass
class Project:
    """The files of a user, and what is being said of them meanwhile, by one program for each core."""

    root: Path
    executor: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(os.cpu_count()))
    verdicts: dict[tuple[str, str], Future[Verdict]] = field(default_factory=dict[tuple[str, str], Future[Verdict]])

    def look(self) -> None:
        """Begin."""
        for name, checker in CHECKERS.items():
            for version in checker.versions:
                self.verdicts[name, version] = self.executor.submit(check, checker, version, checker.files, self.root)
