"""A moment in which no thread can be started: the pool works, callers do what has to be done, and it passes."""

from __future__ import annotations

import logging
import weakref
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial

import pytest

from ProxyPatternPool import Pool, PoolClosed, PoolObserver, TimeOut
from ProxyPatternPool._engine import maintenance
from ProxyPatternPool._runtime.environment import Environment
from ProxyPatternPool._scheduler.requests import MAX_UNREAD
from ProxyPatternPool._scheduler.scheduler import Scheduler
from ProxyPatternPool._scheduler.timing import Timing

from .helpers import DEADLINE, Caller, Naps, Thing, Works, eventually, run_script, said
from .maintained import FakeMaintained, Threads, with_threads


class Moment(Threads):
    """While it lasts the system has no more threads."""

    def __init__(self) -> None:
        super().__init__()
        self.lasts = True
        self.refusals = 0
        self.most = 0
        """How many threads there can be before, though it lasts."""

    def start(self, run: Callable[[], None]) -> bool:
        if self.lasts and self.most == 0:
            self.refusals += 1
            return False
        self.most -= self.lasts
        return self.count(run)


@pytest.fixture
def moment() -> Moment:
    return Moment()


@pytest.fixture
def environment(moment: Moment, environment: Environment) -> Environment:
    """A world with a clock moved by hand, in which threads can be started once the moment is over."""
    return replace(environment, start_thread=moment.start)


@pytest.fixture
def real(moment: Moment, environment: Environment) -> Iterator[Scheduler]:
    """A scheduler that has threads as soon as there are some, and a clock moved by hand."""
    yield from with_threads(Scheduler(environment, Timing(worker_idle=0.02)), moment)


TOLD = "pool 'db': no thread can be started: until one can, maintenance is done by those who borrow"


def test_a_place_whose_closer_is_queued(
    moment: Moment, real: Scheduler, naps: Naps, works: Works, caplog: pytest.LogCaptureFixture
) -> None:
    """Who wants an object calls the closer himself, be it that he cannot wait; the log says so once."""
    pool = Pool(works.make, 1, 0, name="db", closer=works.close, timeout=5.0)
    for _ in range(3):
        thing = pool.get(0)
        pool._core.chores.leave(partial(pool.discard, thing))
        assert pool.get(0) is not thing
        pool.ret(works.alive[0])
        pool.clear()
    assert moment.refusals
    assert said(caplog) == [TOLD]


def test_a_dropped_lease(moment: Moment, real: Scheduler, works: Works) -> None:
    """What a finalizer has left is seen to by whoever comes next, retter and all."""
    pool = Pool(works.make, 1, 0, name="db", retter=lambda _: None, closer=works.close)
    pool.lease(quiet=True)
    assert pool.get(0) is works.made[0]


def test_an_object_that_fails_its_check(moment: Moment, real: Scheduler, naps: Naps, works: Works) -> None:
    """Where nobody else would close it the borrower does, who has a timeout."""
    fine = [False, True]
    pool = Pool(works.make, 1, 1, closer=works.close, health=lambda _: fine.pop(0), health_before_get=0.0, timeout=5.0)
    naps.clock.advance(1)
    assert pool.get().number == 1
    assert naps.asked == []


def test_what_comes_while_somebody_waits(moment: Moment, real: Scheduler, naps: Naps, works: Works) -> None:
    """He looks again and again, calls what is to be called, and is served."""
    pool = Pool(works.make, 1, 0, closer=works.close, max_using_delay_kill=1.0)
    lent = pool.get()
    start = naps.clock()
    assert pool.get(60.0).number == 1
    assert works.closed == [lent]
    assert naps.clock() - start == pytest.approx(1.0, abs=maintenance.TURN)
    naps.clock.advance(0.5)
    with pytest.raises(TimeOut):
        pool.get(0.25)


def test_a_shutdown_that_waits(moment: Moment, real: Scheduler, naps: Naps, works: Works) -> None:
    """It does what has to be done, and so ends in time."""
    pool = Pool(works.make, 2, 0, closer=works.close, max_using_delay_kill=1.0)
    pool.get()
    leases = [pool.lease(quiet=True)]
    naps.meanwhile.append(leases.clear)
    start = naps.clock()
    pool.shutdown(60.0)
    assert works.alive == []
    assert naps.clock() - start == pytest.approx(1.0, abs=2 * maintenance.TURN)


def test_waiting_until_ready(moment: Moment, real: Scheduler, naps: Naps, works: Works) -> None:
    """Who waits until there are enough objects creates them."""
    pool = Pool(works.make, 4, 1, closer=works.close)
    pool.resize(min_size=3)
    pool.wait_ready(60.0)
    assert len(works.alive) == 3


