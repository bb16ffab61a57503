"""A pool's state and lock, and how its objects begin and end; the floors above lend them and look after them.

Leases and the house keeper hold the whole, ``Upkeep``; the public ``Pool`` holds it too and is held by nobody,
so that dropping the pool is noticed.
"""

import inspect
import itertools
import logging
import math
import random
import weakref
from abc import abstractmethod
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from functools import partial
from itertools import islice
from types import CodeType
from typing import Generic, TypeVar

from typing_extensions import TypeVarTuple, Unpack

from .._config import PoolConfig, seconds
from .._errors import PoolException
from .._hooks import Hooks
from .._ledger.counters import Faults, Tally
from .._ledger.entry import CREATING, LIVE, RETIRED, Entry, Mailbox
from .._ledger.ledger import Closed, Ledger
from .._ledger.shelves import NEVER
from .._ledger.sweeps import Sweeps
from .._observer import PoolObserverOrNone
from .._runtime.caller import outwards
from .._runtime.hubs import current_hub, in_hub, new_sleeper, pause
from .._runtime.native import allocate_lock, get_ident
from .._runtime.process import notice_fork, watch_for_forks
from .._runtime.races import remove, snapshot
from .._runtime.uwsgi_hook import hook_into_uwsgi
from .._runtime.waiting import Hub, Sleeper, do_nothing
from .._scheduler.maintained import Maintained
from .._scheduler.scheduler import Scheduler
from .._text import error_repr, without_traceback
from .hooks import Lifecycle
from .log_queue import LogLines
from .notifier import ObserverNotifier

T = TypeVar("T")
Ts = TypeVarTuple("Ts")
R = TypeVar("R")

_ids = itertools.count(1)

BREATH = 0.001
"""Seconds between two looks whether another greenlet of the same thread has finished its step."""
TURN = 0.1
"""Seconds that who waits sleeps at a time while there is no house keeper."""
FAULTS = 16
"""Kinds of errors that are remembered."""


class Reentered(PoolException):
    """Somebody came back to a pool in the middle of one of its locked steps, in the same thread."""


def _have_lines_said(reference: "weakref.ref[Core[T]]") -> None:
    core = reference()
    if core is not None:
        core.request_log_flush()


