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

from .._errors import PoolException
from .._hooks import Hooks
from .._observe import PoolObserverOrNone
from .._sync.caller import outwards
from .._sync.native import allocate_lock, get_ident
from .._sync.process import notice, watch_for_forks
from .._sync.sleeper import Home, Sleeper, home, in_hub, nothing, pause, sleeper
from .._sync.uwsgi_hook import hook_into_uwsgi
from .config import PoolConfig, seconds
from .entry import CREATING, LIVE, RETIRED, Entry, Mailbox
from .herald import Herald
from .household import Household
from .housekeeper import HouseKeeper
from .ledger import Closed, Ledger
from .lifecycle import Lifecycle
from .log_lines import LogLines
from .racing import remove, snapshot
from .rounds import Rounds
from .shelves import NEVER
from .stats import Faults, Tally
from .text import keepsake, shown

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
        core.have_lines_said()


class Core(Household, Generic[T]):
    """What all floors of a pool share."""

    def __init__(
        self, hooks: Hooks[T], config: PoolConfig, keeper: HouseKeeper, observer: PoolObserverOrNone[T] = None
    ) -> None:
        notice()
        watch_for_forks()
        hook_into_uwsgi()
        self.id = next(_ids)
        self.name = config.name if config.name is not None else f"#{self.id}"
        self.label = f"pool {self.name!r}" if config.name is not None else f"pool {self.name}"
        self.config = config
        self.clock = keeper.clock
        self.started = datetime.now()
        self.started_at = self.clock()
        self._keeper = keeper
        self.lines = LogLines(self.label)
        self.herald = Herald(observer, self.name, self.label, self.clock, self.lines)
        self.lifecycle = Lifecycle(hooks, config, self.label, self.herald, self.lines)
        # Whether something is to be done at each return, with each object lent, and before it is.
        self._careful = hooks.retter is not None or bool(self.herald)
        self.dresses = hooks.getter is not None or config.trace_owner or bool(self.herald)
        self._by_identity = True
        self.on_long_wait: Callable[[Core[T]], None] | None = None
        """Called, with nothing held, by callers who have waited for long, or in vain."""
        self._start_empty()
        if config.warns_too_late:
            self.say(
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
        self.tally = self.lifecycle.tally = self.herald.tally = Tally()
        self.faults = Faults(FAULTS)
        self.herald.faults = self.faults
        mailbox: Mailbox[T] = Mailbox(nothing)
        plain = not self.dresses and self.config.health_before_get is None
        self.ledger: Ledger[T] = Ledger(self.config, mailbox, careful=self._careful, plain=plain)
        self.ledger.places.by_identity = self._by_identity
        self.refer_to_me()
        self.rounds: Rounds[T] = Rounds(self.config, self.ledger)
        self.chores: deque[Callable[[], None]] = deque()
        self.home_chores: deque[Callable[[], None]] = deque()
        self.lines.forget()
        self.home: Home | None = None
        self.attempts = self.nerrors = self.nreturns = 0
        self.last_error: BaseException | None = None
        self._onlookers: list[Sleeper] = []  # who wait for the last place to be free, or the last object to be there

    def refer_to_me(self) -> None:
        """Have finalizers knock for this pool, and lines be said: neither must keep it alive."""
        reference: weakref.ref[Core[T]] = weakref.ref(self)
        self._knock: Callable[[], None] = partial(self._keeper.knock, weakref.ref(self))
        self.ledger.mailbox.knock = self._knock
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

    def look_after(self) -> None:
        """Have the house keeper look at what is to be watched now."""
        ledger = self.ledger
        unkept = not self._keeper.watch(self)
        if unkept:
            # Without the lock: if somebody writes another time at this moment, loans are quick until the next look.
            ledger.unkept = True
            ledger.quick_gets_until = NEVER
        elif ledger.unkept:
            ledger.unkept = False
            with suppress(Reentered):  # then loans are not quick until the next step
                self.locked(ledger.nudge, self.clock())

    @abstractmethod
    def help_out(self, *, lines: bool = False, home: bool = False) -> bool:
        """Do the house keeper's work, if he is missing and cannot be had; say whether he is still missing.

        For callers who have nothing of the pool in their hands and are in no finalizer: hooks are called. Lines are
        said, if asked for, by a caller who is not in the queue: a handler that borrows would wait behind him.
        """
        ...

    def move_in(self) -> None:
        """Make the current thread's hub, if it has one, the home of a pool that has none.

        To be called before anything that makes the house keeper create objects: made in a thread of his they are
        useless in the hub. Of two hubs that come at once it is either: the pool serves both.
        """
        if self.home is None:
            self.home = home()

    def leave(self, chore: Callable[[], None]) -> None:
        """Leave something to the house keeper; from anywhere, finalizers included."""
        self.chores.append(chore)
        self._keeper.knock(self)

    def say(self, level: int, message: str, *arguments: object, error: BaseException | None = None) -> None:
        """Have something logged by the house keeper, one line at a time and holding up nothing else."""
        self.lines.add(level, message, *arguments, error=error)

    def have_lines_said(self) -> None:
        """Have the house keeper say what is to be logged; from anywhere, finalizers included."""
        self._keeper.watch(self)
        self._keeper.knock(self)  # who keeps the pool until then, should it be dropped at once

    # The beginning and the end of an object. -----------------------------------------------------------

    def create(self, entry: Entry[T]) -> None:
        """Create the object of an entry that is the caller's; what fails is raised, and the place is free.

        Raises:
            Closed: nobody is served any more.
        """
        self.locked(self._count_attempt)
        start = self.clock()
        if self.herald:
            entry.told = {}
        try:
            self.lifecycle.make(entry)
            try:
                self.locked(self.ledger.places.adopt, entry)
            except ValueError as error:
                raise PoolException(f"{self.label}: {error}") from None
            self.lifecycle.open(entry)
            self.lifecycle.name(entry)
        except BaseException as error:
            self.last_error = keepsake(error)
            self.locked(self._count_error, entry, error)
            self.finish(entry)
            self.herald.creation_failed(error, self.clock() - start)
            raise
        now = self.clock()
        entry.last_get = entry.last_ret = now
        self.last_error = None
        self.locked(self._note_success, entry, now)
        self.look_after()
        self.herald.created(entry, now - start)

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
        self.say(logging.ERROR, "%s: creation failed, next attempt in %.3f s: %s", self.label, left, shown(error))

    def finish(self, entry: Entry[T]) -> None:
        """Bring an entry that is the caller's to its end, from whatever stage: close the object, free the place."""
        if entry.stage in (CREATING, LIVE) and entry.made:
            self.locked(self._end_early, entry)
        if entry.told is not None and self.herald.busy:
            self.leave(partial(self.finish, entry))
            return
        if entry.made and self.ledger.wants_refill():
            self.look_after()  # where there is room the successor does not wait for the closer
        try:
            self.herald.discarded(entry, self.clock())
            self.lifecycle.close(entry)
        finally:
            if entry.stage is RETIRED:  # interrupted before the closer
                self.chores.append(partial(self.finish, entry))
                self.look_after()
            else:
                self.locked(self._free, entry)
                if self.ledger.wants_refill():
                    self.look_after()

    def _end_early(self, entry: Entry[T]) -> None:
        if entry.stage is CREATING:  # interrupted between the factory's return and the opener
            self.ledger.places.adopt(entry)
        self.ledger.places.retire(entry, entry.reason)

    def _free(self, entry: Entry[T]) -> None:
        self.ledger.free(entry, self.clock())
        if self.ledger.mailbox.orphans:  # see Returning._sort_orphans
            remove(self.ledger.mailbox.orphans, entry)
        if self.ledger.closed and not self.ledger.places:
            self._keeper.forget(self)
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
            self._keeper.knock(self)  # who closes it as soon as this handler has returned
            return
        except BaseException:
            self.ledger.mailbox.abandoned = True
            self._keeper.knock(self)  # who does the rest
            raise
        if in_hub():  # a signal handler, or a callback: whoever waits there, as closers may, stops all greenlets
            for entry in doomed:
                self.leave(partial(self.finish, entry))
        else:
            for entry in doomed:
                self.finish(entry)
            self.await_rest(timeout)
        if opened:
            self.tell_who_stays()

    def close_books(self) -> list[Entry[T]]:
        """Serve nobody any more, with the lock held; say what is to be closed."""
        doomed = self.ledger.close()
        self.wake_onlookers()
        return doomed

    def await_rest(self, seconds: float) -> None:
        """Wait until every place is free, for some seconds at most."""
        self.look_on(lambda: not self.ledger.places, seconds)

    def look_on(self, done: Callable[[], bool], seconds: float) -> bool:
        """Wait until something is so, for some seconds at most; say whether it is."""
        deadline = self.clock() + seconds
        bed = sleeper()
        self.locked(lambda: self._onlookers.append(bed))
        try:
            while not (so := done()) and (left := deadline - self.clock()) > 0:
                if self.help_out(home=True):
                    left = min(left, TURN)
                bed.sleep(None if left == math.inf else left)
            return so
        finally:
            self.locked(lambda: self._onlookers.remove(bed))
            bed.dispose()

    def wake_onlookers(self) -> None:
        """Have all who wait for something to be so look whether it is; with the lock held."""
        for waiting in self._onlookers:
            waiting.wake()

    def tell_who_stays(self) -> None:
        """Log what is lent when the pool is closed."""
        for entry in snapshot(self.ledger.using.values()):
            self.say(
                logging.WARNING,
                "%s: closed while %s has %s, lent %.3f s ago; it will be closed when it comes back",
                self.label,
                entry.owner,
                self.lifecycle.describe(entry),
                self.clock() - entry.last_get,
            )


_LOCKED: CodeType = vars(Core)["locked"].__code__
