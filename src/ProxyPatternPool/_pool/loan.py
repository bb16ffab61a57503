"""What all leases have: one loan of one object, which is given back even if nobody does it."""

from collections.abc import Callable
from sys import is_finalizing
from typing import Generic, NoReturn, Protocol, SupportsIndex, TypeVar

from .._errors import PoolException
from .._ledger.entry import CREATING, LIVE, Entry

T = TypeVar("T")


class TakesBackLater(Protocol[T]):
    """What a dropped lease needs of its pool, see ``Core``."""

    @property
    def label(self) -> str: ...
    def end_loan_later(self, entry: Entry[T], use: int, *, quietly: bool = False) -> None: ...


class OneLoan(Generic[T]):
    """One loan of one object. If it is dropped the object is given back, and a warning is logged."""

    __slots__ = ("__weakref__", "_entry", "_lender", "_use")

    _quietly = False
    """Whether no warning is logged."""

    def __init__(self, lender: TakesBackLater[T]) -> None:
        self._entry: Entry[T] | None = None
        self._lender = lender
        self._use = 0

    def note(self, entry: Entry[T], use: int) -> None:
        """Record the loan, before it begins. The pool calls this, see ``Receipt``."""
        self._use = use
        self._entry = entry

    @property
    def obj(self) -> T:
        """The object.

        Raises:
            PoolException: It was given back.
        """
        if self._entry is None:
            raise PoolException(f"this lease of {self._lender.label} has ended: its object was given back")
        return self._entry.obj

    def _must_be_free(self) -> None:
        if self._entry is not None:
            raise PoolException(f"this lease of {self._lender.label} has an object already: one block at a time")

    def __del__(self, interpreter_ends: Callable[[], bool] = is_finalizing) -> None:
        try:
            entry = self._entry
        except AttributeError:  # __init__ was interrupted
            return
        if entry is not None and not interpreter_ends():
            self._lender.end_loan_later(entry, self._use, quietly=self._quietly)

    def __reduce_ex__(self, protocol: SupportsIndex) -> NoReturn:
        raise TypeError(f"cannot copy or pickle {self!r}: its object would go back twice")

    def __repr__(self) -> str:
        entry = self._entry
        if entry is None:
            held = "ended" if self._use else "not begun"
        elif entry.uses <= self._use and entry.stage in (CREATING, LIVE):
            held = f"object {entry.serial}"
        else:  # killed, given back without the lease, or left by an event loop that has ended
            held = f"object {entry.serial}, not lent any more"
        return f"<Lease of {self._lender.label}: {held}>"
