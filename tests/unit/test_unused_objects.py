"""Callers wait while owners keep all objects without using them: the log says so once, and names the remedy."""

from __future__ import annotations

import _thread
import asyncio
import gc
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from operator import methodcaller
from queue import SimpleQueue

import pytest

from ProxyPatternPool import PoolClosed, TimeOut, control, proxy
from ProxyPatternPool._proxy import unused_objects
from ProxyPatternPool._proxy.control import unit_of_work

from .clock import FakeScheduler, HandMovedClock
from .helpers import Caller, Naps, Thing, eventually, said, wait_for

BEGIN = "pool 'db': callers wait, and all objects (2) are kept by owners that do not use them"


class Office:
    """A proxy on a pool of two, and threads that are kept, as those of a server are."""

    def __init__(self, scheduler: FakeScheduler, clock: HandMovedClock, caplog: pytest.LogCaptureFixture) -> None:
        self.scheduler = scheduler
        self.clock = clock
        self._caplog = caplog
        self.db: Thing = proxy(fun=Thing, max_size=2, timeout=5.0, name="db")
        self._threads = [ThreadPoolExecutor(1), ThreadPoolExecutor(1)]
        self.over = threading.Event()

    def request(self, thread: int, view: Callable[[], object] | None = None) -> None:
        """Have a thread answer a request; it then waits for the next."""
        self._threads[thread].submit(view or self.view).result()

    def begin(self, thread: int, view: Callable[[threading.Event], object]) -> None:
        """Have a thread begin to answer one, up to where the view says that it has begun."""
        begun = threading.Event()
        self._threads[thread].submit(view, begun)
        wait_for(begun)

    def view(self) -> int:
        return self.db.number

    def wait(self, timeout: float | None = None) -> None:
        """Wait in vain."""
        with pytest.raises(TimeOut):
            control(self.db).get(timeout)
        self.scheduler.run()

    def said(self) -> list[str]:
        return said(self._caplog)

    def close(self) -> None:
        self.over.set()
        for thread in self._threads:
            thread.shutdown()


@pytest.fixture
def office(
    scheduler: FakeScheduler,
    clock: HandMovedClock,
    naps: Naps,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Office]:
    monkeypatch.setattr(unused_objects, "GIL", True)  # these threads stand still: their frames can be read without it
    office = Office(scheduler, clock, caplog)
    yield office
    office.close()


def test_threads_that_keep_everything(office: Office) -> None:
    """Once, however many come and wait; with who keeps one for longest, and what took it."""
    office.request(0)
    office.clock.advance(2.0)
    office.request(1)
    office.wait()
    (line,) = office.said()
    assert line.startswith(BEGIN)
    assert "is kept for 3.000 s by thread 'ThreadPoolExecutor-" in line
    view = office.view.__func__.__code__  # type: ignore[attr-defined]
    assert f"who took it in view ({__file__}:{view.co_firstlineno})" in line
    assert line.endswith(
        "An owner gives back when it ends, and the threads of most servers do not: give back after each request with "
        "the ReturnMiddleware of ProxyPatternPool.wsgi, after each job with @returning, or use blocks, with "
        "control(…).obj(). See docs/servers.md. This is said once"
    )
    office.wait()
    office.wait()
    assert len(office.said()) == 1


def test_takers_that_ask_the_controls(office: Office) -> None:
    """Who takes an object by them is found as well."""

    def view() -> None:
        control(office.db).get()

    office.request(0, view)
    office.request(1, view)
    office.clock.advance(2.0)
    office.wait()
    (line,) = office.said()
    assert f"who took it in view ({__file__}:{view.__code__.co_firstlineno})" in line


def test_an_open_block_is_use(office: Office) -> None:
    """The code that has begun it may have returned, and others go on with the object."""
    block = control(office.db).obj()
    office.request(0)
    office.request(1, block.__enter__)
    office.clock.advance(2.0)
    office.wait()
    assert office.said() == []
    office.request(1, partial(block.__exit__, None, None, None))
    office.request(1)
    office.clock.advance(2.0)
    office.wait()
    assert len(office.said()) == 1


def test_what_others_do_is_no_use(office: Office) -> None:
    """Neither a block whose object was given back in it, nor the work of a thread that has no object."""
    block = control(office.db).obj()
    office.request(0, block.__enter__)
    office.request(0, control(office.db).ret)
    office.request(0)
    office.request(1)
    office.clock.advance(2.0)
    with unit_of_work(control(office.db)):
        office.wait()
    assert len(office.said()) == 1


def test_it_is_said_while_the_caller_waits(office: Office, naps: Naps) -> None:
    """One who would wait for ever has it said, too."""
    office.request(0)
    office.request(1)
    pool = control(office.db).pool
    assert pool is not None
    naps.meanwhile.append(partial(office.clock.advance, 1.0))
    naps.meanwhile.append(pool.shutdown)
    with pytest.raises(PoolClosed):
        pool.get(float("inf"))
    office.scheduler.run()
    assert sum(line.startswith(BEGIN) for line in office.said()) == 1
    assert naps.asked == [1.0, 1.0]


