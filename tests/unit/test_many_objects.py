"""Who shows numbers does not look at all objects of a pool, and counts loans without its lock."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar
from weakref import ref

import pytest

from ProxyPatternPool import Pool, TimeOut
from ProxyPatternPool._engine.core import Core
from ProxyPatternPool._export import counts_of
from ProxyPatternPool._inspect.status import AT_ONCE, brief, details, read
from ProxyPatternPool._ledger.entry import Entry
from ProxyPatternPool._pool.pool import core_of

from .clock import FakeScheduler, HandMovedClock
from .helpers import Naps, Thing

Item = TypeVar("Item")
MANY = 3 * AT_ONCE


class Looks:
    """Counts how many entries of a pool are looked at."""

    def __init__(self, core: Core[Thing]) -> None:
        self.number = 0
        places, shelves = core.ledger.places, core.shelves
        places._taken = _Dict(places._taken, self)
        shelves.using = _Dict(shelves.using, self)
        shelves.idle = _Deque(shelves.idle, self)
        shelves.checked = _Deque(shelves.checked, self)

    def during(self, do: Callable[[], object]) -> int:
        """How many it takes to do something."""
        self.number = 0
        do()
        return self.number

    def at(self, items: Iterable[Item]) -> Iterator[Item]:
        for item in items:
            self.number += 1
            yield item


class _Dict(dict[int, Item]):
    def __init__(self, items: dict[int, Item], looks: Looks) -> None:
        super().__init__(items)
        self._looks = looks

    def __iter__(self) -> Iterator[int]:
        return self._looks.at(super().__iter__())

    def values(self) -> Any:
        return self._looks.at(super().values())


class _Deque(deque[Item]):
    def __init__(self, items: deque[Item], looks: Looks) -> None:
        super().__init__(items)
        self._looks = looks

    def __iter__(self) -> Iterator[Item]:
        return self._looks.at(super().__iter__())


def test_who_asks_for_numbers_only(scheduler: FakeScheduler) -> None:
    """An exporter, the page of another process, and a message look at no object, in a drain as before it."""
    pool = Pool(Thing, MANY + 9, MANY)
    core = core_of(pool)
    held = [pool.get() for _ in range(MANY // 2)]
    looks = Looks(core)

    def ask() -> None:
        repr(pool)
        core.situation.in_words()
        counts = counts_of(pool)
        assert brief(core).counts == counts
        numbers.append((counts.idle, counts.in_use, counts.stale))

    numbers: list[tuple[int, int, int]] = []
    assert looks.during(ask) == 0
    pool.drain()
    assert looks.during(ask) == 0
    pool.ret(held.pop())
    scheduler.run()
    assert looks.during(ask) == 0
    assert [(in_use, stale) for _, in_use, stale in numbers] == [
        (MANY // 2, 0),
        (MANY // 2, MANY // 2),
        (MANY // 2 - 1, MANY // 2 - 1),
    ]
    assert numbers[0][0] == MANY // 2


def test_a_page_looks_at_what_it_shows(scheduler: FakeScheduler, clock: HandMovedClock) -> None:
    """The longest loans, then the objects that were idle for longest; and once at each, to add up all loans."""
    pool = Pool(Thing, MANY, MANY)
    core = core_of(pool)
    held = [pool.get() for _ in range(MANY)]
    for thing in held[5:]:
        clock.advance(1.0)
        pool.ret(thing)
    core.shelves.checked.extend([core.shelves.idle.popleft(), core.shelves.idle.popleft()])  # as a health round does
    looks = Looks(core)
    assert looks.during(lambda: details(core, 10, 10)) <= MANY + 5 + 10
    found = [(each.lent, each.serial) for each in details(core, 10, 10).objects]
    entries = {id(entry.obj): entry.serial for entry in core.ledger.places.entries()}
    assert found == [(number < 5, entries[id(thing)]) for number, thing in enumerate(held[:10])]
    assert looks.during(lambda: read(core)) == MANY
    assert read(core).totals.loans == details(core, 0, 0).totals.loans == pool.stats()["nuses"] == MANY


@pytest.mark.parametrize("limit", ["max_using_delay", "max_using_delay_kill"])
def test_how_many_are_overdue(limit: str, clock: HandMovedClock, scheduler: FakeScheduler) -> None:
    """All are counted, and few others looked at."""
    limits: dict[str, Any] = {limit: 60.0}
    pool = Pool(Thing, MANY, MANY, **limits)
    core = core_of(pool)
    late = [pool.get() for _ in range(2 * AT_ONCE)]
    clock.advance(30.0)
    for _ in range(AT_ONCE):
        pool.get()
    looks = Looks(core)
    assert looks.during(lambda: brief(core)) == AT_ONCE
    assert brief(core).overdue == details(core, 1, 1).overdue == 0
    clock.advance(30.0)
    assert brief(core).overdue == details(core, 1, 1).overdue == len(late)
    clock.advance(30.0)
    assert brief(core).overdue == MANY


def watch(core: Core[Thing], at_each: Callable[[], object]) -> None:
    """Have something done whenever an entry is looked for in its place."""
    taken: dict[int, Any] = core.ledger.places._taken

    def watched(place: ref[Entry[Thing]]) -> Callable[[], Entry[Thing] | None]:
        def look() -> Entry[Thing] | None:
            at_each()
            return place()

        return look

    taken.update({serial: watched(place) for serial, place in list(taken.items())})


def test_loans_are_counted_without_the_lock(scheduler: FakeScheduler) -> None:
    """Callers who need it do not wait for that."""
    pool = Pool(Thing, 3, 3)
    core = core_of(pool)
    held: list[bool] = []
    watch(core, lambda: held.append(core.guard.within_step()))
    read(core)
    details(core, 9, 9)
    assert held == [False] * 6
    pool.stats()
    assert held[6:] == [True] * 3


def test_loans_of_an_object_that_is_closed_meanwhile(scheduler: FakeScheduler) -> None:
    """They are counted all the same, and once."""
    pool = Pool(Thing, 3, 3)
    core = core_of(pool)
    for _ in range(7):
        pool.ret(pool.get())
    first_looks: list[Callable[[], object]] = [lambda: pool.discard(pool.get()), lambda: pool.ret(pool.get())]
    watch(core, lambda: first_looks and first_looks.pop(0)())
    for loans in (9, 9):
        assert read(core).totals.loans == loans
    assert pool.stats()["nuses"] == 9


def test_waits_until_loans_are_counted(scheduler: FakeScheduler, naps: Naps) -> None:
    """It is known how many callers had waited, and got an object, before their loans are counted."""
    pool = Pool(Thing, 1, 1)
    core = core_of(pool)
    thing = pool.get()
    with pytest.raises(TimeOut):
        pool.get(timeout=1.0)
    assert read(core).served == 0

    def caller_waits() -> None:
        naps.meanwhile.append(lambda: pool.ret(thing))
        assert pool.get() is thing

    caller_waits()
    assert read(core).served == 1
    once: list[Callable[[], None]] = [caller_waits]
    watch(core, lambda: once and once.pop()())
    reading = read(core)
    assert (reading.served, reading.totals.waits - reading.totals.timeouts, reading.totals.loans) == (1, 2, 3)
