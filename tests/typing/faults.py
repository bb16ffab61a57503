"""Faults of the checkers themselves: what they refuse of what is right, or overlook of what is wrong.

Each is reproduced without us. When a checker is mended, the tests fail until the fault is taken off this list. A line
that mypy overlooks has ``unused-ignore`` in its mark, so that mypy accepts the mark either way.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Fault:
    """What checkers get wrong."""

    checkers: tuple[str, ...]
    kind: Literal["refused", "overlooked"]
    """Whether they refuse what is right, or overlook what is wrong."""
    lines: tuple[str, ...]
    """The lines, without indentation and marks."""
    reason: str
    reproduction: str
    """A whole module without us; it is the last line that is refused, or should be."""


UNKNOWN = """
from typing import List, TypeVar

T = TypeVar("T")


def make(*known: T) -> List[T]:
    return [*known]


unknown = make()
"""

# A function for one of the two is understood, as is a type that is said: Maker[str](…).
BESIDE_A_LAMBDA = """
from collections.abc import Callable
from typing import Generic, TypeVar

from typing_extensions import assert_type

T = TypeVar("T")


class Maker(Generic[T]):
    def __init__(self, make: Callable[[int], T], hook: Callable[[T], object]) -> None: ...


assert_type(Maker(lambda number: str(number), hook=lambda text: text.upper()), Maker[str])
"""

_DECLARED = """
from collections.abc import Callable
from typing import Optional, TypeVar

T = TypeVar("T")


def make(hook: Optional[Callable[[T], object]] = None) -> T:
    raise NotImplementedError


text: str = make(hook=lambda s: s.right)
"""

FAULTS = [
    Fault(
        ("ty",),
        "refused",
        (
            'assert_type(Pool(partial(Connection, host="remote")), Pool[Connection])',
            'assert_type(AsyncPool(partial(Connection, host="remote")), AsyncPool[Connection])',
        ),
        "the result of a partial of a class is unknown where a type is to be inferred from it",
        """
from collections.abc import Callable
from functools import partial
from typing import Generic, TypeVar

from typing_extensions import assert_type

T = TypeVar("T")


class Thing:
    def __init__(self, number: int = 0, host: str = "") -> None: ...


class Maker(Generic[T]):
    def __init__(self, make: Callable[[int], T]) -> None: ...


