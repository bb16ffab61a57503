"""Scopes: who has an object of its own, and where it is kept."""

from __future__ import annotations

import asyncio
import gc
import sys
import threading
import weakref
from collections.abc import Callable
from contextvars import Context, ContextVar, copy_context
from types import ModuleType, SimpleNamespace
from typing import Any, TypeVar, cast
from unittest.mock import Mock

import pytest
import trio
import trio.testing

from ProxyPatternPool import Kept, Proxy, ProxyException, Scope, control
from ProxyPatternPool._runtime.contexts import ask_collector, current_context, entered_contexts, memory_reader
from ProxyPatternPool._runtime.native import GIL
from ProxyPatternPool._scope.base import EMPTY
from ProxyPatternPool._scope.context import ContextSlot, current_task
from ProxyPatternPool._scope.open_block import OpenBlock
from ProxyPatternPool._scope.select import new_slot
from ProxyPatternPool._scope.shared import SharedSlot
from ProxyPatternPool._scope.thread import ThreadSlot

from .clock import FakeScheduler
from .helpers import Caller, Thing, Works, eventually, wait_for
from .tasks import use_in_one_context

T = TypeVar("T")


# --- names ---------------------------------------------------------------------------------------------


def test_members() -> None:
    """No two scopes are one by accident, and VERSATILE is WERKZEUG on purpose."""
    names = ["AUTO", "SHARED", "THREAD", "VERSATILE", "GEVENT", "EVENTLET", "CONTEXT"]
    assert [scope.name for scope in Scope] == names
    assert len({scope.value for scope in Scope}) == len(names)
    assert Scope["WERKZEUG"] is Scope["VERSATILE"]
    assert Proxy.Scope is Scope


def test_every_scope_has_a_slot(monkeypatch: pytest.MonkeyPatch) -> None:
    """None was forgotten; those of greenlets are tested among greenlets."""
    monkeypatch.setitem(sys.modules, "werkzeug", ModuleType("werkzeug"))
    for scope in Scope:
        if scope not in (Scope.GEVENT, Scope.EVENTLET):
            slot = new_slot(scope)
            kept = Kept(1)
            assert slot.get() is None
            assert getattr(slot, "kept", EMPTY) is EMPTY
            slot.remove(kept)
            assert slot.put(kept) is kept
            assert slot.kept is slot.get() is kept
            slot.remove(Kept(1))
            slot.drop_ended()
            assert slot.get() is kept
            for _ in range(2):
                slot.remove(kept)
                assert slot.get() is None
                assert getattr(slot, "kept", EMPTY) is EMPTY


