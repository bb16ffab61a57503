"""What all tests share."""

from __future__ import annotations

import gc

# Imported before the collector freezes what is there: it looks for what refers to generators of random numbers.
from hypothesis import HealthCheck, settings

# How long an example takes, or is looked for, says nothing: the machine may have a lot else to do.
settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unhurried")


def pytest_collection_finish() -> None:
    """Have the collector look only at what tests make: many collect, and else each time would go through pytest."""
    gc.collect()
    gc.freeze()
