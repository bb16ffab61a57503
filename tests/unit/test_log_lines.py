"""Log lines are said when nothing is held and nobody waits: a handler may be slow, hang, fail, or borrow itself."""

from __future__ import annotations

import asyncio
import gc
import inspect
import logging
import math
import threading
import weakref
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from ProxyPatternPool import AsyncPool, Pool, PoolObserver, TimeOut
from ProxyPatternPool._engine import log_queue as log_lines
from ProxyPatternPool._runtime.environment import Environment
from ProxyPatternPool._runtime.threads import thread_name
from ProxyPatternPool._scheduler.process import using_scheduler
from ProxyPatternPool._scheduler.scheduler import Scheduler

from .clock import FakeScheduler, HandMovedClock
from .helpers import Caller, Naps, Thing, Works, eventually, said

log = logging.getLogger("ppp")


class Handler(logging.Handler):
    """Does something with each line, and keeps it."""

    def __init__(self, do: Callable[[], object] = lambda: None) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []
        self._do = do

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)
        self._do()

    @property
    def lines(self) -> list[str]:
        return [record.getMessage() for record in self.records]


@contextmanager
def handled(handler: Handler) -> Generator[Handler]:
    log.addHandler(handler)
    try:
        yield handler
    finally:
        log.removeHandler(handler)


def fail(thing: Thing) -> Any:
    raise ConnectionError("gone")


def borrow_from(pools: list[Pool[Thing]]) -> Callable[[], None]:
    """Write a line through the pool that it is about."""

    def borrow() -> None:
        with suppress(ConnectionError), pools[0].obj(0):
            pass

    return borrow


def test_a_failed_health_check(scheduler: FakeScheduler, clock: HandMovedClock, naps: Naps, works: Works) -> None:
    """With one object, which fails its check, a handler that borrows finds its place free, and so does the borrower."""
    pools: list[Pool[Thing]] = []
    fine = [False, True, True, True]
    with handled(Handler(borrow_from(pools))) as handler:
        pool = Pool(works.make, 1, closer=works.close, health=lambda _: fine.pop(0), hk_delay=60)
        pools.append(pool)
        pool.housekeep()
        scheduler.run()
        assert len(handler.lines) == 1
        assert "bad health, discarding thing 0" in handler.lines[0]
        assert pool.get(0).number == 1


def test_a_failed_health_check_before_the_loan(
    scheduler: FakeScheduler, clock: HandMovedClock, naps: Naps, works: Works
) -> None:
    """The borrower whose object failed is served first, and the line is said afterwards."""
    naps.scheduler = scheduler
    pools: list[Pool[Thing]] = []
    with handled(Handler(borrow_from(pools))) as handler:
        pool = Pool(works.make, 1, closer=works.close, health=fail, health_before_get=0.0, timeout=5.0)
        pools.append(pool)
        clock.advance(1)
        thing = pool.get()
        assert thing.number == 1
        pool.ret(thing)
        scheduler.run()
        assert "bad health, discarding thing 0" in handler.lines[0]


def test_a_server_that_is_down(scheduler: FakeScheduler, clock: HandMovedClock, naps: Naps, works: Works) -> None:
    """A caller with a timeout gets his error in time, and each attempt makes for one line, whatever a handler does."""
    naps.scheduler = scheduler
    pools: list[Pool[Thing]] = []
    depth = [0]

    def borrow() -> None:
        assert depth == [0], "a handler in a handler"
        depth[0] += 1
        with suppress(TimeOut, ConnectionError), pools[0].obj(0):
            pass
        depth[0] -= 1

    with handled(Handler(borrow)) as handler:
        pool = Pool(works.make, 1, 0, timeout=5.0, backoff=(1.0, 1.0))
        pools.append(pool)
        works.failing = ConnectionError("down")
        with pytest.raises(ConnectionError):
            pool.get()
        start = clock()
        with pytest.raises(TimeOut):
            pool.get()
        assert clock() - start == pytest.approx(5.0)
        scheduler.run()
        assert handler.lines
        assert all("creation failed" in line for line in handler.lines)


