"""What is remembered of the last five minutes."""

from __future__ import annotations

import gc
import logging
from typing import Any

import pytest

from ProxyPatternPool import Pool, Proxy, TimeOut, control
from ProxyPatternPool._inspect.status import WAITS, Reading
from ProxyPatternPool._inspect.totals import Totals
from ProxyPatternPool._ledger.counts import Counts
from ProxyPatternPool._status.sampler import KEPT, Sample, Sampler, waited
from ProxyPatternPool._status.sources import source

from ..unit.clock import FakeScheduler, HandMovedClock
from ..unit.helpers import Naps, Thing, Works

Moment = tuple[int, int, int, float | None, float | None]


def sampler_of(*pools: object) -> Sampler:
    return Sampler([source(pool, number) for number, pool in enumerate(pools, 1)])


def last(sampler: Sampler) -> Moment:
    """In use, idle, waiting, p50, p99."""
    sample = sampler.histories[0].samples()[-1]
    assert (sample.creating, sample.in_upkeep) == (0, 0)
    return sample.in_use, sample.idle, sample.waiting, sample.p50, sample.p99


@pytest.fixture
def pool(works: Works, scheduler: FakeScheduler) -> Pool[Thing]:
    return Pool(works.make, max_size=2)


def second(clock: HandMovedClock, scheduler: FakeScheduler, sampler: Sampler, seconds: float = 1.0) -> None:
    """Let a second pass, and the scheduler take its sample."""
    clock.advance(seconds)
    scheduler.look_at(sampler)


def test_it_looks_once_a_second(pool: Pool[Thing], clock: HandMovedClock, scheduler: FakeScheduler) -> None:
    """From the moment when the scheduler has a thread."""
    sampler = sampler_of(pool)
    assert sampler.histories[0].samples() == []
    scheduler.run()
    assert sampler.histories[0].samples() == [Sample(clock.now, 0, 1, 0, 0, 0, None, None)]
    held = pool.get()
    clock.advance(0.9)
    assert scheduler.look_at(sampler) == pytest.approx(clock.now + 0.1)  # too early, and comes back
    assert len(sampler.histories[0].samples()) == 1
    second(clock, scheduler, sampler, 0.1)
    assert last(sampler) == (1, 0, 0, 0.0, 0.0)
    pool.ret(held)
    second(clock, scheduler, sampler)
    assert last(sampler) == (0, 1, 0, None, None)  # nobody has come


