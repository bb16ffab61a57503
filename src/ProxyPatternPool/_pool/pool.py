"""The public pool."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from types import MethodType, TracebackType
from typing import IO, Any, Generic, NoReturn, SupportsIndex, TypeVar
from warnings import warn

from typing_extensions import Self

from .._config import HookErrors, PoolConfig, expect, seconds, set_log_level
from .._engine.core import Core
from .._engine.steps import run, run_rest
from .._errors import PoolValueError
from .._hooks import Hooks
from .._inspect.dump import dump
from .._inspect.owners import Holding, owners
from .._inspect.stats import as_json, report
from .._inspect.types import PoolStats
from .._ledger.shelves import NEEDS_SETTLE, NEEDS_SLOW_PATH
from .._observer import PoolObserverOrNone, check_observer
from .._runtime.process import notice_fork, this_process
from .._scheduler.process import current_scheduler
from .lease import Borrowed, Lease, QuietLease, borrow

T = TypeVar("T")


def _delete(core: Core[Any]) -> None:
    warn("Pool.__delete__() is an old name of Pool.shutdown()", DeprecationWarning, stacklevel=2)
    run(core.operations.shutdown(0.0))


class Pool(Generic[T]):
    """Keep expensive objects, and lend each to one borrower at a time.

    Threads, greenlets of gevent and of eventlet, patched or not, can share a pool. Borrow with ``with
    pool.obj() as o``, with ``lease()``, or with ``get()`` and give back with ``ret()``. Waiters are served
    first come, first served; the hottest idle object is lent first.

    No hook is ever called with a lock held, and ``max_size`` bounds objects being created, idle, lent,
    checked and being closed, all together. Close the pool with ``shutdown()`` or a ``with`` statement;
    dropping it closes its objects too, as does the end of the interpreter. Objects that were borrowed with
    ``get()`` and are still out when the pool is dropped cannot come back any more: they stay until the process ends;
    those of leases are closed when the lease ends. In the child of a fork the pool starts empty, and the parent's
    objects are neither used nor closed there.

    Finalizers and signal handlers may give objects back, and shut the pool down, even if they run in the middle of the
    pool's own work; ``get`` and ``stats`` are refused there with a ``PoolException``, since they could only wait for
    themselves.
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

        A creation that fails here is logged and tried again later by the house keeper, with exponential
        back-off: a pool can be made before its server is up.

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
                Each at a moment of its own in the last twentieth of that time, so that not all go at once; one that is
                in use then goes when it comes back.
            delay: The same as ``hk_delay``, by its older name.
            max_avail_delay: Discard an object idle this many seconds, never below ``min_size``; 0.0, ``None``: never.
            max_using_delay: Warn about an object in use this many seconds; 0.0, ``None``: as ``max_using_delay_kill``.
            max_using_delay_kill: Close an object in use this many seconds, and free its place; 0.0 or ``None``: never.
            health_freq: Check health once in this many maintenance rounds.
            health_before_get: Check health before lending an object idle for this many seconds; ``None``: never.
                Idle is what was neither used nor checked; 0.0: always. The borrower checks, in ``get``. An object that
                fails is discarded, and the next is tried, then a new one.
            backoff: Seconds between attempts to create after one has failed: the first, and the longest.
                Doubled each time, with equal jitter: 50 to 100 % of it. The caller of the first failure gets its error
                at once; those who come later wait for the next attempt. ``None``: only maintenance waits.
            hk_delay: Seconds between maintenance rounds, and nothing is done in between.
                0.0 or ``None``: half the shortest delay to watch, or 60.0 for ``health`` alone, with deadlines met
                exactly.
            opener: Called once with each new object (``Opener``).
            getter: Called with an object each time it is lent (``Getter``).
            retter: Called with an object each time it comes back (``Retter``); if it fails the object is discarded.
            closer: Called once with each object that leaves the pool (``Closer``).
            health: Called with idle objects in maintenance rounds (``HealthCheck``).
                An object for which it returns ``False``, or raises, is discarded.
            stats: Says something JSON-compatible about an object, for ``stats()`` (``StatsHook``).
            tracer: Names a new object in log lines, ``TimeOut``, ``owners()`` and ``dump()`` (``Tracer``).
                Without a ``stats`` hook ``stats()`` calls it again, also for objects in use: it must not use them
                itself.
            log_level: Level to set on the package's logger, ``logging.getLogger("ppp")``.
            name: Name in log lines, errors and ``stats()``; ``None``: a number.
            trace_owner: Keep the stack of each ``get``, for the warning about a long use. Costs microseconds each.
            hook_errors: What is done if an ``opener`` or ``getter`` raises, ``"log"`` or ``"discard"``.
                The first logs the error, and the object is used nevertheless; the second closes the object, and the
                caller gets ``HookError``.
            observer: Told of all that happens, as it happens (``PoolObserver``); several: ``observers(a, b)``.

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
        # Each pool's own, and unknown to checkers. A class that has it makes descriptors: where a pool is an attribute
        # of a class, none of its instances could have another, and to delete an instance's would shut the class's down.
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
            TooManyWaiting: Nothing is to be had at once, and ``max_waiting`` others wait already.
            PoolClosed: The pool was shut down, before or during the wait.
            PoolException: A finalizer or signal handler called it in the middle of the pool's own work in this thread.
            HookError: The ``opener`` or ``getter`` failed, under ``hook_errors="discard"``.
            PoolValueError: The timeout is negative or NaN.
            Exception: Whatever ``fun`` raises, if the object was being created for this caller. After a failure, until
                something is created again, callers with a timeout to wait for do not get it: they are served or time
                out.
        """
        core = self._core
        shelves = core.shelves
        now = core.clock()
        if timeout is not None or now >= shelves.quick_gets_until:
            return borrow(core, timeout).obj
        # What follows is Shelves.take(), written out: a call costs a tenth of the whole.
        try:
            owner = this_process.here.owner
            entry = shelves.idle.pop()
        except (IndexError, AttributeError):  # nothing is idle; or the pool is a parent's, see _runtime/process.py
            return borrow(core, None).obj
        entry.last_get = now
        entry.owner = owner
        entry.uses += 1
        shelves.using[entry.key] = entry
        return entry.obj

    def ret(self, obj: T) -> None:
        """Give an object back; whoever has waited longest gets it.

        Objects are told apart by identity. One that is not lent by this pool, given back before or killed
        meanwhile, is ignored with a warning in the log.
        """
        core = self._core
        shelves = core.shelves
        entry = shelves.using.pop(id(obj), None)
        if entry is None:
            run_rest(core.returns.give_back(obj))
            return
        # What follows is Shelves.put_fast(), written out for the same reason as in get().
        entry.last_ret = now = core.clock()
        if now >= shelves.quick_rets_until or entry.uses >= entry.slow_return_at_use:
            run_rest(core.returns.follow_up(entry, NEEDS_SLOW_PATH))
            return
        shelves.idle.append(entry)
        if now >= shelves.quick_rets_until:
            run_rest(core.returns.follow_up(entry, NEEDS_SETTLE))

    def discard(self, obj: T) -> None:
        """Give a broken object back: it is closed, without ``retter``, and its place is freed.

        One that is not lent by this pool is ignored with a warning in the log.
        """
        run_rest(self._core.returns.give_back(obj, broken=True))

    def obj(self, timeout: float | None = None) -> AbstractContextManager[T]:
        """Borrow an object for a ``with`` block, and give it back at its end whatever happens inside.

        Args:
            timeout: Longest wait in seconds; ``None``: the pool's, 0: do not wait, ``math.inf``: for ever.
                The wait is at the beginning of the block, as are the errors, which are those of ``get``.
        """
        return Borrowed(self._core, timeout, self)

    def lease(self, timeout: float | None = None, *, quiet: bool = False) -> Lease[T]:
        """Borrow an object with a ``Lease``, which can discard it, and gives it back even if it is dropped.

        Args:
            timeout: Longest wait in seconds; ``None``: the pool's, 0: do not wait, ``math.inf``: for ever.
                The errors are those of ``get``.
            quiet: To drop the lease is how it is meant to end: no warning is logged.
                For a lease that is kept where its owner's end drops it, such as a ``threading.local``.
        """
        silent = quiet is not False and expect("quiet", quiet, bool, "True or False")
        return (QuietLease if silent else Lease)(self._core).begin(timeout)

    def shutdown(self, timeout: float = 0.0, *, delay: float | None = None) -> None:
        """Close the pool: serve nobody any more, and close its objects. A second call does no harm.

        Whoever waits gets ``PoolClosed`` at once. Idle objects are closed here; lent ones when they come
        back, which is waited for, and those still out afterwards are logged with their owners.

        In the hub of gevent or eventlet itself, as in a signal handler that comes while all greenlets sleep, nothing
        can be waited for: the house keeper closes what is idle, and the handler goes on.

        Args:
            timeout: Longest wait for lent objects, in seconds.
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

    def housekeep(self) -> None:
        """Do a full round of house keeping now, in this thread: expiry, warnings, kills, health checks, refill.

        The house keeper does it by itself; this is for tests, and for operators who want it at once.
        """
        run(core_of(self).maintenance.housekeep())

    def drain(self) -> None:
        """Have every object that exists now replaced before it is lent again: credentials changed, a server moved.

        Idle ones are closed by this caller and the house keeper, side by side, who creates up to ``min_size`` anew;
        lent ones are closed as they come back. Nobody is refused, and nobody is waited for. ``stats()["nstale"]`` says
        how many are left.

        Raises:
            PoolException: A finalizer or signal handler called it in the middle of the pool's own work in this thread.
        """
        run(core_of(self).operations.drain())

    def resize(self, *, min_size: int | None = None, max_size: int | None = None) -> None:
        """Change the bounds of the pool while it runs.

        A larger ``max_size`` lets waiters create at once. With a smaller one idle objects that are too many are closed
        here, the coldest first, and lent ones as they come back; until then there are more than that. For a larger
        ``min_size`` the house keeper creates what is missing.

        Args:
            min_size: Keep at least this many; ``None``: as before.
            max_size: At most this many; 0: unlimited, ``None``: as before.

        Raises:
            PoolValueError: A value makes no sense, or ``min_size`` would exceed ``max_size``; nothing has changed.
            TypeError: A value has the wrong type; nothing has changed.
            PoolException: A finalizer or signal handler called it in the middle of the pool's own work in this thread.
        """
        run(core_of(self).operations.resize(min_size, max_size))

    def clear(self) -> None:
        """Close what is idle now; the house keeper creates up to ``min_size`` anew.

        Raises:
            PoolException: A finalizer or signal handler called it in the middle of the pool's own work in this thread.
        """
        run(core_of(self).operations.clear())

    def wait_ready(self, timeout: float | None = None) -> None:
        """Wait until ``min_size`` objects exist, idle or lent. They are created by the house keeper.

        In the parent of a reloading server, which keeps none, there is nothing to wait for.

        Args:
            timeout: Longest wait in seconds; ``None``: the pool's, 0: do not wait, ``math.inf``: for ever.

        Raises:
            TimeOut: There were not so many within the timeout; its cause is the last creation error, if the last
                creation failed.
            PoolClosed: The pool was shut down, before or during the wait.
            PoolException: A finalizer or signal handler called it in the middle of the pool's own work in this thread.
            PoolValueError: The timeout is negative or NaN.
        """
        run(core_of(self).operations.wait_ready(timeout))

    def stats(self) -> PoolStats:
        """Take a JSON-compatible snapshot: sizes, counters, and who holds what since when.

        Raises:
            PoolException: A finalizer or signal handler called it in the middle of the pool's own work in this thread.
        """
        return report(core_of(self))

    def owners(self) -> list[Holding[T]]:
        """List what is lent, and who holds it since when: longest first, with the stacks if there is ``trace_owner``.

        Raises:
            PoolException: A finalizer or signal handler called it in the middle of the pool's own work in this thread.
        """
        return owners(core_of(self))

    def dump(self, file: IO[str] | IO[bytes] | int | None = None) -> None:
        """Write who holds what, who waits, and what is idle, for a look at a process in which nothing moves.

        It works in a signal handler and a finalizer, even in the middle of the pool's own work: it takes no lock and
        calls no hook. Objects are named by what the ``tracer`` has said before, by type and address. ::

            signal.signal(signal.SIGUSR1, lambda *_: pool.dump())

        Args:
            file: Where to write it, a file object or a descriptor; ``None``: ``sys.stderr``.
                What has a descriptor is written to past its buffer, as ``faulthandler`` does. If ``sys.stderr`` cannot
                be written to, that is no error: whoever asks in a signal handler must not die of it.

        Raises:
            TypeError: It is no file.
            OSError: It cannot be written to, or is full and not to be waited for.
            ValueError: It is closed.
        """
        dump(self._core, file)

    def __enter__(self) -> Self:
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
        counts = self._core.count()  # without the lock: it may be printed anywhere, in a signal handler, too
        bound = "unlimited" if counts.max_size is None else f"max {counts.max_size}"
        state = "closed, " if counts.closed else ""
        return (
            f"<Pool {self.name}: {state}{counts.idle} idle, {counts.in_use} in use, {counts.waiting} waiting, {bound}>"
        )

    def __del__(self) -> None:
        # In a finalizer: wait for nothing, call nobody's code. The house keeper closes what there is.
        core: Core[T] | None = getattr(self, "_core", None)
        if core is not None:
            core.abandon()


def core_of(pool: Pool[T]) -> Core[T]:
    """Find the inner state of a pool, for other rooms."""
    notice_fork()
    return pool._core  # pyright: ignore[reportPrivateUsage]  # it is this module's