def test_in_a_hub_of_another_thread(moment: Moment, real: Scheduler, naps: Naps, works: Works) -> None:
    """Objects of a hub are not made in another thread, whatever happens."""

    class Elsewhere:
        for_tasks = False

        def here(self) -> bool:
            return False

        def alive(self) -> bool:
            return True

        def spawn(self, job: Callable[[], None]) -> bool:
            return True

    pool = Pool(works.make, 4, 1)
    pool._core.scheduling.hub = Elsewhere()
    pool.resize(min_size=3)
    with pytest.raises(TimeOut):
        pool.wait_ready(1.0)
    assert len(works.made) == 1


def test_lines_are_said_by_who_waits_for_nothing_yet(moment: Moment, real: Scheduler, naps: Naps, works: Works) -> None:
    """A handler that borrows does not wait behind the borrower who says the line."""
    lines: list[str] = []

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            with pool.obj(0):
                lines.append(record.getMessage())

    pool = Pool(works.make, 1, 0, name="db", timeout=5.0)
    handler = Handler()
    log = logging.getLogger("ppp")
    log.addHandler(handler)
    try:
        pool.ret(pool.get())
        pool.ret(Thing(7))
        assert len(lines) <= 1
        pool.ret(pool.get())
        assert [line.partition(":")[0] for line in lines] == ["pool 'db'"] * 2
    finally:
        log.removeHandler(handler)


def test_not_in_an_observer_nor_in_a_hook(moment: Moment, real: Scheduler, naps: Naps) -> None:
    """What borrows in the middle of a hook of this pool, or of what an observer is told, does not call another."""
    depth: list[None] = []

    def close(thing: Thing) -> None:
        assert not depth, "a hook in an observer"

    class Observer(PoolObserver[Thing]):
        def lent(self, pool: str, obj: Thing, waited: float, /) -> None:
            depth.append(None)
            if len(depth) == 1:
                others = [pools[0].get(0) for _ in range(2)]
                for other in others:
                    pools[0].ret(other)
            depth.pop()

    pools = [Pool(Thing, 4, 0, closer=close, observer=Observer())]
    things = [pools[0].get() for _ in range(2)]
    for thing in things:
        pools[0]._core.chores.leave(partial(pools[0].discard, thing))
    pools[0].get(0)


def test_not_in_a_hook(moment: Moment, real: Scheduler, naps: Naps, works: Works) -> None:
    """A hook that borrows from its own pool calls no other in the middle of its own work; the next caller does."""
    depth: list[None] = []

    def close(thing: Thing) -> None:
        assert not depth, "a hook in a hook"
        works.close(thing)

    def prepare(thing: Thing) -> None:
        if thing.number == 1:
            depth.append(None)
            pool._core.chores.leave(partial(pool.discard, first))
            with pytest.raises(TimeOut):
                pool.get(0)
            depth.pop()

    pool = Pool(works.make, 2, 0, closer=close, getter=prepare)
    first = pool.get(0)
    pool.get(0)
    assert works.closed == []
    pool.get(0)
    assert works.closed == [first]


def test_borrowers_notice_when_it_has_passed(moment: Moment, real: Scheduler, works: Works) -> None:
    """Though an object is always idle when they come, and nothing else happens in the pool."""
    pool = Pool(works.make, 1, 1, closer=works.close)
    for _ in range(3):
        pool.ret(pool.get())
    assert not real.has_threads
    moment.lasts = False
    pool.ret(pool.get())
    assert real.has_threads
    assert pool._core.ledger.shelves.quick_gets_until > 0, "and loans are quick again"
    pool._core.chores.leave(pool.clear)
    eventually(lambda: works.closed)


def test_who_waits_notices_when_it_has_passed(moment: Moment, real: Scheduler, naps: Naps) -> None:
    """From then on he sleeps until somebody wakes him, as ever."""
    pool = Pool(Thing, 1, 1)
    pool.get()

    def pass_by() -> None:
        moment.lasts = False

    naps.meanwhile.append(pass_by)
    with pytest.raises(TimeOut):
        pool.get(60.0)
    assert naps.asked == [maintenance.TURN, pytest.approx(60.0 - maintenance.TURN)]


