"""One pool: its parts, put together. The public handle and its leases hold it, and no part does.

So dropping the pool is noticed: the handle is held by nobody but its users.
"""

import itertools
import logging
import os
from collections import deque
from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Any, Generic, TypeVar

from .._config import PoolConfig
from .._hooks import Hooks
from .._ledger.counters import Faults, Tally
from .._ledger.counts import Counts, count
from .._ledger.entry import Entry, Mailbox
from .._ledger.ledger import Ledger
from .._ledger.sweeps import Sweeps
from .._observer import PoolObserverOrNone
from .._runtime.fork import never_free
from .._runtime.process import belongs_to_parent, notice_fork, watch_for_forks
from .._runtime.races import pop_first
from .._runtime.uwsgi_hook import hook_into_uwsgi
from .._runtime.waiting import Hub, do_nothing
from .._scheduler.scheduler import Scheduler
from .checks import Checks
from .chores import Chores
from .descriptions import Descriptions
from .guard import Guard
from .hooks import HookCaller
from .loans import Loans
from .log_queue import LogQueue
from .maintenance import Maintenance
from .notifier import ObserverNotifier
from .objects import Objects
from .one_at_a_time import Chore
from .operations import Operations
from .returns import Returns
from .scheduling import Scheduling
from .shared import Quick, Shared
from .situation import Situation
from .steps import THREADS, THREADS_OF_PROXY, Driver, run, run_rest
from .waits import Waits

T = TypeVar("T")

_ids = itertools.count(1)

FAULTS = 16
"""Kinds of errors that are remembered."""


def _is_reloader() -> bool:
    """Whether this is the parent of a reloading development server, which serves nobody."""
    return "PPP_WERKZEUG_WORKAROUND" in os.environ and os.environ.get("WERKZEUG_RUN_MAIN") != "true"


LOG_PAUSE = 0.01
"""Seconds between two looks whether a line has been logged, at the exit of the interpreter."""


