"""The one house keeper of all pools, with its own threads and real time: short delays, and events to wait for."""

from __future__ import annotations

import logging
import threading
import weakref
from collections import deque
from collections.abc import Callable, Iterator
from functools import partial
from time import monotonic

import pytest

from ProxyPatternPool import Pool
from ProxyPatternPool._runtime import threads as daemons
from ProxyPatternPool._runtime.native import Empty, SimpleQueue, start_thread
from ProxyPatternPool._runtime.waiting import Hub
from ProxyPatternPool._scheduler import scheduler as housekeeper
from ProxyPatternPool._scheduler.maintained import Maintained
from ProxyPatternPool._scheduler.scheduler import Scheduler

from .clock import HandMovedClock
from .helpers import DEADLINE, Caller, Thing, Works, eventually, said, wait_for


class Threads:
    """Counts the threads that house keepers have started, from before they begin until after they end."""

    def __init__(self) -> None:
        self._started: list[object] = []
        self._ended: list[object] = []

    def start(self, run: Callable[[], None]) -> bool:
        def run_and_end() -> None:
            try:
                run()
            finally:
                self._ended.append(run)

        self._started.append(run)
        return start_thread(run_and_end)

    def __len__(self) -> int:
        return len(self._started) - len(self._ended)


@pytest.fixture
def threads(monkeypatch: pytest.MonkeyPatch) -> Threads:
    """The threads started in this test."""
    threads = Threads()
    monkeypatch.setattr(daemons, "start_thread", threads.start)
    return threads


@pytest.fixture
def real(threads: Threads, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scheduler]:
    """A house keeper with threads, of which one at most is left afterwards, waiting for work for ever."""
    scheduler = Scheduler()
    monkeypatch.setattr(housekeeper, "SCHEDULER", scheduler)
    monkeypatch.setattr(housekeeper, "IDLE", 0.02)
    yield scheduler
    scheduler.ending = True
    scheduler._inbox.put(None)
    eventually(lambda: len(threads) == scheduler._crew <= 1)


class House:
    """A household of which everything can be told."""

    def __init__(self, run_due: Callable[[], float | None] | None = None) -> None:
        self.chores: deque[Callable[[], None]] = deque()
        self.hub_chores: deque[Callable[[], None]] = deque()
        self.hub: Hub | None = None
        self.told = run_due
        self.looks: list[float] = []
        self.looked = threading.Event()

    def run_due(self) -> float | None:
        self.looks.append(monotonic())
        self.looked.set()
        return None if self.told is None else self.told()

    def run_chores(self, *, common: bool = True, hub: bool = True) -> None:
        while common and self.chores:
            self.chores.popleft()()
        while hub and self.hub_chores:
            self.hub_chores.popleft()()

    def log_later(self, level: int, message: str, *arguments: object, error: BaseException | None = None) -> None:
        logging.getLogger("ppp").log(level, message, *arguments, exc_info=error)

    def close_at_exit(self) -> list[Callable[[], None]]:
        return []

    def wait_until_empty(self, seconds: float) -> None:
        pass

    def after_fork(self) -> None:
        pass


class Hanging:
    """A hook that hangs, in as many threads as come, until it is let go."""

    def __init__(self) -> None:
        self.count = 0
        self.begun = threading.Event()
        self.go_on = threading.Event()

    def __call__(self, *_: object) -> bool:
        self.count += 1
        self.begun.set()
        return self.go_on.wait(3 * DEADLINE)  # longer than any test


@pytest.fixture
def hanging() -> Iterator[Hanging]:
    """A hook that hangs until the end of the test at the latest."""
    hook = Hanging()
    yield hook
    hook.go_on.set()


# --- the schedule --------------------------------------------------------------------------------------


def test_expiry_by_itself(real: Scheduler, works: Works) -> None:
    """An unused object is closed on time without anybody asking, neither early nor by half a round late."""
    closed: list[float] = []
    pool = Pool(works.make, min_size=0, max_avail_delay=0.1, closer=lambda thing: closed.append(monotonic()))
    thing = pool.get()
    returned = monotonic()
    pool.ret(thing)
    eventually(lambda: closed)
    assert closed[0] - returned >= 0.1
    assert closed[0] - returned < 5


