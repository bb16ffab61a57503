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