class Core(Generic[T]):
    """One pool, as the scheduler knows it."""

    def __init__(
        self,
        hooks: Hooks[T],
        config: PoolConfig,
        scheduler: Scheduler,
        observer: PoolObserverOrNone[T] = None,
        driver: Driver = THREADS,
    ) -> None:
        notice_fork()
        watch_for_forks()
        hook_into_uwsgi()
        self.id = next(_ids)
        self.name = config.name if config.name is not None else f"#{self.id}"
        self.label = label = f"pool {self.name!r}" if config.name is not None else f"pool {self.name}"
        self.scheduler = scheduler
        self.environment = scheduler.environment
        self.clock = self.environment.clock
        self.quick: Quick[T] = Quick(self.clock)
        self.started = datetime.fromtimestamp(self.environment.wall_clock())
        self.started_at = self.clock()
        self._config = config
        self.log_queue = LogQueue(label, self.environment.wall_clock)
        self.notifier = ObserverNotifier(observer, self.name, label, self.clock, self.log_queue)
        self.descriptions = Descriptions(hooks, self.notifier)
        if driver is THREADS and self.descriptions.client is not None:
            driver = THREADS_OF_PROXY
        self.driver = driver
        self.hooks = HookCaller(hooks, config, label, self.notifier, self.log_queue, driver, self.descriptions)
        self.guard = Guard(label)
        self.scheduling = Scheduling(scheduler, self.guard, self.log_queue, maintained=not _is_reloader())
        shared: Shared[T] = Shared(
            label=label,
            environment=self.environment,
            config=config,
            guard=self.guard,
            descriptions=self.descriptions,
            hooks=self.hooks,
            notifier=self.notifier,
            log_queue=self.log_queue,
            scheduling=self.scheduling,
            driver=driver,
        )
        self.chores = chores = Chores(shared)
        self.situation = situation = Situation(shared)
        self.objects = objects = Objects(shared, chores)
        self.returns = returns = Returns(shared, chores, objects)
        self.maintenance = maintenance = Maintenance(shared, chores, objects, returns)
        self.checks = checks = Checks(shared, returns)
        self.waits = waits = Waits(shared, chores, objects, returns, maintenance, checks, situation)
        self.loans = Loans(shared, chores, objects, returns, checks, waits)
        self.operations = Operations(shared, chores, objects, returns, maintenance, situation)
        self._by_identity = True
        self._max_idle: int | None = None
        self._oldest_first = False
        self._start_empty(config)
        scheduler.register(self)
        self._check_parameters()

    def _start_empty(self, config: PoolConfig, *, closed: bool = False) -> None:
        """Begin with nothing: at construction, in the child of a fork, and after the end of an event loop."""
        hooks = self.hooks.hooks
        mailbox: Mailbox[T] = Mailbox(do_nothing)
        self.tally = tally = Tally()
        self.faults = Faults(FAULTS)
        ledger = Ledger(
            config,
            mailbox,
            always_slow_return=hooks.retter is not None or bool(self.notifier),
            quick_gets=not self.loans.has_loan_hooks and config.health_before_get is None,
            random=self.environment.random,
            max_idle=self._max_idle,
            oldest_first=self._oldest_first,
        )
        if closed:
            ledger.close()
        self.ledger = ledger
        self.shelves = self.quick.shelves = ledger.shelves
        ledger.places.by_identity = self._by_identity
        self.sweeps = sweeps = Sweeps(config, ledger)
        self._refer_to_me()
        self.notifier.start_empty(tally, self.faults)
        self.hooks.start_empty(tally)
        self.guard.start_empty(ledger)
        self.scheduling.start_empty(ledger)
        self.chores.start_empty(tally)
        self.objects.start_empty(ledger)
        self.returns.start_empty(ledger, sweeps)
        self.maintenance.start_empty(ledger, sweeps, tally)
        self.situation.start_empty(ledger, sweeps)
        self.checks.start_empty(ledger, tally)
        self.waits.start_empty(ledger)
        self.loans.start_empty(ledger)
        self.operations.start_empty(ledger, sweeps)
        self.nreturns = 0

    def _refer_to_me(self) -> None:
        """Have the scheduler look at this pool when it is asked to; nothing that asks it keeps the pool alive."""
        self.scheduling.refer_to(self)
        self.ledger.mailbox.request_look = self.scheduling.new_look_request()

    def _check_parameters(self) -> None:
        """Say what is wrong with the parameters, taken together."""
        config = self._config
        if config.warns_too_late:
            self.log_later(
                logging.WARNING,
                "%s: max_using_delay (%g) is more than max_using_delay_kill (%g): nobody will be warned",
                self.label,
                config.warn_delay,
                config.kill_delay,
            )
        if not self.scheduling.maintained:
            self.log_later(logging.WARNING, "%s: no maintenance in the parent of a reloading server", self.label)

    def __repr__(self) -> str:
        return self.label

    @property
    def config(self) -> PoolConfig:
        """What the pool was told, with the bounds as they are now."""
        return self.ledger.places.config

    def count(self) -> Counts:
        """Read what its objects and callers do, with the lock held or, for a look at any time, without it."""
        return count(self.ledger, self.sweeps, self.clock())

    def allow_same_object(self) -> None:
        """Let the factory return an object again that is there already, where all loans are leases.

        To be called before there is any object.
        """
        self._by_identity = self.ledger.places.by_identity = False

    def keep_idle(self, most: int | None, *, oldest_first: bool) -> None:
        """Close what comes back while so many objects are idle; lend first what has been idle for longest.

        To be called before there is any object.
        """
        self._max_idle, self._oldest_first = most, oldest_first
        self._start_empty(self._config)

    # For leases. ---------------------------------------------------------------------------------------

    def end_loan_later(self, entry: Entry[T], use: int, *, quietly: bool = False) -> None:
        """Have a loan ended whose lease was dropped; in a finalizer, so nobody is waited for or called."""
        self.returns.note_dropped(entry, use, quietly=quietly)
        self.scheduler.request_look(self)  # which keeps this pool until then: the lease may have been the last that did

    # For the scheduler: see ``Maintained``. ------------------------------------------------------------

    @property
    def queued(self) -> deque[Chore]:
        """Chores that any thread may do."""
        return self.chores.in_worker

    @property
    def queued_in_hub(self) -> deque[Chore]:
        """Chores that the pool's hub does as long as it lives."""
        return self.chores.in_hub

    @property
    def hub(self) -> Hub | None:
        """The hub in which the pool was first used."""
        return self.scheduling.hub

    def hub_ended(self) -> None:
        """Have no hub any more."""
        with self.driver.lock:
            loop = self.driver.loop
            if loop is not None and loop.alive():
                return  # at this moment the pool has come to live in its next loop
            self.scheduling.hub = None
            if self.driver.for_tasks:
                self.chores.in_hub.clear()  # nobody can do anything about what the loop has left
                self.scheduling.let_go()

    def run_due(self) -> float | None:
        """Queue the chores that are due; give the time of the next look, ``None`` to be left alone."""
        loop = self.driver.loop
        if loop is not None and not loop.alive():
            self.hub_ended()  # the pool starts over when it is used again
            self.chores.request_flush_by_worker()
            return None
        # Looked at once: a finalizer that drops the pool from here on asks for another look, after this one. Else this
        # one would close it, and neither would keep it for what it has lent.
        dropped = self.ledger.mailbox.abandoned
        if dropped:
            # If this was garbage with its handle, all weak references to it were cleared before the finalizer called.
            self.scheduler.register(self)
            self._refer_to_me()
        deadline = self.maintenance.run_due(dropped=dropped)
        if dropped and self.shelves.using:
            self.scheduler.keep_alive(self)
            if not self.ledger.places:  # the last came back at this moment, before it was remembered
                self.scheduling.let_go()
        return deadline

    def run_chores(self, *, common: bool = True, hub: bool = True) -> None:
        """Run what is queued, hooks included; raises nothing."""
        self.chores.run_for_scheduler(common=common, hub=hub)

    def log_later(self, level: int, message: str, *arguments: object, error: BaseException | None = None) -> None:
        """Have something logged by maintenance, one line at a time and holding up nothing else."""
        self.log_queue.add(level, message, *arguments, error=error)

    # The ends: of the handle, of the process, and its beginning as a child. ----------------------------

    def abandon(self) -> None:
        """Have maintenance close the pool, for whoever must neither wait nor call anything: a finalizer."""
        ledger = self.ledger
        if belongs_to_parent():
            never_free(ledger)  # nobody else will: this pool ends here
        elif ledger.places or (self.config.min_size and not ledger.closed and self.scheduling.has_threads):
            # Also if there is nothing to close: maintenance may be about to create what is missing.
            ledger.mailbox.abandoned = True
            self.scheduler.request_look(self)
        else:
            self.driver.call_off_end()

    def close_at_exit(self) -> list[Callable[[], None]]:
        """Close the pool at interpreter exit: what is to be called for that."""
        self.log_queue.silent = self.notifier.silent = True
        doomed = self.guard.locked(partial(self.ledger.close, at_exit=True))
        if self.driver.for_tasks or self.hooks.hooks.closer is None:  # event loops have ended, or stand still
            self.chores.anywhere.clear()
            return [self.chores.flush_log] if self.log_queue else []
        self.returns.read_mailbox()
        self.maintenance.queue_closing(doomed)
        # One by one, not by run_chores(): a closer that hangs keeps no other object open.
        return [*map(_job, _taken(self.chores.anywhere)), self.run_chores]

    def wait_until_empty(self, seconds: float) -> None:
        """Wait until every place is free, and each line that is being logged is written, for some seconds at most."""
        until = self.clock() + seconds
        if not self.driver.for_tasks and (self.hooks.hooks.closer is not None or not self.log_queue.silent):
            run(self.operations.wait_until_empty(seconds))
        sleeper = self.environment.new_sleeper()
        try:
            # None is added any more. If a worker was logging one, the exit has left it those that are queued as well.
            while self.log_queue.unwritten and (left := until - self.clock()) > 0:
                sleeper.sleep(min(left, LOG_PAUSE))
        finally:
            sleeper.dispose()

    def after_fork(self) -> None:
        """Start anew in a child: what the parent has is the parent's, even to the point of not being freed here."""
        never_free(
            (self.ledger, self.chores.anywhere, self.chores.in_hub, self.objects.last_error, self.log_queue.lines)
        )
        self.log_queue.start_empty()
        self.start_over()

    def start_over(self) -> None:
        """Have nothing again, as a new pool; or as a closed one, unless it was closed for the end of an event loop."""
        self._start_empty(self.config, closed=self.ledger.closed and not self.driver.closed_for_end)
        self.driver.leave_loop()  # last: who is interrupted before does all this again, and it comes to the same


def catch_up(core: Core[Any]) -> None:
    """Take back what finalizers have left to a pool, so that it is not shown as in use."""
    if core.returns.read_mailbox() or core.ledger.unmaintained:
        core.scheduling.schedule()
    if not core.scheduling.maintained:
        core.run_chores()


def _taken(chores: deque[Chore]) -> list[Chore]:
    """Take out all chores; workers take some meanwhile."""
    taken: list[Chore] = []
    while (chore := pop_first(chores)) is not None:
        taken.append(chore)
    return taken


def _job(chore: Chore) -> Callable[[], None]:
    """Make a chore something that a thread calls."""
    return lambda: run_rest(chore())
