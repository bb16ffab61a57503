"""The queue of waiters, by itself: who is next, who is woken, and what is counted."""

from __future__ import annotations

import pytest

from ProxyPatternPool._ledger.entry import Entry, Mailbox
from ProxyPatternPool._ledger.queue import Waiter, WaitQueue
from ProxyPatternPool._runtime.owner import here

from .helpers import Thing
from .ledgers import Bed


@pytest.fixture
def queue() -> WaitQueue[Thing]:
    return WaitQueue()


@pytest.fixture
def entry() -> Entry[Thing]:
    return Entry(0, Mailbox(lambda: None))


def joined(queue: WaitQueue[Thing], *beds: Bed, now: float = 0.0) -> list[Waiter[Thing]]:
    """Have a waiter join for each bed, in their order."""
    waiters: list[Waiter[Thing]] = [Waiter(here().owner, None, bed) for bed in beds]
    for waiter in waiters:
        queue.join(waiter, now)
    return waiters


def test_who_tries_again_is_before_all_who_have_not_tried(queue: WaitQueue[Thing]) -> None:
    """Those who try again keep their order among themselves, as the others do."""
    one, other = joined(queue, Bed(), Bed())
    again: list[Waiter[Thing]] = [Waiter(here().owner, None, Bed()) for _ in range(3)]
    for waiter in again:
        queue.join(waiter, 7.0, in_front=True)
    (last,) = joined(queue, Bed())
    assert list(queue.queue) == [*again, one, other, last]
    assert {waiter.since for waiter in again} == {7.0}


def test_what_is_handed_over_goes_to_the_oldest_that_hears(queue: WaitQueue[Thing], entry: Entry[Thing]) -> None:
    """One whose thread has ended is passed over, for good; who is served is no longer in the queue."""
    beds = [Bed(), Bed(), Bed()]
    lost, next_one, last = joined(queue, *beds)
    beds[0].gone = True
    assert queue.hand_to_oldest(entry)
    assert (lost.handed, next_one.handed, last.handed) == (None, entry, None)
    assert [bed.wakes for bed in beds] == [0, 1, 0]
    assert list(queue.queue) == [last]
    assert [queue.leave(next_one), queue.leave(last), len(queue)] == [True, False, 0]
    assert not queue.hand_to_oldest(entry)


def test_only_who_waits_long_enough_is_handed_something(queue: WaitQueue[Thing], entry: Entry[Thing]) -> None:
    """With a time: only who joined then or before. Without: anybody."""
    first, second = *joined(queue, Bed()), *joined(queue, Bed(), now=20.0)
    assert not queue.hand_to_oldest(entry, since=-0.1)
    assert queue.hand_to_oldest(entry, since=0.0)
    assert not queue.hand_to_oldest(entry, since=19.9)
    assert (first.handed, second.handed) == (entry, None)
    assert queue.hand_to_oldest(entry)


@pytest.mark.parametrize("hub", [None, object()])
def test_who_cannot_collect_what_he_was_handed_is_found(
    hub: object, queue: WaitQueue[Thing], entry: Entry[Thing]
) -> None:
    """A greenlet ends silently with its thread, even after it was woken; a thread does not."""
    beds = [Bed(hub), Bed(hub), Bed(hub)]
    waiters = joined(queue, *beds)
    assert [queue.hand_to_oldest(entry) for _ in waiters] == [True] * 3
    assert queue.unreachable() == []
    beds[0].gone = beds[1].gone = True
    queue.leave(waiters[1])
    assert queue.unreachable() == waiters[:1] * (hub is not None)


def test_a_greenlet_that_cannot_be_woken_is_handed_nothing(queue: WaitQueue[Thing], entry: Entry[Thing]) -> None:
    """It is not looked for afterwards: it has nothing."""
    bed = Bed(object())
    (waiter,) = joined(queue, bed)
    bed.gone = True
    assert not queue.hand_to_oldest(entry)
    assert (waiter.handed, queue.unreachable()) == (None, [])


def test_as_many_are_woken_as_there_are_objects(queue: WaitQueue[Thing]) -> None:
    """The oldest are, and nobody twice who has not looked yet."""
    beds = [Bed() for _ in range(4)]
    waiters = joined(queue, *beds)
    queue.wake_first(2)
    queue.wake_first(2)
    assert [bed.wakes for bed in beds] == [1, 1, 0, 0]
    waiters[0].woken = False  # it has looked
    queue.wake_first(3)
    assert [bed.wakes for bed in beds] == [2, 1, 1, 0]


