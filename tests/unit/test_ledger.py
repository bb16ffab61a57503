"""The ledger, step by step, by itself: who gets what, and what is to be closed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import pytest

from ProxyPatternPool._ledger.counts import Counts, count, describe
from ProxyPatternPool._ledger.entry import CREATING, LIVE, RETIRED, Entry
from ProxyPatternPool._ledger.ledger import HEAD_START, Ledger, LedgerClosed
from ProxyPatternPool._ledger.queue import Waiter, WaitQueue
from ProxyPatternPool._ledger.shelves import NEEDS_SLOW_PATH, NEVER
from ProxyPatternPool._ledger.sweeps import Sweeps
from ProxyPatternPool._runtime.owner import here

from .helpers import Thing
from .ledgers import NOW, Bed, bounds, ledger_of, lent, live, queued, returned, waiter_of, wakes


def test_a_new_ledger_is_open() -> None:
    """It is maintained, and nobody has given up."""
    ledger = ledger_of(1)
    assert (ledger.closed, ledger.unmaintained, ledger.ntimeouts) == (False, False, 0)


# --- getting -----------------------------------------------------------------------------------------


def test_an_idle_object_is_lent_before_one_is_created() -> None:
    """Then there are permits until there is no room; who cannot sleep does not queue."""
    ledger = ledger_of(2, idle=1)
    waiter = waiter_of()
    entry = ledger.take_or_queue(NOW, waiter)
    assert entry is not None
    assert (entry.uses, entry.last_get, entry.owner) == (1, NOW, waiter.owner)
    assert (waiter.lent, waiter.use, waiter.handed) == (entry, 1, None)
    assert ledger.shelves.using == {entry.key: entry}
    permit = ledger.take_or_queue(NOW, waiter)
    assert permit is not None
    assert (permit.stage, waiter.handed) == (CREATING, permit)
    assert ledger.take_or_queue(NOW, waiter) is None
    assert (len(ledger.waiters), waiter.since) == (0, None)


def test_what_has_passed_its_check_is_lent_last() -> None:
    """It was idle for longest; nothing of it is created anew meanwhile."""
    ledger = ledger_of(4, idle=2)
    checked = ledger.shelves.idle.popleft()
    ledger.shelves.checked.append(checked)
    other = ledger.shelves.idle[0]
    assert [lent(ledger), lent(ledger)] == [other, checked]
    assert ledger.shelves.nidle == 0


def test_a_loan_is_noted_on_its_receipt() -> None:
    """Before it begins, with its number."""
    ledger = ledger_of(1, idle=1)
    seen: list[tuple[int, bool]] = []

    class Note:
        def note(self, entry: Entry[Thing], use: int) -> None:
            seen.append((use, entry.key in ledger.shelves.using))

    assert ledger.take_or_queue(NOW, Waiter(here().owner, Note())) is not None
    assert seen == [(1, False)]


def test_nobody_is_served_by_a_closed_ledger() -> None:
    """Neither at once, nor after a wait, nor with what he has just created."""
    ledger = ledger_of(2, idle=1)
    ledger.close()
    waiter = waiter_of(Bed())
    (entry,) = live(ledger.places)
    with pytest.raises(LedgerClosed):
        ledger.take_or_queue(NOW, waiter)
    with pytest.raises(LedgerClosed):
        ledger.collect(waiter, NOW)
    with pytest.raises(LedgerClosed):
        ledger.lend_new(entry, NOW, waiter)
    assert (waiter.lent, len(ledger.waiters), ledger.shelves.using) == (None, 0, {})


def test_returns_are_slow_while_somebody_waits() -> None:
    """So that each of them looks for the waiter; afterwards they are quick again."""
    ledger = ledger_of(1, idle=1)
    entry = lent(ledger)
    waiter, second = queued(ledger), queued(ledger)
    assert ledger.shelves.quick_rets_until == NEVER
    assert not returned(ledger, entry, NOW + 1)
    assert waiter.handed is entry
    assert ledger.collect(waiter, NOW + 2) is entry
    assert ledger.shelves.quick_rets_until == NEVER
    ledger.withdraw(second, NOW + 2)
    assert ledger.shelves.quick_rets_until > NOW


def test_who_queues_looks_again_afterwards() -> None:
    """What came back between his look and his joining is his; he has waited for no time."""
    ledger = ledger_of(1, idle=1)
    entry = lent(ledger)
    waiter = waiter_of(Bed())
    join = WaitQueue[Thing].join

    def join_late(queue: WaitQueue[Thing], waiter: Waiter[Thing], now: float, *, in_front: bool) -> None:
        join(queue, waiter, now, in_front=in_front)
        ledger.shelves.end_loan(entry, entry.uses)
        ledger.shelves.idle.append(entry)

    entry.last_get = 0.0
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(WaitQueue, "join", join_late)
        assert ledger.take_or_queue(NOW, waiter) is entry
    assert (len(ledger.waiters), waiter.since, ledger.waiters.nwaits, entry.last_get) == (0, None, 1, NOW)
    assert ledger.shelves.quick_rets_until > NOW


def test_who_tries_again_is_never_one_too_many() -> None:
    """Others are refused when ``max_waiting`` of them wait; he queues, in front of them."""
    ledger = ledger_of(1, idle=1, max_waiting=1)
    lent(ledger)
    first = queued(ledger)
    refused = waiter_of(Bed())
    assert ledger.take_or_queue(NOW, refused) is None
    assert (refused.refused, refused.since, ledger.waiters.nrefused) == (1, None, 1)
    again = queued(ledger, retry=True)
    assert (list(ledger.waiters.queue), again.refused) == ([again, first], None)


# --- returning ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("waited", "handed"), [(HEAD_START - 0.0001, False), (HEAD_START + 0.0001, True)])
def test_a_newcomer_has_a_head_start(waited: float, handed: bool) -> None:
    """A waiter who has just come is only woken; one who has waited longer is handed what comes back."""
    ledger = ledger_of(1, idle=1)
    entry = lent(ledger)
    waiter = queued(ledger)
    assert not returned(ledger, entry, NOW + waited)
    assert (waiter.handed is entry, ledger.shelves.nidle, wakes(waiter)) == (handed, not handed, 1)
    assert ledger.collect(waiter, NOW + 3.0) is entry
    assert (waiter.lent, waiter.waited, ledger.waiters.wait_time, ledger.waiters.max_wait) == (entry, 3.0, 3.0, 3.0)
    assert (waiter.since, ledger.waiters.nwaits, len(ledger.waiters)) == (None, 1, 0)


def test_who_was_woken_for_nothing_waits_on() -> None:
    """Somebody was quicker; the next object wakes him again."""
    ledger = ledger_of(1, idle=1)
    entry = lent(ledger)
    waiter = queued(ledger)
    returned(ledger, entry)
    assert lent(ledger) is entry
    assert ledger.collect(waiter, NOW) is None
    assert (waiter.woken, waiter.since, len(ledger.waiters)) == (False, NOW, 1)
    returned(ledger, entry)
    assert wakes(waiter) == 2


def test_what_is_not_kept_is_to_be_closed() -> None:
    """With its reason: worn out, from before a drain, too many, too old, too many idle, the end of the pool."""
    cases: list[tuple[str, dict[str, Any], Callable[[Ledger[Thing], Entry[Thing]], object]]] = [
        ("max_use", {"max_use": 1}, lambda ledger, entry: None),
        ("drained", {}, lambda ledger, entry: ledger.validity.drain()),
        ("surplus", {"max_idle": 1}, lambda ledger, entry: None),
        ("max_lifetime", {}, lambda ledger, entry: setattr(entry, "expires", NOW)),
        ("shutdown", {}, lambda ledger, entry: ledger.close()),
    ]
    for why, limits, prepare in cases:
        ledger = ledger_of(3, idle=2, **limits)
        entry = lent(ledger)
        prepare(ledger, entry)
        idle = ledger.shelves.nidle
        assert returned(ledger, entry)
        assert (entry.stage, entry.reason, ledger.shelves.nidle) == (RETIRED, why, idle)


def test_what_would_be_too_many_idle_is_a_waiters() -> None:
    """Even of one who has just come."""
    ledger = ledger_of(2, idle=1, max_idle=0)
    entry = lent(ledger)
    ledger.places.config = bounds(0, 1)
    waiter = queued(ledger)
    ledger.places.config = bounds(0, 2)
    assert not returned(ledger, entry)
    assert (waiter.handed, ledger.shelves.nidle) == (entry, 0)


def test_a_bound_for_idle_objects_counts_those_that_are_idle() -> None:
    """Up to the bound they stay."""
    ledger = ledger_of(3, idle=3, max_idle=2)
    first, second, third = lent(ledger), lent(ledger), lent(ledger)
    assert [returned(ledger, entry) for entry in (first, second, third)] == [False, False, True]
    assert ledger.shelves.quick_rets_until == NEVER


def test_a_return_that_is_late_is_settled() -> None:
    """Its object may be from before a drain, or come after the close; else it stays, and waiters hear of it."""
    ledger = ledger_of(2, idle=2)
    stale, other = ledger.shelves.idle
    assert not ledger.settle(other, NOW)
    ledger.validity.drain()
    assert ledger.settle(stale, NOW)
    assert (stale.reason, list(ledger.shelves.idle)) == ("drained", [other])
    assert not ledger.settle(stale, NOW)
    before = ledger.shelves.idle
    assert ledger.close() == [other]
    (late,) = live(ledger.places)
    before.append(late)
    assert [ledger.settle(entry, NOW) for entry in (late, late, other)] == [True, False, False]
    assert late.reason == "shutdown"


def test_settling_wakes_who_waits() -> None:
    """The object was made idle before its return saw that somebody waits."""
    ledger = ledger_of(1, idle=1)
    entry = lent(ledger)
    waiter = queued(ledger)
    ledger.shelves.end_loan(entry, 1)
    ledger.shelves.idle.append(entry)
    assert not ledger.settle(entry, NOW)
    assert wakes(waiter) == 1


@pytest.mark.parametrize("settled", [True, False])
def test_a_return_hands_out_what_a_back_off_has_kept(settled: bool) -> None:
    """Whoever is the first to look after its end does so. The object itself is for the next."""
    ledger = ledger_of(2, idle=1)
    entry = lent(ledger)
    permit = ledger.take_or_queue(NOW, waiter_of())
    assert permit is not None
    waiter, second = queued(ledger), queued(ledger, NOW + 0.5)
    ledger.backoff.failed(NOW, permit.attempt)
    ledger.free(permit, NOW)
    assert not (ledger.settle if settled else ledger.put_locked)(entry, NOW + 0.5)
    assert (waiter.handed is not None, second.handed is not None) == (True, not settled)


def test_a_loan_that_is_rejected_ends() -> None:
    """Its object is to be closed, unless it was killed meanwhile."""
    ledger = ledger_of(2, idle=2)
    entry = lent(ledger)
    assert not ledger.reject(entry, 2, "broken")
    assert ledger.reject(entry, 1, "broken")
    assert (entry.reason, ledger.shelves.using) == ("broken", {})
    assert not ledger.reject(entry, 1, "broken")


@pytest.mark.parametrize("closed", [False, True])
def test_the_place_of_what_was_turned_down_is_its_heirs(closed: bool) -> None:
    """He has it in the step that frees it, before who waits; not in a closed pool, nor if it is free already."""
    ledger = ledger_of(1, idle=1)
    entry, heir = lent(ledger), waiter_of()
    waiting = queued(ledger)
    assert ledger.reject(entry, 1, "health")
    entry.heir = heir
    if closed:
        ledger.close()
    ledger.free(entry, NOW)
    permit = heir.handed
    assert (permit is None) == closed
    assert waiting.handed is None
    entry.heir = heir = waiter_of()
    ledger.places.config = bounds(0, 3)
    ledger.free(entry, NOW)
    assert (heir.handed, waiting.handed is None, len(ledger.places)) == (None, closed, 0 if closed else 2)
    assert ledger.inherit(entry, heir, NOW) is None


@pytest.mark.parametrize(("now", "given"), [(NOW + 0.4, False), (NOW + 0.5, True)])
def test_an_heir_creates_when_an_attempt_is_due(now: float, given: bool) -> None:
    """Before that he gets no permit, like any other caller."""
    ledger = ledger_of(1, idle=1)
    entry, heir = lent(ledger), waiter_of()
    assert ledger.reject(entry, 1, "health")
    entry.heir = heir
    ledger.backoff.failed(NOW)
    ledger.free(entry, now)
    assert (heir.handed is not None) == given


def test_an_heir_takes_what_came_back_meanwhile() -> None:
    """Then the place is for who waits, when the next attempt is due; else it is the heir's."""
    ledger = ledger_of(2, idle=2)
    entry, other, heir = lent(ledger), lent(ledger), waiter_of()
    assert ledger.reject(entry, 1, "health")
    entry.heir = heir
    ledger.free(entry, NOW)
    permit = heir.handed
    assert permit is not None
    waiting = queued(ledger)
    assert ledger.inherit(entry, heir, NOW) is permit
    ledger.backoff.failed(NOW, permit.attempt)
    ledger.shelves.end_loan(other, 1)
    ledger.shelves.idle.append(other)
    assert ledger.inherit(entry, heir, NOW) is other
    assert (heir.lent, heir.handed, other.last_get) == (other, None, NOW)
    assert (waiting.handed, wakes(waiting), len(ledger.places)) == (None, 1, 1)
    assert ledger.collect(waiting, NOW + 0.5) is waiting.handed is not None


