"""The scheduler's threads: as many as are needed, however hooks hang, and none where there is nothing to do."""

from __future__ import annotations

import logging
import threading
import weakref
from collections.abc import Callable

import pytest

from ProxyPatternPool import Pool
from ProxyPatternPool._runtime.environment import Environment
from ProxyPatternPool._runtime.native import Empty, SimpleQueue
from ProxyPatternPool._runtime.threads import DaemonThreads
from ProxyPatternPool._scheduler.scheduler import Scheduler
from ProxyPatternPool._scheduler.timing import Timing
from ProxyPatternPool._scheduler.workers import MAX_JOBS, MIN_WORKERS, Job, Workers

from .clock import HandMovedClock
from .helpers import Thing, Works, eventually, said, wait_for
from .maintained import FakeMaintained, Hanging, Threads


def test_two_who_start_the_thread_at_once(threads: Threads) -> None:
    """Of two pools that are the first to need the scheduler, at the same time, one starts its thread."""
    scheduler = Scheduler(Environment(start_thread=threads.start))
    lock = scheduler._lock

    class Contended:
        """A lock that comes free when another thread has started what is needed."""

        def __enter__(self) -> None:
            lock.acquire()
            scheduler._running = True
            scheduler.workers.count = 1

        def __exit__(self, *_: object) -> None:
            lock.release()

    scheduler._lock = Contended()  # type: ignore[assignment]  # pyright: ignore[reportAttributeAccessIssue]
    pool = FakeMaintained()
    scheduler.watch(weakref.ref(pool))
    assert len(threads) == 0
    assert len(scheduler._requests) == 1


@pytest.mark.parametrize("which", ["the scheduler", "a worker"])
def test_a_finalizer_while_a_thread_is_started(real: Scheduler, threads: Threads, which: str) -> None:
    """A finalizer that asks for threads in the middle of the start of one has no second one of its kind."""
    first, second = FakeMaintained(), FakeMaintained()
    before = [threads.count] if which == "a worker" else []

    def start(run: Callable[[], None]) -> bool:
        if before:
            return before.pop()(run)
        threads.how = threads.count
        real.watch(weakref.ref(second))
        return threads.count(run)

    threads.how = start
    assert real.watch(weakref.ref(first))
    wait_for(first.looked)
    wait_for(second.looked)
    eventually(lambda: len(threads) == 2)
    assert real.workers.count == 1
    assert threads.how == threads.count


def test_a_worker_alone_is_not_enough(real: Scheduler, threads: Threads) -> None:
    """Where a worker could be started and the scheduler's own thread could not, whoever asks next starts that."""

    def refuse_once(run: Callable[[], None]) -> bool:
        threads.how = threads.count
        return False

    threads.how = refuse_once
    maintained = FakeMaintained()
    assert not real.watch(weakref.ref(maintained))
    assert real.workers.count == 1
    assert real.watch(weakref.ref(maintained))
    wait_for(maintained.looked)


def test_without_a_thread(real: Scheduler, threads: Threads, works: Works) -> None:
    """Where the system has no thread to spare pools work; maintenance begins when there is one."""
    with threads.refused():
        pool = Pool(works.make, min_size=2)
        pool.discard(pool.get())
        assert pool.stats()["nobjs"] == 1
        assert not real._running
    pool.get()  # and no more: of two callers the second may create what maintenance is creating
    eventually(lambda: pool.stats()["nobjs"] == 2)
    assert real._running


def test_a_hook_that_hangs_holds_up_nobody_else(real: Scheduler, hanging: Hanging, works: Works) -> None:
    """While the hooks of some pools hang, as many as there may be, another pool's objects expire."""
    stuck = [Pool(Thing, health=hanging, hk_delay=0.01) for _ in range(2 * MIN_WORKERS)]
    eventually(lambda: hanging.count >= len(stuck))
    pool = Pool(works.make, min_size=0, max_avail_delay=0.02, closer=works.close)
    pool.ret(pool.get())
    eventually(lambda: works.closed)
    assert not hanging.go_on.is_set()
    hanging.go_on.set()
    for each in stuck:
        each.shutdown()


