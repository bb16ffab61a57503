"""The ``with`` blocks that take an owner's object, and give it back."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from types import CodeType, TracebackType
from typing import Generic, TypeVar

from .._errors import ProxyException
from .._scope.base import Kept, Slot
from .._scope.open_block import OpenBlock
from .owners import OwnerObjects, end_of_block

T = TypeVar("T")


class Block(Generic[T]):
    """``with control(db).obj() as o``: gives back what it took, and leaves to the owner what the owner had before.

    If the owner had nothing, then whatever it takes within the block goes back with the block, too.
    """

    __slots__ = ("_had_before", "_kept", "_open", "_owners", "_slot", "_take", "_timeout")

    def __init__(
        self,
        take: Callable[[float | None, OpenBlock, CodeType | None], tuple[Slot[T], Kept[T] | None, T]],
        owners: OwnerObjects[T],
        timeout: float | None,
    ) -> None:
        self._take = take
        self._owners = owners
        self._timeout = timeout
        self._open: OpenBlock | None = None
        self._slot: Slot[T] | None = None
        self._kept: Kept[T] | None = None
        self._had_before = False
        """Whether the owner had something to give back when the block began."""

    def __enter__(self) -> T:
        if self._open is not None:
            raise ProxyException("this block is open already: one at a time, make another with obj()")
        block = self._open = OpenBlock()
        try:
            while True:
                slot, kept, obj = self._take(self._timeout, block, block.code)
                self._slot, self._kept = slot, kept
                self._had_before = kept is not None and block not in kept.blocks
                if kept is None:
                    return obj
                if self._had_before:
                    kept.blocks.append(block)
                if slot.get() is kept and getattr(kept, "obj", kept) is obj:
                    return obj
                # Another thread that is the same owner has given it back meanwhile.
                kept.blocks.remove(block)
                end_of_block(slot, kept)
        except BaseException:
            self._open = None
            kept = self._owners.kept()
            if kept is not None and block in kept.blocks:  # interrupted right after it was taken
                kept.blocks.remove(block)
                self._owners.end_of_block(kept)
            raise

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        block, slot, kept = self._open, self._slot, self._kept
        if block is None or slot is None:
            return
        if kept is not None:
            kept.blocks.remove(block)
        self._open = self._slot = self._kept = None
        same_owner = (kept is not None and slot.get() is kept) or slot.owner() == block.owner
        if kept is not None:
            if not same_owner and not kept.detached:
                self._owners.warn_of_other_end(block)
            end_of_block(slot, kept)
            same_owner = same_owner and not kept.detached
        last = self._owners.lent() if same_owner and not self._had_before else None
        if last is not None:  # another object: the block's own was given back inside it, or became unusable
            last.blocks_give_back = True
            self._owners.end_of_block(last)

    def __del__(self) -> None:
        # The block is dropped while it is open, or its end was interrupted: it no longer uses its object. Other blocks
        # that use it may give it back.
        kept = getattr(self, "_kept", None)
        if kept is not None and self._open in kept.blocks:
            kept.blocks.remove(self._open)


class SubclassBlock(Generic[T]):
    """The same by methods that a subclass of ``Proxy`` overrides, which take the object and give it back.

    If the block ends for another owner, or others still use the object, the last block that uses it gives it back.
    """

    __slots__ = ("_block", "_get", "_had_before", "_has", "_kept", "_owners", "_pooled", "_ret")

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
        self._had_before, self._pooled = True, False
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
