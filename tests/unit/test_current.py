"""Which thread or greenlet runs at this moment, and whether others may run in its thread."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Callable
from types import ModuleType, SimpleNamespace
from typing import NoReturn

import pytest
import trio

from ProxyPatternPool._runtime.current import current_id, loop_is_running, thread_is_shared_by


class Greenlet:
    """A greenlet, one of a library or another, which may be the main one of its thread."""

    def __init__(self, parent: object = None) -> None:
        self.parent = parent


class Linked(Greenlet):
    def link(self) -> None:
        """Those of gevent and eventlet have such a method."""


@pytest.mark.parametrize("main", [True, False])
@pytest.mark.parametrize("kind", [Greenlet, Linked])
def test_who_runs(kind: type[Greenlet], main: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """A main greenlet is its thread; others have an id of their own. Only a library's may be left for another."""
    current = kind(None if main else object())
    monkeypatch.setitem(sys.modules, "greenlet", SimpleNamespace(getcurrent=lambda: current))
    assert current_id() == (threading.get_ident(), 0 if main else id(current))
    assert thread_is_shared_by() == ("greenlets" if kind is Linked else None)


@pytest.mark.parametrize("module", ["greenlet", "asyncio", "trio.lowlevel"])
def test_a_module_that_is_just_being_imported(module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has nothing yet, and so nobody uses it; likewise one that is not there."""
    monkeypatch.setitem(sys.modules, module, ModuleType(module))
    assert current_id() == (threading.get_ident(), 0)
    assert (loop_is_running(), thread_is_shared_by()) == (False, None)
    monkeypatch.delitem(sys.modules, module)
    assert current_id() == (threading.get_ident(), 0)
    assert (loop_is_running(), thread_is_shared_by()) == (False, None)


@pytest.mark.parametrize("module", ["greenlet", "asyncio", "trio.lowlevel"])
def test_a_module_whose_import_fails_just_now(module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another thread removes it after this one has seen it in ``sys.modules``: it is as if it were not there."""

    class Modules(dict[str, object]):
        def __contains__(self, name: object) -> bool:
            return name == module or super().__contains__(name)

        def get(self, *_: object) -> NoReturn:
            raise AssertionError("Python 3.13 without a GIL locks sys.modules for this")

    modules = Modules({name: it for name, it in sys.modules.items() if name != module})
    with monkeypatch.context() as patch:
        patch.setattr(sys, "modules", modules)
        seen = current_id(), loop_is_running(), thread_is_shared_by()
    assert seen == ((threading.get_ident(), 0), False, None)


@pytest.mark.parametrize("run", [asyncio.run, trio.run])
def test_an_event_loop_that_runs(run: Callable[..., object], monkeypatch: pytest.MonkeyPatch) -> None:
    """Its tasks share the thread, as long as it runs."""
    monkeypatch.delitem(sys.modules, "greenlet", raising=False)
    seen: list[tuple[bool, str | None]] = []

    async def look() -> None:
        seen.append((loop_is_running(), thread_is_shared_by()))

    run(look() if run is asyncio.run else look)
    assert seen == [(True, "tasks")]
    assert (loop_is_running(), thread_is_shared_by()) == (False, None)
