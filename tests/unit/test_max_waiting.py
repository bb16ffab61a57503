"""A queue with a bound: whoever would be one too many gets an error at once, and nobody else notices."""

from __future__ import annotations

import threading
from typing import Any, cast

import pytest

from ProxyPatternPool import Pool, PoolException, PoolValueError, Proxy, TimeOut, TooManyWaiting, observers

from .clock import FakeScheduler, HandMovedClock
from .diary import Auditor, Diary
from .helpers import Caller, FakeSleeper, Naps, Thing, Works, eventually, wait_for


def test_nobody_may_wait(scheduler: FakeScheduler, naps: Naps, works: Works) -> None:
    """With 0 everything is as long as there is something to be had at once; then there is an error, and no wait."""
    pool = Pool(works.make, 2, 1, max_waiting=0, name="db")
    one, _ = pool.get(), pool.get()
    with pytest.raises(TooManyWaiting) as caught:
        pool.get(5)
    assert str(caught.value) == (
        "max_waiting=0 is reached in pool 'db': 2 objects exist (0 idle, 2 lent), 0 being created, 0 waiting; "
        "the longest has been lent for 0.000 s to thread 'MainThread'; this caller itself holds 2 of them"
    )
    assert isinstance(caught.value, PoolException)
    assert not isinstance(caught.value, TimeOut)
    assert naps.asked == []
    pool.ret(one)
    assert pool.get() is one
    stats = pool.stats()
    assert (stats["max_waiting"], stats["nrefused"], stats["ntimeouts"], stats["nwaiting"]) == (0, 1, 0, 0)


@pytest.mark.parametrize("bound", [0, 1])
def test_whose_attempt_fails_does_not_wait_either(
    bound: int, scheduler: FakeScheduler, clock: HandMovedClock, works: Works
) -> None:
    """Who makes an attempt that was due, and fails, hears of that if meanwhile as many wait as may."""
    others: list[Caller[Thing]] = []

    def make(number: int) -> Thing:
        if number == 1 and bound:
            others.append(Caller(lambda: pool.get(1000)))
            eventually(lambda: pool.stats()["nwaiting"] == 1)
        return works.make(number)

    works.failing = ConnectionError("down")
    pool = Pool(make, 3, 0, max_waiting=bound)
    for _ in range(2):
        clock.advance(10)
        with pytest.raises(ConnectionError, match="down"):
            pool.get(5)
    assert pool.stats()["nrefused"] == 0
    works.failing = None
    clock.advance(10)
    for other in others:
        other.result()


def test_who_turns_an_object_down_is_not_refused(scheduler: FakeScheduler, naps: Naps, works: Works) -> None:
    """He had his turn, and waits for no more than the end of what he was given."""
    naps.scheduler = scheduler
    pool = Pool(works.make, 1, max_waiting=0, health=lambda thing: thing.number > 0, health_before_get=0.0)
    assert pool.get(5).number == 1
    stats = pool.stats()
    assert (stats["nrefused"], stats["bad_health"]) == (0, 1)


def test_who_does_not_wait_is_not_refused(scheduler: FakeScheduler, works: Works) -> None:
    """Whose timeout is 0 gets its timeout, as ever."""
    pool = Pool(works.make, 1, max_waiting=0)
    pool.get()
    with pytest.raises(TimeOut):
        pool.get(0)
    assert pool.stats()["nrefused"] == 0


def test_unlimited(scheduler: FakeScheduler, works: Works) -> None:
    """The default is no bound."""
    assert Pool(works.make, 1).stats()["max_waiting"] is None


def test_the_cause(scheduler: FakeScheduler, works: Works) -> None:
    """The cause is the last creation error, if the last creation failed, as for a timeout."""
    pool = Pool(works.make, 1, 0, max_waiting=0)
    pool.get()
    pool._core.objects.last_error = OSError("gone")
    with pytest.raises(TooManyWaiting) as caught:
        pool.get()
    assert isinstance(caught.value.__cause__, OSError)


