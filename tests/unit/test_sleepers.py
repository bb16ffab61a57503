"""What a caller waits with, and the event loop that a pool belongs to."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from types import ModuleType, SimpleNamespace

import pytest

from ProxyPatternPool import Pool
from ProxyPatternPool._engine.steps import run
from ProxyPatternPool._runtime import hubs, waiting
from ProxyPatternPool._runtime.environment import Environment
from ProxyPatternPool._runtime.waiting import Hub, NativeSleeper, RunningHub
from ProxyPatternPool._scheduler.process import using_scheduler

from .clock import FakeScheduler
from .helpers import Caller, FakeHub, Thing


def test_a_wake_before_the_sleep_is_kept() -> None:
    """A caller that is woken before it sleeps does not sleep; several wake-ups count as one."""
    sleeper = NativeSleeper()
    sleeper.wake()
    sleeper.wake()
    assert sleeper.sleep(None)
    assert not sleeper.sleep(0)
    assert sleeper.hub is None
    assert sleeper.alive()
    sleeper.dispose()
    assert sleeper.alive()


def test_sleep_until_woken_or_over() -> None:
    """A sleep ends when it is woken, or when its time is over."""
    sleeper = NativeSleeper()
    start = time.monotonic()
    assert not sleeper.sleep(0.02)
    assert time.monotonic() - start >= 0.02
    sleeping = Caller(lambda: sleeper.sleep(30))
    sleeper.wake()
    assert sleeping.result()
    assert time.monotonic() - start < 20


class Hubs:
    """gevent and eventlet, as far as a sleeper looks at them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.running: dict[str, object] = {"gevent": None, "eventlet": None}
        self.calling_back: str | None = None
        """Which of them calls a callback."""
        package = sys.modules["ProxyPatternPool._runtime"]
        for name, loaded in (("gevent", "gevent.hub"), ("eventlet", "eventlet.hubs")):
            fake = SimpleNamespace(running_hub=partial(self.running_hub, name), in_hub=partial(self.in_hub, name))
            monkeypatch.setitem(sys.modules, loaded, ModuleType(loaded))
            monkeypatch.setitem(sys.modules, f"ProxyPatternPool._runtime.{name}_hub", fake)
            monkeypatch.setattr(package, f"{name}_hub", fake, raising=False)

    def running_hub(self, name: str) -> SimpleNamespace | None:
        hub = self.running[name]
        if hub is None:
            return None
        made = {what: partial(self.made, f"{name} {what}", hub) for what in RunningHub._fields}
        return SimpleNamespace(**made)

    def in_hub(self, name: str) -> bool:
        return name == self.calling_back

    def made(self, what: str, hub: object, *lost: object) -> tuple[object, ...]:
        return what, hub, *lost


def lost() -> None:
    """What would be done about a sleeper that is lost."""


def chosen() -> list[object]:
    found: list[object] = [hubs.new_sleeper(lost), hubs.new_sleeper(), hubs.current_hub(), hubs.pause(0.5)]
    return found


def test_a_sleeper_for_what_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """A caller sleeps with what fits the hub that its thread runs at this moment, natively where it runs none."""
    fakes = Hubs(monkeypatch)
    assert isinstance(hubs.new_sleeper(), NativeSleeper)
    assert hubs.current_hub() is None
    assert not hubs.pause(0.5)
    fakes.running["eventlet"] = "hub"
    assert chosen() == [
        ("eventlet new_sleeper", "hub", lost),
        ("eventlet new_sleeper", "hub", waiting.do_nothing),
        ("eventlet hub", "hub"),
        ("eventlet pause", "hub", 0.5),
    ]
    fakes.running["gevent"] = "loop"
    assert chosen() == [
        ("gevent new_sleeper", "loop", lost),
        ("gevent new_sleeper", "loop", waiting.do_nothing),
        ("gevent hub", "loop"),
        ("gevent pause", "loop", 0.5),
    ]


@pytest.mark.parametrize("name", ["gevent", "eventlet"])
def test_a_callback_of_a_hub(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who is called by the hub itself, be it of the one or the other, must not wait."""
    fakes = Hubs(monkeypatch)
    assert not hubs.in_hub()
    fakes.calling_back = name
    assert hubs.in_hub()


def test_a_sleeper_without_hubs() -> None:
    """Where neither hub was imported, neither is looked for."""
    assert isinstance(hubs.new_sleeper(), NativeSleeper)
    assert hubs.current_hub() is None
    assert not hubs.in_hub()
    assert "gevent" not in sys.modules
    assert "eventlet" not in sys.modules


USES: dict[str, Callable[[Pool[Thing]], object]] = {
    "get": lambda pool: pool.get(),
    "wait_ready": lambda pool: pool.wait_ready(),
    "drain": lambda pool: pool.drain(),
    "drain_here": lambda pool: run(pool._core.operations.drain_here()),
    "clear": lambda pool: pool.clear(),
    "resize": lambda pool: pool.resize(max_size=3),
    "housekeep": lambda pool: pool.housekeep(),
}


@pytest.mark.parametrize("use", USES.values(), ids=USES)
def test_the_hub_of_a_pool(use: Callable[[Pool[Thing]], object], environment: Environment) -> None:
    """The hub of a pool is that of the thread that makes it, or else the first in which it may need objects."""
    hubs: list[Hub | None] = [None, FakeHub(), FakeHub()]

    def next_hub() -> Hub | None:
        return hubs.pop(0)

    first, second = hubs[1:]
    scheduler = FakeScheduler(replace(environment, current_hub=next_hub))
    with using_scheduler(scheduler):
        pool = Pool(Thing, min_size=0)
    assert pool._core.scheduling.hub is None
    use(pool)
    assert pool._core.scheduling.hub is first
    use(pool)
    assert pool._core.scheduling.hub is first
    assert hubs == [second]
