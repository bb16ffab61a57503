"""A fault that the explorer has to find: it changes some text of the library, and breaks what is promised."""

from __future__ import annotations

from dataclasses import dataclass

from .library import Mutation
from .scenarios import Scenario, scenario


@dataclass(frozen=True)
class Fault:
    """A fault, and a scenario in which it shows."""

    mutation: Mutation
    scenario: Scenario
    stale_reads: bool = False
    """Whether it only shows where a thread may read what is out of date."""
    hidden: bool = False
    """Whether it takes thousands of schedules to find it."""


def fault(
    name: str,
    module: str,
    before: str,
    after: str,
    *,
    in_: Scenario | str,
    stale_reads: bool = False,
    hidden: bool = False,
) -> Fault:
    found = scenario(in_, 1) if isinstance(in_, str) else in_
    return Fault(Mutation(name, module, before, after), found, stale_reads, hidden)
