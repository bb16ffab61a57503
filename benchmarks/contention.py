"""8 and 32 threads on 4 objects, which they hold for no time or for a millisecond; without the GIL also 1 and 2.

Targets: held 1 ms, fairness at least 0.95 and the longest wait at most twice the ideal, which `crowd.Outcome.ideal`
defines; not held, at least 5 times the throughput of psycopg_pool. Without the GIL two threads, each of which has an
object to itself, at least 1.6 times the throughput of one, and eight on four objects no less than one.

Rounds are many and short: a machine that stops for some milliseconds once a second would otherwise set the longest wait
of every round. Who starves does so for a whole round, which is hundreds of times the ideal.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from statistics import median

from benchmarks import canvas, contenders, plots
from benchmarks.contenders import Build, Connect
from benchmarks.crowd import Crowd, Outcome, Results, Scenario, Summaries, Summary, compete
from benchmarks.environment import gil
from benchmarks.options import Options
from benchmarks.report import Progress, Section, Table, Target

OBJECTS = 4
THREADS = (8, 32)
PARALLEL = () if gil() else (1, 2)
"""How many threads have objects to themselves, and hold them for no time."""
HOLDS = (0.0, 0.001)
OURS = "ours"
PEER = "psycopg_pool"
BUILDS: tuple[Build, ...] = (
    contenders.Ours,
    contenders.SemaphoreList,
    contenders.LifoQueue,
    contenders.PsycopgPool,
    *contenders.QUEUE_POOL,
    *contenders.FAIR_POOL,
    contenders.DbUtilsPool,
    contenders.GenericPool,
)


def crowd(build: Build, scenario: Scenario) -> tuple[str, Outcome | None]:
    """Run one scenario on a new, warm pool; returns the contender's name and what came of it."""
    pool = build(Connect(), scenario.objects)
    outcome = Crowd(pool, scenario).run()
    if outcome is not None:  # a pool with hung threads may hang in its close, too
        pool.close()
    return pool.name, outcome


def measure(options: Options, progress: Progress) -> Results:
    """Run all scenarios."""
    duration = options.pick(0.8, 0.05)
    scenarios = [
        *(Scenario(threads, OBJECTS, 0.0, duration) for threads in PARALLEL),
        *(Scenario(threads, OBJECTS, hold, duration) for hold in HOLDS for threads in THREADS),
    ]
    return compete(scenarios, BUILDS, crowd, options.pick(9, 1), progress)


def milliseconds(value: float) -> str:
    """Write a wait in milliseconds, with the digits that matter."""
    return f"{value * 1e3:,.4f}" if value < 1e-4 else f"{value * 1e3:,.2f}" if value < 0.1 else f"{value * 1e3:,.0f}"


def table(scenario: Scenario, summaries: Summaries) -> Table:
    """Make the table of one scenario."""
    columns = ["pool", "cycles/s", "p50 ms", "p99 ms", "max ms", "max / ideal", "fairness", "longest hold ms"]
    if not scenario.hold:
        columns = [*columns[:5], "fairness", f"x {PEER}"]
    peer = summaries[PEER]
    rows: list[list[str]] = []
    for name, found in summaries.items():
        if found is None:
            rows.append([name, "hung", *[""] * (len(columns) - 2)])
            continue
        row = [
            name,
            f"{found.throughput:,.0f}",
            milliseconds(found.p50),
            milliseconds(found.p99),
            milliseconds(found.max),
        ]
        if scenario.hold:
            row += [f"{found.over_ideal:.1f}", f"{found.fairness:.3f}", milliseconds(found.longest_hold)]
        else:
            row += [f"{found.fairness:.3f}", f"{found.throughput / peer.throughput:.1f}" if peer else "-"]
        rows.append(row)
    note = f"Waits for an object. Fairness: least over most served. {scenario.duration:g} s a round."
    ours = summaries[OURS]
    if scenario.hold and ours:
        note += (
            f" Ideal wait of a first-in first-out queue: callers / objects x the median hold, {ours.ideal * 1e3:.2f} ms"
            " here. The longest hold, of a sleep of 1 ms, shows the machine's own hiccups."
        )
    return Table(f"{scenario.who} on {scenario.objects} objects, {scenario.held}", columns, rows, note)


def targets_held(results: Results) -> list[Target]:
    """Hold our order to the bounds, where objects are held for some time."""
    found: list[Target] = []
    for scenario, summaries in results.items():
        if scenario.hold:
            ours = summaries[OURS]
            fairness, over = (ours.fairness, ours.over_ideal) if ours else (0.0, float("inf"))
            where = f"{scenario.who}, {scenario.held}"
            found.append(Target(f"{where}: fairness", fairness, 0.95, "", at_least=True))
            found.append(Target(f"{where}: longest wait over the ideal", over, 2.0))
    return found


