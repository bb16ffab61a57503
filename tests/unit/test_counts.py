"""The numbers of a pool, and that all who show some of them show the same."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from ProxyPatternPool import Pool
from ProxyPatternPool._export import counts_of
from ProxyPatternPool._inspect.status import details, read
from ProxyPatternPool._inspect.totals import total
from ProxyPatternPool._ledger.counts import Counts, describe
from ProxyPatternPool._pool.pool import core_of

from .clock import FakeScheduler, HandMovedClock
from .helpers import Naps, Thing, Works


def shown_alike(pool: Pool[Thing]) -> Counts:
    """Read the counts, and see that all who show them agree."""
    counts = counts_of(pool)
    core = core_of(pool)
    stats = pool.stats()
    assert counts == core.count() == read(core).counts == details(core, 9, 9).counts
    assert (stats["nobjs"], stats["navail"], stats["nusing"]) == (counts.places, counts.idle, counts.in_use)
    assert (stats["ntodel"], stats["nstale"], stats["nwaiting"]) == (counts.closing, counts.stale, counts.waiting)
    assert repr(pool) == (
        f"<Pool db: {'closed, ' if counts.closed else ''}{counts.idle} idle, {counts.in_use} in use, "
        f"{counts.waiting} waiting, max 3>"
    )
    written = io.StringIO()
    pool.dump(written)
    assert written.getvalue().splitlines()[0] == (
        f"pool 'db'{', closed' if counts.closed else ''}: {counts.idle} idle, {counts.in_use} lent, "
        f"{counts.checking} being checked, {counts.creating} being created, {counts.closing} being closed, "
        f"{counts.waiting} waiting, max 3"
    )
    return counts


def test_wherever_the_objects_are(scheduler: FakeScheduler, works: Works) -> None:
    """Each object is counted once, in every hook as between them."""
    moments: dict[str, Counts] = {}

    def look(moment: str) -> Callable[[Thing], bool]:
        def hook(_: Thing) -> bool:
            moments[moment] = shown_alike(pool)
            return True

        return hook

    def make(number: int) -> Thing:
        if number:
            moments["created"] = shown_alike(pool)
        return works.make(number)

    def close(thing: Thing) -> None:
        moments["closed"] = shown_alike(pool)
        works.close(thing)

    pool = Pool(make, 3, 1, retter=look("reset"), health=look("checked"), closer=close, name="db", hk_delay=1000.0)
    held = [pool.get(), pool.get()]
    moments["in use"] = shown_alike(pool)
    pool.ret(held.pop())
    moments["idle"] = shown_alike(pool)
    pool.housekeep()
    pool.drain()
    moments["stale"] = shown_alike(pool)
    pool.ret(held.pop())
    pool.shutdown()
    moments["end"] = shown_alike(pool)
    found = {
        moment: (each.places, each.creating, each.idle, each.in_use, each.checking, each.closing, each.stale)
        for moment, each in moments.items()
    }
    assert found == {
        "in use": (2, 0, 0, 2, 0, 0, 0),
        "created": (2, 1, 0, 1, 0, 0, 0),
        "reset": (1, 0, 0, 0, 0, 0, 1),
        "idle": (2, 0, 1, 1, 0, 0, 0),
        "checked": (2, 0, 0, 1, 1, 0, 0),
        "closed": (1, 0, 0, 0, 0, 1, 1),
        "stale": (1, 0, 0, 1, 0, 0, 1),
        "end": (0, 0, 0, 0, 0, 0, 0),
    }
    upkeep = {moment: each.in_upkeep for moment, each in moments.items() if each.in_upkeep}
    assert upkeep == {"reset": 1, "checked": 1, "closed": 1}
    assert [moment for moment, each in moments.items() if each.closed] == ["end"]


def test_callers_that_wait(scheduler: FakeScheduler, naps: Naps) -> None:
    """A caller is counted from when it begins to wait, and its wait when that has ended."""
    pool = Pool(Thing, 3, 3, name="db")
    held = [pool.get() for _ in range(3)]
    core = core_of(pool)
    waiting: list[tuple[int, int]] = []

    def ret() -> None:
        waiting.append((shown_alike(pool).waiting, total(core).waits))
        pool.ret(held.pop())

    naps.meanwhile.append(ret)
    held.append(pool.get())
    waiting.append((shown_alike(pool).waiting, total(core).waits))
    assert waiting == [(1, 0), (0, 1)]


def test_a_loan_between_two_reads(scheduler: FakeScheduler, works: Works) -> None:
    """Loans begin without the lock: an object that is taken from idle to in use meanwhile is not in upkeep twice."""
    pool = Pool(works.make, 3, 2)
    counts = counts_of(pool)
    assert counts._replace(in_use=1).in_upkeep == 0
    pool.close()


def test_in_the_middle_of_a_step(scheduler: FakeScheduler, works: Works) -> None:
    """Whoever prints a pool while this thread has its lock, a finalizer for instance, is answered."""
    pool = Pool(works.make, 3, 2, name="db")
    written = io.StringIO()
    core_of(pool).guard.locked(pool.dump, written)
    assert written.getvalue().startswith("pool 'db': 2 idle, 0 lent, ")
    assert core_of(pool).guard.locked(repr, pool) == "<Pool db: 2 idle, 0 in use, 0 waiting, max 3>"


def test_returns_never_fall(scheduler: FakeScheduler) -> None:
    """A loan that is being entered at the moment of a snapshot may look ended in it, and so it does afterwards."""
    pool = Pool(Thing, 1, 1)
    ledger = core_of(pool).ledger
    entry = ledger.shelves.idle.pop()
    entry.uses += 1
    during = pool.stats()
    ledger.shelves.using[entry.key] = entry
    after = pool.stats()
    assert (during["nborrows"], during["nusing"], after["nusing"]) == (1, 0, 1)
    assert after["nreturns"] >= during["nreturns"]
    pool.ret(entry.obj)
    assert pool.stats()["nreturns"] == pool.stats()["nborrows"] == 1


NOTHING = Counts(0, None, False, 0, 0, 0, 0, 0, 0, 0, 0, 0.0)


@pytest.mark.parametrize(
    ("counts", "words"),
    [
        (NOTHING, "0 objects exist (0 idle, 0 lent), 0 being created, 0 waiting"),
        (
            NOTHING._replace(places=2, idle=1, creating=1, waiting=5),
            "1 object exists (1 idle, 0 lent), 1 being created, 5 waiting",
        ),
        (
            NOTHING._replace(places=9, in_use=3, checking=4, closing=2),
            "9 objects exist (0 idle, 3 lent, 4 being checked, 2 being closed), 0 being created, 0 waiting",
        ),
        (
            NOTHING._replace(retry_in=0.25),
            "0 objects exist (0 idle, 0 lent), 0 being created, 0 waiting, next attempt to create one in 0.250 s",
        ),
    ],
)
def test_in_words(counts: Counts, words: str) -> None:
    """An error message says what there is, and leaves out what there is none of."""
    assert describe(counts) == words


def test_totals_never_fall(scheduler: FakeScheduler, clock: HandMovedClock, works: Works) -> None:
    """What has happened stays so, also when the objects that it happened to are gone."""
    pool = Pool(works.make, 2, 0, max_use=2, closer=works.close, health=lambda _: True, hk_delay=1.0)
    core = core_of(pool)
    before = total(core)
    for _ in range(7):
        with pool.obj():
            pass
        clock.advance(1.0)
        pool.housekeep()
        now = total(core)
        fallen = [key for key in now._fields if key != "discarded" and getattr(now, key) < getattr(before, key)]
        assert fallen == []
        before = now
    assert (before.loans, before.created, before.closed, before.discarded["max_use"]) == (7, 4, 3, 3)
    assert (before.round_checks, before.rounds, before.check_rounds) == (4, 7, 7)


class Uncounted(dict[int, Any]):
    """Entries at which nobody looks one by one."""

    def __iter__(self) -> Iterator[int]:
        pytest.fail("they are counted one by one")


def test_counting_takes_no_longer_for_more_objects(scheduler: FakeScheduler) -> None:
    """What exporters and messages ask for are sizes of collections: no object is looked at."""
    pool = Pool(Thing, 2, 2)
    places = core_of(pool).ledger.places
    places._taken = Uncounted(places._taken)
    assert counts_of(pool).places == 2
    assert counts_of(pool).stale == 0