# --- giving up ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("oldest_first", [True, False])
def test_its_shelves_know_the_limits(oldest_first: bool) -> None:
    """Which is lent first, and from which use on a return is slow."""
    ledger = ledger_of(2, idle=2, oldest_first=oldest_first, max_use=1)
    entry = lent(ledger)
    assert (entry.serial == 0) == oldest_first
    assert ledger.shelves.put_after_retter(entry, NOW) is NEEDS_SLOW_PATH
    assert entry.slow_return_at_use == 1
    assert ledger_of(1, idle=1, slow=True).shelves.idle[0].slow_return_at_use == 0


def test_who_gives_up_leaves_what_he_got_to_the_next() -> None:
    """It is not to be closed; only a time that is over is counted, and once."""
    ledger = ledger_of(1, idle=1)
    entry = lent(ledger)
    first, second = queued(ledger), queued(ledger)
    returned(ledger, entry, NOW + 1)
    first.timed_out = True
    assert ledger.withdraw(first, NOW + 2) is None
    assert (second.handed, ledger.ntimeouts, first.timed_out, first.waited) == (entry, 1, False, 2.0)
    assert ledger.collect(second, NOW + 2) is entry
    assert ledger.withdraw(second, NOW + 3) is None
    assert (ledger.shelves.using, list(ledger.shelves.idle), ledger.ntimeouts) == ({}, [entry], 1)


