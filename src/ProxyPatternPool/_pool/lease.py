"""Leases: each gives one object back on exit from a block, on ``release()``, or when it is dropped."""

from types import TracebackType
from typing import Generic, NoReturn, Protocol, SupportsIndex, TypeVar

from .._engine.steps import Rest, Steps, run, run_rest
from .._errors import PoolException
from .._ledger.entry import Entry, Receipt
from .._observer import DiscardReason

T = TypeVar("T")


class Lends(Protocol[T]):
    """What lends entries, see ``Loans``."""

    def borrow(self, timeout: float | None, receipt: Receipt[T] | None = None) -> Entry[T] | Steps[Entry[T]]: ...


class TakesBack(Protocol[T]):
    """What takes entries back, see ``Returns``."""

    def end_loan(self, entry: Entry[T], use: int, reason: DiscardReason | None = None) -> Rest: ...


class Lender(Protocol[T]):
    """What a lease needs of its pool, see ``Core``."""

    @property
    def label(self) -> str: ...
    @property
    def loans(self) -> Lends[T]: ...
    @property
    def returns(self) -> TakesBack[T]: ...
    def end_loan_later(self, entry: Entry[T], use: int, *, quietly: bool = False) -> None: ...


def borrow(lender: Lender[T], timeout: float | None, receipt: Receipt[T] | None = None) -> Entry[T]:
    """Lend an entry to the calling thread or greenlet."""
    got = lender.loans.borrow(timeout, receipt)
    return got if isinstance(got, Entry) else run(got)


class Lease(Generic[T]):
    """One loan of one object, made by ``Pool.lease``.

    Give the object back with ``release()``, or with ``discard()`` if it is broken. Or use the lease in a ``with``
    statement, which gives the object back at its end. If a lease is dropped, its object is given back, and a warning is
    logged: at once if nothing else refers to the lease, at the next run of the garbage collector if it is in a cycle.

    All this does nothing if the lease has ended: if its object was given back already, was killed after
    ``max_using_delay_kill``, or was lent in the parent process.
    """

    __slots__ = ("__weakref__", "_entry", "_lender", "_use")

    def __init__(self, lender: Lender[T]) -> None:
        self._entry: Entry[T] | None = None
        self._lender = lender
        self._use = 0

    def begin(self, timeout: float | None) -> "Lease[T]":
        """Borrow the object. ``Pool.lease`` has called this already."""
        if self._entry is not None:
            raise PoolException(f"this lease of {self._lender.label} has an object already: one block at a time")
        try:
            borrow(self._lender, timeout, self)
        except BaseException:
            self.release()  # harmless if the loan has ended already, as after a getter that failed
            raise
        return self

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

    def release(self) -> None:
        """Give the object back. A second call does nothing."""
        entry = self._entry  # read once: of two threads that release a lease, one finds that the loan has ended
        if entry is not None:
            run_rest(self._lender.returns.end_loan(entry, self._use))
            self._entry = None  # last: if something is thrown in before, __del__ still gives it back

    def discard(self) -> None:
        """Give a broken object back: it is closed and its place freed. A second call does nothing."""
        entry = self._entry
        if entry is not None:
            run_rest(self._lender.returns.end_loan(entry, self._use, "broken"))
            self._entry = None

    def __enter__(self) -> T:
        return self.obj

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()

    def __del__(self) -> None:
        entry: Entry[T] | None = getattr(self, "_entry", None)  # __init__ may have been interrupted
        if entry is not None:
            self._lender.end_loan_later(entry, self._use)

    def __reduce_ex__(self, protocol: SupportsIndex) -> NoReturn:
        raise TypeError(f"cannot copy or pickle {self!r}: its object would go back twice")

    def __repr__(self) -> str:
        held = "ended" if self._entry is None else f"object {self._entry.serial}"
        return f"<Lease of {self._lender.label}: {held}>"


class QuietLease(Lease[T]):
    """A lease that is meant to be dropped when its owner ends: no warning is logged."""

    __slots__ = ()

    def __del__(self) -> None:
        entry: Entry[T] | None = getattr(self, "_entry", None)
        if entry is not None:
            self._lender.end_loan_later(entry, self._use, quietly=True)


class Borrowed(Lease[T]):
    """``with pool.obj() as o``: a lease that begins and ends with the block."""

    __slots__ = ("_pool", "_timeout")

    def __init__(self, lender: Lender[T], timeout: float | None, pool: object) -> None:
        self._entry = None
        self._lender = lender
        self._use = 0
        self._timeout = timeout
        self._pool = pool  # so that the pool is not dropped before the end of the block

    def __enter__(self) -> T:
        return self.begin(self._timeout).obj
