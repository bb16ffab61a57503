"""What all tests share."""

from __future__ import annotations

import gc
from importlib import import_module


def pytest_collection_finish() -> None:
    """Have the collector look only at what tests make: many collect, and else each time would go through pytest."""
    import_module("hypothesis")  # it looks for what refers to generators of random numbers, and finds it only now
    gc.collect()
    gc.freeze()
