"""Tables, targets and sections, and how they are written."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Protocol, TypeAlias

from benchmarks.environment import Environment

Draw: TypeAlias = Callable[[Path], None]
"""Draws one plot into the file it is given."""


class Progress(Protocol):
    """Told what is being measured, so that a long run can show it."""

    def __call__(self, what: str, /) -> None:
        """Show it."""
        ...


@dataclass(frozen=True)
class Target:
    """One bound that the library set itself, and the figure of this run."""

    text: str
    figure: float
    bound: float
    unit: str = "x"
    at_least: bool = False

    @property
    def passed(self) -> bool:
        """Whether the figure keeps the bound."""
        return self.figure >= self.bound if self.at_least else self.figure <= self.bound

    def row(self) -> list[str]:
        """Put it in a row of the table of targets."""
        sign = "≥" if self.at_least else "≤"
        return [
            "PASS" if self.passed else "MISS",
            self.text,
            f"{self.figure:.3g} {self.unit}".strip(),
            f"{sign} {self.bound:g} {self.unit}".strip(),
        ]


@dataclass(frozen=True)
class Table:
    """A table: the first column is text, the others are figures and go to the right."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str = ""
    text_columns: int = 1

    def render(self) -> str:
        """Render it as Markdown that is also readable as it stands."""
        cells = [list(self.columns), *[list(row) for row in self.rows]]
        widths = [max(3, *(len(row[i]) for row in cells)) for i in range(len(self.columns))]

        def line(row: Sequence[str]) -> str:
            padded = [
                cell.ljust(width) if i < self.text_columns else cell.rjust(width)
                for i, (cell, width) in enumerate(zip(row, widths, strict=True))
            ]
            return "| " + " | ".join(padded) + " |"

        rule = ["-" * width if i < self.text_columns else "-" * (width - 1) + ":" for i, width in enumerate(widths)]
        parts = [f"**{self.title}**\n"] if self.title else []
        parts += [line(cells[0]), "| " + " | ".join(rule) + " |", *map(line, cells[1:])]
        if self.note:
            parts += ["", self.note]
        return "\n".join(parts)


@dataclass(frozen=True)
class Section:
    """What one topic found."""

    topic: str
    title: str
    tables: Sequence[Table]
    targets: Sequence[Target]
    data: Mapping[str, object]
    plots: Mapping[str, Draw] = field(default_factory=dict[str, Draw])


def targets_table(sections: Sequence[Section]) -> Table:
    """Put the targets of all topics in one table."""
    rows = [target.row() for section in sections for target in section.targets]
    return Table("", ["", "target", "measured", "bound"], rows, text_columns=2)


def render(environment: Environment, sections: Sequence[Section]) -> str:
    """Render a whole run as Markdown."""
    parts = [environment.header()]
    for section in sections:
        parts.append(f"## {section.title}")
        parts += [table.render() for table in section.tables]
    if any(section.targets for section in sections):
        parts += ["## Targets", targets_table(sections).render()]
    return "\n\n".join(parts) + "\n"


def as_json(environment: Environment, sections: Sequence[Section]) -> str:
    """Render all figures of a run for programs."""
    document = {
        "environment": asdict(environment),
        "topics": {section.topic: section.data for section in sections},
        "targets": [
            {
                "topic": section.topic,
                "text": target.text,
                "figure": target.figure,
                "bound": target.bound,
                "unit": target.unit,
                "at_least": target.at_least,
                "passed": target.passed,
            }
            for section in sections
            for target in section.targets
        ],
    }
    return json.dumps(document, indent=1) + "\n"


def write(folder: Path, environment: Environment, sections: Sequence[Section]) -> list[Path]:
    """Write the table, the figures and the plots of a run; returns the files."""
    folder.mkdir(parents=True, exist_ok=True)
    table, figures = folder / "table.md", folder / "results.json"
    table.write_text(render(environment, sections), encoding="utf-8")
    figures.write_text(as_json(environment, sections), encoding="utf-8")
    files = [table, figures]
    for section in sections:
        for name, draw in section.plots.items():
            files.append(folder / f"{name}.png")
            draw(files[-1])
    return files
