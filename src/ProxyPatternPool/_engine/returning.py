"""How objects are taken back, by callers and from what finalizers have left: unlock, do the work, settle."""

import logging
from functools import partial
from typing import TypeVar

from .._ledger.entry import GONE, Entry
from .._ledger.shelves import NEEDS_SETTLE, NEEDS_SLOW_PATH, Put
from .._observer import DiscardReason
from .._runtime.fork import never_free
from .._runtime.process import notice_fork
from .._runtime.races import first, is_alone, remove, snapshot
from .core import Core, Reentered

T = TypeVar("T")

ORPHANS = 1.0
"""Seconds until the next look at entries whose finalizer has run and that something still refers to."""
LENT_ORPHANS = 60.0
"""The same where all of them are lent: they are in nobody's way."""


class Returning(Core[T]):
    """What those need of a pool who give back."""

    # Giving back. --------------------------------------------------------------------------------------

    def give_back(self, obj: T, *, broken: bool = False) -> None:
        """Take back an object, by identity; one that is not lent here only gets a warning."""
        entry = self.ledger.using.pop(id(obj), None)
        if entry is None:
            try:
                # The house keeper may have it in his hands at this moment, with the lock held.
                entry = self.locked(self.ledger.using.pop, id(obj), None)
            except Reentered:  # he is this very thread
                pass
        if entry is None:
            # Not through the tracer: no hook runs on an object that is not the pool's.
            self.log_later(
                logging.WARNING,
                "%s: not lent here (or given back before, or killed), not taken back: <%s at %#x>",
                self.label,
                type(obj).__name__,
                id(obj),
            )
        elif broken:
            self._discard(entry, "broken", self.clock())
        else:
            self.follow_up(entry, self.ledger.put_fast(entry, self.clock()))

    def end_loan(self, entry: Entry[T], use: int, reason: DiscardReason | None = None) -> None:
        """Take back an entry, unless that loan is over; close it if there is a reason."""
        try:
            # The house keeper may have it in his hands at this moment, with the lock held: look again with the lock.
            if not self.ledger.end_loan(entry, use) and not self.locked(self.ledger.end_loan, entry, use):
                return
        except Reentered:
            self.end_loan_later(entry, use)
            return
        if reason is not None:
            self._discard(entry, reason, self.clock())
        elif (put := self.ledger.put_fast(entry, self.clock())) is not None:
            self.follow_up(entry, put)

    def end_loan_later(self, entry: Entry[T], use: int, *, quietly: bool = False) -> None:
        """Have a loan ended whose lease was dropped; in a finalizer, so nobody is waited for or called."""
        entry.mailbox.dropped.append((entry, use, quietly))
        self._scheduler.request_look(self)  # itself: the lease may have been the last that referred to this pool

    def follow_up(self, entry: Entry[T], put: Put | None) -> None:
        """Finish what a ``put`` without the lock has begun."""
        if self._is_parents(entry):
            return
        if put is NEEDS_SETTLE:
            # Not within a locked step of this thread: there nobody else can have made returns slow meanwhile.
            if self.locked(self.ledger.settle, entry, entry.last_ret):
                self.close_and_free(entry)
        elif put is NEEDS_SLOW_PATH:
            self._take_back_carefully(entry, entry.last_ret)

    def _take_back_carefully(self, entry: Entry[T], now: float) -> None:
        if self._owes_and_must_wait(entry):
            self.leave(partial(self._take_back_carefully, entry, now))
            return
        self._tell_if_warned(entry, now)
        try:
            if entry.notified is not None:
                self.notifier.returned(entry, now - entry.last_get)
            fine = self.lifecycle.take_back(entry)
        except BaseException:  # a KeyboardInterrupt in the retter: the object's state is unknown
            self.retire_and_close(entry, "interrupted")
            raise
        if not fine:
            self.retire_and_close(entry, "retter")
            return
        now = self.clock()
        put = self.ledger.put_checked(entry, now)
        if put is not NEEDS_SLOW_PATH:
            self.follow_up(entry, put)
            return
        try:
            worn_out = self.locked(self.ledger.put_locked, entry, now)
        except Reentered:
            self._leave_behind(entry, "interrupted")
        else:
            if worn_out:
                self.close_and_free(entry)

    def _tell_if_warned(self, entry: Entry[T], now: float) -> None:
        warned = entry.warned == entry.uses
        # In any case: a round may have written down its warning about the last use when that had just ended.
        self.rounds.unwarn(entry)
        if warned:
            self.log_later(
                logging.WARNING,
                "%s: %s came back after %.3f s from %s",
                self.label,
                self.lifecycle.describe(entry),
                now - entry.last_get,
                entry.owner,
            )

    def _owes_and_must_wait(self, entry: Entry[T]) -> bool:
        """Whether observers are to be told of the end of a loan, and this is no time for it.

        In the middle of what they are being told, and of a locked step, that is in a finalizer or a signal handler that
        came there, nobody calls them: they might wait for themselves.
        """
        if entry.notified is None or not self.notifier.owes(entry):
            return False
        return self.notifier.busy or self.within_step()

    def _is_parents(self, entry: Entry[T]) -> bool:
        """Whether an entry was taken out of a ledger of a parent's just now; then nothing is done with it.

        To be asked before a hook is called: until then what is taken back in a child that nobody has told of the fork
        has only gone from one place to another in a ledger that will be given up.
        """
        if notice_fork():
            never_free(entry)
            return True
        return False

    def _discard(self, entry: Entry[T], reason: DiscardReason, now: float) -> None:
        if self._is_parents(entry):
            return
        if self._owes_and_must_wait(entry):
            self.leave(partial(self._discard, entry, reason, now))
            return
        self._tell_if_warned(entry, now)
        try:
            self.notifier.returned(entry, now - entry.last_get)
        finally:
            self.retire_and_close(entry, reason)

    def retire_and_close(self, entry: Entry[T], reason: DiscardReason) -> None:
        """Close a live entry that is the caller's."""
        try:
            self.locked(self.ledger.places.retire, entry, reason)
        except Reentered:
            self._leave_behind(entry, reason)
        else:
            self.close_and_free(entry)

    def _leave_behind(self, entry: Entry[T], reason: DiscardReason) -> None:
        """Leave an entry to the house keeper, in a finalizer or signal handler that interrupted a locked step."""
        self.leave(partial(self.retire_and_close, entry, reason))

    # What finalizers have left. ------------------------------------------------------------------------

    def sweep(self) -> bool:
        """See to loans whose lease was dropped, to lost entries, and to what was given to those who ended.

        Callers do it too, so nothing of the user's is called here: what needs that becomes a chore. Say whether
        there was anything.
        """
        mailbox = self.ledger.mailbox
        found = bool(mailbox)
        while (dropped := first(mailbox.dropped)) is not None:
            self._take_back_dropped(*dropped)
            # Removed last: an interrupted sweep is done again, and of several sweeps one has the entry.
            remove(mailbox.dropped, dropped)
        if mailbox.orphans:
            self.locked(self._sort_orphans)
        return found

    def _sort_orphans(self) -> None:
        """Have those entries finished that are lost, and keep the others in sight.

        The collector runs the finalizers of all that is in a cycle, in any order, while everything still refers to
        everything: a pool that becomes garbage together with its entries is brought back by its own finalizer, to be
        closed, and then some of them are lent, idle, or in a chore. So what counts is whether anything else refers to
        an entry. One that is lost in the same cycle is still referred to by what the collector is about to free. And no
        object is finalized twice: an entry that is somebody's now can be lost later, and would not be mailed again. For
        both it stays here until its place is free, and is looked at again from time to time.
        """
        orphans = self.ledger.mailbox.orphans
        for _ in range(len(orphans)):
            if orphans[0].stage is GONE:
                orphans.popleft()
            elif is_alone(orphans):
                # In this order: if something is thrown in between, the chore refers to it.
                self.chores.append(partial(self.close_and_free, orphans[0]))
                orphans.popleft()
            else:
                self.ledger.places.find_again(orphans[0])
                orphans.rotate(-1)

    def look_for_orphans_at(self, now: float) -> float | None:
        """When to look again at entries whose finalizer has run and that are still somebody's."""
        orphans = snapshot(self.ledger.mailbox.orphans)
        if not orphans:
            return None
        lent = all(self.ledger.using.get(entry.key) is entry for entry in orphans)
        return now + (LENT_ORPHANS if lent else ORPHANS)

    def _take_back_dropped(self, entry: Entry[T], use: int, quietly: bool) -> None:
        if not self.locked(self.ledger.end_loan, entry, use):
            return
        now = entry.last_ret = self.clock()
        owner = entry.owner
        if self._always_slow_return or entry.warned == use:
            self.chores.append(partial(self.follow_up, entry, NEEDS_SLOW_PATH))
        elif self.locked(self.ledger.put_locked, entry, now):
            self.chores.append(partial(self.close_and_free, entry))
        if not quietly:
            what = self.lifecycle.describe_later(entry, use)
            self.log_later(
                logging.WARNING, "%s: the lease of %s was dropped by %s without release()", self.label, what, owner
            )
