"""Plots: few colours, labelled axes with units, figures written at the bars."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median

from benchmarks.canvas import Axes, new_figure, save

OURS = "#1f77b4"
OTHERS = "#b8bec7"
BOUND = "#c44e52"


def is_ours(name: str) -> bool:
    """Tell whether a contender is one of ours."""
    return name.startswith("ours")


def tidy(axes: Axes, *, log: bool) -> None:
    """Take away the lines that say nothing; write powers of ten as numbers."""
    axes.spines["top"].set_visible(False)
    axes.spines["right"].set_visible(False)
    if log:
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:,g}" if value < 1 else f"{value:,.0f}")
        axes.xaxis.set_minor_formatter(lambda _value, _: "")


def bars(
    axes: Axes,
    names: Sequence[str],
    values: Sequence[float | None],
    *,
    label: str,
    form: str = "{:.2f}",
    log: bool = False,
) -> None:
    """Draw horizontal bars, the first name on top, each with its figure; None is a contender that did not finish."""
    places = list(range(len(names)))[::-1]
    colours = [OURS if is_ours(name) else OTHERS for name in names]
    known = [value for value in values if value is not None]
    axes.barh(places, [value or 0.0 for value in values], color=colours, height=0.7)
    axes.set_yticks(places, list(names))
    axes.set_xlabel(label)
    if log:
        axes.set_xscale("log")
        axes.set_xlim(min(known) / 3, max(known) * 6)
    else:
        axes.set_xlim(0, max(known) * 1.18)
    # The texts have a ground of their own, so that a bound's line does not run through them.
    ground = {"facecolor": "white", "edgecolor": "none", "pad": 1.0}
    for place, value in zip(places, values, strict=True):
        text = "did not finish" if value is None else form.format(value)
        end = (value or axes.get_xlim()[0], place)
        axes.annotate(text, end, (5, 0), textcoords="offset points", ha="left", va="center", bbox=ground)
    tidy(axes, log=log)


def draw_cycles(times: Mapping[str, Sequence[float]], path: Path, title: str, *, height: float) -> None:
    """Draw the medians of cycles of one thread, given in seconds."""
    made = new_figure(8, height, title)
    bars(
        made.add_subplot(1, 1, 1),
        list(times),
        [median(series) * 1e9 for series in times.values()],
        label="nanoseconds per get + return, median (log scale)",
        form="{:,.0f}",
        log=True,
    )
    save(made, path)


def bound(axes: Axes, value: float, text: str) -> None:
    """Draw a vertical line at a bound, with its name above the plot."""
    axes.axvline(value, color=BOUND, linewidth=1.2, linestyle="--", zorder=2)
    axes.annotate(
        text,
        (value, 1.0),
        (0, 3),
        xycoords=("data", "axes fraction"),
        textcoords="offset points",
        color=BOUND,
        ha="center",
    )
