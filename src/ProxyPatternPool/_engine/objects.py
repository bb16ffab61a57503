"""How the objects of a pool begin and end."""

import logging
from contextlib import suppress
from functools import partial
from typing import Generic, TypeVar

from .._errors import PoolException
from .._ledger.entry import CLOSED, CREATING, GONE, LIVE, RETIRED, Entry
from .._ledger.ledger import Ledger, LedgerClosed
from .._observer import DiscardReason
from .._runtime.races import remove
from .._runtime.waiting import Wakeable
from .._text import error_repr, without_traceback
from .chores import LONGEST_CREATION, Chores, Creation, Ending
from .guard import Reentered
from .shared import Shared
from .steps import Rest, Steps, remaining

T = TypeVar("T")
E = TypeVar("E", bound=BaseException)


class Objects(Generic[T]):
    """Creates and closes the objects of one pool."""

    def __init__(self, shared: Shared[T], chores: Chores) -> None:
        self._label = shared.label
        self._clock = shared.environment.clock
        self._driver = shared.driver
        self._random = shared.environment.random
        self._guard = shared.guard
        self._scheduling = shared.scheduling
        self._hooks = shared.hooks
        self._descriptions = shared.descriptions
        self._notifier = shared.notifier
        self._log_queue = shared.log_queue
        self._chores = chores

    def start_empty(self, ledger: Ledger[T]) -> None:
        """Count anew, with nobody who waits for a change."""
        self._ledger = ledger
        self.attempts = self.nerrors = 0
        self.cut_short = 0
        """Closers that were cancelled, as at the end of an event loop: their objects may be open."""
        self.last_error: BaseException | None = None
        """Of the last creation, if it failed; without its traceback."""
        self._watchers: list[Wakeable] = []

    # The beginning. --------------------------------------------------------------------------------

    def create(self, entry: Entry[T], *, for_caller: bool = False) -> Steps[None]:
        """Create the object of an entry that is the caller's; what fails is raised, and the place is free.

        Args:
            entry: Where.
            for_caller: Whether it is for a caller, whose cancellation says nothing about those who wait.

        Raises:
            LedgerClosed: Nobody is served any more.
        """
        self._guard.locked(self._count_attempt)
        start = self._clock()
        if self._notifier:
            entry.notified = {}
        try:
            yield from self._hooks.make(entry)
            try:
                self._guard.locked(self._ledger.places.adopt, entry)
            except ValueError as error:
                raise PoolException(f"{self._label}: {error}") from None
            yield from self._hooks.open(entry)
            self._descriptions.name(entry)
        except BaseException as error:
            if entry.stage is GONE:
                raise  # its event loop has ended, and the pool has begun anew
            self._retire_early(entry)  # nobody else gets it meanwhile
            if not self._driver.is_cancellation(error):  # else it says nothing about the server
                self.last_error = without_traceback(error)
            elif not isinstance(error, GeneratorExit):  # such a task is destroyed anywhere, and not in its event loop
                entry.cut_short = for_caller
            self._guard.locked(self._count_error, entry, error)
            self._driver.finish(self.close_and_free(entry))
            self._notifier.creation_failed(error, self._clock() - start)
            raise
        now = self._clock()
        entry.last_get = entry.last_ret = now
        self.last_error = None
        self._guard.locked(self._note_success, entry, now)
        self._scheduling.schedule()
        self._notifier.created(entry, now - start)

    def create_for_anybody(self, entry: Entry[T]) -> Steps[bool]:
        """Create the object of an entry that is the caller's, and put it back; say whether that did not fail."""
        try:
            yield from self.create(entry)
            if self._guard.locked(self._ledger.put_locked, entry, self._clock()):
                yield from remaining(self.close_and_free(entry))
                if entry.reason == "max_lifetime":  # expired on creation: back off, or a refill would spin
                    self._guard.locked(self._ledger.backoff.failed, self._clock())
        except LedgerClosed:
            pass  # closed meanwhile: the permit dies here, and its place with it
        except Exception as error:
            self.report_failure(error)
            return False
        return True

    def _create_for_waiters(self, permit: Entry[T]) -> Steps[None]:
        """Create an object for callers who wait, instead of one who was cancelled in it.

        It takes more time than he had, and may take more than the others have: nobody's deadline ends this.
        """
        start = self._clock()
        if self._guard.locked(self._ledger.free_if_unwanted, permit, start):
            return
        try:
            yield from self.create_for_anybody(permit)
        except BaseException:
            if (took := self._clock() - start) >= LONGEST_CREATION:
                message = "%s: a creation for callers who wait was given up after %.0f s: give fun a time limit"
                self._log_queue.add(logging.WARNING, message, self._label, took)
            raise

    def _count_attempt(self) -> None:
        if self._ledger.closed:
            raise LedgerClosed
        self.attempts += 1

    def _count_error(self, entry: Entry[T], error: BaseException) -> None:
        self.nerrors += 1
        if isinstance(error, Exception):  # else it says nothing about the server
            self._ledger.backoff.failed(self._clock(), entry.attempt)

    def _note_success(self, entry: Entry[T], now: float) -> None:
        self._ledger.places.end_creation(entry)
        self._ledger.validity.start_lifetime(entry, now, self._random())
        self._ledger.update_quick_limits()
        if self._ledger.backoff.failures:
            self._ledger.backoff.succeeded()
            self._ledger.serve_waiters(now)  # those who waited for this may all create
        self.wake_watchers()

    def report_failure(self, error: BaseException) -> None:
        """Log a failed creation that no caller is told of."""
        left = max(0.0, self._ledger.backoff.due_at - self._clock())
        message = "%s: creation failed, next attempt in %.3f s: %s"
        self._log_queue.add(logging.ERROR, message, self._label, left, error_repr(error))

    def caused_by_last_error(self, error: E) -> E:
        """Say of an error that the last creation failed, if it did: that is its cause."""
        last = self.last_error
        error.__cause__ = None if last is None else without_traceback(last)
        return error

    # The end. --------------------------------------------------------------------------------------

    def close_and_free(self, entry: Entry[T], *, in_place: bool = False) -> Rest:
        """Bring an entry that is the caller's to its end, from whatever stage: close the object, free the place.

        A closer that is awaited goes on by itself, and what is returned waits for it; unless it is awaited ``in_place``
        by what is returned, see ``Driver.apart``.
        """
        self._retire_early(entry)
        if (entry.notified is not None and self._notifier.busy) or self._driver.is_elsewhere:
            self._chores.leave(Ending(self.close_and_free, entry))
            return None
        if entry.has_object and self._ledger.wants_refill():
            self._scheduling.schedule()  # where there is room the successor does not wait for the closer
        closing: Steps[object] | None = None
        try:
            self._notifier.discarded(entry, self._clock())
            closing = self._hooks.close(entry)
        finally:
            if closing is None:
                self._end(entry)
        if closing is None:
            return None
        return self._driver.apart(closing, partial(self._await_closer, entry), in_place=in_place)

    def _await_closer(self, entry: Entry[T], closing: Steps[object]) -> Steps[None]:
        try:
            yield from self._hooks.await_closer(entry, closing)
        except BaseException as error:
            if entry.stage is CLOSED and self._driver.is_cancellation(error):
                self.cut_short += 1
            raise
        finally:
            self._end(entry)

    def _end(self, entry: Entry[T]) -> None:
        """Free the place of an entry, if its closer was called; else have it called."""
        if entry.stage is RETIRED:  # interrupted before the closer
            self._chores.anywhere.append(Ending(self.close_and_free, entry))
            self._scheduling.schedule()
            return
        permit = self._guard.locked(self._free, entry)
        if permit is not None:
            self._chores.start(Creation(self._create_for_waiters, permit))
        if self._ledger.wants_refill():
            self._scheduling.schedule()

    def _retire_early(self, entry: Entry[T]) -> None:
        """Retire an entry, if it is not yet, so that nobody else gets it."""
        if entry.stage in (CREATING, LIVE) and entry.has_object:
            self._guard.locked(self._end_early, entry)

    def _end_early(self, entry: Entry[T]) -> None:
        if entry.stage is CREATING:  # interrupted between the factory's return and the opener
            self._ledger.places.adopt(entry)
        self._ledger.places.retire(entry, entry.reason)

    def _free(self, entry: Entry[T]) -> Entry[T] | None:
        ledger = self._ledger
        permit = ledger.free(entry, self._clock())
        if ledger.mailbox.orphans:  # see Returns
            remove(ledger.mailbox.orphans, entry)
        if ledger.closed and not ledger.places:
            self._scheduling.let_go()
            self._driver.call_off_end()
            self.wake_watchers()
        elif ledger.closed and self._driver.for_tasks:
            self.wake_watchers()  # who closes a pool for tasks waits for all closers, and not for all objects
        return permit

    def close_ledger(self) -> list[Entry[T]]:
        """Serve nobody any more, with the lock held; say what is to be closed."""
        doomed = self._ledger.close()
        if not self._ledger.places:
            self._driver.call_off_end()
        self.wake_watchers()
        return doomed

    def retire_and_close(self, entry: Entry[T], reason: DiscardReason, *, in_place: bool = False) -> Rest:
        """Close a live entry that is the caller's, as ``close_and_free`` does."""
        try:
            self._guard.locked(self._ledger.places.retire, entry, reason)
        except Reentered:
            self.leave(entry, reason)
            return None
        return self.close_and_free(entry, in_place=in_place)

    def leave(self, entry: Entry[T], reason: DiscardReason) -> None:
        """Leave an entry to maintenance, in a finalizer or signal handler that interrupted a locked step."""
        self._chores.leave(Ending(self.retire_and_close, entry, reason))

    # Who waits for one or the other. -----------------------------------------------------------------

    def watch(self, sleeper: Wakeable) -> None:
        """Wake somebody whenever an object is there, or the last place is free; with the lock held.

        In a pool for tasks that is closed, whenever any place is free.
        """
        self._watchers.append(sleeper)

    def unwatch(self, sleeper: Wakeable) -> None:
        """Wake him no more; with the lock held."""
        with suppress(ValueError):  # who was interrupted may not be there yet
            self._watchers.remove(sleeper)

    def wake_watchers(self) -> None:
        """Have all who wait for something to be so look whether it is; with the lock held."""
        for waiting in self._watchers:
            waiting.wake()
