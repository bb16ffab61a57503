"""One get and one return, and one `async with`, in one task, from a warm pool of four objects.

Targets: `async with pool.obj()` at most 0.15 times psycopg_pool's, and at most half of the fastest of all that serve
their callers in order.
"""

from __future__ import annotations

from asyncio import AbstractEventLoop
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from time import perf_counter

from benchmarks import plots
from benchmarks.asynchronous.loops import LOOPS, event_loop
from benchmarks.contenders.asynchronous import FLOOR, POOLS, QUEUE, RESET, Build, Connect, opened
from benchmarks.options import Options
from benchmarks.report import Progress, Section, Table, Target
from benchmarks.timing import Timer, in_nanoseconds, ratio, spread, timers_in_turns

OBJECTS = 4
OURS = "ours"
PEER = "psycopg_pool"
IN_ORDER = (PEER, "asyncpg", "SQLAlchemy", "aiosqlitepool", "generic-connection-pool")
"""Those whose callers are served first come, first served, as the topic of many tasks shows."""
BUILDS: Mapping[str, Build] = {**POOLS, **RESET, **QUEUE, **FLOOR}


@dataclass(frozen=True)
class Times:
    """Seconds, in each round."""

    get_and_return: Sequence[float]
    block: Sequence[float]


def timer(loop: AbstractEventLoop, work: Callable[[int], Awaitable[None]]) -> Timer:
    """Time something inside a task, so that starting the loop and the task is not measured."""

    async def timed(count: int) -> float:
        start = perf_counter()
        await work(count)
        return (perf_counter() - start) / count

    return lambda count: loop.run_until_complete(timed(count))


def measure(options: Options) -> dict[str, dict[str, Times]]:
    """Time all contenders on all loops, in turns; returns the times by loop and contender."""
    with ExitStack() as ends:
        loops = {name: ends.enter_context(event_loop(name)) for name in LOOPS}
        pools = {
            (kind, name): loop.run_until_complete(opened(build, Connect(), OBJECTS))
            for kind, loop in loops.items()
            for name, build in BUILDS.items()
        }
        timers: list[Timer] = []
        for (kind, _), pool in pools.items():
            timers += [timer(loops[kind], pool.cycles), timer(loops[kind], pool.blocks)]
        series = iter(timers_in_turns(timers, options.pick(151, 3), options.pick(0.002, 0.0005)))
        times: dict[str, dict[str, Times]] = {kind: {} for kind in loops}
        for kind, name in pools:
            times[kind][name] = Times(next(series), next(series))
        for (kind, _), pool in pools.items():
            loops[kind].run_until_complete(pool.close())
    return times


def table(kind: str, times: Mapping[str, Times]) -> Table:
    """Make the table of one event loop."""
    rows = [
        [
            name,
            f"{median(found.get_and_return) * 1e6:,.2f}",
            f"{ratio(found.get_and_return, times[PEER].get_and_return):.3f}",
            f"{median(found.block) * 1e6:,.2f}",
            f"{ratio(found.block, times[PEER].block):.3f}",
            f"{spread(found.block).relative:.0%}",
        ]
        for name, found in times.items()
    ]
    return Table(
        f"One task, warm, {kind}",
        ["pool", "get + return µs", f"x {PEER}", "async with µs", f"x {PEER}", "spread"],
        rows,
        f"Four objects that cost nothing, {len(times[PEER].block)} rounds. Spread: distance of the quartiles over the "
        "median, of `async with`. The libraries keep their defaults, and do what they do with each loan: psycopg_pool "
        "commits at the end of its block, aiosqlitepool runs a query first, and it, asyncpg and SQLAlchemy reset.",
    )


def targets(kind: str, times: Mapping[str, Times]) -> list[Target]:
    """Hold our figures to the bounds."""
    ours = times[OURS].block
    fastest = max(ratio(ours, times[name].block) for name in IN_ORDER if name in times)
    return [
        Target(f"{kind}, async with: over {PEER}", ratio(ours, times[PEER].block), 0.15),
        Target(f"{kind}, async with: over the fastest that keeps order", fastest, 0.5),
    ]


def draw(times: Mapping[str, Times], path: Path) -> None:
    """Draw the medians of `async with` on asyncio's own loop."""
    series = {name: found.block for name, found in times.items()}
    plots.draw_cycles(series, path, "async with, one task, warm pool, asyncio", height=4.2)


def run(options: Options, progress: Progress) -> Section:
    """Measure and report."""
    progress(f"{len(BUILDS)} pools on {len(LOOPS)} event loops, in turns")
    times = measure(options)
    data = {
        kind: {
            name: {
                "get_and_return": in_nanoseconds(found.get_and_return),
                "async_with": in_nanoseconds(found.block),
                "async_with_over_psycopg_pool": ratio(found.block, of_kind[PEER].block),
            }
            for name, found in of_kind.items()
        }
        for kind, of_kind in times.items()
    }
    return Section(
        "async-cycle",
        "One task: get and return",
        [table(kind, found) for kind, found in times.items()],
        [target for kind, found in times.items() for target in targets(kind, found)],
        data,
        {"async_cycle": lambda path: draw(times["asyncio"], path)},
    )
