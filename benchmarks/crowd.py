"""Many callers, few objects: scenarios, what came of them, and the crowd of threads that runs one."""

from __future__ import annotations

import threading
from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from statistics import median
from time import perf_counter, perf_counter_ns, sleep
from typing import TypeAlias, TypeVar

from benchmarks.contenders import AnyContender
from benchmarks.report import Progress
from benchmarks.timing import percentile

B = TypeVar("B")

GRACE = 20.0
"""Seconds that callers get after the end of a scenario, before the contender counts as hung."""


@dataclass(frozen=True)
class Scenario:
    """How many callers want how many objects, how long they hold one, and for how long this goes on (seconds)."""

    callers: int
    objects: int
    hold: float
    duration: float
    kind: str = "threads"

    @property
    def who(self) -> str:
        """The callers."""
        return f"{self.callers} {self.kind.removesuffix('s') if self.callers == 1 else self.kind}"

    @property
    def held(self) -> str:
        """How long they hold an object."""
        return f"held {self.hold * 1e3:g} ms"


@dataclass(frozen=True)
class Outcome:
    """What came of a scenario; times in seconds.

    Attributes:
        throughput: cycles per second, of those whose object came before the end.
        fairness: the least served caller's cycles over the most served one's.
        hold: the median time an object was really held: sleeping a millisecond takes longer.
        longest_hold: the longest time one was held, which tells the machine's hiccups from the pool's.
    """

    throughput: float
    p50: float
    p99: float
    max: float
    fairness: float
    hold: float
    longest_hold: float

    def ideal(self, scenario: Scenario) -> float:
        """Return the ideal wait of a first-in first-out queue: (callers / objects) x the median hold of this run.

        It is the time in which everyone is served once. Strictly, who joins a queue that is served without a pause
        waits one hold less, as his own hold is part of that turn; twice the ideal is meant with the whole turn.
        """
        return scenario.callers / scenario.objects * self.hold


@dataclass
class Log:
    """What one caller saw, in nanoseconds. Arrays: millions of small records must not wake the garbage collector."""

    waits: array[int] = field(default_factory=lambda: array("q"))
    holds: array[int] = field(default_factory=lambda: array("q"))
    served: int = 0


def outcome(logs: Sequence[Log], scenario: Scenario) -> Outcome:
    """Say what came of a scenario, from what its callers saw."""
    waits = sorted(wait for log in logs for wait in log.waits)
    holds = sorted(hold for log in logs for hold in log.holds) or [0]
    served = [log.served for log in logs]
    return Outcome(
        throughput=sum(served) / scenario.duration,
        p50=percentile(waits, 50) / 1e9,
        p99=percentile(waits, 99) / 1e9,
        max=waits[-1] / 1e9,
        fairness=min(served) / (max(served) or 1),
        hold=percentile(holds, 50) / 1e9,
        longest_hold=holds[-1] / 1e9,
    )


@dataclass(frozen=True)
class Summary:
    """The medians of a contender's outcomes in one scenario, each figure by itself."""

    outcomes: Sequence[Outcome]
    scenario: Scenario

    @property
    def throughput(self) -> float:
        """Cycles per second."""
        return median(outcome.throughput for outcome in self.outcomes)

    @property
    def p50(self) -> float:
        """Median wait, seconds."""
        return median(outcome.p50 for outcome in self.outcomes)

    @property
    def p99(self) -> float:
        """What 99 % of the waits do not exceed, seconds."""
        return median(outcome.p99 for outcome in self.outcomes)

    @property
    def max(self) -> float:
        """Longest wait, seconds."""
        return median(outcome.max for outcome in self.outcomes)

    @property
    def fairness(self) -> float:
        """Least over most served caller."""
        return median(outcome.fairness for outcome in self.outcomes)

    @property
    def longest_hold(self) -> float:
        """Longest hold, seconds."""
        return median(outcome.longest_hold for outcome in self.outcomes)

    @property
    def ideal(self) -> float:
        """The ideal wait, seconds."""
        return median(outcome.ideal(self.scenario) for outcome in self.outcomes)

    @property
    def over_ideal(self) -> float:
        """The longest wait over the ideal of its own run."""
        return median(outcome.max / outcome.ideal(self.scenario) for outcome in self.outcomes)


Summaries: TypeAlias = dict[str, Summary | None]
"""By contender; None for one that hung."""
Results: TypeAlias = dict[Scenario, Summaries]


def compete(
    scenarios: Sequence[Scenario],
    builds: Sequence[B],
    crowd: Callable[[B, Scenario], tuple[str, Outcome | None]],
    rounds: int,
    progress: Progress,
) -> Results:
    """Run each scenario for some rounds, in which the contenders take turns; `crowd` runs one for one of them."""
    results: Results = {}
    for scenario in scenarios:
        outcomes: dict[str, list[Outcome | None]] = {}
        for number in range(rounds):
            progress(f"{scenario.who}, {scenario.held}, round {number + 1} of {rounds}")
            for build in builds:
                name, found = crowd(build, scenario)
                outcomes.setdefault(name, []).append(found)
        results[scenario] = {name: summary(found, scenario) for name, found in outcomes.items()}
    return results


def summary(outcomes: Sequence[Outcome | None], scenario: Scenario) -> Summary | None:
    """Sum up a contender's rounds; None if it hung in one."""
    known = [found for found in outcomes if found is not None]
    return Summary(known, scenario) if len(known) == len(outcomes) else None


class Crowd:
    """Runs a scenario. Threads start together, and stop asking when the time is over."""

    def __init__(self, contender: AnyContender, scenario: Scenario) -> None:
        self._contender = contender
        self._scenario = scenario
        self._logs = [Log() for _ in range(scenario.callers)]
        self._errors: list[BaseException] = []
        self._end = 0
        self._start = threading.Barrier(scenario.callers, action=self._set_end)

    def _set_end(self) -> None:
        self._end = perf_counter_ns() + round(self._scenario.duration * 1e9)

    def run(self) -> Outcome | None:
        """Run it; returns None where threads hang, which are then left behind."""
        threads = [threading.Thread(target=self._live, args=(log,), daemon=True) for log in self._logs]
        for thread in threads:
            thread.start()
        limit = perf_counter() + self._scenario.duration + GRACE
        for thread in threads:
            thread.join(max(0.0, limit - perf_counter()))
        if any(thread.is_alive() for thread in threads):
            return None
        if self._errors:
            raise self._errors[0]
        return outcome(self._logs, self._scenario)

    def _live(self, log: Log) -> None:
        try:
            self._start.wait()
            if self._scenario.hold:
                self._hold_objects(log)
            else:
                self._touch_objects(log)
        except BaseException as error:  # whatever ends a thread must end the benchmark, not falsify it
            self._errors.append(error)

    def _touch_objects(self, log: Log) -> None:
        acquire, release, clock, end = self._contender.acquire, self._contender.release, perf_counter_ns, self._end
        note = log.waits.append
        got = 0
        while (asked := clock()) < end:
            obj = acquire()
            got = clock()
            release(obj)
            note(got - asked)
        log.served = len(log.waits) - (got >= end)

    def _hold_objects(self, log: Log) -> None:
        acquire, release, clock, end = self._contender.acquire, self._contender.release, perf_counter_ns, self._end
        hold = self._scenario.hold
        got = 0
        while (asked := clock()) < end:
            obj = acquire()
            got = clock()
            sleep(hold)
            log.holds.append(clock() - got)
            release(obj)
            log.waits.append(got - asked)
        log.served = len(log.waits) - (got >= end)
