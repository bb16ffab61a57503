"""Who runs at this moment, and whether in the middle of an event loop."""

import sys
from collections.abc import Callable
from typing import Any

from .native import get_ident


def flow() -> tuple[int, int]:
    """Say which thread or greenlet runs: nobody else does under this name until it has ended."""
    getcurrent: Callable[[], Any] | None = getattr(sys.modules.get("greenlet"), "getcurrent", None)
    if getcurrent is None:
        return get_ident(), 0
    current = getcurrent()
    return get_ident(), 0 if current.parent is None else id(current)


def loop_is_running() -> bool:
    """Whether an event loop, of asyncio or of trio, runs in this thread. Neither is imported for that."""
    # Not asyncio's public one: that raises where no loop runs. A module that is just being imported has none yet.
    running: Callable[[], Any] | None = getattr(sys.modules.get("asyncio"), "_get_running_loop", None)
    if running is not None and running() is not None:
        return True
    token: Callable[[], Any] | None = getattr(sys.modules.get("trio.lowlevel"), "current_trio_token", None)
    if token is None:
        return False
    try:
        token()
    except RuntimeError:
        return False
    return True