def test_a_failing_retter(scheduler: FakeScheduler, works: Works) -> None:
    """With one object, whose reset fails, a handler that borrows gets the next one."""
    pools: list[Pool[Thing]] = []
    with handled(Handler(borrow_from(pools))) as handler:
        pool = Pool(works.make, 1, closer=works.close, retter=fail)
        pools.append(pool)
        pool.ret(pool.get(0))
        assert handler.lines == []
        assert works.closed == works.made[:1]
        # Each return fails, that of the handler too: as many lines as loans.
        scheduler.asked.append(weakref.ref(pool._core))
        pools[0] = Pool(works.make, 1)
        scheduler.run()
        assert "retter failed, discarding thing 0" in handler.lines[0]


class Hostile(PoolObserver[object]):
    def lent(self, pool: str, obj: object, waited: float, /) -> None:
        raise ValueError("no")


def foreign(clock: HandMovedClock) -> object:
    pool = Pool(Thing, name="db")
    pool.ret(Thing(7))
    return pool


def opened(clock: HandMovedClock) -> object:
    return Pool(Thing, name="db", opener=fail)


def got(clock: HandMovedClock) -> object:
    pool = Pool(Thing, name="db", getter=fail)
    return pool, pool.get()


def returned(clock: HandMovedClock) -> object:
    pool = Pool(Thing, name="db", retter=fail)
    pool.ret(pool.get())
    return pool


def closed(clock: HandMovedClock) -> object:
    pool = Pool(Thing, name="db", closer=fail)
    pool.clear()
    return pool


def checked(clock: HandMovedClock) -> object:
    pool = Pool(Thing, 2, 1, name="db", health=fail, health_before_get=0.0)
    clock.advance(1)
    return pool, pool.get(0)


def came_back(clock: HandMovedClock) -> object:
    pool = Pool(Thing, name="db", max_using_delay=10)
    thing = pool.get()
    clock.advance(10)
    pool.housekeep()
    pool.ret(thing)
    return pool


def shut_down(clock: HandMovedClock) -> object:
    pool = Pool(Thing, name="db")
    thing = pool.get()
    pool.shutdown()
    return pool, thing


def observed(clock: HandMovedClock) -> object:
    pool = Pool(Thing, name="db", observer=Hostile())
    return pool, pool.get()


def constructed(clock: HandMovedClock) -> object:
    return Pool(Thing, name="db", max_using_delay=20, max_using_delay_kill=10)


def maintained_by_hand(clock: HandMovedClock) -> object:
    pool = Pool(Thing, name="db", min_size=0)
    pool._core.chores.anywhere.append(partial(fail, Thing(1)))
    pool.housekeep()
    return pool


def dropped(clock: HandMovedClock) -> object:
    pool = Pool(Thing, name="db")
    pool.lease()
    pool.stats()
    return pool


ACTS = [
    foreign,
    opened,
    got,
    returned,
    closed,
    checked,
    came_back,
    shut_down,
    observed,
    constructed,
    maintained_by_hand,
    dropped,
]


@pytest.mark.parametrize("act", ACTS)
def test_nobody_says_it_himself(
    act: Callable[[HandMovedClock], object], scheduler: FakeScheduler, clock: HandMovedClock
) -> None:
    """Whatever a pool has to say, no handler is called in the middle of what a caller does."""
    with handled(Handler()) as handler:
        kept = act(clock)
        assert handler.lines == []
        scheduler.run()
        assert handler.lines
        assert all(line.startswith("pool 'db': ") for line in handler.lines)
        del kept


def test_lines_of_a_pool_that_is_dropped_at_once(scheduler: FakeScheduler) -> None:
    """What was to be said is said, though nobody has the pool any more."""
    with handled(Handler()) as handler:
        Pool(Thing, min_size=0).ret(Thing(7))
        gc.collect()
        scheduler.run()
        assert len(handler.lines) == 1


