"""Leases of threads and greenlets: each gives its object back on exit from a block, on ``release()``, or if dropped."""

from collections.abc import Callable
from types import TracebackType
from typing import Any, Protocol, TypeVar, cast

from .._engine.core import Core
from .._engine.steps import Rest, Steps, run, run_rest
from .._ledger.entry import LIVE, Entry, Receipt
from .._ledger.shelves import NEEDS_SETTLE, NEEDS_SLOW_PATH
from .._observer import DiscardReason
from .._runtime.process import this_process
from .loan import OneLoan, TakesBackLater

T = TypeVar("T")
R = TypeVar("R")


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


def borrow(lender: Lender[T], timeout: float | None) -> Entry[T]:
    """Lend an entry to the calling thread or greenlet."""
    got = lender.loans.borrow(timeout)
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
        # As in the class above, written out, as is borrow() below: a call is a twentieth of the whole.
        self._entry = None
        self._lender = lender
        self._use = 0

    def begin(self, timeout: float | None) -> "Lease[T]":
        """Borrow the object. ``Pool.lease`` has called this already."""
        if self._entry is not None:
            self._must_be_free()
        try:
            got = self._lender.loans.borrow(timeout, self)
            if not isinstance(got, Entry):
                run(got)
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
    """``with pool.obj() as o``: a lease that begins and ends with the block, and quick if an object is idle."""

    __slots__ = ("_core", "_pool", "_timeout")

    _core: Core[T]
    _pool: object
    _timeout: float | None

    # In C: a call of a method costs a tenth of the whole on Python 3.11. ``new`` sets the attributes.
    __init__ = object.__init__  # pyright: ignore[reportAssignmentType]  # nobody else makes one

    @staticmethod
    def new(core: Core[R], timeout: float | None, pool: object) -> "Borrowed[R]":
        """Make one. The pool is kept, so that it is not dropped before the end of the block."""
        made: Borrowed[R] = _make()
        made._entry = None
        made._lender = made._core = core
        made._use = 0
        made._timeout = timeout
        made._pool = pool
        return made

    def __enter__(self) -> T:
        core = self._core
        # The clock in a variable: Python 3.11 calls that quicker than a method that is an attribute of an instance.
        shelves, clock = core.shelves, core.clock
        now = clock()
        if self._timeout is None and now < shelves.quick_gets_until and self._entry is None:
            # What follows is Shelves.take(), written out: a call costs a tenth of the whole.
            try:
                owner = this_process.here.owner
                entry = shelves.idle.pop()
            except (IndexError, AttributeError):  # nothing is idle; or this is a new child, see _runtime/process.py
                pass
            else:
                entry.last_get = now
                entry.owner = owner
                entry.uses = self._use = entry.uses + 1
                self._entry = entry
                shelves.using[entry.key] = entry
                return entry.obj
        return self.begin(self._timeout).obj

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        entry, core = self._entry, self._core
        shelves, clock = core.shelves, core.clock
        # What follows is Shelves.end_loan() and put_fast(), written out. Instead of looking for the entry before it is
        # popped this looks at its stage, which is quicker: as long as it is live no other has its key.
        if (
            entry is None
            or entry.uses != self._use
            or entry.stage is not LIVE
            or shelves.using.pop(entry.key, None) is not entry
        ):
            self.release()
            return
        entry.last_ret = now = clock()
        if now >= shelves.quick_rets_until or entry.uses >= entry.slow_return_at_use:
            run_rest(core.returns.follow_up(entry, NEEDS_SLOW_PATH))
        else:
            shelves.idle.append(entry)
            if now >= shelves.quick_rets_until:
                run_rest(core.returns.follow_up(entry, NEEDS_SETTLE))
        self._entry = None  # last: if something is thrown in before, __del__ still gives it back


_make = cast("Callable[[], Borrowed[Any]]", Borrowed)
