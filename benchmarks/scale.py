"""From 10 to 100,000 objects, and from one to 500 pools.

Targets: a cycle costs at most 1.2 times as much with 100,000 idle objects as with 10, and at every size between; a
round of maintenance in which nothing is due does not grow (at most 1.5 times: it takes microseconds, and one that
looked at all objects would take thousands of times as long); nor does what an exporter reads, or a summary on the
status page (at most 2 times: of a large pool less is in the caches); 500 pools run at most a few threads more than one
does: ten rounds of maintenance a second in each of them keep the workers busy, which all pools share.
"""

from __future__ import annotations

import gc
import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from time import perf_counter, sleep

from benchmarks import canvas, plots
from benchmarks.contenders import Build, Connect, FakeConnection, OursWatched, PsycopgPool
from benchmarks.options import Options
from benchmarks.report import Progress, Section, Table, Target
from benchmarks.timing import Loop, in_turns, ratio
from ProxyPatternPool import Pool
from ProxyPatternPool._export import Watched
from ProxyPatternPool._export import read as read_gauges
from ProxyPatternPool._inspect.status import brief, details
from ProxyPatternPool._inspect.status import read as read_sample
from ProxyPatternPool._pool.pool import core_of
from ProxyPatternPool._status.data import MOST, MOST_CALLERS

TITLE = "Many objects, many pools"
HOUR = 3600.0
FEW = 8
TASKS = Path("/proc/self/task")


@dataclass(frozen=True)
class Series:
    """Seconds per cycle and per house-keeping round, in each round of the measuring, with `idle` objects idle."""

    idle: int
    cycle: list[float]
    housekeep: list[float]


@dataclass(frozen=True)
class Shown:
    """Seconds that it takes to show a pool, in each round of the measuring, for each number of objects."""

    what: str
    lent: bool
    sizes: Sequence[int]
    times: list[list[float]]


@dataclass(frozen=True)
class Threads:
    """How many threads a number of pools runs, beyond those that were there before."""

    name: str
    pools: int
    threads: int


def make_pool(idle: int) -> Pool[FakeConnection]:
    """Make a pool with that many idle objects, all of which could expire, none of which does."""
    connect = Connect()
    pool: Pool[FakeConnection] = Pool(lambda _: connect(), min_size=0, max_avail_delay=HOUR, max_using_delay=HOUR)
    gc.disable()  # it would look at all of them again and again, while there are more and more
    try:
        for obj in [pool.get() for _ in range(idle)]:
            pool.ret(obj)
    finally:
        gc.enable()
    return pool


def cycles(pool: Pool[FakeConnection]) -> Loop:
    """Make a loop of gets and returns."""

    def loop(count: int) -> None:
        for _ in range(count):
            obj = pool.get()
            pool.ret(obj)

    return loop


def rounds_of(pool: Pool[FakeConnection]) -> Loop:
    """Make a loop of house-keeping rounds."""

    def loop(count: int) -> None:
        for _ in range(count):
            pool.housekeep()

    return loop


def measure_sizes(options: Options) -> list[Series]:
    """Time cycles and rounds at all sizes, in turns."""
    sizes = options.pick((10, 100, 1_000, 10_000, 100_000), (10, 1_000))
    rounds, span = options.pick(401, 3), options.pick(0.002, 0.001)
    pools = [make_pool(size) for size in sizes]
    try:
        cycle = in_turns([cycles(pool) for pool in pools], rounds, span)
        housekeep = in_turns([rounds_of(pool) for pool in pools], rounds, span)
        for size, pool in zip(sizes, pools, strict=True):
            left = pool.stats()["navail"]
            if left != size:
                raise RuntimeError(f"{left} of {size} objects are idle: something was due")
        return [Series(*found) for found in zip(sizes, cycle, housekeep, strict=True)]
    finally:
        for pool in pools:
            pool.shutdown()


def showing(pool: Pool[FakeConnection]) -> dict[str, Callable[[], object]]:
    """Make what shows a pool, by name."""
    core, watched = core_of(pool), Watched()
    watched.add(pool)
    return {
        "exporter": lambda: read_gauges(watched),
        "page: summary": lambda: brief(core),
        "page: sample": lambda: read_sample(core),
        "page: details": lambda: details(core, MOST, MOST_CALLERS),
        "stats()": pool.stats,
    }


def repeated(do: Callable[[], object]) -> Loop:
    """Make a loop of calls."""

    def loop(count: int) -> None:
        for _ in range(count):
            do()

    return loop


def measure_shown(options: Options) -> list[Shown]:
    """Time what shows a pool, with all objects idle, and with all of them lent."""
    sizes = options.pick((10, 1_000, 100_000), (10, 1_000))
    rounds, span = options.pick(11, 3), options.pick(0.002, 0.001)
    pools = [make_pool(size) for size in sizes]
    held: list[list[FakeConnection]] = [[] for _ in pools]
    found: list[Shown] = []
    try:
        for lent in (False, True):
            if lent:
                held = [[pool.get() for _ in range(size)] for pool, size in zip(pools, sizes, strict=True)]
            ways = [showing(pool) for pool in pools]
            found += [
                Shown(what, lent, sizes, in_turns([repeated(way[what]) for way in ways], rounds, span))
                for what in ways[0]
            ]
        return found
    finally:
        for pool, objects in zip(pools, held, strict=True):
            for obj in objects:
                pool.ret(obj)
            pool.shutdown()


def count_threads() -> int:
    """Count this process's threads, by the system's count where there is one: a pool might start some unseen."""
    return len(os.listdir(TASKS)) if TASKS.is_dir() else threading.active_count()


