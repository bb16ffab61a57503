"""Tasks that are cancelled at random, and what each pool loses by it.

Each storm runs in a process of its own (`storm_process`), which is ended where a pool hangs for good.

Target: ours loses nothing.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path

from benchmarks.asynchronous.loops import LOOPS
from benchmarks.asynchronous.storm_process import BUILDS, HELD_TO_TARGETS, OBJECTS, TASKS, Damage
from benchmarks.options import Options
from benchmarks.report import Progress, Section, Table, Target

LIMIT = 60.0
"""Seconds after which a storm is ended."""
ROOT = Path(__file__).parents[2]


def storm(kind: str, name: str, pools: int, loans: int) -> Damage | None:
    """Run a storm in a process of its own; returns None if it does not end."""
    command = [sys.executable, "-m", "benchmarks.asynchronous.storm_process", kind, name, str(pools), str(loans)]
    try:
        ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=LIMIT, check=False)
    except subprocess.TimeoutExpired:
        return None
    if ended.returncode:
        raise RuntimeError(f"the storm over {name} failed:\n{ended.stderr}")
    return Damage(**json.loads(ended.stdout))


def measure(options: Options, progress: Progress) -> dict[str, dict[str, Damage | None]]:
    """Run all storms, two at a time: nothing is timed."""
    pools, loans = options.pick(4, 1), options.pick(2000, 200)
    pairs = [(kind, name) for kind in LOOPS for name in BUILDS]

    def run_one(pair: tuple[str, str]) -> Damage | None:
        progress(" over ".join(pair))
        return storm(*pair, pools, loans)

    with ThreadPoolExecutor(2) as threads:
        found = dict(zip(pairs, threads.map(run_one, pairs), strict=True))
    return {kind: {name: found[kind, name] for name in BUILDS} for kind in LOOPS}


def table(kind: str, results: Mapping[str, Damage | None]) -> Table:
    """Make the table of one event loop."""
    columns = [
        "pool",
        "loans",
        "cancellations",
        "lost objects",
        "lost cancellations",
        "other errors",
        "tasks that hang",
        "places lost",
    ]
    rows: list[list[str]] = []
    for name, found in results.items():
        if found is None:
            rows.append([name, f"did not end in {LIMIT:g} s", *[""] * (len(columns) - 2)])
        else:
            rows.append([name, *(f"{value:,}" for value in asdict(found).values())])
    return Table(
        f"A storm of cancellations, {kind}",
        columns,
        rows,
        f"{TASKS} tasks on {OBJECTS} objects, one after the other cancelled at random, and replaced; a creation takes "
        "1 ms, and every message to an object suspends once. Lost objects: those created that are neither closed nor "
        "idle at the end. Lost cancellations: tasks that were cancelled and went on. Tasks that hang: at the end, when "
        f"all others have given back. Places lost: how many of {OBJECTS} loans at once fail after that. Sums over some "
        "pools, each a new one.",
    )


def targets(kind: str, results: Mapping[str, Damage | None]) -> list[Target]:
    """Hold ours to losing nothing."""
    return [
        Target(f"{kind}, storm over {name}: all that is lost", found.all_lost if found else float("inf"), 0, "")
        for name in HELD_TO_TARGETS
        for found in (results[name],)
    ]


def run(options: Options, progress: Progress) -> Section:
    """Measure and report."""
    results = measure(options, progress)
    return Section(
        "async-storm",
        "Tasks that are cancelled",
        [table(kind, of_kind) for kind, of_kind in results.items()],
        [target for kind, of_kind in results.items() for target in targets(kind, of_kind)],
        {
            kind: {name: None if found is None else asdict(found) for name, found in of_kind.items()}
            for kind, of_kind in results.items()
        },
    )
