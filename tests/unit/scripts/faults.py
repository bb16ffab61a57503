"""A process that is stopped, has no file descriptors, or no memory. Run by test_faults."""

from __future__ import annotations

import errno
import gc
import json
import logging
import socket
import sys
import time
from collections.abc import Callable
from functools import partial
from importlib import import_module
from itertools import product
from tempfile import TemporaryDirectory
from typing import Any

from ProxyPatternPool import Pool, TimeOut
from ProxyPatternPool._runtime.environment import Environment
from ProxyPatternPool._scheduler.process import using_scheduler
from ProxyPatternPool._scheduler.scheduler import Scheduler
from ProxyPatternPool._scheduler.timing import Timing

from ..clock import FakeScheduler, HandMovedClock

DEADLINE = 20.0


def wait_for(condition: Callable[[], bool]) -> bool:
    until = time.monotonic() + DEADLINE
    while not condition() and time.monotonic() < until:
        time.sleep(0.01)
    return condition()


class Thing:
    def __init__(self, number: int) -> None:
        self.number = number

    def name(self) -> str:
        return f"thing {self.number}"


# --- Stopped, and continued. -------------------------------------------------------------------------------

LIMIT = 1.0


def is_maintained(pool: Pool[Thing]) -> bool:
    return pool.stats()["hk_rounds"] > 0


def stopped() -> None:
    """Serve from a pool with a limit, while whoever reads what is said stops this process, and says when it goes on."""
    with using_scheduler(Scheduler(timing=Timing(late=LIMIT / 5))):
        while True:
            pool = Pool(Thing, 2, 1, max_using_delay_kill=LIMIT)
            assert wait_for(partial(is_maintained, pool))  # from then on it is known how late a look is
            kept, given_back = pool.get(), pool.get()
            print("stop me", flush=True)
            continued = float(sys.stdin.readline())
            pool.ret(given_back)
            if time.monotonic() - continued < LIMIT / 10:
                break  # else the machine was so busy that he may be killed
    print("not killed" if pool.stats()["nkilled"] == 0 else pool.stats())
    killed = wait_for(lambda: pool.stats()["nkilled"] == 1)
    while True:
        begun = time.monotonic()
        lent = [pool.get(DEADLINE), pool.get(DEADLINE)]  # the second in the place of what was kept
        try:
            lent.append(pool.get(0.05))
        except TimeOut:
            pass
        for thing in lent:
            pool.ret(thing)
        if time.monotonic() - begun < LIMIT / 2:
            break  # else the machine was so busy that they may have been killed
    print("killed later" if killed and kept not in lent else pool.stats())
    print("timed out" if len(lent) == 2 else pool.stats())
    pool.lease(quiet=True)  # dropped
    print("maintained" if wait_for(lambda: pool.stats()["navail"] == 2) else pool.stats())


# --- Without file descriptors. -----------------------------------------------------------------------------


