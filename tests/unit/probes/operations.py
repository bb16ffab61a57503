"""What can be done to an object: each operation does one thing, and says what came of it."""

from __future__ import annotations

import copy
import functools
import inspect
import io
import math
import operator
import os
import pickle
import sys
import weakref
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, ExitStack
from typing import Any, TypeAlias, cast

from .subjects import Base, Thing

Operation: TypeAlias = Callable[[Any], Any]


def run(awaitable: Awaitable[Any]) -> Any:
    """Run to the end without a loop, with the same answer to whatever is asked."""

    async def main() -> Any:
        return await awaitable

    coroutine = main()
    said: list[object] = []
    try:
        said.append(coroutine.send(None))
        while len(said) < 10:
            said.append(coroutine.send("answer"))
    except StopIteration as end:
        return said, end.value
    coroutine.close()
    return said


def set_attribute(x: Any) -> Any:
    x.extra = 1
    return x.extra, vars(x)


def set_known_attribute(x: Any) -> Any:
    x.number = 99
    return x.number


def delete_attribute(x: Any) -> Any:
    del x.number
    return hasattr(x, "number")


def variables(x: Any) -> Any:
    return list(cast("Mapping[str, object]", vars(x)))


def set_item(x: Any) -> Any:
    x[0] = "new"
    return x[0], len(x)


def set_slice(x: Any) -> Any:
    x[1:2] = [8, 9]
    return list(x)


def set_key(x: Any) -> Any:
    x["a"] = "new"
    return dict(x)


def delete_item(x: Any) -> Any:
    del x[0]
    return list(x)


def delete_key(x: Any) -> Any:
    del x["a"]
    return dict(x)


def delete_slice(x: Any) -> Any:
    del x[:1]
    return list(x)


def unpack(x: Any) -> Any:
    first, *others = x
    return first, others


def keywords(x: Any) -> Any:
    def given(**kwargs: object) -> dict[str, object]:
        return kwargs

    return given(**x)


def as_dict(x: Any) -> dict[object, object]:
    return dict(x)


def each(x: Any) -> Any:
    """A few: some never end."""
    return [item for item, _ in zip(x, range(5), strict=False)]


def left(name: str, other: object) -> Operation:
    """The object is the left operand."""
    operate: Callable[[Any, Any], Any] = getattr(operator, name)
    return lambda x: operate(x, other)


def right(name: str, other: object) -> Operation:
    """The object is the right operand."""
    operate: Callable[[Any, Any], Any] = getattr(operator, name)
    return lambda x: operate(other, x)


def both(name: str) -> Operation:
    """The object is both operands."""
    operate: Callable[[Any, Any], Any] = getattr(operator, name)
    return lambda x: operate(x, x)


def in_place(name: str, other: object) -> Operation:
    """As the statement does it; if the result is what was there before, also what that has become."""
    operate: Callable[[Any, Any], Any] = getattr(operator, name)

    def do(x: Any) -> Any:
        result = operate(x, copy.copy(other))
        return ("the object", x.__dict__ if hasattr(x, "__dict__") else list(x)) if result is x else result

    return do


def with_block(x: Any) -> Any:
    with x as entered:
        return entered, getattr(x, "seen", None)


def with_error(x: Any) -> Any:
    with x:
        raise LookupError("in the block")
    return "swallowed", x.seen


def with_stack(x: Any) -> Any:
    with ExitStack() as stack:
        stack.enter_context(x)
        stack.callback(operator.getitem, [], 0)
    return x.seen


def async_with(x: Any) -> Any:
    async def do() -> Any:
        async with x as entered:
            return entered

    return run(do()), getattr(x, "seen", None)


def async_with_error(x: Any) -> Any:
    async def do() -> Any:
        async with x:
            raise LookupError("in the block")
        return "swallowed"

    return run(do()), x.seen


def async_with_stack(x: Any) -> Any:
    async def do() -> Any:
        async with AsyncExitStack() as stack:
            return await stack.enter_async_context(x)

    return run(do()), x.seen


def async_for(x: Any) -> Any:
    async def do() -> Any:
        return [item async for item in x]

    return run(do())


def async_next(x: Any) -> Any:
    return run(anext(x))


def async_aiter(x: Any) -> Any:
    return run(anext(aiter(x)))


def await_it(x: Any) -> Any:
    async def do() -> Any:
        return await x

    return run(do())


def derived(x: Any) -> Any:
    class Derived(x):  # type: ignore[misc]  # whatever it may be
        pass

    return Derived


def match_class(x: Any) -> Any:
    match x:
        case Thing(number):
            return "thing", number
        case str() | bytes():
            return "text"
        case bool():
            return "bool"
        case int(value) | float(value):
            return "number", value + 0
        case list():
            return "list"
        case Base():
            return "base"
        case _:
            return "other"


def match_sequence(x: Any) -> Any:
    match x:
        case []:
            return "empty"
        case [first, *others]:
            return first, others
        case _:
            return "other"


def match_mapping(x: Any) -> Any:
    match x:
        case {"a": value, **others}:
            return value, others
        case {}:
            return "mapping"
        case _:
            return "other"