@pytest.mark.parametrize("greenlets", [False, True])
def test_contexts_and_tasks_where_few_libraries_are_imported(greenlets: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each context and each task has its own, whoever else may have to be asked."""
    for name in ("greenlet", "trio.lowlevel"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    if greenlets:
        monkeypatch.setitem(sys.modules, "greenlet", ModuleType("greenlet"))
    slot: ContextSlot[int] = ContextSlot()

    def keep_another() -> None:
        assert not hasattr(slot, "kept")
        kept = Kept(1)
        slot.put(kept)
        assert slot.kept is kept

    async def keep_in_task() -> None:
        keep_another()

    keep_another()
    mine = slot.kept
    copy_context().run(keep_another)
    asyncio.run(keep_in_task())
    assert slot.kept is mine


@pytest.mark.parametrize("name", ["WERKZEUG", "GEVENT", "EVENTLET"])
def test_missing_library(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A scope whose library is missing says what to install, when the proxy is made."""
    library = name.lower()
    monkeypatch.setitem(sys.modules, library, None)
    hint = rf"pip install {library} \(this package's extra '{library}'\)"
    with pytest.raises(ProxyException, match=f"^scope {name} needs {library}, which .*: {hint}$") as raised:
        Proxy(scope=Scope[name])
    assert isinstance(raised.value.__cause__, ImportError)


def test_what_is_not_there_has_no_object() -> None:
    """The one that stands for nothing has no object, and nobody can use it for one."""
    assert not hasattr(EMPTY, "obj")


# --- threads -------------------------------------------------------------------------------------------


def test_threads_are_greenlets_where_they_are_patched(monkeypatch: pytest.MonkeyPatch) -> None:
    """Scope THREAD looks whether gevent or eventlet has patched threads, when the first object is needed."""
    greenlets: list[SharedSlot[object]] = []

    def greenlet_slot() -> SharedSlot[object]:
        greenlets.append(SharedSlot())
        return greenlets[-1]

    monkeypatch.setattr("ProxyPatternPool._scope.select._greenlet_slot", greenlet_slot)
    gevent, eventlet = ModuleType("gevent.monkey"), ModuleType("eventlet.patcher")
    monkeypatch.setitem(sys.modules, "gevent.monkey", gevent)
    monkeypatch.setitem(sys.modules, "eventlet.patcher", eventlet)
    for by_gevent, by_eventlet, expected in ((False, False, 0), (True, False, 1), (False, True, 2)):
        before = Proxy(fun=Thing)
        of_gevent, of_eventlet = Mock(return_value=by_gevent), Mock(return_value=by_eventlet)
        monkeypatch.setattr(gevent, "is_object_patched", of_gevent, raising=False)
        monkeypatch.setattr(eventlet, "is_monkey_patched", of_eventlet, raising=False)
        assert before.number == 0
        of_gevent.assert_called_with("_thread", "start_new_thread")
        if not by_gevent:
            of_eventlet.assert_called_with("thread")
        assert len(greenlets) == expected

    monkeypatch.setattr(eventlet, "is_monkey_patched", Mock(return_value=False))
    works = Works()
    used = Proxy(fun=works.make, closer=works.close)
    assert used.number == 0
    monkeypatch.setattr(eventlet, "is_monkey_patched", Mock(return_value=True))
    assert used.number == 0  # what this thread has
    assert Caller(lambda: used.number).result() == 1
    eventually(lambda: [thing.number for thing in works.closed] == [0])  # nobody finds it any more
    assert used.number == 1
    assert len(greenlets) == 3


def test_threads_that_see_at_once_that_they_are_greenlets(
    scheduler: FakeScheduler, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both make a slot, and both keep what they have in the same one: nothing is taken away from the slower."""
    db = Proxy(fun=Thing, max_size=2, min_size=0)
    assert db.number == 0
    db._ret_obj()
    together, leave = threading.Barrier(2), threading.Event()

    def greenlet_slot() -> ThreadSlot[object]:
        together.wait(20)
        return ThreadSlot()

    monkeypatch.setattr("ProxyPatternPool._scope.select._greenlet_slot", greenlet_slot)
    monkeypatch.setattr("ProxyPatternPool._proxy.taking.threads_are_greenlets", lambda: True)
    monkeypatch.setattr("ProxyPatternPool._scope.select.threads_are_greenlets", lambda: True)
    used: list[int] = []

    def use() -> bool:
        mine = db._get_obj()
        used.append(mine.number)
        wait_for(leave)
        return hasattr(control(db)._owners.kept(), "obj")

    users = [Caller(use) for _ in range(2)]
    eventually(lambda: sorted(used) == [0, 1])
    leave.set()
    assert [user.result() for user in users] == [True, True]


def test_thread_of_the_last_scope_is_used_on(scheduler: FakeScheduler) -> None:
    """A proxy that first has one object for all, and then one for each thread, and the reverse."""
    db: Any = Proxy("shared")
    assert Caller(lambda: str(db)).result() == str(db) == "shared"
    db.set_fun("own {}".format)
    assert [str(db), Caller(lambda: str(db)).result(), str(db)] == ["own 0", "own 1", "own 0"]
    db.set_obj("shared again")
    assert Caller(lambda: str(db)).result() == str(db) == "shared again"


# --- contexts ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [lambda: ask_collector, memory_reader])
def test_current_context(make: Callable[[], Callable[[], Context]]) -> None:
    """The context itself, and not a copy, whichever way it is found."""
    current_context = make()
    mine = current_context()
    assert type(mine) is Context
    assert current_context() is mine
    copy = copy_context()
    assert copy.run(current_context) is copy
    assert Caller(current_context).result() is not mine
    assert current_task() is None


def test_no_thread_is_stopped_without_the_gil() -> None:
    """There the collector would stop all of them, at each use of a proxy."""
    assert (current_context is ask_collector) == GIL
    assert memory_reader() is not ask_collector


@pytest.mark.parametrize("address", [None, 0])
def test_where_memory_is_not_as_known(address: int | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without ``ctypes``, or with a token that begins with something else, the collector is asked."""

    class Pointer:
        @staticmethod
        def from_address(_: int) -> SimpleNamespace:
            return SimpleNamespace(value=address)

    monkeypatch.setitem(sys.modules, "ctypes", None if address is None else SimpleNamespace(c_void_p=Pointer))
    assert memory_reader() is ask_collector


def test_entered_contexts() -> None:
    """All that the thread runs in, the one in which it began among them; what a variable holds is none of them."""
    variable: ContextVar[Context] = ContextVar("variable")
    inner, innermost, other = copy_context(), copy_context(), copy_context()
    innermost.run(variable.set, other)

    def nested() -> tuple[list[Context], list[Context]]:
        outside, base = list(entered_contexts()), current_context()
        inside = inner.run(innermost.run, lambda: list(entered_contexts()))
        assert outside[0] is base
        return outside, inside

    outside, inside = Caller(nested).result()
    assert len(outside) == 1
    assert len(inside) == 3
    assert inside[0] is innermost
    assert inside[1] is inner
    assert inside[2] is outside[0]


def test_contexts_do_not_inherit(scheduler: FakeScheduler) -> None:
    """A context that is a copy has an object of its own; the original's stays its own."""
    works = Works()
    db = Proxy(fun=works.make, scope=Scope.CONTEXT, max_size=5, closer=works.close)
    assert control(db).scope is Scope.CONTEXT
    assert db.number == 0
    copies = [copy_context()]
    assert copies[0].run(lambda: db.number) == 1
    assert copies[0].copy().run(lambda: db.number) == 2
    assert Caller(lambda: copies[0].run(lambda: db.number)).result() == 1
    assert Context().run(lambda: db.number) == 2, "the copy's copy is gone, and its object came back"
    assert db.number == 0
    assert copies[0].run(lambda: db.number) == 1
    copies.clear()
    scheduler.run()
    assert db._pool is not None
    assert db._pool.stats()["nusing"] == 1
    assert works.closed == []


def test_a_context_is_not_kept_alive() -> None:
    """What is kept for a context neither keeps it nor waits for the collector."""
    db = Proxy(fun=Thing, scope=Scope.CONTEXT)
    gc.disable()
    try:
        context = copy_context()
        thing = weakref.ref(context.run(db._get_obj))
        gone = weakref.ref(context)
        assert thing() is not None
        del context
        assert gone() is None
    finally:
        gc.enable()


def test_tasks(scheduler: FakeScheduler) -> None:
    """In asyncio each task has its own, child tasks, threads, callbacks and copied contexts among them."""
    db = Proxy(fun=Thing, scope=Scope.CONTEXT, max_size=20)

    async def child() -> int:
        first: int = db.number
        await asyncio.sleep(0)
        assert db.number == first
        return first

    async def parent() -> None:
        mine: int = db.number
        assert current_task() is asyncio.current_task()
        children = await asyncio.gather(child(), child(), asyncio.create_task(child()))
        in_thread = await asyncio.to_thread(lambda: int(db.number))
        called: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_soon(lambda: called.set_result(db.number))
        in_callback = await called
        in_copy = copy_context().run(lambda: int(db.number))
        assert mine not in (*children, in_thread, in_callback, in_copy)
        assert len(set(children)) == 3
        assert db.number == mine

    asyncio.run(parent())
    scheduler.run()
    assert db._pool is not None
    assert db._pool.stats()["nusing"] == 0


@pytest.mark.skipif(sys.version_info < (3, 11), reason="tasks cannot share a context before 3.11")
def test_tasks_that_share_a_context(scheduler: FakeScheduler) -> None:
    """Two tasks in one context do not take each other's object away."""
    db = Proxy(fun=Thing, scope=Scope.CONTEXT, max_size=3)
    asyncio.run(use_in_one_context(db))


def test_tasks_of_trio_that_share_a_context() -> None:
    """Each has its own there, too, until it ends, be it referred to or not."""
    slot: ContextSlot[int] = ContextSlot()
    had: list[weakref.ref[Kept[int]]] = []
    tasks: list[object] = []

    async def use() -> None:
        tasks.append(trio.lowlevel.current_task())
        assert slot.get() is None
        assert not hasattr(slot, "kept")
        kept = slot.put(Kept(1))
        had.append(weakref.ref(kept))
        await trio.lowlevel.checkpoint()
        assert slot.kept is slot.get() is kept

    async def main() -> None:
        context = copy_context()
        for _ in range(2):
            trio.lowlevel.spawn_system_task(use, context=context)
        await trio.testing.wait_all_tasks_blocked()
        assert [kept() for kept in had] == [None, None]
        assert len(tasks) == 2

    trio.run(main)


# --- owners that have gone ------------------------------------------------------------------------------


def test_a_task_that_runs_in_many_contexts_is_linked_to_once() -> None:
    """And when it ends, the records that it had in any of them are deleted."""
    linked: list[int] = []

    class Counting(ContextSlot[int]):
        def _link(self, owner: object, end: Callable[..., object]) -> None:
            super()._link(owner, end)
            if isinstance(owner, asyncio.Task):
                linked.append(id(cast("object", owner)))

    async def many(slot: Counting, contexts: list[Context]) -> None:
        for context in contexts:
            context.run(slot.put, Kept(1))
        for _ in range(500):
            Context().run(slot.put, Kept(1))
        task = asyncio.current_task()
        assert linked == [id(task)]
        assert len(slot._records) == len(contexts)
        assert len(slot._parts[id(task)][1]) <= 2 * len(contexts) + 17

    async def main() -> None:
        slot, contexts = Counting(), [Context() for _ in range(100)]
        await asyncio.create_task(many(slot, contexts))
        await asyncio.sleep(0)
        assert slot._records == {}
        assert len(contexts) == 100

    asyncio.run(main())


def test_records_are_tidied_up() -> None:
    """Of owners that have gone nothing is left, however many there were."""
    slot: ContextSlot[int] = ContextSlot()
    contexts = [Context() for _ in range(100)]
    assert all(context.run(slot.put, Kept(1)) for context in contexts)
    assert len(slot._records) == len(slot._filled) == 100
    contexts.clear()
    assert slot._records == {}
    Context().run(slot.put, Kept(1))
    assert len(slot._filled) < 20
    slot.drop_ended()
    assert not slot._parts


def test_a_slot_that_is_gone() -> None:
    """A task that ends after the proxy is gone tells nobody."""
    failed: list[dict[str, Any]] = []

    async def outlive_a_slot() -> None:
        slots: list[ContextSlot[int]] = [ContextSlot()]
        slots[0].put(Kept(1))
        gone = weakref.ref(slots[0])
        slots.clear()
        gc.collect()
        assert gone() is None

    async def main() -> None:
        # What a callback of a task raises goes nowhere else.
        asyncio.get_running_loop().set_exception_handler(lambda _, context: failed.append(context))
        await asyncio.create_task(outlive_a_slot())
        await asyncio.sleep(0)

    asyncio.run(main())
    assert failed == []


def test_where_the_owner_of_a_block_is() -> None:
    """Elsewhere, unless it runs in the context of the block, or in one that was entered from there."""
    context = copy_context()
    block = context.run(OpenBlock)
    block.owner = object()
    assert block.owner_is_elsewhere()
    assert not context.run(block.owner_is_elsewhere)
    assert not context.run(lambda: copy_context().run(block.owner_is_elsewhere))
