"""What the pools for threads and for tasks have in common, as SQLAlchemy sees a pool.

SQLAlchemy lends *records*. A record is made with a connection, and is kept when that connection is closed: it then gets
another at its next checkout. So an object of our pool is a record. SQLAlchemy gives each record back once, whoever ends
the checkout: its user, an invalidation, or the garbage collector. So records are borrowed and given back by identity,
and no lease of ours gives back the same.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, Generic, NoReturn, Protocol, TypeAlias, TypeVar

from sqlalchemy import exc
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.pool import ConnectionPoolEntry
from sqlalchemy.pool import Pool as SQLAlchemyPool
from typing_extensions import Self

from .._config import count
from .._engine.core import Core
from .._inspect.owners import Holding
from .._inspect.types import PoolStats
from .._observer import PoolObserver
from .._pool.async_pool import AsyncPool
from .._pool.either import core_of_either
from .._pool.pool import Pool

P = TypeVar("P", Pool[ConnectionPoolEntry], AsyncPool[ConnectionPoolEntry])

Tracer: TypeAlias = Callable[[ConnectionPoolEntry], str]
Observer: TypeAlias = PoolObserver[ConnectionPoolEntry]


class Creator(Protocol):
    """Makes a connection. ``create_engine`` makes one of the URL."""

    def __call__(self) -> DBAPIConnection: ...


class RecordCreator(Protocol):
    """Makes a connection for a record."""

    def __call__(self, rec: ConnectionPoolEntry) -> DBAPIConnection: ...


class AnyFairPool(SQLAlchemyPool, ABC, Generic[P]):
    """One of the two."""

    _sqla_logger_namespace = "sqlalchemy.pool.impl.FairPool"  # so that the levels of SQLAlchemy's loggers hold for it

    # Not keyword-only: create_engine finds out by the positional ones what belongs to the pool.
    def __init__(
        self,
        creator: Creator | RecordCreator,
        pool_size: int = 5,
        max_overflow: int = 10,
        timeout: float | None = 30.0,
        use_lifo: bool = False,
        max_waiting: int | None = None,
        max_using_delay: float | None = 0.0,
        trace_owner: bool = False,
        tracer: Tracer | None = None,
        observer: Observer | None = None,
        **kw: Any,
    ) -> None:
        """Make a pool; it connects when it is first used.

        Args:
            creator: Makes a connection; given by ``create_engine``.
            pool_size: Keep at most this many connections open that nobody uses; 0: unlimited.
                With 0 ``max_overflow`` is unlimited, too.
            max_overflow: Have at most this many more than ``pool_size``; -1: unlimited.
                They are closed when they come back while ``pool_size`` are idle.
            timeout: Longest wait for a connection, in seconds; ``None``: for ever.
                ``create_engine`` has it as ``pool_timeout``.
            use_lifo: Lend first the connection that came back last; ``False``: the one that came back first.
                ``create_engine`` has it as ``pool_use_lifo``.
            max_waiting: At most this many callers wait; ``None``: unlimited.
                More get SQLAlchemy's ``TimeoutError`` at once.
            max_using_delay: Warn about a connection in use this many seconds; 0.0 or ``None``: never.
            trace_owner: Keep the stack of each checkout, for ``owners()`` and for that warning.
            tracer: Names a new record in log lines, errors, ``owners()`` and on the status page.
            observer: Notified of what happens in the pool, with records as the objects.
            kw: What every pool of SQLAlchemy takes.
                ``recycle``, ``pre_ping``, ``echo``, ``reset_on_return``, ``events``, and ``logging_name``, which is
                also the name of ours.

        Raises:
            PoolValueError: A value makes no sense; the message names the parameter and the value.
            TypeError: A parameter has the wrong type.
        """
        super().__init__(creator, **kw)
        self._pool_size = count("pool_size", pool_size)
        self._max_overflow = -1 if not self._pool_size else max(-1, max_overflow)
        self._timeout = timeout
        self._use_lifo = use_lifo
        self._ours: dict[str, Any] = {
            "max_waiting": max_waiting,
            "max_using_delay": max_using_delay,
            "trace_owner": trace_owner,
            "tracer": tracer,
            "observer": observer,
        }

        self._pool: P = self._new_pool(
            {
                **self._ours,
                "max_size": 0 if self._max_overflow < 0 else self._pool_size + self._max_overflow,
                "min_size": 0,  # the first connection is made when the engine is ready to look at it
                "timeout": timeout,
                "name": self._orig_logging_name,
                "backoff": None,  # who cannot connect is told so at once, as by SQLAlchemy
            }
        )
        bounded = self._pool_size > 0 and self._max_overflow != 0  # without an overflow there are never more
        self._core.keep_idle(self._pool_size if bounded else None, oldest_first=not use_lifo)

    @abstractmethod
    def _new_pool(self, options: dict[str, Any]) -> P:
        """Make ours."""

    @property
    def pool(self) -> P:
        """Ours, from which this one lends; not to borrow from it, but to ask it: ``dump()``, ``stats()``, ``name``."""
        return self._pool

    @property
    def _core(self) -> Core[ConnectionPoolEntry]:
        core: Core[ConnectionPoolEntry] = core_of_either(self._pool)
        return core

    def stats(self) -> PoolStats:
        """Take a JSON-compatible snapshot, as ``Pool.stats`` does; the objects are SQLAlchemy's records."""
        return self._pool.stats()

    def owners(self) -> list[Holding[ConnectionPoolEntry]]:
        """List the records that are lent and who holds them since when, longest first."""
        return self._pool.owners()

    # What SQLAlchemy's own pool shows. -------------------------------------------------------------------

    def size(self) -> int:
        """The ``pool_size``; 0: unlimited."""
        return self._pool_size

    def timeout(self) -> float | None:
        """The longest wait for a connection, in seconds."""
        return self._timeout

    def checkedin(self) -> int:
        """How many records are idle."""
        return self._core.count().idle

    def overflow(self) -> int:
        """How many records there are above ``pool_size``; negative: how many more are kept. 0 if it is unlimited."""
        return self._core.count().places - self._pool_size if self._pool_size else 0

    def checkedout(self) -> int:
        """How many records are lent, or on the way to it or back."""
        counts = self._core.count()
        return max(0, counts.places - counts.idle)

    def status(self) -> str:
        """The four numbers in a line, as SQLAlchemy's pool says them."""
        return (
            f"Pool size: {self.size()}  Connections in pool: {self.checkedin()} "
            f"Current Overflow: {self.overflow()} Current Checked out connections: {self.checkedout()}"
        )

    def recreate(self) -> Self:
        """Make a pool of the same class and parameters, which has no connection yet."""
        self.logger.info("Pool recreating")
        return type(self)(
            self._creator,
            pool_size=self._pool_size,
            max_overflow=self._max_overflow,
            timeout=self._timeout,
            use_lifo=self._use_lifo,
            **self._ours,
            pre_ping=self._pre_ping,
            recycle=self._recycle,
            echo=self.echo,
            logging_name=self._orig_logging_name,
            reset_on_return=self._reset_on_return,
            _dispatch=self.dispatch,
            dialect=self._dialect,
        )

    def _give_up(self, error: Exception) -> NoReturn:
        """Raise what users of SQLAlchemy catch."""
        raise exc.TimeoutError(
            f"{type(self).__name__} limit of size {self.size()} overflow {self._max_overflow} reached, "
            f"connection timed out: {error}",
            code="3o7r",
        ) from error