@functools.singledispatch
def dispatched(x: object) -> str:
    return "object"


@dispatched.register
def _int(x: int) -> str:
    return "int"


@dispatched.register(list)
def _list(x: list[Any]) -> str:
    return "list"


@dispatched.register(Mapping)
def _mapping(x: Mapping[Any, Any]) -> str:
    return "mapping"


@dispatched.register
def _thing(x: Thing) -> str:
    return "thing"


@dispatched.register
def _type(x: type) -> str:
    return "type"


def buffer(x: Any) -> Any:
    with memoryview(x) as view:
        return bytes(view), view.readonly


def buffer_writable(x: Any) -> Any:
    io.BytesIO(b"new").readinto(x)
    return bytes(x)


def resize_after_buffer(x: Any) -> Any:
    with memoryview(x) as view:
        read = bytes(view[:1])
    x.extend(b"more")
    return read, bytes(x)


def pickled(protocol: int) -> Operation:
    def do(x: Any) -> Any:
        return pickle.loads(pickle.dumps(x, protocol))

    return do


def pickled_together(x: Any) -> Any:
    first, second = pickle.loads(pickle.dumps((x, x)))
    first += ["to one"]
    return second


def pickled_in_python(x: Any) -> Any:
    file = io.BytesIO()
    vars(pickle)["_Pickler"](file).dump(x)  # the one that is not written in C
    return pickle.loads(file.getvalue())


def copied(x: Any) -> Any:
    made = copy.copy(x)
    x += ["to the first"]
    return made


def deepcopied_together(x: Any) -> Any:
    first, second = copy.deepcopy([x, x])
    first += ["to one"]
    return second


def weakly(x: Any) -> Any:
    reference = weakref.ref(x)
    return reference() is x


def weak_key(x: Any) -> Any:
    return weakref.WeakKeyDictionary({x: 1})[x]


def reordered(x: Any) -> Any:
    return sorted([x, x]) and max(x, x) is x


def mapped(x: Callable[[int], object]) -> list[object]:
    return list(map(x, [1, 2]))


def signature(x: Any) -> Any:
    return str(inspect.signature(x))


def power(*others: Any) -> Operation:
    raised: Callable[..., Any] = pow
    return lambda x: raised(x, *others)


COMPARISONS = ["lt", "le", "eq", "ne", "gt", "ge"]
BINARY = ["add", "sub", "mul", "matmul", "truediv", "floordiv", "mod", "pow", "lshift", "rshift", "and_", "xor", "or_"]
OPERANDS: list[object] = [2, "ab", [1], {1}, {"z": 1}]