assert_type(Maker(partial(Thing, host="remote")), Maker[Thing])
""",
    ),
    Fault(
        ("mypy 1.14",),
        "refused",
        ('maybe_later: Connection = proxy(name="later", retter=lambda c: c.rollback(), tracer=lambda c: c.host)',),
        "the declared type of a variable is not used to infer a type variable that is the whole result: in a lambda "
        "it is Never, which has nothing. Say the lambdas later, with control(db).set_pool(…), or write functions",
        _DECLARED.replace("s.right", "s.upper()"),
    ),
    Fault(
        ("mypy",),
        "overlooked",
        ("looked_into: Connection = proxy(retter=lambda c: c.nothing)",),
        "likewise; from 1.18 on Never has whatever it is asked for: such a lambda is accepted whatever is in it",
        _DECLARED.replace("s.right", "s.nothing"),
    ),
    Fault(
        ("zuban",),
        "refused",
        (
            "assert_type(Pool(lambda _: Connection(), closer=lambda c: c.close()), Pool[Connection])",
            "assert_type(Pool(lambda number: Connection(number), 4, health=lambda c: c.ping()), Pool[Connection])",
            "assert_type(Pool(fun=lambda _: Connection(), tracer=lambda c: c.host), Pool[Connection])",
            "assert_type(proxy(fun=lambda _: Connection(), retter=lambda c: c.rollback()), Connection)",
            "assert_type(Proxy(fun=lambda _: Connection(), retter=lambda c: c.rollback()), Proxy[Connection])",
            "assert_type(Hooks(lambda _: Connection(), closer=lambda c: c.close()), Hooks[Connection])",
            "assert_type(AsyncPool(lambda _: Connection.connect(), closer=lambda c: c.close()), AsyncPool[Connection])",
            'assert_type(AsyncPool(lambda _: start(""), closer=lambda s: s.close()), AsyncPool[Started])',
        ),
        "of two lambdas, where one makes what the other takes, nothing is inferred but Any",
        BESIDE_A_LAMBDA,
    ),
    Fault(
        ("pyrefly",),
        "refused",
        (
            "assert_type(Pool(lambda _: Connection(), closer=lambda c: c.close()), Pool[Connection])",
            "assert_type(Pool(lambda number: Connection(number), 4, health=lambda c: c.ping()), Pool[Connection])",
            "assert_type(Hooks(lambda _: Connection(), closer=lambda c: c.close()), Hooks[Connection])",
        ),
        "of two lambdas, where one given by position makes what the other takes, given by name, the latter is unknown",
        BESIDE_A_LAMBDA,
    ),
    Fault(
        ("zuban",),
        "overlooked",
        (
            "Pool(connect, opener=lambda c: c.nothing)",
            "Pool(connect, getter=lambda c: c.execute(3))",
            "Pool(connect, closer=lambda c: c.finish)",
            "Pool(connect, health=lambda c: c.number)",
            "Pool(connect, stats=lambda c: c.nothing)",
            "Pool(connect, tracer=lambda c: c.number)",
            "proxy(fun=connect, opener=lambda c: c.nothing)",
            "proxy(fun=connect, tracer=lambda c: c.number)",
            "Proxy(fun=connect, opener=lambda c: c.nothing)",
            "Proxy(fun=connect, health=lambda c: c.number)",
            "Pool(lambda _: Connection(), closer=lambda c: c.finish)",
            "Pool(lambda _: Connection(), health=lambda c: c.number)",
            "Pool[Connection](lambda _: Connection(), opener=lambda c: c.finish)",
            "proxy(fun=lambda _: Connection(), closer=lambda c: c.finish)",
            "Proxy(fun=lambda _: Connection(), closer=lambda c: c.finish)",
            "Hooks(lambda _: Connection(), closer=lambda c: c.finish)",
            "control(db).set_pool(closer=lambda c: c.nothing)",
            "Pool(executor, closer=lambda e: e.close())",
            "Pool(perhaps, closer=lambda c: c.close())",
            "Pool(session, opener=lambda s: s.nothing)",
            "looked_into: Connection = proxy(retter=lambda c: c.nothing)",
            "AsyncPool(connect_async, opener=lambda c: c.nothing)",
            "AsyncPool(connect_async, getter=lambda c: c.execute(3))",
            "AsyncPool(connect_async, closer=lambda c: c.finish())",
            "AsyncPool(connect_async, health=lambda c: c.number)",
            'AsyncPool(connect_async, health=lambda c: c.execute("SELECT 1"))',
            "AsyncPool(connect, closer=lambda c: c.finish())",
            "AsyncPool(lambda _: Connection.connect(), closer=lambda c: c.finish())",
            "AsyncPool[Connection](lambda _: Connection.connect(), opener=lambda c: c.finish())",
        ),
        "a lambda for a parameter that may be None is not looked into if a type variable is in its type",
        """
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


def make(number: int) -> str:
    return str(number)


class Maker(Generic[T]):
    def __init__(self, make: Callable[[int], T], hook: Callable[[T], object] | None = None) -> None: ...


Maker(make, hook=lambda text: text.nothing)
""",
    ),
    Fault(
        ("zuban",),
        "overlooked",
        ("Pool(partial(dial, 3))", "AsyncPool(partial(dial, 3))"),
        "the arguments of a partial are not checked",
        """
from functools import partial


def dial(host: str, number: int) -> str:
    return host * number


partial(dial, 3)
""",
    ),
    Fault(
        ("zuban",),
        "refused",
        ("assert_type(connection_pool(Rows.connect, 4, min_size=0, health=is_connected), Pool[Connection[DictRow]])",),
        "a function for more types than one is not accepted for one of them if the type variable has a bound and is "
        "that of a TypedDict, too. Say the hook with Pool(…), or write a function for the one type",
        """
