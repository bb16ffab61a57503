"""The figures of record: a folder for each Python, and above them what a reader sees first."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from benchmarks.environment import gil

FIRST = "3.14"
"""The Python whose figures and plots come first: the one that most people have."""
RESULTS = Path(__file__).parent / "results"


def folder_name() -> str:
    """The folder of the Python that runs: ``3.14``, or ``3.14t`` without the GIL."""
    major, minor = sys.version_info[:2]
    return f"{major}.{minor}{'' if gil() else 't'}"


def order(name: str) -> tuple[bool, bool, int]:
    """Sort ``FIRST`` first, then the newest; those without the GIL come last."""
    return name != FIRST, name.endswith("t"), -int(name.removesuffix("t").partition(".")[2])


def folders(results: Path = RESULTS) -> list[Path]:
    """The folders of the Pythons of which there are figures, the first first."""
    found = [each for each in results.iterdir() if re.fullmatch(r"3\.\d+t?", each.name)]
    return sorted(found, key=lambda each: order(each.name))


def combine(results: Path) -> list[Path]:
    """Put the tables of all Pythons into one file, and the plots of the first beside it; there are no others."""
    found = folders(results)
    table = results / "table.md"
    parts = [f"# Python {each.name}\n\n{(each / 'table.md').read_text(encoding='utf-8')}" for each in found]
    table.write_text("\n".join(parts), encoding="utf-8")
    plots: list[Path] = []
    for file in sorted(file for folder in found for file in folder.glob("*.png")):
        if file.parent == found[0]:
            plots.append(file.replace(results / file.name))
        else:
            file.unlink()
    return [table, *plots]