def test_who_gives_up_hands_out_what_a_back_off_has_kept() -> None:
    """Whoever is the first to look after its end does so. How long he has waited is the sum of all his waits."""
    ledger = ledger_of(1)
    permit = ledger.take_or_queue(NOW, waiter_of())
    assert permit is not None
    first: Waiter[Thing] = Waiter(here().owner, None, Bed(), waited=4.0)
    assert ledger.take_or_queue(NOW, first) is None
    second = queued(ledger)
    ledger.backoff.failed(NOW, permit.attempt)
    ledger.free(permit, NOW)
    assert ledger.withdraw(first, NOW + 0.5) is None
    assert second.handed is not None
    assert (first.waited, ledger.waiters.wait_time, ledger.waiters.max_wait) == (4.5, 0.5, 4.5)


def test_who_gives_up_after_he_was_woken_wakes_the_next() -> None:
    """Else that one would sleep beside an idle object."""
    ledger = ledger_of(1, idle=1)
    entry = lent(ledger)
    first, second = queued(ledger), queued(ledger)
    returned(ledger, entry)
    assert (wakes(first), wakes(second)) == (1, 0)
    assert ledger.withdraw(first, NOW) is None
    assert wakes(second) == 1


def test_what_is_withdrawn_may_be_to_close() -> None:
    """A permit, whose place is to be freed; what is worn out; not what was killed, which others close."""
    ledger = ledger_of(3, idle=2, max_use=1)
    waiter, other = waiter_of(), waiter_of()
    entry, killed = ledger.take_or_queue(NOW, waiter), ledger.take_or_queue(NOW, other)
    assert entry is not None
    assert killed is not None
    assert ledger.withdraw(waiter, NOW) is entry
    assert entry.reason == "max_use"
    ledger.shelves.using.pop(killed.key)
    assert ledger.withdraw(other, NOW) is None
    creator = waiter_of()
    permit = ledger.take_or_queue(NOW, creator)
    assert ledger.withdraw(creator, NOW) is permit
    assert ledger.withdraw(waiter_of(), NOW) is None


