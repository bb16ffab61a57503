"""What happens in a pool, told to the user as it happens: a protocol with one method for each event."""

from collections.abc import Callable
from typing import Generic, Literal, NoReturn, Protocol, TypeAlias, TypeVar, cast, get_args

from ._awaitables import refuse_async

T = TypeVar("T")
T_contra = TypeVar("T_contra", contravariant=True)

DiscardReason = Literal[
    "broken",
    "cleared",
    "drained",
    "health",
    "hook",
    "idle",
    "interrupted",
    "killed",
    "max_lifetime",
    "max_use",
    "retter",
    "shutdown",
    "surplus",
]
"""Why an object left the pool.

``broken``: given back with ``discard()``. ``cleared``: by ``clear()``. ``drained``: it was older than a ``drain()``.
``health``: the health check said no, or failed. ``hook``: the getter failed, under ``hook_errors="discard"``.
``idle``: unused for ``max_avail_delay``. ``interrupted``: an exception was thrown into the thread that had it in hand.
``killed``: in use for ``max_using_delay_kill``. ``max_lifetime``: it was too old. ``max_use``: it was lent that often.
``retter``: the retter failed. ``shutdown``: the pool was closed, or dropped. ``surplus``: the pool was made smaller.

More may come: treat one that you do not know as a reason like any other.
"""

HookName = Literal["opener", "getter", "retter", "closer", "health"]
"""The hooks whose failures are told. A failure of the factory is a failed creation."""


class PoolObserver(Protocol[T_contra]):
    """Told what happens in a pool, as it happens: for metrics, traces, statistics of your own.

    Derive from it and override what you want to know: the methods here do nothing. With ``@override`` checkers see a
    misspelt event, which would never be called. A class that does not derive from it needs all of them, and each that
    is added later. ``pool`` is the pool's name, or ``#`` and its number, as in ``stats()["name"]``; times are in
    seconds. ::

        class Longest(PoolObserver[object]):
            wait = 0.0

            @override  # from typing_extensions, or, since Python 3.12, typing
            def lent(self, pool: str, obj: object, waited: float, /) -> None:
                self.wait = max(self.wait, waited)

        pool = Pool(connect, max_size=4, observer=Longest())

    What holds:

    - Each object that ``created`` was called for gets one ``discarded``; each loan that ``lent`` was called for gets
      one ``returned``, however it ends: given back, discarded, its lease dropped, killed. Of one object all this comes
      in order. Of an object whose opener failed under ``hook_errors="discard"`` only ``creation_failed`` tells.
    - An observer is called with no lock held, in the thread or greenlet in which it happened; of a lease that was
      dropped it is told by the maintenance. Several threads call it at the same time, each for itself. The caller, and
      the object, wait for an observer that takes its time; nobody else does. It runs in a copy of the caller's
      context: it can read a ``ContextVar`` of the caller's, and what it sets in one is not seen outside.
    - An ``Exception`` raised here is counted in ``stats()["observer_errors"]``, logged if it is the first from that
      method, and harmless. Any other, a ``KeyboardInterrupt`` or a greenlet's timeout, is meant for the
      thread: it goes on to the caller as one thrown into a hook does, and the object that was being lent or returned
      goes back or is closed.
    - An observer may use the pool. What it begins while it is being told of something, loans, waits that time out,
      hooks that fail, is not told, or there would be no end. Objects that it creates are told of when they are next
      lent, and ends of what was told come a little later, from the maintenance: so also what a signal handler or
      finalizer gives back that runs in the middle of an observer's method, or of a step of the pool.
    - Nothing is told at the end of the interpreter, and in the child of a fork nothing about the parent's objects.

    Keep no reference to ``obj`` after ``discarded``, and none to an ``error``: its traceback has frames of callers.
    """

    def created(self, pool: str, obj: T_contra, took: float, /) -> None:
        """Note an object that was created and opened, in so many seconds."""
        return

    def creation_failed(self, pool: str, error: BaseException, took: float, /) -> None:
        """Note that the factory, or the opener under ``hook_errors="discard"``, failed after so many seconds.

        Told of each attempt, whoever it was made for, and whether or not it is made again for the same caller.
        """
        return

    def lent(self, pool: str, obj: T_contra, waited: float, /) -> None:
        """Note a loan, and the seconds from the call of ``get`` to this moment: queue, creation and checks included.

        What is found too old or in bad health before it is lent is only told to be discarded. The getter is called
        afterwards.
        """
        return

    def returned(self, pool: str, obj: T_contra, used: float, /) -> None:
        """Note that a loan has ended after so many seconds. The retter, or the closer, is called afterwards."""
        return

    def discarded(self, pool: str, obj: T_contra, reason: DiscardReason, /) -> None:
        """Note that an object leaves the pool, and why. The closer is called afterwards."""
        return

    def timed_out(self, pool: str, waited: float, /) -> None:
        """Note that a caller got nothing within its timeout, and the seconds since it called ``get``."""
        return

    def refused(self, pool: str, waiting: int, /) -> None:
        """Note that a caller was refused since so many were waiting, ``max_waiting``."""
        return

    def hook_failed(self, pool: str, hook: HookName, error: BaseException, /) -> None:
        """Note that a hook raised, or, for ``health``, that an object's check did."""
        return