from collections.abc import Callable
from typing import Generic, TypedDict, TypeVar

from typing_extensions import Unpack, assert_type

T = TypeVar("T")
S = TypeVar("S", bound=str)


class Hooks(TypedDict, Generic[T], total=False):
    health: Callable[[T], bool]


def pooled(make: Callable[[], S], **hooks: Unpack[Hooks[S]]) -> list[S]:
    return [make()]


def connect() -> str:
    return ""


def is_fine(thing: str | int) -> bool:
    return bool(thing)


assert_type(pooled(connect, health=is_fine), list[str])
""",
    ),
    Fault(
        ("pyrefly", "ty"),
        "overlooked",
        ("untyped = proxy()",),
        "a type variable that nothing says anything about is taken for Any, or Unknown, in silence",
        UNKNOWN,
    ),
    Fault(
        ("mypy", "mypy 1.14"),
        "refused",
        ("assert_type(AsyncPool(lambda _: Replica.connect(), closer=Close()), AsyncPool[Replica])",),
        "what is inferred from a lambda is Any if two overloads fit, though not equally well, as they do beside a hook "
        "for a base class",
        """
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar, overload

from typing_extensions import assert_type

T = TypeVar("T")


class Maker(Generic[T]):
    @overload
    def __init__(self, make: Callable[[int], Awaitable[T]], hook: Callable[[T], object] = id) -> None: ...
    @overload
    def __init__(self, make: Callable[[int], T | Awaitable[T]], hook: Callable[[T], object] = id) -> None: ...
    def __init__(self, make: Callable[[int], T | Awaitable[T]], hook: Callable[[T], object] = id) -> None: ...


async def make(number: int) -> bool:
    return number > 0


def double(number: int) -> int:
    return 2 * number


assert_type(Maker(lambda number: make(number), double), Maker[bool])
""",
    ),
    Fault(
        ("pyrefly",),
        "refused",
        (
            'assert_type(AsyncPool(lambda _: Connection.connect("remote")), AsyncPool[Connection])',
            'assert_type(AsyncPool(lambda number: dial("remote", number)), AsyncPool[Connection])',
            "assert_type(AsyncPool(fun=lambda _: Connection.connect(), max_size=4), AsyncPool[Connection])",
            "later: AsyncPool[Connection] = AsyncPool(lambda _: Connection.connect())",
            "assert_type(AsyncPool(lambda _: Connection.connect(), closer=lambda c: c.close()), AsyncPool[Connection])",
            'assert_type(AsyncPool(lambda _: start(""), closer=lambda s: s.close()), AsyncPool[Started])',
            "said = AsyncPool[Connection](lambda _: Connection.connect(), closer=lambda c: c.close())",
            "assert_type(AsyncPool(lambda _: Replica.connect(), closer=Close()), AsyncPool[Replica])",
        ),
        "the parameter of a lambda is unknown if two overloads fit, though both say its type; the result is right",
        """
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar, overload

from typing_extensions import assert_type

T = TypeVar("T")


class Maker(Generic[T]):
    @overload
    def __init__(self, make: Callable[[int], Awaitable[T]]) -> None: ...
    @overload
    def __init__(self, make: Callable[[int], T | Awaitable[T]]) -> None: ...
    def __init__(self, make: Callable[[int], T | Awaitable[T]]) -> None: ...


async def make(number: int) -> str:
    return str(number)


assert_type(Maker(lambda number: make(number)), Maker[str])
""",
    ),
    Fault(
        ("ty", "zuban"),
        "overlooked",
        (
            "pool.ret(connection)",
            "pool.discard(connection)",
            "lease.release()",
            "lease.discard()",
        ),
        "of what is not awaited only the results of coroutine functions are reported, not other coroutines",
        """
from collections.abc import Coroutine
from typing import Any


def give_back() -> Coroutine[Any, Any, None]:
    raise NotImplementedError


async def forget() -> None:
    give_back()
""",
    ),
]
