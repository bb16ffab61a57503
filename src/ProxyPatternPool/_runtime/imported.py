"""Looking at modules that others may have imported, without importing them."""

import sys
from typing import Any


def imported(module: str) -> Any:
    """A module; ``None`` while nobody has imported it."""
    # Not ``sys.modules.get``, for which Python 3.13 without a GIL locks the dictionary. A daemon thread that waits for
    # this lock when the interpreter ends waits for ever, and the lock may be passed on to it: the exit then hangs.
    if module not in sys.modules:
        return None
    try:
        return sys.modules[module]
    except KeyError:  # another thread's import of it has just failed
        return None