class Lines(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


def descriptors() -> None:
    """Have connections made, and be asked by other processes, while no file can be opened."""
    import resource

    from werkzeug.test import Client

    from ProxyPatternPool.status import status_app

    handler = Lines()
    logging.getLogger("ppp").addHandler(handler)
    pool = Pool(lambda _: socket.socket(), 2, 0, closer=socket.socket.close, max_use=1, backoff=(0.01, 0.02))
    with TemporaryDirectory(prefix="ppp-") as directory:
        apps: list[Any] = [status_app(pool, directory=directory) for _ in range(2)]

        def states() -> list[str]:
            answer = Client(apps[0]).get("/?format=json", environ_overrides={"REMOTE_ADDR": "127.0.0.1"})
            return [each["state"] for each in json.loads(answer.data)["processes"]]

        with pool.obj():
            pass
        assert wait_for(lambda: states() == ["answers", "answers"])
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
        try:
            pool.get()
        except OSError as error:
            print("creation", errno.errorcode[error.errno or 0])
        try:
            pool.get(0.1)
        except TimeOut as error:
            print("timed out", type(error.__cause__).__name__)
        print("page", {*states()} <= {"answers", "does not answer"})
        found = pool.stats()
        print("places", found["nobjs"], found["nwaiting"])
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        for _ in range(4):
            with pool.obj(DEADLINE):
                pass
        print("works again", pool.stats()["nobjs"])
        print("all answer", wait_for(lambda: states() == ["answers", "answers"]))


# --- Without memory. ---------------------------------------------------------------------------------------

alive: list[Thing] = []


def make(number: int) -> Thing:
    thing = Thing(number)
    alive.append(thing)
    return thing


def close(thing: Thing) -> None:
    assert thing in alive, "closed twice"
    alive.remove(thing)


def use(pool: Pool[Thing]) -> None:
    pool.ret(pool.get())


def use_lease(pool: Pool[Thing]) -> None:
    pool.lease().release()


def use_block(pool: Pool[Thing]) -> None:
    with pool.obj():
        pass


def drop(pool: Pool[Thing]) -> None:
    pool.lease(quiet=True)


def discard(pool: Pool[Thing]) -> None:
    pool.discard(pool.get())


def housekeep(pool: Pool[Thing]) -> None:
    pool.housekeep()


def stats(pool: Pool[Thing]) -> None:
    pool.stats()


WAYS: list[Callable[[Pool[Thing]], None]] = [use, use_lease, use_block, drop, discard, housekeep, stats]


def yes(_: object) -> bool:
    return True


HOOKS: dict[str, Any] = {
    "min_size": 0,
    "opener": yes,
    "getter": yes,
    "retter": yes,
    "health": yes,
    "health_before_get": 0.0,
    "tracer": Thing.name,
}


PARAMETERS: list[dict[str, Any]] = [{"min_size": 0}, HOOKS, {"min_size": 0, "max_use": 1}, {"min_size": 2}]


def needs(job: Callable[[], object], after: int) -> bool:
    """Do a job, of which one allocation fails after so many others; say whether it came to that.

    Of several that fail in a row the interpreter's own context variables break down.
    """
    interpreter: Any = import_module("_testcapi")  # which has no types
    gc.collect()
    gc.disable()
    interpreter.set_nomemory(after, after + 1)
    try:
        try:
            job()
        except (MemoryError, SystemError):  # the interpreter itself sometimes overlooks that there is none
            return True
        try:
            _ = [object() for _ in range(after)]
        except MemoryError:
            return False
        return True  # it was made up for
    finally:
        interpreter.remove_mem_hooks()
        gc.enable()


def check(way: Callable[[Pool[Thing]], object], after: int, parameters: dict[str, Any]) -> bool:
    """Do something with a pool, of which one allocation fails. The pool is whole then; say whether one did."""
    alive.clear()
    clock = HandMovedClock()
    with using_scheduler(FakeScheduler(Environment(clock=clock))) as scheduler:
        pool = Pool(make, 2, closer=close, timeout=0.0, backoff=None, **parameters)
        needed = needs(partial(way, pool), after)
        # Who got an error from ret, or after get, has the object still, and gives it back. So does who has dropped a
        # lease when there was no memory to note it.
        for each in pool.owners():
            pool.ret(each.obj)
        gc.collect()
        scheduler.look_at(pool._core)
        found = pool.stats()
        where = (way.__name__, after, sorted(parameters), found)
        # A closer that had no memory may have closed nothing, and counts as one that failed.
        assert found["nobjs"] == found["navail"], where
        assert 0 <= len(alive) - found["nobjs"] <= found["hook_errors"], where
        assert found["nusing"] == found["nwaiting"] == 0, where
        both = [pool.get(), pool.get()]
        for thing in both:
            pool.ret(thing)
        pool.shutdown()
        scheduler.run()
        assert len(alive) <= found["hook_errors"], where
        assert pool.stats()["nobjs"] == 0, where
    return needed


def no_memory() -> None:
    """Have each allocation fail in turn, until none is left that could."""
    logging.getLogger("ppp").setLevel(logging.CRITICAL)
    sys.unraisablehook = lambda _: None  # what finalizers have no memory for
    gc.collect()
    gc.freeze()
    step = int(sys.argv[2])
    for parameters, way in product(PARAMETERS, WAYS):
        after = 1
        while check(way, after, parameters):
            after += step
    print("whole")


if __name__ == "__main__":
    globals()[sys.argv[1]]()
