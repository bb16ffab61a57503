"""The shelves of a pool, by themselves: what is idle, what is in use, and until when all is quick."""

from __future__ import annotations

import math

import pytest

from ProxyPatternPool._ledger.entry import Entry, Mailbox
from ProxyPatternPool._ledger.shelves import NEEDS_SETTLE, NEEDS_SLOW_PATH, NEVER, Shelves
from ProxyPatternPool._runtime.owner import here

from .helpers import Thing

MAILBOX: Mailbox[Thing] = Mailbox(lambda: None)


def shelves_of(
    *, max_use: int | None = None, quick_gets: bool = True, quick_rets: bool = True, oldest_first: bool = False
) -> Shelves[Thing]:
    return Shelves(max_use=max_use, quick_gets=quick_gets, quick_rets=quick_rets, oldest_first=oldest_first)


def entries(number: int) -> list[Entry[Thing]]:
    """So many, each with a key of its own, whose return is quick until their tenth use."""
    found: list[Entry[Thing]] = [Entry(serial, MAILBOX) for serial in range(number)]
    for entry in found:
        entry.key = 100 + entry.serial
        entry.slow_return_at_use = 10
    return found


@pytest.mark.parametrize("gets", [True, False])
@pytest.mark.parametrize("rets", [True, False])
def test_all_is_quick_that_may_be(gets: bool, rets: bool) -> None:
    """From the beginning, and after the limits were set; what may never be quick is not made so."""
    shelves = shelves_of(quick_gets=gets, quick_rets=rets)
    always = (math.inf if gets else NEVER, math.inf if rets else NEVER)
    assert (shelves.quick_gets_until, shelves.quick_rets_until) == always
    shelves.set_quick_limits(7.0, closed=False, waiting=False)
    assert (shelves.quick_gets_until, shelves.quick_rets_until) == (7.0 if gets else NEVER, 7.0 if rets else NEVER)
    assert shelves.unlocked_rets_until == (7.0 if rets else NEVER)
    shelves.set_quick_limits(8.0, closed=False, waiting=True)
    assert (shelves.quick_gets_until, shelves.quick_rets_until) == (8.0 if gets else NEVER, NEVER)
    assert shelves.unlocked_rets_until == (8.0 if rets else NEVER)
    shelves.set_quick_limits(9.0, closed=True, waiting=False)
    assert (shelves.quick_gets_until, shelves.quick_rets_until) == (9.0 if gets else NEVER, NEVER)
    assert shelves.unlocked_rets_until == NEVER


@pytest.mark.parametrize("oldest_first", [True, False])
def test_which_is_lent_first(oldest_first: bool) -> None:
    """The one that came back last, or else the one that was idle for longest."""
    shelves = shelves_of(oldest_first=oldest_first)
    order = entries(3)
    for entry in order:
        assert shelves.put_fast(entry, 1.0) is None
    assert (shelves.nidle, shelves.idle_entries()) == (3, order)
    taken = [shelves.take(2.0, here().owner) for _ in range(4)]
    assert taken == [*(order if oldest_first else reversed(order)), None]


def test_a_loan_is_noted() -> None:
    """Its time, its owner and its number, also on the receipt, before it begins."""
    shelves = shelves_of()
    (entry,) = entries(1)
    seen: list[tuple[Entry[Thing], int, bool]] = []

    class Note:
        def note(self, entry: Entry[Thing], use: int) -> None:
            seen.append((entry, use, entry.key in shelves.using))

    shelves.idle.append(entry)
    assert shelves.take(5.0, here().owner, Note()) is entry
    assert seen == [(entry, 1, False)]
    assert (entry.last_get, entry.owner, entry.uses, shelves.using) == (5.0, here().owner, 1, {entry.key: entry})
    assert shelves.end_loan(entry, 1)
    assert shelves.put_fast(entry, 6.0) is None
    assert shelves.take(7.0, here().owner) is entry
    assert (entry.last_get, entry.uses) == (7.0, 2)


