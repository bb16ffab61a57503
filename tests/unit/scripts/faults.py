"""A process that is stopped, or has no file descriptors. Run by test_faults."""

from __future__ import annotations

import errno
import json
import logging
import socket
import sys
import time
from collections.abc import Callable
from functools import partial
from tempfile import TemporaryDirectory
from typing import Any

from ProxyPatternPool import Pool, TimeOut
from ProxyPatternPool._scheduler.process import using_scheduler
from ProxyPatternPool._scheduler.scheduler import Scheduler
from ProxyPatternPool._scheduler.timing import Timing
from ProxyPatternPool._status.processes import Processes
from ProxyPatternPool._status.sampler import Sampler
from ProxyPatternPool._status.sources import source

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


def app(pool: Pool[Any], directory: str) -> Callable[[], Any]:
    """Make a status page; give what answers with its data."""
    from werkzeug.test import Client

    from ProxyPatternPool.status import status_app

    client = Client(status_app(pool, directory=directory))
    return lambda: json.loads(client.get("/?format=json", environ_overrides={"REMOTE_ADDR": "127.0.0.1"}).data)


def data(pool: Pool[Any], directory: str) -> Callable[[], Any]:
    """The same without the application, which needs werkzeug."""
    processes = Processes(Sampler([source(pool, 1)]), None, directory)
    return lambda: processes.collect(None)


def descriptors() -> None:
    """Have connections made, and be asked by other processes, while no file can be opened."""
    import resource

    handler = Lines()
    logging.getLogger("ppp").addHandler(handler)
    make_page: Callable[[Pool[Any], str], Callable[[], Any]] = globals()[sys.argv[2]]
    pool = Pool(lambda _: socket.socket(), 2, 0, closer=socket.socket.close, max_use=1, backoff=(0.01, 0.02))
    with TemporaryDirectory(prefix="ppp-") as directory:
        pages = [make_page(pool, directory) for _ in range(2)]

        def states() -> list[str]:
            return [each["state"] for each in pages[0]()["processes"]]

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


if __name__ == "__main__":
    globals()[sys.argv[1]]()
