"""What it costs to switch on what production needs: a get and a return, one thread, a warm pool of four objects.

Targets: a `max_lifetime` at most 1.1 times the plain pool, since the quick way looks at the clock anyway;
`health_before_get` while no check is due at most 2.5 times, and at most half of psycopg_pool with a `check`; a `retter`
at most 0.6 times psycopg_pool without a `reset`, which with one is slower by far. That nothing is paid for what is off
is for the topic `cycle` to show.
"""

from __future__ import annotations

from pathlib import Path
from statistics import median

from benchmarks import plots
from benchmarks.contenders.production import (
    BUILDS,
    CHECK_EACH,
    CHECK_NOT_DUE,
    LIFETIME,
    OBSERVER,
    PLAIN,
    PSYCOPG,
    PSYCOPG_CHECK,
    PSYCOPG_RESET,
    RETTER,
    SQLALCHEMY,
    SQLALCHEMY_LISTENERS,
    SQLALCHEMY_PING,
    SQLALCHEMY_RECYCLE,
)
from benchmarks.cycle import time_cycles
from benchmarks.options import Options
from benchmarks.report import Progress, Section, Table, Target
from benchmarks.timing import in_nanoseconds, ratio, spread

TITLE = "What production needs, switched on"
LIKES = {
    PLAIN: PSYCOPG,
    LIFETIME: PSYCOPG,  # an hour, by default
    CHECK_NOT_DUE: PSYCOPG_CHECK,
    CHECK_EACH: PSYCOPG_CHECK,
    RETTER: PSYCOPG_RESET,
    OBSERVER: SQLALCHEMY_LISTENERS,
}
"""What of ours is compared with what of a peer's."""
BASES = {
    **dict.fromkeys((PSYCOPG, PSYCOPG_CHECK, PSYCOPG_RESET), PSYCOPG),
    **dict.fromkeys((SQLALCHEMY, SQLALCHEMY_RECYCLE, SQLALCHEMY_PING, SQLALCHEMY_LISTENERS), SQLALCHEMY),
}
"""The plain pool of each library but ours."""


def measure(options: Options) -> dict[str, list[float]]:
    """Time all contenders."""
    return time_cycles(BUILDS, options)


def table(times: dict[str, list[float]]) -> Table:
    """Make the table."""
    rows = [
        [
            name,
            LIKES.get(name, ""),
            f"{median(series) * 1e9:,.0f}",
            f"{ratio(series, times[PLAIN]):.2f}",
            f"{ratio(series, times[BASES.get(name, PLAIN)]):.2f}",
            f"{ratio(series, times[LIKES[name]]):.2f}" if LIKES.get(name) in times else "",
            f"{spread(series).relative:.0%}",
        ]
        for name, series in times.items()
    ]
    return Table(
        "A get and a return, one thread, warm, with one thing after the other switched on",
        ["pool", "a peer's like", "ns", "x ours", "x its own plain pool", "x the like", "spread"],
        rows,
        "Checks, resets and listeners do nothing, and cost what it takes to call them. A lifetime is an hour; that of "
        "psycopg_pool is an hour by default. `health_before_get` is 30 s, and 0. psycopg_pool leaves a reset to a "
        "thread of its own, which has to get its turn before the object can be lent again. SQLAlchemy rolls back in "
        "any case. All of these: lifetime, check, retter, `max_waiting` and `max_using_delay`.",
        text_columns=2,
    )


def targets(times: dict[str, list[float]]) -> list[Target]:
    """Hold our figures to the bounds."""
    return [
        Target(f"production, {name}: over {other}", ratio(times[name], times[other]), bound)
        for name, other, bound in (
            (LIFETIME, PLAIN, 1.1),
            (CHECK_NOT_DUE, PLAIN, 2.5),
            (CHECK_NOT_DUE, PSYCOPG_CHECK, 0.5),
            (RETTER, PSYCOPG, 0.6),
        )
    ]


def draw(times: dict[str, list[float]], path: Path) -> None:
    """Draw the medians."""
    plots.draw_cycles(times, path, "What production needs, switched on: a get and a return", height=5.6)


def run(options: Options, progress: Progress) -> Section:
    """Measure and report."""
    progress(f"{len(BUILDS)} pools in turns")
    times = measure(options)
    data = {
        name: {
            **in_nanoseconds(series),
            "over_ours": ratio(series, times[PLAIN]),
            "over_its_own_plain_pool": ratio(series, times[BASES.get(name, PLAIN)]),
            "over_the_like": ratio(series, times[LIKES[name]]) if LIKES.get(name) in times else None,
        }
        for name, series in times.items()
    }
    return Section(
        "production",
        TITLE,
        [table(times)],
        targets(times),
        data,
        {"production": lambda path: draw(times, path)},
    )
