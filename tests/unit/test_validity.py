"""Which objects are kept, and who may create one, by themselves."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial

from ProxyPatternPool._ledger.backoff import Backoff
from ProxyPatternPool._ledger.entry import Entry
from ProxyPatternPool._ledger.permits import Permits
from ProxyPatternPool._ledger.validity import Validity

from .helpers import Thing
from .ledgers import book, bounds, live


def test_a_drain_makes_all_stale_that_exist() -> None:
    """Those that are created later are not; once the last stale one is gone there is nothing to look for."""
    places = book()
    validity = Validity(bounds(), places)
    old, older = live(places, 2)
    assert (validity.nstale, validity.discards_pending) == (0, False)
    assert (validity.why_discard(old, 0.0), validity.why_not_lend(old, 0.0)) == (None, None)
    validity.drain()
    assert (validity.nstale, validity.discards_pending) == (2, True)
    (new,) = live(places)
    assert [validity.why_discard(entry, 0.0) for entry in (old, older, new)] == ["drained", "drained", None]
    assert [validity.why_not_lend(entry, 0.0) for entry in (old, older, new)] == ["drained", "drained", None]
    assert validity.update_discards_pending()
    for entry in (old, older):
        places.retire(entry, "drained")
        places.free(entry)
    assert (validity.update_discards_pending(), validity.discards_pending, validity.nstale) == (False, False, 0)


def test_what_is_too_many_is_lent_but_not_kept() -> None:
    """It is found once somebody has said that there may be such, as ``resize`` does."""
    places = book(0, 3)
    validity = Validity(bounds(), places)
    one, *_ = live(places, 2)
    places.config = bounds(0, 1)
    assert validity.why_discard(one, 0.0) is None
    assert validity.update_discards_pending()
    assert (validity.why_discard(one, 0.0), validity.why_not_lend(one, 0.0)) == ("surplus", None)
    places.retire(one, "surplus")
    assert not validity.update_discards_pending()


def test_a_lifetime_ends_at_its_time() -> None:
    """The earliest end of all is known; without a limit there is none."""
    places = book()
    validity = Validity(replace(bounds(), max_lifetime=100.0), places)
    late, early, last = live(places, 3)
    assert validity.next_end == math.inf
    validity.start_lifetime(late, 1000.0, 0.0)
    assert (late.expires, validity.next_end) == (1100.0, 1100.0)
    validity.start_lifetime(early, 1000.0, 0.5)
    assert early.expires == validity.next_end < 1098
    validity.start_lifetime(last, 1001.0, 0.0)
    assert (last.expires, validity.next_end) == (1101.0, early.expires)
    assert [validity.why_not_lend(late, now) for now in (1099.9, 1100.0)] == [None, "max_lifetime"]
    assert [validity.why_discard(late, now) for now in (1099.9, 1100.0)] == [None, "max_lifetime"]
    endless = Validity(bounds(), places)
    endless.start_lifetime(late, 2000.0, 0.0)
    assert (late.expires, endless.next_end) == (1100.0, math.inf)


def test_a_permit_takes_a_place_and_the_mark_of_its_attempt() -> None:
    """A caller gets none without room; nor does the pool, for those who wait, beyond as many as they are."""
    places, backoff = book(0, 3), Backoff((1.0, 8.0), lambda: 0.0)
    permits = Permits[Thing](places, backoff)
    backoff.failed(0.0)
    one = permits.for_caller(5.0)
    assert one is not None
    assert (one.attempt, len(places), places.for_waiters) == (1, 1, set())
    assert backoff.due_at == 5.5
    backoff.succeeded()
    two = permits.for_waiters(5.0, 1)
    assert two is not None
    assert places.for_waiters == {two.serial}
    assert permits.for_waiters(5.0, 1) is None
    three = permits.for_waiters(5.0, 2)
    assert three is not None
    assert places.for_waiters == {two.serial, three.serial}
    assert (permits.for_caller(5.0), permits.for_waiters(5.0, 9)) == (None, None)
    places.free(two)
    refill = permits.for_refill(5.0)
    assert refill is not None
    assert places.for_waiters == {three.serial}


def test_nothing_is_permitted_before_the_next_attempt_is_due() -> None:
    """Neither to callers, nor to refills, nor for those who wait; a pool without back-off lets callers try."""
    for spans, now, tries in (((1.0, 8.0), 0.4, 0), ((1.0, 8.0), 0.5, 3), (None, 0.0, 1)):
        places, backoff = book(), Backoff(spans, lambda: 0.0)
        permits = Permits[Thing](places, backoff)
        given: list[Entry[Thing] | None] = []
        for ask in (permits.for_caller, permits.for_refill, partial(permits.for_waiters, waiting=9)):
            backoff.succeeded()
            backoff.failed(0.0)
            given.append(ask(now))
        assert len(places) == sum(permit is not None for permit in given) == tries


def test_the_first_of_several_failures_counts() -> None:
    """Attempts that began together show the same outage; one that began after it was over shows another."""
    backoff = Backoff((1.0, 8.0), lambda: 0.0)
    first, second = backoff.begin(0.0), backoff.begin(0.0)
    backoff.failed(0.0, first)
    backoff.failed(3.0, second)
    assert (backoff.failures, backoff.due_at) == (1, 0.5)
    third = backoff.begin(4.0)
    assert (backoff.due_at, backoff.is_retry(second), backoff.is_retry(third)) == (4.5, False, True)
    backoff.failed(5.0, third)
    assert (backoff.failures, backoff.due_at) == (2, 6.0)
    backoff.succeeded()
    assert (backoff.failures, backoff.is_retry(third)) == (0, False)
    backoff.failed(9.0, first)  # it began long before, and is the first after a success
    assert (backoff.failures, backoff.due_at) == (1, 9.5)


def test_how_long_to_sleep_for_the_next_attempt() -> None:
    """Until it is due, and for ever where that says nothing: without a failure, once it is due, without back-off."""
    backoff = Backoff((1.0, 8.0), lambda: 0.0)
    assert (backoff.longest_sleep(0.0), backoff.seconds_left(0.0)) == (math.inf, 0.0)
    backoff.failed(0.0)
    assert (backoff.longest_sleep(0.2), backoff.seconds_left(0.2)) == (0.3, 0.3)
    assert (backoff.longest_sleep(0.5), backoff.seconds_left(0.5)) == (math.inf, 0.0)
    assert [backoff.allows(now) for now in (0.4, 0.5)] == [False, True]
    careless = Backoff(None, lambda: 1.0)
    careless.failed(0.0)
    assert (careless.longest_sleep(0.0), careless.seconds_left(0.0), careless.allows_callers(0.0)) == (
        math.inf,
        0,
        True,
    )
    assert [careless.allows(now) for now in (0.04, 0.05)] == [False, True]
    for _ in range(20):
        careless.failed(0.0)
    assert careless.due_at == 5.0
