"""What happens between two lines of the maintenance: loans, returns and errors in the middle of a round."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any

import pytest

from ProxyPatternPool import Lease, Pool
from ProxyPatternPool._ledger import policy
from ProxyPatternPool._ledger import sweeps as rounds
from ProxyPatternPool._ledger.entry import Entry
from ProxyPatternPool._scheduler.scheduler import Scheduler

from .clock import FakeScheduler, HandMovedClock
from .helpers import Caller, Thing, Works, borrow_all, give_back_all, said


def test_a_chore_that_fails(
    scheduler: FakeScheduler, clock: HandMovedClock, works: Works, caplog: pytest.LogCaptureFixture
) -> None:
    """An error of maintenance itself is logged and counted, and the other chores are done."""
    pool = Pool(works.make, name="books", min_size=0, max_avail_delay=10, closer=works.close)
    give_back_all(pool, borrow_all(pool, 2))
    clock.advance(10)

    def broken() -> None:
        raise RuntimeError("a bug")

    pool._core.chores.anywhere.append(broken)
    scheduler.look_at(pool._core)
    assert said(caplog) == ["pool 'books': maintenance failed: RuntimeError('a bug')"]
    assert pool.stats()["hk_errors"] == 1
    assert works.alive == []


def test_lent_while_its_expiry_is_judged(
    scheduler: FakeScheduler, clock: HandMovedClock, works: Works, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An expired object that is borrowed in the moment it is judged stays its borrower's."""
    pool = Pool(works.make, min_size=0, max_avail_delay=10, closer=works.close)
    give_back_all(pool, borrow_all(pool, 1))
    clock.advance(10)
    borrowed: list[Thing] = []
    on_idle = policy.on_idle

    def judge(idle_for: float, limit: float | None, *, spare: bool) -> policy.Verdict:
        verdict = on_idle(idle_for, limit, spare=spare)
        if not borrowed:
            borrowed.append(pool.get())
        return verdict

    monkeypatch.setattr(policy, "on_idle", judge)
    pool.housekeep()
    assert works.closed == []
    assert pool.stats()["nusing"] == 1


