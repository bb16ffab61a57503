"""Tries the interleavings of what two and three threads do to a small pool, or replays one: see ``make explore``."""

from __future__ import annotations

import argparse
import gc
import logging
import math
import sys
import time
from collections.abc import Iterator
from itertools import chain

from .library import Library
from .mutations import FAULTS
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
    parser.add_argument("--minutes", type=float, default=math.inf, help="when to end")
    parser.add_argument("--schedule", help="what to replay")
    parser.add_argument("--at", default="", help="at whose accesses threads are switched in what is replayed")
    return parser.parse_args()


def _replay(library: Library, what: Scenario, arguments: argparse.Namespace) -> int:
    machine = library.machine
    machine.steps_at = set(arguments.at.split())
    last = -1

    def show(step: int, thread: int, name: str) -> None:
        nonlocal last
        if thread != last:
            print(f"{THREADS[thread]} ({what.operations[thread].name}) goes on")
        last = thread
        print(f"  {step:4} {name}")

    machine.on_step = show
    broken = run_once(library, what, Plan(read(arguments.schedule), arguments.stale, prunes=False))
    print(broken or "nothing is broken")
    return broken is not None


def _report(result: Result, bound: int) -> bool:
    """Say what came of one scenario, if there is something to say; whether something is broken."""
    if result.failure is not None:
        print(f"BROKEN: {result.failure}", flush=True)
    elif result.complete < bound:
        print(f"{result.scenario}: not to the end, all with {result.complete} pre-emptions", flush=True)
    return result.failure is not None


def _all(threads: int) -> Iterator[tuple[Scenario, bool]]:
    """The scenarios, each as it is with the order of a GIL, and without."""
    for each in chain(CORE, combinations(threads)):
        yield each, False
        yield each, True


def _explore(library: Library, bound: int, until: float) -> bool:
    """Try everything, first with few pre-emptions; say whether something is broken."""
    broken = False
    for threads, most in chain(*(((2, n), (3, n - 1)) for n in range(1, bound + 1)), [(3, bound)]):
        start, done, schedules, pruned = time.monotonic(), 0, 0, 0
        for each, stale in _all(threads):
            if (left := until - time.monotonic()) <= 0:
                break
            result = Search(library, each, stale_reads=stale).run(most, left)
            broken |= _report(result, most)
            done, schedules, pruned = done + 1, schedules + result.schedules, pruned + result.pruned
        print(
            f"{threads} threads, {most} pre-emptions: {done:,} scenarios, {schedules:,} schedules and {pruned:,} that "
            f"are equivalent to one of them, {time.monotonic() - start:.0f} s",
            flush=True,
        )
    return broken


def _find_faults(until: float) -> bool:
    """Look for each planted fault; say whether one is not found."""
    missed = [fault for fault in FAULTS if not _finds(fault.mutation.name, until)]
    print(f"{len(FAULTS) - len(missed)} of {len(FAULTS)} planted faults found", flush=True)
    return bool(missed)


def _finds(name: str, until: float) -> bool:
    (fault,) = [fault for fault in FAULTS if fault.mutation.name == name]
    search = Search(Library(fault.mutation), fault.scenario, stale_reads=fault.stale_reads)
    result = search.run(3, max(0.0, until - time.monotonic()))
    if result.failure is None:
        print(f"NOT FOUND: {name}", flush=True)
    return result.failure is not None


def main() -> int:
    arguments = _parse()
    logging.getLogger("ppp").setLevel(logging.CRITICAL)
    library = Library()
    gc.collect()
    gc.freeze()
    until = time.monotonic() + arguments.minutes * 60
    if arguments.operations is None:
        missed = _find_faults(until)
        return _explore(library, arguments.preemptions, until) or missed
    what = scenario(arguments.operations, arguments.places, idle=arguments.idle, kept=arguments.kept, old=arguments.old)
    if arguments.schedule is not None:
        return _replay(library, what, arguments)
    result = Search(library, what, stale_reads=arguments.stale).run(arguments.preemptions, arguments.minutes * 60)
    print(f"{result.schedules:,} schedules and {result.pruned:,} that are equivalent, {result.seconds:.1f} s")
    return _report(result, arguments.preemptions)


if __name__ == "__main__":
    sys.exit(main())