def test_a_later_loan_is_not_withdrawn() -> None:
    """The loan of this caller was ended by somebody else, and the object was lent again."""
    ledger = ledger_of(1, idle=1)
    waiter = waiter_of()
    entry = ledger.take_or_queue(NOW, waiter)
    assert entry is not None
    returned(ledger, entry)
    assert lent(ledger) is entry
    assert ledger.withdraw(waiter, NOW) is None
    assert ledger.shelves.using == {entry.key: entry}


def test_what_was_retired_on_its_way_is_closed_by_whoever_did_it() -> None:
    """The waiter to whom it was handed gave up; he has nothing to close."""
    ledger = ledger_of(1, idle=1)
    entry = lent(ledger)
    waiter = queued(ledger)
    returned(ledger, entry, NOW + 1)
    ledger.places.retire(entry, "killed")
    assert ledger.withdraw(waiter, NOW) is None


def test_what_a_lost_greenlet_was_handed_is_the_next_ones() -> None:
    """Its thread has ended. What is not kept is to be closed."""
    ledger = ledger_of(2, idle=2)
    entries = lent(ledger), lent(ledger)
    hub = object()
    lost, also = queued(ledger, hub=hub), queued(ledger, hub=hub)
    for entry in entries:
        returned(ledger, entry, NOW + 1)
    later = queued(ledger, NOW + 1)
    assert ledger.take_back_unreachable(NOW + 2) == []
    for waiter in (lost, also):
        assert isinstance(waiter.sleeper, Bed)
        waiter.sleeper.gone = True
    entries[1].expires = NOW
    assert ledger.take_back_unreachable(NOW + 2) == [entries[1]]
    assert later.handed is entries[0]