def test_the_scheduler_may_look_at_once(
    pool: Pool[Thing], scheduler: FakeScheduler, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its thread takes the first sample before the page has been made to its end."""
    ask = scheduler.request_look

    def look(maintained: Any) -> None:
        ask(maintained)
        scheduler.run()

    monkeypatch.setattr(scheduler, "request_look", look)
    assert len(sampler_of(pool).histories[0].samples()) == 1


def test_after_a_pause_it_goes_on(pool: Pool[Thing], clock: HandMovedClock, scheduler: FakeScheduler) -> None:
    """A machine that slept is not to be made up for."""
    sampler = sampler_of(pool)
    scheduler.run()
    second(clock, scheduler, sampler, 1000.0)
    assert scheduler.look_at(sampler) == clock.now + 0.5
    assert len(sampler.histories[0].samples()) == 2


def test_five_minutes_are_kept(pool: Pool[Thing], clock: HandMovedClock, scheduler: FakeScheduler) -> None:
    sampler = sampler_of(pool)
    for _ in range(KEPT + 10):
        second(clock, scheduler, sampler)
    samples = sampler.histories[0].samples()
    assert len(samples) == KEPT
    assert samples[-1].at - samples[0].at == KEPT - 1


def test_waits(pool: Pool[Thing], clock: HandMovedClock, scheduler: FakeScheduler, naps: Naps) -> None:
    """Of those whose wait has ended, well or not, and of those who found something idle."""
    sampler = sampler_of(pool)
    scheduler.run()
    held = [pool.get(), pool.get()]

    def ret() -> None:
        clock.advance(0.25)
        pool.ret(held.pop())

    naps.meanwhile.append(ret)
    held.append(pool.get())
    second(clock, scheduler, sampler)
    assert last(sampler) == (2, 0, 0, 0.0, 0.25)  # two did not wait
    with pytest.raises(TimeOut):
        pool.get(timeout=3.0)
    scheduler.look_at(sampler)
    assert last(sampler) == (2, 0, 0, 3.0, 3.0)


def test_waits_that_have_not_ended(
    pool: Pool[Thing], clock: HandMovedClock, scheduler: FakeScheduler, naps: Naps
) -> None:
    """When all is stuck the chart says so, not that nobody came."""
    sampler = sampler_of(pool)
    scheduler.run()
    held = [pool.get(), pool.get()]
    second(clock, scheduler, sampler)
    seen: list[Moment] = []

    def look() -> None:
        second(clock, scheduler, sampler)
        seen.append(last(sampler))

    naps.meanwhile.extend([look, look, lambda: pool.ret(held.pop())])
    pool.get()
    assert seen == [(2, 0, 1, 1.0, 1.0), (2, 0, 1, 2.0, 2.0)]


def test_several_readers(pool: Pool[Thing], clock: HandMovedClock, scheduler: FakeScheduler, naps: Naps) -> None:
    """Each sees all waits, whoever looks first."""
    readers = [sampler_of(pool), sampler_of(pool)]
    scheduler.run()
    held = [pool.get(), pool.get()]
    with pytest.raises(TimeOut):
        pool.get(timeout=3.0)
    for reader in readers:
        scheduler.look_at(reader)
        assert last(reader)[4] == 3.0
    assert len(held) == 2


def reading(*, last: list[float] | None = None, waiting: list[float] | None = None, **totals: int) -> Reading:
    """A reading with these totals, and nothing else."""
    nothing: dict[str, Any] = dict.fromkeys(Counts._fields, 0)
    so_far: dict[str, Any] = {**dict.fromkeys(Totals._fields, 0), **totals}
    return Reading(0.0, Counts(**nothing), Totals(**so_far), last or [], waiting or [], served=0)


@pytest.mark.parametrize(
    ("now", "p50", "p99"),
    [
        (reading(), None, None),
        (reading(loans=10), 0.0, 0.0),
        (reading(loans=100, waits=1, last=[5.0]), 0.0, 0.0),
        (reading(loans=99, waits=1, last=[5.0]), 0.0, 5.0),
        (reading(loans=4, waits=4, last=[4.0, 1.0, 3.0, 2.0]), 2.0, 4.0),
        (reading(loans=4, waits=4, last=[9.0, 9.0, 4.0, 1.0, 3.0, 2.0]), 2.0, 4.0),  # the first are older
        (reading(loans=0, waits=2, timeouts=2, last=[5.0, 5.0]), 5.0, 5.0),
        (reading(loans=0, waits=2, last=[5.0, 5.0]), 5.0, 5.0),  # loans that are only now being created
        (reading(waiting=[3.0, 1.0, 2.0]), 2.0, 3.0),
        # More waits than are kept: these stand for all.
        (reading(loans=4 * WAITS, waits=4 * WAITS, last=[1.0] * (WAITS // 2) + [2.0] * (WAITS // 2)), 1.0, 2.0),
        (reading(loans=8 * WAITS, waits=4 * WAITS, last=[1.0] * WAITS), 0.0, 1.0),
    ],
)
def test_percentiles(now: Reading, p50: float | None, p99: float | None) -> None:
    assert waited(reading(), now) == (p50, p99)


def test_a_wait_that_ends_while_loans_are_counted() -> None:
    """Its caller has waited: whichever second its loan is found in, nobody found an object idle."""
    before = reading(waits=1, last=[5.0])
    assert waited(before, reading(loans=1, waits=1, last=[5.0])) == (None, None)
    assert waited(before, reading(loans=3, waits=1, last=[5.0])) == (0.0, 0.0)


def test_a_pool_that_is_dropped(works: Works, clock: HandMovedClock, scheduler: FakeScheduler) -> None:
    """To be shown keeps it alive no longer, and it is forgotten."""
    pool = Pool(works.make, closer=works.close)
    sampler = sampler_of(pool)
    scheduler.run()
    assert len(sampler.histories[0].samples()) == 1
    del pool
    gc.collect()
    second(clock, scheduler, sampler)
    assert works.alive == []
    assert sampler.histories[0].samples() == []
    assert sampler.histories[0].source.core() is None


def test_a_proxy(works: Works, clock: HandMovedClock, scheduler: FakeScheduler) -> None:
    """It gets its pool later, and may get another, which begins anew."""
    db: Proxy[Thing] = Proxy(max_size=3, min_size=2)
    sampler = sampler_of(db)
    [history] = sampler.histories
    scheduler.run()
    assert (history.samples(), history.source.name) == ([], "proxy 1")
    control(db).set_pool(name="db")
    assert history.source.name == "db"
    db.set_fun(works.make)
    second(clock, scheduler, sampler)
    second(clock, scheduler, sampler)
    assert [sample.idle for sample in history.samples()] == [2, 2]
    assert history.source.name == "db"
    db.set_fun(works.make)
    second(clock, scheduler, sampler)
    assert [sample.idle for sample in history.samples()] == [2]


def test_in_the_child_of_a_fork(pool: Pool[Thing], clock: HandMovedClock, scheduler: FakeScheduler) -> None:
    """It starts anew, when the child has a scheduler."""
    sampler = sampler_of(pool)
    scheduler.run()
    scheduler.after_fork()
    assert sampler.histories[0].samples() == []
    clock.advance(1.0)
    scheduler.run()
    assert last(sampler) == (0, 0, 0, None, None)


def test_it_holds_up_no_exit(pool: Pool[Thing], scheduler: FakeScheduler) -> None:
    sampler = sampler_of(pool)
    assert sampler.close_at_exit() == []
    sampler.wait_until_empty(9.0)
    assert repr(sampler) == "the status page's samples"


def test_it_says_what_goes_wrong(pool: Pool[Thing], scheduler: FakeScheduler, caplog: pytest.LogCaptureFixture) -> None:
    """As a pool does: a chore says it."""
    sampler = sampler_of(pool)
    scheduler.run()
    sampler.log_later(logging.ERROR, "a bug in %s", repr(sampler))
    assert caplog.messages == []
    scheduler.look_at(sampler)
    assert caplog.messages == ["a bug in the status page's samples"]


def test_nobody_keeps_it(pool: Pool[Thing], scheduler: FakeScheduler) -> None:
    """With the application the samples end."""
    sampler = sampler_of(pool)
    scheduler.run()
    [history] = sampler.histories
    del sampler
    gc.collect()
    scheduler.run()
    scheduler.after_fork()
    assert len(history.samples()) == 1