def test_who_cannot_be_woken_does_not_count(queue: WaitQueue[Thing]) -> None:
    """Another is woken in his place, and he is nobody any more."""
    beds = [Bed(), Bed(), Bed()]
    lost, next_one, _ = joined(queue, *beds)
    beds[0].gone = True
    queue.wake_first(1)
    assert [bed.wakes for bed in beds] == [0, 1, 0]
    assert lost.served
    assert queue.oldest() is next_one


def test_of_each_hub_as_many_are_woken(queue: WaitQueue[Thing]) -> None:
    """A greenlet looks when its hub comes to it, which may last: threads and other hubs need not wait for that."""
    one, other = object(), object()
    beds = [Bed(one), Bed(one), Bed(other), Bed(), Bed(one), Bed(other), Bed()]
    joined(queue, *beds)
    queue.wake_first(1)
    assert [bed.wakes for bed in beds] == [1, 0, 1, 1, 0, 0, 0]
    queue.wake_first(2)
    assert [bed.wakes for bed in beds] == [1, 1, 1, 1, 0, 1, 1]


def test_greenlets_behind_the_last_thread_that_is_woken_sleep_on(queue: WaitQueue[Thing]) -> None:
    """Once a thread is woken for each object nobody behind it needs to look."""
    beds = [Bed(), Bed(object())]
    joined(queue, *beds)
    queue.wake_first(1)
    assert [bed.wakes for bed in beds] == [1, 0]


def test_all_are_woken_but_those_who_are_served(queue: WaitQueue[Thing]) -> None:
    """At the end they are forgotten as well."""
    beds = [Bed(), Bed()]
    served, _ = joined(queue, *beds)
    served.served = True
    queue.wake_all()
    assert ([bed.wakes for bed in beds], len(queue)) == ([0, 1], 2)
    queue.wake_all_and_clear()
    assert ([bed.wakes for bed in beds], len(queue)) == ([0, 2], 0)


def test_waits_are_counted(queue: WaitQueue[Thing]) -> None:
    """How many, how long in all, and how long the longest: that of a caller, who may have waited before."""
    assert (queue.nwaits, queue.wait_time, queue.max_wait, queue.nrefused) == (0, 0.0, 0.0, 0)
    queue.note_wait(2.0, 5.0)
    assert queue.last_waits(2) == []
    for seconds in (1.0, 3.0, 4.0):
        queue.note_wait(seconds, seconds)
    assert (queue.nwaits, queue.wait_time, queue.max_wait) == (4, 10.0, 5.0)
    assert queue.last_waits(99) == [3.0, 4.0]


def test_only_who_can_be_woken_fills_the_queue() -> None:
    """Those who are served, or whose thread has ended, do not count against ``max_waiting``."""
    queue: WaitQueue[Thing] = WaitQueue(2)
    beds = [Bed(), Bed(), Bed()]
    served, _, last = joined(queue, *beds)
    another: Waiter[Thing] = Waiter(here().owner, None, Bed())
    assert queue.refuse(another)
    assert (another.refused, queue.nrefused) == (3, 1)
    served.served = True
    assert (queue.refuse(another), another.refused, queue.nrefused) == (True, 2, 2)
    beds[2].gone = True
    assert (queue.refuse(another), another.refused, queue.nrefused) == (False, None, 2)
    beds[2].gone = False
    last.sleeper = None
    assert queue.waiting_if_full() is None


def test_a_new_waiter_has_waited_for_nothing_yet() -> None:
    """One who has no sleeper cannot wait, and is not woken."""
    waiter: Waiter[Thing] = Waiter(here().owner)
    assert (waiter.waited, waiter.since, waiter.hub, waiter.handed, waiter.lent) == (0.0, None, None, None, None)
    assert (waiter.woken, waiter.timed_out, waiter.served, waiter.retry) == (False,) * 4
    assert (waiter.wake(), waiter.woken, waiter.owner) == (False, False, here().owner)
    assert waiter.refused is None
    assert Waiter[Thing](here().owner, waited=3.0).waited == 3.0
