"""Tries the interleavings of what two and three threads do to a small pool, or replays one: see ``make explore``."""

from __future__ import annotations

import argparse
import gc
import logging
import math
import random
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from multiprocessing.pool import Pool

from .faults import FAULTS
from .library import Library, Mutation
from .operations import OPERATIONS
from .plan import Plan, read
from .scenarios import CORE, Scenario, combinations, scenario
from .search import Result, Search, run_once

THREADS = "abcde"


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.explore", description=__doc__)
    parser.add_argument("operations", nargs="?", help="one scenario: what each thread does, as in 'borrow ret'")
    parser.add_argument("--places", type=int, default=1, help="max_size of its pool")
    parser.add_argument("--idle", type=int, default=0, help="how many objects are idle at the beginning")
    parser.add_argument("--kept", type=int, default=0, help="how many are lent, and never come back")
    parser.add_argument("--old", action="store_true", help="whether those that are lent have been for too long")
    parser.add_argument("--stale", action="store_true", help="whether threads may read what is out of date")
    parser.add_argument("--preemptions", type=int, default=3, help="the bound")
    parser.add_argument(
        "--among", type=str.split, default=(), help="all scenarios of these operations, with no more places than needed"
    )
    parser.add_argument("--minutes", type=float, default=math.inf, help="when to end")
    parser.add_argument("--without-faults", action="store_true", help="do not look for the planted faults first")
    parser.add_argument("--fault", help="the name of a planted fault that the library has")
    parser.add_argument("--schedule", help="what to replay")
    parser.add_argument("--at", default="", help="at whose accesses threads are switched in what is replayed")
    parsed = parser.parse_args()
    for name in (*(parsed.operations or "").split(), *parsed.among):
        if name not in OPERATIONS:
            parser.error(f"no operation is called {name}; there are {', '.join(OPERATIONS)}")
    if parsed.fault is not None and all(fault.mutation.name != parsed.fault for fault in FAULTS):
        parser.error(f"no fault is called {parsed.fault!r}")
    if parsed.operations is not None:
        try:
            _scenario(parsed)
        except ValueError as error:
            parser.error(str(error))
    return parsed


def _scenario(arguments: argparse.Namespace) -> Scenario:
    kept, idle, old = arguments.kept, arguments.idle, arguments.old
    return scenario(arguments.operations, arguments.places, idle=idle, kept=kept, old=old)


def _replay(library: Library, what: Scenario, arguments: argparse.Namespace) -> int:
    machine = library.machine
    machine.accesses.steps_at = set(arguments.at.split())
    last = -1

    def show(step: int, thread: int, name: str) -> None:
        nonlocal last
        if thread != last:
            print(f"{THREADS[thread]} ({what.operations[thread].name}) goes on")
        last = thread
        print(f"  {step:4} {name:20} {library.line(sys._getframe())}")

    machine.on_step = show
    broken = run_once(library, what, Plan(read(arguments.schedule), arguments.stale, prunes=False))
    print(broken or "nothing is broken")
    return broken is not None


def _report(result: Result, bound: int) -> bool:
    """Say what came of one scenario, if there is something to say; whether something is broken."""
    if result.failure is not None:
        print(f"BROKEN: {result.failure}", flush=True)
    elif result.complete < bound:
        tried = "not all" if result.complete < 0 else f"all with {result.complete} pre-emptions"
        print(f"{result.scenario}: the time is over, {tried} were tried", flush=True)
    return result.failure is not None


@dataclass(frozen=True)
class _Task:
    """One scenario, for one of the processes that share the work."""

    scenario: Scenario
    stale_reads: bool
    bound: int
    until: float
    fault: Mutation | None = None
    shortest: bool = True


_libraries: list[Library] = []
"""The copy of this process."""


def _begin() -> None:
    logging.getLogger("ppp").setLevel(logging.CRITICAL)
    _libraries.append(Library())
    gc.collect()
    gc.freeze()


def _try(task: _Task) -> Result:
    library = _libraries[0] if task.fault is None else Library(task.fault)
    left = max(0.0, task.until - time.monotonic())
    search = Search(library, task.scenario, stale_reads=task.stale_reads, shortest=task.shortest)
    return search.run(task.bound, left)


def _tasks(threads: int, among: Sequence[str], bound: int, until: float) -> Iterator[_Task]:
    """Each scenario with the order of a GIL, and without; in another order each time: there may be no time for all."""
    core = [] if among else [each for each in CORE if len(each.operations) == threads]
    others = list(combinations(threads, among=among, sizes=None) if among else combinations(threads))
    others = [each for each in others if each not in core]
    random.shuffle(others)
    for each in chain(core, others):
        yield _Task(each, False, bound, until)
        yield _Task(each, True, bound, until)


def _explore(workers: Pool, among: Sequence[str], most: int, until: float) -> bool:
    """Try everything, first with few pre-emptions; say whether something is broken."""
    broken = False
    two, three = [(2, bound) for bound in range(1, most + 1)], [(3, bound) for bound in range(1, most + 1)]
    for threads, bound in (*two[:2], *three[:1], *two[2:], *three[1:]):
        start, begun, done, schedules, pruned = time.monotonic(), 0, 0, 0, 0
        for result in workers.imap_unordered(_try, _tasks(threads, among, bound, until)):
            if result.failure is not None:
                broken = _report(result, bound)
            begun, done = begun + 1, done + (result.complete == bound)
            schedules, pruned = schedules + result.schedules, pruned + result.pruned
        over = f" of {begun:,}, and the time is over" if time.monotonic() > until else ""
        print(
            f"{threads} threads, {bound} pre-emptions: {done:,} scenarios{over}; {schedules:,} schedules, and "
            f"{pruned:,} that come to the same as one of them; {time.monotonic() - start:.0f} s",
            flush=True,
        )
        if over:
            break
    return broken


def _find_faults(workers: Pool, until: float) -> bool:
    """Look for each planted fault; say whether one is not found."""
    tasks = [_Task(fault.scenario, fault.stale_reads, 3, until, fault.mutation, shortest=False) for fault in FAULTS]
    missed = 0
    for task, result in zip(tasks, workers.imap(_try, tasks), strict=True):
        if result.failure is None and task.fault is not None:
            missed += 1
            why = "NOT FOUND" if result.complete == task.bound else "no time left to find"
            print(f"{why}: {task.fault.name}", flush=True)
    print(f"{len(FAULTS) - missed} of {len(FAULTS)} planted faults found", flush=True)
    return missed > 0


def main() -> int:
    arguments = _parse()
    until = time.monotonic() + arguments.minutes * 60
    if arguments.operations is None:
        with Pool(initializer=_begin) as workers:
            missed = not arguments.without_faults and _find_faults(workers, until)
            return _explore(workers, arguments.among, arguments.preemptions, until) or missed
    what = _scenario(arguments)
    _begin()
    mutation = next((fault.mutation for fault in FAULTS if fault.mutation.name == arguments.fault), None)
    if arguments.schedule is not None:
        return _replay(_libraries[0] if mutation is None else Library(mutation), what, arguments)
    result = _try(_Task(what, arguments.stale, arguments.preemptions, until, mutation))
    print(f"{result.schedules:,} schedules and {result.pruned:,} that are equivalent, {result.seconds:.1f} s")
    return _report(result, arguments.preemptions)


if __name__ == "__main__":
    sys.exit(main())
