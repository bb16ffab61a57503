"""Which process this is, and what a fork leaves as it is, as far as it can be seen without another program."""

from __future__ import annotations

import ctypes
import os
import sys
import threading
from collections.abc import Callable
from functools import partial
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from ProxyPatternPool import Pool, PoolException
from ProxyPatternPool._runtime import fork, process, uwsgi_hook
from ProxyPatternPool._runtime.owner import here
from ProxyPatternPool._runtime.process import Process, notice_fork, this_process, wipe_on_fork
from ProxyPatternPool._runtime.uwsgi_hook import hook_into_uwsgi

from .clock import FakeScheduler
from .helpers import Caller, Thing, wait_for

process.watch_for_forks()
COMPARED = isinstance(vars(process._Slot)["here"], property)
"""Whether this kernel empties no page in the children of a fork, so that the ids of processes are compared."""


@pytest.mark.skipif(COMPARED, reason="this kernel cannot")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_the_slot_is_empty_in_a_child() -> None:
    """Nobody but the kernel says so. In the parent it stays as it is."""
    known = Process()
    known.here = here()
    assert wipe_on_fork(known)
    child = os.fork()
    if not child:
        os._exit(3 if hasattr(known, "here") else 7)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    assert known.here is here()
    fork.never_free(known)  # whatever came into its page would be emptied


