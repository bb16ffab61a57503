"""What a proxy forwards to: an object, or what a function makes, for all or for each owner, with a pool or without."""

import logging
import weakref
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any, Generic, TypeVar

from .._errors import ProxyException
from .._pool.lease import QuietLease
from .._pool.pool import Pool, core_of
from .._runtime.process import call_in_child
from .._scope.base import Kept, Loan
from .claims import UNKNOWN, Abilities
from .idle_owners import IdleOwners, Work
from .own_pools import OwnPools
from .parameters import PoolParameters

T = TypeVar("T")

log = logging.getLogger("ppp")


class Crowd(Generic[T]):
    """Things that are known for as long as they live."""

    def __init__(self) -> None:
        self._members: dict[int, weakref.ref[T]] = {}

    def add(self, member: T) -> None:
        key = id(member)
        # A callback in C, since it runs in finalizers: pop(key, reference), the latter as default.
        self._members[key] = weakref.ref(member, partial(self._members.pop, key))

    def __iter__(self) -> Iterator[T]:
        members = [reference() for reference in list(self._members.values())]
        return iter([member for member in members if member is not None])


class Content(ABC, Generic[T]):
    """What a proxy forwards to until it is set again.

    It knows what it gave to owners. Retired, it makes that unusable: each owner finds out at its next access, so
    nothing is taken away under a call, and gives back what it had.
    """

    unset = False
    shared = False
    """Whether all owners use the same object."""
    pool: Pool[T] | None = None
    """The pool that the user knows of."""
    fun: Callable[[int], T] | None = None

    def __init__(self) -> None:
        self.retired = False
        self.seen = False
        self.kind: type[object] | None = None
        """The class of the last object that an owner got, or of one to come."""
        self.kinds: set[type[object]] = set()
        """Of which classes owners got objects."""
        self.abilities: Abilities = UNKNOWN
        """What objects of these have."""
        self._kept: Crowd[Kept[T]] = Crowd()
        _contents.add(self)

    @property
    def ready(self) -> bool:
        """Whether an owner that keeps nothing yet has an object nevertheless."""
        return False

    @property
    def bounded(self) -> bool:
        """Whether a caller may have to wait, and be glad of what others give back."""
        return False

    @property
    def nobjs(self) -> int:
        """How many objects there are."""
        return 0

    def warn(self, message: str, *arguments: str) -> None:
        """Have something logged."""
        log.warning(message, *arguments)

    def take(self, timeout: float | None) -> Kept[T]:
        """Get something for an owner to keep; unusable if the content was retired meanwhile."""
        kept = self._take(timeout)
        self._kept.add(kept)
        if self.retired:
            kept.spoil()
        return kept

    @abstractmethod
    def _take(self, timeout: float | None) -> Kept[T]: ...

    def foreseen(self) -> tuple[type[object] | None, list[T]]:
        """What can be known before an owner has an object: their class for certain, or some that exist."""
        return None, []

    def _closer_of(self, parameters: PoolParameters[T]) -> Callable[[T], object] | None:
        """The user's closer; if objects may be killed, one that has their owners ask for others from then on."""
        closer = parameters.get("closer")
        if not parameters.get("max_using_delay_kill"):
            return closer

        # Weakly: the pool must not keep alive what keeps the pool.
        crowd = self._kept

        def close(obj: T) -> None:
            for kept in crowd:
                if getattr(kept, "obj", kept) is obj:
                    kept.spoil()
            if closer is not None:
                closer(obj)

        return close

    def retire(self) -> None:
        """Be replaced."""
        self.retired = True
        for kept in self._kept:
            kept.spoil()

    def after_fork(self) -> None:
        """In a child: what owners keep is the parent's. The pool has seen to the objects, never to be freed here."""
        for kept in self._kept:
            loan = kept.disown()
            if loan is not None:
                _inherited.append(loan)
            kept.spoil()


_contents: Crowd[Content[Any]] = Crowd()
_inherited: list[Loan] = []


def _after_fork() -> None:
    for content in _contents:
        content.after_fork()


call_in_child(_after_fork)  # after the house keeper's, which was there before


class Nothing(Content[T]):
    """No content yet."""

    unset = True

    def __init__(self, message: Callable[[], str]) -> None:
        super().__init__()
        self._message = message

    def _take(self, timeout: float | None) -> Kept[T]:
        raise ProxyException(self._message())


class Given(Content[T]):
    """One object for all owners; in the child of a fork it is inherited as any other."""

    shared = True

    def __init__(self, obj: T) -> None:
        super().__init__()
        self._obj = obj

    @property
    def ready(self) -> bool:
        return True

    @property
    def nobjs(self) -> int:
        return 1

    def _take(self, timeout: float | None) -> Kept[T]:
        return Kept(self._obj)

    def after_fork(self) -> None:
        """Do nothing."""


