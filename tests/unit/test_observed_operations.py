"""What an observer is told where objects are looked at before they are lent, and of what operators order."""

from __future__ import annotations

import pytest

from ProxyPatternPool import Pool, TimeOut, TooManyWaiting
from ProxyPatternPool._ledger.shelves import NEVER

from .clock import Chance, FakeScheduler, HandMovedClock
from .diary import Auditor, Diary
from .helpers import Naps, Thing, Works


class Thrown(BaseException):
    """Something that is meant for the thread."""


@pytest.mark.parametrize("timeout", [None, 0, 5])
def test_too_old(
    timeout: float | None, scheduler: FakeScheduler, naps: Naps, clock: HandMovedClock, works: Works, diary: Diary
) -> None:
    """Who finds only what is too old was never lent it: he is told to have what is created for him."""
    naps.scheduler = scheduler
    pool = Pool(works.make, 2, 2, max_lifetime=100, closer=works.close, observer=diary)
    pool.resize(min_size=0)
    diary.read()
    clock.advance(100)
    fresh = pool.get(timeout)
    cold, hot, _ = works.made
    assert diary.read() == [
        ("discarded", hot, "max_lifetime"),
        ("discarded", cold, "max_lifetime"),
        ("created", fresh, 0.0),
        ("lent", fresh, 0.0),
    ]
    clock.advance(100)
    pool.ret(fresh)
    assert diary.read()[:2] == [("returned", fresh, 100.0), ("discarded", fresh, "max_lifetime")]
    stats = pool.stats()
    assert (stats["nexpired"], stats["nuses"]) == (3, 3)


def test_in_bad_health(scheduler: FakeScheduler, naps: Naps, works: Works, diary: Diary) -> None:
    """The same for who finds what is ill."""
    naps.scheduler = scheduler
    error = ConnectionError("gone")

    def healthy(thing: Thing) -> bool:
        if thing.number == 2:
            raise error
        return thing.number == 0

    pool = Pool(works.make, 3, 3, health=healthy, health_before_get=0, observer=diary)
    diary.read()
    well, ill, broken = works.made
    with pool.obj() as thing:
        assert thing is well
    assert diary.read() == [
        ("hook_failed", "health", error),
        ("lent", well, 0.0),
        ("returned", well, 0.0),
    ]
    pool.resize(min_size=0)
    scheduler.run()
    assert diary.read() == [("discarded", broken, "health"), ("discarded", ill, "health")]
    assert pool.stats()["bad_health"] == 2


def test_an_interrupted_check(scheduler: FakeScheduler, works: Works, diary: Diary) -> None:
    """What nobody knows the state of is closed, and was not lent."""

    def healthy(_: Thing) -> bool:
        raise Thrown

    pool = Pool(works.make, 1, health=healthy, health_before_get=0, observer=diary)
    diary.read()
    with pytest.raises(Thrown):
        pool.get()
    assert diary.read() == [("discarded", works.made[0], "interrupted")]


def test_killed_while_it_is_checked(
    scheduler: FakeScheduler, clock: HandMovedClock, works: Works, diary: Diary
) -> None:
    """A check that takes too long ends like any other use, but for a loan that was told of."""

    def healthy(_: Thing) -> bool:
        clock.advance(10)
        pool.housekeep()
        return True

    pool = Pool(works.make, 1, 0, max_using_delay_kill=5, health=healthy, health_before_get=0, observer=diary)
    pool.ret(pool.get())
    diary.read()
    fresh = pool.get()
    killed, _ = works.made
    assert diary.read() == [("discarded", killed, "killed"), ("created", fresh, 0.0), ("lent", fresh, 10.0)]
    assert pool.stats()["nkilled"] == 1


@pytest.mark.parametrize("in_time", [True, False])
def test_the_wait_in_all(
    in_time: bool, scheduler: FakeScheduler, clock: HandMovedClock, naps: Naps, works: Works, diary: Diary
) -> None:
    """Who waited for something that was no good, and then again, has waited both times."""
    naps.scheduler = scheduler
    ill: list[Thing] = []

    def healthy(thing: Thing) -> bool:
        clock.advance(1)
        return thing not in ill

    pool = Pool(
        works.make,
        1,
        closer=lambda _: clock.advance(2),
        health=healthy,
        health_before_get=0,
        observer=diary,
    )
    thing = pool.get()
    diary.read()

    def comes_back_ill() -> None:
        clock.advance(3)
        ill.append(thing)
        pool.ret(thing)

    naps.meanwhile.append(comes_back_ill)
    told: list[tuple[object, ...]] = [("returned", thing, 4.0)]
    if in_time:
        fresh = pool.get(5)
        told += [("discarded", thing, "health"), ("created", fresh, 0.0), ("lent", fresh, 6.0)]
    else:
        with pytest.raises(TimeOut):
            pool.get(3.5)
        told += [("timed_out", 4.0)]
    assert diary.read() == told
    assert pool.stats()["wait_time"] == (5.0 if in_time else 3.0)


