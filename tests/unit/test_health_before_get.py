"""`health_before_get`: what broke while it was idle is replaced before anyone gets it."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

import pytest

from ProxyPatternPool import DiscardReason, Pool, PoolClosed, TimeOut
from ProxyPatternPool._ledger.entry import Entry
from ProxyPatternPool._ledger.queue import Waiter, WaitQueue
from ProxyPatternPool._runtime.owner import here

from .clock import FakeScheduler, HandMovedClock
from .diary import Diary
from .helpers import Caller, Naps, Thing, Works, eventually, queue_up, said, wait_for


class Doctor:
    """A health check that knows who is ill, and notes whom it saw."""

    def __init__(self) -> None:
        self.ill: set[int] = set()
        self.seen: list[int] = []

    def __call__(self, thing: Thing) -> bool:
        self.seen.append(thing.number)
        return thing.number not in self.ill


def warm(pool: Pool[Thing], count: int) -> list[Thing]:
    """Borrow that many at once, and give them back in turn: the last is the hottest."""
    things = [pool.get() for _ in range(count)]
    for thing in things:
        pool.ret(thing)
    return things


@pytest.mark.parametrize(
    ("limit", "idle", "checked"), [(None, 1e6, 0), (0.0, 0.0, 1), (0, 0.0, 1), (5.0, 4.9, 0), (5.0, 5.0, 1)]
)
def test_when(
    limit: float | None, idle: float, checked: int, scheduler: FakeScheduler, clock: HandMovedClock, works: Works
) -> None:
    """Checked is what was not used for so many seconds: never, always, or after a while."""
    doctor = Doctor()
    pool = Pool(works.make, 1, health=doctor, health_before_get=limit)
    warm(pool, 1)
    doctor.seen.clear()
    clock.advance(idle)
    pool.get()
    assert len(doctor.seen) == checked
    assert pool.stats()["health_before_get"] == limit


def test_a_check_in_a_round_counts(scheduler: FakeScheduler, clock: HandMovedClock, works: Works) -> None:
    """What a health round checked meanwhile is not checked again before its time, nor is what was just created."""
    doctor = Doctor()
    pool = Pool(works.make, 1, health=doctor, health_before_get=5)
    pool.ret(pool.get())
    assert doctor.seen == []
    clock.advance(60)
    pool.housekeep()
    clock.advance(4)
    pool.ret(pool.get())
    assert doctor.seen == [0]
    clock.advance(6)
    pool.ret(pool.get())
    assert doctor.seen == [0, 0]
    stats = pool.stats()
    assert (stats["nhealth"], stats["bad_health"], stats["nborrows"], stats["nreturns"]) == (2, 0, 4, 4)


@pytest.mark.parametrize("timeout", [None, 0, 5])
def test_the_next_is_tried(
    timeout: float | None,
    scheduler: FakeScheduler,
    naps: Naps,
    clock: HandMovedClock,
    works: Works,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """What fails is closed, counted and spoken of, and the next idle object is tried: the hottest first."""
    naps.scheduler = scheduler
    doctor = Doctor()
    pool = Pool(works.make, 3, 3, name="books", health=doctor, health_before_get=0, closer=works.close)
    doctor.ill = {2, 1}
    assert pool.get(timeout).number == 0
    assert doctor.seen == [2, 1, 0]
    scheduler.run()
    assert [thing.number for thing in works.closed] == [2, 1]
    stats = pool.stats()
    assert (stats["nhealth"], stats["bad_health"], stats["nusing"], stats["nobjs"]) == (3, 2, 1, 3)
    assert (stats["nuses"], stats["nborrows"], stats["nreturns"]) == (3, 3, 2)
    assert said(caplog) == [f"pool 'books': bad health, discarding thing {n}: it said no" for n in (2, 1)]
    assert [fault[:4] for fault in pool._core.faults] == [("health", "", "", 2)]


def test_the_next_is_not_tried_after_the_timeout(scheduler: FakeScheduler, clock: HandMovedClock, works: Works) -> None:
    """A caller whose time is over once the check says no has used up no other object."""

    def check(_: Thing) -> bool:
        clock.advance(5)
        return False

    pool = Pool(works.make, 2, 2, health=check, health_before_get=0)
    scheduler.run()
    with pytest.raises(TimeOut):
        pool.get(1)
    stats = pool.stats()
    assert (stats["nuses"], stats["nborrows"], stats["nreturns"]) == (1, 1, 1)


@pytest.mark.parametrize("timeout", [None, 0, 5])
def test_never_more_than_objects_and_a_creation(
    timeout: float | None, scheduler: FakeScheduler, naps: Naps, works: Works
) -> None:
    """Where all are ill each is tried once; then one is created, which is lent unchecked."""
    naps.scheduler = scheduler
    doctor = Doctor()
    works.bound = 3
    pool = Pool(works.make, 3, 3, health=doctor, health_before_get=0, closer=works.close)
    doctor.ill = set(range(100))
    assert pool.get(timeout).number == 3
    assert doctor.seen == [2, 1, 0]
    scheduler.run()
    assert pool.stats()["nobjs"] == 3


def test_a_check_that_raises(
    scheduler: FakeScheduler, naps: Naps, works: Works, caplog: pytest.LogCaptureFixture
) -> None:
    """An exception means ill, and says why; what is more than that reaches the borrower, and the object is closed."""
    naps.scheduler = scheduler
    errors: list[BaseException] = [ConnectionError("gone"), KeyboardInterrupt()]

    def check(thing: Thing) -> bool:
        raise errors.pop(0)

    pool = Pool(works.make, 2, 2, name="books", health=check, health_before_get=0, closer=works.close)
    with pytest.raises(KeyboardInterrupt):
        pool.get()
    assert [thing.number for thing in works.closed] == [0]
    scheduler.run()
    assert [thing.number for thing in works.closed] == [0, 1]
    assert said(caplog) == ["pool 'books': bad health, discarding thing 1: ConnectionError('gone')"]
    stats = pool.stats()
    assert (stats["hc_errors"], stats["nusing"], stats["nobjs"]) == (1, 0, 2)


@pytest.mark.parametrize("after", [0, 1])
def test_interrupted_before_an_object_is_turned_down(
    after: int, scheduler: FakeScheduler, naps: Naps, works: Works, diary: Diary, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever is interrupted with an ill object in hand, the first or another, leaves no loan behind."""
    naps.scheduler = scheduler
    doctor = Doctor()
    pool = Pool(works.make, 2, 2, health=doctor, health_before_get=0, closer=works.close, observer=diary)
    doctor.ill = {0, 1}
    ledger = pool._core.ledger
    reject = ledger.reject
    rejected: list[int] = []

    def reject_or_interrupt(entry: Entry[Thing], use: int, why: DiscardReason) -> bool:
        if len(rejected) == after:
            raise KeyboardInterrupt
        rejected.append(entry.serial)
        return reject(entry, use, why)

    monkeypatch.setattr(ledger, "reject", reject_or_interrupt)
    with pytest.raises(KeyboardInterrupt):
        pool.get()
    scheduler.run()
    stats = pool.stats()
    assert (stats["nusing"], stats["nobjs"], len(works.closed)) == (0, 2, after + 1)
    assert [line[2] for line in diary.lines if line[0] == "discarded"] == ["health"] * (after + 1)


