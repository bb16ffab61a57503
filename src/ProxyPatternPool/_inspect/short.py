"""What a pool is and does, in a line."""

from typing import Any

from .._engine.core import Core
from .._text import visible


def why_ended(core: Core[Any]) -> str:
    """Say why a pool serves nobody; nothing if it does."""
    loop = core.driver.loop
    if core.ledger.closed and not core.driver.closed_for_end:
        return "closed"
    return "its event loop has ended" if loop is not None and not loop.alive() else ""


def in_short(core: Core[Any]) -> str:
    """Say in one line what it is and does; without the lock, so that a signal handler may ask."""
    counts = core.count()
    bound = "unlimited" if counts.max_size is None else f"max {counts.max_size}"
    ended = why_ended(core)
    state = f"{ended}, " if ended else ""
    return f"{visible(core.name)}: {state}{counts.idle} idle, {counts.in_use} in use, {counts.waiting} waiting, {bound}"
