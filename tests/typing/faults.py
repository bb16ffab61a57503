"""Faults of the checkers themselves: what one of them refuses in ``positive.py``, or overlooks in ``negative.py``.

Each is reproduced without us. When a checker is mended, the tests fail until the fault is taken off this list. A line
that mypy overlooks has ``unused-ignore`` in its mark, so that mypy accepts the mark either way.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Fault:
    """What a checker gets wrong."""

    checker: str
    file: str
    """``positive.py`` if it refuses what is right, ``negative.py`` if it accepts what is wrong."""
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
        "ty",
        "positive.py",
        ('assert_type(Pool(partial(Connection, host="remote")), Pool[Connection])',),
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
        "mypy 1.14",
        "positive.py",
        ('maybe_later: Connection = proxy(name="later", retter=lambda c: c.rollback(), tracer=lambda c: c.host)',),
        "the declared type of a variable is not used to infer a type variable that is the whole result: in a lambda "
        "it is Never, which has nothing. Say the lambdas later, with control(db).set_pool(…), or write functions",
        _DECLARED.replace("s.right", "s.upper()"),
    ),
    Fault(
        "mypy",
        "negative.py",
        ("looked_into: Connection = proxy(retter=lambda c: c.nothing)",),
        "likewise; from 1.18 on Never has whatever it is asked for: such a lambda is accepted whatever is in it",
        _DECLARED.replace("s.right", "s.nothing"),
    ),
    Fault(
        "zuban",
        "positive.py",
        (
            "assert_type(Pool(lambda _: Connection(), closer=lambda c: c.close()), Pool[Connection])",
            "assert_type(Pool(lambda number: Connection(number), 4, health=lambda c: c.ping()), Pool[Connection])",
            "assert_type(Pool(fun=lambda _: Connection(), tracer=lambda c: c.host), Pool[Connection])",
            "assert_type(proxy(fun=lambda _: Connection(), retter=lambda c: c.rollback()), Connection)",
            "assert_type(Proxy(fun=lambda _: Connection(), retter=lambda c: c.rollback()), Proxy[Connection])",
            "assert_type(Hooks(lambda _: Connection(), closer=lambda c: c.close()), Hooks[Connection])",
        ),
        "of two lambdas, where one makes what the other takes, nothing is inferred but Any",
        BESIDE_A_LAMBDA,
    ),
    Fault(
        "pyrefly",
        "positive.py",
        (
            "assert_type(Pool(lambda _: Connection(), closer=lambda c: c.close()), Pool[Connection])",
            "assert_type(Pool(lambda number: Connection(number), 4, health=lambda c: c.ping()), Pool[Connection])",
            "assert_type(Hooks(lambda _: Connection(), closer=lambda c: c.close()), Hooks[Connection])",
        ),
        "of two lambdas, where one given by position makes what the other takes, given by name, the latter is unknown",
        BESIDE_A_LAMBDA,
    ),
    Fault(
        "zuban",
        "negative.py",
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
        "zuban",
        "negative.py",
        ("Pool(partial(dial, 3))",),
        "the arguments of a partial are not checked",
        """
from functools import partial


def dial(host: str, number: int) -> str:
    return host * number


partial(dial, 3)
""",
    ),
    Fault(
        "pyrefly",
        "negative.py",
        ("untyped = proxy()",),
        "a type variable that nothing says anything about is taken for Any in silence",
        UNKNOWN,
    ),
    Fault(
        "ty",
        "negative.py",
        ("untyped = proxy()",),
        "a type variable that nothing says anything about is taken for Unknown in silence",
        UNKNOWN,
    ),
]
