"""The book of places, by itself."""

from __future__ import annotations

from ProxyPatternPool import Pool
from ProxyPatternPool._engine.steps import run_rest

from .clock import FakeScheduler
from .helpers import Thing


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
