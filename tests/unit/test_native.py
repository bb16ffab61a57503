"""The primitives below everything: locks, threads, and when a thread has ended."""

from __future__ import annotations

import _thread
import ctypes
import gc
import sys
import threading
import time
import weakref
from collections.abc import Callable
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest

from ProxyPatternPool._runtime import native
from ProxyPatternPool._runtime.native import KeptRLock, acquire, allocate_lock, new_rlock, start_thread

from .helpers import Caller, eventually, wait_for


def test_a_time_that_is_over_at_once() -> None:
    """However short a time is, and whatever was in the queue before, it is not waited for ever."""
    queue: native.SimpleQueue[int] = native.SimpleQueue()

    def get() -> None:
        for number in range(20_000):
            queue.put(number)
            assert native.get_within(queue, 1e-6) == number
            with pytest.raises(native.Empty):
                native.get_within(queue, 1e-6)

    Caller(get).result()


@pytest.mark.parametrize(
    ("step", "clock"), [(1e-9, time.monotonic), (0.001, time.monotonic), (0.015625, time.perf_counter)]
)
def test_a_clock_with_small_steps(step: float, clock: Callable[[], float], monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the steady clock moves as seldom as on Windows before Python 3.13 another one is read."""
    info = SimpleNamespace(resolution=step)
    monkeypatch.setattr(time, "get_clock_info", {"monotonic": info}.__getitem__)
    assert native.steady_clock() is clock


@pytest.mark.parametrize("make", [new_rlock, KeptRLock])
def test_thrown_in_as_a_lock_is_acquired(make: Callable[[], native.Lock]) -> None:
    """Wherever it arrives in a with statement the lock comes free again, though Python 3.14 forgets it."""
    main = threading.get_ident()
    lock = make()
    held, waits = threading.Event(), threading.Event()

    def interrupt() -> None:
        frames = vars(sys)["_current_frames"]
        with lock:
            held.set()
            wait_for(waits)
            eventually(lambda: frames()[main].f_code.co_name in ("wait", "__enter__"))
            ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(main), ctypes.py_object(KeyboardInterrupt))

    def wait() -> None:
        waits.set()
        with lock:
            pass

    caller = Caller(interrupt)
    wait_for(held)
    with pytest.raises(KeyboardInterrupt):
        wait()
    caller.result()
    assert Caller(lambda: lock.acquire(False)).result(), "another thread can have it"


@pytest.mark.parametrize("make", [new_rlock, KeptRLock])
def test_a_lock_says_that_it_is_held(make: Callable[[], native.Lock]) -> None:
    """As those of the interpreter do; its thread may take it again."""
    with make() as lock, make() as other:
        assert (lock, other) == (True, True)


def test_a_lock_that_is_not_acquired_is_not_released() -> None:
    """What a signal handler raises while a thread waits for a lock comes out, and the lock is whose it was."""

    class Interrupted(KeptRLock):
        def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), Interrupted():  # it would raise another error if it were released
        pass


def test_acquire() -> None:
    """A lock is acquired within some seconds, at once, or for ever."""
    lock = allocate_lock()
    assert acquire(lock, 0)
    assert not acquire(lock, 0)
    assert not acquire(lock, -1)
    start = time.monotonic()
    assert not acquire(lock, 0.02)
    assert time.monotonic() - start >= 0.02
    waiting = Caller(lambda: acquire(lock, None))
    lock.release()
    assert waiting.result()
    lock.release()
    assert acquire(lock, 1e300), "longer than a system can wait"


def test_start_thread() -> None:
    """A thread is started without a Thread object."""
    done = threading.Event()
    before = set(threading.enumerate())
    assert start_thread(done.set)
    wait_for(done)
    assert set(threading.enumerate()) <= before


def test_no_thread_to_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no thread can be started one is told, and nothing is raised."""

    def refuse(run: Callable[[], None], args: tuple[()]) -> int:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(native, "_start_new_thread", refuse)
    assert not start_thread(lambda: None)


def test_primitives_are_the_interpreters() -> None:
    """In a process that nobody has patched the primitives are the interpreter's own."""
    primitives: list[object] = [native.allocate_lock, native.get_ident]
    assert primitives == [_thread.allocate_lock, _thread.get_ident]
    assert native._original("time", "monotonic") is time.monotonic


def test_primitives_before_gevent(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where gevent has patched something, what was there before is taken."""

    class Monkey:
        @staticmethod
        def is_object_patched(module: str, name: str) -> bool:
            return (module, name) == ("_thread", "get_ident")

        @staticmethod
        def get_original(module: str, name: str) -> str:
            return f"original {module}.{name}"

    monkeypatch.setitem(sys.modules, "gevent.monkey", Monkey)
    assert native._original("_thread", "get_ident") == "original _thread.get_ident"
    assert native._original("_thread", "allocate_lock") is _thread.allocate_lock


@pytest.mark.parametrize("patched", [True, False])
def test_primitives_before_eventlet(patched: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where eventlet has patched threads, what was there before is taken."""

    class Patcher:
        @staticmethod
        def is_monkey_patched(what: str) -> bool:
            return patched and what == "thread"

        @staticmethod
        def original(module: str) -> SimpleNamespace:
            return SimpleNamespace(get_ident=f"original {module}")

    monkeypatch.setitem(sys.modules, "eventlet.patcher", Patcher)
    assert (native._original("_thread", "get_ident") == "original _thread") == patched


def test_a_thread_reference() -> None:
    """A thread reference is alive as long as its thread, and no longer."""
    go_on = threading.Event()
    references: list[weakref.ref[Any]] = []

    def job() -> None:
        references.append(native.thread_reference())
        wait_for(go_on)

    caller = Caller(job)
    eventually(lambda: references)
    gc.collect()
    assert references[0]() is not None
    go_on.set()
    caller.result()
    eventually(lambda: references[0]() is None)
    assert native.thread_reference()() is native.thread_reference()() is not None


def test_the_end_of_a_thread_reference() -> None:
    """Whoever holds a thread reference can have something called at the end of its thread; others cost nothing."""
    go_on = threading.Event()
    ended: list[str] = []
    references: list[weakref.ref[Any]] = []

    def job() -> None:
        references.append(native.thread_reference(partial(ended.append, "held")))
        native.thread_reference(partial(ended.append, "let go"))
        assert native.thread_reference() is native.thread_reference()
        wait_for(go_on)

    caller = Caller(job)
    eventually(lambda: references)
    gc.collect()
    assert not ended
    go_on.set()
    caller.result()
    eventually(lambda: ended)
    assert ended == ["held"]
    assert references[0]() is None