@pytest.mark.parametrize(
    ("platform", "implementation", "empties", "asked"),
    [
        ("linux", "cpython", True, True),
        ("linux", "cpython", False, True),
        ("linux", "pypy", True, False),
        ("darwin", "cpython", True, False),
    ],
)
def test_how_forks_are_noticed(
    platform: str, implementation: str, empties: bool, asked: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once: by an empty page where the kernel can do that, else by the ids of the processes."""
    done: list[object] = []

    def wipe(known: Process) -> bool:
        done.append(known)
        return empties

    monkeypatch.setattr(process, "_watched", False)
    monkeypatch.setattr(process, "wipe_on_fork", wipe)
    monkeypatch.setattr(process, "never_free", done.append)
    monkeypatch.setattr(process, "compare_process_ids", lambda: done.append("compared"))
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setattr(sys, "implementation", SimpleNamespace(name=implementation))
    process.watch_for_forks()
    process.watch_for_forks()
    assert done == [this_process] * asked + [this_process if asked and empties else "compared"]


def test_where_nothing_forks(monkeypatch: pytest.MonkeyPatch) -> None:
    """There is nothing to notice."""
    monkeypatch.setattr(process, "_watched", False)
    monkeypatch.setattr(process, "wipe_on_fork", pytest.fail)
    monkeypatch.setattr(process, "compare_process_ids", pytest.fail)
    monkeypatch.delattr(os, "fork", raising=False)
    process.watch_for_forks()
    assert not process._watched


@pytest.fixture
def uwsgi(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The module of the server."""
    module = ModuleType("uwsgi")
    monkeypatch.setitem(sys.modules, "uwsgi", module)
    return module


def test_another_module_of_that_name_is_left_alone(uwsgi: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has not what the server's has; and where there is none there is nothing to do."""
    hook_into_uwsgi()
    assert type(uwsgi) is ModuleType
    assert "post_fork_hook" not in vars(uwsgi)
    monkeypatch.delitem(sys.modules, "uwsgi")
    hook_into_uwsgi()


@pytest.mark.parametrize("first", [True, False])
def test_the_hook_of_uwsgi_is_the_applications_too(first: bool, uwsgi: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server calls ours, which calls the application's, whoever came first."""
    called: list[str] = []
    notice = partial(called.append, "ours")
    monkeypatch.setattr(uwsgi_hook, "notice_fork", notice)
    theirs = partial(called.append, "theirs")
    uwsgi.worker_id = int
    if first:
        uwsgi.post_fork_hook = theirs
    hook_into_uwsgi()
    if not first:
        assert vars(uwsgi)["post_fork_hook"] is notice
        with pytest.raises(AttributeError, match=r"^module 'uwsgi' has no attribute 'post_fork_hook'$"):
            _ = uwsgi.post_fork_hook
        uwsgi.post_fork_hook = theirs
    hook_into_uwsgi()  # once more, by another application
    assert uwsgi.post_fork_hook is theirs
    vars(uwsgi)["post_fork_hook"]()
    assert called == ["ours", "theirs"]
    del uwsgi.post_fork_hook
    assert vars(uwsgi)["post_fork_hook"] is notice
    with pytest.raises(AttributeError, match=r"^post_fork_hook$"):
        del uwsgi.post_fork_hook


def test_a_pool_has_the_server_tell(uwsgi: ModuleType, scheduler: FakeScheduler) -> None:
    """It need not be imported after the server has made its module: that is looked for when a pool is made."""
    vars(uwsgi)["worker_id"] = int
    Pool(Thing, 1, 0)
    assert vars(uwsgi)["post_fork_hook"] is notice_fork


def test_without_ctypes_nothing_is_emptied(monkeypatch: pytest.MonkeyPatch) -> None:
    """An interpreter may have been built without it; what needs it before a fork does without it, too."""
    known = Process()
    known.here = here()
    monkeypatch.setitem(sys.modules, "ctypes", None)
    fork._before_fork()
    assert not wipe_on_fork(known)
    monkeypatch.setitem(sys.modules, "ctypes", ModuleType("ctypes"))
    assert not wipe_on_fork(known), "there may be no such function"
    monkeypatch.delitem(sys.modules, "ctypes")
    fork._before_fork()
    assert "ctypes" in sys.modules, "a child may find the lock of imports held for ever"


@pytest.mark.parametrize("ctypes", [True, False])
def test_what_is_never_freed(ctypes: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """One reference outlives even the lists of modules, which are emptied at exit."""
    if not ctypes:
        monkeypatch.setitem(sys.modules, "ctypes", None)
    thing = Thing(1)
    before = sys.getrefcount(thing)
    fork.never_free(thing)
    assert sys.getrefcount(thing) == before + 1 + ctypes
    assert fork._inherited.pop() is thing


def test_what_is_not_half_done_in_a_fork(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fork waits for it, though not for ever; in the child nobody does it."""
    monkeypatch.setattr(fork, "MOST_DELAY", 0.01)
    monkeypatch.delattr(os, "register_at_fork")  # it would stay registered
    guard = fork.NotWhileForking()
    guard.before()
    started, done = threading.Event(), threading.Event()

    def work() -> None:
        started.set()
        with guard:
            done.set()

    worker = Caller(work)
    wait_for(started)
    assert not done.is_set()
    guard.in_parent()
    worker.result()
    assert done.is_set()
    with guard:
        guard.before()  # in vain
        guard.in_parent()
    guard.before()
    guard.in_child()
    with guard:
        pass


def test_a_fork_asks_for_what_must_not_be_half_done(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who holds the lock goes on first; a child begins with one that nobody holds."""
    steps: dict[str, Callable[[], None]] = {}
    monkeypatch.setattr(os, "register_at_fork", steps.update, raising=False)
    monkeypatch.setattr(fork, "MOST_DELAY", 0.01)
    lock = fork.NotWhileForking()
    with lock:
        Caller(steps["before"]).result()
        steps["after_in_parent"]()
        assert lock._lock.acquire(False) is False, "its holder still has it"
    steps["before"]()
    assert lock._lock.acquire(False) is False, "nobody else may take it while the process forks"
    steps["after_in_parent"]()
    with lock:
        pass
    steps["before"]()
    steps["after_in_child"]()
    with lock:
        steps["after_in_parent"]()
        assert lock._lock.acquire(False) is False, "the child has not forked"


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> list[Callable[[], None]]:
    """What is done in a child, in this process."""
    steps: list[Callable[[], None]] = []
    monkeypatch.setattr(process, "_steps", steps)
    return steps


def test_a_child_starts_anew_once(steps: list[Callable[[], None]]) -> None:
    """In the order in which it was asked for; until then its pools are its parent's."""
    done: list[tuple[int, bool]] = []

    def note(number: int) -> None:
        done.append((number, process.belongs_to_parent()))

    for number in (1, 2):
        process.call_in_child(partial(note, number))
    assert (notice_fork(), done) == (False, [])
    del this_process.here
    assert notice_fork()
    assert done == [(1, True), (2, True)]
    assert (notice_fork(), process.belongs_to_parent(), this_process.here) == (False, False, here())
    process._after_fork_in_child()
    assert len(done) == 2, "nobody has begun to fork"
    process._before_fork()
    process._after_fork_in_child()
    assert done[2:] == [(1, False), (2, False)]
    process._after_fork_in_child()
    assert len(done) == 4


def test_who_comes_while_a_child_starts_anew(steps: list[Callable[[], None]]) -> None:
    """Another thread waits; in the same one, which would wait for itself, it is an error; what failed is done again."""
    done: list[object] = []
    others: list[Caller[bool]] = []

    def meanwhile() -> None:
        if not done:
            done.append("interrupted")
            raise KeyboardInterrupt
        with pytest.raises(PoolException, match=r"^called by a finalizer or signal handler while a forked process"):
            notice_fork()
        others.append(Caller(notice_fork))
        done.append(threading.get_ident())

    steps.append(meanwhile)
    del this_process.here
    with pytest.raises(KeyboardInterrupt):
        notice_fork()
    assert notice_fork()
    assert others[0].result() in (True, False)  # as it may have come late
    assert done == ["interrupted", threading.get_ident()]


# Starting anew. ---------------------------------------------------------------------------------------


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere there is no slot to empty")
def test_another_has_just_finished(monkeypatch: pytest.MonkeyPatch) -> None:
    """A thread that finds that another has just started the process anew does not do it again."""
    here = process.this_process.here
    done: list[None] = []

    class Late(dict[int, object]):
        def setdefault(self, key: int, default: object = None) -> object:
            process.this_process.here = here
            return default

    monkeypatch.setattr(process, "_restarts", Late())
    monkeypatch.setattr(process, "_steps", [lambda: done.append(None)])
    del process.this_process.here
    try:
        assert process.notice_fork()
    finally:
        process.this_process.here = here
    assert not done


def test_a_child_that_has_started_anew_already(monkeypatch: pytest.MonkeyPatch) -> None:
    """A child that has started anew before Python tells that it is one does not do it again."""
    done: list[None] = []
    monkeypatch.setattr(process, "_steps", [lambda: done.append(None)])
    process._after_fork_in_child()
    assert not done


def test_a_fork_while_it_starts_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """A child may fork while it starts anew, as a signal handler may: its own child does it for itself."""
    done: list[int] = []

    def step() -> None:
        done.append(os.getpid())
        if len(done) == 1:
            patch.setattr(os, "getpid", lambda: 2)
            process._start_anew(forked=True)

    with monkeypatch.context() as patch:
        patch.setattr(os, "getpid", lambda: 1)
        patch.setattr(process, "_steps", [step])
        process._start_anew(forked=True)
    process.refresh_here()
    assert done == [1, 2]


# What the kernel is asked for. -------------------------------------------------------------------------


class System:
    """A ctypes as it might be elsewhere: it has a kernel that gives these answers, and sees this in every slot."""

    def __init__(self, answers: dict[int, int], slot: int | None = None) -> None:
        self.asked: list[tuple[int | None, int, int]] = []
        self._answers = answers
        self._slot = slot
        self.c_size_t = int
        self.c_void_p = self

    def CDLL(self, name: None) -> System:  # noqa: N802  # ctypes' name
        return self

    def madvise(self, start: ctypes.c_void_p, length: int, advice: int) -> int:
        self.asked.append((start.value, length, advice))
        return self._answers.get(advice, -1)

    def __call__(self, address: int) -> ctypes.c_void_p:
        return ctypes.c_void_p(address)

    def from_address(self, address: int) -> ctypes.c_void_p:
        return ctypes.c_void_p.from_address(address) if self._slot is None else ctypes.c_void_p(self._slot)


def can_wipe(monkeypatch: pytest.MonkeyPatch, system: object) -> bool:
    """Whether a slot can be emptied on such a system."""
    one = process.Process()
    one.here = process.this_process.here
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "ctypes", system)
        return process.wipe_on_fork(one)


@pytest.mark.skipif(sys.platform != "linux", reason="Linux alone wipes pages")
def test_the_slot_lies_in_a_page_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel is asked to empty what holds the slot, and nothing that is not the object's, wherever that is."""
    for _ in range(20):
        system = System({18: 0})
        assert can_wipe(monkeypatch, system)
        (page, length, first), second = system.asked
        assert (first, second) == (process._NO_ADVICE, (page, length, 18))
        assert page is not None
        assert page % length == 0
        assert length == process._PAGE


@pytest.mark.parametrize(
    ("start", "size", "fits"),
    [
        (64 - object.__basicsize__, 128, True),
        (72 - object.__basicsize__, 128, False),
        (64, 128, True),
        (64, 120, False),
    ],
)
def test_a_page_that_is_too_large(start: int, size: int, fits: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """An object may lie where no whole page is within it: then nothing is wiped."""
    system, known = System({18: 0}, slot=7), SimpleNamespace(here=None)

    def address(thing: object) -> int:
        return start if thing is known else 7

    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "ctypes", system)
        patch.setattr(process, "_PAGE", 64)
        patch.setattr(process, "_Slot", SimpleNamespace(__basicsize__=64 + 8))
        patch.setattr(process, "Process", SimpleNamespace(__basicsize__=size))
        patch.setattr(process, "id", address, raising=False)
        assert wipe_on_fork(known) is fits  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    assert [asked[:2] for asked in system.asked] == [(start // 64 * 64 + 64, 64)] * 2 * fits


@pytest.mark.parametrize("answers", [{}, {18: -1}, {18: 0, process._NO_ADVICE: 0}])
def test_a_kernel_that_cannot(monkeypatch: pytest.MonkeyPatch, answers: dict[int, int]) -> None:
    """A kernel that knows nothing of it is not trusted, nor is one that says yes to everything."""
    assert not can_wipe(monkeypatch, System(answers))


def test_a_slot_that_is_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where an interpreter lays out its objects in another way, nothing is wiped."""
    system = System({18: 0}, slot=1)
    assert not can_wipe(monkeypatch, system)
    assert system.asked == []