@pytest.mark.parametrize("timing", [Timing(worker_patience=0.01, worker_idle=0.02)])
def test_hooks_of_one_pool_that_hang(real: Scheduler, hanging: Hanging, works: Works) -> None:
    """However many closers of one pool hang, they have a few threads only, and another pool's chores are done."""
    stuck = Pool(Thing, min_size=0, max_avail_delay=0.01, closer=hanging)
    for thing in [stuck.get() for _ in range(50)]:
        stuck.ret(thing)
    wait_for(hanging.begun)
    pool = Pool(works.make, min_size=0, max_avail_delay=0.2, closer=works.close)
    pool.ret(pool.get())
    eventually(lambda: works.closed)
    assert hanging.count <= MAX_JOBS
    hanging.go_on.set()
    eventually(lambda: stuck.stats()["nobjs"] == 0)
    assert real.workers.count <= MAX_JOBS + MIN_WORKERS


@pytest.mark.parametrize("timing", [Timing(worker_patience=0.01, worker_idle=0.02)])
def test_closers_that_hang_do_not_hold_up_creations(real: Scheduler, hanging: Hanging, works: Works) -> None:
    """However many closers of a pool hang, what is missing is created where there is room."""
    pool = Pool(works.make, 40, 0, max_avail_delay=0.01, closer=hanging)
    for thing in [pool.get() for _ in range(10)]:
        pool.ret(thing)
    eventually(lambda: hanging.count == MAX_JOBS)
    pool.resize(min_size=2)
    eventually(lambda: pool.stats()["navail"] == 2)
    hanging.go_on.set()
    eventually(lambda: pool.stats()["nobjs"] == 2)


def test_who_makes_a_pool_makes_its_first_objects(real: Scheduler, works: Works) -> None:
    """The scheduler, which hears of the first, has nobody make the others beside him."""
    makers: list[int] = []

    def make(number: int) -> Thing:
        makers.append(threading.get_ident())
        eventually(lambda: not len(real._requests))
        return works.make(number)

    for _ in range(5):
        pool = Pool(make, 5, 5)
        assert pool.stats()["navail"] == 5
        pool.close()
    assert set(makers) == {threading.get_ident()}


def test_a_log_that_raises_ends_no_maintenance(real: Scheduler, works: Works) -> None:
    """A handler or filter of the user's may: the chores, the workers and the schedule go on."""

    def refuse_it(record: logging.LogRecord) -> bool:
        raise ValueError("a filter with a bug")

    def fail() -> None:
        raise RuntimeError("a bug")

    maintained, other = FakeMaintained(fail), FakeMaintained()
    log = logging.getLogger("ppp")
    log.addFilter(refuse_it)
    try:
        real.watch(weakref.ref(maintained))
        wait_for(maintained.looked)
        real.watch(weakref.ref(other))
        wait_for(other.looked)
        pool = Pool(works.make, 1, 0, max_avail_delay=0.01, closer=works.close)
        for number in range(2 * MAX_JOBS):
            pool._core.chores.leave(fail)
            pool.ret(pool.get())
            eventually(lambda: pool.stats()["nobjs"] == 0)
            eventually(lambda number=number: pool.stats()["hk_errors"] == number + 1)  # type: ignore[misc]
    finally:
        maintained.told = None
        log.removeFilter(refuse_it)


def test_a_job_with_a_bug(real: Scheduler, caplog: pytest.LogCaptureFixture) -> None:
    """What is raised in a job is logged: it ends no worker, and later jobs of the same pool are done."""
    maintained = FakeMaintained()

    def fail() -> None:
        raise RuntimeError("a bug")

    for number in range(MAX_JOBS + 1):
        maintained.queued.append(fail)
        real.workers.submit(Job(maintained, hub=False), waited=False)
        eventually(lambda number=number: len(said(caplog)) == number + 1)  # type: ignore[misc]
        eventually(lambda: not real.workers._unfinished)
    done = threading.Event()
    maintained.queued.append(done.set)
    real.workers.submit(Job(maintained, hub=False), waited=False)
    wait_for(done)
    assert set(said(caplog)) == {f"maintenance of {maintained!r} failed"}
    assert all(record.exc_text and "a bug" in record.exc_text for record in caplog.records)


def test_jobs_of_one_pool_that_wait_count_too(real: Scheduler, threads: Threads, hanging: Hanging) -> None:
    """However often a pool asks while all workers are busy, it gets no more threads than a few in the end."""
    maintained, other = FakeMaintained(), FakeMaintained()
    done = threading.Event()
    other.queued.append(done.set)

    def chore() -> None:
        hanging()

    maintained.queued.extend([chore] * 20)
    with threads.refused():
        for _ in range(10):
            real.workers.submit(Job(maintained, hub=False), waited=True)
        real.workers.submit(Job(other, hub=False), waited=False)
    real.workers.count = 10
    for _ in range(10):
        threads.start(real.workers._work)
    wait_for(done)
    eventually(lambda: hanging.count == MAX_JOBS)
    hanging.go_on.set()
    eventually(lambda: not maintained.queued)


