"""A return and a get of an object at the same moment, in two threads: whoever comes second sees the first."""

from __future__ import annotations

import gc
import threading
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from random import Random
from typing import Any

import pytest

from ProxyPatternPool import AsyncPool, Pool, TimeOut
from ProxyPatternPool._engine import loans, returns
from ProxyPatternPool._engine.core import Core
from ProxyPatternPool._engine.guard import Guard
from ProxyPatternPool._ledger.entry import Entry
from ProxyPatternPool._pool.async_pool import async_core_of
from ProxyPatternPool._runtime import races

from .clock import FakeScheduler, HandMovedClock
from .diary import Diary
from .helpers import Caller, Naps, Thing, Works, eventually
from .ledgers import Bed, waiter_of, wakes
from .tasks import both, run_in, turn

ROUNDS = 100


class Seen(deque[Entry[Thing]]):
    """Idle objects, for whoever finds none: something happens before he goes on."""

    def __init__(self, looks: list[Callable[[], object]]) -> None:
        super().__init__()
        self._looks = looks

    def pop(self, *_: int) -> Entry[Thing]:
        try:
            return super().pop()
        except IndexError:
            self._looks.pop(0)()
            raise


class Interrupting(deque[Entry[Thing]]):
    """Idle objects: something happens just before one is put back, and just after that its borrower is interrupted."""

    def __init__(self, before: Callable[[], object]) -> None:
        super().__init__()
        self._before = before

    def append(self, entry: Entry[Thing]) -> None:
        self._before()
        super().append(entry)
        raise KeyboardInterrupt


def interrupting(core: Core[Any], before: Callable[[], object]) -> None:
    """Interrupt the next return of a pool whose objects are all idle."""
    core.shelves.idle = Interrupting(before)
    deque[Entry[Thing]].extend(core.shelves.idle, core.ledger.places.entries())


def ret(pool: Pool[Thing]) -> None:
    pool.ret(pool.get())


def block(pool: Pool[Thing]) -> None:
    with pool.obj():
        pass


async def block_of_task(pool: AsyncPool[Thing]) -> None:
    async with pool.obj():
        pass


async def ret_of_task(pool: AsyncPool[Thing]) -> None:
    await pool.ret(await pool.get())


def release(pool: Pool[Thing]) -> None:
    pool.lease().release()


ways = pytest.mark.parametrize("give_back", [ret, release, block])


@ways
def test_an_interrupted_return_leaves_nobody_asleep(
    give_back: Callable[[Pool[Thing]], object], scheduler: FakeScheduler
) -> None:
    """Who has joined while an object was put back is woken, though whoever puts it back is interrupted there."""
    pool = Pool(Thing, 1)
    ret(pool)
    scheduler.run()
    core, waiter = pool._core, waiter_of(Bed())
    interrupting(core, lambda: core.guard.locked(core.ledger.take_or_queue, core.clock(), waiter))
    with pytest.raises(KeyboardInterrupt):
        give_back(pool)
    if give_back is not ret:  # a lease comes back once more, as dropped
        gc.collect()
        scheduler.run()
    assert wakes(waiter) == 1


@ways
def test_an_interrupted_return_after_a_close(
    give_back: Callable[[Pool[Thing]], object], scheduler: FakeScheduler, works: Works
) -> None:
    """What is put back just after a close has searched is closed, though whoever puts it back is interrupted there."""
    pool = Pool(works.make, 1, 1, closer=works.close)
    scheduler.run()
    interrupting(pool._core, pool.shutdown)
    with pytest.raises(KeyboardInterrupt):
        give_back(pool)
    gc.collect()
    scheduler.run()
    assert works.closed == works.made


@both
@pytest.mark.parametrize("give_back", [ret_of_task, block_of_task])
@pytest.mark.parametrize("closed", [False, True])
def test_an_interrupted_return_of_a_task(
    flavour: str,
    give_back: Callable[[AsyncPool[Thing]], Awaitable[None]],
    closed: bool,
    scheduler: FakeScheduler,
    works: Works,
) -> None:
    """The same in an event loop; a pool that is not closed keeps what is put back."""

    async def make(number: int) -> Thing:
        return works.make(number)

    async def main() -> None:
        pool = AsyncPool(make, 1, closer=works.close)
        core = async_core_of(pool)
        await ret_of_task(pool)
        interrupting(core, core.ledger.close if closed else lambda: None)
        with pytest.raises(KeyboardInterrupt):
            await give_back(pool)
        gc.collect()
        scheduler.look_at(core)
        await turn(10)
        assert works.closed == (works.made if closed else [])
        assert len(core.shelves.idle) == (not closed)

    run_in(flavour, main)


