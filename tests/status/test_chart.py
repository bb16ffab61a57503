"""What is drawn."""

from __future__ import annotations

import re
from collections.abc import Sequence

import pytest

from ProxyPatternPool._status.chart import Line, chart, time_axis, whole_axis
from ProxyPatternPool._status.tables import duration


@pytest.mark.parametrize(
    ("most", "marks"),
    [
        (0, ["1", "0"]),
        (1, ["1", "0"]),
        (3, ["3", "2", "1", "0"]),
        (4, ["4", "3", "2", "1", "0"]),
        (5, ["6", "4", "2", "0"]),
        (16, ["20", "15", "10", "5", "0"]),
        (100, ["100", "75", "50", "25", "0"]),
        (4321, ["6,000", "4,000", "2,000", "0"]),
    ],
)
def test_an_axis_of_things(most: int, marks: list[str]) -> None:
    axis = whole_axis(most)
    assert axis.marks == marks
    assert axis.top == float(marks[0].replace(",", "")) >= most


@pytest.mark.parametrize(
    ("most", "top", "marks"),
    [
        (0.0, 0.001, ["1 ms", "0.75 ms", "0.5 ms", "0.25 ms", "0"]),
        (0.0032, 0.004, ["4 ms", "3 ms", "2 ms", "1 ms", "0"]),
        (0.25, 0.3, ["300 ms", "200 ms", "100 ms", "0"]),
        (1.5, 1.5, ["1.5 s", "1 s", "0.5 s", "0"]),
        (3000.0, 3000.0, ["3,000 s", "2,000 s", "1,000 s", "0"]),
    ],
)
def test_an_axis_of_times(most: float, top: float, marks: list[str]) -> None:
    axis = time_axis(most)
    assert axis.marks == marks
    assert axis.top == pytest.approx(top)


def drawn(seconds: Sequence[float], values: Sequence[float | None], floor: Sequence[float] | None = None) -> list[str]:
    """The paths of a line in a chart whose top is 4."""
    made = chart("k", "t", "s", seconds, [Line("x", "x", values, floor)], whole_axis(4))
    return re.findall(r'<path class="(?:area|line) x" d="([^"]*)"/>', made.split("<title")[1])


def test_a_line() -> None:
    """From left to right, ended five minutes ago, and 0 at the bottom."""
    assert drawn([301, 300, 299, 0], [1, 4, 0, 2])[0].startswith("M0,0L1,100")
    assert drawn([2, 1, 0], [4, 0, 1]) == ["M298,0L299,100L300,75"]


def test_a_line_is_interrupted_where_nothing_is_known() -> None:
    """Where nobody came, and where nobody looked: a point alone is a line of no length."""
    assert drawn([3, 2, 1, 0], [1, None, 1, 1]) == ["M297,75L297,75M299,75L300,75"]
    assert drawn([9, 1, 0], [1, 1, 1]) == ["M291,75L291,75M299,75L300,75"]
    assert drawn([], []) == [""]


def test_an_area() -> None:
    assert drawn([1, 0], [2, 4], [0, 1]) == ["M299,50L300,0L300,75L299,100Z", "M299,50L300,0"]


def test_a_bound_is_drawn_if_it_is_near() -> None:
    near, far = (chart("k", "t", "s", [0], [Line("x", "x", [1])], whole_axis(4), bound) for bound in (3, 9))
    assert '<path class="line bound" d="M0,25H300"/>' in near
    assert "at most 3" in near
    assert "bound" not in far


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 ms"),
        (0.00004, "0.04 ms"),
        (0.0123, "12 ms"),
        (0.0012, "1.2 ms"),
        (0.9994, "999 ms"),
        (0.9996, "1.0 s"),
        (99.94, "99.9 s"),
        (99.96, "2 min"),
        (5940, "99 min"),
        (6000, "1 h 40 min"),
        (172800, "2 d 0 h"),
    ],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text
