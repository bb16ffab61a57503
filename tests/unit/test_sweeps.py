"""What maintenance looks for, by itself: what has expired, what is used for too long, and when to look again."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import replace
from traceback import StackSummary
from typing import Any

import pytest

from ProxyPatternPool._ledger.entry import RETIRED, Entry
from ProxyPatternPool._ledger.ledger import Ledger
from ProxyPatternPool._ledger.shelves import NEVER
from ProxyPatternPool._ledger.sweeps import IN_TRANSIT, Sweeps, read_loan

from .helpers import Thing
from .ledgers import NOW, Bed, ledger_of, lent, queued, returned, waiter_of, wakes


def sweeps_of(ledger: Ledger[Thing]) -> Sweeps[Thing]:
    return Sweeps(ledger.places.config, ledger)


def idle_since(ledger: Ledger[Thing], *times: float) -> list[Entry[Thing]]:
    """Say since when each of the idle objects has been idle."""
    entries = list(ledger.shelves.idle)
    for entry, time in zip(entries, times, strict=True):
        entry.last_ret = time
    return entries


# --- idle for too long -------------------------------------------------------------------------------


def test_what_is_idle_for_too_long_goes() -> None:
    """At its time, and the next look is when the next one's is."""
    ledger = ledger_of(3, idle=3, max_avail_delay=10.0)
    one, two, three = idle_since(ledger, NOW - 11, NOW - 10, NOW - 9)
    due = sweeps_of(ledger).sweep(NOW)
    assert (due.expired, due.deadline, due.warned, due.killed) == ([one, two], NOW + 1, [], [])
    assert (one.stage, one.reason, list(ledger.shelves.idle)) == (RETIRED, "idle", [three])


def test_what_is_needed_stays_however_long_it_is_idle() -> None:
    """The pool keeps ``min_size``; the next look is when anything that comes back now could expire."""
    ledger = ledger_of(3, idle=3, min_size=2, max_avail_delay=10.0)
    one, *others = idle_since(ledger, NOW - 30, NOW - 20, NOW - 15)
    due = sweeps_of(ledger).sweep(NOW)
    assert (due.expired, due.deadline, list(ledger.shelves.idle)) == ([one], NOW + 10, others)


def test_what_has_passed_its_check_expires_as_well() -> None:
    """First, since it was idle for longest."""
    ledger = ledger_of(2, idle=2, min_size=1, max_avail_delay=10.0)
    one, _ = idle_since(ledger, NOW - 20, NOW - 20)
    ledger.shelves.checked.append(ledger.shelves.idle.popleft())
    assert sweeps_of(ledger).sweep(NOW).expired == [one]


def test_what_is_lent_while_it_is_judged_stays() -> None:
    """The one that is then taken instead is put back where it was, and who waits hears of it."""
    ledger = ledger_of(3, idle=2, max_avail_delay=10.0)
    old, young = idle_since(ledger, NOW - 20, NOW - 1)
    ledger.backoff.failed(NOW)
    waiter = waiter_of(Bed())
    ledger.waiters.join(waiter, NOW)

    class Idle(list[Entry[Thing]]):
        def popleft(self) -> Entry[Thing]:
            """Somebody takes the old one first."""
            self.remove(old)
            return self.pop(0)

        def appendleft(self, entry: Entry[Thing]) -> None:
            self.insert(0, entry)

    ledger.shelves.idle = Idle([old, young])  # type: ignore[assignment]  # pyright: ignore[reportAttributeAccessIssue]
    due = sweeps_of(ledger).sweep(NOW)
    assert (due.expired, list(ledger.shelves.idle), young.reason) == ([], [young], "interrupted")
    assert (wakes(waiter), due.deadline) == (1, NOW + 10)


def test_the_last_one_is_lent_while_it_is_judged() -> None:
    """Nothing is left to expire; the next look is when it could, if it comes back now."""
    ledger = ledger_of(1, idle=1, max_avail_delay=10.0)
    (old,) = idle_since(ledger, NOW - 20)

    class Idle(deque[Entry[Thing]]):
        def popleft(self) -> Entry[Thing]:
            """Somebody takes it first."""
            self.clear()
            return super().popleft()

    ledger.shelves.idle = Idle([old])
    due = sweeps_of(ledger).sweep(NOW)
    assert (due.expired, due.deadline) == ([], NOW + 10)


def test_without_limits_there_is_nothing_to_look_for() -> None:
    """However long an object was idle or in use."""
    ledger = ledger_of(2, idle=2)
    idle_since(ledger, 0.0, 0.0)
    lent(ledger, 0.0)
    due = sweeps_of(ledger).sweep(NOW)
    assert (due.expired, due.warned, due.killed, due.deadline) == ([], [], [], None)


