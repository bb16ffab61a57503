"""What parts of a ledger are made of that are tested without a pool."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, TypeAlias

from ProxyPatternPool._config import PoolConfig
from ProxyPatternPool._ledger.entry import LIVE, Entry, Mailbox
from ProxyPatternPool._ledger.ledger import Ledger
from ProxyPatternPool._ledger.places import Places
from ProxyPatternPool._ledger.queue import Waiter
from ProxyPatternPool._runtime.owner import here

from .helpers import Thing

NOW = 1000.0
Book: TypeAlias = Places[Thing]

_UNLIMITED = PoolConfig(
    max_size=None,
    min_size=0,
    timeout=None,
    max_use=None,
    max_waiting=None,
    max_lifetime=None,
    max_avail_delay=None,
    warn_delay=None,
    kill_delay=None,
    health_freq=1,
    health_before_get=None,
    backoff=(1.0, 8.0),
    delay=None,
    exact=False,
    hook_errors="log",
    trace_owner=False,
    name=None,
)


def bounds(min_size: int = 0, max_size: int | None = None) -> PoolConfig:
    """Only these bounds, and no other limit."""
    return replace(_UNLIMITED, min_size=min_size, max_size=max_size)


def book(min_size: int = 0, max_size: int | None = 3, *, max_use: int | None = None, slow: bool = False) -> Book:
    """An empty book of places."""
    config = replace(bounds(min_size, max_size), max_use=max_use)
    return Places(config, Mailbox(lambda: None), always_slow_return=slow)


def live(places: Book, number: int = 1) -> list[Entry[Thing]]:
    """So many entries with objects that are ready to be lent."""
    found = [places.reserve() for _ in range(number)]
    for entry in found:
        entry.obj = Thing(entry.serial)
        places.adopt(entry)
        places.end_creation(entry)
    return found


class Bed:
    """Where a waiter sleeps: it counts how often it was woken."""

    def __init__(self, hub: object = None) -> None:
        self.hub = hub
        self.gone = False
        self.wakes = 0

    def sleep(self, seconds: float | None) -> bool:
        raise AssertionError("nobody sleeps here")

    def wake(self) -> bool:
        self.wakes += not self.gone
        return not self.gone

    def alive(self) -> bool:
        return not self.gone

    def dispose(self) -> None:
        """There is nothing to free."""


def ledger_of(
    max_size: int | None = 2,
    *,
    idle: int = 0,
    min_size: int = 0,
    max_idle: int | None = None,
    oldest_first: bool = False,
    slow: bool = False,
    **limits: Any,
) -> Ledger[Thing]:
    """A ledger of a pool with so many idle objects."""
    ledger: Ledger[Thing] = Ledger(
        replace(bounds(min_size, max_size), **limits),
        Mailbox(lambda: None),
        always_slow_return=slow,
        random=lambda: 0.0,
        max_idle=max_idle,
        oldest_first=oldest_first,
    )
    ledger.shelves.idle.extend(live(ledger.places, idle))
    return ledger


def waiter_of(bed: Bed | None = None) -> Waiter[Thing]:
    return Waiter(here().owner, None, bed)


def lent(ledger: Ledger[Thing], now: float = NOW) -> Entry[Thing]:
    """An object that is lent now."""
    entry = ledger.take_or_queue(now, waiter_of())
    assert entry is not None
    assert entry.stage is LIVE
    return entry


def returned(ledger: Ledger[Thing], entry: Entry[Thing], now: float = NOW) -> bool:
    """Return a lent object with the lock held; say whether it is to be closed."""
    assert ledger.shelves.end_loan(entry, entry.uses)
    return ledger.put_locked(entry, now)


def queued(ledger: Ledger[Thing], now: float = NOW, *, retry: bool = False, hub: object = None) -> Waiter[Thing]:
    """A waiter who got nothing, and sleeps."""
    waiter = waiter_of(Bed(hub))
    assert ledger.take_or_queue(now, waiter, retry=retry) is None
    assert waiter.since == now
    return waiter


def wakes(waiter: Waiter[Thing]) -> int:
    assert isinstance(waiter.sleeper, Bed)
    return waiter.sleeper.wakes