def test_under_contention(scheduler: FakeScheduler, works: Works) -> None:
    """Of many who come at once as many wait as may, in order; all others are refused, and nobody is lost."""
    auditor, diary = Auditor(), Diary()
    pool = Pool(works.make, 2, 2, max_waiting=3, observer=observers(auditor, diary))
    held = [pool.get(), pool.get()]
    start = threading.Event()

    def job() -> str:
        wait_for(start)
        try:
            thing = pool.get(20)
        except TooManyWaiting:
            return "refused"
        pool.ret(thing)
        return "served"

    callers = [Caller(job) for _ in range(12)]
    start.set()
    eventually(lambda: pool.stats()["nrefused"] == 9)
    assert pool.stats()["nwaiting"] == 3
    for thing in held:
        pool.ret(thing)
    assert sorted(caller.result() for caller in callers) == ["refused"] * 9 + ["served"] * 3
    assert [line for line in diary.lines if line[0] == "refused"] == [("refused", 3)] * 9
    assert not auditor.wrong
    assert not auditor.lent_now
    stats = pool.stats()
    assert (stats["nwaiting"], stats["nusing"], stats["nuses"], stats["nrefused"]) == (0, 0, 5, 9)


def test_a_place_in_the_queue_is_free_again(scheduler: FakeScheduler, clock: HandMovedClock, works: Works) -> None:
    """Who was served, or has given up, is in nobody's way."""
    pool = Pool(works.make, 1, max_waiting=1)
    thing = pool.get()
    for _ in range(3):
        waiting = Caller(pool.get)
        eventually(lambda: pool.stats()["nwaiting"] == 1)
        with pytest.raises(TooManyWaiting):
            pool.get()
        clock.advance(1)
        pool.ret(thing)
        assert waiting.result() is thing
    impatient = Caller(lambda: pool.get(0.01))
    eventually(lambda: pool.stats()["nwaiting"] == 1)
    clock.advance(1)
    with pytest.raises(TimeOut):
        impatient.result()
    last = Caller(pool.get)
    eventually(lambda: pool.stats()["nwaiting"] == 1)
    pool.ret(thing)
    assert last.result() is thing


def test_the_refused_wake_nobody(scheduler: FakeScheduler, naps: Naps, works: Works) -> None:
    """Under a flood of callers those who wait sleep on."""
    pool = Pool(works.make, 1, max_waiting=1)
    pool.get()
    woken: list[bool] = []

    def flood() -> None:
        for _ in range(3):
            with pytest.raises(TooManyWaiting):
                pool.get()
        woken.append(naps.sleepers[0].woken)

    naps.meanwhile.append(flood)
    with pytest.raises(TimeOut):
        pool.get(1)
    assert woken == [False]


def test_the_dead_do_not_count(scheduler: FakeScheduler, naps: Naps, works: Works) -> None:
    """A greenlet that ended with its thread in the middle of its wait takes nobody's place in the queue."""
    pool = Pool(works.make, 1, max_waiting=1)
    thing = pool.get()

    def another() -> None:
        first: FakeSleeper = naps.sleepers[0]
        first.deaf = True
        naps.meanwhile.append(lambda: pool.ret(thing))
        assert pool.get() is thing
        first.deaf = False

    naps.meanwhile.append(another)
    with pytest.raises(TimeOut):
        pool.get(1)
    assert pool.stats()["nrefused"] == 0


@pytest.mark.parametrize(
    ("value", "error", "words"),
    [
        (-1, PoolValueError, "max_waiting must be 0 or more, not -1"),
        (True, PoolValueError, "max_waiting must be a whole number, not the bool True"),
        (1.5, TypeError, "max_waiting must be a whole number, not 1.5"),
        ("3", TypeError, "max_waiting must be a whole number, not '3'"),
    ],
)
def test_no_number(value: object, error: type[Exception], words: str) -> None:
    """What makes no sense is refused by name, at construction."""
    bad = cast(Any, value)
    with pytest.raises(error, match=words):
        Pool(Thing, max_waiting=bad)
    with pytest.raises(error, match=words):
        Proxy(max_waiting=bad)
