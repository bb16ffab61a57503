"""The command."""

import argparse
import os
import re
import sys
from collections.abc import Sequence
from typing import TextIO

import pytest

from .. import native_threads
from . import listed
from .scores import PACKAGE, ROOT, Run

LEFT_OUT = [
    *("async_interruptions", "async_proxy_sweep", "async_sweep", "interleavings", "interruptions", "machine"),
    *("async_exit", "c_forks", "contributing", "exit", "fork", "house", "installed_anywhere"),
    *("interpreters", "migration_page", "readme", "site", "transparency"),
]
"""Tests that try as much as they can, that start programs, or that read pages."""


def _quiet() -> TextIO:
    """Have what pytest and the tests write be lost; return where to write instead."""
    out = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    return out


def main(arguments: Sequence[str]) -> int:
    """Do what the command line says."""
    parser = argparse.ArgumentParser(prog="python -m tools.mutants", description=__doc__)
    parser.add_argument("rooms", nargs="+", help="rooms of the library, or modules: _ledger, _ledger/queue.py")
    parser.add_argument("--jobs", type=int, default=2, help="how many run at the same time")
    parser.add_argument("--most", type=float, default=20.0, help="seconds that tests work at most against one mutant")
    parser.add_argument("--like", default="", help="a regular expression: only mutants where it finds something")
    parser.add_argument("--tests", nargs="*", default=["tests/unit"], help="the tests that may notice")
    chosen = parser.parse_args(arguments)
    unknown = [room for room in chosen.rooms if not (PACKAGE / room).exists()]
    if unknown:
        parser.error(f"no room is called {unknown[0]}")
    os.environ["CI"] = "true"  # hypothesis chooses the same examples each time then, and keeps none
    os.chdir(ROOT)
    sys.path.append(str(ROOT / "tools"))
    native_threads.follow()  # before tests import the library, which looks it up once
    run = Run(chosen.rooms, chosen.jobs, chosen.most, listed.read(), _quiet(), re.compile(chosen.like))
    ignored = [f"--ignore=tests/unit/test_{name}.py" for name in LEFT_OUT]
    pytest.main([*chosen.tests, *ignored, "-p", "no:cacheprovider", "--timeout=0"], plugins=[run])
    return run.verdict()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
