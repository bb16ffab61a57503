"""One get and one return, in one thread, from a warm pool of four objects.

Targets, for plain use and with health checks, expiry and long-use warnings switched on: at most 1.2 times a lock with
a list, and 0.2 times psycopg_pool; from Python 3.14 on 1.3 and 0.15 times, without a GIL 2 and 0.3 times.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from benchmarks import contenders, plots
from benchmarks.contenders import Build, Connect
from benchmarks.options import Options
from benchmarks.report import Progress, Section, Table, Target
from benchmarks.timing import in_nanoseconds, in_turns, ratio, spread
from ProxyPatternPool._runtime.native import GIL

TITLE = "One thread: get and return"
OBJECTS = 4
BASELINE = "lock + list"
PEER = "psycopg_pool"
HELD_TO_TARGETS = ("ours", "ours, health + expiry + warnings")
BUILDS: tuple[Build, ...] = (
    contenders.Ours,
    contenders.OursWatched,
    contenders.OursWith,
    contenders.OursLease,
    contenders.LockList,
    contenders.LifoQueue,
    contenders.PsycopgPool,
    *contenders.QUEUE_POOL,
    *contenders.FAIR_POOL,
    contenders.DbUtilsPool,
    contenders.GenericPool,
)


def measure(options: Options) -> dict[str, list[float]]:
    """Time all contenders."""
    return time_cycles(BUILDS, options)


def time_cycles(builds: Sequence[Build], options: Options) -> dict[str, list[float]]:
    """Time contenders in turns; returns seconds per cycle, in each round, by contender."""
    pools = [build(Connect(), OBJECTS) for build in builds]
    try:
        times = in_turns([pool.cycles for pool in pools], rounds=options.pick(401, 3), span=options.pick(0.002, 0.001))
        return {pool.name: series for pool, series in zip(pools, times, strict=True)}
    finally:
        for pool in pools:
            pool.close()


def table(times: dict[str, list[float]]) -> Table:
    """Make the table."""
    rows = [
        [
            name,
            f"{median(series) * 1e9:,.0f}",
            f"{ratio(series, times[BASELINE]):.2f}",
            f"{ratio(series, times[PEER]):.3f}",
            f"{spread(series).relative:.0%}",
        ]
        for name, series in times.items()
    ]
    return Table(
        "A get and a return, one thread, warm",
        ["pool", "ns", f"x {BASELINE}", f"x {PEER}", "spread"],
        rows,
        f"Four objects that cost nothing, {len(times[BASELINE])} rounds. Spread: distance of the quartiles over the "
        "median. The libraries keep their defaults: SQLAlchemy and DBUtils call the connection's rollback on return.",
    )


def targets(times: dict[str, list[float]]) -> list[Target]:
    """Hold our figures to the bounds: of Python 3.11, of what makes all else faster, and without a GIL."""
    most, most_of_peer = (1.2, 0.2) if sys.version_info < (3, 14) else (1.3, 0.15)
    if not GIL:
        most, most_of_peer = 2.0, 0.3
    found: list[Target] = []
    for name in HELD_TO_TARGETS:
        found.append(Target(f"cycle, {name}: over {BASELINE}", ratio(times[name], times[BASELINE]), most))
        found.append(Target(f"cycle, {name}: over {PEER}", ratio(times[name], times[PEER]), most_of_peer))
    return found


def draw(times: dict[str, list[float]], path: Path) -> None:
    """Draw the medians."""
    plots.draw_cycles(times, path, "A get and a return, one thread, warm pool", height=4.2)


def run(options: Options, progress: Progress) -> Section:
    """Measure and report."""
    progress(f"{len(BUILDS)} pools in turns")
    times = measure(options)
    data = {
        name: {
            **in_nanoseconds(series),
            "over_lock_and_list": ratio(series, times[BASELINE]),
            "over_psycopg_pool": ratio(series, times[PEER]),
        }
        for name, series in times.items()
    }
    return Section(
        "cycle",
        TITLE,
        [table(times)],
        targets(times),
        data,
        {"cycle": lambda path: draw(times, path)},
    )