# --- lifetimes ---------------------------------------------------------------------------------------


def with_ends(ledger: Ledger[Thing], *ends: float) -> list[Entry[Thing]]:
    """Say when the lifetimes end of the idle objects."""
    entries = list(ledger.shelves.idle)
    for entry, end in zip(entries, ends, strict=True):
        entry.expires = end
    ledger.validity.next_end = min(ends)
    return entries


def test_what_is_idle_when_its_lifetime_ends_goes() -> None:
    """The next look is at the next end; until then all is quick."""
    ledger = ledger_of(3, idle=3, max_lifetime=100.0)
    one, *_ = with_ends(ledger, NOW, NOW + 5, NOW + 7)
    sweeps = sweeps_of(ledger)
    assert (sweeps.sweep(NOW - 1).expired, sweeps.sweep(NOW - 1).deadline) == ([], NOW)
    due = sweeps.sweep(NOW)
    assert (due.expired, due.deadline, one.reason) == ([one], NOW + 5, "max_lifetime")
    assert (ledger.validity.next_end, ledger.shelves.quick_gets_until) == (NOW + 5, NOW + 5)


def test_what_is_lent_when_its_lifetime_ends_goes_when_it_comes_back() -> None:
    """It does not keep the others from being quick."""
    ledger = ledger_of(2, idle=2, max_lifetime=100.0)
    with_ends(ledger, NOW + 5, NOW)
    entry = lent(ledger, NOW - 1)
    due = sweeps_of(ledger).sweep(NOW)
    assert (due.expired, due.deadline, entry.slow_return_at_use) == ([], NOW + 5, 0)
    assert ledger.shelves.quick_gets_until == NOW + 5
    assert returned(ledger, entry)
    assert entry.reason == "max_lifetime"


def test_what_is_neither_idle_nor_lent_is_looked_for_soon() -> None:
    """Until it is found loans are slow, since it may become idle at any moment."""
    ledger = ledger_of(2, idle=2, max_lifetime=100.0)
    with_ends(ledger, NOW + 5, NOW)
    on_its_way = ledger.shelves.idle.pop()
    due = sweeps_of(ledger).sweep(NOW)
    assert (due.expired, due.deadline, on_its_way.slow_return_at_use) == ([], NOW + IN_TRANSIT, 0)
    assert ledger.shelves.quick_gets_until == NOW


@pytest.mark.parametrize("first", [0, 1, 2])
def test_the_next_look_is_at_the_first_of_all_ends(first: int) -> None:
    """Of a lifetime, of the time that an object may be idle, and of the time that it may be used."""
    ledger = ledger_of(2, idle=2, max_lifetime=100.0, max_avail_delay=10.0, warn_delay=10.0)
    ends = [NOW + 4, NOW + 4, NOW + 4]
    ends[first] = NOW + 3
    with_ends(ledger, ends[0], NOW + 50)
    lent(ledger, ends[1] - 10)
    idle_since(ledger, ends[2] - 10)
    assert sweeps_of(ledger).sweep(NOW).deadline == NOW + 3


@pytest.mark.parametrize("failed", [NOW - 5, NOW])
def test_the_end_of_a_lifetime_hands_out_what_a_back_off_has_kept(failed: float) -> None:
    """Somebody waits for a place, and the next attempt is due; else he waits on."""
    ledger = ledger_of(2, idle=1, max_lifetime=100.0)
    with_ends(ledger, NOW)
    ledger.backoff.failed(failed)
    waiter = waiter_of(Bed())
    ledger.waiters.join(waiter, NOW - 4)
    assert len(sweeps_of(ledger).sweep(NOW).expired) == 1
    assert (waiter.handed is not None) == (failed < NOW)


def test_of_the_last_object_no_end_is_left() -> None:
    """Nor of one that is retired and not closed yet."""
    ledger = ledger_of(1, idle=1, max_lifetime=100.0)
    (entry,) = with_ends(ledger, NOW)
    assert sweeps_of(ledger).sweep(NOW).expired == [entry]
    assert ledger.validity.next_end == math.inf
    ledger.places.free(entry)
    ledger.validity.next_end = NOW
    assert sweeps_of(ledger).sweep(NOW).expired == []
    assert ledger.validity.next_end == ledger.shelves.quick_gets_until == math.inf


# --- used for too long -------------------------------------------------------------------------------


