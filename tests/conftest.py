"""What all tests share."""

from __future__ import annotations

import gc

from hypothesis import HealthCheck, given, settings, strategies

# How long an example takes, or is looked for, says nothing: the machine may have a lot else to do.
settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unhurried")


@given(strategies.booleans())
def any_property(value: bool) -> None:
    """Hold for each value."""


def pytest_collection_finish() -> None:
    """Have the collector look only at what tests make: many collect, and else each time would go through pytest."""
    any_property()  # hypothesis asks the collector, once, who refers to its random numbers: not after they are frozen
    gc.collect()
    gc.freeze()
