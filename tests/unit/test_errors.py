"""Everything raised on purpose is one family, and says enough to act upon."""

from __future__ import annotations

import copy
import inspect
import pickle

import pytest

import ProxyPatternPool
from ProxyPatternPool import (
    HookError,
    Pool,
    PoolClosed,
    PoolException,
    PoolValueError,
    PPPException,
    ProxyException,
    TimeOut,
)

from .clock import FakeScheduler
from .helpers import Caller, Naps, Thing, Works


def test_the_public_names() -> None:
    """The package gives away its public names, sorted, and each can be had."""
    assert ProxyPatternPool.__all__ == sorted(ProxyPatternPool.__all__)
    assert all(hasattr(ProxyPatternPool, name) for name in ProxyPatternPool.__all__)
    assert {"Pool", "Lease", "Hooks", "PoolStats", "ObjectStats", "TimeOut", "Tracer"} <= set(ProxyPatternPool.__all__)


def test_one_family() -> None:
    """One except clause catches all, and each also is what the standard library calls it."""
    assert issubclass(PoolException, PPPException)
    for error in (TimeOut, PoolClosed, PoolValueError, HookError):
        assert issubclass(error, PoolException)
    assert issubclass(TimeOut, TimeoutError)
    assert issubclass(PoolValueError, ValueError)


@pytest.mark.parametrize("kind", [PPPException, PoolValueError, TimeOut, ProxyException])
def test_errors_are_plain(kind: type[PPPException]) -> None:
    """What they are made of can be read, and they survive to be copied and pickled, as between processes."""
    assert str(inspect.signature(kind)) in ("(*args: object) -> None", "(*args: 'object') -> 'None'")
    error = kind("what happened")
    for same in (error, copy.copy(error), pickle.loads(pickle.dumps(error))):
        assert type(same) is kind
        assert str(same) == "what happened"
        assert same.args == ("what happened",)
    assert kind().args == ()


def test_timeout_says_what_the_pool_looks_like(scheduler: FakeScheduler, works: Works, naps: Naps) -> None:
    """A timeout says how long, in which pool, and what everybody is doing there."""
    pool = Pool(works.make, 3, min_size=0, name="books", timeout=2.5)
    for _ in range(3):
        pool.get()
    with pytest.raises(TimeOut) as raised:
        pool.get()
    assert str(raised.value) == (
        "timeout after 2.5 seconds in pool 'books': 3 objects exist (0 idle, 3 lent), 0 being created, 1 waiting; "
        "the longest has been lent for 2.500 s to thread 'MainThread'; this caller itself holds 3 of them"
    )
    assert raised.value.__cause__ is None


def test_timeout_counts_what_is_being_created(scheduler: FakeScheduler) -> None:
    """An object that is only being created counts as such."""
    messages: list[str] = []

    def make(number: int) -> Thing:
        with pytest.raises(TimeOut) as raised:
            pool.get(0)
        messages.append(str(raised.value))
        return Thing(number)

    pool = Pool(make, 1, min_size=0)
    pool.get()
    assert messages[0].startswith(f"timeout after 0 seconds in pool {pool.name}: ")
    assert messages[0].endswith(": 0 objects exist (0 idle, 0 lent), 1 being created, 0 waiting")


def test_timeout_counts_what_is_elsewhere(scheduler: FakeScheduler) -> None:
    """An object that is being checked, or closed, is accounted for too."""
    messages: list[str] = []

    def complain(thing: Thing) -> bool:
        with pytest.raises(TimeOut) as raised:
            pool.get(0)
        messages.append(str(raised.value).partition(": ")[2])
        return False

    pool = Pool(Thing, 1, health=complain, closer=complain)
    pool.housekeep()
    assert messages == [
        "1 object exists (0 idle, 0 lent, 1 being checked), 0 being created, 0 waiting",
        "1 object exists (0 idle, 0 lent, 1 being closed), 0 being created, 0 waiting",
    ]