def test_looks_come_less_and_less_often(office: Office, naps: Naps) -> None:
    """A caller who waits for long wakes up for it now and then only."""
    office.begin(0, partial(working, office))
    office.request(1)
    office.wait(20.0)
    assert naps.asked == [1.0, 1.0, 2.0, 4.0, 8.0, 4.0]
    assert office.said() == []


def test_callers_who_do_not_wait_for_long(office: Office) -> None:
    """Timeouts shorter than the time for which an object has to be kept: those who come later see it."""
    office.request(0)
    office.request(1)
    for _ in range(3):
        office.wait(0.25)
        office.wait(0)
    assert office.said() == []
    office.clock.advance(0.5)
    office.wait(0)
    assert len(office.said()) == 1


def working(office: Office, begun: threading.Event) -> int:
    number = office.db.number
    begun.set()
    wait_for(office.over)
    return number


def helped(office: Office, begun: threading.Event) -> None:
    with control(office.db).obj():
        begun.set()
        wait_for(office.over)


def streaming(office: Office, begun: threading.Event) -> None:
    def parts() -> Iterator[int]:
        yield office.db.number
        yield 0

    stream = parts()
    next(stream)
    begun.set()
    wait_for(office.over)


def responding(office: Office, begun: threading.Event) -> None:
    with unit_of_work(control(office.db)):  # as the middleware has it
        office.view()
        begun.set()  # the response is being sent
        wait_for(office.over)


def looping(office: Office, begun: threading.Event) -> None:
    async def take() -> None:
        office.view()
        begun.set()
        await asyncio.to_thread(wait_for, office.over)

    asyncio.run(take())


@pytest.mark.parametrize("busy", [working, helped, streaming, responding, looping])
def test_a_busy_pool(office: Office, busy: Callable[[Office, threading.Event], object]) -> None:
    """No false alarm: one owner at least is in the code that took its object, or in a block or work that gives back."""
    office.request(0)
    office.begin(1, partial(busy, office))
    office.clock.advance(10.0)
    office.wait()
    assert not any("callers wait" in line for line in office.said())


def test_what_was_taken_by_a_call(office: Office) -> None:
    """It is told, too, what took an object by get()."""

    def take() -> None:
        control(office.db).get()

    office.request(0, take)
    office.clock.advance(2.0)
    office.request(1)
    office.wait()
    (line,) = office.said()
    assert f"who took it in take ({__file__}:{take.__code__.co_firstlineno})" in line


def test_what_is_lent_to_others(office: Office) -> None:
    """Nor where somebody has an object from the pool itself: nobody knows what he does with it."""
    pool = control(office.db).pool
    assert pool is not None
    office.request(0)
    lent = pool.get()
    office.clock.advance(10.0)
    office.wait()
    assert office.said() == []
    pool.ret(lent)


def test_a_taker_that_is_not_known(office: Office) -> None:
    """Nor where the code is in C that took an object: whether that has returned is not to be seen."""
    office.request(0)
    # No function of Python's, not even that of a Thread: control(…).get(), then over.get().
    over: SimpleQueue[None] = SimpleQueue()
    _thread.start_new_thread(list, (map(methodcaller("get"), [control(office.db), over]),))
    pool = control(office.db).pool
    assert pool is not None
    eventually(lambda: pool.stats()["nusing"] == 2)
    office.clock.advance(10.0)
    office.wait()
    assert office.said() == []
    over.put(None)
    eventually(lambda: office.scheduler.asked)


def test_what_is_nobodys(scheduler: FakeScheduler, clock: HandMovedClock, caplog: pytest.LogCaptureFixture) -> None:
    """Nor while an object is on its way: it is being created here, and that takes too long."""
    creating, over = threading.Event(), threading.Event()

    def make(number: int) -> Thing:
        if number == 1:
            creating.set()
            wait_for(over)
        return Thing(number)

    db: Thing = proxy(fun=make, max_size=2, name="db")
    with ThreadPoolExecutor(1) as executor:
        executor.submit(lambda: db.number).result()
        clock.advance(10.0)
        second = Caller(lambda: db.number)
        wait_for(creating)
        with pytest.raises(TimeOut):
            control(db).get(0)
        scheduler.run()
        assert said(caplog) == []
        over.set()
        assert second.result() == 1


def test_objects_that_go_back(office: Office) -> None:
    """Where each request gives back, as the remedy has it, nothing is kept."""

    def view() -> None:
        with control(office.db).obj():
            office.view()

    for _ in range(5):
        office.request(0, view)
        office.request(1, view)
        office.clock.advance(10.0)
    pool = control(office.db).pool
    assert pool is not None
    with pool.obj(), pool.obj():
        office.wait()
    assert office.said() == []


def test_nothing_is_kept_alive(office: Office) -> None:
    """To have looked at what others run keeps nothing of it: when the threads end, what they had goes back at once."""
    office.request(0)
    office.begin(1, partial(working, office))
    office.wait()
    pool = control(office.db).pool
    assert pool is not None
    gc.disable()
    try:
        office.close()
        office.scheduler.run()
        assert pool.stats()["navail"] == 2
    finally:
        gc.enable()


def test_without_a_gil(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """There the frames of threads that run must not be read: nothing is said."""
    monkeypatch.setattr(unused_objects, "GIL", False)
    office.request(0)
    office.request(1)
    office.clock.advance(10.0)
    office.wait()
    assert office.said() == []