class Made(Content[T]):
    """What a function makes, without a pool that the user knows of; one of ours does it, from the first need on."""

    def __init__(self, fun: Callable[[int], T], parameters: PoolParameters[T], pools: OwnPools[T]) -> None:
        super().__init__()
        self.fun = self._fun = fun
        self._parameters = parameters
        self._pools = pools
        self._makers: list[Pool[T]] = []

    @property
    def nobjs(self) -> int:
        return sum(core_of(maker).ledger.places.ncreated for maker in self._makers)

    @abstractmethod
    def _new_maker(self) -> Pool[T]: ...

    def foreseen(self) -> tuple[type[object] | None, list[T]]:
        return made_by(self._fun), []

    def _maker(self) -> Pool[T]:
        """The first that anyone has appended, if several come at once; the others have made nothing yet."""
        if not self._makers:
            self._makers.append(self._pools.make(self._new_maker, self._parameters))
        return self._makers[0]

    def warn(self, message: str, *arguments: str) -> None:
        core_of(self._maker()).log_later(logging.WARNING, message, *arguments)

    def retire(self) -> None:
        super().retire()
        for maker in self._makers:
            maker.shutdown()


class MadeOnce(Made[T]):
    """One object for all owners, made when the first of them needs it.

    A pool of one makes it: whoever comes meanwhile waits in its queue, in whatever way he waits, gets the same object,
    and if it could not be made the next in the queue tries.
    """

    shared = True

    @property
    def ready(self) -> bool:
        return any(core_of(maker).ledger.nidle for maker in self._makers)

    def _new_maker(self) -> Pool[T]:
        given = self._parameters
        # The object goes back at once and for all: it is neither reset nor checked, and lasts.
        return Pool(
            self._fun,
            1,
            0,
            given.get("timeout"),
            opener=given.get("opener"),
            closer=given.get("closer"),
            tracer=given.get("tracer"),
            name=given.get("name"),
            backoff=None,
            hook_errors=given.get("hook_errors", "log"),
            observer=given.get("observer"),
        )

    def _take(self, timeout: float | None) -> Kept[T]:
        with self._maker().obj(timeout) as obj:
            return Kept(obj)


class MadeForEach(Made[T]):
    """An object for each owner, closed when the owner ends: lent once, by a pool that keeps none.

    The function may give several owners the same object: that is for its author to say.
    """

    def _new_maker(self) -> Pool[T]:
        own = self._parameters.copy()
        own["min_size"], own["max_use"] = 0, 1
        own["closer"] = self._closer_of(own)
        own["backoff"] = None  # without a pool nobody waits for anybody
        maker = Pool(self._fun, 0, **own)
        core_of(maker).allow_same_object()
        return maker

    def _take(self, timeout: float | None) -> Kept[T]:
        lease = self._maker().lease(timeout, quiet=True)
        return Kept(lease.obj, lease)


class Pooled(Content[T]):
    """An object for each owner, from a pool."""

    def __init__(
        self,
        fun: Callable[[int], T],
        max_size: int,
        parameters: PoolParameters[T],
        pools: OwnPools[T],
        working: Iterable[Work],
        *,
        auto_return: bool,
    ) -> None:
        super().__init__()
        self.fun = fun
        own = parameters.copy()
        own["closer"] = self._closer_of(own)
        self.pool = self._pool = pools.make(lambda: Pool(fun, max_size, **own), own)
        self._core = core_of(self._pool)
        self._core.loans.on_long_wait = IdleOwners(self._kept, working).look
        self._auto_return = auto_return

    @property
    def bounded(self) -> bool:
        # Without the lock. Who comes just before a resize, or a failure, waits as if he had come a moment earlier.
        core = self._core
        return core.config.max_size is not None or core.ledger.backoff.failures > 0

    @property
    def nobjs(self) -> int:
        return core_of(self._pool).ledger.places.nready

    def warn(self, message: str, *arguments: str) -> None:
        core_of(self._pool).log_later(logging.WARNING, message, *arguments)

    def foreseen(self) -> tuple[type[object] | None, list[T]]:
        # Without the lock: only their classes are looked at, and those who take them meanwhile need not know.
        idle = core_of(self._pool).ledger.shelves()
        return made_by(self.fun), [entry.obj for entry in idle]

    def _take(self, timeout: float | None) -> Kept[T]:
        if self._auto_return:
            lease = QuietLease(self._core).begin(timeout)
            return Kept(lease.obj, lease)
        obj = self._pool.get(timeout)
        return Kept(obj, _Loan(self._pool, obj))

    def retire(self) -> None:
        super().retire()
        self._pool.shutdown()


def made_by(fun: object) -> type[object] | None:
    """The class of what a function makes, if it is that class itself."""
    if not isinstance(fun, type):
        return None
    kind: type[object] = fun
    creates: object = type(kind).__call__
    return kind if creates is type.__call__ and kind.__new__ is object.__new__ else None


class _Loan(Generic[T]):
    """A loan that only its owner can end."""

    __slots__ = ("_obj", "_pool")

    def __init__(self, pool: Pool[T], obj: T) -> None:
        self._pool = pool
        self._obj = obj

    def release(self) -> None:
        self._pool.ret(self._obj)

    def discard(self) -> None:
        self._pool.discard(self._obj)
