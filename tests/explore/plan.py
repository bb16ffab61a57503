"""A schedule: at which steps another thread goes on than the one that would by default, and how that is written down.

By default a thread goes on until it waits or ends; then the first that can. A schedule is written as its deviations
from that: ``12b 40a 41s`` says that at step 12 the second thread goes on, at step 40 the first, and that at step 41 the
value before the last is read.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TypeAlias

MOST_STEPS = 20_000
"""Of one run."""
STALE = -1
"""The choice to read what was there before."""


class Pruned(BaseException):
    """The run is equivalent to one that is tried as well."""


class Stuck(Exception):
    """Nobody can go on."""


class Endless(BaseException):
    """A thread does so many steps that it seems to do so for ever."""


Deviations: TypeAlias = tuple[tuple[int, int], ...]
"""Steps, and who goes on there."""


@dataclass(frozen=True)
class Alternative:
    """Another choice that there was at a step."""

    step: int
    choice: int
    cost: int
    """1 for a thread that is pre-empted, and for a value that is out of date; 0 where a choice is to be made."""


def write(deviations: Deviations) -> str:
    return " ".join(f"{step}{'s' if choice == STALE else chr(ord('a') + choice)}" for step, choice in deviations)


def read(text: str) -> Deviations:
    """Read what ``write`` has written.

    Raises:
        ValueError: That is something else.
    """
    found: list[tuple[int, int]] = []
    for part in text.split():
        match = re.fullmatch(r"(\d+)([a-e]|s)", part)
        if match is None:
            raise ValueError(f"no schedule: {part!r}")
        found.append((int(match[1]), STALE if match[2] == "s" else ord(match[2]) - ord("a")))
    return tuple(found)


@dataclass
class Plan:
    """What is to be done in one run, and which other choices there were after its last deviation."""

    deviations: Deviations = ()
    stale_reads: bool = False
    prunes: bool = True
    """Whether threads that were pre-empted sleep, see ``Thread.asleep``."""
    step: int = 0
    alternatives: list[Alternative] = field(default_factory=list[Alternative])
    taken: list[tuple[int, int]] = field(default_factory=list[tuple[int, int]])
    """The deviations of this run, written so that it can be replayed where nothing is pruned."""

    def __post_init__(self) -> None:
        self._wanted = dict(self.deviations)
        self._last = self.deviations[-1][0] if self.deviations else -1

    def at_step(self, others: list[int]) -> int | None:
        """A thread is about to do a step, and others could; say who goes on instead, ``None``: itself.

        Raises:
            Endless: There are too many steps.
        """
        step = self.step
        self.step = step + 1
        if step > self._last:
            for other in others:
                self.alternatives.append(Alternative(step, other, 1))
            if step > MOST_STEPS:
                raise Endless
            return None
        choice = self._wanted.get(step)
        if choice is not None:
            self.taken.append((step, choice))
        return choice

    def choose(self, able: list[int], awake: list[int]) -> int:
        """Nobody goes on by himself; say who does, of those who are awake."""
        step = self.step
        self.step = step + 1
        choice = awake[0]
        if step > self._last:
            for other in awake[1:]:
                self.alternatives.append(Alternative(step, other, 0))
        else:
            choice = self._wanted.get(step, choice)
        if choice != able[0]:
            self.taken.append((step, choice))
        return choice

    def reads_old(self) -> bool:
        """A thread may read what was there before; say whether it does."""
        step = self.step
        self.step = step + 1
        if step > self._last:
            self.alternatives.append(Alternative(step, STALE, 1))
            return False
        stale = self._wanted.get(step) == STALE
        if stale:
            self.taken.append((step, STALE))
        return stale
