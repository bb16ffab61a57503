"""Forks in C, of which Python's hooks hear nothing: they are noticed, in time and once; and uWSGI says so itself."""

from __future__ import annotations

import ctypes
import os
import sys
from types import ModuleType
from typing import Any

import pytest

from ProxyPatternPool import Pool
from ProxyPatternPool._runtime import process, uwsgi_hook

from .clock import FakeScheduler
from .helpers import Thing, run_script

forking = pytest.mark.skipif(not hasattr(os, "fork"), reason="the system cannot fork")
both = pytest.mark.parametrize("who", ["c", "slow"])
everyone = pytest.mark.parametrize("who", ["python", "c", "slow"])


@forking
@everyone
@pytest.mark.parametrize("use", ["get", "block", "lease", "stats", "owners", "drain", "other"])
def test_once(use: str, who: str) -> None:
    """Whatever is used first in a child, all that is to be done there is done, once."""
    assert all("child's" in line for line in run_script("c_forks", "once", who, use))


@forking
@both
@pytest.mark.parametrize("case", ["several_at_once", "interrupted", "within"])
def test_whoever_comes(case: str, who: str) -> None:
    """Several at once, one who is interrupted, one who interrupts: it is done once, and all wait for it."""
    assert run_script("c_forks", case, who) == []


@forking
@everyone
def test_proxies(who: str) -> None:
    """What the parent's owners keep is not the child's, with a pool or without."""
    assert all(line.startswith("child: closed child's") for line in run_script("c_forks", "proxies", who))


@forking
@everyone
@pytest.mark.parametrize("case", ["dropped_unused", "returned_as_broken", "returned_by_ret"])
def test_nothing_is_freed(case: str, who: str) -> None:
    """What a child does with a parent's objects before anybody has noticed does not free them, and runs no hook."""
    assert run_script("c_forks", case, who) == []


@forking
@everyone
def test_maintenance(who: str) -> None:
    """Maintenance in a child is done by a thread of its own, though the parent's was there when it was forked."""
    lines = run_script("c_forks", "threads_in_the_child", who)
    assert lines == ["parent: closed parent's thing 0", "child: closed child's thing 0"]


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


# What the kernel is asked for. -------------------------------------------------------------------------


class System:
    """A ctypes as it might be elsewhere: it has a kernel that gives these answers, and sees this in every slot."""

    def __init__(self, answers: dict[int, int], slot: int | None = None) -> None:
        self.asked: list[int] = []
        self._answers = answers
        self._slot = slot
        self.c_size_t = int
        self.c_void_p = self

    def CDLL(self, name: None) -> System:  # noqa: N802  # ctypes' name
        return self

    def madvise(self, start: object, length: object, advice: int) -> int:
        self.asked.append(advice)
        return self._answers.get(advice, -1)

    def __call__(self, address: int) -> object:
        return ctypes.c_void_p(address)

    def from_address(self, address: int) -> object:
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
    system = System({18: 0})
    assert [can_wipe(monkeypatch, system) for _ in range(20)] == [True] * 20
    assert system.asked == [process._NO_ADVICE, 18] * 20


@pytest.mark.parametrize("answers", [{}, {18: -1}, {18: 0, process._NO_ADVICE: 0}])
def test_a_kernel_that_cannot(monkeypatch: pytest.MonkeyPatch, answers: dict[int, int]) -> None:
    """A kernel that knows nothing of it is not trusted, nor is one that says yes to everything."""
    assert not can_wipe(monkeypatch, System(answers))


def test_a_slot_that_is_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where an interpreter lays out its objects in another way, nothing is wiped."""
    system = System({18: 0}, slot=1)
    assert not can_wipe(monkeypatch, system)
    assert system.asked == []


def test_without_ctypes(monkeypatch: pytest.MonkeyPatch) -> None:
    """An interpreter that was built without it compares, and so does one whose system has no such function."""
    assert not can_wipe(monkeypatch, None)
    assert not can_wipe(monkeypatch, ModuleType("ctypes"))


def test_where_nothing_forks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is no fork, nobody watches for one."""
    monkeypatch.setattr(process, "_watched", False)
    monkeypatch.delattr(os, "fork")
    process.watch_for_forks()
    assert not process._watched


# uWSGI. --------------------------------------------------------------------------------------------------


class Server:
    """The module as the server makes it, and what it does after a fork: look into the module's dict, and call."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.called: list[str] = []
        monkeypatch.setattr(uwsgi_hook, "notice_fork", self.notice_fork)
        self.module: Any = ModuleType("uwsgi")
        vars(self.module)["worker_id"] = int
        monkeypatch.setitem(sys.modules, "uwsgi", self.module)

    def notice_fork(self) -> None:
        self.called.append("ours")

    def theirs(self) -> None:
        self.called.append("theirs")

    def forks(self) -> list[str]:
        self.called.clear()
        vars(self.module)["post_fork_hook"]()
        return self.called


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Server:
    return Server(monkeypatch)


def test_uwsgi(server: Server, scheduler: FakeScheduler) -> None:
    """A pool that is made in uWSGI has each worker start anew."""
    Pool(Thing, min_size=0)
    assert server.forks() == ["ours"]
    assert not hasattr(server.module, "post_fork_hook"), "nobody has set one"


def test_uwsgi_hook_set_before(server: Server, scheduler: FakeScheduler) -> None:
    """A hook that there was is called as well, after ours, and is what everyone sees; ours comes once."""
    server.module.post_fork_hook = server.theirs
    for _ in range(2):
        Pool(Thing, min_size=0)
    assert server.forks() == ["ours", "theirs"]
    assert server.module.post_fork_hook == server.theirs


def test_uwsgi_hook_set_later(server: Server, scheduler: FakeScheduler) -> None:
    """A hook that is set later, as by uwsgidecorators, does not replace ours, nor does its end."""
    Pool(Thing, min_size=0)
    server.module.post_fork_hook = server.theirs
    assert server.module.post_fork_hook == server.theirs
    assert server.forks() == ["ours", "theirs"]
    del server.module.post_fork_hook
    assert server.forks() == ["ours"]
    with pytest.raises(AttributeError):
        del server.module.post_fork_hook
    server.module.mine = 1
    assert server.module.mine == 1


def test_another_uwsgi(monkeypatch: pytest.MonkeyPatch, scheduler: FakeScheduler) -> None:
    """Another module of that name is left alone."""
    module = ModuleType("uwsgi")
    monkeypatch.setitem(sys.modules, "uwsgi", module)
    Pool(Thing, min_size=0)
    assert "post_fork_hook" not in vars(module)
