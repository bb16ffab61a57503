"""``asyncio.to_thread``, which drops the result of who was cancelled: what becomes of the object."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable

import pytest

from ProxyPatternPool import Pool

from .clock import FakeScheduler
from .helpers import Thing, wait_for


class Slow:
    """A pool whose factory waits until somebody has been cancelled who waits for it."""

    def __init__(self) -> None:
        self.begun = threading.Event()
        self.cancelled = threading.Event()
        self.pool = Pool(self._make, 1, 0)

    def _make(self, number: int) -> Thing:
        self.begun.set()
        wait_for(self.cancelled)
        return Thing(number)

    async def cancel_who_waits(self, borrow: Callable[[], object]) -> None:
        waiting = asyncio.create_task(asyncio.to_thread(borrow))
        await asyncio.to_thread(wait_for, self.begun)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        self.cancelled.set()  # the thread goes on to the end, for which the loop waits at its own


def test_a_cancelled_get_loses_the_object(scheduler: FakeScheduler) -> None:
    """What docs/servers.md warns of: it is lent, and nobody has it."""
    slow = Slow()
    asyncio.run(slow.cancel_who_waits(slow.pool.get))
    scheduler.run()
    assert (slow.pool.stats()["nusing"], slow.pool.stats()["navail"]) == (1, 0)


def test_a_cancelled_lease_gives_back(scheduler: FakeScheduler) -> None:
    """A lease that nobody has is dropped, and its object goes back."""
    slow = Slow()
    asyncio.run(slow.cancel_who_waits(slow.pool.lease))
    scheduler.run()
    assert (slow.pool.stats()["nusing"], slow.pool.stats()["navail"]) == (0, 1)
    assert slow.pool.get(timeout=0).number == 0
