"""The hooks of a pool: which functions of the user's it calls, and when.

A hook is a function, a lambda, a bound method or an instance of a class of your own. A class may derive from the
protocol, but need not: if it does, checkers see at once whether it fits, and it cannot be instantiated without
``__call__``. The parameters of ``Pool`` are annotated with the equivalent ``Callable``: checkers infer T best from it.

The hooks of a ``Pool`` are plain functions. What they return is not awaited, so to return an awaitable is an error: a
``TypeError`` at construction if the hook is a coroutine function, and else as if the hook had raised it. An
``AsyncPool`` takes plain functions and coroutine functions: see ``_async_hooks``.

The protocols are not runtime-checkable: ``isinstance`` could only see that something can be called, as ``callable``
does.
"""

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Generic, Protocol, TypeAlias, TypeVar

from ._async_hooks import ASYNC_PROTOCOLS, AsyncFactory
from ._awaitables import COROUTINES, GENERATORS, refuse_async

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
T_contra = TypeVar("T_contra", contravariant=True)


class Factory(Protocol[T_co]):
    """Called to create an object; it gets the creation number: 0, 1, 2…

    Numbers are unique within the pool, and count attempts: a creation that fails uses one up.
    Return another object each time: a pool lends each object to one borrower, and raises a ``PoolException`` if it
    has the object already. A proxy without a pool accepts the same object again: its owners share it then.
    What the factory raises reaches the caller of ``get`` for whom the object was being created. ::

        class Connect(Factory[Connection]):
            def __init__(self, path: str) -> None:
                self._path = path

            def __call__(self, number: int, /) -> Connection:
                return sqlite3.connect(self._path, check_same_thread=False)

        pool = Pool(Connect("data.db"), max_size=4)
    """

    @abstractmethod
    def __call__(self, number: int, /) -> T_co: ...


class Opener(Protocol[T_contra]):
    """Called once with each new object, before it is lent.

    What it returns is ignored. If it raises, ``hook_errors`` says what is done: either the error is logged and the
    object is used nevertheless, or the object is closed and the borrower gets the error. ::

        class SetUp(Opener[Connection]):
            def __call__(self, obj: Connection, /) -> None:
                obj.execute("PRAGMA foreign_keys = ON")

        pool = Pool(connect, opener=SetUp())
    """

    @abstractmethod
    def __call__(self, obj: T_contra, /) -> object: ...


class Getter(Protocol[T_contra]):
    """Called with an object each time it is lent, in the borrower's thread.

    What it returns is ignored. If it raises, ``hook_errors`` says what is done, as for an ``Opener``. ::

        class Begin(Getter[Connection]):
            def __call__(self, obj: Connection, /) -> None:
                obj.execute("BEGIN")

        pool = Pool(connect, getter=Begin())
    """

    @abstractmethod
    def __call__(self, obj: T_contra, /) -> object: ...


class Retter(Protocol[T_contra]):
    """Called with an object each time it comes back, before it is lent again.

    What it returns is ignored. If it raises, the object is discarded, so that none is lent in an unknown state. ::

        class RollBack(Retter[Connection]):
            def __call__(self, obj: Connection, /) -> None:
                obj.rollback()

        pool = Pool(connect, retter=RollBack())
    """

    @abstractmethod
    def __call__(self, obj: T_contra, /) -> object: ...


class Closer(Protocol[T_contra]):
    """Called once with each object that leaves the pool, whatever the reason.

    The object counts towards ``max_size`` until the closer has returned. Errors are logged and counted. ::

        class Close(Closer[Connection]):
            def __call__(self, obj: Connection, /) -> None:
                obj.close()

        pool = Pool(connect, closer=Close())
    """

    @abstractmethod
    def __call__(self, obj: T_contra, /) -> object: ...


class HealthCheck(Protocol[T_contra]):
    """Called with an idle object in maintenance rounds; ``False`` or an exception discards the object.

    The object is not lent meanwhile. Give the check a timeout of its own. ::

        class Answers(HealthCheck[Connection]):
            def __call__(self, obj: Connection, /) -> bool:
                return bool(obj.execute("SELECT 1").fetchone() == (1,))

        pool = Pool(connect, health=Answers(), hk_delay=30.0)
    """

    @abstractmethod
    def __call__(self, obj: T_contra, /) -> bool: ...


class StatsHook(Protocol[T_contra]):
    """Called with an object by ``Pool.stats()``; returns JSON-compatible data about it.

    The object may be in use by another caller at that moment: only read it. ::

        class Changes(StatsHook[Connection]):
            def __call__(self, obj: Connection, /) -> dict[str, int]:
                return {"changes": obj.total_changes}

        pool = Pool(connect, stats=Changes())
    """

    @abstractmethod
    def __call__(self, obj: T_contra, /) -> object: ...