class ObserverOfAnything(Protocol):
    """An observer of any objects, for ``PoolObserverOrNone``. Its methods may return something, which is ignored.

    It has all events, too: else checkers would accept a class that has some of them.
    """

    def created(self, pool: str, obj: object, took: float, /) -> object: ...
    def creation_failed(self, pool: str, error: BaseException, took: float, /) -> object: ...
    def lent(self, pool: str, obj: object, waited: float, /) -> object: ...
    def returned(self, pool: str, obj: object, used: float, /) -> object: ...
    def discarded(self, pool: str, obj: object, reason: DiscardReason, /) -> object: ...
    def timed_out(self, pool: str, waited: float, /) -> object: ...
    def refused(self, pool: str, waiting: int, /) -> object: ...
    def hook_failed(self, pool: str, hook: HookName, error: BaseException, /) -> object: ...


PoolObserverOrNone: TypeAlias = PoolObserver[T] | ObserverOfAnything | Callable[[T, NoReturn], NoReturn] | None
"""The annotation of parameters that take an observer. Editors show this name.

For checkers alone: an observer says little about ``T``, and each part is there so that ``T`` comes from the factory.

- Without ``ObserverOfAnything`` mypy would take ``db: Connection = proxy(observer=metrics)`` for a proxy of ``object``.
- No object is of the third type. Because of it mypy infers ``T`` from the factory first, as it does with hooks, and
  then looks whether the observer fits; else ``Pool(Replica, observer=…)`` would be a pool of what the observer is for.
- ``None`` is a part of it, or pyright would show all the others, member by member.
"""

Event: TypeAlias = Literal[
    "created", "creation_failed", "lent", "returned", "discarded", "timed_out", "refused", "hook_failed"
]
"""The methods of an observer: all that is looked up in one."""

EVENTS: tuple[Event, ...] = get_args(Event)


def check_observer(observer: object) -> None:
    """Check an observer given by a user; ``None`` is none.

    Raises:
        TypeError: it lacks a method, or is a class, or a method of it is a coroutine function.
    """
    if observer is None:
        return
    if isinstance(observer, type):
        raise TypeError(f"observer must be a PoolObserver, not a class: {observer!r}")
    for event in EVENTS:
        method: object = getattr(observer, event, None)
        if not callable(method):
            raise TypeError(f"observer must be a PoolObserver, and has no method {event}: {observer!r}")
        refuse_async(f"observer: its {event}()", method)


class _Several(PoolObserver[T], Generic[T]):
    """Several observers in one; a pool calls them one by one, so that a failure of one is its own."""

    def __init__(self, members: "tuple[PoolObserver[T], ...]") -> None:
        self.members = members

    def created(self, pool: str, obj: T, took: float, /) -> None:
        for one in self.members:
            one.created(pool, obj, took)

    def creation_failed(self, pool: str, error: BaseException, took: float, /) -> None:
        for one in self.members:
            one.creation_failed(pool, error, took)

    def lent(self, pool: str, obj: T, waited: float, /) -> None:
        for one in self.members:
            one.lent(pool, obj, waited)

    def returned(self, pool: str, obj: T, used: float, /) -> None:
        for one in self.members:
            one.returned(pool, obj, used)

    def discarded(self, pool: str, obj: T, reason: DiscardReason, /) -> None:
        for one in self.members:
            one.discarded(pool, obj, reason)

    def timed_out(self, pool: str, waited: float, /) -> None:
        for one in self.members:
            one.timed_out(pool, waited)

    def refused(self, pool: str, waiting: int, /) -> None:
        for one in self.members:
            one.refused(pool, waiting)

    def hook_failed(self, pool: str, hook: HookName, error: BaseException, /) -> None:
        for one in self.members:
            one.hook_failed(pool, hook, error)

    def __repr__(self) -> str:
        return f"observers({', '.join(map(repr, self.members))})"


def observers(*several: PoolObserver[T]) -> PoolObserver[T]:
    """Make one observer of several, which are told in this order; a failure of one is its own.

    Raises:
        TypeError: one of them is no observer.
    """
    for one in several:
        if one is None:  # pyright: ignore[reportUnnecessaryComparison]  # a caller without a checker
            raise TypeError("observer must be a PoolObserver, not None")
        check_observer(one)
    return _Several(tuple(several))


def members(observer: object) -> tuple[object, ...]:
    """The observers that one stands for, if it was accepted by ``check_observer``."""
    if observer is None:
        return ()
    if isinstance(observer, _Several):
        several = cast("_Several[object]", observer)
        return tuple(leaf for one in several.members for leaf in members(one))
    return (observer,)