def cause_of_a_timeout(error: BaseException) -> BaseException | None:
    """What a timeout gives as its cause while the creation after a failed one is under way."""
    causes: list[BaseException | None] = []

    def make(number: int) -> Thing:
        if number == 0:
            raise error
        with pytest.raises(TimeOut) as raised:
            pool.get(0)
        causes.append(raised.value.__cause__)
        return Thing(number)

    pool = Pool(make, 1, min_size=0, backoff=None)
    with pytest.raises(type(error)):
        pool.get()
    pool.get()
    with pytest.raises(TimeOut) as raised:
        pool.get(0)
    assert raised.value.__cause__ is None, "the last creation went well"
    return causes[0]


def test_timeout_has_the_last_creation_error_as_its_cause(scheduler: FakeScheduler) -> None:
    """Who waits in vain because nothing can be created learns why, as long as that is so."""
    error = ConnectionError("no server")
    cause = cause_of_a_timeout(error)
    assert isinstance(cause, ConnectionError)
    assert cause.args == ("no server",)
    assert cause is not error, "with its traceback it would keep its caller's objects alive"
    assert cause.__traceback__ is None


class Refusing(Exception):
    def __init__(self, *, reason: str) -> None:
        super().__init__(reason)


class Changing(Exception):
    def __reduce__(self) -> tuple[type[KeyError], tuple[str]]:
        return KeyError, ("something else",)


class Unspeakable(Exception):
    def __str__(self) -> str:
        raise ValueError("unspeakable")


def test_an_error_without_words(scheduler: FakeScheduler) -> None:
    """An error that cannot put itself into words is told by its name, and hides nothing else."""

    def make(number: int) -> Thing:
        raise Unspeakable

    pool = Pool(make, min_size=0)
    with pytest.raises(Unspeakable):
        pool.get()
    assert pool.stats()["last_error"] == "Unspeakable"
    assert pool.stats()["nobjs"] == 0


@pytest.mark.parametrize("error", [Refusing(reason="no server"), Changing("no server")])
def test_an_error_that_cannot_be_copied_is_still_told(error: Exception, scheduler: FakeScheduler) -> None:
    """An error class that cannot be copied shows as text."""
    cause = cause_of_a_timeout(error)
    assert type(cause) is PoolException
    assert str(cause) == f"{type(error).__name__}: no server"


def test_closed_names_the_pool(scheduler: FakeScheduler, works: Works) -> None:
    """A closed pool says which it is."""
    pool = Pool(works.make, name="books")
    pool.shutdown()
    with pytest.raises(PoolClosed, match="pool 'books' is closed"):
        pool.get()


def test_closed_names_the_pool_that_is(scheduler: FakeScheduler, works: Works) -> None:
    """A factory that borrows from another pool, which is closed, does not make its own look closed."""
    inner = Pool(works.make, name="inner")
    outer = Pool(lambda number: inner.get(), min_size=0, name="outer")
    inner.shutdown()
    with pytest.raises(PoolClosed, match="pool 'inner' is closed"):
        outer.get()
    assert outer.stats()["nobjs"] == 0
    assert outer.stats()["nerrors"] == 1


def test_hook_error_names_hook_and_pool(scheduler: FakeScheduler, works: Works) -> None:
    """A hook's failure says which hook of which pool, and has the hook's own error as its cause."""

    def getter(thing: Thing) -> None:
        raise ConnectionError("gone")

    pool = Pool(works.make, name="books", getter=getter, hook_errors="discard")
    with pytest.raises(HookError, match=r"getter failed in pool 'books': ConnectionError\('gone'\)") as raised:
        pool.get()
    assert isinstance(raised.value.__cause__, ConnectionError)


def test_timeout_says_what_the_caller_itself_holds(scheduler: FakeScheduler, works: Works) -> None:
    """Who waits for what he holds himself is told so, and nobody else is."""
    pool = Pool(works.make, 2, 0, timeout=0)
    others = Caller(pool.get).result()
    mine = pool.get()
    with pytest.raises(TimeOut, match=r"; this caller itself holds 1 of them$"):
        pool.get()
    pool.ret(mine)
    assert Caller(pool.get).result() is mine
    with pytest.raises(TimeOut) as raised:
        pool.get()
    assert "this caller" not in str(raised.value)
    pool.ret(others)