def test_a_refill_by_itself(real: Scheduler, works: Works) -> None:
    """A pool below its min_size is filled without anybody asking."""
    pool = Pool(works.make, min_size=2)
    pool.discard(pool.get())
    eventually(lambda: pool.stats()["navail"] == 2)


def test_a_dropped_lease_by_itself(real: Scheduler) -> None:
    """A dropped lease comes back without anybody asking, and serves who waits."""
    pool = Pool(Thing, 1)
    leases = [pool.lease()]
    waiting = Caller(pool.get)
    eventually(lambda: pool.stats()["nwaiting"] == 1)
    leases.clear()
    assert waiting.result().number == 0


def test_a_dropped_pool_by_itself(real: Scheduler, works: Works) -> None:
    """A dropped pool is closed without anybody asking, and no thread keeps what is left of it."""
    pool = Pool(works.make, min_size=3, max_avail_delay=3600, closer=works.close)
    core = weakref.ref(pool._core)
    del pool
    eventually(lambda: len(works.closed) == 3)
    eventually(lambda: core() is None)


def test_an_empty_pool_is_not_kept(real: Scheduler) -> None:
    """A pool that was looked at and is dropped with nothing in it is gone at once: the house keeper sleeps alone."""
    pool = Pool(Thing, min_size=0)
    pool.discard(pool.get())
    core = weakref.ref(pool._core)
    eventually(real._inbox.empty)
    del pool
    eventually(lambda: core() is None)


def test_recovery_by_itself(real: Scheduler, works: Works) -> None:
    """A pool made before its server is up fills itself once it is."""
    works.failing = ConnectionError()
    pool = Pool(works.make, min_size=2)
    eventually(lambda: len(works.numbers) >= 3)
    works.failing = None
    eventually(lambda: pool.stats()["navail"] == 2)


def test_one_schedule_for_all_pools(real: Scheduler, threads: Threads) -> None:
    """Five hundred pools with much to watch cost one thread and its helper, not a thread each."""
    pools = [
        Pool(Thing, max_avail_delay=3600, max_using_delay=60, health=lambda thing: True, min_size=1) for _ in range(500)
    ]
    for pool in pools:
        pool.ret(pool.get())
    eventually(lambda: real._inbox.empty())
    assert len(threads) == 2


def test_five_hundred_pools_are_served(real: Scheduler) -> None:
    """Each of five hundred pools has its objects closed when they expire."""
    works = [Works() for _ in range(500)]
    pools = [Pool(each.make, min_size=0, max_avail_delay=0.2, closer=each.close) for each in works]
    for pool in pools:
        pool.ret(pool.get())
    eventually(lambda: all(len(each.closed) == 1 for each in works))
    assert real._crew <= housekeeper.CREW + 2


def test_deadlines_in_order(real: Scheduler) -> None:
    """Households are looked at when they asked for it, whatever the order in which they asked."""
    start = monotonic()
    houses = [House() for _ in range(3)]
    for house, delay in zip(houses, (0.15, 0.05, 0.1), strict=True):
        house.told = partial(next, iter([start + delay]), None)
        real.watch(house)
    eventually(lambda: all(len(house.looks) == 2 for house in houses))
    for house, delay in zip(houses, (0.15, 0.05, 0.1), strict=True):
        assert delay <= house.looks[1] - start < delay + 1.0


def test_only_the_earliest_deadline_counts(real: Scheduler) -> None:
    """A household is looked at once at its earliest deadline, however often it asked; that look says the next."""
    start = monotonic()
    deadlines = [start + 0.15, start + 0.1, start + 0.05]
    house = House(lambda: deadlines.pop() if deadlines else None)
    real.watch(house)
    wait_for(house.looked)
    real.watch(house)  # before 0.05: that one counts, 0.1 is forgotten
    eventually(lambda: len(house.looks) == 4)
    assert house.looks[2] - start >= 0.05
    assert house.looks[3] - start >= 0.15


