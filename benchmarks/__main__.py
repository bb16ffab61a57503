"""Run the benchmarks: ``python -m benchmarks [--quick] [--only TOPIC] [--output FOLDER] [--strict]``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from time import perf_counter

from benchmarks import burst, contention, cycle, memory, production, proxies, record, scale
from benchmarks.asynchronous import burst as async_burst
from benchmarks.asynchronous import contention as async_contention
from benchmarks.asynchronous import cycle as async_cycle
from benchmarks.asynchronous import storm
from benchmarks.environment import environment
from benchmarks.options import Options
from benchmarks.report import Progress, Section, render, write

TOPICS: dict[str, Callable[[Options, Progress], Section]] = {
    "cycle": cycle.run,
    "production": production.run,
    "contention": contention.run,
    "burst": burst.run,
    "scale": scale.run,
    "memory": memory.run,
    "proxies": proxies.run,
    "async-cycle": async_cycle.run,
    "async-contention": async_contention.run,
    "async-burst": async_burst.run,
    "async-storm": storm.run,
}


def parser() -> argparse.ArgumentParser:
    """Make the command line's parser."""
    made = argparse.ArgumentParser(
        prog="python -m benchmarks", description="Measure the pool and the proxy, and others beside them."
    )
    made.add_argument("--quick", action="store_true", help="show that everything works, in seconds")
    made.add_argument("--only", action="append", choices=list(TOPICS), metavar="TOPIC", help="one of: %(choices)s")
    made.add_argument("--output", type=Path, metavar="FOLDER", help="where to write table, figures and plots")
    made.add_argument("--strict", action="store_true", help="exit with 1 if a target is missed")
    return made


def show(topic: str) -> Progress:
    """Make a progress line for a topic, on the error stream."""
    start = perf_counter()

    def progress(what: str, /) -> None:
        print(f"[{perf_counter() - start:5.1f} s] {topic}: {what}", file=sys.stderr, flush=True)

    return progress


def main(arguments: Sequence[str] | None = None) -> int:
    """Run; returns the exit code."""
    asked = parser().parse_args(arguments)
    topics: list[str] = asked.only or list(TOPICS)
    options = Options(quick=asked.quick)
    # Only a full run replaces the figures of record, which are kept for each Python.
    partial = asked.quick or bool(asked.only)
    folder: Path = asked.output or record.RESULTS / ("partial" if partial else record.folder_name())
    where = environment(quick=options.quick)
    sections = [TOPICS[topic](options, show(topic)) for topic in topics]
    print(render(where, sections))
    files = write(folder, where, sections)
    if not partial and not asked.output:
        files = [file for file in files if file.suffix != ".png"] + record.combine(record.RESULTS)
    for file in files:
        print(f"wrote {file.relative_to(Path.cwd()) if file.is_relative_to(Path.cwd()) else file.name}")
    targets = [target for section in sections for target in section.targets]
    missed = [target for target in targets if not target.passed]
    print(f"{len(missed)} of {len(targets)} targets missed")
    return 1 if missed and asked.strict else 0


if __name__ == "__main__":
    sys.exit(main())
