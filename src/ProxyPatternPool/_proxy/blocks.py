"""The ``with`` and ``async with`` blocks that take an owner's object, and give it back."""

from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager
from types import CodeType, TracebackType
from typing import Generic, TypeVar

from .._errors import ProxyException
from .._pool.async_lease import leaves_at_once
from .._scope.base import End, Kept, Slot
from .._scope.open_block import OpenBlock
from .owners import OwnerObjects, end_of_block

T = TypeVar("T")
Take = TypeVar("Take")

_ONE_AT_A_TIME = "this block is open already: one at a time, make another with obj() or aobj()"


class OwnerBlock(Generic[T, Take]):
    """Gives back what it took, and leaves to the owner what the owner had before.

    If the owner had nothing, then whatever it takes within the block goes back with the block, too.
    """

    __slots__ = ("_had_before", "_kept", "_open", "_owners", "_slot", "_take", "_timeout")

    _had_before: bool
    """Whether the owner had something to give back when the block began."""

    def __init__(self, take: Take, owners: OwnerObjects[T], timeout: float | None) -> None:
        self._take = take
        self._owners = owners
        self._timeout = timeout
        self._open: OpenBlock | None = None
        self._slot: Slot[T] | None = None
        self._kept: Kept[T] | None = None

    def _uses(self, block: OpenBlock, slot: Slot[T], kept: Kept[T] | None) -> bool:
        """Note what was taken; say whether it is there still."""
        self._slot, self._kept = slot, kept
        self._had_before = kept is not None and block not in kept.blocks
        if kept is None:
            return True
        if self._had_before:
            kept.blocks.append(block)
        if slot.get() is kept and hasattr(kept, "obj"):
            return True
        # Another thread that is the same owner, or a user's strategy, has given it back meanwhile.
        kept.blocks.remove(block)
        end_of_block(slot, kept)
        return False

    def _give_up(self, block: OpenBlock) -> None:
        """Begin nothing: something was thrown in."""
        self._open = None
        kept = self._owners.kept()
        if kept is not None and block in kept.blocks:  # interrupted right after it was taken
            kept.blocks.remove(block)
            self._owners.end_of_block(kept)

    def _end(self) -> End:
        """End the block; what is returned waits for hooks that go on."""
        block, slot, kept = self._open, self._slot, self._kept
        if block is None or slot is None:
            return None
        end: End = None
        if kept is not None:
            kept.blocks.remove(block)
        self._open = self._slot = self._kept = None
        same_owner = (kept is not None and slot.get() is kept) or slot.owner() == block.owner
        if kept is not None:
            if not same_owner and not kept.detached:
                self._owners.warn_of_other_end(block)
            end = end_of_block(slot, kept)
            same_owner = same_owner and not kept.detached
        last = self._owners.lent() if same_owner and not self._had_before else None
        if last is not None:  # another object: the block's own was given back inside it, or became unusable
            last.blocks_give_back = True
            end = self._owners.end_of_block(last) or end
        return end

    def __del__(self) -> None:
        # The block is dropped while it is open, or its end was interrupted: it no longer uses its object. Other blocks
        # that use it may give it back.
        kept = getattr(self, "_kept", None)
        if kept is not None and self._open in kept.blocks:
            kept.blocks.remove(self._open)


class Block(OwnerBlock[T, Callable[[float | None, OpenBlock, CodeType | None], tuple[Slot[T], Kept[T] | None, T]]]):
    """``with control(db).obj() as o``."""

    __slots__ = ()

    def __enter__(self) -> T:
        if self._open is not None:
            raise ProxyException(_ONE_AT_A_TIME)
        block = self._open = OpenBlock()
        try:
            while True:
                slot, kept, obj = self._take(self._timeout, block, block.code)
                if self._uses(block, slot, kept):
                    return obj
        except BaseException:
            self._give_up(block)
            raise

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()


class AsyncBlock(OwnerBlock[T, Callable[[float | None, OpenBlock], Awaitable[tuple[Slot[T], Kept[T] | None, T]]]]):
    """``async with control(db).aobj() as o``."""

    __slots__ = ()

    async def __aenter__(self) -> T:
        if self._open is not None:
            raise ProxyException(_ONE_AT_A_TIME)
        block = self._open = OpenBlock()
        try:
            while True:
                slot, kept, obj = await self._take(self._timeout, block)
                if self._uses(block, slot, kept):
                    return obj
        except BaseException:
            self._give_up(block)
            raise

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        end = self._end()
        if end is not None and not leaves_at_once(kind):
            await end


class SubclassBlock(Generic[T]):
    """The same by methods that a subclass of ``Proxy`` overrides, which take the object and give it back.

    If the block ends for another owner, or others still use the object, the last block that uses it gives it back.
    """

    __slots__ = ("_block", "_get", "_had_before", "_has", "_kept", "_owners", "_pooled", "_ret")

    _pooled: bool
    """Whether the object that the block uses goes back to a pool."""

    def __init__(
        self,
        block: AbstractContextManager[T],
        owners: OwnerObjects[T],
        has: Callable[[], bool],
        get: Callable[[], T],
        ret: Callable[[], None],
    ) -> None:
        self._block = block
        self._owners = owners
        self._has = has
        self._get = get
        self._ret = ret
        self._had_before = True
        self._kept: Kept[T] | None = None

    def __enter__(self) -> T:
        had_before, obj = self._has(), self._get()
        kept = self._owners.kept()
        if kept is not None:
            self._block.__enter__()  # finds what is kept, and notes that it is used
        self._had_before, self._kept, self._pooled = had_before, kept, self._owners.lent() is not None
        return obj

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        kept = self._kept
        try:
            if self._had_before:
                pass
            elif kept is None or (self._owners.kept() is kept and len(kept.blocks) == 1):
                self._ret()
            elif self._pooled:
                kept.blocks_give_back = True
        finally:
            self._block.__exit__(kind, error, trace)
