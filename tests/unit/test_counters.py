"""Counters of rare events, and the last errors, by themselves."""

from __future__ import annotations

import pytest

from ProxyPatternPool._ledger.counters import Fault, Faults, Tally


def test_an_event_is_counted_as_often_as_it_happens() -> None:
    """Once for each call, or by an amount; one that never happened counts as 0."""
    tally = Tally()
    tally.add("one")
    tally.add("one")
    tally.add("seconds", 1.5)
    tally.add("seconds", 2.0)
    assert [tally[event] for event in ("one", "seconds", "never")] == [2, 3.5, 0]


def test_an_error_that_repeats_is_kept_once() -> None:
    """With how often, and when first and last; in the order in which they were met last."""
    faults = Faults(5)
    faults.remember("creation", "OSError", "down", 1.0)
    faults.remember("closer", "OSError", "down", 2.0)
    faults.remember("creation", "OSError", "down", 3.0)
    assert list(faults) == [
        Fault("closer", "OSError", "down", 1, 2.0, 2.0),
        Fault("creation", "OSError", "down", 2, 1.0, 3.0),
    ]


@pytest.mark.parametrize("most", [1, 2, 3])
def test_so_many_kinds_are_kept_at_most(most: int) -> None:
    """Of errors that differ only in their texts the one is forgotten that was met longest ago."""
    faults = Faults(most)
    for time in range(5):
        faults.remember("creation", "OSError", f"down at {time}", time)
    assert [fault.text for fault in faults] == [f"down at {time}" for time in range(5 - most, 5)]


def test_an_error_that_repeats_with_other_texts_does_not_push_out_others() -> None:
    """The largest group of errors alike loses one: those of the same hook and class."""
    faults = Faults(4)
    faults.remember("closer", "ValueError", "rare", 0.0)
    faults.remember("creation", "ValueError", "rare", 1.0)
    for time in range(2, 7):
        faults.remember("creation", "OSError", f"down at {time}", time)
    assert [(fault.what, fault.text) for fault in faults] == [
        ("closer", "rare"),
        ("creation", "rare"),
        ("creation", "down at 5"),
        ("creation", "down at 6"),
    ]


def test_an_error_whose_count_was_interrupted_is_not_shown() -> None:
    """It was never counted, so it was not met."""
    faults = Faults(3)
    faults.remember("creation", "OSError", "down", 1.0)
    next(iter(faults._records.values())).count = 0
    assert list(faults) == []
