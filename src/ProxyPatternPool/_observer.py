"""Observers, which a pool notifies of what happens in it: a protocol with one method for each event."""

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
``health``: the health check returned false, or failed. ``hook``: the getter failed, under ``hook_errors="discard"``.
``idle``: idle for ``max_avail_delay``. ``interrupted``: an exception was thrown into the thread that was lending,
taking back or checking it. ``killed``: in use for ``max_using_delay_kill``. ``max_lifetime``: it was too old.
``max_use``: it was lent that often. ``retter``: the retter failed. ``shutdown``: the pool was closed, or dropped.
``surplus``: the pool was made smaller, or as many were idle as are kept.

Later versions may add reasons: handle an unknown one like any other.
"""

HookName = Literal["opener", "getter", "retter", "closer", "health"]
"""The hooks of ``hook_failed``. If the factory fails, ``creation_failed`` is called instead."""


class PoolObserver(Protocol[T_contra]):
    """Notified of what happens in a pool: for metrics, traces, statistics of your own.

    Derive from it and override the methods of the events that you want: those here do nothing. With ``@override``
    checkers see a misspelt event, which would never be called. A class that does not derive from it needs all methods,
    and each that is added later. ``pool`` is the pool's name, or ``#`` and its number, as in ``stats()["name"]``; times
    are in seconds. ::

        class Longest(PoolObserver[object]):
            wait = 0.0

            @override  # from typing_extensions, or, since Python 3.12, typing
            def lent(self, pool: str, obj: object, waited: float, /) -> None:
                self.wait = max(self.wait, waited)

        pool = Pool(connect, max_size=4, observer=Longest())

    Guarantees:

    - For each object for which ``created`` was called, ``discarded`` is called once. For each loan for which ``lent``
      was called, ``returned`` is called once, however the loan ends: given back, discarded, killed, or its lease
      dropped. The events of one object come in order. If the opener fails under ``hook_errors="discard"``, only
      ``creation_failed`` is called for that object.
    - An observer is called with no lock held, in the thread or greenlet in which the event happened; for a lease that
      was dropped, by maintenance. Several threads may call it at the same time. A slow observer holds up the caller
      and the object of the event, and no other. It runs in a copy of the caller's context: it can read a ``ContextVar``
      of the caller's, and what it sets in one is not seen outside.
    - An ``Exception`` raised by an observer is counted in ``stats()["observer_errors"]``, and logged if it is the first
      from that method; it has no other effect. Any other, a ``KeyboardInterrupt`` or a greenlet's timeout, is meant for
      the thread: it reaches the caller, as one thrown into a hook does, and the object that was being lent or returned
      goes back or is closed.
    - An observer may use the pool. While it is being notified, the loans, timeouts and failures that it causes itself
      are not reported, to avoid an endless recursion. An object that it creates is reported when it is next lent. The
      end of an object or loan that was reported before is reported a little later, by maintenance; so is the end of
      what a signal handler or finalizer gives back that interrupts an observer's method or a step of the pool.
    - Nothing is reported at the end of the interpreter, and in the child of a fork nothing about the parent's objects.

    Keep no reference to ``obj`` after ``discarded``, and none to an ``error``: its traceback has frames of callers.
    """

    def created(self, pool: str, obj: T_contra, took: float, /) -> None:
        """Note an object that was created and opened, in so many seconds."""
        return

    def creation_failed(self, pool: str, error: BaseException, took: float, /) -> None:
        """Note that the factory, or the opener under ``hook_errors="discard"``, failed after so many seconds.

        Called for each attempt, whether it was made for a caller or by maintenance, and whether or not it is repeated.
        """
        return

    def lent(self, pool: str, obj: T_contra, waited: float, /) -> None:
        """Note a loan, and the seconds since the call of ``get``: those in the queue, of creation and checks included.

        For an object found too old or unhealthy before it is lent, only ``discarded`` is called. The getter is called
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
        """Note that a caller got no object within its timeout, and the seconds since it called ``get``."""
        return

    def refused(self, pool: str, waiting: int, /) -> None:
        """Note that a caller was refused, since ``max_waiting`` was reached, and how many were waiting."""
        return

    def hook_failed(self, pool: str, hook: HookName, error: BaseException, /) -> None:
        """Note that a hook raised. A health check that returns false is no failure of the hook."""
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
  then checks that the observer fits; else ``Pool(Replica, observer=…)`` would be a pool of the observer's type.
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
        TypeError: It lacks a method, or is a class, or a method of it is a coroutine function.
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
    """Several observers in one. A pool calls each by itself, so that a failure of one does not affect the others."""

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
    """Make one observer of several, which are called in this order; a failure of one does not affect the others.

    Raises:
        TypeError: One of them is no observer.
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
