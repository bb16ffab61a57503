"""A finalizer that switches greenlets runs in the middle of a pool's step: the thread's other greenlets wait for it."""

from __future__ import annotations

import gc
import importlib
from collections.abc import Callable
from typing import Any

from ProxyPatternPool import Pool, PoolException
from ProxyPatternPool._runtime.hubs import pause

from ..green_env import Token, green, native_ident


class Switching:
    """Is in a cycle, and lets others run when it is collected."""

    def __init__(self) -> None:
        self.myself = self
        self.ended = False

    def __del__(self) -> None:
        steps.append("finalizer begins")
        green.sleep(0.05)
        try:
            pool.stats()
        except PoolException as error:
            steps.append("refused" if "by a finalizer" in str(error) else repr(error))
        steps.append("finalizer ends")


LATER = ["refused", "finalizer ends", "step ends"]
steps: list[str] = []
pool = Pool(Token, max_size=2, min_size=0, retter=lambda token: None)


def step() -> None:
    Switching()
    gc.collect()


def collect_within_a_step() -> None:
    pool._core.guard.locked(step)
    steps.append("step ends")


def borrow(name: int) -> None:
    with pool.obj(timeout=20) as token:
        token.take(name)
        green.sleep(0.001)
        token.leave(name)
    steps.append("borrowed")


def look() -> None:
    assert pool.stats()["nobjs"] <= 2
    steps.append("looked")


def give_back(token: Token) -> None:
    pool.ret(token)
    steps.append("given back")


def in_hub(fun: Callable[[], object]) -> None:
    """Have the hub itself call something, where nothing may wait."""
    if green.name == "gevent":
        hub: Any = importlib.import_module("gevent").get_hub()
        hub.loop.run_callback(fun)
    else:
        hub = importlib.import_module("eventlet.hubs").get_hub()
        hub.schedule_call_global(0, fun)


def run() -> None:
    gc.disable()
    thread = native_ident()
    lent = pool.get()
    first = green.spawn(collect_within_a_step)
    green.eventually(lambda: bool(steps))
    others = [green.spawn(borrow, 1), green.spawn(look), green.spawn(give_back, lent), green.spawn(borrow, 2)]
    for task in [first, *others]:
        task.join()
    assert thread == native_ident()
    assert "refused" in steps, steps
    # What needs no lock goes on meanwhile.
    assert steps.index("looked") > steps.index("finalizer ends"), steps
    assert sorted(steps[1:]) == sorted([*LATER, "borrowed", "borrowed", "given back", "looked"]), steps
    stats = pool.stats()
    assert (stats["nusing"], stats["nwaiting"], stats["navail"]) == (0, 0, stats["nobjs"]), stats
    waited: list[bool] = []
    in_hub(lambda: waited.append(pause(0.001)))
    green.eventually(lambda: bool(waited))
    assert waited == [False], "the hub waits for nobody"
    print("others wait, and only the finalizer is refused")
