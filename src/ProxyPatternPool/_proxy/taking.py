"""How an owner gets its object: that which it keeps, or one from the source in force."""

import logging
from collections.abc import Callable, Sequence
from types import CodeType
from typing import Any, Generic, TypeAlias, TypeVar, cast

from .._config import seconds
from .._errors import PoolClosed
from .._runtime.caller import calling_code
from .._runtime.process import notice_fork
from .._scope.base import Kept, ScopeStrategy, Slot
from .._scope.open_block import OpenBlock
from .._scope.select import Scope, new_slot, threads_are_greenlets
from .._scope.shared import EmptySlot, SharedSlot
from .._scope.thread import ThreadSlot
from .exposed import exposing
from .facts import Facts
from .lookups import namespaces
from .own_pools import OwnPools
from .owners import OwnerObjects, give_back, note_taken
from .sources import Source

T = TypeVar("T")

log = logging.getLogger("ppp")

Taken: TypeAlias = tuple[Slot[T], Kept[T] | None, T]
"""An owner's slot, what it keeps there unless the object is shared, and the object."""

_EMPTY_SLOT: EmptySlot[Any] = EmptySlot()


class Taking(Generic[T]):
    """Takes objects for the owners of one proxy."""

    def __init__(
        self,
        sources: Sequence[Source[T]],
        owners: OwnerObjects[T],
        pools: OwnPools[T],
        facts: Facts[T],
        bind: Callable[[Slot[Any]], None],
        find_in: Callable[[T], None],
        scope: "Scope | ScopeStrategy[T]",
        setters: tuple[str, ...],
    ) -> None:
        self._sources = sources
        self._owners = owners
        self._pools = pools
        self._facts = facts
        self._bind = bind
        self._find_in = find_in
        self._scope = scope
        self._setters = setters

    def take(self, timeout: float | None, block: OpenBlock | None = None, code: CodeType | None = None) -> Taken[T]:
        """Get the current owner's object.

        Args:
            timeout: Longest wait in seconds; ``None``: the pool's.
            block: The block that uses the object, if it is taken for one.
            code: The code that calls this package, if it is known already.
        """
        if timeout is not None:
            seconds("timeout", timeout)
        notice_fork()  # in a child that is not told of its fork, what is kept here is the parent's
        while True:
            source = self._sources[-1]
            slot = self._slot_for(source)
            taken = self._find(source, slot, block)
            if taken is not None:
                return taken
            try:
                kept = source.take(timeout)
            except PoolClosed:
                if source.retired:
                    continue
                raise
            if self._scope is Scope.AUTO and isinstance(slot, ThreadSlot) and not source.shared:
                self._owners.warn_of_shared_thread()
            taken = self._keep(source, slot, kept, block, code)
            if taken is not None:
                return taken

    async def take_in_task(self, timeout: float | None, block: OpenBlock | None = None) -> Taken[T]:
        """The same for a task, which waits while others go on."""
        if timeout is not None:
            seconds("timeout", timeout)
        notice_fork()  # in a child that is not told of its fork, what is kept here is the parent's
        while True:
            source = self._sources[-1]
            source.begin_in_task()
            slot = self._slot_for(source)
            taken = self._find(source, slot, block)
            if taken is not None:
                return taken
            try:
                # Nothing after this waits: whoever is cancelled has nothing yet.
                kept = await source.take_in_task(timeout)
            except PoolClosed:
                if source.retired:
                    continue
                raise
            taken = self._keep(source, slot, kept, block, None)
            if taken is not None:
                return taken

    def _find(self, source: Source[T], slot: Slot[T], block: OpenBlock | None) -> Taken[T] | None:
        """Find what there is without taking anything."""
        if block is not None:
            block.owner = slot.owner()
        kept = self._owners.kept_in(slot)
        if kept is not None:
            try:
                return slot, None if source.shared else kept, kept.obj
            except AttributeError:  # the source was replaced, or this is inherited in a fork
                give_back(slot, kept)
        for own in self._pools.object_of_hook():  # in a hook the proxy is the hook's object, not the owner's
            return slot, None, own
        if source.bounded:
            slot.drop_ended()
        return None

    def _keep(
        self, source: Source[T], slot: Slot[T], kept: Kept[T], block: OpenBlock | None, code: CodeType | None
    ) -> Taken[T] | None:
        """Keep for the current owner what was taken; nothing if the source was replaced meanwhile."""
        source.all_kept.add(kept)
        if source.retired:
            kept.invalidate()
        # Before it is kept: an owner that is interrupted here takes another, and none keeps what is not recorded.
        obj = getattr(kept, "obj", kept)
        if obj is not kept:  # else the source was replaced meanwhile
            self._facts.record(source, cast(T, obj))
        if block is not None and not source.shared:
            kept.blocks_give_back = source.pooled  # without a pool the owner keeps it until it ends
            kept.blocks.append(block)
        if slot.owners_have_frames:
            kept.taken_by = code or calling_code()
        note_taken()
        winner = slot.put(kept)
        if winner is not kept:
            kept.release()
        try:
            obj = winner.obj
        except AttributeError:  # the source was replaced meanwhile
            return None
        if not source.shared:
            source.object_class = obj.__class__
        if not source.names_checked:
            self.check_names(source, obj)
        if source.fixed and isinstance(slot, SharedSlot):
            with exposing():
                if self._sources[-1] is source:  # whoever sets another first adds it there, then comes to this lock
                    self._find_in(obj)
        return slot, None if source.shared else winner, obj

    def _slot_for(self, source: Source[T]) -> Slot[T]:
        """Choose the slot for a source, and have the proxy read it.

        A proxy that has had owners keeps their slot, even for a shared object: each owner finds there what it has to
        give back.
        """
        if source.unset:
            return _EMPTY_SLOT
        slots = self._owners.slots
        slot = slots.get("owners")
        if isinstance(slot, ThreadSlot) and threads_are_greenlets():
            # Threads were patched after their first use, as by a server that forks greenlet workers after it has loaded
            # the application. What threads keep goes back. Of several callers that see it at once all get one slot.
            slot = slots["owners"] = slots.setdefault("greenlets", new_slot(Scope.THREAD))
        if slot is None and source.shared:
            slot = slots.setdefault("all", SharedSlot())
        elif slot is None:
            slot = slots.setdefault("owners", new_slot(Scope.THREAD))
        self._bind(slot)  # always: if another thread binds one that was right a moment ago, the next call corrects it
        return slot

    def check_names(self, source: Source[T], obj: T) -> None:
        """Warn if the names of the methods that set the proxy hide attributes of its object."""
        source.names_checked = True
        spaces = namespaces(obj)
        for name in self._setters:
            if any(name in space for space in spaces):
                log.warning(
                    "proxy of <%s at %#x>: its own %r is hidden by the proxy's; choose another set_name to reach it",
                    type(obj).__name__,
                    id(obj),
                    name,
                )
