"""Workers do not end with their work: what hooks and handlers took in them goes back after a job."""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator

import pytest

from ProxyPatternPool import Pool, control, proxy
from ProxyPatternPool._scheduler.process import using_scheduler
from ProxyPatternPool._scheduler.scheduler import Scheduler
from ProxyPatternPool._scheduler.timing import Timing
from ProxyPatternPool._scheduler.workers import MAX_JOBS
from ProxyPatternPool._scope.select import Scope

from .helpers import DEADLINE, Thing, eventually, said

log = logging.getLogger("ppp")


@pytest.fixture(autouse=True)
def working() -> Generator[None]:
    """Have a scheduler with threads, of which none ends in time, which would give back as well."""
    with using_scheduler(Scheduler(timing=Timing(worker_idle=3 * DEADLINE))):
        yield


class Writer(logging.Handler):
    """Writes each line through a proxy."""

    def __init__(self, use: Callable[[], object]) -> None:
        super().__init__()
        self._use = use

    def emit(self, record: logging.LogRecord) -> None:
        self._use()


def at_rest(used: list[int], pool: Pool[Thing] | None) -> bool:
    return bool(used) and pool is not None and pool.stats()["nusing"] == 0


@pytest.mark.parametrize("scope", [Scope.THREAD, Scope.CONTEXT])
@pytest.mark.parametrize("auto_return", [True, False])
def test_a_handler_that_uses_a_proxy(scope: Scope, auto_return: bool) -> None:
    """A handler of the log that writes through a proxy leaves its object to others."""
    db = proxy(fun=Thing, max_size=1, scope=scope, auto_return=auto_return)
    used: list[int] = []
    handler = Writer(lambda: used.append(db.number))
    log.addHandler(handler)
    try:
        Pool(Thing, min_size=0).ret(Thing(7))
        eventually(lambda: at_rest(used, control(db).pool))
    finally:
        log.removeHandler(handler)
    assert control(db).get(0).number == 0


def test_a_closer_that_uses_a_proxy() -> None:
    """So does a hook, whatever the retter of another proxy raises meanwhile."""
    used: list[int] = []

    def leave(thing: Thing) -> None:
        raise SystemExit

    bad = proxy(fun=Thing, max_size=1, retter=leave)
    db = proxy(fun=Thing, max_size=1)
    ended = Pool(Thing, min_size=1, closer=lambda _: used.extend((bad.number, db.number)))
    del ended
    eventually(lambda: at_rest(used, control(db).pool) and at_rest(used, control(bad).pool))
    assert control(db).get(0).number == 0


def test_a_retter_that_ends_its_thread_ends_no_worker() -> None:
    """The pool in whose job that happens has its jobs done afterwards, however often it happens."""
    used: list[int] = []

    def leave(thing: Thing) -> None:
        raise SystemExit

    bad = proxy(fun=Thing, max_size=1, retter=leave)
    pool = Pool(Thing, 1, 0)
    for count in range(1, 2 * MAX_JOBS):
        pool._core.chores.leave(lambda: used.append(bad.number))
        eventually(lambda count=count: len(used) == count)  # type: ignore[misc]


def test_a_block_that_a_hook_leaves_open(caplog: pytest.LogCaptureFixture) -> None:
    """What a block has that is still open is the block's to give back, in another thread as well, which is logged."""
    db = proxy(fun=Thing, max_size=1)
    block = control(db).obj()
    used: list[int] = []
    ended = Pool(Thing, min_size=1, closer=lambda _: used.append(block.__enter__().number))
    del ended
    again = Pool(Thing, min_size=1, closer=lambda _: used.append(1))
    eventually(lambda: used)
    del again
    eventually(lambda: len(used) == 2)
    pool = control(db).pool
    assert pool is not None
    assert pool.stats()["nusing"] == 1
    block.__exit__(None, None, None)
    eventually(lambda: pool.stats()["nusing"] == 0)
    eventually(lambda: any("and it ended elsewhere" in line for line in said(caplog)))