@pytest.mark.parametrize("step", ["_own_hook", "take_or_queue", "take"])
def test_interrupted_on_the_way_to_another(
    step: str, scheduler: FakeScheduler, works: Works, diary: Diary, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was turned down is closed, by the caller or by maintenance if it comes soon, and its place is free."""
    doctor = Doctor()
    pool = Pool(works.make, 1, health=doctor, health_before_get=0, closer=works.close, observer=diary)
    doctor.ill = {0}
    core = pool._core
    if step == "take":
        core.scheduling.hub = HubElsewhere()

    def interrupted(*_: object, retry: bool = False) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(core.waits if step == "_own_hook" else core.ledger, step, interrupted)
        with pytest.raises(KeyboardInterrupt):
            pool.get(5)
    assert len(works.closed) == (step != "take_or_queue")
    scheduler.run()
    assert [thing.number for thing in works.closed] == [0]
    assert [line[2] for line in diary.lines if line[0] == "discarded"] == ["health"]
    core.scheduling.hub = None
    assert pool.get(0).number == 1


def test_creation_fails_in_its_place(scheduler: FakeScheduler, naps: Naps, works: Works) -> None:
    """Where all were ill and nothing can be created, the caller gets the error; no place is lost."""
    naps.scheduler = scheduler
    doctor = Doctor()
    pool = Pool(works.make, 1, health=doctor, health_before_get=0, closer=works.close)
    doctor.ill = {0}
    works.failing = ConnectionError()
    with pytest.raises(ConnectionError):
        pool.get()
    assert pool.stats()["nobjs"] == 0
    with pytest.raises(TimeOut) as raised:
        pool.get(0)
    assert isinstance(raised.value.__cause__, ConnectionError)


def test_the_check_holds_up_nobody(scheduler: FakeScheduler) -> None:
    """While an object is being checked others are lent: no lock is held, and it is the borrower's."""
    begun, go_on = threading.Event(), threading.Event()

    def check(thing: Thing) -> bool:
        if thing.number == 1:
            begun.set()
            wait_for(go_on)
        return True

    pool = Pool(Thing, 2, 2, health=check, health_before_get=0)
    caller = Caller(pool.get, name="reader")
    wait_for(begun)
    pool.ret(pool.get(0))
    assert pool.stats()["using"][0]["owner"] == "thread 'reader'"
    go_on.set()
    assert caller.result().number == 1


def test_the_place_stays_the_borrowers(scheduler: FakeScheduler, works: Works) -> None:
    """Who finds his object ill is not sent to the end of the queue: the place is his."""
    begun, go_on = threading.Event(), threading.Event()

    def check(thing: Thing) -> bool:
        begun.set()
        wait_for(go_on)
        return False

    pool = Pool(works.make, 1, health=check, health_before_get=0, closer=works.close)
    first = Caller(pool.get)
    wait_for(begun)
    second = Caller(pool.get)
    eventually(lambda: pool.stats()["nwaiting"] == 1)
    go_on.set()
    eventually(lambda: pool.stats()["nwaiting"] == 2)
    scheduler.run()
    thing = first.result()
    assert thing.number == 1
    assert second.busy
    pool.discard(thing)
    assert second.result().number == 2


@pytest.mark.parametrize("timeout", [None, 0, 5])
def test_a_refill_does_not_take_the_place(
    timeout: float | None,
    scheduler: FakeScheduler,
    clock: HandMovedClock,
    naps: Naps,
    works: Works,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It is the borrower's, who does not wait as well, though maintenance looks at the moment at which it is free."""
    naps.scheduler = scheduler
    doctor = Doctor()
    pool = Pool(works.make, 1, 1, health=doctor, health_before_get=0, closer=works.close)
    doctor.ill = {0}
    ledger = pool._core.ledger
    free = ledger.free
    refills: list[Entry[Thing] | None] = []

    def free_and_refill(entry: Entry[Thing], now: float) -> Entry[Thing] | None:
        permit = free(entry, now)
        refills.append(ledger.permit_to_refill(now))
        return permit

    monkeypatch.setattr(ledger, "free", free_and_refill)
    assert pool.get(timeout).number == 1
    assert refills == [None]
    assert pool.stats()["nwaiting"] == 0


def test_who_does_not_wait_leaves_the_queue(scheduler: FakeScheduler, works: Works) -> None:
    """Where nothing may be created yet in the place of what was ill he times out, and the place is free."""
    doctor = Doctor()
    pool = Pool(works.make, 2, 0, health=doctor, health_before_get=0, closer=works.close, backoff=(50, 50))
    kept, ill = pool.get(), pool.get()
    pool.discard(kept)
    works.failing = ConnectionError()
    with pytest.raises(ConnectionError):
        pool.get(0)
    works.failing = None
    pool.ret(ill)
    doctor.ill = {ill.number}
    with pytest.raises(TimeOut):
        pool.get(0)
    stats = pool.stats()
    assert (stats["nobjs"], stats["nwaiting"], stats["ntimeouts"]) == (0, 0, 1)
    assert works.closed == [kept, ill]


def test_who_closes_it_himself_holds_up_nobody(scheduler: FakeScheduler, works: Works) -> None:
    """As long as the closer of one who does not wait takes others are served, and the place is his nevertheless."""
    doctor = Doctor()
    begun, go_on = threading.Event(), threading.Event()

    def close(thing: Thing) -> None:
        begun.set()
        wait_for(go_on)
        works.close(thing)

    pool = Pool(works.make, 2, 2, health=doctor, health_before_get=0, closer=close)
    lent, ill = pool.get(), pool.get()
    pool.ret(ill)
    doctor.ill = {ill.number}
    hasty = Caller(lambda: pool.get(0))
    wait_for(begun)
    waiting = Caller(pool.get)
    eventually(lambda: pool.stats()["nwaiting"] == 1)
    pool.ret(lent)
    assert waiting.result() is lent
    assert hasty.busy
    another = Caller(pool.get)
    eventually(lambda: pool.stats()["nwaiting"] == 1)
    go_on.set()
    assert hasty.result().number == 2
    assert another.busy
    pool.ret(lent)
    assert another.result() is lent


def test_what_came_back_meanwhile_is_lent_first(scheduler: FakeScheduler, works: Works) -> None:
    """Nothing is created, which may fail, for one who finds an idle object when he has closed what he turned down."""
    doctor = Doctor()
    begun, go_on = threading.Event(), threading.Event()

    def close(thing: Thing) -> None:
        begun.set()
        wait_for(go_on)

    pool = Pool(works.make, 2, 0, health=doctor, health_before_get=0, closer=close)
    lent, ill = pool.get(), pool.get()
    pool.ret(ill)
    doctor.ill = {ill.number}
    works.failing = ConnectionError()
    hasty = Caller(lambda: pool.get(0))
    wait_for(begun)
    pool.ret(lent)
    go_on.set()
    assert hasty.result() is lent
    stats = pool.stats()
    assert (stats["nobjs"], stats["ncreating"], stats["nerrors"], stats["nwaiting"]) == (1, 2, 0, 0)


def test_who_is_interrupted_while_he_closes_it_leaves_the_place(scheduler: FakeScheduler, works: Works) -> None:
    """What he turned down is closed, and anybody may have its place."""
    doctor = Doctor()
    interrupting = [KeyboardInterrupt()]

    def close(thing: Thing) -> None:
        works.close(thing)
        if interrupting:
            raise interrupting.pop()

    pool = Pool(works.make, 1, 1, health=doctor, health_before_get=0, closer=close)
    pool.ret(pool.get())
    doctor.ill = {0}
    with pytest.raises(KeyboardInterrupt):
        pool.get(0)
    scheduler.run()
    assert [thing.number for thing in works.closed] == [0]
    with pool.obj(0):
        stats = pool.stats()
        assert (stats["nobjs"], stats["nusing"], stats["nwaiting"]) == (1, 1, 0)


def test_a_handed_object_is_checked(scheduler: FakeScheduler, clock: HandMovedClock, naps: Naps, works: Works) -> None:
    """Who waited, and is handed an object, checks it too."""
    naps.scheduler = scheduler
    doctor = Doctor()
    pool = Pool(works.make, 1, health=doctor, health_before_get=0, closer=works.close)
    thing = pool.get()
    doctor.ill = {0}

    def come_back() -> None:
        clock.advance(1)
        pool.ret(thing)

    naps.meanwhile.append(come_back)
    assert pool.get().number == 1
    assert works.closed == [thing]
    assert pool.stats()["nwaiting"] == 0


def test_within_the_timeout(scheduler: FakeScheduler, naps: Naps, clock: HandMovedClock, works: Works) -> None:
    """Slow checks take of the caller's time; when it is over he is told, and what was ill is closed."""
    naps.scheduler = scheduler

    def check(thing: Thing) -> bool:
        clock.advance(3)
        return False

    pool = Pool(works.make, 4, 4, health=check, health_before_get=0, closer=works.close)
    with pytest.raises(TimeOut, match="timeout after 5 seconds"):
        pool.get(5)
    stats = pool.stats()
    assert (stats["ntimeouts"], stats["nusing"], stats["nwaiting"], stats["navail"]) == (1, 0, 0, 2)
    scheduler.run()
    assert [thing.number for thing in works.closed] == [3, 2]


def test_killed_during_the_check(scheduler: FakeScheduler, clock: HandMovedClock, works: Works) -> None:
    """An object that was killed while its check took too long is not lent, however well it was."""
    logging.getLogger("ppp").setLevel(logging.CRITICAL)

    def check(thing: Thing) -> bool:
        if thing.number == 0:
            clock.advance(10)
            pool.housekeep()
        return True

    pool = Pool(
        works.make, 1, max_using_delay_kill=5, health=check, health_before_get=0, health_freq=1000, closer=works.close
    )
    assert pool.get().number == 1
    assert [thing.number for thing in works.closed] == [0]
    assert (pool.stats()["nkilled"], pool.stats()["nusing"]) == (1, 1)


@pytest.mark.parametrize("timeout", [0, 5])
def test_closed_during_the_check(timeout: float, scheduler: FakeScheduler, works: Works) -> None:
    """A pool that is closed meanwhile says so, and all is closed."""

    def check(thing: Thing) -> bool:
        pool.shutdown()
        return False

    pool = Pool(works.make, 2, 2, health=check, health_before_get=0, closer=works.close)
    with pytest.raises(PoolClosed):
        pool.get(timeout)
    scheduler.run()
    assert works.alive == []


def test_a_lease_notes_what_it_got(scheduler: FakeScheduler, works: Works) -> None:
    """A lease has the object that was found well, and gives that one back."""
    doctor = Doctor()
    pool = Pool(works.make, 2, 2, health=doctor, health_before_get=0, closer=works.close)
    doctor.ill = {1}
    with pool.lease() as thing:
        assert thing.number == 0
    assert pool.stats()["navail"] == 1


@pytest.mark.parametrize("what", ["drain", "lifetime"])
def test_outdated_during_the_check(
    what: str, scheduler: FakeScheduler, naps: Naps, clock: HandMovedClock, works: Works
) -> None:
    """What a drain or the end of a lifetime finds in its check is not lent any more."""
    naps.scheduler = scheduler

    def check(thing: Thing) -> bool:
        if thing.number == 0:
            pool.drain() if what == "drain" else clock.advance(100)
        return True

    pool = Pool(works.make, 1, health=check, health_before_get=0, max_lifetime=50, closer=works.close)
    assert pool.get().number == 1
    assert [thing.number for thing in works.closed] == [0]
    assert pool.stats()["ndrained" if what == "drain" else "nexpired"] == 1


@pytest.mark.parametrize("why", ["health", "max_lifetime"])
def test_a_closer_that_hangs_is_not_the_borrowers(
    why: str, scheduler: FakeScheduler, clock: HandMovedClock, naps: Naps, works: Works
) -> None:
    """A worker closes what a borrower turns down: who has a timeout gets the next, or hears in time."""
    hung: list[Thing] = []
    pool = Pool(
        works.make,
        2,
        2,
        health=lambda thing: why != "health" or thing.number != 1,
        health_before_get=0,
        max_lifetime=50,
        closer=hung.append,
    )
    if why == "health":
        assert pool.get(5).number == 0
    else:
        clock.advance(50)
        with pytest.raises(TimeOut):
            pool.get(5)
    assert hung == []
    scheduler.run()
    assert hung


def test_who_asks_again_is_served_in_order(works: Works) -> None:
    """Those whose object was no good stand in front of all others, and among themselves in the order they came."""
    queue: WaitQueue[Thing] = WaitQueue()
    owner = here().owner
    new, first, second = (Waiter[Thing](owner) for _ in range(3))
    queue.join(new, 1.0)
    queue.join(first, 2.0, in_front=True)
    queue.join(second, 3.0, in_front=True)
    assert list(queue.queue) == [first, second, new]


class HubElsewhere:
    """A hub in another thread."""

    for_tasks = False

    def here(self) -> bool:
        return False

    def alive(self) -> bool:
        return True

    def spawn(self, job: Callable[[], None]) -> bool:
        return True


def test_a_borrower_outside_the_pools_hub_closes_himself(scheduler: FakeScheduler, works: Works) -> None:
    """What he turns down: the hub may not turn while he waits for it."""
    doctor = Doctor()
    pool = Pool(works.make, 1, health=doctor, health_before_get=0, closer=works.close)
    doctor.ill = {0}
    pool._core.scheduling.hub = HubElsewhere()
    assert pool.get(5).number == 1
    assert [thing.number for thing in works.closed] == [0]


def test_where_there_is_no_maintenance(scheduler: FakeScheduler, works: Works, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the parent of a reloading server whoever turns something down, or drains, closes it."""
    monkeypatch.setenv("PPP_WERKZEUG_WORKAROUND", "1")
    monkeypatch.delenv("WERKZEUG_RUN_MAIN", raising=False)
    doctor = Doctor()
    pool = Pool(works.make, 1, 0, health=doctor, health_before_get=0, closer=works.close)
    pool.ret(pool.get())
    doctor.ill = {0}
    pool.ret(pool.get(5))
    assert [thing.number for thing in works.closed] == [0]
    pool.drain()
    assert [thing.number for thing in works.closed] == [0, 1]
    assert not pool._core.chores.anywhere


def test_whose_it_is(scheduler: FakeScheduler, works: Works) -> None:
    """What a borrower gets instead of one that he turned down is lent to him."""
    doctor = Doctor()
    pool = Pool(works.make, 2, 2, health=doctor, health_before_get=0, closer=works.close)
    doctor.ill = {0, 1}
    assert pool.get(0).number == 2
    (loan,) = pool.owners()
    assert loan.owner == "thread 'MainThread'"


def test_who_gets_nothing_for_it_stands_in_front(scheduler: FakeScheduler, naps: Naps, works: Works) -> None:
    """Who closes himself what he turned down, and finds its place gone, was there before those who came meanwhile."""
    doctor = Doctor()
    behind: list[Caller[object]] = []

    def close(thing: Thing) -> None:
        pool.resize(max_size=1)
        behind.extend(queue_up(pool, 1, lambda _: pool.get()))

    pool = Pool(works.make, 2, 0, health=doctor, health_before_get=0, closer=close)
    pool._core.scheduling.hub = HubElsewhere()
    other, ill = pool.get(0), pool.get(0)
    pool.ret(ill)
    doctor.ill = {ill.number}

    def give_back() -> None:
        naps.clock.advance(1)
        pool.ret(other)

    naps.meanwhile.append(give_back)
    assert pool.get(5) is other
    assert behind[0].busy
    pool.ret(other)
    assert behind[0].result() is other


def test_its_place_at_the_last_moment(
    scheduler: FakeScheduler, naps: Naps, clock: HandMovedClock, works: Works, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If what he turned down is closed at once its place is his: others have come later, and his time is just over."""
    behind: list[Caller[Thing]] = []

    def check(thing: Thing) -> bool:
        if not behind:
            behind.append(Caller(pool.get))
            eventually(lambda: pool.stats()["nwaiting"] == 1)
        return thing.number > 0

    pool = Pool(works.make, 1, health=check, health_before_get=0, closer=works.close)
    chores = pool._core.chores
    leave = chores.leave

    def close_late(chore: Callable[[], None]) -> None:
        leave(chore)
        scheduler.run()
        clock.advance(5)

    monkeypatch.setattr(chores, "leave", close_late)
    thing = pool.get(5)
    assert thing.number == 1
    assert naps.asked == []
    assert behind[0].busy
    pool.ret(thing)
    assert behind[0].result() is thing


def test_a_check_until_the_time_is_over(scheduler: FakeScheduler, clock: HandMovedClock, works: Works) -> None:
    """Who has no time left when an object turns out to be ill has no other checked."""
    seen: list[int] = []

    def check(thing: Thing) -> bool:
        seen.append(thing.number)
        clock.advance(5)
        return False

    pool = Pool(works.make, 2, 2, health=check, health_before_get=0, closer=works.close)
    with pytest.raises(TimeOut):
        pool.get(5)
    assert seen == [1]


def test_killed_and_being_closed(scheduler: FakeScheduler, clock: HandMovedClock, works: Works) -> None:
    """Who turns down what maintenance is closing does not have its place before the closer has returned."""
    begun, go_on = threading.Event(), threading.Event()
    rounds: list[Caller[None]] = []

    def check(thing: Thing) -> bool:
        clock.advance(10)
        rounds.append(Caller(pool.housekeep))
        wait_for(begun)
        return False

    def close(thing: Thing) -> None:
        begun.set()
        wait_for(go_on)
        works.close(thing)

    works.bound = 1
    pool = Pool(works.make, 1, 1, max_using_delay_kill=5, health=check, health_before_get=0, closer=close)
    with pytest.raises(TimeOut):
        pool.get(0)
    go_on.set()
    rounds[0].result()
    assert [thing.number for thing in works.made] == [0, 1]
