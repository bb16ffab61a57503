"""As much of SVG as the pictures need. Each picture has a background of its own, and so can be read on any page."""

from collections.abc import Iterable
from html import escape
from textwrap import wrap

STYLE = """
text { font-family: Helvetica, Arial, 'Liberation Sans', sans-serif; font-size: 13px; fill: #1f2328 }
.code { font-family: ui-monospace, Menlo, Consolas, 'Liberation Mono', monospace; font-size: 11.5px; fill: #57606a }
.title { font-size: 16px; font-weight: bold }
.name { font-family: ui-monospace, Menlo, Consolas, 'Liberation Mono', monospace; font-size: 14px; font-weight: bold }
.note { font-size: 12px; fill: #57606a }
.mid { text-anchor: middle }
.page { fill: #ffffff }
.floor { fill: #eef1f5 }
.box { fill: #ffffff; stroke: #8c959f }
.line { fill: none; stroke: #57606a; stroke-width: 1.5 }
.lane { fill: none; stroke: #0969da; stroke-width: 1.5 }
.guide { fill: none; stroke: #afb8c1; stroke-width: 1 }
.head { fill: #57606a }
.lanehead, .dot { fill: #0969da }
.lent { fill: #ddf4ff; stroke: #0969da }
.idle { fill: #dafbe1; stroke: #1a7f37 }
.gone { fill: #ffebe9; stroke: #cf222e }
.error { fill: #fff8c5; stroke: #9a6700 }
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3 }
.code, .note { fill: #9da7b3 }
.page { fill: #0d1117 }
.floor { fill: #1b222b }
.box { fill: #0d1117; stroke: #6e7681 }
.line { stroke: #9da7b3 }
.lane { stroke: #58a6ff }
.guide { stroke: #484f58 }
.head { fill: #9da7b3 }
.lanehead, .dot { fill: #58a6ff }
.lent { fill: #0c2d4f; stroke: #58a6ff }
.idle { fill: #0f3620; stroke: #3fb950 }
.gone { fill: #4b1417; stroke: #f85149 }
.error { fill: #3d2e00; stroke: #d29922 }
}
"""

SANS, MONO = 0.53, 0.605
"""How wide a character is, by its height: on the average, and always."""


def width_of(text: str, size: float = 13, *, mono: bool = False) -> float:
    """About how wide a text is."""
    return len(text) * size * (MONO if mono else SANS)


def wrapped(text: str, width: float, size: float = 13, *, mono: bool = False) -> list[str]:
    """The lines of a text in a column."""
    return wrap(text, int(width / (size * (MONO if mono else SANS))), break_long_words=False, break_on_hyphens=False)


class Picture:
    """What is drawn, one element a line."""

    def __init__(self, title: str, description: str) -> None:
        self._title = title
        self._description = description
        self._drawn: list[str] = []

    def rect(self, look: str, x: float, y: float, width: float, height: float, radius: float = 6) -> None:
        """Draw a box."""
        self._drawn.append(
            f'<rect class="{look}" x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="{radius:g}"/>'
        )

    def text(self, look: str, x: float, y: float, text: str) -> None:
        """Write one line."""
        self._drawn.append(f'<text class="{look}" x="{x:g}" y="{y:g}">{escape(text)}</text>')

    def column(self, look: str, x: float, y: float, lines: Iterable[str], leading: float = 17) -> None:
        """Write several lines, the first on y."""
        for number, line in enumerate(lines):
            self.text(look, x, y + number * leading, line)

    def path(self, look: str, *points: tuple[float, float]) -> None:
        """Draw a line from point to point."""
        steps = " ".join(f"{'L' if number else 'M'}{x:g} {y:g}" for number, (x, y) in enumerate(points))
        self._drawn.append(f'<path class="{look}" d="{steps}"/>')

    def arrow(self, look: str, *points: tuple[float, float], head: str = "head") -> None:
        """Draw a line from point to point that ends in an arrow."""
        (x1, y1), (x, y) = points[-2:]
        dx, dy = (x > x1) - (x < x1), (y > y1) - (y < y1)  # lines are upright or level
        self.path(look, *points[:-1], (x - dx * 4, y - dy * 4))
        ax, ay, bx, by = x - dx * 8 - dy * 4, y - dy * 8 - dx * 4, x - dx * 8 + dy * 4, y - dy * 8 + dx * 4
        self._drawn.append(f'<path class="{head}" d="M{x:g} {y:g} L{ax:g} {ay:g} L{bx:g} {by:g} Z"/>')

    def dot(self, look: str, x: float, y: float) -> None:
        """Draw a dot."""
        self._drawn.append(f'<circle class="{look}" cx="{x:g}" cy="{y:g}" r="4"/>')

    def svg(self, width: float, height: float) -> str:
        """The file."""
        size = f'viewBox="0 0 {width:g} {height:g}" width="{width:g}" height="{height:g}"'
        return "\n".join(
            [
                f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img">',
                f"<title>{escape(self._title)}</title>",
                f"<desc>{escape(self._description)}</desc>",
                f"<style>{STYLE}</style>",
                f'<rect class="page" width="{width:g}" height="{height:g}" rx="8"/>',
                *self._drawn,
                "</svg>",
                "",
            ]
        )