@pytest.mark.parametrize("look", [0, 1, 2])
def test_a_return_after_a_look(look: int, scheduler: FakeScheduler, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who finds nothing idle, without the lock, with it, or in the queue, gets what is returned after that look.

    The other thread goes on as far as it comes: until it has given the object back, or needs the lock for that.
    """
    pool = Pool(Thing, 1)
    thing = pool.get()
    returners: list[Caller[None]] = []
    borrowers: list[threading.Thread] = []
    needs_lock = threading.Event()
    locked = Guard.locked

    def noted(self: Guard, step: Callable[..., object], *args: object) -> object:
        if threading.current_thread() not in borrowers:
            needs_lock.set()
        return locked(self, step, *args)

    def give_back() -> None:
        returners.append(Caller(lambda: pool.ret(thing)))
        eventually(lambda: needs_lock.is_set() or not returners[0].busy)

    def borrow() -> Thing:
        borrowers.append(threading.current_thread())
        return pool.get()

    monkeypatch.setattr(Guard, "locked", noted)
    looks: list[Callable[[], object]] = [lambda: None] * 3
    looks[look] = give_back
    pool._core.shelves.idle = Seen(looks)
    assert Caller(borrow).result() is thing
    returners[0].result()


def test_nobody_sleeps_beside_an_idle_object(scheduler: FakeScheduler) -> None:
    """Nothing else would wake him: there is one object, and nobody comes after it was returned."""
    pool = Pool(Thing, 1)
    begin, end = threading.Semaphore(0), threading.Semaphore(0)

    def borrow() -> None:
        for _ in range(ROUNDS):
            begin.acquire()
            pool.ret(pool.get())
            end.release()

    borrower = Caller(borrow)
    waits = pool._core.ledger.waiters
    chance, spins = Random(0), 0
    for number in range(ROUNDS):
        thing, before = pool.get(), waits.nwaits
        begin.release()
        for _ in range(spins):  # until the other is just finding nothing idle, whatever the machine is like
            pass
        pool.ret(thing)
        assert end.acquire(timeout=60), f"it sleeps, in round {number}, beside {pool!r}"
        spins = max(0, spins + chance.randrange(20) * (1 if waits.nwaits == before else -1))
    borrower.result()


class Restless(deque[int]):
    """A deque that other threads change whenever it is looked through."""

    tries = 0

    def __iter__(self) -> Iterator[int]:
        self.tries += 1
        raise RuntimeError("deque mutated during iteration")


def test_a_copy_of_what_never_rests() -> None:
    """It is made in the end, item by item: a busy pool holds up nobody who looks at it."""
    items = Restless([1, 2, 3])
    assert races.snapshot(items) == [1, 2, 3]
    assert items.tries == races.MOST_TRIES
    assert races.beginning(items, 2) == [1, 2]
    items.clear()
    assert races.snapshot(items) == []


def test_without_the_gil_others_run_first(
    scheduler: FakeScheduler, clock: HandMovedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who finds nothing idle does not wait for what comes back at once; nor longer than he may, nor before others."""
    pool = Pool(Thing, 1, timeout=1)
    thing = pool.get()
    others: list[Callable[[], object]] = []

    def give_way() -> None:
        others.pop(0)()

    monkeypatch.setattr(loans, "yield_processor", give_way)
    others[:] = [lambda: None, lambda: pool.ret(thing)]
    assert pool.get() is thing
    assert pool._core.ledger.waiters.nwaits == 0
    with pytest.raises(TimeOut):
        pool.get(0)
    for timeout, passes in ((0.01, 0.01), (None, 1.0)):
        others[:] = [partial(clock.advance, passes)]
        with pytest.raises(TimeOut):
            pool.get(timeout)
        assert not others
    patient, roomy = Pool(Thing, 1), Pool(Thing, 2, 1)
    other = patient.get()
    others[:] = [lambda: patient.ret(other)]
    assert patient.get() is other
    assert roomy.get() is not roomy.get()
    impatient = Pool(Thing, 1, timeout=0)
    impatient.get()
    with pytest.raises(TimeOut):
        impatient.get()
    monkeypatch.setattr(loans, "YIELDS", 3)
    others[:] = [lambda: None] * 3
    waiting = Caller(pool.get)
    eventually(lambda: len(pool._core.ledger.waiters))
    assert not others
    second = Caller(pool.get)
    eventually(lambda: len(pool._core.ledger.waiters) == 2)
    pool.ret(thing)
    for caller in (waiting, second):
        assert caller.result() is thing
        pool.ret(thing)


class Taken(deque[Entry[Thing]]):
    """What was idle when somebody looked, and another has taken when he reaches for it."""

    def pop(self, *_: int) -> Entry[Thing]:
        self.clear()
        raise IndexError


@pytest.mark.parametrize("max_size", [1, 2])
def test_an_object_that_another_takes(
    max_size: int, scheduler: FakeScheduler, naps: Naps, works: Works, diary: Diary
) -> None:
    """Who saw it goes on as if he had not, with what he has asked for."""
    pool = Pool(works.make, max_size, 1, observer=diary)
    shelves = pool._core.shelves
    (entry,) = shelves.idle
    shelves.using[entry.key] = entry
    shelves.idle = Taken([entry])
    if max_size == 1:
        with pytest.raises(TimeOut):
            pool.lease(0)
    else:
        with pool.lease(0) as thing:
            assert thing is works.made[1]
        assert ("lent", thing, 0.0) in diary.lines
        assert pool.stats()["navail"] == 1
    assert naps.asked == []


@pytest.mark.parametrize("way", ["ret", "discard", "release"])
def test_what_is_a_parents_is_not_touched(
    way: str, scheduler: FakeScheduler, works: Works, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a child that nobody has told of the fork: no hook is called for it, it is not lent, and it is not freed."""
    kept: list[Entry[Thing]] = []
    monkeypatch.setattr(returns, "notice_fork", lambda: True)
    monkeypatch.setattr(returns, "never_free", kept.append)
    called: list[Thing] = []
    pool = Pool(works.make, 1, retter=called.append, closer=called.append)
    lease = pool.lease()
    if way == "release":
        lease.release()
    else:
        (pool.ret if way == "ret" else pool.discard)(lease.obj)
    assert [entry.obj for entry in kept] == works.made
    assert pool.stats()["navail"] == 0
    assert called == []
