"""Chores of which one at a time is enough."""

import weakref
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, TypeAlias

from .._runtime.races import snapshot
from .guard import Guard
from .steps import Rest, Steps

Chore: TypeAlias = Callable[[], Rest]
"""Something to do. It is begun by whoever does it, and not before."""


class OneAtATime:
    """The chores of one pool of which one at a time is enough, by their names.

    Args:
        guard: The pool's.
        ended: Called when one has ended: others may not have been begun because of it.
    """

    def __init__(self, guard: Guard, ended: Callable[[], None]) -> None:
        self._guard = guard
        self._ended = ended

    def start_empty(self) -> None:
        """Begin with none."""
        self._chores: dict[str, weakref.ref[Chore]] = {}  # weak: one that is lost on the way holds up no other

    def __contains__(self, chore: Any) -> bool:
        """Whether it is one of them."""
        return any(reference() is chore for reference in snapshot(self._chores.values()))

    def unless_under_way(self, name: str, chore: Chore) -> Iterator[Chore]:
        """Make a chore, unless one of this name is queued or under way: one chore, or none."""
        yield from self._unless_named(name, partial(self._do_alone, name, chore))

    def unless_queued(self, name: str, chore: Chore) -> Iterator[Chore]:
        """Make a chore, unless one of this name is queued; others may be under way: one chore, or none."""
        yield from self._unless_named(name, partial(self._begin, name, chore))

    def _unless_named(self, name: str, chore: Chore) -> Iterator[Chore]:
        if self._guard.locked(self._claim, name, chore):
            yield chore

    def _claim(self, name: str, chore: Chore) -> bool:
        other = self._chores.get(name)
        if other is not None and other() is not None:
            return False
        self._chores[name] = weakref.ref(chore)
        return True

    # Both give up the name without the lock: nobody claims it while the chore that has it lives. ------

    def _do_alone(self, name: str, chore: Chore) -> Steps[None]:
        try:
            rest = chore()
            if rest is not None:
                yield from rest
        finally:
            self._chores.pop(name, None)  # it is missing in the child of a fork, which has begun anew
            self._ended()

    def _begin(self, name: str, chore: Chore) -> Rest:
        self._chores.pop(name, None)
        return chore()