def test_what_was_handed_to_a_task_that_could_not_leave_the_queue() -> None:
    """It was interrupted in that, or had no memory for it. What it was handed is lost with it, and so is mailed."""
    ledger = ledger_of(1, idle=1)
    entry = lent(ledger)
    waiter = queued(ledger, hub=object())
    returned(ledger, entry, NOW + 1)
    assert waiter.handed is entry
    del waiter, entry
    assert len(ledger.mailbox.orphans) == 1


def test_a_task_is_dropped_while_maintenance_looks_for_unreachable_ones() -> None:
    """Another thread's finalizer forgets it without the lock, in the middle of the look."""
    ledger = ledger_of(2, idle=2)
    entries = [lent(ledger), lent(ledger)]
    waiters = [queued(ledger, hub=object()) for _ in entries]
    for entry in entries:
        returned(ledger, entry, NOW + 1)
    members = cast("set[object]", vars(ledger.waiters._uncollected)["data"])

    class Sleeper(Bed):
        def alive(self) -> bool:
            members.clear()  # the finalizer had begun before the look, and so did not wait for its end
            return True

    for waiter in waiters:
        waiter.sleeper = Sleeper()
    assert ledger.take_back_unreachable(NOW + 2) == []
    assert [waiter.handed for waiter in waiters] == entries


def test_maintenance_wakes_who_sleeps_beside_an_idle_object() -> None:
    """The step that should have woken him was interrupted."""
    ledger = ledger_of(1, idle=1)
    entry = lent(ledger)
    waiter = queued(ledger)
    ledger.shelves.end_loan(entry, 1)
    ledger.shelves.idle.append(entry)
    assert ledger.take_back_unreachable(NOW) == []
    assert wakes(waiter) == 1
    assert ledger.collect(waiter, NOW) is entry


def test_maintenance_hands_out_what_a_back_off_has_kept() -> None:
    """The first to look after its end does: here it is maintenance."""
    ledger = ledger_of(1)
    permit = ledger.take_or_queue(NOW, waiter_of())
    assert permit is not None
    waiter = queued(ledger)
    ledger.backoff.failed(NOW, permit.attempt)
    ledger.free(permit, NOW)
    assert ledger.take_back_unreachable(NOW + 0.4) == []
    assert waiter.handed is None
    assert ledger.take_back_unreachable(NOW + 0.5) == []
    assert waiter.handed is not None


# --- room --------------------------------------------------------------------------------------------


def test_a_free_place_is_the_oldest_waiters() -> None:
    """He gets a permit; there are no more permits than places."""
    ledger = ledger_of(2, idle=2)
    one, other = lent(ledger), lent(ledger)
    waiters = [queued(ledger) for _ in range(3)]
    for entry in (one, other):
        ledger.shelves.end_loan(entry, 1)
        ledger.places.retire(entry, "broken")
        assert ledger.free(entry, NOW) is None
    assert [waiter.handed is not None for waiter in waiters] == [True, True, False]
    assert [wakes(waiter) for waiter in waiters] == [1, 1, 0]
    permit = ledger.collect(waiters[0], NOW)
    assert permit is not None
    assert (permit.stage, waiters[0].lent, len(ledger.waiters)) == (CREATING, None, 1)


