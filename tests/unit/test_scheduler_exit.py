"""The scheduler at the interpreter's exit and in a fork, as far as it can be seen without one."""

from __future__ import annotations

import asyncio
import threading
import weakref
from collections.abc import Callable
from functools import partial
from time import monotonic

import pytest

from ProxyPatternPool import AsyncPool, Pool
from ProxyPatternPool._pool.async_lease import LeaseRequest
from ProxyPatternPool._runtime.environment import Environment
from ProxyPatternPool._runtime.native import SimpleQueue, get_within
from ProxyPatternPool._runtime.threads import thread_name
from ProxyPatternPool._scheduler import scheduler
from ProxyPatternPool._scheduler.deadlines import Deadlines
from ProxyPatternPool._scheduler.maintained import Maintained
from ProxyPatternPool._scheduler.scheduler import Scheduler
from ProxyPatternPool._scheduler.timing import Timing

from .clock import FakeScheduler, HandMovedClock
from .helpers import DEADLINE, Caller, Naps, Thing, Works, eventually, wait_for
from .maintained import FakeMaintained, Hanging, HubHere, Threads


class Dying(FakeMaintained):
    """Something to maintain that has jobs at exit."""

    def __init__(self, *jobs: Callable[[], None]) -> None:
        super().__init__()
        self.jobs = list(jobs)

    def close_at_exit(self) -> list[Callable[[], None]]:
        return self.jobs


def test_exit_in_a_hub(real: Scheduler) -> None:
    """At exit the closers of a pool of this thread's hub run in greenlets of that hub."""
    queued = threading.Event()
    maintained = Dying()
    maintained.jobs = [maintained.looked.set, queued.set]
    maintained.hub = hub = HubHere()
    real.register(maintained)
    real.exit()
    assert maintained.looked.is_set()
    assert queued.is_set()
    assert len(hub.jobs) >= 2  # and more if these have not begun in time


@pytest.mark.parametrize("timing", [Timing(exit_time=DEADLINE, worker_idle=0.02)])
def test_exit_in_the_middle_of_a_look(real: Scheduler, hanging: Hanging, monkeypatch: pytest.MonkeyPatch) -> None:
    """The look comes to its end: nothing that it refers to would be freed."""
    ended: list[bool] = []

    def let_it_end(queue: SimpleQueue[None], seconds: float) -> None:
        hanging.go_on.set()
        get_within(queue, seconds)

    monkeypatch.setattr(scheduler, "get_within", let_it_end)
    maintained = FakeMaintained(lambda: ended.append(hanging()))
    real.watch(weakref.ref(maintained))
    wait_for(hanging.begun)
    real.exit()
    assert ended == [True]


