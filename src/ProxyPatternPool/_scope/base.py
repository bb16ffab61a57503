"""What an owner keeps, and what a place to keep it in can do."""

from types import CodeType
from typing import Any, Generic, Protocol, TypeVar, runtime_checkable

from .origin import Origin

T = TypeVar("T")


class Loan(Protocol):
    """What gives an object back."""

    def release(self) -> None: ...

    def discard(self) -> None: ...


class Kept(Generic[T]):
    """What one owner keeps: an object, and the loan that gives it back when this is dropped.

    A ``ScopeStrategy`` only stores it, and drops it when its owner ends.
    """

    __slots__ = ("__weakref__", "_loans", "alone", "blocks", "code", "obj", "taken")

    obj: T
    """The object. Deleted once it is no longer the owner's to use: reading it is then an ``AttributeError``."""

    def __init__(self, obj: T, loan: Loan | None = None) -> None:
        self.obj = obj
        self.blocks: list[Origin] = []
        """The ``with`` blocks that are open and use it."""
        self.taken: bool = False
        """Whether the last of these gives it back."""
        self.alone: bool = False
        """Whether only these have it: it is no owner's any more."""
        self.code: CodeType | None = None
        """What code took it; noted where that may have returned long before its owner ends."""
        # Lists, since to append and to pop is atomic: several threads may be one owner.
        self._loans = [] if loan is None else [loan]

    def release(self) -> None:
        """Give the object back now, hooks included. A second call does nothing.

        Whoever else finds this where an owner keeps it asks for another object from then on.
        """
        self.spoil()
        loan = self.disown()
        if loan is not None:
            loan.release()

    def discard(self) -> None:
        """Give the object back as broken, now. After it was given back this does nothing."""
        self.spoil()
        loan = self.disown()
        if loan is not None:
            loan.discard()

    def spoil(self) -> None:
        """Make the owner ask for another object at its next access. Nothing is given back here: it may be in use."""
        try:
            del self.obj
        except AttributeError:
            pass

    def disown(self) -> Loan | None:
        """Take the loan away, to end it; or not, in the child of a fork, where it is the parent's."""
        try:
            return self._loans.pop()
        except IndexError:
            return None


@runtime_checkable
class ScopeStrategy(Protocol[T]):
    """Where each owner keeps its own object, for one proxy.

    What an owner is, is yours to say: a tenant, a request, a window. Give an instance to one proxy as its
    ``scope``, or a class, or another callable without parameters, that makes one for each proxy. ::

        tenant: ContextVar[str] = ContextVar("tenant", default="nobody")

        class PerTenant(Generic[T]):
            def __init__(self) -> None:
                self._kept: dict[str, Kept[T]] = {}

            def get(self) -> Kept[T] | None:
                return self._kept.get(tenant.get())

            def set(self, kept: Kept[T]) -> None:
                self._kept[tenant.get()] = kept

            def delete(self) -> None:
                self._kept.pop(tenant.get(), None)

        db = proxy(fun=connect, scope=PerTenant, max_size=20)

    When a ``Kept`` is dropped its object goes back by itself: drop it when its owner ends. The methods are
    quick, they neither wait nor use the proxy, and they have an answer whoever asks. Where several threads are one
    owner they use one object at the same time, and who gives it back by ``ret`` takes it from the others: let its
    strategy drop it, or use it in blocks, of which the last gives back.
    """

    def get(self) -> Kept[T] | None:
        """What the current owner keeps, if anything."""
        ...

    def set(self, kept: Kept[T], /) -> None:
        """Keep this for the current owner, who keeps nothing yet."""
        ...

    def delete(self) -> None:
        """Forget what the current owner keeps; harmless if that is nothing."""
        ...


EMPTY: Kept[Any] = Kept(None)
"""Stands for what is not there: it has no object. To ask for one is an ``AttributeError``, but to read this is not."""
EMPTY.spoil()


class Slot(Protocol[T]):
    """A scope as proxies see it. They read ``slot.kept.obj`` at every access, and the rest only if that fails."""

    owners_have_frames: bool
    """Whether the frames of an owner's thread or greenlet say what it does."""

    @property
    def kept(self) -> Kept[T]:
        """What the current owner keeps; if that is nothing ``EMPTY``, or an ``AttributeError``."""
        ...

    def owner(self) -> object:
        """Who the current owner is, to be compared with another answer; ``None`` if that cannot be said."""
        ...

    def get(self) -> Kept[T] | None:
        """What the current owner keeps, if anything."""
        ...

    def put(self, kept: Kept[T]) -> Kept[T]:
        """Keep this for the current owner, unless another caller of the same owner was first: what is kept now."""
        ...

    def remove(self, kept: Kept[T]) -> None:
        """Forget this, if it is what the current owner keeps."""
        ...

    def reclaim(self) -> None:
        """Drop what owners keep that have ended and were not noticed yet; somebody may have to wait for it."""
        ...


class PlainSlot(Generic[T]):
    """A slot that is an object with an attribute: the interpreter does the rest, in C."""

    owners_have_frames = False
    kept: Kept[T] = EMPTY

    def owner(self) -> object:
        return None

    def get(self) -> Kept[T] | None:
        kept = self.kept
        return None if kept is EMPTY else kept

    def put(self, kept: Kept[T]) -> Kept[T]:
        self.kept = kept
        return kept

    def remove(self, kept: Kept[T]) -> None:
        if self.kept is kept:
            self.kept = EMPTY

    def reclaim(self) -> None:
        """Do nothing: the end of an owner is never overlooked."""