def test_a_long_use_is_warned_about_once() -> None:
    """At its time; what comes back afterwards is lent again without a warning, until that loan is long."""
    ledger = ledger_of(1, idle=1, warn_delay=10.0)
    entry, sweeps = lent(ledger), sweeps_of(ledger)
    early = sweeps.sweep(NOW + 9)
    assert (early.warned, early.deadline) == ([], NOW + 10)
    due = sweeps.sweep(NOW + 10)
    assert ([loan.entry for loan in due.warned], due.killed, due.deadline) == ([entry], [], NOW + 20)
    assert (due.warned[0].since, due.warned[0].use, due.warned[0].owner) == (NOW, 1, entry.owner)
    assert (entry.warned_use, entry.slow_return_at_use) == (1, 0)
    again = sweeps.sweep(NOW + 10)
    assert (again.warned, again.deadline, sweeps.sweep(NOW + 11).warned) == ([], NOW + 20, [])
    sweeps.forget_warning(entry)
    assert entry.slow_return_at_use == ledger.places.slow_return_at_use
    returned(ledger, entry)
    lent(ledger, NOW + 12)
    assert sweeps.sweep(NOW + 12).warned == []
    assert len(sweeps.sweep(NOW + 22).warned) == 1


def test_a_use_that_is_too_long_ends() -> None:
    """At its time, whether there was a warning or not; the object is retired, and the loan over."""
    ledger = ledger_of(2, idle=2, warn_delay=10.0, kill_delay=30.0)
    entry, sweeps = lent(ledger), sweeps_of(ledger)
    other = lent(ledger, NOW + 5)
    due = sweeps.sweep(NOW + 10)
    assert ([loan.entry for loan in due.warned], due.deadline) == ([entry], NOW + 15)
    due = sweeps.sweep(NOW + 16)
    assert ([loan.entry for loan in due.warned], due.deadline) == ([other], NOW + 26)
    assert sweeps.sweep(NOW + 29).deadline == NOW + 30
    due = sweeps.sweep(NOW + 30)
    assert ([loan.entry for loan in due.killed], due.warned, due.deadline) == ([entry], [], NOW + 35)
    assert (entry.stage, entry.reason, list(ledger.shelves.using.values())) == (RETIRED, "killed", [other])


def test_nothing_is_killed_before_a_time() -> None:
    """The next look is then; what is too long by then is killed, and warned about before as ever."""
    ledger = ledger_of(1, idle=1, warn_delay=10.0, kill_delay=30.0)
    entry, sweeps = lent(ledger), sweeps_of(ledger)
    due = sweeps.sweep(NOW + 40, NOW + 45)
    assert ([loan.entry for loan in due.warned], due.killed, due.deadline) == ([entry], [], NOW + 45)
    assert [loan.entry for loan in sweeps.sweep(NOW + 45, NOW + 45).killed] == [entry]


@pytest.mark.parametrize("again", [True, False])
def test_a_loan_that_ended_meanwhile_is_not_killed(again: bool) -> None:
    """Nor the next loan of the same object, which is not overdue. Others that are overdue are killed all the same."""
    ledger = ledger_of(2, idle=2, kill_delay=30.0)
    entry, other, sweeps = lent(ledger), lent(ledger), sweeps_of(ledger)

    class Using(dict[int, Entry[Thing]]):
        def pop(self, key: int, *default: Any) -> Entry[Thing]:
            """Just before, the first object was returned, and perhaps lent again."""
            if key == entry.key and not again:
                del self[key]
            entry.uses += again
            return super().pop(key, *default)

    ledger.shelves.using = Using(ledger.shelves.using)
    assert [loan.entry for loan in sweeps.sweep(NOW + 30).killed] == [other]
    assert list(ledger.shelves.using.values()) == [entry] * again
    assert entry.reason == "interrupted"


def test_a_kill_that_is_due_soon_after_the_warning_is_not_late() -> None:
    """The next look is then."""
    ledger = ledger_of(1, idle=1, warn_delay=10.0, kill_delay=12.0)
    lent(ledger)
    due = sweeps_of(ledger).sweep(NOW + 10)
    assert (len(due.warned), due.deadline) == (1, NOW + 12)


def test_a_loan_is_read_as_a_whole_or_not_at_all() -> None:
    """With the stack that belongs to it."""
    ledger = ledger_of(1, idle=1)
    entry = lent(ledger)
    loan = read_loan(ledger, entry)
    assert loan is not None
    assert (loan.entry, loan.use, loan.since, loan.owner, loan.stack) == (entry, 1, NOW, entry.owner, None)
    entry.stack = StackSummary.from_list([("file", 1, "function", "line")])
    assert read_loan(ledger, entry) == replace(loan, stack=None)
    entry.stack_use = 1
    assert read_loan(ledger, entry) == replace(loan, stack=entry.stack)
    returned(ledger, entry)
    assert read_loan(ledger, entry) is None