@pytest.mark.parametrize("timing", [Timing(exit_time=0.1, worker_idle=0.02)])
def test_exit_in_a_look_that_does_not_end(real: Scheduler, hanging: Hanging, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is waited for no longer than for closers."""
    ended: list[bool] = []
    waits: list[float] = []

    def note(queue: SimpleQueue[None], seconds: float) -> None:
        waits.append(seconds)
        get_within(queue, seconds)

    monkeypatch.setattr(scheduler, "get_within", note)
    maintained = FakeMaintained(lambda: ended.append(hanging()))
    real.watch(weakref.ref(maintained))
    wait_for(hanging.begun)
    real.exit()
    assert ended == []
    assert len(waits) == 1
    assert 0.0 <= waits[0] <= 0.1
    hanging.go_on.set()


def test_exit_before_a_look(timed: Scheduler) -> None:
    """Who asked before the exit, and was not looked at yet, is not any more: the thread goes on to closers."""
    maintained = FakeMaintained()
    timed.request_look(maintained)
    timed.ending = True
    timed._turn(Deadlines())
    assert maintained.looks == []


@pytest.mark.parametrize("timing", [Timing(exit_time=DEADLINE, worker_idle=0.02)])
def test_exit_with_closers_that_hang(real: Scheduler, hanging: Hanging) -> None:
    """However many closers of a hub hang, in one pool or in many, every other object is closed."""
    closed: list[int] = []

    def hang() -> None:
        hanging()

    several = [
        Dying(*[hang] * 10, *(partial(closed.append, number) for number in range(20))),
        Dying(partial(closed.append, 20)),
    ]
    for maintained in several:
        maintained.hub = HubHere()
        real.register(maintained)

    def release() -> None:
        eventually(lambda: len(closed) == 21)
        hanging.go_on.set()

    caller = Caller(release)
    real.exit()
    caller.result()
    assert sorted(closed) == list(range(21))
    assert hanging.count == 10


@pytest.mark.parametrize("timing", [Timing(exit_time=0.1, worker_idle=0.02)])
def test_exit_waits_in_all_its_time_for_closers_that_hang(real: Scheduler, hanging: Hanging) -> None:
    """And no longer."""

    def hang() -> None:
        hanging()

    maintained = Dying(hang)
    maintained.hub = HubHere()
    real.register(maintained)
    start = monotonic()
    real.exit()
    assert 0.1 <= monotonic() - start < DEADLINE


@pytest.mark.parametrize("timing", [Timing(exit_time=DEADLINE, worker_idle=DEADLINE)])
def test_exit_with_help_of_all(real: Scheduler, threads: Threads, hanging: Hanging) -> None:
    """Each worker closes at exit: so many closers may hang, and the others are called."""

    def hang() -> None:
        hanging()

    closed = threading.Event()
    maintained = Dying(*[hang] * 4, closed.set)
    real.register(maintained)
    real.watch(weakref.ref(maintained))
    with real.workers._lock:
        real.workers.count += 2
    for _ in range(2):
        threads.start(real.workers._work)

    def release() -> None:
        wait_for(closed)
        hanging.go_on.set()

    caller = Caller(release)
    real.exit()  # besides the three workers: the scheduling thread, and one for the exit alone
    caller.result()
    assert hanging.count == 4


@pytest.mark.parametrize("timing", [Timing(exit_time=0.2, worker_idle=0.02)])
def test_exit_with_a_thread_that_never_began(real: Scheduler) -> None:
    """A start that was interrupted costs the exit time, and no object its closer."""
    real._threads._starting.add(SimpleQueue())
    maintained = Dying()
    maintained.hub = HubHere()
    maintained.jobs = [maintained.looked.set]
    real.register(maintained)
    real.exit()
    wait_for(maintained.looked)  # where a thread plays a greenlet, which may come late


def test_a_fork_begins_with_no_threads(real: Scheduler, threads: Threads) -> None:
    """A child waits for no thread of its parent; one that is forked in the middle of the exit starts none."""
    real._threads._starting.add(SimpleQueue())
    real.after_fork()
    assert not real._threads._starting
    real.exit()
    real.after_fork()
    maintained = FakeMaintained()
    real.watch(weakref.ref(maintained))
    assert not real._running


def test_the_child_of_a_fork_in_c_begins_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """It starts threads of its own, and closes nothing that is its parent's."""
    started: list[Callable[[], None]] = []

    def start(run: Callable[[], None]) -> bool:
        started.append(run)
        return True

    class OfTheParent(Dying):
        def after_fork(self) -> None:
            self.jobs.clear()

    scheduler = Scheduler(Environment(start_thread=start), Timing(exit_time=0.0, worker_patience=0.0))
    closed = threading.Event()
    maintained = OfTheParent(closed.set)
    scheduler.register(maintained)
    assert scheduler.watch(weakref.ref(maintained))
    assert len(started) == 2
    monkeypatch.setattr("ProxyPatternPool._scheduler.scheduler.notice_fork", scheduler.after_fork)
    assert scheduler.watch(weakref.ref(maintained))
    assert len(started) == 4
    maintained.jobs.append(closed.set)
    scheduler.exit()
    assert maintained.jobs == []
    assert not closed.is_set()


def test_exit_when_the_hub_is_over(real: Scheduler) -> None:
    """At exit the closers of a pool whose hub is over run in a thread, though it was this thread's."""
    maintained = Dying()
    maintained.jobs = [maintained.looked.set]
    maintained.hub = hub = HubHere()
    hub.over = True
    real.register(maintained)
    real.exit()
    assert maintained.looked.is_set()
    assert not hub.jobs


class WaitedFor(Dying):
    """Something of which it is known for how long the exit waits."""

    def __init__(self, *jobs: Callable[[], None]) -> None:
        super().__init__(*jobs)
        self.waited: list[float] = []

    def wait_until_empty(self, seconds: float) -> None:
        self.waited.append(seconds)


def in_another_thread(run: Callable[[], None]) -> bool:
    """Have a thread do something, and wait for its end."""
    Caller(run).result()
    return True


def in_no_thread(run: Callable[[], None]) -> bool:
    """Have no thread to spare."""
    return False


def for_ever(run: Callable[[], None]) -> bool:
    """Have a thread that gets nothing done."""
    return True


@pytest.mark.parametrize(
    ("start", "name"), [(in_another_thread, "ppp-exit"), (in_no_thread, thread_name()), (for_ever, None)]
)
def test_what_the_exit_waits_for(
    start: Callable[[Callable[[], None]], bool], name: str | None, clock: HandMovedClock, naps: Naps
) -> None:
    """For closers, then for what hooks are working on, in the same time; afterwards no thread is started."""
    environment = Environment(clock=clock, new_sleeper=naps.new_sleeper, start_thread=start)
    scheduler = Scheduler(environment, Timing(exit_time=2.0, worker_patience=0.0))
    names: list[str] = []
    maintained = WaitedFor(lambda: names.append(thread_name()))
    scheduler.register(maintained)
    scheduler.exit()
    assert names == ([] if name is None else [name])
    assert naps.asked == ([2.0] if name is None else [])
    assert maintained.waited == ([0.0] if name is None else [2.0])
    assert not scheduler.run_in_thread("late", lambda: None)


def test_what_a_pool_has_at_the_exit(scheduler: FakeScheduler, works: Works, naps: Naps, hanging: Hanging) -> None:
    """All is closed: what is idle, lent, or lost, and what a hook is working on, as soon as it has done that."""
    pool = Pool(works.make, 4, 4, retter=hanging, closer=works.close)
    thing, _ = pool.get(), pool.get()
    returns = Caller(lambda: pool.ret(thing))
    wait_for(hanging.begun)
    pool._core.shelves.idle.pop()  # by a thread that was killed right then

    def go_on() -> None:
        hanging.go_on.set()
        returns.result()

    naps.meanwhile.append(go_on)
    scheduler.exit()
    assert len(works.closed) == 4


@pytest.mark.parametrize("kind", [Pool, AsyncPool])
def test_pools_that_call_nothing_at_the_exit(
    kind: Callable[..., Pool[Thing] | AsyncPool[Thing]], scheduler: FakeScheduler, works: Works
) -> None:
    """Without a closer there is nothing to do, and the hooks of a pool for tasks are called in its loop only."""
    closer = None if kind is Pool else works.close
    pool = kind(works.make, 1, 0, retter=works.close, closer=closer)

    async def use() -> None:
        lease = pool.lease(quiet=True)
        if isinstance(lease, LeaseRequest):
            await lease

    loop = asyncio.new_event_loop()
    loop.run_until_complete(use())
    core = pool._core
    core.run_due()
    assert core.queued or core.queued_in_hub
    assert core.close_at_exit() == []
    assert not core.queued
    assert not core.queued_in_hub
    assert works.closed == []
    loop.close()


def test_what_is_kept_alive_is_let_go(real: Scheduler) -> None:
    """A pool without a handle is kept until it says that it has nothing left."""
    maintained = FakeMaintained()
    known: weakref.ref[Maintained] = weakref.ref(maintained)
    real.keep_alive(maintained)
    del maintained
    assert known() is not None
    real.let_go(known)
    assert known() is None


def test_what_is_maintained_is_known_weakly(real: Scheduler) -> None:
    """A pool that is gone is forgotten."""
    maintained = FakeMaintained()
    real.register(maintained)
    assert real.pools() == [maintained]
    del maintained
    assert real.pools() == []
    assert real._pools == {}
