"""8 and 64 tasks on 4 objects, which they hold for one turn of the event loop or for a millisecond.

Whoever gets an object suspends while he holds it, for no time at least: a task that never suspends shuts out all
others, whatever the pool does.

Targets: held 1 ms, fairness at least 0.95 and the longest wait at most twice the ideal.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from functools import partial
from time import perf_counter_ns

from benchmarks.asynchronous.loops import LOOPS, event_loop
from benchmarks.contenders.asynchronous import POOLS, QUEUE, Build, Connect, Loan, opened
from benchmarks.contention import HOLDS, OBJECTS, as_data, draw, table, targets_held
from benchmarks.crowd import GRACE, Log, Outcome, Results, Scenario, compete, outcome
from benchmarks.options import Options
from benchmarks.report import Progress, Section

TASKS = (8, 64)
BUILDS: Mapping[str, Build] = {**POOLS, **QUEUE}


async def live(loan: Loan, hold: float, end: int, log: Log) -> None:
    """Borrow again and again until the end, and note what is seen."""
    clock, sleep = perf_counter_ns, asyncio.sleep
    got = 0
    while (asked := clock()) < end:
        async with loan():
            got = clock()
            await sleep(hold)
            log.holds.append(clock() - got)
        log.waits.append(got - asked)
    log.served = len(log.waits) - (got >= end)


async def compete_in_tasks(build: Build, scenario: Scenario) -> Outcome | None:
    """Run one scenario on a new, warm pool; None where tasks hang, which are then left behind."""
    pool = await opened(build, Connect(), scenario.objects)
    logs = [Log() for _ in range(scenario.callers)]
    end = perf_counter_ns() + round(scenario.duration * 1e9)
    tasks = [asyncio.create_task(live(pool.loan, scenario.hold, end, log)) for log in logs]
    done, pending = await asyncio.wait(tasks, timeout=scenario.duration + GRACE)
    for task in done:
        task.result()
    if pending:
        return None
    await pool.close()
    return outcome(logs, scenario)


def crowd(kind: str, name: str, scenario: Scenario) -> tuple[str, Outcome | None]:
    """Run one scenario for one contender in an event loop of its own."""
    with event_loop(kind) as loop:
        return name, loop.run_until_complete(compete_in_tasks(BUILDS[name], scenario))


def measure(kind: str, options: Options, progress: Progress) -> Results:
    """Run all scenarios on one kind of event loop. Those that hold need longer: each task is served 50 times or so."""
    results: Results = {}
    for hold in HOLDS:
        duration = options.pick(0.8 if hold else 0.25, 0.05)
        scenarios = [Scenario(tasks, OBJECTS, hold, duration, f"{kind} tasks") for tasks in TASKS]
        results |= compete(scenarios, list(BUILDS), partial(crowd, kind), options.pick(3, 1), progress)
    return results


def run(options: Options, progress: Progress) -> Section:
    """Measure and report."""
    found = {kind: measure(kind, options, progress) for kind in LOOPS}
    results = {scenario: summaries for of_kind in found.values() for scenario, summaries in of_kind.items()}
    return Section(
        "async-contention",
        "Many tasks, four objects",
        [table(scenario, summaries) for scenario, summaries in results.items()],
        targets_held(results),
        as_data(results),
        {"async_contention": lambda path: draw(found["asyncio"], path, f"Tasks competing for {OBJECTS} objects")},
    )
