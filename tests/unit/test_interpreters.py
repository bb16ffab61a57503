"""Several interpreters in a process: the end of one closes its pools, and leaves no thread behind."""

from __future__ import annotations

import sys
import threading
from types import SimpleNamespace

import pytest

from ProxyPatternPool._runtime import native

from .helpers import eventually, run_script

CLOSED = ["closed [0]", "closed [1]", "closed {'number': 0}"]
# Before 3.12 such an interpreter starts no threads at all, or else cannot be ended by Python while there are any.
KINDS = ["isolated"] if sys.version_info < (3, 12) else ["isolated", "legacy"]


@pytest.mark.parametrize("kind", KINDS)
def test_another_interpreter(kind: str) -> None:
    """Pools can be used in any interpreter, which ends when it is told to, with all objects closed."""
    lent, *closed, ended = run_script("interpreters", kind)
    assert (lent, sorted(closed), ended) == ("lent [1] [0]", CLOSED, "ended")


def test_an_interpreter_that_waits_for_threads() -> None:
    """Where the interpreter's end waits for all threads, those of the scheduler end before."""
    lent, ended, *closed = run_script("interpreters")
    assert (lent, sorted(closed), ended) == ("lent [1] [0]", CLOSED, "ended")


def test_a_thread_that_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """In another interpreter threads are no daemons; where it starts none, that is not an error."""
    monkeypatch.setattr(native, "MAIN_INTERPRETER", False)
    seen: list[bool] = []
    assert native.start_thread(lambda: seen.append(threading.current_thread().daemon))
    eventually(lambda: seen == [False])

    def cannot(thread: threading.Thread) -> None:
        raise RuntimeError("thread is not supported for isolated subinterpreters")

    monkeypatch.setattr(threading.Thread, "start", cannot)
    assert not native.start_thread(lambda: None)


@pytest.mark.parametrize("current", [0, 7])
def test_which_interpreter(monkeypatch: pytest.MonkeyPatch, current: int) -> None:
    """An interpreter knows whether it is the main one, whatever its version has for that."""
    interpreters = SimpleNamespace(get_current=lambda: current, get_main=lambda: 0)
    with monkeypatch.context() as patch:
        patch.setattr("_thread._is_main_interpreter", lambda: current == 0, raising=False)
        assert native._is_main_interpreter() is (current == 0)
    monkeypatch.delattr("_thread._is_main_interpreter", raising=False)
    monkeypatch.setitem(sys.modules, "_xxsubinterpreters", interpreters)
    assert native._is_main_interpreter() is (current == 0)
    monkeypatch.setitem(sys.modules, "_xxsubinterpreters", None)
    assert native._is_main_interpreter()
