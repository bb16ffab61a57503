"""8 and 32 threads on 4 objects, which they hold for no time or for a millisecond.

Targets: held 1 ms, fairness at least 0.95 and the longest wait at most twice the ideal, which `crowd.Outcome.ideal`
defines; not held, at least 5 times the throughput of psycopg_pool.

Rounds are many and short: a machine that stops for some milliseconds once a second would otherwise set the longest wait
of every round. Who starves does so for a whole round, which is hundreds of times the ideal.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from statistics import median
from typing import TypeAlias

from benchmarks import canvas, contenders, plots
from benchmarks.contenders import Build, Connect
from benchmarks.crowd import Crowd, Outcome, Scenario, Summary
from benchmarks.options import Options
from benchmarks.report import Progress, Section, Table, Target

TITLE = "Many threads, four objects"
OBJECTS = 4
THREADS = (8, 32)
HOLDS = (0.0, 0.001)
OURS = "ours"
PEER = "psycopg_pool"
BUILDS: tuple[Build, ...] = (
    contenders.Ours,
    contenders.SemaphoreList,
    contenders.LifoQueue,
    contenders.PsycopgPool,
    contenders.SqlAlchemyPool,
    contenders.DbUtilsPool,
    contenders.GenericPool,
)
Summaries: TypeAlias = dict[str, Summary | None]
"""By contender; None for one that hung."""
Results: TypeAlias = dict[Scenario, Summaries]


def crowd(build: Build, scenario: Scenario) -> tuple[str, Outcome | None]:
    """Run one scenario on a new, warm pool; returns the contender's name and what came of it."""
    pool = build(Connect(), scenario.objects)
    outcome = Crowd(pool, scenario).run()
    if outcome is not None:  # a pool with hung threads may hang in its close, too
        pool.close()
    return pool.name, outcome


def measure(options: Options, progress: Progress) -> Results:
    """Run all scenarios in turns."""
    rounds, duration = options.pick(9, 1), options.pick(0.8, 0.05)
    results: Results = {}
    for hold in HOLDS:
        for threads in THREADS:
            scenario = Scenario(threads, OBJECTS, hold, duration)
            outcomes: dict[str, list[Outcome]] = {}
            hung: set[str] = set()
            for number in range(rounds):
                progress(f"{threads} threads, held {hold * 1e3:g} ms, round {number + 1} of {rounds}")
                for build in BUILDS:
                    name, outcome = crowd(build, scenario)
                    if outcome is None:
                        hung.add(name)
                    else:
                        outcomes.setdefault(name, []).append(outcome)
                    outcomes.setdefault(name, [])
            results[scenario] = {
                name: None if name in hung else Summary(found, scenario) for name, found in outcomes.items()
            }
    return results


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
    note = f"Waits for an object. Fairness: least over most served thread. {scenario.duration:g} s a round."
    ours = summaries[OURS]
    if scenario.hold and ours:
        note += (
            f" Ideal wait of a first-in first-out queue: threads / objects x the median hold, {ours.ideal * 1e3:.2f} ms"
            " here. The longest hold, of a sleep of 1 ms, shows the machine's own hiccups."
        )
    return Table(
        f"{scenario.threads} threads on {scenario.objects} objects, held {scenario.hold * 1e3:g} ms",
        columns,
        rows,
        note,
    )


def targets(results: Results) -> list[Target]:
    """Hold our figures to the bounds."""
    found: list[Target] = []
    for scenario, summaries in results.items():
        ours, peer = summaries[OURS], summaries[PEER]
        where = f"{scenario.threads} threads, held {scenario.hold * 1e3:g} ms"
        if scenario.hold:
            fairness, over = (ours.fairness, ours.over_ideal) if ours else (0.0, float("inf"))
            found.append(Target(f"{where}: fairness", fairness, 0.95, "", at_least=True))
            found.append(Target(f"{where}: longest wait over the ideal", over, 2.0))
        else:
            pairs = zip(ours.outcomes, peer.outcomes, strict=True) if ours and peer else ()
            gains = [mine.throughput / theirs.throughput for mine, theirs in pairs]
            found.append(
                Target(f"{where}: throughput over {PEER}", median(gains) if gains else 0.0, 5.0, at_least=True)
            )
    return found


def figures(summaries: Summaries, pick: Callable[[Summary], float]) -> list[float | None]:
    """Take one figure of each contender."""
    return [None if found is None else pick(found) for found in summaries.values()]


def draw(results: Results, path: Path) -> None:
    """Draw throughput, fairness and longest wait, for 8 threads above, for 32 below."""
    made = canvas.new_figure(13, 8, f"Threads competing for {OBJECTS} objects")
    for row, threads in enumerate(THREADS):
        free = next(found for scenario, found in results.items() if scenario.threads == threads and not scenario.hold)
        held = next(found for scenario, found in results.items() if scenario.threads == threads and scenario.hold)
        throughput, fairness, waits = (made.add_subplot(len(THREADS), 3, row * 3 + column) for column in (1, 2, 3))
        throughput.set_title(f"{threads} threads, not held: throughput", pad=18)
        plots.bars(
            throughput,
            list(free),
            figures(free, lambda found: found.throughput),
            label="cycles per second (log scale)",
            form="{:,.0f}",
            log=True,
        )
        fairness.set_title(f"{threads} threads, held 1 ms: fairness", pad=18)
        plots.bars(
            fairness,
            list(held),
            figures(held, lambda found: found.fairness),
            label="least / most served thread (1 is fair)",
        )
        fairness.set_xlim(0, 1.18)
        fairness.set_xticks([0, 0.25, 0.5, 0.75, 1])
        waits.set_title(f"{threads} threads, held 1 ms: longest wait", pad=18)
        plots.bars(
            waits,
            list(held),
            figures(held, lambda found: found.max * 1e3),
            label="longest wait, milliseconds (log scale)",
            form="{:,.1f}",
            log=True,
        )
        ours = held[OURS]
        if ours:
            plots.bound(waits, ours.ideal * 1e3, f"ideal {ours.ideal * 1e3:.1f} ms")
        for axes in (fairness, waits):
            axes.set_yticklabels([])
    canvas.save(made, path)


def as_data(scenario: Scenario, found: Summary) -> Mapping[str, object]:
    """Put a summary into figures for programs."""
    return {
        "throughput": found.throughput,
        "p50_ms": found.p50 * 1e3,
        "p99_ms": found.p99 * 1e3,
        "max_ms": found.max * 1e3,
        "fairness": found.fairness,
        "max_over_ideal": found.over_ideal if scenario.hold else None,
        "rounds_s": [asdict(outcome) for outcome in found.outcomes],
    }


def run(options: Options, progress: Progress) -> Section:
    """Measure and report."""
    results = measure(options, progress)
    data = {
        f"{scenario.threads} threads, held {scenario.hold * 1e3:g} ms": {
            name: None if found is None else as_data(scenario, found) for name, found in summaries.items()
        }
        for scenario, summaries in results.items()
    }
    return Section(
        "contention",
        TITLE,
        [table(scenario, found) for scenario, found in results.items()],
        targets(results),
        data,
        {"contention": lambda path: draw(results, path)},
    )