def test_a_place_that_only_a_back_off_keeps_free_wakes_one() -> None:
    """He sleeps until it ends; then he finds the permit himself, since nobody is woken for that."""
    ledger = ledger_of(1)
    permit = ledger.take_or_queue(NOW, waiter_of())
    assert permit is not None
    waiters = [queued(ledger), queued(ledger)]
    ledger.backoff.failed(NOW, permit.attempt)
    assert ledger.free(permit, NOW) is None
    assert [wakes(waiter) for waiter in waiters] == [1, 0]
    assert ledger.collect(waiters[0], NOW + 0.4) is None
    again = ledger.collect(waiters[0], NOW + 0.5)
    assert again is not None
    assert (again.stage, ledger.waiters.nwaits) == (CREATING, 1)


def test_a_newcomer_does_not_get_the_place_of_who_waits() -> None:
    """The back-off has just ended, and the newcomer is the first to notice it: the permit is the waiter's."""
    ledger = ledger_of(1)
    permit = ledger.take_or_queue(NOW, waiter_of())
    assert permit is not None
    waiter = queued(ledger)
    ledger.backoff.failed(NOW, permit.attempt)
    ledger.free(permit, NOW)
    newcomer = queued(ledger, NOW + 0.5)
    assert waiter.handed is not None
    assert (waiter.handed.stage, newcomer.handed, list(ledger.waiters.queue)) == (CREATING, None, [newcomer])


def test_as_many_wake_as_are_idle() -> None:
    """Those that have passed their check are idle, too."""
    ledger = ledger_of(3, idle=3)
    entries = [lent(ledger) for _ in range(3)]
    waiters = [queued(ledger) for _ in range(3)]
    ledger.shelves.checked.append(entries[0])
    ledger.shelves.idle.append(entries[1])
    ledger.serve_waiters(NOW)
    assert [wakes(waiter) for waiter in waiters] == [1, 1, 0]


def test_the_pool_creates_for_those_who_wait_when_a_creator_was_cancelled() -> None:
    """They may be about to give up as well. What it creates for nobody is not created."""
    ledger = ledger_of(1)
    permit = ledger.take_or_queue(NOW, waiter_of())
    assert permit is not None
    waiter = queued(ledger)
    permit.cut_short = True
    for_waiters = ledger.free(permit, NOW)
    assert for_waiters is not None
    assert ledger.places.for_waiters == {for_waiters.serial}
    assert waiter.handed is None
    assert not ledger.free_if_unwanted(for_waiters, NOW)
    ledger.withdraw(waiter, NOW)
    assert ledger.free_if_unwanted(for_waiters, NOW)
    assert len(ledger.places) == 0


@pytest.mark.parametrize(("now", "given"), [(NOW + 0.4, False), (NOW + 0.5, True)])
def test_the_pool_creates_for_those_who_wait_when_an_attempt_is_due(now: float, given: bool) -> None:
    """Its attempts are as few as those of callers."""
    ledger = ledger_of(1)
    permit = ledger.take_or_queue(NOW, waiter_of())
    assert permit is not None
    queued(ledger)
    ledger.backoff.failed(NOW, permit.attempt)
    permit.cut_short = True
    assert (ledger.free(permit, now) is not None) == given


@pytest.mark.parametrize("closed", [True, False])
def test_the_pool_creates_for_nobody_else(closed: bool) -> None:
    """Neither where nobody waits, nor when it is closed."""
    ledger = ledger_of(1)
    permit = ledger.take_or_queue(NOW, waiter_of())
    assert permit is not None
    permit.cut_short = True
    if closed:
        queued(ledger)
        ledger.closed = True
    assert ledger.free(permit, NOW) is None
    assert len(ledger.places) == 0


def test_what_is_missing_is_created() -> None:
    """Up to ``min_size``, where there is room, once waiters have theirs, and while the pool is open."""
    ledger = ledger_of(3, min_size=2)
    assert ledger.wants_refill()
    permits = [ledger.permit_to_refill(NOW) for _ in range(3)]
    assert [permit is not None for permit in permits] == [True, True, False]
    assert not ledger.wants_refill()
    ledger.places.free(permits[0] or pytest.fail("there is none"))
    assert ledger.wants_refill()
    ledger.places.config = bounds(2, 1)
    assert not ledger.wants_refill()
    ledger.places.config = bounds(2, 3)
    ledger.close()
    assert not ledger.wants_refill()
    assert ledger.permit_to_refill(NOW) is None