def targets_parallel(results: Results) -> list[Target]:
    """Hold our throughput where threads run side by side to that of one thread."""
    alone = next((summaries[OURS] for scenario, summaries in results.items() if scenario.callers == 1), None)
    bounds = {2: 1.6, 8: 1.0}
    return [
        Target(
            f"{scenario.who}, {scenario.held}: throughput over that of one",
            ours.throughput / alone.throughput if (ours := summaries[OURS]) and alone.throughput else 0.0,
            bounds[scenario.callers],
            at_least=True,
        )
        for scenario, summaries in results.items()
        if alone and not scenario.hold and scenario.callers in bounds
    ]


def targets(results: Results) -> list[Target]:
    """Hold our figures to the bounds."""
    found: list[Target] = []
    for scenario, summaries in results.items():
        if not scenario.hold and scenario.callers not in PARALLEL:
            ours, peer = summaries[OURS], summaries[PEER]
            pairs = zip(ours.outcomes, peer.outcomes, strict=True) if ours and peer else ()
            gains = [mine.throughput / theirs.throughput for mine, theirs in pairs]
            text = f"{scenario.who}, {scenario.held}: throughput over {PEER}"
            found.append(Target(text, median(gains) if gains else 0.0, 5.0, at_least=True))
    return found + targets_held(results) + targets_parallel(results)


def figures(summaries: Summaries, pick: Callable[[Summary], float]) -> list[float | None]:
    """Take one figure of each contender."""
    return [None if found is None else pick(found) for found in summaries.values()]


def draw(results: Results, path: Path, title: str) -> None:
    """Draw throughput, fairness and longest wait, a row for each number of callers."""
    pairs = [
        (free, held)
        for free in results
        for held in results
        if free.callers == held.callers and not free.hold and held.hold
    ]
    made = canvas.new_figure(13, 4 * len(pairs), title)
    for row, (free, held) in enumerate(pairs):
        throughput, fairness, waits = (made.add_subplot(len(pairs), 3, row * 3 + column) for column in (1, 2, 3))
        throughput.set_title(f"{free.who}, {free.held}: throughput", pad=18)
        plots.bars(
            throughput,
            list(results[free]),
            figures(results[free], lambda found: found.throughput),
            label="cycles per second (log scale)",
            form="{:,.0f}",
            log=True,
        )
        fairness.set_title(f"{held.who}, {held.held}: fairness", pad=18)
        plots.bars(
            fairness,
            list(results[held]),
            figures(results[held], lambda found: found.fairness),
            label="least / most served (1 is fair)",
        )
        fairness.set_xlim(0, 1.18)
        fairness.set_xticks([0, 0.25, 0.5, 0.75, 1])
        waits.set_title(f"{held.who}, {held.held}: longest wait", pad=18)
        plots.bars(
            waits,
            list(results[held]),
            figures(results[held], lambda found: found.max * 1e3),
            label="longest wait, milliseconds (log scale)",
            form="{:,.1f}",
            log=True,
        )
        ours = results[held][OURS]
        if ours:
            plots.bound(waits, ours.ideal * 1e3, f"ideal {ours.ideal * 1e3:.1f} ms")
        for axes in (fairness, waits):
            axes.set_yticklabels([])
    canvas.save(made, path)


def as_data(results: Results) -> Mapping[str, object]:
    """Put all summaries into figures for programs."""
    return {
        f"{scenario.who}, {scenario.held}": {
            name: None
            if found is None
            else {
                "throughput": found.throughput,
                "p50_ms": found.p50 * 1e3,
                "p99_ms": found.p99 * 1e3,
                "max_ms": found.max * 1e3,
                "fairness": found.fairness,
                "max_over_ideal": found.over_ideal if scenario.hold else None,
                "rounds_s": [asdict(outcome) for outcome in found.outcomes],
            }
            for name, found in summaries.items()
        }
        for scenario, summaries in results.items()
    }


def run(options: Options, progress: Progress) -> Section:
    """Measure and report."""
    results = measure(options, progress)
    return Section(
        "contention",
        "Many threads, four objects",
        [table(scenario, found) for scenario, found in results.items()],
        targets(results),
        as_data(results),
        {"contention": lambda path: draw(results, path, f"Threads competing for {OBJECTS} objects")},
    )
