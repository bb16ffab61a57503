"""What all tests share."""

from __future__ import annotations

import gc

import hypothesis  # noqa: F401  # it looks for what refers to generators of random numbers, which it does not see later


def pytest_collection_finish() -> None:
    """Have the collector look only at what tests make: many collect, and else each time would go through pytest."""
    gc.collect()
    gc.freeze()
