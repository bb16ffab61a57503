"""What the owners of one proxy keep, and how it goes back."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Generic, TypeVar

from .._runtime.caller import Place
from .._runtime.current import thread_is_shared_by
from .._runtime.native import ThreadLocal
from .._scheduler.workers import after_each_job
from .._scope.base import End, Kept, ScopeStrategy, Slot
from .._scope.open_block import OpenBlock
from .._scope.select import Scope
from .sources import Source
from .weak_set import WeakIdentitySet

T = TypeVar("T")


class OwnerObjects(Generic[T]):
    """Finds what the current owner of one proxy keeps, gives it back, and warns of scopes that do not fit."""

    def __init__(
        self,
        sources: Sequence[Source[T]],
        label: Callable[[], str],
        scope: "Scope | ScopeStrategy[T]",
    ) -> None:
        self._sources = sources
        self._label = label
        self.slots: dict[str, Slot[T]] = {}
        """The slots that the proxy has had: that of its ``owners``, and others."""
        # In these scopes a block that is taken elsewhere does no harm: no other code enters its context.
        self._warns = scope not in (Scope.CONTEXT, Scope.WERKZEUG)
        if isinstance(scope, Scope):  # a user's strategy decides itself when an object goes back
            _all_owner_objects.add(self)
        self._warned = self._warned_of_shared_thread = False

    def kept(self) -> Kept[T] | None:
        """What the current owner keeps."""
        slot = self.slots.get("owners")
        return None if slot is None else self.kept_in(slot)

    def kept_or_shared(self) -> Kept[T] | None:
        """What the current owner keeps, or else what all share."""
        shared = self.slots.get("all")
        return self.kept() if shared is None or "owners" in self.slots else shared.get()

    def owner(self) -> object:
        """The current owner, as its slot tells it; ``None`` as long as the proxy has had none."""
        slot = self.slots.get("owners")
        return None if slot is None else slot.owner()

    def kept_in(self, slot: Slot[T]) -> Kept[T] | None:
        """What the current owner keeps in a slot, unless only blocks of suspended generators use it."""
        kept = slot.get()
        if kept is None or not kept.blocks:
            return kept
        blocks = list(kept.blocks)
        if not blocks or not all(block.owner_is_elsewhere() for block in blocks):
            return kept
        self._warn("it is still open, and that thread does something else", blocks[0])
        slot.remove(kept)
        # In this order: a block that ends meanwhile, elsewhere, gives the object back if it sees the second, and is
        # seen to have ended if it does not.
        kept.detached = kept.blocks_give_back = True
        end_of_block(slot, kept)
        return None

    def lent(self) -> Kept[T] | None:
        """What the current owner has to give back to a pool."""
        return self.kept() if self._sources[-1].pooled else None

    def give_back(self, kept: Kept[T], *, broken: bool = False) -> End:
        """Give back what the current owner keeps."""
        return give_back(self.slots["owners"], kept, broken=broken)

    def end_of_block(self, kept: Kept[T]) -> End:
        """Give back what the current owner keeps, if its blocks are to do so and none is open."""
        return end_of_block(self.slots["owners"], kept)

    def warn_of_other_end(self, block: OpenBlock) -> None:
        """Warn that a block ends for another owner than it began for."""
        self._warn("it ended elsewhere", block)

    def warn_of_shared_thread(self) -> None:
        """Warn that an object is taken for a thread whose tasks or greenlets will all use it."""
        who = None if self._warned_of_shared_thread else thread_is_shared_by()
        if who is None:
            return
        self._warned_of_shared_thread = True
        what = "whose event loop is running" if who == "tasks" else "in a greenlet, and threads are not patched"
        scope = "CONTEXT" if who == "tasks" else "GEVENT or EVENTLET"
        self._sources[-1].warn(
            "%s: an object is taken for a thread %s (%s): all %s of that thread use it at the same time. "
            "With scope=%s each has its own; scope=THREAD is for who wants it so. This is said once",
            self._label(),
            what,
            str(Place()),
            who,
            scope,
        )

    def _warn(self, what: str, block: OpenBlock) -> None:
        if self._warned or not self._warns:
            return
        self._warned = True
        self._sources[-1].warn(
            "%s: a with block began in %s, and %s: in %s; between, both may have used the same object. "
            "With scope=CONTEXT each has its own. This is said once",
            self._label(),
            str(block),
            what,
            str(OpenBlock()),
        )


_all_owner_objects: WeakIdentitySet[OwnerObjects[Any]] = WeakIdentitySet()


class _Thread(ThreadLocal):
    """What is known of a thread."""

    has_taken = False
    """Whether it may have taken an object since it last gave back all."""


_thread = _Thread()


def note_taken() -> None:
    """Note, before an owner keeps what it takes, that the current thread takes something."""
    _thread.has_taken = True


def _give_back_all() -> None:
    """Give back what the current thread has taken in hooks or log handlers: a worker, which goes on to other jobs."""
    if not _thread.has_taken:
        return
    _thread.has_taken = False
    for owners in _all_owner_objects:
        kept = owners.lent()
        if kept is not None and not kept.blocks:  # an open block, in a generator, gives back by itself
            with suppress(BaseException):  # a SystemExit in a retter: the others go back, and the thread goes on
                owners.give_back(kept)


after_each_job(_give_back_all)


def give_back(slot: Slot[T], kept: Kept[T], *, broken: bool = False) -> End:
    """Give back what the current owner keeps in a slot."""
    slot.remove(kept)  # first: nobody finds it there while it is being reset
    return kept.end(broken=broken)


def end_of_block(slot: Slot[T], kept: Kept[T]) -> End:
    """Give back what blocks took, if none of them is open any more."""
    # Several threads may be one owner. If they end blocks at once, one of them sees no open block after it has removed
    # this from the slot. A thread that opens a block on it later sees that it is gone; one that did so before gives it
    # back itself.
    if kept.blocks_give_back and not kept.blocks:
        slot.remove(kept)
        if not kept.blocks:
            return kept.end()
    return None
