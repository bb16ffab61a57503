"""Leases of threads and greenlets: each gives its object back on exit from a block, on ``release()``, or if dropped."""

from types import TracebackType
from typing import Protocol, TypeVar

from .._engine.steps import Rest, Steps, run, run_rest
from .._ledger.entry import Entry, Receipt
from .._observer import DiscardReason
from .loan import OneLoan, TakesBackLater

T = TypeVar("T")


class Lends(Protocol[T]):
    """What lends entries, see ``Loans``."""

    def borrow(self, timeout: float | None, receipt: Receipt[T] | None = None) -> Entry[T] | Steps[Entry[T]]: ...


class TakesBack(Protocol[T]):
    """What takes entries back, see ``Returns``."""

    def end_loan(self, entry: Entry[T], use: int, reason: DiscardReason | None = None) -> Rest: ...


class Lender(TakesBackLater[T], Protocol[T]):
    """What a lease needs of its pool, see ``Core``."""

    @property
    def loans(self) -> Lends[T]: ...
    @property
    def returns(self) -> TakesBack[T]: ...


def borrow(lender: Lender[T], timeout: float | None, receipt: Receipt[T] | None = None) -> Entry[T]:
    """Lend an entry to the calling thread or greenlet."""
    got = lender.loans.borrow(timeout, receipt)
    return got if isinstance(got, Entry) else run(got)


class Lease(OneLoan[T]):
    """One loan of one object, made by ``Pool.lease``.

    Give the object back with ``release()``, or with ``discard()`` if it is broken. Or use the lease in a ``with``
    statement, which gives the object back at its end. If a lease is dropped, its object is given back, and a warning is
    logged: at once if nothing else refers to the lease, at the next run of the garbage collector if it is in a cycle.

    All this does nothing if the lease has ended: if its object was given back already, was killed after
    ``max_using_delay_kill``, or was lent in the parent process.
    """

    __slots__ = ()

    _lender: Lender[T]

    def __init__(self, lender: Lender[T]) -> None:
        super().__init__(lender)

    def begin(self, timeout: float | None) -> "Lease[T]":
        """Borrow the object. ``Pool.lease`` has called this already."""
        self._must_be_free()
        try:
            borrow(self._lender, timeout, self)
        except BaseException:
            self.release()  # harmless if the loan has ended already, as after a getter that failed
            raise
        return self

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


class QuietLease(Lease[T]):
    """A lease that is meant to be dropped when its owner ends: no warning is logged."""

    __slots__ = ()

    _quietly = True


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
