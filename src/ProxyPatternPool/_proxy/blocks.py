"""Who gives an owner's object back, and when: blocks what they took, stretches of work what was taken in them."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from types import CodeType, TracebackType
from typing import Any, Generic, TypeVar

from .._errors import ProxyException
from .._runtime.caller import Place
from .._runtime.current import current_id, thread_is_shared_by
from .._scheduler.workers import after_each_job
from .._scope.base import Kept, ScopeStrategy, Slot
from .._scope.origin import Origin
from .._scope.select import Scope
from .content import Content, Crowd

T = TypeVar("T")


class Keeping(Generic[T]):
    """What the owners of one proxy keep, and have to give back."""

    def __init__(
        self,
        contents: Sequence[Content[T]],
        slots: Mapping[str, Slot[T]],
        label: Callable[[], str],
        scope: "Scope | ScopeStrategy[T]",
    ) -> None:
        self._contents = contents
        self._slots = slots
        self._label = label
        # Where nobody else comes to a block's context, to take the block elsewhere does no harm.
        self._tells = scope not in (Scope.CONTEXT, Scope.WERKZEUG)
        if isinstance(scope, Scope):  # a strategy of the user's decides itself when an object goes back
            _keepings.add(self)
        self._told = self._told_of_company = False
        self.stretches: Crowd[Stretch[T]] = Crowd()

    def kept(self) -> Kept[T] | None:
        """What the current owner keeps."""
        slot = self._slots.get("owners")
        return None if slot is None else self.kept_in(slot)

    def owner(self) -> object:
        """Who the current owner is, as slots say; ``None`` where there is none yet."""
        slot = self._slots.get("owners")
        return None if slot is None else slot.owner()

    def kept_in(self, slot: Slot[T]) -> Kept[T] | None:
        """What the current owner keeps in a slot; not what it lost to blocks that were carried elsewhere."""
        kept = slot.get()
        if kept is None or not kept.blocks:
            return kept
        blocks = list(kept.blocks)
        if not blocks or not all(origin.left() for origin in blocks):
            return kept
        self._tell("it is still open, and that thread does something else", blocks[0])
        slot.remove(kept)
        # In this order: a block that ends meanwhile, elsewhere, gives the object back if it sees the second, and is
        # seen to have ended if it does not.
        kept.alone = kept.taken = True
        end_of_block(slot, kept)
        return None

    def lent(self) -> Kept[T] | None:
        """What the current owner has to give back."""
        return None if self._contents[-1].pool is None else self.kept()

    def give_back(self, kept: Kept[T]) -> None:
        """Give back what the current owner keeps."""
        give_back(self._slots["owners"], kept)

    def end(self, kept: Kept[T]) -> None:
        """Give back what the current owner keeps if that is for blocks to do, and none of them is open."""
        end_of_block(self._slots["owners"], kept)

    def tell_of_another_end(self, origin: Origin) -> None:
        """Log that a block ends where another owner is the current one."""
        self._tell("it ended elsewhere", origin)

    def tell_of_company(self) -> None:
        """Log that an object is taken for a thread in which others run who will use it, too."""
        who = None if self._told_of_company else thread_is_shared_by()
        if who is None:
            return
        self._told_of_company = True
        what = "whose event loop is running" if who == "tasks" else "in a greenlet, and threads are not patched"
        scope = "CONTEXT" if who == "tasks" else "GEVENT or EVENTLET"
        self._contents[-1].warn(
            "%s: an object is taken for a thread %s (%s): all %s of that thread use it at the same time. "
            "With scope=%s each has its own; scope=THREAD is for who wants it so. This is said once",
            self._label(),
            what,
            str(Place()),
            who,
            scope,
        )

    def _tell(self, what: str, origin: Origin) -> None:
        if self._told or not self._tells:
            return
        self._told = True
        self._contents[-1].warn(
            "%s: a with block began in %s, and %s: in %s; between, both may have used the same object. "
            "With scope=CONTEXT each has its own. This is said once",
            self._label(),
            str(origin),
            what,
            str(Origin()),
        )


_keepings: Crowd[Keeping[Any]] = Crowd()


def _give_back_all() -> None:
    """Give back what the current thread, one of the house keeper's, has taken in a hook or a handler of the log."""
    for keeping in _keepings:
        kept = keeping.lent()
        if kept is not None and not kept.blocks:  # a generator may have a block open, which gives back by itself
            with suppress(BaseException):  # a SystemExit in a retter: the others go back, and the thread goes on
                keeping.give_back(kept)


after_each_job(_give_back_all)


def give_back(slot: Slot[T], kept: Kept[T]) -> None:
    """Give back what the current owner keeps in a slot."""
    slot.remove(kept)  # first: nobody finds it there while it is being reset
    kept.release()


def end_of_block(slot: Slot[T], kept: Kept[T]) -> None:
    """Give back what blocks took, if none of them is open any more."""
    # Several threads may be one owner. Of those that end blocks at once, one finds no mark left after he has taken this
    # out of the slot. Who puts a mark here later sees that it is gone; who did before gives it back himself.
    if kept.taken and not kept.blocks:
        slot.remove(kept)
        if not kept.blocks:
            kept.release()


