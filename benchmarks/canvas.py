"""The part of matplotlib that the plots use.

matplotlib's own annotations leave the keyword arguments of nearly all its methods untyped, which a strict checker
refuses in every call; these protocols say what is passed here, and `new_figure` is the one place that casts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol, cast

from matplotlib import rcParams
from matplotlib.figure import Figure as MatplotlibFigure

INK = "#30343b"

# Set in one place, so that all plots of a run look alike.
rcParams.update(
    {
        "font.size": 10,
        "axes.titlesize": 11,
        "axes.edgecolor": INK,
        "axes.labelcolor": INK,
        "text.color": INK,
        "xtick.color": INK,
        "ytick.color": INK,
    }
)


class Spine(Protocol):
    """One side of a plot's frame."""

    def set_visible(self, b: bool, /) -> object: ...


class Axis(Protocol):
    """The ticks of one direction."""

    def set_major_formatter(self, formatter: Callable[[float, int], str], /) -> object: ...
    def set_minor_formatter(self, formatter: Callable[[float, int], str], /) -> object: ...


class Axes(Protocol):
    """One plot."""

    @property
    def spines(self) -> Mapping[str, Spine]: ...
    @property
    def xaxis(self) -> Axis: ...
    def annotate(
        self,
        text: str,
        xy: tuple[float, float],
        xytext: tuple[float, float],
        *,
        xycoords: str | tuple[str, str] = "data",
        textcoords: str,
        color: str = INK,
        ha: str,
        va: str = "baseline",
        fontsize: float = 9,
        bbox: Mapping[str, object] | None = None,
    ) -> object: ...
    def axvline(self, x: float, *, color: str, linewidth: float, linestyle: str, zorder: float) -> object: ...
    def barh(self, y: Sequence[float], width: Sequence[float], *, color: Sequence[str], height: float) -> object: ...
    def get_xlim(self) -> tuple[float, float]: ...
    def plot(self, x: Sequence[float], y: Sequence[float], *, marker: str, color: str) -> object: ...
    def set_title(self, label: str, *, pad: float) -> object: ...
    def set_xlabel(self, label: str) -> object: ...
    def set_xlim(self, left: float, right: float) -> object: ...
    def set_xscale(self, value: str) -> object: ...
    def set_xticks(self, ticks: Sequence[float]) -> object: ...
    def set_ylabel(self, label: str) -> object: ...
    def set_ylim(self, bottom: float, top: float) -> object: ...
    def set_yticks(self, ticks: Sequence[float], labels: Sequence[str]) -> object: ...
    def set_yticklabels(self, labels: Sequence[str]) -> object: ...


class Figure(Protocol):
    """A picture of one or more plots."""

    def add_subplot(self, rows: int, columns: int, number: int, /) -> Axes: ...
    def savefig(self, path: Path, /, *, dpi: float, metadata: Mapping[str, None]) -> object: ...
    def suptitle(self, title: str, /, *, fontsize: float) -> object: ...


def new_figure(width: float, height: float, title: str) -> Figure:
    """Make a figure with a title, to be drawn without a screen. Sizes are in inches."""
    made = cast("Figure", MatplotlibFigure(figsize=(width, height), layout="constrained"))
    made.suptitle(title, fontsize=13)
    return made


def save(made: Figure, path: Path) -> None:
    """Write a figure as PNG, without the tool's name, so that the same figures give the same file."""
    made.savefig(path, dpi=144, metadata={"Software": None})
