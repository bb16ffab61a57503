"""The code in the documentation: what is shown to users has to be what checkers accept, and refuse."""

from __future__ import annotations

import inspect
import re
import textwrap
from dataclasses import dataclass

import ProxyPatternPool
from ProxyPatternPool import AsyncPoolParameters, PoolObserver, PoolParameters, ScopeStrategy

from .downstream import ROOT, Place

RED = "# red"
"""Ends a line that is shown because checkers refuse it."""

ASYNC_PROTOCOLS = ("AsyncFactory", "AsyncOpener", "AsyncGetter", "AsyncRetter", "AsyncCloser", "AsyncHealthCheck")
PROTOCOLS = (
    *("Factory", "Opener", "Getter", "Retter", "Closer", "HealthCheck", "StatsHook", "Tracer"),
    *ASYNC_PROTOCOLS,
)

# What the snippets in docstrings leave to the reader.
_PRELUDE = """\
# pyright: reportUnusedImport=false
import sqlite3
from contextvars import ContextVar
from sqlite3 import Connection
from typing import Generic, TypeVar

from typing_extensions import Self, Unpack, override

from ProxyPatternPool import (
    AsyncCloser, AsyncFactory, AsyncGetter, AsyncHealthCheck, AsyncOpener, AsyncPool, AsyncPoolParameters, AsyncRetter,
    Closer, Factory, Getter, HealthCheck, Kept, Opener, Pool, PoolObserver, PoolParameters, Retter, StatsHook, Tracer,
    proxy
)

T = TypeVar("T")


def connect(number: int) -> Connection:
    return sqlite3.connect(":memory:", check_same_thread=False)


class AsyncConnection:
    @classmethod
    async def connect(cls, dsn: str) -> Self:
        return cls()

    async def execute(self, statement: str) -> object:
        return statement

    async def rollback(self) -> None: ...
    async def close(self) -> None: ...


async def connect_async(number: int) -> AsyncConnection:
    return await AsyncConnection.connect("dbname=data")


"""


@dataclass(frozen=True)
class Snippet:
    """Code to be checked, and run."""

    file: str
    text: str

    @property
    def refused(self) -> set[Place]:
        """The lines that have to be refused; and no others."""
        lines = enumerate(self.text.splitlines(), 1)
        return {Place(self.file, number) for number, line in lines if line.endswith(RED)}

    @property
    def runnable(self) -> str:
        """The text without what is refused."""
        return "\n".join(line for line in self.text.splitlines() if not line.endswith(RED))


def snippets() -> list[Snippet]:
    """Find them all: the page about static typing, and the docstrings of what users implement."""
    found = [_page("typing.md")]
    found += [_docstring(vars(ProxyPatternPool)[name]) for name in PROTOCOLS]
    found += [_docstring(each) for each in (ScopeStrategy, PoolParameters, AsyncPoolParameters, PoolObserver)]
    return found


def _page(name: str) -> Snippet:
    """All code of a page, as one module with the same numbers of lines."""
    lines: list[str] = []
    code = False
    for line in (ROOT / "docs" / name).read_text(encoding="utf-8").splitlines():
        fence = line.startswith("```")
        lines.append(line if code and not fence else "")
        if fence:
            code = line == "```python"
    return Snippet(f"page_{name.removesuffix('.md')}.py", "\n".join(lines) + "\n")


def _docstring(thing: type[object]) -> Snippet:
    """The code behind the first ``::``."""
    match = re.search(r"::\n\n((?:    .*\n|\n)+)", inspect.cleandoc(thing.__doc__ or "") + "\n")
    assert match is not None, f"{thing.__name__} shows no example"
    return Snippet(f"docstring_{thing.__name__.lower()}.py", _PRELUDE + textwrap.dedent(match[1]))
