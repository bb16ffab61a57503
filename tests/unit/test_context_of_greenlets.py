"""Greenlets that share a context, where the scope is the context."""

from __future__ import annotations

import asyncio
import sys
import weakref
from collections.abc import Callable
from contextvars import copy_context
from types import ModuleType

import pytest

pytest.importorskip("greenlet")

import greenlet

from ProxyPatternPool import Kept, Proxy
from ProxyPatternPool._scope.context import ContextSlot

from .clock import FakeScheduler
from .helpers import Thing
from .tasks import use_in_one_context


class Green(greenlet.greenlet):
    """A greenlet that tells when it ends, if it is asked to do so by then."""

    def __init__(self, run: Callable[[], object]) -> None:
        super().__init__(run)
        self.ends: list[Callable[..., object]] = []

    def link(self, end: Callable[..., object]) -> None:
        self.ends.append(end)


@pytest.mark.parametrize("library", ["gevent", "eventlet"])
@pytest.mark.parametrize("told", [True, False])
def test_greenlets_that_share_a_context(library: str, told: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each has its own, if it is one of gevent or eventlet, until it ends, whether or not it has told so by then."""
    for name in ("gevent", "eventlet", "trio.lowlevel"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setitem(sys.modules, library, ModuleType(library))
    monkeypatch.setattr("ProxyPatternPool._scope.context._greenlet", None)
    slot: ContextSlot[int] = ContextSlot()
    had: list[weakref.ref[Kept[int]]] = []
    here = greenlet.getcurrent()

    def use() -> None:
        assert slot.get() is None
        assert not hasattr(slot, "kept")
        kept = slot.put(Kept(1))
        had.append(weakref.ref(kept))
        here.switch()
        assert slot.kept is slot.get() is kept

    greens = [Green(use), Green(use)]
    for green in greens:
        green.gr_context = greens[0].gr_context or copy_context()
        green.switch()
    for green in greens:
        slot.drop_ended()
        assert had[-1]() is not None
        green.switch()
        assert green.dead
        if told:
            (end,) = green.ends
            end(green)
    if not told:
        slot.drop_ended()
    assert [kept() for kept in had] == [None, None]


@pytest.mark.skipif(sys.version_info < (3, 11), reason="tasks cannot share a context before 3.11")
@pytest.mark.parametrize("library", ["gevent", "eventlet"])
def test_tasks_that_share_a_context_in_a_greenlet(
    library: str, scheduler: FakeScheduler, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They do not take each other's object away, though their loop runs in one greenlet."""
    monkeypatch.setitem(sys.modules, library, ModuleType(library))
    monkeypatch.setattr("ProxyPatternPool._scope.context._greenlet", None)
    db = Proxy(fun=Thing, scope=Proxy.Scope.CONTEXT, max_size=3)
    Green(lambda: asyncio.run(use_in_one_context(db))).switch()