def test_lines_at_the_end_of_the_process(scheduler: FakeScheduler) -> None:
    """What was to be said before is said, with a closer and without; what goes wrong during the exit is not."""
    with handled(Handler()) as handler:
        pools = [Pool(Thing, name="plain"), Pool(Thing, name="closing", closer=fail)]
        for pool in pools:
            pool.ret(Thing(7))
        scheduler.asked.clear()
        scheduler.exit()
        assert sorted(line[:10] for line in handler.lines) == ["pool 'clos", "pool 'plai"]
        assert all("not lent here" in line for line in handler.lines)
        pools[0].ret(Thing(7))
        scheduler.run()
        assert len(handler.lines) == 2


def test_a_line_that_a_worker_is_logging_at_the_end_of_the_process(
    scheduler: FakeScheduler, naps: Naps, clock: HandMovedClock
) -> None:
    """The exit waits until a handler has written it, and no longer than its time if the handler hangs."""
    core = Pool(Thing, 1, 0)._core
    begun: list[int] = []

    with handled(Handler(lambda: begun.append(core.log_queue.under_way))):
        core.log_later(logging.WARNING, "anything")
        core.chores.flush_log()
    assert begun == [1]
    assert core.log_queue.under_way == 0

    core.log_queue.under_way = 1  # as while another thread does that
    naps.meanwhile.append(lambda: setattr(core.log_queue, "under_way", 0))
    start = clock()
    core.wait_until_empty(2.0)
    assert clock() - start < 1.0
    core.log_queue.under_way = 1
    core.wait_until_empty(2.0)
    assert clock() - start >= 2.0


def test_lines_behind_one_that_a_worker_is_logging_at_the_end_of_the_process(
    scheduler: FakeScheduler, naps: Naps, clock: HandMovedClock
) -> None:
    """The exit waits for those that are queued, too: the worker is about to write them."""
    core = Pool(Thing, 1, 0)._core
    with handled(Handler()) as handler:
        core.log_later(logging.WARNING, "anything")
        naps.meanwhile.append(core.log_queue.flush)
        start = clock()
        core.wait_until_empty(2.0)
        assert handler.lines == ["anything"]
    assert clock() - start < 1.0


def test_lines_that_are_logged_side_by_side(scheduler: FakeScheduler) -> None:
    """One that is written does not mean that the other is: until both are, the pool knows of one that is not."""
    queue = Pool(Thing, 1, 0)._core.log_queue
    found: list[tuple[bool, bool]] = []

    def log_the_other() -> None:
        if handler.lines == ["one"]:
            found.append((queue.log_next(), queue.unwritten))

    with handled(Handler(log_the_other)) as handler:
        queue.add(logging.WARNING, "one")
        queue.add(logging.WARNING, "other")
        assert queue.log_next()
    assert handler.lines == ["one", "other"]
    assert found == [(True, True)]
    assert not queue.unwritten


