"""Charts of the last five minutes, as SVG, with axes in HTML, so that their text has the size of all other text."""

import math
from collections.abc import Sequence
from itertools import count
from typing import NamedTuple

from markupsafe import Markup

SPAN = 300
"""Seconds that a chart shows."""
TALL = 100
"""Height of a chart in its own units, which are stretched."""
GAP = 2.5
"""Seconds between two samples from which on the line is interrupted, where there is one each second."""


class Line(NamedTuple):
    """What one line shows."""

    kind: str
    """Its class in the style sheet."""
    name: str
    values: Sequence[float | None]
    floor: Sequence[float] | None = None
    """If the line is the upper edge of an area, the lower one."""


class Axis(NamedTuple):
    """From 0 to the top, with marks at even distances."""

    top: float
    marks: list[str]
    """Top first."""


def whole_axis(most: int) -> Axis:
    """An axis of things that are counted."""
    step, steps = _steps(max(most, 1), 1)
    return Axis(step * steps, [f"{step * each:,.0f}" for each in range(steps, -1, -1)])


def time_axis(most: float) -> Axis:
    """An axis of seconds, in a unit that suits; it does not magnify less than a millisecond."""
    unit, factor = ("s", 1.0) if most >= 1 else ("ms", 1000.0)
    step, steps = _steps(max(most * factor, 1.0), 0.25)
    return Axis(step * steps / factor, [f"{step * each:,g} {unit}" for each in range(steps, 0, -1)] + ["0"])


def _steps(most: float, least: float) -> tuple[float, int]:
    """A round distance, and how many of it reach beyond the most: four at most."""
    rounds = (digit * 10.0**power for power in count(-1) for digit in (1.0, 2.0, 2.5, 5.0))
    fine = (step for step in rounds if step >= least and (least < 1 or step.is_integer()) and most <= 4 * step + 1e-9)
    step = next(fine)
    return step, math.ceil(most / step - 1e-9)


def chart(
    key: str,
    title: str,
    summary: str,
    seconds: Sequence[float],
    lines: Sequence[Line],
    axis: Axis,
    bound: float | None = None,
    gap: float = GAP,
) -> Markup:
    """Draw lines over the last five minutes.

    Args:
        key: Makes ids in the page unique.
        title: What is shown.
        summary: The same in words, for those who cannot see it.
        seconds: How long ago each value was, oldest first.
        lines: What is drawn, the last on top.
        axis: The vertical one.
        bound: Where to draw a line across.
        gap: Seconds between two values from which on lines are interrupted.
    """
    if bound is not None and bound > axis.top:
        bound = None  # it is far away
    return Markup(
        '<figure><figcaption><h3>{title}</h3><ul class="legend">{legend}</ul></figcaption><div class="chart">'
        '<div class="y" aria-hidden="true">{marks}</div>'
        '<svg viewBox="0 0 {span} {tall}" preserveAspectRatio="none" role="img" aria-labelledby="{key}-t"'
        ' aria-describedby="{key}-d">'
        '<title id="{key}-t">{title}</title><desc id="{key}-d">{summary}</desc>{grid}{drawing}</svg>'
        '<div class="x" aria-hidden="true">{minutes}</div><p class="unit" aria-hidden="true">minutes ago</p>'
        "</div></figure>"
    ).format(
        key=key,
        title=title,
        summary=summary,
        legend=_legend(lines, bound),
        marks=_spans(axis.marks),
        span=SPAN,
        tall=TALL,
        grid=_grid(axis, bound),
        drawing=_drawing(seconds, lines, axis.top, gap),
        minutes=_spans(["5", "4", "3", "2", "1", "now"]),
    )


def _grid(axis: Axis, bound: float | None) -> Markup:
    rungs = len(axis.marks) - 1
    across = Markup('<path class="{}" d="M0,{}H{}"/>')
    lines = [across.format("grid", _short(TALL * each / rungs), SPAN) for each in range(rungs)]
    lines += [Markup('<path class="grid" d="M{},0V{}"/>').format(minute, TALL) for minute in range(0, SPAN, 60)]
    if bound is not None:
        lines.append(across.format("line bound", _short(TALL * (1 - bound / axis.top)), SPAN))
    return Markup("").join(lines)


def _drawing(seconds: Sequence[float], lines: Sequence[Line], top: float, gap: float) -> Markup:
    # Areas overlap: the lowest is drawn last, and lines without an area after them.
    path = Markup('<path class="{} {}" d="{}"/>')
    stacked = [(line, line.floor) for line in reversed(lines) if line.floor is not None]
    drawn = [path.format("area", line.kind, _area(seconds, line.values, floor, top, gap)) for line, floor in stacked]
    edges = [*(line for line, _ in stacked), *(line for line in lines if line.floor is None)]
    drawn += [path.format("line", line.kind, _path(seconds, line.values, top, gap)) for line in edges]
    return Markup("").join(drawn)


def _legend(lines: Sequence[Line], bound: float | None) -> Markup:
    entries = [(swatch(line.kind, area=line.floor is not None), line.name) for line in lines]
    if bound is not None:
        entries.append((swatch("bound", area=False), f"at most {bound:,g}"))
    return Markup("").join(Markup("<li>{}{}</li>").format(*entry) for entry in entries)


def swatch(kind: str, *, area: bool) -> Markup:
    """Draw a bit of a line, or of an area, to say which is meant."""
    return Markup(
        '<svg class="swatch" viewBox="0 0 24 12" aria-hidden="true">{}<path class="line {}" d="M2,{}H22"/></svg>'
    ).format(Markup('<path class="area {}" d="M1,2H23V12H1Z"/>').format(kind) if area else "", kind, 2 if area else 6)


def _spans(texts: Sequence[str]) -> Markup:
    return Markup("").join(Markup("<span>{}</span>").format(text) for text in texts)


def _runs(seconds: Sequence[float], values: Sequence[float | None], gap: float) -> list[list[int]]:
    """Where to find the points of a line, which is interrupted where nothing is known."""
    runs: list[list[int]] = [[]]
    before = math.inf
    for place, (ago, value) in enumerate(zip(seconds, values, strict=True)):
        if value is None or ago > SPAN or before - ago > gap:
            runs.append([])
        if value is not None and ago <= SPAN:
            runs[-1].append(place)
        before = ago
    return [run for run in runs if run]


def _points(run: Sequence[int], seconds: Sequence[float], values: Sequence[float | None], top: float) -> str:
    return "L".join(f"{_short(SPAN - seconds[at])},{_short(TALL * (1 - (values[at] or 0.0) / top))}" for at in run)


def _path(seconds: Sequence[float], values: Sequence[float | None], top: float, gap: float) -> str:
    """Draw a line; a single point is a line of no length, whose round ends are seen."""
    runs = _runs(seconds, values, gap)
    return "".join("M" + _points(run if len(run) > 1 else run * 2, seconds, values, top) for run in runs)


def _area(
    seconds: Sequence[float], values: Sequence[float | None], floor: Sequence[float], top: float, gap: float
) -> str:
    """Fill what is between a line and its floor."""
    return "".join(
        f"M{_points(run, seconds, values, top)}L{_points(run[::-1], seconds, floor, top)}Z"
        for run in _runs(seconds, values, gap)
    )


def _short(number: float) -> str:
    return f"{number:.1f}".removesuffix(".0")