@pytest.fixture
def workers(clock: HandMovedClock) -> Workers:
    """Workers that never take a turn."""
    return Workers(DaemonThreads(lambda _: True), Timing(), clock)


def test_workers_are_numbered(clock: HandMovedClock) -> None:
    """From 1 on, for the log; the first is started once."""
    names: list[str] = []

    class Named(DaemonThreads):
        def start(self, name: str, run: Callable[[], None]) -> bool:
            names.append(name)
            return True

    workers = Workers(Named(), Timing(), clock)
    workers.start_first()
    workers.start_first()
    for _ in range(2):
        workers.submit(Job(FakeMaintained(), hub=False), waited=False)
    assert (names, workers.count) == (["ppp-worker-1", "ppp-worker-2"], 2)


def test_a_pool_whose_hooks_hang_has_a_few_workers(workers: Workers) -> None:
    """However often its chores have waited for too long: there is a worker for each of its jobs, and no other."""
    job = Job(FakeMaintained(), hub=False)
    for _ in range(10 * MAX_JOBS):
        workers.submit(job, waited=True)
    assert workers.count == MAX_JOBS


def test_jobs_that_have_ended_make_room(workers: Workers) -> None:
    """A pool may have as many jobs as before."""
    job = Job(FakeMaintained(), hub=False)
    for _ in range(2):
        for _ in range(2 * MAX_JOBS):
            workers.submit(job, waited=False)
        assert workers._jobs.qsize() == MAX_JOBS
        for _ in range(MAX_JOBS):
            workers._jobs.get()
            workers._do(job)


def test_a_bug_that_cannot_be_logged(workers: Workers) -> None:
    """It ends neither the worker nor the jobs of its pool."""

    class Broken(FakeMaintained):
        def run_chores(self, *, common: bool = True, hub: bool = True) -> None:
            raise RuntimeError("a bug")

        def log_later(self, level: int, message: str, *arguments: object, error: BaseException | None = None) -> None:
            raise RuntimeError("another")

    job = Job(Broken(), hub=False)
    for _ in range(2 * MAX_JOBS):
        workers.submit(job, waited=False)
        assert workers._jobs.get() is job
        workers._do(job)


def test_who_waits_asks_for_all(workers: Workers, clock: HandMovedClock) -> None:
    """Chores of a pool that has its jobs have another worker started if others' jobs have none, and not else."""
    job, other = Job(FakeMaintained(), hub=False), Job(FakeMaintained(), hub=False)
    for _ in range(MAX_JOBS):
        workers.submit(job, waited=False)
    for _ in range(3):
        clock.advance(1)
        workers.submit(job, waited=True)
        assert workers.count == MIN_WORKERS
    workers.submit(other, waited=False)
    for count in (MIN_WORKERS, MIN_WORKERS + 1, MIN_WORKERS + 1):
        workers.submit(job, waited=True)
        assert workers.count == count
        clock.advance(Timing().worker_patience)


def test_workers_that_get_things_done_are_enough(workers: Workers, clock: HandMovedClock) -> None:
    """More are started where chores have waited for too long and no job has ended since that was last looked at."""
    pools = [FakeMaintained() for _ in range(500)]
    for pool in pools[:10]:
        workers.submit(Job(pool, hub=False), waited=False)
    assert workers.count == MIN_WORKERS
    for _ in range(3):
        clock.advance(1)
        workers._do(Job(pools[0], hub=False))  # as a worker does
        for pool in pools:  # all in one turn of the scheduler
            workers.submit(Job(pool, hub=False), waited=True)
        assert workers.count == MIN_WORKERS
    clock.advance(1)
    for more in range(1, 4):
        workers.submit(Job(pools[-more], hub=False), waited=True)
        assert workers.count == MIN_WORKERS + more
    workers._do(Job(pools[0], hub=False))  # they do not hang any more
    workers.submit(Job(pools[-4], hub=False), waited=True)
    assert workers.count == MIN_WORKERS + 3


def test_slow_chores_are_no_hanging_chores(real: Scheduler) -> None:
    """Many chores that are slow, and get done, do not make workers grow without end."""
    pause = threading.Event()
    pool = Pool(Thing, min_size=0, max_avail_delay=0.01, closer=lambda thing: pause.wait(0.01))
    for thing in [pool.get() for _ in range(100)]:
        pool.ret(thing)
    eventually(lambda: pool.stats()["nobjs"] == 0)
    assert real.workers.count <= MIN_WORKERS + MAX_JOBS


