"""Objects of all kinds, made anew for each probe."""

from __future__ import annotations

import datetime
import functools
import io
import math
import threading
import types
from collections import Counter, OrderedDict, UserDict, UserList, deque
from collections.abc import AsyncGenerator, Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from pathlib import PurePosixPath
from typing import Any, ClassVar, Generic, TypeVar

from typing_extensions import Self

T = TypeVar("T")


class Base:
    """What things are."""

    def common(self) -> str:
        return "common"


class Thing(Base):
    """A thing like any other."""

    kind: ClassVar[str] = "thing"
    number: int
    __match_args__ = ("number",)

    def __init__(self, number: int = 5) -> None:
        self.number = number

    @property
    def double(self) -> int:
        return 2 * self.number

    @property
    def broken(self) -> int:
        raise AttributeError("broken inside")

    @classmethod
    def make(cls) -> Thing:
        return cls(6)

    @staticmethod
    def add(left: int, right: int = 1) -> int:
        return left + right

    def me(self) -> bool:
        return type(self).kind == "thing"

    def __repr__(self) -> str:
        return f"thing {self.number}"


@dataclass(order=True)
class Point:
    x: int = 1
    y: int = 2
    tags: list[str] = field(default_factory=lambda: ["tag"])


class Slotted:
    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value = 1


class Dynamic:
    """Makes its attributes up, as far as they have a vowel."""

    def __getattr__(self, name: str) -> str:
        if name.startswith("__") or "o" not in name:
            raise AttributeError(f"no {name}")
        return name.upper()


class Angry:
    """Whatever is asked of it fails, in a way of its own."""

    def __getattr__(self, name: str) -> Any:
        raise KeyError(name)

    def __len__(self) -> int:
        raise LookupError("len")

    def __bool__(self) -> bool:
        raise ArithmeticError("bool")

    def __eq__(self, other: object) -> bool:
        raise BufferError("eq")

    def __hash__(self) -> int:
        raise MemoryError("hash")

    def __repr__(self) -> str:
        raise NotImplementedError("repr")

    def __getitem__(self, key: object) -> object:
        raise OSError("getitem")

    def __contains__(self, item: object) -> bool:
        raise ReferenceError("contains")

    def __enter__(self) -> object:
        raise SystemError("enter")

    def __exit__(self, *error: object) -> None:
        raise AssertionError("never entered")

    def __call__(self) -> None:
        raise AttributeError("call")

    def __iter__(self) -> Iterator[object]:
        raise AttributeError("iter")


class Operand:
    """Has an operator for everything, which says what it was given; some in place, which return itself."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def __iadd__(self, other: object) -> Self:
        self.seen.append(f"iadd {other!r}")
        return self

    def __isub__(self, other: object) -> str:
        self.seen.append(f"isub {other!r}")
        return "another"


def _note(name: str) -> Callable[..., str]:
    def note(self: Operand, *args: object) -> str:
        return " ".join([name, *map(str, args)])

    return note


COMPARISONS = ["lt", "le", "gt", "ge"]
UNARY = ["neg", "pos", "abs", "invert", "round", "trunc", "floor", "ceil"]
BINARY = ["add", "sub", "mul", "matmul", "truediv", "floordiv", "mod", "divmod", "pow", "and", "xor", "or"]
for _name in [
    *COMPARISONS,
    *UNARY,
    "lshift",
    "rshift",
    "rlshift",
    "rrshift",
    *BINARY,
    *(f"r{name}" for name in BINARY),
]:
    setattr(Operand, f"__{_name}__", _note(_name))


class Numeric:
    """Can be converted to any number, each time another one."""

    def __int__(self) -> int:
        return 11

    def __float__(self) -> float:
        return 12.5

    def __complex__(self) -> complex:
        return 13j

    def __index__(self) -> int:
        return 2

    def __bytes__(self) -> bytes:
        return b"bytes of it"

    def __str__(self) -> str:
        return "text of it"

    def __format__(self, specification: str) -> str:
        return f"format {specification!r}"

    def __fspath__(self) -> str:
        return "path/of/it"

    def __length_hint__(self) -> int:
        return 17

    def __dir__(self) -> list[str]:
        return ["b", "a"]

    def __copy__(self) -> str:
        return "copy"

    def __deepcopy__(self, memo: object) -> str:
        return "deep copy"

    def __reduce__(self) -> tuple[type[str], tuple[str]]:
        return str, ("from pickle",)

    def __call__(self, first: int, *rest: int, option: str = "") -> tuple[object, ...]:
        return first, rest, option


class Block:
    """Notes how blocks end, and swallows what they raise if it is a LookupError."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def __enter__(self) -> str:
        self.seen.append("enter")
        return "entered"

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> bool:
        self.seen.append(f"exit {kind and kind.__name__}")
        return kind is not None and issubclass(kind, LookupError)

    async def __aenter__(self) -> str:
        self.seen.append("aenter")
        return "entered"

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> bool:
        self.seen.append(f"aexit {kind and kind.__name__}")
        return kind is not None and issubclass(kind, LookupError)


class OnlyEnter:
    """Half a block."""

    def __enter__(self) -> str:
        raise AssertionError("there is no way out")

    async def __aenter__(self) -> str:
        raise AssertionError("there is no way out")


class Promise:
    """Can be awaited, and iterated asynchronously."""

    def __init__(self) -> None:
        self.left = 3

    def __await__(self) -> Generator[str, str | None, str]:
        answer = yield "asked"
        return f"answered {answer}"

    def __aiter__(self) -> Promise:
        return self

    async def __anext__(self) -> int:
        if self.left == 0:
            raise StopAsyncIteration
        self.left -= 1
        return self.left