class Tracer(Protocol[T_contra]):
    """Called with each new object after its opener; returns a short text that identifies it: the object's name.

    The name is kept. Log lines, ``TimeOut``, ``Pool.owners()``, ``Pool.dump()`` and status pages show the object by its
    name, whatever its state is then. If the tracer fails there is no name: log lines call the tracer again, and show
    its error.

    ``Pool.stats()`` shows the name and, without a ``stats`` hook, calls the tracer again, and shows what it returns as
    ``trace``. The object may be in use by another caller at that moment: only read it, and send nothing to a server. A
    tracer may call the pool's own methods, which then show objects by type and address. ::

        class Address(Tracer[Connection]):
            def __call__(self, obj: Connection, /) -> str:
                return f"connection {id(obj):#x}"

        pool = Pool(connect, tracer=Address())
    """

    @abstractmethod
    def __call__(self, obj: T_contra, /) -> str: ...


# The names of these types in the original module, where they had no parameter.
FunHook: TypeAlias = Factory[Any]
"""Any factory."""
PoolHook: TypeAlias = Opener[Any]
"""Any opener, getter, retter or closer."""
HealthHook: TypeAlias = HealthCheck[Any]
"""Any health check."""
TraceHook: TypeAlias = Tracer[Any]
"""Any tracer."""

_FACTORIES: frozenset[type] = frozenset({Factory, AsyncFactory})
_PROTOCOLS: frozenset[type] = frozenset(
    {Factory, Opener, Getter, Retter, Closer, HealthCheck, StatsHook, Tracer, *ASYNC_PROTOCOLS}
)

ALWAYS_PLAIN = "stats", "tracer"
"""The hooks that are never awaited."""


@dataclass(frozen=True)
class Hooks(Generic[T]):
    """The factory of a pool and its hooks, each checked to be callable.

    Raises:
        TypeError: A hook is not callable, or is a class and not an instance of it, or is a coroutine function, which
            ``AsyncHooks`` accepts; the message names it.
    """

    # written by tools/generate.py: the fields of Hooks
    fun: Callable[[int], T]
    """Creates an object, another each time; gets the creation number 0, 1, 2… (``Factory``)."""
    opener: Callable[[T], object] | None = None
    """Called once with each new object (``Opener``)."""
    getter: Callable[[T], object] | None = None
    """Called with an object each time it is lent (``Getter``)."""
    retter: Callable[[T], object] | None = None
    """Called with an object each time it comes back (``Retter``); a failure discards the object."""
    closer: Callable[[T], object] | None = None
    """Called once with each object that leaves the pool (``Closer``)."""
    health: Callable[[T], bool] | None = None
    """Called with idle objects in maintenance rounds (``HealthCheck``).

    An object for which it returns ``False``, or raises, is discarded.
    """
    stats: Callable[[T], object] | None = None
    """Says something JSON-compatible about an object, for ``stats()`` (``StatsHook``)."""
    tracer: Callable[[T], str] | None = None
    """Names a new object in log lines, ``TimeOut``, ``owners()`` and ``dump()`` (``Tracer``).

    Without a ``stats`` hook ``stats()`` calls it again, also for objects in use: it must not use them itself.
    """
    # end of what tools/generate.py has written

    _accepted: ClassVar[int] = 0
    """Flags of the functions that they may be besides plain ones."""

    def __post_init__(self) -> None:
        for name in _FIELDS:
            hook: object = getattr(self, name)
            if hook is None and name != "fun":
                continue
            if not callable(hook):
                raise TypeError(f"{name} must be callable, not {hook!r}")
            if isinstance(hook, type):
                # A class can be called, too: it would make a hook of each object. Only fun may be a class, that of the
                # pooled objects, which may themselves be hooks.
                derived = _PROTOCOLS.intersection(hook.__mro__)
                if derived & _FACTORIES or (derived and name != "fun"):
                    raise TypeError(f"{name} must be an instance: {hook.__name__}(…), not the class")
            if name in ALWAYS_PLAIN:
                refuse_async(name, hook)
                continue
            accepted = self._accepted
            if name == "fun":  # it makes generators; the code of a hook that is one would never run
                accepted |= GENERATORS
            refuse_async(name, hook, accepted=accepted, instead="AsyncPool")


class AsyncHooks(Hooks[T]):
    """Those of an ``AsyncPool``: all but ``stats`` and ``tracer`` may be coroutine functions.

    T is the type of the objects, whether ``fun`` returns them or awaitables of them.
    """

    _accepted = COROUTINES


_FIELDS = tuple(field.name for field in fields(Hooks))
"""Looked up once, since making a proxy checks its hooks several times."""