OPERATIONS: dict[str, Operation] = {
    # attributes
    "get": lambda x: (getattr(x, "number", "none"), getattr(x, "__name__", "none"), getattr(x, "foo", "none")),
    "get what is missing": lambda x: x.nothing_of_the_kind,
    "get what breaks": lambda x: x.broken,
    "get a property": lambda x: x.double,
    "call a method": lambda x: (x.me(), x.common(), x.add(1), x.make()),
    "call a builtin method": lambda x: x.__sizeof__() > 0,
    "set": set_attribute,
    "set a known one": set_known_attribute,
    "delete": delete_attribute,
    "dir": lambda x: list(map(str, dir(x))),
    "vars": variables,
    "__dict__": lambda x: list(x.__dict__),
    "__doc__": lambda x: x.__doc__,
    "getdoc": inspect.getdoc,
    "__module__": lambda x: x.__module__,
    "__annotations__": lambda x: x.__annotations__,
    "__class__": lambda x: x.__class__,
    "__name__": lambda x: x.__name__,
    "__self__": lambda x: x.__self__,
    "__hash__": lambda x: x.__hash__ is None,
    "weakref": weakly,
    "weak key": weak_key,
    # texts
    "str": str,
    "repr": lambda x: repr(x).split(" at 0x")[0],
    "ascii": lambda x: ascii(x).split(" at 0x")[0],
    "bytes": bytes,
    "format": lambda x: format(x).split(" at 0x")[0],
    "format with a specification": lambda x: f"{x:>10}",
    "percent": lambda x: "%s" % (x,),  # noqa: UP031  # one way of many
    "print": lambda x: print(x, file=io.StringIO()),
    # comparisons
    **{f"{name} itself": both(name) for name in COMPARISONS},
    **{f"{name} 7": left(name, 7) for name in COMPARISONS},
    **{f"7 {name}": right(name, 7) for name in COMPARISONS},
    "eq a list": left("eq", [3, 1, 2]),
    "a list eq": right("eq", [3, 1, 2]),
    "eq a point": lambda x: (x == copy.copy(x), copy.copy(x) == x),
    "sorted": reordered,
    "hash": lambda x: hash(x) == x.__hash__(),
    "in a dict": lambda x: {x: 1}[x],
    "in a set": lambda x: {x, x} == {x},
    # truth and containers
    "bool": bool,
    "not": lambda x: not x,
    "any": lambda x: any([x]),
    "len": len,
    "length_hint": operator.length_hint,
    "length_hint with a default": lambda x: operator.length_hint(x, 5),
    "get an item": lambda x: x[0],
    "get by key": lambda x: x["a"],
    "get by class": lambda x: x[int],
    "get a slice": lambda x: x[1:],
    "get a slice with a step": lambda x: x[::-1],
    "set an item": set_item,
    "set by key": set_key,
    "set a slice": set_slice,
    "delete an item": delete_item,
    "delete by key": delete_key,
    "delete a slice": delete_slice,
    "contains": lambda x: 1 in x,
    "contains a text": lambda x: "a" in x,
    "iter": lambda x: each(iter(x)),
    "for": each,
    "list": lambda x: list(x) if operator.length_hint(x, 1) else [],
    "unpack": lambda x: unpack(each(x)),
    "star": lambda x: [*each(x)],
    "keywords": keywords,
    "dict": as_dict,
    "next": next,
    "next with a default": lambda x: next(x, "default"),
    "next to the end": lambda x: (next(x), next(x), next(x, "end")),
    "reversed": lambda x: list(reversed(x)),
    "sum": lambda x: sum(each(x)),
    "join": lambda x: ",".join(each(x)),
    "zip": lambda x: list(zip(x, "ab", strict=False)),
    # operators
    **{f"{name} {other!r}": left(name, other) for name in BINARY for other in OPERANDS},
    **{f"{other!r} {name}": right(name, other) for name in BINARY for other in OPERANDS},
    **{f"i{name} {other!r}": in_place(f"i{name.strip('_')}", other) for name in BINARY for other in OPERANDS},
    **{f"{name} itself": both(name) for name in BINARY},
    **{f"i{name} itself": both(f"i{name.strip('_')}") for name in BINARY},
    "divmod": lambda x: divmod(x, 2),
    "divmod by": lambda x: divmod(15, x),
    "divmod itself": lambda x: divmod(x, x),
    "pow with a modulus": power(3, 5),
    "pow with None": power(3, None),
    "pow, all the same": lambda x: power(x, x)(x),
    "neg": operator.neg,
    "pos": operator.pos,
    "abs": abs,
    "invert": operator.invert,
    "concat": lambda x: operator.concat(x, x),
    # numbers
    "int": int,
    "float": float,
    "complex": lambda x: complex(x) + 0,
    "index": operator.index,
    "as an index": lambda x: "abcdefgh"[x],
    "in a slice": lambda x: "abcdefgh"[:x],
    "hex": hex,
    "chr": chr,
    "range": range,
    "round": round,
    "round to a digit": lambda x: round(x, 1),
    "round to None": lambda x: round(x, None),
    "trunc": math.trunc,
    "floor": math.floor,
    "ceil": math.ceil,
    # calls
    "call": lambda x: x(),
    "call with arguments": lambda x: x(1, "2", 3, key=True),
    "call by keyword": lambda x: x(number=1),
    "map": mapped,
    "partial": lambda x: functools.partial(x, 1)("2"),
    "signature": signature,
    "iscoroutinefunction": inspect.iscoroutinefunction,
    "isfunction": inspect.isfunction,
    "isclass": inspect.isclass,
    # blocks
    "with": with_block,
    "with an error": with_error,
    "with a stack": with_stack,
    "async with": async_with,
    "async with an error": async_with_error,
    "async with a stack": async_with_stack,
    # coroutines
    "await": await_it,
    "async for": async_for,
    "anext": async_next,
    "aiter": async_aiter,
    # classes
    "isinstance of": lambda x: [isinstance(x, kind) for kind in (Thing, Base, int, list, type, Exception, str)],
    "isinstance of a protocol": lambda x: [isinstance(x, kind) for kind in (Sequence, Mapping)],
    "isinstance": lambda x: [isinstance(thing, x) for thing in (5, [1], Thing(), KeyError())],
    "issubclass": lambda x: [issubclass(kind, x) for kind in (bool, list, Thing, KeyError)],
    "issubclass of": lambda x: [issubclass(x, kind) for kind in (Base, object, LookupError, list)],
    "issubclass of itself": lambda x: (issubclass(x, x), issubclass(x, inspect.unwrap(x))),
    "base class": lambda x: (derived(x).__mro__[1:], derived(x).__bases__),
    "match on classes": match_class,
    "match on sequences": match_sequence,
    "match on mappings": match_mapping,
    "singledispatch": dispatched,
    # other protocols
    "fspath": os.fspath,
    "join paths": lambda x: os.path.join("root", x),
    "copy": copy.copy,
    "copy apart": copied,
    "deepcopy": lambda x: copy.deepcopy(x),
    "deepcopy together": deepcopied_together,
    "pickle": pickled(pickle.DEFAULT_PROTOCOL),
    "pickle, oldest": pickled(2),
    "pickle, newest": pickled(pickle.HIGHEST_PROTOCOL),
    "pickle together": pickled_together,
    "pickle in Python": pickled_in_python,
}

if sys.version_info >= (3, 12):
    OPERATIONS.update(
        {
            "buffer": buffer,
            "buffer to write": buffer_writable,
            "buffer, then resize": resize_after_buffer,
            "joined bytes": lambda x: b"".join([b"", x]),
        }
    )
