"""Tries all schedules of a scenario, those with few pre-emptions first; of those that break it, finds the shortest.

The bound is on pre-emptions, as in M. Musuvathi and S. Qadeer, "Iterative context bounding for systematic testing of
multithreaded programs", 2007: most faults of this kind need two at most. Each run does what a list of deviations says,
and notes what else could have been done after the last of them.

Of schedules that only differ in the order of accesses which do not touch, one is tried: a thread that was pre-empted
does not go on before another has accessed what it was about to (sleep sets, P. Godefroid, 1996, for the thread that was
pre-empted only, so that no schedule is left out for one with more pre-emptions).
"""

from __future__ import annotations

import gc
import math
import os
import shlex
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TypeAlias

from greenlet import GreenletExit

from .library import Library
from .plan import Alternative, Deviations, Plan, Pruned, Stuck, write
from .scenarios import Scenario

COLLECT_EVERY = 200
"""Runs; the collector is off meanwhile, so that each run does the same."""
MOST_FOR_SHORTEST = 20.0
"""Seconds for which a shorter schedule is looked for, once one has broken something."""


@dataclass
class Failure:
    """A schedule that breaks something."""

    scenario: str
    schedule: Deviations
    what: str
    steps_at: frozenset[str]
    """At whose accesses threads were switched: the steps are counted by that."""
    stale_reads: bool
    steps: int
    fault: str | None = None
    """The fault that is planted."""

    @property
    def length(self) -> tuple[int, int]:
        """How long the schedule is: its switches, and its steps."""
        return len(self.schedule), self.steps

    @property
    def command(self) -> str:
        """What replays it, in the shell and the directory of whoever began this."""
        words = [sys.executable, "-m", "tests.explore", *shlex.split(self.scenario)]
        words += ["--stale"] if self.stale_reads else []
        words += [] if self.fault is None else ["--fault", self.fault]
        words += ["--schedule", write(self.schedule), "--at", " ".join(sorted(self.steps_at))]
        path = os.environ.get("PYTHONPATH")
        return ("" if path is None else f"PYTHONPATH={shlex.quote(path)} ") + shlex.join(words)

    def __str__(self) -> str:
        return f"{self.what}\n  {self.command}"


@dataclass
class Result:
    """What was tried of one scenario."""

    scenario: str
    schedules: int = 0
    pruned: int = 0
    seconds: float = 0.0
    steps: int = 0
    complete: int = -1
    """The number of pre-emptions up to which all schedules were tried; -1: not even those with none."""
    failure: Failure | None = None
    outcomes: set[object] = field(default_factory=set[object])
    """Who was lent what in their order, and what was idle in the end: all that came out."""


def run_once(library: Library, scenario: Scenario, plan: Plan, outcomes: set[object] | None = None) -> str | None:
    """Run a scenario by one schedule; say what is broken, and note what came out.

    Raises:
        Pruned: An equivalent schedule is tried as well.
    """
    machine = library.machine
    world, jobs = scenario.prepare(library, gil=not plan.stale_reads)
    try:
        machine.run(jobs, plan, world.at_rest)
        for thread in machine.threads:
            if thread.error is not None:
                raise thread.error
        if outcomes is not None:
            outcomes.add((tuple(world.events), *(entry.obj.number for entry in world.core.shelves.idle_entries())))
        world.check_at_end()
    except Pruned:
        raise
    except Stuck:
        errors = [thread.error for thread in machine.threads if thread.error is not None]
        errors = [error for error in errors if not isinstance(error, GreenletExit)]
        return f"nobody can go on {errors or ''}"
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        return f"{type(error).__name__}: {error}"
    return None


Pending: TypeAlias = list[tuple[Deviations, list[Alternative]]]


class Search:
    """Tries the schedules of one scenario.

    Args:
        library: The copy that is tried.
        scenario: What its threads do.
        stale_reads: Whether threads may read what is out of date.
        prunes: Whether of schedules that come to the same one is tried.
        shortest: Whether to go on, where a schedule breaks something, to the shortest with as many pre-emptions.
    """

    def __init__(
        self,
        library: Library,
        scenario: Scenario,
        *,
        stale_reads: bool = False,
        prunes: bool = True,
        shortest: bool = False,
    ) -> None:
        self._prunes = prunes
        self._shortest = shortest
        self._library = library
        self._scenario = scenario
        self._stale = stale_reads
        self.result = Result(scenario.name)

    def run(self, bound: int, seconds: float = math.inf) -> Result:
        """Try all schedules up to a number of pre-emptions, as long as there is time."""
        start = time.monotonic()
        self._until = start + seconds
        self._library.machine.accesses.steps_at = set()
        gc.disable()
        try:
            while not self._all(bound):
                pass  # once more: it is known better now which steps there are
        finally:
            gc.enable()
            self.result.seconds = time.monotonic() - start
        return self.result

    def _all(self, bound: int) -> bool:
        """Try them; say whether that is the end."""
        result = self.result
        result.schedules = result.pruned = 0
        result.complete = -1
        pending: Pending = [((), [])]
        for cost in range(bound + 1):
            following: Pending = []
            for deviations in self._level(pending, following, at_last=cost == bound):
                if time.monotonic() > self._until:
                    return True
                plan = Plan(deviations, self._stale, self._prunes)
                broken: str | None = None
                try:
                    broken = run_once(self._library, self._scenario, plan, result.outcomes)
                    result.schedules += 1
                except Pruned:
                    result.pruned += 1
                result.steps = max(result.steps, plan.step)
                if broken is not None:
                    self._keep_if_shorter(plan, broken)
                    if not self._shortest:
                        return True
                if self._learns():
                    return result.failure is not None
                self._found = (deviations, plan.alternatives)
                if (result.schedules + result.pruned) % COLLECT_EVERY == 0:
                    gc.collect()
            if result.failure is not None:
                return True
            result.complete = cost
            pending = following
        return True

    def _keep_if_shorter(self, plan: Plan, broken: str) -> None:
        """Note a schedule that breaks something, unless a shorter one does."""
        library = self._library
        found = Failure(
            self._scenario.name,
            tuple(plan.taken),
            broken,
            frozenset(library.machine.accesses.steps_at),
            self._stale,
            plan.step,
            None if library.mutation is None else library.mutation.name,
        )
        before = self.result.failure
        if before is None:
            self._until = min(self._until, time.monotonic() + MOST_FOR_SHORTEST)
        if before is None or found.length < before.length:
            self.result.failure = found

    def _level(self, pending: Pending, following: Pending, *, at_last: bool) -> Iterator[Deviations]:
        """The schedules with as many pre-emptions as those that are pending; those with one more are to follow."""
        first = pending == [((), [])]
        for parent, alternatives in pending:
            starts = [parent] if first else [(*parent, (each.step, each.choice)) for each in alternatives]
            for begin in starts:
                stack = [begin]
                while stack:
                    yield stack.pop()
                    deviations, found = self._found
                    stack += [(*deviations, (each.step, each.choice)) for each in found if not each.cost]
                    if not at_last:
                        following.append((deviations, [each for each in found if each.cost]))

    def _learns(self) -> bool:
        """Whether the last run has shown more places where the order of two accesses matters."""
        accesses = self._library.machine.accesses
        new = accesses.promoted - accesses.steps_at or accesses.promoted_fields - accesses.steps_at
        accesses.steps_at |= new
        return bool(new)