def test_lines_of_a_parent_without_maintenance(scheduler: FakeScheduler, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the parent of a reloading server a thread says what there is, one line at a time, and does nothing else."""
    monkeypatch.setenv("PPP_WERKZEUG_WORKAROUND", "1")
    monkeypatch.delenv("WERKZEUG_RUN_MAIN", raising=False)
    pools: list[Pool[Thing]] = []

    def meanwhile() -> None:
        if len(handler.lines) == 1:
            pools[0].ret(Thing(7))
            scheduler.run()  # the thread for that line

    with handled(Handler(meanwhile)) as handler:
        pools.append(Pool(Thing))
        assert handler.lines == []
        scheduler.run()
        assert len(handler.lines) == 2
        assert "no maintenance" in handler.lines[0]
        assert "not lent here" in handler.lines[1]
        assert not scheduler.asked


def test_a_line_before_all_else(real: Scheduler) -> None:
    """It is said though there was nothing to maintain, and so no thread that does."""

    async def main() -> None:
        await AsyncPool(Thing, 1, 0).ret(Thing(7))

    with handled(Handler()) as handler:
        asyncio.run(main())
        eventually(lambda: handler.lines)
    assert "not lent here" in handler.lines[0]


def test_lines_of_a_parent_where_no_thread_can_be_started(
    scheduler: FakeScheduler, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are not forgotten: whoever next uses the pool has them said."""
    monkeypatch.setenv("PPP_WERKZEUG_WORKAROUND", "1")
    monkeypatch.delenv("WERKZEUG_RUN_MAIN", raising=False)
    names: list[str] = []

    def no_thread(self: FakeScheduler, name: str, job: Callable[[], None]) -> bool:
        names.append(name)
        return False

    with handled(Handler()) as handler:
        with monkeypatch.context() as patch:
            patch.setattr(FakeScheduler, "run_in_thread", no_thread)
            pool = Pool(Thing)
        scheduler.run()
        assert handler.lines == []
        assert set(names) == {"ppp-log"}
        pool.get()
        scheduler.run()
        assert len(handler.lines) == 1


def test_a_thread_says_them_there(clock: HandMovedClock) -> None:
    """The scheduler has a thread for it, though there is no maintenance; the log has its name."""
    names: list[str] = []
    assert Scheduler(Environment(clock=clock)).run_in_thread("ppp-log", lambda: names.append(thread_name()))
    eventually(lambda: names)
    assert names == ["ppp-log"]


def test_a_handler_that_hangs(scheduler: FakeScheduler, monkeypatch: pytest.MonkeyPatch) -> None:
    """While a handler hangs the pool goes on, and of what is to be said the newest is kept, within bounds."""
    monkeypatch.setattr(log_lines, "MOST", 3)
    pool = Pool(Thing, name="db", min_size=0)

    def meanwhile() -> None:
        if len(handler.lines) == 1:
            for number in range(10):
                pool.ret(Thing(number))
                scheduler.run()
            assert len(pool._core.log_queue) == 3

    with handled(Handler(meanwhile)) as handler:
        pool.ret(Thing(99))
        scheduler.run()
        assert len(handler.lines) == 5
        assert handler.lines[1] == "pool 'db': 7 log lines were dropped: a handler of the log is too slow"
        addresses = [line.split()[-1] for line in handler.lines]
        assert len(addresses) == 5


@pytest.mark.parametrize("error", [ValueError, SystemExit])
def test_a_filter_that_fails(error: type[BaseException], scheduler: FakeScheduler) -> None:
    """A filter of the log that raises costs its own line, and makes for no other."""
    seen: list[str] = []

    def refuse(record: logging.LogRecord) -> bool:
        seen.append(record.getMessage())
        raise error

    pool = Pool(Thing, min_size=0)
    log.addFilter(refuse)
    try:
        pool.ret(Thing(7))
        pool.ret(Thing(8))
        scheduler.run()
    finally:
        log.removeFilter(refuse)
    assert len(seen) == 2
    assert pool.stats()["hk_errors"] == 0


@pytest.mark.parametrize("named", [True, False])
def test_a_line_is_of_the_moment_and_thread_in_which_it_happened(
    named: bool, environment: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Time, thread and place of a record are not those of whoever says the line later; threads may be turned off."""
    monkeypatch.setattr(logging, "logThreads", named)
    idents: list[int] = []

    def borrow() -> None:
        idents.append(threading.get_ident())
        pool.ret(Thing(7))

    scheduler = FakeScheduler(replace(environment, wall_clock=lambda: 1234567891.9995))
    with handled(Handler()) as handler, using_scheduler(scheduler):
        pool = Pool(Thing, min_size=0)
        Caller(borrow, name="borrower").result()
        scheduler.run()
    (record,) = handler.records
    assert (record.thread, record.threadName) == ((idents[0], "borrower") if named else (None, None))
    assert record.created == 1234567891.9995
    assert record.msecs == 999, "they are not rounded up, which would be a thousand"
    now = log.makeRecord("ppp", logging.INFO, "", 0, "", (), None)
    elapsed = (record.created - now.created) * 1000
    assert record.relativeCreated - now.relativeCreated == pytest.approx(elapsed, abs=1.0)
    assert (record.filename, record.funcName) == ("returns.py", "_report_stranger")
    assert hasattr(record, "taskName") == hasattr(now, "taskName"), "it has what the records of this Python have"


def test_a_line_that_comes_from_nowhere(monkeypatch: pytest.MonkeyPatch, scheduler: FakeScheduler) -> None:
    """An interpreter that shows no frames says nothing of the place."""
    monkeypatch.setattr(inspect, "currentframe", lambda: None)
    with handled(Handler()) as handler:
        Pool(Thing, min_size=0).ret(Thing(7))
        scheduler.run()
    assert [(each.pathname, each.lineno, each.funcName) for each in handler.records] == [("", 0, "")]


def test_lines_keep_nothing_alive(scheduler: FakeScheduler) -> None:
    """A line that waits keeps neither what the caller of a failed hook has, nor the object that it names."""

    class Big:
        pass

    observer = Hostile()
    pool = Pool(Thing, 1, 0, observer=observer, opener=fail, closer=fail)

    def borrow() -> tuple[weakref.ref[Big], weakref.ref[Thing]]:
        big, thing = Big(), pool.get()
        pool.discard(thing)
        return weakref.ref(big), weakref.ref(thing)

    gone = borrow()
    assert len(pool._core.log_queue) == 3
    pool._core.returns.read_mailbox()
    gc.collect()
    assert [one() for one in gone] == [None, None]
    with handled(Handler()) as handler:
        scheduler.run()
    trace = next(record for record in handler.records if "observer" in record.getMessage())
    assert trace.exc_info is not None
    kind, error, frames = trace.exc_info
    assert kind is ValueError
    assert isinstance(error, ValueError)
    assert frames is None
    first, place, *_, last = logging.Formatter().format(trace).split("\n")[1:]
    assert (first, last) == ("Traceback (most recent call last):", "ValueError: no")
    assert place.startswith('  File "')
    assert f'  File "{__file__}", line {Hostile.lent.__code__.co_firstlineno + 1}, in lent' in str(trace.exc_text)


@pytest.mark.parametrize("fate", ["kept", "returned and lent", "closed", "gone"])
def test_what_a_line_names_is_looked_at_only_while_it_is_as_it_was(
    fate: str, scheduler: FakeScheduler, clock: HandMovedClock, works: Works
) -> None:
    """An object without a name is not asked for one when the line is said later, unless it is still in that loan."""
    asked: list[Thing] = []

    def trace(thing: Thing) -> str:
        if not ready:
            raise ConnectionError  # so that there is no name yet
        asked.append(thing)
        return "named now"

    ready: list[None] = []
    pool = Pool(works.make, 1, 1, max_using_delay=10, delay=5, tracer=trace)
    ready.append(None)
    thing = pool.get()
    plain = f"<Thing at {id(thing):#x}>"
    clock.advance(10)
    with handled(Handler()) as handler:
        pool._core.maintenance._round(clock())
        if fate == "returned and lent":
            pool._core.ledger.shelves.using[id(thing)].uses += 1
        elif fate == "closed":
            pool.discard(thing)
        elif fate == "gone":
            pool._core.ledger.shelves.using.clear()
        asked.clear()
        scheduler.run()
        line = next(line for line in handler.lines if "has been kept" in line)
    assert ("named now" if fate == "kept" else plain) in line
    assert (asked == [thing]) == (fate == "kept")


def test_errors_that_cannot_be_shown(scheduler: FakeScheduler, works: Works, caplog: pytest.LogCaptureFixture) -> None:
    """An error whose texts fail is called by its class, and costs its thread nothing."""

    class Unspeakable(Exception):
        def __repr__(self) -> str:
            raise RuntimeError

        __str__ = __repr__

    def fail(thing: Thing) -> None:
        raise Unspeakable

    pool = Pool(works.make, 1, closer=works.close, retter=fail, tracer=lambda _: "it")
    pool.ret(pool.get())
    assert said(caplog) == [f"{pool._core.label}: retter failed, discarding it: Unspeakable"]
    assert [fault[:4] for fault in pool._core.faults] == [("retter", "Unspeakable", "", 1)]
    assert pool.get(math.inf).number == 1
