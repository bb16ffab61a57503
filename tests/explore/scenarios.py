"""What threads do at once: two or three of them, with pools of one or two objects."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import combinations_with_replacement
from typing import Any

from .operations import LONG, OPERATIONS, Operation
from .world import World

BORROWS = frozenset({"borrow", "block", "lease", "timeout", "outage", "fit", "unfit"})
LIMITS = frozenset({"max_using_delay_kill", "max_avail_delay"})
"""Of what has lasted too long when the threads begin."""


@dataclass(frozen=True)
class Scenario:
    """A pool, and what threads do to it."""

    name: str
    """How it is written in a command."""
    operations: tuple[Operation, ...]
    max_size: int
    idle: int = 0
    kept: int = 0
    parameters: dict[str, Any] = field(default_factory=dict[str, Any])

    def prepare(self, library: Any, *, gil: bool) -> tuple[World, list[Callable[[], object]]]:
        """Make the pool, and what each thread calls."""
        parameters = dict(self.parameters)
        for operation in self.operations:
            parameters.update(operation.parameters)
        world = World(
            library,
            gil=gil,
            max_size=self.max_size,
            lent=sum(operation.lent for operation in self.operations),
            leased=sum(operation.leased for operation in self.operations),
            shared=any(operation.shared for operation in self.operations),
            kept=self.kept,
            idle=self.idle,
            checked=any(operation.checked for operation in self.operations),
            **parameters,
        )
        if LIMITS.intersection(parameters):
            world.let_time_pass(LONG)
        return world, [partial(operation.job, world) for operation in self.operations]


def _uses(operations: Iterable[Operation]) -> int:
    """How many objects operations need before."""
    together = list(operations)
    shared = any(operation.shared for operation in together)
    return sum(operation.lent + operation.leased for operation in together) + shared


def scenario(names: str, max_size: int, *, idle: int = 0, kept: int = 0, old: bool = False) -> Scenario:
    """Make a scenario of the names of its operations.

    Args:
        names: What each thread does.
        max_size: The places of the pool.
        idle: How many objects are idle at the beginning.
        kept: How many are lent, and never come back.
        old: Whether the loans that there are have taken too long.
    """
    operations = tuple(OPERATIONS[name] for name in names.split())
    if _uses(operations) + idle + kept > max_size:
        raise ValueError(f"{names}: more objects than {max_size}")
    parameters = {"max_using_delay_kill": LONG} if old else {}
    for operation in operations:
        parameters.update(operation.parameters)
    command = f'"{names}" --places {max_size}'
    command += f" --idle {idle}" if idle else ""
    command += f" --kept {kept}" if kept else ""
    command += " --old" if old else ""
    return Scenario(command, operations, max_size, idle, kept, parameters)


def combinations(
    threads: int,
    *,
    among: Iterable[str] = OPERATIONS,
    sizes: tuple[int, ...] | None = (1, 2),
    first: str | None = None,
) -> Iterator[Scenario]:
    """All there are of so many operations, as far as somebody borrows or gives back.

    Args:
        threads: How many operations.
        among: Only of these.
        sizes: The places of their pools; ``None``: as few as the operations need.
        first: Only those that begin with this operation; ``None``: all.
    """
    for names in combinations_with_replacement(among, threads):
        used = _uses(OPERATIONS[name] for name in names)
        if (first is not None and names[0] != first) or (not used and not BORROWS.intersection(names)):
            continue
        for size in sizes or (max(used, 1 + ("shrink" in names)),):
            if used <= size and not (size == 1 and "shrink" in names):
                one = size == 1 and not used and "expire" not in names  # it is there anyway, for min_size
                for idle in sorted({int(one), size - used}):
                    yield scenario(" ".join(names), size, idle=idle)


CORE = (
    scenario("borrow ret", 1),
    scenario("borrow borrow", 1),
    scenario("block release", 1),
    scenario("lease discard", 1),
    scenario("timeout drop", 1),
    scenario("close ret", 1),
    scenario("borrow close", 1, idle=1),
    scenario("drain ret", 2, idle=1),
    scenario("shrink release", 2, idle=1),
    scenario("borrow grow", 1, kept=1),
    scenario("ret maintain", 1, old=True),
    scenario("borrow expire", 1, idle=1),
    scenario("borrow life", 1, idle=1),
    scenario("ret life", 1),
    scenario("ret life", 2, idle=1),
    scenario("unfit ret", 2, idle=1),
    scenario("twice twice", 1),
    scenario("borrow borrow ret", 1),
    scenario("timeout ret pass", 1),
    scenario("drop close timeout", 1),
)
"""The least that is to be tried."""
