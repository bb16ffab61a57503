"""What an owner keeps, and the slots that keep it."""

from collections.abc import Coroutine
from types import CodeType
from typing import Any, Generic, Protocol, TypeAlias, TypeVar, runtime_checkable

from .open_block import OpenBlock

T = TypeVar("T")


End: TypeAlias = Coroutine[Any, Any, None] | None
"""What there is to await for hooks that go on by themselves, if there is anything."""


class Loan(Protocol):
    """Gives an object back, by either method, when it is called."""

    def release(self) -> End: ...

    def discard(self) -> End: ...


class Kept(Generic[T]):
    """What one owner keeps: an object, and the loan that gives it back when this is dropped.

    A ``ScopeStrategy`` only stores it, and drops it when its owner ends.
    """

    __slots__ = ("__weakref__", "_loans", "blocks", "blocks_give_back", "detached", "obj", "taken_by")

    obj: T
    """The object. Deleted once it is no longer the owner's to use: reading it is then an ``AttributeError``."""

    def __init__(self, obj: T, loan: Loan | None = None) -> None:
        self.obj = obj
        self.blocks: list[OpenBlock] = []
        """The ``with`` blocks that are open and use it."""
        self.blocks_give_back: bool = False
        """Whether the last of these blocks gives it back when it ends."""
        self.detached: bool = False
        """Whether only these blocks have it: no owner keeps it any more."""
        self.taken_by: CodeType | None = None
        """The code that took it, where ``Slot.owners_have_frames``."""
        # A list, and so are the blocks: to append and to pop is atomic, and several threads may be one owner.
        self._loans = [] if loan is None else [loan]

    def release(self) -> None:
        """Give the object back now, hooks included; those that are awaited go on. A second call does nothing.

        An owner that still keeps this takes another object at its next access.
        """
        self.end()

    def discard(self) -> None:
        """Give the object back as broken, now. After it was given back this does nothing."""
        self.end(broken=True)

    def end(self, *, broken: bool = False) -> End:
        """Do either; what is returned waits for hooks that go on."""
        # As invalidate() and pop_loan(), written out: this is done after each request.
        try:
            del self.obj
        except AttributeError:
            pass
        try:
            loan = self._loans.pop()
        except IndexError:
            return None
        return loan.discard() if broken else loan.release()

    def invalidate(self) -> None:
        """Make the owner take another object at its next access. Nothing is given back: it may be in use."""
        try:
            del self.obj
        except AttributeError:
            pass

    def pop_loan(self) -> Loan | None:
        """Take the loan, to end it; or to leave it alone in the child of a fork, where it is the parent's."""
        try:
            return self._loans.pop()
        except IndexError:
            return None


@runtime_checkable
class ScopeStrategy(Protocol[T]):
    """Keeps an object for each owner, for one proxy.

    You say what an owner is: a tenant, a request, a window. Give an instance to one proxy as its
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
    quick, they neither wait nor use the proxy, and they have an answer for every caller.

    Threads that are one owner use one object at the same time. A thread that gives it back by ``ret`` takes it from the
    others: let the strategy drop it, or use it in blocks, of which the last gives back.
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
"""What a slot has that keeps nothing: without an object, so that reading ``obj`` is an ``AttributeError``."""
EMPTY.invalidate()


class Slot(Protocol[T]):
    """Keeps what each owner has, for one proxy: a scope at work.

    A proxy reads ``slot.place.kept.obj`` at every access, and uses the rest only if that fails.
    """

    owners_have_frames: bool
    """Whether an owner is a thread or greenlet, whose frames show what it does."""

    @property
    def place(self) -> Any:
        """What has ``kept``, too: the slot itself, or an object from which the interpreter reads it quicker."""

    @property
    def kept(self) -> Kept[T]:
        """What the current owner keeps; if that is nothing ``EMPTY``, or an ``AttributeError``."""
        ...

    def owner(self) -> object:
        """The current owner, to be compared with another answer; ``None`` if it is not known."""
        ...

    def get(self) -> Kept[T] | None:
        """What the current owner keeps, if anything."""
        ...

    def put(self, kept: Kept[T]) -> Kept[T]:
        """Keep this for the current owner, and return it; or what another thread of the same owner kept before."""
        ...

    def remove(self, kept: Kept[T]) -> None:
        """Forget this, if it is what the current owner keeps."""
        ...

    def drop_ended(self) -> None:
        """Drop what ended owners keep whose end was not noticed yet: the caller may have to wait for it."""
        ...


class PlainSlot(Generic[T]):
    """A slot with a plain attribute: the interpreter finds it, in C."""

    owners_have_frames = False
    kept: Kept[T] = EMPTY

    @property
    def place(self) -> object:
        return self

    def owner(self) -> object:
        return None

    def get(self) -> Kept[T] | None:
        kept = self.kept
        return None if kept is EMPTY else kept

    def put(self, kept: Kept[T]) -> Kept[T]:
        self.kept = kept
        return kept

    def remove(self, kept: Kept[T]) -> None:
        # Two steps: what a signal handler, or another thread if all share the slot, puts between them is lost to the
        # owner, goes back as dropped, and the next access takes another.
        if self.kept is kept:
            self.kept = EMPTY

    def drop_ended(self) -> None:
        """Do nothing: the end of an owner is never missed."""