# --- at once -----------------------------------------------------------------------------------------


def test_all_that_is_idle_can_be_closed() -> None:
    """Also what has passed its check. Returns are quick again afterwards, and who waits is served."""
    ledger = ledger_of(3, idle=3)
    used = lent(ledger)
    ledger.shelves.checked.append(ledger.shelves.idle.popleft())
    both = ledger.shelves.idle_entries()
    assert sweeps_of(ledger).clear(NOW) == both
    assert ([entry.reason for entry in both], used.reason) == (["cleared", "cleared"], "interrupted")
    assert (ledger.shelves.nidle, ledger.shelves.quick_rets_until) == (0, math.inf)


def test_a_drain_closes_what_is_idle_and_lets_the_rest_come_back() -> None:
    """Returns are slow until the last of them has."""
    ledger = ledger_of(2, idle=2)
    used, (idle,) = lent(ledger), ledger.shelves.idle
    assert sweeps_of(ledger).drain(NOW) == [idle]
    assert (idle.reason, ledger.shelves.quick_rets_until, ledger.shelves.quick_gets_until) == ("drained", NEVER, NEVER)
    assert returned(ledger, used)
    assert used.reason == "drained"


def test_pruning_serves_who_waits() -> None:
    """What stays may be what somebody waits for."""
    ledger = ledger_of(1, idle=1)
    entry = lent(ledger)
    waiter = queued(ledger)
    ledger.shelves.end_loan(entry, 1)
    ledger.shelves.idle.append(entry)
    assert sweeps_of(ledger).prune(NOW) == []
    assert wakes(waiter) == 1


@pytest.mark.parametrize("way", ["clear", "drain", "prune"])
def test_each_hands_out_what_a_back_off_has_kept(way: str) -> None:
    """Whoever is the first to look after its end does so."""
    ledger = ledger_of(2, idle=1)
    ledger.backoff.failed(NOW - 5)
    waiter = waiter_of(Bed())
    ledger.waiters.join(waiter, NOW - 4)
    getattr(sweeps_of(ledger), way)(NOW)
    assert waiter.handed is not None


def test_returns_are_slow_before_the_search(monkeypatch: pytest.MonkeyPatch) -> None:
    """So what comes back during the search is either found, or settled by its return."""
    ledger = ledger_of(1, idle=1)
    seen: list[float] = []

    def look(*_: object) -> None:
        seen.append(ledger.shelves.quick_rets_until)

    monkeypatch.setattr(ledger.validity, "why_discard", look)
    assert sweeps_of(ledger).prune(NOW) == []
    assert (seen, ledger.shelves.quick_rets_until) == ([NEVER], math.inf)


# --- checks ------------------------------------------------------------------------------------------


def test_a_round_of_checks_keeps_the_order() -> None:
    """What has passed goes below what came back meanwhile; each is counted while it is checked."""
    ledger = ledger_of(4, idle=3)
    sweeps = sweeps_of(ledger)
    first, second, third = ledger.shelves.idle
    assert sweeps.take_for_check() is first
    assert (sweeps.nchecking, sweeps.nhealth, list(ledger.shelves.idle)) == (1, 1, [second, third])
    sweeps.note_check(first, NOW)
    assert (sweeps.nchecking, first.last_check) == (0, NOW)
    assert not sweeps.put_back_checked(first, NOW)
    assert sweeps.take_for_check() is second
    sweeps.note_check(second, NOW)
    assert not sweeps.put_back_checked(second, NOW)
    assert list(ledger.shelves.checked) == [first, second]
    sweeps.end_checks()
    assert (list(ledger.shelves.idle), list(ledger.shelves.checked)) == ([first, second, third], [])
    ledger.shelves.idle.clear()
    assert (sweeps.take_for_check(), sweeps.nhealth) == (None, 2)


@pytest.mark.parametrize("why", ["drained", None])
def test_what_has_passed_may_still_not_be_kept(why: str | None) -> None:
    """A drain began meanwhile."""
    ledger = ledger_of(1, idle=1)
    sweeps = sweeps_of(ledger)
    entry = sweeps.take_for_check()
    assert entry is not None
    if why:
        sweeps.drain(NOW)
    assert sweeps.put_back_checked(entry, NOW) == (why is not None)
    assert list(ledger.shelves.checked) == [entry] * (why is None)
