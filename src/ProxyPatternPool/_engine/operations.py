"""What operators ask of a pool that runs: replace, resize, clear, wait until it is ready."""

import math
from functools import partial
from typing import TypeVar

from .._config import seconds
from .._errors import PoolClosed, TimeOut
from .._ledger.entry import Entry
from .._text import without_traceback
from .upkeep import Upkeep

T = TypeVar("T")


def clear(core: Upkeep[T]) -> None:
    """Close what is idle."""
    core.close_all(partial(core.rounds.clear, core.clock()))


def drain(core: Upkeep[T]) -> None:
    """Have every object that exists now replaced before it is lent again."""
    core.close_all(partial(core.rounds.drain, core.clock()))


def resize(core: Upkeep[T], min_size: int | None, max_size: int | None) -> None:
    """Have other bounds from now on."""
    core.close_all(partial(_resize, core, min_size, max_size))


def _resize(core: Upkeep[T], min_size: int | None, max_size: int | None) -> list[Entry[T]]:
    # Read and written in one step: of two who resize at once each changes what he names.
    config = core.config.resized(min_size=min_size, max_size=max_size)
    places = core.ledger.places
    # No call in these lines, so that nothing can be thrown in between. The one is for the child of a fork.
    core.config = places.config = config
    places.unsettled = True
    core.wake_onlookers()
    return core.rounds.prune(core.clock())


def wait_ready(core: Upkeep[T], timeout: float | None) -> None:
    """Wait until there are as many objects as the pool is to keep."""
    longest = core.config.timeout if timeout is None else seconds("timeout", timeout)
    places = core.ledger.places

    def ready() -> bool:
        return core.ledger.closed or not core.maintained or places.nready >= core.config.min_size

    core.bind_hub()
    core.schedule()
    if not core.look_on(ready, math.inf if longest is None else longest):
        ready_ones = f"{places.nready} {'object is' if places.nready == 1 else 'objects are'} ready"
        error = TimeOut(
            f"timeout after {longest:g} seconds in {core.label}: {ready_ones}, of {core.config.min_size}; "
            f"{core.situation()}"
        )
        error.__cause__ = core.last_error and without_traceback(core.last_error)
        raise error
    if core.ledger.closed:
        raise PoolClosed(f"{core.label} is closed")
