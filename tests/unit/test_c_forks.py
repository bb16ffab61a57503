"""Forks in C, of which Python's hooks hear nothing: they are noticed, in time and once; and uWSGI says so itself."""

from __future__ import annotations

import os
import sys
from types import ModuleType
from typing import Any

import pytest

from ProxyPatternPool import Pool
from ProxyPatternPool._runtime import uwsgi_hook

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