def test_a_due_attempt_is_a_waiters_before_a_refills() -> None:
    """There is one place, which a back-off has kept free until now."""
    ledger = ledger_of(1, min_size=1)
    waiter = waiter_of(Bed())
    ledger.backoff.failed(NOW - 5)
    ledger.waiters.join(waiter, NOW - 4)
    assert ledger.permit_to_refill(NOW) is None
    assert waiter.handed is not None


def test_each_is_counted_where_it_is() -> None:
    """At one moment; what is neither idle, lent, checked, closed nor created is on its way back."""
    ledger = ledger_of(7, idle=6, min_size=1)
    sweeps = Sweeps(ledger.places.config, ledger)
    on_its_way = ledger.shelves.idle.popleft()
    assert sweeps.take_for_check() is not None
    retired = lent(ledger)
    assert ledger.reject(retired, 1, "broken")
    used, permit = [lent(ledger), lent(ledger)], ledger.permit_to_refill(NOW)
    assert permit is None
    creating = ledger.places.reserve()
    ledger.waiters.join(waiter_of(Bed()), NOW)
    ledger.backoff.failed(NOW - 0.25)
    ledger.validity.drain()
    counts = count(ledger, sweeps, NOW)
    assert counts == Counts(
        min_size=1,
        max_size=7,
        closed=False,
        places=7,
        creating=1,
        idle=1,
        in_use=2,
        checking=1,
        closing=1,
        stale=7,
        waiting=1,
        retry_in=0.25,
    )
    assert (counts.in_upkeep, counts.returning, len(used), on_its_way.stage) == (3, 1, 2, LIVE)
    assert describe(counts) == (
        "6 objects exist (1 idle, 2 lent, 1 being given back, 1 being checked, 1 being closed), 1 being created, "
        "1 waiting, next attempt to create one in 0.250 s"
    )
    ledger.places.free(creating)
    ledger.backoff.succeeded()
    assert describe(count(ledger, sweeps, NOW)).endswith("0 being created, 1 waiting")


# --- the end -----------------------------------------------------------------------------------------


def test_a_close_returns_what_is_idle() -> None:
    """What is lent is closed when it comes back. All who wait hear of it."""
    ledger = ledger_of(2, idle=2)
    entry, (other,) = lent(ledger), ledger.shelves.idle
    ledger.places.config = bounds(0, 1)
    ledger.shelves.idle.clear()
    waiter = queued(ledger)
    ledger.shelves.idle.append(other)
    assert ledger.close() == [other]
    assert (other.stage, other.reason, entry.stage) == (RETIRED, "shutdown", LIVE)
    assert (wakes(waiter), len(ledger.waiters)) == (1, 0)
    assert ledger.shelves.quick_rets_until == NEVER
    assert ledger.close() == []


def test_at_the_exit_all_is_closed() -> None:
    """Also what is lent; who waits then is not woken, since only daemons do."""
    ledger = ledger_of(2, idle=2)
    entries = [lent(ledger), lent(ledger)]
    waiter = queued(ledger)
    assert sorted(ledger.close(at_exit=True), key=lambda entry: entry.serial) == entries[::-1]
    assert (ledger.shelves.using, wakes(waiter), len(ledger.waiters)) == ({}, 0, 1)


def test_until_when_all_is_quick() -> None:
    """Until the first lifetime ends; not at all while something is to be discarded, or nobody maintains the pool."""
    ledger = ledger_of(2, idle=2)
    ledger.validity.next_end = NOW + 5
    ledger.update_quick_limits()
    assert (ledger.shelves.quick_gets_until, ledger.shelves.quick_rets_until) == (NOW + 5, NOW + 5)
    ledger.validity.drain()
    ledger.update_quick_limits()
    assert (ledger.shelves.quick_gets_until, ledger.shelves.quick_rets_until) == (NEVER, NEVER)
    for entry in ledger.shelves.idle:
        ledger.places.retire(entry, "drained")
        ledger.places.free(entry)
    ledger.unmaintained = True
    ledger.update_quick_limits()
    assert (ledger.shelves.quick_gets_until, ledger.shelves.quick_rets_until) == (NEVER, NOW + 5)
    ledger.closed = True
    ledger.update_quick_limits()
    assert ledger.shelves.quick_rets_until == NEVER