class Core(Maintained, Generic[T]):
    """What all floors of a pool share."""

    def __init__(
        self, hooks: Hooks[T], config: PoolConfig, scheduler: Scheduler, observer: PoolObserverOrNone[T] = None
    ) -> None:
        notice_fork()
        watch_for_forks()
        hook_into_uwsgi()
        self.id = next(_ids)
        self.name = config.name if config.name is not None else f"#{self.id}"
        self.label = f"pool {self.name!r}" if config.name is not None else f"pool {self.name}"
        self.config = config
        self.clock = scheduler.clock
        self.started = datetime.now()
        self.started_at = self.clock()
        self._scheduler = scheduler
        self.lines = LogLines(self.label)
        self.notifier = ObserverNotifier(observer, self.name, self.label, self.clock, self.lines)
        self.lifecycle = Lifecycle(hooks, config, self.label, self.notifier, self.lines)
        # Whether something is to be done at each return, with each object lent, and before it is.
        self._always_slow_return = hooks.retter is not None or bool(self.notifier)
        self.has_loan_hooks = hooks.getter is not None or config.trace_owner or bool(self.notifier)
        self._by_identity = True
        self.on_long_wait: Callable[[Core[T]], None] | None = None
        """Called, with nothing held, by callers who have waited for long, or in vain."""
        self._start_empty()
        if config.warns_too_late:
            self.log_later(
                logging.WARNING,
                "%s: max_using_delay (%g) is more than max_using_delay_kill (%g): nobody will be warned",
                self.label,
                config.warn_delay,
                config.kill_delay,
            )

    def _start_empty(self) -> None:
        """Begin with nothing: at construction, and in the child of a fork."""
        self.lock = allocate_lock()
        self._holder = 0  # the thread that is within a locked step
        self.tally = self.lifecycle.tally = self.notifier.tally = Tally()
        self.faults = Faults(FAULTS)
        self.notifier.faults = self.faults
        mailbox: Mailbox[T] = Mailbox(do_nothing)
        plain = not self.has_loan_hooks and self.config.health_before_get is None
        self.ledger: Ledger[T] = Ledger(self.config, mailbox, always_slow_return=self._always_slow_return, plain=plain)
        self.ledger.places.by_identity = self._by_identity
        self.refer_to_me()
        self.rounds: Sweeps[T] = Sweeps(self.config, self.ledger)
        self.chores: deque[Callable[[], None]] = deque()
        self.hub_chores: deque[Callable[[], None]] = deque()
        self.lines.forget()
        self.hub: Hub | None = None
        self.attempts = self.nerrors = self.nreturns = 0
        self.last_error: BaseException | None = None
        self._onlookers: list[Sleeper] = []  # who wait for the last place to be free, or the last object to be there

    def refer_to_me(self) -> None:
        """Have finalizers knock for this pool, and lines be said: neither must keep it alive."""
        reference: weakref.ref[Core[T]] = weakref.ref(self)
        self._request_look: Callable[[], None] = partial(self._scheduler.request_look, weakref.ref(self))
        self.ledger.mailbox.request_look = self._request_look
        self.lines.ask = partial(_have_lines_said, reference)

    def __repr__(self) -> str:
        return self.label

    def allow_same_object(self) -> None:
        """Let the factory return an object again that is there already, where all loans are leases.

        To be called before there is any object.
        """
        self._by_identity = self.ledger.places.by_identity = False

    def locked(self, step: Callable[[Unpack[Ts]], R], *args: Unpack[Ts]) -> R:
        """Do one step of the ledger with the lock held.

        ``with`` on a lock in C leaves no moment in which the lock is held and not yet guarded, up to 3.13; from 3.14 on
        a signal handler may run there, and would wait for itself if it came to this pool. Whatever is thrown into this
        thread in the middle of the step, nobody sleeps on for it: everyone looks.

        Raises:
            Reentered: this thread or greenlet is within a step already. The step allocates, so the collector may run in
                it, and signal handlers: a user's finalizer or handler that comes here would wait for itself for ever.
        """
        me = get_ident()
        if self._holder == me:
            self._let_others_finish(me)
        with self.lock:
            self._holder = me
            try:
                return step(*args)
            except BaseException:
                self.ledger.waiters.rouse()
                raise
            finally:
                self._holder = 0

    def _let_others_finish(self, me: int) -> None:
        """Wait for another greenlet of this thread in the middle of a step: a finalizer that ran in it has switched.

        The lock is a native one, for which a greenlet would wait with its whole thread, and so with that other.
        """
        if not self.within_step(here=2):
            while self._holder == me and pause(BREATH):
                pass
        if self._holder == me:
            raise Reentered(f"{self.label} is called by a finalizer or signal handler in the middle of its own work")

    def within_step(self, here: int = 1) -> bool:
        """Whether whoever asks was called within a step, by a finalizer or signal handler.

        The holder is noted by its thread, which costs least. If it is this thread it may be another greenlet: one is in
        a step if its own frames say so, and those of another are not among them.
        """
        if self._holder != get_ident():
            return False
        # In no variable: a frame that refers to itself would keep all others alive until the collector comes.
        return any(
            frame.f_code is _LOCKED and frame.f_locals.get("self") is self
            for frame in islice(outwards(inspect.currentframe()), here + 1, None)
        )

    def schedule(self) -> None:
        """Have the house keeper look at what is to be watched now."""
        ledger = self.ledger
        unmaintained = not self._scheduler.watch(self)
        if unmaintained:
            # Without the lock: if somebody writes another time at this moment, loans are quick until the next look.
            ledger.unmaintained = True
            ledger.quick_gets_until = NEVER
        elif ledger.unmaintained:
            ledger.unmaintained = False
            with suppress(Reentered):  # then loans are not quick until the next step
                self.locked(ledger.nudge, self.clock())

    @abstractmethod
    def help_out(self, *, lines: bool = False, hub: bool = False) -> bool:
        """Do the house keeper's work, if he is missing and cannot be had; say whether he is still missing.

        For callers who have nothing of the pool in their hands and are in no finalizer: hooks are called. Lines are
        said, if asked for, by a caller who is not in the queue: a handler that borrows would wait behind him.
        """
        ...

    def bind_hub(self) -> None:
        """Make the current thread's hub, if it has one, the home of a pool that has none.

        To be called before anything that makes the house keeper create objects: made in a thread of his they are
        useless in the hub. Of two hubs that come at once it is either: the pool serves both.
        """
        if self.hub is None:
            self.hub = current_hub()

    def leave(self, chore: Callable[[], None]) -> None:
        """Leave something to the house keeper; from anywhere, finalizers included."""
        self.chores.append(chore)
        self._scheduler.request_look(self)

    def log_later(self, level: int, message: str, *arguments: object, error: BaseException | None = None) -> None:
        """Have something logged by the house keeper, one line at a time and holding up nothing else."""
        self.lines.add(level, message, *arguments, error=error)

    def request_log_flush(self) -> None:
        """Have the house keeper say what is to be logged; from anywhere, finalizers included."""
        self._scheduler.watch(self)
        self._scheduler.request_look(self)  # who keeps the pool until then, should it be dropped at once

    # The beginning and the end of an object. -----------------------------------------------------------

    def create(self, entry: Entry[T]) -> None:
        """Create the object of an entry that is the caller's; what fails is raised, and the place is free.

        Raises:
            Closed: nobody is served any more.
        """
        self.locked(self._count_attempt)
        start = self.clock()
        if self.notifier:
            entry.notified = {}
        try:
            self.lifecycle.make(entry)
            try:
                self.locked(self.ledger.places.adopt, entry)
            except ValueError as error:
                raise PoolException(f"{self.label}: {error}") from None
            self.lifecycle.open(entry)
            self.lifecycle.name(entry)
        except BaseException as error:
            self.last_error = without_traceback(error)
            self.locked(self._count_error, entry, error)
            self.close_and_free(entry)
            self.notifier.creation_failed(error, self.clock() - start)
            raise
        now = self.clock()
        entry.last_get = entry.last_ret = now
        self.last_error = None
        self.locked(self._note_success, entry, now)
        self.schedule()
        self.notifier.created(entry, now - start)

    def _count_attempt(self) -> None:
        if self.ledger.closed:
            raise Closed
        self.attempts += 1

    def _count_error(self, entry: Entry[T], error: BaseException) -> None:
        self.nerrors += 1
        if isinstance(error, Exception):  # else it says nothing about the server
            self.ledger.backoff.failed(self.clock(), entry.attempt)

    def _note_success(self, entry: Entry[T], now: float) -> None:
        self.ledger.places.opened(entry)
        self.ledger.begin_life(entry, now, random.random())
        if self.ledger.backoff.failures:
            self.ledger.backoff.succeeded()
            self.ledger.nudge(now)  # those who waited for this may all create
        self.wake_onlookers()

    def tell_of_failure(self, error: BaseException) -> None:
        """Log a failed creation that nobody else is told of."""
        left = max(0.0, self.ledger.backoff.due_at - self.clock())
        self.log_later(
            logging.ERROR, "%s: creation failed, next attempt in %.3f s: %s", self.label, left, error_repr(error)
        )

    def close_and_free(self, entry: Entry[T]) -> None:
        """Bring an entry that is the caller's to its end, from whatever stage: close the object, free the place."""
        if entry.stage in (CREATING, LIVE) and entry.made:
            self.locked(self._end_early, entry)
        if entry.notified is not None and self.notifier.busy:
            self.leave(partial(self.close_and_free, entry))
            return
        if entry.made and self.ledger.wants_refill():
            self.schedule()  # where there is room the successor does not wait for the closer
        try:
            self.notifier.discarded(entry, self.clock())
            self.lifecycle.close(entry)
        finally:
            if entry.stage is RETIRED:  # interrupted before the closer
                self.chores.append(partial(self.close_and_free, entry))
                self.schedule()
            else:
                self.locked(self._free, entry)
                if self.ledger.wants_refill():
                    self.schedule()

    def _end_early(self, entry: Entry[T]) -> None:
        if entry.stage is CREATING:  # interrupted between the factory's return and the opener
            self.ledger.places.adopt(entry)
        self.ledger.places.retire(entry, entry.reason)

    def _free(self, entry: Entry[T]) -> None:
        self.ledger.free(entry, self.clock())
        if self.ledger.mailbox.orphans:  # see Returning._sort_orphans
            remove(self.ledger.mailbox.orphans, entry)
        if self.ledger.closed and not self.ledger.places:
            self._scheduler.let_go(self)
            self.wake_onlookers()

    # The end of the pool. --------------------------------------------------------------------------------

    def shutdown(self, timeout: float = 0.0) -> None:
        """Serve nobody any more, close what is idle, wait for what is lent."""
        timeout = seconds("timeout", timeout)
        opened = not self.ledger.closed
        try:
            doomed = self.locked(self.close_books)
        except Reentered:
            self.ledger.mailbox.abandoned = True
            self._scheduler.request_look(self)  # who closes it as soon as this handler has returned
            return
        except BaseException:
            self.ledger.mailbox.abandoned = True
            self._scheduler.request_look(self)  # who does the rest
            raise
        if in_hub():  # a signal handler, or a callback: whoever waits there, as closers may, stops all greenlets
            for entry in doomed:
                self.leave(partial(self.close_and_free, entry))
        else:
            for entry in doomed:
                self.close_and_free(entry)
            self.wait_until_empty(timeout)
        if opened:
            self.tell_who_stays()

    def close_books(self) -> list[Entry[T]]:
        """Serve nobody any more, with the lock held; say what is to be closed."""
        doomed = self.ledger.close()
        self.wake_onlookers()
        return doomed

    def wait_until_empty(self, seconds: float) -> None:
        """Wait until every place is free, for some seconds at most."""
        self.look_on(lambda: not self.ledger.places, seconds)

    def look_on(self, done: Callable[[], bool], seconds: float) -> bool:
        """Wait until something is so, for some seconds at most; say whether it is."""
        deadline = self.clock() + seconds
        sleeper = new_sleeper()
        self.locked(lambda: self._onlookers.append(sleeper))
        try:
            while not (so := done()) and (left := deadline - self.clock()) > 0:
                if self.help_out(hub=True):
                    left = min(left, TURN)
                sleeper.sleep(None if left == math.inf else left)
            return so
        finally:
            self.locked(lambda: self._onlookers.remove(sleeper))
            sleeper.dispose()

    def wake_onlookers(self) -> None:
        """Have all who wait for something to be so look whether it is; with the lock held."""
        for waiting in self._onlookers:
            waiting.wake()

    def tell_who_stays(self) -> None:
        """Log what is lent when the pool is closed."""
        for entry in snapshot(self.ledger.using.values()):
            self.log_later(
                logging.WARNING,
                "%s: closed while %s has %s, lent %.3f s ago; it will be closed when it comes back",
                self.label,
                entry.owner,
                self.lifecycle.describe(entry),
                self.clock() - entry.last_get,
            )


_LOCKED: CodeType = vars(Core)["locked"].__code__
