"""The figures of record: a folder for each Python, and above them what a reader sees first."""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path

from benchmarks.environment import gil

FIRST = "3.14"
"""The Python whose figures and plots come first: the one that most people have."""


def folder_name() -> str:
    """The folder of the Python that runs: ``3.14``, or ``3.14t`` without the GIL."""
    major, minor = sys.version_info[:2]
    return f"{major}.{minor}{'' if gil() else 't'}"


def order(name: str) -> tuple[bool, bool, int]:
    """Sort ``FIRST`` first, then the newest; those without the GIL come last."""
    return name != FIRST, name.endswith("t"), -int(name.removesuffix("t").partition(".")[2])


def combine(results: Path) -> list[Path]:
    """Put the tables of all Pythons into one file, and the plots and figures of the first beside it."""
    folders = [each for each in results.iterdir() if re.fullmatch(r"3\.\d+t?", each.name)]
    folders.sort(key=lambda each: order(each.name))
    table = results / "table.md"
    parts = [f"# Python {each.name}\n\n{(each / 'table.md').read_text(encoding='utf-8')}" for each in folders]
    table.write_text("\n".join(parts), encoding="utf-8")
    found = sorted(file for file in folders[0].iterdir() if file.suffix in (".png", ".json"))
    return [table, *(Path(shutil.copyfile(file, results / file.name)) for file in found)]
