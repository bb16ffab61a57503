"""What it costs to use an object through a proxy, and to make one.

Targets: an attribute through a THREAD proxy at most 0.3 times werkzeug's and 0.35 times wrapt's, through a SHARED one
at most 0.2 times each, through a CONTEXT one at most what werkzeug's Local takes; `len`, `==` and `with` at most 1.5
times werkzeug's; 50 microseconds to make a proxy.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any, TypeAlias

from benchmarks import canvas, plots
from benchmarks.contenders.proxies import PROXIES, CallableTarget, Target
from benchmarks.options import Options
from benchmarks.report import Progress, Section, Table
from benchmarks.report import Target as Bound
from benchmarks.timing import Loop, in_turns, ratio
from ProxyPatternPool import Proxy

TITLE = "Proxies"
SHARED, THREAD, CONTEXT = "ours, SHARED", "ours, THREAD", "ours, CONTEXT"
WERKZEUG, LOCAL, WRAPT = "werkzeug, variable", "werkzeug, Local", "wrapt"

Times: TypeAlias = dict[str, list[float]]


def attributes(proxy: Any) -> Loop:
    """Read an attribute."""

    def loop(count: int) -> None:
        for _ in range(count):
            _ = proxy.number

    return loop


def methods(proxy: Any) -> Loop:
    """Call a method."""

    def loop(count: int) -> None:
        for _ in range(count):
            proxy.method()

    return loop


def settings(proxy: Any) -> Loop:
    """Set an attribute."""

    def loop(count: int) -> None:
        for _ in range(count):
            proxy.number = 1

    return loop


def lengths(proxy: Any) -> Loop:
    """Ask for the length."""

    def loop(count: int) -> None:
        for _ in range(count):
            len(proxy)

    return loop


def comparisons(proxy: Any) -> Loop:
    """Compare with something else."""

    def loop(count: int) -> None:
        for _ in range(count):
            _ = proxy == 1

    return loop


def items(proxy: Any) -> Loop:
    """Get an item."""

    def loop(count: int) -> None:
        for _ in range(count):
            _ = proxy[1]

    return loop


def calls(proxy: Any) -> Loop:
    """Call the object."""

    def loop(count: int) -> None:
        for _ in range(count):
            proxy()

    return loop


def blocks(proxy: Any) -> Loop:
    """Enter and leave a block."""

    def loop(count: int) -> None:
        for _ in range(count):
            with proxy:
                pass

    return loop


CALLABLE = "attribute of a callable"
USES: dict[str, Callable[[Any], Loop]] = {
    "attribute": attributes,
    CALLABLE: attributes,
    "method": methods,
    "set": settings,
    "len": lengths,
    "==": comparisons,
    "[]": items,
    "()": calls,
    "with": blocks,
}


def measure_use(use: str, options: Options) -> Times:
    """Time one use of all proxies in turns; returns seconds in each round, by contender."""
    target = CallableTarget if use in ("()", CALLABLE) else Target
    loops = {name: USES[use](build(target())) for name, build in PROXIES.items()}
    able = {name: loop for name, loop in loops.items() if works(loop)}
    times = in_turns(list(able.values()), rounds=options.pick(201, 3), span=options.pick(0.001, 0.0005))
    return dict(zip(able, times, strict=True))


def works(loop: Loop) -> bool:
    """Try whether a proxy knows this use at all."""
    try:
        loop(1)
    except TypeError:
        return False
    return True


def new_proxies(make: Callable[[], object]) -> Loop:
    """Make proxies, and drop them."""

    def loop(count: int) -> None:
        for _ in range(count):
            make()

    return loop


def measure_creation(options: Options) -> Times:
    """Time the making of a proxy, in each way. Not long: what is made is garbage that is collected later."""
    target = Target()
    makers: dict[str, Callable[[], object]] = {
        "Proxy()": Proxy,
        "Proxy(obj)": lambda: Proxy(target),
        "Proxy(fun=…)": lambda: Proxy(fun=lambda number: target),
    }
    loops = [new_proxies(make) for make in makers.values()]
    return dict(zip(makers, in_turns(loops, options.pick(51, 3), 0.001), strict=True))


def table(uses: dict[str, Times]) -> Table:
    """Make the table of uses."""
    rows = [
        [name, *(f"{median(times[name]) * 1e9:,.0f}" if name in times else "no" for times in uses.values())]
        for name in PROXIES
    ]
    note = (
        "Each proxy has found its object already. No: it cannot do that. Since Python 3.12 an attribute that "
        "`__getattr__` finds costs no exception any more, which more than halves werkzeug's figures."
    )
    return Table("Nanoseconds per use, one thread", ["proxy", *uses], rows, note)


def creation_table(times: Times) -> Table:
    """Make the table of creations."""
    rows = [[name, f"{median(series) * 1e6:.1f}"] for name, series in times.items()]
    return Table("Making a proxy", ["", "µs"], rows)


def targets(uses: dict[str, Times], creation: Times) -> list[Bound]:
    """Hold our figures to the bounds."""
    attribute = uses["attribute"]
    found = [
        Bound("attribute, THREAD: over werkzeug", ratio(attribute[THREAD], attribute[WERKZEUG]), 0.3),
        Bound("attribute, SHARED: over werkzeug", ratio(attribute[SHARED], attribute[WERKZEUG]), 0.2),
        Bound("attribute, CONTEXT: over werkzeug's Local", ratio(attribute[CONTEXT], attribute[LOCAL]), 1.0),
    ]
    if WRAPT in attribute:
        found += [
            Bound("attribute, THREAD: over wrapt", ratio(attribute[THREAD], attribute[WRAPT]), 0.35),
            Bound("attribute, SHARED: over wrapt", ratio(attribute[SHARED], attribute[WRAPT]), 0.2),
        ]
    for use in ("len", "==", "with"):
        times = uses[use]
        found += [
            Bound(f"{use}, {scope.removeprefix('ours, ')}: over werkzeug", ratio(times[scope], times[WERKZEUG]), 1.5)
            for scope in (SHARED, THREAD)
        ]
    slowest = max(median(series) for series in creation.values())
    return [*found, Bound("making a proxy, the slowest way", slowest * 1e6, 50, "µs")]


def draw(attribute: Times, path: Path) -> None:
    """Draw the medians for an attribute."""
    made = canvas.new_figure(8, 3.8, "An attribute through a proxy")
    axes = made.add_subplot(1, 1, 1)
    plots.bars(
        axes,
        list(attribute),
        [median(series) * 1e9 for series in attribute.values()],
        label="nanoseconds, median",
        form="{:,.0f}",
    )
    canvas.save(made, path)


def run(options: Options, progress: Progress) -> Section:
    """Measure and report."""
    uses: dict[str, Times] = {}
    for use in USES:
        progress(use)
        uses[use] = measure_use(use, options)
    progress("making proxies")
    creation = measure_creation(options)
    return Section(
        "proxies",
        TITLE,
        [table(uses), creation_table(creation)],
        targets(uses, creation),
        {
            "ns": {use: {name: median(times[name]) * 1e9 for name in times} for use, times in uses.items()},
            "creation_us": {name: median(series) * 1e6 for name, series in creation.items()},
        },
        {"proxies": lambda path: draw(uses["attribute"], path)},
    )
