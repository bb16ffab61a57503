"""Which thread or greenlet runs at this moment, and whether others may run in its thread."""

from collections.abc import Callable
from typing import Any, Literal, TypeAlias

from .imported import imported
from .native import get_ident

CurrentId: TypeAlias = tuple[int, int]
"""A thread's ident, and the id of a greenlet other than the thread's main one, or 0."""


def _greenlet() -> Any:
    """The current greenlet; ``None`` where nobody uses any."""
    getcurrent: Callable[[], Any] | None = getattr(imported("greenlet"), "getcurrent", None)
    return None if getcurrent is None else getcurrent()


def current_id() -> CurrentId:
    """Identify the thread or greenlet that runs: no other has the same id before this one has ended."""
    current = _greenlet()
    return get_ident(), 0 if current is None or current.parent is None else id(current)


def loop_is_running() -> bool:
    """Whether an event loop, of asyncio or of trio, runs in this thread. Neither is imported for that."""
    # Not asyncio's public function, which raises where no loop runs. A module that is just being imported has none yet.
    running: Callable[[], Any] | None = getattr(imported("asyncio"), "_get_running_loop", None)
    if running is not None and running() is not None:
        return True
    token: Callable[[], Any] | None = getattr(imported("trio.lowlevel"), "current_trio_token", None)
    if token is None:
        return False
    try:
        token()
    except RuntimeError:
        return False
    return True


def thread_is_shared_by() -> Literal["tasks", "greenlets"] | None:
    """Say who else may run in this thread before the caller goes on: tasks of a loop, or greenlets of a hub."""
    if loop_is_running():
        return "tasks"
    # Other libraries use greenlets as parts of one whole. Those of gevent and eventlet, which are like threads, have a
    # method that tells of their end.
    return "greenlets" if hasattr(_greenlet(), "link") else None