def test_a_loan_ends_once() -> None:
    """Not if it is another loan of the same object, or if another object is lent by that key."""
    shelves = shelves_of()
    entry, other = entries(2)
    shelves.idle.append(entry)
    assert shelves.take(5.0, here().owner) is entry
    assert not shelves.end_loan(entry, 2)
    other.key, other.uses = entry.key, 1
    assert not shelves.end_loan(other, 1)
    assert shelves.using == {entry.key: entry}
    assert shelves.end_loan(entry, 1)
    assert not shelves.end_loan(entry, 1)
    assert shelves.using == {}


def test_a_loan_that_ends_meanwhile_is_not_ended_again() -> None:
    """Of two who have found the same loan one ends it, and the other hears so."""
    (entry,) = entries(1)
    shelves = shelves_of()

    class Using(dict[int, Entry[Thing]]):
        def get(self, key: int, default: object = None) -> Entry[Thing]:
            """Another thread ends the loan just after this one has found it."""
            return self.pop(key)

    shelves.using = Using({entry.key: entry})
    assert not shelves.end_loan(entry, 0)


def test_a_return_is_quick_before_its_limits() -> None:
    """At the limit it is not: of the time, and of the uses."""
    shelves = shelves_of()
    early, late, used = entries(3)
    shelves.set_quick_limits(10.0, closed=False, waiting=False)
    used.uses = 10
    assert [shelves.put_fast(early, 9.9), shelves.put_fast(late, 10.0), shelves.put_fast(used, 9.9)] == [
        *(None, NEEDS_SLOW_PATH, NEEDS_SLOW_PATH)
    ]
    assert list(shelves.idle) == [early]
    assert (early.last_ret, late.last_ret) == (9.9, 10.0)
    used.uses = 9
    assert shelves.put_fast(used, 9.9) is None


def test_a_return_after_a_retter_is_quick_before_its_limits() -> None:
    """The uses are those that ``max_use`` says then, and the time is that of the end of its lifetime, too."""
    shelves = shelves_of(max_use=3)
    entry, worn, old = entries(3)
    shelves.set_quick_limits(10.0, closed=False, waiting=False)
    entry.uses, worn.uses, old.expires = 2, 3, 9.0
    assert [shelves.put_after_retter(one, 9.0) for one in (entry, worn, old)] == [
        *(None, NEEDS_SLOW_PATH, NEEDS_SLOW_PATH)
    ]
    assert list(shelves.idle) == [entry]
    assert shelves.put_after_retter(old, 8.9) is None
    assert shelves.put_after_retter(entry, 10.0) is NEEDS_SLOW_PATH


@pytest.mark.parametrize("limit", [NEVER, 1.0])
@pytest.mark.parametrize("way", ["put_fast", "put_after_retter"])
def test_who_finds_returns_slow_afterwards_has_to_settle(
    way: str, limit: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The object is idle already; whoever made returns slow may not have seen it."""
    shelves = shelves_of()
    (entry,) = entries(1)
    idle = shelves.idle

    class Closing:
        def append(self, entry: Entry[Thing]) -> None:
            idle.append(entry)
            shelves.quick_rets_until = limit

    monkeypatch.setattr(shelves, "idle", Closing())
    assert getattr(shelves, way)(entry, 1.0) is NEEDS_SETTLE
    assert list(idle) == [entry]


def test_a_close_takes_out_all_that_is_idle() -> None:
    """Nobody finds one afterwards; one that comes late is found where it is, once."""
    shelves = shelves_of()
    one, checked, late, too_late = entries(4)
    shelves.idle.append(one)
    shelves.checked.append(checked)
    before = shelves.idle
    assert (shelves.nidle, shelves.idle_entries()) == (2, [checked, one])
    assert shelves.close() == [one, checked]
    assert shelves.quick_rets_until == NEVER
    before.append(late)  # by a caller who had read it before
    shelves.idle.append(too_late)
    assert shelves.take(1.0, here().owner) is None
    assert [shelves.take_out_late_return(entry) for entry in (late, too_late, one, late)] == [True, True, False, False]
    before.append(late)
    assert shelves.close() == [late]