class Block(Generic[T]):
    """``with control(db).obj() as o``: what it took it gives back, and what the owner had before stays the owner's.

    What is taken inside it by an owner who had nothing goes back with it, too, by whatever way it was taken.
    """

    __slots__ = ("_before", "_keeping", "_kept", "_origin", "_slot", "_take", "_timeout")

    def __init__(
        self,
        take: Callable[[float | None, Origin, CodeType | None], tuple[Slot[T], Kept[T] | None, T]],
        keeping: Keeping[T],
        timeout: float | None,
    ) -> None:
        self._take = take
        self._keeping = keeping
        self._timeout = timeout
        self._origin: Origin | None = None
        self._slot: Slot[T] | None = None
        self._kept: Kept[T] | None = None
        self._before = False
        """Whether the owner had something to give back when this began."""

    def __enter__(self) -> T:
        if self._origin is not None:
            raise ProxyException("this block is open already: one at a time, make another with obj()")
        origin = self._origin = Origin()
        try:
            while True:
                slot, kept, obj = self._take(self._timeout, origin, origin.code)
                self._slot, self._kept = slot, kept
                self._before = kept is not None and origin not in kept.blocks
                if kept is None:
                    return obj
                if self._before:
                    kept.blocks.append(origin)
                if slot.get() is kept and getattr(kept, "obj", kept) is obj:
                    return obj
                # Given back meanwhile, in another thread that is the same owner.
                kept.blocks.remove(origin)
                end_of_block(slot, kept)
        except BaseException:
            self._origin = None
            kept = self._keeping.kept()
            if kept is not None and origin in kept.blocks:  # interrupted right after it was taken
                kept.blocks.remove(origin)
                self._keeping.end(kept)
            raise

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        origin, slot, kept = self._origin, self._slot, self._kept
        if origin is None or slot is None:
            return
        if kept is not None:
            kept.blocks.remove(origin)
        self._origin = self._slot = self._kept = None
        home = (kept is not None and slot.get() is kept) or slot.owner() == origin.owner
        if kept is not None:
            if not home and not kept.alone:
                self._keeping.tell_of_another_end(origin)
            end_of_block(slot, kept)
            home = home and not kept.alone
        last = self._keeping.lent() if home and not self._before else None
        if last is not None:  # another: inside the block this one was given back, or became unusable
            last.taken = True
            self._keeping.end(last)

    def __del__(self) -> None:
        # Dropped while it is open, or interrupted when it had hardly begun to end: others give back what it used.
        kept = getattr(self, "_kept", None)
        if kept is not None and self._origin in kept.blocks:
            kept.blocks.remove(self._origin)


class BlockByMethods(Generic[T]):
    """The same by the methods of a subclass, which take the object, and give it back.

    Where that is not the current owner's to do, or others still use it, whoever ends the last block on it does it.
    """

    __slots__ = ("_block", "_get", "_had", "_has", "_keeping", "_kept", "_pooled", "_ret")

    def __init__(
        self,
        block: AbstractContextManager[T],
        keeping: Keeping[T],
        has: Callable[[], bool],
        get: Callable[[], T],
        ret: Callable[[], None],
    ) -> None:
        self._block = block
        self._keeping = keeping
        self._has = has
        self._get = get
        self._ret = ret
        self._had, self._pooled = True, False
        self._kept: Kept[T] | None = None

    def __enter__(self) -> T:
        had, obj = self._has(), self._get()
        kept = self._keeping.kept()
        if kept is not None:
            self._block.__enter__()  # finds what is kept, and notes that it is used
        self._had, self._kept, self._pooled = had, kept, self._keeping.lent() is not None
        return obj

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        kept = self._kept
        try:
            if self._had:
                pass
            elif kept is None or (self._keeping.kept() is kept and len(kept.blocks) == 1):
                self._ret()
            elif self._pooled:
                kept.taken = True
        finally:
            self._block.__exit__(kind, error, trace)


class Stretch(Generic[T]):
    """A stretch of work, such as a request: what its owner has at its end goes back, whenever it was taken.

    That is what a thread keeps, too, that has used the proxy when it started. Not what is another's to give back: of a
    block that was open when this began, or of the stretch within which this one is.
    """

    __slots__ = ("__weakref__", "_keeping", "_owner", "_spared", "flow")

    def __init__(self, keeping: Keeping[T]) -> None:
        self._keeping = keeping
        self.flow: tuple[int, int] | None = None
        """The thread or greenlet that is at it."""
        self._owner: object = None
        self._spared: Kept[T] | None = None

    def __enter__(self) -> None:
        kept, me, owner = self._keeping.lent(), current_id(), self._keeping.owner()
        if kept is not None and (kept.blocks or any(other._is_of(me, owner) for other in self._keeping.stretches)):
            self._spared = kept
        self.flow, self._owner = me, owner
        self._keeping.stretches.add(self)

    def _is_of(self, me: tuple[int, int], owner: object) -> bool:
        """Whether this is open, and the same owner's: of the tasks of a thread each may be one."""
        # None is said where nobody had an object yet.
        return self.flow == me and (self._owner is None or self._owner == owner)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.flow = None
        kept = self._keeping.lent()
        if kept is not None and kept is not self._spared:
            self._keeping.give_back(kept)