def peak_threads(build: Build, pools: int, watch: float) -> Threads:
    """Make pools, use each, and watch for some time how many threads there are beyond those of before."""
    before = count_threads()
    made = [build(Connect(), 1) for _ in range(pools)]
    for pool in made:
        pool.release(pool.acquire())
    peak, end = 0, perf_counter() + watch
    while perf_counter() < end:
        peak = max(peak, count_threads())
        sleep(0.005)
    for pool in made:
        pool.close()
    return Threads(made[0].name, pools, peak - before)


def measure_threads(options: Options) -> list[Threads]:
    """Count threads of ours with maintenance on, and of a pool with threads of its own.

    Each in an interpreter of its own, where no thread is left over from anything else.
    """
    watch = options.pick(1.0, 0.2)
    cases: list[tuple[Build, int]] = [
        (OursWatched, 1),
        (OursWatched, options.pick(500, 20)),
        (PsycopgPool, 1),
        (PsycopgPool, options.pick(20, 2)),
    ]
    found: list[Threads] = []
    for build, pools in cases:
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
            found.append(process.submit(peak_threads, build, pools, watch).result())
    return found


def growth(series: Sequence[list[float]]) -> float:
    """Take the worst ratio of a larger size to the smallest."""
    return max(ratio(times, series[0]) for times in series[1:])


def table(found: list[Series]) -> Table:
    """Make the table of sizes."""
    first = found[0]
    rows = [
        [
            f"{series.idle:,}",
            f"{median(series.cycle) * 1e9:,.0f}",
            f"{ratio(series.cycle, first.cycle):.2f}",
            f"{median(series.housekeep) * 1e6:,.2f}",
            f"{ratio(series.housekeep, first.housekeep):.2f}",
        ]
        for series in found
    ]
    columns = ["idle objects", "get + ret ns", "x smallest", "idle round µs", "x smallest"]
    return Table(
        "Cost by number of idle objects",
        columns,
        rows,
        "A round of maintenance in which nothing is due, with expiry and long-use warnings on.",
        text_columns=0,
    )


def shown_table(found: list[Shown]) -> Table:
    """Make the table of what it takes to show a pool."""
    rows = [
        [each.what, "lent" if each.lent else "idle", *(f"{median(times) * 1e6:,.1f}" for times in each.times)]
        for each in found
    ]
    return Table(
        "Cost to show a pool, by number of objects",
        ["what", "all are", *(f"{size:,}: µs" for size in found[0].sizes)],
        rows,
        "A sample is taken once a second, and adds up the loans of all objects, without the pool's lock. Details are "
        f"read when the page is shown; they have {MOST} objects at most.",
        text_columns=2,
    )


def threads_table(counts: list[Threads]) -> Table:
    """Make the table of threads."""
    rows = [[found.name, f"{found.pools:,}", f"{found.threads:,}"] for found in counts]
    return Table(
        "Threads by number of pools",
        ["pool", "pools", "threads"],
        rows,
        "Most threads at a time beyond those of the program, each pool in use.",
    )


def draw(found: list[Series], path: Path) -> None:
    """Draw both costs over the number of idle objects."""
    made = canvas.new_figure(9, 3.8, "Cost by number of idle objects")
    left, right = made.add_subplot(1, 2, 1), made.add_subplot(1, 2, 2)
    sizes = [series.idle for series in found]
    for axes, values, label in (
        (left, [median(series.cycle) * 1e9 for series in found], "nanoseconds per get + return"),
        (right, [median(series.housekeep) * 1e6 for series in found], "microseconds per round, nothing due"),
    ):
        axes.plot(sizes, values, marker="o", color=plots.OURS)
        axes.set_xscale("log")
        axes.set_ylim(0, max(values) * 1.35)
        axes.set_xlabel("idle objects in the pool (log scale)")
        axes.set_ylabel(label)
        for size, value in zip(sizes, values, strict=True):
            axes.annotate(f"{value:.3g}", (size, value), (0, 7), textcoords="offset points", ha="center")
        plots.tidy(axes, log=True)
    canvas.save(made, path)


def run(options: Options, progress: Progress) -> Section:
    """Measure and report."""
    progress("idle objects")
    found = measure_sizes(options)
    progress("what shows a pool")
    shown = measure_shown(options)
    progress("threads")
    counts = measure_threads(options)
    one, many = counts[0], counts[1]
    most = found[-1].idle
    return Section(
        "scale",
        TITLE,
        [table(found), shown_table(shown), threads_table(counts)],
        [
            Target(f"a cycle with up to {most:,} idle, over 10 idle", growth([s.cycle for s in found]), 1.2),
            Target(f"a round with up to {most:,} idle, over 10 idle", growth([s.housekeep for s in found]), 1.5),
            *(
                Target(
                    f"{each.what} with up to {each.sizes[-1]:,} {'lent' if each.lent else 'idle'}, over 10",
                    growth(each.times),
                    2.0,
                )
                for each in shown
                if each.what in ("exporter", "page: summary")
            ),
            Target(f"threads of {many.pools} pools more than of one", many.threads - one.threads, FEW, ""),
        ],
        {
            "cycle_ns": {str(s.idle): median(s.cycle) * 1e9 for s in found},
            "round_us": {str(s.idle): median(s.housekeep) * 1e6 for s in found},
            "shown_us": [
                {
                    "what": each.what,
                    "lent": each.lent,
                    "us": {str(size): median(times) * 1e6 for size, times in zip(each.sizes, each.times, strict=True)},
                }
                for each in shown
            ],
            "threads": [{"pool": c.name, "pools": c.pools, "threads": c.threads} for c in counts],
        },
        {"scale": lambda path: draw(found, path)},
    )
