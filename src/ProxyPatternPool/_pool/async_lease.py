"""Leases of tasks: each gives its object back on exit from a block, on ``release()``, or if it is dropped."""

from collections.abc import Callable, Coroutine, Generator
from types import TracebackType
from typing import Any, NoReturn, Protocol, SupportsIndex, TypeVar, cast

from .._config import expect
from .._engine.async_core import AsyncCore
from .._engine.steps import Rest, Steps
from .._ledger.entry import LIVE, Entry, Receipt
from .._ledger.shelves import NEEDS_SETTLE, NEEDS_SLOW_PATH
from .._observer import DiscardReason
from .._runtime.tasks import awaiting
from .awaiting import BLOCK_LEFT, FINISHED, Awaited, finishing
from .loan import OneLoan, TakesBackLater

T = TypeVar("T")


class AsyncLender(TakesBackLater[T], Protocol[T]):
    """What the lease of a task needs of its pool, see ``AsyncCore``."""

    def borrow(self, timeout: float | None, receipt: Receipt[T] | None = None) -> Entry[T] | Steps[Entry[T]]: ...
    def end_loan(self, entry: Entry[T], use: int, reason: DiscardReason | None = None) -> Rest: ...


class TaskLoan(OneLoan[T]):
    """One loan of one object to a task."""

    __slots__ = ()

    _lender: AsyncLender[T]

    def __init__(self, lender: AsyncLender[T]) -> None:
        super().__init__(lender)

    def _begin(self, timeout: float | None) -> Steps[None]:
        """Borrow the object."""
        self._must_be_free()
        try:
            got = self._lender.borrow(timeout, self)
            if not isinstance(got, Entry):
                yield from got
        except BaseException:
            self._end()  # harmless if the loan has ended already, as after a getter that failed
            raise

    def _end(self, reason: DiscardReason | None = None) -> Rest:
        """Give the object back, if that was not done; what is returned waits for hooks that go on by themselves."""
        entry = self._entry  # read once: of two threads that release a lease, one finds that the loan has ended
        if entry is None:
            return None
        rest = self._lender.end_loan(entry, self._use, reason)
        self._entry = None  # last: if something is thrown in before, __del__ still gives it back
        return rest

    def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> Coroutine[Any, Any, None]:
        rest = self._end()
        return FINISHED if leaves_at_once(kind) else finishing(rest)


def leaves_at_once(kind: type[BaseException] | None) -> bool:
    """Whether the end of a block waits for no hook: the pool goes on with those that have begun.

    A coroutine that is closed cannot wait, and a task that is cancelled is not to be held up.
    """
    return kind is not None and not issubclass(kind, Exception)


class AsyncLease(TaskLoan[T]):
    """One loan of one object to a task: ``lease = await pool.lease()``, or ``async with pool.lease() as lease``.

    Give the object back with ``release()``, or with ``discard()`` if it is broken. Or use the lease in an ``async
    with`` statement, which gives the object back at its end. If a lease is dropped, as by a task that ends, its object
    is given back, and a warning is logged: at once if nothing else refers to the lease, at the next run of the garbage
    collector if it is in a cycle.

    All this does nothing if the lease has ended: if its object was given back already, was killed after
    ``max_using_delay_kill``, or was lent in the parent process, or in an event loop that has ended.
    """

    __slots__ = ()

    def release(self) -> Coroutine[Any, Any, None]:
        """Give the object back. A second call does nothing.

        It is given back by the call, in any thread. To await what is returned is to wait for a ``retter`` that is
        awaited itself; a caller who is cancelled meanwhile leaves that to the pool.
        """
        return finishing(self._end())

    def discard(self) -> Coroutine[Any, Any, None]:
        """Give a broken object back: it is closed and its place freed. A second call does nothing.

        To await what is returned is to wait for a ``closer`` that is awaited itself, as in ``release``.
        """
        return finishing(self._end("broken"))

    async def __aenter__(self) -> "AsyncLease[T]":
        return self


class QuietAsyncLease(AsyncLease[T]):
    """A lease that is meant to be dropped when its owner ends: no warning is logged."""

    __slots__ = ()

    _quietly = True