async def _coroutine() -> str:
    return "from a coroutine"


@types.coroutine
def _old_coroutine() -> Generator[str, str | None, str]:
    answer = yield "asked"
    return f"answered {answer}"


async def _async_generator() -> AsyncGenerator[int]:
    yield 1
    yield 2


def _generator() -> Generator[int, str, str]:
    yield 1
    yield 2
    return "end"


@contextmanager
def _managed() -> Generator[str]:
    yield "managed"


def _function(first: int, second: str = "2", *rest: int, key: bool = False) -> tuple[object, ...]:
    """Say what was given."""
    return first, second, rest, key


async def _async_function() -> str:
    return "from an async function"


def _enum() -> type[Enum]:
    class Made(Enum):
        ONE = 1

    return Made


class Meta(type):
    """A class of classes that can do what most cannot."""

    def __len__(cls) -> int:
        return 3

    def __iter__(cls) -> Iterator[int]:
        return iter([1, 2, 3])

    def __instancecheck__(cls, instance: object) -> bool:
        return instance == 5


def _class() -> type:
    class Made(Base):
        """Made for one probe."""

        attribute = 1

        def __init__(self, number: int = 1) -> None:
            self.number = number

        def __class_getitem__(cls, item: object) -> str:
            return f"item {item}"

    return Made


def _generic() -> type:
    class Box(Generic[T]):
        pass

    return Box


def _meta() -> type:
    return Meta("Odd", (), {})


def _module() -> types.ModuleType:
    made = types.ModuleType("a_module", "its doc")
    made.__dict__["answer"] = 42
    return made


def _ordered() -> OrderedDict[str, int]:
    return OrderedDict(a=1)


def _lambda() -> Callable[[object], object]:
    return lambda value: value


def _property() -> property:
    return property(Base.common)


SUBJECTS: dict[str, Callable[[], Any]] = {
    "thing": Thing,
    "point": Point,
    "slotted": Slotted,
    "dynamic": Dynamic,
    "angry": Angry,
    "operand": Operand,
    "numeric": Numeric,
    "block": Block,
    "half a block": OnlyEnter,
    "promise": Promise,
    "object": object,
    "none": lambda: None,
    "not implemented": lambda: NotImplemented,
    "true": lambda: True,
    "zero": lambda: 0,
    "int": lambda: 7,
    "negative": lambda: -2,
    "float": lambda: 2.5,
    "nan": lambda: math.nan,
    "complex": lambda: 3 + 4j,
    "decimal": lambda: Decimal("2.25"),
    "fraction": lambda: Fraction(7, 2),
    "text": lambda: "text",
    "digits": lambda: "12",
    "empty text": lambda: "",
    "bytes": lambda: b"bytes",
    "bytearray": lambda: bytearray(b"array"),
    "memoryview": lambda: memoryview(b"view"),
    "list": lambda: [3, 1, 2],
    "nested list": lambda: [1, ["inner"]],
    "empty list": list,
    "tuple": lambda: (1, "two"),
    "dict": lambda: {"a": 1, "b": 2},
    "empty dict": dict,
    "set": lambda: {1, 2},
    "frozenset": lambda: frozenset({1, 7}),
    "range": lambda: range(3),
    "slice": lambda: slice(1, 2),
    "deque": lambda: deque([1, 2, 3], 5),
    "counter": lambda: Counter("aab"),
    "ordered dict": _ordered,
    "user list": lambda: UserList([1, 2]),
    "user dict": lambda: UserDict(a=1),
    "iterator": lambda: iter([1, 2]),
    "generator": _generator,
    "managed": _managed,
    "coroutine": _coroutine,
    "old coroutine": _old_coroutine,
    "async generator": _async_generator,
    "function": lambda: types.FunctionType(_function.__code__, globals(), "made", _function.__defaults__),
    "async function": lambda: types.FunctionType(_async_function.__code__, globals(), "made"),
    "lambda": _lambda,
    "builtin": lambda: len,
    "method": lambda: Thing(3).me,
    "partial": lambda: functools.partial(_function, 1, key=True),
    "class": _class,
    "generic class": _generic,
    "odd class": _meta,
    "builtin class": lambda: list,
    "alias": lambda: list[int],
    "union": lambda: int | str,
    "enum": _enum,
    "enum member": lambda: _enum()(1),
    "exception": lambda: ValueError("wrong"),
    "exception class": lambda: KeyError,
    "path": lambda: PurePosixPath("a/b"),
    "timedelta": lambda: datetime.timedelta(days=1),
    "date": lambda: datetime.date(2024, 2, 29),
    "text file": lambda: io.StringIO("one\ntwo\n"),
    "lock": threading.Lock,
    "module": _module,
    "property": _property,
}


SEQUENCES: Any = list, tuple, deque, UserList
SETS: Any = set, frozenset
MAPPINGS: Any = dict, UserDict, types.MappingProxyType


def finish(subject: Any) -> None:
    """Let go of a subject in silence."""
    if isinstance(subject, types.CoroutineType):
        subject.close()


def plain(value: Any) -> object:
    """Make what came of a probe comparable: its exact type, and what it consists of."""
    name = type(value).__qualname__
    if isinstance(value, SEQUENCES):
        return name, [plain(each) for each in value]
    if isinstance(value, SETS):
        return name, sorted(map(repr, value))
    if isinstance(value, MAPPINGS):
        return name, [(plain(key), plain(each)) for key, each in value.items() if key != "__builtins__"]
    if isinstance(value, type | types.FunctionType):
        return name, value.__qualname__
    if isinstance(value, Angry) or " at 0x" in repr(value):
        return name, plain(getattr(value, "__dict__", None) if not isinstance(value, Angry) else None)
    return name, repr(value)
