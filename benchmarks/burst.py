"""16 threads at once on an empty pool whose factory takes 50 ms; all keep their objects until everyone has one.

Target: everyone is served within 1.3 times one creation, as measured in the same round.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from time import perf_counter

from benchmarks import canvas, contenders, plots
from benchmarks.contenders import Build, Connect
from benchmarks.options import Options
from benchmarks.report import Progress, Section, Table, Target

THREADS = 16
CREATION = 0.05
TITLE = f"{THREADS} threads on an empty pool, creation takes {CREATION * 1e3:g} ms"
LIMIT = 30.0
OURS = "ours"
BUILDS: tuple[Build, ...] = (
    contenders.Ours,
    contenders.SemaphoreList,
    contenders.PsycopgPool,
    *contenders.QUEUE_POOL,
    contenders.DbUtilsPool,
    contenders.GenericPool,
)


@dataclass(frozen=True)
class Burst:
    """How long it took until all were served, how long one creation took (median), and how many there were."""

    total: float
    creation: float
    creations: int

    @property
    def over_creation(self) -> float:
        """The whole over one creation."""
        return self.total / self.creation


def burst(build: Build, threads: int) -> tuple[str, Burst]:
    """Let all threads in at once."""
    connect = Connect(CREATION)
    pool = build(connect, threads, warm=False)
    start = 0.0
    served: list[float] = []

    def begin() -> None:
        nonlocal start
        start = perf_counter()

    begun, done = threading.Barrier(threads, action=begin), threading.Barrier(threads)

    def live() -> None:
        begun.wait()
        obj = pool.acquire()
        served.append(perf_counter())
        done.wait(LIMIT)
        pool.release(obj)

    workers = [threading.Thread(target=live, daemon=True) for _ in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(LIMIT)
    if len(served) != threads:
        raise RuntimeError(f"{pool.name}: only {len(served)} of {threads} threads were served in {LIMIT:g} s")
    pool.close()
    return pool.name, Burst(max(served) - start, median(connect.durations), len(connect.durations))


def measure(options: Options, progress: Progress) -> dict[str, list[Burst]]:
    """Run the contenders in turns."""
    rounds = options.pick(9, 1)
    results: dict[str, list[Burst]] = {}
    for number in range(rounds):
        progress(f"round {number + 1} of {rounds}")
        for build in BUILDS:
            name, found = burst(build, THREADS)
            results.setdefault(name, []).append(found)
    return results


def over_creation(bursts: Sequence[Burst]) -> float:
    """Median of the whole over one creation."""
    return median(found.over_creation for found in bursts)


def table(results: Mapping[str, Sequence[Burst]], title: str) -> Table:
    """Make the table."""
    rows = [
        [
            name,
            f"{median(found.total for found in bursts) * 1e3:,.1f}",
            f"{over_creation(bursts):.2f}",
            f"{median(found.creations for found in bursts):g}",
        ]
        for name, bursts in results.items()
    ]
    return Table(
        title,
        ["pool", "all served after ms", "x one creation", "creations"],
        rows,
        "Everyone keeps the object until all have one.",
    )


def as_data(results: Mapping[str, Sequence[Burst]]) -> Mapping[str, object]:
    """Put the bursts into figures for programs."""
    return {
        name: {
            "total_ms": [found.total * 1e3 for found in bursts],
            "creation_ms": [found.creation * 1e3 for found in bursts],
            "over_creation": over_creation(bursts),
        }
        for name, bursts in results.items()
    }


def draw(results: Mapping[str, Sequence[Burst]], path: Path) -> None:
    """Draw the medians."""
    made = canvas.new_figure(8, 3.4, TITLE)
    axes = made.add_subplot(1, 1, 1)
    plots.bars(
        axes,
        list(results),
        [median(found.total for found in bursts) * 1e3 for bursts in results.values()],
        label="milliseconds until everyone has an object, median",
        form="{:,.0f}",
    )
    plots.bound(axes, CREATION * 1e3, "one creation")
    canvas.save(made, path)


def run(options: Options, progress: Progress) -> Section:
    """Measure and report."""
    results = measure(options, progress)
    text = f"burst of {THREADS} on an empty pool: all served, over one creation"
    return Section(
        "burst",
        "A burst on an empty pool",
        [table(results, TITLE)],
        [Target(text, over_creation(results[OURS]), 1.3)],
        as_data(results),
        {"burst": lambda path: draw(results, path)},
    )