def test_who_waits_for_the_next_attempt_notices_when_it_has_passed(
    moment: Moment, real: Scheduler, naps: Naps, works: Works
) -> None:
    """He goes on waiting for that, as ever."""
    works.failing = ConnectionError()
    pool = Pool(works.make, 1, 0, backoff=(2.0, 2.0))
    with pytest.raises(ConnectionError):
        pool.get()

    def pass_by() -> None:
        moment.lasts = False
        works.failing = None

    naps.meanwhile.append(pass_by)
    assert pool.get(60.0).number == 1
    assert naps.asked[:2] == [maintenance.TURN, pytest.approx(maintenance.TURN)], "what wakes him early changes nothing"
    assert real.has_threads


def test_who_waits_ends_a_close_that_was_interrupted(moment: Moment, real: Scheduler, naps: Naps) -> None:
    """Nobody else would: he closes the pool as maintenance does, and hears of it."""
    pool = Pool(Thing, 1, 1)
    pool.get()
    pool._core.operations.close_later()
    with pytest.raises(PoolClosed):
        pool.get(60.0)
    assert sum(asked or 0.0 for asked in naps.asked) < 60.0


def test_who_notices_within_a_step(moment: Moment, real: Scheduler, works: Works) -> None:
    """In a finalizer in the middle of a step of this thread the threads are started, and loans are quick later."""
    pool = Pool(works.make, 1, 1)
    moment.lasts = False
    pool._core.guard.locked(pool._core.scheduling.schedule)
    assert real.has_threads
    assert pool._core.ledger.shelves.quick_gets_until < 0
    pool._core.guard.locked(pool._core.ledger.serve_waiters, 0.0)
    assert pool._core.ledger.shelves.quick_gets_until > 0


def test_a_scheduling_thread_alone(moment: Moment, real: Scheduler, naps: Naps, works: Works) -> None:
    """With one thread, which knows the time and calls nobody, callers do the work as well; then others are started."""
    moment.most = 1
    pool = Pool(works.make, 1, 0, closer=works.close)
    thing = pool.get()
    assert real._running
    pool._core.chores.leave(lambda: pool.discard(thing))
    assert pool.get(0) is not thing
    moment.lasts = False
    pool._core.scheduling.schedule()
    assert real.has_threads


def test_it_is_told_once_each_time(moment: Moment, real: Scheduler, caplog: pytest.LogCaptureFixture) -> None:
    """Of several moments each is told of once, whichever pools notice."""
    pools = [Pool(Thing, 1, 1, name="db"), Pool(Thing, 1, 1, name="other")]
    for pool in pools * 2:
        pool.ret(pool.get())
    assert [line for line in said(caplog) if "no thread" in line] == [TOLD]
    moment.lasts = False
    pools[0].ret(pools[0].get())
    assert real.has_threads


def test_who_asks_for_a_look_is_remembered_once(moment: Moment, environment: Environment) -> None:
    """However often it asks while nobody reads, and as it asked: to be kept until then, or not."""
    scheduler = Scheduler(environment)
    maintained, dropped = FakeMaintained(), FakeMaintained()
    gone = FakeMaintained()
    scheduler.request_look(weakref.ref(gone))
    del gone
    for _ in range(2 * MAX_UNREAD):
        scheduler.watch(weakref.ref(maintained))
        scheduler.request_look(dropped)
    scheduler.watch(weakref.ref(maintained))
    assert len(scheduler._requests) <= MAX_UNREAD + 3
    looked = dropped.looked
    moment.lasts = False
    del dropped
    scheduler.watch(weakref.ref(maintained))
    assert looked.wait(DEADLINE)
    assert maintained.looked.wait(DEADLINE)
    scheduler.ending = True
    scheduler._requests.put(None)


def test_at_the_exit_nobody_helps(moment: Moment, real: Scheduler, naps: Naps) -> None:
    """The exit has its own way, and waits for no hook in its own thread."""
    pool = Pool(Thing, 1, 0)
    pool.get()
    pool._core.log_queue.silent = True
    pool._core.chores.anywhere.append(lambda: pytest.fail("called"))
    with pytest.raises(TimeOut):
        pool.get(1.0)


def test_where_the_system_refuses() -> None:
    """The same with a real refusal, with threads that wait, and with nothing faked."""
    assert run_script("no_threads", "moment") == ["told once", "served", "works again"]


def test_threads_that_wait_at_the_same_time(moment: Moment, real: Scheduler, works: Works) -> None:
    """Several callers do the work side by side, and each call is made once."""
    works.bound = 2
    pool = Pool(works.make, 2, 0, closer=works.close, max_use=1)

    def work() -> None:
        for _ in range(20):
            pool.lease(DEADLINE, quiet=True)

    for caller in [Caller(work) for _ in range(4)]:
        caller.result()
    pool.shutdown(DEADLINE)
    assert works.alive == []
    assert len(works.made) == 80