class LeaseRequest(Awaited[AsyncLease[T]]):
    """What ``lease`` returns: a lease that begins when this is awaited, or entered by ``async with``."""

    __slots__ = ("_begun", "_lease", "_pool", "_timeout")

    __name__ = "AsyncPool.lease"

    def __init__(self, lender: AsyncLender[T], timeout: float | None, pool: object, *, quiet: bool) -> None:
        silent = quiet is not False and expect("quiet", quiet, bool, "True or False")
        self._lease: AsyncLease[T] = (QuietAsyncLease if silent else AsyncLease)(lender)
        self._timeout = timeout
        self._pool = pool  # so that the pool is not dropped before the lease has begun
        self._begun: Steps[AsyncLease[T]] | None = None

    def __reduce_ex__(self, protocol: SupportsIndex) -> NoReturn:
        raise TypeError(f"cannot copy or pickle {self!r}")

    def __repr__(self) -> str:
        shown = repr(self._lease)
        return f"{shown[:-1]}, to be awaited or entered>" if shown.endswith(": not begun>") else shown

    def _begin(self) -> Steps[AsyncLease[T]]:
        yield from self._lease._begin(self._timeout)  # pyright: ignore[reportPrivateUsage]  # it is this module's
        return self._lease

    def __await__(self) -> Generator[Any, Any, AsyncLease[T]]:
        return self._begin()

    def _steps(self) -> Steps[AsyncLease[T]]:
        if self._begun is None:
            self._begun = self._begin()
        return self._begun

    async def __aenter__(self) -> AsyncLease[T]:
        return await self

    def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> Coroutine[Any, Any, None]:
        return self._lease.__aexit__(kind, error, trace)


class AsyncBorrowed(TaskLoan[T]):
    """``async with pool.aobj() as o``: a loan that begins and ends with the block."""

    __slots__ = ("_pool", "_timeout")

    def __init__(self, lender: AsyncLender[T], timeout: float | None, pool: object) -> None:
        super().__init__(lender)
        self._timeout = timeout
        self._pool = pool  # so that the pool is not dropped before the end of the block

    async def __aenter__(self) -> T:
        await awaiting(self._begin(self._timeout))
        return self.obj


class QuickBorrowed(AsyncBorrowed[T]):
    """``async with pool.obj() as o``: the same, and quick if an object is idle."""

    __slots__ = ("_tasks",)

    _tasks: AsyncCore[T]

    # In C: a call of a function costs a twentieth of the whole on Python 3.11. ``AsyncPool.obj`` sets the attributes.
    __init__ = object.__init__  # pyright: ignore[reportAssignmentType]  # nobody else makes one

    async def __aenter__(self) -> T:
        tasks = self._tasks
        quick, driver = tasks.quick, tasks.driver
        shelves = quick.shelves
        # Functions in variables: Python 3.11 calls those quicker than methods that are attributes of an instance.
        clock, current, running_task = quick.clock, driver.current, driver.running_task
        now = clock()
        if (
            self._timeout is None
            and now < shelves.quick_gets_until
            and current() == driver.mark
            and self._entry is None
        ):
            # What follows is Shelves.take(), written out: a call costs a tenth of the whole.
            try:
                owner = running_task(driver.task_key)._ppp_owner
                entry = shelves.idle.pop()
            except (AttributeError, IndexError):  # no task, or one that is not known yet; or nothing is idle
                pass
            else:
                entry.last_get = now
                entry.owner = owner
                entry.uses = self._use = entry.uses + 1
                self._entry = entry
                shelves.using[entry.key] = entry
                return entry.obj
        await awaiting(self._begin(self._timeout))
        return self.obj

    def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> Coroutine[Any, Any, None]:
        entry, quick = self._entry, self._tasks.quick
        shelves, clock = quick.shelves, quick.clock
        # What follows is Shelves.end_loan() and put_fast(), written out. Instead of looking for the entry before it is
        # popped this looks at its stage, which is quicker: as long as it is live no other has its key.
        if (
            entry is None
            or entry.uses != self._use
            or entry.stage is not LIVE
            or shelves.using.pop(entry.key, None) is not entry
        ):
            return super().__aexit__(kind, error, trace)
        entry.last_ret = now = clock()
        rest: Rest = None
        if now >= shelves.quick_rets_until or entry.uses >= entry.slow_return_at_use:
            rest = self._tasks.core.returns.follow_up(entry, NEEDS_SLOW_PATH)
        else:
            shelves.idle.append(entry)
            if now >= shelves.quick_rets_until:
                rest = self._tasks.core.returns.follow_up(entry, NEEDS_SETTLE)
        self._entry = None
        return finishing(rest) if rest is not None and not leaves_at_once(kind) else BLOCK_LEFT


new_block = cast("Callable[[], Any]", QuickBorrowed)
"""Make one of which ``AsyncPool.obj`` sets the attributes, which are nobody else's."""
