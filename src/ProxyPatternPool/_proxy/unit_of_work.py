"""Units of work, such as requests: what was taken in one goes back at its end, though its thread goes on."""

from types import TracebackType
from typing import Generic, TypeVar

from .._runtime.current import CurrentId, current_id
from .._scope.base import Kept
from .owners import OwnerObjects
from .weak_set import WeakIdentitySet

T = TypeVar("T")


class UnitOfWork(Generic[T]):
    """At its end the object that its owner keeps goes back, whenever it was taken: also if a thread took it earlier.

    It leaves alone what others give back: a block that was open when it began, or the unit of work around it.
    """

    __slots__ = ("__weakref__", "_all", "_left_alone", "_owner", "_owners", "runs_in")

    def __init__(self, owners: OwnerObjects[T], all_units: "WeakIdentitySet[UnitOfWork[T]]") -> None:
        self._owners = owners
        self._all = all_units
        self.runs_in: CurrentId | None = None
        """The thread or greenlet that does it; ``None`` when it does not run."""
        self._owner: object = None
        self._left_alone: Kept[T] | None = None

    def __enter__(self) -> None:
        kept, me, owner = self._owners.lent(), current_id(), self._owners.owner()
        if kept is not None and (kept.blocks or any(other._is_of(me, owner) for other in self._all)):
            self._left_alone = kept
        self.runs_in, self._owner = me, owner
        self._all.add(self)

    def _is_of(self, me: CurrentId, owner: object) -> bool:
        """Whether this runs, and is the same owner's: each task of a thread may be an owner."""
        # The owner is None if the proxy had no owner yet.
        return self.runs_in == me and (self._owner is None or self._owner == owner)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.runs_in = None
        kept = self._owners.lent()
        if kept is not None and kept is not self._left_alone:
            self._owners.give_back(kept)