def test_replaced_while_its_expiry_is_judged(
    scheduler: FakeScheduler, clock: HandMovedClock, works: Works, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fresh object that stands where an expired one was judged is not closed in its stead."""
    pool = Pool(works.make, min_size=0, max_avail_delay=10, closer=works.close)
    old, fresh, fresher = borrow_all(pool, 3)
    pool.ret(old)
    clock.advance(10)
    swapped: list[Thing] = []
    on_idle = policy.on_idle

    def judge(idle_for: float, limit: float | None, *, spare: bool) -> policy.Verdict:
        verdict = on_idle(idle_for, limit, spare=spare)
        if not swapped:
            swapped.append(pool.get())
            pool.ret(fresh)
            clock.advance(1)
            pool.ret(fresher)
        return verdict

    monkeypatch.setattr(policy, "on_idle", judge)
    pool.housekeep()
    assert swapped == [old]
    assert works.closed == []
    assert [pool.get(), pool.get()] == [fresher, fresh], "in order"


class Meanwhile:
    """Something that happens once, in the middle of a look at the loans."""

    def __init__(self, what: Callable[[], object]) -> None:
        self.what = what
        self.done = False

    def __call__(self) -> None:
        if not self.done:
            self.done = True
            self.what()


def test_back_while_the_kill_is_judged(
    scheduler: FakeScheduler, clock: HandMovedClock, works: Works, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An object that comes back in the moment its kill is judged is not killed."""
    pool = Pool(works.make, min_size=0, max_using_delay_kill=10, closer=works.close)
    thing = pool.get()
    clock.advance(10)
    meanwhile = Meanwhile(lambda: pool.ret(thing))
    on_long_use = policy.on_long_use

    def judge(used_for: float, warn: float | None, kill: float | None, *, warned: bool) -> policy.Verdict:
        meanwhile()
        return on_long_use(used_for, warn, kill, warned=warned)

    monkeypatch.setattr(policy, "on_long_use", judge)
    pool.housekeep()
    assert meanwhile.done
    assert works.closed == []
    assert pool.get() is thing


def test_lent_again_while_the_kill_is_judged(
    scheduler: FakeScheduler, clock: HandMovedClock, works: Works, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An object that came back and was lent again in the moment its kill is judged stays its new borrower's."""
    pool = Pool(works.make, min_size=0, max_using_delay_kill=10, closer=works.close)
    thing = pool.get()
    clock.advance(10)

    def back_and_out() -> None:
        pool.ret(thing)
        assert pool.get() is thing

    meanwhile = Meanwhile(back_and_out)
    on_long_use = policy.on_long_use

    def judge(used_for: float, warn: float | None, kill: float | None, *, warned: bool) -> policy.Verdict:
        meanwhile()
        return on_long_use(used_for, warn, kill, warned=warned)

    monkeypatch.setattr(policy, "on_long_use", judge)
    pool.housekeep()
    assert meanwhile.done
    assert works.closed == []
    pool.ret(thing)
    assert pool.stats()["navail"] == 1


class Using(dict[int, Entry[Thing]]):
    """Loans, of which one ends just after maintenance has taken it out."""

    then: Meanwhile

    def pop(self, *args: Any) -> Any:
        popped = super().pop(*args)
        self.then()
        return popped


@pytest.mark.parametrize("way", ["release", "discard", "ret"])
def test_given_back_while_the_kill_is_taken_back(
    way: str, scheduler: FakeScheduler, clock: HandMovedClock, works: Works, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is given back while maintenance has it in hand, by mistake, is given back."""
    pool = Pool(works.make, 1, 0, max_using_delay_kill=10, closer=works.close)
    thing = pool.get()
    clock.advance(10)
    leases: list[Lease[Thing]] = []
    releasing: list[Caller[None]] = []
    ledger = pool._core.ledger

    def release_elsewhere() -> None:
        ways = {"release": leases[0].release, "discard": leases[0].discard, "ret": lambda: pool.ret(thing)}
        releasing.append(Caller(ways[way]))
        threading.Event().wait(0.05)  # for it to go as far as it can

    def back_and_out() -> None:
        pool.ret(thing)
        leases.append(pool.lease())
        using = Using(ledger.shelves.using)
        using.then = Meanwhile(release_elsewhere)
        ledger.shelves.using = using

    meanwhile = Meanwhile(back_and_out)
    on_long_use = policy.on_long_use

    def judge(used_for: float, warn: float | None, kill: float | None, *, warned: bool) -> policy.Verdict:
        meanwhile()
        return on_long_use(used_for, warn, kill, warned=warned)

    monkeypatch.setattr(policy, "on_long_use", judge)
    pool.housekeep()
    for caller in releasing:
        caller.result()
    assert works.closed == ([thing] if way == "discard" else [])
    assert pool.stats()["nusing"] == 0
    assert (pool.get(0) is thing) == (way != "discard")


def test_changed_hands_while_it_was_looked_at(
    scheduler: FakeScheduler,
    clock: HandMovedClock,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A loan that changes hands while it is looked at is none of those that are too long; others are."""
    pool = Pool(Thing, name="books", max_using_delay=10)
    thing, _ = pool.get(), pool.get()
    clock.advance(10)

    def back_and_out() -> None:
        pool.ret(thing)
        pool.get()

    meanwhile = Meanwhile(back_and_out)
    loan = rounds.Loan

    def look(*args: Any) -> rounds.Loan[Thing]:
        meanwhile()
        return loan(*args)

    monkeypatch.setattr(rounds, "Loan", look)
    pool.housekeep()
    assert meanwhile.done
    assert said(caplog) == ["pool 'books': thing 1 has been kept for 10.000 s by thread 'MainThread'"]


def test_a_handler_that_borrows(scheduler: FakeScheduler, clock: HandMovedClock, works: Works) -> None:
    """A logging handler that writes through the same pool finds the places that the killed have left."""
    pool = Pool(works.make, 2, max_using_delay_kill=10, closer=works.close)
    written: list[str] = []

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            with pool.obj(0):
                written.append(record.getMessage())

    handler = Handler()
    logging.getLogger("ppp").addHandler(handler)
    try:
        for _ in range(2):
            pool.get()
        clock.advance(10)
        scheduler.look_at(pool._core)
    finally:
        logging.getLogger("ppp").removeHandler(handler)
    assert len(works.closed) == 2
    assert len(written) == 2
    assert all("closing it" in line for line in written)


def test_maintenance_by_hand_that_is_interrupted(scheduler: FakeScheduler, clock: HandMovedClock, works: Works) -> None:
    """What an interrupted round leaves undone, the scheduler has done."""
    interruptions = [KeyboardInterrupt()]

    def close(thing: Thing) -> None:
        works.close(thing)
        if interruptions:
            raise interruptions.pop()

    pool = Pool(works.make, 4, 0, closer=close, max_avail_delay=10)
    for thing in [pool.get() for _ in range(3)]:
        pool.ret(thing)
    scheduler.run()
    clock.advance(10)
    with pytest.raises(KeyboardInterrupt):
        pool.housekeep()
    assert len(works.closed) == 1
    scheduler.run()
    assert len(works.closed) == 3
    assert pool.stats()["nobjs"] == 0


def test_a_chore_that_fails_at_the_end(scheduler: FakeScheduler, caplog: pytest.LogCaptureFixture) -> None:
    """At the interpreter's exit nothing is said of what goes wrong; before, it is said with its traceback."""
    pool = Pool(Thing, 1, name="db")

    def fail() -> None:
        raise ZeroDivisionError

    pool._core.chores.anywhere.append(fail)
    pool._core.run_chores()
    (record,) = caplog.records
    assert record.getMessage() == "pool 'db': maintenance failed: ZeroDivisionError()"
    assert record.exc_info is not None
    pool._core.close_at_exit()
    pool._core.chores.anywhere.append(fail)
    pool._core.run_chores()
    assert len(caplog.records) == 1
    assert pool.stats()["hk_errors"] == 2


def test_a_look_that_fails(
    scheduler: FakeScheduler, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fault of ours is said with its traceback, by which it can be found."""
    core = Pool(Thing, 1, name="db")._core

    def fail(*, dropped: bool) -> float:
        raise ZeroDivisionError

    monkeypatch.setattr(core.maintenance, "run_due", fail)
    scheduler.maintain(core)
    assert said(caplog) == ["maintenance of pool 'db' failed"]
    assert "in fail\n" in str(caplog.records[0].exc_text)


def test_a_warning_about_a_use_that_ends_at_this_moment(
    scheduler: FakeScheduler, clock: HandMovedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next return is looked at closely for nothing, and those after it are like any other."""
    pool = Pool(Thing, 1, max_using_delay=60)
    thing = pool.get()
    entry = pool._core.ledger.shelves.using[id(thing)]
    usual = entry.slow_return_at_use
    verdict = policy.on_long_use

    def come_back(*args: Any, **kwargs: Any) -> policy.Verdict:
        monkeypatch.undo()
        pool.ret(thing)
        return verdict(*args, **kwargs)

    clock.advance(61)
    monkeypatch.setattr(policy, "on_long_use", come_back)
    pool.housekeep()
    assert entry.slow_return_at_use == 0
    pool.ret(pool.get())
    assert entry.slow_return_at_use == usual


def test_a_failing_look_names_the_pool(
    scheduler: FakeScheduler, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A bug in the maintenance of one pool is logged with the pool's name, and tried again."""
    pool = Pool(Thing, 1, name="db")

    def fail(*, dropped: bool) -> float:
        raise ZeroDivisionError

    monkeypatch.setattr(pool._core.maintenance, "run_due", fail)
    assert Scheduler.maintain(scheduler, pool._core) == scheduler.clock() + scheduler.timing.retry_delay
    assert said(caplog) == ["maintenance of pool 'db' failed"]
    monkeypatch.undo()


def test_each_does_his_own_part(scheduler: FakeScheduler) -> None:
    """A hub does what belongs into it, a worker what may be done anywhere, and either both if it is told to."""
    core = Pool(Thing, 1, 0)._core
    done: list[str] = []

    def queue() -> None:
        done.clear()
        core.chores.anywhere.append(lambda: done.append("anywhere"))
        core.chores.in_hub.append(lambda: done.append("in the hub"))

    queue()
    core.run_chores(common=False)
    assert done == ["in the hub"]
    core.run_chores(hub=False)
    assert done == ["in the hub", "anywhere"]
    queue()
    core.run_chores(hub=False)
    assert done == ["anywhere"]
    core.run_chores(common=False)
    assert done == ["anywhere", "in the hub"]
    queue()
    core.run_chores()
    assert sorted(done) == ["anywhere", "in the hub"]
