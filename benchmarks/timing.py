"""Timing loops in turns, and the statistics that a noisy machine leaves meaningful."""

from __future__ import annotations

import gc
import math
import random
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from statistics import median
from time import perf_counter
from typing import TypeAlias

Loop: TypeAlias = Callable[[int], None]
"""Does something that many times."""
Timer: TypeAlias = Callable[[int], float]
"""Does something that many times, and returns how many seconds each took."""


@contextmanager
def no_gc() -> Generator[None]:
    """Collect garbage once, then keep the collector out of the timing."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def seconds(loop: Loop, count: int) -> float:
    """Time one call of the loop, per repetition."""
    start = perf_counter()
    loop(count)
    return (perf_counter() - start) / count


def calibrate(timer: Timer, span: float) -> int:
    """Find how many repetitions take about `span` seconds; this also warms what is timed up."""
    count = 8
    while (taken := timer(count) * count) < span / 8:
        count *= 4
    return max(1, round(count * span / taken))


def in_turns(loops: Sequence[Loop], rounds: int, span: float) -> list[list[float]]:
    """Time loops in turns, as `timers_in_turns` does."""
    return timers_in_turns([partial(seconds, loop) for loop in loops], rounds, span)


def timers_in_turns(timers: Sequence[Timer], rounds: int, span: float) -> list[list[float]]:
    """Let timers run in turns: every round runs each for about `span` seconds.

    Rounds are short, so that a disturbance of the machine falls on whole rounds and leaves the ratios within a round
    alone; the order within a round is random, so that none keeps step with a disturbance that comes regularly.

    Returns:
        For each timer, the seconds per repetition in each round.
    """
    counts = [calibrate(timer, span) for timer in timers]
    times: list[list[float]] = [[0.0] * rounds for _ in timers]
    order = list(range(len(timers)))
    shuffle = random.Random(1).shuffle
    with no_gc():
        for number in range(rounds):
            shuffle(order)
            for index in order:
                times[index][number] = timers[index](counts[index])
    return times


def ratio(times: Sequence[float], baseline: Sequence[float]) -> float:
    """Compare two loops: the median over the rounds of the ratio within a round, which slow drifts do not touch."""
    return median(a / b for a, b in zip(times, baseline, strict=True))


@dataclass(frozen=True)
class Spread:
    """The quartiles of a series."""

    low: float
    middle: float
    high: float

    @property
    def relative(self) -> float:
        """The distance between the quartiles over the median: how noisy the series is."""
        return (self.high - self.low) / self.middle


def spread(values: Sequence[float]) -> Spread:
    """Take the quartiles of a series."""
    ordered = sorted(values)
    return Spread(percentile(ordered, 25), median(ordered), percentile(ordered, 75))


def in_nanoseconds(times: Sequence[float]) -> dict[str, float | list[float]]:
    """Put a series of seconds into a report: the median and the quartiles."""
    found = spread(times)
    return {"ns": found.middle * 1e9, "quartiles_ns": [found.low * 1e9, found.high * 1e9]}


def percentile(ordered: Sequence[float], percent: float) -> float:
    """Take the smallest value that at least `percent` of an ordered series does not exceed."""
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]
