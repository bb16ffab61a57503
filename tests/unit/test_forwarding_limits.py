"""What a proxy cannot do, as documented: it is refused, and another way leads to the same."""

from __future__ import annotations

import asyncio
import heapq
import io
import json
import os
import re
import sqlite3
import sys
import time
import typing
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence, Sized
from contextlib import closing
from dataclasses import asdict, fields, is_dataclass, replace
from decimal import Decimal
from types import new_class
from typing import Any

import pytest

from ProxyPatternPool import control

from .probes.covers import front_of
from .probes.operations import derived
from .probes.subjects import Point, Thing

append: Callable[..., object] = list[int].append
joined: Callable[[list[Any]], str] = "".join
listed: Callable[[Any], list[str]] = os.listdir
percent: Callable[..., str] = str.__mod__
power: Callable[..., int] = pow


def asked(parameters: Any, query: str = "select ?") -> object:
    with closing(sqlite3.connect(":memory:")) as connection:
        return connection.execute(query, parameters).fetchone()


IMPOSSIBLE: dict[str, tuple[Callable[[], Any], Callable[[Any], Any], Callable[[Any], Any]]] = {
    "json, a dict": (lambda: {"a": 1}, json.dumps, lambda p: json.dumps(control(p).get())),
    "json, a list": (lambda: [1], json.dumps, lambda p: json.dumps(list(p))),
    "json, within": (lambda: "text", lambda p: json.dumps([p]), lambda p: json.dumps([control(p).get()])),
    "a parameter of a query": (lambda: 1, lambda p: asked([p]), lambda p: asked([int(p)])),
    "a query": (lambda: "select 1", lambda p: asked((), p), lambda p: asked((), str(p))),
    "named parameters": (lambda: {"a": 2}, lambda p: asked(p, "select :a"), lambda p: asked(dict(p), "select :a")),
    "a pattern": (lambda: "a", lambda p: re.sub(p, "b", "a"), lambda p: re.sub(str(p), "b", "a")),
    "a base": (lambda: "ff", lambda p: int(p, 16), lambda p: int(str(p), 16)),
    "joined": (lambda: "b", lambda p: joined([p]), lambda p: joined([str(p)])),
    "in a text": (lambda: "a", lambda p: p in "abc", lambda p: str(p) in "abc"),
    "a name": (lambda: "number", lambda p: getattr(Thing(), p), lambda p: getattr(Thing(), str(p))),
    "written": (lambda: "a", lambda p: io.StringIO().write(p), lambda p: io.StringIO().write(str(p))),
    "evaluated": (lambda: "1", eval, lambda p: eval(str(p))),
    "format arguments": (lambda: (1, 2), lambda p: percent("%s %s", p), lambda p: percent("%s %s", tuple(p))),
    "a decimal": (lambda: 5, lambda p: Decimal(p), lambda p: Decimal(int(p))),
    "a slice": (lambda: slice(1), lambda p: "ab"[p], lambda p: "ab"[control(p).get()]),
    "a modulus": (lambda: 5, lambda p: power(3, 2, p), lambda p: power(3, 2, int(p))),
    "a method of the class": (lambda: [1], lambda p: append(p, 1), lambda p: p.append(1)),
    "a heap": (lambda: [1], lambda p: heapq.heappush(p, 1), lambda p: heapq.heappush(control(p).get(), 1)),
    "a data class": (Point, asdict, lambda p: asdict(control(p).get())),
    "a data class, replaced": (Point, lambda p: replace(p, x=3), lambda p: replace(control(p).get(), x=3)),
    "json, with a default": (
        lambda: {"a": [1]},
        json.dumps,
        lambda p: json.dumps(p, default=lambda each: control(each).get()),
    ),
    "an abstract class": (lambda: list, lambda p: issubclass(p, Sized), lambda p: issubclass(control(p).get(), Sized)),
    "made dynamically": (lambda: Thing, lambda p: new_class("X", (p,)).__bases__, lambda p: derived(p).__bases__),
}
if sys.version_info < (3, 15):  # from then on whatever has a __float__ will do
    IMPOSSIBLE["seconds"] = (lambda: 0.0, time.sleep, lambda p: time.sleep(float(p)))


@pytest.mark.parametrize("case", IMPOSSIBLE)
def test_what_cannot_work(case: str) -> None:
    """Refused where it works on the object; another way leads to the same."""
    make, use, instead = IMPOSSIBLE[case]
    front = front_of(make())
    expected = use(make())
    with pytest.raises((TypeError, LookupError, sqlite3.Error, DeprecationWarning)):
        use(front)
    assert instead(front) == expected


def test_data_classes() -> None:
    """What looks at the class sees the proxy's; the fields are found."""
    front = front_of(Point(4))
    assert fields(front) == fields(Point)
    assert not is_dataclass(front)
    assert is_dataclass(control(front).get())
    assert front.x == 4


def test_a_connection_where_c_wants_one() -> None:
    with closing(sqlite3.connect(":memory:")) as connection:
        front = front_of(connection)
        with pytest.raises(TypeError, match="Connection"):
            sqlite3.Cursor(front)
        assert front.cursor().execute("select 1").fetchone() == (1,)
        with front:
            front.execute("create table made (number integer)")
        assert front.in_transaction is False


@pytest.mark.skipif(sys.version_info >= (3, 14), reason="asks the exponent, too")
def test_an_exponent_with_a_modulus() -> None:
    with pytest.raises(TypeError):
        power(3, front_of(2), 5)
    assert power(front_of(3), front_of(2), front_of(5)) == 4


def test_exceptions_are_not_raised_by_proxies() -> None:
    front = front_of(KeyError)
    with pytest.raises(TypeError, match="BaseException"):
        raise front


def test_exceptions_are_not_caught_by_proxies() -> None:
    caught = front_of(KeyError)

    def catch() -> None:
        try:
            raise KeyError
        except caught:
            pytest.fail("caught")

    with pytest.raises(TypeError, match="BaseException"):
        catch()


def test_what_a_proxy_seems_to_be() -> None:
    """It has no methods that its object lacks: nobody takes it for what it is not."""
    front = front_of(5)
    assert front is not control(front).get()
    assert not callable(front)
    assert not isinstance(front, Iterable | Sized | Awaitable | Iterator)
    with pytest.raises(TypeError, match="not all arguments converted"):
        percent("text", front)
    assert percent("text", front_of("more")) == "text"  # as any object with items: it is taken for a mapping
    assert not isinstance(front, Sequence)


def test_names_of_typing() -> None:
    """Those go by the exact class, and those of `collections.abc` by what the proxy says it is."""
    names: list[Any] = [Sequence, typing.Sequence]
    name, old_name = names
    front = front_of([1])
    assert isinstance(front, name)
    assert not isinstance(front, old_name)
    assert isinstance(control(front).get(), old_name)


def test_an_awaited_coroutine() -> None:
    """A coroutine can be awaited through a proxy, and not be made a task."""

    async def answer() -> int:
        return 42

    async def main() -> int:
        front = front_of(answer())
        found: int = await front
        return found

    assert asyncio.run(main()) == 42
