"""16 tasks at once on an empty pool whose factory takes 50 ms; all keep their objects until everyone has one.

Target: everyone is served within 1.1 times one creation, as measured in the same round. Beside it: who is served while
the first creation does not end at all.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from statistics import median
from time import perf_counter

from benchmarks.asynchronous.loops import LOOPS, event_loop
from benchmarks.burst import CREATION, LIMIT, OURS, Burst, as_data, over_creation, table
from benchmarks.contenders.asynchronous import POOLS, Build, Connect, opened
from benchmarks.options import Options
from benchmarks.report import Progress, Section, Table, Target

TASKS = 16
QUICK = 0.001
"""How long those creations take that end while another one hangs."""
SOON = 0.5
"""Seconds after which nobody else is served who waits beside a creation that hangs."""


async def burst(build: Build) -> Burst:
    """Let all tasks in at once."""
    connect = Connect(CREATION)
    pool = await opened(build, connect, TASKS, warm=False)
    served: list[float] = []
    everyone = asyncio.Event()

    async def live() -> None:
        async with pool.loan():
            served.append(perf_counter())
            if len(served) == TASKS:
                everyone.set()
            await everyone.wait()

    start = perf_counter()
    await asyncio.wait_for(asyncio.gather(*(live() for _ in range(TASKS))), LIMIT)
    await pool.close()
    return Burst(max(served) - start, median(connect.durations), len(connect.durations))


async def served_beside_a_hanging_creation(build: Build) -> int:
    """Count the tasks that get an object though the first creation hangs."""
    connect = Connect(QUICK, hangs=True)
    pool = await opened(build, connect, TASKS, warm=False)
    served = 0
    seen = asyncio.Event()

    async def live() -> None:
        nonlocal served
        async with pool.loan():
            served += 1
            await seen.wait()

    tasks = [asyncio.create_task(live()) for _ in range(TASKS)]
    await asyncio.wait(tasks, timeout=SOON)
    found = served
    seen.set()
    connect.go_on.set()
    await asyncio.gather(*tasks)
    await pool.close()
    return found


def measure(kind: str, options: Options, progress: Progress) -> dict[str, list[Burst]]:
    """Run the contenders in turns on one kind of event loop."""
    rounds = options.pick(5, 1)
    results: dict[str, list[Burst]] = {}
    for number in range(rounds):
        progress(f"{kind}, round {number + 1} of {rounds}")
        for name, build in POOLS.items():
            with event_loop(kind) as loop:
                results.setdefault(name, []).append(loop.run_until_complete(burst(build)))
    return results


def measure_hanging(kind: str, progress: Progress) -> dict[str, int]:
    """Count who is served beside a creation that hangs."""
    progress(f"{kind}, one creation hangs")
    results: dict[str, int] = {}
    for name, build in POOLS.items():
        with event_loop(kind) as loop:
            results[name] = loop.run_until_complete(served_beside_a_hanging_creation(build))
    return results


def hanging_table(hanging: Mapping[str, Mapping[str, int]]) -> Table:
    """Make the table of who is served."""
    rows = [[name, *(str(of_kind[name]) for of_kind in hanging.values())] for name in POOLS]
    return Table(
        f"{TASKS} tasks on an empty pool, the first creation hangs: how many are served",
        ["pool", *hanging],
        rows,
        f"After {SOON:g} s. {TASKS - 1} can be.",
    )


def run(options: Options, progress: Progress) -> Section:
    """Measure and report."""
    results = {kind: measure(kind, options, progress) for kind in LOOPS}
    hanging = {kind: measure_hanging(kind, progress) for kind in LOOPS}
    tables = [
        table(of_kind, f"{TASKS} {kind} tasks on an empty pool, creation takes {CREATION * 1e3:g} ms")
        for kind, of_kind in results.items()
    ]
    return Section(
        "async-burst",
        "Tasks on an empty pool",
        [*tables, hanging_table(hanging)],
        [
            Target(f"{kind}, burst of {TASKS} tasks: all served, over one creation", over_creation(found[OURS]), 1.1)
            for kind, found in results.items()
        ],
        {
            **{kind: as_data(of_kind) for kind, of_kind in results.items()},
            "served_beside_a_hanging_creation": hanging,
        },
    )
