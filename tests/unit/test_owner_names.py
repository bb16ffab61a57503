"""Who is said to hold an object."""

from __future__ import annotations

import gc
import sys
import threading
import weakref
from types import ModuleType
from typing import Any

import pytest

from ProxyPatternPool._runtime import owner
from ProxyPatternPool._runtime.owner import ThreadOwner, here

from .helpers import Caller, eventually, wait_for


def owner_here() -> owner.Owner:
    return here().owner


def test_a_thread_is_named() -> None:
    """A thread is shown by its name, and as ended when it has."""
    go_on = threading.Event()
    owners: list[owner.Owner] = []

    def job() -> None:
        owners.append(owner_here())
        wait_for(go_on)

    caller = Caller(job, "reader")
    eventually(lambda: owners)
    assert str(owners[0]) == "thread 'reader'"
    go_on.set()
    caller.result()
    assert str(owners[0]) == "thread 'reader' (ended)"
    del caller
    gc.collect()
    assert str(owners[0]) == "thread 'reader' (ended)"
    assert str(owner_here()) == "thread 'MainThread'"


def test_a_thread_that_is_renamed() -> None:
    """A thread that changes its name is shown by the new one, also after its end."""
    renamed, go_on = threading.Event(), threading.Event()
    owners: list[owner.Owner] = []

    def job() -> None:
        owners.append(owner_here())
        threading.current_thread().name = "new"
        renamed.set()
        wait_for(go_on)

    caller = Caller(job, "old")
    wait_for(renamed)
    assert str(owners[0]) == "thread 'new'"
    go_on.set()
    caller.result()
    assert str(owners[0]) == "thread 'new' (ended)"


def test_idents_used_again() -> None:
    """The system gives a new thread the ident of an ended one at once; the owner is not confused."""
    owners = [Caller(lambda: (owner_here(), threading.get_ident()), f"no. {n}").result() for n in range(20)]
    assert [str(each) for each, _ in owners] == [f"thread 'no. {n}' (ended)" for n in range(20)]
    assert len({ident for _, ident in owners}) < 20, "else this shows nothing"


def test_an_owner_is_not_kept_alive() -> None:
    """Who is remembered as an owner is not kept alive by it."""
    threads: list[weakref.ref[threading.Thread]] = []

    def job() -> owner.Owner:
        threads.append(weakref.ref(threading.current_thread()))
        return owner_here()

    remembered = Caller(job).result()
    gc.collect()
    assert threads[0]() is None
    assert str(remembered).endswith("(ended)")


def test_one_owner_per_thread() -> None:
    """A thread is the same owner each time, which costs one attribute."""
    assert owner_here() is owner_here()
    assert isinstance(owner_here(), ThreadOwner)
    assert Caller(owner_here).result() is not owner_here()


class FakeGreenlet:
    """A greenlet, as far as an owner looks at one."""

    def __init__(self, parent: object = None, name: str = "") -> None:
        self.parent = parent
        self.dead = False
        if name:
            self.name = name


@pytest.fixture
def greenlets(monkeypatch: pytest.MonkeyPatch) -> list[FakeGreenlet]:
    """Greenlets are in use, and this is the running one: at first its thread's main one."""
    running = [FakeGreenlet()]
    greenlet: Any = ModuleType("greenlet")
    greenlet.getcurrent = lambda: running[0]
    monkeypatch.setattr(owner, "_greenlets", None)
    monkeypatch.setitem(sys.modules, "greenlet", greenlet)
    monkeypatch.setitem(sys.modules, "gevent", ModuleType("gevent"))
    return running


def test_greenlets(greenlets: list[FakeGreenlet]) -> None:
    """Where greenlets are in use the owner is the running greenlet, its thread's main one being the thread."""
    main = greenlets[0]
    assert str(owner_here()) == "thread 'MainThread'"
    assert here() is here()
    running = greenlets[0] = FakeGreenlet(main, "Greenlet-7")
    named = owner_here()
    assert owner_here() is named, "the second look costs nothing"
    assert str(named) == "greenlet 'Greenlet-7'"
    running.name = "reader"
    assert str(named) == "greenlet 'reader'"
    running.dead = True
    assert str(named) == "greenlet 'reader' (ended)"
    running = greenlets[0] = FakeGreenlet(main)
    nameless = owner_here()
    assert str(nameless) == f"greenlet 'FakeGreenlet-{id(running):#x}'"
    address = id(running)
    running = greenlets[0] = main
    gc.collect()
    assert str(nameless) == f"greenlet 'FakeGreenlet-{address:#x}' (ended)"
    assert str(named) == "greenlet 'reader' (ended)"


def test_a_greenlet_that_is_gone(greenlets: list[FakeGreenlet]) -> None:
    """Of a greenlet that is gone before anyone asks a given name is known, and its kind if it was given none."""
    main = greenlets[0]
    owners: list[owner.Owner] = []
    for name in ("reader", ""):
        greenlets[0] = FakeGreenlet(main, name)
        owners.append(owner_here())
    greenlets[0] = main
    gc.collect()
    assert str(owners[0]) == "greenlet 'reader' (ended)"
    assert str(owners[1]).startswith("greenlet 'FakeGreenlet-0x")
    assert str(owners[1]).endswith("' (ended)")
