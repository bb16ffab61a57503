"""How objects are taken back, from callers and from what finalizers have left: unlock, do the work, settle."""

import logging
import weakref
from collections.abc import Iterable
from contextlib import suppress
from functools import partial
from typing import Generic, TypeVar

from .._ledger.entry import GONE, Entry
from .._ledger.ledger import Ledger
from .._ledger.shelves import NEEDS_SETTLE, NEEDS_SLOW_PATH, Put
from .._ledger.sweeps import Sweeps
from .._observer import DiscardReason
from .._runtime.fork import never_free
from .._runtime.owner import in_words
from .._runtime.process import notice_fork
from .._runtime.races import first, is_alone, remove, snapshot
from .chores import Chores, Ending
from .guard import Reentered
from .log_queue import owner_later
from .objects import Objects
from .shared import Shared
from .steps import Rest, Steps, remaining

T = TypeVar("T")

ORPHANS = 1.0
"""Seconds until the next look at entries whose finalizer has run and that something still refers to."""
LENT_ORPHANS = 60.0
"""The same where all of them are lent: they are in nobody's way."""


class Returns(Generic[T]):
    """Takes the objects of one pool back."""

    def __init__(self, shared: Shared[T], chores: Chores, objects: Objects[T]) -> None:
        self._label = shared.label
        self._clock = shared.environment.clock
        self._driver = shared.driver
        self._guard = shared.guard
        self._scheduling = shared.scheduling
        self._hooks = shared.hooks
        self._descriptions = shared.descriptions
        self._notifier = shared.notifier
        self._log_queue = shared.log_queue
        self._chores = chores
        self._objects = objects
        self._lent_at_end: dict[int, weakref.ref[T]] = {}  # by identity

    def start_empty(self, ledger: Ledger[T], sweeps: Sweeps[T]) -> None:
        """Take back into a new ledger."""
        self._ledger = ledger
        self._shelves = ledger.shelves
        self._sweeps = sweeps

    # From callers. -----------------------------------------------------------------------------------

    def give_back(self, obj: T, *, broken: bool = False) -> Rest:
        """Take back an object, by identity; one that is not lent here only gets a warning."""
        entry = self._shelves.using.pop(id(obj), None)
        if entry is None:
            try:
                # Maintenance may have it in hand at this moment, with the lock held.
                entry = self._guard.locked(self._shelves.using.pop, id(obj), None)
            except Reentered:  # by this very thread
                pass
        if entry is None:
            self._report_stranger(obj)
            return None
        if broken:
            return self._discard(entry, "broken", self._clock())
        return self.follow_up(entry, self._shelves.put_fast(entry, self._clock()))

    def _report_stranger(self, obj: T) -> None:
        # Not through the tracer: no hook runs on an object that is not the pool's.
        left = self._lent_at_end.get(id(obj))
        if left is not None and left() is obj:
            message = (
                "%s: <%s at %#x> is not taken back: it was lent in an event loop that has ended, and is not lent any "
                "more. Give objects back before their loop ends, and get others in the next"
            )
        else:
            message = "%s: not lent here (or given back before, or killed), not taken back: <%s at %#x>"
        self._warn(message, type(obj).__name__, id(obj))

    def note_lent_at_end(self, entries: Iterable[Entry[T]]) -> None:
        """Remember what is lent at the end of an event loop, until another ends; nothing is kept alive."""
        self._lent_at_end = {}
        for entry in entries:
            with suppress(TypeError):  # there are no weak references to such an object: it is a stranger
                self._lent_at_end[id(entry.obj)] = weakref.ref(entry.obj)

    def end_loan(self, entry: Entry[T], use: int, reason: DiscardReason | None = None) -> Rest:
        """Take back an entry, unless that loan is over; close it if there is a reason."""
        try:
            # Maintenance may have it in hand at this moment, with the lock held: look again with the lock.
            if not self._shelves.end_loan(entry, use) and not self._guard.locked(self._shelves.end_loan, entry, use):
                return None
        except Reentered:
            self.note_dropped(entry, use)
            self._scheduling.request_look()
            return None
        if reason is not None:
            return self._discard(entry, reason, self._clock())
        put = self._shelves.put_fast(entry, self._clock())
        return None if put is None else self.follow_up(entry, put)

    def follow_up(self, entry: Entry[T], put: Put | None, *, in_place: bool = False) -> Rest:
        """Finish a return that ``put_fast`` has begun without the lock.

        Hooks that are awaited go on by themselves, and what is returned waits for them; unless they are awaited
        ``in_place`` by what is returned, see ``Driver.apart``.
        """
        if self._is_parents(entry):
            return None
        if put is NEEDS_SLOW_PATH:
            if entry.slow_return_at_use:  # else, as in all chores, there may be somebody to be told, or a retter
                return self._put_back(entry, in_place=False)
            return self._take_back(entry, entry.last_ret, in_place=in_place)
        # Not within a locked step of this thread: there nobody else can have made returns slow meanwhile.
        if put is NEEDS_SETTLE and self._guard.locked(self._ledger.settle, entry, entry.last_ret):
            return self._objects.close_and_free(entry, in_place=in_place)
        return None

    def _take_back(self, entry: Entry[T], now: float, *, in_place: bool = False) -> Rest:
        """Do all that is to be done at a return: tell observers, call the retter, put it back."""
        if self._must_leave(entry):
            self._chores.leave(Ending(self._take_back, entry, now))
            return None
        self._report_return_if_warned(entry, now)
        try:
            if entry.notified is not None:
                self._notifier.returned(entry, now - entry.last_get)
            may_be_lent = self._hooks.take_back(entry)
        except BaseException:  # a KeyboardInterrupt in the retter: the object's state is unknown
            self._driver.finish(self._objects.retire_and_close(entry, "interrupted"))
            raise
        if may_be_lent is True:
            return self._put_back(entry, in_place=in_place)
        if may_be_lent is False:
            return self._objects.retire_and_close(entry, "retter", in_place=in_place)
        return self._driver.apart(may_be_lent, partial(self._await_retter, entry), in_place=in_place)

    def _await_retter(self, entry: Entry[T], retter: Steps[object]) -> Steps[None]:
        try:
            may_be_lent = yield from self._hooks.await_retter(entry, retter)
        except BaseException:
            self._driver.finish(self._objects.retire_and_close(entry, "interrupted"))
            raise
        # Whoever does this is not to be cut short, and so it is for a closer.
        if may_be_lent:
            rest = self._put_back(entry, in_place=True)
        else:
            rest = self._objects.retire_and_close(entry, "retter", in_place=True)
        yield from remaining(rest)

    def _put_back(self, entry: Entry[T], *, in_place: bool) -> Rest:
        now = self._clock()
        try:
            put = self._shelves.put_after_retter(entry, now)
            if put is NEEDS_SLOW_PATH:
                put = self._ledger.put_beside_waiters(entry, now)
            if put is not NEEDS_SLOW_PATH:
                return None if put is None else self.follow_up(entry, put, in_place=in_place)
        except BaseException:
            self.settle_interrupted(entry, now)
            raise
        try:
            to_close = self._guard.locked(self._ledger.put_locked, entry, now)
        except Reentered:
            self._objects.leave(entry, "interrupted")
            return None
        return self._objects.close_and_free(entry, in_place=in_place) if to_close else None

    def settle_interrupted(self, entry: Entry[T], now: float) -> None:
        """Finish a return that was interrupted: the entry may be idle beside a waiter, or in a pool that was closed.

        Of a lease the mailbox does so: an interrupted one has still its loan, and is dropped.
        """
        try:
            if self._guard.locked(self._ledger.settle, entry, now):
                self._driver.finish(self._objects.close_and_free(entry))
        except Reentered:
            self._scheduling.request_look()

    def _discard(self, entry: Entry[T], reason: DiscardReason, now: float, *, in_place: bool = False) -> Rest:
        if self._is_parents(entry):
            return None
        if self._must_leave(entry):
            self._chores.leave(Ending(self._discard, entry, reason, now))
            return None
        self._report_return_if_warned(entry, now)
        try:
            self._notifier.returned(entry, now - entry.last_get)
        except BaseException:
            self._driver.finish(self._objects.retire_and_close(entry, reason))
            raise
        return self._objects.retire_and_close(entry, reason, in_place=in_place)

    def _report_return_if_warned(self, entry: Entry[T], now: float) -> None:
        warned = entry.warned_use == entry.uses
        # In any case: a round may have written down its warning about the last use when that had just ended.
        self._sweeps.forget_warning(entry)
        if warned:
            what = self._descriptions.describe(entry)
            self._warn("%s: %s came back after %.3f s from %s", what, now - entry.last_get, in_words(entry.owner))

    def _warn(self, message: str, *arguments: object) -> None:
        self._log_queue.add(logging.WARNING, message, self._label, *arguments)

    def _must_leave(self, entry: Entry[T]) -> bool:
        """Whether this is not the place to call hooks, or not the time to tell observers of the end of a loan.

        In the middle of what they are being told, and of a locked step, that is in a finalizer or a signal handler that
        came there, nobody calls them: they might wait for themselves.
        """
        if self._driver.is_elsewhere:
            return True
        return self._notifier.owes(entry) and (self._notifier.busy or self._guard.within_step())

    def _is_parents(self, entry: Entry[T]) -> bool:
        """Whether an entry was taken out of a ledger of a parent's just now; then nothing is done with it.

        To be asked before a hook is called: until then what is taken back in a child that nobody has told of the fork
        has only gone from one place to another in a ledger that will be given up.
        """
        if notice_fork():
            never_free(entry)
            return True
        return False

    def report_unreturned(self) -> None:
        """Log what is lent when the pool is closed."""
        for entry in snapshot(self._shelves.using.values()):
            self._warn(
                "%s: closed while %s has %s, lent %.3f s ago; it will be closed when it comes back",
                in_words(entry.owner),
                self._descriptions.describe(entry),
                self._clock() - entry.last_get,
            )

    # From finalizers. --------------------------------------------------------------------------------

    def note_dropped(self, entry: Entry[T], use: int, *, quietly: bool = False) -> None:
        """Note a loan whose lease was dropped; in a finalizer, so nobody is waited for or called."""
        entry.mailbox.dropped.append((entry, use, quietly))

    def read_mailbox(self) -> bool:
        """Take back what finalizers have left: loans whose lease was dropped, and lost entries.

        Callers do it too, so nothing of the user's is called here: what needs that becomes a chore. Say whether
        there was anything.
        """
        mailbox = self._ledger.mailbox
        found = bool(mailbox)
        while (dropped := first(mailbox.dropped)) is not None:
            self._take_back_dropped(*dropped)
            # Removed last: who is interrupted does it again, and of several callers one has the entry.
            remove(mailbox.dropped, dropped)
        if mailbox.orphans:
            self._guard.locked(self._sort_orphans)
        return found

    def _sort_orphans(self) -> None:
        """Have those entries closed that are lost, and keep the others in sight.

        The collector runs the finalizers of all that is in a cycle, in any order, while everything still refers to
        everything: a pool that becomes garbage together with its entries is brought back by its own finalizer, to be
        closed, and then some of them are lent, idle, or in a chore. So what counts is whether anything else refers to
        an entry. One that is lost in the same cycle is still referred to by what the collector is about to free. And no
        object is finalized twice: an entry that is somebody's now can be lost later, and would not be mailed again. For
        both it stays here until its place is free, and is looked at again from time to time.
        """
        orphans = self._ledger.mailbox.orphans
        for _ in range(len(orphans)):
            if orphans[0].stage is GONE:
                orphans.popleft()
            elif is_alone(orphans):
                # In this order: if something is thrown in between, the chore refers to it.
                self._chores.anywhere.append(Ending(self._objects.close_and_free, orphans[0]))
                orphans.popleft()
            else:
                self._ledger.places.refer_again(orphans[0])
                orphans.rotate(-1)

    def look_for_orphans_at(self, now: float) -> float | None:
        """When to look again at entries whose finalizer has run and that are still somebody's."""
        orphans = snapshot(self._ledger.mailbox.orphans)
        if not orphans:
            return None
        lent = all(self._shelves.using.get(entry.key) is entry for entry in orphans)
        return now + (LENT_ORPHANS if lent else ORPHANS)

    def _take_back_dropped(self, entry: Entry[T], use: int, quietly: bool) -> None:
        if not self._guard.locked(self._shelves.end_loan, entry, use):
            if self._guard.locked(self._ledger.settle, entry, self._clock()):  # see settle_interrupted()
                self._chores.anywhere.append(Ending(self._objects.close_and_free, entry))
            return
        now = entry.last_ret = self._clock()
        owner = owner_later(entry.owner)
        if self._ledger.places.always_slow_return or entry.warned_use == use:
            self._chores.anywhere.append(Ending(self.follow_up, entry, NEEDS_SLOW_PATH))
        elif self._guard.locked(self._ledger.put_locked, entry, now):
            self._chores.anywhere.append(Ending(self._objects.close_and_free, entry))
        if not quietly:
            what = self._descriptions.describe_later(entry, use)
            self._warn("%s: the lease of %s was dropped by %s without release()", what, owner)