@pytest.mark.parametrize("timeout", [None, 8])
def test_attempts_to_create(
    timeout: float | None,
    scheduler: FakeScheduler,
    clock: HandMovedClock,
    naps: Naps,
    works: Works,
    diary: Diary,
    chance: Chance,
) -> None:
    """Each that fails is told of, also those made again for the same caller, who times out once."""
    chance.always = 1.0
    pool = Pool(works.make, 1, 0, 8, backoff=(1, 4), observer=diary)
    works.failing = error = ConnectionError("down")
    with pytest.raises(ConnectionError):
        pool.get(timeout)
    with pytest.raises(TimeOut) as caught:
        pool.get(timeout)
    assert isinstance(caught.value.__cause__, ConnectionError)
    # At once; then after 1, 2 and 4 s.
    assert diary.read() == [*[("creation_failed", error, 0.0)] * 4, ("timed_out", 8.0)]
    stats = pool.stats()
    assert (stats["nerrors"], stats["ntimeouts"]) == (4, 1)
    works.failing = None
    clock.advance(4)
    pool.get(timeout)
    assert [line[0] for line in diary.read()] == ["created", "lent"]


def test_nobody_may_wait_for_the_end_of_a_back_off(scheduler: FakeScheduler, works: Works, diary: Diary) -> None:
    """``max_waiting`` holds for those who come while nothing can be created, too."""
    pool = Pool(works.make, 1, 0, max_waiting=0, observer=diary)
    works.failing = ConnectionError("down")
    with pytest.raises(ConnectionError):
        pool.get()
    diary.read()
    with pytest.raises(TooManyWaiting) as caught:
        pool.get(5)
    assert isinstance(caught.value.__cause__, ConnectionError)
    with pytest.raises(TimeOut):
        pool.get(0)
    assert diary.read() == [("refused", 0), ("timed_out", 0.0)]


def test_who_asks_again_is_not_refused(scheduler: FakeScheduler, naps: Naps, works: Works, diary: Diary) -> None:
    """He had his turn, and stands in front of the queue, however long it may be, until the place is free."""
    naps.scheduler = scheduler
    pool = Pool(
        works.make, 1, max_waiting=0, health=lambda thing: thing.number > 0, health_before_get=0, observer=diary
    )
    diary.read()
    assert pool.get(5).number == 1
    assert [line[0] for line in diary.read()] == ["discarded", "created", "lent"]
    assert pool.stats()["nrefused"] == 0


def test_drained(scheduler: FakeScheduler, works: Works, diary: Diary) -> None:
    """What is idle goes at once, what is lent when it is back."""
    pool = Pool(works.make, 2, 2, observer=diary)
    lent = pool.get()
    idle = next(thing for thing in works.made if thing is not lent)
    diary.read()
    pool.drain()
    assert diary.read() == [("discarded", idle, "drained")]
    pool.ret(lent)
    assert diary.read() == [("returned", lent, 0.0), ("discarded", lent, "drained")]
    assert pool.stats()["ndrained"] == 2


def test_surplus_and_cleared(scheduler: FakeScheduler, works: Works, diary: Diary) -> None:
    """So does what is too many, and what is idle when the pool is cleared."""
    pool = Pool(works.make, 3, 3, observer=diary)
    lent, other = pool.get(), pool.get()
    idle = next(thing for thing in works.made if thing not in (lent, other))
    diary.read()
    pool.resize(min_size=0, max_size=1)
    assert diary.read() == [("discarded", idle, "surplus")]
    pool.ret(lent)
    assert diary.read() == [("returned", lent, 0.0), ("discarded", lent, "surplus")]
    pool.ret(other)
    diary.read()
    pool.clear()
    assert diary.read() == [("discarded", other, "cleared")]
    stats = pool.stats()
    assert (stats["nshed"], stats["ncleared"]) == (2, 1)


def test_a_drain_does_not_make_loans_plain(scheduler: FakeScheduler, works: Works) -> None:
    """Afterwards everything is told as before."""
    auditor = Auditor()
    pool = Pool(works.make, 1, observer=auditor)
    pool.drain()
    scheduler.run()
    assert pool._core.ledger.shelves.quick_gets_until == NEVER
    with pool.obj():
        assert len(auditor.lent_now) == 1
    pool.shutdown()
    assert auditor.reasons == ["drained", "shutdown"]
    assert not auditor.wrong
