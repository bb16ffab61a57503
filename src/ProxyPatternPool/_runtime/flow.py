"""Who runs at this moment, and whether in the middle of an event loop."""

import sys
from collections.abc import Callable
from typing import Any

from .native import get_ident


def _greenlet() -> Any:
    """The current greenlet; nothing where nobody uses any."""
    getcurrent: Callable[[], Any] | None = getattr(sys.modules.get("greenlet"), "getcurrent", None)
    return None if getcurrent is None else getcurrent()


def flow() -> tuple[int, int]:
    """Say which thread or greenlet runs: nobody else does under this name until it has ended."""
    current = _greenlet()
    return get_ident(), 0 if current is None or current.parent is None else id(current)


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


def company() -> str | None:
    """Say who else may run in this thread before the caller goes on: tasks of a loop, or greenlets of a hub."""
    if loop_is_running():
        return "tasks"
    # Others use greenlets for purposes of their own, as parts of one whole; those of gevent and eventlet tell of their
    # end.
    return "greenlets" if hasattr(_greenlet(), "link") else None
