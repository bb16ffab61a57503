"""The user's side of a pool: what it calls, and when.

Conform to these protocols with a function, a lambda, a bound method or a class of your own. A class may derive from
the protocol, so that checkers see at once whether it fits, and cannot be instantiated then without ``__call__``; it
need not. The parameters of ``Pool`` are annotated with the equivalent ``Callable``, from which checkers infer T best.

All are plain functions: nobody awaits what they return, so that what is to be awaited is an error, a ``TypeError`` at
construction where it can be seen there, and else as if the hook had raised it.

None is runtime-checkable: ``isinstance`` could see no more than that something can be called, as ``callable`` does.
"""

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any, Generic, Protocol, TypeAlias, TypeVar

from ._awaitables import refuse_async

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
T_contra = TypeVar("T_contra", contravariant=True)


class Factory(Protocol[T_co]):
    """Called to create an object; it gets the creation number: 0, 1, 2…

    Numbers are unique within the pool, and count attempts: a creation that failed uses one up.
    A pool lends each object to one borrower, so it refuses one that it has already, with a ``PoolException``: make
    another each time. A proxy without a pool takes what it is given: owners may share an object then.
    What it raises reaches the caller of ``get`` for whom the object was being created. ::

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
    """Called once with each new object, before anyone gets it.

    What it returns is ignored. An error in it is logged, and the object is used nevertheless, or it is closed and the
    borrower gets the error, as ``hook_errors`` says. ::

        class SetUp(Opener[Connection]):
            def __call__(self, obj: Connection, /) -> None:
                obj.execute("PRAGMA foreign_keys = ON")

        pool = Pool(connect, opener=SetUp())
    """

    @abstractmethod
    def __call__(self, obj: T_contra, /) -> object: ...


class Getter(Protocol[T_contra]):
    """Called with an object each time it is lent, in the borrower's thread.

    What it returns is ignored. An error in it is dealt with as in an ``Opener``. ::

        class Begin(Getter[Connection]):
            def __call__(self, obj: Connection, /) -> None:
                obj.execute("BEGIN")

        pool = Pool(connect, getter=Begin())
    """

    @abstractmethod
    def __call__(self, obj: T_contra, /) -> object: ...


class Retter(Protocol[T_contra]):
    """Called with an object each time it comes back, before anyone else gets it.

    What it returns is ignored. An object whose retter fails is discarded: it is never lent in an unknown state. ::

        class RollBack(Retter[Connection]):
            def __call__(self, obj: Connection, /) -> None:
                obj.rollback()

        pool = Pool(connect, retter=RollBack())
    """

    @abstractmethod
    def __call__(self, obj: T_contra, /) -> object: ...


class Closer(Protocol[T_contra]):
    """Called once with each object that leaves the pool, whatever the reason.

    Its place stays taken until the closer has returned; its errors are logged and counted. ::

        class Close(Closer[Connection]):
            def __call__(self, obj: Connection, /) -> None:
                obj.close()

        pool = Pool(connect, closer=Close())
    """

    @abstractmethod
    def __call__(self, obj: T_contra, /) -> object: ...


class HealthCheck(Protocol[T_contra]):
    """Called with an idle object in maintenance rounds; ``False`` or an exception discards the object.

    Nobody can borrow the object meanwhile. Give the check a timeout of its own. ::

        class Answers(HealthCheck[Connection]):
            def __call__(self, obj: Connection, /) -> bool:
                return bool(obj.execute("SELECT 1").fetchone() == (1,))

        pool = Pool(connect, health=Answers(), hk_delay=30.0)
    """

    @abstractmethod
    def __call__(self, obj: T_contra, /) -> bool: ...


class StatsHook(Protocol[T_contra]):
    """Called with an object by ``Pool.stats()``; gives JSON-compatible data about it.

    The object may be in use by someone else at that moment: look, do not touch. ::

        class Changes(StatsHook[Connection]):
            def __call__(self, obj: Connection, /) -> dict[str, int]:
                return {"changes": obj.total_changes}

        pool = Pool(connect, stats=Changes())
    """

    @abstractmethod
    def __call__(self, obj: T_contra, /) -> object: ...


class Tracer(Protocol[T_contra]):
    """Called with each new object after its opener; gives a short text that identifies it: the object's name.

    The name is kept. Log lines, ``TimeOut``, ``Pool.owners()``, ``Pool.dump()`` and status pages call the object by it,
    whatever has become of it since. If the tracer fails there is no name: log lines ask again, and show its error.

    ``Pool.stats()`` tells the name and, without a ``stats`` hook, what the tracer says now, as ``trace``. The object
    may be in use by someone else at that moment: look, do not touch, and ask no server. It may ask the pool, which
    then shows objects plainly. ::

        class Address(Tracer[Connection]):
            def __call__(self, obj: Connection, /) -> str:
                return f"connection {id(obj):#x}"

        pool = Pool(connect, tracer=Address())
    """

    @abstractmethod
    def __call__(self, obj: T_contra, /) -> str: ...


# The existing module's names for them; there they say nothing of what is pooled.
FunHook: TypeAlias = Factory[Any]
"""Any factory."""
PoolHook: TypeAlias = Opener[Any]
"""Any opener, getter, retter or closer."""
HealthHook: TypeAlias = HealthCheck[Any]
"""Any health check."""
TraceHook: TypeAlias = Tracer[Any]
"""Any tracer."""

_PROTOCOLS: frozenset[type] = frozenset({Factory, Opener, Getter, Retter, Closer, HealthCheck, StatsHook, Tracer})


@dataclass(frozen=True)
class Hooks(Generic[T]):
    """The factory of a pool and its hooks, each checked to be callable.

    Raises:
        TypeError: something is not callable, or a class where an instance of it should be, or a coroutine function; the
            message names it.
    """

    # written by tools/generate.py: the fields of Hooks
    fun: Callable[[int], T]
    """Creates an object, another each time; gets the creation number 0, 1, 2… (``Factory``)."""
    opener: Callable[[T], object] | None = None
    """Called once with each new object (``Opener``)."""
    getter: Callable[[T], object] | None = None
    """Called with an object each time it is lent (``Getter``)."""
    retter: Callable[[T], object] | None = None
    """Called with an object each time it comes back (``Retter``); if it fails the object is discarded."""
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

    def __post_init__(self) -> None:
        for name in _FIELDS:
            hook: object = getattr(self, name)
            if hook is None and name != "fun":
                continue
            if not callable(hook):
                raise TypeError(f"{name} must be callable, not {hook!r}")
            if isinstance(hook, type):
                # It can be called, too, and would make a hook of each object. Only fun may be whatever class makes what
                # is pooled, be it hooks.
                derived = _PROTOCOLS.intersection(hook.__mro__)
                if Factory in derived or (derived and name != "fun"):
                    raise TypeError(f"{name} must be an instance: {hook.__name__}(…), not the class")
            refuse_async(name, hook, lazy=name == "fun")


_FIELDS = tuple(field.name for field in fields(Hooks))
"""Looked up once: to make a proxy or a pool checks its hooks several times."""