def test_idle_workers_end(real: Scheduler) -> None:
    """Workers with nothing to do end, all but one; when there is work again there are workers again."""
    for _ in range(2):
        hanging = Hanging()
        pools = [Pool(Thing, health=hanging, hk_delay=0.01) for _ in range(3)]
        eventually(lambda hanging=hanging: hanging.count >= 3)  # type: ignore[misc]
        assert real.workers.count >= 3
        hanging.go_on.set()
        for pool in pools:
            pool.shutdown()
        eventually(lambda: real.workers.count == 1)


def test_a_chore_that_ends_its_thread(real: Scheduler, works: Works, caplog: pytest.LogCaptureFixture) -> None:
    """A hook that raises SystemExit ends neither the workers nor the maintenance of its pool."""

    def close(thing: Thing) -> None:
        works.close(thing)
        raise SystemExit(thing.number)

    pool = Pool(works.make, name="books", min_size=0, max_avail_delay=0.01, closer=close)
    for thing in [pool.get() for _ in range(3)]:
        pool.ret(thing)
    eventually(lambda: len(works.closed) == 3)
    eventually(lambda: len(said(caplog)) == 3)
    assert pool.stats()["hk_errors"] == 3
    assert sorted(said(caplog)) == [f"pool 'books': maintenance failed: SystemExit({number})" for number in range(3)]
    assert pool.stats()["nobjs"] == 0


@pytest.mark.parametrize("timing", [Timing(worker_patience=0.005, worker_idle=0.02)])
def test_no_thread_for_a_worker(real: Scheduler, threads: Threads, works: Works) -> None:
    """Chores for which no thread can be had now are done when one can."""
    refused: list[object] = []

    def refuse_thrice(run: Callable[[], None]) -> bool:
        if real._running and len(refused) < 3:
            refused.append(run)
            return False
        return threads.count(run)

    threads.how = refuse_thrice
    pool = Pool(works.make, min_size=0, max_avail_delay=0.01, closer=works.close)
    pool.ret(pool.get())
    eventually(lambda: works.closed)
    assert len(refused) == 3
    assert real.workers.count >= 1


def test_a_job_that_comes_as_its_thread_goes(real: Scheduler) -> None:
    """A job put just when the last idle thread gives up waiting is done all the same."""
    maintained = FakeMaintained()
    done = threading.Event()
    maintained.queued.append(done.set)

    class Jobs:
        """A queue in which a job arrives right after the wait for it is over."""

        def __init__(self) -> None:
            self.waits = 0

        def get_nowait(self) -> Job:
            raise Empty

        def get(self, block: bool, timeout: float) -> Job:
            self.waits += 1
            if self.waits in (1, 3):
                raise Empty
            return Job(maintained, hub=False)

        def empty(self) -> bool:
            return self.waits >= 3

    real.workers.count = 2
    real.workers._unfinished = 1
    real.workers._jobs = Jobs()  # type: ignore[assignment]  # pyright: ignore[reportAttributeAccessIssue]
    real.workers._work()
    assert done.is_set()
    assert real.workers.count == 1
    real.workers.count = 0
    real.workers._jobs = SimpleQueue()


def test_threads_are_named_in_the_log(
    real: Scheduler, works: Works, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A log line says which of our threads it comes from, and threading hears nothing of that."""
    monkeypatch.setattr(logging, "logThreads", False)  # else the line itself makes an entry in threading
    before = set(threading.enumerate())

    bugs = [RuntimeError("a bug")]

    def fail(*, dropped: bool) -> None:
        if bugs:
            raise bugs.pop()

    works.failing = ConnectionError()
    pool, other = Pool(works.make, name="books"), Pool(Thing, 0, 0)
    pool._core.scheduling.schedule()
    eventually(lambda: len(works.numbers) == 2)
    with monkeypatch.context() as bug:
        bug.setattr(other._core.maintenance, "run_due", fail)
        other._core.scheduling.schedule()
        eventually(lambda: len({line[:10] for line in said(caplog)}) == 2)
    names = {record.getMessage()[:10]: str(record.threadName) for record in caplog.records}
    assert names["pool 'book"].startswith("ppp-worker-")
    assert names["maintenanc"] == "ppp-scheduler"
    assert set(threading.enumerate()) <= before
    works.failing = None
