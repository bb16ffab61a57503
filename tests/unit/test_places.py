"""The book of places, by itself."""

from __future__ import annotations

import weakref
from gc import collect
from math import inf
from typing import cast

import pytest

from ProxyPatternPool import Pool
from ProxyPatternPool._engine.steps import run_rest
from ProxyPatternPool._ledger.entry import CREATING, GONE, Entry, Mailbox

from .clock import FakeScheduler
from .helpers import Thing
from .ledgers import book, bounds, live


def test_an_entry_is_retired_once(scheduler: FakeScheduler) -> None:
    """Of two who retire an entry one is told to close it."""
    pool = Pool(Thing, 1)
    entry = pool._core.ledger.shelves.idle.pop()
    retire = pool._core.ledger.places.retire
    assert [retire(entry, "broken"), retire(entry, "idle")] == [True, False]
    run_rest(pool._core.objects.close_and_free(entry))
    assert retire(entry, "idle") is False


def test_a_place_is_freed_once(scheduler: FakeScheduler) -> None:
    """Who frees one that is free, since its entry was lost on the way, changes nothing."""
    pool = Pool(Thing, 1)
    core = pool._core
    entry = core.ledger.shelves.idle.pop()
    core.ledger.places.retire(entry, "broken")
    run_rest(core.objects.close_and_free(entry))
    before = pool.stats()["ndestroys"]
    core.ledger.places.free(entry)
    assert pool.stats()["ndestroys"] == before == 1


def test_a_place_is_taken_until_its_object_is_closed() -> None:
    """From the permit to create it on, and however far its end has come; each number says where it is."""
    places = book(1, 2)
    assert (len(places), places.has_room(), places.nspare) == (0, True, -1)
    one, other = places.reserve(), places.reserve(for_waiters=True)
    assert (places.has_room(), places.ncreating, places.nready, places.nspare) == (False, 2, 0, 1)
    assert places.for_waiters == {other.serial}
    one.obj, other.obj = Thing(1), Thing(2)
    for entry in (one, other):
        places.adopt(entry)
    assert (places.ncreating, places.nobjects, places.ncreated, places.ndestroys) == (2, 2, 2, 0)
    places.end_creation(other)
    assert (places.ncreating, places.nready, places.for_waiters) == (1, 1, set())
    assert places.retire(one, "idle")
    assert (places.ncreating, places.nretired, places.nready, places.nspare) == (0, 1, 1, 0)
    assert (one.reason, places.nretired_for["idle"], sum(places.nretired_for.values())) == ("idle", 1, 1)
    assert not places.has_room()
    one.uses, other.uses = 3, 4
    assert places.nuses == 7
    places.free(one)
    places.free(one)
    assert (len(places), places.nretired, places.nobjects, places.ndestroys, places.nuses) == (1, 0, 1, 1, 7)
    assert (places.has_room(), places.entries()) == (True, [other])
    places.free(other)
    assert (places.ndestroys, places.nuses) == (2, 7)


def test_a_permit_that_is_not_used_was_no_object() -> None:
    """Its place is free again, and nothing was created or closed."""
    places = book(0, 1)
    permit = places.reserve(for_waiters=True)
    places.free(permit)
    assert (len(places), places.ncreating, places.for_waiters, places.ncreated, places.ndestroys) == (0, 0, set(), 0, 0)
    assert not places.retire(permit, "idle")
    assert places.reserve().serial == permit.serial + 1


def test_an_object_that_the_pool_has_is_refused() -> None:
    """It belongs to another place, and stays there. Where loans are not found by their objects it is not refused."""
    places = book()
    (entry,) = live(places)
    again, anew = places.reserve(), places.reserve()
    again.obj = anew.obj = entry.obj
    with pytest.raises(ValueError, match=r"^fun returned") as caught:
        places.adopt(again)
    assert str(caught.value) == (
        "fun returned an object that is in the pool already: it has to make another each time, "
        "since a pool lends each object to one borrower"
    )
    assert entry.has_object
    assert (again.has_object, places.nobjects, places.ncreated) == (False, 1, 1)
    places.by_identity = False
    places.adopt(anew)
    assert (anew.key, places.nobjects, places.ncreated) == (~anew.serial, 2, 2)


