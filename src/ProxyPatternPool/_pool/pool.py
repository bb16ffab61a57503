"""The public pool."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from sys import is_finalizing
from types import MethodType, TracebackType
from typing import IO, Any, Generic, NoReturn, SupportsIndex, TypeVar
from warnings import warn

from typing_extensions import Self

from .._config import HookErrors, PoolConfig, expect, seconds, set_log_level
from .._engine.async_core import TaskLender
from .._engine.core import Core
from .._engine.steps import run, run_rest
from .._errors import PoolValueError
from .._hooks import Hooks
from .._inspect.dump import dump
from .._inspect.owners import Holding, owners
from .._inspect.short import in_short
from .._inspect.stats import as_json, report
from .._inspect.types import PoolStats
from .._ledger.entry import Entry
from .._ledger.shelves import NEEDS_SETTLE, NEEDS_SLOW_PATH
from .._observer import PoolObserverOrNone, check_observer
from .._runtime.process import notice_fork, this_process
from .._runtime.tasks import awaiting
from .._scheduler.process import current_scheduler
from .async_lease import AsyncBorrowed, LeaseRequest
from .lease import Borrowed, Lease, QuietLease, borrow

T = TypeVar("T")


def _delete(core: Core[Any]) -> None:
    warn("Pool.__delete__() is an old name of Pool.shutdown()", DeprecationWarning, stacklevel=2)
    run(core.operations.shutdown(0.0))


class Pool(Generic[T]):
    """Keep expensive objects, and lend each to one borrower at a time.

    Threads and greenlets of gevent and of eventlet, patched or not, can share a pool. Borrow with ``with
    pool.obj() as o``, with ``lease()``, or with ``get()`` and ``ret()``. Waiters are served in the order in which they
    came; the object that was returned last is lent first.

    No hook is called with a lock held. ``max_size`` bounds the objects being created, idle, lent, checked and being
    closed, all together.

    Close the pool with ``shutdown()`` or a ``with`` statement, which raises ``PoolClosed`` if it is closed already. If
    it is dropped, or the interpreter ends, its objects are closed, too. If it is dropped while objects are lent, those
    of leases are closed when the lease ends; those borrowed with ``get()`` cannot come back any more, and stay until
    the process ends. In the child of a fork the pool starts empty, and the parent's objects are neither used nor closed
    there.

    Finalizers and signal handlers may give objects back and shut the pool down, even if they interrupt one of the
    pool's own steps. ``get`` and ``stats`` raise a ``PoolException`` there, since they could only wait for themselves.
    """

    # written by tools/generate.py: the parameters of Pool
    def __init__(
        self,
        fun: Callable[[int], T],
        max_size: int | None = 0,
        min_size: int = 1,
        timeout: float | None = None,
        max_use: int | None = 0,
        max_avail_delay: float | None = 0.0,
        max_using_delay: float | None = 0.0,
        max_using_delay_kill: float | None = 0.0,
        health_freq: int = 1,
        delay: float | None = None,
        opener: Callable[[T], object] | None = None,
        getter: Callable[[T], object] | None = None,
        retter: Callable[[T], object] | None = None,
        closer: Callable[[T], object] | None = None,
        health: Callable[[T], bool] | None = None,
        stats: Callable[[T], object] | None = None,
        tracer: Callable[[T], str] | None = None,
        log_level: int | str | None = None,
        *,
        max_waiting: int | None = None,
        max_lifetime: float | None = 0.0,
        health_before_get: float | None = None,
        backoff: tuple[float, float] | None = (0.05, 5.0),
        hk_delay: float | None = None,
        name: str | None = None,
        trace_owner: bool = False,
        hook_errors: HookErrors = "log",
        observer: PoolObserverOrNone[T] = None,
    ) -> None:
        """Make a pool, and ``min_size`` objects in it.

        A creation that fails here is logged, and maintenance tries again later, with exponential back-off: a pool can
        be made before its server is up.

        Args:
            fun: Creates an object, another each time; gets the creation number 0, 1, 2… (``Factory``).
            max_size: At most this many objects; 0 or ``None``: unlimited.
                An object counts from before its creation until its closer has returned.
            min_size: Keep at least this many objects; maintenance creates what is missing.
                The first are created at construction. After a failure the next attempt waits for ``backoff``.
            timeout: Longest wait in ``get``, in seconds; ``None``: for ever, 0: never wait.
            max_use: Discard an object after this many uses; 0 or ``None``: unlimited.
            max_waiting: At most this many callers wait; more get ``TooManyWaiting``. ``None``: unlimited, 0: nobody.
            max_lifetime: Discard an object this many seconds after its creation; 0.0 or ``None``: never.
                Each object gets a random lifetime of 95 to 100 % of it, so that not all are closed at once. An object
                in use is discarded when it comes back.
            delay: The same as ``hk_delay``, by its older name.
            max_avail_delay: Discard an object idle this many seconds, never below ``min_size``; 0.0, ``None``: never.
            max_using_delay: Warn about an object in use this many seconds; 0.0, ``None``: as ``max_using_delay_kill``.
            max_using_delay_kill: Close an object in use this many seconds, and free its place; 0.0 or ``None``: never.
            health_freq: Check health once in this many maintenance rounds.
            health_before_get: Check health before lending an object idle for this many seconds; ``None``: never.
                Idle: neither used nor checked; 0.0: check always. The borrower checks, in ``get``. If an object fails
                it is discarded, and the next idle one is tried, or a new one.
            backoff: Seconds between attempts to create after one has failed: the first, and the longest.
                It doubles each time, with equal jitter (50 to 100 %). The caller of the first failed attempt gets its
                error at once; later callers wait for the next attempt. ``None``: only maintenance waits.
            hk_delay: Seconds between maintenance rounds; limits are checked only in rounds.
                0.0 or ``None``: half the shortest delay to watch, or 60.0 for ``health`` alone; then limits are met
                exactly.
            opener: Called once with each new object (``Opener``).
            getter: Called with an object each time it is lent (``Getter``).
            retter: Called with an object each time it comes back (``Retter``); a failure discards the object.
            closer: Called once with each object that leaves the pool (``Closer``).
            health: Called with idle objects in maintenance rounds (``HealthCheck``).
                An object for which it returns ``False``, or raises, is discarded.
            stats: Says something JSON-compatible about an object, for ``stats()`` (``StatsHook``).
            tracer: Names a new object in log lines, ``TimeOut``, ``owners()`` and ``dump()`` (``Tracer``).
                Without a ``stats`` hook ``stats()`` calls it again, also for objects in use: it must not use them
                itself.
            log_level: Level to set on the package's logger, ``logging.getLogger("ppp")``.
            name: Name in log lines, errors and ``stats()``; ``None``: a number.
            trace_owner: Keep the stack of each ``get``, for the warning about a long use; it costs some microseconds.
            hook_errors: What is done if an ``opener`` or ``getter`` raises, ``"log"`` or ``"discard"``.
                ``log``: the error is logged, and the object is used nevertheless. ``discard``: the object is closed,
                and the caller gets ``HookError``.
            observer: Notified of what happens in the pool (``PoolObserver``); for several: ``observers(a, b)``.

        Raises:
            PoolValueError: A value makes no sense; the message names the parameter and the value.
            TypeError: A parameter has the wrong type; the message names it and the value.
        """
        hooks = Hooks(
            # written by tools/generate.py: the hooks
            fun,
            opener,
            getter,
            retter,
            closer,
            health,
            stats,
            tracer,
            # end of what tools/generate.py has written
        )
        check_observer(observer)
        config = PoolConfig.validated(
            # written by tools/generate.py: what is checked
            max_size=max_size,
            min_size=min_size,
            timeout=timeout,
            max_use=max_use,
            max_waiting=max_waiting,
            max_lifetime=max_lifetime,
            max_avail_delay=max_avail_delay,
            max_using_delay=max_using_delay,
            max_using_delay_kill=max_using_delay_kill,
            health_freq=health_freq,
            health_before_get=health_before_get,
            backoff=backoff,
            hk_delay=hk_delay,
            delay=delay,
            name=name,
            trace_owner=trace_owner,
            hook_errors=hook_errors,
            # end of what tools/generate.py has written
            has_health=health is not None,
        )
        if log_level is not None:
            set_log_level(log_level)
        self._core: Core[T] = Core(hooks, config, current_scheduler(), observer)
        self._quick = self._core.quick
        self._core.operations.create_first()
        # An attribute of each pool, which checkers do not see, and not a method: that would make pools descriptors. If
        # a pool were an attribute of a class, its instances could not have pools of their own, and ``del`` of an
        # instance's would shut the class's down.
        object.__setattr__(self, "__delete__", MethodType(_delete, self._core))

    @property
    def name(self) -> str:
        """The name given, or one made of the pool's number."""
        return self._core.name

    def get(self, timeout: float | None = None) -> T:
        """Borrow an object; give it back with ``ret``, or with ``discard`` if it broke.

        Args:
            timeout: Longest wait in seconds; ``None``: the pool's, 0: do not wait, ``math.inf``: for ever.
                If the object has to be created for this caller, the time of the creation comes on top, as does that of
                the last check under ``health_before_get``.

        Raises:
            TimeOut: No object within the timeout; its cause is the last creation error, if the last creation failed.
            TooManyWaiting: No object can be lent at once, and ``max_waiting`` callers wait already.
            PoolClosed: The pool was shut down, before or during the wait.
            PoolException: A finalizer or signal handler called it in the middle of the pool's own work in this thread.
            HookError: The ``opener`` or ``getter`` failed, under ``hook_errors="discard"``.
            PoolValueError: The timeout is negative or NaN.
            Exception: Whatever ``fun`` raises, if the object was being created for this caller. After a first failure,
                and until an object is created again, callers that wait with a timeout do not get it: they are served
                or time out.
        """
        quick = self._quick
        # The clock in a variable: Python 3.11 calls that quicker than a method that is an attribute of an instance.
        shelves, clock = quick.shelves, quick.clock
        now = clock()
        if timeout is not None or now >= shelves.quick_gets_until:
            return borrow(self._core, timeout).obj
        # What follows is Shelves.take(), written out: a call costs a tenth of the whole.
        try:
            owner = this_process.here.owner
            entry = shelves.idle.pop()
        except (IndexError, AttributeError):  # nothing is idle; or this is a new child, see _runtime/process.py
            pass  # what is raised from now on has nothing to do with this
        else:
            entry.last_get = now
            entry.owner = owner
            entry.uses += 1
            shelves.using[entry.key] = entry
            return entry.obj
        return borrow(self._core, None).obj

    def ret(self, obj: T) -> None:
        """Give an object back; the caller who has waited longest gets it.

        Objects are told apart by identity. An object that this pool has not lent, or that was given back before or
        killed meanwhile, is ignored, and a warning is logged.
        """
        quick = self._quick
        shelves, clock = quick.shelves, quick.clock
        entry = shelves.using.pop(id(obj), None)
        if entry is None:
            run_rest(self._core.returns.give_back(obj))
            return
        # What follows is Shelves.put_fast(), written out for the same reason as in get().
        entry.last_ret = now = clock()
        if now >= shelves.quick_rets_until or entry.uses >= entry.slow_return_at_use:
            run_rest(self._core.returns.follow_up(entry, NEEDS_SLOW_PATH))
            return
        try:
            shelves.idle.append(entry)
            if now >= shelves.quick_rets_until:
                run_rest(self._core.returns.follow_up(entry, NEEDS_SETTLE))
        except BaseException:
            self._core.returns.settle_interrupted(entry, now)
            raise

    def discard(self, obj: T) -> None:
        """Give a broken object back: it is closed, without ``retter``, and its place is freed.

        An object that this pool has not lent is ignored, and a warning is logged.
        """
        run_rest(self._core.returns.give_back(obj, broken=True))

    def obj(self, timeout: float | None = None) -> AbstractContextManager[T]:
        """Borrow an object for a ``with`` block, and give it back at the end of the block, whatever happens inside.

        Args:
            timeout: Longest wait in seconds; ``None``: the pool's, 0: do not wait, ``math.inf``: for ever.
                The object is borrowed when the block begins; what is raised then is what ``get`` raises.
        """
        block: Borrowed[T] = Borrowed.new(self._core, timeout, self)
        return block

    def lease(self, timeout: float | None = None, *, quiet: bool = False) -> Lease[T]:
        """Borrow an object with a ``Lease``, which can discard it, and which gives it back even if it is dropped.

        Args:
            timeout: Longest wait in seconds; ``None``: the pool's, 0: do not wait, ``math.inf``: for ever.
                What is raised is what ``get`` raises.
            quiet: Whether to log no warning when the lease is dropped.
                For a lease that is meant to end so: kept in a ``threading.local``, it is dropped when the thread ends.
        """
        silent = quiet is not False and expect("quiet", quiet, bool, "True or False")
        return (QuietLease if silent else Lease)(self._core).begin(timeout)

    async def aget(self, timeout: float | None = None) -> T:
        """Borrow an object in a task of asyncio or trio: what ``get`` does, but the event loop goes on meanwhile.

        Threads, greenlets and tasks wait in one queue. ``fun`` and the hooks are called here, and block the event loop
        if they take long: objects whose factory or hooks are to be awaited need an ``AsyncPool``.

        Args:
            timeout: Longest wait in seconds; ``None``: the pool's, 0: do not wait, ``math.inf``: for ever.

        Raises:
            PoolException: No event loop runs here; and whatever ``get`` raises.
        """
        got = TaskLender(self._core).borrow(timeout)
        return (got if isinstance(got, Entry) else await awaiting(got)).obj

    def aobj(self, timeout: float | None = None) -> AbstractAsyncContextManager[T]:
        """Borrow an object for an ``async with`` block: what ``obj`` does, in a task, see ``aget``.

        Args:
            timeout: Longest wait in seconds; ``None``: the pool's, 0: do not wait, ``math.inf``: for ever.
        """
        # What its __aexit__ returns is no native coroutine, which pyright asks for.
        return AsyncBorrowed(TaskLender(self._core), timeout, self)  # pyright: ignore[reportReturnType]  # any coroutine does

    def alease(self, timeout: float | None = None, *, quiet: bool = False) -> LeaseRequest[T]:
        """Borrow an object with an ``AsyncLease``: what ``lease`` does, in a task, see ``aget``.

        ``await`` what is returned, or enter it with ``async with``.

        Args:
            timeout: Longest wait in seconds; ``None``: the pool's, 0: do not wait, ``math.inf``: for ever.
            quiet: Whether to log no warning when the lease is dropped.
        """
        return LeaseRequest(TaskLender(self._core), timeout, self, quiet=quiet)

    def shutdown(self, timeout: float = 0.0, *, delay: float | None = None) -> None:
        """Close the pool: lend nothing any more, and close all objects. A second call does no harm.

        Callers that wait get ``PoolClosed`` at once. Idle objects are closed here, lent ones when they come back. This
        waits for them until the timeout; those still lent then are logged with their owners.

        In the hub of gevent or eventlet itself, for instance in a signal handler that runs while all greenlets sleep,
        it waits for nothing: maintenance closes the idle objects.

        Args:
            timeout: Until when to wait for lent objects, in seconds from the call.
            delay: The same as ``timeout``, by its older name.

        Raises:
            PoolValueError: The timeout is negative or NaN, or given by both names.
        """
        if delay is not None:
            if timeout != 0.0:
                raise PoolValueError(f"timeout ({timeout!r}) and delay ({delay!r}) are the same: give only one")
            timeout = seconds("delay", delay)
        run(core_of(self).operations.shutdown(timeout))

    close = shutdown

    async def aclose(self, timeout: float = 0.0) -> None:
        """Close the pool in a task of asyncio or trio: what ``shutdown`` does, but the event loop goes on meanwhile.

        Closers are called here, see ``aget``. If it is cancelled, the pool is closed all the same.

        Args:
            timeout: Until when to wait for lent objects, in seconds from the call.

        Raises:
            PoolException: No event loop runs here.
            PoolValueError: The timeout is negative or NaN.
        """
        await awaiting(TaskLender(core_of(self)).shutdown(timeout))

    def housekeep(self) -> None:
        """Do a full maintenance round now, in this thread: expiry, warnings, kills, health checks, refill.

        Rounds are done without it; this is for tests, and for operators who want one at once.
        """
        run(core_of(self).maintenance.housekeep())

    def drain(self) -> None:
        """Replace every object that exists now before it is lent again: credentials changed, or a server moved.

        Idle ones are closed by this caller and by maintenance, side by side; lent ones when they come back. Maintenance
        creates up to ``min_size`` new ones. No caller is refused, and this waits for no lent object.
        ``stats()["nstale"]`` says how many are left.

        Raises:
            PoolException: A finalizer or signal handler called it in the middle of the pool's own work in this thread.
        """
        run(core_of(self).operations.drain())

    def resize(self, *, min_size: int | None = None, max_size: int | None = None) -> None:
        """Change the bounds of the pool while it runs.

        With a larger ``max_size`` waiters create objects at once. With a smaller one surplus objects are closed: idle
        ones here, those idle for longest first, and lent ones when they come back; until then there are more than
        ``max_size``. With a larger ``min_size`` maintenance creates what is missing.

        Args:
            min_size: Keep at least this many objects; ``None``: as before.
            max_size: At most this many objects; 0: unlimited, ``None``: as before.

        Raises:
            PoolValueError: A value makes no sense, or ``min_size`` would exceed ``max_size``; nothing has changed.
            TypeError: A value has the wrong type; nothing has changed.
            PoolException: A finalizer or signal handler called it in the middle of the pool's own work in this thread.
        """
        run(core_of(self).operations.resize(min_size, max_size))

    def clear(self) -> None:
        """Close all objects that are idle now; maintenance creates up to ``min_size`` new ones.

        Raises:
            PoolException: A finalizer or signal handler called it in the middle of the pool's own work in this thread.
        """
        run(core_of(self).operations.clear())

    def wait_ready(self, timeout: float | None = None) -> None:
        """Wait until ``min_size`` objects exist, idle or lent. Maintenance creates them.

        In the parent process of a reloading server, which keeps no objects, it returns at once.

        Args:
            timeout: Longest wait in seconds; ``None``: the pool's, 0: do not wait, ``math.inf``: for ever.

        Raises:
            TimeOut: There were fewer at the end of the timeout; its cause is the last creation error, if the last
                creation failed.
            PoolClosed: The pool was shut down, before or during the wait.
            PoolException: A finalizer or signal handler called it in the middle of the pool's own work in this thread.
            PoolValueError: The timeout is negative or NaN.
        """
        run(core_of(self).operations.wait_ready(timeout))

    def stats(self) -> PoolStats:
        """Take a JSON-compatible snapshot: sizes, counters, and who holds which object since when.

        It describes every object: without hooks 100,000 of them take 0.5 s, 13 ms of it with the pool's lock held.

        Raises:
            PoolException: A finalizer or signal handler called it in the middle of the pool's own work in this thread.
        """
        return report(core_of(self))

    def owners(self) -> list[Holding[T]]:
        """List the lent objects and who holds them since when: longest first, with the stacks under ``trace_owner``.

        Raises:
            PoolException: A finalizer or signal handler called it in the middle of the pool's own work in this thread.
        """
        return owners(core_of(self))

    def dump(self, file: IO[str] | IO[bytes] | int | None = None) -> None:
        """Write who holds which object, who waits, and what is idle: to find out why a process hangs.

        It works in signal handlers and finalizers, even if they interrupt one of the pool's own steps: it takes no lock
        and calls no hook. Objects are shown by the name that the ``tracer`` gave them, by type and address. ::

            signal.signal(signal.SIGUSR1, lambda *_: pool.dump())

        Args:
            file: Where to write, a file object or a descriptor; ``None``: ``sys.stderr``.
                A file that has a descriptor is written to past its buffer, as by ``faulthandler``. If ``sys.stderr``
                cannot be written to, nothing is raised, so that a signal handler does not fail.

        Raises:
            TypeError: The file is no file.
            OSError: It cannot be written to, or it is full and non-blocking.
            ValueError: It is closed.
        """
        dump(self._core, file)

    def __enter__(self) -> Self:
        self._core.operations.refuse_if_closed()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.shutdown()

    def __reduce_ex__(self, protocol: SupportsIndex) -> NoReturn:
        raise TypeError(f"cannot copy or pickle {self!r}")

    def __str__(self) -> str:
        """The same as ``stats()``, as JSON: a line for each key, and one for each object."""
        return as_json(self.stats())

    def __repr__(self) -> str:
        return f"<Pool {in_short(self._core)}>"

    def __del__(self, interpreter_ends: Callable[[], bool] = is_finalizing) -> None:
        # This is a finalizer: it must not wait, and must call no user code. Maintenance closes the objects. When the
        # interpreter ends, which emptied this very module, its exit has closed them.
        core: Core[T] | None = getattr(self, "_core", None)
        if core is not None and not interpreter_ends():
            core.abandon()


def core_of(pool: Pool[T]) -> Core[T]:
    """The parts of a pool, for other modules of this package."""
    notice_fork()
    return pool._core  # pyright: ignore[reportPrivateUsage]  # it is this module's