def test_a_deadline_brought_forward(real: Scheduler) -> None:
    """A household that asks for an earlier look is not looked at again at the time it had asked for before."""
    start = monotonic()
    house, other = House(partial(next, iter([start + 0.1, start + 0.05]), None)), House()
    real.watch(house)
    wait_for(house.looked)
    real.watch(house)
    other.told = partial(next, iter([start + 0.15]), None)
    real.watch(other)
    eventually(lambda: len(other.looks) == 2)
    assert len(house.looks) == 3


def test_a_past_deadline_is_now(real: Scheduler) -> None:
    """A deadline that has passed already is met at once."""
    deadlines = [monotonic() - 100]
    house = House(lambda: deadlines.pop() if deadlines else None)
    real.watch(house)
    eventually(lambda: len(house.looks) == 2)


def test_a_household_that_is_gone(real: Scheduler) -> None:
    """A household that was dropped before its deadline, or before it was looked at, is not missed."""
    house, other = House(lambda: monotonic() + 0.05), House()
    real.watch(house)
    wait_for(house.looked)
    gone = weakref.ref(house)
    del house
    real.request_look(dropped(House()))
    eventually(lambda: gone() is None)
    real.watch(other)
    wait_for(other.looked)


def test_a_household_that_raises(
    real: Scheduler, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A household whose house keeping fails is logged, looked at again later, and harms no other."""
    monkeypatch.setattr(housekeeper, "RETRY", 0.02)

    def fail() -> None:
        raise RuntimeError("a bug")

    house, other = House(fail), House()
    real.watch(house)
    real.watch(other)
    wait_for(other.looked)
    eventually(lambda: len(house.looks) >= 3)
    assert house.looks[1] - house.looks[0] >= 0.02
    lines = said(caplog)
    assert lines[0].startswith("house keeping of <tests.unit.test_keeper.House object")
    assert "RuntimeError: a bug" in caplog.text
    house.told = None


def refuse(run: Callable[[], None]) -> bool:
    return False


def test_two_who_start_the_thread_at_once(threads: Threads) -> None:
    """Of two pools that are the first to be looked after, at the same time, one starts the thread."""
    scheduler = Scheduler()
    lock = scheduler._lock

    class Contended:
        """A lock that comes free when another thread has started what is needed."""

        def __enter__(self) -> None:
            lock.acquire()
            scheduler._running = True
            scheduler._crew = 1

        def __exit__(self, *_: object) -> None:
            lock.release()

    scheduler._lock = Contended()  # type: ignore[assignment]  # pyright: ignore[reportAttributeAccessIssue]
    scheduler.watch(House())
    assert len(threads) == 0
    assert scheduler._inbox.qsize() == 1


def test_without_a_thread(real: Scheduler, monkeypatch: pytest.MonkeyPatch, works: Works) -> None:
    """Where the system has no thread to spare pools work; the house keeping begins when there is one."""
    with monkeypatch.context() as patch:
        patch.setattr(daemons, "start_thread", refuse)
        pool = Pool(works.make, min_size=2)
        pool.discard(pool.get())
        assert pool.stats()["nobjs"] == 1
        assert not real._running
    pool.get()
    pool.get()
    eventually(lambda: pool.stats()["nobjs"] == 2)
    assert real._running


# --- the crew ------------------------------------------------------------------------------------------


def test_a_hook_that_hangs_holds_up_nobody_else(real: Scheduler, hanging: Hanging, works: Works) -> None:
    """While the hooks of some pools hang, as many as there may be, another pool's objects expire."""
    stuck = [Pool(Thing, health=hanging, hk_delay=0.01) for _ in range(2 * housekeeper.CREW)]
    eventually(lambda: hanging.count >= len(stuck))
    pool = Pool(works.make, min_size=0, max_avail_delay=0.02, closer=works.close)
    pool.ret(pool.get())
    eventually(lambda: works.closed)
    assert not hanging.go_on.is_set()
    hanging.go_on.set()
    for each in stuck:
        each.shutdown()


def test_hooks_of_one_pool_that_hang(
    real: Scheduler, hanging: Hanging, works: Works, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many closers of one pool hang, they have a few threads only, and another pool's chores are done."""
    monkeypatch.setattr(housekeeper, "PATIENCE", 0.01)
    stuck = Pool(Thing, min_size=0, max_avail_delay=0.01, closer=hanging)
    for thing in [stuck.get() for _ in range(50)]:
        stuck.ret(thing)
    wait_for(hanging.begun)
    pool = Pool(works.make, min_size=0, max_avail_delay=0.2, closer=works.close)
    pool.ret(pool.get())
    eventually(lambda: works.closed)
    assert hanging.count <= housekeeper.HELPERS
    hanging.go_on.set()
    eventually(lambda: stuck.stats()["nobjs"] == 0)
    assert real._crew <= housekeeper.HELPERS + housekeeper.CREW


def test_closers_that_hang_do_not_hold_up_creations(
    real: Scheduler, hanging: Hanging, works: Works, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many closers of a pool hang, what is missing is created where there is room."""
    monkeypatch.setattr(housekeeper, "PATIENCE", 0.01)
    pool = Pool(works.make, 40, 0, max_avail_delay=0.01, closer=hanging)
    for thing in [pool.get() for _ in range(10)]:
        pool.ret(thing)
    eventually(lambda: hanging.count == housekeeper.HELPERS)
    pool.resize(min_size=2)
    eventually(lambda: pool.stats()["navail"] == 2)
    hanging.go_on.set()
    eventually(lambda: pool.stats()["nobjs"] == 2)


def test_who_makes_a_pool_makes_its_first_objects(real: Scheduler, works: Works) -> None:
    """The house keeper, who hears of the first, does not make the others beside him."""
    makers: list[int] = []

    def make(number: int) -> Thing:
        makers.append(threading.get_ident())
        eventually(lambda: not real._inbox.qsize())
        return works.make(number)

    for _ in range(5):
        pool = Pool(make, 5, 5)
        assert pool.stats()["navail"] == 5
        pool.close()
    assert set(makers) == {threading.get_ident()}


def test_a_log_that_raises_ends_no_house_keeping(real: Scheduler, works: Works) -> None:
    """A handler or filter of the user's may: the chores, the crew and the schedule go on."""

    def refuse_it(record: logging.LogRecord) -> bool:
        raise ValueError("a filter with a bug")

    def fail() -> None:
        raise RuntimeError("a bug")

    log = logging.getLogger("ppp")
    log.addFilter(refuse_it)
    try:
        real.watch(House(fail))
        pool = Pool(works.make, 1, 0, max_avail_delay=0.01, closer=works.close)
        for number in range(2 * housekeeper.HELPERS):
            pool._core.leave(fail)
            pool.ret(pool.get())
            eventually(lambda: pool.stats()["nobjs"] == 0)
            assert pool.stats()["hk_errors"] == number + 1
    finally:
        log.removeFilter(refuse_it)


def test_jobs_of_one_pool_that_wait_count_too(
    real: Scheduler, threads: Threads, hanging: Hanging, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However often a pool asks while the crew is busy, it gets no more threads than a few in the end."""
    house = House()

    def chore() -> None:
        hanging()

    house.chores.extend([chore] * 20)
    with monkeypatch.context() as patch:
        patch.setattr(daemons, "start_thread", refuse)
        for _ in range(10):
            real._employ(housekeeper.Job(house, hub=False), more=True)
    with real._lock:
        real._crew += sum(threads.start(real._work) for _ in range(10))
    other = House()
    done = threading.Event()
    other.chores.append(done.set)
    real._employ(housekeeper.Job(other, hub=False), more=False)
    wait_for(done)
    assert hanging.count <= housekeeper.HELPERS
    hanging.go_on.set()
    eventually(lambda: not house.chores)


def test_slow_chores_are_no_hanging_chores(real: Scheduler) -> None:
    """Many chores that are slow, and get done, do not make the crew grow without end."""
    pause = threading.Event()
    pool = Pool(Thing, min_size=0, max_avail_delay=0.01, closer=lambda thing: pause.wait(0.01))
    for thing in [pool.get() for _ in range(100)]:
        pool.ret(thing)
    eventually(lambda: pool.stats()["nobjs"] == 0)
    assert real._crew <= housekeeper.CREW + housekeeper.HELPERS


def test_the_crew_goes_home(real: Scheduler) -> None:
    """Threads of the crew with nothing to do end, all but one; when there is work again there are threads again."""
    for _ in range(2):
        hanging = Hanging()
        pools = [Pool(Thing, health=hanging, hk_delay=0.01) for _ in range(3)]
        eventually(lambda hanging=hanging: hanging.count >= 3)  # type: ignore[misc]
        assert real._crew >= 3
        hanging.go_on.set()
        for pool in pools:
            pool.shutdown()
        eventually(lambda: real._crew == 1)


def test_a_chore_that_ends_its_thread(real: Scheduler, works: Works, caplog: pytest.LogCaptureFixture) -> None:
    """A hook that raises SystemExit ends neither the crew nor the house keeping of its pool."""

    def close(thing: Thing) -> None:
        works.close(thing)
        raise SystemExit(thing.number)

    pool = Pool(works.make, name="books", min_size=0, max_avail_delay=0.01, closer=close)
    for thing in [pool.get() for _ in range(3)]:
        pool.ret(thing)
    eventually(lambda: len(works.closed) == 3)
    eventually(lambda: len(said(caplog)) == 3)
    assert pool.stats()["hk_errors"] == 3
    assert sorted(said(caplog)) == [f"pool 'books': house keeping failed: SystemExit({number})" for number in range(3)]
    assert pool.stats()["nobjs"] == 0


def test_no_thread_for_the_crew(
    real: Scheduler, threads: Threads, works: Works, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Chores for which no thread can be had now are done when one can."""
    monkeypatch.setattr(housekeeper, "PATIENCE", 0.005)
    refused: list[object] = []

    def refuse_thrice(run: Callable[[], None]) -> bool:
        if real._running and len(refused) < 3:
            refused.append(run)
            return False
        return threads.start(run)

    monkeypatch.setattr(daemons, "start_thread", refuse_thrice)
    pool = Pool(works.make, min_size=0, max_avail_delay=0.01, closer=works.close)
    pool.ret(pool.get())
    eventually(lambda: works.closed)
    assert len(refused) == 3
    assert real._crew >= 1


def test_a_job_that_comes_as_its_thread_goes(real: Scheduler) -> None:
    """A job put just when the last idle thread gives up waiting is done all the same."""
    house = House()
    done = threading.Event()
    house.chores.append(done.set)

    class Jobs:
        """A queue in which a job arrives right after the wait for it is over."""

        def __init__(self) -> None:
            self.waits = 0

        def get(self, block: bool, timeout: float) -> housekeeper.Job:
            self.waits += 1
            if self.waits in (1, 3):
                raise Empty
            return housekeeper.Job(house, hub=False)

        def empty(self) -> bool:
            return self.waits >= 3

    real._crew = 2
    real._jobs = Jobs()  # type: ignore[assignment]  # pyright: ignore[reportAttributeAccessIssue]
    real._work()
    assert done.is_set()
    assert real._crew == 1
    real._crew = 0
    real._jobs = SimpleQueue()


class SlowHome:
    """A hub that accepts jobs, and has not yet done any."""

    def __init__(self, there: bool = True) -> None:
        self.there = there
        self.over = False
        self.jobs: list[Callable[[], None]] = []

    def here(self) -> bool:
        return False

    def alive(self) -> bool:
        return not self.over

    def spawn(self, job: Callable[[], None]) -> bool:
        if self.there:
            self.jobs.append(job)
        return self.there

    def turn(self) -> None:
        """Do what there is to do."""
        while self.jobs:
            self.jobs.pop(0)()


def dropped(house: Maintained) -> weakref.ref[Maintained]:
    return weakref.ref(house)


def chore_of(house: House) -> threading.Event:
    done = threading.Event()
    added: list[object] = []

    def add_a_chore() -> None:
        if not added:
            added.append(1)
            house.chores.append(done.set)

    house.told = add_a_chore
    return done


def test_chores_of_a_hub(real: Scheduler) -> None:
    """The chores of a pool of a hub are done in that hub."""
    house, hub = House(), SlowHome()
    house.hub = hub
    done = chore_of(house)
    real.watch(house)
    eventually(lambda: hub.jobs)
    assert not done.is_set()
    hub.jobs[0]()
    assert done.is_set()


def test_chores_of_a_hub_that_is_blocked(real: Scheduler, monkeypatch: pytest.MonkeyPatch) -> None:
    """A hub that does not take up its chores for too long, or is gone, has them done by a thread."""
    monkeypatch.setattr(housekeeper, "HUB_PATIENCE", 0.02)
    blocked, gone, over = House(), House(), House()
    blocked.hub, gone.hub, over.hub = SlowHome(), SlowHome(there=False), SlowHome()
    over.hub.over = True
    done = [chore_of(house) for house in (blocked, gone, over)]
    for house in (blocked, gone, over):
        real.watch(house)
    for each in done:
        wait_for(each)
    assert gone.hub is None, "the next hub becomes its home"
    assert over.hub is None
    assert blocked.hub is not None


@pytest.fixture
def timed(real: Scheduler, clock: HandMovedClock) -> Scheduler:
    """A house keeper whose crew is real, and who looks when told to, at times moved by hand."""
    real.clock = clock
    return real


def test_home_chores_wait_for_a_blocked_hub(timed: Scheduler, clock: HandMovedClock) -> None:
    """What fails anywhere but at home waits as long as its hub is blocked, behind one greenlet; the rest does not."""
    house, hub = House(), SlowHome()
    house.hub = hub
    checked: list[int] = []
    closed = threading.Event()
    house.hub_chores.append(lambda: checked.append(threading.get_ident()))
    house.chores.append(closed.set)
    for look in range(100):
        assert timed.run_due(house) == clock.now + housekeeper.HUB_PATIENCE
        if look < 2:
            assert not closed.is_set()
        else:
            wait_for(closed)
        clock.advance(housekeeper.HUB_PATIENCE)
    assert len(hub.jobs) == 1
    eventually(lambda: timed._free == timed._crew)
    assert not checked
    hub.turn()
    assert checked == [threading.get_ident()]
    assert timed.run_due(house) is None


def test_a_hub_that_does_not_turn_is_told_of(
    timed: Scheduler, clock: HandMovedClock, caplog: pytest.LogCaptureFixture
) -> None:
    """Once: checks and creations wait for it, and nobody would know why."""
    house, hub = House(), SlowHome()
    house.hub = hub
    house.hub_chores.append(lambda: None)
    for look in range(20):
        assert len(said(caplog)) == (look > housekeeper.TRIES)
        timed.run_due(house)
        clock.advance(housekeeper.HUB_PATIENCE)
    assert said(caplog)[0].endswith(": checks and creations wait for a hub that does not turn")
    hub.turn()
    assert timed.run_due(house) is None


def test_a_failure_of_the_keepers_own(timed: Scheduler, caplog: pytest.LogCaptureFixture) -> None:
    """What a hub raises when it is sent for ends the house keeping of nobody."""
    house = House()
    house.hub = SlowHome()
    house.hub.jobs = None  # type: ignore[assignment]  # pyright: ignore[reportAttributeAccessIssue]
    house.chores.append(lambda: None)
    assert timed.run_due(house) == timed.clock() + housekeeper.RETRY
    assert said(caplog)[0].endswith("failed")


def test_a_look_too_early_sends_nobody(timed: Scheduler, clock: HandMovedClock) -> None:
    """However often a pool asks to be looked at, its hub gets its time."""
    house, hub = House(), SlowHome()
    house.hub = hub
    done = threading.Event()
    house.chores.append(done.set)
    since = clock.now
    for _ in range(9):
        assert timed.run_due(house) == since + housekeeper.HUB_PATIENCE
        clock.advance(housekeeper.HUB_PATIENCE / 10)
    assert len(hub.jobs) == 1
    assert timed._crew == 0
    hub.turn()


def test_home_chores_of_a_hub_that_ends(timed: Scheduler) -> None:
    """When the hub that home chores have waited for turns out to be over, the crew does them."""
    house, hub = House(), SlowHome()
    house.hub = hub
    done = threading.Event()
    house.hub_chores.append(done.set)
    timed.run_due(house)
    assert len(hub.jobs) == 1
    hub.over = True
    timed.run_due(house)
    assert house.hub is None
    wait_for(done)


def test_a_hub_that_ends_at_this_moment(timed: Scheduler) -> None:
    """A hub that is over by the time it is to do something has it done by the crew at once."""
    house = House()
    house.hub = SlowHome(there=False)
    done = threading.Event()
    house.hub_chores.append(done.set)
    timed.run_due(house)
    assert house.hub is None
    wait_for(done)


def test_a_greenlet_that_never_began(timed: Scheduler, clock: HandMovedClock) -> None:
    """A greenlet that is killed before it has begun is not waited for: another is sent."""
    house, hub = House(), SlowHome()
    house.hub = hub
    done = threading.Event()
    house.hub_chores.append(done.set)
    timed.run_due(house)
    hub.jobs.clear()
    clock.advance(housekeeper.HUB_PATIENCE)
    timed.run_due(house)
    assert len(hub.jobs) == 1
    hub.turn()
    assert done.is_set()


def test_a_greenlet_in_a_long_chore(timed: Scheduler, clock: HandMovedClock, hanging: Hanging) -> None:
    """What comes while a greenlet is in the middle of a long chore has another greenlet, not a thread."""
    house, hub = House(), SlowHome()
    house.hub = hub

    def check() -> None:
        hanging()

    house.hub_chores.append(check)
    timed.run_due(house)
    first = Caller(hub.jobs.pop())
    wait_for(hanging.begun)
    done = threading.Event()
    house.hub_chores.append(done.set)
    timed.run_due(house)
    assert len(hub.jobs) == 1
    clock.advance(10 * housekeeper.HUB_PATIENCE)
    timed.run_due(house)
    assert len(hub.jobs) == 1
    assert timed._crew == 0
    hub.turn()
    assert done.is_set()
    hanging.go_on.set()
    first.result()


def test_a_pool_that_finds_a_home(timed: Scheduler, threads: Threads, monkeypatch: pytest.MonkeyPatch) -> None:
    """A thread of the crew that was sent before a pool was first used in a hub leaves the home chores to that."""
    house, hub = House(), SlowHome()
    at_home = threading.Event()
    house.hub_chores.append(at_home.set)
    with monkeypatch.context() as patch:
        patch.setattr(daemons, "start_thread", refuse)
        timed.run_due(house)
    house.hub = hub
    timed._crew += threads.start(timed._work)
    eventually(lambda: timed._free and not timed._helping[house][True])
    assert not at_home.is_set()
    timed.run_due(house)
    hub.turn()
    assert at_home.is_set()


def test_threads_are_named_in_the_log(
    real: Scheduler, works: Works, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A log line says which thread of the house keeping it comes from, and threading hears nothing of that."""
    monkeypatch.setattr(logging, "logThreads", False)  # else the line itself makes an entry in threading
    before = set(threading.enumerate())

    def fail() -> bool:
        raise RuntimeError("a bug")

    works.failing = ConnectionError()
    pool, other = Pool(works.make, name="books"), Pool(Thing, 0, 0)
    pool._core.schedule()
    eventually(lambda: len(works.numbers) == 2)
    with monkeypatch.context() as bug:
        bug.setattr(other._core, "sweep", fail)
        other._core.schedule()
        eventually(lambda: len({line[:10] for line in said(caplog)}) == 2)
    names = {record.getMessage()[:10]: str(record.threadName) for record in caplog.records}
    assert names["pool 'book"].startswith("ppp-crew-")
    assert names["house keep"] == "ppp-housekeeper"
    assert set(threading.enumerate()) <= before
    works.failing = None


# --- the exit, as far as it can be seen without one ------------------------------------------------------


class HomeHere(SlowHome):
    """The hub of the current thread, with native threads for greenlets."""

    def here(self) -> bool:
        return True

    def spawn(self, job: Callable[[], None]) -> bool:
        self.jobs.append(job)
        return start_thread(job)


class Dying(House):
    """A household that has jobs at exit."""

    def __init__(self, *jobs: Callable[[], None]) -> None:
        super().__init__()
        self.jobs = list(jobs)

    def close_at_exit(self) -> list[Callable[[], None]]:
        return self.jobs


def test_exit_in_a_hub(real: Scheduler) -> None:
    """At exit the closers of a pool of this thread's hub run in greenlets of that hub, and what was queued does."""
    queued = threading.Event()
    house = Dying()
    house.jobs = [house.looked.set]
    house.chores.append(queued.set)
    house.hub = hub = HomeHere()
    real.enter(house)
    real.exit()
    assert house.looked.is_set()
    assert queued.is_set()
    assert len(hub.jobs) == 2


def test_exit_with_closers_that_hang(
    real: Scheduler, hanging: Hanging, monkeypatch: pytest.MonkeyPatch, works: Works
) -> None:
    """However many closers of a hub hang, in one pool or in many, every other object is closed, in all the time."""
    monkeypatch.setattr(housekeeper, "EXIT_TIME", 1.0)
    closed: list[int] = []

    def hang() -> None:
        hanging()

    houses = [
        Dying(*[hang] * 10, *(partial(closed.append, number) for number in range(20))),
        Dying(partial(closed.append, 20)),
    ]
    for house in houses:
        house.hub = HomeHere()
        real.enter(house)
    start = monotonic()
    real.exit()
    assert sorted(closed) == list(range(21))
    assert hanging.count == 10
    assert 1.0 <= monotonic() - start < 5.0


def test_exit_with_help_of_all(
    real: Scheduler, threads: Threads, hanging: Hanging, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each thread of the crew closes at exit: so many closers may hang, and the others are called."""
    monkeypatch.setattr(housekeeper, "EXIT_TIME", 1.0)

    def hang() -> None:
        hanging()

    house = Dying(*[hang] * 4)
    house.jobs.append(house.looked.set)
    real.enter(house)
    real.watch(house)
    with real._lock:
        real._crew += sum(threads.start(real._work) for _ in range(2))
    real.exit()  # besides the three of the crew: the scheduling thread, and one for the exit alone
    assert house.looked.is_set()
    hanging.go_on.set()


def test_exit_with_a_thread_that_never_began(real: Scheduler, monkeypatch: pytest.MonkeyPatch) -> None:
    """A start that was interrupted costs the exit time, and no object its closer."""
    monkeypatch.setattr(housekeeper, "EXIT_TIME", 0.2)
    real._daemons._unborn.add(SimpleQueue())
    house = Dying()
    house.hub = HomeHere()
    house.jobs = [house.looked.set]
    real.enter(house)
    real.exit()
    assert house.looked.is_set()


def test_a_fork_begins_with_no_threads(real: Scheduler, threads: Threads) -> None:
    """A child waits for no thread of its parent; one that is forked in the middle of the exit starts none."""
    real._daemons._unborn.add(SimpleQueue())
    real.after_fork()
    assert not real._daemons._unborn
    real.exit()
    real.after_fork()
    real.watch(House())
    assert not real._running


def test_exit_when_the_hub_is_over(real: Scheduler) -> None:
    """At exit the closers of a pool whose hub is over run in a thread, though it was this thread's."""
    house = Dying()
    house.jobs = [house.looked.set]
    house.hub = hub = HomeHere()
    hub.over = True
    real.enter(house)
    real.exit()
    assert house.looked.is_set()
    assert not hub.jobs


def test_a_household_is_known_weakly(real: Scheduler) -> None:
    """A household that is gone is forgotten."""
    house = House()
    real.enter(house)
    assert real._alive() == [house]
    del house
    assert real._alive() == []
    assert real._pools == {}