@pytest.mark.parametrize(
    ("max_use", "slow", "use"), [(None, False, (1 << 30) - 1), (7, False, 7), (None, True, 0), (7, True, 0)]
)
def test_from_which_use_on_returns_are_slow(max_use: int | None, slow: bool, use: int) -> None:
    """From the last one that ``max_use`` allows; always where there is a retter or an observer."""
    places = book(max_use=max_use, slow=slow)
    (entry,) = live(places)
    assert (entry.slow_return_at_use, places.slow_return_at_use, places.always_slow_return) == (use, use, slow)


def test_surplus_is_what_is_above_the_bound() -> None:
    """Those that are to be closed already do not count, and without a bound nothing is too much."""
    places = book(0, 3)
    one, *_ = live(places, 3)
    assert not places.has_surplus
    places.config = bounds(max_size=2)
    assert places.has_surplus
    places.retire(one, "surplus")
    assert not places.has_surplus
    places.config = bounds()
    assert (places.has_surplus, places.has_room()) == (False, True)


def test_which_are_stale() -> None:
    """Those of a drain, until their places are free."""
    places = book()
    assert (places.stale, places.serials()) == (set(), set())
    first, second = live(places, 2)
    places.stale = places.serials()
    live(places)
    assert (places.stale, places.serials()) == ({first.serial, second.serial}, {0, 1, 2})
    places.retire(first, "drained")
    assert places.stale == {first.serial, second.serial}
    places.free(first)
    assert (places.stale, places.serials()) == ({second.serial}, {1, 2})


def test_an_entry_whose_reference_was_cleared_is_found_again() -> None:
    """But not one whose place is free, or of which there is another."""
    places = book()
    entry, gone = live(places, 2)
    places.retire(gone, "idle")
    places.free(gone)
    places._taken[entry.serial] = cast("weakref.ref[Entry[Thing]]", weakref.ref(Thing(0)))  # as the collector clears it
    assert places.entries() == []
    places.refer_again(gone)
    places.refer_again(entry)
    assert places.entries() == [entry]
    place = places._taken[entry.serial]
    places.refer_again(Entry(entry.serial, Mailbox(lambda: None)))
    assert places._taken[entry.serial] is place


def test_a_permit_has_no_history() -> None:
    """Nothing has happened with an object that does not exist yet, and its return would be slow."""
    permit = book().reserve()
    times = permit.last_get, permit.last_ret, permit.last_check
    assert (permit.stage, permit.serial, permit.key, permit.uses, times) == (CREATING, 0, 0, 0, (0.0, 0.0, 0.0))
    assert (permit.slow_return_at_use, permit.warned_use, permit.stack_use, permit.attempt) == (0, 0, 0, 0)
    assert (permit.cut_short, permit.has_object, permit.expires, permit.reason) == (False, False, inf, "interrupted")
    assert (permit.name, permit.owner, permit.stack, permit.notified) == (None, None, None, None)


def test_an_entry_that_is_lost_is_in_the_mail() -> None:
    """And a look at the pool is requested; not so for one whose place is free."""
    looks: list[int] = []
    mailbox: Mailbox[Thing] = Mailbox(lambda: looks.append(len(mailbox.orphans)))
    assert (bool(mailbox), mailbox.abandoned) == (False, False)
    entry = Entry(7, mailbox)
    del entry
    collect()
    assert (bool(mailbox), [lost.serial for lost in mailbox.orphans], looks) == (True, [7], [1])
    mailbox.orphans.pop().stage = GONE
    collect()
    assert (bool(mailbox), looks) == (False, [1])
    entry = Entry(8, mailbox)
    entry.stage = GONE
    mailbox.dropped.append((entry, 1, False))
    assert bool(mailbox)


def test_an_entry_is_not_in_the_mail_that_nobody_will_read() -> None:
    """When the interpreter ends; nor is one that has not come to be, since its creation was interrupted."""
    looks: list[None] = []
    mailbox: Mailbox[Thing] = Mailbox(lambda: looks.append(None))
    entry = Entry(7, mailbox)
    entry.__del__(lambda: True)
    unborn = cast("Entry[Thing]", object.__new__(Entry))
    unborn.__del__()
    assert (bool(mailbox), looks) == (False, [])
    entry.stage = GONE
